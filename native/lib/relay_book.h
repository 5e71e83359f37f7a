// What the relay's tables are made from: kept by the control thread, turned into a snapshot at each change.
#pragma once
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "links.h"
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

/** How a link is, and what went over it, by whoever sent it. */
struct LinkCount {
  std::string peer;
  Endpoint to;
  uint32_t via;         // interface; 0: not known
  bool carries;         // what goes to the peer directly goes over it
  uint32_t cost;        // of its interface, ms
  bool metered, capped; // by either end's terms
  bool silent;          // nobody answers, or none has yet but at the peer's own endpoint
  bool still;           // the peer's daemon stands still, by the latest answer; its kernel answers
  uint64_t round_trip;  // ns, of its latest answer; 0 before the first
  uint64_t smoothed, jitter;          // ns
  uint32_t lost_there, lost_here;     // 1/256 of the questions that either end asked lately
  uint64_t frames, bytes;
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

  /** Where else a peer may be than at its endpoint; each place is asked under the keys of the session. */
  void set_places(const std::string& peer, std::vector<Endpoint> places) { links_.set_places(peer, std::move(places)); }
  void forget_places(const std::string& peer) { links_.forget(peer); }

  /** In place of all that was said of interfaces before. Those that are not there may come. */
  void set_terms(std::vector<InterfaceTerms> terms) { terms_ = std::move(terms); }

  void reach(std::shared_ptr<Reach> reach) { links_.reach(std::move(reach)); }

  /** The tables for these sessions, also shown to the mirror. */
  std::shared_ptr<const RelayTables> build(const Sessions& sessions);

  std::vector<LinkCount> links(uint64_t now) const;

  void clear();

 private:
  struct Route {
    std::string primary, backup;
  };

  uint32_t number_of(const std::string& peer) const;
  bool to_neighbour(const std::string& peer, const Target& target, relay_neighbour& out);
  void number_peers(const Sessions& sessions);
  uint32_t free_number();

  uint64_t label_ = 0;
  uint64_t clock_ = 0;
  std::array<uint8_t, 8> prefix_{};
  Links links_;
  std::vector<InterfaceTerms> terms_;
  std::map<uint32_t, uint32_t> costs_;  // by interface, at the last build
  std::shared_ptr<RelayMirror> mirror_;
  std::map<std::string, uint32_t> numbers_;  // of peers with a session
  std::vector<bool> taken_ = std::vector<bool>(RELAY_MAX_NEIGHBOURS);
  uint32_t last_ = 0;                        // the number given last: old ones rest before they come again
  std::map<uint64_t, Route> routes_;         // by label
};

}  // namespace trellis
