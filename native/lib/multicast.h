// Small datagrams to everybody on a link, and those that others send there: one port, an IPv4 and an IPv6 group, any number of interfaces.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "descriptor.h"
#include "endpoint.h"
#include "status.h"

namespace trellis {

struct MulticastGroups {
  in_addr v4;
  in6_addr v6;  // link-local scope
  uint16_t port;
};

struct MulticastDatagram {
  Endpoint from;
  std::vector<uint8_t> payload;
};

/**
 * Nothing leaves the link (TTL and hop limit 1), and only what was sent to a group on an interface that was joined is taken. Whoever floods
 * the groups fills a short queue in the kernel, of which at most some hundred datagrams a second are read.
 */
class Multicast {
 public:
  /** Longer ones are dropped. */
  static constexpr size_t LONGEST = 512;

  /** `notify` is called from a thread of its own when `drain` has something to give. */
  explicit Multicast(std::function<void()> notify) : notify_(std::move(notify)) {}
  ~Multicast() { stop(); }

  /** Others on this machine may have the port open in the same way. A family that the machine lacks is left out. */
  Status open(const MulticastGroups& groups);

  /** Joins both groups on an interface, anew when it was joined before: what it was may have gone with its addresses. */
  Status join(int interface);
  void leave(int interface);

  /** From an address of the interface, which tells the family. */
  Status send(int interface, const in6_addr& from, std::span<const uint8_t> data) const;

  void drain(std::vector<MulticastDatagram>& out);

  /** Waits for the thread. May be called twice. */
  void stop();

 private:
  void run();
  /** False when it is time to stop. */
  bool wait(int ms, bool for_datagrams) const;
  size_t receive(int fd);

  std::function<void()> notify_;
  MulticastGroups groups_{};
  Descriptor v4_, v6_, stop_;
  std::mutex mutex_;
  std::vector<MulticastDatagram> heard_;
  std::thread thread_;
};

}  // namespace trellis
