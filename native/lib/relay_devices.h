// Devices that a relay program may be attached to.
#pragma once
#include <string>
#include <vector>

#include "status.h"

namespace trellis {

/** Ethernet devices of this network namespace that are up. */
Status ether_devices(std::vector<std::string>& names);

}  // namespace trellis
