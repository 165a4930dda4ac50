/* Runs: weir/run.h. A run is made part by part; each part is one pipeline, and ends with the state that the next begins with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/decode.h>

#include "campaign/run.h"
#include "campaign/run_again.h"
#include "campaign/run_folder.h"
#include "core/clock.h"
#include "os/files.h"

int run_read_plan(const char *folder, const char *name, const char *at, struct run_plan *plan, struct weir_fault *fault)
{
	char path[PATH_MAX], *json;
	size_t size;
	int error = path_in(folder, name, path, fault);

	if (!error)
		error = os_read_file(path, (size_t)1 << 30, &json, &size, fault);
	if (error)
		return error;
	error = run_plan_read(json, at, path, plan, fault);
	free(json);
	return error;
}

/* ---- the stages ---- */

static bool wants(const struct run *run, unsigned stage)
{
	return run->plan.stages & stage;
}

/* What the policies of the plan keep of packets that are written. */
static int make_keeps(struct run *run, struct weir_fault *fault)
{
	for (size_t i = 0; i < WEIR_RUN_POLICIES; i++) {
		const char *text = run->plan.policies[i];
		if (!text)
			continue;
		int error = weir_policy_parse(text, strlen(text), "the policy of the run", &run->policies[i], fault);
		if (error)
			return error;
		run->keeps[i] = weir_keep_stage_new(run->policies[i], fault);
		if (!run->keeps[i])
			return fault->code;
	}
	return 0;
}

static int make_stages(struct run *run, struct weir_fault *fault)
{
	uint64_t memory = run->plan.memory_bytes;
	int error = 0;

	/* Only these look at the facts: decoding is a fifth of a run that but verifies. */
	if (wants(run, WEIR_RUN_DEDUP | WEIR_RUN_FLOWS) && !(run->decode = weir_decode_stage_new()))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decode packets");
	if (run->plan.packets)
		error = make_keeps(run, fault);
	if (error)
		return error;
	if (wants(run, WEIR_RUN_DEDUP)) {
		struct weir_dedup_options dedup = run->plan.dedup;
		dedup.memory_bytes = memory / 8;
		error = weir_dedup_stages_new(&dedup, &run->digest, &run->dedup, fault);
	}
	if (!error && wants(run, WEIR_RUN_APPS) && wants(run, WEIR_RUN_FLOWS)) {
		struct weir_applications_options applications = {.memory_bytes = memory / 16, .input_bytes = run->plan.input_bytes};
		error = weir_applications_new(&applications, &run->applications, fault);
	}
	if (!error && wants(run, WEIR_RUN_FLOWS)) {
		error = weir_decapsulate_stage_new(memory / 32, &run->decapsulate, fault);
		/* Who keeps packets looks at their facts. */
		run->flow_items = error ? NULL : weir_flow_items_stage_new(run->decapsulate, run->plan.packets);
		run->flow_sink = run_flow_sink_new(run);
		if (!error && (!run->flow_sink || !run->flow_items))
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for flow records");
		struct weir_flow_options flows = {.idle_ns = run->plan.idle_ns, .active_ns = run->plan.active_ns, .memory_bytes = memory / 2,
		                                  .applications = run->applications, .sink = run->flow_sink, .items_taken = true};
		if (!error)
			error = weir_flow_stage_new(&flows, &run->flow, fault);
	}
	return error;
}

static void free_run(struct run *run)
{
	run_part_abandon(run);
	weir_stage_close(run->flow);
	weir_stage_close(run->flow_items);
	weir_stage_close(run->decapsulate);
	weir_stage_close(run->dedup);
	weir_stage_close(run->digest);
	weir_stage_close(run->decode);
	for (size_t i = 0; i < WEIR_RUN_POLICIES; i++) {
		weir_stage_close(run->keeps[i]);
		weir_policy_free(run->policies[i]);
	}
	if (run->flow_sink)
		run->flow_sink->ops->close(run->flow_sink);
	weir_applications_free(run->applications);
	weir_source_close(run->files);
	run_hashing_free(run->hashing);
	run_clocks_free(run);
	run_interfaces_free(run);
	run_plan_free(&run->plan);
	weir_campaign_close(run->campaign);
	free(run->outputs);
	weir_recipients_free(run->recipients);
	free(run->damages);
	free(run->tally);
}

/* ---- one part ---- */

static void on_progress(void *context, const struct weir_batch *batch)
{
	const struct run *run = context;
	const struct run_plan *plan = &run->plan;
	uint64_t done = batch->source_bytes;

	if (run->campaign && plan->input_count && batch->count) {
		/* Of a query the time tells how far it is. */
		int64_t from_ns = plan->inputs[0].first_ns > plan->from_ns ? plan->inputs[0].first_ns : plan->from_ns;
		double span = (double)plan->to_ns - (double)from_ns, part = (double)batch->packets[batch->count - 1].time_ns - (double)from_ns;
		done = span > 0 && part > 0 ? (uint64_t)((double)plan->input_bytes * (part < span ? part / span : 1)) : 0;
	}
	run->options->progress(run->options->context, done, plan->input_bytes);
}

static bool stopped(const struct run *run)
{
	/* Relaxed: nothing else is read because of it. */
	return run->options->stop && atomic_load_explicit((_Atomic int *)run->options->stop, memory_order_relaxed);
}

static int run_pipeline(struct run *run, struct weir_source *source, struct weir_sink *sink, struct weir_fault *fault)
{
	struct weir_pipeline pipeline = {.source = source, .sink = sink, .threads = run->threads, .stop = run->options->stop};
	struct weir_stage *stages[] = {run->decode, run->digest, run->dedup, run->flow_items, run->flow};
	size_t count = 0;

	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
		if (stages[i])
			pipeline.stages[count++] = stages[i];
	if (run->hashing) {
		pipeline.beside = run_hashing_step;
		pipeline.beside_context = run->hashing;
	}
	if (run->options->progress) {
		pipeline.progress = on_progress;
		pipeline.progress_context = run;
	}
	return weir_pipeline_run(&pipeline, fault);
}

/* Damage that nobody mends ends what can be read of a file; the run is whole with what is before it. */
static bool is_damage(int error)
{
	return error == WEIR_E_FORMAT || error == WEIR_E_TRUNCATED || error == WEIR_E_CORRUPT;
}

static void enter_end(struct run *run, const struct weir_fault *fault)
{
	uint64_t offset = fault->offset >= 0 ? (uint64_t)fault->offset : 0;
	struct weir_damage damage = {.file = fault->file, .from = offset, .to = offset, .packets_before = run->tally->packets, .packets = WEIR_UNKNOWN_COUNT,
	                             .cause = "unreadable from here on", .before_ns = run->tally->last_ns, .after_ns = WEIR_NO_TIME};

	run_damaged(run, &damage);
}

/* *last: it was the last part. */
static int do_part(struct run *run, bool *last, struct weir_fault *fault)
{
	struct weir_source *source = NULL;
	struct weir_sink *sink = run_sink_new(run);
	int error = sink ? run_part_open(run, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for the part");

	if (!error)
		error = run_source_open(run, &source, fault);
	if (!error)
		error = run_pipeline(run, source, sink, fault);
	if (is_damage(error) && source) {
		enter_end(run, fault);
		error = 0;
	}
	if (!error && stopped(run))
		error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted: the same command goes on where it was");
	if (!error && run->failed_to_enter)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of damages");
	*last = !error && run_source_is_last(run, source); /* without an error there is one */
	weir_source_close(source);
	weir_sink_close(sink);
	if (!error && *last && run->flow)
		error = weir_flow_stage_end(run->flow, fault);
	if (!error)
		error = run_part_finish(run, fault);
	run_part_abandon(run);
	return error;
}

static int do_parts(struct run *run, struct weir_fault *fault)
{
	bool last = false;
	int error = 0;

	while (!error && !last) {
		error = do_part(run, &last, fault);
		if (error)
			break;
		run->part++;
		run->done_packets = run->tally->packets;
		if (run->applications)
			weir_applications_part(run->applications);
		if (!last)
			error = run_state_save(run, fault);
	}
	return error;
}

/* ---- the whole ---- */

static int finish(struct run *run, struct weir_fault *fault)
{
	char path[PATH_MAX];
	int error = run_report_write(run, fault);

	if (!error)
		error = run_manifest_write(run, fault);
	static const char *const done[] = {"run.state", "run.json"};
	for (size_t i = 0; !error && i < 2; i++) {
		error = path_in(run->folder, done[i], path, fault);
		if (!error && unlink(path) != 0 && errno != ENOENT)
			error = weir_fail_errno(fault, errno, path, "can't be deleted");
	}
	return error;
}

static void summarize(const struct run *run, struct weir_run_summary *summary)
{
	const struct run_tally *tally = run->tally;
	size_t pairs = 0;
	const struct weir_dedup_pair *pair = run->dedup ? weir_dedup_pairs(run->dedup, &pairs) : NULL;

	snprintf(summary->folder, sizeof summary->folder, "%s", run->folder);
	summary->parts = run->part;
	summary->packets = tally->packets;
	summary->captured_bytes = tally->captured_bytes;
	summary->wire_bytes = tally->wire_bytes;
	summary->input_bytes = run->plan.input_bytes;
	summary->kept = tally->kept;
	summary->flows = tally->flows;
	summary->damages = run->all_damages;
	summary->damaged_bytes = run->damaged_bytes;
	summary->first_ns = tally->first_ns;
	summary->last_ns = tally->last_ns;
	summary->hashing_ns = run->hashing_ns;
	for (size_t i = 0; i < pairs; i++) {
		summary->exact_duplicates += pair[i].exact;
		summary->routed_duplicates += pair[i].routed;
	}
}

static int begin_clocks(struct run *run, struct weir_fault *fault)
{
	int error = run_clocks_list(run, fault);

	return error || !wants(run, WEIR_RUN_CLOCK) ? error : run_clocks_estimate(run, fault);
}

static int do_run(struct run *run, bool resumed, struct weir_fault *fault)
{
	char path[PATH_MAX];
	int fd = -1;

	run->tally = run_tally_new();
	int error = run->tally ? make_stages(run, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for the run");
	if (!error)
		error = run_folder_make(run, resumed, fault);
	if (!error)
		error = path_in(run->folder, ".lock", path, fault);
	if (!error)
		error = os_lock(path, &fd, fault);
	if (!error)
		error = run_folder_enter_plan(run, fault);
	if (!error)
		run->hashing = run_hashing_begin(run);
	bool begun = resumed && has(run->folder, "run.state");
	if (!error && resumed)
		error = run_state_load(run, fault);
	if (!error && !begun)
		error = begin_clocks(run, fault);
	if (!error && run->done_packets && !run->campaign)
		error = run_files_skip(run, fault);
	if (!error)
		error = do_parts(run, fault);
	int hashed = run_hashing_end(run, error != 0, error ? NULL : fault);
	if (!error)
		error = hashed;
	if (!error)
		error = finish(run, fault);
	if (fd >= 0) {
		unlink(path);
		close(fd);
	}
	return error;
}

static int threads_of(const struct weir_run_options *options)
{
	return options->threads ? options->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Those that were named, and those of the campaign. */
static int gather_recipients(struct run *run, const char *campaign, struct weir_fault *fault)
{
	const struct weir_recipients *named = run->options->recipients;
	int error = campaign ? weir_campaign_recipients(campaign, &run->recipients, fault) : weir_recipients_new(&run->recipients, fault);

	for (size_t i = 0; !error && i < weir_recipients_count(named); i++)
		error = weir_recipients_add(run->recipients, weir_recipients_text(named, i), fault);
	if (!error && !weir_recipients_count(run->recipients)) {
		weir_recipients_free(run->recipients);
		run->recipients = NULL;
	}
	return error;
}

static int prepare(struct run *run, bool *resumed, struct weir_fault *fault)
{
	const struct weir_run_options *options = run->options;
	struct weir_run_options asked = *options;
	int error = run_folder_name(options, run, fault);

	if (!error && options->campaign)
		error = weir_campaign_open(options->campaign, WEIR_CAMPAIGN_READ, &run->campaign, fault);
	if (run->campaign)
		weir_campaign_unseal(run->campaign, options->identities);
	if (!error && options->since_last && options->campaign) {
		int64_t end_ns = run_folder_end_of_last(options->campaign);
		if (end_ns != WEIR_TIME_FIRST && end_ns < INT64_MAX && end_ns + 1 > asked.from_ns)
			asked.from_ns = end_ns + 1;
	}
	if (!error)
		error = run_plan_make(&asked, run->campaign, &run->plan, fault);
	if (!error && !run->campaign)
		error = run_files_check(run, fault);
	if (!error)
		error = gather_recipients(run, options->campaign, fault);
	run->plan.sealed = run->recipients != NULL;
	return error ? error : run_folder_interrupted(run, resumed, fault);
}

int run_again(const struct weir_run_options *options, const struct run_plan *plan, struct weir_fault *fault)
{
	struct run run = {.options = options, .plan = *plan, .started_ns = clock_wall_ns()};
	int error = run_folder_name(options, &run, fault);

	run.threads = threads_of(options);
	if (!error && plan->campaign)
		error = weir_campaign_open(plan->campaign, WEIR_CAMPAIGN_READ, &run.campaign, fault);
	if (run.campaign)
		weir_campaign_unseal(run.campaign, options->identities);
	if (!error && plan->sealed)
		error = gather_recipients(&run, NULL, fault);
	if (!error)
		error = do_run(&run, false, fault);
	free_run(&run);
	return error;
}

int weir_run_process(const struct weir_run_options *options, struct weir_run_summary *summary, struct weir_fault *fault)
{
	int64_t begun_ns = clock_monotonic_ns();
	struct run run = {.options = options, .started_ns = clock_wall_ns()};
	bool resumed = false;

	*summary = (struct weir_run_summary){0};
	run.threads = threads_of(options);
	int error = prepare(&run, &resumed, fault);
	if (!error && run.plan.input_count == 0)
		summary->nothing = true;
	else if (!error)
		error = do_run(&run, resumed, fault);
	if (run.tally)
		summarize(&run, summary);
	summary->resumed = resumed;
	summary->elapsed_ns = clock_monotonic_ns() - begun_ns;
	free_run(&run);
	return error;
}
