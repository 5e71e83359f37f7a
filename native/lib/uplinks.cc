#include "uplinks.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#ifndef IFF_LOWER_UP  // linux/if.h has it, which does not go together with net/if.h
#define IFF_LOWER_UP 0x10000
#endif

namespace trellis {
namespace {

constexpr int PARTS = 64;  // read at a time: where routes change all the time there is other work too

const rtattr* find_attribute(const rtattr* first, int left, uint16_t type) {
  for (const rtattr* at = first; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == type) return at;
  }
  return nullptr;
}

std::string name_of(const nlmsghdr* message) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  const rtattr* name = find_attribute(IFLA_RTA(info), static_cast<int>(IFLA_PAYLOAD(message)), IFLA_IFNAME);
  return name == nullptr ? std::string() : std::string(static_cast<const char*>(RTA_DATA(name)));
}

}  // namespace

std::optional<uint64_t> interface_bytes(uint32_t device) {
  NetlinkSocket socket;
  NetlinkRequest request(RTM_GETLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(device);
  request.body(link);
  std::optional<uint64_t> bytes;
  const Status status = socket.run(request, "RTM_GETLINK", [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return;
    const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
    const rtattr* found = find_attribute(IFLA_RTA(info), static_cast<int>(IFLA_PAYLOAD(message)), IFLA_STATS64);
    rtnl_link_stats64 stats{};
    if (found == nullptr) return;
    std::memcpy(&stats, RTA_DATA(found), std::min(sizeof stats, static_cast<size_t>(RTA_PAYLOAD(found))));
    bytes = stats.rx_bytes + stats.tx_bytes;
  });
  return status.ok() ? bytes : std::nullopt;
}

Status Uplinks::open() {
  events_ = Descriptor(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!events_.open()) return failed("socket(AF_NETLINK)");
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(events_.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0) return failed("bind(AF_NETLINK)");
  read_links();
  return {};
}

std::vector<uint32_t> Uplinks::hear() {
  std::vector<uint32_t> lost;
  std::vector<uint8_t> buffer(32 * 1024);
  bool changed = false;
  for (int part = 0; part < PARTS; part++) {
    const ssize_t size = recv(events_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {  // the kernel had to drop some: all is looked at again
      for (const uint32_t device : read_links()) lost.push_back(device);
      changed = true;
      continue;
    }
    if (size <= 0) break;
    changed = true;
    int left = static_cast<int>(size);
    for (const auto* at = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) take_link(at, lost);
  }
  if (changed) version_.fetch_add(1, std::memory_order_relaxed);
  return lost;
}

/** What the kernel says of an interface; false for other news. */
bool Uplinks::take_link(const nlmsghdr* message, std::vector<uint32_t>& lost) {
  if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) return false;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  if (info->ifi_family != AF_UNSPEC) return false;  // a bridge tells of its ports
  constexpr uint32_t WORKS = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
  const auto device = static_cast<uint32_t>(info->ifi_index);
  const bool works = message->nlmsg_type == RTM_NEWLINK && (info->ifi_flags & WORKS) == WORKS;
  const bool counts = (info->ifi_flags & IFF_LOOPBACK) == 0 && name_of(message) != overlay_;
  const std::lock_guard lock(mutex_);
  const auto known = carriers_.find(device);
  if (!works && (known == carriers_.end() || known->second)) lost.push_back(device);
  if (message->nlmsg_type == RTM_DELLINK) carriers_.erase(device);
  else if (counts) carriers_[device] = works;
  return true;
}

/** Those that have no carrier now. */
std::vector<uint32_t> Uplinks::read_links() {
  std::vector<uint32_t> without;
  std::map<uint32_t, bool> before;
  {
    const std::lock_guard lock(mutex_);
    before.swap(carriers_);
  }
  NetlinkSocket socket;
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.body(ifinfomsg{});
  // What cannot be read now is heard of when it changes.
  (void)socket.run(request, "RTM_GETLINK", [&](const nlmsghdr* message) { take_link(message, without); });
  const std::lock_guard lock(mutex_);
  for (const auto& [device, carrier] : before) {
    if (!carriers_.contains(device)) without.push_back(device);
  }
  return without;
}

std::optional<Reach::Way> Uplinks::ask(const Endpoint& to, uint32_t device, uint32_t flags) {
  rtmsg route{};
  route.rtm_family = to.is_v4() ? AF_INET : AF_INET6;
  route.rtm_dst_len = to.is_v4() ? 32 : 128;
  route.rtm_flags = flags;
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  request.body(route);
  request.attribute(RTA_DST, to.address.s6_addr + (to.is_v4() ? 12 : 0), to.is_v4() ? 4 : 16);
  // As what leaves from our sockets: routes into the mesh are for the others (kernel_routes.h).
  const uint8_t protocol = IPPROTO_UDP;
  const uint16_t from = htons(port_);
  request.attribute(RTA_IP_PROTO, &protocol, sizeof protocol);
  request.attribute(RTA_SPORT, &from, sizeof from);
  if (device != 0) request.attribute(RTA_OIF, &device, sizeof device);
  std::optional<Way> way;
  const Status status = routes_.run(request, "RTM_GETROUTE", [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWROUTE) return;
    const auto* answer = static_cast<const rtmsg*>(NLMSG_DATA(message));
    const int left = static_cast<int>(RTM_PAYLOAD(message));
    const rtattr* interface = find_attribute(RTM_RTA(answer), left, RTA_OIF);
    const rtattr* source = find_attribute(RTM_RTA(answer), left, RTA_PREFSRC);
    if (interface == nullptr) return;
    way.emplace();
    std::memcpy(&way->device, RTA_DATA(interface), sizeof way->device);
    if (source != nullptr && RTA_PAYLOAD(source) == 16) std::memcpy(&way->local, RTA_DATA(source), 16);
    if (source == nullptr || RTA_PAYLOAD(source) != 4) return;
    way->local.s6_addr[10] = way->local.s6_addr[11] = 0xff;
    std::memcpy(way->local.s6_addr + 12, RTA_DATA(source), 4);
  });
  return status.ok() ? way : std::nullopt;
}

std::optional<Reach::Way> Uplinks::find(const Endpoint& to, uint32_t device) {
  if (device == 0) device = to.scope;
  if (device == 0 && !only_.empty()) device = if_nametoindex(only_.c_str());
  return ask(to, device, 0);
}

std::vector<uint32_t> Uplinks::others(const Endpoint& to, uint32_t taken) {
  std::vector<uint32_t> out;
  if (!only_.empty() || to.scope != 0) return out;
  std::map<uint32_t, bool> carriers;
  {
    const std::lock_guard lock(mutex_);
    carriers = carriers_;
  }
  for (const auto& [device, carrier] : carriers) {
    if (!carrier || device == taken) continue;
    // Asked for an interface, the kernel takes any IPv4 address to be on it unless it is asked for a route that it has.
    const auto way = ask(to, device, to.is_v4() ? RTM_F_FIB_MATCH : 0);
    if (way && way->device == device) out.push_back(device);
  }
  return out;
}

}  // namespace trellis
