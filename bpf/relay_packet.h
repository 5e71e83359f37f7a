/*
 * From an Ethernet frame to the relayed frame in it and back, for both hooks: plain IPv4 or IPv6 with UDP to our port, nothing else.
 * Options, extension headers, fragments and VLAN tags are left to the stack, which hands the datagram to the daemon. RELAY_CONTEXT is
 * what the hook hands its programs.
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "relay_maps.h"

#define FAMILY_V4 2 /* AF_INET, AF_INET6: their header does not compile for BPF */
#define FAMILY_V6 10
#define LOOPBACK 1 /* index of `lo` in every network namespace */
#define HOP_LIMIT 64
#define V4_MAPPED 0xffff0000ULL /* what stands before an IPv4 address in the second half of a mapped one */

/* Where the UDP header is, and where it ends at the latest. */
#define V4_UDP (ETH_HLEN + sizeof(struct iphdr))
#define V6_UDP (ETH_HLEN + sizeof(struct ipv6hdr))
#define UDP_END (V6_UDP + sizeof(struct udphdr))

/* Packets have no alignment that the compiler could know, and the machines we run on do not mind. */
struct words32 {
	__u32 at[4];
};

struct relayed {
	__u32 udp;      /* offset of the UDP header: V4_UDP or V6_UDP */
	__u32 size;     /* UDP payload by its own header */
	struct relay_words words;
	struct relay_words onward;
	struct relay_hop hop;
};

/* Offset of the UDP header of a datagram to `port`; 0 for anything that we leave alone. */
static __always_inline __u32 find_udp(void *data, void *end, __be16 port)
{
	const struct ethhdr *eth = data;
	const struct udphdr *udp;
	const struct ipv6hdr *v6;
	const struct iphdr *v4;

	if (data + ETH_HLEN + sizeof(*v4) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		v4 = data + ETH_HLEN;
		udp = data + V4_UDP;
		if (*(const __u8 *)v4 != 0x45 || v4->protocol != IPPROTO_UDP || v4->frag_off & bpf_htons(0x3fff))
			return 0;
		return (void *)(udp + 1) <= end && udp->dest == port ? V4_UDP : 0;
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		v6 = data + ETH_HLEN;
		udp = data + V6_UDP;
		if ((void *)(udp + 1) > end || v6->version != 6 || v6->nexthdr != IPPROTO_UDP)
			return 0;
		return udp->dest == port ? V6_UDP : 0;
	}
	return 0;
}

/* Where the packet comes from, and goes to. */
static __always_inline int find_source(void *data, void *end, __u32 udp, struct relay_source *source)
{
	const struct udphdr *header = data + udp;
	const struct ipv6hdr *v6 = data + ETH_HLEN;
	const struct iphdr *v4 = data + ETH_HLEN;

	if ((void *)(header + 1) > end)
		return 0;
	source->port = header->source;
	if (udp == V4_UDP) {
		if ((void *)(v4 + 1) > end)
			return 0;
		source->address[0] = source->local[0] = 0;
		source->address[1] = V4_MAPPED | (__u64)v4->saddr << 32;
		source->local[1] = V4_MAPPED | (__u64)v4->daddr << 32;
		return 1;
	}
	if ((void *)(v6 + 1) > end)
		return 0;
	__builtin_memcpy(source->address, &v6->saddr, sizeof(source->address));
	__builtin_memcpy(source->local, &v6->daddr, sizeof(source->local));
	return 1;
}

/* Whether a process has the port that the datagram came to: when the daemon is killed its sockets go at once. */
static __always_inline int is_served(void *context, void *data, void *end, __u32 udp)
{
	/* Addresses and ports stand behind each other in the packet as in a tuple. */
	struct bpf_sock_tuple *tuple = data + (udp == V4_UDP ? ETH_HLEN + offsetof(struct iphdr, saddr) : ETH_HLEN + offsetof(struct ipv6hdr, saddr));
	struct bpf_sock *socket;

	if (udp == V4_UDP) {
		if ((void *)tuple + sizeof(tuple->ipv4) > end)
			return 0;
		socket = bpf_sk_lookup_udp(context, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		if ((void *)tuple + sizeof(tuple->ipv6) > end)
			return 0;
		socket = bpf_sk_lookup_udp(context, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	bpf_sk_release(socket);
	return 1;
}

/* What becomes of a hello in a packet; with RELAY_VERDICT_REPLY, `onward` is the reply. */
static __always_inline __u32 take_hello(void *context, void *data, void *end, struct relayed *relayed)
{
	struct relay_source source;
	__u32 verdict;

	if (!find_source(data, end, relayed->udp, &source))
		return RELAY_VERDICT_SHORT;
	verdict = hello_sender(0, &relayed->words, &source, &relayed->hop);
	if (verdict != RELAY_VERDICT_HEARD)
		return verdict;
	return hello_take(0, &relayed->words, bpf_ktime_get_ns(), is_served(context, data, end, relayed->udp), &relayed->hop, &relayed->onward);
}

/*
 * Whether our daemon is gone or stands still. Nothing that is not of its sessions is dropped then: another daemon may have the port by now, one that knows
 * nothing of us, and where there is none the filter of a frozen one's sockets has the same rules (ingress.bpf.c).
 */
static __always_inline int is_unattended(void)
{
	struct relay_state *own = relay_find_state(0, 0);

	return own && relay_stands_still(own, bpf_ktime_get_ns());
}

/* Whether the packet goes to somebody else, as far as routing knows: then it is not for us to drop. */
FOLLOWED_ONCE int is_foreign(RELAY_CONTEXT *context, __u32 udp)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct bpf_fib_lookup fib = { .ifindex = LOOPBACK, .l4_protocol = IPPROTO_UDP };
	const struct ipv6hdr *v6 = data + ETH_HLEN;
	const struct iphdr *v4 = data + ETH_HLEN;

	if ((void *)(v4 + 1) > end || (udp != V4_UDP && (void *)(v6 + 1) > end))
		return 1;
	if (udp == V4_UDP) {
		fib.family = FAMILY_V4;
		fib.ipv4_src = v4->saddr;
		fib.ipv4_dst = v4->daddr;
	} else {
		fib.family = FAMILY_V6;
		__builtin_memcpy(fib.ipv6_src, &v6->saddr, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &v6->daddr, sizeof(fib.ipv6_dst));
	}
	return bpf_fib_lookup(context, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_NOT_FWDED;
}

/* Whether the daemon has found our address towards the neighbour. */
static __always_inline int has_local(const struct relay_path *to)
{
	const struct words32 *local = (const void *)to->local;

	return (local->at[0] | local->at[1] | local->at[2] | local->at[3]) != 0;
}

static __always_inline void fill_addresses(struct bpf_fib_lookup *fib, const struct relay_path *to)
{
	const struct words32 *local = (const void *)to->local, *remote = (const void *)to->address;

	if (to->family == 4) {
		fib->family = FAMILY_V4;
		fib->ipv4_src = local->at[3];
		fib->ipv4_dst = remote->at[3];
	} else {
		fib->family = FAMILY_V6;
		__builtin_memcpy(fib->ipv6_src, local, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, remote, sizeof(fib->ipv6_dst));
	}
}

/*
 * Finds interface and Ethernet addresses of the next hop for packets of `length` bytes from IP on. False when the kernel has none yet,
 * and for a path that must leave by a certain device, which routes do not lead to: then the IP addresses alone are filled in.
 */
static __always_inline int resolve(void *context, const struct relay_config *own, const struct relay_path *to, __u32 length,
				   struct bpf_fib_lookup *fib)
{
	int found;

	__builtin_memset(fib, 0, sizeof(*fib));
	fib->l4_protocol = IPPROTO_UDP;
	fib->sport = own->port;
	fib->dport = to->port;
	fib->tot_len = length;
	fib->ifindex = LOOPBACK; /* routed as what we send ourselves would be */
	fill_addresses(fib, to);
	if (to->device || !has_local(to))
		return 0;
	found = bpf_fib_lookup(context, fib, sizeof(*fib), 0) == BPF_FIB_LKUP_RET_SUCCESS;
	fill_addresses(fib, to); /* the lookup leaves the router's there when one is between */
	return found;
}

/* One's complement sums of what changed, new minus old: addresses count in the pseudo-header too, the rest does not. */
struct change {
	__u64 addresses;
	__u64 payload; /* ports and relay header */
	__u64 hops;    /* IPv6 hop limit: no checksum but that of the whole packet */
};

static __always_inline __u64 replace32(__u32 *field, __u32 value)
{
	__u64 difference = (__u64)(__u32)~*field + value;

	*field = value;
	return difference;
}

static __always_inline __u64 difference64(__u64 before, __u64 after)
{
	return (__u64)(__u32)~before + (__u32)~(before >> 32) + (__u32)after + (__u32)(after >> 32);
}

static __always_inline __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)(sum + (sum >> 32));
}

static __always_inline __u16 fold16(__u64 sum)
{
	sum = fold32(sum);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)(sum + (sum >> 16));
}

/* Writes the header of one frame. */
static __always_inline void write_words(void *at, const struct relay_words *onward)
{
	*(struct relay_words *)at = *onward;
}

/* Ethernet, IP and UDP headers of the hop to the neighbour; `data` has room up to the UDP header's end. UDP's checksum is the caller's. */
static __always_inline void write_headers(void *data, __u32 udp, const struct relayed *relayed, const struct bpf_fib_lookup *fib,
					  struct change *change)
{
	const struct relay_words *before = &relayed->words, *after = &relayed->onward;
	struct ipv6hdr *v6 = data + ETH_HLEN;
	struct iphdr *v4 = data + ETH_HLEN;
	struct ethhdr *eth = data;
	__u64 hops;

	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	if (udp == V4_UDP) {
		hops = (__u16)~*(__u16 *)&v4->ttl;
		v4->ttl = HOP_LIMIT;
		hops += *(__u16 *)&v4->ttl;
		change->addresses = replace32(&v4->saddr, fib->ipv4_src) + replace32(&v4->daddr, fib->ipv4_dst);
		change->hops = 0;
		v4->check = ~fold16((__u16)~v4->check + change->addresses + hops);
	} else {
		struct words32 *source = (void *)&v6->saddr, *destination = (void *)&v6->daddr;

		hops = (__u16)~*(__u16 *)&v6->nexthdr;
		v6->hop_limit = HOP_LIMIT;
		change->hops = hops + *(__u16 *)&v6->nexthdr;
		change->addresses = 0;
#pragma unroll
		for (int i = 0; i < 4; i++)
			change->addresses += replace32(&source->at[i], fib->ipv6_src[i]) + replace32(&destination->at[i], fib->ipv6_dst[i]);
	}
	change->payload = replace32(data + udp, fib->sport | (__u32)fib->dport << 16);
	change->payload += difference64(before->head, after->head) + difference64(before->destination, after->destination) +
			   difference64(before->source, after->source) + difference64(before->tag, after->tag);
}
