// Frames on their way through several gateways: which way our own take, and the forwarder for those of others. The forwarder does in
// userspace what bpf/relay_tc.bpf.c and bpf/relay_xdp.bpf.c do in the kernel, by the same rules, and what they leave to it.
#pragma once
#include <functional>
#include <optional>

#include "batch.h"
#include "endpoint.h"
#include "relay_tables.h"
#include "stats.h"

namespace trellis {

constexpr size_t RELAY_SIZE = sizeof(relay_header);

/** Where a datagram must be sent so that it reaches an endpoint, and what stands before it when other gateways carry it. */
struct Way {
  Endpoint to;
  std::optional<relay_words> header;

  /** Bytes before the frame. */
  size_t before() const { return header.has_value() ? RELAY_SIZE : 0; }
  void write(uint8_t* out) const {
    if (header.has_value()) std::memcpy(out, &*header, RELAY_SIZE);
  }
};

/** Where a neighbour is. */
Endpoint endpoint_of(const relay_neighbour& neighbour);

/** Finds the way to an endpoint, direct or through the mesh; false when there is none now. The tag is made once, here. `now` in ns. */
bool find_way(const RelayTables& tables, const Endpoint& wanted, uint64_t now, Way& way);

/** One per worker. Knows no descriptor, so that tests can drive it. */
class Relay {
 public:
  /** `send` is called when the batch is full, and by `finish`. */
  Relay(Counters& counters, std::function<void(const Batch&)> send) : counters_(counters), send_(std::move(send)) {}

  /** Starts a turn: lookups are made in `tables`, which must live until `finish`. `now` in ns. */
  void begin(const RelayTables& tables, uint64_t now);

  /** Takes a frame of type FRAME_RELAY. True when it is for us: what is behind its header came from `source`, through the mesh. */
  bool frame(const uint8_t* frame, size_t size, Endpoint& source);

  /** Takes a frame of type FRAME_HELLO, and answers it. */
  void hello(const uint8_t* frame, size_t size, const Endpoint& from);

  /** Sends what is to be sent on. */
  void finish();

 private:
  void decide(const relay_words& words);
  void forward(const uint8_t* frame, size_t size);
  uint32_t take_hello(const relay_words& words, const Endpoint& from);
  uint8_t* reserve(size_t size);
  void book();

  Counters& counters_;
  std::function<void(const Batch&)> send_;
  Batch batch_;
  const RelayTables* tables_ = nullptr;
  uint64_t now_ = 0;

  // The last header seen in this turn and what became of it: an equal one needs neither hash nor lookup.
  bool decided_ = false;
  relay_words words_{};
  uint32_t verdict_ = 0;
  relay_hop hop_{};
  relay_words onward_{};  // the header for the next hop
  Endpoint to_;
  uint64_t frames_ = 0;   // sent on by `hop_` and not yet booked
  uint64_t bytes_ = 0;
};

}  // namespace trellis
