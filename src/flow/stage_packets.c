/*
 * The packets of a batch, each to its flow.
 *
 * What is needed of each packet has been taken before (flow/item.h). It goes through these in order, and calls ahead for the cache lines that each will want:
 * first its bucket's, then, by a look into the bucket, the entry's. So that with a million flows the waits for memory overlap. What is
 * guessed early is checked when it is used, because a packet before it may have changed the table: the result is that of one packet after
 * the other.
 */
#include "flow/stage.h"
#include "flow/tcp.h"

#define BUCKET_AHEAD 48u /* items: long enough for memory to answer, short enough to stay in the first cache */
#define ENTRY_AHEAD 24u

/* ---- counting ---- */

static inline void count_packet(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	struct flow_direction *d = &hot->directions[side];

	if (d->packets == 0)
		flow_begin_direction(hot, cold, item, side);
	d->packets++;
	d->wire_bytes += item->wire_bytes;
	d->ip_bytes += item->ip_bytes;
	d->captured_bytes += item->captured_bytes;
	d->tcp_flags |= item->tcp_flags;
	if (item->ttl < d->ttl_min)
		d->ttl_min = item->ttl;
	if (item->ttl > d->ttl_max)
		d->ttl_max = item->ttl;
	if (item->time_ns >= d->last_ns)
		d->last_ns = item->time_ns;
	else if (item->time_ns < cold->first_ns[side])
		cold->first_ns[side] = item->time_ns;
	if (item->time_ns > hot->last_ns)
		hot->last_ns = item->time_ns;
	else if (item->time_ns < hot->first_ns)
		hot->first_ns = item->time_ns;
	if (item->vantage != d->vantage) {
		d->vantage = item->vantage;
		cold->vantages |= UINT64_C(1) << item->vantage;
	}
}

/* What the packet says beyond that it was there: to the namer, and of TCP. True when its connection ended with it. */
static inline bool look_into(struct flow_stage *stage, const struct flow_item *item, struct flow_hot *hot, struct flow_direction *own)
{
	if ((hot->state & FLOW_UNDECIDED) && ((item->bits & FLOW_ITEM_PAYLOAD) || own->packets == 0))
		flow_name_packet(stage, item->entry, item);
	return (item->bits & FLOW_ITEM_TCP) && !flow_tcp_plain(hot, own, item) && flow_tcp_step(hot, &stage->table.cold[item->entry], item);
}

/* The connection of a packet that was counted is over. */
static void finish(struct flow_stage *stage, const struct flow_item *item)
{
	struct flow_hot *hot = &stage->table.hot[item->entry];

	hot->state |= FLOW_FINISHED;
	flow_arm(stage, item->entry, flow_later(hot->last_ns, stage->linger_ns));
}

/* Counts a packet in its entry. */
static void count_item(struct flow_stage *stage, const struct flow_item *item)
{
	struct flow_hot *hot = &stage->table.hot[item->entry];
	struct flow_cold *cold = &stage->table.cold[item->entry];
	unsigned side = item->bits & FLOW_ITEM_HIGH ? 1 : 0;

	if (item->bits & FLOW_ITEM_DUPLICATE) {
		cold->duplicates++;
		cold->vantages |= UINT64_C(1) << item->vantage;
		return;
	}
	if (__builtin_expect(item->bits & FLOW_ITEM_PROCESS, 0) && (hot->state & FLOW_PROCESSES) != FLOW_PROCESSES)
		flow_process_packet(stage, item);
	bool over = look_into(stage, item, hot, &hot->directions[side]);
	count_packet(hot, cold, item, side);
	if (over)
		finish(stage, item);
}

/* ---- any packet ---- */

/* Finds or makes the entry that a packet belongs to. */
static inline int find_entry(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	const struct flow_table *table = &stage->table;
	uint32_t entry = item->entry;

	/* A removed entry has a key that nothing has. */
	if (entry == FLOW_NONE || !flow_key_equal(&table->hot[entry].key, &item->key))
		entry = flow_table_find(table, &item->key, item->hash);
	if (entry == FLOW_NONE) {
		int error = flow_new(stage, &item->key, item->hash, &item->entry, fault);
		if (!error)
			flow_begin(stage, item->entry, item);
		return error;
	}
	item->entry = entry;
	const struct flow_hot *hot = &table->hot[entry];
	/* One comparison for each timeout; what seems to be over because its time went back is looked at closer. */
	if ((uint64_t)item->time_ns - (uint64_t)hot->last_ns > stage->quiet_ns || (uint64_t)item->time_ns - (uint64_t)hot->first_ns > stage->active_ns ||
	    (item->tcp_flags & FLOW_TCP_SYN))
		if (!(item->bits & FLOW_ITEM_DUPLICATE))
			return flow_renew(stage, entry, item, fault);
	return 0;
}

/* Adds what waited for a first fragment to its flow: `entry`, or FLOW_NONE: that of its key. */
int flow_count_waiting(struct flow_stage *stage, const struct flow_datagram *given, uint32_t entry, struct weir_fault *fault)
{
	unsigned side = given->bits & FLOW_ITEM_HIGH ? 1 : 0;

	if (entry == FLOW_NONE)
		entry = flow_table_find(&stage->table, &given->key, given->hash);
	if (entry == FLOW_NONE) {
		int error = flow_new(stage, &given->key, given->hash, &entry, fault);
		if (error)
			return error;
		struct flow_hot *made = &stage->table.hot[entry];
		made->state |= side ? FLOW_SOURCE_IS_HIGH : 0;
		made->first_ns = given->first_ns;
		made->last_ns = given->last_ns;
		if (stage->options.idle_ns && made->timers == 0)
			flow_arm(stage, entry, flow_later(given->last_ns, stage->options.idle_ns));
	}
	struct flow_hot *hot = &stage->table.hot[entry];
	struct flow_cold *cold = &stage->table.cold[entry];
	struct flow_direction *d = &hot->directions[side];
	cold->duplicates += given->duplicates;
	cold->vantages |= given->vantages;
	if (given->packets == 0)
		return 0;
	if (d->packets == 0 || given->first_ns < cold->first_ns[side]) {
		cold->first_ns[side] = given->first_ns;
		cold->dscp[side] = given->dscp;
	}
	if (d->packets == 0) {
		d->last_ns = given->last_ns;
		d->ttl_min = given->ttl_min;
		d->ttl_max = given->ttl_max;
		d->vantage = given->vantage;
	}
	d->packets += given->packets;
	d->wire_bytes += given->wire_bytes;
	d->ip_bytes += given->ip_bytes;
	d->captured_bytes += given->captured_bytes;
	d->ttl_min = given->ttl_min < d->ttl_min ? given->ttl_min : d->ttl_min;
	d->ttl_max = given->ttl_max > d->ttl_max ? given->ttl_max : d->ttl_max;
	d->last_ns = given->last_ns > d->last_ns ? given->last_ns : d->last_ns;
	hot->first_ns = given->first_ns < hot->first_ns ? given->first_ns : hot->first_ns;
	hot->last_ns = given->last_ns > hot->last_ns ? given->last_ns : hot->last_ns;
	return 0;
}

/* A fragment: to the flow of its datagram, with what waited for it. */
static int take_fragment(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	struct flow_datagram given;
	enum flow_fragment_answer answer = flow_fragments_take(&stage->fragments, item, &given);
	bool some = given.packets || given.duplicates;
	int error = 0;

	if (some && !given.first_seen)
		error = flow_count_waiting(stage, &given, FLOW_NONE, fault);
	if (error || answer == FLOW_FRAGMENT_WAITS)
		return error;
	item->entry = FLOW_NONE;
	error = find_entry(stage, item, fault);
	if (!error && some && given.first_seen)
		error = flow_count_waiting(stage, &given, item->entry, fault);
	if (!error)
		count_item(stage, item);
	return error;
}

static int take_packet(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	int error;

	if (flow_clock_is_due(stage, item->time_ns))
		if ((error = flow_set_clock(stage, item->time_ns, fault)) < 0)
			return error;
	if (item->bits & FLOW_ITEM_FRAGMENT)
		return take_fragment(stage, item, fault);
	if ((error = find_entry(stage, item, fault)) < 0)
		return error;
	count_item(stage, item);
	return 0;
}

/* ---- the usual packet ---- */

/*
 * Most packets are usual: of a flow that is open, in the order of time, and like those that were seen of its direction. True: it was one, and is counted.
 * The same as find_entry and count_item, without most of their questions.
 */
static inline bool take_usual(struct flow_stage *stage, const struct flow_item *item)
{
	struct flow_hot *hot = &stage->table.hot[item->entry];
	struct flow_direction *d = &hot->directions[item->bits & FLOW_ITEM_HIGH ? 1 : 0];

	if (item->entry == FLOW_NONE || (item->bits & (FLOW_ITEM_DUPLICATE | FLOW_ITEM_FRAGMENT | FLOW_ITEM_PROCESS)) || (item->tcp_flags & FLOW_TCP_SYN) ||
	    !flow_key_equal(&hot->key, &item->key))
		return false;
	/* What goes back in time is far ahead here. */
	if ((uint64_t)item->time_ns - (uint64_t)hot->last_ns > stage->quiet_ns || (uint64_t)item->time_ns - (uint64_t)hot->first_ns > stage->active_ns)
		return false;
	if (d->packets == 0 || item->vantage != d->vantage || (uint8_t)(item->ttl - d->ttl_min) > (uint8_t)(d->ttl_max - d->ttl_min))
		return false;
	bool over = look_into(stage, item, hot, d);
	d->packets++;
	d->wire_bytes += item->wire_bytes;
	d->ip_bytes += item->ip_bytes;
	d->captured_bytes += item->captured_bytes;
	d->tcp_flags |= item->tcp_flags;
	d->last_ns = hot->last_ns = item->time_ns;
	if (over)
		finish(stage, item);
	return true;
}

/* ---- batches ---- */

/* Packets that seem to begin a flow, for which they are looked at: their lines may be in another core's cache. */
struct fresh {
	const struct weir_packet *packets[ENTRY_AHEAD];
	uint32_t count;
};
_Static_assert(FLOW_GROUP <= ENTRY_AHEAD, "a group's have room");

/* Guesses the entry of an item, and calls for what of it will be wanted. */
static inline void fetch_entry(const struct flow_stage *stage, struct flow_item *item, struct fresh *fresh)
{
	item->entry = flow_table_guess(&stage->table, item->hash);
	if (item->entry == FLOW_NONE) {
		__builtin_prefetch(item->packet);
		fresh->packets[fresh->count++] = item->packet;
		return;
	}
	const struct flow_hot *hot = &stage->table.hot[item->entry];
	__builtin_prefetch(hot, 1);
	__builtin_prefetch(&hot->directions[item->bits & FLOW_ITEM_HIGH ? 1 : 0], 1);
	if (item->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_FIN | FLOW_TCP_RST)) {
		__builtin_prefetch(&hot->directions[item->bits & FLOW_ITEM_HIGH ? 0 : 1]);
		flow_cold_fetch(&stage->table, item->entry);
	}
}

/* A group later, when the packets are there: what they point to. */
static void fetch_fresh(struct fresh *fresh)
{
	for (uint32_t i = 0; i < fresh->count; i++) {
		const struct weir_packet *packet = fresh->packets[i];
		__builtin_prefetch(packet->data);
		__builtin_prefetch(packet->facts);
		__builtin_prefetch(&packet->facts->link_source);
	}
	fresh->count = 0;
}

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Calls for what items[from] and those behind it will want: in groups, so that what all ask for is asked once. */
static void fetch_buckets(const struct flow_stage *stage, const struct flow_item *items, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		__builtin_prefetch(flow_bucket(&stage->table, items[i].hash));
}

static void fetch_entries(const struct flow_stage *stage, struct flow_item *items, uint32_t from, uint32_t to, struct fresh *fresh)
{
	for (uint32_t i = from; i < to; i++)
		fetch_entry(stage, &items[i], fresh);
}

int flow_take_items(struct flow_stage *stage, struct flow_items *all, struct weir_fault *fault)
{
	struct flow_item *items = all->items;
	uint32_t count = all->count;
	struct fresh fresh = {.count = 0};
	int error = 0;

	stage->called_count = 0;
	fetch_buckets(stage, items, 0, least(BUCKET_AHEAD, count));
	fetch_entries(stage, items, 0, least(ENTRY_AHEAD, count), &fresh);
	for (uint32_t from = 0; from < count && !error; from += FLOW_GROUP) {
		uint32_t to = least(from + FLOW_GROUP, count);
		fetch_buckets(stage, items, from + BUCKET_AHEAD, least(to + BUCKET_AHEAD, count));
		fetch_fresh(&fresh);
		fetch_entries(stage, items, from + ENTRY_AHEAD, least(to + ENTRY_AHEAD, count), &fresh);
		flow_name_fetch(stage, items, from + 2 * FLOW_GROUP, least(to + 2 * FLOW_GROUP, count));
		for (uint32_t i = from; i < to && !error; i++) {
			items[i].vantage = flow_vantage_of(&stage->vantages, items[i].interface_id);
			if (flow_clock_is_due(stage, items[i].time_ns) || !take_usual(stage, &items[i]))
				error = take_packet(stage, &items[i], fault);
		}
	}
	stage->statistics.packets += count;
	stage->statistics.no_ip += all->no_ip;
	return error;
}
