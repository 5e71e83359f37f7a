// From inner packets to sealed frames: one per worker. Knows no descriptor, so that tests can drive it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "batch.h"
#include "mailbox.h"
#include "relay.h"
#include "split.h"
#include "stats.h"
#include "tables.h"

namespace trellis {

class Outbound {
 public:
  /** `send` is called when the batch is full, and by `finish`. */
  Outbound(size_t worker, Counters& counters, Mailbox& mailbox, std::function<void(const Batch&)> send)
      : worker_(worker), counters_(counters), mailbox_(mailbox), send_(std::move(send)) {}

  /** Starts a turn: lookups are made in `tables`, which must live until the next `begin`. `now` in ms. */
  void begin(const Tables& tables, int64_t now);

  /** Seals one packet or superpacket as the TUN device handed it out. May change its bytes. */
  void packet(const VnetHeader& vnet, uint8_t* packet, size_t size);

  /** Sends what has been sealed so far and lets go of the session. */
  void finish();

  size_t pending() const { return batch_.bytes(); }

 private:
  bool find_target(const uint8_t* packet);
  void want(const Peer* peer, const uint8_t* packet);
  bool take_counters(size_t count, uint64_t& first);
  void seal_single(const VnetHeader& vnet, uint8_t* packet, size_t size);
  void seal_segments(const Split& split);
  void flush();
  void leave_target();
  uint8_t* reserve(size_t inner);
  void seal(uint8_t* frame, size_t inner, uint64_t counter, bool partial);

  size_t worker_;
  Counters& counters_;
  Mailbox& mailbox_;
  std::function<void(const Batch&)> send_;
  Batch batch_;

  const Tables* tables_ = nullptr;
  int64_t now_ = 0;
  const Peer* peer_ = nullptr;  // whom `target_` belongs to, within this turn
  Target target_;
  Way way_;                     // to its endpoint
  uint64_t packets_ = 0;  // sealed for `target_` and not yet booked
  uint64_t bytes_ = 0;
};

}  // namespace trellis
