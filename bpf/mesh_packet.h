/* What the programs on the overlay device want to know of an IP packet. Its bytes may lie in pages: they are read by copying. */
#pragma once
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "mesh_maps.h"

#define EXTENSIONS_MAX 8
#define PROTOCOL_FRAGMENT 44

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* How a packet is judged when no flow has it. */
enum mesh_kind {
	MESH_OPENS,  /* by rules; when they allow it, it opens a flow */
	MESH_REPLY,  /* an echo reply: by rules, and opens none */
	MESH_SINGLE, /* by rules, and never part of a flow */
	MESH_ERROR,  /* ICMP about a packet of the flow in `key` */
};

enum mesh_part { MESH_WHOLE, MESH_FIRST, MESH_LATER };

struct mesh_packet {
	struct mesh_flow_key key;
	__u32 link;       /* bytes before the IP header; the other offsets count from there */
	__u32 total;      /* bytes, from the IP header on */
	__u32 transport;  /* offset of the transport header */
	__u32 headers;    /* bytes before the payload */
	__u32 fragment;   /* number of the fragmented datagram */
	__u32 rule_key;   /* protocol << 16 | destination port */
	__u8 kind;
	__u8 part;
	__u8 tcp_flags;
} __attribute__((aligned(8)));

struct mesh_words {
	__u32 at[4];
} __attribute__((aligned(4)));

static __always_inline int mesh_read(const struct __sk_buff *skb, const struct mesh_packet *packet, __u32 at, void *to, __u32 size)
{
	return bpf_skb_load_bytes(skb, packet->link + at, to, size);
}

static __always_inline int is_same_address(const void *a, const void *b)
{
	const struct mesh_words *x = a, *y = b;

	return !((x->at[0] ^ y->at[0]) | (x->at[1] ^ y->at[1]) | (x->at[2] ^ y->at[2]) | (x->at[3] ^ y->at[3]));
}

static __always_inline void copy_address(void *to, const void *from)
{
	*(struct mesh_words *)to = *(const struct mesh_words *)from;
}

static __always_inline void map_v4(void *to, __be32 address)
{
	struct mesh_words *words = to;

	words->at[0] = words->at[1] = 0;
	words->at[2] = bpf_htonl(0xffff);
	words->at[3] = address;
}

/* Reads the IP headers up to the transport's. Returns why the packet is dropped, or 0. */
static __always_inline __u32 read_v6(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet)
{
	struct {
		__be32 first;
		__be16 payload;
		__u8 next;
		__u8 hops;
		__u8 source[16];
		__u8 destination[16];
	} __attribute__((aligned(4))) ip;
	__u32 at = sizeof(ip);
	__u8 next;

	if (mesh_read(skb, packet, 0, &ip, sizeof(ip)) < 0)
		return MESH_DROP_TRUNCATED;
	if ((ip.first & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return MESH_DROP_MALFORMED;
	copy_address(packet->key.local, direction == MESH_IN ? ip.destination : ip.source);
	copy_address(packet->key.remote, direction == MESH_IN ? ip.source : ip.destination);
	packet->total = sizeof(ip) + bpf_ntohs(ip.payload);
	if (!ip.payload && skb->gso_size)
		packet->total = skb->len - packet->link; /* a superpacket beyond 64 KiB */
	next = ip.next;
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		struct {
			__u8 next;
			__u8 length;
			__be16 fragment;
			__be32 number;
		} extension;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (mesh_read(skb, packet, at, &extension, sizeof(extension)) < 0)
			return MESH_DROP_TRUNCATED;
		if (next == IPPROTO_FRAGMENT) {
			if (packet->part != MESH_WHOLE)
				return MESH_DROP_MALFORMED;
			packet->fragment = extension.number;
			if (extension.fragment & bpf_htons(0xfff8)) {
				packet->part = MESH_LATER;
				return 0;
			}
			packet->part = extension.fragment & bpf_htons(1) ? MESH_FIRST : MESH_WHOLE;
			at += 8;
		} else {
			at += 8 * (extension.length + 1);
		}
		next = extension.next;
	}
	if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT)
		return MESH_DROP_HEADERS;
	packet->key.protocol = next;
	packet->transport = at;
	return 0;
}

static __always_inline __u32 read_v4(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet)
{
	struct iphdr ip;

	if (mesh_read(skb, packet, 0, &ip, sizeof(ip)) < 0)
		return MESH_DROP_TRUNCATED;
	if (ip.version != 4 || ip.ihl < 5)
		return MESH_DROP_MALFORMED;
	map_v4(packet->key.local, direction == MESH_IN ? ip.daddr : ip.saddr);
	map_v4(packet->key.remote, direction == MESH_IN ? ip.saddr : ip.daddr);
	packet->total = bpf_ntohs(ip.tot_len);
	packet->key.protocol = ip.protocol;
	packet->transport = 4 * ip.ihl;
	packet->fragment = ip.id;
	if (ip.frag_off & bpf_htons(0x1fff))
		packet->part = MESH_LATER;
	else if (ip.frag_off & bpf_htons(0x2000))
		packet->part = MESH_FIRST;
	return 0;
}

static __always_inline void set_ports(struct mesh_packet *packet, __u32 direction, __be16 source, __be16 destination)
{
	packet->key.local_port = bpf_ntohs(direction == MESH_IN ? destination : source);
	packet->key.remote_port = bpf_ntohs(direction == MESH_IN ? source : destination);
}

static __always_inline int has_ports(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_DCCP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE;
}

/*
 * An ICMP error belongs to the flow of the packet that it quotes, which went the other way between the same two addresses.
 * Leaves the packet as it is when the quotation is of none.
 */
static __always_inline void read_quoted(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet, __u32 at, int is_v6)
{
	__u8 source[16] __attribute__((aligned(4))), destination[16] __attribute__((aligned(4)));
	__be16 ports[4];
	__u8 protocol;

	if (is_v6) {
		__u8 first, next;

		if (mesh_read(skb, packet, at, &first, 1) < 0 || first >> 4 != 6 || mesh_read(skb, packet, at + 6, &next, 1) < 0 ||
		    mesh_read(skb, packet, at + 8, source, 16) < 0 || mesh_read(skb, packet, at + 24, destination, 16) < 0)
			return;
		protocol = next;
		at += 40;
	} else {
		struct iphdr ip;

		if (mesh_read(skb, packet, at, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5 || ip.frag_off & bpf_htons(0x1fff))
			return;
		map_v4(source, ip.saddr);
		map_v4(destination, ip.daddr);
		protocol = ip.protocol;
		at += 4 * ip.ihl;
	}
	/* What came in quotes what went out: its source is our end. */
	if (!is_same_address(direction == MESH_IN ? source : destination, packet->key.local) ||
	    !is_same_address(direction == MESH_IN ? destination : source, packet->key.remote) ||
	    mesh_read(skb, packet, at, ports, sizeof(ports)) < 0)
		return;
	if (has_ports(protocol)) {
		set_ports(packet, direction ^ 1, ports[0], ports[1]);
	} else if (ports[0] == bpf_htons(is_v6 ? 0x8000 : 0x0800) && protocol == (is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		packet->key.local_port = bpf_ntohs(ports[2]);
		packet->key.remote_port = direction ^ 1;
	} else {
		return;
	}
	packet->key.protocol = protocol;
	packet->kind = MESH_ERROR;
}

static __always_inline __u32 read_icmp(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet, int is_v6)
{
	struct {
		__u8 type, code;
		__be16 checksum, id, sequence;
	} icmp;
	__u8 request = is_v6 ? 128 : 8, reply = is_v6 ? 129 : 0;

	if (mesh_read(skb, packet, packet->transport, &icmp, sizeof(icmp)) < 0)
		return MESH_DROP_TRUNCATED;
	packet->headers = packet->transport + sizeof(icmp);
	packet->kind = MESH_SINGLE;
	if (icmp.type == request || icmp.type == reply) {
		packet->kind = icmp.type == request ? MESH_OPENS : MESH_REPLY;
		packet->key.local_port = bpf_ntohs(icmp.id);
		packet->key.remote_port = icmp.type == request ? direction : direction ^ 1;
	} else if (is_v6 ? icmp.type >= 1 && icmp.type <= 4 : icmp.type == 3 || icmp.type == 11 || icmp.type == 12) {
		read_quoted(skb, direction, packet, packet->headers, is_v6);
	}
	return 0;
}

static __always_inline __u32 read_transport(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet, int is_v6)
{
	__u32 protocol = packet->key.protocol;
	__be16 head[10];

	packet->rule_key = protocol << 16;
	packet->headers = packet->transport;
	if (protocol == (is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return read_icmp(skb, direction, packet, is_v6);
	if (!has_ports(protocol)) {
		packet->key.remote_port = direction;
		return 0;
	}
	if (protocol == IPPROTO_TCP) {
		if (mesh_read(skb, packet, packet->transport, head, 20) < 0)
			return MESH_DROP_TRUNCATED;
		packet->headers += (bpf_ntohs(head[6]) >> 12) * 4;
		packet->tcp_flags = bpf_ntohs(head[6]);
		if (packet->headers < packet->transport + 20)
			return MESH_DROP_MALFORMED;
	} else {
		if (mesh_read(skb, packet, packet->transport, head, 8) < 0)
			return MESH_DROP_TRUNCATED;
		packet->headers += 8;
	}
	packet->rule_key |= bpf_ntohs(head[1]);
	set_ports(packet, direction, head[0], head[1]);
	return 0;
}

/* Returns why the packet is dropped while a policy is enforced, or 0. `packet` is all zeros before, but for `link`. */
static __always_inline __u32 read_packet(const struct __sk_buff *skb, __u32 direction, struct mesh_packet *packet)
{
	int is_v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 problem;

	if (!is_v6 && skb->protocol != bpf_htons(ETH_P_IP))
		return MESH_DROP_MALFORMED;
	problem = is_v6 ? read_v6(skb, direction, packet) : read_v4(skb, direction, packet);
	if (!problem && packet->part != MESH_LATER)
		problem = read_transport(skb, direction, packet, is_v6);
	if (problem)
		return problem;
	return packet->total < packet->headers || !packet->total || packet->total > skb->len - packet->link ? MESH_DROP_TRUNCATED : 0;
}
