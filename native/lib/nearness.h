// A thread that sleeps wakes soonest on the CPU that has something for it.
#pragma once
#include <cstdint>

namespace trellis {

/**
 * Which CPU a thread should sleep on: the one that takes in what wakes it. A thread of another CPU, which mostly sleeps as well, is woken by
 * an interrupt between the two and after that CPU's way out of its sleep: microseconds to a hundred of them. That is worth more than a
 * second CPU to a thread that sleeps nearly always, and to no other.
 *
 * Two threads of one machine that wake each other would change places for ever: how long each has patience is by chance.
 */
class Nearness {
 public:
  static constexpr int STAY = -1, ANYWHERE = -2;
  static constexpr int UNKNOWN = -1;  // where the waker was
  static constexpr uint32_t LEAST = 2, SPREAD = 4;  // how often in a row before it moves: LEAST, and up to SPREAD - 1 more
  static constexpr int64_t WINDOW = 10'000'000;
  static constexpr int64_t SHARE = 8;  // awake for one part in so many of a window at most

  /** `seed` makes the chance; any but 0. */
  explicit Nearness(uint32_t seed) : random_(seed) {}

  /**
   * The thread has slept from `since` to `now` (ns, never falling), until what CPU `from` took in (or `UNKNOWN`) woke it on CPU `here`:
   * the CPU to move to, `STAY`, or `ANYWHERE` when it no longer sleeps enough to be held on one.
   */
  int woken(int from, int here, int64_t since, int64_t now) {
    awake_ += since - now_;
    now_ = now;
    if (now - window_ >= WINDOW) {
      sleeps_ = awake_ * SHARE <= now - window_;
      window_ = now;
      awake_ = 0;
    }
    if (!sleeps_) return ANYWHERE;
    if (from == here || from == UNKNOWN) from_ = UNKNOWN;
    else if (from != from_) begin(from);
    else if (--left_ == 0) return begin(from);
    return STAY;
  }

 private:
  int begin(int from) {
    random_ ^= random_ << 13, random_ ^= random_ >> 17, random_ ^= random_ << 5;  // xorshift32
    left_ = LEAST - 1 + random_ % SPREAD;
    return from_ = from;
  }

  uint32_t random_;
  int from_ = UNKNOWN;
  uint32_t left_ = 0;

  bool sleeps_ = false;  // in the last whole window
  int64_t window_ = 0;   // since when the present one lasts
  int64_t now_ = 0;
  int64_t awake_ = 0;
};

}  // namespace trellis
