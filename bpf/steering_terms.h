/* What the programs that choose workers share with them. */
#pragma once
#include <linux/types.h>

/* What a sparse flow's datagrams carry, in networks between us too: DSCP 45, non-queue-building (NQB). */
#define STEERING_SPARSE_DSCP 45

/* By the TUN device, by the sockets. */
#define STEERING_LEAVING 0
#define STEERING_ARRIVING 1
#define STEERING_DIRECTIONS 2

#define STEERING_HOMES 1024 /* addresses whose hashes meet share a home, which is as right for both */

/*
 * Index of the home of the IPv4 or IPv6 address in these words: the queue of the worker that what comes from there arrives at. What goes
 * there leaves by it, so that one thread has both directions of a flow.
 */
static inline __attribute__((always_inline)) __u32 steering_home(__u32 a, __u32 b, __u32 c, __u32 d)
{
	return (__u32)((a ^ b * 3 ^ c * 5 ^ d * 7) * 0x9e3779b1u) >> 22;
}
