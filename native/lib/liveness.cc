#include "liveness.h"

#include <algorithm>
#include <cmath>

#include "relay.h"

namespace trellis {
namespace {

constexpr uint64_t MS = 1'000'000;
constexpr uint64_t LOOK = 100 * MS;        // between two looks at the counters
constexpr uint64_t WAIT_MIN = 8 * MS;      // three of these and a round trip are the longest gap in a flow whose link dies
constexpr uint64_t WAIT_ALONE = 1000 * MS; // nobody could take over: sooner would change nothing
constexpr uint64_t WAIT_MAX = 5000 * MS;
constexpr double FULL_RATE = 100;          // packets a second from which on a link is asked as often as it may
constexpr double RATE_KEPT = 0.95;         // of the rate, from one look to the next
constexpr uint64_t MISSED = 3;             // unanswered questions make a link silent
constexpr double JITTER_MIN = 4 * MS;
constexpr uint64_t PATIENCE_MAX = 60'000;  // ms: it must fit the frame
constexpr uint64_t SURE = 100 * MS;        // a silence that lasts so long is told

}  // namespace

uint64_t Liveness::turn(const Tables& tables, uint64_t now) {
  const RelayTables& relay = *tables.relay;
  if (relay.states == nullptr) return now + LOOK;
  if (now >= next_look_) look(tables, now);
  const bool leased = now <= state_field(relay.states[0].until);
  uint64_t next = next_look_;
  for (auto& [number, watch] : watches_) {
    const auto neighbour = relay.neighbours.find(number);
    if (neighbour == relay.neighbours.end()) continue;
    relay_state& state = relay.states[number];
    measure(watch, state);
    tell(watch, state, now);
    if (!leased) continue;  // who is not sure to live does not ask others
    if (now >= due(watch, state, now)) ask(watch, relay, neighbour->second, now);
    next = std::min(next, due(watch, state, now));
  }
  return std::max(next, now + MS);
}

/** How much flows over which link since the last look, and what follows from it. */
void Liveness::look(const Tables& tables, uint64_t now) {
  next_look_ = now + LOOK;
  const RelayTables& relay = *tables.relay;
  meet(tables);
  for (auto& [number, watch] : watches_) {
    watch.rate *= RATE_KEPT;
    watch.replaceable = false;
  }
  for (const auto& [label, route] : relay.destinations) {
    if (route.primary == 0 || route.backup == 0) continue;
    for (const uint32_t number : {route.primary, route.backup}) {
      if (const auto found = watches_.find(number); found != watches_.end()) found->second.replaceable = true;
    }
  }
  count_sessions(tables);
  count_subnets(tables);
  count_relayed(relay);
  for (auto& [number, watch] : watches_) pace(watch, relay.states[number], now);
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
      watch.wait = WAIT_MAX;
      watch.frames = state_field(relay.states[number].frames);
    }
    if (neighbour->second.link == session->remote_index) watch.second = session->local_index > session->remote_index;
  }
}

/** What our own sessions carry: over the link to the peer, or over those that lead to it. */
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
      found->second.replaceable = true;
      found->second.rate = rate;
    }
  }
}

/** What we carry for others. */
void Liveness::count_relayed(const RelayTables& relay) {
  for (auto& [number, watch] : watches_) {
    const uint64_t frames = state_field(relay.states[number].frames);
    if (frames > watch.frames) add(relay, number, static_cast<double>(frames - watch.frames) * 1e9 / LOOK);
    watch.frames = frames;
  }
}

/** So much flows over a link, and would over what takes its place. */
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

/** How often this neighbour is asked from now on. When it becomes more often, what was promised for longer is taken back. */
void Liveness::pace(Watch& watch, relay_state& state, uint64_t now) const {
  const double wanted = watch.rate > 0 ? WAIT_MIN * std::max(1.0, FULL_RATE / watch.rate) : WAIT_MAX;
  const uint64_t least = watch.replaceable ? WAIT_MIN : WAIT_ALONE;
  const uint64_t wait = std::clamp(static_cast<uint64_t>(std::min<double>(wanted, WAIT_MAX)), least, WAIT_MAX);
  const bool sooner = wait < watch.wait;
  watch.wait = wait;
  const uint64_t until = state_field(state.until), soon = now + patience(watch) * MS;
  if (sooner && until > soon) std::atomic_ref(state.until).store(soon, std::memory_order_relaxed);
}

/** RFC 6298, section 2. */
void Liveness::measure(Watch& watch, const relay_state& state) const {
  const uint64_t answered = state_field(state.asked);
  if (answered == watch.answered) return;
  watch.answered = answered;
  watch.unanswered = 0;
  const double sample = static_cast<double>(state_field(state.round_trip));
  watch.variation = watch.smoothed ? 0.75 * watch.variation + 0.25 * std::abs(*watch.smoothed - sample) : sample / 2;
  watch.smoothed = watch.smoothed ? 0.875 * *watch.smoothed + 0.125 * sample : sample;
}

/** How long an answer may take, ns. Before the first nobody knows how far away the neighbour is. */
double Liveness::trip(const Watch& watch) const {
  return watch.smoothed ? *watch.smoothed + std::max(JITTER_MIN, 4 * watch.variation) : 1e9;
}

/** In ms. One that does not answer may have moved away: it gets more and more time. */
uint64_t Liveness::patience(const Watch& watch) const {
  const double wait = static_cast<double>(watch.wait) * (watch.second ? 1.5 : 1);
  const double longer = std::exp2(std::min(8u, watch.unanswered - std::min(watch.unanswered, unsigned{MISSED})));
  return std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil((MISSED * wait + trip(watch) * longer) / MS)), 1, PATIENCE_MAX);
}

/**
 * A question that the other has asked, and that we answered with one of our own, serves as well as ours. Before what was promised runs
 * out, perhaps by a pace that is no more, there is another in any case; and when nobody answers, more at growing pauses.
 */
uint64_t Liveness::due(const Watch& watch, const relay_state& state, uint64_t now) const {
  const uint64_t wait = watch.second ? watch.wait * 3 / 2 : watch.wait;
  const uint64_t answered = state_field(state.asked), until = state_field(state.until);
  if (until == 0) return watch.asked == 0 ? now : watch.asked + std::min(wait, WAIT_ALONE);
  if (now > until) return watch.asked + std::min(wait, WAIT_MIN << std::min(10u, watch.unanswered));
  const uint64_t regular = std::max(watch.asked, answered) + wait;
  return std::min(regular, std::max(until - std::min(until, static_cast<uint64_t>(trip(watch))), watch.asked + WAIT_MIN));
}

void Liveness::ask(Watch& watch, const RelayTables& relay, const relay_neighbour& neighbour, uint64_t now) const {
  watch.asked = now;
  watch.unanswered++;
  relay_words question;
  hello_write(&question, HELLO_ASK, static_cast<uint16_t>(patience(watch)), now + relay.clock, 0, &neighbour);
  ask_(endpoint_of(neighbour), question);
}

void Liveness::tell(Watch& watch, const relay_state& state, uint64_t now) const {
  if (state_field(state.until) == 0) return;  // nothing is known yet
  const bool silent = is_silent(state, now);
  if (!silent) watch.silent_since = 0;
  else if (watch.silent_since == 0) watch.silent_since = now;
  if (watch.told == silent || (silent && now - watch.silent_since < SURE)) return;
  watch.told = silent;
  tell_(watch.peer, silent);
}

}  // namespace trellis
