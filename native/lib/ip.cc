#include "ip.h"

#include <cstring>

#include "checksum.h"

namespace trellis {
namespace {

constexpr size_t V4_HEADER = 20;
constexpr size_t V6_HEADER = 40;

size_t v4_header(const uint8_t* packet) { return size_t{packet[0] & 0xfu} * 4; }


/** Hop-by-hop and destination options may stand before TCP; anything else hides the transport from us. */
bool skip_options(const uint8_t* packet, size_t size, uint8_t& next, size_t& offset) {
  constexpr uint8_t HOP_BY_HOP = 0;
  constexpr uint8_t DESTINATION = 60;
  for (int headers = 0; headers < 4 && (next == HOP_BY_HOP || next == DESTINATION); headers++) {
    if (offset + 8 > size) return false;
    next = packet[offset];
    offset += 8 + size_t{packet[offset + 1]} * 8;
  }
  return offset <= size;
}

}  // namespace

Key load_key(const uint8_t* at, size_t size) {
  Key key = 0;
  for (size_t i = 0; i < size; i += 4) key |= Key{load32(at + i)} << (96 - 8 * i);
  return key;
}

bool valid_ip(const uint8_t* packet, size_t size) {
  if (size < V4_HEADER) return false;
  const unsigned version = packet[0] >> 4;
  if (version == 4) {
    const size_t header = v4_header(packet);
    return header >= V4_HEADER && header <= size && load16(packet + 2) == size;
  }
  return version == 6 && size >= V6_HEADER && size_t{load16(packet + 4)} + V6_HEADER == size;
}

Key source_of(const uint8_t* packet) { return is_v4(packet) ? load_key(packet + 12, 4) : load_key(packet + 8, 16); }

Key destination_of(const uint8_t* packet) { return is_v4(packet) ? load_key(packet + 16, 4) : load_key(packet + 24, 16); }

bool find_transport(const uint8_t* packet, size_t size, Transport& transport) {
  uint8_t next;
  size_t offset;
  if (is_v4(packet)) {
    constexpr uint16_t FRAGMENT = 0x3fff;  // more-fragments bit and offset
    if ((load16(packet + 6) & FRAGMENT) != 0) return false;
    next = packet[9];
    offset = v4_header(packet);
  } else {
    next = packet[6];
    offset = V6_HEADER;
    if (!skip_options(packet, size, next, offset)) return false;
  }
  if (next == PROTOCOL_UDP) {
    if (offset + UDP_HEADER > size || load16(packet + offset + 4) != size - offset) return false;
    transport = {next, static_cast<uint16_t>(offset), UDP_HEADER, 6};
    return true;
  }
  if (next != PROTOCOL_TCP || offset + TCP_HEADER > size) return false;
  const size_t header = size_t{packet[offset + 12]} / 16 * 4;
  if (header < TCP_HEADER || offset + header > size) return false;
  transport = {next, static_cast<uint16_t>(offset), static_cast<uint16_t>(header), 16};
  return true;
}

uint64_t pseudo_sum(const uint8_t* packet, uint8_t protocol, size_t length) {
  uint8_t tail[8] = {};
  store32(tail, static_cast<uint32_t>(length));
  tail[7] = protocol;
  const uint64_t sum = is_v4(packet) ? add_bytes(0, packet + 12, 8) : add_bytes(0, packet + 8, 32);
  return add_bytes(sum, tail, sizeof tail);
}

void store_partial(uint8_t* packet, size_t size, const Transport& transport) {
  const uint16_t sum = fold(pseudo_sum(packet, transport.protocol, size - transport.offset));
  std::memcpy(packet + transport.offset + transport.checksum_offset, &sum, 2);
}

bool checksum_holds(const uint8_t* packet, size_t size, const Transport& transport) {
  const uint8_t* field = packet + transport.offset + transport.checksum_offset;
  if (transport.protocol == PROTOCOL_UDP && load16(field) == 0) return false;  // absent (RFC 768)
  const uint64_t sum = pseudo_sum(packet, transport.protocol, size - transport.offset);
  return fold(add_bytes(sum, packet + transport.offset, size - transport.offset)) == 0xffff;
}

void complete_checksum(uint8_t* packet, size_t size, size_t start, size_t offset) {
  // The field holds the pseudo-header sum, so summing over it adds the pseudo-header.
  uint16_t sum = static_cast<uint16_t>(~fold(add_bytes(0, packet + start, size - start)));
  if (sum == 0) sum = 0xffff;  // zero would mean "none" in UDP; both are the same number to everybody else
  std::memcpy(packet + start + offset, &sum, 2);
}

void store_lengths(uint8_t* packet, size_t size) {
  if (!is_v4(packet)) {
    store16(packet + 4, static_cast<uint16_t>(size - V6_HEADER));
    return;
  }
  store16(packet + 2, static_cast<uint16_t>(size));
  std::memset(packet + 10, 0, 2);
  const uint16_t sum = static_cast<uint16_t>(~fold(add_bytes(0, packet, v4_header(packet))));
  std::memcpy(packet + 10, &sum, 2);
}

}  // namespace trellis
