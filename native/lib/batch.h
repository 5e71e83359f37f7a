// Sealed frames on their way out: one arena, in which frames to one endpoint lie side by side for segmentation offload.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "endpoint.h"

namespace trellis {

/** Frames of equal size (the last may be shorter) to one endpoint: one datagram to the kernel if it can segment. */
struct Burst {
  Endpoint to;
  size_t offset;
  size_t bytes;
  size_t segment;
  size_t count;
};

class Batch {
 public:
  static constexpr size_t CAPACITY = 192 * 1024;
  static constexpr size_t MAX_BURSTS = 64;
  static constexpr size_t MAX_SEGMENTS = 64;       // UDP_MAX_SEGMENTS before 6.9
  static constexpr size_t MAX_PAYLOAD = 65507;     // UDP payload over IPv4; over IPv6 it could be 20 more

  Batch() : arena_(std::make_unique_for_overwrite<uint8_t[]>(CAPACITY)) {}

  /** Room for a frame of `size` bytes to fill and `commit`; null when the batch must be sent first. */
  uint8_t* reserve(size_t size) {
    return used_ + size <= CAPACITY && bursts_used_ < MAX_BURSTS ? arena_.get() + used_ : nullptr;
  }

  void commit(const Endpoint& to, size_t size) {
    if (!extend(to, size)) bursts_[bursts_used_++] = {to, used_, size, size, 1};
    used_ += size;
  }

  /** The next frame begins a burst of its own: a relay takes a burst for one flow, whose frames all have the same header. */
  void part() { parted_ = true; }

  /** The last burst is not sent yet where frames could follow in it: `clear` makes it the first of the next batch. */
  void hold_unfinished() {
    if (bursts_used_ == 0) return;
    const Burst& last = bursts_[bursts_used_ - 1];
    if (!has_room(last, last.segment)) return;
    held_ = last;
    bursts_used_--;
  }

  void clear() {
    bursts_used_ = held_.count > 0 ? 1 : 0;
    used_ = held_.bytes;
    if (held_.count == 0) return;
    std::memmove(arena_.get(), arena_.get() + held_.offset, held_.bytes);
    bursts_[0] = std::exchange(held_, Burst{});
    bursts_[0].offset = 0;
  }

  size_t bytes() const { return used_; }
  size_t bursts() const { return bursts_used_; }
  const Burst& burst(size_t index) const { return bursts_[index]; }
  uint8_t* data(const Burst& burst) const { return arena_.get() + burst.offset; }

 private:
  static bool has_room(const Burst& burst, size_t size) {
    const bool whole = burst.bytes == burst.segment * burst.count;  // a shorter frame ends a burst
    return whole && burst.count < MAX_SEGMENTS && burst.bytes + size <= MAX_PAYLOAD;
  }

  bool extend(const Endpoint& to, size_t size) {
    if (std::exchange(parted_, false) || bursts_used_ == 0) return false;
    Burst& last = bursts_[bursts_used_ - 1];
    if (!has_room(last, size) || size > last.segment || !(last.to == to)) return false;
    last.bytes += size;
    last.count++;
    return true;
  }

  std::unique_ptr<uint8_t[]> arena_;
  size_t used_ = 0;
  size_t bursts_used_ = 0;
  Burst held_{};
  bool parted_ = false;
  std::array<Burst, MAX_BURSTS> bursts_;
};

}  // namespace trellis
