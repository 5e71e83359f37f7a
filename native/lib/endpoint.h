// A UDP endpoint as the dual-stack sockets see it: IPv6, with IPv4 as mapped addresses.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace trellis {

struct Endpoint {
  in6_addr address{};
  uint32_t scope = 0;  // interface index, for link-local addresses only
  uint16_t port = 0;   // host byte order
  uint32_t device = 0; // interface that must be left by to get there, when it is not for the machine's routes to say; else 0

  bool operator==(const Endpoint& other) const { return is_at(other) && device == other.device; }
  /** Whether that is the same place, by whatever interface. */
  bool is_at(const Endpoint& other) const {
    return port == other.port && scope == other.scope && std::memcmp(&address, &other.address, sizeof address) == 0;
  }
  bool is_v4() const { return IN6_IS_ADDR_V4MAPPED(&address); }
  bool direct() const { return port != 0; }
  /** An overlay address, which other gateways lead to. Nothing that arrives on a socket may look so. */
  bool through_mesh() const { return port == 0 && !IN6_IS_ADDR_UNSPECIFIED(&address); }
  bool known() const { return direct() || through_mesh(); }
};

struct EndpointHash {
  size_t operator()(const Endpoint& endpoint) const {
    uint64_t words[2];
    std::memcpy(words, &endpoint.address, sizeof words);
    return (words[0] * 0x9e3779b97f4a7c15 ^ words[1] ^ uint64_t{endpoint.port} << 32 ^ endpoint.scope) * 0x9e3779b97f4a7c15;
  }
};

/**
 * Parses `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0`; false for anything else or an unknown interface. Port 0 goes with an overlay
 * address only: IPv6 without a scope.
 */
bool parse_endpoint(const std::string& address, uint32_t port, Endpoint& endpoint);

/** The address as text: mapped addresses as plain IPv4, link-local ones with `%interface`. */
std::string format_address(const Endpoint& endpoint);

/** Fills a socket address of `family` (AF_INET6, or AF_INET where there is no IPv6); false when it cannot hold the endpoint. */
bool to_socket(const Endpoint& endpoint, int family, sockaddr_storage& out, socklen_t& size);
Endpoint from_socket(const sockaddr_storage& from);

}  // namespace trellis
