#include "measure.h"

#include <algorithm>
#include <cmath>

namespace trellis {
namespace {

constexpr double MS = 1e6, HOUR = 3600e9;
constexpr double WINDOW = 512;           // questions that are looked back at
constexpr double JITTER_MIN = 4 * MS;
constexpr double UNKNOWN_TRIP = 1000 * MS;
constexpr double LIKELY_LOST = 0.1, LIKELY_WEIGHT = 10;  // what a link is taken for before it is known
constexpr double FALSE_ALARMS = 0.05;    // an hour
constexpr unsigned MISSES_MIN = 3, MISSES_MAX = 40;

void write(__u64& field, double value) { std::atomic_ref(field).store(static_cast<uint64_t>(value), std::memory_order_relaxed); }

}  // namespace

void Loss::add(uint64_t expected, uint64_t received) {
  expected_ += static_cast<double>(expected);
  lost_ += static_cast<double>(expected) - static_cast<double>(received);
  lost_ = std::clamp(lost_, 0.0, expected_);
  if (expected_ <= WINDOW) return;
  lost_ *= WINDOW / expected_;
  expected_ = WINDOW;
}

bool Measure::read(relay_state& state, bool silent) {
  const uint64_t expected = state_field(state.expected), received = state_field(state.received);
  if (!silent && expected >= expected_ && received >= received_) here_.add(expected - expected_, received - received_);
  expected_ = expected;
  received_ = received;
  if (const uint64_t newest = state_field(state.newest); newest != 0) there_ = static_cast<double>(HELLO_PART(newest, LOST)) / 256;
  write(state.lost, here_.share() * 255);

  const uint64_t asked = state_field(state.asked);
  if (asked == asked_) return false;
  asked_ = asked;
  const double sample = static_cast<double>(state_field(state.round_trip));
  variation_ = smoothed_ ? 0.75 * variation_ + 0.25 * std::abs(*smoothed_ - sample) : sample / 2;
  jitter_ = smoothed_ ? jitter_ + (std::abs(last_ - sample) - jitter_) / 16 : 0;  // RFC 3550, 6.4.1
  smoothed_ = smoothed_ ? 0.875 * *smoothed_ + 0.125 * sample : sample;
  last_ = sample;
  write(state.smoothed, *smoothed_);
  write(state.jitter, jitter_);
  return true;
}

double Measure::trip() const { return smoothed_ ? *smoothed_ + std::max(JITTER_MIN, 4 * variation_) : UNKNOWN_TRIP; }

double Measure::lost() const {
  const double here = here_.share();
  return 1 - (1 - here) * (1 - there_) * (1 - std::max(here, there_));
}

unsigned Measure::misses(uint64_t wait) const {
  const double weight = here_.weight();
  const double likely = (lost() * weight + LIKELY_LOST * LIKELY_WEIGHT) / (weight + LIKELY_WEIGHT);
  const double runs = std::log(HOUR / static_cast<double>(wait) / FALSE_ALARMS);
  const double misses = std::ceil(runs / -std::log(std::min(likely, 0.99)));
  return static_cast<unsigned>(std::clamp<double>(misses, MISSES_MIN, MISSES_MAX));
}

}  // namespace trellis
