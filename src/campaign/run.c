/* Runs: weir/run.h. A run is made part by part; each part is one pipeline, and ends with the state that the next begins with. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/decode.h>

#include "campaign/run.h"
#include "campaign/run_again.h"
#include "core/clock.h"
#include "os/files.h"

static int path_in(const char *folder, const char *name, char out[static PATH_MAX], struct weir_fault *fault)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	return 0;
}

static bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return path_in(folder, name, path, NULL) == 0 && access(path, F_OK) == 0;
}

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
		struct weir_applications_options applications = {.memory_bytes = memory / 16};
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
	if (is_damage(error)) {
		enter_end(run, fault);
		error = 0;
	}
	if (!error && stopped(run))
		error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted: the same command goes on where it was");
	if (!error && run->failed_to_enter)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of damages");
	*last = !error && run_source_is_last(run, source);
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

/* ---- the folder ---- */

#define FILES_PREFIX "weir-run-"

static int name_folder(const struct weir_run_options *options, struct run *run, struct weir_fault *fault)
{
	time_t seconds = (time_t)(run->started_ns / NS_PER_SECOND);
	struct tm utc;
	char name[64];

	gmtime_r(&seconds, &utc);
	strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", &utc);
	int length = options->out         ? snprintf(run->folder, sizeof run->folder, "%s", options->out)
	             : options->campaign ? snprintf(run->folder, sizeof run->folder, "%s/runs/%s", options->campaign, name)
	                                  : snprintf(run->folder, sizeof run->folder, FILES_PREFIX "%s", name);
	return length < (int)sizeof run->folder ? 0 : weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
}

static int make_folder(struct run *run, struct weir_fault *fault)
{
	static const char *const folders[] = {"flows", "packets"};
	char path[PATH_MAX];
	struct text text = {0};
	struct json json = json_into(&text);
	int error = os_make_folders(run->folder, fault);

	for (size_t i = 0; !error && i < 2; i++) {
		if (i == 0 ? !wants(run, WEIR_RUN_FLOWS) : !run->plan.packets)
			continue;
		error = path_in(run->folder, folders[i], path, fault);
		if (!error)
			error = os_make_folders(path, fault);
	}
	if (!error)
		error = path_in(run->folder, "run.json", path, fault);
	run_plan_write(&run->plan, true, &json);
	text_add_char(&text, '\n');
	if (!error && text.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the plan of the run");
	if (!error)
		error = os_write_file(path, text.data, text.length, fault);
	text_free(&text);
	return error;
}

/* Parameters that are asked for, without what depends on the moment of asking. */
static bool same_parameters(const struct run_plan *a, const struct run_plan *b, bool from_too)
{
	struct run_plan plans[2] = {*a, *b};
	struct text texts[2] = {{0}};

	for (int i = 0; i < 2; i++) {
		plans[i].to_ns = 0;
		plans[i].part_count = 0;
		plans[i].campaign = NULL; /* however its path was written */
		plans[i].dedup.seed = 0;
		if (!from_too)
			plans[i].from_ns = 0;
		struct json json = json_into(&texts[i]);
		run_plan_write(&plans[i], false, &json);
	}
	bool same = strcmp(text_string(&texts[0]), text_string(&texts[1])) == 0;
	text_free(&texts[0]);
	text_free(&texts[1]);
	return same;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The names of the runs of a campaign (NULL: of files, in the folder where one stands), the latest last: they are named by time. *count of them; each and
 * the list are free()d.
 */
static char **list_runs(const char *campaign, size_t *count)
{
	char path[PATH_MAX] = ".", **names = NULL;
	const char *prefix = campaign ? "" : FILES_PREFIX;
	DIR *directory = !campaign || path_in(campaign, "runs", path, NULL) == 0 ? opendir(path) : NULL;

	*count = 0;
	if (!directory)
		return NULL;
	for (struct dirent *entry; (entry = readdir(directory));) {
		bool is_run = entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
		char **more = is_run ? realloc(names, (*count + 1) * sizeof *more) : NULL;
		if (!more)
			continue;
		names = more;
		if (asprintf(&names[*count], "%s/%s", path, entry->d_name) >= 0)
			++*count;
	}
	closedir(directory);
	if (*count)
		qsort(names, *count, sizeof *names, by_name);
	return names;
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static bool same_files(const struct run_plan *a, const struct run_plan *b)
{
	bool same = a->input_count == b->input_count;

	for (size_t i = 0; same && i < a->input_count; i++)
		same = a->inputs[i].bytes == b->inputs[i].bytes && strcmp(a->inputs[i].path, b->inputs[i].path) == 0;
	return same;
}

/* The latest run of the campaign, or of these files, that was interrupted and has these parameters: then *found is its plan. */
static bool find_interrupted(struct run *run, struct run_plan *found)
{
	size_t count;
	char **names = list_runs(run->options->campaign, &count);
	bool is = false;

	for (size_t i = count; !is && i-- > 0;) {
		if (!has(names[i], "run.json") || has(names[i], "manifest.json") || run_read_plan(names[i], "run.json", "$", found, NULL) < 0)
			continue;
		is = same_parameters(found, &run->plan, !run->options->since_last) && (run->campaign ? found->campaign != NULL : same_files(found, &run->plan));
		if (is)
			snprintf(run->folder, sizeof run->folder, "%s", names[i]);
		else
			run_plan_free(found);
	}
	free_names(names, count);
	return is;
}

/* Where the latest whole run of a campaign ended; WEIR_TIME_FIRST when there is none. */
static int64_t end_of_last(const char *campaign)
{
	size_t count;
	char **names = list_runs(campaign, &count);
	int64_t end_ns = WEIR_TIME_FIRST;

	for (size_t i = 0; i < count; i++) {
		struct run_plan plan;
		if (!has(names[i], "manifest.json") || run_read_plan(names[i], "manifest.json", "$.plan", &plan, NULL) < 0)
			continue;
		if (plan.campaign && plan.to_ns > end_ns)
			end_ns = plan.to_ns;
		run_plan_free(&plan);
	}
	free_names(names, count);
	return end_ns;
}

/* Whether there is an interrupted run to go on with; then its plan replaces the one that was made. */
static int look_for_interrupted(struct run *run, bool *resumed, struct weir_fault *fault)
{
	struct run_plan found;
	int error;

	*resumed = false;
	if (!run->options->out) {
		if (!find_interrupted(run, &found))
			return 0;
	} else {
		if (has(run->folder, "manifest.json"))
			return weir_fail_at(fault, WEIR_E_USAGE, run->folder, WEIR_NOWHERE, WEIR_NOWHERE, "holds a whole run already: give another folder with -o");
		if (!has(run->folder, "run.json"))
			return 0;
		error = run_read_plan(run->folder, "run.json", "$", &found, fault);
		if (error)
			return error;
		if (!same_parameters(&found, &run->plan, false) || (!run->campaign && !same_files(&found, &run->plan))) {
			run_plan_free(&found);
			return weir_fail_at(fault, WEIR_E_USAGE, run->folder, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "holds an interrupted run with other parameters: give them, or another folder with -o");
		}
	}
	run_plan_free(&run->plan);
	run->plan = found;
	*resumed = true;
	return 0;
}

/* ---- the whole ---- */

/*
 * SHA-256 of the inputs takes about as long as all the rest on one core, and needs nothing of it: with more threads than one it goes on beside the parts.
 */
struct hashing {
	struct run *run;
	pthread_t thread;
	bool started;
	_Atomic int stop;
	int error;
	struct weir_fault fault;
};

static int hash_inputs(struct run *run, const _Atomic int *stop, struct weir_fault *fault)
{
	struct run_hashes *known = NULL;
	char path[PATH_MAX];
	int error = 0;

	/* Where sums can't be kept (a campaign that can only be read) they are computed. */
	if (run->campaign && path_in(run->plan.campaign, "runs", path, NULL) == 0 && os_make_folders(path, NULL) == 0 &&
	    path_in(run->plan.campaign, "runs/hashes.db", path, NULL) == 0)
		run_hashes_open(path, &known, NULL);
	for (size_t i = 0; !error && i < run->plan.input_count; i++) {
		struct run_input *input = &run->plan.inputs[i];
		error = run->campaign ? path_in(run->plan.campaign, input->path, path, fault) : 0;
		if (!error)
			error = run_hash(known, run->campaign ? path : input->path, stop, input->sha256, fault);
	}
	run_hashes_close(known);
	return error;
}

static void *hash_beside(void *argument)
{
	struct hashing *hashing = argument;

	hashing->error = hash_inputs(hashing->run, &hashing->stop, &hashing->fault);
	return NULL;
}

static void hashing_begin(struct hashing *hashing)
{
	hashing->started = hashing->run->threads > 1 && pthread_create(&hashing->thread, NULL, hash_beside, hashing) == 0;
}

/* Waits for it, or, when the run has failed, ends it. Without a thread it is done here. */
static int hashing_end(struct hashing *hashing, bool failed, struct weir_fault *fault)
{
	int64_t begun_ns = clock_monotonic_ns();
	int error = 0;

	if (hashing->started) {
		if (failed)
			atomic_store_explicit(&hashing->stop, 1, memory_order_relaxed); /* nothing else is read because of it */
		pthread_join(hashing->thread, NULL);
		error = failed ? 0 : hashing->error;
		if (error)
			*fault = hashing->fault;
	} else if (!failed) {
		error = hash_inputs(hashing->run, hashing->run->options->stop, fault);
	}
	hashing->run->hashing_ns += clock_monotonic_ns() - begun_ns;
	return error;
}

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
	struct hashing hashing = {.run = run};
	char path[PATH_MAX];
	int fd = -1;

	run->tally = run_tally_new();
	int error = run->tally ? make_stages(run, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for the run");
	if (!error)
		error = make_folder(run, fault);
	if (!error)
		error = path_in(run->folder, ".lock", path, fault);
	if (!error)
		error = os_lock(path, &fd, fault);
	if (!error)
		hashing_begin(&hashing);
	bool begun = resumed && has(run->folder, "run.state");
	if (!error && resumed)
		error = run_state_load(run, fault);
	if (!error && !begun)
		error = begin_clocks(run, fault);
	if (!error && run->done_packets && !run->campaign)
		error = run_files_skip(run, fault);
	if (!error)
		error = do_parts(run, fault);
	int hashed = hashing_end(&hashing, error != 0, error ? NULL : fault);
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
	int error = name_folder(options, run, fault);

	if (!error && options->campaign)
		error = weir_campaign_open(options->campaign, WEIR_CAMPAIGN_READ, &run->campaign, fault);
	if (run->campaign)
		weir_campaign_unseal(run->campaign, options->identities);
	if (!error && options->since_last && options->campaign) {
		int64_t end_ns = end_of_last(options->campaign);
		if (end_ns != WEIR_TIME_FIRST && end_ns < INT64_MAX && end_ns + 1 > asked.from_ns)
			asked.from_ns = end_ns + 1;
	}
	if (!error)
		error = run_plan_make(&asked, run->campaign, &run->plan, fault);
	if (!error)
		error = gather_recipients(run, options->campaign, fault);
	run->plan.sealed = run->recipients != NULL;
	return error ? error : look_for_interrupted(run, resumed, fault);
}

int run_again(const struct weir_run_options *options, const struct run_plan *plan, struct weir_fault *fault)
{
	struct run run = {.options = options, .plan = *plan, .started_ns = clock_wall_ns()};
	int error = name_folder(options, &run, fault);

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
