/*
 * Lists the flows of a capture file, a line each, for comparing them with other programs' lists:
 *
 *	flowlist FILE [IDLE_SECONDS [ACTIVE_SECONDS [MEMORY_BYTES]]]
 *
 * protocol, source, source port, destination, destination port, then for each direction packets, wire bytes, IP bytes, retransmissions, out of order, zero
 * windows; round-trip time in ns ("-": none), end reason, tunnel.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/flow.h>

static void print_direction(const struct weir_flow_direction *d)
{
	printf("\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32, d->packets, d->wire_bytes, d->ip_bytes,
	       d->retransmissions, d->out_of_order, d->zero_windows);
}

static int sink_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < count; i++) {
		const struct weir_flow *flow = &flows[i];
		int family = flow->source.version == 4 ? AF_INET : AF_INET6;
		inet_ntop(family, flow->source.bytes, source, sizeof source);
		inet_ntop(family, flow->destination.bytes, destination, sizeof destination);
		printf("%u\t%s\t%u\t%s\t%u", flow->protocol, source, flow->source_port, destination, flow->destination_port);
		print_direction(&flow->forward);
		print_direction(&flow->reverse);
		if (flow->rtt_ns == WEIR_NO_TIME)
			printf("\t-");
		else
			printf("\t%" PRId64, flow->rtt_ns);
		printf("\t%s\t%u\n", weir_flow_end_name(flow->end_reason), flow->tunnel);
	}
	return 0;
}

static const struct weir_flow_sink_ops lines = {.name = "lines", .write = sink_write};

static int consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault) { return 0; }
static int finish(struct weir_sink *sink, struct weir_fault *fault) { return 0; }
static void close_nothing(struct weir_sink *sink) {}
static const struct weir_sink_ops nowhere = {.name = "nowhere", .consume = consume, .finish = finish, .close = close_nothing};

static int64_t seconds(int argc, char **argv, int at)
{
	return argc > at ? (int64_t)(strtod(argv[at], NULL) * 1e9) : 0;
}

int main(int argc, char **argv)
{
	struct weir_flow_sink flows = {&lines};
	struct weir_sink packets = {&nowhere};
	struct weir_capture_options reading = {.tolerant_linktype = true};
	struct weir_flow_options options = {.idle_ns = seconds(argc, argv, 2), .active_ns = seconds(argc, argv, 3), .sink = &flows};
	struct weir_pipeline pipeline = {.sink = &packets};
	struct weir_fault fault;
	char text[1200];
	int error;

	if (argc < 2)
		return 2;
	if (argc > 4)
		options.memory_bytes = strtoull(argv[4], NULL, 10);
	weir_fault_clear(&fault);
	if (weir_capture_open(argv[1], &reading, &pipeline.source, &fault) < 0 || weir_flow_stage_new(&options, &pipeline.stages[1], &fault) < 0) {
		fprintf(stderr, "flowlist: %s\n", weir_fault_text(&fault, text, sizeof text));
		return 3;
	}
	pipeline.stages[0] = weir_decode_stage_new();
	error = weir_pipeline_run(&pipeline, &fault);
	if (error)
		fprintf(stderr, "flowlist: %s\n", weir_fault_text(&fault, text, sizeof text));
	if (weir_flow_stage_end(pipeline.stages[1], &fault) < 0)
		return 3;
	weir_stage_close(pipeline.stages[0]);
	weir_stage_close(pipeline.stages[1]);
	weir_source_close(pipeline.source);
	return error ? 1 : 0;
}
