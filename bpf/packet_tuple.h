/* bpf/packet_tuple.h: the addresses and ports of a packet or socket of the kernel, read from outside of it. */
#ifndef BPF_PACKET_TUPLE_H
#define BPF_PACKET_TUPLE_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tuple.h"

#define TUPLE_HEAD 68 /* the longest IPv4 header with the ports behind it, and a whole number of words */
#define FAMILY_INET 2
#define FAMILY_INET6 10

/* Of a socket: from its end to the other. */
static __always_inline void tuple_of_socket(struct tuple *tuple, const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	if (family != FAMILY_INET && family != FAMILY_INET6)
		return;
	tuple->protocol = (__u8)protocol;
	tuple->source_port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	tuple->destination_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (family == FAMILY_INET) {
		__u32 address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		__builtin_memcpy(tuple->source.bytes, &address, 4);
		address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		__builtin_memcpy(tuple->destination.bytes, &address, 4);
		tuple->source.version = tuple->destination.version = 4;
		return;
	}
	BPF_CORE_READ_INTO(&tuple->source.bytes, sk, __sk_common.skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO(&tuple->destination.bytes, sk, __sk_common.skc_v6_daddr);
	tuple->source.version = tuple->destination.version = 6;
}

/* Of a packet by its own bytes. Only where the stack knows where its network header stands, and what stands there is one. */
static __always_inline bool tuple_of_packet(struct tuple *tuple, const struct sk_buff *skb)
{
	__u8 head[TUPLE_HEAD] = {0};
	const __u8 *start = BPF_CORE_READ(skb, head);
	__u16 network = BPF_CORE_READ(skb, network_header);
	__u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));

	/* 0: nobody set it. What is sent by a socket of IP has it before its protocol is known. */
	if (!start || !network || (protocol && protocol != 0x0800 && protocol != 0x86dd))
		return false;
	if (bpf_probe_read_kernel(head, sizeof head, start + network))
		return false;
	if (head[0] >> 4 == 4 ? (head[0] & 15) < 5 || protocol == 0x86dd : head[0] >> 4 != 6 || protocol == 0x0800)
		return false;
	tuple_of_header(tuple, head);
	return true;
}

#endif
