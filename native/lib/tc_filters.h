// The tc filters of a device, as route netlink has them: before tcx BPF programs are attached as these.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "status.h"
#include "tc_hook.h"

namespace trellis {

struct TcFilter {
  uint32_t handle, priority;
  uint32_t program;  // id of a BPF program; 0: it is none
  std::string name;  // of that, as libbpf writes it: the program's, a colon, its id in brackets
};

/** Those of the clsact queueing discipline in one direction; none where there is no such discipline. */
Status read_tc_filters(int device, TcDirection direction, std::vector<TcFilter>& out);

}  // namespace trellis
