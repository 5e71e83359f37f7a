#include "liveness.h"

#include <algorithm>
#include <cmath>

#include "relay.h"

namespace trellis {
namespace {

constexpr uint64_t MS = 1'000'000;
constexpr uint64_t LOOK = 100 * MS;        // between two looks at the counters
constexpr uint64_t WAIT_MIN = 8 * MS;      // three of these and a round trip are the longest gap in a flow whose link dies
constexpr uint64_t WAIT_FIRST = 100 * MS;  // of a place that never answered; doubled each time
constexpr uint64_t WAIT_ALONE = 1000 * MS; // there is nobody else, or it is not this link that would take over: sooner would change nothing
constexpr uint64_t WAIT_MAX = 5000 * MS;
constexpr uint64_t WAIT_IDLE = 15'000 * MS;  // of a link that another stands before
constexpr uint64_t WAIT_NOBODY = 60'000 * MS;
constexpr double FULL_RATE = 100;          // packets a second from which on a link is asked as often as it may
constexpr double RATE_KEPT = 0.95;         // of the rate, from one look to the next
constexpr uint64_t PATIENCE_MAX = 60'000;  // ms: it must fit the frame
constexpr uint64_t SURE = 100 * MS;        // a silence that lasts so long is told
constexpr uint64_t NEVER = 1;              // `until` of a link that was never answered over, or lost its carrier

}  // namespace

uint64_t Liveness::turn(const Tables& tables, uint64_t now) {
  const RelayTables& relay = *tables.relay;
  if (relay.states == nullptr) return now + LOOK;
  std::atomic_ref(relay.states[0].asked).store(now, std::memory_order_relaxed);  // who is answered in our name learns that we run
  if (now >= next_look_) look(tables, now);
  const bool leased = now <= state_field(relay.states[0].until);
  uint64_t next = next_look_;
  for (auto& [number, watch] : watches_) {
    const auto neighbour = relay.neighbours.find(number);
    if (neighbour == relay.neighbours.end()) continue;
    follow(watch, neighbour->second);
    read(watch, relay, now);
    tell(watch, relay, neighbour->second, now);
    if (!leased) continue;  // who is not sure to live does not ask others
    for (size_t i = 0; i < watch.ways.size(); i++) {
      Way& way = watch.ways[i];
      const relay_state& state = relay.states[way.state];
      if (now >= due(watch, way, state, now)) ask(watch, way, relay, neighbour->second, neighbour->second.paths[i], now);
      next = std::min(next, due(watch, way, state, now));
    }
  }
  return std::max(next, now + MS);
}

/** How much flows to whom since the last look, and what follows from it. */
void Liveness::look(const Tables& tables, uint64_t now) {
  next_look_ = now + LOOK;
  const RelayTables& relay = *tables.relay;
  meet(tables);
  for (auto& [number, watch] : watches_) watch.rate *= RATE_KEPT;
  count_sessions(tables);
  count_subnets(tables);
  count_relayed(relay);
  read_meters(relay);
  for (auto& [number, watch] : watches_) {
    read(watch, relay, now);
    prefer(watch, relay, now);
    pace(watch, relay, now);
  }
}

/** Watches follow the neighbours. */
void Liveness::meet(const Tables& tables) {
  const RelayTables& relay = *tables.relay;
  std::erase_if(watches_, [&](const auto& entry) { return !relay.neighbours.contains(entry.first); });
  for (const auto& [index, session] : *tables.sessions) {
    const uint32_t number = session->peer->relay_number.load(std::memory_order_relaxed);
    const auto neighbour = relay.neighbours.find(number);
    if (neighbour == relay.neighbours.end()) continue;
    Watch& watch = watches_[number];
    if (watch.peer != session->peer->id) {  // new, or the number is another's now
      watch = {};
      watch.peer = session->peer->id;
      follow(watch, neighbour->second);
      watch.frames = frames_to(relay, watch);
    }
    follow(watch, neighbour->second);
    if (neighbour->second.link == session->remote_index) watch.second = session->local_index > session->remote_index;
  }
}

/** What is known of a link goes with its state. */
void Liveness::follow(Watch& watch, const relay_neighbour& neighbour) {
  const uint32_t count = paths_of(neighbour);
  const auto same = [&](size_t i) { return watch.ways[i].state == neighbour.paths[i].state; };
  bool changed = watch.ways.size() != count;
  for (size_t i = 0; !changed && i < count; i++) changed = !same(i);
  if (!changed) return;
  std::vector<Way> ways(count);
  std::vector<int> from(count, -1);
  for (size_t i = 0; i < count; i++) {
    const uint32_t state = neighbour.paths[i].state;
    const auto old = std::find_if(watch.ways.begin(), watch.ways.end(), [&](const Way& way) { return way.state == state; });
    if (old == watch.ways.end()) {
      ways[i].state = state;
      ways[i].wait = WAIT_MAX;
    } else {
      from[i] = static_cast<int>(old - watch.ways.begin());
      ways[i] = *old;
    }
  }
  watch.ways = std::move(ways);
  watch.preference.rearrange(from);
}

/** What our own sessions carry: to the peer itself, or to those that lead to it. */
void Liveness::count_sessions(const Tables& tables) {
  std::unordered_map<std::string, uint64_t> total;
  std::unordered_map<std::string, const Peer*> peers;
  for (const auto& [index, session] : *tables.sessions) {
    total[session->peer->id] += session->sent_packets.load(std::memory_order_relaxed) + session->received_packets.load(std::memory_order_relaxed);
    peers[session->peer->id] = session->peer.get();
  }
  for (const auto& [id, packets] : total) {
    const auto before = packets_.find(id);
    if (before == packets_.end() || packets <= before->second) continue;  // fewer: a session of it is gone
    const double rate = static_cast<double>(packets - before->second) * 1e9 / LOOK;
    const Endpoint endpoint = peers[id]->endpoint();
    if (endpoint.direct()) add(*tables.relay, peers[id]->relay_number.load(std::memory_order_relaxed), rate);
    const auto route = tables.relay->destinations.find(load64(endpoint.address.s6_addr + 8));
    if (endpoint.direct() || route == tables.relay->destinations.end()) continue;
    add(*tables.relay, route->second.primary, rate);
    add(*tables.relay, route->second.backup, rate);
  }
  packets_ = std::move(total);
}

void Liveness::count_subnets(const Tables& tables) {
  const auto watch_of = [&](const Peer& peer) {
    return peer.endpoint().direct() ? watches_.find(peer.relay_number.load(std::memory_order_relaxed)) : watches_.end();
  };
  for (const auto& owners : tables.routes->owners) {
    if (owners->peers.size() < 2) continue;
    double rate = 0;
    for (const auto& peer : owners->peers) {
      if (const auto found = watch_of(*peer); found != watches_.end()) rate = std::max(rate, found->second.rate);
    }
    for (const auto& peer : owners->peers) {
      const auto found = watch_of(*peer);
      if (found == watches_.end()) continue;
      found->second.rate = rate;
    }
  }
}

uint64_t Liveness::frames_to(const RelayTables& relay, const Watch& watch) {
  uint64_t frames = 0;
  for (const Way& way : watch.ways) frames += state_field(relay.states[way.state].frames);
  return frames;
}

/** What we carry for others. */
void Liveness::count_relayed(const RelayTables& relay) {
  for (auto& [number, watch] : watches_) {
    const uint64_t frames = frames_to(relay, watch);
    if (frames > watch.frames) add(relay, number, static_cast<double>(frames - watch.frames) * 1e9 / LOOK);
    watch.frames = frames;
  }
}

/** So much flows to a neighbour, and would to what takes its place. */
void Liveness::add(const RelayTables& relay, uint32_t number, double rate) {
  const auto raise = [&](uint32_t which) {
    if (const auto found = watches_.find(which); found != watches_.end()) found->second.rate = std::max(found->second.rate, rate);
  };
  raise(number);
  for (const auto& [label, route] : relay.destinations) {
    if (route.primary == number) raise(route.backup);
    if (route.backup == number) raise(route.primary);
  }
}

/** Whose limit is reached. */
void Liveness::read_meters(const RelayTables& relay) {
  capped_.clear();
  for (const auto& [device, terms] : relay.terms) {
    if (terms.limit == InterfaceTerms::NO_LIMIT || !meter_) continue;
    const auto bytes = meter_(device);
    capped_[device] = bytes.has_value() && *bytes >= terms.limit;
  }
}

/** Ours, which are told to the other end as well, and the other's. */
LinkTerms Liveness::terms_of(const RelayTables& relay, const Way& way) const {
  relay_state& state = relay.states[way.state];
  LinkTerms terms;
  const auto via = relay.via.find(way.state);
  const auto own = via == relay.via.end() ? relay.terms.end() : relay.terms.find(via->second);
  uint64_t said = 0;
  if (own != relay.terms.end()) {
    const auto capped = capped_.find(via->second);
    terms.cost = own->second.cost;
    if (own->second.metered) said |= HELLO_TERMS_METERED;
    if (capped != capped_.end() && capped->second) said |= HELLO_TERMS_CAPPED;
  }
  const uint64_t both = said | HELLO_PART(state_field(state.newest), TERMS);
  terms.metered = (both & HELLO_TERMS_METERED) != 0;
  terms.spent = (both & HELLO_TERMS_CAPPED) != 0;
  std::atomic_ref(state.terms).store(said | (terms.spent ? RELAY_CLOSED : 0), std::memory_order_relaxed);
  return terms;
}

void Liveness::prefer(Watch& watch, const RelayTables& relay, uint64_t now) const {
  std::vector<Standing> links(watch.ways.size());
  for (size_t i = 0; i < links.size(); i++) {
    Way& way = watch.ways[i];
    const relay_state& state = relay.states[way.state];
    way.terms = terms_of(relay, way);
    Standing& link = links[i];
    link.terms = way.terms;
    link.silent = way.silent;
    link.unasked = way.silent && way.unanswered == 0 && state_field(state.until) != NEVER;
    link.answered = way.measure.answered();
    link.round_trip = way.measure.round_trip();
    link.lost = way.measure.lost();
    link.rank = static_cast<uint32_t>(state_field(state.rank));
  }
  watch.preference.turn(links, now);
  for (size_t i = 0; i < links.size(); i++) std::atomic_ref(relay.states[watch.ways[i].state].rank).store(links[i].rank, std::memory_order_relaxed);
}

bool Liveness::lives_elsewhere(const Watch& watch, const Way& way) const {
  return std::any_of(watch.ways.begin(), watch.ways.end(), [&](const Way& other) { return other.state != way.state && !other.silent; });
}

/**
 * How often this neighbour is asked from now on: over the link that carries and the one that would take over as often as the flow
 * deserves. When it becomes more often, what was promised for longer is taken back.
 */
void Liveness::pace(Watch& watch, const RelayTables& relay, uint64_t now) const {
  for (Way& way : watch.ways) {
    const relay_state& state = relay.states[way.state];
    const uint64_t rank = state_field(state.rank);
    const uint64_t idle = rank == 0 ? WAIT_MAX : WAIT_IDLE;
    const double wanted = watch.rate > 0 ? WAIT_MIN * std::max(1.0, FULL_RATE / watch.rate) : static_cast<double>(idle);
    // Where nobody here could take over, whoever is further back may, to whom frames are given back.
    const bool matters = rank <= 1 && (watches_.size() > 1 || lives_elsewhere(watch, way));
    const uint64_t least = way.terms.spent ? idle : way.terms.metered ? rank == 0 ? WAIT_ALONE : WAIT_MAX : matters ? WAIT_MIN : WAIT_ALONE;
    const uint64_t wait = std::clamp(static_cast<uint64_t>(std::min(wanted, static_cast<double>(idle))), least, idle);
    const bool sooner = wait < way.wait;
    way.wait = wait;
    const uint64_t until = state_field(state.until), soon = now + patience(watch, way) * MS;
    if (sooner && until > soon) std::atomic_ref(const_cast<__u64&>(state.until)).store(soon, std::memory_order_relaxed);
  }
}

void Liveness::read(Watch& watch, const RelayTables& relay, uint64_t now) const {
  for (Way& way : watch.ways) {
    relay_state& state = relay.states[way.state];
    if (way.measure.read(state, way.silent || is_silent(state, now))) way.unanswered = 0;
    // Who was never asked is not silent; who does not answer here, but over another link, is.
    __u64 never_asked = 0;
    if (way.unanswered > way.measure.misses(WAIT_ALONE) && lives_elsewhere(watch, way)) {
      std::atomic_ref(state.until).compare_exchange_strong(never_asked, NEVER);
    }
    way.silent = is_silent(state, now);
  }
}

/** In ms. One that does not answer may have moved away: it gets more and more time. */
uint64_t Liveness::patience(const Watch& watch, const Way& way) const {
  const uint64_t wait = wait_of(watch, way);
  const unsigned misses = way.measure.misses(wait);
  const double longer = std::exp2(std::min(8u, way.unanswered - std::min(way.unanswered, misses)));
  const double allowed = static_cast<double>(misses) * static_cast<double>(wait) + way.measure.trip() * longer;
  return std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil(allowed / MS)), 1, PATIENCE_MAX);
}

/**
 * A question that the other has asked, and that we answered with one of our own, serves as well as ours. Before what was promised runs
 * out, perhaps by a pace that is no more, there is another in any case; and when nobody answers, more at growing pauses.
 */
uint64_t Liveness::due(const Watch& watch, const Way& way, const relay_state& state, uint64_t now) const {
  const uint64_t wait = wait_of(watch, way);
  const uint64_t answered = state_field(state.asked), until = state_field(state.until);
  const unsigned doubled = std::min(10u, way.unanswered);
  if (until == 0) return way.asked == 0 ? now : way.asked + std::min(wait, WAIT_ALONE);
  if (answered == 0) return way.asked == 0 ? now : way.asked + std::min(WAIT_NOBODY, (WAIT_FIRST / 2) << doubled);
  if (now > until) return way.asked + std::min(lives_elsewhere(watch, way) ? std::max(wait, WAIT_ALONE) : wait, WAIT_MIN << doubled);
  const uint64_t regular = std::max(way.asked, answered) + wait;
  return std::min(regular, std::max(until - std::min(until, static_cast<uint64_t>(way.measure.trip())), way.asked + WAIT_MIN));
}

void Liveness::ask(const Watch& watch, Way& way, const RelayTables& relay, const relay_neighbour& to, const relay_path& path, uint64_t now) const {
  way.asked = now;
  way.unanswered++;
  relay_words question;
  hello_write(&question, HELLO_ASK, static_cast<uint16_t>(patience(watch, way)), hello_question(&relay, &path, now), 0, &to);
  ask_(endpoint_of(path), question);
}

std::optional<Liveness::News> Liveness::Told::take(bool is_silent, uint64_t now) {
  if (!is_silent) silent_since = 0, sure = false;
  else if (silent_since == 0) silent_since = now;
  if (silent == is_silent || (is_silent && !sure && now - silent_since < SURE)) return std::nullopt;
  silent = is_silent;
  return is_silent ? News::silent : News::alive;
}

void Liveness::tell(Watch& watch, const RelayTables& relay, const relay_neighbour& neighbour, uint64_t now) const {
  bool known = false;
  for (size_t i = 0; i < watch.ways.size(); i++) {
    const Endpoint place = endpoint_of(neighbour.paths[i]);
    bool answered = false, silent = true;
    for (size_t j = 0; j < watch.ways.size(); j++) {  // over several interfaces perhaps; the first speaks for all
      if (!endpoint_of(neighbour.paths[j]).is_at(place)) continue;
      if (j < i) break;
      answered = answered || state_field(relay.states[watch.ways[j].state].asked) != 0;
      silent = silent && watch.ways[j].silent;
    }
    known = known || answered;
    if (!answered) continue;
    if (const auto news = watch.ways[i].told.take(silent, now)) tell_(*news, watch.peer, &place);
  }
  if (!known) return;
  const bool silent = std::all_of(watch.ways.begin(), watch.ways.end(), [](const Way& way) { return way.silent; });
  if (const auto news = watch.told.take(silent, now)) tell_(*news, watch.peer, nullptr);
  uint32_t chosen;
  if (relay_choose(&relay, &neighbour, now, &chosen) >= RELAY_SILENT) return;
  const bool still = state_field(relay.states[neighbour.paths[chosen].state].still) != 0;
  if (still != std::exchange(watch.still, still)) tell_(still ? News::stands_still : News::goes_on, watch.peer, nullptr);
  if (neighbour.paths[chosen].state == watch.carries) return;
  watch.carries = neighbour.paths[chosen].state;
  const Endpoint link = endpoint_of(neighbour.paths[chosen]);
  tell_(News::carries, watch.peer, &link);
}

void Liveness::cut(const Tables& tables, uint32_t device) {
  const RelayTables& relay = *tables.relay;
  const auto is_over = [&](const Way& way) {
    const auto via = relay.via.find(way.state);
    return via != relay.via.end() && via->second == device;
  };
  for (const auto& [state, via] : relay.via) {
    if (via == device) std::atomic_ref(relay.states[state].until).store(NEVER, std::memory_order_relaxed);
  }
  for (auto& [number, watch] : watches_) {
    for (Way& way : watch.ways) {
      if (is_over(way)) way.told.sure = watch.told.sure = true;
    }
  }
}

}  // namespace trellis
