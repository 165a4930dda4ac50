/*
 * The flow stage: packets in, records out.
 *
 * What it needs of each packet has been taken before (flow/item.h). It goes through these in order, and calls ahead for the cache lines that each will want:
 * first its bucket's, then, by a look into the bucket, the entry's. So that with a million flows the waits for memory overlap. What is
 * guessed early is checked when it is used, because a packet before it may have changed the table: the result is that of one packet after
 * the other.
 */
#include <stdlib.h>

#include "flow/stage.h"
#include "flow/tcp.h"

#define MEMORY_DEFAULT (UINT64_C(512) << 20)
#define LINGER_NS INT64_C(5000000000)
#define BACK_NS INT64_C(60000000000) /* at least; by how much times may go back before the clock does */
#define TICKS_A_TIMEOUT 256
#define TICK_LEAST_NS 1000000
#define BUCKET_AHEAD 48u /* items: long enough for memory to answer, short enough to stay in the first cache */
#define ENTRY_AHEAD 24u

static inline bool passed(int64_t now, int64_t since, int64_t limit)
{
	return now > since && (uint64_t)now - (uint64_t)since > (uint64_t)limit;
}

static inline int64_t later(int64_t time, int64_t by) { return time > INT64_MAX - by ? INT64_MAX : time + by; }
static inline int64_t earlier(int64_t time, int64_t by) { return time < INT64_MIN + by ? INT64_MIN : time - by; }

/* How long the flow may be silent; 0: for ever. */
static inline int64_t silence_limit(const struct flow_stage *stage, const struct flow_hot *hot)
{
	return hot->state & FLOW_FINISHED ? stage->linger_ns : stage->options.idle_ns;
}

static inline void prefetch_cold(const struct flow_table *table, uint32_t entry)
{
	__builtin_prefetch(&table->cold[entry], 1);
	__builtin_prefetch((const char *)&table->cold[entry] + 64, 1);
}

static void arm(struct flow_stage *stage, uint32_t entry, int64_t at_ns)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	if (hot->timers == FLOW_TIMERS_MAX)
		return;
	hot->timers++;
	flow_wheel_arm(&stage->wheel, entry, at_ns);
}

static int end_flow(struct flow_stage *stage, uint32_t entry, unsigned reason, struct weir_fault *fault)
{
	int error = flow_record(stage, entry, reason, fault);

	flow_name_end(stage, entry);
	flow_table_remove(&stage->table, entry);
	return error;
}

/* ---- beginning ---- */

/* What the flow is inside of: the innermost tunnel or security layer before its transport, or the IP header around it. */
static void take_tunnel(struct flow_cold *cold, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	unsigned innermost = facts->network_count - 1u;

	for (unsigned i = facts->layer_count; i-- > 0;) {
		uint8_t kind = facts->layers[i].kind;
		bool last = i + 1 == facts->layer_count;
		if (kind == WEIR_LAYER_AH || kind == WEIR_LAYER_ESP) {
			/* ESP that hides what is in it is itself the flow's transport. */
			if (!cold->tunnel && !(kind == WEIR_LAYER_ESP && last))
				cold->tunnel = kind;
		} else if (!cold->tunnel && !last && kind >= WEIR_LAYER_GRE && kind <= WEIR_LAYER_L2TP) {
			cold->tunnel = kind;
		} else if (!cold->tunnel && (kind == WEIR_LAYER_IPV4 || kind == WEIR_LAYER_IPV6) && facts->layers[i].network < innermost) {
			cold->tunnel = kind;
		}
	}
}

/* The SPI of the innermost ESP or AH: it is the sender's alone (RFC 4301, section 4.1). */
static void take_spi(struct flow_cold *cold, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;

	for (unsigned i = facts->layer_count; i-- > 0;) {
		uint8_t kind = facts->layers[i].kind;
		uint32_t at = facts->layers[i].offset + (kind == WEIR_LAYER_AH ? 4 : 0);
		if ((kind != WEIR_LAYER_AH && kind != WEIR_LAYER_ESP) || at + 4 > packet->captured)
			continue;
		cold->spi = weir_load_be32(packet->data + at);
		cold->has_spi = true;
		return;
	}
}

static void take_addresses(struct flow_hot *hot, struct flow_cold *cold, struct flow_outer *outer, const struct flow_item *item,
                           const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *outermost = &facts->networks[0];
	bool high = item->bits & FLOW_ITEM_HIGH;

	if (facts->link_source != facts->link_destination) {
		memcpy(high ? cold->high_mac : cold->low_mac, packet->data + facts->link_source, 6);
		memcpy(high ? cold->low_mac : cold->high_mac, packet->data + facts->link_destination, 6);
		cold->has_macs = true;
	}
	if (facts->network_count < 2 || !(outermost->flags & WEIR_NETWORK_ADDRESSES))
		return;
	size_t length = outermost->version == 4 ? 4 : 16;
	*outer = (struct flow_outer){0};
	memcpy(high ? outer->high : outer->low, packet->data + outermost->source, length);
	memcpy(high ? outer->low : outer->high, packet->data + outermost->destination, length);
	cold->outer_version = outermost->version;
	hot->state |= FLOW_TUNNELLED;
}

/* The first packet of the entry's flow. */
static void begin(struct flow_stage *stage, uint32_t entry, const struct flow_item *item)
{
	const struct weir_packet *packet = item->packet;
	struct flow_hot *hot = &stage->table.hot[entry];
	struct flow_cold *cold = &stage->table.cold[entry];
	const uint8_t both = FLOW_TCP_SYN | FLOW_TCP_ACK;
	bool answers = (item->bits & FLOW_ITEM_TCP) && (item->tcp_flags & both) == both;

	if (!!(item->bits & FLOW_ITEM_HIGH) != answers)
		hot->state |= FLOW_SOURCE_IS_HIGH;
	hot->first_ns = hot->last_ns = item->time_ns;
	flow_item_open(item);
	take_addresses(hot, cold, &stage->table.outer[entry], item, packet);
	take_tunnel(cold, packet);
	if (item->key.protocol == FLOW_PROTOCOL_ICMP || item->key.protocol == FLOW_PROTOCOL_ICMPV6)
		cold->has_icmp = flow_item_icmp(packet, &cold->icmp_type, &cold->icmp_code);
	if (stage->options.applications)
		hot->state |= FLOW_UNDECIDED;
	if (stage->options.idle_ns && hot->timers == 0)
		arm(stage, entry, later(item->time_ns, stage->options.idle_ns));
}

/* Empties an entry for another flow of the same key. */
static void begin_again(struct flow_stage *stage, uint32_t entry)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	flow_name_end(stage, entry);
	memset(hot->directions, 0, sizeof hot->directions);
	hot->state = FLOW_USED;
	stage->table.cold[entry] = (struct flow_cold){.hash = stage->table.cold[entry].hash};
}

/* Empties it for a further record of the same flow: what is known of its ends and of TCP stays. */
static void begin_record(struct flow_stage *stage, uint32_t entry, int64_t time_ns)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	struct flow_cold *cold = &stage->table.cold[entry];

	for (unsigned side = 0; side < 2; side++) {
		struct flow_direction *d = &hot->directions[side];
		d->packets = d->wire_bytes = d->ip_bytes = d->captured_bytes = 0;
		d->tcp_flags = 0;
		cold->retransmissions[side] = cold->out_of_order[side] = cold->zero_windows[side] = 0;
	}
	cold->vantages = cold->duplicates = 0;
	hot->state &= (uint16_t)~FLOW_RTT;
	hot->first_ns = hot->last_ns = time_ns;
}

/* An entry for a flow that is not in the table. */
static int new_entry(struct flow_stage *stage, const struct flow_key *key, uint64_t hash, uint32_t *entry, struct weir_fault *fault)
{
	struct flow_table *table = &stage->table;
	uint32_t idle[FLOW_IDLE_MOST];
	uint32_t crowded = flow_table_crowded(table, hash);
	unsigned count = 0;

	if (crowded != FLOW_NONE)
		idle[count++] = crowded;
	else if (flow_table_full(table))
		count = flow_table_idle(table, idle);
	for (unsigned i = 0; i < count; i++) {
		int error = end_flow(stage, idle[i], table->hot[idle[i]].state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_RESOURCES, fault);
		if (error)
			return error;
		stage->statistics.cut++;
	}
	*entry = flow_table_insert(table, key, hash);
	if (table->used > stage->statistics.most_active)
		stage->statistics.most_active = table->used;
	return 0;
}

/* ---- time ---- */

/* A timer of the entry fired. */
static int look_at(struct flow_stage *stage, uint32_t entry, int64_t now_ns, struct weir_fault *fault)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	hot->timers--;
	if (!(hot->state & FLOW_USED))
		return 0;
	int64_t limit = silence_limit(stage, hot);
	if (limit == 0)
		return 0;
	if (passed(now_ns, hot->last_ns, limit))
		return end_flow(stage, entry, hot->state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_IDLE, fault);
	if (hot->timers == 0)
		arm(stage, entry, later(hot->last_ns, limit));
	return 0;
}

static int look_at_all(struct flow_stage *stage, const uint32_t *entries, uint32_t count, int64_t now_ns, struct weir_fault *fault)
{
	int error = 0;

	for (uint32_t k = 0; k < count; k++)
		if (passed(now_ns, stage->table.hot[entries[k]].last_ns, stage->options.idle_ns))
			flow_name_expect(stage, entries[k]);
	for (uint32_t k = 0; k < count && !error; k++)
		error = look_at(stage, entries[k], now_ns, fault);
	return error;
}

static int count_waiting(struct flow_stage *stage, const struct flow_datagram *given, uint32_t entry, struct weir_fault *fault);

/* Calls for what ending these entries' flows wants: most that a timer fires for are over. */
static void fetch_due(const struct flow_table *table, const uint32_t *entries, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++) {
		const struct flow_hot *hot = &table->hot[entries[k]];
		prefetch_cold(table, entries[k]);
		__builtin_prefetch(hot, 1);
		__builtin_prefetch(&hot->directions[0], 1);
		__builtin_prefetch(&hot->directions[1], 1);
	}
	for (uint32_t k = 0; k < count; k++)
		__builtin_prefetch(flow_bucket(table, table->cold[entries[k]].hash), 1);
}

/* The time moved on to another tick, or far back. */
static int set_clock(struct flow_stage *stage, int64_t now_ns, struct weir_fault *fault)
{
	uint32_t entries[2][FLOW_WHEEL_BLOCK], from, slots, count, next;
	struct flow_datagram given;

	flow_wheel_advance(&stage->wheel, now_ns, &from, &slots);
	stage->back_ns = earlier(now_ns, stage->options.idle_ns > BACK_NS ? stage->options.idle_ns : BACK_NS);
	for (uint32_t i = 0; i < slots; i++) {
		struct flow_wheel_slot taken = flow_wheel_take(&stage->wheel, (from + i) % FLOW_WHEEL_SLOTS);
		/* What the block after this one wants is called for before this one is looked at. */
		count = flow_wheel_next(&stage->wheel, &taken, entries[0]);
		fetch_due(&stage->table, entries[0], count);
		for (unsigned side = 0; count; side = !side, count = next) {
			next = flow_wheel_next(&stage->wheel, &taken, entries[!side]);
			fetch_due(&stage->table, entries[!side], next);
			int error = look_at_all(stage, entries[side], count, now_ns, fault);
			if (error)
				return error;
		}
	}
	for (uint32_t at = 0; flow_fragments_late(&stage->fragments, now_ns, false, &at, &given);) {
		int error = count_waiting(stage, &given, FLOW_NONE, fault);
		if (error)
			return error;
	}
	return 0;
}

/* ---- counting ---- */

/* The first packet of a direction in this record. */
static void first_of_direction(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	struct flow_direction *d = &hot->directions[side];

	cold->first_ns[side] = d->last_ns = item->time_ns;
	cold->tcp_flags_initial[side] = item->tcp_flags;
	cold->dscp[side] = flow_item_dscp(item->packet);
	cold->vantages |= UINT64_C(1) << item->vantage;
	d->vantage = item->vantage;
	d->ttl_min = d->ttl_max = item->ttl;
	if (side == (hot->state & FLOW_SOURCE_IS_HIGH ? 1u : 0u))
		take_spi(cold, item->packet);
}

static inline void count_packet(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	struct flow_direction *d = &hot->directions[side];

	if (d->packets == 0)
		first_of_direction(hot, cold, item, side);
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

/* Adds what waited for a first fragment to its flow: `entry`, or FLOW_NONE: that of its key. */
static int count_waiting(struct flow_stage *stage, const struct flow_datagram *given, uint32_t entry, struct weir_fault *fault)
{
	unsigned side = given->bits & FLOW_ITEM_HIGH ? 1 : 0;

	if (entry == FLOW_NONE)
		entry = flow_table_find(&stage->table, &given->key, given->hash);
	if (entry == FLOW_NONE) {
		int error = new_entry(stage, &given->key, given->hash, &entry, fault);
		if (error)
			return error;
		struct flow_hot *made = &stage->table.hot[entry];
		made->state |= side ? FLOW_SOURCE_IS_HIGH : 0;
		made->first_ns = given->first_ns;
		made->last_ns = given->last_ns;
		if (stage->options.idle_ns && made->timers == 0)
			arm(stage, entry, later(given->last_ns, stage->options.idle_ns));
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

/* What there is to do before the packet is counted in an entry that is there: it may belong to a record of its own. */
static int renew(struct flow_stage *stage, uint32_t entry, const struct flow_item *item, struct weir_fault *fault)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	int64_t limit = silence_limit(stage, hot), active = stage->options.active_ns;
	bool silent = limit && passed(item->time_ns, hot->last_ns, limit);

	if (silent || ((item->bits & FLOW_ITEM_TCP) && flow_tcp_is_new(hot, &stage->table.cold[entry], item))) {
		bool idle = silent && !(hot->state & FLOW_FINISHED);
		int error = flow_record(stage, entry, idle ? WEIR_FLOW_IDLE : WEIR_FLOW_FINISHED, fault);
		if (error)
			return error;
		begin_again(stage, entry);
		begin(stage, entry, item);
	} else if (active && passed(item->time_ns, hot->first_ns, active)) {
		int error = flow_record(stage, entry, WEIR_FLOW_ACTIVE, fault);
		if (error)
			return error;
		begin_record(stage, entry, item->time_ns);
	}
	return 0;
}

/* Finds or makes the entry that a packet belongs to. */
static inline int find_entry(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	const struct flow_table *table = &stage->table;
	uint32_t entry = item->entry;

	/* A removed entry has a key that nothing has. */
	if (entry == FLOW_NONE || !flow_key_equal(&table->hot[entry].key, &item->key))
		entry = flow_table_find(table, &item->key, item->hash);
	if (entry == FLOW_NONE) {
		int error = new_entry(stage, &item->key, item->hash, &item->entry, fault);
		if (!error)
			begin(stage, item->entry, item);
		return error;
	}
	item->entry = entry;
	const struct flow_hot *hot = &table->hot[entry];
	/* One comparison for each timeout; what seems to be over because its time went back is looked at closer. */
	if ((uint64_t)item->time_ns - (uint64_t)hot->last_ns > stage->quiet_ns || (uint64_t)item->time_ns - (uint64_t)hot->first_ns > stage->active_ns ||
	    (item->tcp_flags & FLOW_TCP_SYN))
		if (!(item->bits & FLOW_ITEM_DUPLICATE))
			return renew(stage, entry, item, fault);
	return 0;
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
	arm(stage, item->entry, later(hot->last_ns, stage->linger_ns));
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

/* A fragment: to the flow of its datagram, with what waited for it. */
static int take_fragment(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	struct flow_datagram given;
	enum flow_fragment_answer answer = flow_fragments_take(&stage->fragments, item, &given);
	bool some = given.packets || given.duplicates;
	int error = 0;

	if (some && !given.first_seen)
		error = count_waiting(stage, &given, FLOW_NONE, fault);
	if (error || answer == FLOW_FRAGMENT_WAITS)
		return error;
	item->entry = FLOW_NONE;
	error = find_entry(stage, item, fault);
	if (!error && some && given.first_seen)
		error = count_waiting(stage, &given, item->entry, fault);
	if (!error)
		count_item(stage, item);
	return error;
}

/* The clock has to be set before the packet is counted. */
static inline bool is_due(const struct flow_stage *stage, const struct flow_item *item)
{
	return item->time_ns >= stage->wheel.due_ns || item->time_ns < stage->back_ns;
}

/*
 * Most packets are usual: of a flow that is open, in the order of time, and like those that were seen of its direction. True: it was one, and is counted. The same as
 * find_entry and count_item, without most of their questions.
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

static int take_packet(struct flow_stage *stage, struct flow_item *item, struct weir_fault *fault)
{
	int error;

	if (is_due(stage, item))
		if ((error = set_clock(stage, item->time_ns, fault)) < 0)
			return error;
	if (item->bits & FLOW_ITEM_FRAGMENT)
		return take_fragment(stage, item, fault);
	if ((error = find_entry(stage, item, fault)) < 0)
		return error;
	count_item(stage, item);
	return 0;
}

/* ---- batches ---- */

/* Guesses the entry of an item, and calls for what of it will be wanted. */
static inline void fetch_entry(const struct flow_stage *stage, struct flow_item *item)
{
	item->entry = flow_table_guess(&stage->table, item->hash);
	if (item->entry == FLOW_NONE) {
		/* It begins a flow, for which its packet is looked at: that may be in another core's cache. */
		__builtin_prefetch(&item->packet->facts->link_source);
		__builtin_prefetch(item->packet->facts);
		__builtin_prefetch(item->packet->data);
		return;
	}
	const struct flow_hot *hot = &stage->table.hot[item->entry];
	__builtin_prefetch(hot, 1);
	__builtin_prefetch(&hot->directions[item->bits & FLOW_ITEM_HIGH ? 1 : 0], 1);
	if (item->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_FIN | FLOW_TCP_RST))
		prefetch_cold(&stage->table, item->entry);
}

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Calls for what items[from] and those behind it will want: in groups, so that what all ask for is asked once. */
static void fetch_buckets(const struct flow_stage *stage, const struct flow_item *items, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		__builtin_prefetch(flow_bucket(&stage->table, items[i].hash));
}

static void fetch_entries(const struct flow_stage *stage, struct flow_item *items, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		fetch_entry(stage, &items[i]);
}

static int take_items(struct flow_stage *stage, struct flow_items *all, struct weir_fault *fault)
{
	struct flow_item *items = all->items;
	uint32_t count = all->count;
	int error = 0;

	stage->called_count = 0;
	fetch_buckets(stage, items, 0, least(BUCKET_AHEAD, count));
	fetch_entries(stage, items, 0, least(ENTRY_AHEAD, count));
	for (uint32_t from = 0; from < count && !error; from += FLOW_GROUP) {
		uint32_t to = least(from + FLOW_GROUP, count);
		fetch_buckets(stage, items, from + BUCKET_AHEAD, least(to + BUCKET_AHEAD, count));
		fetch_entries(stage, items, from + ENTRY_AHEAD, least(to + ENTRY_AHEAD, count));
		flow_name_fetch(stage, items, from + 2 * FLOW_GROUP, least(to + 2 * FLOW_GROUP, count));
		for (uint32_t i = from; i < to && !error; i++) {
			items[i].vantage = flow_vantage_of(&stage->vantages, items[i].interface_id);
			if (is_due(stage, &items[i]) || !take_usual(stage, &items[i]))
				error = take_packet(stage, &items[i], fault);
		}
	}
	stage->statistics.packets += count;
	stage->statistics.no_ip += all->no_ip;
	return error;
}

static int process(struct weir_stage *generic, struct weir_batch *batch, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	int error = stage->options.items_taken ? 0 : flow_items_take(batch, NULL, fault);

	stage->batch = batch;
	if (!error)
		error = flow_vantages_learn(&stage->vantages, batch, fault);
	if (!error)
		error = take_items(stage, batch->items, fault);
	int flushed = flow_records_flush(stage, error ? NULL : fault);
	return error ? error : flushed;
}

static void close_stage(struct weir_stage *generic)
{
	struct flow_stage *stage = (struct flow_stage *)generic;

	flow_table_free(&stage->table);
	flow_wheel_free(&stage->wheel);
	flow_fragments_free(&stage->fragments);
	flow_vantages_free(&stage->vantages);
	flow_processes_free(&stage->processes);
	free(stage->pending);
	free(stage->text);
	free(stage);
}

static const struct weir_stage_ops flow_stage = {
	.name = "flow",
	.process = process,
	.close = close_stage,
	.save = flow_stage_save,
	.load = flow_stage_load,
};

int weir_flow_stage_new(const struct weir_flow_options *options, struct weir_stage **stage, struct weir_fault *fault)
{
	struct flow_stage *made = calloc(1, sizeof *made);

	*stage = NULL;
	if (options->idle_ns < 0 || options->active_ns < 0 || !options->sink) {
		free(made);
		return weir_fail(fault, WEIR_E_USAGE, "flows need timeouts of 0 or more, and a place to go to");
	}
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	made->stage.ops = &flow_stage;
	made->options = *options;
	if (!made->options.memory_bytes)
		made->options.memory_bytes = MEMORY_DEFAULT;
	made->linger_ns = options->idle_ns && options->idle_ns < LINGER_NS ? options->idle_ns : LINGER_NS;
	made->back_ns = INT64_MIN;
	made->quiet_ns = (uint64_t)made->linger_ns; /* never longer than the idle timeout */
	made->active_ns = options->active_ns ? (uint64_t)options->active_ns : UINT64_MAX;
	int64_t timeout = options->idle_ns ? options->idle_ns : made->linger_ns, tick = timeout / TICKS_A_TIMEOUT;
	int error = flow_table_init(&made->table, made->options.memory_bytes, fault);
	if (!error)
		error = flow_wheel_init(&made->wheel, made->table.capacity, tick < TICK_LEAST_NS ? TICK_LEAST_NS : tick, fault);
	if (!error)
		error = flow_fragments_init(&made->fragments, fault);
	made->pending = malloc(FLOW_RECORDS_PENDING * sizeof *made->pending);
	made->text = malloc(FLOW_TEXT_BYTES);
	if (!error && (!made->pending || !made->text))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	if (error) {
		close_stage(&made->stage);
		return error;
	}
	*stage = &made->stage;
	return 0;
}

void weir_flow_stage_statistics(const struct weir_stage *generic, struct weir_flow_statistics *statistics)
{
	const struct flow_stage *stage = (const struct flow_stage *)generic;

	*statistics = stage->statistics;
	statistics->active = stage->table.used;
	statistics->memory_bytes = flow_table_bytes(&stage->table) + stage->wheel.touched * sizeof *stage->wheel.blocks +
	                           sizeof *stage->fragments.datagrams * FLOW_FRAGMENT_SETS * FLOW_FRAGMENT_WAYS +
	                           FLOW_RECORDS_PENDING * sizeof *stage->pending + FLOW_TEXT_BYTES;
}

void weir_flow_stage_sink(struct weir_stage *generic, struct weir_flow_sink *sink)
{
	/* Between batches nothing is pending. */
	((struct flow_stage *)generic)->options.sink = sink;
}

int weir_flow_stage_end(struct weir_stage *generic, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	struct flow_datagram given;
	uint32_t at = 0;
	int error = 0;

	while (!error && flow_fragments_late(&stage->fragments, 0, true, &at, &given))
		error = count_waiting(stage, &given, FLOW_NONE, fault);
	for (uint32_t i = 0; !error && i < stage->table.touched; i++) {
		uint16_t state = stage->table.hot[i].state;
		if (state & FLOW_USED)
			error = end_flow(stage, i, state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_FORCED, fault);
	}
	return error ? error : flow_records_flush(stage, fault);
}
