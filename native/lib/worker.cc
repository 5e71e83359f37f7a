#include "worker.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "clock.h"
#include "steering_terms.h"

namespace trellis {
namespace {

constexpr size_t PACKET_ROOM = 65536 + 128;  // the largest superpacket and its headers
constexpr size_t TURN_PACKETS = 64;          // TUN reads before the other direction has its turn
constexpr size_t TURN_BYTES = 64 * 1024;     // or this much sealed
constexpr int BUSY_TURNS = 64;               // without a pause: no longer what sparse flows bring
constexpr int64_t PAUSE_NS = 10'000;         // a poll that took so long has waited
constexpr int BURST_MESSAGES = 8;            // more follow such a turn soon
constexpr long NAP_NS = 50'000;              // as network cards wait with an interrupt, so that it is for several packets
constexpr int EXPIRY_MS = 500;               // how often a worker that sleeps looks after packets that wait for a session

int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

Worker::Worker(size_t index, bool sparse, UdpSocket socket, TunQueue tun, const Published& published, Waiting& waiting, Mailbox& mailbox)
    : socket_(std::move(socket)),
      tun_(std::move(tun)),
      published_(published),
      waiting_(waiting),
      relay_(counters_, [this](const Batch& batch) { counters_.drop(Drop::send_failed, socket_.send(batch)); },
             [this, &mailbox](uint32_t index, const Endpoint& place) {
               const auto session = tables_->sessions->find(index);
               if (session != tables_->sessions->end()) mailbox.place(session->second->peer->id, place, now_ms());
             }),
      inbound_(index, counters_, mailbox, *this, tun_.is_open(), tun_.takes_udp(), &relay_),
      outbound_(
          index, counters_, mailbox, waiting, [this](const Batch& batch) { counters_.drop(Drop::send_failed, socket_.send(batch)); },
          [this](uint8_t* packet, size_t size) { answer(packet, size); }),
      packet_(std::make_unique_for_overwrite<uint8_t[]>(PACKET_ROOM)),
      index_(index),
      device_(tun_.is_open()),
      sparse_(sparse),
      nearness_(static_cast<uint32_t>(clock_ns()) | 1) {}

Status Worker::start() {
  wake_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.open()) return failed("eventfd");
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "trellis-tunnel");
  return {};
}

void Worker::wake() {
  eventfd_write(wake_.get(), 1);
}

void Worker::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  prctl(PR_SET_TIMERSLACK, 1);  // ns; as much as a nap otherwise
  while (!stopping_.load(std::memory_order_acquire)) {
    const uint64_t releases = waiting_.releases();
    published_.refresh(tables_, version_);
    // Both directions are tried instead of asking the poll which has something: under load both do. Sparse flows are not: what was
    // found empty is not tried again before the poll has been asked.
    const Turn received = quiet_ ? Turn{false, true} : receive_turn(), sent = send_turn(releases);
    quiet_ = false;
    const bool moved = received.moved || sent.moved;
    if (moved) took(received.moved, sent.moved);
    if (sparse_ ? !received.drained || !sent.drained : moved) continue;
    if (sparse_ && poll_.looks_on(static_cast<int64_t>(clock_ns()))) sched_yield();  // who will answer may wait for this CPU
    else wait();
  }
  outbound_.finish();  // what waited for a full datagram
  tables_.reset();
}

void Worker::took(bool received, bool sent) {
  if (!sparse_) return;
  if (++busy_ == BUSY_TURNS) urgency_.lower();
  const auto now = static_cast<int64_t>(clock_ns());
  if (received) poll_.received(now);
  if (sent) poll_.sent(now);
}

/**
 * By poll and not by epoll, which is told of each packet that arrives, also while nobody waits. A device that was removed is left out:
 * it would report that for ever.
 */
void Worker::wait() {
  if (std::exchange(burst_, false)) return nap();
  if (sparse_ && busy_ < BUSY_TURNS) urgency_.raise();
  const auto since = static_cast<int64_t>(clock_ns());
  pollfd fds[] = {{wake_.get(), POLLIN, 0}, {socket_.descriptor(), POLLIN, 0}, {device_ ? tun_.descriptor() : -1, POLLIN, 0}};
  poll(fds, std::size(fds), waiting_.empty() ? -1 : EXPIRY_MS);
  const auto now = static_cast<int64_t>(clock_ns());
  if (now - since >= PAUSE_NS) busy_ = 0;
  quiet_ = sparse_ && fds[1].revents == 0;
  if (wakers_.open()) draw_near(fds[1].revents != 0, fds[2].revents != 0, since, now);
  if (fds[0].revents == 0) return;
  eventfd_t woken;
  eventfd_read(wake_.get(), &woken);
}

/** Who naps need not be woken, which costs whoever takes packets in: where they come one by one that is what is short. */
void Worker::nap() {
  const timespec time{0, NAP_NS};
  nanosleep(&time, nullptr);
}

/** The sleep from `since` to `now` has ended, by what one direction had, or both or neither. */
void Worker::draw_near(bool arrived, bool leaves, int64_t since, int64_t now) {
  int waker = Nearness::UNKNOWN;
  if (arrived != leaves) waker = static_cast<int>(wakers_[arrived ? STEERING_ARRIVING : STEERING_LEAVING].load(std::memory_order_relaxed)) - 1;
  const int cpu = nearness_.woken(waker, sched_getcpu(), since, now);
  if (cpu == Nearness::ANYWHERE) urgency_.roam();
  else if (cpu != Nearness::STAY) urgency_.stay(cpu);
}

Worker::Turn Worker::send_turn(uint64_t releases) {
  if (!device_) return {false, true};
  size_t packets = 0;
  bool drained = false;
  const int64_t now = now_ms();
  outbound_.begin(*tables_, releases, now);
  if (!waiting_.empty()) {
    outbound_.resume();
    counters_.drop(Drop::no_session, waiting_.expire(now));
  }
  while (packets < TURN_PACKETS && outbound_.pending() < TURN_BYTES) {
    VnetHeader vnet;
    const ssize_t size = tun_.read(vnet, packet_.get(), PACKET_ROOM);
    if (size == 0) {
      outbound_.drained();
      drained = true;
      break;
    }
    packets++;
    if (size > 0) outbound_.packet(vnet, packet_.get(), static_cast<size_t>(size));
    else if (!refused_packet()) break;
    if (sparse_ && packets == 1) outbound_.finish();  // mostly the only one: it does not wait for a look after others
  }
  outbound_.finish(outbound_.pending() >= TURN_BYTES);
  return {packets > 0, drained};
}

Worker::Turn Worker::receive_turn() {
  inbound_.begin(*tables_, now_ms());
  const int messages = socket_.receive(ring_, [this](const Received& message) { take(message); });
  const bool drained = !ring_.was_full(messages);
  if (messages > 0) burst_ = !sparse_ && messages >= BURST_MESSAGES;
  if (sparse_ ? drained : messages == 0) inbound_.drained();
  inbound_.finish();
  return {messages > 0, drained};
}

void Worker::take(const Received& message) {
  // From a peer at an overlay address, or one that sends to ours: the tunnel would end up in itself.
  if (device_ && message.device != 0 && message.device == tun_.device()) return counters_.drop(Drop::through_mesh);
  if (message.size == 0) return inbound_.frame(message.data, 0, message.from, message.to);
  for (size_t offset = 0; offset < message.size; offset += message.segment) {
    inbound_.frame(message.data + offset, std::min(message.segment, message.size - offset), message.from, message.to);
  }
}

/** After a failed read: whether it cost one packet only, or the device was removed. */
bool Worker::refused_packet() {
  counters_.drop(Drop::malformed);
  device_ = errno != EBADFD;
  return device_;
}

void Worker::answer(uint8_t* packet, size_t size) {
  VnetHeader none{};
  const iovec pieces[] = {{&none, sizeof none}, {packet, size}};
  write(pieces, 2, 1);
}

void Worker::write(const iovec* pieces, int count, size_t packets) {
  if (tables_->homes != nullptr && !sparse_) tables_->homes->settle(static_cast<const uint8_t*>(pieces[1].iov_base), index_);
  if (!tun_.write(pieces, count)) counters_.drop(Drop::tun_full, packets);
}

}  // namespace trellis
