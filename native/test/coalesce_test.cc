#include "coalesce.h"

#include <algorithm>
#include <map>

#include "packets.h"
#include "split.h"

namespace trellis::test {
namespace {

struct Given {
  Bytes packet;
  bool partial;
};

/** Feeds packets and gives what came out; superpackets are split again, as the kernel would. */
std::vector<Written> coalesce(std::vector<Given>& given, bool udp = true) {
  MemorySink sink;
  Coalescer coalescer(sink, udp);
  for (Given& each : given) CHECK(coalescer.add(each.packet.data(), each.packet.size(), each.partial));
  coalescer.flush();
  return sink.all;
}

std::vector<Bytes> unfolded(const std::vector<Written>& written) {
  std::vector<Bytes> out;
  for (const Written& each : written) {
    CHECK(valid_ip(each.packet.data(), each.packet.size()));
    CHECK(v4_header_holds(each.packet));
    if (each.vnet.gso_type == VNET_GSO_NONE) {
      out.push_back((each.vnet.flags & VNET_NEEDS_CHECKSUM) != 0 ? completed(each.packet) : each.packet);
      continue;
    }
    Split split;
    Bytes copy = each.packet;
    CHECK(plan_split(each.vnet, copy.data(), copy.size(), split));
    Transport transport;
    CHECK(find_transport(each.packet.data(), each.packet.size(), transport));
    CHECK(each.vnet.checksum_start == transport.offset && each.vnet.checksum_offset == transport.checksum_offset);
    const Bytes field(&each.packet[transport.offset + transport.checksum_offset], &each.packet[transport.offset + transport.checksum_offset] + 2);
    CHECK(load16(field.data()) == slow_pseudo(each.packet, transport));
    for (uint32_t i = 0; i < split.segments; i++) {
      const uint8_t* segment = lay_out_segment(split, i);
      out.push_back(completed(Bytes(segment, segment + segment_size(split, i))));
    }
  }
  return out;
}

/** A run of `count` packets of one flow in sequence. */
std::vector<Shape> sequence(const Shape& first, size_t count) {
  std::vector<Shape> shapes;
  Shape next = first;
  for (size_t i = 0; i < count; i++) {
    shapes.push_back(next);
    next.sequence += static_cast<uint32_t>(next.payload);
    next.identification++;
  }
  return shapes;
}

size_t writes(const std::vector<Shape>& shapes, bool udp = true) {
  std::vector<Given> given;
  for (const Shape& shape : shapes) given.push_back({partial(make_packet(shape)), true});
  return coalesce(given, udp).size();
}

Shape data(size_t payload = 1000) {
  Shape shape;
  shape.payload = payload;
  return shape;
}

}  // namespace

TEST("packets that continue each other leave as one, the others apart") {
  const auto changed = [](auto change) {
    std::vector<Shape> shapes = sequence(data(), 3);
    change(shapes);
    return shapes;
  };
  Shape v4 = data();
  v4.v4 = true;
  Shape counted = v4;
  counted.dont_fragment = false;
  Shape udp = data();
  udp.tcp = false;
  struct Row {
    std::vector<Shape> shapes;
    size_t want;
    const char* why;
  };
  using Shapes = std::vector<Shape>;
  for (const Row& row : std::vector<Row>{
           {sequence(data(), 3), 1, "three in sequence"},
           {sequence(v4, 3), 1, "three in sequence over IPv4"},
           {sequence(counted, 3), 1, "identifications that count up"},
           {sequence(udp, 3), 1, "three UDP datagrams"},
           {sequence(data(), 66), 2, "more than 64"},
           {sequence(data(9000), 8), 2, "more than an IP packet holds"},
           {sequence(data(0), 2), 2, "acknowledgements carry nothing to join"},
           {changed([](Shapes& s) { s[2].payload = 10; }), 1, "a short last one"},
           {changed([](Shapes& s) { s[1].payload = 10; s[2].sequence -= 990; }), 2, "a short one ends the run"},
           {changed([](Shapes& s) { s[1].payload = 1001; s[2].sequence++; }), 2, "a longer one begins another, which takes the third"},
           {changed([](Shapes& s) { s[1].sequence++; }), 3, "a gap"},
           {changed([](Shapes& s) { s[1].flags |= PSH; }), 1, "PSH in the middle"},
           {changed([](Shapes& s) { s[0].flags |= PSH; }), 1, "PSH at the beginning"},
           {changed([](Shapes& s) { s[2].flags |= FIN; }), 2, "FIN stays alone"},
           {changed([](Shapes& s) { s[0].flags |= CWR; }), 2, "CWR stays alone"},
           {changed([](Shapes& s) { s[2].ttl = 63; }), 2, "another hop limit"},
           {changed([](Shapes& s) { s[2].window = 9; }), 2, "another window"},
           {changed([](Shapes& s) { s[2].options = 4; }), 2, "other options"},
           {changed([](Shapes& s) { s[1].port = 1; s[2].sequence -= 1000; }), 2, "another flow in between does not matter"},
       }) {
    CHECK_CASE(writes(row.shapes) == row.want, row.why);
  }
  std::vector<Shape> repeated = sequence(counted, 2);
  repeated[1].identification = counted.identification;
  CHECK_CASE(writes(repeated) == 2, "identifications that do not count up");
  CHECK_CASE(writes(sequence(udp, 3), false) == 3, "a device that takes no UDP superpackets");
}

TEST("whole checksums are joined when they are right and passed on untouched when they are wrong") {
  const std::vector<Shape> shapes = sequence(data(), 3);
  std::vector<Given> given;
  for (const Shape& shape : shapes) given.push_back({make_packet(shape), false});
  CHECK(coalesce(given).size() == 1);
  given.clear();
  for (const Shape& shape : shapes) given.push_back({make_packet(shape), false});
  given[1].packet.back() ^= 1;
  const Bytes wrong = given[1].packet;
  const std::vector<Written> written = coalesce(given);
  CHECK(written.size() == 3 && written[1].packet == wrong && written[1].vnet.flags == 0);
}

TEST("a partial checksum is refused where no transport header is found") {
  MemorySink sink;
  Coalescer coalescer(sink, true);
  Bytes packet = make_packet(data());
  packet[6] = 58;
  CHECK(!coalescer.add(packet.data(), packet.size(), true));
  CHECK(coalescer.add(packet.data(), packet.size(), false));
  CHECK(sink.all.size() == 1);
}

/** Whether the packet had PSH; its checksum was right, or stays as it is. */
bool clear_push(Bytes& packet) {
  Transport transport;
  if (!find_transport(packet.data(), packet.size(), transport) || transport.protocol != PROTOCOL_TCP) return false;
  uint8_t& flags = packet[transport.offset + 13];
  if ((flags & PSH) == 0) return false;
  flags &= static_cast<uint8_t>(~PSH);
  packet = completed(partial(packet));
  return true;
}

TEST("whatever is coalesced, the same packets come out in the same order within each flow") {
  Random random(4);
  for (int round = 0; round < 400; round++) {
    std::vector<Shape> flows(1 + random.below(12));
    for (size_t i = 0; i < flows.size(); i++) {
      flows[i].v4 = random.below(2) != 0;
      flows[i].tcp = random.below(3) != 0;
      flows[i].options = flows[i].tcp ? 4 * random.below(4) : 0;
      flows[i].port = static_cast<uint16_t>(100 + i);
      flows[i].sequence = static_cast<uint32_t>(random.next());
      flows[i].payload = 1 + random.below(1400);
      flows[i].dont_fragment = random.below(2) != 0;
    }
    std::vector<Given> given;
    std::map<uint16_t, std::vector<Bytes>> want, got;
    for (int i = 0; i < 200; i++) {
      Shape& flow = flows[random.below(flows.size())];
      Shape shape = flow;
      if (random.below(8) == 0) shape.payload = random.below(shape.payload + 1);
      if (random.below(16) == 0) shape.flags |= PSH;
      if (random.below(32) == 0) shape.flags |= FIN;
      if (random.below(16) == 0) shape.sequence += 3;
      if (random.below(32) == 0) shape.ttl = 9;
      const bool left = random.below(4) != 0;
      const Bytes packet = make_packet(shape);
      want[shape.port].push_back(packet);
      given.push_back({left ? partial(packet) : packet, left});
      flow.sequence = shape.sequence + static_cast<uint32_t>(shape.payload);
      flow.identification++;
    }
    for (Bytes& packet : unfolded(coalesce(given))) got[load16(&packet[packet[0] >> 4 == 4 ? 20 : 40])].push_back(std::move(packet));
    // With DF the identification means nothing, and is not carried through a superpacket.
    for (auto* side : {&want, &got}) {
      for (auto& [port, packets] : *side) {
        for (Bytes& packet : packets) {
          if (packet[0] >> 4 == 4 && (packet[6] & 0x40) != 0) std::fill_n(packet.begin() + 4, 2, 0), std::fill_n(packet.begin() + 10, 2, 0);
        }
      }
    }
    // PSH is told with the last of those that are joined, never earlier.
    for (auto& [port, packets] : want) {
      bool owed = false;
      CHECK(packets.size() == got[port].size());
      for (size_t i = 0; i < packets.size(); i++) {
        const bool given_here = clear_push(packets[i]), told_here = clear_push(got[port][i]);
        owed |= given_here;
        CHECK(owed || !told_here);
        owed &= !told_here;
      }
      CHECK(!owed);
    }
    CHECK(want == got);
  }
}

}  // namespace trellis::test
