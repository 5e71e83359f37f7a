// Which neighbours are asked whether they live, and when: often where packets flow and a backup could take them over, rarely elsewhere.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "tables.h"

namespace trellis {

/** Knows no clock, socket or thread, so that tests can drive it. Times are ns of CLOCK_MONOTONIC. */
class Liveness {
 public:
  using Ask = std::function<void(const Endpoint& to, const relay_words& question)>;
  /** A neighbour fell silent, or has answered: for the first time, or again. */
  using Tell = std::function<void(const std::string& peer, bool silent)>;

  Liveness(Ask ask, Tell tell) : ask_(std::move(ask)), tell_(std::move(tell)) {}

  /** Asks whoever is due; gives when to come back. */
  uint64_t turn(const Tables& tables, uint64_t now);

 private:
  struct Watch {
    std::string peer;
    bool second = false;          // leaves it to the other to ask, while it does
    uint64_t frames = 0;          // sent on to it, at the last look
    double rate = 0;              // packets a second on this link, falling slowly
    bool replaceable = false;     // there is a backup for it, or it is one
    uint64_t wait = 0;            // between two questions
    uint64_t asked = 0;           // when we last did
    uint64_t answered = 0;        // the question that it had answered at the last look
    unsigned unanswered = 0;      // questions since then
    std::optional<double> smoothed;  // round trip, RFC 6298
    double variation = 0;
    std::optional<bool> told;     // what was told last
    uint64_t silent_since = 0;
  };

  void look(const Tables& tables, uint64_t now);
  void meet(const Tables& tables);
  void count_sessions(const Tables& tables);
  /** The gateways of a subnet that several announce stand in for each other. */
  void count_subnets(const Tables& tables);
  void count_relayed(const RelayTables& relay);
  void add(const RelayTables& relay, uint32_t number, double rate);
  void pace(Watch& watch, relay_state& state, uint64_t now) const;
  void measure(Watch& watch, const relay_state& state) const;
  double trip(const Watch& watch) const;
  uint64_t patience(const Watch& watch) const;
  uint64_t due(const Watch& watch, const relay_state& state, uint64_t now) const;
  void ask(Watch& watch, const RelayTables& relay, const relay_neighbour& neighbour, uint64_t now) const;
  void tell(Watch& watch, const relay_state& state, uint64_t now) const;

  Ask ask_;
  Tell tell_;
  std::unordered_map<uint32_t, Watch> watches_;           // by number
  std::unordered_map<std::string, uint64_t> packets_;     // of a peer's sessions, at the last look
  uint64_t next_look_ = 0;
};

}  // namespace trellis
