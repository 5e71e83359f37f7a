/* Whether a packet is for this machine, asked of the routing table once in a while and not for each packet of a flood. */
#pragma once
#include "admission.h"
#include "relay_packet.h"

#define BELIEVED 100000000ULL /* ns: an address that we have just lost drops what is sent on to others for so long */

struct admission_local {
	struct admission_address address;
	__u64 until;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admission_local);
} admission_local SEC(".maps");

static __always_inline int is_local(RELAY_CONTEXT *context, void *data, void *end, __u32 udp, __u64 now)
{
	struct admission_address address = {};
	struct admission_local *local;
	__u32 only = 0;

	if (data + udp > end)
		return 0;
	if (udp == V4_UDP)
		address.at[3] = ((struct iphdr *)(data + ETH_HLEN))->daddr;
	else
		__builtin_memcpy(&address, &((struct ipv6hdr *)(data + ETH_HLEN))->daddr, sizeof(address));
	local = bpf_map_lookup_elem(&admission_local, &only);
	if (local && now < local->until && local->address.at[0] == address.at[0] && local->address.at[1] == address.at[1] &&
	    local->address.at[2] == address.at[2] && local->address.at[3] == address.at[3])
		return 1;
	if (is_foreign(context, udp))
		return 0;
	if (local) {
		local->address = address;
		local->until = now + BELIEVED;
	}
	return 1;
}
