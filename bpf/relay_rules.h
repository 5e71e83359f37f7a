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
#define RELAY_SILENT (1ULL << 32)                         /* above every rank */
#define RELAY_CAPPED (1ULL << 33)                         /* nothing but control may go there */
#define RELAY_NOWHERE (1ULL << 34)

/** How a path stands among those of its neighbour, lowest first: from RELAY_SILENT on it has not been answered over for longer than it may, or it is capped. */
RELAY_RULE __u64 relay_standing(const struct relay_tables *tables, const struct relay_path *path, __u64 now)
{
	struct relay_state *state = relay_find_state(tables, path->state);
	__u64 until;

	if (!state)
		return RELAY_NOWHERE;
	until = RELAY_SHARED(state->until);
	return (__u32)RELAY_SHARED(state->rank) + (until != 0 && now > until ? RELAY_SILENT : 0) + (RELAY_SHARED(state->terms) & RELAY_CLOSED) * (RELAY_CAPPED / RELAY_CLOSED);
}

/** The path to a neighbour that carries now, in the lowest byte, and above it how it stands: the best of those that are not silent, or of all. */
RELAY_RULE __u64 relay_best_of(const struct relay_tables *tables, const struct relay_neighbour *to, __u64 now)
{
	__u64 best = relay_standing(tables, &to->paths[0], now) << 8;

	for (__u32 i = 1; i < RELAY_PATHS; i++) {
		__u64 standing;

		if (!to->paths[i].state)
			break;
		standing = relay_standing(tables, &to->paths[i], now);
		if (standing < best >> 8)
			best = standing << 8 | i;
	}
	return best;
}

#ifdef __bpf__
FOLLOWED_ONCE __u64 relay_best_path(const struct relay_neighbour *to, __u64 now)
{
	return to ? relay_best_of(0, to, now) : RELAY_NOWHERE << 8;
}
#define relay_best(tables, to, now) relay_best_path(to, now)
#else
#define relay_best relay_best_of
#endif

/** How the path stands that `chosen` is set to. */
RELAY_RULE __u64 relay_choose(const struct relay_tables *tables, const struct relay_neighbour *to, __u64 now, __u32 *chosen)
{
	__u64 best = relay_best(tables, to, now);

	(void)tables;
	*chosen = (__u8)best;
	return best >> 8;
}

struct relay_hop {
	const struct relay_neighbour *to;
	__u32 number;
	__u32 path; /* of its paths */
	__u32 turned; /* the neighbour that the frame came from was to be the next */
	__u64 standing; /* of the path */
};

/** The path of a hop. */
RELAY_RULE const struct relay_path *relay_path_of(const struct relay_hop *hop) { return &hop->to->paths[hop->path & (RELAY_PATHS - 1)]; }

/**
 * The neighbour that frames for this label go to: the primary; the backup while the primary is silent or gone. When both are
 * silent the primary, unless its cap is reached, since a hop that may be alive is better than none. False when there is none at all.
 *
 * What came from the neighbour `from` (0: from us) and knows no backup goes back there while the primary is silent, by which that neighbour may
 * take another way before anybody has told it; and what the primary itself gives back goes over the backup.
 */
RELAY_RULE int relay_route(const struct relay_tables *tables, __u64 label, __u32 from, __u64 now, struct relay_hop *hop)
{
	const struct relay_destination *route = relay_find_destination(tables, label);
	const struct relay_neighbour *other;
	__u64 standing;
	__u32 path, second;

	hop->turned = 0;
	if (!route)
		return 0;
	hop->number = route->primary;
	second = route->backup;
	if (from && hop->number == from) {
		hop->turned = 1;
		hop->number = second;
		second = 0;
	}
	hop->to = relay_find_neighbour(tables, hop->number);
	if (!second && !hop->turned && hop->to)
		second = from;
	hop->standing = hop->to ? relay_choose(tables, hop->to, now, &hop->path) : RELAY_NOWHERE;
	if (hop->standing < RELAY_SILENT)
		return 1;
	other = relay_find_neighbour(tables, second);
	if (other) {
		standing = relay_choose(tables, other, now, &path);
		if (standing < RELAY_SILENT || !hop->to || (hop->standing >= RELAY_CAPPED && standing < RELAY_CAPPED)) {
			hop->turned = from && route->backup == from;
			hop->number = second;
			hop->to = other;
			hop->path = path;
			hop->standing = standing;
		}
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
	if (!relay_route(tables, words->destination, session->neighbour, now, hop))
		return hop->turned ? RELAY_VERDICT_LOOP : RELAY_VERDICT_NO_ROUTE;
	if (hop->turned && (hop->number == session->neighbour || hop->standing >= RELAY_SILENT))
		return RELAY_VERDICT_LOOP;
	return hop->standing >= RELAY_CAPPED ? RELAY_VERDICT_NO_ROUTE : RELAY_VERDICT_FORWARD;
}

RELAY_RULE __u8 hello_kind(const struct relay_words *words) { return (__u8)(words->head >> 8) & (HELLO_STILL - 1); }
/** Whether who sends it says that its daemon stands still. */
RELAY_RULE int hello_is_still(const struct relay_words *words) { return ((__u8)(words->head >> 8) & HELLO_STILL) != 0; }
RELAY_RULE __u16 hello_patience(const struct relay_words *words) { return (__u16)(words->head >> 16); }

/* The parts of a question, from the lowest bits up: its number, the share of lost ones, the link, its terms, the time. */
#define HELLO_LOST_AT HELLO_NUMBER_BITS
#define HELLO_LINK_AT (HELLO_LOST_AT + HELLO_LOST_BITS)
#define HELLO_TERMS_AT (HELLO_LINK_AT + HELLO_LINK_BITS)
#define HELLO_TIME_AT (HELLO_TERMS_AT + HELLO_TERMS_BITS)
#define HELLO_PART(question, name) ((question) >> HELLO_##name##_AT & ((1ULL << HELLO_##name##_BITS) - 1))
#define HELLO_NUMBER_AT 0
#define HELLO_STILL_AFTER 500000000ULL /* ns without a sign of our own threads; they give one every 100 ms */
#define HELLO_TIMES (1ULL << HELLO_TIME_BITS)
#define HELLO_LEAP 256 /* RTP's MAX_DROPOUT (RFC 3550, A.1) for numbers of 12 bits; far more than the questions after which a link is silent */
#define HELLO_REMEMBERED (2ULL << (30 - HELLO_TICK_SHIFT)) /* ticks, about 2 s: a question that is older than another by this is none from a new place */

LAYOUT_ASSERT(HELLO_TIME_AT + HELLO_TIME_BITS == 64, "HELLO_BITS");

/** Ticks from one question's time to another's, of the same end. What lies before is far ahead. */
RELAY_RULE __u64 hello_ticks(__u64 from, __u64 to) { return ((to >> HELLO_TIME_AT) - (from >> HELLO_TIME_AT)) & (HELLO_TIMES - 1); }

/** A new question of ours over this path. */
RELAY_RULE __u64 hello_question(const struct relay_tables *tables, const struct relay_path *path, __u64 now)
{
	struct relay_state *state = relay_find_state(tables, path->state);
	__u64 number, lost, terms;

	if (!state)
		return 0;
	number = RELAY_SHARED(state->sequence) + 1;
	lost = RELAY_SHARED(state->lost);
	terms = RELAY_SHARED(state->terms);
	RELAY_SHARED(state->sequence) = number;
	return ((now >> HELLO_TICK_SHIFT) + relay_own_clock(tables)) << HELLO_TIME_AT | (terms & ((1ULL << HELLO_TERMS_BITS) - 1)) << HELLO_TERMS_AT |
	       (path->state & ((1ULL << HELLO_LINK_BITS) - 1)) << HELLO_LINK_AT | (lost & ((1ULL << HELLO_LOST_BITS) - 1)) << HELLO_LOST_AT |
	       (number & ((1ULL << HELLO_NUMBER_BITS) - 1));
}

/** A hello to this neighbour. */
RELAY_RULE void hello_write(struct relay_words *words, __u8 kind, __u16 patience, __u64 asked, __u64 answered,
			    const struct relay_neighbour *to)
{
	words->head = FRAME_HELLO | (__u64)kind << 8 | (__u64)patience << 16 | (__u64)to->link << 32;
	words->destination = asked;
	words->source = answered;
	words->tag = relay_tag(to->key_low, to->key_high, words);
}

/** Where a datagram came from, and to which of our addresses; as RELAY_PATH has them. */
struct relay_source {
	__u64 address[2];
	__u64 local[2]; /* zero when it is not known */
	__be16 port;
};

RELAY_RULE int relay_is_at(const __u8 *address, const __u64 *other)
{
	__u64 words[2];

	__builtin_memcpy(words, address, sizeof(words));
	return ((words[0] ^ other[0]) | (words[1] ^ other[1])) == 0;
}

/** Whether a datagram came by this path from the neighbour. */
RELAY_RULE int relay_is_from(const struct relay_path *path, const struct relay_source *source)
{
	return path->state != 0 && path->port == source->port && relay_is_at(path->address, source->address);
}

/** The path that a question came by; the one with our address that was asked, if several lead to where it came from. -1: none. */
RELAY_RULE int hello_asked_over(const struct relay_neighbour *from, const struct relay_source *source)
{
	int found = -1;

	for (int i = 0; i < RELAY_PATHS; i++) {
		const struct relay_path *path = &from->paths[i];

		if (!relay_is_from(path, source))
			continue;
		if (relay_is_at(path->local, source->local))
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

/** The path that a question of ours went over, if that is where its answer came from; -1 otherwise. */
RELAY_RULE int hello_answered_over(const struct relay_neighbour *from, const struct relay_source *source, __u64 question)
{
	for (int i = 0; i < RELAY_PATHS; i++) {
		const struct relay_path *path = &from->paths[i];

		if (((path->state ^ HELLO_PART(question, LINK)) & ((1 << HELLO_LINK_BITS) - 1)) == 0 && relay_is_from(path, source))
			return i;
	}
	return -1;
}

/** Whether a question is no older than what the neighbour has asked lately: recorded ones lead to no new place. */
RELAY_RULE int hello_is_fresh(const struct relay_tables *tables, const struct relay_neighbour *from, __u64 question)
{
	for (int i = 0; i < RELAY_PATHS; i++) {
		struct relay_state *state;
		__u64 newest;

		if (from->paths[i].state == 0)
			break;
		state = relay_find_state(tables, from->paths[i].state);
		newest = state ? RELAY_SHARED(state->newest) : 0;
		if (newest != 0 && hello_ticks(question, newest) - HELLO_REMEMBERED < HELLO_TIMES / 2 - HELLO_REMEMBERED)
			return 0;
	}
	return 1;
}

/** The path that a hello of this kind came by; -1: none of the neighbour's. */
RELAY_RULE int hello_path_of(const struct relay_neighbour *from, const struct relay_source *source, __u8 kind, __u64 question)
{
	return kind == HELLO_ASK ? hello_asked_over(from, source) : hello_answered_over(from, source, question);
}

#ifdef __bpf__
FOLLOWED_ONCE int hello_path(const struct relay_neighbour *from, const struct relay_source *source, __u8 kind, __u64 question)
{
	return from && source ? hello_path_of(from, source, kind, question) : -1;
}
#else
#define hello_path hello_path_of
#endif

/** Whose hello this is, and which way it came: RELAY_VERDICT_HEARD with `hop`, when its tag is right and `hello_take` may go on with it. */
RELAY_RULE __u32 hello_sender(const struct relay_tables *tables, const struct relay_words *words, const struct relay_source *source,
			      struct relay_hop *hop)
{
	const struct relay_session *session;
	__u8 kind = hello_kind(words);
	int path;

	if ((__u8)words->head != FRAME_HELLO || kind < HELLO_ASK || kind > HELLO_CONFIRM || hello_patience(words) == 0)
		return RELAY_VERDICT_MALFORMED;
	session = relay_find_session(tables, relay_link(words));
	if (!session)
		return RELAY_VERDICT_UNKNOWN_LINK;
	if (relay_tag(session->key_low, session->key_high, words) != words->tag)
		return RELAY_VERDICT_BAD_TAG;
	hop->number = session->neighbour;
	hop->to = relay_find_neighbour(tables, hop->number);
	if (!hop->to)
		return RELAY_VERDICT_NO_ROUTE;
	path = hello_path(hop->to, source, kind, kind == HELLO_ANSWER ? words->destination : words->source);
	hop->path = (__u32)path;
	if (path >= 0)
		return RELAY_VERDICT_HEARD;
	return kind == HELLO_ASK && hello_is_fresh(tables, hop->to, words->destination) ? RELAY_VERDICT_NEW_PLACE : RELAY_VERDICT_ELSEWHERE;
}

/**
 * Counts a question of the neighbour, as RTP does (RFC 3550, A.3): each once, by its number, however often a recorded one comes. One
 * that is too late for the 64 that are remembered counts as lost. A leap further than HELLO_LEAP loses nothing: the neighbour has begun
 * anew, or the link was silent, which is no loss.
 */
RELAY_RULE void hello_count(struct relay_state *state, __u64 question)
{
	const __u64 numbers = (1ULL << HELLO_NUMBER_BITS) - 1;
	__u64 newest = RELAY_SHARED(state->newest), seen = RELAY_SHARED(state->seen);
	__u64 ahead = hello_ticks(newest, question), step = newest == 0 ? 1 : (question - newest) & numbers;

	if (question == 0)
		return; /* of who has none */
	if (newest == 0 || (ahead == 0 ? step - 1 < numbers / 2 : ahead < HELLO_TIMES / 2)) {
		RELAY_SHARED(state->newest) = question;
		RELAY_SHARED(state->expected) = RELAY_SHARED(state->expected) + (step > HELLO_LEAP ? 1 : step);
		seen = step < 64 ? seen << step | 1 : 1;
	} else {
		step = (newest - question) & numbers;
		if (step >= 64 || (seen >> step & 1) != 0)
			return;
		seen |= 1ULL << step;
	}
	RELAY_SHARED(state->seen) = seen;
	RELAY_SHARED(state->received) = RELAY_SHARED(state->received) + 1;
}

/*
 * Takes an answer to a question of ours. What it proves is that the neighbour lived when it read the question: a frame that was held
 * back or sent again proves nothing new. Two CPUs may take two answers at once; then the older may win, by the time between the two.
 */
RELAY_RULE int hello_heard(const struct relay_tables *tables, struct relay_state *state, __u64 question, __u16 patience, __u64 now)
{
	__u64 allowed = (__u64)patience * 1000000, until = RELAY_SHARED(state->until), asked;
	__u64 ticks = ((now >> HELLO_TICK_SHIFT) + relay_own_clock(tables) - (question >> HELLO_TIME_AT)) & (HELLO_TIMES - 1);

	if (ticks << HELLO_TICK_SHIFT > allowed)
		return 0;
	asked = ((now >> HELLO_TICK_SHIFT) - ticks) << HELLO_TICK_SHIFT;
	if (asked <= RELAY_SHARED(state->asked))
		return 0;
	if (until != 0 && now > until)
		RELAY_SHARED(state->rank) = RELAY_SHARED(state->rank) | RELAY_RETURNED;
	RELAY_SHARED(state->asked) = asked;
	RELAY_SHARED(state->round_trip) = now - asked;
	RELAY_SHARED(state->until) = asked + allowed;
	return 1;
}

/** Whether our own threads have given no sign for so long that what is for us is lost. `own` is state 0. */
RELAY_RULE int relay_stands_still(const struct relay_state *own, __u64 now)
{
	__u64 sign = RELAY_SHARED(own->asked);

	return sign != 0 && now > sign && now - sign > HELLO_STILL_AFTER;
}

/** The kind, the patience and the two questions of a hello that came over the path of this state: what they say is noted. RELAY_VERDICT_REPLY: it is to be answered. */
RELAY_RULE __u32 hello_note_in(const struct relay_tables *tables, __u32 path, __u64 head, __u64 asked, __u64 answered, __u64 now)
{
	struct relay_state *own = relay_find_state(tables, 0), *state = relay_find_state(tables, path);
	const struct relay_words words = { head, 0, 0, 0 };
	__u8 kind = hello_kind(&words);

	if (!own || !state)
		return RELAY_VERDICT_NO_ROUTE;
	if (kind != HELLO_CONFIRM)
		hello_count(state, kind == HELLO_ASK ? asked : answered);
	if (kind != HELLO_ASK) {
		if (!hello_heard(tables, state, kind == HELLO_ANSWER ? asked : answered, hello_patience(&words), now))
			return RELAY_VERDICT_STALE;
		RELAY_SHARED(state->still) = hello_is_still(&words);
	}
	if (kind == HELLO_CONFIRM)
		return RELAY_VERDICT_HEARD;
	return now > RELAY_SHARED(own->until) ? RELAY_VERDICT_LEASE_OVER : RELAY_VERDICT_REPLY;
}

#ifdef __bpf__
FOLLOWED_ONCE __u32 hello_noted(__u32 path, __u64 head, __u64 asked, __u64 answered, __u64 now)
{
	return hello_note_in(0, path, head, asked, answered, now);
}
#define hello_note(tables, path, head, asked, answered, now) hello_noted(path, head, asked, answered, now)
#else
#define hello_note hello_note_in
#endif

/**
 * What becomes of a neighbour's hello; `reply` is what it is sent when the verdict is RELAY_VERDICT_REPLY. `now` in ns; `is_served`: a
 * process has our port.
 */
RELAY_RULE __u32 hello_take(const struct relay_tables *tables, const struct relay_words *words, __u64 now, int is_served,
			    const struct relay_hop *hop, struct relay_words *reply)
{
	const struct relay_path *path = relay_path_of(hop);
	__u32 verdict = hello_note(tables, path->state, words->head, words->destination, words->source, now);
	struct relay_state *own = relay_find_state(tables, 0);
	__u8 still;

	if (verdict != RELAY_VERDICT_REPLY || !own)
		return verdict;
	still = !is_served || relay_stands_still(own, now) ? HELLO_STILL : 0;
	if (hello_kind(words) == HELLO_ASK)
		hello_write(reply, HELLO_ANSWER | still, hello_patience(words), words->destination, hello_question(tables, path, now), hop->to);
	else
		hello_write(reply, HELLO_CONFIRM | still, hello_patience(words), words->destination, words->source, hop->to);
	return RELAY_VERDICT_REPLY;
}
