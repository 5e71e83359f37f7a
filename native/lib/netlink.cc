#include "netlink.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>

namespace trellis {
namespace {

/** A netlink request that grows by attributes; nested ones are closed by the returned function's caller. */
class Request {
 public:
  Request(uint16_t type, uint16_t flags) { header()->nlmsg_type = type, header()->nlmsg_flags = flags | NLM_F_REQUEST; }

  template <typename Body>
  void body(const Body& value) {
    append(&value, sizeof(value));
  }

  void attribute(uint16_t type, const void* data, size_t size) {
    const rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    append(&attribute, sizeof(attribute));
    append(data, size);
  }

  size_t open(uint16_t type) {
    const size_t at = bytes_.size();
    attribute(type, nullptr, 0);
    return at;
  }

  void close(size_t at) { reinterpret_cast<rtattr*>(bytes_.data() + at)->rta_len = bytes_.size() - at; }

  const std::vector<uint8_t>& finish() {
    header()->nlmsg_len = bytes_.size();
    return bytes_;
  }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }

  void append(const void* data, size_t size) {
    const size_t at = bytes_.size();
    bytes_.resize(at + NLMSG_ALIGN(size));
    if (size > 0) std::memcpy(bytes_.data() + at, data, size);
  }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(sizeof(nlmsghdr));
};

class Socket {
 public:
  Socket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }

  /** Sends a request and hands every answer to `each` until the kernel acknowledges or the dump ends. */
  Status run(Request& request, const char* place, const std::function<void(const nlmsghdr*)>& each = {}) {
    if (fd_ < 0) return failed("socket(AF_NETLINK)");
    const auto& bytes = request.finish();
    if (send(fd_, bytes.data(), bytes.size(), 0) < 0) return failed(place);
    // The kernel fits each part of a dump into what the reader offers, at most 32 KB.
    std::vector<uint8_t> buffer(32 * 1024);
    for (;;) {
      const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return failed(place);
      int left = static_cast<int>(size);
      for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
        if (at->nlmsg_type == NLMSG_DONE) return {};
        if (at->nlmsg_type == NLMSG_ERROR) return {-static_cast<nlmsgerr*>(NLMSG_DATA(at))->error, place};
        if (each) each(at);
      }
    }
  }

 private:
  int fd_;
};

size_t address_size(const LinkAddress& address) { return address.family == AF_INET ? 4 : 16; }

Status set_link(Socket& socket, int index, const LinkSettings& settings) {
  Request request(RTM_NEWLINK, NLM_F_ACK);
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
Status bring_up(Socket& socket, int index) {
  Request request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = link.ifi_change = IFF_UP;
  request.body(link);
  return socket.run(request, "RTM_NEWLINK");
}

Status add_address(Socket& socket, int index, const LinkAddress& address) {
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
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
  Socket socket;
  if (const Status status = set_link(socket, index, settings); !status.ok()) return status;
  if (const Status status = bring_up(socket, index); !status.ok()) return status;
  return add_address(socket, index, settings.address);
}

bool link_exists(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

Status delete_link(const std::string& name) {
  const int index = static_cast<int>(if_nametoindex(name.c_str()));
  if (index == 0) return failed("if_nametoindex");
  Request request(RTM_DELLINK, NLM_F_ACK);
  ifinfomsg link{};
  link.ifi_index = index;
  request.body(link);
  return Socket().run(request, "RTM_DELLINK");
}

Status find_links(std::string_view prefix, std::vector<OwnedLink>& out) {
  Request request(RTM_GETLINK, NLM_F_DUMP);
  request.body(ifinfomsg{});
  return Socket().run(request, "RTM_GETLINK", [&](const nlmsghdr* message) {
    OwnedLink link = read_link(message);
    if (!link.alias.empty() && std::string_view(link.alias).starts_with(prefix)) out.push_back(std::move(link));
  });
}

}  // namespace trellis
