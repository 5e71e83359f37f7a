/* A way that carries no IP packet longer than LONGEST and tells nobody. Of superpackets each datagram or segment counts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
/* Of IP and UDP: what carries several datagrams at once here is ours. */
#define HEADERS(skb) ((skb)->protocol == bpf_htons(ETH_P_IP) ? 28 : 48)

SEC("tc")
int narrow(struct __sk_buff *skb)
{
	__u32 size = skb->gso_size ? skb->gso_size + HEADERS(skb) : skb->len - ETHERNET;

	return size > LONGEST ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
