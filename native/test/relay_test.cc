// Three gateways without sockets: A and B have a session end to end, R between them relays and has no key of it.
#include <array>

#include "relayed.h"

namespace trellis::test {
namespace {

constexpr VnetHeader SUPERPACKET{VNET_NEEDS_CHECKSUM, VNET_GSO_TCP6, 0, 1300, 40, 16};

relay_words header_of(const Bytes& frame) {
  relay_words words;
  std::memcpy(&words, frame.data(), sizeof words);
  return words;
}

/** A frame as A would send it to R, tagged by the key of their session. */
Bytes crafted(relay_words words, size_t payload = 40) {
  const std::array<uint8_t, 16> key = [] {
    std::array<uint8_t, 16> bytes;
    bytes.fill(key_byte('a', 'c'));
    return bytes;
  }();
  words.tag = relay_tag(load64(key.data()), load64(key.data() + 8), &words);
  Bytes frame(sizeof words + payload, FRAME_CONTROL);
  std::memcpy(frame.data(), &words, sizeof words);
  return frame;
}

uint64_t label_of(char name) {
  in6_addr address;
  inet_pton(AF_INET6, overlay(name).c_str(), &address);
  return load64(address.s6_addr + 8);
}

relay_words words_to(uint64_t destination, uint8_t ttl = RELAY_TTL) {
  return {FRAME_RELAY | uint64_t{ttl} << 8 | uint64_t{index_of('c', 'a')} << 32, destination, label_of('a'), 0};
}

}  // namespace

TEST("a superpacket goes through a relay and comes out as the superpacket it was") {
  Line line;
  const Bytes packet = packet_between('a', 'b', 52'000);
  const std::vector<Sent> first = line.a.seal(packet, SUPERPACKET);
  CHECK(first.size() == 40);
  CHECK(std::all_of(first.begin(), first.end(), [&](const Sent& each) {
    return each.to == underlay('c') && std::memcmp(each.frame.data(), first[0].frame.data(), RELAY_SIZE) == 0;
  }));
  const std::vector<Sent> second = line.r.take(first, 'a');
  CHECK(second.size() == 40);
  for (size_t i = 0; i < second.size() && i < first.size(); i++) {
    CHECK(second[i].to == underlay('b'));
    CHECK(std::equal(second[i].frame.begin() + RELAY_SIZE, second[i].frame.end(), first[i].frame.begin() + RELAY_SIZE, first[i].frame.end()));
  }
  CHECK(first[0].frame[1] == RELAY_TTL);
  CHECK(second[0].frame[1] == RELAY_TTL - 1);
  CHECK(line.b.take(second, 'c').empty());
  CHECK(line.b.sink.all.size() == 1 && line.b.sink.all[0].packet == packet);
  CHECK(line.r.verdicts(RELAY_VERDICT_FORWARD) == 40 && line.b.verdicts(RELAY_VERDICT_DELIVER) == 40);
  CHECK(line.r.state('b').frames == 40);
}

TEST("what others relayed moves no endpoint; what comes straight does. Neither is a sign of life: it may be a record") {
  Line line;
  std::vector<ControlFrame> control;
  std::vector<Event> events;
  line.b.take(line.r.take(line.a.seal(packet_between('a', 'b', 100)), 'a'), 'c');
  line.b.mailbox.drain(control, events);
  const Peer& peer = *line.b.tables.sessions->at(index_of('b', 'a'))->peer;
  CHECK(events.empty() && peer.endpoint() == through_mesh('a') && line.b.sink.all.size() == 1);
  std::vector<Sent> straight = line.a.seal(packet_between('a', 'b', 100));
  for (Sent& each : straight) each.frame.erase(each.frame.begin(), each.frame.begin() + RELAY_SIZE);
  line.b.take(straight, 'a');
  line.b.mailbox.drain(control, events);
  CHECK(events.size() == 1 && events[0].type == EventType::moved && peer.endpoint() == underlay('a'));
  CHECK(std::all_of(&line.b.tables.relay->states[1], &line.b.tables.relay->states[100], [](const relay_state& state) { return state.until == 0; }));
}

TEST("a relayed frame that comes twice is relayed twice and delivered once") {
  Line line;
  const std::vector<Sent> first = line.a.seal(packet_between('a', 'b', 100));
  line.b.take(line.r.take(first, 'a'), 'c');
  line.b.take(line.r.take(first, 'a'), 'c');
  CHECK(line.r.verdicts(RELAY_VERDICT_FORWARD) == 2);
  CHECK(line.b.sink.all.size() == 1 && line.b.drops(Drop::replay) == 1);
}

TEST("control frames come out with the endpoint of their source in the mesh") {
  Line line;
  line.b.take(line.r.take({crafted(words_to(label_of('b')))}, underlay('a')), 'c');
  std::vector<ControlFrame> control;
  std::vector<Event> events;
  line.b.mailbox.drain(control, events);
  CHECK(control.size() == 1 && control[0].from == through_mesh('a') && control[0].payload == Bytes(40, FRAME_CONTROL));
  CHECK(format_address(control[0].from) == overlay('a'));
}

TEST("frames that are not to be relayed are counted by reason and go nowhere") {
  struct Row {
    const char* why;
    uint32_t want;
    Bytes frame;
  };
  Bytes changed = crafted(words_to(label_of('b')));
  changed[9] ^= 1;
  relay_words wrong_way = words_to(label_of('b'));
  wrong_way.head = (wrong_way.head & 0xffffffff) | uint64_t{index_of('c', 'b')} << 32;
  relay_words unknown = words_to(label_of('b'));
  unknown.head ^= uint64_t{1} << 60;
  relay_words reserved = words_to(label_of('b'));
  reserved.head |= 1 << 16;
  for (const Row& row : std::vector<Row>{
           {"a header cut short", RELAY_VERDICT_SHORT, Bytes(31, FRAME_RELAY)},
           {"nothing behind the header", RELAY_VERDICT_SHORT, crafted(words_to(label_of('b')), 0)},
           {"a reserved byte", RELAY_VERDICT_MALFORMED, crafted(reserved)},
           {"an index of nobody", RELAY_VERDICT_UNKNOWN_LINK, crafted(unknown)},
           {"a changed label", RELAY_VERDICT_BAD_TAG, changed},
           {"the index of another neighbour", RELAY_VERDICT_BAD_TAG, crafted(wrong_way)},
           {"the last hop", RELAY_VERDICT_EXPIRED, crafted(words_to(label_of('b'), 1))},
           {"a destination nobody leads to", RELAY_VERDICT_NO_ROUTE, crafted(words_to(label_of('d')))},
           {"back to where it came from", RELAY_VERDICT_LOOP, crafted(words_to(label_of('a')))},
       }) {
    Line line;
    CHECK_CASE(line.r.take({row.frame}, underlay('a')).empty(), row.why);
    for (uint32_t verdict = 0; verdict < RELAY_VERDICTS; verdict++) CHECK_CASE(line.r.verdicts(verdict) == (verdict == row.want), row.why);
    CHECK_CASE(line.r.sink.all.empty() && line.r.counters.received_packets.get() == 0, row.why);
  }
}

TEST("a frame for us that holds another relay header, or came from port 0, is malformed") {
  Line line;
  Bytes nested = crafted(words_to(label_of('c')));
  nested[RELAY_SIZE] = FRAME_RELAY;
  line.r.take({nested}, underlay('a'));
  CHECK(line.r.drops(Drop::malformed) == 1);
  line.r.take({Bytes(40, FRAME_CONTROL)}, through_mesh('b'));
  CHECK(line.r.drops(Drop::malformed) == 2);
}

TEST("frames of several flows in one turn each go their own way") {
  Line line;
  Gateway& r = line.r;
  r.meet('d', underlay('d'));
  r.route('d', overlay('d'));
  const std::vector<Sent> sent = r.take({crafted(words_to(label_of('b'))), crafted(words_to(label_of('d'))), crafted(words_to(label_of('b'))),
                                         crafted(words_to(label_of('a'))), crafted(words_to(label_of('d')))},
                                        underlay('a'));
  CHECK(sent.size() == 4 && r.verdicts(RELAY_VERDICT_LOOP) == 1);
  const std::vector<Sent> two = r.take({crafted(words_to(label_of('b'))), crafted(words_to(label_of('b'), 8)), crafted(words_to(label_of('b'), 8))}, underlay('a'));
  CHECK(two.size() == 3 && two[0].first && two[1].first && !two[2].first);  // to one neighbour, yet no burst of two flows
  CHECK(sent.size() == 4 && sent[0].to == underlay('b') && sent[1].to == underlay('d') && sent[2].to == underlay('b') && sent[3].to == underlay('d'));
}

TEST("the backup takes over when the primary was silent for too long, and gives back") {
  Line line;
  Gateway& r = line.r;
  r.meet('d', underlay('d'));
  r.route('b', overlay('b'), overlay('d'));
  const auto next = [&] { return r.take({crafted(words_to(label_of('b')))}, underlay('a'))[0].to; };
  const uint64_t now = uint64_t{NOW} * 1'000'000;
  relay_state& state = r.state('b');
  CHECK(next() == underlay('b'));
  state.until = now - 1;
  CHECK(next() == underlay('d'));
  state.until = now;
  CHECK(next() == underlay('b'));
}

TEST("a peer without a route through the mesh cannot be sent to") {
  Line line;
  CHECK(line.a.book.set_route(overlay('b'), {}, {}).ok());
  line.a.rebuild();
  CHECK(line.a.seal(packet_between('a', 'b', 100)).empty() && line.a.drops(Drop::no_endpoint) == 1);
  CHECK(line.a.book.set_route("fd11:2222:4444::b", overlay('c'), {}).number == EADDRNOTAVAIL);  // another mesh's address
  CHECK(line.a.book.set_route("nowhere", overlay('c'), {}).number == EADDRNOTAVAIL);
}

TEST("a peer that the mesh leads to is no next hop, nor is one without a session") {
  Line line;
  line.r.route('b', overlay('d'));
  CHECK(line.r.take({crafted(words_to(label_of('b')))}, underlay('a')).empty());
  line.r.meet('d', through_mesh('d'));
  CHECK(line.r.take({crafted(words_to(label_of('b')))}, underlay('a')).empty());
  CHECK(line.r.verdicts(RELAY_VERDICT_NO_ROUTE) == 2);
}

TEST("no mutation of relayed frames breaks any of the three") {
  Random random(11);
  Line line;
  uint64_t delivered = 0;
  for (int round = 0; round < 4'000; round++) {
    std::vector<Bytes> frames;
    for (const Sent& each : line.a.seal(packet_between('a', 'b', random.below(4'000)), SUPERPACKET)) frames.push_back(each.frame);
    for (Bytes& frame : frames) {
      if (random.below(3) != 0) continue;
      if (random.below(2) != 0) frame[random.below(std::min<size_t>(frame.size(), 48))] = static_cast<uint8_t>(random.next());
      if (random.below(3) == 0) frame.resize(random.below(frame.size() + 1));
      if (random.below(4) == 0 && frame.size() >= RELAY_SIZE) {  // its tag is right: what is in it was the sender's wish
        frame = crafted(header_of(frame), frame.size() - RELAY_SIZE);
        if (frame.size() > RELAY_SIZE) frame[RELAY_SIZE] = static_cast<uint8_t>(random.below(8));
      }
    }
    line.b.take(line.r.take(frames, underlay('a')), 'c');
    delivered += line.b.sink.all.size();
    line.b.sink.all.clear();
    std::vector<ControlFrame> control;
    std::vector<Event> events;
    for (Gateway* gateway : {&line.r, &line.b}) gateway->mailbox.drain(control, events);
  }
  CHECK(delivered > 1'000);
  for (const uint32_t verdict : {RELAY_VERDICT_SHORT, RELAY_VERDICT_MALFORMED, RELAY_VERDICT_UNKNOWN_LINK, RELAY_VERDICT_BAD_TAG}) {
    CHECK(line.r.verdicts(verdict) > 0);
  }
}

}  // namespace trellis::test
