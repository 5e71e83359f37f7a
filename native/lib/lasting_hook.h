// Programs on a device that outlive the process, by their ids: at tcx ingress before all others there, or XDP in the driver.
#pragma once
#include <cstdint>
#include <vector>

#include "status.h"

namespace trellis {

/** A program's id is given to no other before four thousand million have been loaded. */
Status program_id(int program, uint32_t& id);

/** EINVAL means that the kernel does not know tcx. */
Status attach_lasting_tcx(int program, int device);

/** Whether `id` was attached to the device; it is no more. */
bool detach_tcx(int device, uint32_t id);
bool has_tcx(int device, uint32_t id);

/** Ids of all that are attached so, first to last; none where the kernel does not know tcx. */
std::vector<uint32_t> tcx_ids(int device);

/** In place of the program `before`; EBUSY where there is another one. */
Status attach_lasting_xdp(int program, int device, uint32_t before);
bool detach_xdp(int device, uint32_t id);
/** 0: none. */
uint32_t xdp_id(int device);

}  // namespace trellis
