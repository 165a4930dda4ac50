/* The plan of a run: which inputs, which parts, which parameters; made once, then read from the run's folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "archive/campaign.h"
#include "campaign/run.h"
#include "core/json.h"

#define PART_BYTES (UINT64_C(16) << 30)
#define MEMORY_BYTES (UINT64_C(1) << 30)

static const struct {
	unsigned bit;
	const char *name;
} stages[] = {
	{WEIR_RUN_VERIFY, "verify"}, {WEIR_RUN_REPAIR, "repair"}, {WEIR_RUN_DEDUP, "dedup"},
	{WEIR_RUN_CLOCK, "clock"},   {WEIR_RUN_APPS, "apps"},     {WEIR_RUN_FLOWS, "flows"},
};
#define STAGES (sizeof stages / sizeof stages[0])

unsigned weir_run_stage_named(const char *name, size_t length)
{
	for (size_t i = 0; i < STAGES; i++)
		if (strlen(stages[i].name) == length && memcmp(stages[i].name, name, length) == 0)
			return stages[i].bit;
	return 0;
}

void run_plan_free(struct run_plan *plan)
{
	for (size_t i = 0; i < plan->input_count; i++)
		free(plan->inputs[i].path);
	free(plan->inputs);
	for (size_t i = 0; i < WEIR_RUN_POLICIES; i++)
		free(plan->policies[i]);
	free(plan->cuts);
	free(plan->campaign);
	*plan = (struct run_plan){0};
}

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for the plan of the run");
}

/* Takes a copy of input. */
static int add_input(struct run_plan *plan, const struct run_input *input, struct weir_fault *fault)
{
	if ((plan->input_count & (plan->input_count - 1)) == 0) { /* the next power of two is full */
		struct run_input *more = realloc(plan->inputs, (plan->input_count ? plan->input_count * 2 : 1) * sizeof *more);
		if (!more)
			return no_memory(fault);
		plan->inputs = more;
	}
	char *path = strdup(input->path);
	if (!path)
		return no_memory(fault);
	plan->inputs[plan->input_count] = *input;
	plan->inputs[plan->input_count++].path = path;
	plan->input_bytes += input->bytes;
	return 0;
}

static int stat_file(const char *path, struct run_input *input, struct weir_fault *fault)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return weir_fail_errno(fault, errno, path, "can't be read");
	if (!S_ISREG(status.st_mode))
		return weir_fail_at(fault, WEIR_E_USAGE, path, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is no file: a run reads its input more than once; for pipes there are the single stages (weir dedup, repair, flows)");
	input->bytes = (uint64_t)status.st_size;
	input->changed_ns = run_changed_ns(&status);
	return 0;
}

static int add_files(const struct weir_run_options *options, struct run_plan *plan, struct weir_fault *fault)
{
	for (size_t i = 0; i < options->file_count; i++) {
		/* Whole paths: it may be gone on with, or made again, from elsewhere. */
		struct run_input input = {.path = realpath(options->files[i], NULL)};
		int error = stat_file(options->files[i], &input, fault);
		if (!error)
			error = input.path ? add_input(plan, &input, fault) : no_memory(fault);
		free(input.path);
		if (error)
			return error;
	}
	return 0;
}

/*
 * Up to where a campaign stands still: the last packet of its closed segments, but, for a vantage that is being recorded, of its own, so
 * that the run sees the same packets when it is made again.
 */
static const char last_whole[] =
	"SELECT min(last) FROM (SELECT max(last_ns) AS last FROM segments WHERE state = 'closed'"
	" UNION ALL SELECT max(c.last_ns) FROM segments o JOIN segments c ON c.node = o.node AND c.interface = o.interface"
	" WHERE o.state = 'open' AND c.state = 'closed' AND o.packets >= 0 GROUP BY o.node, o.interface)";

static int clamp_to_whole(struct weir_campaign *campaign, struct run_plan *plan, struct weir_fault *fault)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(catalog_database(campaign->catalog), last_whole, -1, &statement, NULL);

	if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
		int64_t last_ns = sqlite3_column_int64(statement, 0);
		if (last_ns < plan->to_ns)
			plan->to_ns = last_ns;
	}
	code = code == SQLITE_OK ? sqlite3_errcode(catalog_database(campaign->catalog)) : code;
	sqlite3_finalize(statement);
	return code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE ? 0 : catalog_fail(campaign->catalog, "can't be asked for its end", fault);
}

static const char segments_between[] =
	"SELECT path, stored_bytes, first_ns, last_ns, raw_bytes FROM segments WHERE state = 'closed' AND packets > 0 AND last_ns >= ?1 AND first_ns <= ?2"
	" ORDER BY first_ns, path";

/* Enters the segments, and cuts the time so that the packets of a part come from about part_bytes of pcapng. */
static int add_segments(struct weir_campaign *campaign, struct run_plan *plan, struct weir_fault *fault)
{
	sqlite3_stmt *statement;
	uint64_t bytes = 0;
	size_t room = 0;
	int error = 0, code = sqlite3_prepare_v2(catalog_database(campaign->catalog), segments_between, -1, &statement, NULL);

	if (code != SQLITE_OK)
		return catalog_fail(campaign->catalog, "can't be asked for its segments", fault);
	sqlite3_bind_int64(statement, 1, plan->from_ns);
	sqlite3_bind_int64(statement, 2, plan->to_ns);
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct run_input input = {
			.path = (char *)sqlite3_column_text(statement, 0),
			.bytes = (uint64_t)sqlite3_column_int64(statement, 1),
			.first_ns = sqlite3_column_int64(statement, 2),
			.last_ns = sqlite3_column_int64(statement, 3),
		};
		bool cut = plan->part_count && bytes >= plan->part_bytes && input.first_ns > plan->cuts[plan->part_count - 1];
		if (plan->part_count + 2 > room) {
			int64_t *cuts = realloc(plan->cuts, (room = room ? room * 2 : 16) * sizeof *cuts);
			if (!cuts) {
				error = no_memory(fault);
				break;
			}
			plan->cuts = cuts;
		}
		if (plan->part_count == 0 || cut) {
			plan->cuts[plan->part_count] = plan->part_count ? input.first_ns : plan->from_ns > input.first_ns ? plan->from_ns : input.first_ns;
			plan->part_count++;
			bytes = 0;
		}
		bytes += (uint64_t)sqlite3_column_int64(statement, 4);
		error = add_input(plan, &input, fault);
	}
	if (!error && code != SQLITE_DONE)
		error = catalog_fail(campaign->catalog, "can't be asked for its segments", fault);
	sqlite3_finalize(statement);
	/* Packets that were late stand in a segment after their time: the first part takes what is before its cut as well. */
	if (!error && plan->part_count) {
		plan->cuts[0] = plan->from_ns;
		plan->cuts[plan->part_count] = plan->to_ns == INT64_MAX ? plan->to_ns : plan->to_ns + 1;
	}
	return error;
}

/* Those that cut or drop anything. */
static int add_policies(const struct weir_run_options *options, struct run_plan *plan, struct weir_fault *fault)
{
	for (size_t i = 0; i < WEIR_RUN_POLICIES; i++) {
		if (!options->policies[i] || options->policies[i]->keeps_all)
			continue;
		plan->policies[i] = weir_policy_toml(options->policies[i]);
		if (!plan->policies[i])
			return no_memory(fault);
	}
	return 0;
}

int run_plan_make(const struct weir_run_options *options, struct weir_campaign *campaign, struct run_plan *plan, struct weir_fault *fault)
{
	*plan = (struct run_plan){
		.stages = options->stages,
		.packets = !options->no_packets,
		.from_ns = options->from_ns,
		.to_ns = options->to_ns,
		.memory_bytes = options->memory_bytes ? options->memory_bytes : MEMORY_BYTES,
		.part_bytes = options->part_bytes ? options->part_bytes : PART_BYTES,
		.dedup = options->dedup,
		.idle_ns = options->idle_ns,
		.active_ns = options->active_ns,
	};
	/* Drawn once, then part of the plan: nobody who sends packets knows it. */
	if (getrandom(&plan->dedup.seed, sizeof plan->dedup.seed, 0) != sizeof plan->dedup.seed)
		return weir_fail_errno(fault, errno, NULL, "no random numbers");
	int error = add_policies(options, plan, fault);
	if (error) {
		run_plan_free(plan);
		return error;
	}
	if (campaign) {
		plan->campaign = realpath(weir_campaign_path(campaign), NULL);
		error = plan->campaign ? clamp_to_whole(campaign, plan, fault) : no_memory(fault);
		if (!error)
			error = add_segments(campaign, plan, fault);
	} else {
		error = add_files(options, plan, fault);
	}
	if (error)
		run_plan_free(plan);
	return error;
}

/* ---- as JSON ---- */

static void write_dedup(struct json *json, const struct weir_dedup_options *dedup)
{
	json_key(json, "dedup");
	json_object(json);
	json_put_unsigned(json, "window", dedup->window);
	json_put_signed(json, "window_ns", dedup->window_ns);
	json_put_signed(json, "routed_ns", dedup->routed_ns);
	json_put_bool(json, "each_interface", dedup->each_interface);
	json_put_signed(json, "seed", (int64_t)dedup->seed);
	json_put_bool(json, "ignore_ttl", dedup->ignore_ttl);
	json_put_bool(json, "ignore_mac", dedup->ignore_mac);
	json_put_bool(json, "ignore_vlan", dedup->ignore_vlan);
	json_end_object(json);
}

/* Not there at all in runs without policies. */
static void write_policies(struct json *json, const struct run_plan *plan)
{
	if (!plan->policies[0] && !plan->policies[1])
		return;
	json_key(json, "policies");
	json_array(json);
	for (size_t i = 0; i < WEIR_RUN_POLICIES; i++)
		if (plan->policies[i])
			json_string(json, plan->policies[i]);
	json_end_array(json);
}

static void write_inputs(struct json *json, const struct run_plan *plan)
{
	json_key(json, "inputs");
	json_array(json);
	for (size_t i = 0; i < plan->input_count; i++) {
		json_object(json);
		json_put_string(json, "path", plan->inputs[i].path);
		json_put_unsigned(json, "bytes", plan->inputs[i].bytes);
		if (plan->campaign) {
			json_put_signed(json, "first_ns", plan->inputs[i].first_ns);
			json_put_signed(json, "last_ns", plan->inputs[i].last_ns);
		}
		if (plan->inputs[i].sha256[0])
			json_put_string(json, "sha256", plan->inputs[i].sha256);
		else if (plan->inputs[i].changed_ns) /* until then this tells whether it is the same: the hash does wherever it is copied to */
			json_put_signed(json, "changed_ns", plan->inputs[i].changed_ns);
		json_end_object(json);
	}
	json_end_array(json);
}

void run_plan_write(const struct run_plan *plan, bool with_inputs, struct json *json)
{
	json_object(json);
	json_put_string(json, "campaign", plan->campaign);
	json_key(json, "stages");
	json_array(json);
	for (size_t i = 0; i < STAGES; i++)
		if (plan->stages & stages[i].bit)
			json_string(json, stages[i].name);
	json_end_array(json);
	json_put_bool(json, "packets", plan->packets);
	if (plan->sealed)
		json_put_bool(json, "sealed", true);
	json_put_signed(json, "from_ns", plan->from_ns);
	json_put_signed(json, "to_ns", plan->to_ns);
	json_put_unsigned(json, "memory_bytes", plan->memory_bytes);
	json_put_unsigned(json, "part_bytes", plan->part_bytes);
	write_dedup(json, &plan->dedup);
	json_put_signed(json, "idle_ns", plan->idle_ns);
	json_put_signed(json, "active_ns", plan->active_ns);
	write_policies(json, plan);
	json_key(json, "cuts_ns");
	json_array(json);
	for (size_t i = 0; plan->part_count && i <= plan->part_count; i++)
		json_signed(json, plan->cuts[i]);
	json_end_array(json);
	if (with_inputs)
		write_inputs(json, plan);
	json_end_object(json);
}

/* SQLite reads the JSON: "value of the path ?2 below ?1 …". */
struct reader {
	sqlite3 *database;
	const char *json, *at;
};

static sqlite3_stmt *ask(const struct reader *reader, const char *sql, const char *path)
{
	sqlite3_stmt *statement;
	char whole[128];

	if (sqlite3_prepare_v2(reader->database, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	snprintf(whole, sizeof whole, "%s%s", reader->at, path);
	sqlite3_bind_text(statement, 1, reader->json, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, whole, -1, SQLITE_TRANSIENT);
	return statement;
}

static bool read_value(const struct reader *reader, const char *path, int64_t *value)
{
	sqlite3_stmt *statement = ask(reader, "SELECT json_extract(?1, ?2)", path);
	bool there = statement && sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER;

	if (there)
		*value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return there;
}

static bool read_flag(const struct reader *reader, const char *path, bool *value)
{
	int64_t number;

	if (!read_value(reader, path, &number))
		return false;
	*value = number != 0;
	return true;
}

static bool read_unsigned(const struct reader *reader, const char *path, uint64_t *value)
{
	int64_t number;

	if (!read_value(reader, path, &number) || number < 0)
		return false;
	*value = (uint64_t)number;
	return true;
}

static bool read_parameters(const struct reader *reader, struct run_plan *plan)
{
	uint64_t window = 0;
	int64_t seed = 0;
	struct weir_dedup_options *dedup = &plan->dedup;

	if (!read_flag(reader, ".sealed", &plan->sealed))
		plan->sealed = false;
	bool sound = read_flag(reader, ".packets", &plan->packets) && read_value(reader, ".from_ns", &plan->from_ns) &&
	             read_value(reader, ".to_ns", &plan->to_ns) && read_unsigned(reader, ".memory_bytes", &plan->memory_bytes) &&
	             read_unsigned(reader, ".part_bytes", &plan->part_bytes) && read_value(reader, ".idle_ns", &plan->idle_ns) &&
	             read_value(reader, ".active_ns", &plan->active_ns) && read_unsigned(reader, ".dedup.window", &window) &&
	             read_value(reader, ".dedup.window_ns", &dedup->window_ns) && read_value(reader, ".dedup.routed_ns", &dedup->routed_ns) &&
	             read_flag(reader, ".dedup.each_interface", &dedup->each_interface) &&
	             read_value(reader, ".dedup.seed", &seed) &&
	             read_flag(reader, ".dedup.ignore_ttl", &dedup->ignore_ttl) && read_flag(reader, ".dedup.ignore_mac", &dedup->ignore_mac) &&
	             read_flag(reader, ".dedup.ignore_vlan", &dedup->ignore_vlan) && window <= UINT32_MAX;

	dedup->window = (uint32_t)window;
	dedup->seed = (uint64_t)seed;
	return sound;
}

static bool read_stages(const struct reader *reader, struct run_plan *plan)
{
	sqlite3_stmt *statement = ask(reader, "SELECT value FROM json_each(?1, ?2)", ".stages");
	int code = SQLITE_ERROR;

	while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);
		plan->stages |= name ? weir_run_stage_named(name, strlen(name)) : 0;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

static bool read_cuts(const struct reader *reader, struct run_plan *plan)
{
	sqlite3_stmt *statement = ask(reader, "SELECT value FROM json_each(?1, ?2)", ".cuts_ns");
	size_t count = 0;
	int code = SQLITE_ERROR;

	while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		if ((count & (count - 1)) == 0) {
			int64_t *cuts = realloc(plan->cuts, (count ? count * 2 : 1) * sizeof *cuts);
			if (!cuts)
				break;
			plan->cuts = cuts;
		}
		plan->cuts[count++] = sqlite3_column_int64(statement, 0);
	}
	sqlite3_finalize(statement);
	plan->part_count = count ? count - 1 : 0;
	return code == SQLITE_DONE && count != 1;
}

static bool read_inputs(const struct reader *reader, struct run_plan *plan, struct weir_fault *fault)
{
	sqlite3_stmt *statement = ask(reader,
		"SELECT json_extract(value, '$.path'), json_extract(value, '$.bytes'), json_extract(value, '$.first_ns'),"
		" json_extract(value, '$.last_ns'), coalesce(json_extract(value, '$.sha256'), ''), json_extract(value, '$.changed_ns') FROM json_each(?1, ?2)", ".inputs");
	int code = SQLITE_ERROR;

	while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct run_input input = {
			.path = (char *)sqlite3_column_text(statement, 0),
			.bytes = (uint64_t)sqlite3_column_int64(statement, 1),
			.first_ns = sqlite3_column_int64(statement, 2),
			.last_ns = sqlite3_column_int64(statement, 3),
			.changed_ns = sqlite3_column_int64(statement, 5),
		};
		snprintf(input.sha256, sizeof input.sha256, "%s", (const char *)sqlite3_column_text(statement, 4));
		if (!input.path || add_input(plan, &input, fault) < 0)
			break;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

static bool read_policies(const struct reader *reader, struct run_plan *plan)
{
	sqlite3_stmt *statement = ask(reader, "SELECT value FROM json_each(?1, ?2)", ".policies");
	int code = SQLITE_ERROR;
	size_t count = 0;

	while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		if (!text || count == WEIR_RUN_POLICIES)
			break;
		plan->policies[count] = strdup(text);
		if (!plan->policies[count++])
			break;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

static bool read_campaign(const struct reader *reader, struct run_plan *plan)
{
	sqlite3_stmt *statement = ask(reader, "SELECT json_extract(?1, ?2)", ".campaign");
	bool sound = statement && sqlite3_step(statement) == SQLITE_ROW;
	const char *path = sound ? (const char *)sqlite3_column_text(statement, 0) : NULL;

	if (path) {
		plan->campaign = strdup(path);
		sound = plan->campaign != NULL;
	}
	sqlite3_finalize(statement);
	return sound;
}

int run_plan_read(const char *json, const char *at, const char *name, struct run_plan *plan, struct weir_fault *fault)
{
	struct reader reader = {.json = json, .at = at};

	*plan = (struct run_plan){0};
	weir_fault_clear(fault);
	if (sqlite3_open_v2(":memory:", &reader.database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		sqlite3_close(reader.database);
		return no_memory(fault);
	}
	bool sound = read_campaign(&reader, plan) && read_stages(&reader, plan) && read_parameters(&reader, plan) && read_cuts(&reader, plan) && read_policies(&reader, plan) &&
	             read_inputs(&reader, plan, fault);
	sqlite3_close(reader.database);
	if (sound)
		return 0;
	run_plan_free(plan);
	return weir_fail_at(fault, WEIR_E_FORMAT, name, WEIR_NOWHERE, WEIR_NOWHERE, "is not the plan of a run of weir");
}
