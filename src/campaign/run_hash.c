/* SHA-256 (FIPS 180-4) of the files of a run, and those that are known already. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "campaign/run.h"

struct run_hashes {
	sqlite3 *database;
};

/*
 * SHA-256 takes as long as everything else of a run together, and segments never change: what was computed once is kept, for as long as path, size and
 * time of change are the same. Nothing is lost with the file.
 */
static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS hashes(path TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL, changed_ns INTEGER NOT NULL, sha256 TEXT NOT NULL)"
	" WITHOUT ROWID;";

int run_hashes_open(const char *path, struct run_hashes **out, struct weir_fault *fault)
{
	struct run_hashes *hashes = calloc(1, sizeof *hashes);

	*out = NULL;
	if (!hashes)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the hashes of files");
	if (sqlite3_open_v2(path, &hashes->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(hashes->database, 10000) != SQLITE_OK || sqlite3_exec(hashes->database, schema, NULL, NULL, NULL) != SQLITE_OK) {
		int error = weir_fail_at(fault, WEIR_E_IO, path, WEIR_NOWHERE, WEIR_NOWHERE, "can't keep hashes of files: %s; delete it, it is made again",
		                         sqlite3_errmsg(hashes->database));
		run_hashes_close(hashes);
		return error;
	}
	*out = hashes;
	return 0;
}

void run_hashes_close(struct run_hashes *hashes)
{
	if (!hashes)
		return;
	sqlite3_close(hashes->database);
	free(hashes);
}

int64_t run_changed_ns(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * INT64_C(1000000000) + status->st_mtim.tv_nsec;
}

static bool find(struct run_hashes *known, const char *path, const struct stat *status, char hex[static 65])
{
	sqlite3_stmt *statement;
	bool found = false;

	if (sqlite3_prepare_v2(known->database, "SELECT sha256 FROM hashes WHERE path = ? AND bytes = ? AND changed_ns = ?", -1, &statement, NULL) == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, (int64_t)status->st_size);
		sqlite3_bind_int64(statement, 3, run_changed_ns(status));
		if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == 64) {
			memcpy(hex, sqlite3_column_text(statement, 0), 65);
			found = true;
		}
	}
	sqlite3_finalize(statement);
	return found;
}

/* That it could not be kept costs time the next time, nothing else. */
static void keep(struct run_hashes *known, const char *path, const struct stat *status, const char *hex)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(known->database, "INSERT OR REPLACE INTO hashes VALUES(?, ?, ?, ?)", -1, &statement, NULL) == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, (int64_t)status->st_size);
		sqlite3_bind_int64(statement, 3, run_changed_ns(status));
		sqlite3_bind_text(statement, 4, hex, -1, SQLITE_STATIC);
		sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
}

int run_hash(struct run_hashes *known, const char *path, const _Atomic int *stop, char hex[static 65], struct weir_fault *fault)
{
	return run_hash_fed(known, path, NULL, stop, hex, fault);
}

int run_hash_fed(struct run_hashes *known, const char *path, const struct sha256_feed *feed, const _Atomic int *stop, char hex[static 65],
                 struct weir_fault *fault)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 || fstat(fd, &status) != 0 ? errno : 0;

	if (!failed && !(known && find(known, path, &status, hex))) {
		failed = file_sha256_fed(fd, feed, stop, hex);
		if (!failed && known)
			keep(known, path, &status, hex);
	}
	if (fd >= 0)
		close(fd);
	if (failed == EINTR)
		return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted while hashing");
	return failed ? weir_fail_errno(fault, failed, path, "could not be hashed") : 0;
}
