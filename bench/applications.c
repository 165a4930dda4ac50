/*
 * What naming applications costs: the flow stage over a capture with a namer, with one that has no nDPI, and without, in turns. Only the stage is timed, not reading and
 * decoding, in time of the processor. Prints the least of the rounds: nanoseconds a packet, and what naming adds a packet and a flow record; then how many records each evidence named.
 *
 *	applications FILE [ROUNDS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/application.h>
#include <weir/decode.h>
#include <weir/file.h>
#include <weir/pipeline.h>

enum { WITHOUT, OWN, WITH_NDPI, WAYS };

static const char *const ways[WAYS] = {"no naming", "without nDPI", "with nDPI"};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define EVIDENCES 16
static struct tally {
	char name[16];
	uint64_t records;
} tallies[EVIDENCES];
static uint64_t records;

static int tally(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	(void)sink, (void)fault;
	records += count;
	for (size_t i = 0; i < count; i++) {
		const char *name = flows[i].evidence.data ? (const char *)flows[i].evidence.data : "-";
		size_t length = flows[i].evidence.data ? flows[i].evidence.length : 1;
		for (unsigned k = 0; k < EVIDENCES && length < sizeof tallies->name; k++) {
			if (tallies[k].records == 0)
				memcpy(tallies[k].name, name, length);
			if (strlen(tallies[k].name) != length || memcmp(tallies[k].name, name, length) != 0)
				continue;
			tallies[k].records++;
			break;
		}
	}
	return 0;
}

static const struct weir_flow_sink_ops tally_ops = {.name = "tally", .write = tally};

/* One run: nanoseconds in the flow stage. */
static double measure(const char *path, int way, uint64_t *packets)
{
	struct weir_flow_sink sink = {&tally_ops};
	struct weir_applications_options naming = {.no_ndpi = way == OWN};
	struct weir_flow_options options = {.idle_ns = 90000000000, .active_ns = 1800000000000, .sink = &sink};
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source = NULL;
	struct weir_stage *stage = NULL;
	struct weir_fault fault;
	double spent = 0;

	memset(tallies, 0, sizeof tallies);
	*packets = records = 0;
	int error = weir_capture_open(path, NULL, &source, &fault);
	if (!error && way != WITHOUT)
		error = weir_applications_new(&naming, &options.applications, &fault);
	if (!error)
		error = weir_flow_stage_new(&options, &stage, &fault);
	while (!error) {
		weir_batch_reset(batch);
		int more = source->ops->fill(source, batch, &fault);
		if (more <= 0 || (error = weir_decode_batch(batch, &fault)))
			break;
		*packets += batch->count;
		double start = now();
		error = stage->ops->process(stage, batch, &fault);
		spent += now() - start;
	}
	double start = now();
	if (!error)
		error = weir_flow_stage_end(stage, &fault);
	spent += now() - start;
	if (error) {
		char text[1200];
		fprintf(stderr, "applications: %s\n", weir_fault_text(&fault, text, sizeof text));
		exit(3);
	}
	weir_stage_close(stage);
	weir_source_close(source);
	weir_applications_free(options.applications);
	weir_batch_free(batch);
	return spent;
}

int main(int argc, char **argv)
{
	double least[WAYS] = {0};
	uint64_t packets = 0;
	int rounds = argc > 2 ? atoi(argv[2]) : 3;

	if (argc < 2 || rounds < 1) {
		fprintf(stderr, "usage: applications FILE [ROUNDS]\n");
		return 2;
	}
	for (int round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++) {
			double spent = measure(argv[1], way, &packets);
			if (round == 0 || spent < least[way])
				least[way] = spent;
		}
	printf("%" PRIu64 " packets, %" PRIu64 " records\n", packets, records);
	for (int way = 0; way < WAYS; way++)
		printf("%-14s %7.1f ns a packet; naming adds %6.1f a packet, %8.1f a record\n", ways[way], least[way] / (double)packets,
		       (least[way] - least[WITHOUT]) / (double)packets, (least[way] - least[WITHOUT]) / (double)records);
	for (unsigned i = 0; i < EVIDENCES && tallies[i].records; i++)
		printf("%10" PRIu64 "  %s\n", tallies[i].records, tallies[i].name);
	return 0;
}
