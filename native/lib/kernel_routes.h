// Routes of this network namespace, by route netlink (RFC 3549): those that lead into the mesh, and where the others lead.
// Those into the mesh stand in a table of their own, which a rule asks for everything but what we send ourselves from our UDP port. So
// the underlay is routed as if they were not there: what carries the mesh never goes through the mesh.
#pragma once
#include <cstdint>
#include <string>

#include "netlink.h"
#include "status.h"

namespace trellis {

/** `ip route` and `ip rule` show it: ours alone have this origin. */
constexpr uint8_t ROUTE_ORIGIN = 84;
/** Before the number of a device, the number of the table with the routes that lead there. */
constexpr uint32_t ROUTE_TABLES = 84'000;

struct KernelRoute {
  std::string device;
  LinkAddress prefix;
  bool has_source = false;
  LinkAddress source;  // what our own packets carry that take this route
};

/**
 * The route is there afterwards, with this source and no other, for all but what leaves from `port`. EEXIST when the machine has
 * another of its own to the prefix or to a part of it, which would not be asked any more.
 */
Status add_route(const KernelRoute& route, uint16_t port);
/** The route is not there afterwards. */
Status remove_route(const KernelRoute& route);
/** Nobody asks for routes into this device any more, nor into one that is gone. */
Status end_routes(const std::string& device);

struct FoundRoute {
  std::string device;  // empty: none, or one that refuses
  uint8_t prefix_length = 0;
  bool dead = false;   // its device has lost its carrier
};

/** Where packets from here to this address go. */
Status find_route(const LinkAddress& address, FoundRoute& out);

}  // namespace trellis
