// The rules of bpf/relay_rules.h as C++ sees them: the hash against its published vector, each verdict, the choice of the next hop.
#include <array>

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
      neighbour.paths[0].state = number;
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

TEST("what the primary gives back goes over the backup while that lives") {
  Gateway gateway;
  gateway.tables.destinations[THERE] = {1, 3};
  CHECK(gateway.route() == 3);
  gateway.silence(3);
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_LOOP);
  gateway.tables.destinations[THERE] = {2, 1};  // and what the backup gives back, nowhere
  gateway.silence(2);
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_LOOP);
}

TEST("a frame goes back while nobody lives who leads on, and on when who sent it is silent too") {
  Gateway gateway;
  gateway.tables.destinations[THERE] = {2, 0};
  gateway.silence(2);
  CHECK(gateway.route() == 1);
  gateway.silence(1);
  CHECK(gateway.route() == 2);
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
  gateway.silence(1);
  CHECK(gateway.route() == 2);
  gateway.tables.neighbours.erase(2);
  CHECK(gateway.route() == 3);
  gateway.tables.neighbours.erase(3);
  CHECK(gateway.decide(Gateway::frame(THERE)) == RELAY_VERDICT_NO_ROUTE);
}

namespace {

/** A gateway whose neighbour 2 has three links, with the states 2, 22 and 23. */
struct Linked : Gateway {
  Linked() {
    relay_neighbour& neighbour = tables.neighbours[2];
    neighbour.paths[1].state = 22;
    neighbour.paths[2].state = 23;
    rank(2, 0);
    rank(22, 1);
    rank(23, 2);
  }
  void rank(uint32_t state, uint64_t value) { tables.states[state].rank = value; }
  /** State of the path that carries. */
  uint32_t over() { return route() == 0 ? 0 : relay_path_of(&hop)->state; }
};

}  // namespace

TEST("of a neighbour's links the first in rank that is not silent carries; the backup only when all are") {
  Linked gateway;
  CHECK(gateway.over() == 2);
  gateway.silence(2);
  CHECK(gateway.over() == 22 && gateway.hop.number == 2);
  gateway.rank(23, 0);
  CHECK(gateway.over() == 23);
  gateway.silence(23);
  CHECK(gateway.over() == 22);
  gateway.silence(22);
  CHECK(gateway.over() == 3 && gateway.hop.number == 3);
  gateway.silence(3);
  gateway.silence(1);
  CHECK(gateway.hop.number == 3 && gateway.over() == 2 && gateway.hop.number == 2);  // all silent: the primary, by its first link
}

TEST("a link without a state is none, nor is one behind it") {
  Linked gateway;
  gateway.tables.neighbours[2].paths[1].state = 0;
  gateway.silence(2);
  CHECK(gateway.over() == 3);
}

TEST("a neighbour that was never asked is not silent") {
  Gateway gateway;
  gateway.tables.states[2].asked = 1;
  CHECK(gateway.route() == 2);
}

namespace {

constexpr uint64_t MS = 1'000'000, TICK = 1 << HELLO_TICK_SHIFT, TIME = 50'000 * MS / TICK * TICK, CLOCK = 0xfedc'0000'0000'0000;

/** Two neighbours who ask each other: number 1 at both; each calls the session by its own index. Their links are A to P, B to Q. */
struct Side {
  RelayTables tables;
  relay_hop hop{};
  relay_words reply{};
  std::array<relay_source, 2> there{};  // where the other's frames come from, by link

  explicit Side(bool left) {
    tables.clock = CLOCK + left;
    tables.states = private_states();
    tables.states[0].until = TIME + 1000 * MS;
    const uint64_t to_left = 7, to_right = 8;
    tables.sessions[left ? 11 : 22] = {left ? to_left : to_right, 0, 1, {}};
    relay_neighbour& neighbour = tables.neighbours[1];
    neighbour.link = left ? 22 : 11;
    neighbour.key_low = left ? to_right : to_left;
    for (uint32_t i = 0; i < 2; i++) {
      relay_path& path = neighbour.paths[i];
      path.address[15] = static_cast<uint8_t>(i + (left ? 20 : 10));
      path.local[15] = static_cast<uint8_t>(i + (left ? 10 : 20));
      path.port = 5000;
      path.state = 30 + i;
      std::memcpy(there[i].address, path.address, 16);
      std::memcpy(there[i].local, path.local, 16);
      there[i].port = path.port;
    }
  }
  relay_words ask(uint64_t now, uint16_t patience = 40, uint32_t link = 0) {
    relay_words words;
    const relay_neighbour& to = tables.neighbours[1];
    hello_write(&words, HELLO_ASK, patience, hello_question(&tables, &to.paths[link], now), 0, &to);
    return words;
  }
  uint32_t take(const relay_words& words, uint64_t now, uint32_t link = 0) { return take_from(words, now, there[link]); }
  uint32_t take_from(const relay_words& words, uint64_t now, const relay_source& source) {
    const uint32_t verdict = hello_sender(&tables, &words, &source, &hop);
    return verdict == RELAY_VERDICT_HEARD ? hello_take(&tables, &words, now, 1, &hop, &reply) : verdict;
  }
  const relay_state& other(uint32_t link = 0) const { return tables.states[30 + link]; }
  uint64_t standing(uint32_t link, uint64_t now) { return relay_standing(&tables, &tables.neighbours[1].paths[link], now); }
};

}  // namespace

TEST("one question tells both that the other lives, up to when, and how far away it is") {
  Side a(true), b(false);
  CHECK(b.take(a.ask(TIME), TIME + 5 * MS) == RELAY_VERDICT_REPLY);
  CHECK(b.other().until == 0);  // to be asked proves nothing
  CHECK(a.take(b.reply, TIME + 10 * MS) == RELAY_VERDICT_REPLY);
  CHECK(a.other().until == TIME + 40 * MS && a.other().asked == TIME && a.other().round_trip == 10 * MS);
  CHECK(b.take(a.reply, TIME + 16 * MS) == RELAY_VERDICT_HEARD);
  const uint64_t asked = (TIME + 5 * MS) / TICK * TICK;
  CHECK(b.other().until == asked + 40 * MS && b.other().asked == asked && b.other().round_trip - 11 * MS < TICK);
  CHECK(!is_silent(b.other(), asked + 40 * MS) && is_silent(b.other(), asked + 40 * MS + 1));
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
  CHECK(a.take(b.reply, TIME + 40 * MS + TICK) == RELAY_VERDICT_STALE && a.other().until == 0);
  CHECK(a.take(b.reply, TIME - 1) == RELAY_VERDICT_STALE && a.other().until == 0);
  CHECK(a.take(b.reply, TIME + 40 * MS) == RELAY_VERDICT_REPLY);
}

TEST("of two answers the later question counts, also when it allows less") {
  Side a(true), b(false);
  const uint64_t second = TIME + 1000 * TICK;
  b.take(a.ask(TIME, 5'000), TIME);
  const relay_words first = b.reply;
  b.take(a.ask(second, 40), second);
  CHECK(a.take(b.reply, TIME + 2 * MS) == RELAY_VERDICT_REPLY && a.other().until == second + 40 * MS);
  CHECK(a.take(first, TIME + 3 * MS) == RELAY_VERDICT_STALE && a.other().until == second + 40 * MS);
}

TEST("nobody is answered in the name of a daemon that has not said for long that it lives; what it asked itself is still heard") {
  Side a(true), b(false);
  const uint64_t late = TIME + 1'000'000 * TICK;
  CHECK(b.take(a.ask(late), late) == RELAY_VERDICT_LEASE_OVER);
  b.tables.states[0].until = late;
  CHECK(b.take(a.ask(late), late) == RELAY_VERDICT_REPLY);
  CHECK(a.take(b.reply, late) == RELAY_VERDICT_LEASE_OVER && a.other().until == late + 40 * MS);
}

TEST("who is answered for a daemon that gives no sign of itself learns that it stands still, and when it goes on") {
  Side a(true), b(false);
  b.tables.states[0].asked = TIME;
  CHECK(b.take(a.ask(TIME), TIME) == RELAY_VERDICT_REPLY && a.take(b.reply, TIME + MS) == RELAY_VERDICT_REPLY && a.other().still == 0);
  const uint64_t later = TIME + 600'000 * TICK, again = later + 10'000 * TICK;
  a.tables.states[0].until = b.tables.states[0].until = TIME + 60'000 * MS;
  CHECK(b.take(a.ask(later), later) == RELAY_VERDICT_REPLY);
  const relay_words still = b.reply;
  CHECK(a.take(still, later + MS) == RELAY_VERDICT_REPLY && a.other().still == 1 && a.other().until == later + 40 * MS);
  b.tables.states[0].asked = again;
  CHECK(b.take(a.ask(again), again) == RELAY_VERDICT_REPLY);
  CHECK(a.take(b.reply, again + MS) == RELAY_VERDICT_REPLY && a.other().still == 0);
  CHECK(a.take(still, again + 2 * MS) == RELAY_VERDICT_STALE && a.other().still == 0);  // recorded
  CHECK(b.take(a.reply, again + 2 * MS) == RELAY_VERDICT_HEARD && b.other().still == 0);
}

TEST("each link is asked for itself: an answer over one says nothing of another, wherever it comes from") {
  Side a(true), b(false);
  CHECK(b.take(a.ask(TIME, 40, 1), TIME, 1) == RELAY_VERDICT_REPLY);
  CHECK(a.take(b.reply, TIME + MS, 0) == RELAY_VERDICT_ELSEWHERE);  // the answer to a question of the second link from the first one's end
  CHECK(a.take(b.reply, TIME + MS, 1) == RELAY_VERDICT_REPLY && a.other(0).until == 0 && a.other(1).until == TIME + 40 * MS);
  CHECK(b.take(a.reply, TIME + 2 * MS, 0) == RELAY_VERDICT_ELSEWHERE && b.take(a.reply, TIME + 2 * MS, 1) == RELAY_VERDICT_HEARD);
  CHECK(b.other(0).until == 0 && b.other(1).until != 0);
}

TEST("of two links to one place a question came by the one whose address of ours it was sent to") {
  Side a(true), b(false);
  relay_neighbour& from = b.tables.neighbours[1];
  std::memcpy(from.paths[1].address, from.paths[0].address, 16);
  relay_source source = b.there[0];
  CHECK(hello_asked_over(&from, &source) == 0);
  std::memcpy(source.local, from.paths[1].local, 16);
  CHECK(hello_asked_over(&from, &source) == 1);
  source.local[1] = 77;
  CHECK(hello_asked_over(&from, &source) == 0);  // an address that is nobody's: the first
  source.port = 1;
  CHECK(hello_asked_over(&from, &source) == -1);
}

TEST("a link that was silent and is answered over again comes behind the others, until somebody says otherwise") {
  Side a(true), b(false);
  a.tables.states[30].until = TIME - 1;
  a.tables.states[31].until = TIME + 500 * MS;
  a.tables.states[31].rank = 1;
  b.take(a.ask(TIME), TIME);
  CHECK(a.take(b.reply, TIME + MS) == RELAY_VERDICT_REPLY && a.other(0).rank == RELAY_RETURNED);
  CHECK(a.standing(0, TIME + MS) > a.standing(1, TIME + MS) && a.standing(0, TIME + MS) < RELAY_SILENT);
  const uint64_t again = TIME + 20'000 * TICK;
  b.take(a.ask(again), again);
  a.tables.states[30].rank = 0;
  a.take(b.reply, again);
  CHECK(a.other(0).rank == 0);  // it was not silent meanwhile
}

TEST("a question from where the neighbour was not known to be is told, unless it is an old one") {
  Side a(true), b(false);
  relay_source elsewhere = b.there[0];
  elsewhere.address[1] = 99;
  const relay_words first = a.ask(TIME);
  CHECK(b.take_from(first, TIME, elsewhere) == RELAY_VERDICT_NEW_PLACE);  // nothing is known of the other's clock
  const uint64_t later = TIME + 3000 * MS;
  a.tables.states[0].until = b.tables.states[0].until = later;
  CHECK(b.take(a.ask(later), later) == RELAY_VERDICT_REPLY);
  CHECK(b.take_from(first, later, elsewhere) == RELAY_VERDICT_ELSEWHERE);
  CHECK(b.take_from(a.ask(later - 1000 * MS), later, elsewhere) == RELAY_VERDICT_NEW_PLACE);  // links are not equally fast
  CHECK(b.take_from(a.ask(later + MS), later, elsewhere) == RELAY_VERDICT_NEW_PLACE);
  a.take(b.reply, later);
  CHECK(b.take_from(a.reply, later, elsewhere) == RELAY_VERDICT_ELSEWHERE);  // only a question leads to a place
}

TEST("questions are counted by their numbers, late ones too and none twice") {
  Side a(true), b(false);
  b.tables.states[0].until = TIME + 60'000 * MS;
  std::vector<relay_words> asked;
  for (int i = 0; i < 300; i++) asked.push_back(a.ask(TIME + i * MS));
  const auto hear = [&](size_t i) { CHECK(b.take(asked[i], TIME + 300 * MS) == RELAY_VERDICT_REPLY); };
  for (size_t i = 0; i < 100; i++) {
    if (i % 10 != 3) hear(i);
  }
  CHECK(b.other().expected == 100 && b.other().received == 90);
  hear(93);  // late
  CHECK(b.other().expected == 100 && b.other().received == 91);
  for (const size_t again : {93, 99, 50, 33, 3}) hear(again);  // came before, or is too late to be counted
  CHECK(b.other().expected == 100 && b.other().received == 91);
  hear(299);
  CHECK(b.other().expected == 300 && b.other().received == 92);
  hear(200);  // too late
  CHECK(b.other().expected == 300 && b.other().received == 92);
}

TEST("a neighbour whose numbers begin anew, or leap, has lost nothing") {
  Side a(true), b(false);
  b.tables.states[0].until = TIME + 60'000 * MS;
  uint64_t now = TIME;
  const auto hear_from = [&](uint64_t sequence) {
    a.tables.states[30].sequence = sequence;
    for (int i = 0; i < 10; i++, now += MS) CHECK(b.take(a.ask(now), now) == RELAY_VERDICT_REPLY);
  };
  for (const uint64_t sequence : {2000, 0, 500, 0, 4000}) hear_from(sequence);
  CHECK(b.other().expected == 50 && b.other().received == 50);
}

TEST("of two questions within a tick the number tells which is the later") {
  Side a(true), b(false);
  const relay_words first = a.ask(TIME), second = a.ask(TIME), third = a.ask(TIME);
  for (const relay_words& words : {first, third, second, second, first, third}) b.take(words, TIME);
  CHECK(b.other().expected == 3 && b.other().received == 3);
}

TEST("numbers of questions go round, and a recorded one from before is still an old one") {
  Side a(true), b(false);
  const uint64_t round = 1 << HELLO_NUMBER_BITS;
  const relay_words first = a.ask(TIME);
  b.tables.states[0].until = TIME + 10 * round * MS;
  CHECK(b.take(first, TIME) == RELAY_VERDICT_REPLY);
  uint64_t now = TIME;
  for (uint64_t i = 1; i < 2 * round; i++) {
    now = TIME + i * MS;
    b.take(a.ask(now), now);
  }
  CHECK(b.other().expected == 2 * round && b.other().received == 2 * round);
  b.take(first, now);
  CHECK(b.other().expected == 2 * round && b.other().received == 2 * round);
}

TEST("a question carries what its sender loses of the other's") {
  Side a(true), b(false);
  a.tables.states[30].lost = 26;
  b.take(a.ask(TIME), TIME);
  CHECK(HELLO_PART(b.other().newest, LOST) == 26);
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
