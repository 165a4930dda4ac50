/*
 * Comparing the clocks of a campaign's nodes by looking at moments of it: weir/stage.h.
 *
 * First at a few long ones, which show by how much clocks differ at all; then at many short ones, each node's at the time that its clock
 * showed then; then, where clocks were found to have been set between two moments, halfway between them, until it is known to within a moment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "archive/campaign.h"
#include "stage/clock_estimate.h"

#define SECOND INT64_C(1000000000)
#define EVERY_DEFAULT (60 * SECOND)
#define MOMENT_DEFAULT (2 * SECOND)
#define MOMENTS_MOST 2000
#define LONG_MOMENTS 8
#define ROUNDS_MOST 24
#define GAPS_MOST 256
#define NODES_MOST 1024

struct campaign_node {
	char *name;
	int64_t first_ns, last_ns;
	int64_t correction_ns; /* about */
};

struct campaign_reader {
	struct weir_clock_estimator *estimator;
	struct weir_campaign *campaign;
	struct weir_clock_campaign what;
	struct campaign_node *nodes;
	size_t node_count;
	int64_t from_ns, to_ns; /* by anybody's clock */
};

static bool stopped(const struct campaign_reader *reader)
{
	return reader->what.stop && atomic_load_explicit((_Atomic int *)reader->what.stop, memory_order_relaxed);
}

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks"); }

/* The nodes, and from when to when they recorded. */
static int find_nodes(struct campaign_reader *reader, struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(reader->campaign->catalog);
	sqlite3_stmt *statement = NULL;
	int error = 0, step;

	if (sqlite3_prepare_v2(database, "SELECT node, min(first_ns), max(last_ns) FROM segments WHERE state = 'closed' GROUP BY node ORDER BY node",
	                       -1, &statement, NULL) != SQLITE_OK)
		return weir_fail(fault, WEIR_E_IO, "cannot list the nodes: %s", sqlite3_errmsg(database));
	while ((step = sqlite3_step(statement)) == SQLITE_ROW && !error) {
		struct campaign_node *nodes = realloc(reader->nodes, (reader->node_count + 1) * sizeof *nodes);
		const char *name = (const char *)sqlite3_column_text(statement, 0);
		if (nodes)
			reader->nodes = nodes;
		char *copy = strdup(name ? name : "");
		if (!nodes || !copy || reader->node_count == NODES_MOST) {
			free(copy);
			error = nodes && copy ? weir_fail(fault, WEIR_E_LIMIT, "more than %d nodes", NODES_MOST) : no_memory(fault);
			break;
		}
		nodes[reader->node_count++] = (struct campaign_node){copy, sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 2), 0};
	}
	if (!error && step != SQLITE_DONE)
		error = weir_fail(fault, WEIR_E_IO, "cannot list the nodes: %s", sqlite3_errmsg(database));
	sqlite3_finalize(statement);
	return error;
}

/* The time that at least two nodes recorded. */
static void find_span(struct campaign_reader *reader)
{
	int64_t first = INT64_MAX, second = INT64_MAX, last = INT64_MIN, before = INT64_MIN;

	for (size_t i = 0; i < reader->node_count; i++) {
		const struct campaign_node *node = &reader->nodes[i];
		if (node->first_ns < first) {
			second = first;
			first = node->first_ns;
		} else if (node->first_ns < second) {
			second = node->first_ns;
		}
		if (node->last_ns > last) {
			before = last;
			last = node->last_ns;
		} else if (node->last_ns > before) {
			before = node->last_ns;
		}
	}
	reader->from_ns = second;
	reader->to_ns = before;
	if (reader->what.from_ns || reader->what.to_ns) {
		reader->from_ns = reader->what.from_ns > second ? reader->what.from_ns : second;
		reader->to_ns = reader->what.to_ns < before ? reader->what.to_ns : before;
	}
}

/* Sees what a node recorded in [from, to] by its clock. */
static int read_part(struct campaign_reader *reader, struct weir_clock_estimator *estimator, size_t node, int64_t from_ns, int64_t to_ns,
                     struct weir_fault *fault)
{
	struct weir_query query = {
		.from_ns = from_ns,
		.to_ns = to_ns,
		.node = reader->nodes[node].name,
		.threads = reader->what.threads,
		.memory_bytes = reader->what.memory_bytes,
		.stop = reader->what.stop,
	};
	struct weir_clock_reading reading = {.vantage = (uint32_t)node, .stop = reader->what.stop};
	struct weir_source *source;

	if (from_ns > reader->nodes[node].last_ns || to_ns < reader->nodes[node].first_ns)
		return 0;
	int error = weir_query_open(reader->campaign, &query, &source, fault);
	if (error)
		return error;
	error = weir_clock_estimator_read(estimator, source, &reading, fault);
	weir_source_close(source);
	return error;
}

/* `count` moments, from the beginning to the end of the span, each so long; of each node when its clock showed them. */
static int read_moments(struct campaign_reader *reader, struct weir_clock_estimator *estimator, int64_t count, int64_t moment_ns,
                        struct weir_fault *fault)
{
	int64_t left = reader->to_ns - reader->from_ns - moment_ns;

	if (left < 0)
		left = 0;
	for (int64_t i = 0; i < count; i++) {
		int64_t at = reader->from_ns + (count > 1 ? (int64_t)((double)left / (double)(count - 1) * (double)i) : left / 2);
		for (size_t k = 0; k < reader->node_count; k++) {
			int64_t from = at - reader->nodes[k].correction_ns;
			int error = read_part(reader, estimator, k, from, from + moment_ns, fault);
			if (error)
				return error;
			if (stopped(reader))
				return weir_fail(fault, WEIR_E_INTERRUPTED, "comparing clocks was interrupted");
		}
	}
	return 0;
}

/* By how much clocks differ, about. */
static int look_roughly(struct campaign_reader *reader, struct weir_fault *fault)
{
	struct weir_clock_estimator *rough;
	const struct weir_clock_estimate *estimates;
	size_t count;

	int error = weir_clock_estimator_new(NULL, &rough, fault);
	if (error)
		return error;
	clock_estimator_order_by_time(rough);
	error = read_moments(reader, rough, LONG_MOMENTS, 12 * SECOND, fault);
	if (!error)
		error = weir_clock_estimator_solve(rough, &estimates, &count, fault);
	for (size_t i = 0; !error && i < count; i++) {
		const struct weir_clock *clock = &estimates[i].clock;
		if (clock->count)
			reader->nodes[i].correction_ns = clock->knots[clock->count / 2].correction_ns;
	}
	weir_clock_estimator_free(rough);
	return error;
}

static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* Looks halfway between the moments between which clocks were set. */
static int look_closer(struct campaign_reader *reader, int64_t moment_ns, struct weir_fault *fault)
{
	struct clock_gap *gaps = malloc(GAPS_MOST * sizeof *gaps);
	const struct weir_clock_estimate *estimates;
	size_t count, gap_count;
	int error = gaps ? 0 : no_memory(fault);

	for (unsigned round = 0; round < ROUNDS_MOST && !error; round++) {
		error = weir_clock_estimator_solve(reader->estimator, &estimates, &count, fault);
		gap_count = error ? 0 : clock_estimator_gaps(reader->estimator, 2 * moment_ns, gaps, GAPS_MOST);
		if (gap_count == 0)
			break;
		for (size_t i = 0; i < gap_count && !error; i++) {
			const struct clock_gap *gap = &gaps[i];
			int64_t middle = gap->from_ns + (gap->to_ns - gap->from_ns) / 2;
			error = read_part(reader, reader->estimator, gap->a, middle, middle + moment_ns, fault);
			if (!error)
				error = read_part(reader, reader->estimator, gap->b, middle + least_of(gap->before_ns, gap->after_ns),
				                  middle + moment_ns + most_of(gap->before_ns, gap->after_ns), fault);
		}
		if (!error && stopped(reader))
			error = weir_fail(fault, WEIR_E_INTERRUPTED, "comparing clocks was interrupted");
	}
	free(gaps);
	return error;
}

struct bounds {
	struct weir_clock_estimator *estimator;
	uint32_t vantage;
	struct weir_fault *fault;
};

static int add_bound(void *context, const struct weir_clock_state *state)
{
	struct bounds *bounds = context;

	return state->synchronised ? weir_clock_estimator_bound(bounds->estimator, bounds->vantage, state->time_ns, state->maximum_error_ns,
	                                                        bounds->fault)
	                           : 0;
}

static int read_bounds(struct campaign_reader *reader, struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; i < reader->node_count && !error; i++) {
		struct bounds bounds = {reader->estimator, (uint32_t)i, fault};
		error = weir_clock_states_read(reader->campaign, reader->nodes[i].name, WEIR_TIME_FIRST, WEIR_TIME_LAST, add_bound, &bounds, NULL, fault);
		if (!error)
			error = clock_estimator_cover(reader->estimator, (uint32_t)i, reader->nodes[i].first_ns, reader->nodes[i].last_ns, fault);
	}
	return error;
}

static int read_all(struct campaign_reader *reader, struct weir_fault *fault)
{
	int64_t moment = reader->what.moment_ns > 0 ? reader->what.moment_ns : MOMENT_DEFAULT;
	int64_t every = reader->what.every_ns > 0 ? reader->what.every_ns : EVERY_DEFAULT;

	int error = find_nodes(reader, fault);
	if (!error)
		error = read_bounds(reader, fault);
	find_span(reader);
	if (error || reader->node_count < 2 || reader->from_ns >= reader->to_ns)
		return error;
	int64_t count = (reader->to_ns - reader->from_ns) / every + 1;
	if (reader->what.every_ns <= 0 && count > MOMENTS_MOST)
		count = MOMENTS_MOST;
	clock_estimator_order_by_time(reader->estimator);
	error = look_roughly(reader, fault);
	if (!error)
		error = read_moments(reader, reader->estimator, count < LONG_MOMENTS ? LONG_MOMENTS : count, moment, fault);
	return error ? error : look_closer(reader, moment, fault);
}

void weir_clock_nodes_free(char **nodes, size_t node_count)
{
	for (size_t i = 0; nodes && i < node_count; i++)
		free(nodes[i]);
	free(nodes);
}

int weir_clock_estimator_read_campaign(struct weir_clock_estimator *estimator, struct weir_campaign *campaign,
                                       const struct weir_clock_campaign *what, char ***nodes, size_t *node_count, struct weir_fault *fault)
{
	struct campaign_reader reader = {.estimator = estimator, .campaign = campaign, .what = *what};

	int error = read_all(&reader, fault);
	*node_count = reader.node_count;
	*nodes = calloc(reader.node_count + 1, sizeof(char *));
	if (!*nodes && !error)
		error = no_memory(fault);
	for (size_t i = 0; i < reader.node_count; i++)
		if (*nodes)
			(*nodes)[i] = reader.nodes[i].name;
		else
			free(reader.nodes[i].name);
	free(reader.nodes);
	if (error) {
		weir_clock_nodes_free(*nodes, *node_count);
		*nodes = NULL;
		*node_count = 0;
	}
	return error;
}
