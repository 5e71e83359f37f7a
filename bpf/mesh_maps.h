/*
 * The tables of the programs on the overlay device: the policy, written as a whole by the addon (native/lib/mesh_filter.cc); flows, and
 * what is counted and told.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.gen.h"

/* A compiled policy (runtime/policy/table.ts): rows of words. All are of one size, so that a lookup is a load and no call. */
struct policy_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, POLICY_ROWS_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, POLICY_ROW_WORDS * sizeof(__u32));
};

/* The one in force. One update replaces it; a packet that began with the old one ends with it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__array(values, struct policy_table);
} mesh_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MESH_MAX_FLOWS);
	__type(key, struct mesh_flow_key);
	__type(value, struct mesh_flow);
} mesh_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MESH_MAX_DENIED);
	__type(key, struct mesh_flow_key);
	__type(value, struct mesh_flow);
} mesh_denied SEC(".maps");

/* First fragments that were allowed: the later ones carry no ports. The ports of the key are the datagram's number. */
struct mesh_fragment {
	__u64 last;
	__u32 generation;
	__u32 leaf;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MESH_MAX_FRAGMENTS);
	__type(key, struct mesh_flow_key);
	__type(value, struct mesh_fragment);
} mesh_fragments SEC(".maps");

/* By rule: from the table's base on, 0 for the default. */
struct mesh_counts {
	struct mesh_count of[MESH_COUNTERS_TOGETHER];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MESH_MAX_COUNTERS / MESH_COUNTERS_TOGETHER);
	__type(key, __u32);
	__type(value, struct mesh_counts);
} mesh_rule_counters SEC(".maps");

/* Packets by direction and reason; the last one counts events that found no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * MESH_DROPS + 1);
	__type(key, __u32);
	__type(value, __u64);
} mesh_drop_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MESH_MAX_EVENT_BYTES);
} mesh_events SEC(".maps");

static __always_inline void mesh_count(__u32 index, __u64 packets)
{
	__u64 *count = bpf_map_lookup_elem(&mesh_drop_counters, &index);

	if (count)
		*count += packets; /* one counter per CPU: no other writer */
}

static __always_inline void mesh_count_rule(const struct policy_header *policy, __u32 leaf, __u64 packets, __u64 bytes)
{
	__u32 index = policy->counter_base + (leaf & POLICY_LEAF_NUMBER);
	__u32 entry = index / MESH_COUNTERS_TOGETHER;
	struct mesh_counts *counts = bpf_map_lookup_elem(&mesh_rule_counters, &entry);
	struct mesh_count *count;

	if (!counts)
		return;
	count = &counts->of[index % MESH_COUNTERS_TOGETHER];
	count->packets += packets;
	count->bytes += bytes;
}
