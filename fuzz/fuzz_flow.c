/*
 * The flow stage: any packets, as decoding finds them. No packet is lost: what went in comes out in records, whatever the headers, times
 * and lengths say.
 *
 * The input is a row of packets: link type, a byte that chooses (verdict, interface, how much was cut off), eight bytes of time, the
 * captured length, then the bytes.
 */
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/flow.h>
#include <weir/pipeline.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t packets_out;

static int sink_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		const struct weir_flow *flow = &flows[i];
		packets_out += flow->forward.packets + flow->reverse.packets + flow->duplicates;
		if (flow->source.version != flow->destination.version || flow->community_id[31] != '\0' || flow->community_id[0] != '1' ||
		    flow->forward.first_ns > flow->forward.last_ns || flow->reverse.first_ns > flow->reverse.last_ns ||
		    (flow->forward.packets == 0) != (flow->forward.first_ns == WEIR_NO_TIME && flow->forward.wire_bytes == 0 && flow->forward.ttl_max == 0))
			abort();
	}
	return 0;
}

static const struct weir_flow_sink_ops counting = {.name = "counting", .write = sink_write};

static int run(struct weir_stage *stage, struct weir_batch *batch)
{
	uint8_t verdicts[WEIR_BATCH_PACKETS];

	for (uint32_t i = 0; i < batch->count; i++) {
		verdicts[i] = batch->packets[i].verdict;
		batch->packets[i].verdict = WEIR_KEEP;
	}
	if (weir_decode_batch(batch, NULL) < 0)
		return -1;
	for (uint32_t i = 0; i < batch->count; i++)
		batch->packets[i].verdict = verdicts[i];
	int error = stage->ops->process(stage, batch, NULL);
	batch->count = 0;
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_batch *batch;
	struct weir_flow_sink sink = {&counting};
	struct weir_cursor c = weir_cursor_over(data, size);
	uint8_t choice = weir_take8(&c);
	struct weir_flow_options options = {
		.idle_ns = choice & 1 ? INT64_C(1000000) << (choice >> 4) : 0, .active_ns = choice & 2 ? 5000000000 : 0, .memory_bytes = 1, .sink = &sink};
	struct weir_flow_statistics statistics;
	struct weir_stage *stage;
	uint64_t in = 0;

	if (!batch)
		batch = weir_batch_new();
	if (!batch || weir_flow_stage_new(&options, &stage, NULL) < 0)
		abort();
	batch->count = 0;
	packets_out = 0;
	while (weir_cursor_left(&c) >= 12) {
		struct weir_packet *packet = &batch->packets[batch->count++];
		uint8_t link = weir_take8(&c), how = weir_take8(&c);
		uint64_t time = weir_take_be64(&c);
		uint32_t length = weir_take_be16(&c);
		if (length > weir_cursor_left(&c))
			length = (uint32_t)weir_cursor_left(&c);
		*packet = (struct weir_packet){
			.time_ns = (int64_t)(how & 64 ? time : time >> 24),
			.data = weir_take(&c, length),
			.captured = length,
			.length = how & 32 ? length / 2 : length + (how & 31) * 50u,
			.linktype = link,
			.interface_id = how & 3,
			.verdict = how & 128 ? WEIR_DUPLICATE : WEIR_KEEP,
		};
		if (batch->count == (choice & 4 ? 3 : 100) && run(stage, batch) < 0)
			abort();
		in++;
	}
	if (run(stage, batch) < 0 || weir_flow_stage_end(stage, NULL) < 0)
		abort();
	weir_flow_stage_statistics(stage, &statistics);
	if (packets_out + statistics.no_ip != in || statistics.active != 0)
		abort();
	weir_stage_close(stage);
	return 0;
}
