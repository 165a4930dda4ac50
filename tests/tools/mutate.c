/*
 * Damages good captures in every way that a disk, a cable or an enemy would, and runs each result through the library: reading, decoding,
 * printing, filtering, writing again. Thousands in one process, because starting the program costs more than most of the work. Run it as built with the
 * sanitizers. It fails when a fault does not name its file; the sanitizers and a timer see to crashes and hangs.
 *
 *   mutate [--seed N] [--count N] [--only INDEX] [--write FOLDER] [--state FILE] FILE...
 *
 * The same seed makes the same damage. --state receives the index in hand, so that whoever started this knows it after a crash; --only does that
 * one alone; --write writes the cases into a folder instead of running them. Without --count every file is run as it stands, undamaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/filter.h>

#include "core/text.h"
#include "packet/print.h"

#define CASE_SECONDS 30
#define FILE_MAX (4u << 20)

struct sample {
	const char *path;
	uint8_t *data;
	size_t length;
};

struct work {
	struct sample *samples;
	size_t sample_count;
	uint64_t seed, count, failures;
	int64_t only; /* -1: all */
	int state;    /* file, or -1 */
	int nowhere;  /* /dev/null */
	const char *write;
	uint8_t *bytes; /* the case in hand, 2 * FILE_MAX at most */
	size_t length;
	uint64_t random;
	uint64_t sound, faulty, packets;
};

static uint64_t next(struct work *w)
{
	uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(struct work *w, size_t bound) { return bound ? (size_t)(next(w) % bound) : 0; }

/* Most damage that matters is near the beginning, where the headers of files, sections and interfaces are. */
static size_t position(struct work *w)
{
	return next(w) % 4 == 0 ? below(w, w->length < 512 ? w->length : 512) : below(w, w->length);
}

static void flip_bits(struct work *w)
{
	for (size_t n = 1 + below(w, 16); n > 0 && w->length; n--)
		w->bytes[position(w)] ^= (uint8_t)(1 << below(w, 8));
}

static void set_bytes(struct work *w)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	for (size_t n = 1 + below(w, 8); n > 0 && w->length; n--)
		w->bytes[position(w)] = values[below(w, sizeof values)];
}

/* Lengths and counts are what parsers trust: at multiples of four, in both byte orders, with the values at which sums overflow. */
static void set_words(struct work *w)
{
	static const uint32_t values[] = {0,     1,      4,       8,          12,         31,         32,        0xff,
	                                  0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
	for (size_t n = 1 + below(w, 4); n > 0 && w->length >= 8; n--) {
		size_t at = position(w) & ~(size_t)3;
		at = at + 4 <= w->length ? at : w->length - 4;
		uint32_t value = values[below(w, sizeof values / sizeof values[0])] + (uint32_t)below(w, 3);
		weir_store32(w->bytes + at, value, next(w) & 1);
	}
}

static void truncate_end(struct work *w) { w->length = below(w, w->length + 1); }

static void zero_page(struct work *w)
{
	size_t page = next(w) & 1 ? 4096 : 512, at = position(w) / page * page;
	memset(w->bytes + at, 0, at + page <= w->length ? page : w->length - at);
}

/* The beginning of one file, then the rest of another. */
static void splice_files(struct work *w)
{
	const struct sample *other = &w->samples[below(w, w->sample_count)];
	size_t kept = below(w, w->length + 1), from = below(w, other->length + 1), n = other->length - from;
	memcpy(w->bytes + kept, other->data + from, n);
	w->length = kept + n;
}

static void cut_out(struct work *w)
{
	size_t at = position(w), n = 1 + below(w, 64);
	n = at + n <= w->length ? n : w->length - at;
	memmove(w->bytes + at, w->bytes + at + n, w->length - at - n);
	w->length -= n;
}

static void repeat_part(struct work *w)
{
	size_t at = position(w), n = below(w, w->length - at);
	n = n < FILE_MAX - at ? n : FILE_MAX - at;
	memmove(w->bytes + at + n, w->bytes + at, w->length - at);
	w->length += n;
}

static void (*const damages[])(struct work *) = {
	flip_bits, flip_bits, set_bytes, set_words, set_words, truncate_end, zero_page, splice_files, cut_out, repeat_part,
};

/* A sink that looks at what it is given, so that a view that leads nowhere is met by the sanitizer. */
struct looking {
	struct weir_sink base;
	uint64_t packets, sum;
};

static int look(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct looking *looking = (struct looking *)sink;
	(void)fault;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *p = &batch->packets[i];
		for (uint32_t k = 0; k < p->captured; k += 61)
			looking->sum += p->data[k];
		if (p->captured)
			looking->sum += p->data[p->captured - 1];
		if (p->block)
			looking->sum += p->block[p->block_length - 1];
		if (p->interface_id < batch->interface_count)
			looking->sum += batch->interfaces[p->interface_id]->snaplen;
		looking->packets++;
	}
	for (uint32_t i = 0; i < batch->block_count; i++)
		looking->sum += batch->blocks[i].data[batch->blocks[i].length - 1];
	return 0;
}

static void look_close(struct weir_sink *sink) { (void)sink; }

static const struct weir_sink_ops looking_ops = {.name = "looking", .consume = look, .close = look_close};

static void complain(struct work *w, uint64_t index, const char *what, const char *detail)
{
	w->failures++;
	printf("# case %" PRIu64 ", seed %" PRIu64 ": %s: %s\n", index, w->seed, what, detail);
}

/* Reads the case in hand into sink. The code of the fault. */
static int read_into(struct work *w, uint64_t index, struct weir_sink *sink, const char *filter)
{
	struct weir_pipeline pipeline = {.sink = sink};
	struct weir_filter *compiled = NULL;
	struct weir_fault fault;
	char text[1200];

	weir_fault_clear(&fault);
	int error = weir_capture_open_memory(w->bytes, w->length, "damaged", NULL, &pipeline.source, &fault);
	if (error == 0) {
		pipeline.stages[0] = weir_decode_stage_new();
		if (filter && weir_filter_new(filter, 1, &compiled, &fault) == 0)
			pipeline.stages[1] = weir_filter_stage_new(compiled);
		error = weir_pipeline_run(&pipeline, &fault);
	}
	if (error < 0 && error != WEIR_E_FILTER && error != WEIR_E_UNSUPPORTED && strcmp(fault.file, "damaged") != 0)
		complain(w, index, "a fault that does not name the file", weir_fault_text(&fault, text, sizeof text));
	if ((error == WEIR_E_FORMAT || error == WEIR_E_TRUNCATED || error == WEIR_E_CORRUPT) && fault.offset < 0 &&
	    w->length > 0)
		complain(w, index, "a fault without offset", weir_fault_text(&fault, text, sizeof text));
	if (error < 0 && fault.message[0] == '\0')
		complain(w, index, "a fault without words", weir_error_name(error));
	for (size_t i = 0; i < 2; i++)
		if (pipeline.stages[i])
			weir_stage_close(pipeline.stages[i]);
	weir_source_close(pipeline.source);
	return error;
}

static void write_again(struct work *w, uint64_t index, enum weir_format format)
{
	struct weir_capture_writer_options options = {.format = format};
	struct weir_sink *sink = NULL;
	struct weir_fault fault;
	char text[1200];

	weir_fault_clear(&fault);
	if (weir_capture_writer_open("/dev/null", &options, &sink, &fault) < 0) {
		complain(w, index, "no writer", weir_fault_text(&fault, text, sizeof text));
		return;
	}
	read_into(w, index, sink, NULL);
	weir_sink_close(sink);
}

/* As lines and as JSON, with everything that can be asked for. */
static void print_case(struct work *w, uint64_t index)
{
	static const struct print_options options[] = {
		{.json = true},
		{.verbose = 2, .link = true, .hex = PRINT_HEX_ASCII},
		{.verbose = 1, .local = true, .time = PRINT_TIME_DATE},
		{.quiet = true, .numeric = true, .hex = PRINT_HEX},
	};
	struct weir_sink *sink = print_sink_new(&options[index % (sizeof options / sizeof options[0])], w->nowhere, 0, false);
	if (!sink) {
		complain(w, index, "no printer", "no memory");
		return;
	}
	read_into(w, index, sink, NULL);
	weir_sink_close(sink);
}

static void run_case(struct work *w, uint64_t index)
{
	static const char *const filters[] = {"tcp port 443", "ip6 and udp", "vlan and host 10.0.0.1", "icmp or arp",
	                                      "greater 100"};
	struct looking looking = {.base.ops = &looking_ops};

	alarm(CASE_SECONDS);
	int error = read_into(w, index, &looking.base, NULL);
	w->packets += looking.packets;
	if (error < 0)
		w->faulty++;
	else
		w->sound++;
	if (looking.packets) {
		static const enum weir_format formats[] = {WEIR_FORMAT_PCAPNG, WEIR_FORMAT_PCAP, WEIR_FORMAT_PCAP_NS};
		write_again(w, index, formats[index % 3]);
		print_case(w, index);
		read_into(w, index, &looking.base, filters[index % (sizeof filters / sizeof filters[0])]);
	}
	alarm(0);
}

static void note_state(const struct work *w, uint64_t index)
{
	char text[96];
	int n = snprintf(text, sizeof text, "seed %" PRIu64 " case %-12" PRIu64 "\n", w->seed, index);
	if (w->state >= 0 && pwrite(w->state, text, (size_t)n, 0) != n)
		perror("mutate: state");
}

static int keep_case(const struct work *w, uint64_t index)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%" PRIu64, w->write, index);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (file < 0 || write(file, w->bytes, w->length) != (ssize_t)w->length) {
		perror(path);
		return -1;
	}
	return close(file);
}

static int make_case(struct work *w, uint64_t index)
{
	w->random = w->seed * UINT64_C(0x2545f4914f6cdd1d) + index;
	const struct sample *sample = w->count ? &w->samples[below(w, w->sample_count)] : &w->samples[index];
	memcpy(w->bytes, sample->data, sample->length);
	w->length = sample->length;
	if (w->count)
		for (size_t n = 1 + below(w, 3); n > 0; n--)
			if (w->length > 0 && w->length <= FILE_MAX)
				damages[below(w, sizeof damages / sizeof damages[0])](w);
	if (w->write)
		return keep_case(w, index);
	/* A copy as large as the case, so that the sanitizer sees a read behind its end. */
	uint8_t *exact = malloc(w->length ? w->length : 1);
	if (!exact)
		return -1;
	memcpy(exact, w->bytes, w->length);
	uint8_t *all = w->bytes;
	w->bytes = exact;
	note_state(w, index);
	run_case(w, index);
	free(exact);
	w->bytes = all;
	return 0;
}

static int load(struct sample *sample, const char *path)
{
	FILE *file = fopen(path, "rb");

	*sample = (struct sample){.path = path, .data = malloc(FILE_MAX)};
	if (!file || !sample->data) {
		perror(path);
		if (file)
			fclose(file);
		return -1;
	}
	sample->length = fread(sample->data, 1, FILE_MAX, file);
	uint8_t *fitting = realloc(sample->data, sample->length ? sample->length : 1);
	sample->data = fitting ? fitting : sample->data;
	fclose(file);
	return 0;
}

int main(int argc, char **argv)
{
	struct work w = {.seed = 1, .only = -1, .state = -1};
	uint64_t value;
	int i, result = 2;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		const char *name = argv[i] + 2, *given = argv[i + 1];
		if (strcmp(name, "write") == 0) {
			w.write = given;
		} else if (strcmp(name, "state") == 0) {
			w.state = open(given, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		} else if (parse_unsigned(given, 0, INT64_MAX, &value, NULL) == 0 && strcmp(name, "seed") == 0) {
			w.seed = value;
		} else if (parse_unsigned(given, 0, INT64_MAX, &value, NULL) == 0 && strcmp(name, "count") == 0) {
			w.count = value;
		} else if (parse_unsigned(given, 0, INT64_MAX, &value, NULL) == 0 && strcmp(name, "only") == 0) {
			w.only = (int64_t)value;
		} else {
			fprintf(stderr, "mutate: what is %s %s?\n", argv[i], given);
			return 2;
		}
	}
	if (i >= argc) {
		fputs("mutate [--seed N] [--count N] [--only INDEX] [--write FOLDER] [--state FILE] FILE...\n", stderr);
		return 2;
	}
	w.samples = calloc((size_t)(argc - i), sizeof *w.samples);
	w.bytes = malloc(2 * (size_t)FILE_MAX);
	if (!w.samples || !w.bytes)
		goto done;
	for (; i < argc; i++)
		if (load(&w.samples[w.sample_count++], argv[i]) != 0)
			goto done;
	w.nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t total = w.count ? w.count : w.sample_count;
	result = 0;
	for (uint64_t index = w.only >= 0 ? (uint64_t)w.only : 0; index < total && result == 0; index++) {
		result = make_case(&w, index);
		if (w.only >= 0)
			break;
	}
	printf("# seed %" PRIu64 ": %" PRIu64 " cases read whole, %" PRIu64 " with a fault, %" PRIu64 " packets, %" PRIu64
	       " complaints\n",
	       w.seed, w.sound, w.faulty, w.packets, w.failures);
	if (w.failures)
		result = 1;
done:
	for (size_t k = 0; k < w.sample_count; k++)
		free(w.samples[k].data);
	free(w.samples);
	free(w.bytes);
	return result;
}
