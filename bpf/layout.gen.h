/* Printed by native/gen.ts from runtime/mesh/frame.ts and runtime/dataplane/ingress.ts: change them, then run `just gen`. */
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
#define MIN_REPLY_SIZE 18
#define SEALED_TAG_SIZE 16
#define FRAME_HANDSHAKE 1
#define FRAME_ACKNOWLEDGE 2
#define FRAME_COOKIE 3
#define FRAME_DATA 4
#define FRAME_CONTROL 5
#define SEALED_FLAG_PARTIAL_CHECKSUM 1
#define INGRESS_PASS 0
#define INGRESS_SHORT 1
#define INGRESS_TYPE 2
#define INGRESS_VERSION 3
#define INGRESS_RESERVED 4
#define INGRESS_FRAGMENT 5
#define INGRESS_OVERSIZE 6
#define INGRESS_VERDICTS 7

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
