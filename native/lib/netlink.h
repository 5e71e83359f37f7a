// Links of this network namespace, by route netlink (RFC 3549): no `ip` process is ever started.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "status.h"

namespace trellis {

struct LinkAddress {
  uint8_t family;  // AF_INET or AF_INET6
  uint8_t prefix_length;
  in6_addr bytes;  // IPv4 takes the first four
};

/**
 * Packets that wait in a TUN queue while its worker waits for a core: 20 ms at 1 Gbit/s of 1,248-byte packets. The kernel's 500
 * are 5 ms, less than a busy core takes to come round. TCP's windows fill few of them, since superpackets count as one.
 */
constexpr uint32_t QUEUE_PACKETS = 2000;

struct LinkSettings {
  std::string name;
  uint32_t mtu;
  LinkAddress address;
  std::string alias;  // IFLA_IFALIAS, how the next start knows the link as ours; empty leaves it alone
};

struct OwnedLink {
  std::string name;
  std::string alias;
};

/** Reads `text` as an address of either family; false when it is none or the prefix is longer than the address. */
bool parse_link_address(const std::string& text, uint8_t prefix_length, LinkAddress& out);

/**
 * Sets MTU, alias and queue length, switches automatic link-local addresses off, brings the link up and gives it the address, without
 * duplicate address detection (nobody else is on a point-to-point TUN). Doing it twice changes nothing.
 */
Status configure_link(const LinkSettings& settings);

bool link_exists(const std::string& name);

/** Removes a link; ENODEV when there is none of that name. */
Status delete_link(const std::string& name);

/** All links whose alias starts with `prefix`. */
Status find_links(std::string_view prefix, std::vector<OwnedLink>& out);

}  // namespace trellis
