// Where the relay's programs are attached.
#pragma once
#include <cstdint>

namespace trellis {

enum class RelayHook : uint8_t {
  tcx,     // Linux 6.6
  clsact,  // before: the filter outlives a process that is killed, until the next start on that port replaces it
  xdp,     // in the driver
};

}  // namespace trellis
