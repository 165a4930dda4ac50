/*
 * What the flow stage costs a packet, by how many flows are open at once: packets made in memory, 152 bytes captured, each of a flow drawn
 * evenly from all, so that every cache is as useless as it can be. Only the stage is timed, not the making and decoding of packets.
 *
 *	flows [PACKETS [FLOWS...]]
 *
 * Or what each stage on the way to records costs a packet of a capture file, on one thread: reading, decoding, decapsulating, flows.
 *
 *	flows FILE
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/flow.h>
#include <weir/stage.h>

#include "random.h"

#define CAPTURED 152

/* Of this thread alone: others on the machine cost it caches, but not time. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Records go nowhere. */
static uint64_t records;

static int sink_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	records += count;
	return 0;
}

static const struct weir_flow_sink_ops nowhere = {.name = "nowhere", .write = sink_write};

struct maker {
	struct random random;
	struct weir_batch *batch;
	uint8_t *frames;    /* WEIR_BATCH_PACKETS of CAPTURED bytes */
	uint32_t *sequences; /* of each flow's two directions */
	uint32_t flows;
	int64_t time_ns;
};

/* A TCP segment of 600 bytes of a flow, in either direction. */
static void make_packet(struct maker *m, uint32_t i, uint32_t flow, bool reversed)
{
	uint8_t *p = m->frames + (size_t)i * CAPTURED;
	uint32_t client = 0x0a000000 + flow % 16777213, server = 0xc0a80000 + flow % 300;
	uint16_t port = (uint16_t)(1024 + flow / 16777213 * 7 + flow % 60000);
	uint32_t *sequence = &m->sequences[(size_t)flow * 2 + reversed];

	memcpy(p, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\x45\0\x02\x80\0\0\x40\0\x40\x06\0\0", 26);
	weir_store_be32(p + 26, reversed ? server : client);
	weir_store_be32(p + 30, reversed ? client : server);
	weir_store_be16(p + 34, reversed ? 443 : port);
	weir_store_be16(p + 36, reversed ? port : 443);
	weir_store_be32(p + 38, *sequence);
	weir_store_be32(p + 42, m->sequences[(size_t)flow * 2 + !reversed]);
	memcpy(p + 46, "\x50\x10\x20\0\0\0\0\0", 8);
	*sequence += 600;
	m->time_ns += 500;
	m->batch->packets[i] = (struct weir_packet){.time_ns = m->time_ns, .data = p, .captured = CAPTURED, .length = 654, .linktype = 1};
}

/* One batch through the stage; the seconds that it took. */
static double run_batch(struct maker *m, struct weir_stage *stage, uint64_t *next)
{
	struct weir_fault fault;

	m->batch->count = WEIR_BATCH_PACKETS;
	for (uint32_t i = 0; i < WEIR_BATCH_PACKETS; i++) {
		uint64_t r = random_next(&m->random);
		/* At first each flow in turn. */
		uint32_t flow = *next < m->flows ? (uint32_t)(*next)++ : (uint32_t)((r >> 32) * m->flows >> 32);
		make_packet(m, i, flow, r & 1);
	}
	if (weir_decode_batch(m->batch, &fault) < 0)
		exit(1);
	double begun = now();
	if (stage->ops->process(stage, m->batch, &fault) < 0) {
		fprintf(stderr, "flows: %s\n", fault.message);
		exit(1);
	}
	return now() - begun;
}

static void measure(uint64_t packets, uint32_t flows)
{
	struct weir_flow_sink sink = {&nowhere};
	struct weir_flow_options options = {
		.idle_ns = INT64_C(90000000000), .active_ns = INT64_C(1800000000000), .memory_bytes = (uint64_t)flows * 560 + (32u << 20), .sink = &sink};
	struct maker m = {.batch = weir_batch_new(), .flows = flows, .time_ns = INT64_C(1700000000000000000)};
	struct weir_flow_statistics statistics;
	struct weir_stage *stage;
	struct weir_fault fault;
	double filling = 0, running = 0;
	uint64_t next = 0, done = 0;

	random_seed(&m.random, 1);
	m.frames = calloc(WEIR_BATCH_PACKETS, CAPTURED);
	m.sequences = calloc(flows, 2 * sizeof *m.sequences);
	if (!m.batch || !m.frames || !m.sequences || weir_flow_stage_new(&options, &stage, &fault) < 0)
		exit(1);
	while (next < flows)
		filling += run_batch(&m, stage, &next);
	weir_flow_stage_statistics(stage, &statistics);
	uint64_t filled = statistics.packets;
	for (; done < packets; done += WEIR_BATCH_PACKETS)
		running += run_batch(&m, stage, &next);
	weir_flow_stage_statistics(stage, &statistics);
	double ending = now();
	if (weir_flow_stage_end(stage, &fault) < 0)
		exit(1);
	ending = now() - ending;
	printf("%10" PRIu32 " %10.1f %10.2f %12.1f %12.1f %10.1f\n", flows, running / (double)done * 1e9, (double)done / running / 1e6,
	       filling / (double)filled * 1e9, ending / (double)statistics.active * 1e9, (double)statistics.memory_bytes / 1048576);
	fflush(stdout);
	weir_stage_close(stage);
	weir_batch_free(m.batch);
	free(m.frames);
	free(m.sequences);
}

static void measure_file(const char *path)
{
	enum { READ, DECODE, ITEMS, FLOWS, STEPS };
	static const char *const names[STEPS] = {"read", "decode", "decapsulate and items", "flows"};
	struct weir_flow_sink sink = {&nowhere};
	struct weir_flow_options options = {.idle_ns = INT64_C(90000000000), .active_ns = INT64_C(1800000000000), .memory_bytes = 1u << 30, .sink = &sink, .items_taken = true};
	struct weir_flow_statistics statistics;
	struct weir_batch *batch = weir_batch_new();
	struct weir_stage *decapsulate, *stages[STEPS] = {[DECODE] = weir_decode_stage_new()};
	struct weir_source *source;
	struct weir_fault fault;
	double spent[STEPS] = {0};
	uint64_t packets = 0;
	int more = 1;

	if (!batch || weir_capture_open(path, NULL, &source, &fault) < 0 || weir_decapsulate_stage_new(0, &decapsulate, &fault) < 0 ||
	    !(stages[ITEMS] = weir_flow_items_stage_new(decapsulate, false)) || weir_flow_stage_new(&options, &stages[FLOWS], &fault) < 0) {
		fprintf(stderr, "flows: %s\n", fault.message);
		exit(1);
	}
	while (more > 0) {
		double at = now();
		more = source->ops->fill(source, batch, &fault);
		for (int i = READ; more > 0 && i < STEPS; i++) {
			if (i != READ && stages[i]->ops->process(stages[i], batch, &fault) < 0)
				exit(1);
			double then = now();
			spent[i] += then - at;
			at = then;
		}
		packets += batch->count;
		weir_batch_reset(batch);
	}
	weir_flow_stage_statistics(stages[FLOWS], &statistics);
	for (int i = READ; i < STEPS; i++)
		printf("%-22s %6.1f ns/packet\n", names[i], spent[i] / (double)packets * 1e9);
	printf("%" PRIu64 " packets, %" PRIu64 " records, %" PRIu64 " flows at once at most, %" PRIu64 " MiB\n", packets, statistics.records + statistics.active,
	       statistics.most_active, statistics.memory_bytes >> 20);
	for (int i = DECODE; i < STEPS; i++)
		weir_stage_close(stages[i]);
	weir_stage_close(decapsulate);
	weir_source_close(source);
	weir_batch_free(batch);
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][strspn(argv[1], "0123456789")] != '\0') {
		measure_file(argv[1]);
		return 0;
	}
	uint64_t packets = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	static const uint32_t usual[] = {10000, 100000, 1000000, 10000000};

	printf("%10s %10s %10s %12s %12s %10s\n", "flows", "ns/packet", "Mpps", "ns/new flow", "ns/record", "MiB");
	if (argc > 2)
		for (int i = 2; i < argc; i++)
			measure(packets, (uint32_t)strtoul(argv[i], NULL, 10));
	else
		for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
			measure(packets, usual[i]);
	return 0;
}
