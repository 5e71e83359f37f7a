// A gateway with neighbours that answer or do not, for tests of who is asked and when.
#pragma once
#include <arpa/inet.h>
#include <map>
#include <memory>
#include <utility>
#include "check.h"
#include "liveness.h"
#include "relay_book.h"

namespace trellis::test::liveness {


inline constexpr uint64_t MS = 1'000'000, SECOND = 1000 * MS;

inline std::string overlay(char name) { return std::string("fd11:2222:3333::") + name; }

/** A gateway with neighbours `b`, `c` and so on, that answer unless they are dead; time passes as `run` says. */
class World {
 public:
  World() {
    in6_addr own;
    inet_pton(AF_INET6, overlay('a').c_str(), &own);
    book_.own(own);
    meet('b');
    meet('c');
    book_.lease(now + 3600 * SECOND);
  }
  ~World() {
    for (const auto& [index, session] : *tables_.sessions) session->peer->use(nullptr);
  }
  World(const World&) = delete;

  void meet(char name, const std::string& address = {}) {
    Endpoint endpoint;
    parse_endpoint(address.empty() ? std::string("2001:db8::") + name : address, address.empty() ? 5000 : 0, endpoint);
    auto session = std::make_shared<Session>();
    session->local_index = 100 + static_cast<uint32_t>(name);  // the smaller: ours is the side that asks first
    session->remote_index = 200 + static_cast<uint32_t>(name);
    session->hop.emplace();
    session->peer = std::make_shared<Peer>(overlay(name));
    session->peer->set_endpoint(endpoint);
    session->peer->use(session);
    sessions[name] = session;
    auto all = std::make_shared<Sessions>(*tables_.sessions);
    all->emplace(session->local_index, session);
    tables_.sessions = all;
    rebuild();
  }
  void route(char destination, char primary, char backup) {
    CHECK(book_.set_route(overlay(destination), overlay(primary), overlay(backup)).ok());
    rebuild();
  }
  /** Both announce 10.1.0.0/16. */
  void subnet(char one, char other) {
    auto routes = std::make_shared<Routes>();
    routes->insert(Key{0x0a010000} << 96, 16, true, std::make_shared<const Owners>(Owners{{sessions[one]->peer, sessions[other]->peer}}));
    tables_.routes = routes;
  }
  void rebuild() { tables_.relay = book_.build(*tables_.sessions); }

  /** Lets time pass, with `rate` packets a second in the session with `busy`. */
  void run(uint64_t ns, char busy = 0, uint64_t rate = 0) {
    const uint64_t end = now + ns;
    for (uint64_t next = now; next < end; now = next) {
      if (busy != 0) sessions[busy]->sent_packets += rate * (next - now) / SECOND;
      now = next;
      const uint64_t wanted = liveness_.turn(tables_, now);
      CHECK(wanted > now && wanted <= now + 100 * MS);
      next = std::min(wanted, end);
      if (busy != 0) sessions[busy]->received_packets += rate * (next - now) / SECOND;
    }
    now = end;
  }
  /** Second links of a neighbour: 2001:db8:`n`::`name`, with n from 1. */
  void links(char name, int count) {
    std::vector<Endpoint> places;
    for (int n = 1; n <= count; n++) {
      Endpoint place;
      parse_endpoint("2001:db8:" + std::to_string(n) + "::" + name, 5000, place);
      places.push_back(place);
    }
    book_.set_places(overlay(name), places);
    rebuild();
  }
  const relay_neighbour& neighbour(char name) { return tables_.relay->neighbours.at(sessions[name]->peer->relay_number.load()); }
  relay_state& state(char name, size_t link = 0) { return tables_.relay->states[neighbour(name).paths[link].state]; }
  /** The link that carries. */
  uint32_t carries(char name) {
    uint32_t chosen = 0;
    const uint64_t standing = relay_choose(tables_.relay.get(), &neighbour(name), now, &chosen);
    return standing < RELAY_SILENT ? chosen : 9;
  }
  uint64_t asked(char name, int link = 0) { return std::exchange(asked_[{name, link}], 0); }
  void cut(char name, size_t link) {
    auto relay = std::make_shared<RelayTables>(*tables_.relay);
    relay->via[neighbour(name).paths[link].state] = 7;
    tables_.relay = relay;
    liveness_.cut(tables_, 7);
  }
  void lease(uint64_t until) { book_.lease(until); }

  uint64_t now = 1000 * SECOND;
  std::map<char, bool> dead;                 // all of it
  std::map<char, bool> still;                // its daemon; its kernel answers
  std::map<std::pair<char, int>, bool> cut_; // one of its links
  std::map<char, std::shared_ptr<Session>> sessions;
  std::map<char, uint16_t> patience, patience_of_others;
  std::map<char, uint64_t> trip;  // 2 ms unless it is said
  std::map<std::pair<char, int>, uint64_t> slow;  // more, over one link
  std::vector<std::string> told, links_told, carry_told;

 private:
  /** The neighbour answers at once; what is on its way for some time is here already. */
  void answer(const Endpoint& to, const relay_words& question) {
    const char name = static_cast<char>('a' + (to.address.s6_addr[15] - 10));
    const int link = to.address.s6_addr[5];
    asked_[{name, link}]++;
    (link == 0 ? patience : patience_of_others)[name] = hello_patience(&question);
    CHECK(hello_kind(&question) == HELLO_ASK);
    if (dead[name] || cut_[{name, link}]) return;
    relay_source source{};
    std::memcpy(source.address, &to.address, sizeof source.address);
    source.port = htons(to.port);
    const int path = hello_answered_over(&neighbour(name), &source, question.destination);
    CHECK(path >= 0);
    relay_state& state = tables_.relay->states[neighbour(name).paths[path].state];
    hello_heard(tables_.relay.get(), &state, question.destination, hello_patience(&question), now + (trip.contains(name) ? trip[name] : 2 * MS) + slow[{name, link}]);
    state.still = still[name];
    state.expected++;
    state.received++;
  }

  RelayBook book_;
  Tables tables_;
  std::map<std::pair<char, int>, uint64_t> asked_;
  Liveness liveness_{[this](const Endpoint& to, const relay_words& question) { answer(to, question); },
                     [this](Liveness::News news, const std::string& peer, const Endpoint* link) {
                       const std::string which = link == nullptr ? "" : "/" + std::to_string(link->address.s6_addr[5]);
                       const std::string text = std::string(1, peer.back()) + which;
                       if (news == Liveness::News::carries) carry_told.push_back(text);
                       else if (news == Liveness::News::stands_still || news == Liveness::News::goes_on)
                         told.push_back(text + (news == Liveness::News::goes_on ? " goes on" : " stands still"));
                       else (link == nullptr ? told : links_told).push_back(text + (news == Liveness::News::silent ? " silent" : " alive"));
                     }};
};

}  // namespace trellis::test::liveness
