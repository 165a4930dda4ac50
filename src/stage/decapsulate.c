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
#include "packet/esp.h"
#include "stage/decapsulate.h"

#define NULL_BITS 27
#define ENCRYPTED_BITS_ONE 48 /* to take it back: in one packet */
#define ENCRYPTED_BITS 80     /* … or in several */
#define LEAST_BITS 11         /* less is no evidence */
#define MISSES 8
#define UNDECIDED_PACKETS 64
#define FAILURES 4
#define REORDER 4096   /* sequence numbers: a packet that is late by more is not of the same count */
#define WAYS 4
#define NESTED 4       /* ESP in ESP */
#define USED_SHIFT 10
#define BLOCK 32
#define FIRST_SETS 256

enum { UNDECIDED, NULL_ENCRYPTED, ENCRYPTED };

/* What every packet needs of an association; what only learning needs is in struct learning, at the same place of another table. */
struct association {
	uint64_t key;    /* 0: free */
	uint32_t used;   /* when it was, in packets >> USED_SHIFT */
	uint8_t state;
	uint8_t iv, icv; /* ESP_ICV_UNKNOWN */
	uint8_t misses;  /* undecided; NULL: failures in a row; encrypted: 1 when there is evidence against that */
};

struct learning {
	uint32_t sequence; /* of the last packet that was evidence for or against */
	uint16_t length;   /* of the last UDP datagram that was */
	uint8_t checksum;  /* … a byte of its checksum */
	uint8_t score, seen;
	uint8_t reserved[3];
};

struct table_set {
	struct association ways[WAYS];
};
_Static_assert(sizeof(struct table_set) == 64, "a set is a cache line");

/* How often each length of ICV was learned, so that the commonest can be taken where it can't be seen. */
#define ICV_KINDS 9

struct decapsulate {
	struct weir_stage stage;
	struct table_set *sets;
	struct learning *learnings;
	uint64_t set_mask, most_mask; /* as many sets as are in use, as there is room for */
	struct weir_decapsulate_statistics statistics;
	uint64_t icvs[ICV_KINDS]; /* by length / 4 */
	uint8_t usual_icv;
	bool defers; /* the stage behind it opens what is usual */
};

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Of the SPI and the addresses: decoding has hashed these, the same for both directions, so that the end of the destination's has to come in. Without a
 * branch on the version, which could not be foretold.
 */
static inline uint64_t key_of(const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	uint64_t spi = weir_load_native32(packet->data + facts->payload - 8);
	uint64_t destination = weir_load_native32(packet->data + network->destination + (network->version & 2u) * 6u);
	uint64_t key = mix(facts->flow_hash ^ UINT64_C(0xa0761d6478bd642f), (spi << 32 | destination) ^ UINT64_C(0xe7037ed1a0b428db));
	return key ? key : 1;
}

static struct learning *learning_of(const struct decapsulate *stage, const struct association *a) { return &stage->learnings[a - stage->sets[0].ways]; }

static void begin(const struct decapsulate *stage, struct association *a, uint64_t key, uint32_t used)
{
	*a = (struct association){.key = key, .used = used, .icv = ESP_ICV_UNKNOWN};
	*learning_of(stage, a) = (struct learning){0};
}

static struct table_set *set_of(const struct decapsulate *stage, uint64_t key) { return &stage->sets[key >> 20 & stage->set_mask]; }

/*
 * Twice as many sets, in place: each gives half of its associations to the one that is as far behind the old end. The tables begin small and
 * dense, because they are asked for every packet and should stay in the caches.
 */
static void grow(struct decapsulate *stage)
{
	uint64_t count = stage->set_mask + 1;

	stage->set_mask = stage->set_mask * 2 + 1;
	for (uint64_t i = 0; i < count; i++)
		for (unsigned way = 0; way < WAYS; way++) {
			struct association *from = &stage->sets[i].ways[way], *to = &stage->sets[i + count].ways[way];
			if (!from->key || set_of(stage, from->key) == &stage->sets[i])
				continue;
			*to = *from;
			*learning_of(stage, to) = *learning_of(stage, from);
			*from = (struct association){0};
		}
}

/* The free place of a set, or else the one least recently used. */
static struct association *place_in(struct table_set *set, uint32_t now)
{
	struct association *oldest = &set->ways[0];
	uint32_t oldest_age = 0;

	for (unsigned i = 0; i < WAYS; i++) {
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

static __attribute__((noinline)) struct association *associate_new(struct decapsulate *stage, uint64_t key, uint32_t now)
{
	struct association *a = place_in(set_of(stage, key), now);

	while (a->key && stage->set_mask < stage->most_mask) {
		grow(stage);
		a = place_in(set_of(stage, key), now);
	}
	begin(stage, a, key, now);
	stage->statistics.associations++;
	return a;
}

/* Which of the four it is could not be foretold: no branches. */
static inline struct association *associate(struct decapsulate *stage, uint64_t key)
{
	struct association *ways = set_of(stage, key)->ways;
	struct association *a = &ways[(ways[1].key == key) + (ways[2].key == key) * 2 + (ways[3].key == key) * 3];
	uint32_t now = (uint32_t)(stage->statistics.esp >> USED_SHIFT);

	if (__builtin_expect(a->key != key, 0))
		return associate_new(stage, key, now);
	a->used = now;
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
	bool counts = l->score == 0 || length != l->length || (a->state == UNDECIDED && p[6] != l->checksum);

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
	if (a->state == UNDECIDED)
		return l->score >= NULL_BITS;
	return l->score >= ENCRYPTED_BITS || reading->bits >= ENCRYPTED_BITS_ONE;
}

/* Looks at a packet of an association that is not known to be NULL; true when it is now, by this packet. */
static bool learn(struct decapsulate *stage, struct association *a, const struct esp_view *view, struct esp_reading *reading)
{
	struct learning *l = learning_of(stage, a);

	*reading = esp_guess(view);
	/* The usual end of a packet that is encrypted, without a look into the other table. */
	if (a->state == ENCRYPTED && reading->bits < LEAST_BITS && a->misses == 0)
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
			a->state = NULL_ENCRYPTED;
			a->misses = 0;
			stage->statistics.associations_null++;
			learn_icv(stage, a, a->icv);
			return true;
		}
	}
	if (a->state == UNDECIDED && (a->misses >= MISSES || l->seen >= UNDECIDED_PACKETS))
		a->state = ENCRYPTED;
	if (a->state == ENCRYPTED)
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

/*
 * UDP of which the trailer was cut off: when its length and the least padding make up the rest, and its bytes are not those that read_cut would take for IP.
 * More is to be decoded behind the ports of a tunnel.
 */
static bool is_cut_udp(const uint8_t *p, uint32_t total, uint32_t icv)
{
	uint32_t length = weir_load_be16(p + 4), version = p[0] >> 4;

	return length >= 8 && length + ((0u - length - 2) & 3) + 2 + icv == total && version != 4 && version != 6 && weir_load_native16(p) &&
	       weir_load_native16(p + 2) && udp_ports_are_plain(weir_load_be16(p), weir_load_be16(p + 2));
}

/*
 * What most packets are: TCP or UDP in transport mode, of an association that is known. As the general way reads it, with few branches. 0: not so, or not
 * certain; else as in struct esp_decision.
 */
static inline uint32_t read_usual(const struct weir_packet *packet, const struct association *a, uint32_t *datagram_end)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	uint32_t at = facts->payload, six = network->version >> 1 & 1, icv = a->icv;
	const uint8_t *p = packet->data + at, *ip = packet->data + network->offset;
	uint32_t end = network->offset + weir_load_be16(ip + 2 + six * 2) + six * 40, inside = end - icv - 2;

	*datagram_end = end;
	if (a->state != NULL_ENCRYPTED || a->iv != 0 || icv == ESP_ICV_UNKNOWN || network->protocol != 50 || (network->flags & WEIR_NETWORK_FRAGMENT) ||
	    end > packet->length || network->end < at + 20 || end < at + 22 + icv || ((end - at) & 3))
		return 0;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	bool tcp = esp_tcp_sound(p, inside - at), udp;
	if (network->end < inside + 2) {
		if (tcp)
			return esp_how(6, icv + 2, 3);
		return is_cut_udp(p, end - at, icv) ? esp_how(17, end - at - weir_load_be16(p + 4), 0) : 0;
	}
	const uint8_t *last = packet->data + inside;
	uint32_t padding = last[0] & 3u;
	/* As many of the bytes 1, 2, 3 before it as there should be. */
	uint32_t wrong = (weir_load_be32(last - 4) ^ 0x010203u >> (24 - padding * 8)) & ((1u << padding * 8) - 1);
	tcp &= (last[1] == 6) & (header <= inside - padding - at);
	udp = (last[1] == 17) & (weir_load_be16(p + 4) == inside - padding - at);
	if ((wrong != 0) | (last[0] > 3) | !(tcp | udp) || (udp && !udp_ports_are_plain(weir_load_be16(p), weir_load_be16(p + 2))))
		return 0;
	return esp_how(last[1], icv + 2 + padding, 0);
}

/* A packet that is not usual, or of an association that is not settled. True when it was opened and may end at ESP again. */
static __attribute__((noinline)) bool process_odd(struct decapsulate *stage, struct association *a, struct weir_packet *packet, uint64_t key)
{
	struct weir_decapsulate_statistics *statistics = &stage->statistics;
	struct esp_reading reading = {0};
	struct esp_view view;

	esp_view_make(&view, packet);
	bool known = a->state == NULL_ENCRYPTED && read_known(stage, a, &view, &reading);
	if (a->state == NULL_ENCRYPTED && !known && ++a->misses >= FAILURES)
		begin(stage, a, key, a->used);
	if (!known && a->state != NULL_ENCRYPTED && learn(stage, a, &view, &reading))
		known = reading.trailer_seen || read_known(stage, a, &view, &reading);
	if (!known) {
		*(a->state == ENCRYPTED ? &statistics->encrypted : &statistics->undecided) += 1;
		return false;
	}
	statistics->opened++;
	if (reading.protocol == ESP_NO_NEXT_HEADER)
		return false; /* a dummy, sent to hide how much there is */
	open_packet(packet, &view, &reading);
	return true;
}

/* What a packet ends at, if it is ESP that may be opened: opens it, or puts down how when another stage is to. True: it may end at ESP again. */
static inline bool process_one(struct decapsulate *stage, struct weir_packet *packet, uint64_t key, struct esp_decision *decision)
{
	struct association *a = associate(stage, key);
	uint32_t end, how = read_usual(packet, a, &end);

	stage->statistics.esp++;
	if (!how)
		return process_odd(stage, a, packet, key);
	a->misses = 0;
	stage->statistics.opened++;
	if (!decision) {
		esp_open(packet, &(struct esp_decision){end, how});
		return false;
	}
	decision->end = end;
	decision->how = how;
	return false;
}

/* The lines of a packet that tell whether it is ESP, and of which association. */
static inline void fetch_first(const struct weir_packet *packet)
{
	const uint8_t *facts = (const uint8_t *)packet->facts;

	__builtin_prefetch(packet->data);
	__builtin_prefetch(facts); /* of no facts: nothing happens */
	__builtin_prefetch(facts + offsetof(struct weir_facts, networks));
}

/* Those that reading it wants. */
static inline void fetch_rest(const struct weir_packet *packet)
{
	__builtin_prefetch(packet->data + 64);
	__builtin_prefetch(packet->data + packet->captured - 1);
}

/* Goes as far as that goes. */
static inline void process_packet(struct decapsulate *stage, struct weir_packet *packet, uint64_t key, struct esp_decision *decision)
{
	for (int depth = 0; process_one(stage, packet, key, decision) && (packet->facts->flags & WEIR_FACT_ESP) && depth < NESTED; depth++)
		key = key_of(packet);
}

/* Where the decisions on a batch are put down; NULL: nowhere, they are carried out at once. */
static int decisions_of(const struct decapsulate *stage, struct weir_batch *batch, struct esp_decision **decisions, struct weir_fault *fault)
{
	*decisions = NULL;
	if (!stage->defers)
		return 0;
	if (!batch->esp && !(batch->esp = malloc(WEIR_BATCH_PACKETS * sizeof *batch->esp)))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decapsulate packets");
	memset(batch->esp, 0, batch->count * sizeof *batch->esp);
	*decisions = batch->esp;
	return 0;
}

/*
 * Blocks that the nearest cache holds, each gone through twice: once to find the packets and to have their associations fetched, once to read
 * them.
 */
static int process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct decapsulate *stage = (struct decapsulate *)base;
	struct esp_decision *decisions;
	uint32_t waiting[BLOCK];
	uint64_t keys[BLOCK];
	int error = decisions_of(stage, batch, &decisions, fault);

	for (uint32_t from = 0; !error && from < batch->count; from += BLOCK) {
		uint32_t to = batch->count - from < BLOCK ? batch->count : from + BLOCK, count = 0;
		for (uint32_t i = from; i < to; i++) {
			struct weir_packet *packet = &batch->packets[i];
			if (i + BLOCK < batch->count)
				fetch_first(&packet[BLOCK]);
			if (!packet->facts || !(packet->facts->flags & WEIR_FACT_ESP) || packet->verdict == WEIR_DROP)
				continue;
			keys[count] = key_of(packet);
			__builtin_prefetch(set_of(stage, keys[count]), 1);
			fetch_rest(packet);
			waiting[count++] = i;
		}
		for (uint32_t i = 0; i < count; i++)
			process_packet(stage, &batch->packets[waiting[i]], keys[i], decisions ? &decisions[waiting[i]] : NULL);
	}
	return error;
}

void weir_decapsulate_statistics(const struct weir_stage *base, struct weir_decapsulate_statistics *statistics)
{
	*statistics = ((const struct decapsulate *)base)->statistics;
}

/* What is saved before the associations. */
struct saved {
	uint64_t sets, most_sets, associations;
	struct weir_decapsulate_statistics statistics;
	uint64_t icvs[ICV_KINDS];
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
	uint64_t places = (stage->set_mask + 1) * WAYS;
	struct saved saved = {.sets = stage->set_mask + 1, .most_sets = stage->most_mask + 1, .statistics = stage->statistics, .usual_icv = stage->usual_icv};

	memcpy(saved.icvs, stage->icvs, sizeof saved.icvs);
	for (uint64_t i = 0; i < places; i++)
		saved.associations += all[i].key != 0;
	int error = weir_state_section(state, "decapsulate", 1, fault);
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
	int error = weir_state_section(state, "decapsulate", 1, fault);

	if (!error)
		error = weir_state_get(state, &saved, sizeof saved, fault);
	if (error)
		return error;
	if (saved.most_sets != stage->most_mask + 1 || saved.sets == 0 || saved.sets > saved.most_sets || (saved.sets & (saved.sets - 1)) ||
	    saved.usual_icv / 4 >= ICV_KINDS)
		return weir_fail(fault, WEIR_E_FORMAT, "the state of a run has security associations in another amount of memory: start the run anew");
	stage->set_mask = saved.sets - 1;
	for (uint64_t i = 0; i < saved.associations; i++) {
		struct saved_association one;
		error = weir_state_get(state, &one, sizeof one, fault);
		if (error)
			return error;
		const struct association *a = &one.association;
		if (one.place >= saved.sets * WAYS || a->state > ENCRYPTED || a->iv > 8 || (a->icv > 32 && a->icv != ESP_ICV_UNKNOWN))
			return weir_fail(fault, WEIR_E_FORMAT, "the state of a run has an impossible security association: start the run anew");
		stage->sets[one.place / WAYS].ways[one.place % WAYS] = *a;
		stage->learnings[one.place] = one.learning;
	}
	stage->statistics = saved.statistics;
	memcpy(stage->icvs, saved.icvs, sizeof saved.icvs);
	stage->usual_icv = (uint8_t)saved.usual_icv;
	return 0;
}

static size_t table_bytes(const struct decapsulate *stage) { return (stage->most_mask + 1) * sizeof(struct table_set); }
static size_t learning_bytes(const struct decapsulate *stage) { return (stage->most_mask + 1) * WAYS * sizeof(struct learning); }

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

static int stage_new(uint64_t memory_bytes, bool defers, struct weir_stage **out, struct weir_fault *fault)
{
	struct decapsulate *stage = calloc(1, sizeof *stage);
	uint64_t sets = 1, most = (memory_bytes ? memory_bytes : UINT64_C(16) << 20) / (sizeof(struct table_set) + WAYS * sizeof(struct learning));

	*out = NULL;
	if (!stage)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for security associations");
	while (sets * 2 <= most && sets < UINT64_C(1) << 32)
		sets *= 2;
	stage->stage.ops = &decapsulate_stage;
	stage->defers = defers;
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

int weir_decapsulate_stage_new(uint64_t memory_bytes, struct weir_stage **stage, struct weir_fault *fault)
{
	return stage_new(memory_bytes, false, stage, fault);
}

int weir_decapsulate_deciding_stage_new(uint64_t memory_bytes, struct weir_stage **stage, struct weir_fault *fault)
{
	return stage_new(memory_bytes, true, stage, fault);
}
