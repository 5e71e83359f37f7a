/* The rules of admission.h at tc, where a stranger gets its cookie from us: what it sent becomes the answer. */
#pragma once
#include "admission_local.h"
#include "admission_skb.h"
#include "relay_packet.h"

#define ADMISSION_PASS -1 /* as the programs' PASS and DROP */
#define ADMISSION_DROP 2

#define ANSWER_UDP (sizeof(struct udphdr) + sizeof(struct cookie_reply))
#define HOST 0 /* PACKET_HOST */

/* Whether an answer may go there: to one machine. */
static __always_inline int is_unicast(const struct admission_address *address)
{
	__u8 first = (__u8)address->at[3];

	if (is_v4(address))
		return first != 0 && first != 127 && first < 224;
	return (address->at[0] & 0xff) != 0xff && (address->at[0] | address->at[1]) != 0;
}

/* IP header of the answer; gives the sum of its addresses. */
static __always_inline __u32 answer_ip(struct __sk_buff *skb, __u32 udp)
{
	if (udp == V4_UDP) {
		struct iphdr v4 = {};
		__be32 from;

		bpf_skb_load_bytes(skb, ETH_HLEN, &v4, sizeof(v4));
		from = v4.saddr;
		v4.saddr = v4.daddr;
		v4.daddr = from;
		v4.tos = 0;
		v4.tot_len = bpf_htons(sizeof(v4) + ANSWER_UDP);
		v4.id = 0;
		v4.frag_off = bpf_htons(0x4000);
		v4.ttl = HOP_LIMIT;
		v4.check = 0;
		v4.check = ~fold16(bpf_csum_diff(0, 0, (__be32 *)&v4, sizeof(v4), 0));
		bpf_skb_store_bytes(skb, ETH_HLEN, &v4, sizeof(v4), 0);
		return bpf_csum_diff(0, 0, &v4.saddr, 8, 0);
	} else {
		struct ipv6hdr v6 = {};
		struct in6_addr from;

		bpf_skb_load_bytes(skb, ETH_HLEN, &v6, sizeof(v6));
		from = v6.saddr;
		v6.saddr = v6.daddr;
		v6.daddr = from;
		__builtin_memset(&v6, 0, 4);
		v6.version = 6;
		v6.payload_len = bpf_htons(ANSWER_UDP);
		v6.hop_limit = HOP_LIMIT;
		bpf_skb_store_bytes(skb, ETH_HLEN, &v6, sizeof(v6), 0);
		return bpf_csum_diff(0, 0, (__be32 *)&v6.saddr, 32, 0);
	}
}

/*
 * Makes the packet the answer to its sender and sends it back where it came from. The sender's checksum may be the whole sum or, on
 * this machine, the pseudo-header's only; the helper knows which: of the second only the length counts, the first becomes `whole`. The
 * sum that a device gave for the packet is gone with what is cut off.
 */
static __always_inline int answer(struct __sk_buff *skb, const struct admission_keys *own, const struct arrival *arrival, __u32 udp)
{
	union {
		struct cookie_reply reply;
		__u64 words[sizeof(struct cookie_reply) / 8];
	} frame = { .reply = { .type = FRAME_COOKIE, .version = WIRE_VERSION } };
	struct ethhdr eth = {};
	struct udphdr header = {};
	__u32 check = udp + offsetof(struct udphdr, check), sum;
	__u8 own_mac[ETH_ALEN];
	__u16 whole;
	__be16 was, port;

	frame.words[1] = arrival->head.words[1]; /* the exchange */
	frame.words[2] = cookie_of(own->cookie_low, own->cookie_high, arrival);
	frame.words[3] = siphash_24(own->mac_low, own->mac_high, frame.words[0], frame.words[1], frame.words[2]);
	if (bpf_skb_load_bytes(skb, udp, &header, sizeof(header)) < 0 || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) < 0 ||
	    bpf_skb_change_tail(skb, udp + ANSWER_UDP, 0) < 0)
		return 0;
	__builtin_memcpy(own_mac, eth.h_dest, ETH_ALEN);
	__builtin_memcpy(eth.h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, own_mac, ETH_ALEN);
	bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
	sum = answer_ip(skb, udp);

	was = header.len;
	port = header.dest;
	header.dest = header.source;
	header.source = port;
	header.len = bpf_htons(ANSWER_UDP);
	header.check = 0;
	sum = bpf_csum_diff(0, 0, (__be32 *)&header, sizeof(header), sum);
	sum = bpf_csum_diff(0, 0, (__be32 *)&frame, sizeof(frame), sum);
	whole = ~fold16((__u64)sum + bpf_htons(IPPROTO_UDP) + header.len);
	bpf_skb_store_bytes(skb, udp, &header, offsetof(struct udphdr, check), 0);
	bpf_skb_store_bytes(skb, udp + sizeof(header), &frame, sizeof(frame), 0);
	bpf_l4_csum_replace(skb, check, was, header.len, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(was));
	bpf_skb_load_bytes(skb, check, &was, sizeof(was));
	bpf_l4_csum_replace(skb, check, 0, (__u16)~whole + was, BPF_F_MARK_MANGLED_0);
	return 1;
}

/* A datagram to our port whose UDP header is at offset `udp`. */
static __always_inline int admission_tc(struct __sk_buff *skb, __u32 udp)
{
	__u32 verdict, bad = 0, at = udp + sizeof(struct udphdr), length;
	const struct admission_keys *own;
	struct arrival arrival = {};
	__u64 now;
	void *data;

	if (udp == 0)
		return ADMISSION_PASS;
	data = (void *)(long)skb->data;
	if (data + at > (void *)(long)skb->data_end)
		return ADMISSION_PASS;
	length = bpf_ntohs(((struct udphdr *)(data + udp))->len) - sizeof(struct udphdr);
	arrival.port = ((struct udphdr *)(data + udp))->source;
	if (length == 0 || length > skb->len - at)
		return ADMISSION_PASS; /* no frame, or cut off: the stack knows what to do */
	arrival.size = skb->gso_size && skb->gso_size < length ? skb->gso_size : length;
	arrival.count = arrival.size == length ? 1 : (length - 1) / arrival.size + 1;
	if (udp == V4_UDP) {
		arrival.source.at[2] = bpf_htonl(0xffff);
		arrival.source.at[3] = ((struct iphdr *)(data + ETH_HLEN))->saddr;
	} else {
		__builtin_memcpy(&arrival.source, &((struct ipv6hdr *)(data + ETH_HLEN))->saddr, sizeof(arrival.source));
	}
	if (bpf_skb_load_bytes(skb, at, &arrival.head, arrival.size < HEAD ? 1 : HEAD) < 0)
		return ADMISSION_PASS;
	verdict = admit_at_once(&arrival);
	if (verdict == INGRESS_PASS || is_unattended())
		return ADMISSION_PASS;
	own = admission_own();
	if (!own)
		return ADMISSION_PASS;
	now = bpf_ktime_get_ns();
	if (verdict == INGRESS_ANSWERED)
		verdict = admit(own, &arrival, HOOK_TC, now, &bad);
	if (verdict == INGRESS_PASS || !is_local(skb, (void *)(long)skb->data, (void *)(long)skb->data_end, udp, now))
		return ADMISSION_PASS;
	if (verdict == INGRESS_ANSWERED) {
		verdict = skb_tag_holds(skb, own, &arrival, at) ? admit_stranger(&arrival, HOOK_TC, now) : bad;
		if (verdict == INGRESS_ANSWERED && (skb->pkt_type != HOST || !is_unicast(&arrival.source) || !answer(skb, own, &arrival, udp)))
			return ADMISSION_PASS; /* the sockets have rules too */
		if (verdict == INGRESS_PASS)
			return ADMISSION_PASS;
	}
	ingress_count(verdict, arrival.count);
	return verdict == INGRESS_ANSWERED ? (int)bpf_redirect(skb->ifindex, 0) : ADMISSION_DROP;
}
