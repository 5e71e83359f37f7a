// What workers look up: an immutable snapshot that the control thread replaces as a whole.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "homes.h"
#include "ip.h"
#include "lpm.h"
#include "owners.h"
#include "relay_tables.h"
#include "session.h"

namespace trellis {

/** Cryptokey routing: to whom an inner address belongs. */
struct Routes {
  Lpm<const Owners> v4, v6;
  std::vector<std::shared_ptr<const Owners>> owners;  // keeps the tries' pointers alive
  Key own = 0;                                        // our overlay address; without one everything is taken

  void insert(Key prefix, unsigned length, bool is_v4, std::shared_ptr<const Owners> owner) {
    (is_v4 ? v4 : v6).insert(prefix, length, owner.get());
    owners.push_back(std::move(owner));
  }
  void insert(Key prefix, unsigned length, bool is_v4, std::shared_ptr<Peer> owner) {
    insert(prefix, length, is_v4, std::make_shared<const Owners>(Owners{{std::move(owner)}}));
  }
  const Owners* find_source(const uint8_t* packet) const { return (is_v4(packet) ? v4 : v6).find(source_of(packet)); }
  const Owners* find_destination(const uint8_t* packet) const { return (is_v4(packet) ? v4 : v6).find(destination_of(packet)); }
  /** Whether the packet is for us or for a subnet of ours: the kernel may forward others, and a peer is not to use it for that. */
  bool takes(const uint8_t* packet) const {
    if (own == 0 || (!is_v4(packet) && destination_of(packet) == own)) return true;
    const Owners* owners = find_destination(packet);
    return owners != nullptr && owners->ours;
  }
};

using Sessions = std::unordered_map<uint32_t, std::shared_ptr<Session>>;

struct Tables {
  std::shared_ptr<Homes> homes;  // null: the device has no steering
  std::shared_ptr<const Routes> routes = std::make_shared<Routes>();
  std::shared_ptr<const Sessions> sessions = std::make_shared<Sessions>();
  std::shared_ptr<const RelayTables> relay = std::make_shared<RelayTables>();
};

/** The current snapshot. Readers pay one atomic load per batch as long as nothing changes. */
class Published {
 public:
  void publish(Tables tables) {
    auto next = std::make_shared<const Tables>(std::move(tables));
    const std::lock_guard lock(mutex_);
    current_.swap(next);
    version_.fetch_add(1, std::memory_order_release);
  }

  /** Replaces `held` if there is a newer snapshot; the old one dies with its last reader. */
  void refresh(std::shared_ptr<const Tables>& held, uint64_t& version) const {
    if (held != nullptr && version_.load(std::memory_order_acquire) == version) return;
    const std::lock_guard lock(mutex_);
    held = current_;
    version = version_.load(std::memory_order_relaxed);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Tables> current_ = std::make_shared<const Tables>();
  std::atomic<uint64_t> version_{0};
};

}  // namespace trellis
