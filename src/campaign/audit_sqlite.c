/*
 * Searches a database value by value: what is longer than a page stands in pieces in the file. (As bytes the file is searched too, with what was deleted in it.)
 */
#include <sqlite3.h>

#include "campaign/audit.h"

static int fail(sqlite3 *db, const struct audit_file *file, struct weir_fault *fault)
{
	return weir_fail_at(fault, WEIR_E_FORMAT, file->name, WEIR_NOWHERE, WEIR_NOWHERE, "can't be read as a database: %s",
	                    db ? sqlite3_errmsg(db) : "no memory");
}

static void search_value(const struct audit_file *file, sqlite3_stmt *rows, int column, const char *what)
{
	struct audit_place place = {.file = file->name,
	                            .what = what,
	                            .images = true,
	                            .ipv4_bytes = sqlite3_column_type(rows, column) == SQLITE_BLOB,
	                            .numbers = true,
	                            .runs = true,
	                            .short_values = true};
	/* Numbers become their digits. */
	const uint8_t *value = sqlite3_column_type(rows, column) == SQLITE_BLOB ? sqlite3_column_blob(rows, column)
	                                                                        : sqlite3_column_text(rows, column);
	int length = sqlite3_column_bytes(rows, column);

	if (value && length > 0)
		audit_search_all(file->hits, &place, value, (size_t)length);
}

static int search_table(sqlite3 *db, const char *table, const struct audit_file *file, struct weir_fault *fault)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table), what[48];
	sqlite3_stmt *rows = NULL;
	int step = SQLITE_DONE;

	if (!sql || sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK) {
		sqlite3_free(sql);
		return fail(db, file, fault);
	}
	sqlite3_free(sql);
	snprintf(what, sizeof what, "table %s", table);
	while ((step = sqlite3_step(rows)) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(rows); i++)
			search_value(file, rows, i, what);
	int error = step == SQLITE_DONE ? 0 : fail(db, file, fault);
	sqlite3_finalize(rows);
	return error;
}

int audit_sqlite(const struct audit_file *file, struct weir_fault *fault)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *tables = NULL;
	int error = 0, step = SQLITE_DONE;

	if (sqlite3_open_v2(file->path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT name FROM sqlite_master WHERE type = 'table'", -1, &tables, NULL) != SQLITE_OK)
		error = fail(db, file, fault);
	while (!error && (step = sqlite3_step(tables)) == SQLITE_ROW)
		error = search_table(db, (const char *)sqlite3_column_text(tables, 0), file, fault);
	if (!error && step != SQLITE_DONE)
		error = fail(db, file, fault);
	sqlite3_finalize(tables);
	sqlite3_close(db);
	return error;
}
