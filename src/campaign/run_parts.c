/* The parts of a run: what each writes, and the state that the next begins with. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "campaign/run.h"
#include "file/sealed.h"
#include "os/files.h"

/* ---- where flow records go: counted for the report, and into the part's file ---- */

struct part_flows {
	struct weir_flow_sink base;
	struct run *run;
	struct weir_flow_sink *file;
	uint64_t records;
	char sealed_sha256[65];
};

static int part_flows_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct part_flows *part = (struct part_flows *)sink;

	/* Perhaps on a thread of its own: of the tally it touches what is counted of flows, and nobody looks at that before the part is finished. */
	run_tally_flows(part->run->tally, flows, count);
	part->records += count;
	return part->file->ops->write(part->file, flows, count, fault);
}

static int part_flows_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct part_flows *part = (struct part_flows *)sink;

	return part->file->ops->finish(part->file, fault);
}

static void part_flows_close(struct weir_flow_sink *sink)
{
	struct part_flows *part = (struct part_flows *)sink;

	if (part->file)
		part->file->ops->close(part->file);
	free(part);
}

static const struct weir_flow_sink_ops part_flows_ops = {"part", part_flows_write, part_flows_finish, part_flows_close};

/* What the flow stage writes to in all parts: the sink of the part at hand. */
struct run_flows {
	struct weir_flow_sink base;
	struct weir_flow_sink *to; /* part, or what hands to it; NULL between parts */
	struct part_flows *part;
};

static int run_flows_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct run_flows *run_flows = (struct run_flows *)sink;

	return run_flows->to->ops->write(run_flows->to, flows, count, fault);
}

static void close_part_flows(struct run_flows *run_flows)
{
	if (run_flows->to)
		run_flows->to->ops->close(run_flows->to);
	run_flows->to = NULL;
	run_flows->part = NULL;
}

static void run_flows_close(struct weir_flow_sink *sink)
{
	close_part_flows((struct run_flows *)sink);
	free(sink);
}

static const struct weir_flow_sink_ops run_flows_ops = {.name = "run", .write = run_flows_write, .close = run_flows_close};

struct weir_flow_sink *run_flow_sink_new(struct run *run)
{
	struct run_flows *run_flows = calloc(1, sizeof *run_flows);

	if (!run_flows)
		return NULL;
	run_flows->base.ops = &run_flows_ops;
	return &run_flows->base;
}

/* ---- where packets go ---- */

struct run_sink {
	struct weir_sink base;
	struct run *run;
};

static int sink_consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct run *run = ((struct run_sink *)sink)->run;

	run_tally_packets(run->tally, batch);
	/* Behind the flow stage and the tallies, which are of whole packets. */
	for (size_t i = 0; i < WEIR_RUN_POLICIES && run->packet_sink; i++) {
		int error = run->keeps[i] ? run->keeps[i]->ops->process(run->keeps[i], batch, fault) : 0;
		if (error)
			return error;
	}
	return run->packet_sink ? run->packet_sink->ops->consume(run->packet_sink, batch, fault) : 0;
}

static void sink_close(struct weir_sink *sink)
{
	free(sink);
}

static const struct weir_sink_ops sink_ops = {.name = "run", .consume = sink_consume, .close = sink_close};

struct weir_sink *run_sink_new(struct run *run)
{
	struct run_sink *sink = malloc(sizeof *sink);

	if (!sink)
		return NULL;
	*sink = (struct run_sink){.base = {&sink_ops}, .run = run};
	return &sink->base;
}

/* ---- the files of a part ---- */

static int output_path(const struct run *run, const char *relative, char out[static PATH_MAX], struct weir_fault *fault)
{
	if (snprintf(out, PATH_MAX, "%s/%s", run->folder, relative) >= PATH_MAX)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	return 0;
}

static void part_name(const struct run *run, const char *folder, const char *ending, char name[static 64])
{
	snprintf(name, 64, "%s/%06llu%s%s", folder, (unsigned long long)run->part + 1, ending, run->recipients ? SEALED_ENDING : "");
}

static int open_flows(struct run *run, struct weir_fault *fault)
{
	struct run_flows *run_flows = (struct run_flows *)run->flow_sink;
	struct part_flows *part = calloc(1, sizeof *part);
	char name[64], path[PATH_MAX];

	if (!part)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the flows of a part");
	*part = (struct part_flows){.base = {&part_flows_ops}, .run = run};
	run_flows->part = part;
	run_flows->to = &part->base;
	part_name(run, "flows", ".parquet", name);
	int error = output_path(run, name, path, fault);
	const struct weir_parquet_options writing = {
		.threads = (unsigned)run->threads, .recipients = run->recipients, .sealed_header = SEALED_HEADER, .sealed_sha256 = part->sealed_sha256,
	};
	if (!error)
		error = weir_flow_parquet_open(path, &writing, &part->file, fault);
	return error || run->threads < 2 ? error : weir_flow_background(&run_flows->to, fault);
}

static int open_packets(struct run *run, struct weir_fault *fault)
{
	struct weir_capture_writer_options writing = {.format = WEIR_FORMAT_PCAPNG, .compression = WEIR_COMPRESSION_ZSTD, .level = 1, .threads = (unsigned)run->threads, .merge = true,
	                                              .recipients = run->recipients, .sealed_header = SEALED_HEADER, .sealed_sha256 = run->sealed_sha256};
	char name[64], path[PATH_MAX];

	part_name(run, "packets", ".pcapng.zst", name);
	int error = output_path(run, name, path, fault);
	return error ? error : weir_capture_writer_open(path, &writing, &run->packet_sink, fault);
}

int run_part_open(struct run *run, struct weir_fault *fault)
{
	int error = 0;

	if (run->flow_sink)
		error = open_flows(run, fault);
	if (!error && run->plan.packets)
		error = open_packets(run, fault);
	return error;
}

/* sealed_sha256: of what is sealed in it, which is the same when it is made again; the file is not. */
static int enter_output(struct run *run, const char *name, uint64_t records, const char *sealed_sha256, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct stat status;
	struct run_output output = {.records = records};

	int error = output_path(run, name, path, fault);
	if (error)
		return error;
	struct run_output *more = realloc(run->outputs, (run->output_count + 1) * sizeof *more);
	if (!more)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of outputs");
	run->outputs = more;
	if (stat(path, &status) != 0)
		return weir_fail_errno(fault, errno, path, "was written and is not there");
	memcpy(output.path, name, sizeof output.path);
	output.bytes = (uint64_t)status.st_size;
	if (run->recipients)
		memcpy(output.sha256, sealed_sha256, sizeof output.sha256);
	else
		error = run_hash(path, run->options->stop, output.sha256, fault);
	if (!error)
		more[run->output_count++] = output;
	return error;
}

static int finish_flows(struct run *run, struct weir_fault *fault)
{
	struct run_flows *run_flows = (struct run_flows *)run->flow_sink;
	char name[64];

	int error = run_flows->to->ops->finish(run_flows->to, fault);
	uint64_t records = run_flows->part->records;
	char sealed_sha256[sizeof run_flows->part->sealed_sha256];
	memcpy(sealed_sha256, run_flows->part->sealed_sha256, sizeof sealed_sha256);
	close_part_flows(run_flows);
	part_name(run, "flows", ".parquet", name);
	return error ? error : enter_output(run, name, records, sealed_sha256, fault);
}

static int finish_packets(struct run *run, struct weir_fault *fault)
{
	uint64_t packets, bytes;
	char name[64];

	int error = run->packet_sink->ops->finish(run->packet_sink, fault);
	weir_capture_writer_count(run->packet_sink, &packets, &bytes);
	weir_sink_close(run->packet_sink);
	run->packet_sink = NULL;
	part_name(run, "packets", ".pcapng.zst", name);
	return error ? error : enter_output(run, name, packets, run->sealed_sha256, fault);
}

int run_part_finish(struct run *run, struct weir_fault *fault)
{
	int error = 0;

	if (run->flow_sink)
		error = finish_flows(run, fault);
	if (!error && run->packet_sink)
		error = finish_packets(run, fault);
	return error;
}

void run_part_abandon(struct run *run)
{
	if (run->flow_sink)
		close_part_flows((struct run_flows *)run->flow_sink);
	weir_sink_close(run->packet_sink);
	run->packet_sink = NULL;
}

/* ---- the state between parts ---- */

struct state_head {
	uint64_t part, done_packets, output_count, damage_count, all_damages, damaged_bytes, clock_count;
};

static int each_stage(struct run *run, struct weir_state *state, bool save, struct weir_fault *fault)
{
	struct weir_stage *stages[] = {run->dedup, run->decapsulate, run->flow, run->keeps[0], run->keeps[1]};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof stages / sizeof stages[0]; i++)
		if (stages[i] && stages[i]->ops->save)
			error = save ? stages[i]->ops->save(stages[i], state, fault) : stages[i]->ops->load(stages[i], state, fault);
	if (!error && run->applications)
		error = save ? weir_applications_save(run->applications, state, fault) : weir_applications_load(run->applications, state, fault);
	return error;
}

static int save_lists(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	struct state_head head = {run->part, run->done_packets, run->output_count, run->damage_count, run->all_damages,
	                          run->damaged_bytes, run->clock_count};
	int error = weir_state_section(state, "run", 1, fault);

	if (!error)
		error = weir_state_put(state, &head, sizeof head, fault);
	if (!error)
		error = weir_state_put(state, run->outputs, run->output_count * sizeof *run->outputs, fault);
	if (!error)
		error = weir_state_put(state, run->damages, run->damage_count * sizeof *run->damages, fault);
	return error;
}

int run_state_save(struct run *run, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct weir_state *state;

	int error = output_path(run, "run.state", path, fault);
	if (!error)
		error = weir_state_create(path, &state, fault);
	if (error)
		return error;
	error = save_lists(run, state, fault);
	if (!error)
		error = run_clocks_save(run, state, fault);
	if (!error)
		error = run_interfaces_save(run, state, fault);
	if (!error)
		error = run_tally_save(run->tally, state, fault);
	if (!error)
		error = each_stage(run, state, true, fault);
	if (!error)
		error = weir_state_finish(state, fault);
	weir_state_close(state);
	return error;
}

/* Takes memory for a list of which the state says how long it is, and reads it. */
static int load_list(struct weir_state *state, void **list, uint64_t count, size_t size, struct weir_fault *fault)
{
	if (count > weir_state_left(state) / size)
		return weir_fail(fault, WEIR_E_FORMAT, "the state of the run is not sound: start the run anew");
	*list = malloc(count ? count * size : 1);
	if (!*list)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of the run");
	return weir_state_get(state, *list, count * size, fault);
}

static int load_lists(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	struct state_head head;
	int error = weir_state_section(state, "run", 1, fault);

	if (!error)
		error = weir_state_get(state, &head, sizeof head, fault);
	if (!error)
		error = load_list(state, (void **)&run->outputs, head.output_count, sizeof *run->outputs, fault);
	if (!error)
		error = load_list(state, (void **)&run->damages, head.damage_count, sizeof *run->damages, fault);
	if (error)
		return error;
	run->part = head.part;
	run->done_packets = head.done_packets;
	run->output_count = head.output_count;
	run->damage_count = head.damage_count;
	run->all_damages = head.all_damages;
	run->damaged_bytes = head.damaged_bytes;
	run->clock_count = head.clock_count;
	return 0;
}

/* Whether the parts before have what they were given: whoever lost power may find the state and not all that it tells of. */
static int check_outputs(const struct run *run, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct stat status;
	int error = 0;

	for (size_t i = 0; !error && i < run->output_count; i++) {
		error = output_path(run, run->outputs[i].path, path, fault);
		if (!error && (stat(path, &status) != 0 || (uint64_t)status.st_size != run->outputs[i].bytes))
			error = weir_fail_at(fault, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is not what the interrupted run wrote: start the run anew");
	}
	return error;
}

static bool is_output(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->output_count; i++)
		if (strcmp(run->outputs[i].path, name) == 0)
			return true;
	return false;
}

/* Deletes what a part that was not finished left in a folder. */
static int clean(const struct run *run, const char *folder, struct weir_fault *fault)
{
	char path[PATH_MAX];
	int error = output_path(run, folder, path, fault);
	DIR *directory = error ? NULL : opendir(path);

	if (!directory)
		return error;
	for (struct dirent *entry; !error && (entry = readdir(directory));) {
		char name[300];
		snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.' && (!entry->d_name[1] || strcmp(entry->d_name, "..") == 0))
			continue;
		if (is_output(run, name))
			continue;
		error = output_path(run, name, path, fault);
		if (!error && unlink(path) != 0)
			error = weir_fail_errno(fault, errno, path, "of an unfinished part can't be deleted");
	}
	closedir(directory);
	return error;
}

int run_state_load(struct run *run, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct weir_state *state;

	int error = output_path(run, "run.state", path, fault);
	if (error)
		return error;
	if (access(path, F_OK) == 0) {
		error = weir_state_open(path, &state, fault);
		if (error)
			return error;
		error = load_lists(run, state, fault);
		if (!error)
			error = run_clocks_load(run, state, fault);
		if (!error)
			error = run_interfaces_load(run, state, fault);
		if (!error)
			error = run_tally_load(run->tally, state, fault);
		if (!error)
			error = each_stage(run, state, false, fault);
		weir_state_close(state);
		if (!error)
			error = check_outputs(run, fault);
	}
	if (!error)
		error = clean(run, "flows", fault);
	return error ? error : clean(run, "packets", fault);
}
