// Splits a superpacket that the kernel left unsegmented (TSO, USO) into the packets it stands for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ip.h"
#include "vnet.h"

namespace trellis {

struct Split {
  uint8_t* packet;
  size_t size;
  Transport transport;
  std::vector<uint8_t> headers;  // IP and transport headers, repeated in each segment; a copy, since segments overwrite them
  size_t payload;                // of every segment but the last
  uint32_t segments;
  uint64_t pseudo;               // sum of the pseudo-header without its length
};

/** Plans the split of a packet for which `valid_ip` holds; false when the vnet header does not fit the packet. `split` may be used again. */
bool plan_split(const VnetHeader& vnet, uint8_t* packet, size_t size, Split& split);

/** Length of segment `index`. */
size_t segment_size(const Split& split, uint32_t index);

/**
 * Writes the headers of segment `index` before its payload and gives where the segment begins: it lies there in one piece. What they
 * overwrite is the end of the segment before, so that one must have been used up. The headers are what the kernel's own segmentation
 * would make them: lengths, IPv4 identification, sequence number, FIN and PSH on the last only, CWR on the first only. The
 * transport checksum holds the pseudo-header sum only.
 */
uint8_t* lay_out_segment(const Split& split, uint32_t index);

}  // namespace trellis
