/* Holding a campaign against the signed chains of its nodes: archive/chain.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <sqlite3.h>

#include "archive/chain.h"
#include "archive/folders.h"
#include "core/signing.h"

/*
 * What the chains say of files, in a database in memory: a campaign of weeks has tens of thousands of segments. file: the last that was said of it;
 * line: where. removed: retention deleted it.
 */
static const char schema[] =
	"CREATE TABLE signed(file TEXT PRIMARY KEY, bytes INTEGER, sha256 TEXT, line INTEGER, removed INTEGER) WITHOUT ROWID;"
	"CREATE INDEX by_sum ON signed(sha256);";

static const char read_line[] =
	"SELECT json_extract(?1, '$.number'), json_extract(?1, '$.event'), json_extract(?1, '$.file'), json_extract(?1, '$.bytes'),"
	" json_extract(?1, '$.sha256'), json_extract(?1, '$.ledger_bytes'), json_extract(?1, '$.ledger_sha256'), json_extract(?1, '$.previous'),"
	" json_extract(?1, '$.key'), json_extract(?1, '$.signature') WHERE json_valid(?1)";

enum column { NUMBER, EVENT, FILE_NAME, BYTES, SHA256, LEDGER_BYTES, LEDGER_SHA256, PREVIOUS, KEY, SIGNATURE };

struct check {
	struct verify *verify;
	const struct chain_check *wanted;
	struct weir_campaign *campaign;
	sqlite3 *database;
	sqlite3_stmt *line, *say, *find, *find_sum, *missing;
	bool head_seen;

	/* The chain in hand. */
	const char *node;
	char path[PATH_MAX];
	uint64_t number; /* of its lines so far */
	char previous[SHA256_HEX], signer[SIGNING_PUBLIC_HEX];
	int ledger_fd; /* -1: none */
	uint64_t ledger_bytes;
	EVP_MD_CTX *ledger;
	bool ledger_wrong, ended;
};

static void tell(struct check *check, const struct weir_fault *fault)
{
	pthread_mutex_lock(&check->verify->lock);
	check->verify->counts.faults++;
	check->verify->found(check->verify->context, fault);
	pthread_mutex_unlock(&check->verify->lock);
}

/* A fault of the line in hand of the chain. */
#define tell_line(check, ...) \
	do { \
		struct weir_fault told = {0}; \
		weir_fail_at(&told, WEIR_E_CORRUPT, (check)->path, WEIR_NOWHERE, WEIR_NOWHERE, __VA_ARGS__); \
		tell(check, &told); \
	} while (0)

static int fail_database(const struct check *check, struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "the signed chain can't be looked at: %s", sqlite3_errmsg(check->database));
}

static const char *text_of(sqlite3_stmt *statement, enum column column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	return text ? text : "";
}

/* Whether this key may sign for this node. Without a list it is whoever signed the chain's first line, and the caller is told who that is. */
static bool may_sign(struct check *check, const char *key)
{
	const struct chain_check *wanted = check->wanted;

	if (!wanted->signers) {
		if (!check->signer[0])
			snprintf(check->signer, sizeof check->signer, "%s", key);
		return strcmp(check->signer, key) == 0;
	}
	for (size_t i = 0; i < wanted->signer_count; i++)
		if (strcmp(wanted->signers[i], key) == 0) {
			snprintf(check->signer, sizeof check->signer, "%s", key);
			return true;
		}
	return false;
}

static bool is_signed(struct check *check, const char *line, size_t length)
{
	uint8_t signature[SIGNATURE_BYTES];
	const char *behind = memmem(line, length, CHAIN_SIGNATURE, sizeof CHAIN_SIGNATURE - 1);
	const char *key = text_of(check->line, KEY);

	/* Exactly one way to write it: nothing unsigned may stand behind the signature. */
	size_t tail = sizeof CHAIN_SIGNATURE - 1 + 2 * SIGNATURE_BYTES + 2;
	if (!behind || (size_t)(line + length - behind) != tail || memcmp(line + length - 2, "\"}", 2) != 0)
		return false;
	return signing_from_hex(text_of(check->line, SIGNATURE), sizeof signature, signature) && may_sign(check, key) &&
	       signing_verify(key, line, (size_t)(behind - line), signature);
}

static void hash_hex(const void *data, size_t length, char hex[static SHA256_HEX])
{
	uint8_t digest[32];

	EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL);
	signing_to_hex(digest, sizeof digest, hex);
}

/* Reads on in the ledger to as far as a line says, and compares. It only grows, so that it is read once for all lines. */
static void check_ledger(struct check *check)
{
	uint64_t until = (uint64_t)sqlite3_column_int64(check->line, LEDGER_BYTES);
	uint8_t buffer[1 << 14], digest[32];
	char hex[SHA256_HEX];

	if (check->ledger_wrong)
		return;
	while (check->ledger_bytes < until && check->ledger_fd >= 0) {
		size_t size = until - check->ledger_bytes < sizeof buffer ? (size_t)(until - check->ledger_bytes) : sizeof buffer;
		ssize_t got = pread(check->ledger_fd, buffer, size, (off_t)check->ledger_bytes);
		if (got <= 0)
			break;
		EVP_DigestUpdate(check->ledger, buffer, (size_t)got);
		check->ledger_bytes += (uint64_t)got;
	}
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool computed = copy && EVP_MD_CTX_copy_ex(copy, check->ledger) == 1 && EVP_DigestFinal_ex(copy, digest, NULL) == 1;
	EVP_MD_CTX_free(copy);
	if (computed)
		signing_to_hex(digest, sizeof digest, hex);
	if (computed && check->ledger_bytes == until && strcmp(hex, text_of(check->line, LEDGER_SHA256)) == 0)
		return;
	check->ledger_wrong = true;
	if (check->ledger_bytes < until)
		tell_line(check, "the loss ledger of %s was cut: line %llu signed %llu bytes of it, and there are %llu", check->node,
		          (unsigned long long)check->number, (unsigned long long)until, (unsigned long long)check->ledger_bytes);
	else
		tell_line(check, "the loss ledger of %s was altered in its first %llu bytes, which line %llu signed", check->node,
		          (unsigned long long)until, (unsigned long long)check->number);
}

/* Whether the file is one of the chain's node: else the chain is another's, put in the place of its own. */
static bool is_of_node(const struct check *check, const char *file)
{
	size_t length = strlen(check->node);

	return strncmp(file, "raw/", 4) == 0 && strncmp(file + 4, check->node, length) == 0 && file[4 + length] == '/';
}

static int note_file(struct check *check, struct weir_fault *fault)
{
	const char *file = text_of(check->line, FILE_NAME);
	bool removed = strcmp(text_of(check->line, EVENT), chain_event_name(CHAIN_REMOVED)) == 0;

	if (!is_of_node(check, file)) {
		tell_line(check, "line %llu signs %s, which is not of node %s", (unsigned long long)check->number, file,
		          check->node);
		return 0;
	}
	sqlite3_reset(check->find);
	sqlite3_bind_text(check->find, 1, file, -1, SQLITE_STATIC);
	if (sqlite3_step(check->find) == SQLITE_ROW && !removed && !sqlite3_column_int(check->find, 2) &&
	    strcmp((const char *)sqlite3_column_text(check->find, 1), text_of(check->line, SHA256)) != 0)
		tell_line(check, "line %llu signs %s again, with other bytes than line %lld", (unsigned long long)check->number, file,
		          (long long)sqlite3_column_int64(check->find, 3));
	sqlite3_reset(check->find);
	sqlite3_reset(check->say);
	sqlite3_bind_text(check->say, 1, file, -1, SQLITE_STATIC);
	sqlite3_bind_int64(check->say, 2, sqlite3_column_int64(check->line, BYTES));
	sqlite3_bind_text(check->say, 3, text_of(check->line, SHA256), -1, SQLITE_STATIC);
	sqlite3_bind_int64(check->say, 4, (sqlite3_int64)check->number);
	sqlite3_bind_int(check->say, 5, removed);
	int rc = sqlite3_step(check->say);
	sqlite3_reset(check->say);
	return rc == SQLITE_DONE ? 0 : fail_database(check, fault);
}

static int take_line(struct check *check, const char *line, size_t length, struct weir_fault *fault)
{
	char hex[SHA256_HEX];
	int error = 0;

	check->number++;
	sqlite3_reset(check->line);
	sqlite3_bind_text(check->line, 1, line, (int)length, SQLITE_STATIC);
	if (sqlite3_step(check->line) != SQLITE_ROW || !is_signed(check, line, length)) {
		tell_line(check, "line %llu is not signed by a key that may: it was altered, or another wrote it", (unsigned long long)check->number);
	} else {
		uint64_t number = (uint64_t)sqlite3_column_int64(check->line, NUMBER);
		if (number != check->number)
			tell_line(check, "line %llu is number %llu: lines were removed, added or reordered", (unsigned long long)check->number,
			          (unsigned long long)number);
		else if (strcmp(text_of(check->line, PREVIOUS), check->previous) != 0)
			tell_line(check, "line %llu does not follow the line before it", (unsigned long long)check->number);
		check->number = number;
		check_ledger(check);
		check->ended = strcmp(text_of(check->line, EVENT), chain_event_name(CHAIN_END)) == 0;
		if (!check->ended)
			error = note_file(check, fault);
	}
	/* With its end of line, as it stands in the file. */
	hash_hex(line, length + 1, hex);
	memcpy(check->previous, hex, sizeof hex);
	if (check->wanted->head && strcmp(hex, check->wanted->head) == 0)
		check->head_seen = true;
	return error;
}

static int take_lines(struct check *check, FILE *file, struct weir_fault *fault)
{
	char line[CHAIN_LINE_MAX + 2];
	int error = 0;

	while (!error && fgets(line, sizeof line, file)) {
		size_t length = strlen(line);
		if (check->verify->stop && atomic_load_explicit((_Atomic int *)check->verify->stop, memory_order_relaxed))
			return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
		if (length && line[length - 1] == '\n') {
			error = take_line(check, line, length - 1, fault);
			continue;
		}
		tell_line(check, "line %llu is torn, or longer than any that weir writes", (unsigned long long)check->number + 1);
		break;
	}
	if (!error && ferror(file))
		error = weir_fail_errno(fault, errno, check->path, "cannot be read");
	return error;
}

static int open_ledger(struct check *check, struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX];

	snprintf(relative, sizeof relative, "raw/%s/ledger.jsonl", check->node);
	int error = campaign_path(check->campaign, relative, path, fault);
	if (error)
		return error;
	check->ledger_fd = open(path, O_RDONLY | O_CLOEXEC);
	check->ledger_bytes = 0;
	check->ledger_wrong = false;
	if (!check->ledger)
		check->ledger = EVP_MD_CTX_new();
	if (!check->ledger || EVP_DigestInit_ex(check->ledger, EVP_sha256(), NULL) != 1)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a checksum");
	return 0;
}

static int check_chain(struct check *check, struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32];

	snprintf(relative, sizeof relative, "raw/%s/chain.jsonl", check->node);
	int error = campaign_path(check->campaign, relative, check->path, fault);
	if (error)
		return error;
	FILE *file = fopen(check->path, "re");
	if (!file && errno == ENOENT) {
		tell_line(check, "is missing: nothing of node %s is signed", check->node);
		return 0;
	}
	if (!file)
		return weir_fail_errno(fault, errno, check->path, "cannot be read");
	check->number = 0;
	check->previous[0] = check->signer[0] = '\0';
	check->ended = false;
	error = open_ledger(check, fault);
	if (!error)
		error = take_lines(check, file, fault);
	if (check->ledger_fd >= 0)
		close(check->ledger_fd);
	fclose(file);
	if (!error && check->wanted->node)
		check->wanted->node(check->wanted->context, check->node, check->signer, check->number, check->previous);
	return error;
}

/* Whether these bytes were signed under another name: the segment was put in its place. */
static void tell_altered(struct check *check, const char *file, const char *path, uint64_t signed_bytes, uint64_t bytes, const char *sha256)
{
	struct weir_fault told = {0};
	const char *other = NULL;

	sqlite3_reset(check->find_sum);
	sqlite3_bind_text(check->find_sum, 1, sha256, -1, SQLITE_STATIC);
	sqlite3_bind_text(check->find_sum, 2, file, -1, SQLITE_STATIC);
	if (sqlite3_step(check->find_sum) == SQLITE_ROW)
		other = (const char *)sqlite3_column_text(check->find_sum, 0);
	if (other)
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "holds what was signed as %s: reordered", other);
	else if (bytes < signed_bytes)
		weir_fail_at(&told, WEIR_E_CORRUPT, path, (int64_t)bytes, WEIR_NOWHERE, "truncated: %llu of the %llu bytes that were signed",
		             (unsigned long long)bytes, (unsigned long long)signed_bytes);
	else
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "altered: its SHA-256 is not the one that was signed");
	tell(check, &told);
	sqlite3_reset(check->find_sum);
}

/* Whether somebody may be writing this segment: its vantage is marked, and its lock is held. Who only looks must not keep a recorder from its lock. */
static bool is_being_written(const char *path)
{
	char lock[PATH_MAX];
	struct stat status;

	/* raw/NODE/INTERFACE/DAY/NAME */
	snprintf(lock, sizeof lock, "%s", path);
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(lock, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	if (strlen(lock) + sizeof "/.lock" > sizeof lock)
		return false;
	int fd = open(strcat(lock, "/.lock"), O_RDONLY | O_CLOEXEC);
	bool held = fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
	if (fd >= 0)
		close(fd);
	return held;
}

static void check_unsigned(struct check *check, const char *path)
{
	char index[PATH_MAX + 8];
	struct weir_fault told = {0};

	/* One that is being written has no index yet, and its line comes when it is closed. */
	snprintf(index, sizeof index, "%s.idx", path);
	if (access(index, F_OK) == 0)
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE,
		             "not signed: added, or written without a key");
	else if (access(path, F_OK) == 0 && !is_being_written(path))
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE,
		             "not signed: added, or its writer died and it waits for recovery");
	else
		return;
	tell(check, &told);
}

static int check_segment(struct check *check, const char *file, struct weir_fault *fault)
{
	char path[PATH_MAX], sha256[SHA256_HEX];
	uint64_t bytes = 0;

	int error = campaign_path(check->campaign, file, path, fault);
	if (error)
		return error;
	sqlite3_reset(check->find);
	sqlite3_bind_text(check->find, 1, file, -1, SQLITE_STATIC);
	if (sqlite3_step(check->find) != SQLITE_ROW || sqlite3_column_int(check->find, 2)) {
		check_unsigned(check, path);
		return 0;
	}
	uint64_t signed_bytes = (uint64_t)sqlite3_column_int64(check->find, 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int system = fd < 0 ? errno : chain_hash(fd, segment_is_sealed(file), check->verify->stop, &bytes, sha256);
	if (fd >= 0)
		close(fd);
	if (system == EINTR)
		return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	if (system)
		return weir_fail_errno(fault, system, path, "cannot be read");
	if (bytes != signed_bytes || strcmp(sha256, (const char *)sqlite3_column_text(check->find, 1)) != 0)
		tell_altered(check, file, path, signed_bytes, bytes, sha256);
	pthread_mutex_lock(&check->verify->lock);
	check->verify->counts.signed_segments++;
	if (check->verify->progress)
		check->verify->progress(check->verify->context, check->verify->counts.bytes += bytes);
	pthread_mutex_unlock(&check->verify->lock);
	return 0;
}

static int check_segments(struct check *check, struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 16];
	struct folder_list interfaces = {0}, segments = {0};

	snprintf(relative, sizeof relative, "raw/%s", check->node);
	int error = list_folders(check->campaign, relative, &interfaces, fault);
	for (size_t i = 0; i < interfaces.count && !error; i++) {
		error = list_segments(check->campaign, check->node, interfaces.names[i], &segments, fault);
		for (size_t k = 0; k < segments.count && !error; k++)
			error = check_segment(check, segments.names[k], fault);
		folder_list_free(&segments);
		segments = (struct folder_list){0};
	}
	folder_list_free(&interfaces);
	return error;
}

/* What was signed and is not there. */
static int check_missing(struct check *check, struct weir_fault *fault)
{
	int rc;

	while ((rc = sqlite3_step(check->missing)) == SQLITE_ROW) {
		const char *file = (const char *)sqlite3_column_text(check->missing, 0);
		char path[PATH_MAX];
		int error = campaign_path(check->campaign, file, path, fault);
		if (error)
			return error;
		if (access(path, F_OK) == 0)
			continue;
		struct weir_fault told = {0};
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "removed: it was signed, and is not there");
		tell(check, &told);
	}
	return rc == SQLITE_DONE ? 0 : fail_database(check, fault);
}

static int prepare(struct check *check, struct weir_fault *fault)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} statements[] = {
		{&check->line, read_line},
		{&check->say, "INSERT OR REPLACE INTO signed VALUES(?1, ?2, ?3, ?4, ?5)"},
		{&check->find, "SELECT bytes, sha256, removed, line FROM signed WHERE file = ?1"},
		{&check->find_sum, "SELECT file FROM signed WHERE sha256 = ?1 AND file <> ?2"},
		{&check->missing, "SELECT file FROM signed WHERE NOT removed ORDER BY file"},
	};

	if (sqlite3_open(":memory:", &check->database) != SQLITE_OK || sqlite3_exec(check->database, schema, NULL, NULL, NULL) != SQLITE_OK)
		return fail_database(check, fault);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		if (sqlite3_prepare_v2(check->database, statements[i].sql, -1, statements[i].statement, NULL) != SQLITE_OK)
			return fail_database(check, fault);
	return 0;
}

static void release(struct check *check)
{
	sqlite3_stmt *statements[] = {check->line, check->say, check->find, check->find_sum, check->missing};

	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		sqlite3_finalize(statements[i]);
	sqlite3_close(check->database);
	EVP_MD_CTX_free(check->ledger);
	weir_campaign_close(check->campaign);
}

int verify_chains(struct verify *verify, const char *path, const struct chain_check *wanted, struct weir_fault *fault)
{
	struct check check = {.verify = verify, .wanted = wanted, .ledger_fd = -1};
	struct folder_list nodes = {0};

	/* The files alone count: the catalog is not asked, and nothing is changed. */
	int error = campaign_open_unlisted(path, WEIR_CAMPAIGN_READ, &check.campaign, fault);
	if (!error)
		error = prepare(&check, fault);
	if (!error)
		error = list_folders(check.campaign, "raw", &nodes, fault);
	/* First all chains: a segment may have been put into the place of one of another node. */
	for (size_t i = 0; i < nodes.count && !error; i++) {
		check.node = nodes.names[i];
		error = check_chain(&check, fault);
	}
	for (size_t i = 0; i < nodes.count && !error; i++) {
		check.node = nodes.names[i];
		error = check_segments(&check, fault);
	}
	if (!error)
		error = check_missing(&check, fault);
	if (!error && wanted->head && !check.head_seen) {
		struct weir_fault told = {0};
		weir_fail_at(&told, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "no chain has the line %s: what was signed up to it was cut off", wanted->head);
		tell(&check, &told);
	}
	folder_list_free(&nodes);
	if (check.campaign)
		release(&check);
	return error;
}
