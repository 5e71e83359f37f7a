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
#define RELAY_TTL 64
#define MESSAGE_K1 1
#define MESSAGE_F1 17
#define FRAME_HANDSHAKE 1
#define FRAME_ACKNOWLEDGE 2
#define FRAME_COOKIE 3
#define FRAME_DATA 4
#define FRAME_CONTROL 5
#define FRAME_RELAY 6
#define FRAME_HELLO 7
#define SEALED_FLAG_PARTIAL_CHECKSUM 1
#define SEALED_FLAG_MORE 2
#define SEALED_FLAG_REST 4
#define HELLO_ASK 1
#define HELLO_ANSWER 2
#define HELLO_CONFIRM 3
#define HELLO_STILL 128
#define HELLO_TICK_SHIFT 10
#define HELLO_TIME_BITS 34
#define HELLO_TERMS_BITS 2
#define HELLO_LINK_BITS 8
#define HELLO_LOST_BITS 8
#define HELLO_NUMBER_BITS 12
#define HELLO_TERMS_METERED 1
#define HELLO_TERMS_CAPPED 2
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
#define RELAY_VERDICT_REPLY 9
#define RELAY_VERDICT_HEARD 10
#define RELAY_VERDICT_STALE 11
#define RELAY_VERDICT_ELSEWHERE 12
#define RELAY_VERDICT_LEASE_OVER 13
#define RELAY_VERDICT_NEW_PLACE 14
#define RELAY_VERDICT_UNRESOLVED 15
#define RELAY_VERDICT_OTHER_FAMILY 16
#define RELAY_VERDICT_MIXED 17
#define RELAY_VERDICTS 18
#define RELAY_MAX_SESSIONS 16384
#define RELAY_MAX_NEIGHBOURS 4096
#define RELAY_PATHS 4
#define RELAY_MAX_STATES 8192
#define RELAY_MAX_DESTINATIONS 16384
#define RELAY_MAX_DEVICES 256
#define RELAY_RETURNED 256
#define RELAY_CLOSED 256
#define RELAY_DEVICE_TC 1
#define RELAY_DEVICE_XDP 2
#define MESH_IN 0
#define MESH_OUT 1
#define MESH_DROP_RULE 1
#define MESH_DROP_DEFAULT 2
#define MESH_DROP_STRANGER 3
#define MESH_DROP_FRAGMENT 4
#define MESH_DROP_TRUNCATED 5
#define MESH_DROP_HEADERS 6
#define MESH_DROP_MALFORMED 7
#define MESH_DROPS 7
#define MESH_MAX_FLOWS 32768
#define MESH_MAX_DENIED 2048
#define MESH_MAX_FRAGMENTS 1024
#define MESH_MAX_EVENT_BYTES 131072
#define MESH_MAX_COUNTERS 32768
#define MESH_COUNTERS_TOGETHER 128
#define MESH_STATE_ANSWERED 1
#define MESH_STATE_CLOSING 2
#define POLICY_FLAG_ENFORCE 1
#define POLICY_FLAG_DEFAULT_ALLOW 2
#define POLICY_FLAG_SUBNETS 4
#define POLICY_PROBES_MAX 8
#define POLICY_ROW_WORDS 16
#define POLICY_ROWS_MAX 65536
#define POLICY_LEAF 2147483648u
#define POLICY_LEAF_ALLOWS 1073741824u
#define POLICY_LEAF_NUMBER 1073741823u
#define POLICY_OWN_LEAF 4294967295u

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

struct hello_frame {
	__u8 type;
	__u8 kind;
	__u16 patience;
	__u32 link;
	__u64 asked;
	__u64 answered;
	__u8 tag[8];
};
LAYOUT_ASSERT(sizeof(struct hello_frame) == 32, "hello_frame");
LAYOUT_ASSERT(offsetof(struct hello_frame, type) == 0, "hello_frame.type");
LAYOUT_ASSERT(offsetof(struct hello_frame, kind) == 1, "hello_frame.kind");
LAYOUT_ASSERT(offsetof(struct hello_frame, patience) == 2, "hello_frame.patience");
LAYOUT_ASSERT(offsetof(struct hello_frame, link) == 4, "hello_frame.link");
LAYOUT_ASSERT(offsetof(struct hello_frame, asked) == 8, "hello_frame.asked");
LAYOUT_ASSERT(offsetof(struct hello_frame, answered) == 16, "hello_frame.answered");
LAYOUT_ASSERT(offsetof(struct hello_frame, tag) == 24, "hello_frame.tag");

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
	__u64 clock;
	__be16 port;
	__u8 reserved[2];
	__u32 generation;
	__u64 mark;
	__u64 behind;
};
LAYOUT_ASSERT(sizeof(struct relay_config) == 40, "relay_config");
LAYOUT_ASSERT(offsetof(struct relay_config, label) == 0, "relay_config.label");
LAYOUT_ASSERT(offsetof(struct relay_config, clock) == 8, "relay_config.clock");
LAYOUT_ASSERT(offsetof(struct relay_config, port) == 16, "relay_config.port");
LAYOUT_ASSERT(offsetof(struct relay_config, reserved) == 18, "relay_config.reserved");
LAYOUT_ASSERT(offsetof(struct relay_config, generation) == 20, "relay_config.generation");
LAYOUT_ASSERT(offsetof(struct relay_config, mark) == 24, "relay_config.mark");
LAYOUT_ASSERT(offsetof(struct relay_config, behind) == 32, "relay_config.behind");

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

struct relay_path {
	__u8 address[16];
	__u8 local[16];
	__u32 device;
	__u32 state;
	__be16 port;
	__u8 family;
	__u8 reserved[5];
};
LAYOUT_ASSERT(sizeof(struct relay_path) == 48, "relay_path");
LAYOUT_ASSERT(offsetof(struct relay_path, address) == 0, "relay_path.address");
LAYOUT_ASSERT(offsetof(struct relay_path, local) == 16, "relay_path.local");
LAYOUT_ASSERT(offsetof(struct relay_path, device) == 32, "relay_path.device");
LAYOUT_ASSERT(offsetof(struct relay_path, state) == 36, "relay_path.state");
LAYOUT_ASSERT(offsetof(struct relay_path, port) == 40, "relay_path.port");
LAYOUT_ASSERT(offsetof(struct relay_path, family) == 42, "relay_path.family");
LAYOUT_ASSERT(offsetof(struct relay_path, reserved) == 43, "relay_path.reserved");

struct relay_neighbour {
	__u64 key_low;
	__u64 key_high;
	__u32 link;
	__u8 reserved[4];
	struct relay_path paths[4];
};
LAYOUT_ASSERT(sizeof(struct relay_neighbour) == 216, "relay_neighbour");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, key_low) == 0, "relay_neighbour.key_low");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, key_high) == 8, "relay_neighbour.key_high");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, link) == 16, "relay_neighbour.link");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, reserved) == 20, "relay_neighbour.reserved");
LAYOUT_ASSERT(offsetof(struct relay_neighbour, paths) == 24, "relay_neighbour.paths");

struct relay_state {
	__u64 until;
	__u64 asked;
	__u64 round_trip;
	__u64 rank;
	__u64 frames;
	__u64 bytes;
	__u64 sequence;
	__u64 newest;
	__u64 seen;
	__u64 expected;
	__u64 received;
	__u64 lost;
	__u64 smoothed;
	__u64 jitter;
	__u64 still;
	__u64 terms;
};
LAYOUT_ASSERT(sizeof(struct relay_state) == 128, "relay_state");
LAYOUT_ASSERT(offsetof(struct relay_state, until) == 0, "relay_state.until");
LAYOUT_ASSERT(offsetof(struct relay_state, asked) == 8, "relay_state.asked");
LAYOUT_ASSERT(offsetof(struct relay_state, round_trip) == 16, "relay_state.round_trip");
LAYOUT_ASSERT(offsetof(struct relay_state, rank) == 24, "relay_state.rank");
LAYOUT_ASSERT(offsetof(struct relay_state, frames) == 32, "relay_state.frames");
LAYOUT_ASSERT(offsetof(struct relay_state, bytes) == 40, "relay_state.bytes");
LAYOUT_ASSERT(offsetof(struct relay_state, sequence) == 48, "relay_state.sequence");
LAYOUT_ASSERT(offsetof(struct relay_state, newest) == 56, "relay_state.newest");
LAYOUT_ASSERT(offsetof(struct relay_state, seen) == 64, "relay_state.seen");
LAYOUT_ASSERT(offsetof(struct relay_state, expected) == 72, "relay_state.expected");
LAYOUT_ASSERT(offsetof(struct relay_state, received) == 80, "relay_state.received");
LAYOUT_ASSERT(offsetof(struct relay_state, lost) == 88, "relay_state.lost");
LAYOUT_ASSERT(offsetof(struct relay_state, smoothed) == 96, "relay_state.smoothed");
LAYOUT_ASSERT(offsetof(struct relay_state, jitter) == 104, "relay_state.jitter");
LAYOUT_ASSERT(offsetof(struct relay_state, still) == 112, "relay_state.still");
LAYOUT_ASSERT(offsetof(struct relay_state, terms) == 120, "relay_state.terms");

struct relay_destination {
	__u32 primary;
	__u32 backup;
};
LAYOUT_ASSERT(sizeof(struct relay_destination) == 8, "relay_destination");
LAYOUT_ASSERT(offsetof(struct relay_destination, primary) == 0, "relay_destination.primary");
LAYOUT_ASSERT(offsetof(struct relay_destination, backup) == 4, "relay_destination.backup");

struct policy_header {
	__u32 generation;
	__u16 flags;
	__u16 link;
	__u32 mask;
	__u32 seed;
	__u32 any_in;
	__u32 any_out;
	__u32 counter_base;
	__u32 tcp_ms;
	__u32 opening_ms;
	__u32 udp_ms;
	__u32 other_ms;
	__u32 members;
	__u8 own[16];
};
LAYOUT_ASSERT(sizeof(struct policy_header) == 64, "policy_header");
LAYOUT_ASSERT(offsetof(struct policy_header, generation) == 0, "policy_header.generation");
LAYOUT_ASSERT(offsetof(struct policy_header, flags) == 4, "policy_header.flags");
LAYOUT_ASSERT(offsetof(struct policy_header, link) == 6, "policy_header.link");
LAYOUT_ASSERT(offsetof(struct policy_header, mask) == 8, "policy_header.mask");
LAYOUT_ASSERT(offsetof(struct policy_header, seed) == 12, "policy_header.seed");
LAYOUT_ASSERT(offsetof(struct policy_header, any_in) == 16, "policy_header.any_in");
LAYOUT_ASSERT(offsetof(struct policy_header, any_out) == 20, "policy_header.any_out");
LAYOUT_ASSERT(offsetof(struct policy_header, counter_base) == 24, "policy_header.counter_base");
LAYOUT_ASSERT(offsetof(struct policy_header, tcp_ms) == 28, "policy_header.tcp_ms");
LAYOUT_ASSERT(offsetof(struct policy_header, opening_ms) == 32, "policy_header.opening_ms");
LAYOUT_ASSERT(offsetof(struct policy_header, udp_ms) == 36, "policy_header.udp_ms");
LAYOUT_ASSERT(offsetof(struct policy_header, other_ms) == 40, "policy_header.other_ms");
LAYOUT_ASSERT(offsetof(struct policy_header, members) == 44, "policy_header.members");
LAYOUT_ASSERT(offsetof(struct policy_header, own) == 48, "policy_header.own");

struct policy_subnets {
	__u32 root;
	__u8 reserved[60];
};
LAYOUT_ASSERT(sizeof(struct policy_subnets) == 64, "policy_subnets");
LAYOUT_ASSERT(offsetof(struct policy_subnets, root) == 0, "policy_subnets.root");
LAYOUT_ASSERT(offsetof(struct policy_subnets, reserved) == 4, "policy_subnets.reserved");

struct policy_member {
	__u8 address[16];
	__u32 name_in;
	__u32 name_out;
	__u32 roles_in;
	__u32 roles_out;
};
LAYOUT_ASSERT(sizeof(struct policy_member) == 32, "policy_member");
LAYOUT_ASSERT(offsetof(struct policy_member, address) == 0, "policy_member.address");
LAYOUT_ASSERT(offsetof(struct policy_member, name_in) == 16, "policy_member.name_in");
LAYOUT_ASSERT(offsetof(struct policy_member, name_out) == 20, "policy_member.name_out");
LAYOUT_ASSERT(offsetof(struct policy_member, roles_in) == 24, "policy_member.roles_in");
LAYOUT_ASSERT(offsetof(struct policy_member, roles_out) == 28, "policy_member.roles_out");

struct mesh_flow_key {
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 protocol;
	__u8 reserved[3];
};
LAYOUT_ASSERT(sizeof(struct mesh_flow_key) == 40, "mesh_flow_key");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, local) == 0, "mesh_flow_key.local");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, remote) == 16, "mesh_flow_key.remote");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, local_port) == 32, "mesh_flow_key.local_port");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, remote_port) == 34, "mesh_flow_key.remote_port");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, protocol) == 36, "mesh_flow_key.protocol");
LAYOUT_ASSERT(offsetof(struct mesh_flow_key, reserved) == 37, "mesh_flow_key.reserved");

struct mesh_flow {
	__u64 first;
	__u64 last;
	__u64 in_packets;
	__u64 in_bytes;
	__u64 out_packets;
	__u64 out_bytes;
	__u32 generation;
	__u32 leaf;
	__u8 opener;
	__u8 state;
	__u8 drop;
	__u8 reserved[5];
};
LAYOUT_ASSERT(sizeof(struct mesh_flow) == 64, "mesh_flow");
LAYOUT_ASSERT(offsetof(struct mesh_flow, first) == 0, "mesh_flow.first");
LAYOUT_ASSERT(offsetof(struct mesh_flow, last) == 8, "mesh_flow.last");
LAYOUT_ASSERT(offsetof(struct mesh_flow, in_packets) == 16, "mesh_flow.in_packets");
LAYOUT_ASSERT(offsetof(struct mesh_flow, in_bytes) == 24, "mesh_flow.in_bytes");
LAYOUT_ASSERT(offsetof(struct mesh_flow, out_packets) == 32, "mesh_flow.out_packets");
LAYOUT_ASSERT(offsetof(struct mesh_flow, out_bytes) == 40, "mesh_flow.out_bytes");
LAYOUT_ASSERT(offsetof(struct mesh_flow, generation) == 48, "mesh_flow.generation");
LAYOUT_ASSERT(offsetof(struct mesh_flow, leaf) == 52, "mesh_flow.leaf");
LAYOUT_ASSERT(offsetof(struct mesh_flow, opener) == 56, "mesh_flow.opener");
LAYOUT_ASSERT(offsetof(struct mesh_flow, state) == 57, "mesh_flow.state");
LAYOUT_ASSERT(offsetof(struct mesh_flow, drop) == 58, "mesh_flow.drop");
LAYOUT_ASSERT(offsetof(struct mesh_flow, reserved) == 59, "mesh_flow.reserved");

struct mesh_event {
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 protocol;
	__u8 opener;
	__u8 drop;
	__u8 reserved[1];
	__u32 leaf;
	__u8 reserved2[4];
	__u64 time;
};
LAYOUT_ASSERT(sizeof(struct mesh_event) == 56, "mesh_event");
LAYOUT_ASSERT(offsetof(struct mesh_event, local) == 0, "mesh_event.local");
LAYOUT_ASSERT(offsetof(struct mesh_event, remote) == 16, "mesh_event.remote");
LAYOUT_ASSERT(offsetof(struct mesh_event, local_port) == 32, "mesh_event.local_port");
LAYOUT_ASSERT(offsetof(struct mesh_event, remote_port) == 34, "mesh_event.remote_port");
LAYOUT_ASSERT(offsetof(struct mesh_event, protocol) == 36, "mesh_event.protocol");
LAYOUT_ASSERT(offsetof(struct mesh_event, opener) == 37, "mesh_event.opener");
LAYOUT_ASSERT(offsetof(struct mesh_event, drop) == 38, "mesh_event.drop");
LAYOUT_ASSERT(offsetof(struct mesh_event, reserved) == 39, "mesh_event.reserved");
LAYOUT_ASSERT(offsetof(struct mesh_event, leaf) == 40, "mesh_event.leaf");
LAYOUT_ASSERT(offsetof(struct mesh_event, reserved2) == 44, "mesh_event.reserved2");
LAYOUT_ASSERT(offsetof(struct mesh_event, time) == 48, "mesh_event.time");

struct mesh_count {
	__u64 packets;
	__u64 bytes;
};
LAYOUT_ASSERT(sizeof(struct mesh_count) == 16, "mesh_count");
LAYOUT_ASSERT(offsetof(struct mesh_count, packets) == 0, "mesh_count.packets");
LAYOUT_ASSERT(offsetof(struct mesh_count, bytes) == 8, "mesh_count.bytes");
