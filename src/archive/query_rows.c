#include "archive/query_rows.h"

#include <stdlib.h>
#include <unistd.h>

#include "archive/catalog.h"
#include "core/clock.h"

#define SPAN_CLASSES 35

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory to plan the query"); }

static int vantage_of(struct query_rows *rows, const char *node, const char *interface, uint32_t *number)
{
	for (uint32_t i = 0; i < rows->vantage_count; i++)
		if (strcmp(rows->vantages[i].node, node) == 0 && strcmp(rows->vantages[i].interface, interface) == 0) {
			*number = i;
			return 0;
		}
	struct query_vantage_row *more = realloc(rows->vantages, (rows->vantage_count + 1) * sizeof *more);
	if (!more)
		return WEIR_E_MEMORY;
	rows->vantages = more;
	struct query_vantage_row made = {.node = strdup(node), .interface = strdup(interface)};
	if (!made.node || !made.interface) {
		free(made.node);
		free(made.interface);
		return WEIR_E_MEMORY;
	}
	*number = rows->vantage_count;
	more[rows->vantage_count++] = made;
	return 0;
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	return text ? text : "";
}

static int add_row(struct query_rows *rows, sqlite3_stmt *statement, bool open, struct weir_fault *fault)
{
	if (rows->count == rows->capacity) {
		size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
		struct query_row *list = realloc(rows->list, capacity * sizeof *list);
		if (!list)
			return no_memory(fault);
		rows->list = list;
		rows->capacity = capacity;
	}
	struct query_row row = {
		.sequence = (uint64_t)sqlite3_column_int64(statement, 3),
		/* What is open has no times yet: it comes first, and is looked into. */
		.first_ns = open ? INT64_MIN : sqlite3_column_int64(statement, 5),
		.open = open,
	};
	if (codec_from_name(text_of(statement, 4), &row.codec) < 0)
		return weir_fail(fault, WEIR_E_CORRUPT, "the catalog has a segment of an unknown codec: %s (weir catalog rebuild makes it again)",
		                 text_of(statement, 0));
	row.path = strdup(text_of(statement, 0));
	if (!row.path)
		return no_memory(fault);
	rows->list[rows->count++] = row;
	return vantage_of(rows, text_of(statement, 1), text_of(statement, 2), &rows->list[rows->count - 1].vantage) < 0 ? no_memory(fault) : 0;
}

static int64_t minus(int64_t a, int64_t b)
{
	int64_t difference;
	return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

/* The rows of one class of durations: those that could reach into the time begin at most that long before it. */
static int read_class(struct query_rows *rows, struct catalog *catalog, sqlite3_stmt *statement, const struct weir_query *query, int class,
                      struct weir_fault *fault)
{
	bool open = class < 0;
	int64_t longest = open ? 0 : class >= 33 ? INT64_MAX : NS_PER_SECOND << class;
	int rc;

	sqlite3_bind_int(statement, 1, class);
	sqlite3_bind_int64(statement, 2, open ? INT64_MIN : minus(query->from_ns, longest));
	sqlite3_bind_int64(statement, 3, open ? INT64_MAX : query->to_ns);
	sqlite3_bind_int64(statement, 4, open ? INT64_MIN : query->from_ns);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		int code = add_row(rows, statement, open, fault);
		if (code < 0)
			return code;
	}
	int code = rc == SQLITE_DONE ? 0 : catalog_fail(catalog, "cannot read the catalog", fault);
	sqlite3_reset(statement);
	return code;
}

static int read_catalog(struct query_rows *rows, struct catalog *catalog, const struct weir_query *query, struct weir_fault *fault)
{
	static const char sql[] =
		"SELECT path, node, interface, seq, codec, first_ns FROM segments WHERE span_class = ?1 AND first_ns BETWEEN ?2 AND ?3"
		" AND last_ns >= ?4 AND (packets > 0 OR span_class < 0) AND (?5 IS NULL OR node = ?5) AND (?6 IS NULL OR interface = ?6)";
	sqlite3_stmt *statement;
	int code = 0;

	if (sqlite3_prepare_v2(catalog_database(catalog), sql, -1, &statement, NULL) != SQLITE_OK)
		return catalog_fail(catalog, "cannot read the catalog", fault);
	if (query->node)
		sqlite3_bind_text(statement, 5, query->node, -1, SQLITE_STATIC);
	if (query->interface)
		sqlite3_bind_text(statement, 6, query->interface, -1, SQLITE_STATIC);
	for (int class = -1; class < SPAN_CLASSES && code == 0; class++)
		code = read_class(rows, catalog, statement, query, class, fault);
	sqlite3_finalize(statement);
	return code;
}

static int by_name(const void *a, const void *b)
{
	const struct query_vantage_row *x = *(const struct query_vantage_row *const *)a, *y = *(const struct query_vantage_row *const *)b;
	int order = strcmp(x->node, y->node);
	return order ? order : strcmp(x->interface, y->interface);
}

/* Equal times are in the order of node and interface. */
static int rank_vantages(struct query_rows *rows, struct weir_fault *fault)
{
	struct query_vantage_row **order = malloc((rows->vantage_count ? rows->vantage_count : 1) * sizeof *order);

	if (!order)
		return no_memory(fault);
	for (uint32_t i = 0; i < rows->vantage_count; i++)
		order[i] = &rows->vantages[i];
	qsort(order, rows->vantage_count, sizeof *order, by_name);
	for (uint32_t i = 0; i < rows->vantage_count; i++)
		order[i]->rank = i;
	free(order);
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct query_row *x = a, *y = b;
	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

bool query_row_was_deleted(struct weir_campaign *campaign, const struct query_row *row)
{
	sqlite3_stmt *statement;
	char path[PATH_MAX];
	bool deleted;

	if (campaign_path(campaign, row->path, path, NULL) < 0 || access(path, F_OK) == 0 ||
	    sqlite3_prepare_v2(catalog_database(campaign->catalog), "SELECT 1 FROM segments WHERE path = ?1", -1, &statement, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_text(statement, 1, row->path, -1, SQLITE_STATIC);
	deleted = sqlite3_step(statement) == SQLITE_DONE;
	sqlite3_finalize(statement);
	return deleted;
}

const struct query_vantage_row *query_rows_ranked(const struct query_rows *rows, uint32_t rank)
{
	const struct query_vantage_row *vantage = rows->vantages;

	while (vantage->rank != rank)
		vantage++;
	return vantage;
}

int query_rows_read(struct query_rows *rows, struct catalog *catalog, const struct weir_query *query, struct weir_fault *fault)
{
	int code = query->from_ns > query->to_ns ? 0 : read_catalog(rows, catalog, query, fault);

	if (code == 0)
		code = rank_vantages(rows, fault);
	if (code == 0 && rows->count)
		qsort(rows->list, rows->count, sizeof *rows->list, by_first);
	return code;
}

void query_rows_free(struct query_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->list[i].path);
	for (uint32_t i = 0; i < rows->vantage_count; i++) {
		free(rows->vantages[i].node);
		free(rows->vantages[i].interface);
	}
	free(rows->vantages);
	free(rows->list);
}
