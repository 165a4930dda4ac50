/* The catalog: archive/catalog.h. */
#include "archive/catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS nodes(node TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;\n"
	"CREATE TABLE IF NOT EXISTS interfaces(node TEXT NOT NULL, interface TEXT NOT NULL, PRIMARY KEY(node, interface))"
	" WITHOUT ROWID;\n"
	"CREATE TABLE IF NOT EXISTS segments(path TEXT NOT NULL PRIMARY KEY, node TEXT NOT NULL, interface TEXT NOT NULL,"
	" seq INTEGER NOT NULL, state TEXT NOT NULL, codec TEXT NOT NULL, span_class INTEGER NOT NULL, first_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL, packets INTEGER NOT NULL, captured_bytes INTEGER NOT NULL, wire_bytes INTEGER NOT NULL,"
	" raw_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, index_bytes INTEGER NOT NULL, chunks INTEGER NOT NULL)"
	" WITHOUT ROWID;\n"
	"CREATE INDEX IF NOT EXISTS segments_time ON segments(span_class, first_ns);\n"
	"CREATE INDEX IF NOT EXISTS segments_vantage ON segments(node, interface, seq);\n"
	"CREATE INDEX IF NOT EXISTS segments_age ON segments(state, last_ns, path);\n"
	"CREATE INDEX IF NOT EXISTS segments_open ON segments(path) WHERE state = 'open';\n"
	"CREATE TABLE IF NOT EXISTS ledger(node TEXT NOT NULL, interface TEXT NOT NULL, cause TEXT NOT NULL,"
	" entered_ns INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, packets INTEGER, bytes INTEGER,"
	" detail TEXT NOT NULL, PRIMARY KEY(node, interface, cause, entered_ns)) WITHOUT ROWID;\n"
	"CREATE INDEX IF NOT EXISTS ledger_time ON ledger(to_ns, from_ns);\n";

struct catalog {
	sqlite3 *database;
	pthread_mutex_t lock;
	bool writable;
	char *file;
};

static const struct {
	enum weir_codec codec;
	const char *name;
} codecs[] = {{WEIR_CODEC_NONE, "none"}, {WEIR_CODEC_ZSTD, "zstd"}, {WEIR_CODEC_LZ4, "lz4"}};

const char *codec_name(enum weir_codec codec)
{
	for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
		if (codecs[i].codec == codec)
			return codecs[i].name;
	return "unknown";
}

int codec_from_name(const char *name, enum weir_codec *codec)
{
	for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
		if (strcmp(codecs[i].name, name) == 0) {
			*codec = codecs[i].codec;
			return 0;
		}
	return -1;
}

int span_class(int64_t first_ns, int64_t last_ns)
{
	uint64_t span = last_ns > first_ns ? (uint64_t)last_ns - (uint64_t)first_ns : 0;
	int k = 0;
	/* 2^34 s is more than int64_t nanoseconds can span. */
	while (k < 34 && ((uint64_t)NS_PER_SECOND << k) < span)
		k++;
	return k;
}

int catalog_fail(const struct catalog *catalog, const char *what, struct weir_fault *fault)
{
	int code = sqlite3_extended_errcode(catalog->database) & 0xff;
	enum weir_error error = WEIR_E_IO;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		error = WEIR_E_CORRUPT;
	else if (code == SQLITE_FULL)
		error = WEIR_E_NO_SPACE;
	else if (code == SQLITE_NOMEM)
		error = WEIR_E_MEMORY;
	else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		error = WEIR_E_BUSY;
	else if (code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_AUTH)
		error = WEIR_E_PERMISSION;
	return weir_fail_at(fault, error, catalog->file, WEIR_NOWHERE, WEIR_NOWHERE, "%s: %s%s", what,
	                    sqlite3_errmsg(catalog->database),
	                    error == WEIR_E_CORRUPT ? " (weir catalog rebuild makes it again from the files)" : "");
}

static int execute(struct catalog *catalog, const char *sql, const char *what, struct weir_fault *fault)
{
	if (sqlite3_exec(catalog->database, sql, NULL, NULL, NULL) != SQLITE_OK)
		return catalog_fail(catalog, what, fault);
	return 0;
}

/* A folder that can't be written: WAL needs a -shm file, so the file is taken as it is. */
static int open_immutable(struct catalog *catalog)
{
	char *uri = sqlite3_mprintf("file:%s?immutable=1", catalog->file);
	if (!uri)
		return SQLITE_NOMEM;
	sqlite3_close(catalog->database);
	catalog->database = NULL;
	int rc = sqlite3_open_v2(uri, &catalog->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	sqlite3_free(uri);
	return rc;
}

static int open_database(struct catalog *catalog, enum catalog_mode mode, struct weir_fault *fault)
{
	int flags = SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_READWRITE | (mode == CATALOG_CREATE ? SQLITE_OPEN_CREATE : 0);
	int rc = sqlite3_open_v2(catalog->file, &catalog->database, flags, NULL);

	catalog->writable = rc == SQLITE_OK && sqlite3_db_readonly(catalog->database, "main") == 0;
	if (!catalog->writable && mode == CATALOG_READ)
		rc = open_immutable(catalog);
	if (rc != SQLITE_OK)
		return catalog_fail(catalog, "cannot open the catalog", fault);
	sqlite3_busy_timeout(catalog->database, 10000);
	if (!catalog->writable && mode != CATALOG_READ)
		return weir_fail_at(fault, WEIR_E_PERMISSION, catalog->file, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "the catalog cannot be written");
	if (!catalog->writable)
		return execute(catalog, "SELECT count(*) FROM sqlite_master", "cannot read the catalog", fault);
	int error = execute(catalog, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;", "cannot set up the catalog", fault);
	return error ? error : execute(catalog, schema, "cannot set up the catalog", fault);
}

int catalog_open(const char *file, enum catalog_mode mode, struct catalog **out, struct weir_fault *fault)
{
	struct catalog *catalog = calloc(1, sizeof *catalog);
	char *copy = strdup(file);

	if (!catalog || !copy) {
		free(catalog);
		free(copy);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the catalog");
	}
	catalog->file = copy;
	pthread_mutex_init(&catalog->lock, NULL);
	int error = open_database(catalog, mode, fault);
	if (error) {
		catalog_close(catalog);
		return error;
	}
	*out = catalog;
	return 0;
}

void catalog_close(struct catalog *catalog)
{
	if (!catalog)
		return;
	sqlite3_close(catalog->database);
	pthread_mutex_destroy(&catalog->lock);
	free(catalog->file);
	free(catalog);
}

bool catalog_writable(const struct catalog *catalog) { return catalog->writable; }
sqlite3 *catalog_database(struct catalog *catalog) { return catalog->database; }

/*
 * Runs one statement with its arguments bound in order: 's' a string, 'i' an int64_t, 'c' a count (WEIR_UNKNOWN_COUNT is NULL). What it
 * gives back in its first row and column goes to *result, when that is not NULL.
 */
static int run(struct catalog *catalog, const char *what, int64_t *result, struct weir_fault *fault, const char *sql,
               const char *types, ...)
{
	sqlite3_stmt *statement = NULL;
	va_list arguments;
	int error = 0;

	pthread_mutex_lock(&catalog->lock);
	if (sqlite3_prepare_v2(catalog->database, sql, -1, &statement, NULL) != SQLITE_OK) {
		error = catalog_fail(catalog, what, fault);
		pthread_mutex_unlock(&catalog->lock);
		return error;
	}
	va_start(arguments, types);
	for (int i = 1; *types; types++, i++) {
		if (*types == 's') {
			sqlite3_bind_text(statement, i, va_arg(arguments, const char *), -1, SQLITE_TRANSIENT);
		} else {
			uint64_t value = va_arg(arguments, uint64_t);
			if (*types != 'c' || value != WEIR_UNKNOWN_COUNT)
				sqlite3_bind_int64(statement, i, (sqlite3_int64)value);
		}
	}
	va_end(arguments);
	int rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW && result) {
		*result = sqlite3_column_int64(statement, 0);
		rc = sqlite3_step(statement);
	}
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		error = catalog_fail(catalog, what, fault);
	sqlite3_finalize(statement);
	pthread_mutex_unlock(&catalog->lock);
	return error;
}

int catalog_vantage(struct catalog *catalog, const char *node, const char *interface, struct weir_fault *fault)
{
	int error = run(catalog, "cannot enter the node", NULL, fault, "INSERT OR IGNORE INTO nodes VALUES(?)", "s", node);
	if (!error && interface)
		error = run(catalog, "cannot enter the interface", NULL, fault, "INSERT OR IGNORE INTO interfaces VALUES(?, ?)", "ss",
		            node, interface);
	return error;
}

int catalog_segment_opened(struct catalog *catalog, const struct segment_row *row, struct weir_fault *fault)
{
	return run(catalog, "cannot enter the segment", NULL, fault,
	           "INSERT OR REPLACE INTO segments VALUES(?, ?, ?, ?, 'open', ?, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)", "sssis",
	           row->path, row->node, row->interface, row->sequence, codec_name(row->codec));
}

int catalog_segment_closed(struct catalog *catalog, const struct segment_row *row, struct weir_fault *fault)
{
	return run(catalog, "cannot enter the segment", NULL, fault,
	           "INSERT OR REPLACE INTO segments VALUES(?, ?, ?, ?, 'closed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	           "sssisiiiiiiiiii", row->path, row->node, row->interface, row->sequence, codec_name(row->codec),
	           (int64_t)span_class(row->first_ns, row->last_ns), row->first_ns, row->last_ns, row->packets,
	           row->captured_bytes, row->wire_bytes, row->raw_bytes, row->stored_bytes, row->index_bytes,
	           (uint64_t)row->chunks);
}

int catalog_segment_gone(struct catalog *catalog, const char *path, struct weir_fault *fault)
{
	return run(catalog, "cannot delete the segment's row", NULL, fault, "DELETE FROM segments WHERE path = ?", "s", path);
}

int catalog_last_sequence(struct catalog *catalog, const char *node, const char *interface, uint64_t *sequence,
                          struct weir_fault *fault)
{
	int64_t last = 0;
	int error = run(catalog, "cannot read the segments", &last, fault,
	                "SELECT coalesce(max(seq), 0) FROM segments WHERE node = ? AND interface = ?", "ss", node, interface);
	*sequence = last < 0 ? 0 : (uint64_t)last;
	return error;
}

int catalog_loss(struct catalog *catalog, const struct weir_loss *loss, int64_t entered_ns, struct weir_fault *fault)
{
	return run(catalog, "cannot enter the loss", NULL, fault,
	           "INSERT OR IGNORE INTO ledger VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", "sssiiiccs", loss->node,
	           loss->interface ? loss->interface : "", weir_loss_name(loss->cause), entered_ns, loss->from_ns, loss->to_ns,
	           loss->packets, loss->bytes, loss->detail ? loss->detail : "");
}

int catalog_begin(struct catalog *catalog, struct weir_fault *fault)
{
	return execute(catalog, "BEGIN IMMEDIATE", "cannot begin", fault);
}

int catalog_commit(struct catalog *catalog, struct weir_fault *fault)
{
	return execute(catalog, "COMMIT", "cannot commit", fault);
}

int catalog_settle(struct catalog *catalog, struct weir_fault *fault)
{
	/* The mode without a log: what stands in it goes into the file first, or this fails. Closing alone would fail silently. */
	return execute(catalog, "PRAGMA journal_mode=DELETE", "cannot complete the catalog", fault);
}
