// From inner packets to sealed frames: one per worker. Knows no descriptor, so that tests can drive it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "batch.h"
#include "mailbox.h"
#include "relay.h"
#include "split.h"
#include "standing_queue.h"
#include "stats.h"
#include "tables.h"
#include "waiting.h"

namespace trellis {

class Outbound {
 public:
  /** `send` is called when the batch is full, and by `finish`; `answer` with a packet for the device: one was too big for its way. */
  Outbound(size_t worker, Counters& counters, Mailbox& mailbox, Waiting& waiting, std::function<void(const Batch&)> send,
           std::function<void(uint8_t*, size_t)> answer = {})
      : worker_(worker), counters_(counters), mailbox_(mailbox), waiting_(waiting), send_(std::move(send)), answer_(std::move(answer)) {}

  /**
   * Starts a turn: lookups are made in `tables`, which must live until the next `begin` and were fetched after
   * `waiting.releases()` gave `releases`. `now` in ms.
   */
  void begin(const Tables& tables, uint64_t releases, int64_t now);

  /** Seals one packet or superpacket as the TUN device handed it out, now or once there is a session. May change its bytes. */
  void packet(const VnetHeader& vnet, uint8_t* packet, size_t size) { handle(vnet, packet, size, now_); }

  /** The device had nothing more. */
  void drained() { queue_.found_empty(); }

  /** Seals what has waited for a session that is there now. */
  void resume();

  /**
   * Sends what has been sealed so far and lets go of the session. When the device has `more`, a datagram that is not full waits for it
   * until the next turn.
   */
  void finish(bool more = false);

  size_t pending() const { return batch_.bytes(); }

 private:
  void handle(const VnetHeader& vnet, uint8_t* packet, size_t size, int64_t since);
  bool find_target(const uint8_t* packet);
  const Peer* owner_of(const uint8_t* packet);
  void keep(const VnetHeader& vnet, const uint8_t* packet, size_t size, int64_t since);
  bool take_counters(size_t count, uint64_t& first);
  void seal_single(const VnetHeader& vnet, uint8_t* packet, size_t size);
  void seal_segments();
  void flush();
  void leave_target();
  /** Room for a frame of `inner` bytes, behind the relay header when the way leads through the mesh. */
  uint8_t* reserve(size_t inner);
  void tell_too_big(const uint8_t* packet, size_t size);
  /** Frames that a packet of this size takes on the way at hand. */
  size_t parts_of(size_t size) const;
  /** Seals a packet in one frame, or in parts of about one size with counters in a row. */
  void seal(const uint8_t* packet, size_t size, uint64_t counter, bool partial);
  void seal_part(const uint8_t* data, size_t size, uint64_t counter, uint8_t flags);

  size_t worker_;
  Counters& counters_;
  Mailbox& mailbox_;
  Waiting& waiting_;
  std::function<void(const Batch&)> send_;
  std::function<void(uint8_t*, size_t)> answer_;
  Batch batch_;
  StandingQueue queue_;
  Split split_;  // of the packet at hand; kept for its memory

  const Tables* tables_ = nullptr;
  uint64_t releases_ = 0;
  int64_t now_ = 0;
  int64_t next_answer_ = 0;     // ms
  const Owners* owners_ = nullptr;  // of the last destination in this turn
  const Peer* owner_ = nullptr;     // the one of them to send to
  const Peer* peer_ = nullptr;  // whom `target_` belongs to, within this turn
  Target target_;
  Way way_;                     // to its endpoint
  size_t limit_ = 0;            // of a frame there; 0 for none
  uint64_t packets_ = 0;  // sealed for `target_` and not yet booked
  uint64_t bytes_ = 0;
  uint64_t frames_ = 0;   // made of these
  uint64_t frame_bytes_ = 0;
};

}  // namespace trellis
