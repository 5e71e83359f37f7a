#include "interfaces.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string_view>

#include "netlink_request.h"

namespace trellis {
namespace {

constexpr int QUIET_MS = 10;
constexpr int BURST_MS = 100;
constexpr uint32_t UNUSABLE = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;

std::string text_of(const rtattr* attribute) {
  const std::string_view text(static_cast<const char*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute));
  return std::string(text.substr(0, text.find('\0')));
}

Interface read_link(const nlmsghdr* message) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  Interface link{info->ifi_index, {}, {}, info->ifi_flags, {}};
  int left = static_cast<int>(IFLA_PAYLOAD(message));
  for (const rtattr* at = IFLA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == IFLA_IFNAME) link.name = text_of(at);
    if (at->rta_type == IFLA_IFALIAS) link.alias = text_of(at);
  }
  return link;
}

void read_address(const nlmsghdr* message, std::vector<Interface>& interfaces) {
  const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
  const auto owner = std::ranges::find(interfaces, static_cast<int>(info->ifa_index), &Interface::index);
  if (owner == interfaces.end() || (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)) return;
  const size_t size = info->ifa_family == AF_INET ? 4 : 16;
  uint32_t flags = info->ifa_flags;
  const void *own = nullptr, *local = nullptr;
  int left = static_cast<int>(IFA_PAYLOAD(message));
  for (const rtattr* at = IFA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == IFA_FLAGS && RTA_PAYLOAD(at) >= sizeof flags) std::memcpy(&flags, RTA_DATA(at), sizeof flags);
    if (RTA_PAYLOAD(at) != size) continue;
    if (at->rta_type == IFA_LOCAL) local = RTA_DATA(at);
    if (at->rta_type == IFA_ADDRESS) own = RTA_DATA(at);
  }
  if (local != nullptr) own = local;  // IFA_ADDRESS is then the other end's
  if (own == nullptr || (flags & UNUSABLE) != 0) return;
  char text[INET6_ADDRSTRLEN];
  inet_ntop(info->ifa_family, own, text, sizeof text);
  const bool temporary = info->ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0;  // for IPv4 the bit means "secondary"
  owner->addresses.push_back({text, info->ifa_prefixlen, temporary});
}

Descriptor subscribe() {
  Descriptor events(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (events.open() && bind(events.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0) return {};
  return events;
}

}  // namespace

Status read_interfaces(std::vector<Interface>& out) {
  out.clear();
  NetlinkSocket socket;
  NetlinkRequest links(RTM_GETLINK, NLM_F_DUMP);
  links.body(ifinfomsg{});
  const Status status = socket.run(links, "RTM_GETLINK", [&](const nlmsghdr* message) { out.push_back(read_link(message)); });
  if (!status.ok()) return status;
  NetlinkRequest addresses(RTM_GETADDR, NLM_F_DUMP);
  addresses.body(ifaddrmsg{});
  return socket.run(addresses, "RTM_GETADDR", [&](const nlmsghdr* message) { read_address(message, out); });
}

Status InterfaceWatch::start() {
  events_ = subscribe();
  if (!events_.open()) return failed("socket(AF_NETLINK)");
  stop_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_.open()) return failed("eventfd");
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "trellis-links");
  return {};
}

void InterfaceWatch::stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

bool InterfaceWatch::wait(int ms, bool& heard) {
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}};
  while (poll(fds, 2, ms) < 0) {
    if (errno != EINTR) return false;
  }
  heard = fds[1].revents != 0;
  return fds[0].revents == 0;
}

/** All that is there; the kernel reports what it had to drop (ENOBUFS) as an event of its own. */
void InterfaceWatch::skip() {
  char part[4096];
  while (recv(events_.get(), part, sizeof part, 0) >= 0 || errno == EINTR || errno == ENOBUFS) {
  }
}

void InterfaceWatch::run() {
  using std::chrono::steady_clock;
  bool heard = false;
  while (wait(-1, heard)) {
    const auto end = steady_clock::now() + std::chrono::milliseconds(BURST_MS);
    while (heard) {
      skip();
      if (steady_clock::now() >= end) break;
      if (!wait(QUIET_MS, heard)) return;
    }
    notify_();
  }
}

}  // namespace trellis
