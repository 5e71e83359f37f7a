/*
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Relays frames of others at tc ingress (tcx, or clsact before Linux 6.6), superpackets included, without the daemon. What is not
 * ours passes untouched; what is ours and cannot be done here goes on to the socket, where the daemon does the same.
 * UAPI only: loads on Linux 5.15 and later.
 */
#define RELAY_CONTEXT struct __sk_buff
#include "admission_tc.h"
#include "relay_packet.h"

#define PASS -1 /* TC_ACT_UNSPEC, TCX_NEXT: whoever is attached behind us decides */
#define DROP 2  /* TC_ACT_SHOT */

#define MAX_SEGMENTS 64 /* of one superpacket: what GRO joins and our own sockets send */

/*
 * After a daemon's end its program relays on. The one of the next daemon comes before it and leaves to it, with its mark, whom it does not know
 * yet: sessions of before, and destinations that no neighbour of now leads to. The mark lies where tc programs alone write. What the
 * later daemon has let through is not dropped by the earlier one's rules.
 */
enum { SEEN = 1, CHECKED }; /* CHECKED: its tag holds by a session that the program behind does not have */

/* What a program before has left to this one. Compared late: the verifier would follow all that is behind a branch for each of its ways. */
struct left {
	__u32 strange; /* not 0: nothing */
	__u32 as;
};

static __always_inline void mark(struct __sk_buff *skb, const struct relay_config *own)
{
	if (!own->behind)
		return;
	skb->cb[0] = (__u32)own->behind;
	skb->cb[1] = (__u32)(own->behind >> 32);
	skb->cb[2] = SEEN;
}

static __always_inline struct left what_is_left(const struct __sk_buff *skb, const struct relay_config *own)
{
	struct left left = { .strange = (skb->cb[0] ^ (__u32)own->mark) | (skb->cb[1] ^ (__u32)(own->mark >> 32)), .as = skb->cb[2] };

	return left;
}

/* Start and end of what is directly accessible. The fields have 32 bits, of which the compiler must not know: it would cut pointers. */
static __always_inline void *start_of(const struct __sk_buff *skb)
{
	void *at;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(at) : "r"(skb), "i"(offsetof(struct __sk_buff, data)));
	return at;
}

static __always_inline void *end_of(const struct __sk_buff *skb)
{
	void *at;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(at) : "r"(skb), "i"(offsetof(struct __sk_buff, data_end)));
	return at;
}

/* Makes the first `size` bytes directly accessible. */
static __always_inline int reach(struct __sk_buff *skb, __u32 size)
{
	if (start_of(skb) + size <= end_of(skb))
		return 1;
	return size <= skb->len && bpf_skb_pull_data(skb, size) == 0;
}

/* The verifier follows a packet pointer no further than 65,535 bytes, and wants the offset's bound on the very register it adds. */
#define LAST_HEADER (0xffff - sizeof(struct relay_words))
#define IN_REGISTER(offset) asm volatile("" : "+r"(offset))

/* Whether the headers of all further segments equal the first one's. `at` is the payload's offset. Shorter ones equal none. */
FOLLOWED_ONCE int all_equal(struct __sk_buff *skb, __u64 at, __u64 step, const struct relay_words *words)
{
	void *data = start_of(skb), *end = end_of(skb);
	__u64 differs = 0, length = skb->len;

	if (!words)
		return 0;
	for (int i = 1; i < MAX_SEGMENTS; i++) {
		const __u64 *word;

		at += step;
		IN_REGISTER(at);
		if (at >= length || at > LAST_HEADER)
			break;
		word = data + at;
		if ((void *)(word + 4) > end)
			return 0;
		/* A sum of differences: a branch here would have the verifier follow each combination. */
		differs |= (word[0] ^ words->head) | (word[1] ^ words->destination) | (word[2] ^ words->source) | (word[3] ^ words->tag);
	}
	return differs == 0;
}

/* Gives how many it has written: a function of its own must give something. */
FOLLOWED_ONCE int write_all(struct __sk_buff *skb, __u64 at, __u64 step, const struct relay_words *onward)
{
	void *data = start_of(skb), *end = end_of(skb);
	__u64 length = skb->len;
	int count;

	if (!onward)
		return 0;
	for (count = 0; count < MAX_SEGMENTS; count++) {
		IN_REGISTER(at);
		if (at >= length || at > LAST_HEADER || data + at + sizeof(*onward) > end)
			break;
		write_words(data + at, onward);
		at += step;
	}
	return count;
}

/* Segments of a superpacket, 1 for a single datagram, 0 when their headers differ or there are more than we handle. */
static __always_inline __u32 count_segments(struct __sk_buff *skb, const struct relayed *relayed)
{
	__u32 start = relayed->udp + sizeof(struct udphdr), step = skb->gso_size, behind, count;
	struct relay_words words; /* a copy: of what a function may have changed the verifier forgets what it knew */

	if (step == 0)
		return 1;
	if (skb->len <= start)
		return 0;
	behind = skb->len - start - 1;
	count = behind / step + 1;
	if (count > MAX_SEGMENTS || skb->len > 0xffff)
		return 0;
	/* As far as the last segment's header: what lies between is made linear with it. Something must be behind that header. */
	behind = start + (count - 1) * step + sizeof(struct relay_words);
	if (behind >= skb->len || !reach(skb, behind))
		return 0;
	words = relayed->words;
	return all_equal(skb, start, step, &words) ? count : 0;
}

/* Finds the UDP header, reading no further than the headers of what is not ours: a pull costs, and would for each TCP superpacket. */
static __always_inline __u32 find_ours(struct __sk_buff *skb, __be16 port)
{
	const struct ethhdr *eth;

	if (skb->vlan_present || !reach(skb, V4_UDP + sizeof(struct udphdr)))
		return 0;
	eth = start_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && !reach(skb, UDP_END))
		return 0;
	return find_udp(start_of(skb), end_of(skb), port);
}

/* Nearly everything that arrives for us is: nothing else is asked of it. Of a superpacket that holds for the first segment. */
static __always_inline int is_for_session_of_ours(struct __sk_buff *skb, __u32 udp)
{
	struct sealed_start start;
	__u32 payload = udp + sizeof(struct udphdr);

	return bpf_skb_load_bytes(skb, payload, &start, sizeof(start)) == 0 &&
	       is_for_session(&start, skb->gso_size ? skb->gso_size : skb->len - payload);
}

/* Looks at the frame; a verdict of the rules, or -1 when it is none of ours. */
static __always_inline int look(struct __sk_buff *skb, const struct left *left, struct relayed *relayed)
{
	__u32 payload, size;
	void *data, *end;
	__u8 type;

	payload = relayed->udp + sizeof(struct udphdr);
	data = start_of(skb);
	end = end_of(skb);
	if (data + payload > end)
		return -1;
	relayed->size = bpf_ntohs(((struct udphdr *)(data + relayed->udp))->len) - sizeof(struct udphdr);
	if (relayed->size == 0 || relayed->size > skb->len - payload)
		return -1; /* no frame, or cut off: the stack knows what to do */
	size = skb->gso_size ? skb->gso_size : relayed->size;
	if (bpf_skb_load_bytes(skb, payload, &type, sizeof(type)) < 0 || (type != FRAME_RELAY && type != FRAME_HELLO))
		return -1;
	if (type == FRAME_HELLO ? size != sizeof(struct relay_words) : size <= sizeof(struct relay_words))
		return RELAY_VERDICT_SHORT;
	if (!reach(skb, payload + sizeof(struct relay_words)))
		return -1;
	data = start_of(skb);
	end = end_of(skb);
	if (data + payload + sizeof(struct relay_words) > end)
		return -1;
	__builtin_memcpy(&relayed->words, data + payload, sizeof(relayed->words));
	if (type == FRAME_HELLO)
		return skb->gso_size ? RELAY_VERDICT_MIXED : take_hello(skb, data, end, relayed);
	if (left->strange == 0 && left->as == CHECKED)
		return relay_route(0, relayed->words.destination, 0, bpf_ktime_get_ns(), &relayed->hop) ? RELAY_VERDICT_FORWARD : RELAY_VERDICT_NO_ROUTE;
	return relay_decide(0, &relayed->words, bpf_ktime_get_ns(), &relayed->hop);
}

/* A path may say by itself which device it leaves by. Whether packets of `length` bytes from IP on fit there. */
static __always_inline int on_device(struct __sk_buff *skb, const struct relay_path *to, __u32 length, struct bpf_fib_lookup *fib)
{
	__u32 mtu = 0;

	if (!to->device || !has_local(to))
		return 0;
	fib->ifindex = to->device;
	bpf_check_mtu(skb, to->device, &mtu, 0, 0);
	return length <= mtu;
}

/* Whether the address is in no route: then it is the next hop by itself. */
static __always_inline int is_its_next_hop(const struct relay_path *to) { return to->address[0] == 0xfe && (to->address[1] & 0xc0) == 0x80; }

/*
 * Sends the frame or superpacket on, with the header `onward`. Passes it, as it was, when that is for the daemon: then its verdict is
 * counted, otherwise it is the caller's.
 */
static __always_inline int send_on(struct __sk_buff *skb, const struct relay_config *own, struct relayed *relayed, __u32 segments)
{
	const struct relay_path *to = relay_path_of(&relayed->hop);
	__u32 length, *device, udp = relayed->udp;
	struct relay_words onward;
	struct bpf_redir_neigh next = {};
	struct bpf_fib_lookup fib;
	struct change change;
	void *data;

	if ((to->family == 4) != (udp == V4_UDP)) {
		relay_count(RELAY_VERDICT_OTHER_FAMILY, segments);
		return PASS;
	}
	length = udp - ETH_HLEN + sizeof(struct udphdr) + (skb->gso_size ? skb->gso_size : relayed->size);
	if (resolve(skb, own, to, length, &fib))
		device = bpf_map_lookup_elem(&relay_devices, &fib.ifindex);
	else
		device = on_device(skb, to, length, &fib) ? bpf_map_lookup_elem(&relay_devices, &fib.ifindex) : 0;
	data = start_of(skb);
	if (!device || data + udp + sizeof(struct udphdr) + sizeof(struct relay_words) > end_of(skb)) {
		relay_count(RELAY_VERDICT_UNRESOLVED, segments);
		return PASS;
	}
	write_headers(data, udp, relayed, &fib, &change);
	onward = relayed->onward;
	if (segments == 1)
		write_words(data + udp + sizeof(struct udphdr), &onward);
	else
		write_all(skb, udp + sizeof(struct udphdr), skb->gso_size, &onward);

	/* Superpackets have a partial checksum always, others sometimes: these helpers know, and leave an absent one alone. */
	udp += offsetof(struct udphdr, check);
	bpf_l4_csum_replace(skb, udp, 0, fold32(change.addresses), BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	if (segments == 1)
		bpf_l4_csum_replace(skb, udp, 0, fold32(change.payload), BPF_F_MARK_MANGLED_0);
	if (relayed->udp == V6_UDP) /* the sum of the whole packet, where a device gave one, takes addresses out with the line above */
		bpf_csum_update(skb, fold32(change.addresses + change.hops));
	if (!to->device)
		return bpf_redirect(fib.ifindex, 0);
	if (!is_its_next_hop(to))
		return bpf_redirect_neigh(fib.ifindex, 0, 0, 0); /* the kernel looks for a route over that device */
	next.nh_family = FAMILY_V6;
	__builtin_memcpy(next.ipv6_nh, to->address, sizeof(next.ipv6_nh));
	return bpf_redirect_neigh(fib.ifindex, &next, sizeof(next), 0); /* and asks for the Ethernet address if it must */
}

static __always_inline int forward(struct __sk_buff *skb, const struct relay_config *own, struct relayed *relayed, __u32 segments)
{
	int action;

	relayed->onward = relayed->words;
	relay_address(&relayed->onward, relay_ttl(&relayed->words) - 1, relayed->hop.to);
	action = send_on(skb, own, relayed, segments);
	if (action == PASS)
		return PASS;
	relay_count(RELAY_VERDICT_FORWARD, segments);
	relay_sent_on(relay_path_of(&relayed->hop)->state, segments, relayed->size);
	return action;
}

static __always_inline int reply(struct __sk_buff *skb, const struct relay_config *own, struct relayed *relayed)
{
	int action = send_on(skb, own, relayed, 1);

	if (action != PASS)
		relay_count(RELAY_VERDICT_REPLY, 1);
	return action;
}

SEC("tc")
int relay_tc(struct __sk_buff *skb)
{
	const struct relay_config *own = relay_own();
	struct relayed relayed;
	__u32 segments, udp;
	struct left left;
	int verdict;

	if (!own || own->port == 0)
		return PASS;
	udp = find_ours(skb, own->port);
	if (udp == 0)
		return PASS; /* and leaves it as it is: it may have another gateway's mark */
	left = what_is_left(skb, own);
	mark(skb, own);
	if (is_for_session_of_ours(skb, udp)) {
		skb->tc_index = ADMITTED;
		return PASS;
	}
	relayed = (struct relayed){ .udp = udp };
	verdict = look(skb, &left, &relayed);
	if (verdict < 0)
		return left.strange ? admission_tc(skb, relayed.udp) : PASS;
	if (verdict == RELAY_VERDICT_DELIVER || verdict == RELAY_VERDICT_NEW_PLACE) {
		relay_count(verdict, 1);
		return PASS;
	}
	if (verdict == RELAY_VERDICT_REPLY)
		return reply(skb, own, &relayed);
	segments = verdict == RELAY_VERDICT_MIXED ? 0 : count_segments(skb, &relayed);
	if (segments == 0) {
		relay_count(RELAY_VERDICT_MIXED, 1);
		return PASS;
	}
	if (verdict == RELAY_VERDICT_FORWARD)
		return forward(skb, own, &relayed, segments);
	if (is_foreign(skb, relayed.udp))
		return PASS;
	if (verdict == RELAY_VERDICT_UNKNOWN_LINK && (own->behind || !left.strange || is_unattended()))
		return PASS;
	if (verdict == RELAY_VERDICT_NO_ROUTE && (__u8)relayed.words.head == FRAME_RELAY && own->behind) {
		skb->cb[2] = CHECKED;
		return PASS;
	}
	relay_count(verdict, segments);
	return DROP;
}

char _license[] SEC("license") = "GPL"; /* route lookups are for GPL programs only: this file and what it includes is under both licences */
