// Which of a peer's links carries, while several could: the best one, but not at once, and none that comes and goes (RFC 2439).
#pragma once
#include <cstdint>
#include <vector>

namespace trellis {

/** What may be said for and against a link. Times are ns of CLOCK_MONOTONIC. */
struct LinkTerms {
  uint32_t cost = 0;      // in ms of round trip
  bool metered = false;   // no traffic while a link without a meter lives
  bool spent = false;     // nor while any other lives
};

/** A link as it is at a turn; its rank is the turn's result. */
struct Standing {
  bool silent = false;
  bool unasked = false;   // silent since nobody asked in time: we stood still, which says nothing of the link
  bool answered = false;  // ever
  double round_trip = 0;  // ns
  double lost = 0;        // share of questions without an answer
  LinkTerms terms;
  uint32_t rank = 0;      // as it is written in the link's state
};

class Preference {
 public:
  /** The links of one peer, in an order that stays; from time to time, at most 100 ms apart. Gives each its rank. */
  void turn(std::vector<Standing>& links, uint64_t now);
  /** The links are others from now on: `from[i]` is where the one that is in place `i` now was before, or -1. */
  void rearrange(const std::vector<int>& from);

  /** Times that another link took over, for whatever reason. */
  uint64_t switches() const { return switches_; }

 private:
  struct Memory {
    bool was_silent = true, was_answered = false;
    uint64_t alive_since = 0;
    double badness = 0;        // slowly following
    double penalty = 0;        // for each time that it fell silent, halving with time
    bool suppressed = false;
    uint64_t better_since = 0; // than the one that carries, without a break
  };

  static double badness(const Standing& link);
  void remember(Memory& memory, const Standing& link, double seconds, uint64_t now);
  bool may_take_over(const Memory& memory, const Standing& link, uint64_t now) const;
  void rank(std::vector<Standing>& links, uint64_t now) const;

  std::vector<Memory> memories_;
  int carries_ = -1;
  uint64_t last_ = 0;
  uint64_t switches_ = 0;
};

}  // namespace trellis
