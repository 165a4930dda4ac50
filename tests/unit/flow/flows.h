/* Packets in, records out: what the tests of the flow stage share. */
#ifndef TESTS_FLOW_FLOWS_H
#define TESTS_FLOW_FLOWS_H

#include <stdio.h>
#include <stdlib.h>

#include <weir/application.h>
#include <weir/flow.h>

#include "../packet/build.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* A sink that keeps everything. */
struct kept {
	struct weir_flow_sink sink;
	struct weir_flow flows[8192];
	char vantages[8192][64];
	char names[8192][128]; /* application, category, evidence, server name */
	size_t count;
};

static int kept_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct kept *kept = (struct kept *)sink;

	for (size_t i = 0; i < count; i++) {
		assert_true(kept->count < sizeof kept->flows / sizeof kept->flows[0]);
		assert_true(flows[i].vantages.length < sizeof kept->vantages[0]);
		if (flows[i].vantages.data)
			memcpy(kept->vantages[kept->count], flows[i].vantages.data, flows[i].vantages.length);
		snprintf(kept->names[kept->count], sizeof kept->names[0], "%.*s %.*s %.*s %.*s", (int)flows[i].application.length,
		         (const char *)flows[i].application.data, (int)flows[i].category.length, (const char *)flows[i].category.data,
		         (int)flows[i].evidence.length, (const char *)flows[i].evidence.data, (int)flows[i].server_name.length,
		         (const char *)flows[i].server_name.data);
		kept->flows[kept->count++] = flows[i];
	}
	return 0;
}

static const struct weir_flow_sink_ops kept_ops = {.name = "kept", .write = kept_write};

/* A stage with its sink, and packets on their way to it. */
struct flows {
	struct weir_stage *stage;
	struct kept *kept;
	struct weir_flow_options options;
	struct weir_batch *batch;
	struct build builds[64];
};

static inline void flows_open(struct flows *f, int64_t idle_ns, int64_t active_ns, uint64_t memory_bytes)
{
	struct weir_fault fault = {0};

	memset(f, 0, sizeof *f);
	f->kept = calloc(1, sizeof *f->kept);
	assert_non_null(f->kept);
	f->kept->sink.ops = &kept_ops;
	f->options = (struct weir_flow_options){
		.idle_ns = idle_ns, .active_ns = active_ns, .memory_bytes = memory_bytes, .sink = &f->kept->sink};
	f->batch = weir_batch_new();
	assert_non_null(f->batch);
	assert_int_equal(weir_flow_stage_new(&f->options, &f->stage, &fault), 0);
}

static inline void flows_close(struct flows *f)
{
	weir_stage_close(f->stage);
	weir_batch_free(f->batch);
	free(f->kept);
}

/* Lets the stage have what was added. */
static inline void flows_run(struct flows *f)
{
	struct weir_fault fault = {0};
	uint8_t verdicts[64];

	/* Deduplication stands behind decoding. */
	for (uint32_t i = 0; i < f->batch->count; i++) {
		verdicts[i] = f->batch->packets[i].verdict;
		f->batch->packets[i].verdict = WEIR_KEEP;
	}
	assert_int_equal(weir_decode_batch(f->batch, &fault), 0);
	for (uint32_t i = 0; i < f->batch->count; i++)
		f->batch->packets[i].verdict = verdicts[i];
	assert_int_equal(f->stage->ops->process(f->stage, f->batch, &fault), 0);
	f->batch->count = 0;
}

static inline struct build *flows_next(struct flows *f)
{
	if (f->batch->count == 64)
		flows_run(f);
	struct build *b = &f->builds[f->batch->count];
	*b = (struct build){.linktype = 1};
	return b;
}

static inline struct weir_packet *flows_add(struct flows *f, struct build *b, int64_t time_ns)
{
	struct weir_packet *packet = &f->batch->packets[f->batch->count++];
	*packet = finished(b);
	packet->time_ns = time_ns;
	return packet;
}

static inline void flows_end(struct flows *f)
{
	struct weir_fault fault = {0};

	flows_run(f);
	assert_int_equal(weir_flow_stage_end(f->stage, &fault), 0);
}

/* 10.0.0.1:port → 10.0.0.2:80, or back; `length` bytes of payload. */
struct segment {
	bool back;
	uint16_t port;
	uint8_t flags;
	uint32_t sequence, acknowledged;
	uint16_t length;
	uint16_t window; /* 0: 512 */
	bool closed;     /* window 0 */
};

static inline struct weir_packet *flows_tcp(struct flows *f, int64_t time_ns, struct segment s)
{
	static const uint8_t payload[1500] = "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n";
	struct build *b = flows_next(f);

	ethernet(b, 0x0800);
	ipv4(b, 6);
	tcp(b, s.back ? 80 : s.port, s.back ? s.port : 80);
	if (s.back)
		memcpy(b->data + 26, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	weir_store_be32(b->data + 38, s.sequence);
	weir_store_be32(b->data + 42, s.acknowledged);
	b->data[47] = s.flags;
	weir_store_be16(b->data + 48, s.closed ? 0 : s.window ? s.window : 512);
	bytes(b, payload, s.length);
	return flows_add(f, b, time_ns);
}

static inline struct weir_packet *flows_udp(struct flows *f, int64_t time_ns, uint16_t from, uint16_t to, bool back)
{
	struct build *b = flows_next(f);

	ethernet(b, 0x0800);
	ipv4(b, 17);
	udp(b, back ? to : from, back ? from : to);
	if (back)
		memcpy(b->data + 26, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	return flows_add(f, b, time_ns);
}

#endif
