/*
 * What a flow record costs between the flow stage and its file, in nanoseconds of CPU of all threads: the records of a Parquet file in the order in which they were made, 256 at
 * a time from the same place as the stage has them, go to nowhere, to a thread that sends them nowhere, to a file, and to a file on a thread of its own as in a run.
 *
 *	records FILE OUT [ROUNDS [THREADS]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/flow.h>

#define PENDING 256
#define TEXT_BYTES ((size_t)128 << 10)

struct records {
	struct weir_flow *flows;
	size_t count;
};

static void fail(const struct weir_fault *fault)
{
	fprintf(stderr, "records: %s\n", fault->message);
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *more(void *memory, size_t size)
{
	void *larger = realloc(memory, size);

	if (!larger)
		exit(1);
	return larger;
}

/* The columns that are views on strings: with each, f is called. */
static void each_string(struct weir_flow *flow, void (*f)(struct weir_bytes *string, void *context), void *context)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count; c++)
		if (columns[c].type == WEIR_COLUMN_STRING)
			f((struct weir_bytes *)((uint8_t *)flow + columns[c].offset), context);
}

static void keep_string(struct weir_bytes *string, void *context)
{
	if (!string->data)
		return;
	uint8_t *copy = more(NULL, string->length + 1);
	memcpy(copy, string->data, string->length);
	string->data = copy;
}

static int by_sequence(const void *a, const void *b)
{
	uint64_t first = ((const struct weir_flow *)a)->sequence, second = ((const struct weir_flow *)b)->sequence;

	return (first > second) - (first < second);
}

static struct records read_records(const char *path)
{
	struct records records = {.count = 0};
	struct weir_flow_source *source;
	struct weir_fault fault;
	size_t room = 0;
	int some = 1;

	if (weir_flow_parquet_read(path, NULL, &source, &fault) < 0)
		fail(&fault);
	while (some > 0) {
		if (room - records.count < PENDING)
			records.flows = more(records.flows, (room = 2 * room + PENDING) * sizeof *records.flows);
		some = source->ops->fill(source, records.flows + records.count, PENDING, &fault);
		if (some < 0)
			fail(&fault);
		for (int i = 0; i < some; i++)
			each_string(&records.flows[records.count + (size_t)i], keep_string, NULL);
		records.count += (size_t)some;
	}
	source->ops->close(source);
	qsort(records.flows, records.count, sizeof *records.flows, by_sequence);
	return records;
}

/* The text of pending records, in one place as in the stage. */
static void move_string(struct weir_bytes *string, void *context)
{
	uint8_t **to = context;

	if (!string->data)
		return;
	memcpy(*to, string->data, string->length);
	string->data = *to;
	*to += string->length;
}

static int write_nowhere(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault) { return 0; }
static int finish_nowhere(struct weir_flow_sink *sink, struct weir_fault *fault) { return 0; }
static void close_nowhere(struct weir_flow_sink *sink) { }
static const struct weir_flow_sink_ops nowhere = {"nowhere", write_nowhere, finish_nowhere, close_nowhere};

/* Seconds of CPU. path: NULL: nowhere. */
static double round_of(const struct records *records, const char *path, unsigned threads, bool background)
{
	static struct weir_flow pending[PENDING];
	static uint8_t text[TEXT_BYTES];
	static struct weir_flow_sink none = {&nowhere};
	struct weir_parquet_options options = {.threads = threads};
	struct weir_flow_sink *sink = &none;
	struct weir_fault fault;
	int error = 0;
	double begin = now(CLOCK_PROCESS_CPUTIME_ID);

	if (path && weir_flow_parquet_open(path, &options, &sink, &fault) < 0)
		fail(&fault);
	if (background && weir_flow_background(&sink, &fault) < 0)
		fail(&fault);
	for (size_t from = 0; from < records->count && !error; from += PENDING) {
		size_t some = records->count - from < PENDING ? records->count - from : PENDING;
		uint8_t *to = text;
		memcpy(pending, records->flows + from, some * sizeof *pending);
		for (size_t i = 0; i < some; i++)
			each_string(&pending[i], move_string, &to);
		error = sink->ops->write(sink, pending, some, &fault);
	}
	if (!error)
		error = sink->ops->finish(sink, &fault);
	sink->ops->close(sink);
	if (error)
		fail(&fault);
	return now(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

static int by_value(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

int main(int argc, char **argv)
{
	enum { WAYS = 4, ROUNDS_MOST = 1000 };
	static const char *const names[WAYS] = {"nowhere", "a thread, nowhere", "a file", "a thread, a file"};
	static double spent[WAYS][ROUNDS_MOST];

	if (argc < 3) {
		fprintf(stderr, "usage: records FILE OUT [ROUNDS [THREADS]]\n");
		return 2;
	}
	struct records records = read_records(argv[1]);
	size_t rounds = argc > 3 ? strtoull(argv[3], NULL, 10) : 9;
	unsigned threads = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 2;
	rounds = rounds == 0 ? 1 : rounds < ROUNDS_MOST ? rounds : ROUNDS_MOST;
	for (size_t round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++)
			spent[way][round] = round_of(&records, way >= 2 ? argv[2] : NULL, threads, way % 2);
	printf("%zu records\n%-20s %12s %12s\n", records.count, "to", "ns, least", "ns, median");
	for (int way = 0; way < WAYS; way++) {
		qsort(spent[way], rounds, sizeof **spent, by_value);
		printf("%-20s %12.1f %12.1f\n", names[way], spent[way][0] / (double)records.count * 1e9, spent[way][rounds / 2] / (double)records.count * 1e9);
	}
	return 0;
}
