/* Loses packets at random, for tests: every frame that enters the device, with a chance of LOSS_PERCENT. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int lose(struct __sk_buff *skb)
{
	return bpf_get_prandom_u32() % 100 < LOSS_PERCENT ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
