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

/* The leaf of an address among those of subnets. */
static __always_inline __u32 find_subnet(void *table, const void *address)
{
	const struct policy_subnets *subnets = (const void *)policy_row(table, 1);
	const struct mesh_words *words = address;
	__u32 reference;

	if (!subnets)
		return POLICY_LEAF;
	reference = subnets->root;
	for (__u32 i = 0; i < 4; i++) {
		__u32 word = bpf_ntohl(words->at[i]);

		for (__u32 j = 0; j < 8 && reference < POLICY_LEAF; j++) {
			const __u32 *row = policy_row(table, reference);

			if (!row)
				return POLICY_LEAF;
			reference = row[(word >> (28 - 4 * j)) & 15];
		}
	}
	return reference;
}

/* Whether an address is this gateway's, or in a subnet behind it. */
static __always_inline int is_ours(void *table, const struct policy_header *policy, const void *address)
{
	return is_same_address(address, policy->own) || (policy->flags & POLICY_FLAG_SUBNETS && find_subnet(table, address) == POLICY_OWN_LEAF);
}

/* The roots for what is behind other gateways, as find_member() gives them. */
static __always_inline int find_gateway(void *table, const struct policy_header *policy, const void *address, __u32 direction, __u32 *name,
					__u32 *roles)
{
	const struct policy_member *gateways;
	__u32 leaf;

	if (!(policy->flags & POLICY_FLAG_SUBNETS))
		return 0;
	leaf = find_subnet(table, address);
	if (leaf == POLICY_LEAF || leaf == POLICY_OWN_LEAF)
		return 0;
	gateways = (const void *)policy_row(table, leaf & ~POLICY_LEAF);
	if (!gateways)
		return 0;
	*name = direction == MESH_IN ? gateways->name_in : gateways->name_out;
	*roles = direction == MESH_IN ? gateways->roles_in : gateways->roles_out;
	return 1;
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

#define VERDICT(leaf, drop) ((leaf) | (__u64)(drop) << 32)
#define VERDICT_LEAF(verdict) ((__u32)(verdict))
#define VERDICT_DROP(verdict) ((__u8)((verdict) >> 32))
#define VERDICT_REPLACED (~0ULL)

/*
 * The verdict about a packet that opens a flow in this direction: a leaf, and why it is dropped, or 0. With an end that is neither ours nor
 * a member's, nor in a subnet of either, it is dropped whatever the rules and the default say: those are about members.
 *
 * A global function, so that the verifier looks at it once and not for every way that leads here: it is given numbers and finds the table itself,
 * which must be that of `generation`, or else has just been replaced.
 */
__attribute__((noinline)) __u64 decide(__u32 generation, __u32 direction, const struct mesh_flow_key *key, __u32 rule_key)
{
	__u32 leaf, zero = 0, name = POLICY_LEAF, roles = POLICY_LEAF;
	void *table = bpf_map_lookup_elem(&mesh_policy, &zero);
	const struct policy_header *policy = table ? (const void *)policy_row(table, 0) : 0;

	if (!policy || !key || policy->generation != generation)
		return VERDICT_REPLACED;
	if (!(policy->flags & POLICY_FLAG_ENFORCE))
		return VERDICT(POLICY_LEAF | POLICY_LEAF_ALLOWS, 0);
	if (!is_ours(table, policy, key->local) || (!find_member(table, policy, key->remote, direction, &name, &roles) &&
						    !find_gateway(table, policy, key->remote, direction, &name, &roles)))
		return VERDICT(POLICY_LEAF, MESH_DROP_STRANGER);
	leaf = find_leaf(table, direction == MESH_IN ? policy->any_in : policy->any_out, rule_key);
	leaf = earlier(leaf, find_leaf(table, name, rule_key));
	leaf = earlier(leaf, find_leaf(table, roles, rule_key));
	if (leaf & POLICY_LEAF_NUMBER)
		return VERDICT(leaf, leaf & POLICY_LEAF_ALLOWS ? 0 : MESH_DROP_RULE);
	if (policy->flags & POLICY_FLAG_DEFAULT_ALLOW)
		return VERDICT(POLICY_LEAF | POLICY_LEAF_ALLOWS, 0);
	return VERDICT(POLICY_LEAF, MESH_DROP_DEFAULT);
}
