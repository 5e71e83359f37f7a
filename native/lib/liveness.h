// Over which links neighbours are asked whether they live, and when: often where packets flow and another link or a backup could take
// them over, rarely elsewhere.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "measure.h"
#include "preference.h"
#include "tables.h"

namespace trellis {

/** Knows no clock, socket or thread, so that tests can drive it. Times are ns of CLOCK_MONOTONIC. */
class Liveness {
 public:
  using Ask = std::function<void(const Endpoint& to, const relay_words& question)>;
  /**
   * `silent`, `alive`: a neighbour over all its links, or one of the links when it is named. `carries`: that link, from now on.
   * `stands_still`, `goes_on`: its daemon, by what its kernel answers.
   */
  enum class News { silent, alive, carries, stands_still, goes_on };
  using Tell = std::function<void(News news, const std::string& peer, const Endpoint* link)>;

  /** Bytes that have gone over an interface, both ways, as the system counts them; nothing when it is not there. */
  using Meter = std::function<std::optional<uint64_t>(uint32_t device)>;

  Liveness(Ask ask, Tell tell, Meter meter = {}) : ask_(std::move(ask)), tell_(std::move(tell)), meter_(std::move(meter)) {}

  /** Asks whoever is due; gives when to come back. */
  uint64_t turn(const Tables& tables, uint64_t now);

  /** An interface has lost its carrier: its links are silent from now on, for the kernel too, which is told at the next turn. */
  void cut(const Tables& tables, uint32_t device);

 private:
  struct Told {
    std::optional<bool> silent; // what was told last
    uint64_t silent_since = 0;
    bool sure = false;          // that the silence lasts: its interface has no carrier
    /** What is to be told now that this is so. */
    std::optional<News> take(bool is_silent, uint64_t now);
  };

  struct Way {
    uint32_t state = 0;         // number of its state
    Measure measure;
    uint64_t wait = 0;          // between two questions
    uint64_t asked = 0;         // when we last did
    unsigned unanswered = 0;    // questions since the last answer
    bool silent = true;         // at the last turn
    LinkTerms terms;            // of both ends, at the last look
    Told told;
  };

  struct Watch {
    std::string peer;
    bool second = false;        // leaves it to the other to ask, while it does
    uint64_t frames = 0;        // sent on to it, at the last look
    double rate = 0;            // packets a second to this neighbour, falling slowly
    std::vector<Way> ways;      // as the tables have them
    Preference preference;
    Told told;
    uint32_t carries = 0;       // state of the link that was told last to carry
    bool still = false;         // as it was told last
  };

  void look(const Tables& tables, uint64_t now);
  void meet(const Tables& tables);
  static void follow(Watch& watch, const relay_neighbour& neighbour);
  void count_sessions(const Tables& tables);
  /** The gateways of a subnet that several announce stand in for each other. */
  void count_subnets(const Tables& tables);
  void count_relayed(const RelayTables& relay);
  void add(const RelayTables& relay, uint32_t number, double rate);
  static uint64_t frames_to(const RelayTables& relay, const Watch& watch);
  void read_meters(const RelayTables& relay);
  LinkTerms terms_of(const RelayTables& relay, const Way& way) const;
  void prefer(Watch& watch, const RelayTables& relay, uint64_t now) const;
  void pace(Watch& watch, const RelayTables& relay, uint64_t now) const;
  void read(Watch& watch, const RelayTables& relay, uint64_t now) const;
  bool lives_elsewhere(const Watch& watch, const Way& way) const;
  uint64_t wait_of(const Watch& watch, const Way& way) const { return watch.second ? way.wait * 3 / 2 : way.wait; }
  uint64_t patience(const Watch& watch, const Way& way) const;
  uint64_t due(const Watch& watch, const Way& way, const relay_state& state, uint64_t now) const;
  void ask(const Watch& watch, Way& way, const RelayTables& relay, const relay_neighbour& to, const relay_path& path, uint64_t now) const;
  void tell(Watch& watch, const RelayTables& relay, const relay_neighbour& neighbour, uint64_t now) const;

  Ask ask_;
  Tell tell_;
  Meter meter_;
  std::unordered_map<uint32_t, bool> capped_;             // by interface that has a limit
  std::unordered_map<uint32_t, Watch> watches_;           // by number
  std::unordered_map<std::string, uint64_t> packets_;     // of a peer's sessions, at the last look
  uint64_t next_look_ = 0;
};

}  // namespace trellis
