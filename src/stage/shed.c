/* Giving up under load what the policy names first: weir/policy.h, docs/policy.md. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <weir/filter.h>

#include "core/clock.h"
#include "stage/keep.h"

/* The buffer's fullness at which the first is given up, and the span in which the others follow; what is over that is the sink's to drop. */
#define FIRST_PERCENT 50u
#define SPAN_PERCENT 40u
#define BACK_PERCENT 20u /* it is kept again when the buffer is so much emptier */
#define QUIET_NS NS_PER_SECOND
#define LONGEST_NS (10 * NS_PER_SECOND) /* then it is told, so that a crash forgets no more */

/* Something that is given up, and how much of it was since that was last told. */
struct item {
	const char *what;
	struct weir_filter *filter; /* NULL: payload */
	bool refused;               /* the filter does not compile for packets of this link type */
	uint16_t refused_linktype;
	struct weir_shed_loss loss;   /* under the lock; packets 0: none */
	int64_t since_ns, touched_ns; /* monotonic; likewise */
};

struct shed {
	struct weir_stage stage;
	unsigned (*fullness)(void *context);
	void *context;
	struct item *items;
	size_t count;
	size_t level; /* so many of the items are given up */
	pthread_mutex_t lock;
	_Atomic uint64_t dropped;
};

static unsigned threshold(const struct shed *shed, size_t item)
{
	return FIRST_PERCENT + (unsigned)(SPAN_PERCENT * item / shed->count);
}

static size_t next_level(const struct shed *shed, unsigned percent)
{
	size_t level = shed->level;

	while (level < shed->count && percent >= threshold(shed, level))
		level++;
	while (level > 0 && percent + BACK_PERCENT < threshold(shed, level - 1))
		level--;
	return level;
}

static void note(struct item *item, const struct weir_packet *packet, uint64_t bytes, struct weir_shed_loss *loss)
{
	if (!loss->packets || packet->time_ns < loss->from_ns)
		loss->from_ns = packet->time_ns;
	if (!loss->packets || packet->time_ns > loss->to_ns)
		loss->to_ns = packet->time_ns;
	loss->packets++;
	loss->bytes += bytes;
	loss->payload = item->filter == NULL;
	loss->what = item->what;
}

static void give_up_payload(struct item *item, struct weir_packet *packet, struct weir_shed_loss *loss)
{
	struct weir_facts own;
	const struct weir_facts *facts = packet->facts;

	if (!facts) {
		weir_decode(packet, &own);
		facts = &own;
	}
	uint32_t headers = keep_headers(packet, facts), captured = packet->captured;
	if (headers >= captured)
		return;
	keep_cut(packet, headers);
	note(item, packet, captured - headers, loss);
}

/* Of a link type that a filter can't be asked about nothing is given up by it. */
static void give_up_packet(struct item *item, struct weir_packet *packet, struct weir_shed_loss *loss)
{
	if (item->refused && item->refused_linktype == packet->linktype)
		return;
	int match = weir_filter_match(item->filter, packet, NULL);
	if (match < 0) {
		item->refused = true;
		item->refused_linktype = packet->linktype;
	}
	if (match <= 0)
		return;
	packet->verdict = WEIR_DROP;
	note(item, packet, packet->length, loss);
}

static void add_loss(struct item *item, const struct weir_shed_loss *loss, int64_t now_ns)
{
	struct weir_shed_loss *sum = &item->loss;

	if (!sum->packets) {
		*sum = *loss;
		item->since_ns = now_ns;
	} else {
		sum->from_ns = loss->from_ns < sum->from_ns ? loss->from_ns : sum->from_ns;
		sum->to_ns = loss->to_ns > sum->to_ns ? loss->to_ns : sum->to_ns;
		sum->packets += loss->packets;
		sum->bytes += loss->bytes;
	}
	item->touched_ns = now_ns;
}

/* Gives up one thing in a batch, and remembers how much that was. */
static void give_up(struct shed *shed, struct item *item, struct weir_batch *batch)
{
	struct weir_shed_loss loss = {.packets = 0};

	for (uint32_t i = 0; i < batch->count; i++) {
		struct weir_packet *packet = &batch->packets[i];
		if (packet->verdict != WEIR_KEEP)
			continue;
		if (item->filter)
			give_up_packet(item, packet, &loss);
		else
			give_up_payload(item, packet, &loss);
	}
	if (!loss.packets)
		return;
	/* Relaxed: a figure to be shown. */
	if (!loss.payload)
		atomic_fetch_add_explicit(&shed->dropped, loss.packets, memory_order_relaxed);
	pthread_mutex_lock(&shed->lock);
	add_loss(item, &loss, clock_monotonic_ns());
	pthread_mutex_unlock(&shed->lock);
}

static int shed_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	struct shed *shed = (struct shed *)stage;

	shed->level = next_level(shed, shed->fullness(shed->context));
	/* Whole packets before the payload of what is left, so that nothing counts twice. */
	for (int payload = 0; payload <= 1; payload++)
		for (size_t i = 0; i < shed->level; i++)
			if ((shed->items[i].filter == NULL) == payload)
				give_up(shed, &shed->items[i], batch);
	return 0;
}

static void shed_close(struct weir_stage *stage)
{
	struct shed *shed = (struct shed *)stage;

	for (size_t i = 0; shed->items && i < shed->count; i++)
		weir_filter_free(shed->items[i].filter);
	pthread_mutex_destroy(&shed->lock);
	free(shed->items);
	free(shed);
}

static const struct weir_stage_ops shed_ops = {.name = "shed", .process = shed_process, .close = shed_close};

struct weir_stage *weir_shed_stage_new(const struct weir_policy *policy, unsigned (*fullness)(void *context),
                                       void *context, struct weir_fault *fault)
{
	const struct weir_policy_keep *keep = &policy->keep;
	struct shed *shed = calloc(1, sizeof *shed);
	int error = 0;

	if (shed)
		shed->items = calloc(keep->shed_count + 1, sizeof *shed->items);
	if (!shed || !shed->items) {
		free(shed);
		weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
		return NULL;
	}
	*shed = (struct shed){.stage = {&shed_ops}, .fullness = fullness, .context = context, .items = shed->items};
	pthread_mutex_init(&shed->lock, NULL);
	for (; shed->count < keep->shed_count && !error; shed->count++) {
		struct item *item = &shed->items[shed->count];
		item->what = keep->shed[shed->count];
		if (strcmp(item->what, "payload") != 0)
			error = weir_filter_new(item->what, 1, &item->filter, fault);
	}
	if (error) {
		shed_close(&shed->stage);
		return NULL;
	}
	return &shed->stage;
}

bool weir_shed_look(struct weir_stage *stage, bool last, struct weir_shed_loss *loss)
{
	struct shed *shed = (struct shed *)stage;
	int64_t now_ns = clock_monotonic_ns();
	bool found = false;

	pthread_mutex_lock(&shed->lock);
	for (size_t i = 0; i < shed->count && !found; i++) {
		struct item *item = &shed->items[i];
		found = item->loss.packets &&
		        (last || now_ns - item->touched_ns > QUIET_NS || now_ns - item->since_ns > LONGEST_NS);
		if (found) {
			*loss = item->loss;
			item->loss = (struct weir_shed_loss){.packets = 0};
		}
	}
	pthread_mutex_unlock(&shed->lock);
	return found;
}

void weir_shed_keep(struct weir_stage *stage, const struct weir_shed_loss *loss)
{
	struct shed *shed = (struct shed *)stage;

	pthread_mutex_lock(&shed->lock);
	for (size_t i = 0; i < shed->count; i++)
		if (shed->items[i].what == loss->what) {
			add_loss(&shed->items[i], loss, clock_monotonic_ns());
			break;
		}
	pthread_mutex_unlock(&shed->lock);
}

uint64_t weir_shed_dropped(const struct weir_stage *stage)
{
	const struct shed *shed = (const struct shed *)stage;

	return atomic_load_explicit(&shed->dropped, memory_order_relaxed);
}
