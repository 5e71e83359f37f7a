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
    tables.states[number].until = NOW - 1;
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
  gateway.tables.states[2].until = NOW;  // exactly then: not yet
  CHECK(gateway.route() == 2);
  gateway.silence(2);
  gateway.silence(3);
  CHECK(gateway.route() == 2);
  gateway.tables.neighbours.erase(2);
  CHECK(gateway.route() == 3);
  gateway.tables.neighbours.erase(3);
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_NO_ROUTE);
}

TEST("a neighbour that was never asked is not silent") {
  Gateway gateway;
  gateway.tables.states[2].asked = 1;
  CHECK(gateway.route() == 2);
}

namespace {

constexpr uint64_t MS = 1'000'000, TIME = 50'000 * MS, CLOCK = 0xfedc'0000'0000'0000;

/** Two neighbours who ask each other: number 1 at both; each calls the session by its own index. */
struct Side {
  RelayTables tables;
  relay_hop hop{};
  relay_words reply{};

  explicit Side(bool left) {
    tables.clock = CLOCK + left;
    tables.states = private_states();
    tables.states[0].until = TIME + 1000 * MS;
    const uint64_t to_left = 7, to_right = 8;
    tables.sessions[left ? 11 : 22] = {left ? to_left : to_right, 0, 1, {}};
    relay_neighbour& neighbour = tables.neighbours[1];
    neighbour.link = left ? 22 : 11;
    neighbour.key_low = left ? to_right : to_left;
  }
  relay_words ask(uint64_t now, uint16_t patience = 40) {
    relay_words words;
    hello_write(&words, HELLO_ASK, patience, now + tables.clock, 0, &tables.neighbours[1]);
    return words;
  }
  uint32_t take(const relay_words& words, uint64_t now) {
    const uint32_t verdict = hello_sender(&tables, &words, &hop);
    return verdict == RELAY_VERDICT_HEARD ? hello_take(&tables, &words, now, &hop, &reply) : verdict;
  }
  const relay_state& other() const { return tables.states[1]; }
};

}  // namespace

TEST("one question tells both that the other lives, up to when, and how far away it is") {
  Side a(true), b(false);
  CHECK(b.take(a.ask(TIME), TIME + 5 * MS) == RELAY_VERDICT_REPLY);
  CHECK(b.other().until == 0);  // to be asked proves nothing
  CHECK(a.take(b.reply, TIME + 10 * MS) == RELAY_VERDICT_REPLY);
  CHECK(a.other().until == TIME + 40 * MS && a.other().asked == TIME && a.other().round_trip == 10 * MS);
  CHECK(b.take(a.reply, TIME + 16 * MS) == RELAY_VERDICT_HEARD);
  CHECK(b.other().until == TIME + 45 * MS && b.other().asked == TIME + 5 * MS && b.other().round_trip == 11 * MS);
  CHECK(!is_silent(b.other(), TIME + 45 * MS) && is_silent(b.other(), TIME + 45 * MS + 1));
}

TEST("what was recorded proves no life: neither answer nor confirmation, nor a question that is answered again") {
  Side a(true), b(false);
  const relay_words ask = a.ask(TIME);
  b.take(ask, TIME);
  const relay_words answer = b.reply;
  a.take(answer, TIME);
  const relay_words confirm = a.reply;
  CHECK(b.take(confirm, TIME) == RELAY_VERDICT_HEARD);
  for (const uint64_t later : {TIME, TIME + 20 * MS, TIME + 41 * MS, TIME + 900 * MS}) {
    CHECK(a.take(answer, later) == RELAY_VERDICT_STALE && b.take(confirm, later) == RELAY_VERDICT_STALE);
    CHECK(b.take(ask, later) == RELAY_VERDICT_REPLY);
    CHECK(a.other().until == TIME + 40 * MS && b.other().until == TIME + 40 * MS);
  }
}

TEST("an answer that was held back proves no life, nor does one to a question that lies ahead") {
  Side a(true), b(false);
  b.take(a.ask(TIME), TIME);
  CHECK(a.take(b.reply, TIME + 40 * MS + 1) == RELAY_VERDICT_STALE && a.other().until == 0);
  CHECK(a.take(b.reply, TIME - 1) == RELAY_VERDICT_STALE && a.other().until == 0);
  CHECK(a.take(b.reply, TIME + 40 * MS) == RELAY_VERDICT_REPLY);
}

TEST("of two answers the later question counts, also when it allows less") {
  Side a(true), b(false);
  b.take(a.ask(TIME, 5'000), TIME);
  const relay_words first = b.reply;
  b.take(a.ask(TIME + MS, 40), TIME + MS);
  CHECK(a.take(b.reply, TIME + 2 * MS) == RELAY_VERDICT_REPLY && a.other().until == TIME + 41 * MS);
  CHECK(a.take(first, TIME + 3 * MS) == RELAY_VERDICT_STALE && a.other().until == TIME + 41 * MS);
}

TEST("nobody is answered in the name of a daemon that has not said for long that it lives; what it asked itself is still heard") {
  Side a(true), b(false);
  const uint64_t late = TIME + 1000 * MS + 1;
  CHECK(b.take(a.ask(late), late) == RELAY_VERDICT_LEASE_OVER);
  b.tables.states[0].until = late;
  CHECK(b.take(a.ask(late), late) == RELAY_VERDICT_REPLY);
  CHECK(a.take(b.reply, late) == RELAY_VERDICT_LEASE_OVER && a.other().until == late + 40 * MS);
}

TEST("each hello gets the first verdict that fits") {
  struct Row {
    const char* why;
    uint32_t want;
    void (*change)(relay_words&);
  };
  for (const Row& row : std::vector<Row>{
           {"one as it should be", RELAY_VERDICT_REPLY, [](relay_words&) {}},
           {"another type", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head ^= 1; }},
           {"no kind", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head &= ~uint64_t{0xff00}; }},
           {"a kind that is not known", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head |= uint64_t{4} << 8; }},
           {"no patience", RELAY_VERDICT_MALFORMED, [](relay_words& w) { w.head &= ~uint64_t{0xffff0000}; }},
           {"an index that nobody has", RELAY_VERDICT_UNKNOWN_LINK, [](relay_words& w) { w.head ^= uint64_t{1} << 40; }},
           {"another patience", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.head ^= uint64_t{1} << 17; }},
           {"another kind", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.head ^= uint64_t{3} << 8; }},
           {"a changed question", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.destination ^= 1; }},
           {"a changed tag", RELAY_VERDICT_BAD_TAG, [](relay_words& w) { w.tag ^= 1; }},
       }) {
    Side a(true), b(false);
    relay_words words = a.ask(TIME);
    row.change(words);
    CHECK_CASE(b.take(words, TIME) == row.want, row.why);
  }
  Side a(true), b(false);
  CHECK(a.take(a.ask(TIME), TIME) == RELAY_VERDICT_UNKNOWN_LINK);  // our own, come back
  b.tables.neighbours.clear();
  CHECK(b.take(a.ask(TIME), TIME) == RELAY_VERDICT_NO_ROUTE);
}

}  // namespace trellis::test
