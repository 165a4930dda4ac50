/* SHA-256 (FIPS 180-4) of the files of a run, and those that are known already. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "campaign/run.h"

#define READ_BYTES ((size_t)1 << 18) /* stays in the second-level cache */

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

struct run_hash_work {
	struct run_hashes *known;
	struct run_feed *feed;
	char *path, *hex;
	int file;
	struct stat status;
	struct sha256 *sha256;
	uint8_t *buffer;
	uint64_t at;
};

static int fail(const struct run_hash_work *work, int system, struct weir_fault *fault)
{
	return weir_fail_errno(fault, system, work->path, "could not be hashed");
}

void run_hash_close(struct run_hash_work *work)
{
	if (!work)
		return;
	if (work->file >= 0)
		close(work->file);
	sha256_free(work->sha256);
	free(work->buffer);
	free(work->path);
	free(work);
}

int run_hash_open(struct run_hashes *known, const char *path, struct run_feed *feed, char hex[static 65], struct run_hash_work **out,
                  struct weir_fault *fault)
{
	struct run_hash_work *work = calloc(1, sizeof *work);
	int file = open(path, O_RDONLY | O_CLOEXEC), system = file < 0 ? errno : 0, error = 0;

	*out = NULL;
	if (!work) {
		if (file >= 0)
			close(file);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to hash a file");
	}
	*work = (struct run_hash_work){.known = known, .feed = feed, .path = strdup(path), .hex = hex, .file = file,
	                               .sha256 = sha256_new(), .buffer = malloc(READ_BYTES)};
	if (file >= 0 && fstat(file, &work->status) != 0)
		system = errno;
	if (system)
		error = weir_fail_errno(fault, system, path, "could not be hashed");
	else if (!work->path || !work->sha256 || !work->buffer)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to hash a file");
	if (error || (known && find(known, path, &work->status, hex))) {
		run_hash_close(work);
		return error;
	}
	*out = work;
	return 0;
}

/* The next bytes: how many; 0 at the end, RUN_NOTHING_YET, or a negative errno. */
#define RUN_NOTHING_YET INT64_MAX
static int64_t next_bytes(struct run_hash_work *work, const uint8_t **data)
{
	size_t most = READ_BYTES;
	ssize_t n;

	*data = NULL;
	if (work->feed && work->at < (uint64_t)work->status.st_size)
		most = run_feed_next(work->feed, work->at, READ_BYTES, data);
	if (*data)
		return (int64_t)most;
	if (!most)
		return RUN_NOTHING_YET;
	*data = work->buffer;
	do
		n = pread(work->file, work->buffer, most, (off_t)work->at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int run_hash_some(struct run_hash_work *work, size_t *hashed, struct weir_fault *fault)
{
	const uint8_t *data;
	int64_t n = next_bytes(work, &data);
	int failed = n < 0 ? (int)-n : 0;

	*hashed = 0;
	if (n == RUN_NOTHING_YET)
		return RUN_HASH_LATER;
	if (!failed)
		failed = n > 0 ? sha256_add(work->sha256, data, (size_t)n) : sha256_end(work->sha256, work->hex);
	if (failed)
		return fail(work, failed, fault);
	if (n == 0) {
		if (work->known)
			keep(work->known, work->path, &work->status, work->hex);
		return RUN_HASH_DONE;
	}
	work->at += (uint64_t)n;
	*hashed = (size_t)n;
	return RUN_HASH_MORE;
}

int run_hash(const char *path, const _Atomic int *stop, char hex[static 65], struct weir_fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 ? errno : file_sha256(fd, stop, hex);

	if (fd >= 0)
		close(fd);
	if (failed == EINTR)
		return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted while hashing");
	return failed ? weir_fail_errno(fault, failed, path, "could not be hashed") : 0;
}
