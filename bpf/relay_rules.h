/*
 * The rules of the relay, once for the kernel programs and for the userspace forwarder: C that the BPF verifier and C++
 * both take. Who includes this defines the four lookups declared below, over its own tables.
 *
 * All frames of one flow on one hop have the same header, tag included: who has checked one has checked all that are equal.
 */
#pragma once
#include "layout.gen.h"
#include "siphash.h"

#define RELAY_RULE static inline __attribute__((always_inline))

/** A relay header as it lies in memory, in words; in a hello, which is as long, destination and source are `asked` and `answered`. */
struct relay_words {
	__u64 head; /* type, ttl, reserved, link */
	__u64 destination;
	__u64 source;
	__u64 tag; /* over the other three */
};
LAYOUT_ASSERT(sizeof(struct relay_words) == sizeof(struct relay_header), "relay_words");
LAYOUT_ASSERT(sizeof(struct relay_words) == sizeof(struct hello_frame), "relay_words");

/** What `relay_decide` needs beside the frame: nothing in the kernel, where maps are global. */
struct relay_tables;

RELAY_RULE __u64 relay_own_label(const struct relay_tables *tables);
RELAY_RULE __u64 relay_own_clock(const struct relay_tables *tables);
RELAY_RULE const struct relay_session *relay_find_session(const struct relay_tables *tables, __u32 link);
RELAY_RULE const struct relay_destination *relay_find_destination(const struct relay_tables *tables, __u64 label);
/* Null for number 0, and for a neighbour without a session or an address to send to. */
RELAY_RULE const struct relay_neighbour *relay_find_neighbour(const struct relay_tables *tables, __u32 number);
/* Always there for a number that was found in these tables, and for 0, which is this gateway. */
RELAY_RULE struct relay_state *relay_find_state(const struct relay_tables *tables, __u32 number);

/** SipHash-2-4 over the first three words (24 bytes); the tag as it lies in memory. */
RELAY_RULE __u64 relay_tag(__u64 key_low, __u64 key_high, const struct relay_words *words)
{
	return siphash_24(key_low, key_high, words->head, words->destination, words->source);
}

RELAY_RULE __u8 relay_ttl(const struct relay_words *words) { return (__u8)(words->head >> 8); }
RELAY_RULE __u32 relay_link(const struct relay_words *words) { return (__u32)(words->head >> 32); }

/** The words of a frame from us or on its way, for the hop to this neighbour. */
RELAY_RULE void relay_address(struct relay_words *words, __u8 ttl, const struct relay_neighbour *to)
{
	words->head = FRAME_RELAY | (__u64)ttl << 8 | (__u64)to->link << 32;
	words->tag = relay_tag(to->key_low, to->key_high, words);
}

#define RELAY_SHARED(field) (*(volatile __u64 *)&(field)) /* others read and write it meanwhile */

/** Whether a neighbour has not answered for longer than it may. */
RELAY_RULE int relay_is_silent(const struct relay_tables *tables, __u32 number, __u64 now)
{
	struct relay_state *state = relay_find_state(tables, number);
	__u64 until;

	if (!state)
		return 1;
	until = RELAY_SHARED(state->until);
	return until != 0 && now > until;
}

struct relay_hop {
	const struct relay_neighbour *to;
	__u32 number;
};

/**
 * The neighbour that frames for this label go to: the primary; the backup while the primary is silent or gone. When both are
 * silent the primary, since a hop that may be alive is better than none. False when there is none at all.
 */
RELAY_RULE int relay_route(const struct relay_tables *tables, __u64 label, __u64 now, struct relay_hop *hop)
{
	const struct relay_destination *route = relay_find_destination(tables, label);
	const struct relay_neighbour *other;

	if (!route)
		return 0;
	hop->number = route->primary;
	hop->to = relay_find_neighbour(tables, hop->number);
	if (hop->to && !relay_is_silent(tables, hop->number, now))
		return 1;
	other = relay_find_neighbour(tables, route->backup);
	if (other && (!hop->to || !relay_is_silent(tables, route->backup, now))) {
		hop->number = route->backup;
		hop->to = other;
	}
	return hop->to != 0;
}

/** What becomes of a frame with these words; `hop` is where to, when the verdict is RELAY_VERDICT_FORWARD. `now` in ns. */
RELAY_RULE __u32 relay_decide(const struct relay_tables *tables, const struct relay_words *words, __u64 now, struct relay_hop *hop)
{
	const struct relay_session *session;
	__u8 ttl = relay_ttl(words);

	if ((__u8)words->head != FRAME_RELAY || (__u16)(words->head >> 16) != 0 || ttl == 0 || ttl > RELAY_TTL)
		return RELAY_VERDICT_MALFORMED;
	session = relay_find_session(tables, relay_link(words));
	if (!session)
		return RELAY_VERDICT_UNKNOWN_LINK;
	if (relay_tag(session->key_low, session->key_high, words) != words->tag)
		return RELAY_VERDICT_BAD_TAG;
	if (words->destination == relay_own_label(tables))
		return RELAY_VERDICT_DELIVER;
	if (ttl == 1)
		return RELAY_VERDICT_EXPIRED;
	if (!relay_route(tables, words->destination, now, hop))
		return RELAY_VERDICT_NO_ROUTE;
	return hop->number == session->neighbour ? RELAY_VERDICT_LOOP : RELAY_VERDICT_FORWARD;
}

RELAY_RULE __u8 hello_kind(const struct relay_words *words) { return (__u8)(words->head >> 8); }
RELAY_RULE __u16 hello_patience(const struct relay_words *words) { return (__u16)(words->head >> 16); }

/** A hello to this neighbour. */
RELAY_RULE void hello_write(struct relay_words *words, __u8 kind, __u16 patience, __u64 asked, __u64 answered,
			    const struct relay_neighbour *to)
{
	words->head = FRAME_HELLO | (__u64)kind << 8 | (__u64)patience << 16 | (__u64)to->link << 32;
	words->destination = asked;
	words->source = answered;
	words->tag = relay_tag(to->key_low, to->key_high, words);
}

/**
 * Whose hello this is: RELAY_VERDICT_HEARD with `hop`, when its tag is right. Who calls this then makes sure that it came from where
 * that neighbour is, and goes on with `hello_take`.
 */
RELAY_RULE __u32 hello_sender(const struct relay_tables *tables, const struct relay_words *words, struct relay_hop *hop)
{
	const struct relay_session *session;

	if ((__u8)words->head != FRAME_HELLO || hello_kind(words) < HELLO_ASK || hello_kind(words) > HELLO_CONFIRM ||
	    hello_patience(words) == 0)
		return RELAY_VERDICT_MALFORMED;
	session = relay_find_session(tables, relay_link(words));
	if (!session)
		return RELAY_VERDICT_UNKNOWN_LINK;
	if (relay_tag(session->key_low, session->key_high, words) != words->tag)
		return RELAY_VERDICT_BAD_TAG;
	hop->number = session->neighbour;
	hop->to = relay_find_neighbour(tables, hop->number);
	return hop->to ? RELAY_VERDICT_HEARD : RELAY_VERDICT_NO_ROUTE;
}

/*
 * Takes an answer to a question of ours. What it proves is that the neighbour lived when it read the question: a frame that was held
 * back or sent again proves nothing new. Two CPUs may take two answers at once; then the older may win, by the time between the two.
 */
RELAY_RULE int hello_heard(const struct relay_tables *tables, __u32 number, __u64 question, __u16 patience, __u64 now)
{
	struct relay_state *state = relay_find_state(tables, number);
	__u64 asked = question - relay_own_clock(tables), allowed = (__u64)patience * 1000000;

	if (!state || asked > now || now - asked > allowed || asked <= RELAY_SHARED(state->asked))
		return 0;
	RELAY_SHARED(state->asked) = asked;
	RELAY_SHARED(state->round_trip) = now - asked;
	RELAY_SHARED(state->until) = asked + allowed;
	return 1;
}

/** What becomes of a neighbour's hello; `reply` is what it is sent when the verdict is RELAY_VERDICT_REPLY. `now` in ns. */
RELAY_RULE __u32 hello_take(const struct relay_tables *tables, const struct relay_words *words, __u64 now, const struct relay_hop *hop,
			    struct relay_words *reply)
{
	struct relay_state *own = relay_find_state(tables, 0);
	__u16 patience = hello_patience(words);
	__u8 kind = hello_kind(words);

	if (kind == HELLO_CONFIRM)
		return hello_heard(tables, hop->number, words->source, patience, now) ? RELAY_VERDICT_HEARD : RELAY_VERDICT_STALE;
	if (kind == HELLO_ANSWER && !hello_heard(tables, hop->number, words->destination, patience, now))
		return RELAY_VERDICT_STALE;
	if (!own || now > RELAY_SHARED(own->until))
		return RELAY_VERDICT_LEASE_OVER;
	if (kind == HELLO_ASK)
		hello_write(reply, HELLO_ANSWER, patience, words->destination, now + relay_own_clock(tables), hop->to);
	else
		hello_write(reply, HELLO_CONFIRM, patience, words->destination, words->source, hop->to);
	return RELAY_VERDICT_REPLY;
}
