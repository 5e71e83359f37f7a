// The machine's interfaces and routes, as far as links depend on them (rtnetlink): which way an endpoint is reached, and who has lost
// its carrier.
#pragma once
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "descriptor.h"
#include "netlink_request.h"
#include "reach.h"

namespace trellis {

/** Bytes that have gone over an interface, both ways, since it is there; nothing when it is not. */
std::optional<uint64_t> interface_bytes(uint32_t device);

class Uplinks final : public Reach {
 public:
  /** `only`: the tunnel uses this interface alone; empty: any but `overlay`, which is its own. `port`: of its UDP sockets. */
  Uplinks(std::string only, std::string overlay, uint16_t port) : only_(std::move(only)), overlay_(std::move(overlay)), port_(port) {}

  Status open();
  /** Readable when there is something to hear. */
  int descriptor() const { return events_.get(); }
  /** Interfaces that have lost their carrier, or went, since this was last called. For one thread; never waits. */
  std::vector<uint32_t> hear();

  uint64_t version() const override { return version_.load(std::memory_order_relaxed); }
  std::optional<Way> find(const Endpoint& to, uint32_t device) override;
  std::vector<uint32_t> others(const Endpoint& to, uint32_t taken) override;

 private:
  std::vector<uint32_t> read_links();
  bool take_link(const nlmsghdr* message, std::vector<uint32_t>& lost);
  std::optional<Way> ask(const Endpoint& to, uint32_t device, uint32_t flags);

  const std::string only_, overlay_;
  const uint16_t port_;
  Descriptor events_;
  NetlinkSocket routes_;
  std::atomic<uint64_t> version_{1};
  std::mutex mutex_;
  std::map<uint32_t, bool> carriers_;  // of what could be left by, whether there is a carrier
};

}  // namespace trellis
