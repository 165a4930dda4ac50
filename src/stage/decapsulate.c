/*
 * The decapsulate stage: weir/stage.h. What a single packet may be is in decapsulate_read.c; here is what is known of the associations.
 *
 * An association (addresses and SPI) begins undecided. Every packet with a new sequence number adds the bits of evidence that its best reading has,
 * if that reading has the same lengths of IV and ICV as those before, and begins anew if not. At NULL_BITS the association is NULL, and its packets are
 * opened from this one on: a packet that has as many alone opens itself. After MISSES packets without evidence, or UNDECIDED_PACKETS without a decision, it
 * counts as encrypted, and only much stronger evidence makes it NULL. When FAILURES packets of a NULL association in a row can't be
 * read, its SPI belongs to another now, and it begins anew.
 */
#include <stdlib.h>

#include <weir/stage.h>
#include <weir/state.h>

#include "os/files.h"
#include "packet/decoding.h"
#include "stage/decapsulate.h"

#define NULL_BITS 27
#define ENCRYPTED_BITS_ONE 48 /* to take it back: in one packet */
#define ENCRYPTED_BITS 80     /* … or in several */
#define LEAST_BITS 11         /* less is no evidence */
#define MISSES 8
#define UNDECIDED_PACKETS 64
#define FAILURES 4
#define REORDER 4096   /* sequence numbers: a packet that is late by more is not of the same count */
#define NESTED 4       /* ESP in ESP */
#define FIRST_SETS 256

struct learning {
	uint32_t sequence; /* of the last packet that was evidence for or against */
	uint16_t length;   /* of the last UDP datagram that was */
	uint8_t checksum;  /* … a byte of its checksum */
	uint8_t score, seen;
	uint8_t reserved[3];
};

static struct learning *learning_of(const struct decapsulate *stage, const struct association *a) { return &stage->learnings[a - stage->sets[0].ways]; }

static void begin(const struct decapsulate *stage, struct association *a, uint64_t key, uint32_t used)
{
	*a = (struct association){.key = key, .used = used, .icv = ESP_ICV_UNKNOWN};
	*learning_of(stage, a) = (struct learning){0};
}

/*
 * Twice as many sets, in place: each gives half of its associations to the one that is as far behind the old end. The tables begin small and
 * dense, because they are asked for every packet and should stay in the caches.
 */
static void grow(struct decapsulate *stage)
{
	uint64_t count = stage->set_mask + 1;

	stage->set_mask = stage->set_mask * 2 + 1;
	for (uint64_t i = 0; i < count; i++)
		for (unsigned way = 0; way < ESP_WAYS; way++) {
			struct association *from = &stage->sets[i].ways[way], *to = &stage->sets[i + count].ways[way];
			if (!from->key || decapsulate_set(stage, from->key) == &stage->sets[i])
				continue;
			*to = *from;
			*learning_of(stage, to) = *learning_of(stage, from);
			*from = (struct association){0};
		}
}

/* The free place of a set, or else the one least recently used. */
static struct association *place_in(struct association_set *set, uint32_t now)
{
	struct association *oldest = &set->ways[0];
	uint32_t oldest_age = 0;

	for (unsigned i = 0; i < ESP_WAYS; i++) {
		struct association *a = &set->ways[i];
		if (!a->key)
			return a;
		uint32_t age = now - a->used;
		if (age > oldest_age) {
			oldest = a;
			oldest_age = age;
		}
	}
	return oldest;
}

struct association *decapsulate_associate_new(struct decapsulate *stage, uint64_t key)
{
	uint32_t now = (uint32_t)(stage->statistics.esp >> ESP_USED_SHIFT);
	struct association *a = place_in(decapsulate_set(stage, key), now);

	while (a->key && stage->set_mask < stage->most_mask) {
		grow(stage);
		a = place_in(decapsulate_set(stage, key), now);
	}
	begin(stage, a, key, now);
	stage->statistics.associations++;
	return a;
}

static void learn_icv(struct decapsulate *stage, struct association *a, uint8_t icv)
{
	a->icv = icv;
	if (icv == ESP_ICV_UNKNOWN)
		return;
	stage->icvs[icv / 4]++;
	if (stage->icvs[icv / 4] > stage->icvs[stage->usual_icv / 4])
		stage->usual_icv = icv;
}

/* Whether this packet may count: not a copy of one that did. */
static bool fresh(struct learning *l, uint32_t sequence)
{
	uint32_t behind = l->sequence - sequence;

	if (l->seen && behind < REORDER)
		return false;
	l->sequence = sequence;
	if (l->seen < UINT8_MAX)
		l->seen++;
	return true;
}

/*
 * A counter that stands where the IV would, as with AES-GCM, looks like a UDP header whose ports, and for thousands of packets its length, stay the
 * same: a length alone is evidence only when it is another than last time or, for the few packets of an undecided association, the checksum is by more
 * than they can count.
 */
static bool udp_counts(const struct association *a, struct learning *l, const struct esp_view *view, const struct esp_reading *reading)
{
	const uint8_t *p = view->p + reading->iv;
	uint16_t length = weir_load_be16(p + 4);
	bool counts = l->score == 0 || length != l->length || (a->state == ESP_UNDECIDED && p[6] != l->checksum);

	l->length = length;
	l->checksum = p[6];
	return counts;
}

static void add_evidence(struct association *a, struct learning *l, const struct esp_reading *reading)
{
	bool same = l->score && a->iv == reading->iv && (a->icv == reading->icv || a->icv == ESP_ICV_UNKNOWN || reading->icv == ESP_ICV_UNKNOWN);
	unsigned score = (same ? l->score : 0u) + reading->bits;

	l->score = (uint8_t)(score < UINT8_MAX ? score : UINT8_MAX);
	a->iv = reading->iv;
	if (!same || a->icv == ESP_ICV_UNKNOWN)
		a->icv = reading->icv;
}

static bool enough(const struct association *a, const struct learning *l, const struct esp_reading *reading)
{
	if (a->state == ESP_UNDECIDED)
		return l->score >= NULL_BITS;
	return l->score >= ENCRYPTED_BITS || reading->bits >= ENCRYPTED_BITS_ONE;
}

/* Looks at a packet of an association that is not known to be NULL; true when it is now, by this packet. */
static bool learn(struct decapsulate *stage, struct association *a, const struct esp_view *view, struct esp_reading *reading)
{
	struct learning *l = learning_of(stage, a);

	*reading = esp_guess(view);
	/* The usual end of a packet that is encrypted, without a look into the other table. */
	if (a->state == ESP_ENCRYPTED && reading->bits < LEAST_BITS && a->misses == 0)
		return false;
	if (!fresh(l, weir_load_be32(view->p - 4)))
		return false;
	if (reading->bits < LEAST_BITS) {
		l->score = 0;
		a->icv = ESP_ICV_UNKNOWN;
		a->misses = (uint8_t)(a->misses + 1);
	} else if (reading->protocol != 17 || reading->trailer_seen || udp_counts(a, l, view, reading)) {
		add_evidence(a, l, reading);
		if (enough(a, l, reading)) {
			a->state = ESP_NULL;
			a->misses = 0;
			stage->statistics.associations_null++;
			learn_icv(stage, a, a->icv);
			return true;
		}
	}
	if (a->state == ESP_UNDECIDED && (a->misses >= MISSES || l->seen >= UNDECIDED_PACKETS))
		a->state = ESP_ENCRYPTED;
	if (a->state == ESP_ENCRYPTED)
		a->misses = l->score != 0;
	return false;
}

/* Reads a packet of an association that is NULL; false when it can't be. */
static bool read_known(struct decapsulate *stage, struct association *a, const struct esp_view *view, struct esp_reading *reading)
{
	*reading = esp_read(view, a->iv, a->icv, stage->usual_icv);
	if (reading->bits == 0)
		return false;
	a->misses = 0;
	if (a->icv == ESP_ICV_UNKNOWN && reading->trailer_seen)
		learn_icv(stage, a, reading->icv);
	return true;
}

static void open_packet(struct weir_packet *packet, const struct esp_view *view, const struct esp_reading *reading)
{
	struct weir_facts *facts = packet->facts;
	uint32_t at = facts->payload + reading->iv, left = view->visible - reading->iv, networks = facts->network_count;

	facts->flags |= WEIR_FACT_ESP_NULL;
	facts->trailer = reading->trailer;
	decode_behind_esp(packet, facts, at, at + (reading->length < left ? reading->length : left), reading->protocol);
	if (facts->network_count != networks)
		facts->trailer = 0;
}

/* A packet that is not usual, or of an association that is not settled. True when it was opened and may end at ESP again. */
static bool open_odd(struct decapsulate *stage, struct association *a, struct weir_packet *packet, uint64_t key)
{
	struct weir_decapsulate_statistics *statistics = &stage->statistics;
	struct esp_reading reading = {0};
	struct esp_view view;

	esp_view_make(&view, packet);
	bool known = a->state == ESP_NULL && read_known(stage, a, &view, &reading);
	if (a->state == ESP_NULL && !known && ++a->misses >= FAILURES)
		begin(stage, a, key, a->used);
	if (!known && a->state != ESP_NULL && learn(stage, a, &view, &reading))
		known = reading.trailer_seen || read_known(stage, a, &view, &reading);
	if (!known) {
		*(a->state == ESP_ENCRYPTED ? &statistics->encrypted : &statistics->undecided) += 1;
		return false;
	}
	statistics->opened++;
	if (reading.protocol == ESP_NO_NEXT_HEADER)
		return false; /* a dummy, sent to hide how much there is */
	open_packet(packet, &view, &reading);
	return true;
}

void decapsulate_odd(struct decapsulate *stage, struct association *a, struct weir_packet *packet, uint64_t key)
{
	for (int depth = 0; open_odd(stage, a, packet, key) && (packet->facts->flags & WEIR_FACT_ESP) && depth < NESTED; depth++) {
		key = decapsulate_key(packet);
		a = decapsulate_associate(stage, key);
	}
}

/* A packet that ends at ESP. */
static void process_packet(struct decapsulate *stage, struct weir_packet *packet, uint64_t key)
{
	struct association *a = decapsulate_associate(stage, key);
	const struct weir_network *network = &packet->facts->networks[packet->facts->network_count - 1];
	struct esp_usual usual = esp_read_tcp(packet, packet->facts, network, a, network->version == 4);

	if (!usual.protocol)
		usual = esp_read_udp(packet, packet->facts, network, a, network->version == 4);
	if (!usual.protocol) {
		decapsulate_odd(stage, a, packet, key);
		return;
	}
	decapsulate_opened(stage, a);
	esp_open(packet, usual);
}

/* Calls for the lines of a packet further on. */
static inline void fetch(const struct weir_packet *packet)
{
	__builtin_prefetch(packet->data);
	__builtin_prefetch(packet->data + 64);
	__builtin_prefetch(packet->facts, 1); /* of no facts: nothing happens */
}

/*
 * Blocks that the nearest cache holds, each gone through twice: once to find the packets and to have their associations fetched, once to read
 * them.
 */
static int process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct decapsulate *stage = (struct decapsulate *)base;
	uint64_t keys[ESP_BLOCK];

	(void)fault;
	for (uint32_t from = 0; from < batch->count; from += ESP_BLOCK) {
		uint32_t to = batch->count - from < ESP_BLOCK ? batch->count : from + ESP_BLOCK;
		for (uint32_t i = to; i < to + ESP_BLOCK && i < batch->count; i++)
			fetch(&batch->packets[i]);
		decapsulate_find(stage, &batch->packets[from], to - from, keys);
		for (uint32_t i = from; i < to; i++)
			if (keys[i - from])
				process_packet(stage, &batch->packets[i], keys[i - from]);
	}
	return 0;
}

void weir_decapsulate_statistics(const struct weir_stage *base, struct weir_decapsulate_statistics *statistics)
{
	*statistics = ((const struct decapsulate *)base)->statistics;
}

/* What is saved before the associations. */
struct saved {
	uint64_t sets, most_sets, associations;
	struct weir_decapsulate_statistics statistics;
	uint64_t icvs[ESP_ICV_KINDS];
	uint64_t usual_icv;
};

struct saved_association {
	uint64_t place;
	struct association association;
	struct learning learning;
	uint32_t reserved;
};

static int save(struct weir_stage *base, struct weir_state *state, struct weir_fault *fault)
{
	const struct decapsulate *stage = (const struct decapsulate *)base;
	const struct association *all = stage->sets[0].ways;
	uint64_t places = (stage->set_mask + 1) * ESP_WAYS;
	struct saved saved = {.sets = stage->set_mask + 1, .most_sets = stage->most_mask + 1, .statistics = stage->statistics, .usual_icv = stage->usual_icv};

	memcpy(saved.icvs, stage->icvs, sizeof saved.icvs);
	for (uint64_t i = 0; i < places; i++)
		saved.associations += all[i].key != 0;
	int error = weir_state_section(state, "decapsulate", 2, fault);
	if (!error)
		error = weir_state_put(state, &saved, sizeof saved, fault);
	for (uint64_t i = 0; i < places && !error; i++) {
		struct saved_association one = {.place = i, .association = all[i], .learning = stage->learnings[i]};
		if (all[i].key)
			error = weir_state_put(state, &one, sizeof one, fault);
	}
	return error;
}

static int load(struct weir_stage *base, struct weir_state *state, struct weir_fault *fault)
{
	struct decapsulate *stage = (struct decapsulate *)base;
	struct saved saved;
	int error = weir_state_section(state, "decapsulate", 2, fault);

	if (!error)
		error = weir_state_get(state, &saved, sizeof saved, fault);
	if (error)
		return error;
	if (saved.most_sets != stage->most_mask + 1 || saved.sets == 0 || saved.sets > saved.most_sets || (saved.sets & (saved.sets - 1)) ||
	    saved.usual_icv / 4 >= ESP_ICV_KINDS)
		return weir_fail(fault, WEIR_E_FORMAT, "the state of a run has security associations in another amount of memory: start the run anew");
	stage->set_mask = saved.sets - 1;
	for (uint64_t i = 0; i < saved.associations; i++) {
		struct saved_association one;
		error = weir_state_get(state, &one, sizeof one, fault);
		if (error)
			return error;
		const struct association *a = &one.association;
		if (one.place >= saved.sets * ESP_WAYS || a->state > ESP_ENCRYPTED || a->iv > 8 || (a->icv > 32 && a->icv != ESP_ICV_UNKNOWN))
			return weir_fail(fault, WEIR_E_FORMAT, "the state of a run has an impossible security association: start the run anew");
		stage->sets[one.place / ESP_WAYS].ways[one.place % ESP_WAYS] = *a;
		stage->learnings[one.place] = one.learning;
	}
	stage->statistics = saved.statistics;
	memcpy(stage->icvs, saved.icvs, sizeof saved.icvs);
	stage->usual_icv = (uint8_t)saved.usual_icv;
	return 0;
}

static size_t table_bytes(const struct decapsulate *stage) { return (stage->most_mask + 1) * sizeof(struct association_set); }
static size_t learning_bytes(const struct decapsulate *stage) { return (stage->most_mask + 1) * ESP_WAYS * sizeof(struct learning); }

static void stage_close(struct weir_stage *base)
{
	struct decapsulate *stage = (struct decapsulate *)base;

	os_pages_free(stage->sets, table_bytes(stage));
	os_pages_free(stage->learnings, learning_bytes(stage));
	free(stage);
}

static const struct weir_stage_ops decapsulate_stage = {
	.name = "decapsulate",
	.process = process,
	.close = stage_close,
	.save = save,
	.load = load,
};

int weir_decapsulate_stage_new(uint64_t memory_bytes, struct weir_stage **out, struct weir_fault *fault)
{
	struct decapsulate *stage = calloc(1, sizeof *stage);
	uint64_t sets = 1, most = (memory_bytes ? memory_bytes : UINT64_C(16) << 20) / (sizeof(struct association_set) + ESP_WAYS * sizeof(struct learning));

	*out = NULL;
	if (!stage)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for security associations");
	while (sets * 2 <= most && sets < UINT64_C(1) << 32)
		sets *= 2;
	stage->stage.ops = &decapsulate_stage;
	stage->most_mask = sets - 1;
	stage->set_mask = sets < FIRST_SETS ? sets - 1 : FIRST_SETS - 1;
	stage->usual_icv = 12;
	stage->sets = os_pages_new(table_bytes(stage), false);
	stage->learnings = os_pages_new(learning_bytes(stage), false);
	if (!stage->sets || !stage->learnings) {
		stage_close(&stage->stage);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for security associations");
	}
	*out = &stage->stage;
	return 0;
}
