#include "links.h"

#include <algorithm>
#include <utility>

namespace trellis {
namespace {

constexpr uint64_t NEVER_ANSWERED = 1;  // ns: a moment that is over
constexpr uint32_t LINK_MASK = (1u << HELLO_LINK_BITS) - 1;

}  // namespace

void Links::keep_in(std::shared_ptr<relay_state[]> states) {
  const std::shared_ptr<relay_state[]> before = std::exchange(states_, std::move(states));
  std::copy_n(before.get(), RELAY_MAX_STATES, states_.get());
}

void Links::set_places(const std::string& peer, std::vector<Endpoint> places) { entries_[peer].places = std::move(places); }

const std::vector<Link>& Links::of(const std::string& peer) const {
  static const std::vector<Link> NONE;
  const auto found = entries_.find(peer);
  return found == entries_.end() ? NONE : found->second.links;
}

const std::vector<Link>& Links::update(const std::string& peer, const Endpoint& home) {
  Entry& entry = entries_[peer];
  std::vector<Link> links;
  if (home.direct()) add(entry, links, home, true);
  for (const Endpoint& place : entry.places) {
    if (links.size() < RELAY_PATHS && !place.is_at(home)) add(entry, links, place, false);
  }
  add_others(entry, links);
  for (const Link& gone : entry.links) {
    if (std::none_of(links.begin(), links.end(), [&](const Link& link) { return link.state == gone.state; })) give_back(gone);
  }
  entry.links = std::move(links);
  entry.home = home;
  return entry.links;
}

/** The same places by the machine's other interfaces. */
void Links::add_others(const Entry& entry, std::vector<Link>& links) {
  if (reach_ == nullptr) return;
  const size_t places = links.size();
  for (size_t i = 0; i < places; i++) {
    if (links[i].via == 0) continue;
    for (const uint32_t device : reach_->others(links[i].to, links[i].via)) {
      Endpoint to = links[i].to;
      to.device = device;
      if (links.size() == RELAY_PATHS || !add(entry, links, to, false)) return;
    }
  }
}

/** False when there is no room. */
bool Links::add(const Entry& entry, std::vector<Link>& links, const Endpoint& to, bool is_home) {
  const auto old = std::find_if(entry.links.begin(), entry.links.end(), [&](const Link& link) { return link.to == to; });
  Link link;
  if (old != entry.links.end()) {
    link = *old;
  } else {
    link.to = to;
    link.state = take_state(entry, links, is_home);
    if (link.state == 0) return false;
  }
  if (is_home && !(to == entry.home)) {  // it has come there, by its own seal: it need not be asked before it is spoken to
    __u64 never = NEVER_ANSWERED;
    std::atomic_ref(states_[link.state].until).compare_exchange_strong(never, 0);
  }
  find_way(link);
  links.push_back(link);
  return true;
}

void Links::find_way(Link& link) {
  if (reach_ == nullptr || link.known == reach_->version()) return;
  link.known = reach_->version();
  const auto way = reach_->find(link.to, link.to.device);
  link.via = way ? way->device : 0;
  link.local = way ? way->local : in6_addr{};
}

/** Of the links of one peer no two have the same lower bits: questions name them by those. */
uint32_t Links::take_state(const Entry& entry, const std::vector<Link>& links, bool is_home) {
  if (!is_home && count_ >= FOR_ALL) return 0;
  for (uint32_t tried = 0; tried < RELAY_MAX_STATES - 1; tried++) {
    const uint32_t number = 1 + (last_ + tried) % (RELAY_MAX_STATES - 1);
    const auto is_alike = [&](const Link& link) { return ((link.state ^ number) & LINK_MASK) == 0; };
    if (taken_[number] || std::any_of(links.begin(), links.end(), is_alike)) continue;
    if (std::any_of(entry.links.begin(), entry.links.end(), is_alike)) continue;
    taken_[number] = true;
    last_ = number;
    count_++;
    states_[number] = {};
    states_[number].until = is_home ? 0 : NEVER_ANSWERED;
    states_[number].rank = links.size();
    return number;
  }
  return 0;
}

void Links::give_back(const Link& link) {
  taken_[link.state] = false;
  count_--;
}

void Links::drop(const std::string& peer) {
  const auto found = entries_.find(peer);
  if (found == entries_.end()) return;
  for (const Link& link : found->second.links) give_back(link);
  found->second.links.clear();
  found->second.home = {};
}

void Links::forget(const std::string& peer) {
  drop(peer);
  entries_.erase(peer);
}

void Links::clear() {
  entries_.clear();
  taken_.assign(RELAY_MAX_STATES, false);
  count_ = 0;
}

}  // namespace trellis
