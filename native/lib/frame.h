// The sealed data frame on the wire: the header that runtime/mesh/frame.ts declares, then ciphertext and tag.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "layout.gen.h"

namespace trellis {

static_assert(std::endian::native == std::endian::little, "the header is copied as it lies in memory");

using SealedHeader = sealed_header;

constexpr uint8_t FLAG_PARTIAL_CHECKSUM = SEALED_FLAG_PARTIAL_CHECKSUM;
constexpr uint8_t FLAG_MORE = SEALED_FLAG_MORE;
constexpr uint8_t FLAG_REST = SEALED_FLAG_REST;
constexpr uint8_t KNOWN_FLAGS = FLAG_PARTIAL_CHECKSUM | FLAG_MORE | FLAG_REST;

constexpr size_t HEADER_SIZE = sizeof(SealedHeader);
constexpr size_t TAG_SIZE = SEALED_TAG_SIZE;
constexpr size_t FRAME_OVERHEAD = HEADER_SIZE + TAG_SIZE;

/** Longest control frame handed to the runtime; what the peers send is at most 1232 bytes. */
constexpr size_t MAX_CONTROL = 2048;

/** Reads the header of a data frame; false when the frame is short, or a flag or reserved byte is set that means nothing yet. */
inline bool read_header(const uint8_t* frame, size_t size, SealedHeader& header) {
  if (size < FRAME_OVERHEAD) return false;
  std::memcpy(&header, frame, HEADER_SIZE);
  return header.type == FRAME_DATA && (header.flags & ~KNOWN_FLAGS) == 0 && header.reserved[0] == 0 && header.reserved[1] == 0;
}

inline void write_header(uint8_t* frame, uint32_t receiver, uint64_t counter, uint8_t flags) {
  const SealedHeader header{FRAME_DATA, flags, {}, receiver, counter};
  std::memcpy(frame, &header, HEADER_SIZE);
}

/** AEAD nonce of a data frame: four zero bytes, then the counter as it stands in the header. */
inline void write_nonce(uint8_t* nonce, uint64_t counter) {
  std::memset(nonce, 0, 4);
  std::memcpy(nonce + 4, &counter, 8);
}

}  // namespace trellis
