#include "netlink.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include "netlink_request.h"

namespace trellis {
namespace {

size_t address_size(const LinkAddress& address) { return address.family == AF_INET ? 4 : 16; }

Status set_link(NetlinkSocket& socket, int index, const LinkSettings& settings) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = index;
  request.body(link);
  request.attribute(IFLA_MTU, &settings.mtu, sizeof(settings.mtu));
  request.attribute(IFLA_TXQLEN, &QUEUE_PACKETS, sizeof(QUEUE_PACKETS));
  if (!settings.alias.empty()) request.attribute(IFLA_IFALIAS, settings.alias.c_str(), settings.alias.size() + 1);
  if (settings.address.family == AF_INET6) {
    // The device has one address, the one that proves its owner: no link-local one, no router solicitations into the mesh.
    const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    const size_t families = request.open(IFLA_AF_SPEC);
    const size_t inet6 = request.open(AF_INET6);
    request.attribute(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
    request.close(inet6);
    request.close(families);
  }
  return socket.run(request, "RTM_NEWLINK");
}

/** A request of its own: within one, the kernel brings the link up first and gives it a link-local address at once. */
Status bring_up(NetlinkSocket& socket, int index) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = link.ifi_change = IFF_UP;
  request.body(link);
  return socket.run(request, "RTM_NEWLINK");
}

Status add_address(NetlinkSocket& socket, int index, const LinkAddress& address) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg message{};
  message.ifa_family = address.family;
  message.ifa_prefixlen = address.prefix_length;
  message.ifa_flags = IFA_F_NODAD;
  message.ifa_index = static_cast<uint32_t>(index);
  request.body(message);
  request.attribute(IFA_LOCAL, &address.bytes, address_size(address));
  request.attribute(IFA_ADDRESS, &address.bytes, address_size(address));
  return socket.run(request, "RTM_NEWADDR");
}

OwnedLink read_link(const nlmsghdr* message) {
  OwnedLink link;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  int left = static_cast<int>(IFLA_PAYLOAD(message));
  for (const rtattr* at = IFLA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    const std::string_view text(static_cast<const char*>(RTA_DATA(at)), RTA_PAYLOAD(at));
    const std::string_view whole = text.substr(0, text.find('\0'));
    if (at->rta_type == IFLA_IFNAME) link.name = whole;
    if (at->rta_type == IFLA_IFALIAS) link.alias = whole;
  }
  return link;
}

}  // namespace

bool parse_link_address(const std::string& text, uint8_t prefix_length, LinkAddress& out) {
  out = {text.find(':') == std::string::npos ? uint8_t{AF_INET} : uint8_t{AF_INET6}, prefix_length, {}};
  return inet_pton(out.family, text.c_str(), &out.bytes) == 1 && prefix_length <= 8 * address_size(out);
}

Status configure_link(const LinkSettings& settings) {
  const int index = static_cast<int>(if_nametoindex(settings.name.c_str()));
  if (index == 0) return failed("if_nametoindex");
  NetlinkSocket socket;
  if (const Status status = set_link(socket, index, settings); !status.ok()) return status;
  if (const Status status = bring_up(socket, index); !status.ok()) return status;
  return add_address(socket, index, settings.address);
}

bool link_exists(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

Status delete_link(const std::string& name) {
  const int index = static_cast<int>(if_nametoindex(name.c_str()));
  if (index == 0) return failed("if_nametoindex");
  NetlinkRequest request(RTM_DELLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = index;
  request.body(link);
  return NetlinkSocket().run(request, "RTM_DELLINK");
}

Status find_links(std::string_view prefix, std::vector<OwnedLink>& out) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.body(ifinfomsg{});
  return NetlinkSocket().run(request, "RTM_GETLINK", [&](const nlmsghdr* message) {
    OwnedLink link = read_link(message);
    if (!link.alias.empty() && std::string_view(link.alias).starts_with(prefix)) out.push_back(std::move(link));
  });
}

}  // namespace trellis
