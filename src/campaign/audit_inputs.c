/* Where originals are gathered from: campaigns, runs, capture files, files of flows. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>
#include <weir/file.h>

#include "campaign/audit.h"
#include "file/stream.h"
#include "flow/parquet_format.h"

/* A sink that keeps nothing: the stages before it have seen everything. */
static int consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	(void)sink;
	(void)batch;
	(void)fault;
	return 0;
}
static int finish(struct weir_sink *sink, struct weir_fault *fault)
{
	(void)sink;
	(void)fault;
	return 0;
}
static void close_nothing(struct weir_sink *sink) { (void)sink; }
static const struct weir_sink_ops nothing_ops = {.name = "nothing",
                                                 .consume = consume,
                                                 .finish = finish,
                                                 .close = close_nothing};

static int read_packets(struct weir_originals *originals, struct weir_source *source,
                        const struct weir_originals_reading *reading, struct weir_fault *fault)
{
	struct weir_sink nothing = {.ops = &nothing_ops};
	struct weir_stage *decode = weir_decode_stage_new(),
					  *gather = weir_originals_stage_new(originals, reading->keep, fault);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct weir_pipeline pipeline = {
		.source = source,
		.stages = {decode, gather},
		.sink = &nothing,
		.stop = reading->stop,
		.progress = reading->progress,
		.progress_context = reading->progress_context,
		.threads = reading->threads          ? reading->threads
	               : cores > 0 && cores < 32 ? (int)cores
	                                         : 32,
	};
	int error = !gather   ? WEIR_E_MEMORY
	            : !decode ? weir_fail(fault, WEIR_E_MEMORY, "no memory to decode")
	                      : weir_pipeline_run(&pipeline, fault);

	if (!error && reading->stop && *reading->stop)
		error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	weir_stage_close(gather);
	weir_stage_close(decode);
	return error;
}

static int read_flows(struct weir_originals *originals, const char *path, const struct weir_originals_reading *reading,
                      struct weir_fault *fault)
{
	struct weir_flow flows[256];
	struct weir_flow_source *source;
	int error = weir_flow_parquet_read(path, reading->identities, &source, fault);

	if (error)
		return error;
	for (int count = 1; !error && count > 0;) {
		count = source->ops->fill(source, flows, 256, fault);
		error = count < 0 ? count : 0;
		for (int i = 0; i < count && !error; i++)
			error = weir_originals_see_flow(originals, &flows[i], fault);
		if (!error && reading->stop && *reading->stop)
			error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	}
	source->ops->close(source);
	return error;
}

static int read_file(struct weir_originals *originals, const char *path, const struct weir_originals_reading *reading,
                     struct weir_fault *fault)
{
	struct weir_source *source;
	struct stream *stream;
	uint8_t head[4] = {0};
	int error = stream_open_sealed(path, reading->identities, &stream, fault);

	if (error)
		return error;
	for (size_t have = 0; have < sizeof head;) {
		int64_t n = stream_read(stream, head + have, sizeof head - have, NULL);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	stream_close(stream);
	if (memcmp(head, PARQUET_MAGIC, 4) == 0)
		return read_flows(originals, path, reading, fault);
	const struct weir_capture_options opening = {.identities = reading->identities};
	error = weir_capture_open(path, &opening, &source, fault);
	if (!error) {
		error = read_packets(originals, source, reading, fault);
		weir_source_close(source);
	}
	return error;
}

static int read_campaign(struct weir_originals *originals, const char *path,
                         const struct weir_originals_reading *reading, struct weir_fault *fault)
{
	struct weir_query query = {.from_ns = WEIR_TIME_FIRST,
	                           .to_ns = WEIR_TIME_LAST,
	                           .threads = reading->threads,
	                           .stop = reading->stop};
	struct weir_campaign *campaign;
	struct weir_source *source = NULL;
	int error = weir_campaign_open(path, WEIR_CAMPAIGN_READ, &campaign, fault);

	if (error)
		return error;
	weir_campaign_unseal(campaign, reading->identities);
	error = weir_query_open(campaign, &query, &source, fault);
	if (!error)
		error = read_packets(originals, source, reading, fault);
	weir_source_close(source);
	weir_campaign_close(campaign);
	return error;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* All files of a part of a run, in order. */
static int read_part(struct weir_originals *originals, const char *run, const char *part,
                     const struct weir_originals_reading *reading, struct weir_fault *fault)
{
	char path[PATH_MAX], (*names)[NAME_MAX + 1] = NULL;
	size_t count = 0, room = 0;
	int error = 0;

	snprintf(path, sizeof path, "%s/%s", run, part);
	DIR *folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "the folder can't be read");
	for (struct dirent *entry; !error && (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		if (count == room) {
			room = room ? room * 2 : 64;
			void *larger = realloc(names, room * sizeof *names);
			if (!larger) {
				error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the files of a run");
				break;
			}
			names = larger;
		}
		snprintf(names[count++], sizeof *names, "%s", entry->d_name);
	}
	closedir(folder);
	if (count)
		qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count && !error; i++) {
		if (snprintf(path, sizeof path, "%s/%s/%s", run, part, names[i]) >= (int)sizeof path)
			error = weir_fail(fault, WEIR_E_LIMIT, "the path of a file of the run is too long");
		else
			error = read_file(originals, path, reading, fault);
	}
	free(names);
	return error;
}

static bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && access(path, F_OK) == 0;
}

int weir_originals_read(struct weir_originals *originals, const char *path,
                        const struct weir_originals_reading *reading, struct weir_fault *fault)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return weir_fail_errno(fault, errno, path, "can't be read");
	if (!S_ISDIR(status.st_mode))
		return read_file(originals, path, reading, fault);
	if (!has(path, "manifest.json"))
		return read_campaign(originals, path, reading, fault);
	int error = read_part(originals, path, "packets", reading, fault);
	return error ? error : read_part(originals, path, "flows", reading, fault);
}
