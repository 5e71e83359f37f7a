// The interfaces of this network namespace and their addresses, as route netlink has them (RFC 3549), and a thread that hears changes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "descriptor.h"
#include "status.h"

namespace trellis {

/** One that others may use: IPv6 duplicate detection is over, and it is not on its way out (deprecated). */
struct InterfaceAddress {
  std::string text;  // as inet_ntop(3) writes it
  uint8_t prefix_length;
  bool temporary;  // RFC 8981: a new one follows within a day
};

struct Interface {
  int index;
  std::string name, alias;
  uint32_t flags;  // IFF_*
  std::vector<InterfaceAddress> addresses;
};

/** All of them, whether they are up or not. */
Status read_interfaces(std::vector<Interface>& out);

/**
 * Hears of interfaces and addresses that come, go or change. What has changed is not told: who was called reads all of it again, so it
 * makes no difference when the kernel had to drop events (ENOBUFS). A burst of events is one call, 10 ms after the last of them and 100 ms
 * after the first at the latest.
 */
class InterfaceWatch {
 public:
  /** `notify` is called from the watch's own thread. */
  explicit InterfaceWatch(std::function<void()> notify) : notify_(std::move(notify)) {}
  ~InterfaceWatch() { stop(); }

  Status start();
  /** Waits for the thread. May be called twice. */
  void stop();

 private:
  void run();
  /** False when it is time to stop; `heard` when there are events within `ms`, -1 for however long it takes. */
  bool wait(int ms, bool& heard);
  void skip();

  std::function<void()> notify_;
  Descriptor events_, stop_;
  std::thread thread_;
};

}  // namespace trellis
