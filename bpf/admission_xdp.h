/* The rules of admission.h in XDP. Who is to be answered goes on to tc, which can. */
#pragma once
#include "admission_local.h"
#include "relay_packet.h"

/* A pointer that the verifier can bound, kept in one register: what is checked must be what is used. */
static __always_inline void *packet_at(void *data, __u64 offset)
{
	asm volatile("%1 &= 0x7fff\n\t%0 += %1" : "+r"(data), "+r"(offset));
	return data;
}

/* Whether a first message's fragment, whose payload begins at offset `from`, has the mac of who knows us. */
FOLLOWED_ONCE int xdp_tag_holds(struct xdp_md *xdp, const struct admission_keys *own, const struct arrival *arrival, __u32 from)
{
	struct admission_scratch *scratch;
	__u64 size;
	__u32 only = 0;
	void *at;

	if (!own || !arrival)
		return 0;
	size = arrival->size;
	if (size < HEAD || size > MAX_DATAGRAM)
		return 0;
	scratch = bpf_map_lookup_elem(&admission_scratch, &only);
	if (!scratch)
		return 0;
	scratch->hash = mac_start(own, arrival);
	for (__u32 i = 0; i < MAX_WORDS / 4; i++) {
		if (i >= (size - HEAD) / 32) /* not by the size itself: then the verifier would follow the end for each */
			break;
		at = packet_at((void *)(long)xdp->data, from + HEAD + i * 32);
		if (at + 32 > (void *)(long)xdp->data_end)
			return 0;
		siphash_absorb_4(&scratch->hash, *(__u64 *)at, *(__u64 *)(at + 8), *(__u64 *)(at + 16), *(__u64 *)(at + 24));
	}
	for (__u32 i = 0; i < 3; i++) {
		if (i >= size / 8 % 4)
			break;
		at = packet_at((void *)(long)xdp->data, from + size / 32 * 32 + i * 8);
		if (at + 8 > (void *)(long)xdp->data_end)
			return 0;
		siphash_absorb(&scratch->hash, *(__u64 *)at);
	}
	at = packet_at((void *)(long)xdp->data, from + size - sizeof(__u64));
	return at + sizeof(__u64) <= (void *)(long)xdp->data_end && mac_holds(&scratch->hash, arrival, *(__u64 *)at);
}

/* A datagram to our port whose UDP header is at offset `udp`. */
static __always_inline int admission_xdp(struct xdp_md *xdp, __u32 udp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end, *payload = data + udp + sizeof(struct udphdr);
	struct arrival arrival = { .count = 1 };
	const struct admission_keys *own;
	__u32 verdict, bad = 0;
	__u64 now;

	if (payload + 1 > end)
		return XDP_PASS;
	arrival.size = bpf_ntohs(((struct udphdr *)(data + udp))->len) - sizeof(struct udphdr);
	arrival.port = ((struct udphdr *)(data + udp))->source;
	if (arrival.size == 0 || arrival.size > (__u64)(end - payload))
		return XDP_PASS;
	if (udp == V4_UDP) {
		arrival.source.at[2] = bpf_htonl(0xffff);
		arrival.source.at[3] = ((struct iphdr *)(data + ETH_HLEN))->saddr;
	} else {
		__builtin_memcpy(&arrival.source, &((struct ipv6hdr *)(data + ETH_HLEN))->saddr, sizeof(arrival.source));
	}
	if (arrival.size < HEAD) {
		arrival.head.type = *(__u8 *)payload;
	} else {
		if (payload + HEAD > end)
			return XDP_PASS;
		__builtin_memcpy(&arrival.head, payload, HEAD);
	}
	verdict = admit_at_once(&arrival);
	if (verdict == INGRESS_PASS || is_unattended())
		return XDP_PASS;
	own = admission_own();
	if (!own)
		return XDP_PASS;
	now = bpf_ktime_get_ns();
	if (verdict == INGRESS_ANSWERED)
		verdict = admit(own, &arrival, HOOK_XDP, now, &bad);
	if (verdict == INGRESS_ANSWERED)
		verdict = xdp_tag_holds(xdp, own, &arrival, udp + sizeof(struct udphdr)) ? admit_stranger(&arrival, HOOK_XDP, now) : bad;
	if (verdict == INGRESS_PASS || verdict == INGRESS_ANSWERED || !is_local(xdp, data, end, udp, now))
		return XDP_PASS;
	ingress_count(verdict, 1);
	return XDP_DROP;
}
