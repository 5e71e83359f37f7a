#include "tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>

#ifndef TUN_F_USO4  // kernel headers before 6.2
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace trellis {

Status TunQueue::open(std::string& name, bool join) {
  fd_ = Descriptor(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd_.open()) return failed("/dev/net/tun");
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) return {ENAMETOOLONG, "TUNSETIFF"};
  std::memcpy(request.ifr_name, name.data(), name.size());
  // Without IFF_TUN_EXCL the first queue would quietly join another daemon's device of the same name.
  const int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | (join ? 0 : IFF_TUN_EXCL);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(fd_.get(), TUNSETIFF, &request) != 0) return failed("TUNSETIFF");
  name = request.ifr_name;
  device_ = if_nametoindex(name.c_str());
  int size = sizeof(VnetHeader);
  if (ioctl(fd_.get(), TUNSETVNETHDRSZ, &size) != 0) return failed("TUNSETVNETHDRSZ");
  constexpr unsigned TCP = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  takes_udp_ = ioctl(fd_.get(), TUNSETOFFLOAD, TCP | TUN_F_USO4 | TUN_F_USO6) == 0;
  if (!takes_udp_ && ioctl(fd_.get(), TUNSETOFFLOAD, TCP) != 0) return failed("TUNSETOFFLOAD");
  return {};
}

ssize_t TunQueue::read(VnetHeader& vnet, uint8_t* packet, size_t room) const {
  const iovec pieces[2] = {{&vnet, sizeof vnet}, {packet, room}};
  const ssize_t size = readv(fd_.get(), pieces, 2);
  if (size >= static_cast<ssize_t>(sizeof vnet)) return size - static_cast<ssize_t>(sizeof vnet);
  return size < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

}  // namespace trellis
