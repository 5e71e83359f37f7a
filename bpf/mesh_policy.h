/* What the policy in force says about a member's packet. The number of its rules does not matter: a member is found by hash, a rule by tries of six levels. */
#pragma once
#include "mesh_packet.h"

#define TRIE_LEVELS 6

static __always_inline __u32 *policy_row(void *table, __u32 row)
{
	return bpf_map_lookup_elem(table, &row);
}

/* As memberHash in runtime/policy/table.ts. */
static __always_inline __u32 member_hash(const struct mesh_words *address, __u32 seed)
{
	__u32 hash = seed;

	for (int i = 0; i < 4; i++) {
		hash = (hash ^ address->at[i]) * 0x9e3779b1;
		hash ^= hash >> 15;
	}
	return hash;
}

/* The roots of a member's own tries in this direction; 0 when it is none. */
static __always_inline int find_member(void *table, const struct policy_header *policy, const void *address, __u32 direction,
				       __u32 *name, __u32 *roles)
{
	__u32 hash = member_hash(address, policy->seed);

	for (__u32 i = 0; i < POLICY_PROBES_MAX; i++) {
		const struct policy_member *two = (const void *)policy_row(table, policy->members + ((hash + i) & policy->mask));

		if (!two)
			return 0;
		for (int j = 0; j < 2; j++) {
			if (!is_same_address(two[j].address, address))
				continue;
			/* Values instead of the place: the verifier need not look at what follows once per place. */
			*name = direction == MESH_IN ? two[j].name_in : two[j].name_out;
			*roles = direction == MESH_IN ? two[j].roles_in : two[j].roles_out;
			return 1;
		}
	}
	return 0;
}

/* The leaf of `key` in the trie below `reference`. */
static __always_inline __u32 find_leaf(void *table, __u32 reference, __u32 key)
{
	for (__u32 i = 0; i < TRIE_LEVELS && reference < POLICY_LEAF; i++) {
		const __u32 *row = policy_row(table, reference);

		if (!row)
			return POLICY_LEAF;
		reference = row[(key >> (20 - 4 * i)) & 15];
	}
	return reference;
}

/* The rule that comes first. No rule has number 0, so that it becomes the largest. */
static __always_inline __u32 earlier(__u32 a, __u32 b)
{
	return (a & POLICY_LEAF_NUMBER) - 1 <= (b & POLICY_LEAF_NUMBER) - 1 ? a : b;
}

/*
 * The leaf for a packet that opens a flow in this direction. `drop` tells why it is denied, or 0. With an end that is neither ours nor
 * a member's it is dropped whatever the rules and the default say: those are about members.
 */
static __always_inline __u32 decide(void *table, const struct policy_header *policy, __u32 direction, const struct mesh_flow_key *key,
				    __u32 rule_key, __u8 *drop)
{
	__u32 leaf, name = POLICY_LEAF, roles = POLICY_LEAF;

	*drop = 0;
	if (!(policy->flags & POLICY_FLAG_ENFORCE))
		return POLICY_LEAF | POLICY_LEAF_ALLOWS;
	if (!is_same_address(key->local, policy->own) || !find_member(table, policy, key->remote, direction, &name, &roles)) {
		*drop = MESH_DROP_STRANGER;
		return POLICY_LEAF;
	}
	leaf = find_leaf(table, direction == MESH_IN ? policy->any_in : policy->any_out, rule_key);
	leaf = earlier(leaf, find_leaf(table, name, rule_key));
	leaf = earlier(leaf, find_leaf(table, roles, rule_key));
	if (leaf & POLICY_LEAF_NUMBER) {
		if (!(leaf & POLICY_LEAF_ALLOWS))
			*drop = MESH_DROP_RULE;
		return leaf;
	}
	if (policy->flags & POLICY_FLAG_DEFAULT_ALLOW)
		return POLICY_LEAF | POLICY_LEAF_ALLOWS;
	*drop = MESH_DROP_DEFAULT;
	return POLICY_LEAF;
}
