#include "netlink_request.h"

#include <sys/socket.h>

#include <cstring>

namespace trellis {

void NetlinkRequest::attribute(uint16_t type, const void* data, size_t size) {
  const rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
  append(&attribute, sizeof(attribute));
  append(data, size);
}

size_t NetlinkRequest::open(uint16_t type) {
  const size_t at = bytes_.size();
  attribute(type, nullptr, 0);
  return at;
}

const std::vector<uint8_t>& NetlinkRequest::finish() {
  header()->nlmsg_len = bytes_.size();
  return bytes_;
}

void NetlinkRequest::append(const void* data, size_t size) {
  const size_t at = bytes_.size();
  bytes_.resize(at + NLMSG_ALIGN(size));
  if (size > 0) std::memcpy(bytes_.data() + at, data, size);
}

NetlinkSocket::NetlinkSocket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}

Status NetlinkSocket::run(NetlinkRequest& request, const char* place, const std::function<void(const nlmsghdr*)>& each) {
  if (!fd_.open()) return failed("socket(AF_NETLINK)");
  const auto& bytes = request.finish();
  if (send(fd_.get(), bytes.data(), bytes.size(), 0) < 0) return failed(place);
  // The kernel fits each part of a dump into what the reader offers, at most 32 KB.
  std::vector<uint8_t> buffer(32 * 1024);
  for (;;) {
    const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
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

}  // namespace trellis
