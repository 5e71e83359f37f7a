// Devices that a relay program may be attached to.
#pragma once
#include <string>
#include <vector>

#include "status.h"

namespace trellis {

/** An Ethernet device of this network namespace that is up. One that goes and comes back keeps its name and gets a new index. */
struct EtherDevice {
  std::string name;
  unsigned index;
};

Status ether_devices(std::vector<EtherDevice>& out);

}  // namespace trellis
