// From received frames to inner packets: one per worker. Knows no descriptor, so that tests and the fuzzer can drive it.
#pragma once
#include <cstdint>
#include <vector>

#include "coalesce.h"
#include "frame.h"
#include "mailbox.h"
#include "relay.h"
#include "standing_queue.h"
#include "stats.h"
#include "tables.h"

namespace trellis {

class Inbound {
 public:
  /**
   * `device` tells whether inner packets have somewhere to go; without, they are authenticated, counted and dropped. Without `relay`
   * frames that travel through the mesh are malformed.
   */
  Inbound(size_t worker, Counters& counters, Mailbox& mailbox, Sink& sink, bool device, bool udp, Relay* relay = nullptr)
      : worker_(worker), counters_(counters), mailbox_(mailbox), device_(device), relay_(relay), coalescer_(sink, udp) {}

  /** Starts a turn: lookups are made in `tables`, which must live until `finish`. `now` in ms. */
  void begin(const Tables& tables, int64_t now);

  /**
   * Takes one UDP payload, sent to the address `to` of ours if that is known. It is opened in place and must stay where it is until
   * `finish`.
   */
  void frame(uint8_t* frame, size_t size, const Endpoint& from, const in6_addr& to = {});

  /** The socket had nothing more. */
  void drained() { queue_.found_empty(); }

  /** Hands everything that is held to the sink and books what the session has received. */
  void finish();

 private:
  void take(uint8_t* frame, size_t size, const Endpoint& from);
  void data(uint8_t* frame, size_t size, const Endpoint& from);
  bool find(uint32_t index);
  void leave();
  bool open(const SealedHeader& header, uint8_t* frame, size_t size, const Endpoint& from);
  bool is_link(const Endpoint& from) const;
  void follow(const Endpoint& from);
  void join(const SealedHeader& header, const uint8_t* data, size_t size);
  void deliver(uint8_t* packet, size_t size, bool partial);

  size_t worker_;
  Counters& counters_;
  Mailbox& mailbox_;
  bool device_;
  Relay* relay_;
  Coalescer coalescer_;
  StandingQueue queue_;

  const Tables* tables_ = nullptr;
  int64_t now_ = 0;

  Session* session_ = nullptr;  // of the frames at hand
  Endpoint known_;              // where its peer was last seen, its own endpoint or the end of a link
  uint64_t packets_ = 0;        // authenticated and not yet booked
  uint64_t bytes_ = 0;
  std::vector<std::vector<uint8_t>> joined_;  // packets of this turn that came in parts
};

}  // namespace trellis
