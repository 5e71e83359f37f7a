/*
 * Chooses the worker for a packet, by a program for each direction. Sparse flows have a worker of their own, the last one, so that they
 * never stand behind a bulk flow's. UAPI only: loads on Linux 5.15 and later.
 *
 * What leaves, by the TUN device (TUNSETSTEERINGEBPF): what a flow sends fills a bucket that leaks; one that
 * overflows makes its flow a bulk flow until it has run empty: by then what the flow has in the other queue has left, so its packets
 * keep their order. Flows whose hashes meet share a bucket, which can only make a sparse one slower.
 *
 * What arrives, by the sockets (SO_ATTACH_REUSEPORT_EBPF, they are in the order of the workers): the peer has marked what is sparse;
 * the rest goes by who sent it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steering_terms.h"

#define BUCKETS 4096
#define LEAK_SHIFT 10        /* one byte per 1,024 ns: about 1 MB/s */
#define LEAST_COST 512       /* bytes that a packet counts at least: 2,000 small ones per second are sparse */
#define SPARSE_LEVEL 32768   /* a bucket that holds more is a bulk flow's */
#define HIGHEST_LEVEL 262144 /* runs empty in a quarter of a second */

struct bucket {
	__u64 at; /* ns: when it was filled last */
	__u32 level;
	__u32 bulk;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, __u32);
	__type(value, struct bucket);
} steering_buckets SEC(".maps");

/* Queues for bulk flows; the one after them is for sparse flows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} steering_queues SEC(".maps");

/* Queue of an address, plus one; 0 when nothing has come from there yet. Written by the workers, in memory they share with us. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEERING_HOMES);
	__type(key, __u32);
	__type(value, __u64);
} steering_homes SEC(".maps");

/* CPU that had the newest packet of a sparse flow in hand, plus one, by direction. Read by their worker, in memory it shares with us. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEERING_DIRECTIONS);
	__type(key, __u32);
	__type(value, __u64);
} steering_cpus SEC(".maps");

struct flow {
	__u32 hash;
	__u32 home;
};

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9e3779b1;
	return hash ^ hash >> 15;
}

/* Addresses, protocol and, where the first header that follows has them, ports. */
static __always_inline void find_flow(struct __sk_buff *skb, struct flow *flow)
{
	__u32 hash = 0, ports = 0, transport;
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
		__u32 words[10];
	} ip = {};
	__u8 protocol;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip.v4)) < 0)
		return;
	if (ip.v4.version == 4) {
		flow->home = steering_home(ip.v4.daddr, 0, 0, 0);
		hash = mix(ip.v4.saddr, ip.v4.daddr);
		protocol = ip.v4.protocol;
		transport = ip.v4.ihl * 4;
	} else {
		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip.v6)) < 0)
			return;
		flow->home = steering_home(ip.words[6], ip.words[7], ip.words[8], ip.words[9]);
#pragma unroll
		for (int i = 2; i < 10; i++)
			hash = mix(hash, ip.words[i]);
		protocol = ip.v6.nexthdr;
		transport = sizeof(ip.v6);
	}
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		bpf_skb_load_bytes(skb, transport, &ports, sizeof(ports)); /* a later fragment's are bytes of its own: another flow */
	flow->hash = mix(mix(hash, protocol), ports);
}

/* Whether the flow is a bulk flow, now that it sends `size` bytes. Two processors at once may lose one packet's cost. */
static __always_inline __u32 fill(struct bucket *bucket, __u32 size)
{
	__u64 now = bpf_ktime_get_ns(), leaked = (now - bucket->at) >> LEAK_SHIFT;
	__u32 level = bucket->level > leaked ? bucket->level - (__u32)leaked : 0;

	if (level == 0)
		bucket->bulk = 0;
	level += size < LEAST_COST ? LEAST_COST : size;
	if (level > SPARSE_LEVEL)
		bucket->bulk = 1;
	bucket->level = level < HIGHEST_LEVEL ? level : HIGHEST_LEVEL;
	bucket->at = now;
	return bucket->bulk;
}

static __always_inline void here(__u32 direction)
{
	__u64 *cpu = bpf_map_lookup_elem(&steering_cpus, &direction);

	if (cpu)
		*cpu = bpf_get_smp_processor_id() + 1;
}

SEC("socket")
int leaving(struct __sk_buff *skb)
{
	struct flow flow = {};
	struct bucket *bucket;
	__u32 *queues, at = 0;
	__u64 *home;

	find_flow(skb, &flow);
	queues = bpf_map_lookup_elem(&steering_queues, &at);
	at = flow.hash % BUCKETS;
	bucket = bpf_map_lookup_elem(&steering_buckets, &at);
	home = bpf_map_lookup_elem(&steering_homes, &flow.home);
	if (!bucket || !queues || !home || *queues == 0)
		return 0;
	if (!fill(bucket, skb->len)) {
		here(STEERING_LEAVING);
		return *queues;
	}
	return (*home ? (__u32)*home - 1 : flow.hash >> 12) % *queues;
}

struct sender {
	__u32 address; /* its last four bytes */
	__u16 port;
	__u8 sparse;
};

static __always_inline void find_sender(struct __sk_buff *skb, struct sender *sender)
{
	union {
		struct {
			struct iphdr ip;
			__be16 port; /* of a datagram whose header has no options, else bytes of those: as good for a hash */
		} v4;
		struct {
			struct ipv6hdr ip;
			__be16 port;
		} v6;
		__be16 first;
	} in = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		bpf_skb_load_bytes_relative(skb, 0, &in.v4, sizeof(in.v4.ip) + sizeof(in.v4.port), BPF_HDR_START_NET);
		sender->sparse = in.v4.ip.tos >> 2 == STEERING_SPARSE_DSCP;
		sender->address = in.v4.ip.saddr;
		sender->port = in.v4.port;
	} else {
		bpf_skb_load_bytes_relative(skb, 0, &in.v6, sizeof(in.v6.ip) + sizeof(in.v6.port), BPF_HDR_START_NET);
		sender->sparse = (bpf_ntohs(in.first) >> 6 & 0x3f) == STEERING_SPARSE_DSCP;
		sender->address = in.v6.ip.saddr.s6_addr32[3];
		sender->port = in.v6.port;
	}
}

SEC("socket")
int arriving(struct __sk_buff *skb)
{
	struct sender sender = {};
	__u32 *queues, at = 0;

	find_sender(skb, &sender);
	queues = bpf_map_lookup_elem(&steering_queues, &at);
	if (!queues || *queues == 0)
		return 0;
	if (!sender.sparse)
		return (mix(sender.address, sender.port) >> 12) % *queues;
	here(STEERING_ARRIVING);
	return *queues;
}

char _license[] SEC("license") = "Apache-2.0";
