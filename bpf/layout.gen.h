/* Printed by native/gen.ts from the layouts in runtime/: change those, then run `bun native/gen.ts`. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

#ifdef __cplusplus
#define LAYOUT_ASSERT static_assert
#else
#define LAYOUT_ASSERT _Static_assert
#endif

#define WIRE_VERSION 1
#define MAX_DATAGRAM 1232
#define MAX_FRAGMENTS 32
#define SEALED_TAG_SIZE 16
#define RELAY_TTL 16
#define MESSAGE_K1 1
#define MESSAGE_F1 17
#define FRAME_HANDSHAKE 1
#define FRAME_ACKNOWLEDGE 2
#define FRAME_COOKIE 3
#define FRAME_DATA 4
#define FRAME_CONTROL 5
#define FRAME_RELAY 6
#define SEALED_FLAG_PARTIAL_CHECKSUM 1
#define SEALED_FLAG_MORE 2
#define SEALED_FLAG_REST 4
#define INGRESS_PASS 0
#define INGRESS_SHORT 1
#define INGRESS_TYPE 2
#define INGRESS_VERSION 3
#define INGRESS_RESERVED 4
#define INGRESS_FRAGMENT 5
#define INGRESS_OVERSIZE 6
#define INGRESS_UNKNOWN_SESSION 7
#define INGRESS_BAD_COOKIE 8
#define INGRESS_BAD_TAG 9
#define INGRESS_OVER_RATE 10
#define INGRESS_ANSWERED 11
#define INGRESS_VERDICTS 12
#define ADMISSION_MAX_SESSIONS 65536
#define ADMISSION_MAX_PEERS 16384
#define ADMISSION_MAX_PROVEN 16384
#define ADMISSION_STRANGERS 32768
#define ADMISSION_LANE_PEERS 0
#define ADMISSION_LANE_PROVEN 1
#define ADMISSION_LANE_UNPROVEN 2
#define ADMISSION_LANE_COOKIES 3
#define ADMISSION_LANE_TAG_BYTES 4
#define ADMISSION_LANES 5
#define ADMISSION_PEER_COST 20000000ULL
#define ADMISSION_PEER_BURST 4000000000ULL
#define ADMISSION_PEERS_COST 500000ULL
#define ADMISSION_PEERS_BURST 1000000000ULL
#define ADMISSION_SOURCE_COST 5000000ULL
#define ADMISSION_SOURCE_BURST 2000000000ULL
#define ADMISSION_PROVEN_COST 250000ULL
#define ADMISSION_PROVEN_BURST 1000000000ULL
#define ADMISSION_STRANGER_COST 50000000ULL
#define ADMISSION_STRANGER_BURST 2000000000ULL
#define ADMISSION_UNPROVEN_COST 1000000ULL
#define ADMISSION_UNPROVEN_BURST 1000000000ULL
#define ADMISSION_COOKIES_COST 33333ULL
#define ADMISSION_COOKIES_BURST 100000000ULL
#define ADMISSION_TAG_BYTES_COST 63ULL
#define ADMISSION_TAG_BYTES_BURST 100000000ULL
#define TAG_BYTES_LEAST 256
#define RELAY_VERDICT_FORWARD 0
#define RELAY_VERDICT_DELIVER 1
#define RELAY_VERDICT_SHORT 2
#define RELAY_VERDICT_MALFORMED 3
#define RELAY_VERDICT_UNKNOWN_LINK 4
#define RELAY_VERDICT_BAD_TAG 5
#define RELAY_VERDICT_EXPIRED 6
#define RELAY_VERDICT_NO_ROUTE 7
#define RELAY_VERDICT_LOOP 8
#define RELAY_VERDICT_UNRESOLVED 9
#define RELAY_VERDICT_OTHER_FAMILY 10
#define RELAY_VERDICT_MIXED 11
#define RELAY_VERDICTS 12
#define RELAY_MAX_SESSIONS 16384
#define RELAY_MAX_NEIGHBOURS 4096
#define RELAY_MAX_DESTINATIONS 16384
#define RELAY_MAX_DEVICES 256
#define RELAY_DEVICE_TC 1
#define RELAY_DEVICE_XDP 2

struct sealed_header {
	__u8 type;
	__u8 flags;
	__u8 reserved[2];
	__u32 receiver;
	__u64 counter;
};
LAYOUT_ASSERT(sizeof(struct sealed_header) == 16, "sealed_header");
LAYOUT_ASSERT(offsetof(struct sealed_header, type) == 0, "sealed_header.type");
LAYOUT_ASSERT(offsetof(struct sealed_header, flags) == 1, "sealed_header.flags");
LAYOUT_ASSERT(offsetof(struct sealed_header, reserved) == 2, "sealed_header.reserved");
LAYOUT_ASSERT(offsetof(struct sealed_header, receiver) == 4, "sealed_header.receiver");
LAYOUT_ASSERT(offsetof(struct sealed_header, counter) == 8, "sealed_header.counter");

struct relay_header {
	__u8 type;
	__u8 ttl;
	__u8 reserved[2];
	__u32 link;
	__u8 destination[8];
	__u8 source[8];
	__u8 tag[8];
};
LAYOUT_ASSERT(sizeof(struct relay_header) == 32, "relay_header");
LAYOUT_ASSERT(offsetof(struct relay_header, type) == 0, "relay_header.type");
LAYOUT_ASSERT(offsetof(struct relay_header, ttl) == 1, "relay_header.ttl");
LAYOUT_ASSERT(offsetof(struct relay_header, reserved) == 2, "relay_header.reserved");
LAYOUT_ASSERT(offsetof(struct relay_header, link) == 4, "relay_header.link");
LAYOUT_ASSERT(offsetof(struct relay_header, destination) == 8, "relay_header.destination");
LAYOUT_ASSERT(offsetof(struct relay_header, source) == 16, "relay_header.source");
LAYOUT_ASSERT(offsetof(struct relay_header, tag) == 24, "relay_header.tag");

struct fragment_header {
	__u8 type;
	__u8 version;
	__u8 message;
	__u8 index;
	__u8 count;
	__u8 reserved[1];
	__u16 instance;
	__u8 exchange[8];
	__u8 cookie[8];
	__u8 mac[8];
};
LAYOUT_ASSERT(sizeof(struct fragment_header) == 32, "fragment_header");
LAYOUT_ASSERT(offsetof(struct fragment_header, type) == 0, "fragment_header.type");
LAYOUT_ASSERT(offsetof(struct fragment_header, version) == 1, "fragment_header.version");
LAYOUT_ASSERT(offsetof(struct fragment_header, message) == 2, "fragment_header.message");
LAYOUT_ASSERT(offsetof(struct fragment_header, index) == 3, "fragment_header.index");
LAYOUT_ASSERT(offsetof(struct fragment_header, count) == 4, "fragment_header.count");
LAYOUT_ASSERT(offsetof(struct fragment_header, reserved) == 5, "fragment_header.reserved");
LAYOUT_ASSERT(offsetof(struct fragment_header, instance) == 6, "fragment_header.instance");
LAYOUT_ASSERT(offsetof(struct fragment_header, exchange) == 8, "fragment_header.exchange");
LAYOUT_ASSERT(offsetof(struct fragment_header, cookie) == 16, "fragment_header.cookie");
LAYOUT_ASSERT(offsetof(struct fragment_header, mac) == 24, "fragment_header.mac");

struct acknowledge {
	__u8 type;
	__u8 version;
	__u8 message;
	__u8 reserved[3];
	__u16 instance;
	__u8 exchange[8];
	__u32 bitmap;
	__u8 padding[4];
	__u8 mac[8];
};
LAYOUT_ASSERT(sizeof(struct acknowledge) == 32, "acknowledge");
LAYOUT_ASSERT(offsetof(struct acknowledge, type) == 0, "acknowledge.type");
LAYOUT_ASSERT(offsetof(struct acknowledge, version) == 1, "acknowledge.version");
LAYOUT_ASSERT(offsetof(struct acknowledge, message) == 2, "acknowledge.message");
LAYOUT_ASSERT(offsetof(struct acknowledge, reserved) == 3, "acknowledge.reserved");
LAYOUT_ASSERT(offsetof(struct acknowledge, instance) == 6, "acknowledge.instance");
LAYOUT_ASSERT(offsetof(struct acknowledge, exchange) == 8, "acknowledge.exchange");
LAYOUT_ASSERT(offsetof(struct acknowledge, bitmap) == 16, "acknowledge.bitmap");
LAYOUT_ASSERT(offsetof(struct acknowledge, padding) == 20, "acknowledge.padding");
LAYOUT_ASSERT(offsetof(struct acknowledge, mac) == 24, "acknowledge.mac");

struct cookie_reply {
	__u8 type;
	__u8 version;
	__u8 reserved[6];
	__u8 exchange[8];
	__u8 cookie[8];
	__u8 mac[8];
};
LAYOUT_ASSERT(sizeof(struct cookie_reply) == 32, "cookie_reply");
LAYOUT_ASSERT(offsetof(struct cookie_reply, type) == 0, "cookie_reply.type");
LAYOUT_ASSERT(offsetof(struct cookie_reply, version) == 1, "cookie_reply.version");
LAYOUT_ASSERT(offsetof(struct cookie_reply, reserved) == 2, "cookie_reply.reserved");
LAYOUT_ASSERT(offsetof(struct cookie_reply, exchange) == 8, "cookie_reply.exchange");
LAYOUT_ASSERT(offsetof(struct cookie_reply, cookie) == 16, "cookie_reply.cookie");
LAYOUT_ASSERT(offsetof(struct cookie_reply, mac) == 24, "cookie_reply.mac");

struct admission_keys {
	__u64 mac_low;
	__u64 mac_high;
	__u64 cookie_low;
	__u64 cookie_high;
	__u64 previous_low;
	__u64 previous_high;
};
LAYOUT_ASSERT(sizeof(struct admission_keys) == 48, "admission_keys");
LAYOUT_ASSERT(offsetof(struct admission_keys, mac_low) == 0, "admission_keys.mac_low");
LAYOUT_ASSERT(offsetof(struct admission_keys, mac_high) == 8, "admission_keys.mac_high");
LAYOUT_ASSERT(offsetof(struct admission_keys, cookie_low) == 16, "admission_keys.cookie_low");
LAYOUT_ASSERT(offsetof(struct admission_keys, cookie_high) == 24, "admission_keys.cookie_high");
LAYOUT_ASSERT(offsetof(struct admission_keys, previous_low) == 32, "admission_keys.previous_low");
LAYOUT_ASSERT(offsetof(struct admission_keys, previous_high) == 40, "admission_keys.previous_high");

struct admission_bucket {
	__u64 xdp;
	__u64 tc;
	__u64 socket;
};
LAYOUT_ASSERT(sizeof(struct admission_bucket) == 24, "admission_bucket");
LAYOUT_ASSERT(offsetof(struct admission_bucket, xdp) == 0, "admission_bucket.xdp");
LAYOUT_ASSERT(offsetof(struct admission_bucket, tc) == 8, "admission_bucket.tc");
LAYOUT_ASSERT(offsetof(struct admission_bucket, socket) == 16, "admission_bucket.socket");

struct relay_config {
	__u64 label;
	__be16 port;
	__u8 reserved[6];
};
LAYOUT_ASSERT(sizeof(struct relay_config) == 16, "relay_config");
LAYOUT_ASSERT(offsetof(struct relay_config, label) == 0, "relay_config.label");
LAYOUT_ASSERT(offsetof(struct relay_config, port) == 8, "relay_config.port");
LAYOUT_ASSERT(offsetof(struct relay_config, reserved) == 10, "relay_config.reserved");

struct relay_session {
	__u64 key_low;
	__u64 key_high;
	__u32 neighbour;
	__u8 reserved[4];
};
LAYOUT_ASSERT(sizeof(struct relay_session) == 24, "relay_session");
LAYOUT_ASSERT(offsetof(struct relay_session, key_low) == 0, "relay_session.key_low");
LAYOUT_ASSERT(offsetof(struct relay_session, key_high) == 8, "relay_session.key_high");
LAYOUT_ASSERT(offsetof(struct relay_session, neighbour) == 16, "relay_session.neighbour");
LAYOUT_ASSERT(offsetof(struct relay_session, reserved) == 20, "relay_session.reserved");

struct relay_neighbour {
	__u64 key_low;
	__u64 key_high;
	__u8 address[16];
	__u8 local[16];
	__u32 link;
	__u32 scope;
	__be16 port;
	__u8 family;
	__u8 reserved[5];
};
LAYOUT_ASSERT(sizeof(struct relay_neighbour) == 64, "relay_neighbour");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, key_low) == 0, "relay_neighbour.key_low");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, key_high) == 8, "relay_neighbour.key_high");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, address) == 16, "relay_neighbour.address");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, local) == 32, "relay_neighbour.local");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, link) == 48, "relay_neighbour.link");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, scope) == 52, "relay_neighbour.scope");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, port) == 56, "relay_neighbour.port");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, family) == 58, "relay_neighbour.family");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, reserved) == 59, "relay_neighbour.reserved");

struct relay_state {
	__u64 heard;
	__u64 dead;
	__u64 frames;
	__u64 bytes;
};
LAYOUT_ASSERT(sizeof(struct relay_state) == 32, "relay_state");
LAYOUT_ASSERT(offsetof(struct relay_state, heard) == 0, "relay_state.heard");
LAYOUT_ASSERT(offsetof(struct relay_state, dead) == 8, "relay_state.dead");
LAYOUT_ASSERT(offsetof(struct relay_state, frames) == 16, "relay_state.frames");
LAYOUT_ASSERT(offsetof(struct relay_state, bytes) == 24, "relay_state.bytes");

struct relay_destination {
	__u32 primary;
	__u32 backup;
};
LAYOUT_ASSERT(sizeof(struct relay_destination) == 8, "relay_destination");
LAYOUT_ASSERT(offsetof(struct relay_destination, primary) == 0, "relay_destination.primary");
LAYOUT_ASSERT(offsetof(struct relay_destination, backup) == 4, "relay_destination.backup");
