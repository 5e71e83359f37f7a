// Counters: each worker writes its own, everybody may read them.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "layout.gen.h"

namespace trellis {

enum class Drop : uint8_t {
  malformed,    // not a frame of ours, or an inner packet whose headers contradict themselves
  no_session,   // no session has this receiver index, or none came up in time for a packet that waited
  auth,         // the tag is wrong
  replay,       // seen before or too old
  source,       // inner source address that does not belong to the peer
  destination,  // inner destination that is neither ours nor in a subnet that we announce
  no_route,     // inner destination that belongs to no peer
  no_endpoint,  // the peer's underlay address is not known yet
  exhausted,    // the key has sealed 2^28 packets
  tun_full,     // the TUN device refused the packet
  no_device,    // the tunnel has no TUN device
  send_failed,  // the socket refused the datagram
  slowed,       // a segment of a bulk flow, so that it stops filling a queue that never runs empty
  over_cap,     // no link to the peer may carry any more today
  control_full, // the runtime did not fetch its control frames
  through_mesh, // came to our UDP port over the overlay, where the underlay never is
  count,
};

/** Names as `DataPlaneStats.drops` has them. */
constexpr std::array<const char*, static_cast<size_t>(Drop::count)> DROP_NAMES = {
    "malformed", "noSession", "auth", "replay", "source", "destination", "noRoute", "noEndpoint", "exhausted", "tunFull", "noDevice", "sendFailed", "slowed", "overCap", "controlFull", "throughMesh",
};

/** A counter that one thread writes: a plain addition, yet readable from others. */
class Counter {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/** A cache line to itself, so that workers do not slow each other down. */
struct alignas(64) Counters {
  Counter sent_packets, sent_bytes, received_packets, received_bytes;
  std::array<Counter, static_cast<size_t>(Drop::count)> drops;
  std::array<Counter, RELAY_VERDICTS> relay;  // frames by verdict

  void drop(Drop reason, uint64_t n = 1) { drops[static_cast<size_t>(reason)].add(n); }
};

}  // namespace trellis
