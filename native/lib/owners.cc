#include "owners.h"

namespace trellis {

bool is_reached(const RelayTables& tables, const Peer& peer, uint64_t now) {
  const Target target = peer.target();
  if (target.session == nullptr || !target.endpoint.known()) return false;
  const relay_state* state = relay_find_state(&tables, peer.relay_number.load(std::memory_order_relaxed));
  if (target.endpoint.direct()) return state == nullptr || !is_silent(*state, now);
  Way way;
  return find_way(tables, target.endpoint, now, way);
}

const Peer* first_reached(const RelayTables& tables, const Owners& owners, uint64_t now) {
  if (owners.peers.empty()) return nullptr;
  if (owners.peers.size() == 1) return owners.peers.front().get();
  const auto found = std::ranges::find_if(owners.peers, [&](const auto& peer) { return is_reached(tables, *peer, now); });
  return (found == owners.peers.end() ? owners.peers.front() : *found).get();
}

}  // namespace trellis
