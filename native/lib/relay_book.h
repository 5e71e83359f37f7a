// What the relay's tables are made from: kept by the control thread, turned into a snapshot at each change.
#pragma once
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "relay_tables.h"
#include "status.h"
#include "tables.h"

namespace trellis {

/** Whoever else relays by these tables: the kernel. Its states are shared memory. */
class RelayMirror {
 public:
  virtual ~RelayMirror() = default;
  virtual std::shared_ptr<relay_state[]> states() = 0;
  virtual void publish(const RelayTables& tables) = 0;
};

/** How a neighbour is, and what went on to it, by whoever relayed it. */
struct Neighbour {
  std::string peer;
  uint64_t frames, bytes;
  uint64_t round_trip;  // ns, of its latest answer; 0 before the first
  bool silent;
};

class RelayBook {
 public:
  /** Our overlay address: from now on there is something to relay. */
  void own(const in6_addr& address);

  /** Tables are made in the mirror's memory and shown to it from now on. */
  void mirror(std::shared_ptr<RelayMirror> mirror);

  /**
   * Frames for the overlay address `destination` go to the peer `primary`, or `backup`; empty means none. EADDRNOTAVAIL when it is no
   * overlay address of our mesh, ENOSPC when the table is full.
   */
  Status set_route(const std::string& destination, const std::string& primary, const std::string& backup);

  /** Neighbours are answered in our name up to this moment, ns of CLOCK_MONOTONIC: by the kernel also while this process stands still. */
  void lease(uint64_t until);

  /** The tables for these sessions, also shown to the mirror. */
  std::shared_ptr<const RelayTables> build(const Sessions& sessions);

  std::vector<Neighbour> neighbours(uint64_t now) const;

  void clear();

 private:
  struct Route {
    std::string primary, backup;
  };

  uint32_t number_of(const std::string& peer) const;
  void number_peers(const Sessions& sessions);
  uint32_t free_number();

  uint64_t label_ = 0;
  uint64_t clock_ = 0;
  std::array<uint8_t, 8> prefix_{};
  std::shared_ptr<relay_state[]> states_ = private_states();
  std::shared_ptr<RelayMirror> mirror_;
  std::map<std::string, uint32_t> numbers_;  // of peers with a session
  std::vector<bool> taken_ = std::vector<bool>(RELAY_MAX_NEIGHBOURS);
  uint32_t last_ = 0;                        // the number given last: old ones rest before they come again
  std::map<uint64_t, Route> routes_;         // by label
};

}  // namespace trellis
