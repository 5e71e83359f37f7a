// How a link is, by the hellos that went over it: round trip, jitter, loss, and how long to wait before silence means something.
#pragma once
#include <cstdint>
#include <optional>

#include "relay_tables.h"

namespace trellis {

/** A share of what was sent, over the last few hundred. */
class Loss {
 public:
  void add(uint64_t expected, uint64_t received);
  double share() const { return expected_ > 0 ? lost_ / expected_ : 0; }
  double weight() const { return expected_; }

 private:
  double expected_ = 0, lost_ = 0;
};

/** Knows no clock. Times are ns of CLOCK_MONOTONIC. */
class Measure {
 public:
  /**
   * Takes what was heard since it was last called, and writes what follows from it into the state, where others read it. What was lost
   * while the link was silent is no loss: it says nothing of how the link is when it works. True when the other end has answered.
   */
  bool read(relay_state& state, bool silent);

  /** How long an answer may take, ns. Before the first nobody knows how far away the other end is. */
  double trip() const;
  double round_trip() const { return smoothed_.value_or(0); }
  bool answered() const { return smoothed_.has_value(); }

  /** Share of questions to which no answer comes, or no word that the answer came: in three frames one is lost. */
  double lost() const;

  /**
   * How many questions in a row, one each `wait`, must go without an answer before the link counts as silent: so many that random loss
   * alone does that once in 20 hours.
   */
  unsigned misses(uint64_t wait) const;

 private:
  std::optional<double> smoothed_;  // RFC 6298
  double variation_ = 0, jitter_ = 0, last_ = 0;
  Loss here_;          // of what the other end asked
  double there_ = 0;   // of what we asked, as the other end says
  uint64_t asked_ = 0;      // the question that was answered last
  uint64_t expected_ = 0, received_ = 0;
};

}  // namespace trellis
