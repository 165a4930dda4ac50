/* Counters as Parquet: box/counters_keep.h. */
#include "box/counters_keep.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "file/sealed.h"
#include "flow/parquet_table.h"

#define HOUR_NS (INT64_C(3600) * NS_PER_SECOND)
#define GROUP_ROWS 65536u /* some minutes; about 5 MB of memory */
#define ROWS_AT_ONCE 256u
#define ENDING ".parquet"
#define NAMES_MOST 1000 /* files that begin in the same second, of a clock that is set back again and again */

/* A row of the table. */
struct row {
	int64_t time_ns;
	struct weir_bytes group, instance, name, kind, unit;
	int64_t whole; /* WEIR_NO_TIME: none */
	double value;  /* NAN: none */
};

#define COLUMN(column_name, column_type, member, text)                                                                 \
	{                                                                                                                  \
		.name = column_name, .type = column_type, .size = sizeof(((struct row *)0)->member),                          \
		.offset = offsetof(struct row, member), .meaning = text                                                       \
	}

static const struct weir_flow_column columns[] = {
	COLUMN("time", WEIR_COLUMN_TIME, time_ns, "of the look"),
	COLUMN("group", WEIR_COLUMN_STRING, group, "what is counted"),
	COLUMN("instance", WEIR_COLUMN_STRING, instance, "of which interface, CPU, disk; empty: there is one"),
	COLUMN("name", WEIR_COLUMN_STRING, name, "of the counter"),
	COLUMN("kind", WEIR_COLUMN_STRING, kind, "total or level"),
	COLUMN("unit", WEIR_COLUMN_STRING, unit, "number, bytes, packets, nanoseconds or ratio"),
	COLUMN("whole", WEIR_COLUMN_DURATION, whole, "its value where that is a whole number"),
	COLUMN("value", WEIR_COLUMN_DOUBLE, value, "its value where it is none"),
};

static const struct parquet_schema schema = {
	.name = "counters",
	.columns = columns,
	.column_count = sizeof columns / sizeof columns[0],
	.record_size = sizeof(struct row),
};

/* What the file at hand has last of a counter. */
struct last {
	uint64_t bits; /* of whole, or of value */
	bool known, there;
};

struct counters_keep {
	char *folder;
	const struct weir_recipients *recipients;
	int64_t max_age_ns;
	struct parquet_table table;
	bool writing;
	int64_t begin_ns, end_ns; /* of the file at hand; of the hour that is given up after an error */
	struct last *last;
	size_t last_count;
	struct row rows[ROWS_AT_ONCE];
	size_t row_count;
};

/* ---- files ---- */

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), n = strlen(ending);
	return length > n && strcmp(name + length - n, ending) == 0;
}

/* Removes what was never finished (before_ns: INT64_MIN), or files that are older. What can't be removed is left: the next time sees it again. */
static void sweep(const struct counters_keep *keep, int64_t before_ns)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat status;
	DIR *folder = opendir(keep->folder);

	while (folder && (entry = readdir(folder))) {
		bool whole = ends_in(entry->d_name, ENDING) || ends_in(entry->d_name, ENDING SEALED_ENDING);
		bool part = !whole && strstr(entry->d_name, ENDING) && ends_in(entry->d_name, ".part");
		if (snprintf(path, sizeof path, "%s/%s", keep->folder, entry->d_name) >= (int)sizeof path)
			continue;
		if (before_ns == INT64_MIN ? part : whole && stat(path, &status) == 0 && status.st_mtime < before_ns / NS_PER_SECOND)
			(void)unlink(path);
	}
	if (folder)
		closedir(folder);
}

/* A name that no file has: of when it begins. */
static int choose_name(const struct counters_keep *keep, int64_t now_ns, char path[static PATH_MAX], struct weir_fault *fault)
{
	const char *seal = weir_recipients_count(keep->recipients) ? SEALED_ENDING : "";
	time_t seconds = (time_t)(now_ns / NS_PER_SECOND);
	char when[32], number[16] = "";
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm))
		return weir_fail(fault, WEIR_E_LIMIT, "the clock is at no time that has a date");
	for (unsigned i = 1; i < NAMES_MOST; i++) {
		if (i > 1)
			snprintf(number, sizeof number, "-%u", i);
		if (snprintf(path, PATH_MAX, "%s/%s%s" ENDING "%s", keep->folder, when, number, seal) >= PATH_MAX)
			return weir_fail_at(fault, WEIR_E_LIMIT, keep->folder, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
		if (access(path, F_OK) != 0)
			return 0;
	}
	return weir_fail_at(fault, WEIR_E_LIMIT, keep->folder, WEIR_NOWHERE, WEIR_NOWHERE, "there are too many files that begin at %s", when);
}

static int begin(struct counters_keep *keep, int64_t now_ns, struct weir_fault *fault)
{
	const struct weir_parquet_options options = {
		.row_group_rows = GROUP_ROWS, .recipients = keep->recipients, .sealed_header = SEALED_HEADER};
	char path[PATH_MAX];

	keep->begin_ns = now_ns;
	keep->end_ns = now_ns - now_ns % HOUR_NS + HOUR_NS;
	for (size_t i = 0; i < keep->last_count; i++)
		keep->last[i] = (struct last){0};
	if (keep->max_age_ns)
		sweep(keep, now_ns - keep->max_age_ns);
	int error = choose_name(keep, now_ns, path, fault);
	if (!error)
		error = parquet_table_open(&keep->table, path, &schema, &options, fault);
	for (uint32_t i = 0; !error && i < keep->table.room; i++)
		keep->table.order[i] = i; /* as they come */
	keep->writing = true;
	return error;
}

static void drop(struct counters_keep *keep)
{
	parquet_table_close(&keep->table);
	keep->writing = false;
	keep->row_count = 0;
}

/* ---- rows ---- */

static int put_rows(struct counters_keep *keep, struct weir_fault *fault)
{
	struct parquet_table *table = &keep->table;
	size_t count = keep->row_count;

	keep->row_count = 0;
	if (count > table->room - table->rows) {
		int error = parquet_table_group(table, fault);
		if (error)
			return error;
	}
	parquet_table_keep(table, keep->rows, count);
	return 0;
}

static struct weir_bytes text_of(const char *text)
{
	return (struct weir_bytes){(const uint8_t *)text, strlen(text)};
}

/* Whether its value is a whole number that 64 bits with a sign can hold. */
static bool is_whole(const struct counter *counter)
{
	return counter->unit != COUNTER_RATIO && (counter->value < 0 || counter->whole <= INT64_MAX);
}

static int keep_counter(struct counters_keep *keep, const struct counter *counter, struct last *last, int64_t now_ns,
                        struct weir_fault *fault)
{
	static const char *const kinds[] = {[COUNTER_TOTAL] = "total", [COUNTER_LEVEL] = "level"};
	static const char *const units[] = {[COUNTER_NUMBER] = "number", [COUNTER_BYTES] = "bytes", [COUNTER_PACKETS] = "packets",
	                                    [COUNTER_NANOSECONDS] = "nanoseconds", [COUNTER_RATIO] = "ratio"};
	bool whole = is_whole(counter);
	uint64_t bits = counter->whole;

	if (counter->unit == COUNTER_RATIO)
		memcpy(&bits, &counter->value, sizeof bits);
	/* Of what is not there at the beginning of a file it has nothing; of what goes away, that it did. */
	if (last->known ? last->there == counter->there && (last->bits == bits || !counter->there) : !counter->there)
		return 0;
	*last = (struct last){bits, true, counter->there};
	keep->rows[keep->row_count++] = (struct row){
		.time_ns = now_ns,
		.group = text_of(counter->group),
		.instance = text_of(counter->instance),
		.name = text_of(counter->name),
		.kind = text_of(kinds[counter->kind]),
		.unit = text_of(units[counter->unit]),
		.whole = counter->there && whole ? (int64_t)counter->whole : WEIR_NO_TIME,
		.value = counter->there && !whole ? counter->value : NAN,
	};
	return keep->row_count == ROWS_AT_ONCE ? put_rows(keep, fault) : 0;
}

static int look(struct counters_keep *keep, const struct counters *counters, int64_t now_ns, struct weir_fault *fault)
{
	size_t count;
	const struct counter *list = counters_list(counters, &count);
	int error = 0;

	if (count > keep->last_count) {
		struct last *more = realloc(keep->last, count * sizeof *more);
		if (!more)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for %zu counters", count);
		memset(more + keep->last_count, 0, (count - keep->last_count) * sizeof *more);
		keep->last = more;
		keep->last_count = count;
	}
	for (size_t i = 0; i < count && !error; i++)
		error = keep_counter(keep, &list[i], &keep->last[i], now_ns, fault);
	/* Their texts are the counters', until the next look. */
	return error ? error : put_rows(keep, fault);
}

int counters_keep_look(struct counters_keep *keep, const struct counters *counters, int64_t now_ns, struct weir_fault *fault)
{
	bool other = now_ns >= keep->end_ns || now_ns < keep->begin_ns;
	int error = 0;

	if (!keep->writing && !other)
		return 0; /* the rest of an hour that failed */
	if (keep->writing && other)
		error = counters_keep_finish(keep, fault);
	if (!error && !keep->writing)
		error = begin(keep, now_ns, fault);
	if (!error)
		error = look(keep, counters, now_ns, fault);
	if (error)
		drop(keep);
	return error;
}

/* ---- the whole ---- */

int counters_keep_open(const char *folder, const struct weir_recipients *recipients, int64_t max_age_ns,
                       struct counters_keep **opened, struct weir_fault *fault)
{
	struct counters_keep *keep = calloc(1, sizeof *keep);

	if (keep)
		keep->folder = strdup(folder);
	if (!keep || !keep->folder) {
		free(keep);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to keep counters");
	}
	keep->recipients = recipients;
	keep->max_age_ns = max_age_ns;
	keep->begin_ns = keep->end_ns = INT64_MIN;
	sweep(keep, INT64_MIN);
	*opened = keep;
	return 0;
}

int counters_keep_finish(struct counters_keep *keep, struct weir_fault *fault)
{
	if (!keep->writing)
		return 0;
	int error = parquet_table_group(&keep->table, fault);
	if (!error)
		error = parquet_table_finish(&keep->table, fault);
	drop(keep);
	return error;
}

void counters_keep_close(struct counters_keep *keep)
{
	if (!keep)
		return;
	drop(keep);
	free(keep->last);
	free(keep->folder);
	free(keep);
}
