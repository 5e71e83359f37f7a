// Answers to packets that are too big, byte by byte.
#include "too_big.h"

#include <algorithm>

#include "packets.h"

namespace trellis::test {
namespace {

Bytes answer(const Bytes& packet, uint32_t mtu) {
  Bytes out(TOO_BIG_ROOM);
  out.resize(write_too_big(packet.data(), packet.size(), mtu, out.data()));
  return out;
}

Bytes shaped(bool v4, size_t payload) {
  Shape shape;
  shape.v4 = v4;
  shape.payload = payload;
  return make_packet(shape);
}

}  // namespace

TEST("Packet Too Big quotes up to 1280 bytes, tells the MTU, and its checksum holds") {
  for (const size_t payload : {size_t{0}, size_t{100}, size_t{1171}, size_t{1172}, size_t{1340}, size_t{9000}}) {
    const Bytes packet = shaped(false, payload), out = answer(packet, 1319);
    const size_t quoted = std::min(packet.size(), size_t{1232});
    CHECK(out.size() == 48 + quoted && valid_ip(out.data(), out.size()));
    CHECK(out[6] == 58 && out[7] == 64 && out[40] == 2 && out[41] == 0 && load32(&out[44]) == 1319);
    CHECK(std::equal(packet.begin() + 24, packet.begin() + 40, out.begin() + 8));
    CHECK(std::equal(packet.begin() + 8, packet.begin() + 24, out.begin() + 24));
    CHECK(std::equal(packet.begin(), packet.begin() + static_cast<long>(quoted), out.begin() + 48));
    const uint8_t tail[] = {0, 58, static_cast<uint8_t>((8 + quoted) >> 8), static_cast<uint8_t>(8 + quoted)};
    CHECK(slow_sum(&out[40], 8 + quoted, slow_sum(tail, 4, slow_sum(&out[8], 32))) == 0xffff);
  }
}

TEST("Fragmentation Needed quotes up to 576 bytes, tells the MTU, and its checksums hold") {
  for (const size_t payload : {size_t{0}, size_t{100}, size_t{507}, size_t{508}, size_t{1340}, size_t{9000}}) {
    const Bytes packet = shaped(true, payload), out = answer(packet, 1319);
    const size_t quoted = std::min(packet.size(), size_t{548});
    CHECK(out.size() == 28 + quoted && valid_ip(out.data(), out.size()));
    CHECK(out[9] == 1 && out[20] == 3 && out[21] == 4 && load16(&out[24]) == 0 && load16(&out[26]) == 1319);
    CHECK(load32(&out[12]) == load32(&packet[16]) && load32(&out[16]) == load32(&packet[12]));
    CHECK(std::equal(packet.begin(), packet.begin() + static_cast<long>(quoted), out.begin() + 28));
    CHECK(slow_sum(&out[0], 20) == 0xffff && slow_sum(&out[20], 8 + quoted) == 0xffff);
  }
}

TEST("errors, fragments, what may be cut and sources that are no machine get no answer") {
  Bytes packet = shaped(true, 1300);
  for (const auto& [at, value] : {std::pair{6, 0}, {7, 1}, {12, 0}, {12, 127}, {12, 224}, {12, 255}}) {
    Bytes changed = packet;
    changed[static_cast<size_t>(at)] = static_cast<uint8_t>(value);
    CHECK(answer(changed, 1280).empty());
  }
  packet[9] = 1;
  for (int type = 0; type < 256; type++) {
    packet[20] = static_cast<uint8_t>(type);
    CHECK(answer(packet, 1280).empty() == (type != 0 && type != 8));
  }
  packet = shaped(false, 1300);
  Bytes multicast = packet, unspecified = packet;
  multicast[8] = 0xff;
  std::fill_n(unspecified.begin() + 8, 16, uint8_t{0});
  CHECK(answer(multicast, 1280).empty() && answer(unspecified, 1280).empty());
  packet[6] = 58;
  for (int type = 0; type < 256; type++) {
    packet[40] = static_cast<uint8_t>(type);
    CHECK(answer(packet, 1280).empty() == (type < 128));
  }
}

}  // namespace trellis::test
