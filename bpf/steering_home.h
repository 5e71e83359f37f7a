/*
 * What the program that chooses TUN queues shares with the workers: the home of a peer's address, the queue of the worker
 * that what comes from there arrives at. What goes there leaves by it, so that one thread has both directions of a flow.
 */
#pragma once
#include <linux/types.h>

#define STEERING_HOMES 1024 /* addresses whose hashes meet share a home, which is as right for both */

/* Index of the home of the IPv4 or IPv6 address in these words. */
static inline __attribute__((always_inline)) __u32 steering_home(__u32 a, __u32 b, __u32 c, __u32 d)
{
	return (__u32)((a ^ b * 3 ^ c * 5 ^ d * 7) * 0x9e3779b1u) >> 22;
}
