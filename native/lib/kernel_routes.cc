#include "kernel_routes.h"

#include <linux/fib_rules.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "netlink_request.h"

namespace trellis {
namespace {

constexpr uint32_t PRIORITY = 8400;

size_t size_of(uint8_t family) { return family == AF_INET ? 4 : 16; }

/** Interface numbers are not used twice, so nobody else's is this. */
uint32_t table_of(uint32_t device) { return ROUTE_TABLES + device; }

const rtattr* find_attribute(const rtattr* first, int left, uint16_t type) {
  for (const rtattr* at = first; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == type) return at;
  }
  return nullptr;
}

/** An attribute of 32 bits; 0 when there is none. */
uint32_t number_in(const rtattr* first, int left, uint16_t type) {
  uint32_t number = 0;
  const rtattr* found = find_attribute(first, left, type);
  if (found != nullptr && RTA_PAYLOAD(found) == sizeof number) std::memcpy(&number, RTA_DATA(found), sizeof number);
  return number;
}

Status change_route(uint16_t type, uint16_t flags, const char* place, const KernelRoute& route) {
  const uint32_t index = if_nametoindex(route.device.c_str());
  if (index == 0) return failed("if_nametoindex");
  const uint32_t table = table_of(index);
  NetlinkRequest request(type, flags | NLM_F_ACK);
  rtmsg message{};
  message.rtm_family = route.prefix.family;
  message.rtm_dst_len = route.prefix.prefix_length;
  message.rtm_table = RT_TABLE_UNSPEC;  // it stands in an attribute, which has room for it
  message.rtm_protocol = ROUTE_ORIGIN;
  message.rtm_scope = route.prefix.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  message.rtm_type = RTN_UNICAST;
  request.body(message);
  request.attribute(RTA_DST, &route.prefix.bytes, size_of(route.prefix.family));
  request.attribute(RTA_TABLE, &table, sizeof table);
  request.attribute(RTA_OIF, &index, sizeof index);
  if (route.has_source) request.attribute(RTA_PREFSRC, &route.source.bytes, size_of(route.source.family));
  return NetlinkSocket().run(request, place);
}

/** `lookup table`, but not for what this machine sends from our UDP port; with port 0 any such rule. */
Status change_rule(uint16_t type, uint16_t flags, const char* place, uint8_t family, uint32_t table, uint16_t port) {
  NetlinkRequest request(type, flags | NLM_F_ACK);
  fib_rule_hdr rule{};
  rule.family = family;
  rule.table = RT_TABLE_UNSPEC;
  rule.action = FR_ACT_TO_TBL;
  rule.flags = FIB_RULE_INVERT;
  request.body(rule);
  const uint32_t priority = PRIORITY;
  const uint8_t protocol = IPPROTO_UDP, origin = ROUTE_ORIGIN;
  request.attribute(FRA_PRIORITY, &priority, sizeof priority);
  request.attribute(FRA_TABLE, &table, sizeof table);
  request.attribute(FRA_PROTOCOL, &origin, sizeof origin);
  if (port != 0) {
    const fib_rule_port_range source{port, port};
    request.attribute(FRA_IIFNAME, "lo", sizeof "lo");
    request.attribute(FRA_IP_PROTO, &protocol, sizeof protocol);
    request.attribute(FRA_SPORT_RANGE, &source, sizeof source);
  }
  return NetlinkSocket().run(request, place);
}

/** Tables that rules of ours name. */
Status find_tables(uint8_t family, std::vector<uint32_t>& out) {
  NetlinkRequest request(RTM_GETRULE, NLM_F_DUMP);
  fib_rule_hdr any{};
  any.family = family;
  request.body(any);
  const Status status = NetlinkSocket().run(request, "RTM_GETRULE", [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWRULE) return;
    const auto* rule = static_cast<const fib_rule_hdr*>(NLMSG_DATA(message));
    const auto* first = reinterpret_cast<const rtattr*>(reinterpret_cast<const uint8_t*>(rule) + NLMSG_ALIGN(sizeof *rule));
    const int left = static_cast<int>(NLMSG_PAYLOAD(message, sizeof *rule));
    const rtattr* origin = find_attribute(first, left, FRA_PROTOCOL);
    const uint32_t table = number_in(first, left, FRA_TABLE);
    const bool ours = origin != nullptr && *static_cast<const uint8_t*>(RTA_DATA(origin)) == ROUTE_ORIGIN;
    if (ours && rule->family == family && table > ROUTE_TABLES) out.push_back(table);
  });
  return status.number == EAFNOSUPPORT || status.number == EOPNOTSUPP ? Status{} : status;  // no such family, or no rules at all
}

bool is_in(const LinkAddress& prefix, const void* address, uint8_t length) {
  if (length < prefix.prefix_length) return false;
  const auto* a = reinterpret_cast<const uint8_t*>(&prefix.bytes);
  const auto* b = static_cast<const uint8_t*>(address);
  const size_t whole = prefix.prefix_length / 8, rest = prefix.prefix_length % 8;
  return std::memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

/** Whether the table of the machine's own routes has one to the prefix, or into it. */
Status find_others(const LinkAddress& prefix, bool& found) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
  rtmsg any{};
  any.rtm_family = prefix.family;
  request.body(any);
  return NetlinkSocket().run(request, "RTM_GETROUTE", [&](const nlmsghdr* message) {
    const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(message));
    const int left = static_cast<int>(RTM_PAYLOAD(message));
    if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_family != prefix.family || (route->rtm_flags & RTM_F_CLONED) != 0) return;
    if (number_in(RTM_RTA(route), left, RTA_TABLE) != RT_TABLE_MAIN) return;
    const rtattr* to = find_attribute(RTM_RTA(route), left, RTA_DST);
    found = found || (to != nullptr && is_in(prefix, RTA_DATA(to), route->rtm_dst_len));
  });
}

FoundRoute read_route(const nlmsghdr* answer) {
  const auto* message = static_cast<const rtmsg*>(NLMSG_DATA(answer));
  FoundRoute found;
  if (message->rtm_type != RTN_UNICAST && message->rtm_type != RTN_LOCAL) return found;
  found.prefix_length = message->rtm_dst_len;
  found.dead = (message->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0;
  char name[IF_NAMESIZE];
  const uint32_t device = number_in(RTM_RTA(message), static_cast<int>(RTM_PAYLOAD(answer)), RTA_OIF);
  if (device != 0 && if_indextoname(device, name) != nullptr) found.device = name;
  return found;
}

}  // namespace

Status add_route(const KernelRoute& route, uint16_t port) {
  if (const Status status = remove_route(route); !status.ok()) return status;
  bool others = false;
  if (const Status status = find_others(route.prefix, others); !status.ok()) return status;
  if (others) return {EEXIST, "RTM_NEWROUTE"};
  const uint32_t index = if_nametoindex(route.device.c_str());
  if (index == 0) return failed("if_nametoindex");
  // The rule first: the route must not be there a moment without it.
  const Status ruled = change_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, "RTM_NEWRULE", route.prefix.family, table_of(index), port);
  if (!ruled.ok() && ruled.number != EEXIST) return ruled;
  return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "RTM_NEWROUTE", route);
}

Status remove_route(const KernelRoute& route) {
  KernelRoute any = route;
  any.has_source = false;
  const Status status = change_route(RTM_DELROUTE, 0, "RTM_DELROUTE", any);
  return status.number == ESRCH || status.number == ENODEV ? Status{} : status;
}

Status end_routes(const std::string& device) {
  const uint32_t own = if_nametoindex(device.c_str());
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    std::vector<uint32_t> tables;
    if (const Status status = find_tables(family, tables); !status.ok()) return status;
    for (const uint32_t table : tables) {
      char name[IF_NAMESIZE];
      const uint32_t index = table - ROUTE_TABLES;
      if (index != own && if_indextoname(index, name) != nullptr) continue;  // another gateway's
      const Status status = change_rule(RTM_DELRULE, 0, "RTM_DELRULE", family, table, 0);
      if (!status.ok() && status.number != ENOENT) return status;
    }
  }
  return {};
}

Status find_route(const LinkAddress& address, FoundRoute& out) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  rtmsg message{};
  message.rtm_family = address.family;
  message.rtm_dst_len = static_cast<uint8_t>(8 * size_of(address.family));
  message.rtm_flags = RTM_F_FIB_MATCH;  // the route itself, not what became of it for this address
  request.body(message);
  request.attribute(RTA_DST, &address.bytes, size_of(address.family));
  out = {};
  const Status status = NetlinkSocket().run(request, "RTM_GETROUTE", [&](const nlmsghdr* answer) { out = read_route(answer); });
  const bool nowhere = status.number == ENETUNREACH || status.number == EHOSTUNREACH || status.number == EACCES || status.number == EINVAL;
  return nowhere ? Status{} : status;
}

}  // namespace trellis
