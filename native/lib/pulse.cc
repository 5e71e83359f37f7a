#include "pulse.h"

#include <pthread.h>

#include <chrono>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the kernel programs have it

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

}  // namespace

Pulse::Pulse(const Published& published, Mailbox& mailbox, const UdpSocket& socket)
    : published_(published),
      liveness_([&socket](const Endpoint& to, const relay_words& question) { socket.send_urgent(to, reinterpret_cast<const uint8_t*>(&question), sizeof question); },
                [&mailbox](const std::string& peer, bool silent) {
                  mailbox.event({silent ? EventType::silent : EventType::alive, 0, {}, peer});
                }) {}

void Pulse::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "trellis-pulse");
  // A question that waits for a core makes a link look dead. Where this is not allowed, it waits.
  sched_param priority{};
  priority.sched_priority = 1;
  pthread_setschedparam(thread_.native_handle(), SCHED_RR, &priority);
}

void Pulse::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Pulse::run() {
  std::shared_ptr<const Tables> tables;
  uint64_t version = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    published_.refresh(tables, version);
    const uint64_t next = liveness_.turn(*tables, now_ns());
    lock.lock();
    wake_.wait_until(lock, Clock::time_point(std::chrono::nanoseconds(next)), [this] { return stopping_; });
  }
}

}  // namespace trellis
