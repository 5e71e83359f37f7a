// Routes of this network namespace, by route netlink (RFC 3549): those that lead into the mesh, and where the others lead.
#pragma once
#include <cstdint>
#include <string>

#include "netlink.h"
#include "status.h"

namespace trellis {

/** `ip route` shows it: ours alone have this origin. */
constexpr uint8_t ROUTE_ORIGIN = 84;

struct KernelRoute {
  std::string device;
  LinkAddress prefix;
  bool has_source = false;
  LinkAddress source;  // what our own packets carry that take this route
};

/** The route is there afterwards, with this source and no other. EEXIST when somebody else's leads there: it stays. */
Status add_route(const KernelRoute& route);
/** The route is not there afterwards. */
Status remove_route(const KernelRoute& route);

struct FoundRoute {
  std::string device;  // empty: none, or one that refuses
  uint8_t prefix_length = 0;
  bool dead = false;   // its device has lost its carrier
};

/** Where packets from here to this address go. */
Status find_route(const LinkAddress& address, FoundRoute& out);

}  // namespace trellis
