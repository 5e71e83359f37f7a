// The answer to a packet that is larger than its way: ICMPv6 Packet Too Big, ICMPv4 Fragmentation Needed.
#pragma once
#include <cstddef>
#include <cstdint>

namespace trellis {

/** No answer is longer: RFC 4443 §2.4 quotes up to IPv6's smallest MTU, RFC 1812 §4.3.2.3 up to 576 bytes. */
constexpr size_t TOO_BIG_ROOM = 1280;

/**
 * Writes the answer to a packet for which `valid_ip` holds, from where it was going, telling `mtu`. Its length; 0 for what must not be
 * answered: errors themselves, fragments, sources that are no single machine, and IPv4 packets that may be cut.
 */
size_t write_too_big(const uint8_t* packet, size_t size, uint32_t mtu, uint8_t* out);

}  // namespace trellis
