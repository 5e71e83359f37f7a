// The virtio-net header before each packet of a TUN device with IFF_VNET_HDR, and what older kernel headers lack.
#pragma once
#include <cstdint>

namespace trellis {

/** struct virtio_net_hdr, host byte order. */
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VnetHeader) == 10);

constexpr uint8_t VNET_NEEDS_CHECKSUM = 1;
constexpr uint8_t VNET_GSO_NONE = 0;
constexpr uint8_t VNET_GSO_TCP4 = 1;
constexpr uint8_t VNET_GSO_TCP6 = 4;
constexpr uint8_t VNET_GSO_UDP = 5;      // VIRTIO_NET_HDR_GSO_UDP_L4, since 6.2
constexpr uint8_t VNET_GSO_ECN = 0x80;   // a bit beside the type: CWR is set

}  // namespace trellis
