#include "kernel_routes.h"

#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink_request.h"

namespace trellis {
namespace {

size_t size_of(const LinkAddress& address) { return address.family == AF_INET ? 4 : 16; }

Status change(uint16_t type, uint16_t flags, const char* place, const KernelRoute& route) {
  const uint32_t index = if_nametoindex(route.device.c_str());
  if (index == 0) return failed("if_nametoindex");
  NetlinkRequest request(type, flags | NLM_F_ACK);
  rtmsg message{};
  message.rtm_family = route.prefix.family;
  message.rtm_dst_len = route.prefix.prefix_length;
  message.rtm_table = RT_TABLE_MAIN;
  message.rtm_protocol = ROUTE_ORIGIN;
  message.rtm_scope = route.prefix.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  message.rtm_type = RTN_UNICAST;
  request.body(message);
  request.attribute(RTA_DST, &route.prefix.bytes, size_of(route.prefix));
  request.attribute(RTA_OIF, &index, sizeof index);
  if (route.has_source) request.attribute(RTA_PREFSRC, &route.source.bytes, size_of(route.source));
  return NetlinkSocket().run(request, place);
}

FoundRoute read_route(const nlmsghdr* answer) {
  const auto* message = static_cast<const rtmsg*>(NLMSG_DATA(answer));
  FoundRoute found;
  if (message->rtm_type != RTN_UNICAST && message->rtm_type != RTN_LOCAL) return found;
  found.prefix_length = message->rtm_dst_len;
  found.dead = (message->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0;
  int left = static_cast<int>(RTM_PAYLOAD(answer));
  for (const rtattr* at = RTM_RTA(message); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    char name[IF_NAMESIZE];
    if (at->rta_type == RTA_OIF && if_indextoname(*static_cast<const uint32_t*>(RTA_DATA(at)), name) != nullptr) found.device = name;
  }
  return found;
}

}  // namespace

Status add_route(const KernelRoute& route) {
  if (const Status status = remove_route(route); !status.ok()) return status;
  return change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "RTM_NEWROUTE", route);
}

Status remove_route(const KernelRoute& route) {
  KernelRoute any = route;
  any.has_source = false;
  const Status status = change(RTM_DELROUTE, 0, "RTM_DELROUTE", any);
  return status.number == ESRCH || status.number == ENODEV ? Status{} : status;
}

Status find_route(const LinkAddress& address, FoundRoute& out) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  rtmsg message{};
  message.rtm_family = address.family;
  message.rtm_dst_len = static_cast<uint8_t>(8 * size_of(address));
  message.rtm_flags = RTM_F_FIB_MATCH;  // the route itself, not what became of it for this address
  request.body(message);
  request.attribute(RTA_DST, &address.bytes, size_of(address));
  out = {};
  const Status status = NetlinkSocket().run(request, "RTM_GETROUTE", [&](const nlmsghdr* answer) { out = read_route(answer); });
  const bool nowhere = status.number == ENETUNREACH || status.number == EHOSTUNREACH || status.number == EACCES || status.number == EINVAL;
  return nowhere ? Status{} : status;
}

}  // namespace trellis
