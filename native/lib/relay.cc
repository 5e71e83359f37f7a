#include "relay.h"

#include <arpa/inet.h>

#include "clock.h"

namespace trellis {
namespace {

bool is_alive(const RelayTables& tables, const relay_hop& hop, uint64_t now) {
  return relay_standing(&tables, relay_path_of(&hop), now) < RELAY_SILENT;
}

bool leads_to(const relay_neighbour& neighbour, const Endpoint& place) {
  for (uint32_t i = 0; i < paths_of(neighbour); i++) {
    if (endpoint_of(neighbour.paths[i]).is_at(place)) return true;
  }
  return false;
}

/** As `relay_choose`; control minds no caps. */
uint64_t choose(const RelayTables& tables, const relay_neighbour& to, Load load, uint64_t now, uint32_t& chosen) {
  uint64_t best = RELAY_NOWHERE;
  for (uint32_t i = 0; i < paths_of(to); i++) {
    uint64_t standing = relay_standing(&tables, &to.paths[i], now);
    if (load == Load::control) standing &= ~RELAY_CAPPED;
    if (standing < best) best = standing, chosen = i;
  }
  return best;
}

void go_directly(const relay_hop& hop, Way& way) {
  const relay_path& path = *relay_path_of(&hop);
  way = {endpoint_of(path), std::nullopt, path.state};
}

void go_through(const RelayTables& tables, const relay_hop& hop, uint64_t label, Way& way) {
  relay_words words{0, label, tables.label, 0};
  relay_address(&words, RELAY_TTL, hop.to);
  go_directly(hop, way);
  way.header = words;
}

}  // namespace

Endpoint endpoint_of(const relay_path& path) {
  Endpoint endpoint;
  std::memcpy(&endpoint.address, path.address, sizeof endpoint.address);
  endpoint.port = ntohs(path.port);
  const bool link_local = IN6_IS_ADDR_LINKLOCAL(&endpoint.address);
  (link_local ? endpoint.scope : endpoint.device) = path.device;
  return endpoint;
}

bool find_way(const RelayTables& tables, const Receiver& wanted, Load load, uint64_t now, Way& way) {
  relay_hop hop{};
  way = {wanted.endpoint, std::nullopt, 0};
  const auto may_go = [&](uint64_t standing) {
    way.capped = load == Load::data && standing >= RELAY_CAPPED;
    return !way.capped;
  };
  if (wanted.endpoint.through_mesh()) {
    const in6_addr& address = wanted.endpoint.address;
    const uint64_t label = load64(address.s6_addr + 8);
    const bool ours = tables.label != 0 && std::memcmp(&address, tables.prefix.data(), tables.prefix.size()) == 0;
    if (!ours || !relay_route(&tables, label, 0, now, &hop) || !may_go(hop.standing)) return false;
    go_through(tables, hop, label, way);
    return true;
  }
  hop.to = relay_find_neighbour(&tables, wanted.number);
  if (hop.to == nullptr || !leads_to(*hop.to, wanted.endpoint)) return wanted.endpoint.known();
  const uint64_t standing = choose(tables, *hop.to, load, now, hop.path);
  if (standing < RELAY_SILENT) {
    go_directly(hop, way);
    return true;
  }
  relay_hop other{};
  if (relay_route(&tables, wanted.label, 0, now, &other) && other.number != wanted.number && is_alive(tables, other, now)) {
    go_through(tables, other, wanted.label, way);
    return true;
  }
  if (!may_go(standing)) return false;
  go_directly(hop, way);
  return true;
}

void Relay::begin(const RelayTables& tables, uint64_t now) {
  tables_ = &tables;
  now_ = now;
  decided_ = false;
}

bool Relay::frame(const uint8_t* frame, size_t size, Endpoint& source) {
  if (size <= RELAY_SIZE) {
    counters_.relay[RELAY_VERDICT_SHORT].add(1);
    return false;
  }
  relay_words words;
  std::memcpy(&words, frame, RELAY_SIZE);
  if (!decided_ || std::memcmp(&words, &words_, RELAY_SIZE) != 0) decide(words);
  counters_.relay[verdict_].add(1);
  if (verdict_ == RELAY_VERDICT_FORWARD) forward(frame, size);
  if (verdict_ != RELAY_VERDICT_DELIVER) return false;
  source = {};
  std::memcpy(source.address.s6_addr, tables_->prefix.data(), tables_->prefix.size());
  std::memcpy(source.address.s6_addr + 8, &words.source, sizeof words.source);
  return true;
}

void Relay::decide(const relay_words& words) {
  book();
  batch_.part();
  decided_ = true;
  words_ = onward_ = words;
  verdict_ = relay_decide(tables_, &words, now_, &hop_);
  if (verdict_ != RELAY_VERDICT_FORWARD) return;
  relay_address(&onward_, static_cast<uint8_t>(relay_ttl(&words) - 1), hop_.to);
  to_ = endpoint_of(*relay_path_of(&hop_));
}

void Relay::hello(const uint8_t* frame, size_t size, const Endpoint& from, const in6_addr& to) {
  uint32_t verdict = RELAY_VERDICT_SHORT;
  if (size == RELAY_SIZE) {
    relay_words words;
    std::memcpy(&words, frame, RELAY_SIZE);
    verdict = take_hello(words, from, to);
  }
  counters_.relay[verdict].add(1);
}

uint32_t Relay::take_hello(const relay_words& words, const Endpoint& from, const in6_addr& to) {
  relay_hop hop{};
  relay_source source{};
  std::memcpy(source.address, &from.address, sizeof source.address);
  std::memcpy(source.local, &to, sizeof source.local);
  source.port = htons(from.port);
  const uint32_t sender = hello_sender(tables_, &words, &source, &hop);
  if (sender == RELAY_VERDICT_NEW_PLACE && new_place_) new_place_(relay_link(&words), from);
  if (sender != RELAY_VERDICT_HEARD) return sender;
  relay_words reply;
  const uint32_t verdict = hello_take(tables_, &words, clock_ns(), 1, &hop, &reply);
  if (verdict != RELAY_VERDICT_REPLY) return verdict;
  batch_.part();
  std::memcpy(reserve(RELAY_SIZE), &reply, RELAY_SIZE);
  batch_.commit(endpoint_of(*relay_path_of(&hop)), RELAY_SIZE);
  batch_.part();
  return verdict;
}

uint8_t* Relay::reserve(size_t size) {
  if (uint8_t* out = batch_.reserve(size); out != nullptr) return out;
  send_(batch_);
  batch_.clear();
  return batch_.reserve(size);
}

void Relay::forward(const uint8_t* frame, size_t size) {
  uint8_t* out = reserve(size);
  std::memcpy(out, &onward_, RELAY_SIZE);
  std::memcpy(out + RELAY_SIZE, frame + RELAY_SIZE, size - RELAY_SIZE);
  batch_.commit(to_, size);
  frames_++;
  bytes_ += size;
}

void Relay::book() {
  if (frames_ > 0) sent_on(tables_->states[relay_path_of(&hop_)->state], frames_, bytes_);
  frames_ = bytes_ = 0;
}

void Relay::finish() {
  if (batch_.bursts() > 0) send_(batch_);
  batch_.clear();
  book();
}

}  // namespace trellis
