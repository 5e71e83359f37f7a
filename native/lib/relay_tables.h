// What the relay looks up, as a snapshot for the workers; the rules over it are bpf/relay_rules.h, which the kernel runs as well.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "endpoint.h"
#include "relay_rules.h"
#include "terms.h"

namespace trellis {

/** Somebody to be sent to: where, and as which neighbour and by which label the relay knows it, if it does. */
struct Receiver {
  Endpoint endpoint;
  uint32_t number = 0;
  uint64_t label = 0;
};

}  // namespace trellis

/** The name is that of the rules. Immutable but for `states`. */
struct relay_tables {
  uint64_t label = 0;                // ours, as it lies in memory; zero while we relay nothing
  uint64_t clock = 0;                // what our questions have more than CLOCK_MONOTONIC, ns
  std::array<uint8_t, 8> prefix{};   // what stands before a label in an overlay address
  std::unordered_map<uint32_t, relay_session> sessions;
  std::unordered_map<uint32_t, relay_neighbour> neighbours;  // those that can be sent to
  std::unordered_map<uint64_t, relay_destination> destinations;
  std::shared_ptr<relay_state[]> states;  // RELAY_MAX_STATES of them: every snapshot's, and the kernel's if it relays
  std::unordered_map<uint32_t, uint32_t> via;  // interface that a path leaves by, by the number of its state; 0: not known
  std::unordered_map<uint32_t, trellis::InterfaceTerms> terms;  // by interface
  std::unordered_map<trellis::Endpoint, trellis::Receiver, trellis::EndpointHash> homes;  // neighbours by their own endpoint
};

RELAY_RULE __u64 relay_own_label(const relay_tables* tables) { return tables->label; }
RELAY_RULE __u64 relay_own_clock(const relay_tables* tables) { return tables->clock; }

template <typename Table, typename Key>
const typename Table::mapped_type* relay_lookup(const Table& table, Key key) {
  const auto found = table.find(key);
  return found == table.end() ? nullptr : &found->second;
}

RELAY_RULE const relay_session* relay_find_session(const relay_tables* tables, __u32 link) { return relay_lookup(tables->sessions, link); }
RELAY_RULE const relay_destination* relay_find_destination(const relay_tables* tables, __u64 label) {
  return relay_lookup(tables->destinations, label);
}
RELAY_RULE const relay_neighbour* relay_find_neighbour(const relay_tables* tables, __u32 number) {
  return relay_lookup(tables->neighbours, number);
}
RELAY_RULE relay_state* relay_find_state(const relay_tables* tables, __u32 number) {
  return number < RELAY_MAX_STATES && tables->states != nullptr ? &tables->states[number] : nullptr;
}

namespace trellis {

using RelayTables = ::relay_tables;

/** Memory for states that only this process sees. */
inline std::shared_ptr<relay_state[]> private_states() { return std::make_shared<relay_state[]>(RELAY_MAX_STATES); }

inline uint64_t load64(const uint8_t* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, 8);
  return value;
}

/** A field of a state, which the kernel and other threads write. */
inline uint64_t state_field(const __u64& field) { return std::atomic_ref(const_cast<__u64&>(field)).load(std::memory_order_relaxed); }

inline bool is_silent(const relay_state& state, uint64_t now) {
  const uint64_t until = state_field(state.until);
  return until != 0 && now > until;
}

/** How many paths a neighbour has; they stand in the first places. */
inline uint32_t paths_of(const relay_neighbour& neighbour) {
  uint32_t count = 0;
  while (count < RELAY_PATHS && neighbour.paths[count].state != 0) count++;
  return count;
}

/** Frames sent over a path. */
inline void sent_on(relay_state& state, uint64_t frames, uint64_t bytes) {
  std::atomic_ref(state.frames).fetch_add(frames, std::memory_order_relaxed);
  std::atomic_ref(state.bytes).fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace trellis
