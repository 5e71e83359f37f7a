#include "split.h"

#include "packets.h"

namespace trellis::test {
namespace {

VnetHeader vnet_for(const Shape& shape, uint16_t segment) {
  const uint8_t type = !shape.tcp ? VNET_GSO_UDP : shape.v4 ? VNET_GSO_TCP4 : VNET_GSO_TCP6;
  const auto start = static_cast<uint16_t>(shape.v4 ? 20 : 40);
  return {VNET_NEEDS_CHECKSUM, type, 0, segment, start, static_cast<uint16_t>(shape.tcp ? 16 : 6)};
}

std::vector<Bytes> split_all(const VnetHeader& vnet, Bytes packet) {
  Split split;
  std::vector<Bytes> out;
  if (!plan_split(vnet, packet.data(), packet.size(), split)) return out;
  for (uint32_t i = 0; i < split.segments; i++) {
    const uint8_t* segment = lay_out_segment(split, i);
    out.emplace_back(segment, segment + segment_size(split, i));
  }
  return out;
}

Shape random_shape(Random& random) {
  Shape shape;
  shape.v4 = random.below(2) != 0;
  shape.tcp = random.below(2) != 0;
  shape.options = shape.tcp ? 4 * random.below(11) : 0;
  shape.payload = 1 + random.below(60000);
  shape.sequence = static_cast<uint32_t>(random.next());
  shape.identification = static_cast<uint16_t>(random.next());
  return shape;
}

}  // namespace

TEST("a superpacket becomes the very packets its sender would have sent one by one") {
  Random random(3);
  for (int round = 0; round < 300; round++) {
    Shape shape = random_shape(random);
    shape.flags = ACK | PSH | FIN | CWR;
    const auto segment = static_cast<uint16_t>(1 + random.below(round % 10 == 0 ? 100 : 9000));
    const std::vector<Bytes> parts = split_all(vnet_for(shape, segment), partial(make_packet(shape)));
    const size_t count = (shape.payload + segment - 1) / segment;
    CHECK(parts.size() == count);
    for (size_t i = 0; i < parts.size(); i++) {
      Shape want = shape;
      want.payload = std::min<size_t>(segment, shape.payload - i * segment);
      want.identification = static_cast<uint16_t>(shape.identification + i);
      want.sequence = shape.sequence + static_cast<uint32_t>(i * segment);
      want.flags = static_cast<uint8_t>(ACK | (i == 0 ? CWR : 0) | (i + 1 == count ? PSH | FIN : 0));
      CHECK(completed(parts[i]) == make_packet(want));
      CHECK(v4_header_holds(parts[i]));
      CHECK(valid_ip(parts[i].data(), parts[i].size()));
    }
  }
}

TEST("a vnet header that does not fit its packet is refused") {
  Shape tcp6, udp4;
  tcp6.payload = udp4.payload = 3000;
  udp4.tcp = false;
  udp4.v4 = true;
  struct Row {
    Shape shape;
    uint8_t type;
    uint16_t segment;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {tcp6, VNET_GSO_TCP6, 0, "no segment size"},
           {tcp6, VNET_GSO_TCP4, 1000, "TCP over IPv4, but the packet is IPv6"},
           {tcp6, VNET_GSO_UDP, 1000, "UDP, but the packet is TCP"},
           {udp4, VNET_GSO_TCP4, 1000, "TCP, but the packet is UDP"},
           {udp4, 3, 1000, "IP fragmentation of UDP, which nobody may ask for"},
       }) {
    VnetHeader vnet = vnet_for(row.shape, row.segment);
    vnet.gso_type = row.type;
    CHECK_CASE(split_all(vnet, make_packet(row.shape)).empty(), row.why);
  }
}

TEST("the transport header is found behind options and nowhere else") {
  Transport transport;
  Bytes packet = make_packet({});
  CHECK(find_transport(packet.data(), packet.size(), transport) && transport.offset == 40);
  Bytes options(8);
  options[0] = 6;
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet[6] = 60;
  store_lengths(packet.data(), packet.size());
  CHECK(find_transport(packet.data(), packet.size(), transport) && transport.offset == 48);
  packet[41] = 200;
  CHECK(!find_transport(packet.data(), packet.size(), transport));  // the option header runs past the end
  for (const uint8_t next : {1, 43, 44, 50, 58, 59, 132}) {
    packet[6] = next;
    CHECK(!find_transport(packet.data(), packet.size(), transport));
  }
  Shape v4;
  v4.v4 = true;
  packet = make_packet(v4);
  CHECK(find_transport(packet.data(), packet.size(), transport) && transport.offset == 20);
  packet[7] = 1;
  CHECK(!find_transport(packet.data(), packet.size(), transport));  // a later fragment has no TCP header
}

TEST("a packet is an IP packet only when its lengths agree with its size") {
  for (const bool v4 : {false, true}) {
    Shape shape;
    shape.v4 = v4;
    shape.payload = 50;
    Bytes packet = make_packet(shape);
    CHECK(valid_ip(packet.data(), packet.size()));
    for (size_t size = 0; size < packet.size(); size++) CHECK(!valid_ip(packet.data(), size));
    packet.push_back(0);
    CHECK(!valid_ip(packet.data(), packet.size()));
  }
}

}  // namespace trellis::test
