/*
 * The relay's tables in the kernel, written by the addon (native/lib/relay_kernel.cc), and the lookups that the rules want. Both
 * programs have the same maps: the addon makes the second one use those of the first.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "relay_rules.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct relay_config);
} relay_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RELAY_MAX_SESSIONS);
	__type(key, __u32);
	__type(value, struct relay_session);
} relay_sessions SEC(".maps");

/* A hash, so that an entry is replaced as a whole: keys, index and addresses always belong together. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RELAY_MAX_NEIGHBOURS);
	__type(key, __u32);
	__type(value, struct relay_neighbour);
} relay_neighbours SEC(".maps");

/* Memory that the daemon's workers have mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RELAY_MAX_STATES);
	__type(key, __u32);
	__type(value, struct relay_state);
} relay_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RELAY_MAX_DESTINATIONS);
	__type(key, __u64);
	__type(value, struct relay_destination);
} relay_targets SEC(".maps");

/* Interfaces that may be sent to, by index; the value is a RELAY_DEVICE. Others may lack what a redirect takes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RELAY_MAX_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} relay_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RELAY_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} relay_counters SEC(".maps");

static __always_inline const struct relay_config *relay_own(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&relay_config, &zero);
}

static __always_inline void relay_count(__u32 verdict, __u64 frames)
{
	__u64 *count = bpf_map_lookup_elem(&relay_counters, &verdict);

	if (count)
		*count += frames; /* one counter per CPU: no other writer */
}

/* Books what went over a path, by the number of its state. */
static __always_inline void relay_sent_on(__u32 path, __u64 frames, __u64 bytes)
{
	struct relay_state *state = bpf_map_lookup_elem(&relay_states, &path);

	if (!state)
		return;
	__sync_fetch_and_add(&state->frames, frames);
	__sync_fetch_and_add(&state->bytes, bytes);
}

RELAY_RULE __u64 relay_own_label(const struct relay_tables *tables)
{
	const struct relay_config *config = relay_own();

	(void)tables;
	return config ? config->label : 0;
}

RELAY_RULE __u64 relay_own_clock(const struct relay_tables *tables)
{
	const struct relay_config *config = relay_own();

	(void)tables;
	return config ? config->clock : 0;
}

RELAY_RULE const struct relay_session *relay_find_session(const struct relay_tables *tables, __u32 link)
{
	(void)tables;
	return bpf_map_lookup_elem(&relay_sessions, &link);
}

RELAY_RULE const struct relay_destination *relay_find_destination(const struct relay_tables *tables, __u64 label)
{
	(void)tables;
	return bpf_map_lookup_elem(&relay_targets, &label);
}

RELAY_RULE const struct relay_neighbour *relay_find_neighbour(const struct relay_tables *tables, __u32 number)
{
	(void)tables;
	return bpf_map_lookup_elem(&relay_neighbours, &number);
}

RELAY_RULE struct relay_state *relay_find_state(const struct relay_tables *tables, __u32 number)
{
	(void)tables;
	return bpf_map_lookup_elem(&relay_states, &number);
}
