/* Recovery after a crash: archive/recover.h. */
#include "archive/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/chain.h"
#include "archive/folders.h"
#include "archive/index_read.h"
#include "archive/recover_sealed.h"
#include "archive/scan.h"
#include "archive/segment_scan.h"
#include "archive/sink.h"
#include "core/clock.h"
#include "os/files.h"

/* A crash tears what was under way: four writes of a chunk each, and nothing more. */
#define TORN_MAX (5u * (64u << 20))

/* One segment that is being looked at. */
struct patient {
	struct weir_campaign *campaign;
	const char *path; /* relative */
	struct segment_name name;
	char file[PATH_MAX];
	int fd;
	uint64_t size;
	bool died;   /* whoever wrote in this vantage: without that nothing is torn, and all that is not sound is damage */
	bool listed; /* the catalog has it as open; else it is to be entered, whatever it is */
	struct scan scan;
};

static void journal_file(const struct patient *patient, unsigned number, char out[static PATH_MAX])
{
	size_t stem = segment_stem(patient->file);
	if (snprintf(out, PATH_MAX, "%.*s-%02u.open", (int)stem, patient->file, number) >= PATH_MAX)
		out[0] = '\0';
}

static struct segment_row row_of(const struct patient *patient)
{
	return (struct segment_row){
		.path = patient->path,
		.node = patient->name.node,
		.interface = patient->name.interface,
		.sequence = patient->name.sequence,
		.codec = patient->name.codec,
	};
}

static void tell_damage(const struct patient *patient, struct recover_report *report, uint64_t offset, const char *what)
{
	if (!report->damaged++)
		snprintf(report->first_damage, sizeof report->first_damage, "%s: offset %llu: %s", patient->path, (unsigned long long)offset,
		         what);
}

static void remove_journals(const struct patient *patient)
{
	char path[PATH_MAX];
	for (unsigned i = 0; i < SEGMENT_CHUNKS_MAX; i++) {
		journal_file(patient, i, path);
		unlink(path);
		/* One that was to take its place. */
		strncat(path, JOURNAL_BESIDE, sizeof path - strlen(path) - 1);
		unlink(path);
	}
}

int recover_note(struct weir_campaign *campaign, const char *path, struct weir_fault *fault)
{
	struct segment_name name;
	bool listed = false;
	int error =
		segment_name_parse(path, &name) == 0 ? chain_list_recovered(campaign, name.node, path, &listed, fault) : 0;

	if (error || listed)
		return error;
	if (!campaign->recovered)
		campaign->recovered = calloc(1, sizeof *campaign->recovered);
	if (!campaign->recovered)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of segments");
	return folder_list_add(campaign->recovered, path, fault);
}

/*
 * The segment has a sound index: it was closed, and only the catalog did not hear of it. 1, or 0 when not. An index that tells of more or less
 * than there is stays what is known of the segment: verify says what is wrong.
 */
static int enter_closed(struct patient *patient, struct recover_report *report, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct index index;
	struct segment_row row = row_of(patient);

	if (snprintf(path, sizeof path, "%s.idx", patient->file) >= (int)sizeof path)
		return 0;
	if (index_open(path, &index, NULL) != 0)
		return 0;
	bool sound = index_check(&index, path, NULL) == 0 && index.header.codec == (uint32_t)patient->name.codec;
	bool fits = patient->name.sealed || index.header.segment_bytes == patient->size;
	row.first_ns = index.header.first_ns;
	row.last_ns = index.header.last_ns;
	row.packets = index.header.packets;
	row.captured_bytes = index.header.captured_bytes;
	row.wire_bytes = index.header.wire_bytes;
	row.raw_bytes = index.header.raw_bytes;
	row.stored_bytes = index.header.segment_bytes;
	row.index_bytes = index_stored_bytes(patient->file);
	row.chunks = index.header.chunk_count;
	index_close(&index);
	if (!sound)
		return 0;
	/* Whoever closed it may have died before it was signed. Before the catalog hears of it, as where it is closed. */
	int error = patient->listed ? recover_note(patient->campaign, patient->path, fault) : 0;
	if (!error)
		error = catalog_segment_closed(patient->campaign->catalog, &row, fault);
	if (error)
		return error;
	if (fits)
		remove_journals(patient);
	else
		tell_damage(patient, report, patient->size, "the segment's size is not what its index says");
	return 1;
}

static int scan_file(struct patient *patient, struct weir_fault *fault)
{
	if (patient->size == 0)
		return 0;
	void *data = mmap(NULL, patient->size, PROT_READ, MAP_SHARED, patient->fd, 0);
	if (data == MAP_FAILED)
		return weir_fail_errno(fault, errno, patient->file, "cannot map the segment");
	madvise(data, patient->size, MADV_SEQUENTIAL);
	int error = scan_chunks(&patient->scan, data, patient->size, fault);
	munmap(data, patient->size);
	return error;
}

static int append_journal(struct patient *patient, const char *path, struct weir_fault *fault)
{
	uint8_t *raw, *stored;
	size_t size, raw_bytes, stored_bytes;
	char *data;

	int error = os_read_file(path, SCAN_CHUNK_MAX, &data, &size, fault);
	if (error)
		return error;
	uint64_t at = patient->scan.end;
	error = scan_journal(&patient->scan, (const uint8_t *)data, size, &raw, &raw_bytes, fault);
	free(data);
	if (error)
		return error == WEIR_E_NOT_FOUND ? 0 : error;
	error = scan_append(&patient->scan, raw, raw_bytes, &stored, &stored_bytes, fault);
	free(raw);
	if (error)
		return error;
	int system = os_write_all(patient->fd, stored, stored_bytes, (int64_t)at);
	free(stored);
	return system ? weir_fail_errno(fault, system, patient->file, "cannot write") : 0;
}

/* Those of chunks that the segment has are done with. One that is missing was too young: what it would have held is lost. */
static int take_journals(struct patient *patient, struct weir_fault *fault)
{
	char path[PATH_MAX];

	for (unsigned i = patient->scan.content.chunk_count; i < SEGMENT_CHUNKS_MAX; i++) {
		journal_file(patient, i, path);
		if (access(path, F_OK) != 0 || patient->scan.content.chunk_count == SEGMENT_CHUNKS_MAX)
			continue;
		int error = append_journal(patient, path, fault);
		if (error)
			return error;
	}
	return 0;
}

static int close_segment(struct patient *patient, struct weir_fault *fault)
{
	struct index_content *content = &patient->scan.content;
	struct segment_row row = row_of(patient);
	uint8_t *table;
	size_t size;

	if (seek_table(content, patient->scan.end, &table, &size))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
	int system = os_write_all(patient->fd, table, size, (int64_t)patient->scan.end);
	free(table);
	content->segment_bytes = patient->scan.end + size;
	if (!system && ftruncate(patient->fd, (off_t)content->segment_bytes) != 0)
		system = errno;
	if (!system && fdatasync(patient->fd) != 0)
		system = errno;
	if (system)
		return weir_fail_errno(fault, system, patient->file, "cannot close the segment");
	int error = index_write(patient->file, content, patient->scan.postings, NULL, &row.index_bytes, fault);
	if (error)
		return error;
	remove_journals(patient);
	index_content_row(content, &row);
	error = recover_note(patient->campaign, patient->path, fault);
	return error ? error : catalog_segment_closed(patient->campaign->catalog, &row, fault);
}

static int bury(struct patient *patient, struct weir_fault *fault)
{
	char path[PATH_MAX];

	unlink(patient->file);
	if (snprintf(path, sizeof path, "%s.idx", patient->file) < (int)sizeof path)
		unlink(path);
	remove_journals(patient);
	return catalog_segment_gone(patient->campaign->catalog, patient->path, fault);
}

/* What is sound of a damaged segment can be read without an index: its row says what that is. Not a byte of it is changed. */
static int enter_damaged(const struct patient *patient, const struct segment_scan *whole, struct weir_fault *fault)
{
	struct segment_row row = row_of(patient);

	for (uint32_t i = 0; i < whole->chunk_count; i++) {
		const struct index_chunk *chunk = &whole->chunks[i];
		row.raw_bytes += chunk->raw_bytes;
		if (!chunk->packets)
			continue;
		if (!row.packets || chunk->first_ns < row.first_ns)
			row.first_ns = chunk->first_ns;
		if (!row.packets || chunk->last_ns > row.last_ns)
			row.last_ns = chunk->last_ns;
		row.packets += chunk->packets;
		row.captured_bytes += chunk->captured_bytes;
		row.wire_bytes += chunk->wire_bytes;
	}
	row.chunks = whole->chunk_count;
	row.stored_bytes = patient->size;
	return catalog_segment_closed(patient->campaign->catalog, &row, fault);
}

/* A sealed segment of which nothing is known but its bytes: queries look into it, whatever their time, if they can open it. */
static int enter_unknown(const struct patient *patient, struct weir_fault *fault)
{
	struct segment_row row = row_of(patient);

	return catalog_segment_opened(patient->campaign->catalog, &row, fault);
}

/*
 * Whether something else than a crash was at work. That leaves no more than the writes that were under way behind the chunks in order, of which
 * some may be whole; a segment that nobody was writing ends with its last chunk, or with its seek table. What is damaged is entered and left
 * alone: cutting it would throw away every sound chunk behind the first that is not. 1, 0, or an error.
 */
static int find_damage(const struct patient *patient, struct recover_report *report, struct weir_fault *fault)
{
	const struct segment_scan_options options = {.resume = true};
	struct segment_scan whole;
	uint32_t behind = 0;

	if (patient->size <= patient->scan.end)
		return 0;
	int error = segment_scan(patient->file, patient->name.codec, &options, &whole, fault);
	for (uint32_t i = 0; !error && i < whole.chunk_count; i++)
		behind += whole.chunks[i].offset >= patient->scan.end;
	bool damaged = patient->died ? behind >= WRITES_UNDER_WAY || patient->size - patient->scan.end > TORN_MAX
	                             : behind > 0 || !whole.seek_table;
	if (!error && damaged) {
		tell_damage(patient, report, patient->scan.end, "no sound chunk stands here");
		if (!patient->listed)
			error = enter_damaged(patient, &whole, fault);
	}
	segment_scan_free(&whole);
	return error ? error : damaged;
}

static int mend(struct patient *patient, struct recover_report *report, int64_t *last_ns, struct weir_fault *fault)
{
	int error = scan_file(patient, fault);
	if (error)
		return error;
	error = find_damage(patient, report, fault);
	if (error)
		return error;
	error = take_journals(patient, fault);
	if (error)
		return error;
	report->recovered++;
	report->packets += patient->scan.packets;
	if (patient->scan.last_ns > *last_ns)
		*last_ns = patient->scan.last_ns;
	return patient->scan.content.chunk_count ? close_segment(patient, fault) : bury(patient, fault);
}

/* Nobody here can open it: what is known of it is what stands in the open. */
static int look_at_sealed(struct patient *patient, struct recover_report *report, int64_t *last_ns, struct weir_fault *fault)
{
	char end[PATH_MAX];
	int result = enter_closed(patient, report, fault);

	/* What was left of its closing. */
	if (result > 0 && snprintf(end, sizeof end, "%.*s.end", (int)segment_stem(patient->file), patient->file) < (int)sizeof end)
		unlink(end);
	if (result)
		return result;
	uint64_t packets = 0;
	result = recover_sealed(patient->campaign, patient->path, &patient->name, &packets, last_ns, fault);
	if (result < 0)
		return result;
	report->recovered += (uint64_t)result;
	report->packets += packets;
	if (result)
		return 0;
	tell_damage(patient, report, 0, "how the sealed segment ends is not known any more");
	return patient->listed ? 0 : enter_unknown(patient, fault);
}

static int look_at(struct weir_campaign *campaign, const char *path, bool died, bool listed, struct recover_report *report, int64_t *last_ns,
                   struct weir_fault *fault)
{
	struct patient patient = {.campaign = campaign, .path = path, .fd = -1, .died = died, .listed = listed};
	struct stat status;

	if (segment_name_parse(path, &patient.name) != 0)
		return 0;
	int error = campaign_path(campaign, path, patient.file, fault);
	if (error)
		return error;
	/* Its row came first: the file may not be there. A journal may be, all the same. */
	patient.fd = open(patient.file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (patient.fd < 0 && errno == ENOENT)
		return catalog_segment_gone(campaign->catalog, path, fault);
	if (patient.fd < 0 || fstat(patient.fd, &status) != 0) {
		error = weir_fail_errno(fault, errno, patient.file, "cannot open the segment");
		goto out;
	}
	patient.size = (uint64_t)status.st_size;
	report->segments++;
	if (patient.name.sealed) {
		error = look_at_sealed(&patient, report, last_ns, fault);
		goto out;
	}
	error = enter_closed(&patient, report, fault);
	if (error)
		goto out;
	error = scan_new(patient.name.codec, &patient.scan, fault);
	if (!error)
		error = mend(&patient, report, last_ns, fault);
	scan_free(&patient.scan);
out:
	if (patient.fd >= 0)
		close(patient.fd);
	return error < 0 ? error : 0;
}

static int list_open(struct weir_campaign *campaign, const char *node, const char *interface, struct folder_list *paths,
                     struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(campaign->catalog);
	sqlite3_stmt *statement;
	int error = 0;

	if (sqlite3_prepare_v2(database,
	                       "SELECT path FROM segments WHERE state = 'open' AND node = ? AND interface = ? ORDER BY path", -1,
	                       &statement, NULL) != SQLITE_OK)
		return catalog_fail(campaign->catalog, "cannot read the catalog", fault);
	sqlite3_bind_text(statement, 1, node, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, interface, -1, SQLITE_STATIC);
	int rc = SQLITE_DONE;
	while (!error && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		/* NULL where a catalog of others has none, or there is no memory, which the next step tells. */
		const char *segment = (const char *)sqlite3_column_text(statement, 0);
		if (segment)
			error = folder_list_add(paths, segment, fault);
	}
	if (!error && rc != SQLITE_DONE)
		error = catalog_fail(campaign->catalog, "cannot read the catalog", fault);
	sqlite3_finalize(statement);
	return error;
}

int vantage_mark(int lock_fd, const char *text, struct weir_fault *fault)
{
	int system = ftruncate(lock_fd, 0) != 0 ? errno : os_write_all(lock_fd, text, strlen(text), 0);
	return system ? weir_fail_errno(fault, system, NULL, "cannot mark the lock") : 0;
}

/* When the last packet of a vantage came that is in the archive; INT64_MIN when there is none. */
static int64_t last_archived(struct weir_campaign *campaign, const char *node, const char *interface)
{
	sqlite3_stmt *statement;
	int64_t last = INT64_MIN;

	if (sqlite3_prepare_v2(catalog_database(campaign->catalog),
	                       "SELECT max(last_ns) FROM segments WHERE state = 'closed' AND packets > 0 AND node = ? AND interface = ?",
	                       -1, &statement, NULL) != SQLITE_OK)
		return last;
	sqlite3_bind_text(statement, 1, node, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, interface, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
		last = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return last;
}

/*
 * From the last packet that there is to now, when it was recording; an import lost nothing that its file does not have any more,
 * so that its row is a moment: everything behind it in that file is missing.
 */
static int enter_crash(struct weir_campaign *campaign, const char *node, const char *interface, bool live, int64_t last_ns,
                       struct weir_fault *fault)
{
	int64_t now = clock_wall_ns();

	if (last_ns == INT64_MIN)
		last_ns = last_archived(campaign, node, interface);
	if (last_ns == INT64_MIN)
		last_ns = now;
	struct weir_loss loss = {
		.from_ns = last_ns,
		.to_ns = live && now > last_ns ? now : last_ns,
		.cause = WEIR_LOSS_CRASH,
		.packets = WEIR_UNKNOWN_COUNT,
		.bytes = WEIR_UNKNOWN_COUNT,
		.node = node,
		.interface = interface,
		.detail = live ? "the recorder died" : "the import died",
	};
	return weir_ledger_enter(campaign, &loss, fault);
}

int recover_vantage(struct weir_campaign *campaign, const char *node, const char *interface, enum recover_scope scope,
                    struct recover_report *report, struct weir_fault *fault)
{
	char relative[2 * VANTAGE_NAME_MAX + 16], path[PATH_MAX], mark[16] = "";
	struct folder_list paths = {0};
	int64_t last_ns = INT64_MIN;

	snprintf(relative, sizeof relative, "raw/%s/%s/.lock", node, interface);
	int error = campaign_path(campaign, relative, path, fault);
	int fd = error ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (os_read_at(fd, mark, sizeof mark - 1, 0) < 0)
			mark[0] = '\0';
		close(fd);
	}
	if (!error)
		error = scope == RECOVER_FILES ? list_segments(campaign, node, interface, &paths, fault)
		                               : list_open(campaign, node, interface, &paths, fault);
	for (size_t i = 0; i < paths.count && !error; i++)
		error = look_at(campaign, paths.names[i], mark[0] != 0, scope == RECOVER_LISTED, report, &last_ns, fault);
	folder_list_free(&paths);
	if (!error && mark[0])
		error = enter_crash(campaign, node, interface, strncmp(mark, "live", 4) == 0, last_ns, fault);
	return error;
}

/* A vantage whose lock is marked and can be had. */
static int recover_dead(struct weir_campaign *campaign, const char *node, const char *interface, struct weir_fault *fault)
{
	char relative[2 * VANTAGE_NAME_MAX + 16], path[PATH_MAX];
	struct recover_report report = {0};
	struct stat status;
	int fd;

	snprintf(relative, sizeof relative, "raw/%s/%s/.lock", node, interface);
	int error = campaign_path(campaign, relative, path, fault);
	if (error)
		return error;
	if (stat(path, &status) != 0 || status.st_size == 0 || access(path, W_OK) != 0)
		return 0;
	error = os_lock(path, &fd, fault);
	if (error)
		return error == WEIR_E_BUSY ? 0 : error;
	/* It may have been recovered by another while we came here. */
	if (fstat(fd, &status) == 0 && status.st_size > 0) {
		error = recover_vantage(campaign, node, interface, RECOVER_LISTED, &report, fault);
		if (!error)
			error = vantage_mark(fd, "", fault);
	}
	close(fd);
	return error;
}

int recover_campaign(struct weir_campaign *campaign, struct weir_fault *fault)
{
	struct folder_list nodes = {0};
	int error = list_folders(campaign, "raw", &nodes, fault);

	for (size_t i = 0; i < nodes.count && !error; i++) {
		char relative[VANTAGE_NAME_MAX + 16];
		struct folder_list interfaces = {0};
		snprintf(relative, sizeof relative, "raw/%s", nodes.names[i]);
		error = list_folders(campaign, relative, &interfaces, fault);
		for (size_t k = 0; k < interfaces.count && !error; k++)
			error = recover_dead(campaign, nodes.names[i], interfaces.names[k], fault);
		folder_list_free(&interfaces);
	}
	folder_list_free(&nodes);
	return error;
}
