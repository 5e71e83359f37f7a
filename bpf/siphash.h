/* SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, 2012): C that the BPF verifier and C++ both take. */
#pragma once
#include <linux/types.h>

#define SIPHASH static inline __attribute__((always_inline))

struct siphash {
	__u64 v0, v1, v2, v3;
};

#define SIPHASH_ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

SIPHASH void siphash_round(struct siphash *s)
{
	s->v0 += s->v1; s->v2 += s->v3;
	s->v1 = SIPHASH_ROTATE(s->v1, 13) ^ s->v0; s->v3 = SIPHASH_ROTATE(s->v3, 16) ^ s->v2;
	s->v0 = SIPHASH_ROTATE(s->v0, 32);
	s->v2 += s->v1; s->v0 += s->v3;
	s->v1 = SIPHASH_ROTATE(s->v1, 17) ^ s->v2; s->v3 = SIPHASH_ROTATE(s->v3, 21) ^ s->v0;
	s->v2 = SIPHASH_ROTATE(s->v2, 32);
}

SIPHASH struct siphash siphash_start(__u64 key_low, __u64 key_high)
{
	struct siphash s = {
		key_low ^ 0x736f6d6570736575ULL, key_high ^ 0x646f72616e646f6dULL,
		key_low ^ 0x6c7967656e657261ULL, key_high ^ 0x7465646279746573ULL,
	};

	return s;
}

/** The next eight bytes, as they lie in memory; the last word of a message has its length in the highest byte. */
SIPHASH void siphash_absorb(struct siphash *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
}

SIPHASH __u64 siphash_end(struct siphash *s)
{
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#ifdef __bpf__
/* A function of its own: the verifier follows it once, and not again in each way that leads to a call (pointers as arguments: Linux 5.13). */
#define FOLLOWED_ONCE __attribute__((noinline))
#define SIPHASH_24 FOLLOWED_ONCE
#else
#define SIPHASH_24 SIPHASH
#endif

#ifdef __bpf__
/** Four words at once, for loops over a message: of four, because a function takes five arguments. Gives nothing of interest. */
FOLLOWED_ONCE int siphash_absorb_4(struct siphash *s, __u64 first, __u64 second, __u64 third, __u64 fourth)
{
	if (!s)
		return 0;
	siphash_absorb(s, first);
	siphash_absorb(s, second);
	siphash_absorb(s, third);
	siphash_absorb(s, fourth);
	return 0;
}
#endif

/** Of 24 bytes. No loop: the verifier likes it so. */
SIPHASH_24 __u64 siphash_24(__u64 key_low, __u64 key_high, __u64 first, __u64 second, __u64 third)
{
	struct siphash s = siphash_start(key_low, key_high);

	siphash_absorb(&s, first);
	siphash_absorb(&s, second);
	siphash_absorb(&s, third);
	siphash_absorb(&s, (__u64)24 << 56);
	return siphash_end(&s);
}
