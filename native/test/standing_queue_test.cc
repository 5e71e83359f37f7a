#include "standing_queue.h"

#include <vector>

#include "check.h"

namespace trellis::test {
namespace {

/** The times from `from` to `to`, ms, at which a queue that always holds something wants a drop. */
std::vector<int64_t> drops(StandingQueue& queue, int64_t from, int64_t to) {
  std::vector<int64_t> times;
  for (int64_t now = from; now < to; now++) {
    if (queue.should_drop(now)) times.push_back(now);
  }
  return times;
}

}  // namespace

TEST("a queue that is found empty now and then costs nobody a packet") {
  StandingQueue queue;
  for (int64_t now = 0; now < 10'000; now++) {
    if (now % 100 == 0) queue.found_empty();
    CHECK(!queue.should_drop(now));
  }
}

TEST("a standing queue costs a packet after 100 ms, and then at the growing rate of CoDel") {
  StandingQueue queue;
  CHECK((drops(queue, 1000, 1450) == std::vector<int64_t>{1100, 1200, 1270, 1327, 1377, 1421}));
}

TEST("a queue that stands again soon goes on where it was, and later begins anew") {
  StandingQueue queue;
  const size_t first = drops(queue, 0, 1000).size();
  queue.found_empty();
  CHECK(drops(queue, 1010, 1110).empty());
  const size_t again = drops(queue, 1110, 1310).size();
  CHECK(first == 28 && again == 12);
  queue.found_empty();
  CHECK((drops(queue, 10'000, 10'250) == std::vector<int64_t>{10'100, 10'200}));
}

TEST("a pause is not made up for") {
  StandingQueue queue;
  CHECK(drops(queue, 0, 500).size() == 8);
  CHECK((drops(queue, 5000, 5070) == std::vector<int64_t>{5000, 5033, 5064}));
}

}  // namespace trellis::test
