/*
 * Chooses the queue of the TUN device for a packet that leaves (TUNSETSTEERINGEBPF): those of sparse flows go to a queue of their own,
 * the last one, so that they never stand behind a bulk flow's. What a flow sends fills a bucket that leaks; one that
 * overflows makes its flow a bulk flow until it has run empty: by then what the flow has in the other queue has left, so its packets
 * keep their order. Flows whose hashes meet share a bucket, which can only make a sparse one slower. UAPI only: loads on Linux 5.15
 * and later.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#include "steering_home.h"

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

SEC("socket")
int steering(struct __sk_buff *skb)
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
	if (!fill(bucket, skb->len))
		return *queues;
	return (*home ? (__u32)*home - 1 : flow.hash >> 12) % *queues;
}

char _license[] SEC("license") = "Apache-2.0";
