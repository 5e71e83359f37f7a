// Gateways without sockets: A and B have a session end to end, R between them relays and has no key of it.
#pragma once
#include <arpa/inet.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "check.h"
#include "inbound.h"
#include "outbound.h"
#include "packets.h"
#include "relay_book.h"

namespace trellis::test {

constexpr int64_t NOW = 60'000;  // ms

inline std::string overlay(char name) { return std::string("fd11:2222:3333::") + name; }

inline Endpoint at(const std::string& address, uint32_t port) {
  Endpoint endpoint;
  parse_endpoint(address, port, endpoint);
  return endpoint;
}
inline Endpoint through_mesh(char name) { return at(overlay(name), 0); }
inline Endpoint underlay(char name) { return at(std::string("2001:db8::") + name, 5000); }

/** The key of frames from one to another: each direction of each pair has its own. */
inline uint8_t key_byte(char from, char to) { return static_cast<uint8_t>(16 * (from - 'a') + (to - 'a') + 1); }
inline uint32_t index_of(char owner, char other) { return static_cast<uint32_t>(owner) << 8 | static_cast<uint32_t>(other); }

struct Sent {
  Endpoint to;
  Bytes frame;
  bool first;  // of a burst
};

class Gateway {
 public:
  explicit Gateway(char name) : name_(name) {
    in6_addr own;
    inet_pton(AF_INET6, overlay(name).c_str(), &own);
    book.own(own);
    rebuild();
  }
  ~Gateway() {
    for (const auto& [index, session] : *tables.sessions) session->peer->use(nullptr);
  }
  Gateway(const Gateway&) = delete;

  Peer& meet(char other, const Endpoint& endpoint) {
    const uint8_t send[KEY_SIZE] = {key_byte(name_, other)}, receive[KEY_SIZE] = {key_byte(other, name_)};
    auto session = std::make_shared<Session>();
    session->local_index = index_of(name_, other);
    session->remote_index = index_of(other, name_);
    session->sealers.push_back(make_sealer(Cipher::aes256_gcm, send));
    session->openers.push_back(make_opener(Cipher::aes256_gcm, receive));
    session->hop.emplace();
    session->hop->send.fill(key_byte(name_, other));
    session->hop->receive.fill(key_byte(other, name_));
    session->peer = std::make_shared<Peer>(overlay(other));
    session->peer->set_endpoint(endpoint);
    session->peer->use(session);
    auto routes = std::make_shared<Routes>(*tables.routes);
    in6_addr address;
    inet_pton(AF_INET6, overlay(other).c_str(), &address);
    Key key = 0;
    for (int i = 0; i < 4; i++) key |= Key{load32(address.s6_addr + 4 * i)} << (96 - 32 * i);
    routes->insert(key, 128, false, session->peer);
    tables.routes = routes;
    auto sessions = std::make_shared<Sessions>(*tables.sessions);
    sessions->emplace(session->local_index, session);
    tables.sessions = sessions;
    rebuild();
    return *session->peer;
  }
  void route(char destination, const std::string& primary, const std::string& backup = {}) {
    CHECK(book.set_route(overlay(destination), primary, backup).ok());
    rebuild();
  }
  void rebuild() { tables.relay = book.build(*tables.sessions); }
  Peer& peer(char other) { return *tables.sessions->at(index_of(name_, other))->peer; }
  /** Of one of the links to a neighbour. */
  relay_state& state(char other, size_t link = 0) {
    return tables.relay->states[tables.relay->neighbours.at(peer(other).relay_number).paths[link].state];
  }

  std::vector<Sent> seal(Bytes packet, const VnetHeader& vnet = {}) {
    outbound_.begin(tables, waiting.releases(), NOW);
    outbound_.packet(vnet, packet.data(), packet.size());
    outbound_.finish();
    return std::exchange(sent_, {});
  }
  /** What it sends on after these frames came from `from` in one turn. */
  std::vector<Sent> take(std::vector<Bytes> frames, const Endpoint& from) {
    inbound_.begin(tables, NOW);
    for (Bytes& frame : frames) inbound_.frame(frame.data(), frame.size(), from);
    inbound_.finish();
    return std::exchange(sent_, {});
  }
  std::vector<Sent> take(const std::vector<Sent>& sent, char from) {
    std::vector<Bytes> frames;
    for (const Sent& each : sent) frames.push_back(each.frame);
    return take(frames, underlay(from));
  }
  uint64_t verdicts(uint32_t verdict) const { return counters.relay[verdict].get(); }
  uint64_t drops(Drop reason) const { return counters.drops[static_cast<size_t>(reason)].get(); }

  Counters counters;
  Mailbox mailbox{[] {}};
  MemorySink sink;
  Waiting waiting;
  RelayBook book;
  Tables tables;

 private:
  void collect(const Batch& batch) {
    for (size_t i = 0; i < batch.bursts(); i++) {
      const Burst& burst = batch.burst(i);
      for (size_t offset = 0; offset < burst.bytes; offset += burst.segment) {
        const uint8_t* frame = batch.data(burst) + offset;
        sent_.push_back({burst.to, {frame, frame + std::min(burst.segment, burst.bytes - offset)}, offset == 0});
      }
    }
  }

  char name_;
  std::vector<Sent> sent_;
  Relay relay_{counters, [this](const Batch& batch) { collect(batch); }};
  Inbound inbound_{0, counters, mailbox, sink, true, true, &relay_};
  Outbound outbound_{0, counters, mailbox, waiting, [this](const Batch& batch) { collect(batch); }};
};

/** A - R - B, as the runtime would set them up. */
struct Line {
  Gateway a{'a'}, r{'c'}, b{'b'};
  Line() {
    a.meet('c', underlay('c'));
    a.meet('b', through_mesh('b'));
    a.route('b', overlay('c'));
    b.meet('c', underlay('c'));
    b.meet('a', through_mesh('a'));
    b.route('a', overlay('c'));
    r.meet('a', underlay('a'));
    r.meet('b', underlay('b'));
    r.route('a', overlay('a'));
    r.route('b', overlay('b'));
  }
};

inline Bytes packet_between(char from, char to, size_t payload) {
  Shape shape;
  shape.payload = payload;
  Bytes packet = make_packet(shape);
  inet_pton(AF_INET6, overlay(from).c_str(), &packet[8]);
  inet_pton(AF_INET6, overlay(to).c_str(), &packet[24]);
  return partial(packet);
}

}  // namespace trellis::test
