#include "relay_book.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace trellis {
namespace {

relay_path to_path(const Link& link) {
  relay_path path{};
  std::memcpy(path.address, &link.to.address, sizeof path.address);
  std::memcpy(path.local, &link.local, sizeof path.local);
  path.device = link.to.scope != 0 ? link.to.scope : link.to.device;
  path.state = link.state;
  path.port = htons(link.to.port);
  path.family = link.to.is_v4() ? 4 : 6;
  return path;
}

}  // namespace

void RelayBook::own(const in6_addr& address) {
  std::memcpy(prefix_.data(), address.s6_addr, prefix_.size());
  label_ = load64(address.s6_addr + 8);
  if (getrandom(&clock_, sizeof clock_, 0) != sizeof clock_) clock_ = 0;  // then who asks much learns when this machine started
}

void RelayBook::mirror(std::shared_ptr<RelayMirror> mirror) {
  mirror_ = std::move(mirror);
  links_.keep_in(mirror_->states());
}

Status RelayBook::set_route(const std::string& destination, const std::string& primary, const std::string& backup) {
  in6_addr address;
  const bool parsed = inet_pton(AF_INET6, destination.c_str(), &address) == 1;
  if (!parsed || label_ == 0 || std::memcmp(&address, prefix_.data(), prefix_.size()) != 0) return {EADDRNOTAVAIL, "destination"};
  const uint64_t label = load64(address.s6_addr + 8);
  if (primary.empty() && backup.empty()) {
    routes_.erase(label);
    return {};
  }
  if (!routes_.contains(label) && routes_.size() == RELAY_MAX_DESTINATIONS) return {ENOSPC, "routes"};
  routes_[label] = {primary, backup};
  return {};
}

void RelayBook::lease(uint64_t until) { std::atomic_ref(links_.states()[0].until).store(until, std::memory_order_relaxed); }

std::shared_ptr<const RelayTables> RelayBook::build(const Sessions& sessions) {
  auto tables = std::make_shared<RelayTables>();
  if (label_ == 0) return tables;
  number_peers(sessions);
  tables->label = label_;
  tables->clock = clock_;
  tables->prefix = prefix_;
  tables->states = links_.states();
  for (const auto& [index, session] : sessions) {
    const uint32_t number = number_of(session->peer->id);
    if (number == 0 || !session->hop.has_value() || tables->sessions.size() == RELAY_MAX_SESSIONS) continue;
    tables->sessions[index] = {load64(session->hop->receive.data()), load64(session->hop->receive.data() + 8), number, {}};
    relay_neighbour neighbour;
    if (tables->neighbours.contains(number) || !to_neighbour(session->peer->id, session->peer->target(), neighbour)) continue;
    tables->neighbours[number] = neighbour;
    const Endpoint home = session->peer->endpoint();
    if (home.direct()) tables->homes[home] = {home, number, session->peer->label};
    for (const Link& link : links_.of(session->peer->id)) tables->via[link.state] = link.via;
  }
  for (const auto& [label, route] : routes_) {
    const relay_destination destination{number_of(route.primary), number_of(route.backup)};
    if (destination.primary != 0 || destination.backup != 0) tables->destinations[label] = destination;
  }
  costs_.clear();
  for (const InterfaceTerms& terms : terms_) {
    const uint32_t device = if_nametoindex(terms.name.c_str());
    if (device == 0) continue;
    tables->terms[device] = terms;
    costs_[device] = terms.cost;
  }
  if (mirror_ != nullptr) mirror_->publish(*tables);
  return tables;
}

/** How the peer is reached; false when it has no session in use or is nowhere. */
bool RelayBook::to_neighbour(const std::string& peer, const Target& target, relay_neighbour& out) {
  if (target.session == nullptr || !target.session->hop.has_value()) return false;
  const std::vector<Link>& links = links_.update(peer, target.endpoint);
  const HopKeys& keys = *target.session->hop;
  out = {};
  out.key_low = load64(keys.send.data());
  out.key_high = load64(keys.send.data() + 8);
  out.link = target.session->remote_index;
  for (size_t i = 0; i < links.size(); i++) out.paths[i] = to_path(links[i]);
  return !links.empty();
}

uint32_t RelayBook::number_of(const std::string& peer) const {
  const auto found = numbers_.find(peer);
  return found == numbers_.end() ? 0 : found->second;
}

/** Peers that got a session get a number, those that lost their last give theirs back. */
void RelayBook::number_peers(const Sessions& sessions) {
  std::map<std::string, uint32_t> before;
  before.swap(numbers_);
  std::vector<Peer*> added;
  for (const auto& [index, session] : sessions) {
    Peer& peer = *session->peer;
    if (const auto old = before.find(peer.id); old != before.end()) numbers_[peer.id] = old->second;
    else added.push_back(&peer);
  }
  for (const auto& [id, number] : before) {
    if (numbers_.contains(id)) continue;
    taken_[number] = false;
    links_.drop(id);
  }
  for (Peer* peer : added) {
    if (numbers_.contains(peer->id)) continue;
    const uint32_t number = free_number();
    if (number == 0) return;
    numbers_[peer->id] = number;
    peer->relay_number.store(number, std::memory_order_relaxed);
  }
}

uint32_t RelayBook::free_number() {
  for (uint32_t tried = 1; tried < RELAY_MAX_NEIGHBOURS; tried++) {
    const uint32_t number = 1 + (last_ + tried - 1) % (RELAY_MAX_NEIGHBOURS - 1);
    if (taken_[number]) continue;
    taken_[number] = true;
    return last_ = number;
  }
  return 0;
}

std::vector<LinkCount> RelayBook::links(uint64_t now) const {
  std::vector<LinkCount> out;
  for (const auto& [peer, number] : numbers_) {
    const std::vector<Link>& links = links_.of(peer);
    const size_t first = out.size();
    size_t chosen = first;
    uint64_t best = RELAY_NOWHERE;
    for (const Link& link : links) {
      const relay_state& state = links_.states()[link.state];
      const bool silent = is_silent(state, now);
      const bool capped = (state_field(state.terms) & RELAY_CLOSED) != 0;
      const uint64_t standing = static_cast<uint32_t>(state_field(state.rank)) + (silent ? RELAY_SILENT : 0) + (capped ? RELAY_CAPPED : 0);
      const auto cost = costs_.find(link.via);
      const uint64_t terms = state_field(state.terms) | HELLO_PART(state_field(state.newest), TERMS);
      if (standing < best) best = standing, chosen = out.size();
      out.push_back({peer, link.to, link.via, false, cost == costs_.end() ? 0 : cost->second, (terms & HELLO_TERMS_METERED) != 0, capped, silent,
                     state_field(state.still) != 0, state_field(state.round_trip), state_field(state.smoothed), state_field(state.jitter),
                     static_cast<uint32_t>(HELLO_PART(state_field(state.newest), LOST)), static_cast<uint32_t>(state_field(state.lost)),
                     state_field(state.frames), state_field(state.bytes)});
    }
    if (best < RELAY_SILENT) out[chosen].carries = true;
  }
  return out;
}

void RelayBook::clear() {
  numbers_.clear();
  routes_.clear();
  taken_.assign(RELAY_MAX_NEIGHBOURS, false);
  build({});
  mirror_.reset();
  links_.clear();
  links_.keep_in(private_states());  // the kernel's memory is not held beyond this
}

}  // namespace trellis
