// Packets that came in several data frames, because the way carries no larger ones: counters in a row, in whatever order they arrive.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace trellis {

class Joiner {
 public:
  /** Frames that are kept for those that are missing; older ones give way. */
  static constexpr size_t KEPT = 64;
  static constexpr size_t LONGEST = 65535;

  /** What has been joined, and whether its transport checksum is partial. */
  struct Joined {
    std::vector<uint8_t> packet;
    bool partial = false;
  };

  /** Takes an opened frame of several (FLAG_MORE, FLAG_REST or both). True when it completes a packet. */
  bool add(uint64_t counter, uint8_t flags, const uint8_t* data, size_t size, Joined& out);

 private:
  struct Part {
    uint64_t counter = 0;
    uint8_t flags = 0;  // 0: empty
    std::vector<uint8_t> bytes;
  };
  Part* at(uint64_t counter);

  std::unique_ptr<std::array<Part, KEPT>> parts_;  // most sessions never need them
};

}  // namespace trellis
