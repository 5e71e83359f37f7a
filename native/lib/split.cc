#include "split.h"

#include <algorithm>
#include <cstring>

#include "checksum.h"

namespace trellis {
namespace {

constexpr uint8_t TCP_FIN = 0x01;
constexpr uint8_t TCP_PSH = 0x08;
constexpr uint8_t TCP_CWR = 0x80;

bool fits_type(uint8_t type, const uint8_t* packet, uint8_t protocol) {
  switch (type) {
    case VNET_GSO_TCP4: return protocol == PROTOCOL_TCP && is_v4(packet);
    case VNET_GSO_TCP6: return protocol == PROTOCOL_TCP && !is_v4(packet);
    case VNET_GSO_UDP: return protocol == PROTOCOL_UDP;
    default: return false;
  }
}

void patch_tcp(const Split& split, uint32_t index, uint8_t* tcp) {
  store32(tcp + 4, load32(tcp + 4) + static_cast<uint32_t>(index * split.payload));
  if (index + 1 < split.segments) tcp[13] &= static_cast<uint8_t>(~(TCP_FIN | TCP_PSH));
  if (index > 0) tcp[13] &= static_cast<uint8_t>(~TCP_CWR);
}

}  // namespace

bool plan_split(const VnetHeader& vnet, uint8_t* packet, size_t size, Split& split) {
  Transport transport;
  if (vnet.gso_size == 0 || !find_transport(packet, size, transport)) return false;
  if (!fits_type(vnet.gso_type & ~VNET_GSO_ECN, packet, transport.protocol)) return false;
  const size_t header = size_t{transport.offset} + transport.header;
  const size_t bytes = size - header;
  const auto segments = static_cast<uint32_t>(std::max<size_t>(1, (bytes + vnet.gso_size - 1) / vnet.gso_size));
  split.packet = packet;
  split.size = size;
  split.transport = transport;
  split.headers.assign(packet, packet + header);
  split.payload = vnet.gso_size;
  split.segments = segments;
  split.pseudo = pseudo_sum(packet, transport.protocol, 0);
  return true;
}

size_t segment_size(const Split& split, uint32_t index) {
  const size_t start = split.headers.size() + index * split.payload;
  return split.headers.size() + std::min(split.payload, split.size - start);
}

uint8_t* lay_out_segment(const Split& split, uint32_t index) {
  uint8_t* out = split.packet + index * split.payload;
  const size_t size = segment_size(split, index);
  const size_t length = size - split.transport.offset;
  uint8_t* transport = out + split.transport.offset;
  std::memcpy(out, split.headers.data(), split.headers.size());
  if (is_v4(out)) store16(out + 4, static_cast<uint16_t>(load16(out + 4) + index));
  store_lengths(out, size);
  if (split.transport.protocol == PROTOCOL_TCP) patch_tcp(split, index, transport);
  else store16(transport + 4, static_cast<uint16_t>(length));
  uint8_t tail[4];
  store32(tail, static_cast<uint32_t>(length));
  const uint16_t sum = fold(add_bytes(split.pseudo, tail, sizeof tail));
  std::memcpy(transport + split.transport.checksum_offset, &sum, 2);
  return out;
}

}  // namespace trellis
