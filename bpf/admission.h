/*
 * Whom the daemon has to hear: the rules for every datagram to our port that is no relayed one, the same at XDP, at tc and on the
 * sockets. What is sealed must name a session of ours. Of handshakes, those of peers and of sources that have proven themselves pass
 * in lanes of their own; a stranger's first message gets a cookie, from the kernel where the program can send.
 *
 * Buckets are times: when the bucket will be full again. CPUs share them without a lock. A taker that finds a bucket in use adds to
 * it atomically, after it has looked: so each CPU can take one too many. One that finds it full sets it, and what others set or added
 * in the same moment is lost: again at most one for each CPU, and each time only when the rate was below the limit just before.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.gen.h"
#include "siphash.h"

#define HOOK_XDP 0
#define HOOK_TC 1
#define HOOK_SOCKET 2

#define HEAD 32 /* bytes of a datagram that are looked at: the longest header */

struct admission_address {
	__u32 at[4]; /* IPv4 as ::ffff:a.b.c.d */
};

/* One datagram, or several of one size that the kernel has joined: then the first, for all of them. */
struct arrival {
	union {
		__u8 type;
		struct fragment_header fragment;
		struct acknowledge acknowledge;
		struct cookie_reply reply;
		struct sealed_header sealed;
		struct relay_header relay;
		__u8 bytes[HEAD];
		__u64 words[HEAD / 8];
	} head; /* zero behind the datagram's end */
	__u32 size;  /* of one datagram */
	__u32 count; /* of datagrams */
	struct admission_address source;
	__be16 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, INGRESS_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} ingress_counters SEC(".maps");

/* One entry, in a hash so that it is replaced as a whole; none before the daemon has told its keys. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admission_keys);
} admission_keys SEC(".maps");

/* Indices of our sessions: there before the other end can know them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ADMISSION_MAX_SESSIONS);
	__type(key, __u32);
	__type(value, __u8);
} admission_sessions SEC(".maps");

/* Addresses where we speak to peers. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ADMISSION_MAX_PEERS);
	__type(key, struct admission_address);
	__type(value, struct admission_bucket);
} admission_peers SEC(".maps");

/* Sources that have shown a cookie, or that we have called: IPv4 addresses, IPv6 /64. Strangers cannot get in. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ADMISSION_MAX_PROVEN);
	__type(key, struct admission_address);
	__type(value, struct admission_bucket);
} admission_proven SEC(".maps");

/*
 * Sources that have not, by a hash that nobody else can compute: those that meet in a bucket share it. So nothing is inserted for who
 * invents sources, and many of them are spread over all buckets, where what the lanes let through fills none.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADMISSION_STRANGERS);
	__type(key, __u32);
	__type(value, struct admission_bucket);
} admission_strangers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADMISSION_LANES);
	__type(key, __u32);
	__type(value, struct admission_bucket);
} admission_lanes SEC(".maps");

static __always_inline void ingress_count(__u32 verdict, __u64 datagrams)
{
	__u64 *count = bpf_map_lookup_elem(&ingress_counters, &verdict);

	if (count)
		*count += datagrams; /* one counter per CPU: no other writer */
}

static __always_inline const struct admission_keys *admission_own(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&admission_keys, &only);
}

static __always_inline int take(struct admission_bucket *bucket, __u32 hook, __u64 now, __u64 cost, __u64 burst)
{
	__u64 *at = (__u64 *)bucket + hook, full = *(volatile __u64 *)at;

	if (full <= now) {
		*(volatile __u64 *)at = now + cost;
		return 1;
	}
	if (full - now + cost > burst)
		return 0; /* what costs less may still fit */
	__sync_fetch_and_add(at, cost);
	return 1;
}

static __always_inline int has_none(const struct admission_bucket *bucket, __u32 hook, __u64 now, __u64 cost, __u64 burst)
{
	__u64 full = *((volatile const __u64 *)bucket + hook);

	return full > now && full - now + cost > burst;
}

static __always_inline int take_lane(__u32 lane, __u32 hook, __u64 now, __u64 cost, __u64 burst)
{
	struct admission_bucket *bucket = bpf_map_lookup_elem(&admission_lanes, &lane);

	return bucket && take(bucket, hook, now, cost, burst);
}

static __always_inline int is_v4(const struct admission_address *address)
{
	return (address->at[0] | address->at[1]) == 0 && address->at[2] == bpf_htonl(0xffff);
}

/* Who shares this much of an address is one source. */
static __always_inline struct admission_address source_of(const struct admission_address *address)
{
	struct admission_address source = *address;

	if (!is_v4(address))
		source.at[2] = source.at[3] = 0;
	return source;
}

static __always_inline int is_link_local(const struct admission_address *address)
{
	return (address->at[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* SPEC.md, Cookies: over address and port. */
static __always_inline __u64 cookie_of(__u64 low, __u64 high, const struct arrival *arrival)
{
	const __u32 *at = arrival->source.at;

	return siphash_24(low, high, at[0] | (__u64)at[1] << 32, at[2] | (__u64)at[3] << 32, arrival->port);
}

static __always_inline __u8 any_set(const __u8 *bytes, __u32 count)
{
	__u8 set = 0;

	for (__u32 i = 0; i < count; i++)
		set |= bytes[i];
	return set;
}

static __always_inline __u32 check_fragment(const struct fragment_header *header, __u32 size)
{
	if (size < sizeof(*header))
		return INGRESS_SHORT;
	if (size > MAX_DATAGRAM)
		return INGRESS_OVERSIZE;
	if (header->version != WIRE_VERSION)
		return INGRESS_VERSION;
	if (any_set(header->reserved, sizeof(header->reserved)))
		return INGRESS_RESERVED;
	if (header->count > MAX_FRAGMENTS || header->index >= header->count)
		return INGRESS_FRAGMENT;
	return INGRESS_PASS;
}

static __always_inline __u32 check_acknowledge(const struct acknowledge *frame, __u32 size)
{
	if (size != sizeof(*frame))
		return size < sizeof(*frame) ? INGRESS_SHORT : INGRESS_OVERSIZE;
	if (frame->version != WIRE_VERSION)
		return INGRESS_VERSION;
	return any_set(frame->reserved, sizeof(frame->reserved)) || any_set(frame->padding, sizeof(frame->padding)) ?
		       INGRESS_RESERVED : INGRESS_PASS;
}

static __always_inline __u32 check_reply(const struct cookie_reply *frame, __u32 size)
{
	if (size != sizeof(*frame))
		return size < sizeof(*frame) ? INGRESS_SHORT : INGRESS_OVERSIZE;
	if (frame->version != WIRE_VERSION)
		return INGRESS_VERSION;
	return any_set(frame->reserved, sizeof(frame->reserved)) ? INGRESS_RESERVED : INGRESS_PASS;
}

/* What is behind the relay header is for its destination to check. */
static __always_inline __u32 check_relay(const struct relay_header *header, __u32 size)
{
	if (size <= sizeof(*header))
		return INGRESS_SHORT;
	return any_set(header->reserved, sizeof(header->reserved)) ? INGRESS_RESERVED : INGRESS_PASS;
}

/* Whether it can be one of our frames at all. */
static __always_inline __u32 check_form(const struct arrival *arrival)
{
	if (arrival->size == 0)
		return INGRESS_SHORT;
	switch (arrival->head.type) {
	case FRAME_HANDSHAKE:
		return check_fragment(&arrival->head.fragment, arrival->size);
	case FRAME_ACKNOWLEDGE:
		return check_acknowledge(&arrival->head.acknowledge, arrival->size);
	case FRAME_COOKIE:
		return check_reply(&arrival->head.reply, arrival->size);
	case FRAME_DATA:
	case FRAME_CONTROL:
		return arrival->size < sizeof(struct sealed_header) + SEALED_TAG_SIZE ? INGRESS_SHORT : INGRESS_PASS;
	case FRAME_RELAY:
		return check_relay(&arrival->head.relay, arrival->size);
	case FRAME_HELLO: /* its tag is the relay's to check */
		return arrival->size < sizeof(struct hello_frame) ? INGRESS_SHORT :
		       arrival->size > sizeof(struct hello_frame) ? INGRESS_OVERSIZE : INGRESS_PASS;
	default:
		return INGRESS_TYPE;
	}
}

/* The lane of a source that has shown a cookie now, `fresh`, or before. */
static __always_inline int in_proven_lane(const struct arrival *arrival, int fresh, __u32 hook, __u64 now, __u32 *verdict)
{
	struct admission_address source = source_of(&arrival->source);
	struct admission_bucket *bucket = bpf_map_lookup_elem(&admission_proven, &source), none = {};

	if (!bucket && fresh) {
		bpf_map_update_elem(&admission_proven, &source, &none, BPF_NOEXIST);
		bucket = bpf_map_lookup_elem(&admission_proven, &source);
	}
	if (!bucket)
		return 0;
	*verdict = take(bucket, hook, now, ADMISSION_SOURCE_COST * arrival->count, ADMISSION_SOURCE_BURST) &&
				   take_lane(ADMISSION_LANE_PROVEN, hook, now, ADMISSION_PROVEN_COST * arrival->count, ADMISSION_PROVEN_BURST) ?
			   INGRESS_PASS : INGRESS_OVER_RATE;
	return 1;
}

static __always_inline int in_peer_lane(const struct arrival *arrival, __u32 hook, __u64 now)
{
	struct admission_bucket *bucket = bpf_map_lookup_elem(&admission_peers, &arrival->source);

	return bucket && take(bucket, hook, now, ADMISSION_PEER_COST * arrival->count, ADMISSION_PEER_BURST) &&
	       take_lane(ADMISSION_LANE_PEERS, hook, now, ADMISSION_PEERS_COST * arrival->count, ADMISSION_PEERS_BURST);
}

/*
 * A source without a proof may do so much, and all of them together so much of a lane. Who has had its share leaves the lane alone, and
 * what the lane has no room for is not counted against its source.
 */
static __always_inline int take_stranger(const struct admission_keys *own, const struct arrival *arrival, __u32 hook, __u64 now, __u32 lane,
					 __u64 cost, __u64 burst)
{
	struct admission_bucket *all = bpf_map_lookup_elem(&admission_lanes, &lane), *bucket;
	struct admission_address source = source_of(&arrival->source);
	__u64 share = ADMISSION_STRANGER_COST * arrival->count;
	__u32 at;

	if (!all || has_none(all, hook, now, cost, burst))
		return 0; /* most of a flood: no need to hash */
	at = siphash_24(own->cookie_low, own->cookie_high, source.at[0] | (__u64)source.at[1] << 32,
			source.at[2] | (__u64)source.at[3] << 32, ~0ULL) % ADMISSION_STRANGERS; /* no cookie: a port has 16 bits */
	bucket = bpf_map_lookup_elem(&admission_strangers, &at);
	return bucket && !has_none(bucket, hook, now, share, ADMISSION_STRANGER_BURST) && take(all, hook, now, cost, burst) &&
	       take(bucket, hook, now, share, ADMISSION_STRANGER_BURST);
}

/* What a sealed frame begins with. */
struct sealed_start {
	__u8 type;
	__u8 rest[3];
	__u32 receiver;
};

/* Whether a frame of `size` bytes that begins so passes at once: nearly everything that arrives is for a session of ours. */
static __always_inline int is_for_session(const struct sealed_start *start, __u32 size)
{
	__u32 index = start->receiver;

	return (start->type == FRAME_DATA || start->type == FRAME_CONTROL) && size >= sizeof(struct sealed_header) + SEALED_TAG_SIZE &&
	       bpf_map_lookup_elem(&admission_sessions, &index);
}

/* The verdict that needs neither our keys nor the time: most packets get it. INGRESS_ANSWERED: `admit` gives it. */
static __always_inline __u32 admit_at_once(const struct arrival *arrival)
{
	__u32 verdict = check_form(arrival), index = arrival->head.sealed.receiver;

	if (verdict != INGRESS_PASS || arrival->head.type == FRAME_RELAY || arrival->head.type == FRAME_HELLO)
		return verdict;
	if (arrival->head.type != FRAME_DATA && arrival->head.type != FRAME_CONTROL)
		return INGRESS_ANSWERED;
	return bpf_map_lookup_elem(&admission_sessions, &index) ? INGRESS_PASS : INGRESS_UNKNOWN_SESSION;
}

/*
 * The verdict on a frame of a handshake, as far as its header tells. INGRESS_ANSWERED: a stranger's first message; the caller checks its mac
 * and asks `admit_stranger`. `bad` is then why it is dropped when the mac is wrong.
 *
 * A wrong cookie counts as none in a first message: its sender may have it from before we were started, and gets a new one.
 */
static __always_inline __u32 admit(const struct admission_keys *own, const struct arrival *arrival, __u32 hook, __u64 now, __u32 *bad)
{
	const struct fragment_header *fragment = &arrival->head.fragment;
	__u64 cookie = 0, tagged;
	__u32 verdict;

	*bad = INGRESS_BAD_TAG;
	/* Cookies of link-local addresses are over the interface's name too: those are for the daemon. */
	if (arrival->head.type == FRAME_HANDSHAKE && !is_link_local(&arrival->source))
		cookie = arrival->head.words[offsetof(struct fragment_header, cookie) / 8];
	if (cookie != 0) {
		if (cookie == cookie_of(own->cookie_low, own->cookie_high, arrival) ||
		    cookie == cookie_of(own->previous_low, own->previous_high, arrival))
			return in_proven_lane(arrival, 1, hook, now, &verdict) ? verdict : INGRESS_OVER_RATE;
		*bad = INGRESS_BAD_COOKIE;
	}
	if (in_peer_lane(arrival, hook, now))
		return INGRESS_PASS;
	if (arrival->head.type == FRAME_HANDSHAKE && (fragment->message == MESSAGE_K1 || fragment->message == MESSAGE_F1)) {
		tagged = arrival->size > TAG_BYTES_LEAST ? arrival->size : TAG_BYTES_LEAST;
		if (take_stranger(own, arrival, hook, now, ADMISSION_LANE_TAG_BYTES, ADMISSION_TAG_BYTES_COST * tagged,
				  ADMISSION_TAG_BYTES_BURST))
			return INGRESS_ANSWERED;
		return *bad == INGRESS_BAD_COOKIE ? INGRESS_BAD_COOKIE : INGRESS_OVER_RATE;
	}
	if (*bad == INGRESS_BAD_COOKIE)
		return INGRESS_BAD_COOKIE;
	if (in_proven_lane(arrival, 0, hook, now, &verdict))
		return verdict;
	return take_stranger(own, arrival, hook, now, ADMISSION_LANE_UNPROVEN, ADMISSION_UNPROVEN_COST * arrival->count,
			     ADMISSION_UNPROVEN_BURST) ?
		       INGRESS_PASS : INGRESS_OVER_RATE;
}

/*
 * A first message of a stranger whose mac is right: answered here at tc, by whoever is behind us otherwise. Cookies of link-local addresses
 * are the daemon's.
 */
static __always_inline __u32 admit_stranger(const struct arrival *arrival, __u32 hook, __u64 now)
{
	if (hook == HOOK_SOCKET || is_link_local(&arrival->source))
		return take_lane(ADMISSION_LANE_UNPROVEN, hook, now, ADMISSION_UNPROVEN_COST, ADMISSION_UNPROVEN_BURST) ? INGRESS_PASS :
															   INGRESS_OVER_RATE;
	return take_lane(ADMISSION_LANE_COOKIES, hook, now, ADMISSION_COOKIES_COST, ADMISSION_COOKIES_BURST) ? INGRESS_ANSWERED :
													       INGRESS_OVER_RATE;
}

#define MAC_AT (offsetof(struct fragment_header, mac) / 8)
#define MAX_WORDS (MAX_DATAGRAM / 8)

/* For the mac of a fragment: the stack has no room for the functions that make it. */
struct admission_scratch {
	struct siphash hash;
	__u64 words[MAX_WORDS]; /* the fragment from its mac on */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admission_scratch);
} admission_scratch SEC(".maps");

/* The mac of a fragment is over all but itself. This takes in what stands before it; the caller goes on with what stands behind. */
static __always_inline struct siphash mac_start(const struct admission_keys *own, const struct arrival *arrival)
{
	struct siphash hash = siphash_start(own->mac_low, own->mac_high);

	siphash_absorb(&hash, arrival->head.words[0]);
	siphash_absorb(&hash, arrival->head.words[1]);
	siphash_absorb(&hash, arrival->head.words[2]);
	return hash;
}

/* `last`: the datagram's last eight bytes, of which what does not fill a word is at the end. */
static __always_inline int mac_holds(struct siphash *hash, const struct arrival *arrival, __u64 last)
{
	__u32 left = arrival->size % 8;
	__u64 word = (__u64)((arrival->size - 8) & 0xff) << 56;

	if (left)
		word |= last >> 8 * (8 - left);
	siphash_absorb(hash, word);
	return siphash_end(hash) == arrival->head.words[MAC_AT];
}
