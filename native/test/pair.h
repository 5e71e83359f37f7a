// Both ends of a session without descriptors: what one seals the other opens.
#pragma once
#include <algorithm>
#include <memory>

#include "frame.h"
#include "inbound.h"
#include "outbound.h"
#include "packets.h"

namespace trellis::test {

constexpr uint32_t INDEX = 0x01020304;
inline const Endpoint HOME = [] {
  Endpoint endpoint;
  parse_endpoint("192.0.2.1", 5000, endpoint);
  return endpoint;
}();
inline const Endpoint ELSEWHERE = [] {
  Endpoint endpoint;
  parse_endpoint("2001:db8::7", 5001, endpoint);
  return endpoint;
}();

inline Key key_of(uint8_t last, bool v4) { return v4 ? Key{0x0a000000u | last} << 96 : Key{0xfd} << 120 | last; }

/** One end: a session with a peer that owns `remote` (fd00::remote and 10.0.0.remote). */
struct End {
  Counters counters;
  int notified = 0;
  Mailbox mailbox{[this] { notified++; }};
  MemorySink sink;
  Inbound inbound{0, counters, mailbox, sink, true, true};
  std::vector<Bytes> frames;
  Waiting waiting;
  Outbound outbound{0, counters, mailbox, waiting, [this](const Batch& batch) { collect(batch); }};
  std::shared_ptr<Peer> peer = std::make_shared<Peer>("fd00::2");
  std::shared_ptr<Session> session = std::make_shared<Session>();
  Tables tables;

  End(uint8_t remote, Cipher cipher, uint8_t send, uint8_t receive) {
    const uint8_t send_key[KEY_SIZE] = {send}, receive_key[KEY_SIZE] = {receive};
    session->local_index = session->remote_index = INDEX;
    session->peer = peer;
    session->sealers.push_back(make_sealer(cipher, send_key));
    session->openers.push_back(make_opener(cipher, receive_key));
    peer->use(session);
    peer->set_endpoint(HOME);
    auto routes = std::make_shared<Routes>();
    routes->insert(key_of(remote, false), 128, false, peer);
    routes->insert(key_of(remote, true), 32, true, peer);
    tables.routes = routes;
    auto sessions = std::make_shared<Sessions>();
    sessions->emplace(INDEX, session);
    tables.sessions = sessions;
  }
  ~End() { peer->use(nullptr); }
  End(const End&) = delete;

  void collect(const Batch& batch) {
    for (size_t i = 0; i < batch.bursts(); i++) {
      const Burst& burst = batch.burst(i);
      for (size_t offset = 0; offset < burst.bytes; offset += burst.segment) {
        const uint8_t* frame = batch.data(burst) + offset;
        frames.emplace_back(frame, frame + std::min(burst.segment, burst.bytes - offset));
      }
    }
  }
  std::vector<Bytes> seal(Bytes packet, const VnetHeader& vnet = {}, int64_t now = 0) {
    frames.clear();
    outbound.begin(tables, waiting.releases(), now);
    outbound.packet(vnet, packet.data(), packet.size());
    outbound.finish();
    return frames;
  }
  /** A turn in which the TUN device has nothing. */
  std::vector<Bytes> resume() {
    frames.clear();
    outbound.begin(tables, waiting.releases(), 0);
    outbound.resume();
    outbound.finish();
    return frames;
  }
  void open(std::vector<Bytes> given, const Endpoint& from = HOME, int64_t now = 0) {
    inbound.begin(tables, now);
    for (Bytes& frame : given) inbound.frame(frame.data(), frame.size(), from);
    inbound.finish();
  }
  uint64_t dropped(Drop reason) const { return counters.drops[static_cast<size_t>(reason)].get(); }
  uint64_t dropped() const {
    uint64_t sum = 0;
    for (const Counter& counter : counters.drops) sum += counter.get();
    return sum;
  }
  std::vector<Event> events() {
    std::vector<ControlFrame> control;
    std::vector<Event> found;
    mailbox.drain(control, found);
    return found;
  }
};

struct Pair {
  End a, b;
  explicit Pair(Cipher cipher = Cipher::aes256_gcm) : a(2, cipher, 1, 2), b(1, cipher, 2, 1) {}
};

inline Shape shape_of(size_t payload, bool v4 = false) {
  Shape shape;
  shape.payload = payload;
  shape.v4 = v4;
  return shape;
}

inline VnetHeader superpacket(bool v4, uint16_t segment) {
  return {VNET_NEEDS_CHECKSUM, v4 ? VNET_GSO_TCP4 : VNET_GSO_TCP6, 0, segment, static_cast<uint16_t>(v4 ? 20 : 40), 16};
}

/** The frame of a member that sends what it likes. */
inline Bytes seal_as_it_is(Pair& pair, const Bytes& packet) {
  Bytes frame(packet.size() + FRAME_OVERHEAD);
  write_header(frame.data(), INDEX, 0, 0);
  std::copy(packet.begin(), packet.end(), frame.begin() + HEADER_SIZE);
  uint8_t nonce[NONCE_SIZE];
  write_nonce(nonce, 0);
  uint8_t* data = frame.data() + HEADER_SIZE;
  CHECK(pair.a.session->sealers[0]->seal(nonce, frame.data(), HEADER_SIZE, data, data, packet.size(), data + packet.size()));
  return frame;
}

}  // namespace trellis::test
