#include "replay.h"

#include <deque>
#include <memory>
#include <set>

#include "check.h"

namespace trellis::test {
namespace {

constexpr uint64_t W = ReplayWindow::SIZE;

struct Row {
  uint64_t counter;
  Arrival want;
  const char* why;
};

void play(std::initializer_list<Row> rows) {
  ReplayWindow window;
  for (const Row& row : rows) {
    CHECK_CASE(window.look(row.counter) == row.want, row.why);
    CHECK_CASE(window.accept(row.counter) == row.want, row.why);
  }
}

}  // namespace

TEST("a replay window tells new, late and repeated counters apart") {
  play({
      {0, Arrival::newest, "the first counter is 0"},
      {0, Arrival::refused, "0 again"},
      {1, Arrival::newest, "in order"},
      {9, Arrival::newest, "a gap"},
      {8, Arrival::late, "inside the gap"},
      {8, Arrival::refused, "inside the gap, again"},
      {9, Arrival::refused, "the newest again"},
      {63, Arrival::newest, "last bit of the first word"},
      {64, Arrival::newest, "first bit of the second word"},
      {62, Arrival::late, "back across a word boundary"},
  });
}

TEST("a replay window refuses what is older than its size and nothing younger") {
  play({
      {W, Arrival::newest, "a full window ahead"},
      {0, Arrival::refused, "exactly too old"},
      {1, Arrival::late, "the oldest that fits"},
      {1, Arrival::refused, "the oldest that fits, again"},
      {2 * W, Arrival::newest, "one more window"},
      {W, Arrival::refused, "now too old"},
      {W + 1, Arrival::late, "the oldest that fits now"},
  });
}

TEST("a replay window forgets nothing when it jumps far and wraps") {
  play({
      {5, Arrival::newest, "start"},
      {5 + 1024 * 256 * 64, Arrival::newest, "a jump by many rings"},
      {5, Arrival::refused, "long gone"},
      {4 + 1024 * 256 * 64, Arrival::late, "just behind the jump"},
      {~uint64_t{0}, Arrival::newest, "the last counter there is"},
      {~uint64_t{0}, Arrival::refused, "the last counter again"},
      {~uint64_t{0} - W + 1, Arrival::late, "the oldest beside the last"},
      {~uint64_t{0} - W, Arrival::refused, "older"},
  });
}

TEST("a replay window agrees with a set that remembers everything") {
  Random random(1);
  const auto window = std::make_unique<ReplayWindow>();
  std::set<uint64_t> seen;
  uint64_t newest = 0;
  for (int i = 0; i < 200'000; i++) {
    const uint64_t reach = 3 * W / (1 + random.below(100));
    const uint64_t back = random.below(reach + 1);
    const uint64_t counter = random.below(2) != 0 ? newest + random.below(200) : newest - (back < newest ? back : newest);
    const bool refused = seen.contains(counter) || (newest >= counter && newest - counter >= W);
    const Arrival want = refused ? Arrival::refused : seen.empty() || counter > newest ? Arrival::newest : Arrival::late;
    CHECK(window->accept(counter) == want);
    if (want == Arrival::refused) continue;
    seen.insert(counter);
    if (counter > newest) newest = counter;
  }
}

}  // namespace trellis::test
