#include "pulse.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "clock.h"

namespace trellis {
namespace {

constexpr uint64_t SECOND = 1'000'000'000;
constexpr uint64_t TELL_EVERY = SECOND / 5;  // of changes of interfaces and routes, of which there may be many

EventType type_of(Liveness::News news, bool of_link) {
  if (news == Liveness::News::carries) return EventType::carries;
  if (news == Liveness::News::stands_still) return EventType::stands_still;
  if (news == Liveness::News::goes_on) return EventType::goes_on;
  if (news == Liveness::News::silent) return of_link ? EventType::link_silent : EventType::silent;
  return of_link ? EventType::link_alive : EventType::alive;
}

}  // namespace

Pulse::Pulse(const Published& published, Mailbox& mailbox, const UdpSocket& socket, std::shared_ptr<Uplinks> uplinks)
    : published_(published),
      mailbox_(mailbox),
      liveness_([&socket](const Endpoint& to, const relay_words& question) { socket.send_urgent(to, reinterpret_cast<const uint8_t*>(&question), sizeof question); },
                [&mailbox](Liveness::News news, const std::string& peer, const Endpoint* link) {
                  mailbox.event({type_of(news, link != nullptr), 0, link != nullptr ? *link : Endpoint{}, peer});
                },
                interface_bytes),
      uplinks_(std::move(uplinks)) {}

Status Pulse::start() {
  wake_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.open()) return failed("eventfd");
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "trellis-pulse");
  // A question that waits for a core makes a link look dead. Where this is not allowed, it waits.
  sched_param priority{};
  priority.sched_priority = 1;
  pthread_setschedparam(thread_.native_handle(), SCHED_RR, &priority);
  return {};
}

void Pulse::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Pulse::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    published_.refresh(tables_, version_);
    const uint64_t now = clock_ns();
    uint64_t next = liveness_.turn(*tables_, now);
    if (changed_) next = std::min(next, next_told_);
    wait(next);
    hear(clock_ns());
  }
  tables_.reset();
}

/** Until then, or until interfaces or routes change. */
void Pulse::wait(uint64_t until) {
  const uint64_t now = clock_ns();
  const uint64_t span = until - std::min(until, now);
  const timespec timeout{static_cast<time_t>(span / SECOND), static_cast<long>(span % SECOND)};
  pollfd fds[] = {{wake_.get(), POLLIN, 0}, {uplinks_ != nullptr ? uplinks_->descriptor() : -1, POLLIN, 0}};
  ppoll(fds, 2, &timeout, nullptr);
}

/** The links of an interface without a carrier are silent at once; that there may be other ways now is told, not too often. */
void Pulse::hear(uint64_t now) {
  if (uplinks_ == nullptr) return;
  const uint64_t version = uplinks_->version();
  for (const uint32_t device : uplinks_->hear()) liveness_.cut(*tables_, device);
  changed_ = changed_ || uplinks_->version() != version;
  if (!changed_ || now < next_told_) return;
  mailbox_.event({EventType::network, 0, {}, {}});
  changed_ = false;
  next_told_ = now + TELL_EVERY;
}

}  // namespace trellis
