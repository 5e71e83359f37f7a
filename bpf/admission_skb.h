/* The mac of a fragment in a packet buffer, for tc and the sockets. */
#pragma once
#include "admission.h"

/*
 * What a packet for a session of ours carries from tc to the sockets, where it is not judged again: the field is the traffic control's own.
 * Who else on this machine sets it spares what it sends a filter, and the daemon has more to drop.
 */
#define ADMITTED 0x7472

/* Whether a first message's fragment, whose payload begins at offset `at`, has the mac of who knows us. */
FOLLOWED_ONCE int skb_tag_holds(struct __sk_buff *skb, const struct admission_keys *own, const struct arrival *arrival, __u32 at)
{
	struct admission_scratch *scratch;
	__u32 only = 0, size, fours;
	__u64 last;

	if (!own || !arrival)
		return 0;
	scratch = bpf_map_lookup_elem(&admission_scratch, &only);
	size = arrival->size - MAC_AT * 8;
	if (!scratch || size < sizeof(last) || size > MAX_DATAGRAM - MAC_AT * 8 || bpf_skb_load_bytes(skb, at + MAC_AT * 8, scratch->words, size) < 0)
		return 0;
	scratch->hash = mac_start(own, arrival);
	fours = (size / 8 - 1) / 4; /* the first word is the mac itself */
	for (__u32 i = 0; i < MAX_WORDS / 4; i++) {
		if (i >= fours)
			break;
		siphash_absorb_4(&scratch->hash, scratch->words[4 * i + 1], scratch->words[4 * i + 2], scratch->words[4 * i + 3],
				 scratch->words[4 * i + 4]);
	}
	for (__u32 i = 1; i < 4; i++) {
		if (4 * fours + i >= size / 8 || 4 * fours + i >= MAX_WORDS)
			break;
		siphash_absorb(&scratch->hash, scratch->words[4 * fours + i]);
	}
	__builtin_memcpy(&last, (__u8 *)scratch->words + size - sizeof(last), sizeof(last));
	return mac_holds(&scratch->hash, arrival, last);
}
