// The rules of bpf/relay_rules.h as C++ sees them: the hash against its published vector, each verdict, the choice of the next hop.
#include "check.h"
#include "relay_tables.h"

namespace trellis::test {
namespace {

constexpr uint64_t OWN = 0x1111, THERE = 0x2222, NOW = 10'000;
constexpr uint32_t LINK = 77;

/** A gateway with a session to neighbour 1 and routes to THERE over 2, with 3 as the backup. */
struct Gateway {
  RelayTables tables;
  relay_hop hop{};

  Gateway() {
    tables.label = OWN;
    tables.states = private_states();
    tables.sessions[LINK] = {5, 6, 1, {}};
    for (uint32_t number = 1; number <= 3; number++) {
      relay_neighbour& neighbour = tables.neighbours[number];
      neighbour.link = 100 + number;
      neighbour.key_low = number;
      neighbour.family = 4;
    }
    tables.destinations[THERE] = {2, 3};
  }

  static relay_words frame(uint64_t destination, uint8_t ttl = 9) {
    relay_words words{FRAME_RELAY | uint64_t{ttl} << 8 | uint64_t{LINK} << 32, destination, 0x3333, 0};
    words.tag = relay_tag(5, 6, &words);
    return words;
  }
  uint32_t decide(const relay_words& words) { return relay_decide(&tables, &words, NOW, &hop); }
  uint32_t route() { return decide(frame(THERE)) == RELAY_VERDICT_FORWARD ? hop.number : 0; }
  void silence(uint32_t number) {
    tables.states[number].heard = 1;
    tables.states[number].dead = 5'000;
  }
};

}  // namespace

TEST("the tag is SipHash-2-4 of 24 bytes, as its authors published it") {
  uint8_t bytes[40];
  for (uint8_t i = 0; i < 24; i++) bytes[16 + i] = i;
  for (uint8_t i = 0; i < 16; i++) bytes[i] = i;
  const relay_words words{load64(bytes + 16), load64(bytes + 24), load64(bytes + 32), 0};
  const uint8_t want[8] = {0x94, 0xaf, 0x49, 0xf6, 0xc6, 0x50, 0xad, 0xb8};  // vectors_sip64[24]
  CHECK(relay_tag(load64(bytes), load64(bytes + 8), &words) == load64(want));
}

TEST("each frame gets the first verdict that fits, in the order of the rules") {
  struct Row {
    const char* why;
    uint32_t want;
    void (*change)(relay_words&);
  };
  for (const Row& row : std::vector<Row>{
           {"one as it should be", RELAY_VERDICT_FORWARD, [](relay_words&) {}},
           {"another type", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head ^= 1; }},
           {"no hops left", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w = Gateway::frame(THERE, 0); }},
           {"more hops than there may be", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w = Gateway::frame(THERE, RELAY_TTL + 1); }},
           {"a reserved byte", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head |= 1 << 24; }},
           {"an index that nobody has", RELAY_VERDICT_UNKNOWN_LINK, [](relay_words& w) { w.head ^= uint64_t{1} << 40; }},
           {"a changed destination", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.destination ^= 1; }},
           {"a changed source", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.source ^= 1; }},
           {"a changed number of hops", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.head ^= 1 << 8; }},
           {"a changed tag", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.tag ^= 1; }},
           {"one for us", RELAY_VERDICT_DELIVER, [](relay_words& w) { w = Gateway::frame(OWN); }},
           {"one for us at its last hop", RELAY_VERDICT_DELIVER, [](relay_words& w) { w = Gateway::frame(OWN, 1); }},
           {"one for another at its last hop", RELAY_VERDICT_EXPIRED, [](relay_words& w) { w = Gateway::frame(THERE, 1); }},
           {"a destination without a route", RELAY_VERDICT_NO_ROUTE, [](relay_words& w) { w = Gateway::frame(0x4444); }},
       }) {
    Gateway gateway;
    relay_words words = Gateway::frame(THERE);
    row.change(words);
    CHECK_CASE(gateway.decide(words) == row.want, row.why);
  }
}

TEST("a frame is not sent back to where it came from") {
  Gateway gateway;
  gateway.tables.destinations[THERE] = {1, 0};
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_LOOP);
}

TEST("a frame for the next hop has one hop less, its index and a tag by its key, and the labels it had") {
  Gateway gateway;
  relay_words words = Gateway::frame(THERE);
  const relay_words before = words;
  CHECK(gateway.decide(words) == RELAY_VERDICT_FORWARD);
  relay_address(&words, static_cast<uint8_t>(relay_ttl(&words) - 1), gateway.hop.to);
  CHECK(words.head == (FRAME_RELAY | 8 << 8 | uint64_t{102} << 32));
  CHECK(words.destination == before.destination && words.source == before.source);
  CHECK(words.tag == relay_tag(2, 0, &words));
}

TEST("the backup serves while the primary is silent or gone, and nobody is better than both silent") {
  Gateway gateway;
  CHECK(gateway.route() == 2);
  gateway.silence(2);
  CHECK(gateway.route() == 3);
  heard(gateway.tables.states[2], NOW - 5'000);  // exactly its interval: not yet
  CHECK(gateway.route() == 2);
  gateway.silence(2);
  gateway.silence(3);
  CHECK(gateway.route() == 2);
  gateway.tables.neighbours.erase(2);
  CHECK(gateway.route() == 3);
  gateway.tables.neighbours.erase(3);
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_NO_ROUTE);
}

TEST("a neighbour without an interval, and one heard after this frame came, are not silent") {
  Gateway gateway;
  gateway.tables.states[2].heard = 1;
  CHECK(gateway.route() == 2);
  gateway.tables.states[2] = {NOW + 1, 1, 0, 0};
  CHECK(gateway.route() == 2);
}

}  // namespace trellis::test
