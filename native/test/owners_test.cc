// Whose a prefix is: the gateways of a subnet in their order, and what arrives that is not for us.
#include "owners.h"

#include <arpa/inet.h>

#include "check.h"
#include "packets.h"
#include "tables.h"

namespace trellis::test {
namespace {

constexpr uint64_t NOW = 1'000'000'000;

/** Two neighbours and one that is reached through the first. */
struct World {
  std::shared_ptr<Peer> b = std::make_shared<Peer>("fd00::b"), c = std::make_shared<Peer>("fd00::c"), far = std::make_shared<Peer>("fd00::d");
  std::shared_ptr<Session> sessions[3] = {std::make_shared<Session>(), std::make_shared<Session>(), std::make_shared<Session>()};
  RelayTables tables;

  World() {
    tables.label = 1;
    tables.states = private_states();
    const std::string places[3] = {"192.0.2.2", "192.0.2.3", "fd00::d"};
    Peer* peers[3] = {b.get(), c.get(), far.get()};
    for (uint32_t i = 0; i < 3; i++) {
      Endpoint endpoint;
      parse_endpoint(places[i], i < 2 ? 5000 : 0, endpoint);
      peers[i]->set_endpoint(endpoint);
      peers[i]->use(sessions[i]);
      peers[i]->relay_number.store(i + 1);
      if (i < 2) tables.neighbours[i + 1].paths[0].state = i + 1;
    }
    in6_addr prefix;
    inet_pton(AF_INET6, "fd00::", &prefix);
    std::copy_n(prefix.s6_addr, 8, tables.prefix.begin());
  }
  ~World() {
    for (const auto& peer : {b, c, far}) peer->use(nullptr);
  }
  World(const World&) = delete;
  void silence(uint32_t number) { tables.states[number].until = NOW - 1; }
  const Peer* first(std::vector<std::shared_ptr<Peer>> peers) const { return first_reached(tables, Owners{std::move(peers)}, NOW); }
};

}  // namespace

TEST("packets to a subnet go to its first gateway that answers, and to the first of all when none does") {
  World world;
  CHECK(world.first({world.b, world.c}) == world.b.get());
  world.silence(1);
  CHECK(world.first({world.b, world.c}) == world.c.get());
  world.silence(2);
  CHECK(world.first({world.b, world.c}) == world.b.get());
}

TEST("a gateway without a session, an endpoint or a way through the mesh is passed over") {
  World world;
  world.b->use(nullptr);
  CHECK(world.first({world.b, world.c}) == world.c.get());
  world.b->use(world.sessions[0]);
  world.b->set_endpoint({});
  CHECK(world.first({world.b, world.c}) == world.c.get());
  CHECK(world.first({world.far, world.c}) == world.c.get());
}

TEST("a gateway whose daemon stands still is passed over, although its kernel answers") {
  World world;
  world.tables.states[1].still = 1;
  CHECK(world.first({world.b, world.c}) == world.c.get());
  CHECK(world.first({world.b}) == world.b.get());
  world.tables.states[1].still = 0;
  CHECK(world.first({world.b, world.c}) == world.b.get());
}

TEST("one owner is taken as it is, and none of them is nobody") {
  World world;
  world.silence(1);
  CHECK(world.first({world.b}) == world.b.get());
  CHECK(world.first({}) == nullptr);
}

TEST("what arrives is for us or for a subnet of ours, once we know our address") {
  const auto routes = std::make_shared<Routes>();
  const Bytes v6 = make_packet({}), v4 = make_packet({.v4 = true});
  CHECK(routes->takes(v6.data()) && routes->takes(v4.data()));
  routes->own = destination_of(v6.data()) + 1;
  CHECK(!routes->takes(v6.data()) && !routes->takes(v4.data()));
  routes->own = destination_of(v6.data());
  CHECK(routes->takes(v6.data()) && !routes->takes(v4.data()));
  routes->insert(destination_of(v4.data()), 24, true, std::make_shared<const Owners>(Owners{{}, true}));
  CHECK(routes->takes(v4.data()));
  routes->insert(destination_of(v4.data()), 32, true, std::make_shared<Peer>("fd00::b"));
  CHECK(!routes->takes(v4.data()));
}

}  // namespace trellis::test
