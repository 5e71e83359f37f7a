// The way of a packet through both ends, without descriptors: seal, carry, open, coalesce. Also what attackers send.
#include "checksum.h"
#include "pair.h"

namespace trellis::test {

TEST("a superpacket crosses the tunnel as frames of MTU size and arrives as the superpacket it was") {
  for (const Cipher cipher : {Cipher::aes256_gcm, Cipher::chacha20_poly1305}) {
    for (const bool v4 : {false, true}) {
      Pair pair(cipher);
      const Bytes packet = partial(make_packet(shape_of(60'000, v4)));
      const std::vector<Bytes> frames = pair.a.seal(packet, superpacket(v4, 1340));
      CHECK(frames.size() == 45);
      CHECK(pair.a.counters.sent_packets.get() == 45);
      pair.b.open(frames);
      CHECK(pair.b.sink.all.size() == 1 && pair.b.sink.all[0].packet == packet);
      CHECK(pair.b.sink.all[0].vnet.gso_size == 1340);
      CHECK(pair.b.counters.received_bytes.get() == pair.a.counters.sent_bytes.get());
      CHECK(pair.b.session->received_packets == 45 && pair.b.dropped() == 0);
    }
  }
}

TEST("what no frame may carry whole goes in parts, in any order, and arrives as it was") {
  for (const uint32_t limit : {256u, 700u, 1200u, 1399u}) {
    Pair pair;
    pair.a.peer->frame_limit = limit;
    const Bytes packet = partial(make_packet(shape_of(20'000)));
    std::vector<Bytes> frames = pair.a.seal(packet, superpacket(false, 1340));
    for (const Bytes& frame : frames) CHECK(frame.size() <= limit);
    std::reverse(frames.begin(), frames.begin() + 8);
    pair.b.open(frames);
    size_t payload = 0;
    for (const auto& written : pair.b.sink.all) payload += written.packet.size() - 60;
    CHECK(payload == 20'000 && pair.b.dropped() == 0);
    CHECK(pair.a.counters.sent_packets.get() == 15);
    pair.b.open(frames);
    CHECK(pair.b.dropped(Drop::replay) == frames.size());
  }
}

TEST("single packets cross unchanged, with a whole checksum or a partial one") {
  Pair pair;
  const Bytes whole = make_packet(shape_of(100));
  pair.b.open(pair.a.seal(whole));
  CHECK(pair.b.sink.all.size() == 1 && pair.b.sink.all[0].packet == whole);
  const VnetHeader needs{VNET_NEEDS_CHECKSUM, 0, 0, 0, 40, 16};
  Shape second = shape_of(100);
  second.sequence = 9;
  pair.b.open(pair.a.seal(partial(make_packet(second)), needs));
  CHECK(pair.b.sink.all.size() == 2 && completed(pair.b.sink.all[1].packet) == make_packet(second));
  CHECK(pair.b.sink.all[1].vnet.flags == VNET_NEEDS_CHECKSUM);
}

TEST("a checksum that the peer could not find is completed before sealing") {
  Pair pair;
  Bytes packet = make_packet(shape_of(100));
  packet[6] = 58;  // ICMPv6: its checksum is not where TCP's is
  packet[42] = packet[43] = 0;
  const uint16_t pseudo = fold(pseudo_sum(packet.data(), 58, packet.size() - 40));
  std::memcpy(&packet[42], &pseudo, 2);
  pair.b.open(pair.a.seal(packet, {VNET_NEEDS_CHECKSUM, 0, 0, 0, 40, 2}));
  CHECK(pair.b.sink.all.size() == 1 && pair.b.sink.all[0].vnet.flags == 0);
  const Bytes& got = pair.b.sink.all[0].packet;
  Transport transport{58, 40, 8, 2};
  CHECK(slow_sum(&got[40], got.size() - 40, slow_pseudo(got, transport)) == 0xffff);
}

TEST("frames that are mangled, replayed or unknown are counted by reason and delivered never") {
  struct Row {
    const char* why;
    Drop reason;
    void (*mangle)(Bytes&);
  };
  for (const Row& row : std::vector<Row>{
           {"empty", Drop::malformed, [](Bytes& f) { f.clear(); }},
           {"a type that is not ours", Drop::malformed, [](Bytes& f) { f[0] = 6; }},
           {"type zero", Drop::malformed, [](Bytes& f) { f[0] = 0; }},
           {"a flag without meaning", Drop::malformed, [](Bytes& f) { f[1] |= 8; }},
           {"a reserved byte set", Drop::malformed, [](Bytes& f) { f[3] = 1; }},
           {"one byte short of header and tag", Drop::malformed, [](Bytes& f) { f.resize(31); }},
           {"a header alone", Drop::malformed, [](Bytes& f) { f.resize(16); }},
           {"a session that is not there", Drop::no_session, [](Bytes& f) { f[4] ^= 1; }},
           {"a changed flag", Drop::auth, [](Bytes& f) { f[1] ^= 1; }},
           {"a changed counter", Drop::auth, [](Bytes& f) { f[8] ^= 1; }},
           {"a counter beyond what a key may seal", Drop::exhausted, [](Bytes& f) { f[12] = 1; }},
           {"a changed byte of text", Drop::auth, [](Bytes& f) { f[20] ^= 1; }},
           {"a changed tag", Drop::auth, [](Bytes& f) { f.back() ^= 0x80; }},
           {"a byte cut off", Drop::auth, [](Bytes& f) { f.pop_back(); }},
           {"a byte added", Drop::auth, [](Bytes& f) { f.push_back(0); }},
           {"a control frame longer than any", Drop::malformed, [](Bytes& f) { f.assign(MAX_CONTROL + 1, 1); }},
       }) {
    Pair pair;
    const Bytes good = pair.a.seal(make_packet(shape_of(100)))[0];
    Bytes bad = good;
    row.mangle(bad);
    pair.b.open({bad});
    CHECK_CASE(pair.b.dropped(row.reason) == 1 && pair.b.dropped() == 1, row.why);
    CHECK_CASE(pair.b.sink.all.empty() && pair.b.counters.received_packets.get() == 0, row.why);
    pair.b.open({good});
    CHECK_CASE(pair.b.sink.all.size() == 1, row.why);
    pair.b.open({good});
    CHECK_CASE(pair.b.dropped(Drop::replay) == 1 && pair.b.sink.all.size() == 1, row.why);
  }
}

TEST("an authentic frame is delivered only if it holds an IP packet from an address of its peer") {
  struct Row {
    const char* why;
    Drop reason;
    void (*change)(Bytes&);
  };
  for (const Row& row : std::vector<Row>{
           {"a source that belongs to nobody", Drop::source, [](Bytes& p) { p[23] = 9; }},
           {"a source that is ours", Drop::source, [](Bytes& p) { p[23] = 2; }},
           {"neither IPv4 nor IPv6", Drop::malformed, [](Bytes& p) { p[0] = 0x50; }},
           {"longer than it says", Drop::malformed, [](Bytes& p) { p.push_back(0); }},
           {"shorter than it says", Drop::malformed, [](Bytes& p) { p.pop_back(); }},
           {"a single byte", Drop::malformed, [](Bytes& p) { p.resize(1); }},
       }) {
    Pair pair;
    Bytes packet = make_packet(shape_of(100));
    row.change(packet);
    pair.b.open({seal_as_it_is(pair, packet)});
    CHECK_CASE(pair.b.dropped(row.reason) == 1 && pair.b.sink.all.empty(), row.why);
    CHECK_CASE(pair.b.counters.received_packets.get() == 1, row.why);
  }
}

TEST("an empty packet is a sign of life: authenticated, counted, not delivered") {
  Pair pair;
  Bytes frame(FRAME_OVERHEAD);
  uint8_t nonce[NONCE_SIZE];
  write_header(frame.data(), INDEX, 0, 0);
  write_nonce(nonce, 0);
  CHECK(pair.a.session->sealers[0]->seal(nonce, frame.data(), HEADER_SIZE, nullptr, nullptr, 0, frame.data() + HEADER_SIZE));
  pair.b.open({frame});
  CHECK(pair.b.counters.received_packets.get() == 1 && pair.b.dropped() == 0 && pair.b.sink.all.empty());
  CHECK(pair.b.session->last_received >= 0);
}

TEST("the endpoint follows the newest authentic frame, and nothing else") {
  Pair pair;
  const Bytes first = pair.a.seal(make_packet(shape_of(10)))[0];
  const Bytes second = pair.a.seal(make_packet(shape_of(10)))[0];
  Bytes forged = pair.a.seal(make_packet(shape_of(10)))[0];
  forged.back() ^= 1;
  pair.b.open({forged}, ELSEWHERE);
  CHECK(pair.b.peer->endpoint() == HOME && pair.b.events().empty());
  pair.b.open({second}, ELSEWHERE);
  const std::vector<Event> events = pair.b.events();
  CHECK(events.size() == 1 && events[0].type == EventType::moved && events[0].endpoint == ELSEWHERE && events[0].local_index == INDEX);
  CHECK(pair.b.peer->endpoint() == ELSEWHERE);
  pair.b.open({second}, HOME);  // a replay from the old address
  pair.b.open({first}, HOME);   // an older frame that was held back there
  CHECK(pair.b.peer->endpoint() == ELSEWHERE && pair.b.events().empty());
}

TEST("a key asks for its successor at 2^26 packets and seals nothing after 2^28") {
  Pair pair;
  pair.a.session->next_counter = SEAL_SOFT_LIMIT - 2;
  CHECK(pair.a.seal(make_packet(shape_of(10))).size() == 1 && pair.a.events().empty());
  CHECK(pair.a.seal(make_packet(shape_of(10))).size() == 1);
  const std::vector<Event> events = pair.a.events();
  CHECK(events.size() == 1 && events[0].type == EventType::exhausted && events[0].local_index == INDEX);
  CHECK(pair.a.seal(make_packet(shape_of(10))).size() == 1 && pair.a.events().empty());
  pair.a.session->next_counter = SEAL_LIMIT - 1;
  CHECK(pair.a.seal(make_packet(shape_of(10))).size() == 1);
  CHECK(pair.a.seal(make_packet(shape_of(10))).empty());
  CHECK(pair.a.dropped(Drop::exhausted) == 1);
}

TEST("TCP that keeps the device's queue filled for 100 ms loses one segment; what else waits in it loses nothing") {
  Pair pair;
  const Bytes bulk = partial(make_packet(shape_of(60'000)));
  Shape udp = shape_of(6000);
  udp.tcp = false;
  const VnetHeader datagrams{VNET_NEEDS_CHECKSUM, VNET_GSO_UDP, 0, 1200, 40, 6};
  const auto sealed = [&](int64_t now) { return pair.a.seal(bulk, superpacket(false, 1340), now).size(); };
  CHECK(sealed(0) == 45 && sealed(99) == 45);
  CHECK(pair.a.seal(partial(make_packet(udp)), datagrams, 150).size() == 5 && pair.a.seal(make_packet(shape_of(10)), {}, 150).size() == 1);
  CHECK(sealed(150) == 44 && pair.a.dropped(Drop::slowed) == 1);
  CHECK(sealed(160) == 45 && sealed(200) == 44);
  pair.a.outbound.drained();
  CHECK(sealed(300) == 45 && sealed(399) == 45 && pair.a.dropped() == 2);
}

TEST("TCP that keeps the socket's queue filled for 100 ms loses one segment on arrival; small packets lose nothing") {
  Pair pair;
  uint32_t sequence = 1000;
  const auto arrives = [&](size_t payload, int64_t now) {
    Shape shape = shape_of(payload);
    shape.sequence = sequence += 10'000;  // no two join
    const size_t before = pair.b.sink.all.size();
    pair.b.open(pair.a.seal(make_packet(shape)), HOME, now);
    return pair.b.sink.all.size() - before;
  };
  CHECK(arrives(1300, 0) == 1 && arrives(1300, 99) == 1 && arrives(100, 150) == 1);
  CHECK(arrives(1300, 150) == 0 && pair.b.dropped(Drop::slowed) == 1);
  pair.b.inbound.drained();
  CHECK(arrives(1300, 250) == 1 && arrives(1300, 349) == 1 && pair.b.dropped() == 1);
}

TEST("a packet for a peer without a session asks for one, once a second, and crosses when it is there") {
  Pair pair;
  const auto session = pair.a.session;
  pair.a.peer->use(nullptr);
  Shape second = shape_of(2000);
  second.sequence = 9;
  const Bytes packet = make_packet(shape_of(10)), burst = partial(make_packet(second));
  CHECK(pair.a.seal(packet).empty() && pair.a.seal(burst, superpacket(false, 1340)).empty());
  const std::vector<Event> events = pair.a.events();
  CHECK(events.size() == 1 && events[0].type == EventType::wanted && events[0].peer == "fd00::2");
  CHECK(pair.a.resume().empty());
  pair.a.peer->use(session);
  CHECK(pair.a.waiting.release("fd00::2"));
  const std::vector<Bytes> frames = pair.a.resume();
  CHECK(frames.size() == 3 && pair.a.dropped() == 0 && pair.a.waiting.empty());
  pair.b.open(frames);
  CHECK(pair.b.sink.all.size() == 2 && pair.b.sink.all[0].packet == packet && pair.b.sink.all[1].packet == burst);
  CHECK(pair.a.resume().empty());
}

TEST("a packet to an overlay address without a route waits like any other, and multicast does not") {
  Pair pair;
  Bytes other = make_packet(shape_of(10));
  other[39] = 9;
  CHECK(pair.a.seal(other).empty() && pair.a.dropped() == 0);
  const std::vector<Event> unknown = pair.a.events();
  CHECK(unknown.size() == 1 && unknown[0].peer == "fd00::9");
  auto routes = std::make_shared<Routes>(*pair.a.tables.routes);
  routes->insert(key_of(9, false), 128, false, pair.a.peer);
  pair.a.tables.routes = routes;
  CHECK(pair.a.waiting.release("fd00::9") && pair.a.resume().size() == 1);
  Bytes multicast = make_packet(shape_of(10)), foreign = make_packet(shape_of(10, true));
  multicast[24] = 0xff;
  foreign[19] = 9;
  CHECK(pair.a.seal(multicast).empty() && pair.a.seal(foreign).empty());
  CHECK(pair.a.dropped(Drop::no_route) == 2 && pair.a.waiting.empty() && pair.a.events().empty());
}

TEST("a session that comes while its peer's packet is on its way into the queue is not missed") {
  Pair pair;
  const auto session = pair.a.session;
  pair.a.peer->use(nullptr);
  Bytes packet = make_packet(shape_of(10));
  pair.a.outbound.begin(pair.a.tables, pair.a.waiting.releases(), 0);
  CHECK(!pair.a.waiting.release("fd00::2"));
  pair.a.outbound.packet({}, packet.data(), packet.size());
  pair.a.outbound.finish();
  pair.a.peer->use(session);
  CHECK(pair.a.resume().size() == 1);
}

TEST("a packet is not kept for a peer that has a session and no endpoint") {
  Pair pair;
  pair.a.peer->set_endpoint({});
  CHECK(pair.a.seal(make_packet(shape_of(10))).empty());
  CHECK(pair.a.dropped(Drop::no_endpoint) == 1 && pair.a.waiting.empty() && pair.a.events().size() == 1);
}

TEST("control frames reach the runtime with their source, and the box that is full drops") {
  Pair pair;
  for (const uint8_t type : {FRAME_HANDSHAKE, FRAME_ACKNOWLEDGE, FRAME_COOKIE, FRAME_CONTROL}) pair.b.open({Bytes(40, type)}, ELSEWHERE);
  std::vector<ControlFrame> control;
  std::vector<Event> events;
  pair.b.mailbox.drain(control, events);
  CHECK(control.size() == 4 && control[3].from == ELSEWHERE && control[3].payload == Bytes(40, FRAME_CONTROL));
  CHECK(pair.b.notified == 1);  // told once, though four came before it was emptied
  for (int i = 0; i < 3000; i++) pair.b.open({Bytes(1, FRAME_CONTROL)});
  CHECK(pair.b.dropped(Drop::control_full) == 3000 - 2048 && pair.b.notified == 2);
}

TEST("no mutation of frames, of inner packets or of vnet headers breaks either end") {
  Random random(5);
  Pair pair;
  uint64_t delivered = 0;
  for (int round = 0; round < 20'000; round++) {
    Shape shape = shape_of(random.below(3000), random.below(2) != 0);
    shape.tcp = random.below(3) != 0;
    shape.options = shape.tcp ? 4 * random.below(4) : 0;
    Bytes packet = make_packet(shape);
    VnetHeader vnet{};
    if (random.below(2) != 0) {
      vnet = superpacket(shape.v4, static_cast<uint16_t>(1 + random.below(1400)));
      if (!shape.tcp) vnet.gso_type = VNET_GSO_UDP, vnet.checksum_offset = 6;
    }
    if (random.below(2) != 0) {  // bytes that a broken or hostile sender could seal: the vnet header and the inner headers
      auto* bytes = reinterpret_cast<uint8_t*>(&vnet);
      bytes[random.below(sizeof vnet)] = static_cast<uint8_t>(random.next());
      for (uint64_t i = random.below(4); i > 0; i--) packet[random.below(std::min<size_t>(packet.size(), 80))] = static_cast<uint8_t>(random.next());
    }
    std::vector<Bytes> frames = pair.a.seal(packet, vnet);
    if (random.below(4) == 0) {  // a packet that passes no check of the sender, sealed by a hostile peer
      if (random.below(2) != 0) packet.resize(random.below(packet.size() + 1));
      Bytes frame(packet.size() + FRAME_OVERHEAD);
      const uint64_t counter = pair.a.session->next_counter++;
      uint8_t nonce[NONCE_SIZE];
      write_header(frame.data(), INDEX, counter, static_cast<uint8_t>(random.below(KNOWN_FLAGS + 1)));
      write_nonce(nonce, counter);
      std::copy(packet.begin(), packet.end(), frame.begin() + HEADER_SIZE);
      uint8_t* data = frame.data() + HEADER_SIZE;
      pair.a.session->sealers[0]->seal(nonce, frame.data(), HEADER_SIZE, data, data, packet.size(), data + packet.size());
      frames.push_back(frame);
    }
    for (Bytes& frame : frames) {
      if (random.below(4) != 0 || frame.empty()) continue;
      for (uint64_t i = random.below(6); i > 0; i--) frame[random.below(std::min<size_t>(frame.size(), 24))] = static_cast<uint8_t>(random.next());
      if (random.below(4) == 0) frame.resize(random.below(frame.size() + 1));
    }
    // Each frame lies in memory of its own, exactly as long: the sanitizer sees a read one byte beyond it.
    pair.b.open(frames, random.below(2) != 0 ? HOME : ELSEWHERE);
    delivered += pair.b.sink.all.size();
    pair.b.sink.all.clear();
    pair.a.session->next_counter = pair.a.session->next_counter % (SEAL_LIMIT / 2);
    std::vector<ControlFrame> control;
    std::vector<Event> events;
    pair.b.mailbox.drain(control, events);
  }
  CHECK(delivered > 1000);
  for (const Drop reason : {Drop::malformed, Drop::no_session, Drop::auth, Drop::source}) CHECK(pair.b.dropped(reason) > 0);
}

}  // namespace trellis::test
