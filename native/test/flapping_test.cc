// Two gateways with two links between them, both asking, over simulated hours: loss alone makes no link look dead, and a dead one does.
#include <arpa/inet.h>

#include <cstdlib>
#include <memory>
#include <queue>
#include <vector>

#include "check.h"
#include "liveness.h"
#include "relay.h"
#include "relay_book.h"

namespace trellis::test {
namespace {

constexpr uint64_t MS = 1'000'000, SECOND = 1000 * MS, HOUR = 3600 * SECOND;
constexpr int LINKS = 2;

struct Wire {
  uint64_t delay = 5 * MS, jitter = 0;
  double loss = 0;  // each way, 0 to 1
  bool cut = false;
};

Endpoint end_of(char name, int link) {
  Endpoint endpoint;
  parse_endpoint("2001:db8:" + std::to_string(link) + "::" + name, 5000, endpoint);
  return endpoint;
}
std::string overlay(char name) { return std::string("fd11:2222:3333::") + name; }

class Duo {
 public:
  explicit Duo(uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15 + 1), a_(*this, 'a', 'b', 1, 2), b_(*this, 'b', 'a', 2, 1) {}

  struct End {
    End(Duo& duo, char name, char other, uint32_t local, uint32_t remote)
        : other(other), liveness([&duo, this](const Endpoint& to, const relay_words& question) { duo.send(*this, to, question); },
                                 [](Liveness::News, const std::string&, const Endpoint*) {}) {
      in6_addr own;
      inet_pton(AF_INET6, overlay(name).c_str(), &own);
      book.own(own);
      session = std::make_shared<Session>();
      session->local_index = local;
      session->remote_index = remote;
      session->hop.emplace();
      session->hop->send.fill(static_cast<uint8_t>(local));
      session->hop->receive.fill(static_cast<uint8_t>(remote));
      session->peer = std::make_shared<Peer>(overlay(other));
      session->peer->set_endpoint(end_of(other, 0));
      session->peer->use(session);
      auto all = std::make_shared<Sessions>();
      all->emplace(local, session);
      tables.sessions = all;
      book.set_places(overlay(other), {end_of(other, 1)});
      tables.relay = book.build(*tables.sessions);
      book.lease(~uint64_t{0});
    }
    ~End() { session->peer->use(nullptr); }
    End(const End&) = delete;

    const relay_neighbour& neighbour() const { return tables.relay->neighbours.begin()->second; }
    relay_state& state(int link) const { return tables.relay->states[neighbour().paths[link].state]; }
    /** The link that carries; -1 when all are silent. */
    int carries(uint64_t now) const {
      uint32_t chosen = 0;
      return relay_choose(tables.relay.get(), &neighbour(), now, &chosen) < RELAY_SILENT ? static_cast<int>(chosen) : -1;
    }

    char other;
    RelayBook book;
    Tables tables;
    std::shared_ptr<Session> session;
    Liveness liveness;
    uint64_t due = 0, last = 0;
    int carried = 0, switches = 0;
  };

  /** With packets both ways at so many a second; 0: nothing flows. */
  void run(uint64_t ns, uint64_t rate = 1000) {
    for (const uint64_t end = now + ns; now < end;) {
      uint64_t next = std::min({end, a_.due, b_.due});
      if (!flying_.empty()) next = std::min(next, flying_.top().at);
      now = std::max(now, next);
      while (!flying_.empty() && flying_.top().at <= now) {
        const Frame frame = flying_.top();
        flying_.pop();
        arrive(*frame.to, frame.words, frame.link);
      }
      for (End* side : {&a_, &b_}) {
        if (side->due <= now) {
          side->session->sent_packets += (now - side->last) * rate / SECOND;
          side->last = now;
          side->due = side->liveness.turn(side->tables, now);
        }
        const int carries = side->carries(now);
        if (carries >= 0 && carries != side->carried) side->switches++, side->carried = carries;
        if (carries < 0) all_silent++;
      }
    }
  }
  /** Since this was last asked, at both ends; `worse` is the most at one of them. */
  int switches(int* worse = nullptr) {
    if (worse != nullptr) *worse = std::max(a_.switches, b_.switches);
    return std::exchange(a_.switches, 0) + std::exchange(b_.switches, 0);
  }
  End& a() { return a_; }
  End& b() { return b_; }

  Wire wires[LINKS];
  uint64_t now = 1000 * SECOND;
  int all_silent = 0;

 private:
  struct Frame {
    uint64_t at;
    End* to;
    relay_words words;
    int link;
    bool operator<(const Frame& other) const { return at > other.at; }
  };

  void send(End& from, const Endpoint& to, const relay_words& words) {
    const int link = to.address.s6_addr[5];
    const Wire& wire = wires[link];
    if (wire.cut || static_cast<double>(random_.below(1'000'000)) < wire.loss * 1e6) return;
    const uint64_t late = wire.jitter > 0 ? random_.below(wire.jitter) : 0;
    flying_.push({now + wire.delay + late, &from == &a_ ? &b_ : &a_, words, link});
  }
  void arrive(End& at, const relay_words& words, int link) {
    relay_source source{};
    const Endpoint from = end_of(at.other, link);
    std::memcpy(source.address, &from.address, sizeof source.address);
    source.port = htons(from.port);
    relay_hop hop{};
    relay_words reply;
    if (hello_sender(at.tables.relay.get(), &words, &source, &hop) != RELAY_VERDICT_HEARD) return;
    if (hello_take(at.tables.relay.get(), &words, now, 1, &hop, &reply) != RELAY_VERDICT_REPLY) return;
    send(at, endpoint_of(*relay_path_of(&hop)), reply);
  }

  Random random_;
  End a_, b_;
  std::priority_queue<Frame> flying_;
};

double share(const __u64& field) { return static_cast<double>(field) / 256; }
double told(const relay_state& state) { return static_cast<double>(HELLO_PART(state.newest, LOST)) / 256; }

/** More on demand: TRELLIS_SEEDS=100 TRELLIS_HOURS=12. */
uint64_t wanted(const char* name, uint64_t usual) {
  const char* given = std::getenv(name);
  return given == nullptr ? usual : std::strtoull(given, nullptr, 10);
}

}  // namespace

TEST("at 10 % random loss each way a link switches at most once an hour, while packets flow") {
  const uint64_t seeds = wanted("TRELLIS_SEEDS", 3), hours = wanted("TRELLIS_HOURS", 1);
  int total = 0, worst = 0;
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    Duo duo(seed);
    for (Wire& wire : duo.wires) wire.loss = 0.1;
    duo.run(10 * SECOND);
    for (uint64_t hour = 0; hour < hours; hour++) {
      duo.switches();
      duo.run(HOUR);
      int worse = 0;
      total += duo.switches(&worse);
      worst = std::max(worst, worse);
    }
  }
  std::cout << "   " << total << " switches of both ends in " << seeds * hours << " hours, at most " << worst << " of one end in one hour\n";
  CHECK(worst <= 1);
}

TEST("nor while the rate changes all the time, from nothing to much and back") {
  Duo duo(7);
  for (Wire& wire : duo.wires) wire.loss = 0.1;
  duo.run(10 * SECOND);
  duo.switches();
  for (int i = 0; i < 50; i++) {
    duo.run(10 * SECOND, 1000);
    duo.run(60 * SECOND, 0);
  }
  int worse = 0;
  duo.switches(&worse);
  CHECK(worse <= 1);
}

TEST("a link that begins to lose is not taken for dead more than a few times before that is known") {
  int switches = 0;
  for (uint64_t seed = 1; seed <= 10; seed++) {
    Duo duo(seed);
    duo.run(60 * SECOND);
    duo.switches();
    for (Wire& wire : duo.wires) wire.loss = 0.1;
    duo.run(60 * SECOND);
    switches += duo.switches();
  }
  std::cout << "   " << switches << " in 10 times\n";
  CHECK(switches <= 30);
}

TEST("a link without loss that dies is left within 50 ms, one with 10 % within 300, and the first is left for a better one") {
  for (const double loss : {0.0, 0.1}) {
    uint64_t worst = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
      Duo duo(seed);
      for (Wire& wire : duo.wires) wire.loss = loss, wire.delay = MS / 2;
      duo.run(60 * SECOND, 100);
      duo.run(seed * MS, 100);
      const int link = duo.a().carries(duo.now);
      duo.wires[link].cut = true;
      const uint64_t start = duo.now;
      while (duo.a().carries(duo.now) == link || duo.b().carries(duo.now) == link) duo.run(MS, 100);
      worst = std::max(worst, duo.now - start);
    }
    std::cout << "   at " << loss * 100 << " % loss: at most " << worst / MS << " ms\n";
    CHECK(worst <= (loss > 0 ? 300 : 50) * MS);
  }
}

TEST("loss is measured each way, round trip and jitter as they are") {
  Duo duo(3);
  duo.wires[0].loss = 0.1;
  duo.wires[1].jitter = 4 * MS;
  duo.run(120 * SECOND);
  for (Duo::End* end : {&duo.a(), &duo.b()}) {
    CHECK(share(end->state(0).lost) > 0.06 && share(end->state(0).lost) < 0.14);
    CHECK(told(end->state(0)) > 0.06 && told(end->state(0)) < 0.14);
    CHECK(share(end->state(1).lost) < 0.01);
    CHECK(end->state(0).smoothed > 10 * MS && end->state(0).smoothed < 11 * MS && end->state(0).jitter < MS);
    CHECK(end->state(1).smoothed > 12 * MS && end->state(1).smoothed < 16 * MS);
    CHECK(end->state(1).jitter > MS && end->state(1).jitter < 4 * MS);
    CHECK(end->carries(duo.now) == 1);  // which loses nothing
  }
}

}  // namespace trellis::test
