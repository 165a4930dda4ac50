/* The packets and flows of a data set: read once, gathered from, cut, hidden, written. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/stage.h>

#include "archive/gaps.h"
#include "campaign/publish.h"
#include "flow/hide.h"
#include "os/files.h"
#include "file/sealed.h"

/* ---- what is seen of flows before they are hidden ---- */

struct watching_sink {
	struct weir_flow_sink sink;
	struct publish *publish;
	struct weir_flow_sink *next;
};

static int watch_write(struct weir_flow_sink *base, const struct weir_flow *flows, size_t count,
                       struct weir_fault *fault)
{
	struct watching_sink *sink = (struct watching_sink *)base;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct weir_ip source, destination;
		error = weir_originals_see_flow(sink->publish->originals, &flows[i], fault);
		weir_hide_ip(sink->publish->options->hider, &flows[i].source, &source);
		weir_hide_ip(sink->publish->options->hider, &flows[i].destination, &destination);
		risks_see(sink->publish->risks, &flows[i], &source, &destination);
	}
	sink->publish->summary->flows += count;
	return error || !sink->next ? error : sink->next->ops->write(sink->next, flows, count, fault);
}

static int watch_finish(struct weir_flow_sink *base, struct weir_fault *fault)
{
	struct watching_sink *sink = (struct watching_sink *)base;
	return sink->next ? sink->next->ops->finish(sink->next, fault) : 0;
}

static void watch_close(struct weir_flow_sink *base)
{
	struct watching_sink *sink = (struct watching_sink *)base;
	if (sink->next)
		sink->next->ops->close(sink->next);
}

static const struct weir_flow_sink_ops watch_ops = {.name = "watching",
                                                    .write = watch_write,
                                                    .finish = watch_finish,
                                                    .close = watch_close};

/* Where the flows of a file go: NULL as name when none are published, and they are only watched. */
static int open_flows(struct publish *publish, const char *name, struct watching_sink *sink, struct weir_fault *fault)
{
	char path[PATH_MAX + 256];
	struct weir_flow_sink *file;

	*sink = (struct watching_sink){.sink = {.ops = &watch_ops}, .publish = publish};
	if (publish->options->no_flows)
		return 0;
	snprintf(path, sizeof path, "%s/flows", publish->folder);
	int error = os_make_folders(path, fault);
	snprintf(path, sizeof path, "%s/flows/%s.parquet", publish->folder, name);
	if (!error)
		error = weir_flow_parquet_open(path, NULL, &file, fault);
	return error ? error : flow_hide_open(publish->options->hider, file, &sink->next, fault);
}

/* ---- packets ---- */

/* Counts what passes, in order: first and last time, packets. */
struct counting_stage {
	struct weir_stage stage;
	struct publish *publish;
	bool before; /* before anything is cut */
};

static int count_process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct counting_stage *stage = (struct counting_stage *)base;
	struct weir_publish_summary *summary = stage->publish->summary;

	(void)fault;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (packet->verdict != WEIR_KEEP)
			continue;
		if (stage->before) {
			summary->packets_read++;
			summary->bytes_before += packet->captured;
			continue;
		}
		if (!summary->packets || packet->time_ns < summary->first_ns)
			summary->first_ns = packet->time_ns;
		if (!summary->packets || packet->time_ns > summary->last_ns)
			summary->last_ns = packet->time_ns;
		summary->packets++;
		summary->bytes += packet->captured;
	}
	if (stage->before && batch->interface_count > stage->publish->vantages)
		stage->publish->vantages = batch->interface_count;
	return 0;
}

static void count_close(struct weir_stage *base) { (void)base; }
static const struct weir_stage_ops count_ops = {.name = "count", .process = count_process, .close = count_close};

static int run(const struct publish *publish, struct weir_pipeline *pipeline, struct weir_fault *fault)
{
	const struct weir_publish_options *options = publish->options;

	pipeline->threads = publish->threads;
	pipeline->stop = options->stop;
	pipeline->progress = options->progress;
	pipeline->progress_context = options->progress_context;
	int error = weir_pipeline_run(pipeline, fault);
	return !error && options->stop && *options->stop ? weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted") : error;
}

/* A sink for who only wants what passes before it. */
static int nothing_consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	(void)sink;
	(void)batch;
	(void)fault;
	return 0;
}
static int nothing_finish(struct weir_sink *sink, struct weir_fault *fault)
{
	(void)sink;
	(void)fault;
	return 0;
}
static void nothing_close(struct weir_sink *sink) { (void)sink; }
static const struct weir_sink_ops nothing_ops = {.name = "nothing",
                                                 .consume = nothing_consume,
                                                 .finish = nothing_finish,
                                                 .close = nothing_close};

static int open_writer(const struct publish *publish, const char *name, struct weir_sink *nothing,
                       struct weir_sink **sink, struct weir_fault *fault)
{
	struct weir_capture_writer_options writer = {.format = WEIR_FORMAT_PCAPNG,
	                                             .compression = WEIR_COMPRESSION_ZSTD,
	                                             .merge = true,
	                                             .filtered = true,
	                                             .stop = publish->options->stop};
	char path[PATH_MAX + 256];

	*nothing = (struct weir_sink){.ops = &nothing_ops};
	*sink = nothing;
	if (publish->options->no_packets)
		return 0;
	snprintf(path, sizeof path, "%s/packets", publish->folder);
	int error = os_make_folders(path, fault);
	snprintf(path, sizeof path, "%s/packets/%s.pcapng.zst", publish->folder, name);
	if (!error)
		error = weir_capture_writer_open(path, &writer, sink, fault);
	return error;
}

static int publish_packets(struct publish *publish, struct weir_source *source, const char *name,
                           struct weir_fault *fault)
{
	const struct weir_policy *policy = publish->options->policy;
	struct counting_stage before = {{&count_ops}, publish, true}, after = {{&count_ops}, publish, false};
	struct weir_stage *decode = weir_decode_stage_new(),
					  *keep = policy->keeps_all ? NULL : weir_keep_stage_new(policy, fault);
	struct weir_stage *gather = NULL, *hide = NULL;
	struct weir_sink nothing, *sink = NULL;
	int error = !decode                       ? weir_fail(fault, WEIR_E_MEMORY, "no memory to decode")
	            : !keep && !policy->keeps_all ? fault->code
	                                          : 0;

	if (!error && !(gather = weir_originals_stage_new(publish->originals, keep, fault)))
		error = fault->code;
	if (!error && !(hide = weir_hide_stage_new(publish->options->hider, fault)))
		error = fault->code;
	if (!error)
		error = open_writer(publish, name, &nothing, &sink, fault);
	if (!error) {
		struct weir_pipeline pipeline = {.source = source,
		                                 .stages = {decode, &before.stage, gather, hide, &after.stage},
		                                 .sink = sink};
		error = run(publish, &pipeline, fault);
	}
	weir_sink_close(sink);
	weir_stage_close(hide);
	weir_stage_close(gather);
	weir_stage_close(keep);
	weir_stage_close(decode);
	return error;
}

/* Flow records of packets, inner ones of tunnels too. */
static int make_flows(struct publish *publish, struct weir_source *source, const char *name, struct weir_fault *fault)
{
	struct weir_sink nothing = {.ops = &nothing_ops};
	struct weir_stage *decode = weir_decode_stage_new(), *decapsulate = NULL, *flow = NULL;
	struct watching_sink sink;
	int error = open_flows(publish, name, &sink, fault);
	bool opened = !error;
	struct weir_flow_options options = {.idle_ns = INT64_C(90000000000),
	                                    .active_ns = INT64_C(1800000000000),
	                                    .sink = &sink.sink};

	if (!error && !decode)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to decode");
	if (!error)
		error = weir_decapsulate_stage_new(0, &decapsulate, fault);
	if (!error)
		error = weir_flow_stage_new(&options, &flow, fault);
	if (!error) {
		struct weir_pipeline pipeline = {.source = source, .stages = {decode, decapsulate, flow}, .sink = &nothing};
		error = run(publish, &pipeline, fault);
	}
	if (!error)
		error = weir_flow_stage_end(flow, fault);
	if (!error)
		error = sink.sink.ops->finish(&sink.sink, fault);
	weir_stage_close(flow);
	weir_stage_close(decapsulate);
	weir_stage_close(decode);
	if (opened)
		sink.sink.ops->close(&sink.sink);
	return error;
}

/* ---- campaigns and files ---- */

static void on_gap(void *context, const struct weir_loss *loss)
{
	struct publish *publish = context;
	struct publish_gap *gap = &publish->gaps[loss->cause];

	gap->times++;
	gap->ns += loss->to_ns - loss->from_ns;
	if (loss->packets == WEIR_UNKNOWN_COUNT)
		gap->more = true;
	else
		gap->packets += loss->packets;
}

static int open_source(struct publish *publish, struct weir_campaign *campaign, const char *path,
                       struct weir_source **source, struct weir_fault *fault)
{
	struct weir_query query = {.from_ns = WEIR_TIME_FIRST,
	                           .to_ns = WEIR_TIME_LAST,
	                           .threads = publish->threads,
	                           .pipelined = publish->threads > 1,
	                           .stop = publish->options->stop};

	const struct weir_capture_options opening = {.identities = publish->options->identities};

	return campaign ? weir_query_open(campaign, &query, source, fault) : weir_capture_open(path, &opening, source, fault);
}

/* Packets and flows of one source: it is read twice, because what is hidden for packets is not what flows are made of. */
static int publish_source(struct publish *publish, struct weir_campaign *campaign, const char *path, const char *name,
                          bool flows, struct weir_fault *fault)
{
	struct weir_source *source = NULL;
	int error = open_source(publish, campaign, path, &source, fault);

	if (!error)
		error = publish_packets(publish, source, name, fault);
	weir_source_close(source);
	source = NULL;
	if (!error && flows)
		error = open_source(publish, campaign, path, &source, fault);
	if (!error && flows)
		error = make_flows(publish, source, name, fault);
	weir_source_close(source);
	return error;
}

static int publish_campaign(struct publish *publish, struct weir_fault *fault)
{
	struct weir_campaign *campaign;
	int error = weir_campaign_open(publish->options->input, WEIR_CAMPAIGN_READ, &campaign, fault);

	if (error)
		return error;
	weir_campaign_unseal(campaign, publish->options->identities);
	error = gaps_between(campaign, WEIR_TIME_FIRST, WEIR_TIME_LAST, NULL, NULL, on_gap, publish, fault);
	if (!error)
		error = publish_source(publish, campaign, NULL, "packets", true, fault);
	weir_campaign_close(campaign);
	return error;
}

/* ---- runs ---- */

static int publish_flow_file(struct publish *publish, const char *path, const char *name, struct weir_fault *fault)
{
	struct weir_flow flows[256];
	struct weir_flow_source *source;
	struct watching_sink sink;
	int error = weir_flow_parquet_read(path, publish->options->identities, &source, fault);

	if (error)
		return error;
	error = open_flows(publish, name, &sink, fault);
	bool opened = !error;
	for (int count = 1; !error && count > 0;) {
		count = source->ops->fill(source, flows, 256, fault);
		error = count < 0 ? count : sink.sink.ops->write(&sink.sink, flows, (size_t)count, fault);
		if (!error && publish->options->stop && *publish->options->stop)
			error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	}
	if (!error)
		error = sink.sink.ops->finish(&sink.sink, fault);
	if (opened)
		sink.sink.ops->close(&sink.sink);
	source->ops->close(source);
	return error;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names of a part are NNNNNN and its ending, and that of a sealed file behind it. */
static bool is_part(const char *name, const char *ending)
{
	size_t stem = strcspn(name, "."), length = strlen(ending);

	return stem > 0 && strncmp(name + stem, ending, length) == 0 &&
	       (name[stem + length] == '\0' || strcmp(name + stem + length, SEALED_ENDING) == 0);
}

/* The files of a part of a run, published one by one: their names are numbers. */
static int publish_part(struct publish *publish, const char *part, const char *ending, struct weir_fault *fault)
{
	char path[PATH_MAX + 512], name[64];
	struct dirent **entries = NULL;
	int error = 0;

	snprintf(path, sizeof path, "%s/%s", publish->options->input, part);
	int count = scandir(path, &entries, NULL, NULL);
	if (count < 0)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "the folder can't be read");
	char **names = calloc((size_t)count + 1, sizeof *names);
	size_t number = 0;
	for (int i = 0; names && i < count; i++)
		if (is_part(entries[i]->d_name, ending))
			names[number++] = entries[i]->d_name;
	if (names)
		qsort(names, number, sizeof *names, by_name);
	else
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the files of a run");
	for (size_t i = 0; i < number && !error; i++) {
		snprintf(path, sizeof path, "%s/%s/%s", publish->options->input, part, names[i]);
		snprintf(name, sizeof name, "%06zu", i + 1);
		error = strcmp(part, "flows") == 0 ? publish_flow_file(publish, path, name, fault)
		                                   : publish_source(publish, NULL, path, name, false, fault);
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	free(names);
	return error;
}

int publish_data(struct publish *publish, struct weir_fault *fault)
{
	const char *input = publish->options->input;
	char manifest[PATH_MAX + 32];
	struct stat status;

	if (stat(input, &status) < 0)
		return weir_fail_errno(fault, errno, input, "can't be read");
	if (!S_ISDIR(status.st_mode))
		return publish_source(publish, NULL, input, "packets", true, fault);
	snprintf(manifest, sizeof manifest, "%s/manifest.json", input);
	if (access(manifest, F_OK) != 0)
		return publish_campaign(publish, fault);
	int error = publish_part(publish, "packets", ".pcapng.zst", fault);
	return error ? error : publish_part(publish, "flows", ".parquet", fault);
}
