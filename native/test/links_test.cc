// The links of a peer: which one carries, and what moves a peer to another place.
#include "relayed.h"

namespace trellis::test {
namespace {

Endpoint second(char name) { return at(std::string("2001:db8:2::") + name, 5000); }

/** A and B beside each other by two links, and R between them. */
struct Pair : Line {
  Pair() {
    for (Gateway* gateway : {&a, &b}) {
      const char other = gateway == &a ? 'b' : 'a';
      gateway->peer(other).set_endpoint(underlay(other));
      gateway->book.set_places(overlay(other), {second(other)});
      gateway->route(other, overlay(other), overlay('c'));
      gateway->state('c').until = LATER;
      gateway->state(other).until = LATER;
      gateway->state(other, 1).until = LATER;
      gateway->state(other, 1).asked = 1;
    }
  }
  Endpoint next() {
    const std::vector<Sent> sent = a.seal(packet_between('a', 'b', 100));
    return sent.empty() ? Endpoint{} : sent[0].to;
  }
  static constexpr uint64_t LATER = (uint64_t{NOW} + 60'000) * 1'000'000, EARLIER = (uint64_t{NOW} - 1) * 1'000'000;
};

}  // namespace

TEST("what goes to a peer goes over the link that carries, and through the mesh when all its links are silent") {
  Pair pair;
  CHECK(pair.next() == underlay('b') && pair.a.state('b').frames == 1);
  pair.a.state('b').until = Pair::EARLIER;
  CHECK(pair.next() == second('b') && pair.a.state('b', 1).frames == 1);
  pair.a.state('b', 1).until = Pair::EARLIER;
  const std::vector<Sent> sent = pair.a.seal(packet_between('a', 'b', 100));
  CHECK(sent.size() == 1 && sent[0].to == underlay('c') && sent[0].frame[0] == FRAME_RELAY);
  pair.b.take(pair.r.take(sent, 'a'), 'c');
  CHECK(pair.b.sink.all.size() == 1);  // the same session: no handshake was needed
  pair.a.state('c').until = Pair::EARLIER;
  CHECK(pair.next() == underlay('b'));  // nobody lives: the first may yet
}

TEST("a place that has not answered does not carry") {
  Pair pair;
  pair.a.book.set_places(overlay('b'), {at("2001:db8:3::b", 5000)});
  pair.a.rebuild();
  pair.a.state('b').until = Pair::EARLIER;
  CHECK(pair.next() == underlay('c'));
}

TEST("frames over a link do not move a peer; from a place that never answered they do, as from any other") {
  Pair pair;
  std::vector<ControlFrame> control;
  std::vector<Event> events;
  pair.b.take({pair.a.seal(packet_between('a', 'b', 100))[0].frame}, second('a'));
  pair.b.mailbox.drain(control, events);
  CHECK(events.empty() && pair.b.peer('a').endpoint() == underlay('a') && pair.b.sink.all.size() == 1);
  pair.b.state('a', 1).asked = 0;
  pair.b.take({pair.a.seal(packet_between('a', 'b', 100))[0].frame}, second('a'));
  pair.b.mailbox.drain(control, events);
  CHECK(events.size() == 1 && events[0].type == EventType::moved && pair.b.peer('a').endpoint() == second('a'));
}

TEST("a peer that moved is spoken to where it is before the tables know, and its old place stays a link") {
  Pair pair;
  pair.a.peer('b').set_endpoint(at("2001:db8:9::b", 5000));
  CHECK(pair.next() == at("2001:db8:9::b", 5000));
  pair.a.book.set_places(overlay('b'), {underlay('b'), second('b')});
  pair.a.rebuild();
  CHECK(pair.next() == at("2001:db8:9::b", 5000));
  CHECK(pair.a.state('b', 0).until == 0 && pair.a.state('b', 1).until == Pair::LATER && pair.a.state('b', 2).until == Pair::LATER);
  pair.a.state('b').until = Pair::EARLIER;
  CHECK(pair.next() == underlay('b'));
}

TEST("where a peer was met counts as silent once its interface has lost the carrier, also when the tables are made anew") {
  Pair pair;
  pair.a.state('b').until = 1;
  pair.a.rebuild();
  CHECK(pair.a.state('b').until == 1 && pair.next() == second('b'));
}

TEST("over links whose caps are reached goes control alone, and data through the mesh or nowhere") {
  Pair pair;
  pair.a.state('b').terms = RELAY_CLOSED;
  CHECK(pair.next() == second('b'));
  pair.a.state('b', 1).terms = RELAY_CLOSED;
  CHECK(pair.next() == underlay('c'));
  pair.a.state('c').terms = RELAY_CLOSED;
  CHECK(pair.a.seal(packet_between('a', 'b', 100)).empty() && pair.a.drops(Drop::over_cap) == 1);
  const Receiver to{underlay('b'), pair.a.peer('b').relay_number, pair.a.peer('b').label};
  Way way;
  CHECK(find_way(*pair.a.tables.relay, to, Load::control, uint64_t{NOW} * 1'000'000, way) && way.to == underlay('b'));
  pair.a.state('b').until = Pair::EARLIER;
  CHECK(find_way(*pair.a.tables.relay, to, Load::control, uint64_t{NOW} * 1'000'000, way) && way.to == second('b'));
}

TEST("links keep their states as long as they stay, and nobody has more than four") {
  Pair pair;
  RelayBook& book = pair.a.book;
  const auto states = [&] {
    std::vector<uint32_t> out;
    for (const relay_path& path : pair.a.tables.relay->neighbours.at(pair.a.peer('b').relay_number).paths) out.push_back(path.state);
    return out;
  };
  const std::vector<uint32_t> before = states();
  std::vector<Endpoint> places;
  for (int i = 3; i < 9; i++) places.push_back(at("2001:db8:" + std::to_string(i) + "::b", 5000));
  places.insert(places.begin() + 1, second('b'));
  book.set_places(overlay('b'), places);
  pair.a.rebuild();
  const std::vector<uint32_t> after = states();
  CHECK(after[0] == before[0] && after[2] == before[1] && after[1] != 0 && after[3] != 0);
  CHECK(pair.a.state('b', 1).until == 1 && pair.a.state('b', 3).until == 1);  // silent before they have answered
  book.set_places(overlay('b'), {});
  pair.a.rebuild();
  CHECK((states() == std::vector<uint32_t>{before[0], 0, 0, 0}));
}

}  // namespace trellis::test
