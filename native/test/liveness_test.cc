// Whom the pulse asks, and when: in a simulated hour it never waits for.
#include <arpa/inet.h>

#include <map>
#include <memory>
#include <utility>

#include "check.h"
#include "liveness.h"
#include "relay_book.h"

namespace trellis::test {
namespace {

constexpr uint64_t MS = 1'000'000, SECOND = 1000 * MS;

std::string overlay(char name) { return std::string("fd11:2222:3333::") + name; }

/** A gateway with neighbours `b`, `c` and so on, that answer unless they are dead; time passes as `run` says. */
class World {
 public:
  World() {
    in6_addr own;
    inet_pton(AF_INET6, overlay('a').c_str(), &own);
    book_.own(own);
    meet('b');
    meet('c');
    book_.lease(now + 3600 * SECOND);
  }
  ~World() {
    for (const auto& [index, session] : *tables_.sessions) session->peer->use(nullptr);
  }
  World(const World&) = delete;

  void meet(char name, const std::string& address = {}) {
    Endpoint endpoint;
    parse_endpoint(address.empty() ? std::string("2001:db8::") + name : address, address.empty() ? 5000 : 0, endpoint);
    auto session = std::make_shared<Session>();
    session->local_index = 100 + static_cast<uint32_t>(name);  // the smaller: ours is the side that asks first
    session->remote_index = 200 + static_cast<uint32_t>(name);
    session->hop.emplace();
    session->peer = std::make_shared<Peer>(overlay(name));
    session->peer->set_endpoint(endpoint);
    session->peer->use(session);
    sessions[name] = session;
    auto all = std::make_shared<Sessions>(*tables_.sessions);
    all->emplace(session->local_index, session);
    tables_.sessions = all;
    rebuild();
  }
  void route(char destination, char primary, char backup) {
    CHECK(book_.set_route(overlay(destination), overlay(primary), overlay(backup)).ok());
    rebuild();
  }
  /** Both announce 10.1.0.0/16. */
  void subnet(char one, char other) {
    auto routes = std::make_shared<Routes>();
    routes->insert(Key{0x0a010000} << 96, 16, true, std::make_shared<const Owners>(Owners{{sessions[one]->peer, sessions[other]->peer}}));
    tables_.routes = routes;
  }
  void rebuild() { tables_.relay = book_.build(*tables_.sessions); }

  /** Lets time pass, with `rate` packets a second in the session with `busy`. */
  void run(uint64_t ns, char busy = 0, uint64_t rate = 0) {
    const uint64_t end = now + ns;
    for (uint64_t next = now; next < end; now = next) {
      if (busy != 0) sessions[busy]->sent_packets += rate * (next - now) / SECOND;
      now = next;
      const uint64_t wanted = liveness_.turn(tables_, now);
      CHECK(wanted > now && wanted <= now + 100 * MS);
      next = std::min(wanted, end);
      if (busy != 0) sessions[busy]->received_packets += rate * (next - now) / SECOND;
    }
    now = end;
  }
  relay_state& state(char name) { return tables_.relay->states[sessions[name]->peer->relay_number.load()]; }
  uint64_t asked(char name) { return std::exchange(asked_[name], 0); }
  void lease(uint64_t until) { book_.lease(until); }

  uint64_t now = 1000 * SECOND;
  std::map<char, bool> dead;
  std::map<char, std::shared_ptr<Session>> sessions;
  std::map<char, uint16_t> patience;
  std::map<char, uint64_t> trip;  // 2 ms unless it is said
  std::vector<std::string> told;

 private:
  /** The neighbour answers at once; what is on its way for some time is here already. */
  void answer(const Endpoint& to, const relay_words& question) {
    const char name = static_cast<char>('a' + (to.address.s6_addr[15] - 10));
    asked_[name]++;
    patience[name] = hello_patience(&question);
    CHECK(hello_kind(&question) == HELLO_ASK && question.destination == now + tables_.relay->clock);
    if (dead[name]) return;
    hello_heard(tables_.relay.get(), sessions[name]->peer->relay_number.load(), question.destination, patience[name], now + (trip.contains(name) ? trip[name] : 2 * MS));
  }

  RelayBook book_;
  Tables tables_;
  std::map<char, uint64_t> asked_;
  Liveness liveness_{[this](const Endpoint& to, const relay_words& question) { answer(to, question); },
                     [this](const std::string& peer, bool silent) { told.push_back(std::string(1, peer.back()) + (silent ? " silent" : " alive")); }};
};

}  // namespace

TEST("a neighbour is asked at once, then every five seconds while nothing flows") {
  World world;
  world.run(100 * MS);
  CHECK(world.asked('b') == 1 && world.asked('c') == 1);
  world.run(60 * SECOND);
  CHECK(world.asked('b') == 12 && !is_silent(world.state('b'), world.now));
  CHECK(world.told.size() == 2 && world.told[0].ends_with(" alive"));
}

TEST("the gateways of a subnet are asked as often as those that stand in for each other") {
  World world;
  world.subnet('b', 'c');
  world.run(SECOND, 'b', 1000);
  world.asked('b');
  world.asked('c');
  world.run(SECOND, 'b', 1000);
  for (const char name : {'b', 'c'}) {
    const uint64_t times = world.asked(name);
    CHECK(times >= 110 && times <= 125);
  }
}

TEST("a neighbour whose packets another could carry is asked so often that a gap of 50 ms is noticed") {
  World world;
  world.route('b', 'b', 'c');
  world.run(SECOND, 'b', 1000);
  world.asked('b');
  world.asked('c');
  world.run(SECOND, 'b', 1000);
  for (const char name : {'b', 'c'}) {
    const uint64_t times = world.asked(name);
    CHECK(times >= 110 && times <= 125);
    CHECK(world.patience[name] < 40);
  }
  world.dead['b'] = true;
  world.run(45 * MS, 'b', 1000);
  CHECK(is_silent(world.state('b'), world.now) && !is_silent(world.state('c'), world.now));
}

TEST("so is one that only relays for us, by what flows through it") {
  World world;
  world.meet('d', overlay('d'));
  world.route('d', 'b', 'c');
  world.run(SECOND, 'd', 1000);
  world.asked('b');
  world.run(SECOND, 'd', 1000);
  CHECK(world.asked('b') > 100 && world.asked('c') > 100);
}

TEST("so is one that we relay to") {
  World world;
  world.route('e', 'b', 'c');
  for (int i = 0; i < 20; i++) {
    world.state('b').frames += 100;
    world.run(100 * MS);
  }
  world.asked('b');
  world.asked('c');
  world.state('b').frames += 100;
  world.run(100 * MS);
  CHECK(world.asked('b') >= 11 && world.asked('c') >= 11);
}

TEST("where nobody could take over, a flow changes little: one question a second") {
  World world;
  world.run(2 * SECOND, 'b', 1000);
  world.asked('b');
  world.run(10 * SECOND, 'b', 1000);
  CHECK(world.asked('b') == 10);
}

TEST("a thin flow is not outweighed by questions, and the pause between them grows slower than the patience") {
  World world;
  world.route('b', 'b', 'c');
  world.run(2 * SECOND, 'b', 1000);
  for (int i = 0; i < 200; i++) {  // the flow is over
    world.run(100 * MS);
    CHECK(!is_silent(world.state('b'), world.now) && !is_silent(world.state('c'), world.now));
  }
  world.asked('b');
  world.run(10 * SECOND);
  CHECK(world.asked('b') <= 3);
}

TEST("when a flow begins, what was promised for long is taken back") {
  World world;
  world.route('b', 'b', 'c');
  world.run(20 * SECOND);
  world.dead['b'] = true;
  world.run(150 * MS, 'b', 1000);  // one look at the counters, and one patience
  CHECK(is_silent(world.state('b'), world.now));
}

TEST("silence is told once it is sure, and so is its end") {
  World world;
  world.route('b', 'b', 'c');
  world.run(SECOND, 'b', 1000);
  world.told.clear();
  world.dead['b'] = true;
  world.run(SECOND, 'b', 1000);
  CHECK(world.told == std::vector<std::string>{"b silent"});
  world.dead['b'] = false;
  world.run(SECOND, 'b', 1000);
  CHECK((world.told == std::vector<std::string>{"b silent", "b alive"}));
}

TEST("a silent neighbour is asked at growing pauses, up to the usual one") {
  World world;
  world.run(SECOND);
  world.dead['b'] = true;
  world.run(60 * SECOND);
  world.asked('b');
  world.run(60 * SECOND);
  CHECK(world.asked('b') == 12);
}

TEST("when nobody can take over any more, the neighbour does not seem dead until the next question") {
  World world;
  world.route('b', 'b', 'c');
  world.run(SECOND, 'b', 1000);
  world.route('b', 'b', 'a');  // a is nobody
  for (int i = 0; i < 5000; i++) {
    world.run(MS, 'b', 1000);
    CHECK(!is_silent(world.state('b'), world.now));
  }
  world.asked('b');
  world.run(10 * SECOND, 'b', 1000);
  CHECK(world.asked('b') == 10);
}

TEST("one that never answered is asked every second, and is not told to be silent") {
  World world;
  world.dead['b'] = true;
  world.run(10 * SECOND);
  CHECK(world.asked('b') == 10 && world.told == std::vector<std::string>{"c alive"} && world.state('b').until == 0);
}

TEST("questions of the other side serve as well") {
  World world;
  world.run(SECOND);
  world.asked('b');
  for (int i = 0; i < 30; i++) {
    world.run(SECOND);
    relay_state& state = world.state('b');
    state.asked = world.now;
    state.until = world.now + 16 * SECOND;
  }
  CHECK(world.asked('b') == 0);
}

TEST("a neighbour that is far away all at once is silent for a while, and then given the time that its answers take") {
  World world;
  world.route('b', 'b', 'c');
  world.run(SECOND);
  world.trip['b'] = 300 * MS;
  world.run(3 * SECOND, 'b', 1000);
  CHECK(is_silent(world.state('b'), world.now) == false && world.patience['b'] > 300 && world.patience['c'] < 40);
}

TEST("who holds no lease asks nobody") {
  World world;
  world.lease(world.now - 1);
  world.run(10 * SECOND);
  CHECK(world.asked('b') == 0 && world.told.empty());
}

TEST("neighbours come and go") {
  World world;
  world.run(SECOND);
  world.sessions['b']->peer->use(nullptr);
  world.rebuild();
  world.asked('b');
  world.run(10 * SECOND);
  CHECK(world.asked('b') == 0);
  world.sessions['b']->peer->use(world.sessions['b']);
  world.rebuild();
  world.run(SECOND);
  CHECK(world.asked('b') == 1);
}

}  // namespace trellis::test
