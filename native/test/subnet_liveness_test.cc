// How often the gateways of a subnet are asked.
#include "liveness_world.h"

namespace trellis::test {

using namespace liveness;

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

}  // namespace trellis::test
