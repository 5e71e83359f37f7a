// The ways to each peer (links): which there are, and which relay_state is whose. A way that stays keeps its state.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reach.h"
#include "relay_tables.h"

namespace trellis {

struct Link {
  Endpoint to;         // with the interface that it must leave by, if any
  uint32_t state = 0;
  uint32_t via = 0;    // interface that it leaves by
  in6_addr local{};    // ours, towards it
  uint64_t known = 0;  // version of what `via` and `local` were asked of
};

class Links {
 public:
  /** States are in this memory from now on. What was in the one before goes with them. */
  void keep_in(std::shared_ptr<relay_state[]> states);
  const std::shared_ptr<relay_state[]>& states() const { return states_; }
  /** Without it links leave by whatever interface the machine chooses. */
  void reach(std::shared_ptr<Reach> reach) { reach_ = std::move(reach); }

  /** Where else this peer may be. */
  void set_places(const std::string& peer, std::vector<Endpoint> places);

  /**
   * The links of a peer whose own endpoint is `home`, that one first unless it is unknown or leads through the mesh. A link that is
   * new counts as silent until it was answered over; the home's does not.
   */
  const std::vector<Link>& update(const std::string& peer, const Endpoint& home);
  /** As it was at the last update; empty when there was none. */
  const std::vector<Link>& of(const std::string& peer) const;

  /** Forgets its links; what it was told of places stays. */
  void drop(const std::string& peer);
  /** Forgets all that is not among these. */
  void forget(const std::string& peer);
  void clear();

 private:
  static constexpr size_t FOR_ALL = RELAY_MAX_STATES - RELAY_MAX_NEIGHBOURS;  // states; the others are for each peer's first link

  struct Entry {
    Endpoint home;  // at the last update
    std::vector<Endpoint> places;
    std::vector<Link> links;
  };

  void find_way(Link& link);
  bool add(const Entry& entry, std::vector<Link>& links, const Endpoint& to, bool is_home);
  void add_others(const Entry& entry, std::vector<Link>& links);
  uint32_t take_state(const Entry& entry, const std::vector<Link>& links, bool is_home);
  void give_back(const Link& link);

  std::shared_ptr<relay_state[]> states_ = private_states();
  std::shared_ptr<Reach> reach_;
  std::map<std::string, Entry> entries_;  // by peer
  std::vector<bool> taken_ = std::vector<bool>(RELAY_MAX_STATES);
  uint32_t last_ = 0;  // the state given last: old ones rest before they come again
  size_t count_ = 0;   // states that are taken
};

}  // namespace trellis
