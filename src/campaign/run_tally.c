/* What a run counts for its report, as it goes: plain memory, so that it is saved and loaded as it is. */
#include <stdlib.h>
#include <string.h>

#include "campaign/run.h"
#include "core/xxh3.h"

#define SECOND_NS INT64_C(1000000000)
#define TALLY_FLOWS 32 /* looked at at once */

struct run_tally *run_tally_new(void)
{
	struct run_tally *tally = calloc(1, sizeof *tally);

	if (tally) {
		tally->first_ns = INT64_MAX;
		tally->last_ns = INT64_MIN;
		tally->bucket_ns = SECOND_NS;
	}
	return tally;
}

/* ---- traffic over time ---- */

static void add_bucket(struct tally_bucket *to, const struct tally_bucket *from)
{
	to->packets += from->packets;
	to->wire_bytes += from->wire_bytes;
}

/* The last multiple of width that is not after time_ns; the first time of all where that would be before it. */
static int64_t round_down(int64_t time_ns, int64_t width)
{
	int64_t into = ((time_ns % width) + width) % width;

	return time_ns < INT64_MIN + into ? INT64_MIN : time_ns - into;
}

/* Makes buckets twice as wide. The base stays a multiple of the width, so that the result does not depend on what came first. */
static void widen(struct run_tally *tally)
{
	struct tally_bucket wide[TALLY_BUCKETS] = {{0}};
	int64_t width = tally->bucket_ns * 2;
	int64_t base = round_down(tally->base_ns, width);
	size_t shift = (size_t)((tally->base_ns - base) / tally->bucket_ns);

	for (size_t i = 0; i < TALLY_BUCKETS; i++)
		if (tally->buckets[i].packets)
			add_bucket(&wide[(i + shift) / 2], &tally->buckets[i]);
	memcpy(tally->buckets, wide, sizeof wide);
	tally->bucket_ns = width;
	tally->base_ns = base;
}

/* Moves the base back to hold an earlier time. False when there is no room: the buckets have to be wider. */
static bool shift_back(struct run_tally *tally, int64_t time_ns)
{
	int64_t base = round_down(time_ns, tally->bucket_ns);
	uint64_t by = ((uint64_t)tally->base_ns - (uint64_t)base) / (uint64_t)tally->bucket_ns;
	size_t used = TALLY_BUCKETS;

	while (used && tally->buckets[used - 1].packets == 0)
		used--;
	if (by + used > TALLY_BUCKETS)
		return false;
	memmove(tally->buckets + by, tally->buckets, used * sizeof *tally->buckets);
	memset(tally->buckets, 0, (size_t)by * sizeof *tally->buckets);
	tally->base_ns = base;
	return true;
}

static struct tally_bucket *bucket_of(struct run_tally *tally, int64_t time_ns)
{
	if (tally->packets == 0)
		tally->base_ns = round_down(time_ns, tally->bucket_ns);
	for (;;) {
		if (time_ns >= tally->base_ns) {
			uint64_t i = ((uint64_t)time_ns - (uint64_t)tally->base_ns) / (uint64_t)tally->bucket_ns;
			if (i < TALLY_BUCKETS)
				return &tally->buckets[i];
		} else if (shift_back(tally, time_ns)) {
			continue;
		}
		if (tally->bucket_ns > INT64_MAX / 4) /* centuries: damaged times */
			return &tally->buckets[time_ns < tally->base_ns ? 0 : TALLY_BUCKETS - 1];
		widen(tally);
	}
}

/* ---- vantages ---- */

static void name_vantage(const struct weir_interface *interface, char name[static 140])
{
	const char *what = interface->name[0] ? interface->name : "";

	if (interface->node[0] && what[0])
		snprintf(name, 140, "%s/%s", interface->node, what);
	else
		snprintf(name, 140, "%s%s", interface->node, what[0] || interface->node[0] ? what : "interface");
}

static struct tally_vantage *vantage_of(struct run_tally *tally, const struct weir_interface *interface)
{
	char name[140];

	name_vantage(interface, name);
	for (uint32_t i = 0; i < tally->vantage_count; i++)
		if (strcmp(tally->vantages[i].name, name) == 0)
			return &tally->vantages[i];
	if (tally->vantage_count == TALLY_VANTAGES) /* the last stands for all further ones */
		return &tally->vantages[TALLY_VANTAGES - 1];
	struct tally_vantage *vantage = &tally->vantages[tally->vantage_count++];
	memcpy(vantage->name, name, sizeof name);
	vantage->first_ns = INT64_MAX;
	vantage->last_ns = INT64_MIN;
	return vantage;
}

/* An interface keeps its number in all parts, so that it is looked up by name once. NULL: the batch has no such interface. */
static struct tally_vantage *look_up_vantage(struct run_tally *tally, const struct weir_batch *batch, uint32_t interface_id)
{
	if (interface_id >= batch->interface_count)
		return NULL;
	struct tally_vantage *vantage = vantage_of(tally, batch->interfaces[interface_id]);
	if (interface_id < TALLY_INTERFACES)
		tally->vantage_of[interface_id] = (uint8_t)(vantage - tally->vantages + 1);
	return vantage;
}

static inline struct tally_vantage *vantage_numbered(struct run_tally *tally, const struct weir_batch *batch, uint32_t interface_id)
{
	if (interface_id < TALLY_INTERFACES && tally->vantage_of[interface_id])
		return &tally->vantages[tally->vantage_of[interface_id] - 1];
	return look_up_vantage(tally, batch, interface_id);
}

const char *run_tally_vantage(const struct run_tally *tally, uint32_t interface_id)
{
	uint8_t index = interface_id < TALLY_INTERFACES ? tally->vantage_of[interface_id] : 0;

	return index && index <= tally->vantage_count ? tally->vantages[index - 1].name : "";
}

static void add_to_vantage(struct tally_vantage *vantage, const struct weir_packet *packet)
{
	vantage->packets++;
	vantage->wire_bytes += packet->length;
	vantage->kept += packet->verdict == WEIR_KEEP;
	vantage->duplicates += packet->verdict == WEIR_DUPLICATE;
	vantage->first_ns = packet->time_ns < vantage->first_ns ? packet->time_ns : vantage->first_ns;
	vantage->last_ns = packet->time_ns > vantage->last_ns ? packet->time_ns : vantage->last_ns;
}

/* ---- packets ---- */

#define QUICK_INTERFACES 16
#define ONE_PACKET (UINT64_C(1) << 44)
_Static_assert((uint64_t)WEIR_BATCH_PACKETS * UINT32_MAX < ONE_PACKET, "the lengths of a batch's packets have to fit below their number");

/*
 * What a batch's packets come to, entered once for all of them: a packet takes 34 instructions, and took 61 when it was entered in its vantage.
 * The first interfaces have a row each, all others share the last.
 */
struct batch_sums {
	uint64_t by_verdict[QUICK_INTERFACES + 1][4]; /* ONE_PACKET times the number of packets, and their bytes on the wire */
	int64_t last_ns[QUICK_INTERFACES + 1];
	int64_t first_ns;
	uint64_t captured, kept_bytes;
};

/* Adds the packets from the first on until one that is of another bucket than `bucket`, which begins at from_ns, and gives that one. */
static const struct weir_packet *add_second(struct run_tally *tally, struct batch_sums *sums, struct tally_bucket *bucket,
                                            const struct weir_packet *first, const struct weir_packet *end)
{
	const struct weir_packet *packet = first;
	uint64_t from_ns = (uint64_t)tally->base_ns + (uint64_t)(bucket - tally->buckets) * (uint64_t)tally->bucket_ns;
	uint64_t width_ns = (uint64_t)tally->bucket_ns, captured = 0, wire = 0, kept_bytes = 0;
	int64_t first_ns = sums->first_ns;

	do {
		uint32_t row = packet->interface_id < QUICK_INTERFACES ? packet->interface_id : QUICK_INTERFACES;
		sums->by_verdict[row][packet->verdict & 3] += ONE_PACKET + packet->length;
		sums->last_ns[row] = packet->time_ns > sums->last_ns[row] ? packet->time_ns : sums->last_ns[row];
		first_ns = packet->time_ns < first_ns ? packet->time_ns : first_ns;
		captured += packet->captured;
		wire += packet->length;
		kept_bytes += packet->verdict == WEIR_KEEP ? packet->captured : 0;
		packet++;
	} while (packet < end && (uint64_t)packet->time_ns - from_ns < width_ns);
	bucket->packets += (uint64_t)(packet - first);
	bucket->wire_bytes += wire;
	tally->packets += (uint64_t)(packet - first);
	sums->first_ns = first_ns;
	sums->captured += captured;
	sums->kept_bytes += kept_bytes;
	return packet;
}

static bool has_packets(const struct batch_sums *sums, uint32_t row)
{
	const uint64_t *by_verdict = sums->by_verdict[row];

	return by_verdict[0] | by_verdict[1] | by_verdict[2] | by_verdict[3];
}

/* Vantages are in the order of their first packets. */
static void look_up_new(struct run_tally *tally, const struct weir_batch *batch, const struct batch_sums *sums)
{
	bool new = false;

	for (uint32_t i = 0; i < QUICK_INTERFACES; i++)
		new |= has_packets(sums, i) && tally->vantage_of[i] == 0;
	for (uint32_t i = 0; new && i < batch->count; i++)
		vantage_numbered(tally, batch, batch->packets[i].interface_id);
}

static void add_row(struct run_tally *tally, const struct weir_batch *batch, const struct batch_sums *sums, uint32_t interface_id)
{
	const uint64_t *by_verdict = sums->by_verdict[interface_id];
	struct tally_vantage *vantage = vantage_numbered(tally, batch, interface_id);

	if (!vantage)
		return;
	for (unsigned verdict = 0; verdict < 4; verdict++) {
		vantage->packets += by_verdict[verdict] / ONE_PACKET;
		vantage->wire_bytes += by_verdict[verdict] % ONE_PACKET;
	}
	vantage->kept += by_verdict[WEIR_KEEP] / ONE_PACKET;
	vantage->duplicates += by_verdict[WEIR_DUPLICATE] / ONE_PACKET;
	vantage->last_ns = sums->last_ns[interface_id] > vantage->last_ns ? sums->last_ns[interface_id] : vantage->last_ns;
	if (sums->first_ns >= vantage->first_ns) /* as in all batches but an interface's first, when the packets are in order */
		return;
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->packets[i].interface_id == interface_id && batch->packets[i].time_ns < vantage->first_ns)
			vantage->first_ns = batch->packets[i].time_ns;
}

static void add_sums(struct run_tally *tally, const struct weir_batch *batch, const struct batch_sums *sums)
{
	look_up_new(tally, batch, sums);
	for (uint32_t i = 0; i <= QUICK_INTERFACES; i++) {
		const uint64_t *by_verdict = sums->by_verdict[i];
		if (!has_packets(sums, i))
			continue;
		for (unsigned verdict = 0; verdict < 4; verdict++)
			tally->wire_bytes += by_verdict[verdict] % ONE_PACKET;
		tally->kept += by_verdict[WEIR_KEEP] / ONE_PACKET;
		tally->duplicates += by_verdict[WEIR_DUPLICATE] / ONE_PACKET;
		tally->dropped += by_verdict[WEIR_DROP] / ONE_PACKET;
		tally->last_ns = sums->last_ns[i] > tally->last_ns ? sums->last_ns[i] : tally->last_ns;
		if (i < QUICK_INTERFACES)
			add_row(tally, batch, sums, i);
	}
	for (uint32_t i = 0; has_packets(sums, QUICK_INTERFACES) && i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		struct tally_vantage *vantage =
			packet->interface_id >= QUICK_INTERFACES ? vantage_numbered(tally, batch, packet->interface_id) : NULL;
		if (vantage)
			add_to_vantage(vantage, packet);
	}
	tally->captured_bytes += sums->captured;
	tally->kept_bytes += sums->kept_bytes;
	tally->first_ns = sums->first_ns < tally->first_ns ? sums->first_ns : tally->first_ns;
}

void run_tally_packets(struct run_tally *tally, const struct weir_batch *batch)
{
	const struct weir_packet *packet = batch->packets, *end = packet + batch->count;
	struct batch_sums sums = {.first_ns = INT64_MAX};

	for (uint32_t i = 0; i <= QUICK_INTERFACES; i++)
		sums.last_ns[i] = INT64_MIN;
	while (packet < end) /* neighbours share their second, mostly */
		packet = add_second(tally, &sums, bucket_of(tally, packet->time_ns), packet, end);
	add_sums(tally, batch, &sums);
}

/* ---- flows ---- */

static void add_flow(struct tally_sum *sum, const struct weir_flow *flow)
{
	sum->flows++;
	sum->packets += flow->forward.packets + flow->reverse.packets;
	sum->wire_bytes += flow->forward.wire_bytes + flow->reverse.wire_bytes;
}

static void copy_name(char *to, size_t size, struct weir_bytes from)
{
	snprintf(to, size, "%.*s", (int)(from.length < size ? from.length : size - 1), (const char *)from.data);
}

static bool is_name(const char *name, size_t size, struct weir_bytes text)
{
	return text.length < size && memcmp(name, text.data, text.length) == 0 && name[text.length] == '\0';
}

/* The sum of a name that is not where it was found last, or that is new. */
static uint32_t find_name(struct run_tally *tally, struct weir_bytes application, struct weir_bytes category)
{
	struct tally_name name = {.sum = {0}};

	copy_name(name.name, sizeof name.name, application);
	copy_name(name.category, sizeof name.category, category);
	for (uint32_t i = 0; i < tally->name_count; i++)
		if (strcmp(tally->names[i].name, name.name) == 0 && strcmp(tally->names[i].category, name.category) == 0)
			return i;
	if (tally->name_count < TALLY_NAMES)
		tally->names[tally->name_count++] = name;
	return tally->name_count - 1;
}

static void add_name(struct run_tally *tally, const struct weir_flow *flow)
{
	static const char not_known[] = "not known";
	struct weir_bytes application = flow->application, category = flow->category;

	if (!application.data)
		application = (struct weir_bytes){(const uint8_t *)not_known, sizeof not_known - 1};
	if (!category.data)
		category = (struct weir_bytes){(const uint8_t *)"", 0};
	/* Looking through all the names takes a quarter of a microsecond, and a run has a few dozen. */
	uint64_t hash = xxh3_seeded(application.data, application.length, category.length);
	uint16_t *slot = &tally->name_slots[hash % TALLY_NAME_SLOTS];
	const struct tally_name *last = *slot ? &tally->names[*slot - 1] : NULL;
	if (!last || !is_name(last->name, sizeof last->name, application) || !is_name(last->category, sizeof last->category, category))
		*slot = (uint16_t)(find_name(tally, application, category) + 1);
	add_flow(&tally->names[*slot - 1].sum, flow);
}

static size_t slot_of(const struct weir_ip *address)
{
	return xxh3_of(address, sizeof *address) % (2 * TALLY_HOSTS);
}

/* slot: of the address. NULL: there are as many hosts as there is room for, and this is another. */
static struct tally_host *host_of(struct run_tally *tally, const struct weir_ip *address, size_t slot)
{
	for (size_t i = slot;; i = (i + 1) % (2 * TALLY_HOSTS)) {
		uint32_t number = tally->host_slots[i];
		if (number && memcmp(&tally->hosts[number - 1].address, address, sizeof *address) == 0)
			return &tally->hosts[number - 1];
		if (number)
			continue;
		if (tally->host_count == TALLY_HOSTS)
			return NULL;
		struct tally_host *host = &tally->hosts[tally->host_count++];
		host->address = *address;
		tally->host_slots[i] = tally->host_count;
		return host;
	}
}

static void add_host(struct run_tally *tally, const struct weir_ip *address, size_t slot, const struct weir_flow_direction *sent,
                     const struct weir_flow_direction *received, const struct weir_flow *flow)
{
	struct tally_host *host = host_of(tally, address, slot);

	if (!host) {
		add_flow(&tally->other_hosts, flow);
		return;
	}
	host->flows++;
	host->sent_packets += sent->packets;
	host->sent_bytes += sent->wire_bytes;
	host->received_packets += received->packets;
	host->received_bytes += received->wire_bytes;
}

/* What is read of the table of hosts is called for before any of it is: with many hosts each would wait for memory twice. */
static void add_hosts(struct run_tally *tally, const struct weir_flow *flows, size_t count)
{
	size_t slots[TALLY_FLOWS][2];

	for (size_t i = 0; i < count; i++) {
		slots[i][0] = slot_of(&flows[i].source);
		slots[i][1] = slot_of(&flows[i].destination);
		__builtin_prefetch(&tally->host_slots[slots[i][0]]);
		__builtin_prefetch(&tally->host_slots[slots[i][1]]);
	}
	for (size_t i = 0; i < count; i++)
		for (size_t side = 0; side < 2; side++) {
			uint32_t number = tally->host_slots[slots[i][side]];
			if (number)
				__builtin_prefetch(&tally->hosts[number - 1], 1);
		}
	for (size_t i = 0; i < count; i++) {
		const struct weir_flow *flow = &flows[i];
		add_host(tally, &flow->source, slots[i][0], &flow->forward, &flow->reverse, flow);
		add_host(tally, &flow->destination, slots[i][1], &flow->reverse, &flow->forward, flow);
	}
}

void run_tally_flows(struct run_tally *tally, const struct weir_flow *flows, size_t count)
{
	tally->flows += count;
	for (size_t i = 0; i < count; i++) {
		add_flow(&tally->protocols[flows[i].protocol], &flows[i]);
		add_name(tally, &flows[i]);
	}
	for (size_t i = 0; i < count; i += TALLY_FLOWS)
		add_hosts(tally, flows + i, count - i < TALLY_FLOWS ? count - i : TALLY_FLOWS);
}

/* ---- saved ---- */

int run_tally_save(struct run_tally *tally, struct weir_state *state, struct weir_fault *fault)
{
	/* Of the hosts those that there are; their slots are made again. */
	int error = weir_state_section(state, "tally", 1, fault);

	if (!error)
		error = weir_state_put(state, tally, offsetof(struct run_tally, host_slots), fault);
	return error ? error : weir_state_put(state, tally->hosts, tally->host_count * sizeof *tally->hosts, fault);
}

static bool sound(const struct run_tally *tally)
{
	for (size_t i = 0; i < TALLY_INTERFACES; i++)
		if (tally->vantage_of[i] > TALLY_VANTAGES)
			return false;
	return tally->vantage_count <= TALLY_VANTAGES && tally->name_count <= TALLY_NAMES && tally->host_count <= TALLY_HOSTS &&
	       tally->bucket_ns >= SECOND_NS;
}

int run_tally_load(struct run_tally *tally, struct weir_state *state, struct weir_fault *fault)
{
	int error = weir_state_section(state, "tally", 1, fault);

	if (!error)
		error = weir_state_get(state, tally, offsetof(struct run_tally, host_slots), fault);
	if (!error && !sound(tally))
		error = weir_fail(fault, WEIR_E_FORMAT, "the state of a run is not sound: start the run anew");
	uint32_t hosts = error ? 0 : tally->host_count;
	memset(tally->host_slots, 0, sizeof tally->host_slots);
	memset(tally->name_slots, 0, sizeof tally->name_slots);
	tally->host_count = 0;
	for (uint32_t i = 0; !error && i < hosts; i++) {
		struct tally_host host;
		error = weir_state_get(state, &host, sizeof host, fault);
		if (!error)
			*host_of(tally, &host.address, slot_of(&host.address)) = host;
	}
	return error;
}
