/*
 * Both ends of a relay's packet rate: `pps_send` makes each of the frames that BPF_PROG_TEST_RUN hands out anew (they come back used) and
 * sends it out of a device, as a driver would; `pps_sink` counts and drops what arrives.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#define FRAME 106 /* 64 bytes of payload behind Ethernet, IPv4 and UDP */
#define WORDS (FRAME / 8)

struct setup {
	__u64 frame[WORDS + 1];
	__u32 out;   /* index of the device to send by */
	__be16 port; /* what the sink takes */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct setup);
} pps_setup SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} pps_arrived SEC(".maps");

SEC("xdp")
int pps_send(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u32 zero = 0;
	struct setup *setup = bpf_map_lookup_elem(&pps_setup, &zero);

	if (!setup || data + FRAME > end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < WORDS; i++)
		((__u64 *)data)[i] = setup->frame[i];
	*(__u16 *)(data + WORDS * 8) = *(__u16 *)&setup->frame[WORDS];
	return bpf_redirect(setup->out, 0);
}

SEC("xdp")
int pps_sink(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);
	__u32 zero = 0;
	struct setup *setup = bpf_map_lookup_elem(&pps_setup, &zero);
	__u64 *arrived = bpf_map_lookup_elem(&pps_arrived, &zero);

	if (!setup || !arrived || (void *)(udp + 1) > end)
		return XDP_PASS;
	if (((struct ethhdr *)data)->h_proto != __builtin_bswap16(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != setup->port)
		return XDP_PASS;
	__sync_fetch_and_add(arrived, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
