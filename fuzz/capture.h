/* What the fuzz targets for capture files share: a file is read, counted, and written again in every way. */
#ifndef FUZZ_CAPTURE_H
#define FUZZ_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/file.h>

#include "file/capture.h"

#define INPUT_MAX ((size_t)64 << 10)
#define PIPE_BYTES (256 << 10)

/* For what must hold whatever the input. */
#define HOLDS(condition)                                              \
	do {                                                              \
		if (!(condition)) {                                           \
			fprintf(stderr, "does not hold: %s\n", #condition);       \
			abort();                                                  \
		}                                                             \
	} while (0)

struct outcome {
	int code; /* of the reading */
	struct weir_fault fault;
	uint64_t packets, wire_bytes, captured_bytes;
};

/* A fault must say where. */
static inline void check_fault(const struct weir_fault *fault, int code)
{
	HOLDS(fault->code == code);
	HOLDS(fault->message[0] != '\0');
	HOLDS(code == WEIR_E_MEMORY || strcmp(fault->file, "fuzz") == 0);
}

/* Reads every byte that a packet or block claims, so that the sanitizer sees what lies outside. */
static inline uint64_t touch(const uint8_t *data, size_t length)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += data[i];
	return sum;
}

static inline struct outcome read_batches(const uint8_t *data, size_t size, const struct weir_capture_options *options,
                                          struct weir_sink *sink)
{
	struct outcome outcome = {0};
	struct weir_source *source;
	static volatile uint64_t sum;
	bool writing = sink != NULL;

	weir_fault_clear(&outcome.fault);
	outcome.code = weir_capture_open_memory(data, size, "fuzz", options, &source, &outcome.fault);
	if (outcome.code)
		return outcome;
	struct weir_batch *batch = weir_batch_new();
	HOLDS(batch);
	while ((outcome.code = source->ops->fill(source, batch, &outcome.fault)) > 0) {
		HOLDS(!batch->count || batch->first_number == outcome.packets + 1);
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			HOLDS(packet->interface_id < batch->interface_count);
			HOLDS(packet->block && packet->data >= packet->block);
			HOLDS(packet->data + packet->captured <= packet->block + packet->block_length);
			sum += touch(packet->block, packet->block_length);
			outcome.captured_bytes += packet->captured;
			outcome.wire_bytes += packet->length;
		}
		for (uint32_t i = 0; i < batch->block_count; i++) {
			HOLDS(batch->blocks[i].before <= batch->count);
			sum += touch(batch->blocks[i].data, batch->blocks[i].length);
		}
		outcome.packets += batch->count;
		/* A writer may refuse what its format can't hold. */
		if (writing && sink->ops->consume(sink, batch, NULL) != 0)
			writing = false;
		weir_batch_reset(batch);
	}
	weir_batch_free(batch);
	weir_source_close(source);
	return outcome;
}

/* Counting without batches finds the same as counting with them. */
static inline void check_walk(const uint8_t *data, size_t size, const struct weir_capture_options *options,
                              const struct outcome *expected)
{
	struct capture_walk walk = {0};
	struct weir_source *source;
	struct weir_fault fault;
	uint64_t packets = 0, wire = 0, captured = 0;

	weir_fault_clear(&fault);
	if (weir_capture_open_memory(data, size, "fuzz", options, &source, &fault) != 0)
		return;
	int code = capture_walk(source, &walk, &fault);
	for (uint32_t i = 0; i < walk.interface_count; i++) {
		packets += walk.interfaces[i].packets;
		wire += walk.interfaces[i].wire_bytes;
		captured += walk.interfaces[i].captured_bytes;
	}
	HOLDS(code == expected->code);
	HOLDS(packets == expected->packets && wire == expected->wire_bytes && captured == expected->captured_bytes);
	HOLDS(fault.offset == expected->fault.offset && fault.packet == expected->fault.packet);
	capture_walk_free(&walk);
	weir_source_close(source);
}

/* Writes what the input holds into a pipe, and gives back what came out; NULL when the writer refused. *length: of it. */
static inline uint8_t *rewrite(const uint8_t *data, size_t size, const struct weir_capture_options *reading,
                               const struct weir_capture_writer_options *writing, size_t *length)
{
	struct weir_sink *sink;
	char path[64];
	int ends[2];

	HOLDS(pipe(ends) == 0);
	HOLDS(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
	fcntl(ends[1], F_SETFL, O_NONBLOCK); /* more than the pipe holds fails instead of waiting for ever */
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
	HOLDS(weir_capture_writer_open(path, writing, &sink, NULL) == 0);
	read_batches(data, size, reading, sink);
	int error = sink->ops->finish(sink, NULL);
	weir_sink_close(sink);
	close(ends[1]);
	uint8_t *out = error ? NULL : malloc(PIPE_BYTES);
	*length = 0;
	for (ssize_t n; out && (n = read(ends[0], out + *length, PIPE_BYTES - *length)) > 0;)
		*length += (size_t)n;
	close(ends[0]);
	return out;
}

static inline void check_capture(const uint8_t *data, size_t size)
{
	static const struct weir_capture_writer_options ways[] = {
		{.format = WEIR_FORMAT_PCAPNG},
		{.format = WEIR_FORMAT_PCAPNG, .filtered = true},
		{.format = WEIR_FORMAT_PCAPNG, .merge = true},
		{.format = WEIR_FORMAT_PCAP},
		{.format = WEIR_FORMAT_PCAP_NS},
		{.format = WEIR_FORMAT_PCAP_MODIFIED},
		{.format = WEIR_FORMAT_PCAPNG, .merge = true, .compression = WEIR_COMPRESSION_ZSTD},
	};
	static const struct weir_capture_options options[] = {{0}, {.packet_limit_bytes = 1 << 16, .tolerant_linktype = true}};

	/* One way an input, by what is in it: fourteen times as many inputs find more than fourteen ways of each. */
	uint64_t choice = touch(data, size);
	const struct weir_capture_options *reading = &options[choice % 2];
	const struct weir_capture_writer_options *writing = &ways[choice / 2 % (sizeof ways / sizeof ways[0])];
	struct outcome outcome = read_batches(data, size, reading, NULL);
	size_t length;

	if (outcome.code < 0)
		check_fault(&outcome.fault, outcome.code);
	check_walk(data, size, reading, &outcome);
	uint8_t *out = rewrite(data, size, reading, writing, &length);
	if (out && length < PIPE_BYTES) {
		/* What weir writes it reads, whole. */
		struct outcome again = read_batches(out, length, reading, NULL);
		if (again.code != 0)
			fprintf(stderr, "%s\n", again.fault.message);
		HOLDS(again.code == 0 && again.packets == outcome.packets);
	}
	free(out);
}

#endif
