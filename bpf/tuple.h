/*
 * bpf/tuple.h: addresses and ports of a packet or a socket, as events carry them.
 */
#ifndef BPF_TUPLE_H
#define BPF_TUPLE_H

#include <linux/types.h>

/* An address as struct weir_ip has it: version 0 is none. */
struct tuple_address {
	__u8 bytes[16];
	__u8 version;
} __attribute__((packed));

struct tuple {
	__u8 protocol; /* of IP; 0: not known */
	struct tuple_address source, destination;
	__u16 source_port, destination_port;
} __attribute__((packed));

#ifdef __bpf__

#define TUPLE_TCP 6
#define TUPLE_UDP 17

/* Of an IP header and what follows it: `head` is at most 60 bytes, as many as `length` says. */
static __always_inline void tuple_of_header(struct tuple *tuple, const __u8 *head)
{
	__u32 transport = 0;

	if (head[0] >> 4 == 4) {
		tuple->protocol = head[9];
		tuple->source.version = tuple->destination.version = 4;
		__builtin_memcpy(tuple->source.bytes, head + 12, 4);
		__builtin_memcpy(tuple->destination.bytes, head + 16, 4);
		/* Only the first fragment has ports. */
		transport = (head[6] & 0x1f) == 0 && head[7] == 0 ? (head[0] & 15) * 4 : 0;
		if (transport && (transport < 20 || transport > 60))
			transport = 0;
	} else if (head[0] >> 4 == 6) {
		tuple->protocol = head[6];
		tuple->source.version = tuple->destination.version = 6;
		__builtin_memcpy(tuple->source.bytes, head + 8, 16);
		__builtin_memcpy(tuple->destination.bytes, head + 24, 16);
		transport = 40;
	}
	if (transport && (tuple->protocol == TUPLE_TCP || tuple->protocol == TUPLE_UDP || tuple->protocol == 132 || tuple->protocol == 136)) {
		transport &= 63;
		tuple->source_port = head[transport] << 8 | head[transport + 1];
		tuple->destination_port = head[transport + 2] << 8 | head[transport + 3];
	}
}

#endif
#endif
