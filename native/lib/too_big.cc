#include "too_big.h"

#include <algorithm>
#include <cstring>

#include "checksum.h"
#include "ip.h"

namespace trellis {
namespace {

constexpr size_t V4 = 20, V6 = 40, ICMP = 8, V4_ROOM = 576;
constexpr uint8_t PROTOCOL_ICMP = 1, PROTOCOL_ICMPV6 = 58;
constexpr uint8_t HOP_LIMIT = 64;

/** RFC 1122 §3.2.2. */
bool may_answer_v4(const uint8_t* packet, size_t size) {
  const bool whole = (load16(packet + 6) & 0x4000) != 0, later_part = (load16(packet + 6) & 0x1fff) != 0;
  const uint8_t source = packet[12];
  if (!whole || later_part || source == 0 || source == 127 || source >= 224) return false;
  const size_t header = (packet[0] & 15) * size_t{4};
  if (packet[9] != PROTOCOL_ICMP) return true;
  return size > header && (packet[header] == 0 || packet[header] == 8);  // echo is no error
}

/** RFC 4443 §2.4 (e). */
bool may_answer_v6(const uint8_t* packet, size_t size) {
  static constexpr uint8_t NONE[16] = {};
  if (packet[8] == 0xff || std::memcmp(packet + 8, NONE, 16) == 0) return false;
  return packet[6] != PROTOCOL_ICMPV6 || (size > V6 && (packet[V6] & 0x80) != 0);
}

size_t answer_v4(const uint8_t* packet, size_t size, uint32_t mtu, uint8_t* out) {
  const size_t quoted = std::min(size, V4_ROOM - V4 - ICMP), length = V4 + ICMP + quoted;
  std::memset(out, 0, V4 + ICMP);
  out[0] = 0x45;
  out[1] = 0xc0;  // internetwork control
  out[8] = HOP_LIMIT;
  out[9] = PROTOCOL_ICMP;
  std::memcpy(out + 12, packet + 16, 4);
  std::memcpy(out + 16, packet + 12, 4);
  store_lengths(out, length);
  uint8_t* icmp = out + V4;
  icmp[0] = 3;
  icmp[1] = 4;
  store16(icmp + 6, static_cast<uint16_t>(std::min<uint32_t>(mtu, 0xffff)));
  std::memcpy(icmp + ICMP, packet, quoted);
  const uint16_t sum = static_cast<uint16_t>(~fold(add_bytes(0, icmp, ICMP + quoted)));
  std::memcpy(icmp + 2, &sum, 2);
  return length;
}

size_t answer_v6(const uint8_t* packet, size_t size, uint32_t mtu, uint8_t* out) {
  const size_t quoted = std::min(size, TOO_BIG_ROOM - V6 - ICMP), length = V6 + ICMP + quoted;
  std::memset(out, 0, V6 + ICMP);
  out[0] = 0x60;
  out[6] = PROTOCOL_ICMPV6;
  out[7] = HOP_LIMIT;
  std::memcpy(out + 8, packet + 24, 16);
  std::memcpy(out + 24, packet + 8, 16);
  store_lengths(out, length);
  uint8_t* icmp = out + V6;
  icmp[0] = 2;
  store32(icmp + 4, mtu);
  std::memcpy(icmp + ICMP, packet, quoted);
  const uint16_t sum = static_cast<uint16_t>(~fold(add_bytes(pseudo_sum(out, PROTOCOL_ICMPV6, ICMP + quoted), icmp, ICMP + quoted)));
  std::memcpy(icmp + 2, &sum, 2);
  return length;
}

}  // namespace

size_t write_too_big(const uint8_t* packet, size_t size, uint32_t mtu, uint8_t* out) {
  if (is_v4(packet)) return may_answer_v4(packet, size) ? answer_v4(packet, size, mtu, out) : 0;
  return may_answer_v6(packet, size) ? answer_v6(packet, size, mtu, out) : 0;
}

}  // namespace trellis
