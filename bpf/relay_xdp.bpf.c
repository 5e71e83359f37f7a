/*
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Relays frames of others in XDP, before the kernel has made a packet buffer of them: for devices that do not lose their offloads by
 * it (a veth does). What is not ours passes untouched; what is ours and cannot be done here goes on to the socket, where the daemon
 * does the same. UAPI only: loads on Linux 5.15 and later.
 */
#define RELAY_CONTEXT struct xdp_md
#include "admission_xdp.h"
#include "relay_packet.h"

#define LARGEST_CHUNK 512 /* the most that bpf_csum_diff adds at once */
#define MAX_CHUNKS 20     /* of those: a jumbo frame */
#define MEMOS 256
#define OF_HELLOS MEMOS /* one that remembers nothing: the way of their answers */

/* Beside actions of XDP. */
#define SEND -1
#define UNSENT -2

/*
 * What became of the last frame with these words: frames of one flow have equal headers, and what the tables, the hash and the route
 * lookup say of one holds for all, as long as the tables are the same and within one tick of the clock.
 */
struct memo {
	struct relay_words words;
	struct relay_words onward;
	__u64 tick;       /* ns, of the coarse clock */
	__u32 generation; /* of the tables */
	__u32 path;       /* number of its state */
	__u32 udp;        /* RELAYED as there */
	__u32 reserved;
	struct bpf_fib_lookup fib; /* with the MTU of the way */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MEMOS + 1);
	__type(key, __u32);
	__type(value, struct memo);
} relay_memos SEC(".maps");

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

/* One's complement sum of the `size` bytes before offset `stop`; negative when they are not all there. */
FOLLOWED_ONCE __s64 sum_bytes(struct xdp_md *xdp, __u64 stop, __u64 size, __u32 sum)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u32 last = 0;

	if (!add_chunks(data, end, stop, &size, LARGEST_CHUNK, MAX_CHUNKS, &sum) || !add_chunks(data, end, stop, &size, 32, 16, &sum) ||
	    !add_chunks(data, end, stop, &size, 4, 8, &sum))
		return -1;
	for (__u32 i = 0; i < 3 && size > 0; i++, size--) {
		void *at = packet_at(data, stop - size);

		if (at + 1 > end)
			return -1;
		last |= (__u32)*(__u8 *)at << 8 * i;
	}
	return (__u32)bpf_csum_diff(0, 0, &last, sizeof(last), sum);
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
static __always_inline int write_checksum(struct xdp_md *xdp, void *data, __u32 udp, __u16 was_pseudo, const struct change *change)
{
	struct udphdr *header = data + udp;
	__u64 length = bpf_ntohs(header->len);
	__s64 sum;

	if (header->check == 0 && udp == V4_UDP)
		return 1; /* the sender wants none */
	if (header->check != was_pseudo) {
		header->check = ~fold16((__u16)~header->check + change->addresses + change->payload);
	} else {
		header->check = 0;
		sum = sum_bytes(xdp, udp + length, length, pseudo_sum(data, udp, header->len));
		if (sum < 0)
			return 0;
		header->check = ~fold16(sum);
	}
	if (header->check == 0)
		header->check = 0xffff; /* zero means none */
	return 1;
}

static __always_inline int same_words(const struct relay_words *a, const struct relay_words *b)
{
	return ((a->head ^ b->head) | (a->destination ^ b->destination) | (a->source ^ b->source) | (a->tag ^ b->tag)) == 0;
}

/* Looks up the way to the neighbour; RELAY_VERDICT_FORWARD when XDP can send there. */
static __always_inline __u32 find_way(struct xdp_md *xdp, const struct relay_config *own, const struct relayed *relayed,
				      struct bpf_fib_lookup *fib)
{
	const struct relay_path *to = relay_path_of(&relayed->hop);
	__u32 *device;

	if ((to->family == 4) != (relayed->udp == V4_UDP))
		return RELAY_VERDICT_OTHER_FAMILY;
	if (!resolve(xdp, own, to, relayed->udp - ETH_HLEN + sizeof(struct udphdr) + relayed->size, fib))
		return RELAY_VERDICT_UNRESOLVED;
	device = bpf_map_lookup_elem(&relay_devices, &fib->ifindex);
	return device && *device == RELAY_DEVICE_XDP ? RELAY_VERDICT_FORWARD : RELAY_VERDICT_UNRESOLVED;
}

/*
 * Rewrites the frame for the hop that was found, sends it, and counts that as `verdict`. For all frames in one place: the verifier walks it once
 * for each way that leads here.
 */
static __always_inline int send_on(struct xdp_md *xdp, struct relayed *relayed, const struct memo *memo, __u32 verdict)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	const struct bpf_fib_lookup *fib = &memo->fib;
	__u32 udp = relayed->udp;
	struct change change;
	__u16 was_pseudo;
	int action;

	if (data + udp + sizeof(struct udphdr) + sizeof(struct relay_words) > end)
		return XDP_PASS;
	was_pseudo = pseudo_sum(data, udp, ((struct udphdr *)(data + udp))->len);
	write_headers(data, udp, relayed, fib, &change);
	write_words(data + udp + sizeof(struct udphdr), &relayed->onward);
	if (!write_checksum(xdp, data, udp, was_pseudo, &change))
		return XDP_ABORTED; /* longer than any frame of a device: look() has seen all its bytes */
	action = bpf_redirect(fib->ifindex, 0);
	if (action != XDP_REDIRECT)
		return action;
	relay_count(verdict, 1);
	if (verdict == RELAY_VERDICT_FORWARD)
		relay_sent_on(memo->path, 1, relayed->size);
	return action;
}

/* Whether the program of a process that is gone, behind ours at tc, may know more of it; or another daemon, since ours is gone. */
static __always_inline int is_left(const struct relay_config *own, __u32 verdict)
{
	if (own->behind && (verdict == RELAY_VERDICT_UNKNOWN_LINK || verdict == RELAY_VERDICT_NO_ROUTE))
		return 1;
	return verdict == RELAY_VERDICT_UNKNOWN_LINK && is_unattended();
}

/* A hello; SEND when it is answered. */
static __always_inline int greet(struct xdp_md *xdp, const struct relay_config *own, struct relayed *relayed, struct memo *memo, __u32 *verdict)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;

	*verdict = take_hello(xdp, data, end, relayed);
	if (*verdict == RELAY_VERDICT_NEW_PLACE) {
		relay_count(*verdict, 1);
		return XDP_PASS;
	}
	if (*verdict != RELAY_VERDICT_REPLY) {
		if (is_foreign(xdp, relayed->udp) || is_left(own, *verdict))
			return XDP_PASS;
		relay_count(*verdict, 1);
		return XDP_DROP;
	}
	*verdict = find_way(xdp, own, relayed, &memo->fib);
	if (*verdict != RELAY_VERDICT_FORWARD) {
		relay_count(*verdict, 1);
		return XDP_PASS;
	}
	*verdict = RELAY_VERDICT_REPLY;
	return SEND;
}

static __always_inline int is_silent(__u32 path, __u64 now)
{
	struct relay_state *state = relay_find_state(0, path);
	__u64 until;

	if (!state)
		return 1;
	until = RELAY_SHARED(state->until);
	return until != 0 && now > until;
}

/* Whether what was found for an equal header holds for this frame; when its path fell silent another is looked for. */
static __always_inline int holds(const struct memo *memo, const struct relay_config *own, const struct relayed *relayed, __u64 now)
{
	return same_words(&memo->words, &relayed->words) && memo->tick == now && memo->generation == own->generation &&
	       memo->udp == relayed->udp && relayed->udp - ETH_HLEN + sizeof(struct udphdr) + relayed->size <= memo->fib.mtu_result &&
	       !is_silent(memo->path, now);
}

/* A frame in transit; SEND when it goes on, UNSENT when it does not leave from here. */
static __always_inline int transit(struct xdp_md *xdp, const struct relay_config *own, struct relayed *relayed, struct memo *memo, __u32 *verdict)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (holds(memo, own, relayed, now)) {
		relayed->onward = memo->onward;
		*verdict = RELAY_VERDICT_FORWARD;
		return SEND;
	}
	memo->tick = 0;
	*verdict = relay_decide(0, &relayed->words, now, &relayed->hop);
	if (*verdict != RELAY_VERDICT_FORWARD)
		return UNSENT;
	*verdict = find_way(xdp, own, relayed, &memo->fib);
	if (*verdict != RELAY_VERDICT_FORWARD) {
		relay_count(*verdict, 1);
		return XDP_PASS;
	}
	relayed->onward = relayed->words;
	relay_address(&relayed->onward, relay_ttl(&relayed->words) - 1, relayed->hop.to);
	memo->words = relayed->words;
	memo->onward = relayed->onward;
	memo->generation = own->generation;
	memo->path = relay_path_of(&relayed->hop)->state;
	memo->udp = relayed->udp;
	memo->tick = now;
	return SEND;
}

SEC("xdp")
int relay_xdp(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	const struct relay_config *own = relay_own();
	__u32 verdict = RELAY_VERDICT_SHORT;
	struct relayed relayed = {};
	const __u8 *payload;
	struct memo *memo;
	int action;
	__u32 at;

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
	if (*payload == FRAME_HELLO ? relayed.size == sizeof(struct relay_words) : relayed.size > sizeof(struct relay_words)) {
		if ((void *)(payload + sizeof(struct relay_words)) > end)
			return XDP_PASS;
		__builtin_memcpy(&relayed.words, payload, sizeof(relayed.words));
		at = *payload == FRAME_HELLO ? OF_HELLOS : (__u32)relayed.words.tag % MEMOS;
		memo = bpf_map_lookup_elem(&relay_memos, &at);
		if (!memo)
			return XDP_PASS;
		action = at == OF_HELLOS ? greet(xdp, own, &relayed, memo, &verdict) : transit(xdp, own, &relayed, memo, &verdict);
		if (action == SEND)
			return send_on(xdp, &relayed, memo, verdict);
		if (action != UNSENT)
			return action;
	}
	if (verdict != RELAY_VERDICT_DELIVER && (is_foreign(xdp, relayed.udp) || is_left(own, verdict)))
		return XDP_PASS;
	relay_count(verdict, 1);
	return verdict == RELAY_VERDICT_DELIVER ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL"; /* route lookups are for GPL programs only: this file and what it includes is under both licences */
