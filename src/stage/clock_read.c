/* Reading captures to compare their clocks: weir/stage.h. */
#include <ctype.h>
#include <stdlib.h>

#include <weir/decode.h>

#include "stage/clock_estimate.h"
#include "stage/identity.h"

#define FOLLOWS_NS INT64_C(1000000000) /* a file that begins so little before the end of another may still follow it */

/* ---- One source ---- */

static int identify(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		struct weir_packet *packet = &batch->packets[i];
		if (packet->facts)
			packet->facts->identity = packet_identity(packet, packet->facts);
	}
	return 0;
}

static void close_identify(struct weir_stage *stage) { (void)stage; }

static const struct weir_stage_ops identify_ops = {.name = "identity", .process = identify, .close = close_identify, .parallel = true};

struct seer {
	struct weir_sink sink;
	struct weir_clock_estimator *estimator;
	struct weir_clock_reading *reading;
};

static int see(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct seer *seer = (struct seer *)sink;
	struct weir_clock_reading *reading = seer->reading;

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (packet->verdict != WEIR_KEEP || (packet->flags & WEIR_PACKET_NO_TIME) || !packet->facts)
			continue;
		if (packet->time_ns < reading->first_ns)
			reading->first_ns = packet->time_ns;
		if (packet->time_ns > reading->last_ns)
			reading->last_ns = packet->time_ns;
		uint8_t hops = packet->facts->network_count ? packet->facts->networks[0].hops : 0;
		int error = weir_clock_estimator_see(seer->estimator, reading->vantage, packet->time_ns, packet->facts->identity, hops, fault);
		if (error)
			return error;
	}
	return 0;
}

static const struct weir_sink_ops see_ops = {.name = "clocks", .consume = see};

static bool is_of_data(int error)
{
	return error == WEIR_E_FORMAT || error == WEIR_E_TRUNCATED || error == WEIR_E_CORRUPT || error == WEIR_E_UNSUPPORTED;
}

int weir_clock_estimator_read(struct weir_clock_estimator *estimator, struct weir_source *source, struct weir_clock_reading *reading,
                              struct weir_fault *fault)
{
	struct weir_stage identity = {.ops = &identify_ops};
	struct seer seer = {.sink.ops = &see_ops, .estimator = estimator, .reading = reading};
	struct weir_pipeline pipeline = {
		.source = source,
		.stages = {weir_decode_stage_new(), &identity},
		.sink = &seer.sink,
		.threads = reading->threads,
		.stop = reading->stop,
		.progress = reading->progress,
		.progress_context = reading->progress_context,
	};

	if (!pipeline.stages[0])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks");
	reading->first_ns = INT64_MAX;
	reading->last_ns = INT64_MIN;
	int error = weir_pipeline_run(&pipeline, fault);
	weir_stage_close(pipeline.stages[0]);
	return is_of_data(error) ? 0 : error;
}

/* ---- Files ---- */

struct clock_file {
	const char *path;
	size_t place;     /* among those that were given */
	int64_t first_ns; /* of the first batch */
};

/* Compares names as if every run of digits were the same. */
static int by_stem(const char *a, const char *b)
{
	for (;;) {
		bool digits_a = isdigit((unsigned char)*a), digits_b = isdigit((unsigned char)*b);
		if (digits_a && digits_b) {
			while (isdigit((unsigned char)*a))
				a++;
			while (isdigit((unsigned char)*b))
				b++;
			continue;
		}
		if (*a != *b || *a == '\0')
			return (unsigned char)*a - (unsigned char)*b;
		a++;
		b++;
	}
}

/* The same, but folders count as they are. */
static int compare_paths(const char *a, const char *b)
{
	const char *name_a = strrchr(a, '/'), *name_b = strrchr(b, '/');
	size_t folder_a = name_a ? (size_t)(name_a + 1 - a) : 0, folder_b = name_b ? (size_t)(name_b + 1 - b) : 0;
	size_t least = folder_a < folder_b ? folder_a : folder_b;
	int order = least ? memcmp(a, b, least) : 0;

	if (order)
		return order;
	if (folder_a != folder_b)
		return folder_a < folder_b ? -1 : 1;
	return by_stem(a + folder_a, b + folder_b);
}

/* By stem, then time. */
static int compare_files(const void *x, const void *y)
{
	const struct clock_file *a = x, *b = y;
	int order = compare_paths(a->path, b->path);

	if (order)
		return order;
	if (a->first_ns != b->first_ns)
		return a->first_ns < b->first_ns ? -1 : 1;
	return a->place < b->place ? -1 : 1;
}

/* When the packets of a file begin; INT64_MAX when it has none that can be read. */
static int first_time(const char *path, const struct weir_identities *identities, int64_t *first_ns, struct weir_fault *fault)
{
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source = NULL;

	*first_ns = INT64_MAX;
	if (!batch)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks");
	const struct weir_capture_options options = {.identities = identities};
	int result = weir_capture_open(path, &options, &source, fault);
	if (result == 0) {
		while ((result = source->ops->fill(source, batch, fault)) > 0 && batch->count == 0)
			weir_batch_reset(batch);
		for (uint32_t i = 0; result > 0 && i < batch->count; i++)
			if (batch->packets[i].time_ns < *first_ns)
				*first_ns = batch->packets[i].time_ns;
	}
	weir_batch_free(batch);
	weir_source_close(source);
	return result < 0 && !is_of_data(result) ? result : 0;
}

struct told {
	const struct weir_clock_reading *reading;
	uint64_t before, last;
};

static void tell(void *context, const struct weir_batch *batch)
{
	struct told *told = context;
	/* The progress of one file, after that of those before it. Only the place is of interest to who shows it. */
	struct weir_batch *shown = (struct weir_batch *)(uintptr_t)batch;
	uint64_t bytes = batch->source_bytes;

	told->last = told->before + bytes;
	shown->source_bytes = told->last;
	told->reading->progress(told->reading->progress_context, shown);
	shown->source_bytes = bytes;
}

static int read_file(struct weir_clock_estimator *estimator, const char *path, struct weir_clock_reading *reading, struct weir_fault *fault)
{
	struct weir_source *source;

	reading->first_ns = INT64_MAX;
	reading->last_ns = INT64_MIN;
	const struct weir_capture_options options = {.identities = reading->identities};
	int error = weir_capture_open(path, &options, &source, fault);
	if (error)
		return is_of_data(error) ? 0 : error;
	error = weir_clock_estimator_read(estimator, source, reading, fault);
	weir_source_close(source);
	return error;
}

int weir_clock_estimator_read_files(struct weir_clock_estimator *estimator, const char *const *paths, size_t count,
                                    const struct weir_clock_reading *reading, uint32_t *vantages, struct weir_fault *fault)
{
	struct clock_file *files = calloc(count ? count : 1, sizeof *files);
	struct weir_clock_reading mine = *reading;
	struct told told = {.reading = reading};
	uint32_t vantage = 0;
	int error = files ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks");

	for (size_t i = 0; i < count && !error; i++) {
		files[i] = (struct clock_file){.path = paths[i], .place = i};
		error = first_time(paths[i], reading->identities, &files[i].first_ns, fault);
	}
	if (!error)
		qsort(files, count, sizeof *files, compare_files);
	if (reading->progress) {
		mine.progress = tell;
		mine.progress_context = &told;
	}
	int64_t last_ns = INT64_MAX;
	for (size_t i = 0; i < count && !error; i++) {
		bool follows = i && compare_paths(files[i - 1].path, files[i].path) == 0 && last_ns < INT64_MAX &&
		               (files[i].first_ns > last_ns || (uint64_t)last_ns - (uint64_t)files[i].first_ns < (uint64_t)FOLLOWS_NS);
		if (i && !follows)
			vantage++;
		mine.vantage = vantage;
		vantages[files[i].place] = vantage;
		error = read_file(estimator, files[i].path, &mine, fault);
		/* One without packets is a vantage too. */
		if (!error)
			error = clock_estimator_cover(estimator, vantage, 1, 0, fault);
		/* An empty file changes nothing about what follows what. */
		if (mine.first_ns <= mine.last_ns)
			last_ns = mine.last_ns;
		else if (!follows)
			last_ns = INT64_MAX;
		told.before = told.last;
	}
	free(files);
	return error;
}
