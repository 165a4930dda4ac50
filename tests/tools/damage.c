/*
 * Damages a capture file in one of many ways and writes down which packets that leaves whole; and counts what a repairer made of it.
 *
 *   damage make [--seed N] [--kind KIND] [--other FILE] IN OUT TRUTH     prints the kind
 *   damage check TRUTH REPAIRED                                         prints counts, as KEY=VALUE
 *   damage kinds                                                        prints all kinds
 *
 * The same seed makes the same damage. A packet is untouched when none of the bytes of its record or block were, so that it could come back
 * whatever happened around it. Of what comes back, a packet is
 *   recovered   untouched, with its bytes, lengths and time
 *   restored    touched, and the same again all the same
 *   altered     touched, with the damage in it: of an original's captured length, and of its time or its bytes
 *   repeated    the same as one that has come back already, or with its bytes
 *   invented    none of these: it never was
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/file.h>

#include "core/xxh3.h"

struct original {
	int64_t time_ns;
	uint64_t hash;
	uint32_t captured, length;
	bool touched, used;
	uint64_t from, to; /* its record in the file */
};

struct work {
	uint8_t *data;
	size_t length;
	struct original *originals;
	size_t count, capacity;
	uint64_t random;
	bool pcapng, big;
	const char *other;
};

static void die(const char *what, const char *which)
{
	fprintf(stderr, "damage: %s: %s\n", which, what);
	exit(2);
}

static uint64_t next(struct work *w)
{
	uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(struct work *w, size_t bound) { return bound ? (size_t)(next(w) % bound) : 0; }

static uint8_t *load(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t capacity = 0, n;

	if (!file)
		die("can't be read", path);
	*length = 0;
	do {
		if (capacity < *length + 65536) {
			capacity = 2 * capacity + 65536;
			data = realloc(data, capacity);
			if (!data)
				die("no memory", path);
		}
		n = fread(data + *length, 1, capacity - *length, file);
		*length += n;
	} while (n);
	fclose(file);
	return data;
}

static void add_original(struct work *w, const struct weir_packet *packet, uint64_t from)
{
	if (w->count == w->capacity) {
		w->capacity = 2 * w->capacity + 1024;
		w->originals = realloc(w->originals, w->capacity * sizeof *w->originals);
		if (!w->originals)
			die("no memory", "packets");
	}
	w->originals[w->count++] = (struct original){
		.time_ns = packet->time_ns, .hash = xxh3_of(packet->data, packet->captured), .captured = packet->captured,
		.length = packet->length, .from = from, .to = from + packet->block_length,
	};
}

/* Enters the packets of a file that stands in memory, and lies at offset `at` of what is written. */
static void add_file(struct work *w, const uint8_t *data, size_t length, uint64_t at, const char *path)
{
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source;

	if (!batch || weir_capture_open_memory(data, length, path, NULL, &source, NULL) != 0)
		die("is no capture file", path);
	while (source->ops->fill(source, batch, NULL) > 0) {
		for (uint32_t i = 0; i < batch->count; i++)
			add_original(w, &batch->packets[i], at + (uint64_t)(batch->packets[i].block - data));
		weir_batch_reset(batch);
	}
	w->pcapng = weir_capture_header(source)->format == WEIR_FORMAT_PCAPNG;
	w->big = weir_capture_header(source)->big_endian;
	weir_source_close(source);
	weir_batch_free(batch);
}

/* ---- damage ---- */

static void touch(struct work *w, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->originals[i].from < to && w->originals[i].to > from)
			w->originals[i].touched = true;
}

/* Replaces [from, to) by other bytes, and moves what stands behind it. At least the bytes replaced count as touched. */
static void splice(struct work *w, size_t from, size_t to, const uint8_t *with, size_t length)
{
	uint8_t *made = malloc(w->length - (to - from) + length + 1);

	if (!made)
		die("no memory", "file");
	memcpy(made, w->data, from);
	if (length)
		memcpy(made + from, with, length);
	memcpy(made + from + length, w->data + to, w->length - to);
	free(w->data);
	w->data = made;
	w->length = w->length - (to - from) + length;
	for (size_t i = 0; i < w->count; i++) {
		struct original *o = &w->originals[i];
		bool inside = o->from < to && o->to > from;
		if (inside && !(from == to && o->from == from))
			o->touched = true;
		if (o->from >= to)
			o->from += length - (to - from);
		if (o->to >= to && o->to > from)
			o->to += length - (to - from);
		else if (o->to > from)
			o->to = from + length;
	}
}

static size_t random_range(struct work *w, size_t most, size_t *from)
{
	size_t length = 1 + below(w, most);

	if (length > w->length / 2)
		length = w->length / 2;
	*from = below(w, w->length - length);
	return length;
}

static void flip(struct work *w)
{
	for (size_t n = 1 + below(w, 20); n; n--) {
		size_t at = below(w, w->length);
		w->data[at] ^= (uint8_t)(1u << below(w, 8));
		touch(w, at, at + 1);
	}
}

static void overwrite(struct work *w)
{
	size_t from, length = random_range(w, 2000, &from);

	for (size_t i = from; i < from + length; i++)
		w->data[i] = (uint8_t)next(w);
	touch(w, from, from + length);
}

static void zero(struct work *w)
{
	size_t from = below(w, w->length / 4096 + 1) * 4096, length = w->length - from < 4096 ? w->length - from : 4096;

	memset(w->data + from, 0, length);
	touch(w, from, from + length);
}

static void cut_out(struct work *w)
{
	size_t from, length = random_range(w, 3000, &from);
	splice(w, from, from + length, NULL, 0);
}

static void insert(struct work *w)
{
	uint8_t bytes[3000];
	size_t length = 1 + below(w, sizeof bytes), at = below(w, w->length);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)next(w);
	splice(w, at, at, bytes, length);
}

static void cut(struct work *w)
{
	size_t at = w->length / 10 + below(w, w->length - w->length / 10);
	splice(w, at, w->length, NULL, 0);
}

static void swap(struct work *w)
{
	size_t from, length = random_range(w, 1000, &from) & ~(size_t)1;

	for (size_t i = from; i < from + length; i += 2) {
		uint8_t byte = w->data[i];
		w->data[i] = w->data[i + 1];
		w->data[i + 1] = byte;
	}
	touch(w, from, from + length);
}

static void duplicate(struct work *w)
{
	size_t from, length = random_range(w, 6000, &from);
	uint8_t *copy = malloc(length);

	if (!copy)
		die("no memory", "range");
	memcpy(copy, w->data + from, length);
	splice(w, from + length, from + length, copy, length);
	free(copy);
}

static void strip(struct work *w)
{
	size_t header = w->pcapng ? weir_load32(w->data + 4, w->big) : 24;
	splice(w, 0, below(w, 3) ? header : 1 + below(w, header + 20), NULL, 0);
}

static void foreign(struct work *w)
{
	static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d}, linktypes[] = {0, 1, 9, 101, 105, 113, 127, 228};
	uint8_t header[24] = {0};
	bool big = next(w) & 1;

	weir_store32(header, magics[below(w, 2)], big);
	weir_store16(header + 4, 2, big);
	weir_store16(header + 6, 4, big);
	weir_store32(header + 16, 65535, big);
	weir_store32(header + 20, linktypes[below(w, 8)], big);
	memcpy(w->data, header, sizeof header);
	touch(w, 0, sizeof header);
}

/* A transfer in text mode: LF becomes CR LF everywhere, or only where no CR stands before it yet, or CR LF becomes LF. */
static void text(struct work *w)
{
	unsigned way = (unsigned)below(w, 3);
	uint8_t *made = malloc(2 * w->length + 1);
	size_t length = 0, o = 0;

	if (!made)
		die("no memory", "file");
	for (size_t i = 0; i < w->length; i++) {
		bool after_cr = i && w->data[i - 1] == '\r';
		/* Records are in order, and one after the other. */
		for (; o < w->count && w->originals[o].to <= i; o++)
			;
		size_t before = length;
		if (w->data[i] == '\n' && (way == 0 || (way == 1 && !after_cr)))
			made[length++] = '\r';
		else if (w->data[i] == '\n' && way == 2 && after_cr)
			length--;
		made[length++] = w->data[i];
		if (length != before + 1 && o < w->count && w->originals[o].from <= i)
			w->originals[o].touched = true;
		if (length < before + 1 && o && w->originals[o - 1].to == i)
			w->originals[o - 1].touched = true; /* the CR was its last byte */
	}
	free(w->data);
	w->data = made;
	w->length = length;
}

static void concatenate(struct work *w)
{
	size_t length, at = w->length;
	uint8_t *other;

	if (!w->other)
		return;
	other = load(w->other, &length);
	/* Sometimes the first is cut before the second begins. */
	if (below(w, 2)) {
		at = w->length / 2 + below(w, w->length / 2);
		splice(w, at, w->length, NULL, 0);
	}
	splice(w, at, at, other, length);
	add_file(w, other, length, at, w->other);
	free(other);
}

/* From some record on the headers are in the other byte order. The packets are what they were. */
static void turn(struct work *w)
{
	if (w->pcapng) {
		flip(w);
		return;
	}
	for (size_t i = w->count / 4 + below(w, w->count / 2 + 1); i < w->count; i++)
		for (size_t j = 0; j < 4; j++) {
			uint8_t *field = w->data + w->originals[i].from + 4 * j;
			weir_store_native32(field, weir_swap32(weir_load_native32(field)));
		}
}

static void lie(struct work *w)
{
	for (size_t n = 1 + below(w, 4); n && w->count; n--) {
		const struct original *o = &w->originals[below(w, w->count)];
		uint8_t *field = w->data + o->from + (w->pcapng ? (below(w, 2) ? 4 : 20) : 8);
		uint32_t value = weir_load32(field, w->big);
		switch (below(w, 5)) {
		case 0: value += 1 + (uint32_t)below(w, 64); break;
		case 1: value -= 1 + (uint32_t)below(w, value ? value : 1); break;
		case 2: value = 0; break;
		case 3: value = UINT32_MAX; break;
		default: value = (uint32_t)below(w, 200000); break;
		}
		weir_store32(field, value, w->big);
		touch(w, o->from, o->from + 1);
	}
}

static void several(struct work *w)
{
	static void (*const ways[])(struct work *w) = {flip, overwrite, zero, cut_out, insert, swap, lie};

	for (size_t n = 2 + below(w, 4); n; n--)
		ways[below(w, sizeof ways / sizeof ways[0])](w);
}

static const struct {
	const char *name;
	void (*make)(struct work *w);
} kinds[] = {
	{"flip", flip}, {"overwrite", overwrite}, {"zero", zero}, {"delete", cut_out}, {"insert", insert}, {"cut", cut}, {"swap", swap},
	{"duplicate", duplicate}, {"strip", strip}, {"foreign", foreign}, {"text", text}, {"concatenate", concatenate}, {"turn", turn},
	{"lie", lie}, {"several", several},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static FILE *create(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (!file)
		die("can't be written", path);
	return file;
}

static int make(int argc, char **argv)
{
	struct work w = {0};
	uint64_t seed = 1;
	const char *kind = NULL;
	int i = 2;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--kind") == 0)
			kind = argv[i + 1];
		else if (strcmp(argv[i], "--other") == 0)
			w.other = argv[i + 1];
	}
	if (argc - i != 3)
		die("make [--seed N] [--kind KIND] [--other FILE] IN OUT TRUTH", "usage");
	w.random = seed;
	w.data = load(argv[i], &w.length);
	add_file(&w, w.data, w.length, 0, argv[i]);
	size_t k = seed % KINDS;
	for (size_t j = 0; kind && j < KINDS; j++)
		if (strcmp(kinds[j].name, kind) == 0)
			k = j;
	kinds[k].make(&w);
	FILE *file = create(argv[i + 1]);
	if (fwrite(w.data, 1, w.length, file) != w.length || fclose(file) != 0)
		die("can't be written", argv[i + 1]);
	file = create(argv[i + 2]);
	for (size_t j = 0; j < w.count; j++) {
		const struct original *o = &w.originals[j];
		fprintf(file, "%lld %u %u %llu %d\n", (long long)o->time_ns, o->captured, o->length, (unsigned long long)o->hash, o->touched);
	}
	if (fclose(file) != 0)
		die("can't be written", argv[i + 2]);
	printf("%s\n", kinds[k].name);
	free(w.data);
	free(w.originals);
	return 0;
}

/* ---- what came back ---- */

static uint64_t key_of(const struct original *o)
{
	uint64_t fields[4] = {(uint64_t)o->time_ns, o->hash, o->captured, o->length};
	return xxh3_of(fields, sizeof fields);
}

struct index {
	size_t *slots; /* 1 + number of an original */
	size_t mask;
};

static struct index index_of(const struct work *w)
{
	size_t size = 1024;

	while (size < 3 * w->count)
		size *= 2;
	struct index index = {calloc(size, sizeof *index.slots), size - 1};
	if (!index.slots)
		die("no memory", "truth");
	for (size_t i = 0; i < w->count; i++) {
		size_t slot = key_of(&w->originals[i]) & index.mask;
		while (index.slots[slot])
			slot = (slot + 1) & index.mask;
		index.slots[slot] = i + 1;
	}
	return index;
}

static bool same(const struct original *a, const struct original *b)
{
	return a->time_ns == b->time_ns && a->hash == b->hash && a->captured == b->captured && a->length == b->length;
}

struct counts {
	uint64_t untouched, touched, recovered, restored, altered, repeated, invented;
};

static void count(struct work *w, const struct index *index, const struct original *packet, struct counts *counts)
{
	struct original *best = NULL;
	bool known = false;

	for (size_t slot = key_of(packet) & index->mask; index->slots[slot]; slot = (slot + 1) & index->mask) {
		struct original *o = &w->originals[index->slots[slot] - 1];
		if (!same(o, packet))
			continue;
		known = true;
		if (!o->used && (!best || (best->touched && !o->touched)))
			best = o;
	}
	if (!best && known) {
		counts->repeated++;
		return;
	}
	if (best) {
		best->used = true;
		best->touched ? counts->restored++ : counts->recovered++;
		return;
	}
	for (size_t i = 0; i < w->count; i++) {
		struct original *o = &w->originals[i];
		if (o->touched && !o->used && o->captured == packet->captured && (o->time_ns == packet->time_ns || o->hash == packet->hash)) {
			o->used = true;
			counts->altered++;
			return;
		}
	}
	/* A copy of a range may begin within the header of a record, so that its time is not that of the original. */
	for (size_t i = 0; i < w->count; i++)
		if (w->originals[i].captured == packet->captured && w->originals[i].hash == packet->hash) {
			counts->repeated++;
			return;
		}
	counts->invented++;
	if (getenv("DAMAGE_SHOW"))
		fprintf(stderr, "invented: time %lld captured %u length %u\n", (long long)packet->time_ns, packet->captured, packet->length);
}

static void load_truth(struct work *w, const char *path)
{
	FILE *file = fopen(path, "r");
	long long time_ns;
	unsigned long long hash;
	unsigned captured, length;
	int touched;

	if (!file)
		die("can't be read", path);
	while (fscanf(file, "%lld %u %u %llu %d", &time_ns, &captured, &length, &hash, &touched) == 5) {
		struct weir_packet packet = {.captured = 0};
		add_original(w, &packet, 0);
		w->originals[w->count - 1] = (struct original){
			.time_ns = time_ns, .hash = hash, .captured = captured, .length = length, .touched = touched};
	}
	fclose(file);
}

static int check(int argc, char **argv)
{
	struct weir_batch *batch = weir_batch_new();
	struct weir_capture_options options = {.tolerant_linktype = true};
	struct weir_source *source;
	struct counts counts = {0};
	struct work w = {0};

	if (argc != 4 || !batch)
		die("check TRUTH REPAIRED", "usage");
	load_truth(&w, argv[2]);
	struct index index = index_of(&w);
	for (size_t i = 0; i < w.count; i++)
		w.originals[i].touched ? counts.touched++ : counts.untouched++;
	/* A file that is not there or can't be read gave nothing back. */
	if (weir_capture_open(argv[3], &options, &source, NULL) == 0) {
		while (source->ops->fill(source, batch, NULL) > 0) {
			for (uint32_t i = 0; i < batch->count; i++) {
				const struct weir_packet *packet = &batch->packets[i];
				struct original found = {.time_ns = packet->time_ns, .hash = xxh3_of(packet->data, packet->captured),
				                         .captured = packet->captured, .length = packet->length};
				count(&w, &index, &found, &counts);
			}
			weir_batch_reset(batch);
		}
		weir_source_close(source);
	}
	if (getenv("DAMAGE_SHOW"))
		for (size_t i = 0; i < w.count; i++)
			if (!w.originals[i].touched && !w.originals[i].used)
				fprintf(stderr, "lost: packet %zu time %lld captured %u\n", i + 1, (long long)w.originals[i].time_ns, w.originals[i].captured);
	printf("untouched=%llu recovered=%llu lost=%llu invented=%llu touched=%llu restored=%llu altered=%llu repeated=%llu\n",
	       (unsigned long long)counts.untouched, (unsigned long long)counts.recovered,
	       (unsigned long long)(counts.untouched - counts.recovered), (unsigned long long)counts.invented,
	       (unsigned long long)counts.touched, (unsigned long long)counts.restored, (unsigned long long)counts.altered,
	       (unsigned long long)counts.repeated);
	weir_batch_free(batch);
	free(index.slots);
	free(w.originals);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "make") == 0)
		return make(argc, argv);
	if (argc > 1 && strcmp(argv[1], "check") == 0)
		return check(argc, argv);
	if (argc > 1 && strcmp(argv[1], "kinds") == 0) {
		for (size_t i = 0; i < KINDS; i++)
			puts(kinds[i].name);
		return 0;
	}
	die("make, check or kinds", "usage");
}
