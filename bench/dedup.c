/*
 * What removing duplicates costs and finds: runs the stages by themselves over capture files, takes their time, and compares what they
 * removed with the truth that bench/gen wrote.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/stage.h>

#include "core/text.h"

enum kind { ORIGINAL, EXACT, ROUTED };

struct truth {
	uint64_t id;
	enum kind kind;
};

/* The truth about the records of one file. */
struct vantage {
	const char *path;
	struct truth *records;
	uint64_t count, capacity;
	uint64_t at; /* records met so far */
};

struct tally {
	uint32_t seen, kept, kept_exact; /* sightings of one packet; kept_exact: of those that the port showed twice */
};

struct bench {
	struct weir_dedup_options options;
	const char *truth_path;
	bool numbers;
	int count;
	struct vantage vantages[64];
	struct tally *tallies; /* by id */
	uint64_t ids;
	uint64_t packets, captured;
	int64_t decode_ns, digest_ns, dedup_ns;
};

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* the machine may be busy with other things */
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static enum kind kind_of(const char *word)
{
	return strcmp(word, "exact") == 0 ? EXACT : strcmp(word, "routed") == 0 ? ROUTED : ORIGINAL;
}

static int truth_add(struct vantage *vantage, struct truth truth)
{
	if (vantage->count == vantage->capacity) {
		uint64_t capacity = vantage->capacity ? 2 * vantage->capacity : 1 << 16;
		struct truth *grown = realloc(vantage->records, capacity * sizeof *grown);
		if (!grown)
			return -1;
		vantage->records = grown;
		vantage->capacity = capacity;
	}
	vantage->records[vantage->count++] = truth;
	return 0;
}

static int truth_read(struct bench *bench)
{
	FILE *in = fopen(bench->truth_path, "re");
	char line[512], word[32];
	unsigned vantage;
	uint64_t number, id;
	int result = 0;

	if (!in)
		return -1;
	while (result == 0 && fgets(line, sizeof line, in)) {
		if (sscanf(line, "%u\t%" SCNu64 "\t%31s\t%" SCNu64, &vantage, &number, word, &id) != 4)
			continue; /* the heading */
		if (vantage >= (unsigned)bench->count || number != bench->vantages[vantage].count + 1 || id > UINT32_MAX) {
			fprintf(stderr, "dedup: %s: not the truth of these files: %s", bench->truth_path, line);
			result = -1;
		} else {
			result = truth_add(&bench->vantages[vantage], (struct truth){id, kind_of(word)});
			bench->ids = id >= bench->ids ? id + 1 : bench->ids;
		}
	}
	fclose(in);
	bench->tallies = calloc(bench->ids + 1, sizeof *bench->tallies);
	return bench->tallies ? result : -1;
}

/* The file that an interface stands for: merged ones have its path as their node. */
static struct vantage *vantage_of(struct bench *bench, const struct weir_batch *batch, uint32_t interface_id)
{
	const struct weir_interface *interface = batch->interfaces[interface_id];

	for (int i = 0; bench->count > 1 && i < bench->count; i++)
		if (strncmp(bench->vantages[i].path, interface->node, sizeof interface->node - 1) == 0)
			return &bench->vantages[i];
	return &bench->vantages[0];
}

static int compare(struct bench *bench, const struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		struct vantage *vantage = vantage_of(bench, batch, packet->interface_id);
		if (bench->numbers && packet->verdict == WEIR_DUPLICATE)
			printf("%" PRIu64 "\n", batch->first_number + i);
		if (!bench->tallies)
			continue;
		if (vantage->at >= vantage->count)
			return -1;
		const struct truth *truth = &vantage->records[vantage->at++];
		struct tally *tally = &bench->tallies[truth->id];
		tally->seen++;
		if (packet->verdict == WEIR_KEEP) {
			tally->kept++;
			tally->kept_exact += truth->kind == EXACT;
		}
	}
	return 0;
}

static int open_source(struct bench *bench, struct weir_source **source, struct weir_fault *fault)
{
	struct weir_merge_input inputs[64] = {0};
	const struct weir_merge_options bounds = {0};

	if (bench->count == 1)
		return weir_capture_open(bench->vantages[0].path, NULL, source, fault);
	for (int i = 0; i < bench->count; i++)
		inputs[i] = (struct weir_merge_input){.path = bench->vantages[i].path, .name = bench->vantages[i].path};
	return weir_merge_open(inputs, (size_t)bench->count, &bounds, source, fault);
}

static int run(struct bench *bench, struct weir_dedup_statistics *statistics, struct weir_fault *fault)
{
	struct weir_source *source = NULL;
	struct weir_stage *digest = NULL, *dedup = NULL;
	struct weir_batch *batch = weir_batch_new();

	int error = batch ? open_source(bench, &source, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory");
	if (!error)
		error = weir_dedup_stages_new(&bench->options, &digest, &dedup, fault);
	while (!error && (error = source->ops->fill(source, batch, fault)) > 0) {
		int64_t start = cpu_ns();
		error = weir_decode_batch(batch, fault);
		int64_t decoded = cpu_ns();
		error = error ? error : digest->ops->process(digest, batch, fault);
		int64_t digested = cpu_ns();
		error = error ? error : dedup->ops->process(dedup, batch, fault);
		bench->dedup_ns += cpu_ns() - digested;
		bench->digest_ns += digested - decoded;
		bench->decode_ns += decoded - start;
		bench->packets += batch->count;
		for (uint32_t i = 0; i < batch->count; i++)
			bench->captured += batch->packets[i].captured;
		if (!error && compare(bench, batch) != 0)
			error = weir_fail(fault, WEIR_E_FORMAT, "the truth is that of other files");
		weir_batch_reset(batch);
	}
	if (dedup)
		weir_dedup_statistics(dedup, statistics);
	weir_stage_close(digest);
	weir_stage_close(dedup);
	weir_source_close(source);
	weir_batch_free(batch);
	return error;
}

static void tell(const struct bench *bench, const struct weir_dedup_statistics *statistics)
{
	uint64_t copies = 0, missed = 0, lost = 0, repeated = 0, repeated_kept = 0;
	double packets = bench->packets ? (double)bench->packets : 1;

	printf("{\"packets\": %" PRIu64 ", \"captured_bytes\": %" PRIu64 ", \"exact\": %" PRIu64 ", \"routed\": %" PRIu64 ", \"forgotten\": %" PRIu64
	       ", \"decode_ns\": %.1f, \"digest_ns\": %.1f, \"dedup_ns\": %.1f",
	       bench->packets, bench->captured, statistics->exact, statistics->routed, statistics->forgotten, (double)bench->decode_ns / packets,
	       (double)bench->digest_ns / packets, (double)bench->dedup_ns / packets);
	if (!bench->tallies) {
		puts("}");
		return;
	}
	for (int v = 0; v < bench->count; v++) {
		for (uint64_t i = 0; i < bench->vantages[v].count; i++) {
			copies += bench->vantages[v].records[i].kind == ROUTED;
			repeated += bench->vantages[v].records[i].kind == EXACT;
		}
	}
	for (uint64_t id = 0; id < bench->ids; id++) {
		const struct tally *tally = &bench->tallies[id];
		uint32_t kept = tally->kept - tally->kept_exact;
		missed += kept > 1 ? kept - 1 : 0;
		lost += tally->seen && !tally->kept;
		repeated_kept += tally->kept_exact;
	}
	/* missed: routed copies kept beside another sighting of their packet; lost: packets of which no sighting was kept */
	printf(", \"routed_copies\": %" PRIu64 ", \"missed\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"exact_copies\": %" PRIu64 ", \"exact_missed\": %" PRIu64 "}\n", copies,
	       missed, lost, repeated, repeated_kept);
}

static int usage(void)
{
	fputs("dedup [--window N|TIME] [--each-interface] [--routed TIME] [--clock-error TIME] [--memory SIZE] [--truth FILE] [--numbers] FILE...\n"
	      "Prints as JSON what the stages cost (ns a packet), found and, with the truth of bench/gen about these files, missed;\n"
	      "--numbers: the numbers of the packets removed before that.\n",
	      stderr);
	return 2;
}

static int options_read(struct bench *bench, int argc, char **argv, struct weir_fault *fault)
{
	static const struct option known[] = {
		{"window", 1, NULL, 'w'}, {"routed", 1, NULL, 'r'}, {"clock-error", 1, NULL, 'c'}, {"memory", 1, NULL, 'm'},
		{"truth", 1, NULL, 't'}, {"each-interface", 0, NULL, 'e'}, {"numbers", 0, NULL, 'n'}, {NULL, 0, NULL, 0},
	};
	struct weir_dedup_options *o = &bench->options;
	uint64_t count;
	int c, error = 0;

	*o = (struct weir_dedup_options){.ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true};
	while (!error && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'w':
			if (optarg[strspn(optarg, "0123456789")]) {
				error = parse_duration(optarg, &o->window_ns, fault);
			} else {
				error = parse_unsigned(optarg, 0, 1000000, &count, fault);
				o->window = (uint32_t)count;
			}
			break;
		case 'r': error = parse_duration(optarg, &o->routed_ns, fault); break;
		case 'c': error = parse_duration(optarg, &o->clock_ns, fault); break;
		case 'm': error = parse_size(optarg, &o->memory_bytes, fault); break;
		case 't': bench->truth_path = optarg; break;
		case 'e': o->each_interface = true; break;
		case 'n': bench->numbers = true; break;
		default: return -1;
		}
	}
	for (; optind < argc && bench->count < 64; optind++)
		bench->vantages[bench->count++].path = argv[optind];
	return error || bench->count == 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct bench *bench = calloc(1, sizeof *bench);
	struct weir_dedup_statistics statistics = {0};
	struct weir_fault fault;
	char text[1200];
	int status = 3;

	weir_fault_clear(&fault);
	if (!bench)
		return 3;
	if (options_read(bench, argc, argv, &fault) != 0) {
		free(bench);
		return usage();
	}
	if (bench->truth_path && truth_read(bench) != 0)
		fprintf(stderr, "dedup: %s can't be used\n", bench->truth_path);
	else if (run(bench, &statistics, &fault) < 0)
		fprintf(stderr, "dedup: %s\n", weir_fault_text(&fault, text, sizeof text));
	else
		status = 0;
	if (status == 0)
		tell(bench, &statistics);
	for (int i = 0; i < bench->count; i++)
		free(bench->vantages[i].records);
	free(bench->tallies);
	free(bench);
	return status;
}
