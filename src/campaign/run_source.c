/* Where the packets of a part come from. */
#include <stdlib.h>
#include <string.h>

#include "campaign/run.h"

void run_damaged(void *context, const struct weir_damage *damage)
{
	struct run *run = context;

	run->all_damages++;
	run->damaged_bytes += damage->to - damage->from;
	if (run->options->damaged)
		run->options->damaged(run->options->context, damage);
	if (run->damage_count == RUN_DAMAGES)
		return;
	if ((run->damage_count & (run->damage_count - 1)) == 0) {
		struct run_damage *more = realloc(run->damages, (run->damage_count ? run->damage_count * 2 : 1) * sizeof *more);
		if (!more) {
			run->failed_to_enter = true;
			return;
		}
		run->damages = more;
	}
	struct run_damage *entry = &run->damages[run->damage_count++];
	*entry = (struct run_damage){.from = damage->from, .to = damage->to, .packets_before = damage->packets_before, .packets = damage->packets,
	                             .before_ns = damage->before_ns, .after_ns = damage->after_ns};
	snprintf(entry->file, sizeof entry->file, "%s", damage->file);
	snprintf(entry->cause, sizeof entry->cause, "%s", damage->cause);
}

/* ---- files: one source over all parts, of which a part sees a piece ---- */

struct piece {
	struct weir_source base;
	struct run *run;
	uint64_t bytes; /* of packets so far, in pcapng; not of the file: that depends on what is read ahead */
	bool ended;
};

static int piece_fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct piece *piece = (struct piece *)source;

	if (piece->bytes >= piece->run->plan.part_bytes)
		return 0;
	int result = piece->run->files->ops->fill(piece->run->files, batch, fault);
	if (result <= 0) {
		piece->ended = true;
		return result;
	}
	for (uint32_t i = 0; i < batch->count; i++)
		piece->bytes += batch->packets[i].captured + 32;
	return result;
}

static void piece_close(struct weir_source *source)
{
	free(source);
}

static const struct weir_source_ops piece_ops = {.name = "part", .fill = piece_fill, .close = piece_close};

static int open_file(struct run *run, size_t i, struct weir_source **source, struct weir_fault *fault)
{
	const char *path = run->plan.inputs[i].path;
	const struct weir_capture_options options = {.identities = run->options->identities, .tap = run_hashing_tap(run->hashing, i)};

	if (run->plan.stages & WEIR_RUN_REPAIR)
		return weir_repair_open(path, &options, run_damaged, run, source, fault);
	return weir_capture_open(path, &options, source, fault);
}

static int open_files(struct run *run, struct weir_fault *fault)
{
	const struct run_plan *plan = &run->plan;
	struct weir_merge_options options = {.memory_bytes = plan->memory_bytes / 4};
	struct weir_merge_input *inputs;
	size_t count = 0;
	int error = 0;

	if (plan->input_count == 1) /* its own order is kept */
		return open_file(run, 0, &run->files, fault);
	inputs = calloc(plan->input_count, sizeof *inputs);
	if (!inputs)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for %zu files", plan->input_count);
	for (; !error && count < plan->input_count; count += !error) {
		error = open_file(run, count, &inputs[count].source, fault);
		inputs[count].name = plan->inputs[count].path;
		inputs[count].clock = run_clock_of(run, count);
	}
	if (!error)
		error = weir_merge_open(inputs, count, &options, &run->files, fault);
	else
		while (count)
			weir_source_close(inputs[--count].source);
	free(inputs);
	return error;
}

static int open_piece(struct run *run, struct weir_source **source, struct weir_fault *fault)
{
	int error = run->files ? 0 : open_files(run, fault);
	struct piece *piece = error ? NULL : malloc(sizeof *piece);

	if (error)
		return error;
	if (!piece)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the part");
	*piece = (struct piece){.base = {&piece_ops}, .run = run};
	*source = &piece->base;
	return 0;
}

int run_files_check(const struct run *run, struct weir_fault *fault)
{
	const struct weir_capture_options options = {.identities = run->options->identities};
	bool mends = run->plan.stages & WEIR_RUN_REPAIR;
	int error = 0;

	for (size_t i = 0; !error && i < run->plan.input_count; i++) {
		const char *path = run->plan.inputs[i].path;
		struct weir_source *source = NULL;
		error = mends ? weir_repair_open(path, &options, NULL, NULL, &source, fault) : weir_capture_open(path, &options, &source, fault);
		weir_source_close(source);
	}
	return error;
}

int run_files_skip(struct run *run, struct weir_fault *fault)
{
	struct weir_batch *batch = weir_batch_new();
	uint64_t skipped = 0, damages = run->all_damages, damaged_bytes = run->damaged_bytes;
	size_t listed = run->damage_count;
	int result = batch ? open_files(run, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for a batch of packets");

	while (result >= 0 && skipped < run->done_packets) {
		result = run->files->ops->fill(run->files, batch, fault);
		skipped += batch->count;
		weir_batch_reset(batch);
		if (result == 0 || skipped > run->done_packets)
			result = weir_fail(fault, WEIR_E_CORRUPT, "the files have changed since the run began: start it anew");
	}
	/* What is damaged there had been entered then. */
	run->all_damages = damages;
	run->damaged_bytes = damaged_bytes;
	run->damage_count = listed;
	weir_batch_free(batch);
	return result < 0 ? result : 0;
}

/* ---- a campaign ---- */

/*
 * A query numbers interfaces as it meets them, each part anew. Stages know vantages by number, so that here each gets the number that it had first.
 */
struct renumbered {
	struct weir_source base;
	struct run *run;
	struct weir_source *query;
	uint32_t *numbers; /* by the query's */
	uint32_t count;
	bool differ;       /* not all are the query's own */
};

static bool same_interface(const struct weir_interface *a, const struct weir_interface *b)
{
	return strcmp(a->node, b->node) == 0 && strcmp(a->name, b->name) == 0 && a->linktype == b->linktype && a->resolution == b->resolution &&
	       a->big_endian == b->big_endian && a->snaplen == b->snaplen && a->offset_seconds == b->offset_seconds &&
	       a->options.length == b->options.length && (!a->options.length || memcmp(a->options.data, b->options.data, a->options.length) == 0);
}

/* Enters a copy of interface. 0, or WEIR_E_MEMORY. */
static int enter_interface(struct run *run, const struct weir_interface *interface)
{
	struct weir_interface *copy = malloc(sizeof *copy + interface->options.length);

	if (!copy)
		return WEIR_E_MEMORY;
	*copy = *interface;
	copy->options.data = (uint8_t *)(copy + 1);
	copy->section_id = run->interface_count;
	if (interface->options.length)
		memcpy(copy + 1, interface->options.data, interface->options.length);
	run->interfaces[run->interface_count++] = copy;
	return 0;
}

/* The table has room for all that there may be from the start: batches show it while it grows. */
static int room_for_interfaces(struct run *run, struct weir_fault *fault)
{
	if (!run->interfaces)
		run->interfaces = calloc(RUN_INTERFACES, sizeof *run->interfaces);
	return run->interfaces ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
}

/* The number of the nth interface that is like this one, for a query may have several that are alike. */
static int number_of(struct run *run, const struct weir_batch *batch, uint32_t at, uint32_t *number, struct weir_fault *fault)
{
	const struct weir_interface *interface = batch->interfaces[at];
	uint32_t alike = 0;

	for (uint32_t i = 0; i < at; i++)
		alike += same_interface(batch->interfaces[i], interface);
	for (uint32_t i = 0; i < run->interface_count; i++)
		if (same_interface(run->interfaces[i], interface) && alike-- == 0) {
			*number = i;
			return 0;
		}
	if (run->interface_count == RUN_INTERFACES)
		return weir_fail(fault, WEIR_E_LIMIT, "the campaign has more than %u interfaces", RUN_INTERFACES);
	*number = run->interface_count;
	return enter_interface(run, interface) < 0 ? weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces") : 0;
}

static int learn_interfaces(struct renumbered *source, const struct weir_batch *batch, struct weir_fault *fault)
{
	uint32_t *numbers = realloc(source->numbers, batch->interface_count * sizeof *numbers);
	int error = 0;

	if (!numbers)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
	source->numbers = numbers;
	for (; !error && source->count < batch->interface_count; source->count += !error) {
		error = number_of(source->run, batch, source->count, &numbers[source->count], fault);
		source->differ |= !error && numbers[source->count] != source->count;
	}
	return error;
}

static int renumbered_fill(struct weir_source *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct renumbered *source = (struct renumbered *)base;
	int result = source->query->ops->fill(source->query, batch, fault);

	if (result <= 0)
		return result;
	if (batch->interface_count > source->count) {
		int error = learn_interfaces(source, batch, fault);
		if (error)
			return error;
	}
	for (uint32_t i = 0; source->differ && i < batch->count; i++)
		if (batch->packets[i].interface_id < source->count)
			batch->packets[i].interface_id = source->numbers[batch->packets[i].interface_id];
	batch->interfaces = (const struct weir_interface *const *)source->run->interfaces;
	batch->interface_count = source->run->interface_count;
	return result;
}

static bool renumbered_ahead(struct weir_source *base)
{
	struct weir_source *query = ((struct renumbered *)base)->query;

	return query->ops->ahead && query->ops->ahead(query);
}

static void renumbered_close(struct weir_source *base)
{
	struct renumbered *source = (struct renumbered *)base;

	weir_source_close(source->query);
	free(source->numbers);
	free(source);
}

static const struct weir_source_ops renumbered_ops = {.name = "campaign", 
	.fill = renumbered_fill, .ahead = renumbered_ahead, .close = renumbered_close};

/* The packets of the part of one node, by its own clock (node NULL: of all, which share one or are not corrected). */
static int query_part(struct run *run, size_t clock, const char *node, uint64_t memory_bytes, struct weir_source **source,
                      struct weir_fault *fault)
{
	const struct run_plan *plan = &run->plan;
	bool first = run->part == 0, last = run->part + 1 == plan->part_count;
	struct weir_query query = {
		.from_ns = first || !node ? plan->cuts[run->part] : run_clock_reading(run, clock, plan->cuts[run->part]),
		.to_ns = last ? plan->to_ns : (node ? run_clock_reading(run, clock, plan->cuts[run->part + 1]) : plan->cuts[run->part + 1]) - 1,
		.node = node,
		.memory_bytes = memory_bytes,
		.threads = run->threads,
		.pipelined = !node && run->threads > 1, /* where nodes are merged it is not the pipeline that each fills for */
		.stop = run->options->stop,
		.on_damage = plan->stages & WEIR_RUN_REPAIR ? run_damaged : NULL,
		.damage_context = run,
	};

	return weir_query_open(run->campaign, &query, source, fault);
}

/* Nodes whose clocks are corrected are put in order after that. */
static int merge_nodes(struct run *run, struct weir_source **source, struct weir_fault *fault)
{
	uint64_t memory_bytes = run->plan.memory_bytes / 8;
	struct weir_merge_options options = {.memory_bytes = memory_bytes};
	struct weir_merge_input *inputs = calloc(run->clock_count, sizeof *inputs);
	size_t count = 0;
	int error = inputs ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for %zu nodes", run->clock_count);

	for (; !error && count < run->clock_count; count += !error) {
		error = query_part(run, count, run->clocks[count].name, memory_bytes / run->clock_count, &inputs[count].source, fault);
		inputs[count].name = run->clocks[count].name;
		inputs[count].clock = run_clock_of(run, count);
	}
	if (!error)
		error = weir_merge_open(inputs, count, &options, source, fault);
	else
		while (count)
			weir_source_close(inputs[--count].source);
	free(inputs);
	return error;
}

static int open_query(struct run *run, struct weir_source **source, struct weir_fault *fault)
{
	int error = room_for_interfaces(run, fault);
	struct renumbered *made = error ? NULL : calloc(1, sizeof *made);

	if (error)
		return error;
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the part");
	*made = (struct renumbered){.base = {&renumbered_ops}, .run = run};
	error = run_clocks_correct(run) ? merge_nodes(run, &made->query, fault)
	                                : query_part(run, 0, NULL, run->plan.memory_bytes / 4, &made->query, fault);
	if (error) {
		free(made);
		return error;
	}
	*source = &made->base;
	return 0;
}

void run_interfaces_free(struct run *run)
{
	for (uint32_t i = 0; i < run->interface_count; i++)
		free(run->interfaces[i]);
	free(run->interfaces);
}

int run_interfaces_save(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	int error = weir_state_section(state, "interfaces", 1, fault);

	if (!error)
		error = weir_state_put(state, &run->interface_count, sizeof run->interface_count, fault);
	for (uint32_t i = 0; !error && i < run->interface_count; i++) {
		error = weir_state_put(state, run->interfaces[i], sizeof *run->interfaces[i], fault);
		if (!error)
			error = weir_state_put(state, run->interfaces[i]->options.data, run->interfaces[i]->options.length, fault);
	}
	return error;
}

static int load_interface(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	struct weir_interface interface;
	int error = weir_state_get(state, &interface, sizeof interface, fault);

	if (error)
		return error;
	if (interface.options.length > weir_state_left(state))
		return weir_fail(fault, WEIR_E_FORMAT, "the state of the run is not sound: start the run anew");
	uint8_t *options = malloc(interface.options.length ? interface.options.length : 1);
	error = options ? weir_state_get(state, options, interface.options.length, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
	interface.options.data = options;
	interface.node[sizeof interface.node - 1] = interface.name[sizeof interface.name - 1] = '\0';
	if (!error && enter_interface(run, &interface) < 0)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
	free(options);
	return error;
}

int run_interfaces_load(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t count = 0;
	int error = weir_state_section(state, "interfaces", 1, fault);

	if (!error)
		error = weir_state_get(state, &count, sizeof count, fault);
	if (!error && count > RUN_INTERFACES)
		error = weir_fail(fault, WEIR_E_FORMAT, "the state of the run is not sound: start the run anew");
	if (!error)
		error = room_for_interfaces(run, fault);
	while (!error && run->interface_count < count)
		error = load_interface(run, state, fault);
	return error;
}

int run_source_open(struct run *run, struct weir_source **source, struct weir_fault *fault)
{
	return run->campaign ? open_query(run, source, fault) : open_piece(run, source, fault);
}

bool run_source_is_last(const struct run *run, const struct weir_source *source)
{
	return run->campaign ? run->part + 1 >= run->plan.part_count : ((const struct piece *)source)->ended;
}
