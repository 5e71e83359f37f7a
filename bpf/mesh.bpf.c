/*
 * Who may talk to whom over the overlay device, and what is said about it: tc programs for both directions, on Linux 5.15 and later.
 * A packet of a known flow takes one lookup; the first one is judged by the policy, and its replies follow it.
 */
#include "mesh_policy.h"

#define PASS (-1) /* TC_ACT_UNSPEC: to the next program, if there is one */
#define DROP 2    /* TC_ACT_SHOT */
#define MS 1000000ULL

struct judged {
	__u64 now;
	__u64 packets;
	__u64 bytes;
	__u32 direction;
	__u32 leaf;
	__u8 drop;
};

static __always_inline __u64 patience(const struct policy_header *policy, const struct mesh_flow_key *key, const struct mesh_flow *flow)
{
	if (key->protocol == IPPROTO_TCP)
		return (flow->state == MESH_STATE_ANSWERED ? policy->tcp_ms : policy->opening_ms) * MS;
	return (has_ports(key->protocol) ? policy->udp_ms : policy->other_ms) * MS;
}

/* Whether the packet belongs to the flow: not when the flow has been silent for too long, or TCP begins anew. */
static __always_inline int is_part_of(const struct policy_header *policy, const struct mesh_packet *packet, const struct mesh_flow *flow,
				      const struct judged *judged)
{
	if (judged->now - flow->last >= patience(policy, &packet->key, flow))
		return 0;
	if (packet->kind == MESH_ERROR || packet->key.protocol != IPPROTO_TCP)
		return 1;
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN ||
	       (judged->direction == flow->opener && !(flow->state & MESH_STATE_CLOSING));
}

/* A superpacket counts as the packets that it stands for. */
static __always_inline void measure(const struct __sk_buff *skb, const struct mesh_packet *packet, struct judged *judged)
{
	__u32 size = skb->gso_size, payload = packet->total - packet->headers;

	judged->packets = size && payload > size ? (payload + size - 1) / size : 1;
	judged->bytes = packet->total + (judged->packets - 1) * packet->headers;
}

static __always_inline void add(struct mesh_flow *flow, const struct judged *judged)
{
	flow->last = judged->now;
	if (judged->direction == MESH_IN) {
		__sync_fetch_and_add(&flow->in_packets, judged->packets);
		__sync_fetch_and_add(&flow->in_bytes, judged->bytes);
	} else {
		__sync_fetch_and_add(&flow->out_packets, judged->packets);
		__sync_fetch_and_add(&flow->out_bytes, judged->bytes);
	}
}

static __always_inline void tell(const struct mesh_flow_key *key, const struct judged *judged)
{
	struct mesh_event *event = bpf_ringbuf_reserve(&mesh_events, sizeof(*event), 0);

	if (!event) {
		mesh_count(2 * MESH_DROPS, 1);
		return;
	}
	copy_address(event->local, key->local);
	copy_address(event->remote, key->remote);
	event->local_port = key->local_port;
	event->remote_port = key->remote_port;
	event->protocol = key->protocol;
	event->opener = judged->direction;
	event->drop = judged->drop;
	event->reserved[0] = 0;
	event->leaf = judged->leaf;
	*(__u32 *)event->reserved2 = 0;
	event->time = judged->now;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP); /* the daemon looks by itself */
}

static __always_inline void remember(void *flows, const struct policy_header *policy, const struct mesh_flow_key *key,
				     const struct judged *judged)
{
	struct mesh_flow flow = {
		.first = judged->now,
		.generation = policy->generation,
		.leaf = judged->leaf,
		.opener = judged->direction,
		.drop = judged->drop,
	};

	add(&flow, judged);
	bpf_map_update_elem(flows, key, &flow, BPF_ANY);
	tell(key, judged);
}

static __always_inline int count_drop(__u32 direction, __u32 reason, __u64 packets)
{
	mesh_count(direction * MESH_DROPS + reason - 1, packets);
	return DROP;
}

static __always_inline int deny(const struct policy_header *policy, const struct mesh_packet *packet, const struct judged *judged)
{
	struct mesh_flow *known;

	if (judged->drop != MESH_DROP_STRANGER)
		mesh_count_rule(policy, judged->leaf, judged->packets, judged->bytes);
	if (packet->kind != MESH_SINGLE) {
		known = bpf_map_lookup_elem(&mesh_denied, &packet->key);
		if (known && known->generation == policy->generation && known->opener == judged->direction)
			add(known, judged);
		else
			remember(&mesh_denied, policy, &packet->key, judged);
	}
	return count_drop(judged->direction, judged->drop, judged->packets);
}

/* The later fragments of a datagram may pass when its first one did. */
static __always_inline void fragment_key(const struct mesh_packet *packet, __u32 direction, struct mesh_flow_key *key)
{
	copy_address(key->local, packet->key.local);
	copy_address(key->remote, packet->key.remote);
	key->local_port = packet->fragment;
	key->remote_port = packet->fragment >> 16;
	key->protocol = PROTOCOL_FRAGMENT;
	key->reserved[0] = direction;
}

static __always_inline int allow(const struct policy_header *policy, const struct mesh_packet *packet, const struct judged *judged)
{
	mesh_count_rule(policy, judged->leaf, judged->packets, judged->bytes);
	if (packet->part == MESH_FIRST) {
		struct mesh_flow_key key __attribute__((aligned(8))) = {};
		struct mesh_fragment first = { judged->now, policy->generation, judged->leaf };

		fragment_key(packet, judged->direction, &key);
		bpf_map_update_elem(&mesh_fragments, &key, &first, BPF_ANY);
	}
	return PASS;
}

static __always_inline int follow_first(const struct policy_header *policy, const struct mesh_packet *packet, const struct judged *judged)
{
	struct mesh_flow_key key __attribute__((aligned(8))) = {};
	const struct mesh_fragment *first;

	if (!(policy->flags & POLICY_FLAG_ENFORCE))
		return PASS;
	fragment_key(packet, judged->direction, &key);
	first = bpf_map_lookup_elem(&mesh_fragments, &key);
	if (!first || first->generation != policy->generation || judged->now - first->last >= policy->other_ms * MS)
		return count_drop(judged->direction, MESH_DROP_FRAGMENT, 1);
	mesh_count_rule(policy, first->leaf, judged->packets, judged->bytes);
	return PASS;
}

/* What the rules are asked about: the packet, or the first packet of the flow that it belongs to, which a new policy judges again. */
static __always_inline __u32 asked(const struct mesh_packet *packet, const struct mesh_flow *flow)
{
	const struct mesh_flow_key *key = &packet->key;

	if (!flow)
		return packet->rule_key;
	return (__u32)key->protocol << 16 | (!has_ports(key->protocol) ? 0 : flow->opener == MESH_IN ? key->local_port : key->remote_port);
}

static __always_inline void go_on(const struct mesh_packet *packet, struct mesh_flow *flow, struct judged *judged)
{
	judged->leaf = flow->leaf;
	if (packet->kind == MESH_ERROR)
		return;
	add(flow, judged);
	if (judged->direction != flow->opener && !(flow->state & MESH_STATE_ANSWERED))
		flow->state |= MESH_STATE_ANSWERED;
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		flow->state |= MESH_STATE_CLOSING;
}

static __always_inline const struct policy_header *policy_in_force(void)
{
	__u32 zero = 0;
	void *table = bpf_map_lookup_elem(&mesh_policy, &zero);

	return table ? (const void *)policy_row(table, 0) : 0;
}

static __always_inline int filter(struct __sk_buff *skb, __u32 direction)
{
	struct mesh_packet packet = {};
	struct judged judged = { .direction = direction };
	const struct policy_header *policy;
	struct mesh_flow *flow;
	__u32 problem;
	__u64 verdict;

	policy = policy_in_force();
	if (!policy)
		return DROP;
	packet.link = policy->link;
	problem = read_packet(skb, direction, &packet);
	if (problem)
		return policy->flags & POLICY_FLAG_ENFORCE ? count_drop(direction, problem, 1) : PASS;
	judged.now = bpf_ktime_get_coarse_ns();
	measure(skb, &packet, &judged);
	if (packet.part == MESH_LATER)
		return follow_first(policy, &packet, &judged);
	flow = packet.kind == MESH_SINGLE ? 0 : bpf_map_lookup_elem(&mesh_flows, &packet.key);
	if (flow && !is_part_of(policy, &packet, flow, &judged))
		flow = 0;
	if (!flow && packet.kind == MESH_ERROR)
		packet.kind = MESH_SINGLE; /* about no flow of ours */
	if (!flow || flow->generation != policy->generation) {
		verdict = decide(policy->generation, flow ? flow->opener : direction, &packet.key, asked(&packet, flow));
		if (verdict == VERDICT_REPLACED) {
			policy = policy_in_force();
			if (!policy)
				return DROP;
			verdict = decide(policy->generation, flow ? flow->opener : direction, &packet.key, asked(&packet, flow));
		}
		if (verdict == VERDICT_REPLACED)
			verdict = VERDICT(POLICY_LEAF, MESH_DROP_STRANGER); /* once more: nobody replaces so often */
		judged.leaf = VERDICT_LEAF(verdict);
		judged.drop = VERDICT_DROP(verdict);
		if (judged.drop) {
			if (flow)
				bpf_map_delete_elem(&mesh_flows, &packet.key);
			return deny(policy, &packet, &judged);
		}
	}
	if (flow) {
		if (flow->generation != policy->generation) {
			flow->leaf = judged.leaf;
			flow->generation = policy->generation;
		}
		go_on(&packet, flow, &judged);
	} else if (packet.kind == MESH_OPENS) {
		remember(&mesh_flows, policy, &packet.key, &judged);
	}
	return allow(policy, &packet, &judged);
}

SEC("tc")
int mesh_in(struct __sk_buff *skb)
{
	return filter(skb, MESH_IN);
}

SEC("tc")
int mesh_out(struct __sk_buff *skb)
{
	return filter(skb, MESH_OUT);
}

char _license[] SEC("license") = "Apache-2.0";
