/* Datagrams of flow records: whatever the bytes, reading ends, records lie inside them, and templates that came before are no danger. */
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "flow/datagram.h"

#define HOLDS(condition)                                        \
	do {                                                        \
		if (!(condition)) {                                     \
			fprintf(stderr, "does not hold: %s\n", #condition); \
			abort();                                            \
		}                                                       \
	} while (0)

static volatile uint64_t sum;

static void touch(struct weir_bytes bytes)
{
	for (size_t i = 0; i < bytes.length; i++)
		sum += bytes.data[i];
}

static void check_record(const struct datagram_record *record, struct weir_arena *arena)
{
	struct weir_bytes value;
	struct weir_flow flow;
	size_t at = 0;

	HOLDS(record->bytes.length >= record->template->least && record->bytes.length > 0);
	for (size_t i = 0; i < record->template->count; i++) {
		HOLDS(datagram_value(&record->template->fields[i], record->bytes, &at, &value));
		touch(value);
	}
	HOLDS(at == record->bytes.length);
	if (record->template->options)
		return;
	HOLDS(datagram_flow(record, arena, &flow) == 0);
	HOLDS(flow.source.version == 0 || flow.source.version == 4 || flow.source.version == 6);
	touch(flow.application);
	touch(flow.category);
	touch(flow.evidence);
	touch(flow.server_name);
	touch(flow.vantages);
	HOLDS(memchr(flow.community_id, 0, sizeof flow.community_id));
}

static void read_once(struct datagram_reader *reader, struct weir_arena *arena, const uint8_t *data, size_t size)
{
	struct stream *stream;
	struct weir_fault fault;
	struct datagram_record record;
	uint64_t records = 0;
	int got;

	weir_fault_clear(&fault);
	if (stream_open_memory(data, size, "fuzz", &stream, &fault) < 0)
		return;
	datagram_reader_input(reader, stream, "fuzz");
	do {
		got = datagram_next(reader, &record, &fault);
		if (got == 1) {
			check_record(&record, arena);
			HOLDS(++records <= (uint64_t)4 << 20);
		} else if (got == DATAGRAM_HELD) {
			datagram_reader_release(reader);
			arena_reset(arena);
		}
	} while (got > 0);
	if (got < 0)
		HOLDS(fault.code == got && fault.message[0]);
	HOLDS(datagram_next(reader, &record, &fault) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagram_reader *reader = datagram_reader_new();
	struct weir_arena *arena = arena_new(0);

	HOLDS(reader && arena);
	read_once(reader, arena, data, size);
	read_once(reader, arena, data, size); /* templates that stand behind their data hold now */
	datagram_reader_free(reader);
	arena_free(arena);
	return 0;
}
