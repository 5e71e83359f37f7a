#include "preference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "relay_rules.h"
#include "relay_tables.h"

namespace trellis {
namespace {

constexpr uint64_t SECOND = 1'000'000'000;
constexpr uint64_t PROVEN = 10 * SECOND;  // a link that was silent is none to move to before
constexpr uint64_t BETTER = 5 * SECOND;   // nor one that is better for less than this
constexpr double FOLLOWS = 30;            // s in which badness follows what is measured
constexpr double MARGIN_MS = 5, MARGIN_SHARE = 0.25;
constexpr double MS_PER_LOSS = 1000;      // 1 % of loss is as bad as 10 ms
constexpr double UNMEASURED = 5000;       // ms: nobody has answered, though the peer's own seal says that it is there
constexpr double METERED = 100'000, SPENT = 1'000'000;

// RFC 2439's figures, with a shorter memory.
constexpr double FLAP = 1000, SUPPRESS = 2000, REUSE = 750, PENALTY_MAX = 6000, HALF_LIFE = 600;

}  // namespace

double Preference::badness(const Standing& link) {
  const double measured = link.answered ? link.round_trip / 1e6 + MS_PER_LOSS * link.lost : UNMEASURED;
  return measured + link.terms.cost;
}

void Preference::remember(Memory& memory, const Standing& link, double seconds, uint64_t now) {
  memory.penalty *= std::exp2(-seconds / HALF_LIFE);
  const bool silent = link.silent && !link.unasked;
  if (silent && !memory.was_silent) memory.penalty = std::min(PENALTY_MAX, memory.penalty + FLAP);
  if (memory.penalty > SUPPRESS) memory.suppressed = true;
  if (memory.penalty < REUSE) memory.suppressed = false;
  const bool is_new = memory.alive_since == 0 || link.answered != memory.was_answered;
  if (!silent && memory.alive_since == 0) memory.alive_since = now;
  if (silent) memory.alive_since = 0;
  else if (is_new) memory.badness = badness(link);
  else memory.badness += (badness(link) - memory.badness) * (1 - std::exp(-seconds / FOLLOWS));
  memory.was_silent = silent;
  memory.was_answered = link.answered;
}

bool Preference::may_take_over(const Memory& memory, const Standing& link, uint64_t now) const {
  return !link.silent && link.answered && !memory.suppressed && now - memory.alive_since >= PROVEN;
}

void Preference::turn(std::vector<Standing>& links, uint64_t now) {
  memories_.resize(links.size());
  const double seconds = last_ == 0 ? 0 : static_cast<double>(now - last_) / SECOND;
  last_ = now;
  for (size_t i = 0; i < links.size(); i++) remember(memories_[i], links[i], seconds, now);

  // Who sends takes another link as soon as the one that carries is silent, without asking: it carries from then on.
  int carries = -1;
  const auto standing = [&](size_t i) { return links[i].rank + (links[i].silent ? RELAY_SILENT : 0); };
  for (size_t i = 0; i < links.size(); i++) {
    if (carries < 0 || standing(i) < standing(static_cast<size_t>(carries))) carries = static_cast<int>(i);
  }
  if (carries >= 0) {
    const auto is_worse = [&](size_t i) {
      const double terms = (links[i].terms.spent ? SPENT : 0) + (links[i].terms.metered ? METERED : 0);
      return memories_[i].badness + terms;
    };
    const double bad = is_worse(static_cast<size_t>(carries));
    int better = carries;
    for (size_t i = 0; i < links.size(); i++) {
      Memory& memory = memories_[i];
      const double other = is_worse(i);
      const bool is_better = static_cast<int>(i) != carries && may_take_over(memory, links[i], now) && other + MARGIN_MS + MARGIN_SHARE * other < bad;
      if (!is_better) memory.better_since = 0;
      else if (memory.better_since == 0) memory.better_since = now;
      else if (now - memory.better_since >= BETTER && other < is_worse(static_cast<size_t>(better))) better = static_cast<int>(i);
    }
    carries = better;
  }
  if (carries != carries_ && carries_ >= 0) switches_++;
  carries_ = carries;
  rank(links, now);
}

/** The one that carries first; then those that have proven themselves, by how good they are. */
void Preference::rank(std::vector<Standing>& links, uint64_t now) const {
  std::vector<size_t> order(links.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto key = [&](size_t i) {
    const Memory& memory = memories_[i];
    return std::tuple(static_cast<int>(i) != carries_, links[i].silent, links[i].terms.spent, !may_take_over(memory, links[i], now), links[i].terms.metered,
                      memory.badness);
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  for (size_t place = 0; place < order.size(); place++) links[order[place]].rank = static_cast<uint32_t>(place);
}

void Preference::rearrange(const std::vector<int>& from) {
  std::vector<Memory> memories(from.size());
  int carries = -1;
  for (size_t i = 0; i < from.size(); i++) {
    if (from[i] < 0) continue;
    memories[i] = memories_[static_cast<size_t>(from[i])];
    if (from[i] == carries_) carries = static_cast<int>(i);
  }
  memories_ = std::move(memories);
  carries_ = carries;
}

}  // namespace trellis
