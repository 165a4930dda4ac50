/* Flow records of packets, for `weir flows`: captures (several are merged) and campaigns through the flow stage. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/application.h>
#include <weir/archive.h>
#include <weir/decode.h>
#include <weir/filter.h>
#include <weir/flow.h>
#include <weir/stage.h>

#include "archive/query.h"
#include "cli/flows.h"
#include "cli/seal_options.h"
#include "core/terminal.h"

#define LINKTYPE_ETHERNET 1

struct window {
	struct weir_stage stage;
	int64_t from_ns, to_ns;
};

static int window_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	const struct window *window = (struct window *)stage;

	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->packets[i].time_ns < window->from_ns || batch->packets[i].time_ns > window->to_ns)
			batch->packets[i].verdict = WEIR_DROP;
	return 0;
}

static void window_close(struct weir_stage *stage) { free(stage); }

static const struct weir_stage_ops window_ops = {.name = "window", .process = window_process, .close = window_close, .parallel = true};

/* The flow stage has seen the packets: nobody else needs them. */
static int nothing_consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault) { return 0; }
static int nothing_finish(struct weir_sink *sink, struct weir_fault *fault) { return 0; }
static void nothing_close(struct weir_sink *sink) {}

static const struct weir_sink_ops nothing_ops = {.name = "nothing", .consume = nothing_consume, .finish = nothing_finish, .close = nothing_close};

struct run {
	struct weir_pipeline pipeline;
	size_t stage_count;
	struct weir_sink nothing;
	struct weir_stage *decapsulate, *flow_stage;
	struct weir_applications *applications;
	struct weir_campaign *campaign;
	struct progress progress;
	uint64_t total; /* bytes of the input; 0: not known */
};

static int add_stage(struct run *run, struct weir_stage *stage, struct weir_fault *fault)
{
	if (!stage)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the stages of flows");
	run->pipeline.stages[run->stage_count++] = stage;
	return 0;
}

static int add_window(struct run *run, const struct flows_request *request, struct weir_fault *fault)
{
	struct window *window;

	if (request->from_ns == WEIR_TIME_FIRST && request->to_ns == WEIR_TIME_LAST)
		return 0;
	window = malloc(sizeof *window);
	if (window)
		*window = (struct window){{&window_ops}, request->from_ns, request->to_ns};
	return add_stage(run, window ? &window->stage : NULL, fault);
}

static int add_filter(struct run *run, const struct flows_request *request, uint16_t linktype, struct weir_fault *fault)
{
	struct weir_filter *filter;
	int error;

	if (!request->filter[0])
		return 0;
	error = weir_filter_new(request->filter, linktype, &filter, fault);
	return error ? error : add_stage(run, weir_filter_stage_new(filter), fault);
}

/* ---- sources ---- */

/* Regular files are opened again by the merge when it needs them; what else there is, now. */
static int add_input(struct weir_merge_input *input, const char *path, struct run *run, struct weir_fault *fault)
{
	struct stat status;

	input->name = path;
	if (strcmp(path, "-") == 0 || stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return weir_capture_open(path, seal_capture_options(), &input->source, fault);
	input->path = path;
	run->total += (uint64_t)status.st_size;
	return 0;
}

static int open_captures(struct run *run, const struct flows_file *files, size_t count, const struct flows_request *request,
                         struct weir_fault *fault)
{
	uint16_t linktype = LINKTYPE_ETHERNET;
	int error = 0;

	if (count == 1) {
		error = weir_capture_open(files[0].path, seal_capture_options(), &run->pipeline.source, fault);
		if (error)
			return error;
		linktype = (uint16_t)weir_capture_header(run->pipeline.source)->linktype;
		run->total = weir_capture_size(run->pipeline.source);
	} else {
		const struct weir_merge_options merging = {.identities = seal_identities()};
		struct weir_merge_input *inputs = calloc(count, sizeof *inputs);
		error = inputs ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to read captures");
		for (size_t i = 0; i < count && !error; i++)
			error = add_input(&inputs[i], files[i].path, run, fault);
		if (!error)
			error = weir_merge_open(inputs, count, &merging, &run->pipeline.source, fault);
		else
			for (size_t i = 0; inputs && i < count; i++)
				weir_source_close(inputs[i].source);
		free(inputs);
	}
	if (!error)
		error = add_window(run, request, fault);
	return error ? error : add_filter(run, request, linktype, fault);
}

static int open_campaign(struct run *run, const char *path, const struct flows_request *request, struct weir_fault *fault)
{
	struct weir_query query = {.filter = request->filter, .from_ns = request->from_ns, .to_ns = request->to_ns, .threads = request->threads,
	                           .pipelined = request->threads > 1, .stop = request->stop};
	int error = weir_campaign_open(path, WEIR_CAMPAIGN_READ, &run->campaign, fault);

	if (!error)
		weir_campaign_unseal(run->campaign, seal_identities());
	return error ? error : weir_query_open(run->campaign, &query, &run->pipeline.source, fault);
}

/* ---- the run ---- */

static int add_decapsulation(struct run *run, struct weir_fault *fault)
{
	int error = weir_decapsulate_stage_new(0, &run->decapsulate, fault);

	return error ? error : add_stage(run, weir_flow_items_stage_new(run->decapsulate, false), fault);
}

static int add_flow_stages(struct run *run, const struct flows_request *request, struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct weir_flow_options options = {
		.idle_ns = request->idle_ns, .active_ns = request->active_ns, .memory_bytes = request->memory_bytes, .sink = sink, .items_taken = true,
	};
	int error = add_stage(run, weir_decode_stage_new(), fault);

	if (!error)
		error = add_decapsulation(run, fault);
	if (!error && !request->no_applications)
		error = weir_applications_new(&(struct weir_applications_options){.input_bytes = run->total}, &run->applications, fault);
	options.applications = run->applications;
	if (!error)
		error = weir_flow_stage_new(&options, &run->flow_stage, fault);
	return error ? error : add_stage(run, run->flow_stage, fault);
}

static void on_progress(void *context, const struct weir_batch *batch) { progress_update(context, batch->source_bytes); }

/* Flows that are open when the packets end are ended, also after damage: what came before it is sound. */
static int run_pipeline(struct run *run, const struct flows_request *request, struct weir_fault *fault)
{
	struct weir_fault end_fault;

	run->nothing.ops = &nothing_ops;
	run->pipeline.sink = &run->nothing;
	run->pipeline.stop = request->stop;
	run->pipeline.threads = request->threads;
	run->pipeline.progress = on_progress;
	run->pipeline.progress_context = &run->progress;
	progress_start(&run->progress, "flows", run->total);
	int error = weir_pipeline_run(&run->pipeline, fault);
	progress_end(&run->progress);
	int ended = weir_flow_stage_end(run->flow_stage, &end_fault);
	if (ended && !error)
		*fault = end_fault;
	return error ? error : ended;
}

static void tell(const struct command *command, const struct run *run)
{
	struct weir_flow_statistics statistics;
	char cut[FORMAT_SIZE];

	weir_flow_stage_statistics(run->flow_stage, &statistics);
	if (statistics.cut)
		warn(command, "%s flows were cut for want of --memory: their packets are in several records", format_count(statistics.cut, cut));
	if (run->campaign && query_not_compiled(run->pipeline.source))
		warn(command, "the filter means nothing for the link type of %llu packets: they are left out",
		     (unsigned long long)query_not_compiled(run->pipeline.source));
}

int flows_make(const struct command *command, const struct flows_file *files, size_t count, const struct flows_request *request,
               struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct run run = {.stage_count = 0};
	int error = files[0].kind == FLOWS_CAMPAIGN ? open_campaign(&run, files[0].path, request, fault)
	                                            : open_captures(&run, files, count, request, fault);

	if (!error)
		error = add_flow_stages(&run, request, sink, fault);
	if (!error) {
		*request->began = true;
		error = run_pipeline(&run, request, fault);
		tell(command, &run);
	}
	for (size_t i = 0; i < run.stage_count; i++)
		weir_stage_close(run.pipeline.stages[i]);
	weir_stage_close(run.decapsulate);
	weir_source_close(run.pipeline.source);
	weir_campaign_close(run.campaign);
	weir_applications_free(run.applications);
	return error;
}
