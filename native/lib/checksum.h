// The Internet checksum (RFC 1071), in the byte order of memory: folded sums are stored as they are.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace trellis {

/** Adds `size` bytes to `sum`; an odd last byte counts as if a zero followed. Chain only across even sizes. */
inline uint64_t add_bytes(uint64_t sum, const uint8_t* data, size_t size) {
  uint64_t carries = 0;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    carries += __builtin_add_overflow(sum, word, &sum);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, data, size);
  carries += __builtin_add_overflow(sum, rest, &sum);
  carries = __builtin_add_overflow(sum, carries, &sum);
  return sum + carries;
}

inline uint16_t fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>((sum >> 16) + (sum & 0xffff));
}

}  // namespace trellis
