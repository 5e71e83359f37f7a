#include "udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <cstring>

#include "steering_terms.h"

namespace trellis {
namespace {

constexpr int BUFFER_BYTES = 16 << 20;  // a pause of 25 ms at 5 Gbit/s
constexpr int SPARSE_TOS = STEERING_SPARSE_DSCP << 2;
constexpr int SEND_WAIT_MS = 10;  // a full socket means a busy device: wait for it, but not for a dead one

bool set(int fd, int level, int option, int value) { return setsockopt(fd, level, option, &value, sizeof value) == 0; }

/** Root may pass the system's limit; others get as much as it allows. */
void enlarge(int fd) {
  if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)) set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  if (!set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)) set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
}

Status bind_any(int fd, int family, uint16_t port) {
  Endpoint any;
  any.port = port;
  if (family == AF_INET) any.address.s6_addr[10] = any.address.s6_addr[11] = 0xff;
  sockaddr_storage address;
  socklen_t size;
  to_socket(any, family, address, size);
  return bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 ? Status{} : failed("bind");
}

/** Whether the send that has just failed is worth another try; waits while the socket is full. */
bool may_retry(int fd) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN) return false;
  pollfd poller{fd, POLLOUT, 0};
  const bool writable = poll(&poller, 1, SEND_WAIT_MS) == 1;
  errno = EAGAIN;
  return writable;
}

/** One message to send, with its address and what else the system is told about it. */
class Outgoing {
 public:
  /** False when a socket of this family cannot send there. */
  bool fill(msghdr& header, const Endpoint& endpoint, int family, const uint8_t* data, size_t bytes) {
    socklen_t size;
    if (!to_socket(endpoint, family, to_, size)) return false;
    piece_ = {const_cast<uint8_t*>(data), bytes};
    header = {};
    header.msg_name = &to_;
    header.msg_namelen = size;
    header.msg_iov = &piece_;
    header.msg_iovlen = 1;
    if (endpoint.device == 0) return true;
    if (endpoint.is_v4()) {
      in_pktinfo device{};
      device.ipi_ifindex = static_cast<int>(endpoint.device);
      add(header, IPPROTO_IP, IP_PKTINFO, device);
    } else {
      in6_pktinfo device{};
      device.ipi6_ifindex = endpoint.device;
      add(header, IPPROTO_IPV6, IPV6_PKTINFO, device);
    }
    return true;
  }

  template <typename Value>
  void add(msghdr& header, int level, int type, const Value& value) {
    cmsghdr message{};
    message.cmsg_level = level;
    message.cmsg_type = type;
    message.cmsg_len = CMSG_LEN(sizeof value);
    uint8_t* at = control_ + header.msg_controllen;
    std::memcpy(at, &message, sizeof message);
    std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
    header.msg_control = control_;
    header.msg_controllen += CMSG_SPACE(sizeof value);
  }

 private:
  sockaddr_storage to_;
  iovec piece_;
  alignas(cmsghdr) uint8_t control_[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))];
};

}  // namespace

ReceiveRing::ReceiveRing() : buffers_(std::make_unique_for_overwrite<uint8_t[]>(STRIDE * MAX_MESSAGES)) {
  for (size_t i = 0; i < MAX_MESSAGES; i++) {
    pieces_[i] = {buffers_.get() + i * STRIDE, BUFFER};
    headers_[i].msg_hdr.msg_iov = &pieces_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

Status UdpSocket::open(uint16_t port, const std::string& interface, bool join) {
  constexpr int TYPE = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  fd_ = Descriptor(socket(AF_INET6, TYPE, 0));
  if (!fd_.open() && errno == EAFNOSUPPORT) fd_ = Descriptor(socket(family_ = AF_INET, TYPE, 0));
  if (!fd_.open()) return failed("socket");
  const int fd = fd_.get();
  if (family_ == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) return failed("IPV6_V6ONLY");
  if (!interface.empty()) {
    if (const Status status = rebind(interface); !status.ok()) return status;
  }
  if (join && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return failed("SO_REUSEPORT");
  enlarge(fd);
  set(fd, SOL_UDP, UDP_GRO, 1);  // without it datagrams come one by one, which works as well
  if (family_ == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  else set(fd, IPPROTO_IP, IP_PKTINFO, 1);
  if (const Status status = bind_any(fd, family_, port); !status.ok()) return status;
  sockaddr_storage bound;
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return failed("getsockname");
  port_ = from_socket(bound).port;
  return {};
}

Status UdpSocket::rebind(const std::string& interface) const {
  const int done = setsockopt(fd_.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(), static_cast<socklen_t>(interface.size()));
  return done == 0 ? Status{} : failed("SO_BINDTODEVICE");
}

Status UdpSocket::share() { return set(fd_.get(), SOL_SOCKET, SO_REUSEPORT, 1) ? Status{} : failed("SO_REUSEPORT"); }

Status UdpSocket::mark_sparse() {
  if (!set(fd_.get(), IPPROTO_IP, IP_TOS, SPARSE_TOS)) return failed("IP_TOS");
  if (family_ == AF_INET6 && !set(fd_.get(), IPPROTO_IPV6, IPV6_TCLASS, SPARSE_TOS)) return failed("IPV6_TCLASS");
  return {};
}

bool UdpSocket::send(const Endpoint& to, const uint8_t* data, size_t size) const {
  Outgoing outgoing;
  msghdr message;
  return outgoing.fill(message, to, family_, data, size) && sendmsg(fd_.get(), &message, MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

bool UdpSocket::send_urgent(const Endpoint& to, const uint8_t* data, size_t size) const {
  constexpr int CS6 = 0xc0;
  Outgoing outgoing;
  msghdr message;
  if (!outgoing.fill(message, to, family_, data, size)) return false;
  if (to.is_v4()) outgoing.add(message, IPPROTO_IP, IP_TOS, CS6);
  else outgoing.add(message, IPPROTO_IPV6, IPV6_TCLASS, CS6);
  return sendmsg(fd_.get(), &message, MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

size_t UdpSocket::send(const Batch& batch) {
  size_t failures = 0;
  for (size_t next = 0; next < batch.bursts();) next += send_bursts(batch, next, batch.bursts() - next, failures);
  return failures;
}

/** Sends up to `count` bursts from `first` on in one call; gives how many are dealt with; 0 asks for another try. */
size_t UdpSocket::send_bursts(const Batch& batch, size_t first, size_t count, size_t& failures) {
  std::array<Outgoing, Batch::MAX_BURSTS> messages;
  std::array<mmsghdr, Batch::MAX_BURSTS> headers;
  size_t ready = 0;
  for (; ready < count; ready++) {
    const Burst& burst = batch.burst(first + ready);
    if (burst.count > 1 && !segments_) break;
    msghdr& header = headers[ready].msg_hdr;
    if (!messages[ready].fill(header, burst.to, family_, batch.data(burst), burst.bytes)) break;
    if (burst.count > 1) messages[ready].add(header, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(burst.segment));
  }
  const Burst& head = batch.burst(first);
  if (ready == 0) {
    failures += send_singly(batch.data(head), head);
    return 1;
  }
  const int sent = sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(ready), MSG_DONTWAIT);
  if (sent > 0) return static_cast<size_t>(sent);
  if (may_retry(fd_.get())) return 0;
  if (head.count > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
    // EIO: the device cannot complete checksums, so it never will. The others: these frames do not fit this path's MTU.
    if (errno == EIO) segments_ = false;
    failures += send_singly(batch.data(head), head);
    return 1;
  }
  failures += head.count;
  return 1;
}

/** Sends each frame as a datagram of its own; gives the number of those that could not be sent. */
size_t UdpSocket::send_singly(const uint8_t* data, const Burst& burst) const {
  std::array<Outgoing, Batch::MAX_SEGMENTS> messages;
  std::array<mmsghdr, Batch::MAX_SEGMENTS> headers;
  for (size_t i = 0; i < burst.count; i++) {
    const size_t offset = i * burst.segment;
    const size_t size = std::min(burst.segment, burst.bytes - offset);
    if (!messages[i].fill(headers[i].msg_hdr, burst.to, family_, data + offset, size)) return burst.count;
  }
  size_t failures = 0;
  for (size_t next = 0; next < burst.count;) {
    const int sent = sendmmsg(fd_.get(), headers.data() + next, static_cast<unsigned>(burst.count - next), MSG_DONTWAIT);
    if (sent > 0) next += static_cast<size_t>(sent);
    else if (!may_retry(fd_.get())) failures++, next++;
  }
  return failures;
}

int UdpSocket::fill(ReceiveRing& ring) {
  for (size_t i = 0; i < ring.wanted_; i++) {
    msghdr& header = ring.headers_[i].msg_hdr;
    header.msg_name = &ring.names_[i];
    header.msg_namelen = sizeof ring.names_[i];
    header.msg_control = ring.controls_[i].data();
    header.msg_controllen = ReceiveRing::CONTROL;
    header.msg_flags = 0;
  }
  ring.asked_ = ring.wanted_;
  const int count = recvmmsg(fd_.get(), ring.headers_.data(), static_cast<unsigned>(ring.wanted_), MSG_DONTWAIT, nullptr);
  if (count <= 0) return 0;
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += ring.headers_[i].msg_len;
  constexpr size_t JOINED = 8192;  // no single datagram of ours is that long
  if (bytes / static_cast<size_t>(count) > JOINED || static_cast<size_t>(count) < ReceiveRing::FEW_MESSAGES) ring.wanted_ = ReceiveRing::FEW_MESSAGES;
  else if (ring.was_full(count)) ring.wanted_ = ReceiveRing::MAX_MESSAGES;
  return count;
}

/** False for a message that was cut off: longer than any datagram can be. */
bool UdpSocket::read(ReceiveRing& ring, int index, Received& message) const {
  msghdr& header = ring.headers_[index].msg_hdr;
  if ((header.msg_flags & MSG_TRUNC) != 0) return false;
  const size_t size = ring.headers_[index].msg_len;
  message = {static_cast<uint8_t*>(ring.pieces_[index].iov_base), size, size, from_socket(ring.names_[index]), {}, 0};
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      int segment;
      std::memcpy(&segment, CMSG_DATA(control), sizeof segment);
      if (segment > 0) message.segment = static_cast<size_t>(segment);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      std::memcpy(&message.to, CMSG_DATA(control) + offsetof(in6_pktinfo, ipi6_addr), sizeof message.to);
      std::memcpy(&message.device, CMSG_DATA(control) + offsetof(in6_pktinfo, ipi6_ifindex), sizeof message.device);
    } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      message.to.s6_addr[10] = message.to.s6_addr[11] = 0xff;
      std::memcpy(message.to.s6_addr + 12, CMSG_DATA(control) + offsetof(in_pktinfo, ipi_addr), 4);
      std::memcpy(&message.device, CMSG_DATA(control) + offsetof(in_pktinfo, ipi_ifindex), sizeof message.device);
    }
  }
  return true;
}

}  // namespace trellis
