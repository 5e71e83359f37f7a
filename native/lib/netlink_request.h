// Asking route netlink (RFC 3549): requests with attributes, and their answers.
#pragma once
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "descriptor.h"
#include "status.h"

namespace trellis {

/** A netlink request that grows by attributes; nested ones are closed by the returned function's caller. */
class NetlinkRequest {
 public:
  NetlinkRequest(uint16_t type, uint16_t flags) { header()->nlmsg_type = type, header()->nlmsg_flags = flags | NLM_F_REQUEST; }

  template <typename Body>
  void body(const Body& value) {
    append(&value, sizeof(value));
  }

  void attribute(uint16_t type, const void* data, size_t size);
  size_t open(uint16_t type);
  void close(size_t at) { reinterpret_cast<rtattr*>(bytes_.data() + at)->rta_len = bytes_.size() - at; }
  const std::vector<uint8_t>& finish();

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void append(const void* data, size_t size);

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(sizeof(nlmsghdr));
};

class NetlinkSocket {
 public:
  NetlinkSocket();

  /** Sends a request and hands every answer to `each` until the kernel acknowledges or the dump ends. */
  Status run(NetlinkRequest& request, const char* place, const std::function<void(const nlmsghdr*)>& each = {});

 private:
  Descriptor fd_;
};

}  // namespace trellis
