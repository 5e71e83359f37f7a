/*
 * Socket filter on the mesh's UDP sockets: drops what cannot be one of our frames before it is copied to the daemon and
 * wakes it. It proves nothing about the sender; the daemon checks everything again. It lives and dies with the socket,
 * so a daemon that was killed leaves nothing behind. UAPI only: loads on Linux 5.15 and later.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.gen.h"

/* A socket filter sees a UDP packet from its UDP header. */
#define UDP_HEADER 8

#define DROP 0
#define KEEP 0xffffffff

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, INGRESS_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} ingress_counters SEC(".maps");

/* Length of the first datagram: GRO may have merged several of one size into this skb. The others are the daemon's to check. */
static __always_inline __u32 datagram_size(const struct __sk_buff *skb)
{
	__u32 size = skb->len - UDP_HEADER;

	return skb->gso_size && skb->gso_size < size ? skb->gso_size : size;
}

static __always_inline __u8 any_set(const __u8 *bytes, __u32 count)
{
	__u8 set = 0;

	for (__u32 i = 0; i < count; i++)
		set |= bytes[i];
	return set;
}

static __always_inline __u32 check_fragment(const struct __sk_buff *skb, __u32 size)
{
	struct fragment_header header;

	if (size < sizeof(header) || bpf_skb_load_bytes(skb, UDP_HEADER, &header, sizeof(header)) < 0)
		return INGRESS_SHORT;
	if (size > MAX_DATAGRAM)
		return INGRESS_OVERSIZE;
	if (header.version != WIRE_VERSION)
		return INGRESS_VERSION;
	if (any_set(header.reserved, sizeof(header.reserved)))
		return INGRESS_RESERVED;
	if (header.count > MAX_FRAGMENTS || header.index >= header.count)
		return INGRESS_FRAGMENT;
	return INGRESS_PASS;
}

static __always_inline __u32 check_acknowledge(const struct __sk_buff *skb, __u32 size)
{
	struct acknowledge frame;

	if (size < sizeof(frame) || bpf_skb_load_bytes(skb, UDP_HEADER, &frame, sizeof(frame)) < 0)
		return INGRESS_SHORT;
	if (size > sizeof(frame))
		return INGRESS_OVERSIZE;
	if (frame.version != WIRE_VERSION)
		return INGRESS_VERSION;
	return any_set(frame.reserved, sizeof(frame.reserved)) || any_set(frame.padding, sizeof(frame.padding)) ?
		       INGRESS_RESERVED : INGRESS_PASS;
}

static __always_inline __u32 check_cookie(const struct __sk_buff *skb, __u32 size)
{
	struct cookie_reply frame;

	if (size < sizeof(frame) || bpf_skb_load_bytes(skb, UDP_HEADER, &frame, sizeof(frame)) < 0)
		return INGRESS_SHORT;
	if (size > sizeof(frame))
		return INGRESS_OVERSIZE;
	if (frame.version != WIRE_VERSION)
		return INGRESS_VERSION;
	return any_set(frame.reserved, sizeof(frame.reserved)) ? INGRESS_RESERVED : INGRESS_PASS;
}

/* What is behind the relay header is for its destination to check. */
static __always_inline __u32 check_relay(const struct __sk_buff *skb, __u32 size)
{
	struct relay_header header;

	if (size <= sizeof(header) || bpf_skb_load_bytes(skb, UDP_HEADER, &header, sizeof(header)) < 0)
		return INGRESS_SHORT;
	return any_set(header.reserved, sizeof(header.reserved)) ? INGRESS_RESERVED : INGRESS_PASS;
}

static __always_inline __u32 check(const struct __sk_buff *skb)
{
	__u32 size;
	__u8 type;

	if (skb->len <= UDP_HEADER || bpf_skb_load_bytes(skb, UDP_HEADER, &type, 1) < 0)
		return INGRESS_SHORT;
	size = datagram_size(skb);
	switch (type) {
	case FRAME_HANDSHAKE:
		return check_fragment(skb, size);
	case FRAME_ACKNOWLEDGE:
		return check_acknowledge(skb, size);
	case FRAME_COOKIE:
		return check_cookie(skb, size);
	case FRAME_DATA:
	case FRAME_CONTROL:
		return size < sizeof(struct sealed_header) + SEALED_TAG_SIZE ? INGRESS_SHORT : INGRESS_PASS;
	case FRAME_RELAY:
		return check_relay(skb, size);
	case FRAME_HELLO:
		return size < sizeof(struct hello_frame) ? INGRESS_SHORT : size > sizeof(struct hello_frame) ? INGRESS_OVERSIZE : INGRESS_PASS;
	default:
		return INGRESS_TYPE;
	}
}

SEC("socket")
int ingress(struct __sk_buff *skb)
{
	__u32 verdict = check(skb);
	__u64 *count = bpf_map_lookup_elem(&ingress_counters, &verdict);

	if (count)
		(*count)++; /* one counter per CPU: no other writer */
	return verdict == INGRESS_PASS ? KEEP : DROP;
}

char _license[] SEC("license") = "Apache-2.0";
