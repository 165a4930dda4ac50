/* bpf/drops.h: what drops.bpf.c counts. */
#ifndef BPF_DROPS_H
#define BPF_DROPS_H

#include "tuple.h"

struct drop_key {
	__u64 place;  /* address of the code that dropped it */
	__u32 reason; /* the kernel's enum skb_drop_reason */
	__u32 padding;
};

struct drop_count {
	__u64 packets;
	__u64 last_ns; /* of the monotonic clock */
	struct tuple last;
	__u8 padding[2];
};

#endif
