#include "nearness.h"

#include "check.h"

namespace trellis::test {
namespace {

constexpr int64_t US = 1000, MS = 1000 * US;
constexpr int MOST = static_cast<int>(Nearness::LEAST + Nearness::SPREAD - 1);

/** A thread on a CPU that is awake for `awake` ns after each wake, which come every `every` ns. */
struct Thread {
  Nearness nearness;
  int here;
  int64_t every = 5 * MS, awake = 20 * US, now = 0;

  int woken(int from) {
    const int to = nearness.woken(from, here, now + awake, now + every);
    now += every;
    if (to >= 0) here = to;
    return to;
  }
  /** Wake-ups until it is on the CPU that wakes it; more than `most` when it does not get there. */
  int patience(int from, int most) {
    for (int times = 1; times <= most; times++) {
      if (woken(from) == from) return times;
    }
    return most + 1;
  }
};

/** One that is known to sleep nearly always. */
Thread rested(uint32_t seed, int here) {
  Thread thread{Nearness(seed), here};
  for (int i = 0; i < 4; i++) thread.woken(here);
  return thread;
}

}  // namespace

TEST("a thread moves to the CPU that keeps waking it, and stays there") {
  Thread thread = rested(1, 0);
  const int times = thread.patience(3, MOST);
  CHECK(times >= static_cast<int>(Nearness::LEAST) && times <= MOST);
  for (int i = 0; i < 100; i++) CHECK(thread.woken(3) == Nearness::STAY);
}

TEST("it stays where it is while several wake it in turn, and by what nobody knows") {
  Thread thread = rested(1, 0);
  for (int i = 0; i < 1000; i++) CHECK(thread.woken(i % 2 + 1) == Nearness::STAY);
  for (int i = 0; i < 1000; i++) CHECK(thread.woken(Nearness::UNKNOWN) == Nearness::STAY);
}

TEST("what was taken in here in between begins it anew") {
  Thread thread = rested(1, 0);
  for (int i = 0; i < 1000; i++) CHECK(thread.woken(i % 2) == Nearness::STAY);
}

TEST("one that no longer sleeps enough is held nowhere, until it does") {
  Thread thread = rested(1, 0);
  thread.patience(1, MOST);
  thread.every = 100 * US;
  thread.awake = 30 * US;
  int held = 0;
  while (thread.woken(1) != Nearness::ANYWHERE) held++;
  CHECK(held < 2 * Nearness::WINDOW / thread.every);
  for (int i = 0; i < 1000; i++) CHECK(thread.woken(1) == Nearness::ANYWHERE);
  thread.here = 0;
  thread.awake = 5 * US;
  CHECK(thread.patience(1, static_cast<int>(2 * Nearness::WINDOW / thread.every) + MOST) <= 2 * Nearness::WINDOW / thread.every + MOST);
}

TEST("two that wake each other end up on one CPU") {
  for (uint32_t seed = 1; seed < 200; seed++) {
    Thread a = rested(seed, 0), b = rested(seed + 1, 1);
    int moves = 0;
    for (int i = 0; i < 100 * MOST && a.here != b.here; i++) {
      const int at_a = a.here, at_b = b.here;  // both packets are under way at once
      moves += (a.woken(at_b) >= 0) + (b.woken(at_a) >= 0);
    }
    CHECK(a.here == b.here);
    CHECK(moves < 60);
  }
}

}  // namespace trellis::test
