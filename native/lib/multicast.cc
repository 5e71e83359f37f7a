#include "multicast.h"

#include <linux/in6.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

// Newer than the headers of Debian 12.
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

namespace trellis {
namespace {

constexpr size_t MOST_AT_ONCE = 32;  // of one family
constexpr size_t MOST_WAITING = 256;
constexpr int PAUSE_MS = 50;         // after that many
constexpr int BUFFER_BYTES = 64 << 10;

template <typename Value>
bool set(int fd, int level, int option, const Value& value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/** Undefined family: `errno` EAFNOSUPPORT. */
Descriptor bound(int family, const void* address, socklen_t size) {
  Descriptor socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = socket.get();
  if (!socket.open() || !set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return {};
  set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  if (family == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return {};
  if (bind(fd, static_cast<const sockaddr*>(address), size) != 0) return {};
  return socket;
}

/** Only what comes by an interface that this socket has joined; by default it hears what any on this machine has joined. */
Descriptor open_v4(const MulticastGroups& groups) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(groups.port);
  address.sin_addr = groups.v4;
  Descriptor socket = bound(AF_INET, &address, sizeof address);
  if (!socket.open() || !set(socket.get(), IPPROTO_IP, IP_MULTICAST_ALL, 0)) return {};
  return set(socket.get(), IPPROTO_IP, IP_MULTICAST_TTL, 1) ? std::move(socket) : Descriptor();
}

/** A link-local group cannot be bound on all interfaces at once, so each datagram says where it was sent to. */
Descriptor open_v6(const MulticastGroups& groups) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(groups.port);
  Descriptor socket = bound(AF_INET6, &address, sizeof address);
  if (!socket.open() || !set(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) return {};
  set(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);  // since Linux 4.20
  return set(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) ? std::move(socket) : Descriptor();
}

bool was_sent_to(msghdr& header, const in6_addr& group) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != IPPROTO_IPV6 || control->cmsg_type != IPV6_PKTINFO) continue;
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(control), sizeof info);
    return IN6_ARE_ADDR_EQUAL(&info.ipi6_addr, &group);
  }
  return false;
}

}  // namespace

Status Multicast::open(const MulticastGroups& groups) {
  groups_ = groups;
  v4_ = open_v4(groups);
  const int lacking = errno;
  v6_ = open_v6(groups);
  if (!v4_.open() && !v6_.open()) return {lacking, "multicast socket"};
  stop_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_.open()) return failed("eventfd");
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "trellis-beacon");
  return {};
}

Status Multicast::join(int interface) {
  leave(interface);
  ip_mreqn v4{};
  v4.imr_multiaddr = groups_.v4;
  v4.imr_ifindex = interface;
  const ipv6_mreq v6{groups_.v6, static_cast<unsigned>(interface)};
  const bool joined_v4 = v4_.open() && set(v4_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, v4);
  const Status status = failed("IP_ADD_MEMBERSHIP");
  const bool joined_v6 = v6_.open() && set(v6_.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, v6);
  return joined_v4 || joined_v6 ? Status{} : status;
}

void Multicast::leave(int interface) {
  ip_mreqn v4{};
  v4.imr_multiaddr = groups_.v4;
  v4.imr_ifindex = interface;
  const ipv6_mreq v6{groups_.v6, static_cast<unsigned>(interface)};
  if (v4_.open()) set(v4_.get(), IPPROTO_IP, IP_DROP_MEMBERSHIP, v4);
  if (v6_.open()) set(v6_.get(), IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, v6);
}

Status Multicast::send(int interface, const in6_addr& from, std::span<const uint8_t> data) const {
  const bool is_v4 = IN6_IS_ADDR_V4MAPPED(&from);
  sockaddr_in to_v4{};
  sockaddr_in6 to_v6{};
  iovec piece{const_cast<uint8_t*>(data.data()), data.size()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = is_v4 ? CMSG_SPACE(sizeof(in_pktinfo)) : CMSG_SPACE(sizeof(in6_pktinfo));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (is_v4) {
    to_v4.sin_family = AF_INET;
    to_v4.sin_port = htons(groups_.port);
    to_v4.sin_addr = groups_.v4;
    message.msg_name = &to_v4;
    message.msg_namelen = sizeof to_v4;
    in_pktinfo info{};
    info.ipi_ifindex = interface;
    std::memcpy(&info.ipi_spec_dst, from.s6_addr + 12, sizeof info.ipi_spec_dst);
    *header = {CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  } else {
    to_v6.sin6_family = AF_INET6;
    to_v6.sin6_port = htons(groups_.port);
    to_v6.sin6_addr = groups_.v6;
    to_v6.sin6_scope_id = static_cast<uint32_t>(interface);
    message.msg_name = &to_v6;
    message.msg_namelen = sizeof to_v6;
    const in6_pktinfo info{from, static_cast<unsigned>(interface)};
    *header = {CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  }
  const ssize_t sent = sendmsg(is_v4 ? v4_.get() : v6_.get(), &message, MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(data.size()) ? Status{} : failed("sendmsg");
}

void Multicast::drain(std::vector<MulticastDatagram>& out) {
  const std::lock_guard lock(mutex_);
  out.swap(heard_);
  heard_.clear();
}

void Multicast::stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

bool Multicast::wait(int ms, bool for_datagrams) const {
  // A descriptor of -1 is skipped.
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {for_datagrams ? v4_.get() : -1, POLLIN, 0}, {for_datagrams ? v6_.get() : -1, POLLIN, 0}};
  while (poll(fds, 3, ms) < 0) {
    if (errno != EINTR) return false;
  }
  return fds[0].revents == 0;
}

/** How many datagrams were read. */
size_t Multicast::receive(int fd) {
  std::array<uint8_t, LONGEST> buffer;
  size_t count = 0;
  for (; count < MOST_AT_ONCE; count++) {
    sockaddr_storage from{};
    iovec piece{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control;
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    if (size < 0) break;
    if ((message.msg_flags & MSG_TRUNC) != 0 || (fd == v6_.get() && !was_sent_to(message, groups_.v6))) continue;
    const std::lock_guard lock(mutex_);
    if (heard_.size() < MOST_WAITING) heard_.push_back({from_socket(from), {buffer.begin(), buffer.begin() + size}});
  }
  return count;
}

void Multicast::run() {
  while (wait(-1, true)) {
    size_t most = 0;
    for (const Descriptor* socket : {&v4_, &v6_}) {
      if (socket->open()) most = std::max(most, receive(socket->get()));
    }
    notify_();
    if (most == MOST_AT_ONCE && !wait(PAUSE_MS, false)) return;
  }
}

}  // namespace trellis
