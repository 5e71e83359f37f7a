// Packets for peers that have no session yet: kept for as long as a handshake may take, so that the first is not the lost one.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "vnet.h"

namespace trellis {

/** Shared by the workers. Bounded per peer, in peers, in bytes and in time. */
class Waiting {
 public:
  static constexpr size_t MAX_PEERS = 64;
  static constexpr size_t MAX_PACKETS = 64;             // of one peer
  static constexpr size_t MAX_PEER_BYTES = 128 * 1024;  // two superpackets of a sender that does not wait for an answer
  static constexpr size_t MAX_BYTES = 1024 * 1024;      // of all peers
  static constexpr int64_t LIFETIME = 5000;             // ms; twice what 99 of 100 handshakes take under 40 % loss

  /** As the TUN device handed it out. */
  struct Packet {
    VnetHeader vnet;
    std::vector<uint8_t> bytes;
    int64_t since;  // ms
  };

  /** Counts the calls of `release`. Read it before looking for a session: `keep` must know if one came in between. */
  uint64_t releases() const { return releases_.load(std::memory_order_acquire); }

  /** Keeps a packet for `peer`, which had no session when `releases` gave `seen`; false when there is no room for it. */
  bool keep(const std::string& peer, Packet packet, uint64_t seen) {
    const std::lock_guard lock(mutex_);
    if (bytes_ + packet.bytes.size() > MAX_BYTES) return false;
    if (seen != releases_.load(std::memory_order_relaxed)) {  // perhaps for this peer: look again
      bytes_ += packet.bytes.size();
      released_.push_back(std::move(packet));
    } else {
      if (!lines_.contains(peer) && lines_.size() == MAX_PEERS) return false;
      Line& line = lines_[peer];
      if (line.packets.size() == MAX_PACKETS || line.bytes + packet.bytes.size() > MAX_PEER_BYTES) return false;
      line.bytes += packet.bytes.size();
      bytes_ += packet.bytes.size();
      line.packets.push_back(std::move(packet));
    }
    count_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  /** The peer has a session from now on. Whether `take` has something to give. */
  bool release(const std::string& peer) {
    const std::lock_guard lock(mutex_);
    releases_.fetch_add(1, std::memory_order_release);
    if (const auto line = lines_.find(peer); line != lines_.end()) {
      for (Packet& packet : line->second.packets) released_.push_back(std::move(packet));
      lines_.erase(line);
    }
    return !released_.empty();
  }

  /** The packets of released peers, each peer's oldest first. */
  std::vector<Packet> take() {
    const std::lock_guard lock(mutex_);
    std::vector<Packet> taken;
    taken.swap(released_);
    for (const Packet& packet : taken) forget(packet);
    return taken;
  }

  /** Drops what has waited too long; gives the number of packets. `now` in ms. */
  size_t expire(int64_t now) {
    const std::lock_guard lock(mutex_);
    size_t expired = 0;
    for (auto at = lines_.begin(); at != lines_.end();) {
      Line& line = at->second;
      for (; !line.packets.empty() && now - line.packets.front().since > LIFETIME; expired++) {
        line.bytes -= line.packets.front().bytes.size();
        forget(line.packets.front());
        line.packets.pop_front();
      }
      at = line.packets.empty() ? lines_.erase(at) : std::next(at);
    }
    return expired;
  }

  /** One atomic load: what workers pay when nothing waits. */
  bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }

  void clear() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
    released_.clear();
    bytes_ = 0;
    count_.store(0, std::memory_order_relaxed);
  }

 private:
  struct Line {
    std::deque<Packet> packets;
    size_t bytes = 0;
  };

  void forget(const Packet& packet) {
    bytes_ -= packet.bytes.size();
    count_.fetch_sub(1, std::memory_order_relaxed);
  }

  std::mutex mutex_;
  std::unordered_map<std::string, Line> lines_;
  std::vector<Packet> released_;
  size_t bytes_ = 0;
  std::atomic<size_t> count_{0};
  std::atomic<uint64_t> releases_{0};
};

}  // namespace trellis
