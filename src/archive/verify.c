#include "archive/verify.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/file.h>

#include "archive/campaign.h"
#include "archive/journal_read.h"
#include "archive/ledger.h"
#include "archive/verify_segment.h"
#include "file/sealed.h"

#define THREADS_MAX 64

void verify_begin(struct verify *verify)
{
	pthread_mutex_init(&verify->lock, NULL);
	verify->counts = (struct verify_counts){0};
}

void verify_end(struct verify *verify)
{
	pthread_mutex_destroy(&verify->lock);
}

/* ---- Capture files, and segments that are named one by one ---- */

static bool ends_in(const char *path, const char *ending)
{
	size_t length = strlen(path), tail = strlen(ending);
	return length > tail && strcmp(path + length - tail, ending) == 0;
}

/* A segment is a file with the name of one and its index beside it. */
static bool ends_in_sealed(const char *path, const char *ending)
{
	size_t length = strlen(path), sealed = strlen(SEALED_ENDING), n = strlen(ending);
	return ends_in(path, SEALED_ENDING) && length > n + sealed && strncmp(path + length - sealed - n, ending, n) == 0;
}

static bool is_segment(const char *path, enum weir_codec *codec)
{
	char index[PATH_MAX + 8];

	snprintf(index, sizeof index, "%s.idx", path);
	for (int i = WEIR_CODEC_NONE; i <= WEIR_CODEC_LZ4; i++)
		if ((ends_in(path, codec_ending(i)) || ends_in_sealed(path, codec_ending(i))) && access(index, F_OK) == 0) {
			*codec = i;
			return true;
		}
	return false;
}

static int verify_capture(struct verify *verify, const char *path, struct weir_fault *fault)
{
	struct weir_fault found = {0};
	struct weir_source *source = NULL;
	struct weir_batch *batch = weir_batch_new();
	const struct weir_capture_options options = {.identities = verify->identities};
	uint64_t packets = 0;
	int code = batch ? weir_capture_open(path, &options, &source, &found) : WEIR_E_MEMORY;

	while (code == 0 && (code = source->ops->fill(source, batch, &found)) == 1) {
		packets += batch->count;
		weir_batch_reset(batch);
		code = verify->stop && atomic_load_explicit(verify->stop, memory_order_relaxed) ? WEIR_E_INTERRUPTED : 0;
	}
	if (batch)
		packets += batch->count;
	pthread_mutex_lock(&verify->lock);
	verify->counts.files++;
	verify->counts.packets += packets;
	verify->counts.bytes += source ? weir_capture_size(source) : 0;
	pthread_mutex_unlock(&verify->lock);
	weir_source_close(source);
	weir_batch_free(batch);
	if (code == WEIR_E_MEMORY || code == WEIR_E_INTERRUPTED)
		return weir_fail(fault, code, code == WEIR_E_MEMORY ? "no memory to read %s" : "interrupted", path);
	if (code == WEIR_E_NOT_FOUND || code == WEIR_E_PERMISSION || code == WEIR_E_IO) {
		*fault = found;
		return code;
	}
	if (code < 0) {
		pthread_mutex_lock(&verify->lock);
		verify->counts.faults++;
		verify->found(verify->context, &found);
		pthread_mutex_unlock(&verify->lock);
	}
	return 0;
}

int verify_file(struct verify *verify, const char *path, struct weir_fault *fault)
{
	char segment[PATH_MAX];
	enum weir_codec codec;

	/* The index of a segment stands for it. */
	snprintf(segment, sizeof segment, "%s", path);
	if (ends_in(segment, ".idx" SEALED_ENDING))
		segment[strlen(segment) - strlen(SEALED_ENDING)] = 0;
	if (ends_in(segment, ".idx"))
		segment[strlen(segment) - 4] = 0;
	if (!is_segment(segment, &codec))
		return verify_capture(verify, path, fault);
	struct verify_worker *worker = verify_worker_new(verify);
	if (!worker)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to verify a segment");
	int code = verify_segment(worker, segment, codec, NULL, fault);
	verify_worker_free(worker);
	return code;
}

/* ---- Campaigns ---- */

/* A row of the catalog with strings of its own. */
struct entry {
	struct segment_row row;
	char *path, *node, *interface;
	bool open;
};

struct job {
	struct verify *verify;
	struct weir_campaign *campaign;
	struct entry *entries;
	size_t count, capacity;
	atomic_size_t next;
	pthread_mutex_t lock; /* for what follows */
	int code;
	struct weir_fault fault;
};

static char *column(sqlite3_stmt *statement, int i)
{
	const char *text = (const char *)sqlite3_column_text(statement, i);
	return strdup(text ? text : "");
}

static int add_entry(struct job *job, sqlite3_stmt *statement, struct weir_fault *fault)
{
	if (job->count == job->capacity) {
		size_t capacity = job->capacity ? job->capacity * 2 : 64;
		struct entry *entries = realloc(job->entries, capacity * sizeof *entries);
		if (!entries)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the catalog's entries");
		job->entries = entries;
		job->capacity = capacity;
	}
	struct entry *entry = &job->entries[job->count];
	*entry = (struct entry){
		.path = column(statement, 0), .node = column(statement, 1), .interface = column(statement, 2),
		.row = {
			.sequence = (uint64_t)sqlite3_column_int64(statement, 3), .first_ns = sqlite3_column_int64(statement, 6),
			.last_ns = sqlite3_column_int64(statement, 7), .packets = (uint64_t)sqlite3_column_int64(statement, 8),
			.captured_bytes = (uint64_t)sqlite3_column_int64(statement, 9), .wire_bytes = (uint64_t)sqlite3_column_int64(statement, 10),
			.raw_bytes = (uint64_t)sqlite3_column_int64(statement, 11), .stored_bytes = (uint64_t)sqlite3_column_int64(statement, 12),
			.index_bytes = (uint64_t)sqlite3_column_int64(statement, 13), .chunks = (uint32_t)sqlite3_column_int64(statement, 14),
		},
	};
	job->count++;
	if (!entry->path || !entry->node || !entry->interface)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the catalog's entries");
	const char *state = (const char *)sqlite3_column_text(statement, 5), *codec = (const char *)sqlite3_column_text(statement, 4);
	entry->open = state && strcmp(state, "open") == 0;
	if (!codec || codec_from_name(codec, &entry->row.codec) < 0)
		verify_tell(job->verify, WEIR_E_CORRUPT, entry->path, WEIR_NOWHERE, "the catalog has it with an unknown codec");
	entry->row.path = entry->path;
	entry->row.node = entry->node;
	entry->row.interface = entry->interface;
	return 0;
}

static int read_entries(struct job *job, struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(job->campaign->catalog);
	sqlite3_stmt *statement;
	int code = 0, rc;

	if (sqlite3_prepare_v2(database,
	                       "SELECT path, node, interface, seq, codec, state, first_ns, last_ns, packets, captured_bytes, wire_bytes,"
	                       " raw_bytes, stored_bytes, index_bytes, chunks, span_class FROM segments ORDER BY path",
	                       -1, &statement, NULL) != SQLITE_OK)
		return catalog_fail(job->campaign->catalog, "cannot read the catalog", fault);
	while (code == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		code = add_entry(job, statement, fault);
		const struct entry *entry = &job->entries[job->count - 1];
		if (code == 0 && !entry->open && sqlite3_column_int(statement, 15) != span_class(entry->row.first_ns, entry->row.last_ns))
			verify_tell(job->verify, WEIR_E_CORRUPT, entry->path, WEIR_NOWHERE,
			            "the catalog's search by time would not find it (weir catalog rebuild makes it again)");
	}
	if (code == 0 && rc != SQLITE_DONE)
		code = catalog_fail(job->campaign->catalog, "cannot read the catalog", fault);
	sqlite3_finalize(statement);
	return code;
}

/*
 * Whether the catalog lists a segment by now: somebody may be recording, and retention deleting. A deletion is in the ledger first, and its
 * row goes last.
 */
static bool is_listed_now(const struct job *job, const char *path)
{
	static const char sql[] = "SELECT 1 FROM segments WHERE path = ?1 AND NOT EXISTS (SELECT 1 FROM ledger WHERE cause = 'retention'"
		" AND node = segments.node AND interface = segments.interface AND substr(detail, -length(?1)) = ?1)";
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(catalog_database(job->campaign->catalog), sql, -1, &statement, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
	bool listed = sqlite3_step(statement) == SQLITE_ROW;
	sqlite3_finalize(statement);
	return listed;
}

static void check_name(struct job *job, const struct entry *entry)
{
	struct segment_name name;

	if (segment_name_parse(entry->path, &name) < 0 || strcmp(name.node, entry->node) != 0 ||
	    strcmp(name.interface, entry->interface) != 0 || name.sequence != entry->row.sequence || name.codec != entry->row.codec)
		verify_tell(job->verify, WEIR_E_CORRUPT, entry->path, WEIR_NOWHERE, "the catalog's entry does not go with the file's name");
}

static void check_journals(struct job *job, const char *segment)
{
	struct journals journals;
	struct weir_fault found;

	if (journals_open(segment, job->verify->identities, &journals, &found) < 0) {
		verify_tell(job->verify, found.code, segment, WEIR_NOWHERE, "%s", found.message);
		return;
	}
	for (uint32_t i = 0; i < journals.count; i++) {
		struct journal journal;

		/* Its end may be on its way to the disk: what is sound counts. */
		if (journal_read(&journals.list[i], &journal, &found) != 1)
			continue;
		pthread_mutex_lock(&job->verify->lock);
		job->verify->counts.journals++;
		job->verify->counts.packets += journal.chunk.packets;
		pthread_mutex_unlock(&job->verify->lock);
		journal_free(&journal);
	}
	journals_close(&journals);
}

static int check_entry(struct job *job, struct verify_worker *worker, const struct entry *entry, struct weir_fault *fault)
{
	char path[PATH_MAX];
	int code = campaign_path(job->campaign, entry->path, path, fault);

	if (code < 0)
		return code;
	check_name(job, entry);
	if (access(path, F_OK) != 0) {
		if (is_listed_now(job, entry->path))
			verify_tell(job->verify, WEIR_E_NOT_FOUND, path, WEIR_NOWHERE, "the catalog lists this segment, but it is not there");
		return 0;
	}
	if (!entry->open)
		return verify_segment(worker, path, entry->row.codec, &entry->row, fault);
	code = verify_open_segment(worker, path, entry->row.codec, fault);
	if (code == 0)
		check_journals(job, path);
	return code;
}

static void end_job(struct job *job, int code, const struct weir_fault *fault)
{
	pthread_mutex_lock(&job->lock);
	if (!job->code) {
		job->code = code;
		job->fault = *fault;
	}
	pthread_mutex_unlock(&job->lock);
}

static void *work(void *argument)
{
	struct job *job = argument;
	struct verify_worker *worker = verify_worker_new(job->verify);
	struct weir_fault fault = {0};
	int code = worker ? 0 : weir_fail(&fault, WEIR_E_MEMORY, "no memory to verify segments");

	while (code == 0) {
		/* Relaxed: only the number matters, the entries were complete before the threads began. */
		size_t i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
		if (i >= job->count)
			break;
		code = check_entry(job, worker, &job->entries[i], &fault);
	}
	if (code < 0) {
		end_job(job, code, &fault);
		atomic_store_explicit(&job->next, job->count, memory_order_relaxed);
	}
	verify_worker_free(worker);
	return NULL;
}

static void run_threads(struct job *job)
{
	long wanted = job->verify->threads > 0 ? job->verify->threads : sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[THREADS_MAX];
	int count = 0;

	wanted = wanted > THREADS_MAX ? THREADS_MAX : wanted;
	while (count + 1 < wanted && (size_t)count + 1 < job->count && pthread_create(&threads[count], NULL, work, job) == 0)
		count++;
	work(job);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* ---- Files that the catalog does not list ---- */

static int compare_paths(const void *key, const void *entry)
{
	return strcmp(key, ((const struct entry *)entry)->path);
}

static const struct entry *find_entry(const struct job *job, const char *path)
{
	return job->count ? bsearch(path, job->entries, job->count, sizeof *job->entries, compare_paths) : NULL;
}

static void check_stray(struct job *job, const char *relative, const char *full)
{
	struct segment_name name;
	char path[PATH_MAX];

	if (segment_name_parse(relative, &name) == 0) {
		/* Looked for among those of a moment ago first, because that costs nothing. */
		if (!find_entry(job, relative) && !is_listed_now(job, relative) && access(full, F_OK) == 0)
			verify_tell(job->verify, WEIR_E_NOT_FOUND, full, WEIR_NOWHERE,
			            "the catalog does not list this segment (weir catalog rebuild enters it)");
	} else if (ends_in(relative, ".idx")) {
		snprintf(path, sizeof path, "%.*s", (int)(strlen(full) - 4), full);
		if (access(path, F_OK) != 0 && access(full, F_OK) == 0)
			verify_tell(job->verify, WEIR_E_NOT_FOUND, full, WEIR_NOWHERE, "an index without its segment");
	}
}

/* raw/NODE/INTERFACE/DAY: three folders deep below raw. */
static void walk_folder(struct job *job, const char *relative, unsigned depth)
{
	char full[PATH_MAX];
	struct dirent *item;

	if (campaign_path(job->campaign, relative, full, NULL) < 0)
		return;
	DIR *folder = opendir(full);
	if (!folder) {
		if (depth)
			verify_tell(job->verify, WEIR_E_IO, full, WEIR_NOWHERE, "the folder cannot be read");
		return;
	}
	while ((item = readdir(folder))) {
		char path[PATH_MAX], below[PATH_MAX];
		struct stat status;

		if (item->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", relative, item->d_name) >= (int)sizeof path)
			continue;
		if (campaign_path(job->campaign, path, below, NULL) < 0 || lstat(below, &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode) && depth < 3)
			walk_folder(job, path, depth + 1);
		else if (S_ISREG(status.st_mode))
			check_stray(job, path, below);
	}
	closedir(folder);
}

/* ---- The ledger ---- */

static const char ledger_sql[] =
	"SELECT node, interface, cause, entered_ns, from_ns, to_ns, packets, bytes, detail FROM ledger ORDER BY 1, 2, 3, 4";

/* A ledger row as one text, so that two of them compare as they sort. NULL at the end. */
static char *next_row(sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_ROW)
		return NULL;
	const char *text[9];
	for (int i = 0; i < 9; i++) {
		text[i] = (const char *)sqlite3_column_text(statement, i);
		if (!text[i])
			text[i] = "unknown";
	}
	return sqlite3_mprintf("%s\x01%s\x01%s\x01%20s\x01%s\x01%s\x01%s\x01%s\x01%s", text[0], text[1], text[2], text[3], text[4],
	                       text[5], text[6], text[7], text[8]);
}

static void tell_row(struct job *job, const char *file, const char *row, const char *where)
{
	char copy[200];
	size_t i = 0;

	for (; row[i] && i + 1 < sizeof copy; i++)
		copy[i] = row[i] == '\x01' ? ' ' : row[i];
	copy[i] = 0;
	verify_tell(job->verify, WEIR_E_CORRUPT, file, WEIR_NOWHERE, "a loss stands only in the %s: %s", where, copy);
}

static void compare_ledgers(struct job *job, sqlite3_stmt *files, sqlite3_stmt *listed, const char *catalog)
{
	char *a = next_row(files), *b = next_row(listed);
	uint64_t rows = 0;

	while (a || b) {
		int order = !a ? 1 : !b ? -1 : strcmp(a, b);

		if (order < 0)
			tell_row(job, catalog, a, "ledger file");
		else if (order > 0)
			tell_row(job, catalog, b, "catalog");
		rows++;
		if (order <= 0) {
			sqlite3_free(a);
			a = next_row(files);
		}
		if (order >= 0) {
			sqlite3_free(b);
			b = next_row(listed);
		}
	}
	pthread_mutex_lock(&job->verify->lock);
	job->verify->counts.ledger_rows += rows;
	pthread_mutex_unlock(&job->verify->lock);
}

/* Enters what the nodes' files say into an empty catalog in memory. */
static int read_ledger_files(struct job *job, struct catalog *memory, struct weir_fault *fault)
{
	char raw[PATH_MAX];
	struct dirent *item;
	int code = campaign_path(job->campaign, "raw", raw, fault);
	DIR *folder = code == 0 ? opendir(raw) : NULL;

	while (folder && code == 0 && (item = readdir(folder))) {
		uint64_t bad = 0;

		if (item->d_name[0] == '.')
			continue;
		code = ledger_read(job->campaign, item->d_name, memory, &bad, fault);
		if (bad)
			verify_tell(job->verify, WEIR_E_FORMAT, raw, WEIR_NOWHERE, "%s/ledger.jsonl has %llu lines that are no losses", item->d_name,
			            (unsigned long long)bad);
	}
	if (folder)
		closedir(folder);
	return code;
}

static int check_ledger(struct job *job, struct weir_fault *fault)
{
	sqlite3_stmt *files = NULL, *listed = NULL;
	struct catalog *memory;
	char path[PATH_MAX];
	int code = catalog_open(":memory:", CATALOG_CREATE, &memory, fault);

	if (code < 0)
		return code;
	code = campaign_path(job->campaign, "catalog.db", path, fault);
	if (code == 0)
		code = read_ledger_files(job, memory, fault);
	if (code == 0 && (sqlite3_prepare_v2(catalog_database(memory), ledger_sql, -1, &files, NULL) != SQLITE_OK ||
	                  sqlite3_prepare_v2(catalog_database(job->campaign->catalog), ledger_sql, -1, &listed, NULL) != SQLITE_OK))
		verify_tell(job->verify, WEIR_E_CORRUPT, path, WEIR_NOWHERE, "the catalog's ledger cannot be read");
	else if (code == 0)
		compare_ledgers(job, files, listed, path);
	sqlite3_finalize(files);
	sqlite3_finalize(listed);
	catalog_close(memory);
	return code;
}

/* SQLite's own look at its file. */
static void check_database(struct job *job)
{
	sqlite3_stmt *statement;
	char path[PATH_MAX];

	if (campaign_path(job->campaign, "catalog.db", path, NULL) < 0 ||
	    sqlite3_prepare_v2(catalog_database(job->campaign->catalog), "PRAGMA integrity_check(1)", -1, &statement, NULL) != SQLITE_OK)
		return;
	int rc = sqlite3_step(statement);
	const char *answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
	if (!answer || strcmp(answer, "ok") != 0)
		verify_tell(job->verify, WEIR_E_CORRUPT, path, WEIR_NOWHERE, "the catalog is damaged: %s (weir catalog rebuild makes it again)",
		            answer ? answer : sqlite3_errmsg(catalog_database(job->campaign->catalog)));
	sqlite3_finalize(statement);
}

static void free_job(struct job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		free(job->entries[i].path);
		free(job->entries[i].node);
		free(job->entries[i].interface);
	}
	free(job->entries);
	pthread_mutex_destroy(&job->lock);
	weir_campaign_close(job->campaign);
}

int verify_campaign(struct verify *verify, const char *path, struct weir_fault *fault)
{
	struct job job = {.verify = verify};
	struct weir_fault found = {0};
	int code = weir_campaign_open(path, WEIR_CAMPAIGN_READ, &job.campaign, &found);

	if (code == WEIR_E_CORRUPT) {
		/* That is what one asks verify for. */
		verify_tell(verify, found.code, found.file, WEIR_NOWHERE, "%s", found.message);
		return 0;
	}
	if (code < 0) {
		*fault = found;
		return code;
	}
	pthread_mutex_init(&job.lock, NULL);
	check_database(&job);
	code = read_entries(&job, &found);
	if (code == WEIR_E_CORRUPT) {
		verify_tell(verify, found.code, path, WEIR_NOWHERE, "%s", found.message);
		code = 0;
	} else if (code == 0) {
		run_threads(&job);
		code = job.code;
		found = job.fault;
		if (code == 0)
			walk_folder(&job, "raw", 0);
		if (code == 0)
			code = check_ledger(&job, &found);
	}
	if (code < 0)
		*fault = found;
	free_job(&job);
	return code;
}

uint64_t verify_campaign_bytes(const char *path)
{
	struct weir_campaign *campaign;
	sqlite3_stmt *statement;
	uint64_t bytes = 0;

	if (weir_campaign_open(path, WEIR_CAMPAIGN_READ, &campaign, NULL) < 0)
		return 0;
	if (sqlite3_prepare_v2(catalog_database(campaign->catalog), "SELECT sum(stored_bytes) FROM segments", -1, &statement, NULL) ==
	    SQLITE_OK) {
		if (sqlite3_step(statement) == SQLITE_ROW)
			bytes = (uint64_t)sqlite3_column_int64(statement, 0);
		sqlite3_finalize(statement);
	}
	weir_campaign_close(campaign);
	return bytes;
}
