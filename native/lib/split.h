// Splits a superpacket that the kernel left unsegmented (TSO, USO) into the packets it stands for.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ip.h"
#include "vnet.h"

namespace trellis {

struct Split {
  const uint8_t* packet;
  size_t size;
  Transport transport;
  size_t header;  // IP and transport headers, repeated in each segment
  size_t payload; // of every segment but the last
  uint32_t segments;
  uint64_t pseudo; // sum of the pseudo-header without its length
};

/** Plans the split of a packet for which `valid_ip` holds; false when the vnet header does not fit the packet. */
bool plan_split(const VnetHeader& vnet, const uint8_t* packet, size_t size, Split& split);

/** Length of segment `index`. */
size_t segment_size(const Split& split, uint32_t index);

/**
 * Writes segment `index` to `out`, as the kernel's own segmentation would make it: lengths, IPv4 identification, sequence
 * number, FIN and PSH on the last only, CWR on the first only. The transport checksum holds the pseudo-header sum only.
 */
void write_segment(const Split& split, uint32_t index, uint8_t* out);

}  // namespace trellis
