/* Parquet files of any bytes: their records, and sums over them by their columns. */
#include <stdlib.h>

#include "flow/aggregate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few bytes can say that there are billions of rows: no more than these are taken. */
#define ROWS_MOST 20000

static void read_records(const uint8_t *data, size_t size)
{
	struct weir_flow flows[64];
	struct parquet_reader *reader;
	struct weir_fault fault;
	struct text text = {0};
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);
	int more = 1;

	if (parquet_reader_open_memory(data, size, "fuzz.parquet", &reader, &fault) < 0)
		return;
	struct weir_flow_source *source = parquet_source_new(reader);
	if (!source)
		abort();
	for (int rows = 0; more > 0 && rows < ROWS_MOST; rows += more) {
		more = source->ops->fill(source, flows, 64, &fault);
		for (int i = 0; i < more; i++)
			for (size_t c = 0; c < count; c++)
				if (columns[c].type == WEIR_COLUMN_STRING) {
					/* Every byte of every string is there. */
					const struct weir_bytes *bytes = (const void *)((const uint8_t *)&flows[i] + columns[c].offset);
					text_clear(&text);
					text_add_utf8(&text, bytes->data, bytes->length);
				}
	}
	text_free(&text);
	source->ops->close(source);
}

static void sum(const uint8_t *data, size_t size)
{
	static _Atomic int stop; /* 0; the bytes decide how long it goes on */
	struct aggregate_plan plan = {.key_count = 0};
	struct aggregate *aggregate;
	struct parquet_reader *reader;
	struct weir_fault fault;
	size_t count;

	if (aggregate_parse_keys("host/24,application,flow_start/1s", &plan, &fault) < 0 || aggregate_parse_sums(NULL, &plan, &fault) < 0)
		abort();
	if (parquet_reader_open_memory(data, size, "fuzz.parquet", &reader, &fault) < 0)
		return;
	/* Of a file that says of itself that it is longer, nothing is summed. */
	if (parquet_reader_rows(reader) <= ROWS_MOST && aggregate_new(&plan, 16 << 20, &aggregate, &fault) == 0) {
		if (aggregate_parquet(aggregate, reader, &stop, &fault) == 0)
			(void)aggregate_sorted(aggregate, 0, &count);
		aggregate_free(aggregate);
	}
	parquet_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_records(data, size);
	sum(data, size);
	return 0;
}
