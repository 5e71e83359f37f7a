// The replay window of one session (RFC 6479): a ring of words, of which the one in use for new counters is cleared as it is entered.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace trellis {

enum class Arrival : uint8_t {
  refused,  // seen before, or older than the window
  late,     // new, but not the newest
  newest,   // beyond everything seen so far
};

/** Not thread-safe: the session's receive lock guards it. */
class ReplayWindow {
 public:
  /** Counters this far behind the newest are still told apart; older ones are refused. */
  static constexpr uint64_t SIZE = 255 * 64;

  /** What `accept` would say, without a trace. */
  Arrival look(uint64_t counter) const {
    if (!any_ || counter > newest_) return Arrival::newest;
    if (newest_ - counter >= SIZE) return Arrival::refused;
    return (word(counter) & bit(counter)) != 0 ? Arrival::refused : Arrival::late;
  }

  /** Marks `counter` as seen; call it only for frames that were authenticated. */
  Arrival accept(uint64_t counter) {
    const Arrival arrival = look(counter);
    if (arrival == Arrival::refused) return arrival;
    if (arrival == Arrival::newest) advance(counter);
    words_[index(counter)] |= bit(counter);
    return arrival;
  }

 private:
  static constexpr size_t WORDS = 256;  // one more than the window needs: the newest word may be partly empty

  static size_t index(uint64_t counter) { return (counter / 64) % WORDS; }
  static uint64_t bit(uint64_t counter) { return uint64_t{1} << (counter % 64); }
  uint64_t word(uint64_t counter) const { return words_[index(counter)]; }

  void advance(uint64_t counter) {
    const uint64_t from = newest_ / 64;
    const uint64_t steps = counter / 64 - from;
    for (uint64_t i = 1; i <= (steps < WORDS ? steps : WORDS); i++) words_[(from + i) % WORDS] = 0;
    newest_ = counter;
    any_ = true;
  }

  std::array<uint64_t, WORDS> words_{};
  uint64_t newest_ = 0;
  bool any_ = false;
};

}  // namespace trellis
