/*
 * Socket filter on the mesh's UDP sockets: drops what the daemon need not hear before it is copied to it and wakes it, wherever it came
 * from: the programs at XDP and tc see Ethernet devices only. It proves nothing about the sender; the daemon checks everything
 * again. It lives and dies with the socket, so a daemon that was killed leaves nothing behind. UAPI only: loads on Linux 5.15 and later.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "admission_skb.h"

#define UDP_HEADER 8

#define DROP 0
#define KEEP 0xffffffff

/*
 * Where the UDP header is: a socket shows a packet from there on, a trial of the program (BPF_PROG_TEST_RUN) from its IP header on. The
 * length in the IP header tells which.
 */
static __always_inline __u32 udp_offset(const struct __sk_buff *skb, __u32 header, __u32 behind)
{
	return skb->len == header + behind ? header : 0;
}

/* Who sent it, by the IP header; gives the offset of the UDP header. */
static __always_inline __u32 read_source(const struct __sk_buff *skb, struct arrival *arrival)
{
	struct ipv6hdr v6 = {};
	struct iphdr v4 = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		bpf_skb_load_bytes_relative(skb, 0, &v4, sizeof(v4), BPF_HDR_START_NET);
		arrival->source.at[2] = bpf_htonl(0xffff);
		arrival->source.at[3] = v4.saddr;
		return udp_offset(skb, sizeof(v4), bpf_ntohs(v4.tot_len) - sizeof(v4));
	}
	bpf_skb_load_bytes_relative(skb, 0, &v6, sizeof(v6), BPF_HDR_START_NET);
	__builtin_memcpy(&arrival->source, &v6.saddr, sizeof(arrival->source));
	return udp_offset(skb, sizeof(v6), bpf_ntohs(v6.payload_len));
}

/* GRO may have merged several datagrams of one size into this skb, of `size` bytes. All but the first are the daemon's to check. */
static __always_inline void measure(const struct __sk_buff *skb, __u32 size, struct arrival *arrival)
{
	arrival->count = 1;
	arrival->size = size;
	if (skb->gso_size && skb->gso_size < size) {
		arrival->count = (size - 1) / skb->gso_size + 1;
		arrival->size = skb->gso_size;
	}
}

static __always_inline __u32 judge(struct __sk_buff *skb, struct arrival *arrival)
{
	__u32 udp = read_source(skb, arrival), at = udp + UDP_HEADER, bad = 0, verdict;
	const struct admission_keys *own;
	__u64 now;

	arrival->count = 1;
	if (skb->len <= at)
		return INGRESS_SHORT;
	measure(skb, skb->len - at, arrival);
	if (bpf_skb_load_bytes(skb, at, &arrival->head, arrival->size < HEAD ? 1 : HEAD) < 0)
		return INGRESS_SHORT;
	verdict = admit_at_once(arrival);
	if (verdict == INGRESS_PASS)
		return verdict;
	own = admission_own();
	if (verdict != INGRESS_ANSWERED)
		return own || verdict != INGRESS_UNKNOWN_SESSION ? verdict : INGRESS_PASS;
	if (!own)
		return INGRESS_PASS;
	bpf_skb_load_bytes(skb, udp, &arrival->port, sizeof(arrival->port));
	now = bpf_ktime_get_ns();
	verdict = admit(own, arrival, HOOK_SOCKET, now, &bad);
	if (verdict != INGRESS_ANSWERED)
		return verdict;
	return skb_tag_holds(skb, own, arrival, at) ? admit_stranger(arrival, HOOK_SOCKET, now) : bad;
}

SEC("socket")
int ingress(struct __sk_buff *skb)
{
	struct arrival arrival = {};
	__u32 verdict;

	if (skb->tc_index == ADMITTED) {
		measure(skb, skb->len - UDP_HEADER, &arrival);
		ingress_count(INGRESS_PASS, arrival.count);
		return KEEP;
	}
	verdict = judge(skb, &arrival);
	ingress_count(verdict, arrival.count);
	return verdict == INGRESS_PASS ? KEEP : DROP;
}

char _license[] SEC("license") = "Apache-2.0";
