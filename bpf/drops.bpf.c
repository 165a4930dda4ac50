/* Counts the packets that the stack drops, by reason and place: nothing leaves the kernel until somebody looks. */
#include "packet_tuple.h"

#include <bpf/bpf_tracing.h>

#include "drops.h"

#define PLACES 2048 /* reasons × places that were seen; the kernel has some hundreds of each */

/* Before Linux 5.17 a drop has no reason. */
const volatile bool has_reason = true;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLACES);
	__type(key, struct drop_key);
	__type(value, struct drop_count);
} drops SEC(".maps");

/* Packets that found no room among the places. */
__u64 unplaced = 0;

SEC("raw_tp/kfree_skb")
int count_drop(struct bpf_raw_tracepoint_args *context)
{
	const struct sk_buff *skb = (const struct sk_buff *)context->args[0];
	struct drop_key key = {.place = context->args[1], .reason = has_reason ? (__u32)context->args[2] : 0};
	struct drop_count *count = bpf_map_lookup_elem(&drops, &key);

	if (!count) {
		struct drop_count first = {0};
		bpf_map_update_elem(&drops, &key, &first, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&drops, &key);
		if (!count) {
			__sync_fetch_and_add(&unplaced, 1);
			return 0;
		}
	}
	__sync_fetch_and_add(&count->packets, 1);
	/* Of the last only: two CPUs at once may mix, which a look a second later mends. */
	struct tuple tuple = {0};
	tuple_of_packet(&tuple, skb);
	count->last = tuple;
	count->last_ns = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
