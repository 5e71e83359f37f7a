// Where what a member sends may go: a member that was changed to send what it likes is the attacker here.
#include "pair.h"

namespace trellis::test {

TEST("what a member sends is delivered only if it is for us or for a subnet of ours: the kernel may forward to more") {
  struct Row {
    const char* to;
    bool v4;
    uint8_t net, last;  // fd00::last, or 10.net.0.last
    bool delivered;
  };
  for (const Row& row : std::vector<Row>{
           {"us", false, 0, 2, true},
           {"another member", false, 0, 3, false},
           {"a host in a subnet of ours", true, 1, 9, true},
           {"a host in a subnet of another's", true, 2, 9, false},
           {"a host that nobody announces", true, 3, 9, false},
       }) {
    Pair pair;
    auto routes = std::make_shared<Routes>(*pair.b.tables.routes);
    routes->own = key_of(2, false);
    routes->insert(Key{0x0a010000} << 96, 16, true, std::make_shared<const Owners>(Owners{{}, true}));
    routes->insert(Key{0x0a020000} << 96, 16, true, pair.b.peer);
    pair.b.tables.routes = routes;
    Bytes packet = make_packet({.v4 = row.v4, .payload = 100});
    if (row.v4) packet[17] = row.net;
    packet[row.v4 ? 19 : 39] = row.last;
    pair.b.open({seal_as_it_is(pair, packet)});
    CHECK_CASE(pair.b.sink.all.size() == (row.delivered ? 1 : 0), row.to);
    CHECK_CASE(pair.b.dropped(Drop::destination) == (row.delivered ? 0 : 1), row.to);
  }
}

}  // namespace trellis::test
