// To whom a prefix belongs: one peer, or the gateways of a subnet, of which any may be used.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "relay.h"
#include "session.h"

namespace trellis {

struct Owners {
  /** Packets go to the first that is reached, and may come from any. */
  std::vector<std::shared_ptr<Peer>> peers;
  /** We are one of them: packets for it end here. */
  bool ours = false;

  bool has(const Peer* peer) const {
    return std::ranges::any_of(peers, [&](const std::shared_ptr<Peer>& owner) { return owner.get() == peer; });
  }
};

/** Whether packets to this peer would arrive, as far as the data path knows. `now` in ns. */
bool is_reached(const RelayTables& tables, const Peer& peer, uint64_t now);

/** The first that is reached, the first of all when none is; null when nobody else owns it. */
const Peer* first_reached(const RelayTables& tables, const Owners& owners, uint64_t now);

}  // namespace trellis
