/* The mac of a fragment in a packet buffer, for tc and the sockets. */
#pragma once
#include "admission.h"

/* A fragment from its fourth word on. */
struct admission_scratch {
	__u64 words[MAX_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admission_scratch);
} admission_scratch SEC(".maps");

/* Whether a first message's fragment, whose payload begins at offset `at`, has the mac of who knows us. */
FOLLOWED_ONCE int skb_tag_holds(struct __sk_buff *skb, const struct admission_keys *own, const struct arrival *arrival, __u32 at)
{
	struct admission_scratch *scratch;
	__u32 only = 0, size;
	struct siphash hash;
	__u64 last;

	if (!own || !arrival)
		return 0;
	hash = mac_start(own, arrival);
	scratch = bpf_map_lookup_elem(&admission_scratch, &only);
	size = arrival->size - MAC_AT * 8;
	if (!scratch || size < sizeof(last) || size > MAX_DATAGRAM - MAC_AT * 8 || bpf_skb_load_bytes(skb, at + MAC_AT * 8, scratch->words, size) < 0)
		return 0;
	for (__u32 i = 1; i < MAX_WORDS - MAC_AT; i++) {
		if (i >= size / 8)
			break;
		siphash_absorb(&hash, scratch->words[i]);
	}
	__builtin_memcpy(&last, (__u8 *)scratch->words + size - sizeof(last), sizeof(last));
	return mac_holds(&hash, arrival, last);
}
