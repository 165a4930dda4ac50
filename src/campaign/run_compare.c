/* The outputs of two runs, compared by what their manifests say. */
#include <stdlib.h>

#include <sqlite3.h>

#include "campaign/run_again.h"
#include "os/files.h"

#define MANIFEST_MAX ((size_t)1 << 30)

static int read_manifest(const char *run, char **json, struct weir_fault *fault)
{
	char path[PATH_MAX];
	size_t size;

	if (snprintf(path, sizeof path, "%s/manifest.json", run) >= (int)sizeof path)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	return os_read_file(path, MANIFEST_MAX, json, &size, fault);
}

static const char both[] =
	"WITH a AS (SELECT json_extract(value, '$.path') AS path, json_extract(value, '$.sha256') AS sha256 FROM json_each(?1, '$.outputs')),"
	" b AS (SELECT json_extract(value, '$.path') AS path, json_extract(value, '$.sha256') AS sha256 FROM json_each(?2, '$.outputs'))"
	" SELECT path, max(was), max(sha) FROM (SELECT path, sha256 AS was, '' AS sha FROM a UNION ALL SELECT path, '', sha256 FROM b) GROUP BY path"
	" ORDER BY path";

int run_compare_outputs(const char *run, const char *again, void (*each)(void *context, const char *path, const char *was, const char *is),
                        void *context, struct weir_fault *fault)
{
	char *old = NULL, *new = NULL;
	sqlite3 *database = NULL;
	sqlite3_stmt *statement = NULL;
	int code = SQLITE_ERROR, error = read_manifest(run, &old, fault);

	if (!error)
		error = read_manifest(again, &new, fault);
	if (!error && sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(database, both, -1, &statement, NULL) == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, old, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, new, -1, SQLITE_STATIC);
		while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
			const char *was = (const char *)sqlite3_column_text(statement, 1), *is = (const char *)sqlite3_column_text(statement, 2);
			each(context, (const char *)sqlite3_column_text(statement, 0), was && *was ? was : "none", is && *is ? is : "none");
		}
	}
	if (!error && code != SQLITE_DONE)
		error = weir_fail_at(fault, WEIR_E_FORMAT, run, WEIR_NOWHERE, WEIR_NOWHERE, "its manifest.json can't be read: %s",
		                     database ? sqlite3_errmsg(database) : "no memory");
	sqlite3_finalize(statement);
	sqlite3_close(database);
	free(old);
	free(new);
	return error;
}
