/*
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Relays frames of others in XDP, before the kernel has made a packet buffer of them: for devices that do not lose their offloads by
 * it (a veth does). What is not ours passes untouched; what is ours and cannot be done here goes on to the socket, where the daemon
 * does the same. UAPI only: loads on Linux 5.15 and later.
 */
#include "admission_xdp.h"
#include "relay_packet.h"

#define LARGEST_CHUNK 512 /* the most that bpf_csum_diff adds at once */
#define MAX_CHUNKS 20     /* of those: a jumbo frame */

/* A pointer that the verifier can bound, kept in one register: what is checked must be what is used. */
static __always_inline void *packet_at(void *data, __u64 offset)
{
	asm volatile("%1 &= 0x7fff\n\t%0 += %1" : "+r"(data), "+r"(offset));
	return data;
}

/*
 * Adds chunks of one size, which the verifier wants to know, as long as `left` bytes before offset `stop` hold one. The offset is made
 * from `left` each time: as a number of its own it would have the verifier walk all that follows once for each number of chunks.
 */
static __always_inline int add_chunks(void *data, void *end, __u64 stop, __u64 *left, __u32 chunk, __u32 most, __u32 *sum)
{
	for (__u32 i = 0; i < most && *left >= chunk; i++) {
		void *at = packet_at(data, stop - *left);

		if (at + chunk > end)
			return 0;
		*sum = bpf_csum_diff(0, 0, at, chunk, *sum);
		*left -= chunk;
	}
	return *left < chunk;
}

/* One's complement sum of the `size` bytes before offset `stop`; false when they are not all there. */
static __always_inline int sum_bytes(void *data, void *end, __u64 stop, __u64 size, __u32 *sum)
{
	__u32 last = 0;

	if (!add_chunks(data, end, stop, &size, LARGEST_CHUNK, MAX_CHUNKS, sum) || !add_chunks(data, end, stop, &size, 32, 16, sum) ||
	    !add_chunks(data, end, stop, &size, 4, 8, sum))
		return 0;
	for (__u32 i = 0; i < 3 && size > 0; i++, size--) {
		void *at = packet_at(data, stop - size);

		if (at + 1 > end)
			return 0;
		last |= (__u32)*(__u8 *)at << 8 * i;
	}
	*sum = bpf_csum_diff(0, 0, &last, sizeof(last), *sum);
	return 1;
}

/* Sum of UDP's pseudo-header, folded: what a checksum field holds that a device was to complete. */
static __always_inline __u16 pseudo_sum(void *data, __u32 udp, __be16 length)
{
	const struct words32 *addresses;
	const struct iphdr *v4 = data + ETH_HLEN;
	const struct ipv6hdr *v6 = data + ETH_HLEN;
	__u64 sum = bpf_htons(IPPROTO_UDP) + (__u64)length;

	if (udp == V4_UDP)
		return fold16(sum + v4->saddr + v4->daddr);
	addresses = (const void *)&v6->saddr;
#pragma unroll
	for (int i = 0; i < 2; i++)
		sum += (__u64)addresses[i].at[0] + addresses[i].at[1] + addresses[i].at[2] + addresses[i].at[3];
	return fold16(sum);
}

/*
 * UDP's checksum for the next hop. XDP is not told whether the field holds the whole sum or, between machines that share memory, the
 * pseudo-header's only: then it equals that, as a whole one does once in 65,535 times. So when it does, it is made anew.
 */
static __always_inline int write_checksum(void *data, void *end, __u32 udp, __u16 was_pseudo, const struct change *change)
{
	struct udphdr *header = data + udp;
	__u64 length = bpf_ntohs(header->len);
	__u32 sum;

	if (header->check == 0 && udp == V4_UDP)
		return 1; /* the sender wants none */
	if (header->check != was_pseudo) {
		header->check = ~fold16((__u16)~header->check + change->addresses + change->payload);
	} else {
		header->check = 0;
		sum = pseudo_sum(data, udp, header->len);
		if (!sum_bytes(data, end, udp + length, length, &sum))
			return 0;
		header->check = ~fold16(sum);
	}
	if (header->check == 0)
		header->check = 0xffff; /* zero means none */
	return 1;
}

/* Sends the frame on, with the header `onward`. XDP_PASS, with the packet as it was and its verdict counted, when that is for the daemon. */
static __always_inline int send_on(struct xdp_md *xdp, const struct relay_config *own, struct relayed *relayed)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	const struct relay_neighbour *to = relayed->hop.to;
	__u32 *device, udp = relayed->udp;
	struct bpf_fib_lookup fib;
	struct change change;
	__u16 was_pseudo;

	if ((to->family == 4) != (udp == V4_UDP)) {
		relay_count(RELAY_VERDICT_OTHER_FAMILY, 1);
		return XDP_PASS;
	}
	device = resolve(xdp, own, to, udp - ETH_HLEN + sizeof(struct udphdr) + relayed->size, &fib) ?
			 bpf_map_lookup_elem(&relay_devices, &fib.ifindex) : 0;
	if (!device || *device != RELAY_DEVICE_XDP) {
		relay_count(RELAY_VERDICT_UNRESOLVED, 1);
		return XDP_PASS;
	}
	if (data + udp + sizeof(struct udphdr) + sizeof(struct relay_words) > end)
		return XDP_PASS;
	was_pseudo = pseudo_sum(data, udp, ((struct udphdr *)(data + udp))->len);
	write_headers(data, udp, relayed, &fib, own->port, &change);
	write_words(data + udp + sizeof(struct udphdr), &relayed->onward);
	if (!write_checksum(data, end, udp, was_pseudo, &change))
		return XDP_ABORTED; /* longer than any frame of a device: look() has seen all its bytes */
	return bpf_redirect(fib.ifindex, 0);
}

static __always_inline int forward(struct xdp_md *xdp, const struct relay_config *own, struct relayed *relayed)
{
	int action;

	relayed->onward = relayed->words;
	relay_address(&relayed->onward, relay_ttl(&relayed->words) - 1, relayed->hop.to);
	action = send_on(xdp, own, relayed);
	if (action != XDP_REDIRECT)
		return action;
	relay_count(RELAY_VERDICT_FORWARD, 1);
	relay_sent_on(relayed->hop.number, 1, relayed->size);
	return action;
}

static __always_inline int reply(struct xdp_md *xdp, const struct relay_config *own, struct relayed *relayed)
{
	int action = send_on(xdp, own, relayed);

	if (action == XDP_REDIRECT)
		relay_count(RELAY_VERDICT_REPLY, 1);
	return action;
}

SEC("xdp")
int relay_xdp(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	const struct relay_config *own = relay_own();
	struct relayed relayed = {};
	const __u8 *payload;
	__u32 verdict;

	if (!own || own->port == 0)
		return XDP_PASS;
	relayed.udp = find_udp(data, end, own->port);
	if (relayed.udp == 0)
		return XDP_PASS;
	payload = data + relayed.udp + sizeof(struct udphdr);
	if ((void *)(payload + 1) > end || (*payload != FRAME_RELAY && *payload != FRAME_HELLO))
		return admission_xdp(xdp, relayed.udp);
	relayed.size = bpf_ntohs(((struct udphdr *)(data + relayed.udp))->len) - sizeof(struct udphdr);
	if (relayed.size == 0 || relayed.size > (__u64)(end - (void *)payload))
		return XDP_PASS; /* no frame, or cut off: the stack knows what to do */
	if (*payload == FRAME_HELLO ? relayed.size != sizeof(struct relay_words) : relayed.size <= sizeof(struct relay_words)) {
		verdict = RELAY_VERDICT_SHORT;
	} else {
		if ((void *)(payload + sizeof(struct relay_words)) > end)
			return XDP_PASS;
		__builtin_memcpy(&relayed.words, payload, sizeof(relayed.words));
		verdict = *payload == FRAME_HELLO ? take_hello(data, end, &relayed) :
						    relay_decide(0, &relayed.words, bpf_ktime_get_ns(), &relayed.hop);
	}
	if (verdict == RELAY_VERDICT_REPLY)
		return reply(xdp, own, &relayed);
	if (verdict == RELAY_VERDICT_FORWARD)
		return forward(xdp, own, &relayed);
	if (verdict != RELAY_VERDICT_DELIVER && is_foreign(xdp, data, end, relayed.udp))
		return XDP_PASS;
	relay_count(verdict, 1);
	return verdict == RELAY_VERDICT_DELIVER ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL"; /* route lookups are for GPL programs only: this file and what it includes is under both licences */
