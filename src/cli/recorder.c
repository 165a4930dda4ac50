/* Interfaces into a campaign: cli/recorder.h. */
#include "cli/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/decode.h>

#include "archive/chain.h"
#include "cli/archive_options.h"
#include "core/clock.h"
#include "core/signing.h"
#include "core/text.h"
#include "os/clock_state.h"
#include "os/privileges.h"
#include "os/sandbox.h"

#define LOOK_MS 50
#define RETENTION_NS (10 * NS_PER_SECOND)
#define CLOCK_STATE_NS (60 * NS_PER_SECOND)

/* With --count: what comes after the last packet that is wanted is dropped. */
struct limit {
	struct weir_stage stage;
	_Atomic uint64_t *wanted;
};

static int limit_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	_Atomic uint64_t *wanted = ((struct limit *)stage)->wanted;
	uint64_t left = atomic_load(wanted), take;
	do {
		take = left < batch->count ? left : batch->count;
	} while (!atomic_compare_exchange_weak(wanted, &left, left - take));
	for (uint32_t i = (uint32_t)take; i < batch->count; i++)
		batch->packets[i].verdict = WEIR_DROP;
	return 0;
}

static void limit_close(struct weir_stage *stage) { free(stage); }

static const struct weir_stage_ops limit_ops = {.name = "limit", .process = limit_process, .close = limit_close};

static struct weir_stage *limit_new(_Atomic uint64_t *wanted)
{
	struct limit *limit = malloc(sizeof *limit);
	if (!limit)
		return NULL;
	*limit = (struct limit){{&limit_ops}, wanted};
	return &limit->stage;
}

/* After each batch, on the lane's thread. The last one is empty and comes before the sink's end: it has the final counters in it. */
static void lane_progress(void *context, const struct weir_batch *batch)
{
	struct lane *lane = context;
	struct weir_live_statistics live;
	if (batch->count)
		return;
	weir_live_statistics(lane->source, &live);
	weir_archive_sink_counters(lane->sink, live.received, lane->first ? live.nic_dropped : 0, live.ring_dropped);
}

static void *lane_run(void *argument)
{
	struct lane *lane = argument;
	struct weir_pipeline pipeline = {
		.source = lane->source,
		.sink = lane->sink,
		.threads = 1,
		.progress = lane_progress,
		.progress_context = lane,
	};
	for (size_t i = 0; i < lane->stage_count; i++)
		pipeline.stages[i] = lane->stages[i];
	lane->status = weir_pipeline_run(&pipeline, &lane->fault);
	/* Release: whoever sees it also sees the status. */
	atomic_store_explicit(&lane->ended, true, memory_order_release);
	return NULL;
}

static int open_lane(struct recorder *recorder, struct lane *lane, const char *interface, unsigned ring, int group,
                     struct weir_fault *fault)
{
	const struct recorder_options *options = recorder->options;
	*lane = (struct lane){.first = ring == 0, .recorder = recorder};
	snprintf(lane->interface, sizeof lane->interface, "%s", interface);
	if (ring)
		snprintf(lane->vantage, sizeof lane->vantage, "%s.r%u", lane->interface, ring);
	else
		snprintf(lane->vantage, sizeof lane->vantage, "%s", lane->interface);
	struct weir_live_options live = {
		.interface = interface,
		.filter = options->filter,
		.backend = options->backend,
		.snaplen = (uint32_t)options->snaplen,
		.ring_bytes = options->ring_bytes,
		.no_promiscuous = !options->promiscuous,
		.fanout_group = options->fanout > 1 ? group : 0,
		.fanout_rings = (int)options->fanout,
		.quiet_ms = LOOK_MS,
	};
	return weir_live_open(&live, &lane->source, fault);
}

static void close_lane(struct lane *lane)
{
	weir_sink_close(lane->sink);
	for (size_t i = 0; i < lane->stage_count; i++)
		weir_stage_close(lane->stages[i]);
	weir_source_close(lane->source);
}

/* Opens the rings of all interfaces. 0 or the exit status. */
static int open_sources(struct recorder *recorder, const char *const *interfaces, size_t count, bool skip_failing)
{
	struct weir_fault fault;
	recorder->lanes = calloc(count * recorder->options->fanout, sizeof *recorder->lanes);
	if (!recorder->lanes) {
		weir_fail(&fault, WEIR_E_MEMORY, "no memory for %zu interfaces", count);
		return report(recorder->command, &fault);
	}
	for (size_t i = 0; i < count; i++) {
		/* A group is known by its number in the whole network namespace; 0 is ours for none. */
		int group = (int)((((unsigned)getpid() + (unsigned)i) & 0x7fff) + 1);
		for (unsigned ring = 0; ring < recorder->options->fanout; ring++) {
			struct lane *lane = &recorder->lanes[recorder->lane_count];
			int status = open_lane(recorder, lane, interfaces[i], ring, group, &fault);
			if (status == 0) {
				recorder->lane_count++;
				continue;
			}
			if (!skip_failing || status == WEIR_E_PERMISSION)
				return report(recorder->command, &fault);
			warn(recorder->command, "%s is left out: %s", interfaces[i], fault.message);
			break;
		}
	}
	if (recorder->lane_count)
		return 0;
	warn(recorder->command, "there is no interface to record on");
	return EXIT_COULD_NOT;
}

static int add_stage(struct lane *lane, struct weir_stage *stage, struct weir_fault *fault)
{
	if (!stage)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
	lane->stages[lane->stage_count++] = stage;
	return 0;
}

static int add_process_stage(struct recorder *recorder, struct lane *lane, struct weir_fault *fault)
{
	struct weir_stage *stage;
	int error = process_stage_new(&recorder->lookup, &stage, fault);

	return error ? error : add_stage(lane, stage, fault);
}

/* Whose sockets they are: asked for while we may still ask. 0 or the exit status. */
static int open_owners(struct recorder *recorder)
{
	const struct recorder_options *options = recorder->options;
	const struct owners_options owners = {0};
	struct weir_fault fault;

	if (!options->process && !options->process_if_possible)
		return 0;
	if (owners_open(&owners, &recorder->owners, &fault)) {
		recorder->owners = NULL;
		return options->process ? report(recorder->command, &fault) : 0;
	}
	recorder->lookup = process_lookup_of(recorder->owners);
	if (options->process && owners_lack(recorder->owners)[0])
		warn(recorder->command, "%s", owners_lack(recorder->owners));
	return 0;
}

static int open_sinks(struct recorder *recorder, struct weir_fault *fault)
{
	for (size_t i = 0; i < recorder->lane_count; i++) {
		struct lane *lane = &recorder->lanes[i];
		struct weir_archive_options archive = recorder->archive;
		char comment[POLICIES_COMMENT];
		policies_comment(&recorder->policies, comment);
		archive.comment = comment;
		archive.node = recorder->node;
		archive.interface = lane->vantage;
		int status = 0;
		if (recorder->options->count)
			status = add_stage(lane, limit_new(&recorder->wanted), fault);
		if (!status)
			status = add_stage(lane, weir_decode_stage_new(), fault);
		if (!status && recorder->owners)
			status = add_process_stage(recorder, lane, fault);
		if (!status)
			status = weir_archive_sink_open(recorder->campaign, &archive, &lane->sink, fault);
		if (!status)
			status = recorder_add_policies(recorder, lane, fault);
		if (status)
			return status;
	}
	return 0;
}

static int start_lanes(struct recorder *recorder, struct weir_fault *fault)
{
	for (size_t i = 0; i < recorder->lane_count; i++)
		weir_live_start(recorder->lanes[i].source);
	for (size_t i = 0; i < recorder->lane_count; i++) {
		struct lane *lane = &recorder->lanes[i];
		int error = pthread_create(&lane->thread, NULL, lane_run, lane);
		if (error)
			return weir_fail_errno(fault, error, NULL, "cannot start a thread");
		lane->started = true;
	}
	return 0;
}

/* Now and then; at_end: now, so that a recording does not leave more than it may keep. */
static void apply_retention(struct recorder *recorder, bool at_end)
{
	const struct weir_retention *retention = &recorder->retention;
	int64_t now = clock_monotonic_ns();
	if ((!retention->max_size && !retention->max_age_ns && !retention->min_free) ||
	    (!at_end && now - recorder->last_retention_ns < RETENTION_NS))
		return;
	recorder->last_retention_ns = now;
	struct weir_fault fault;
	char text[1200];
	uint64_t deleted = 0;
	int status = weir_retention_apply(recorder->campaign, retention, &deleted, &fault);
	recorder->deleted += deleted;
	if (status && !recorder->retention_failed)
		warn(recorder->command, "old segments could not be deleted: %s", weir_fault_text(&fault, text, sizeof text));
	recorder->retention_failed = status != 0;
}

/* Once a minute: what the system says of its clock, for those who compare the clocks of several nodes. */
static void note_clock(struct recorder *recorder)
{
	int64_t now = clock_monotonic_ns();
	struct os_clock_state said;
	struct weir_fault fault;
	char text[1200];
	if (recorder->state_unknown || (recorder->last_state_ns && now - recorder->last_state_ns < CLOCK_STATE_NS))
		return;
	recorder->last_state_ns = now;
	/* A system that does not tell is no trouble; a file that can't be written is told once. */
	if (os_clock_state(&said, &fault)) {
		recorder->state_unknown = true;
		return;
	}
	struct weir_clock_state state = {
		.time_ns = clock_wall_ns(),
		.offset_ns = said.offset_ns,
		.maximum_error_ns = said.maximum_error_ns,
		.estimated_error_ns = said.estimated_error_ns,
		.frequency_ppm = said.frequency_ppm,
		.synchronised = said.synchronised,
		.status = said.status,
	};
	int error = weir_clock_state_enter(recorder->campaign, recorder->node, &state, &fault);
	if (error && !recorder->state_failed)
		warn(recorder->command, "the state of the clock could not be kept: %s", weir_fault_text(&fault, text, sizeof text));
	recorder->state_failed = error != 0;
}

static void stop_lanes(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->lane_count; i++)
		weir_live_stop(recorder->lanes[i].source);
}

/* How many lanes still run; tells of those that ended by a fault. */
static size_t lanes_alive(struct recorder *recorder)
{
	size_t alive = 0;
	for (size_t i = 0; i < recorder->lane_count; i++) {
		struct lane *lane = &recorder->lanes[i];
		char text[1200];
		/* Acquire: pairs with the release in lane_run. */
		if (lane->started && !atomic_load_explicit(&lane->ended, memory_order_acquire)) {
			alive++;
		} else if (lane->started && lane->status && !lane->told) {
			lane->told = true;
			record_status_clear(recorder);
			warn(recorder->command, "recording of %s ended: %s", lane->vantage,
			     weir_fault_text(&lane->fault, text, sizeof text));
		}
	}
	return alive;
}

static bool is_enough(const struct recorder *recorder)
{
	const struct recorder_options *options = recorder->options;
	return atomic_load(stop_requested()) ||
	       (options->duration_ns > 0 && clock_monotonic_ns() - recorder->started_ns >= options->duration_ns) ||
	       (options->count && atomic_load(&recorder->wanted) == 0);
}

/* Until it is enough and everything is written. */
static void supervise(struct recorder *recorder)
{
	struct record_sums before = {0};
	int64_t shown = clock_monotonic_ns();
	bool stopping = false;
	while (lanes_alive(recorder)) {
		if (!stopping && is_enough(recorder)) {
			stopping = true;
			stop_lanes(recorder);
		}
		usleep(LOOK_MS * 1000);
		recorder_look(recorder, false);
		recorder_look_at_links(recorder);
		recorder_look_at_counters(recorder);
		int64_t now = clock_monotonic_ns();
		if (now - shown >= NS_PER_SECOND && !stopping) {
			record_status(recorder, &before, now - shown);
			record_publish(recorder, now - shown);
			record_sum(recorder, &before);
			shown = now;
		}
		apply_retention(recorder, false);
		note_clock(recorder);
	}
	for (size_t i = 0; i < recorder->lane_count; i++)
		if (recorder->lanes[i].started)
			pthread_join(recorder->lanes[i].thread, NULL);
	recorder_look(recorder, true);
	recorder_look_at_links(recorder);
	recorder_end_counters(recorder);
	apply_retention(recorder, true);
	record_publish_end(recorder);
	record_status_clear(recorder);
}

static void announce(const struct recorder *recorder)
{
	struct text names = {0};
	for (size_t i = 0; i < recorder->lane_count; i++) {
		text_add(&names, i ? ", " : "");
		text_add(&names, recorder->lanes[i].vantage);
	}
	fprintf(stderr, "weir %s: recording %s into %s; Ctrl-C ends it\n", recorder->command->name, text_string(&names),
	        weir_campaign_path(recorder->campaign));
	text_free(&names);
}

/* What follows on opening the sockets, in this order: no privileges, the campaign as its owner, no more system calls than needed. */
static int record(struct recorder *recorder, const struct os_user *user, struct weir_fault *fault)
{
	char text[1200];
	int status = os_privileges_drop(user, fault);
	/* Only now, as whoever writes campaign.toml: faults quote what they found. */
	if (status == 0)
		status = policies_read(recorder->options->policy, recorder->options->campaign, &recorder->policies, fault);
	if (status == 0)
		status = weir_campaign_open(recorder->options->campaign, WEIR_CAMPAIGN_CREATE, &recorder->campaign, fault);
	if (status == 0 && recorder->signer) {
		status = campaign_sign_with(recorder->campaign, recorder->signer, fault);
		recorder->signer = NULL;
	}
	if (status == 0)
		status = open_sinks(recorder, fault);
	if (status == 0)
		status = recorder_begin_counters(recorder, fault);
	if (status)
		return status;
	if (recorder->options->sandbox && os_sandbox_enter(fault))
		warn(recorder->command, "%s", weir_fault_text(fault, text, sizeof text));
	recorder->started_ns = clock_monotonic_ns();
	record_publish_begin(recorder);
	status = start_lanes(recorder, fault);
	if (status) {
		stop_lanes(recorder);
		supervise(recorder);
		return status;
	}
	announce(recorder);
	supervise(recorder);
	record_summary(recorder);
	for (size_t i = 0; i < recorder->lane_count && status == 0; i++) {
		status = recorder->lanes[i].status;
		if (status)
			*fault = recorder->lanes[i].fault;
	}
	if (status == 0 && recorder->unentered)
		status = weir_fail(fault, WEIR_E_IO, "%llu lost packets are not in the ledger: it could not be written",
		                   (unsigned long long)recorder->unentered);
	return status;
}

static int prepare(struct recorder *recorder, struct os_user *user, struct weir_fault *fault)
{
	const struct recorder_options *options = recorder->options;
	int status = archive_options_codec(options->codec, &recorder->archive, fault);
	if (status == 0)
		status = archive_options_segment(options->segment, &recorder->archive, fault);
	if (status == 0)
		status = seal_recipients_of(&options->seal, &recorder->recipients, fault);
	recorder->archive.recipients = recorder->recipients;
	if (status == 0)
		status = archive_options_signer(options->sign, &recorder->signer, fault);
	if (status == 0)
		status = os_user_choose(options->user, options->campaign, user, fault);
	recorder->archive.buffer_bytes = options->buffer_bytes;
	recorder->archive.workers = (int)options->workers;
	recorder->archive.shed = true;
	recorder->archive.min_free = options->min_free;
	/* Retention begins before the sink calls the disk full, so that there is room to write while it deletes. */
	uint64_t margin = options->min_free < UINT64_C(1) << 30 ? options->min_free : UINT64_C(1) << 30;
	recorder->retention = (struct weir_retention){options->max_size, options->max_age_ns,
	                                              options->min_free ? options->min_free + margin : 0};
	atomic_store(&recorder->wanted, options->count);
	if (options->node)
		snprintf(recorder->node, sizeof recorder->node, "%s", options->node);
	else if (gethostname(recorder->node, sizeof recorder->node - 1) || !recorder->node[0])
		strcpy(recorder->node, "localhost");
	return status;
}

int recorder_run(const struct command *command, const struct recorder_options *options, const char *const *interfaces,
                 size_t count, bool skip_failing)
{
	struct recorder recorder = {.command = command, .options = options};
	struct weir_fault fault;
	struct os_user user;
	weir_fault_clear(&fault);
	if (prepare(&recorder, &user, &fault)) {
		weir_recipients_free(recorder.recipients);
		signing_key_free(recorder.signer);
		return report(command, &fault);
	}
	catch_interrupts();
	/* First, so that no connection is older than what is known of it that is not older than the recording. */
	int exit_status = open_owners(&recorder);
	if (exit_status == 0)
		exit_status = recorder_open_counters(&recorder);
	if (exit_status == 0)
		exit_status = open_sources(&recorder, interfaces, count, skip_failing);
	if (exit_status == 0) {
		recorder_follow_links(&recorder);
		int status = record(&recorder, &user, &fault);
		bool told = false;
		for (size_t i = 0; i < recorder.lane_count; i++)
			told |= recorder.lanes[i].told;
		if (status)
			exit_status = told ? exit_status_of(status) : report(command, &fault);
	}
	for (size_t i = 0; i < recorder.lane_count; i++)
		close_lane(&recorder.lanes[i]);
	links_close(recorder.links);
	recorder_close_counters(&recorder);
	if (recorder.owners)
		owners_close(recorder.owners);
	policies_free(&recorder.policies);
	weir_campaign_close(recorder.campaign);
	signing_key_free(recorder.signer);
	weir_recipients_free(recorder.recipients);
	free(recorder.lanes);
	return exit_status;
}
