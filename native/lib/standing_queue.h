// A queue that is never found empty is filled by flows that would fill any queue; a lost segment now and then slows them down.
#pragma once
#include <cmath>
#include <cstdint>

namespace trellis {

/**
 * CoDel (RFC 8289) for a queue in the kernel, whose packets carry no time of arrival: instead of the shortest stay within an
 * interval it looks at whether the queue has been empty within it, which is a target of zero.
 */
class StandingQueue {
 public:
  /** The queue was found empty: nothing stands in it. */
  void found_empty() { since_ = NEVER; }

  /** Whether a segment of a bulk flow is to be dropped. `now` in ms, never falling. */
  bool should_drop(int64_t now) {
    if (since_ == NEVER) {
      since_ = now;
      // Back soon after dropping: go on at nearly the rate that was needed then (RFC 8289 §5.4).
      count_ = count_ > 2 && now - next_ < 16 * INTERVAL ? count_ - 2 : 0;
      next_ = now + INTERVAL;
      return false;
    }
    if (now < next_) return false;
    const auto step = static_cast<int64_t>(INTERVAL / std::sqrt(++count_));
    next_ = next_ + step > now ? next_ + step : now + step;  // what a pause left out is not made up for
    return true;
  }

 private:
  static constexpr int64_t INTERVAL = 100;  // ms: a round trip that few paths exceed
  static constexpr int64_t NEVER = -1;

  int64_t since_ = NEVER;
  int64_t next_ = 0;
  int64_t count_ = 0;
};

}  // namespace trellis
