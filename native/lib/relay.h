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
  uint32_t path = 0;  // number of its state, where what is sent is booked; 0: none
  bool capped = false;  // there is a way, but the load may not take it

  /** Bytes before the frame. */
  size_t before() const { return header.has_value() ? RELAY_SIZE : 0; }
  void write(uint8_t* out) const {
    if (header.has_value()) std::memcpy(out, &*header, RELAY_SIZE);
  }
  /** Whether what goes either way goes to one place with one header, and may be of one burst. */
  bool is_as(const Way& other) const {
    if (!(to == other.to) || header.has_value() != other.header.has_value()) return false;
    return !header.has_value() || std::memcmp(&*header, &*other.header, RELAY_SIZE) == 0;
  }
};

/** Where a path leads. */
Endpoint endpoint_of(const relay_path& path);

enum class Load { data, control };

/**
 * Finds the way to somebody; false when there is none now. Who has an endpoint of its own is reached over the best of its links, and
 * through the mesh while all are silent and another leads there. The tag is made once, here. `now` in ns.
 */
bool find_way(const RelayTables& tables, const Receiver& wanted, Load load, uint64_t now, Way& way);

/** One per worker. Knows no descriptor, so that tests can drive it. */
class Relay {
 public:
  /** The neighbour of the session `index` has asked from where it was not known to be. */
  using NewPlace = std::function<void(uint32_t index, const Endpoint& place)>;

  /** `send` is called when the batch is full, and by `finish`. */
  Relay(Counters& counters, std::function<void(const Batch&)> send, NewPlace new_place = {})
      : counters_(counters), send_(std::move(send)), new_place_(std::move(new_place)) {}

  /** Starts a turn: lookups are made in `tables`, which must live until `finish`. `now` in ns. */
  void begin(const RelayTables& tables, uint64_t now);

  /** Takes a frame of type FRAME_RELAY. True when it is for us: what is behind its header came from `source`, through the mesh. */
  bool frame(const uint8_t* frame, size_t size, Endpoint& source);

  /** Takes a frame of type FRAME_HELLO, and answers it; `to` is the address of ours that it was sent to. */
  void hello(const uint8_t* frame, size_t size, const Endpoint& from, const in6_addr& to);

  /** Sends what is to be sent on. */
  void finish();

 private:
  void decide(const relay_words& words);
  void forward(const uint8_t* frame, size_t size);
  uint32_t take_hello(const relay_words& words, const Endpoint& from, const in6_addr& to);
  uint8_t* reserve(size_t size);
  void book();

  Counters& counters_;
  std::function<void(const Batch&)> send_;
  NewPlace new_place_;
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
