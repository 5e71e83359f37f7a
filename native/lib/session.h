// Peers and their data sessions, as workers share them.
#pragma once
#include <arpa/inet.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aead.h"
#include "endpoint.h"
#include "joiner.h"
#include "replay.h"

namespace trellis {

/** Packets one key may seal: AES-GCM's bound at packet sizes. */
constexpr uint64_t SEAL_LIMIT = uint64_t{1} << 28;
/** Packets after which the runtime is asked for new keys. */
constexpr uint64_t SEAL_SOFT_LIMIT = uint64_t{1} << 26;

struct Session;

/** Where a peer is and with which session it is spoken to. */
struct Target {
  Endpoint endpoint;
  std::shared_ptr<Session> session;
};

class Peer {
 public:
  explicit Peer(std::string id) : id(std::move(id)), label(label_of(this->id)) {}

  /** Overlay address as text: what the runtime calls this peer. */
  const std::string id;
  /** Its last eight bytes, as they lie in memory; 0 of what is no address. */
  const uint64_t label;
  /** Among the relay's neighbours; 0 before it has one. */
  std::atomic<uint32_t> relay_number{0};
  /** Largest data frame that reaches it, bytes; 0 for no limit. */
  std::atomic<uint32_t> frame_limit{0};

  Target target() const {
    const std::lock_guard lock(mutex_);
    return target_;
  }
  Endpoint endpoint() const {
    const std::lock_guard lock(mutex_);
    return target_.endpoint;
  }
  void set_endpoint(const Endpoint& endpoint) {
    const std::lock_guard lock(mutex_);
    target_.endpoint = endpoint;
  }
  void use(std::shared_ptr<Session> session) {
    const std::lock_guard lock(mutex_);
    target_.session = std::move(session);
  }
  /** Stops sealing with `session` if it is the one in use. */
  void stop(const Session* session) {
    const std::lock_guard lock(mutex_);
    if (target_.session.get() == session) target_.session.reset();
  }

 private:
  static uint64_t label_of(const std::string& id) {
    in6_addr address;
    uint64_t label = 0;
    if (inet_pton(AF_INET6, id.c_str(), &address) == 1) std::memcpy(&label, address.s6_addr + 8, sizeof label);
    return label;
  }

  mutable std::mutex mutex_;  // taken once per batch and peer, held for a copy
  Target target_;
};

/** Keys of the relay tag (SipHash-2-4) for what a peer and we send on for each other. */
struct HopKeys {
  static constexpr size_t SIZE = 16;
  std::array<uint8_t, SIZE> send, receive;
};

/**
 * Keys of one direction pair. Each worker has contexts of its own; the counter and the window are shared. `receive` guards the window
 * and is held for one look at it only: a worker that the system stops in between must not stop the one for sparse flows.
 */
struct Session {
  uint32_t local_index = 0;
  uint32_t remote_index = 0;
  std::shared_ptr<Peer> peer;
  std::optional<HopKeys> hop;  // absent: the peer and we relay nothing for each other

  std::vector<std::unique_ptr<Sealer>> sealers;  // by worker
  std::atomic<uint64_t> next_counter{0};
  std::vector<std::unique_ptr<Opener>> openers;  // by worker
  std::mutex receive;
  ReplayWindow window;
  Joiner joiner;

  std::atomic<uint64_t> sent_packets{0}, sent_bytes{0}, received_packets{0}, received_bytes{0};
  std::atomic<int64_t> last_received{-1};  // CLOCK_MONOTONIC ms; -1 before the first
};

}  // namespace trellis
