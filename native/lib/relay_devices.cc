#include "relay_devices.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "descriptor.h"

namespace trellis {

Status ether_devices(std::vector<EtherDevice>& out) {
  out.clear();
  const Descriptor control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.open()) return failed("socket");
  struct if_nameindex* names = if_nameindex();
  if (names == nullptr) return failed("if_nameindex");
  for (const struct if_nameindex* each = names; each->if_index != 0; each++) {
    ifreq request{};
    std::strncpy(request.ifr_name, each->if_name, IFNAMSIZ - 1);
    if (ioctl(control.get(), SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER) continue;
    if (ioctl(control.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0) out.push_back({each->if_name, each->if_index});
  }
  if_freenameindex(names);
  return {};
}

}  // namespace trellis
