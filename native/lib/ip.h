// The inner packet: what its headers say, read with every length checked.
#pragma once
#include <cstddef>
#include <cstdint>

#include "lpm.h"

namespace trellis {

constexpr uint8_t PROTOCOL_TCP = 6;
constexpr uint8_t PROTOCOL_UDP = 17;
constexpr size_t UDP_HEADER = 8;
constexpr size_t TCP_HEADER = 20;

inline uint16_t load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t load32(const uint8_t* at) { return uint32_t{load16(at)} << 16 | load16(at + 2); }
inline void store16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
inline void store32(uint8_t* at, uint32_t value) {
  store16(at, static_cast<uint16_t>(value >> 16));
  store16(at + 2, static_cast<uint16_t>(value));
}

inline bool is_v4(const uint8_t* packet) { return packet[0] >> 4 == 4; }

/** Whether `packet` is exactly one IPv4 or IPv6 packet: version, header length and total length agree with `size`. */
bool valid_ip(const uint8_t* packet, size_t size);

/** An address of 4 or 16 bytes. */
Key load_key(const uint8_t* address, size_t size);

/** Source and destination of a packet for which `valid_ip` holds. */
Key source_of(const uint8_t* packet);
Key destination_of(const uint8_t* packet);

/** Where the TCP or UDP header of a packet begins. */
struct Transport {
  uint8_t protocol;
  uint16_t offset;
  uint16_t header;           // length of the TCP or UDP header
  uint16_t checksum_offset;  // of the checksum field, from `offset`
};

/**
 * Finds the TCP or UDP header of a packet for which `valid_ip` holds, behind hop-by-hop and destination options. False
 * for other protocols, fragments, routing headers and headers that do not fit. Both ends of a tunnel derive the place
 * of a partial checksum by this function alone.
 */
bool find_transport(const uint8_t* packet, size_t size, Transport& transport);

/** Unfolded sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) for an upper layer of `length` bytes. */
uint64_t pseudo_sum(const uint8_t* packet, uint8_t protocol, size_t length);

/** Puts the folded pseudo-header sum into the checksum field, for a kernel that will complete it. */
void store_partial(uint8_t* packet, size_t size, const Transport& transport);

/** Whether the checksum of TCP or UDP is present and right. */
bool checksum_holds(const uint8_t* packet, size_t size, const Transport& transport);

/** Turns the pseudo-header sum at `start + offset` into the whole checksum of the bytes from `start` on. */
void complete_checksum(uint8_t* packet, size_t size, size_t start, size_t offset);

/** Writes the length fields of the IP header for `size` bytes, and the IPv4 header checksum. */
void store_lengths(uint8_t* packet, size_t size);

}  // namespace trellis
