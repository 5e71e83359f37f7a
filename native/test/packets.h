// Inner packets for tests, and the Internet checksum computed the slow, obvious way.
#pragma once
#include <cstring>
#include <vector>

#include "coalesce.h"
#include "ip.h"
#include "check.h"

namespace trellis::test {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t ACK = 0x10, PSH = 0x08, FIN = 0x01, SYN = 0x02, CWR = 0x80;

/** RFC 1071 word by word, big-endian, no tricks. */
inline uint32_t slow_sum(const uint8_t* data, size_t size, uint32_t sum = 0) {
  for (size_t i = 0; i < size; i++) {
    sum += i % 2 == 0 ? uint32_t{data[i]} << 8 : data[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

/** Pseudo-header sum of a TCP or UDP packet, big-endian. */
inline uint32_t slow_pseudo(const Bytes& packet, const Transport& transport) {
  const bool v4 = packet[0] >> 4 == 4;
  const uint32_t addresses = v4 ? slow_sum(&packet[12], 8) : slow_sum(&packet[8], 32);
  const auto length = static_cast<uint32_t>(packet.size() - transport.offset);
  const uint8_t tail[] = {0, transport.protocol, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
  return slow_sum(tail, sizeof tail, addresses);
}

struct Shape {
  bool v4 = false;
  bool tcp = true;
  size_t options = 0;  // bytes of TCP options, a multiple of 4
  size_t payload = 0;
  uint32_t sequence = 1000;
  uint8_t flags = ACK;
  uint16_t port = 4000;
  uint16_t identification = 1;
  uint8_t ttl = 64;
  uint16_t window = 500;
  bool dont_fragment = true;
};

/** A packet with its whole transport checksum; payload bytes follow from the sequence number. */
inline Bytes make_packet(const Shape& shape) {
  const size_t ip = shape.v4 ? 20 : 40;
  const size_t header = shape.tcp ? 20 + shape.options : 8;
  Bytes packet(ip + header + shape.payload);
  if (shape.v4) {
    packet[0] = 0x45;
    store16(&packet[4], shape.identification);
    packet[6] = shape.dont_fragment ? 0x40 : 0;
    packet[8] = shape.ttl;
    packet[9] = shape.tcp ? 6 : 17;
    store32(&packet[12], 0x0a000001);
    store32(&packet[16], 0x0a000002);
  } else {
    packet[0] = 0x60;
    packet[6] = shape.tcp ? 6 : 17;
    packet[7] = shape.ttl;
    packet[8] = packet[24] = 0xfd;
    packet[23] = 1;
    packet[39] = 2;
  }
  store_lengths(packet.data(), packet.size());
  uint8_t* transport = &packet[ip];
  store16(transport, shape.port);
  store16(transport + 2, 5000);
  if (shape.tcp) {
    store32(transport + 4, shape.sequence);
    store32(transport + 8, 77);
    transport[12] = static_cast<uint8_t>(header / 4 << 4);
    transport[13] = shape.flags;
    store16(transport + 14, shape.window);
    for (size_t i = 0; i < shape.options; i++) transport[20 + i] = static_cast<uint8_t>(i + 1);
  } else {
    store16(transport + 4, static_cast<uint16_t>(header + shape.payload));
  }
  for (size_t i = 0; i < shape.payload; i++) packet[ip + header + i] = static_cast<uint8_t>((shape.sequence + i) * 7);
  Transport found;
  find_transport(packet.data(), packet.size(), found);
  uint8_t* field = transport + found.checksum_offset;
  const auto sum = static_cast<uint16_t>(~slow_sum(transport, header + shape.payload, slow_pseudo(packet, found)));
  store16(field, sum == 0 ? 0xffff : sum);
  return packet;
}

/** The packet with its transport checksum left to the kernel. */
inline Bytes partial(Bytes packet) {
  Transport transport;
  find_transport(packet.data(), packet.size(), transport);
  store_partial(packet.data(), packet.size(), transport);
  return packet;
}

/** What the kernel makes of a packet with a partial checksum. */
inline Bytes completed(Bytes packet) {
  Transport transport;
  find_transport(packet.data(), packet.size(), transport);
  const auto sum = static_cast<uint16_t>(~slow_sum(&packet[transport.offset], packet.size() - transport.offset));
  store16(&packet[transport.offset + transport.checksum_offset], sum == 0 ? 0xffff : sum);
  return packet;
}

inline bool v4_header_holds(const Bytes& packet) { return packet[0] >> 4 != 4 || slow_sum(packet.data(), 20) == 0xffff; }

struct Written {
  VnetHeader vnet;
  Bytes packet;
};

/** Stands where the TUN device is: keeps what is written. */
class MemorySink final : public Sink {
 public:
  void write(const iovec* pieces, int count, size_t) override {
    Written written;
    std::memcpy(&written.vnet, pieces[0].iov_base, sizeof written.vnet);
    for (int i = 1; i < count; i++) {
      const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
      written.packet.insert(written.packet.end(), data, data + pieces[i].iov_len);
    }
    all.push_back(std::move(written));
  }
  std::vector<Written> all;
};

}  // namespace trellis::test
