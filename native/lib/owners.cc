#include "owners.h"

namespace trellis {

bool is_reached(const RelayTables& tables, const Peer& peer, uint64_t now) {
  const Target target = peer.target();
  if (target.session == nullptr || !target.endpoint.known()) return false;
  uint32_t path;
  const auto lives = [&](const relay_neighbour& neighbour) { return relay_choose(&tables, &neighbour, now, &path) < RELAY_SILENT; };
  const relay_neighbour* neighbour = relay_find_neighbour(&tables, peer.relay_number.load(std::memory_order_relaxed));
  if (target.endpoint.direct() && neighbour == nullptr) return true;
  // It must take packets itself: its kernel relays for others also while it stands still.
  if (target.endpoint.direct() && lives(*neighbour)) return state_field(tables.states[neighbour->paths[path].state].still) == 0;
  relay_hop hop;
  return relay_route(&tables, peer.label, 0, now, &hop) && lives(*hop.to);
}

const Peer* first_reached(const RelayTables& tables, const Owners& owners, uint64_t now) {
  if (owners.peers.empty()) return nullptr;
  if (owners.peers.size() == 1) return owners.peers.front().get();
  const auto found = std::ranges::find_if(owners.peers, [&](const auto& peer) { return is_reached(tables, *peer, now); });
  return (found == owners.peers.end() ? owners.peers.front() : *found).get();
}

}  // namespace trellis
