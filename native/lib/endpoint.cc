#include "endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>

namespace trellis {
namespace {

void map_v4(const in_addr& from, in6_addr& to) {
  std::memset(&to, 0, 10);
  std::memset(to.s6_addr + 10, 0xff, 2);
  std::memcpy(to.s6_addr + 12, &from, 4);
}

/** An interface's name or its number, as `getaddrinfo` takes both; 0 when it is neither. */
uint32_t parse_scope(const std::string& name) {
  if (const uint32_t index = if_nametoindex(name.c_str()); index != 0) return index;
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  return error == std::errc{} && end == name.data() + name.size() ? index : 0;
}

}  // namespace

bool parse_endpoint(const std::string& address, uint32_t port, Endpoint& endpoint) {
  if (port > 65535) return false;
  Endpoint parsed;
  parsed.port = static_cast<uint16_t>(port);
  in_addr v4;
  const size_t percent = address.find('%');
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    map_v4(v4, parsed.address);
  } else {
    if (inet_pton(AF_INET6, address.substr(0, percent).c_str(), &parsed.address) != 1) return false;
    if (percent != std::string::npos && (parsed.scope = parse_scope(address.substr(percent + 1))) == 0) return false;
    if (!IN6_IS_ADDR_LINKLOCAL(&parsed.address)) parsed.scope = 0;
  }
  if (port == 0 && (parsed.is_v4() || parsed.scope != 0 || !parsed.through_mesh())) return false;
  endpoint = parsed;
  return true;
}

std::string format_address(const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN];
  if (endpoint.is_v4()) {
    inet_ntop(AF_INET, endpoint.address.s6_addr + 12, text, sizeof text);
    return text;
  }
  inet_ntop(AF_INET6, &endpoint.address, text, sizeof text);
  if (endpoint.scope == 0) return text;
  char name[IF_NAMESIZE];
  const bool named = if_indextoname(endpoint.scope, name) != nullptr;
  return std::string(text) + "%" + (named ? std::string(name) : std::to_string(endpoint.scope));
}

bool to_socket(const Endpoint& endpoint, int family, sockaddr_storage& out, socklen_t& size) {
  if (family == AF_INET6) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(endpoint.port);
    to.sin6_addr = endpoint.address;
    to.sin6_scope_id = endpoint.scope;
    std::memcpy(&out, &to, size = sizeof to);
    return true;
  }
  if (!endpoint.is_v4()) return false;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(endpoint.port);
  std::memcpy(&to.sin_addr, endpoint.address.s6_addr + 12, 4);
  std::memcpy(&out, &to, size = sizeof to);
  return true;
}

Endpoint from_socket(const sockaddr_storage& from) {
  Endpoint endpoint;
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    map_v4(v4.sin_addr, endpoint.address);
    endpoint.port = ntohs(v4.sin_port);
    return endpoint;
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &from, sizeof v6);
  endpoint.address = v6.sin6_addr;
  endpoint.port = ntohs(v6.sin6_port);
  if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) endpoint.scope = v6.sin6_scope_id;
  return endpoint;
}

}  // namespace trellis
