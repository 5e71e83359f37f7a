// Whom the pulse asks, and when: in a simulated hour it never waits for.
#include "liveness_world.h"

namespace trellis::test {

using namespace liveness;

namespace {

/** Hellos enough that a link is known to lose none. */
constexpr uint64_t KNOWN = 3 * SECOND;

}  // namespace

TEST("a neighbour is asked at once, then every five seconds while nothing flows") {
  World world;
  world.run(100 * MS);
  CHECK(world.asked('b') == 1 && world.asked('c') == 1);
  world.run(60 * SECOND);
  CHECK(world.asked('b') == 12 && !is_silent(world.state('b'), world.now));
  CHECK(world.told.size() == 2 && world.told[0].ends_with(" alive"));
}

TEST("a neighbour whose packets another could carry is asked so often that a gap of 50 ms is noticed") {
  World world;
  world.route('b', 'b', 'c');
  world.run(KNOWN, 'b', 1000);
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

TEST("so is one that only somebody further back could take over for") {
  World world;
  world.run(2 * SECOND, 'b', 1000);
  world.asked('b');
  world.run(10 * SECOND, 'b', 1000);
  const uint64_t asked = world.asked('b');
  CHECK(asked >= 1100 && asked <= 1250);
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
  world.run(60 * SECOND);
  world.dead['b'] = true;
  world.run(200 * MS, 'b', 1000);  // one look at the counters, and one patience
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

TEST("that a neighbour's daemon stands still is told at once, and that it goes on") {
  World world;
  world.route('b', 'b', 'c');
  world.run(SECOND, 'b', 1000);
  world.told.clear();
  world.still['b'] = true;
  world.run(50 * MS, 'b', 1000);
  CHECK(world.told == std::vector<std::string>{"b stands still"});
  world.still['b'] = false;
  world.run(50 * MS, 'b', 1000);
  CHECK((world.told == std::vector<std::string>{"b stands still", "b goes on"}));
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
  world.run(SECOND, 'b', 1000);
  world.sessions['c']->peer->use(nullptr);
  world.rebuild();
  for (int i = 0; i < 5000; i++) {
    world.run(MS, 'b', 1000);
    CHECK(!is_silent(world.state('b'), world.now));
  }
  world.asked('b');
  world.run(10 * SECOND, 'b', 1000);
  CHECK(world.asked('b') <= 11);
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

TEST("a place is asked at once, then at growing pauses, and becomes a link when somebody answers there") {
  World world;
  world.links('b', 2);
  world.cut_[{'b', 1}] = true;
  world.run(500 * MS);
  CHECK(world.asked('b', 1) >= 3 && world.links_told == (std::vector<std::string>{"b/0 alive", "b/2 alive", "c/0 alive"}));
  CHECK(is_silent(world.state('b', 1), world.now) && !is_silent(world.state('b', 2), world.now));
  world.lease(world.now + 4000 * SECOND);
  world.run(3600 * SECOND);
  const uint64_t times = world.asked('b', 1);
  CHECK(times >= 60 && times <= 80);  // at last one a minute
  world.cut_.clear();
  world.run(61 * SECOND);
  CHECK(!is_silent(world.state('b', 1), world.now) && world.links_told.back() == "b/1 alive");
}

TEST("a link that another stands before is asked rarely while nothing flows") {
  World world;
  world.links('b', 1);
  world.run(10 * SECOND);
  world.asked('b');
  world.asked('b', 1);
  world.run(60 * SECOND);
  CHECK(world.asked('b') == 12 && world.asked('b', 1) == 4);
}

TEST("where packets flow, the link that carries and the one that would take over are asked often, others once a second") {
  World world;
  world.links('b', 2);
  world.slow[{'b', 2}] = MS;
  world.run(30 * SECOND, 'b', 1000);
  for (int link = 0; link < 3; link++) world.asked('b', link);
  world.run(10 * SECOND, 'b', 1000);
  CHECK(world.asked('b') > 1100 && world.asked('b', 1) > 1100 && world.asked('b', 2) <= 11);
  CHECK(world.patience['b'] < 40 && world.patience_of_others['b'] < 4000);
}

TEST("when a link falls silent another carries within 50 ms, and the peer is not silent") {
  World world;
  world.links('b', 1);
  world.run(KNOWN, 'b', 100);
  world.told.clear();
  CHECK(world.carries('b') == 0);
  world.cut_[{'b', 0}] = true;
  world.run(45 * MS, 'b', 100);
  CHECK(world.carries('b') == 1);
  world.run(SECOND, 'b', 100);
  CHECK(world.told.empty() && world.links_told.back() == "b/0 silent");
  world.cut_[{'b', 1}] = true;
  world.run(10 * SECOND, 'b', 100);  // nobody could take over: it is asked once a second
  CHECK(world.told == std::vector<std::string>{"b silent"} && world.links_told.back() == "b/1 silent");
  CHECK((world.carry_told == std::vector<std::string>{"b/0", "c/0", "b/1"}));
}

TEST("a link that comes back carries again only when it is better, and has lived for a while") {
  World world;
  world.links('b', 1);
  world.run(KNOWN, 'b', 100);
  world.cut_[{'b', 0}] = true;
  world.run(SECOND, 'b', 100);
  world.cut_.clear();
  world.run(60 * SECOND, 'b', 100);
  CHECK(!is_silent(world.state('b', 0), world.now) && world.carries('b') == 1);  // it is as good as the other, no better
  for (int ms = 0; ms < 60; ms++) {
    world.slow[{'b', 1}] = static_cast<uint64_t>(ms) * MS;
    world.run(50 * MS, 'b', 100);
  }
  CHECK(world.carries('b') == 1);  // it may pass
  world.run(60 * SECOND, 'b', 100);
  CHECK(world.carries('b') == 0);
}

TEST("a link that comes and goes is left alone for a quarter of an hour, unless there is no other") {
  World world;
  world.links('b', 1);
  world.slow[{'b', 1}] = 100 * MS;
  world.run(60 * SECOND, 'b', 100);
  CHECK(world.carries('b') == 0);
  for (int i = 0; i < 3; i++) {
    world.cut_[{'b', 0}] = true;
    world.run(SECOND, 'b', 100);
    CHECK(world.carries('b') == 1);
    world.cut_[{'b', 0}] = false;
    world.run(30 * SECOND, 'b', 100);
    CHECK(world.carries('b') == (i < 2 ? 0 : 1));
  }
  world.run(600 * SECOND, 'b', 100);
  CHECK(world.carries('b') == 1);
  world.cut_[{'b', 1}] = true;
  world.run(SECOND, 'b', 100);
  CHECK(world.carries('b') == 0);
  world.cut_.clear();
  world.run(60 * SECOND, 'b', 100);
  CHECK(world.carries('b') == 0);
}

TEST("a link is not left alone because we stood still ourselves, and could not ask") {
  World world;
  world.links('b', 1);
  world.slow[{'b', 0}] = 100 * MS;
  world.cut_[{'b', 1}] = true;
  world.run(KNOWN, 'b', 100);
  world.cut_.clear();
  for (int i = 0; i < 6; i++) {
    world.run(2 * SECOND, 'b', 100);
    CHECK(world.carries('b') == 0);  // the other has not proven itself
    world.now += 500 * MS;
  }
  world.run(20 * SECOND, 'b', 100);
  CHECK(world.carries('b') == 1);
}

TEST("an interface that loses its carrier takes its links with it at once") {
  World world;
  world.links('b', 1);
  world.run(KNOWN, 'b', 100);
  world.cut_[{'b', 0}] = true;
  world.cut('b', 0);
  CHECK(world.carries('b') == 1);
  world.rebuild();
  world.run(SECOND, 'b', 100);
  world.cut_.clear();
  world.run(20 * SECOND, 'b', 100);
  CHECK(!is_silent(world.state('b', 0), world.now));
}

TEST("a neighbour without a carrier is told at once to be silent") {
  World world;
  world.run(KNOWN, 'b', 100);
  world.cut('b', 0);
  world.run(MS);
  CHECK((world.told.back() == "b silent"));
}

TEST("where the peer itself was met and does not answer, another link that is answered over carries") {
  World world;
  world.links('b', 1);
  world.cut_[{'b', 0}] = true;
  world.run(SECOND);
  CHECK(world.carries('b') == 0);  // it may not have been asked often enough
  world.run(20 * SECOND);
  CHECK(world.carries('b') == 1);
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
