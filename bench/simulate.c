/*
 * Makes an archive that is FACTOR times as large as CAMPAIGN, as far as a query can tell that does not read from what was added:
 * real indexes and rows of the catalog, and segments that are holes of the right size. Nine tenths of what is added stands at other
 * times, after the campaign's own; a tenth at the same time, on other nodes, with other IPv4 addresses, so that only the index rules it out.
 *
 *   simulate CAMPAIGN OUT FACTOR
 *
 * OUT has to be on the same file system: its first hundredth are links to the files of CAMPAIGN.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <weir/bytes.h>
#include <xxhash.h>

#include "archive/format.h"

struct segment {
	char path[512], node[128], interface[128], day[64], time[64], ending[32];
	uint64_t sequence, stored_bytes;
};

struct work {
	const char *from, *to;
	sqlite3 *database;
	struct segment *segments;
	size_t count;
	int64_t span_ns;
	uint64_t made;
};

static int complain(const char *what)
{
	fprintf(stderr, "simulate: %s: %s\n", what, strerror(errno));
	return -1;
}

static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int failed = mkdir(path, 0777) != 0 && errno != EEXIST;
		if (failed)
			complain(path);
		*slash = '/';
		if (failed)
			return -1;
	}
	return 0;
}

static int run_sql(struct work *w, const char *sql)
{
	char *why = NULL;
	if (sqlite3_exec(w->database, sql, NULL, NULL, &why) == SQLITE_OK)
		return 0;
	fprintf(stderr, "simulate: %s: %s\n", sql, why);
	sqlite3_free(why);
	return -1;
}

/* raw/NODE/INTERFACE/DAY/HHMMSS-SEQ.ending */
static int parse_path(struct segment *s)
{
	return sscanf(s->path, "raw/%127[^/]/%127[^/]/%63[^/]/%63[^-]-%" SCNu64 "%31s", s->node, s->interface, s->day,
	              s->time, &s->sequence, s->ending) == 6
	           ? 0
	           : -1;
}

static int read_segments(struct work *w)
{
	sqlite3_stmt *statement = NULL;
	int result = -1;

	if (sqlite3_prepare_v2(w->database,
	                       "SELECT path, stored_bytes, min(first_ns) OVER (), max(last_ns) OVER () FROM segments WHERE "
	                       "state = 'closed'",
	                       -1, &statement, NULL) != SQLITE_OK)
		goto done;
	while (sqlite3_step(statement) == SQLITE_ROW) {
		struct segment *more = realloc(w->segments, (w->count + 1) * sizeof *more);
		if (!more)
			goto done;
		w->segments = more;
		struct segment *s = &more[w->count++];
		*s = (struct segment){.stored_bytes = (uint64_t)sqlite3_column_int64(statement, 1)};
		snprintf(s->path, sizeof s->path, "%s", sqlite3_column_text(statement, 0));
		w->span_ns = sqlite3_column_int64(statement, 3) - sqlite3_column_int64(statement, 2) + 1000000000;
		if (parse_path(s) != 0) {
			fprintf(stderr, "simulate: what segment is %s?\n", s->path);
			goto done;
		}
	}
	result = w->count ? 0 : -1;
done:
	sqlite3_finalize(statement);
	if (result != 0)
		fputs("simulate: the catalog has no segments that can be read\n", stderr);
	return result;
}

static int link_own(struct work *w, const struct segment *s)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (int index = 0; index < 2; index++) {
		snprintf(from, sizeof from, "%s/%s%s", w->from, s->path, index ? ".idx" : "");
		snprintf(to, sizeof to, "%s/%s%s", w->to, s->path, index ? ".idx" : "");
		if (make_folders(to) != 0 || link(from, to) != 0)
			return complain(to);
	}
	return 0;
}

static uint8_t *read_index(struct work *w, const struct segment *s, size_t *length)
{
	char path[PATH_MAX];
	struct stat status;
	uint8_t *data = NULL;

	snprintf(path, sizeof path, "%s/%s.idx", w->from, s->path);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) != 0)
		goto done;
	*length = (size_t)status.st_size;
	data = malloc(*length);
	if (data && read(file, data, *length) != status.st_size) {
		free(data);
		data = NULL;
	}
done:
	if (!data)
		complain(path);
	if (file >= 0)
		close(file);
	return data;
}

/* Shifts times, and the first byte of IPv4 addresses (which keeps their order), and makes the checksum right again. */
static void change_index(uint8_t *data, size_t length, int64_t shift_ns, uint8_t shift_address)
{
	struct index_header header;
	struct index_chunk chunk;

	memcpy(&header, data, sizeof header);
	header.first_ns += shift_ns;
	header.last_ns += shift_ns;
	for (uint32_t i = 0; i < header.chunk_count; i++) {
		uint8_t *at = data + header.chunks_offset + i * sizeof chunk;
		memcpy(&chunk, at, sizeof chunk);
		chunk.first_ns += shift_ns;
		chunk.last_ns += shift_ns;
		memcpy(at, &chunk, sizeof chunk);
	}
	const struct posting_table *addresses = &header.postings[POSTING_IPV4];
	for (uint32_t i = 0; i < addresses->count; i++) {
		uint8_t *key = data + addresses->offset + 4 * (size_t)i;
		weir_store_le32(key, weir_load_le32(key) + ((uint32_t)shift_address << 24));
	}
	header.checksum = 0;
	header.checksum = XXH3_64bits(data + sizeof header, length - sizeof header) ^ XXH3_64bits(&header, sizeof header);
	memcpy(data, &header, sizeof header);
}

static int write_files(struct work *w, const char *path, const uint8_t *index, size_t length, uint64_t segment_bytes)
{
	char name[PATH_MAX];
	int result = -1;

	snprintf(name, sizeof name, "%s/%s", w->to, path);
	if (make_folders(name) != 0)
		return -1;
	int segment = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	strncat(name, ".idx", sizeof name - strlen(name) - 1);
	int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (segment >= 0 && file >= 0 && ftruncate(segment, (off_t)segment_bytes) == 0 &&
	    write(file, index, length) == (ssize_t)length)
		result = 0;
	else
		complain(name);
	if (segment >= 0)
		close(segment);
	if (file >= 0)
		close(file);
	return result;
}

static int add(struct work *w, const struct segment *s, unsigned round)
{
	bool same_time = round % 10 == 0;
	int64_t shift = same_time ? 0 : (int64_t)round * w->span_ns;
	char node[160], path[1024], sql[4096];
	size_t length;

	snprintf(node, sizeof node, same_time ? "%s-%u" : "%s", s->node, round);
	uint64_t sequence = s->sequence + (same_time ? 0 : (uint64_t)round * 100000);
	snprintf(path, sizeof path, "raw/%s/%s/%s/%s-%06" PRIu64 "%s", node, s->interface, s->day, s->time, sequence,
	         s->ending);
	uint8_t *index = read_index(w, s, &length);
	if (!index)
		return -1;
	change_index(index, length, shift, same_time ? 1 : 0);
	int result = write_files(w, path, index, length, s->stored_bytes);
	free(index);
	sqlite3_snprintf(
		sizeof sql, sql,
		"INSERT OR IGNORE INTO nodes SELECT %Q; INSERT OR IGNORE INTO interfaces SELECT %Q, interface FROM segments "
	    "WHERE path = %Q;"
		"INSERT INTO segments SELECT %Q, %Q, interface, %lld, state, codec, span_class, first_ns + %lld, last_ns + "
	    "%lld, packets,"
		" captured_bytes, wire_bytes, raw_bytes, stored_bytes, index_bytes, chunks FROM segments WHERE path = %Q",
		node, node, s->path, path, node, (sqlite3_int64)sequence, (sqlite3_int64)shift, (sqlite3_int64)shift, s->path);
	w->made++;
	return result == 0 ? run_sql(w, sql) : result;
}

int main(int argc, char **argv)
{
	char path[PATH_MAX], sql[PATH_MAX + 64];
	struct work w = {0};
	int result = 3;

	if (argc != 4 || atoi(argv[3]) < 1) {
		fputs("simulate CAMPAIGN OUT FACTOR\n", stderr);
		return 2;
	}
	w.from = argv[1];
	w.to = argv[2];
	snprintf(path, sizeof path, "%s/catalog.db", w.to);
	if (make_folders(path) != 0)
		return 3;
	snprintf(path, sizeof path, "%s/catalog.db", w.from);
	if (sqlite3_open_v2(path, &w.database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		goto done;
	sqlite3_snprintf(sizeof sql, sql, "VACUUM INTO '%q/catalog.db'", w.to);
	if (run_sql(&w, sql) != 0)
		goto done;
	sqlite3_close(w.database);
	snprintf(path, sizeof path, "%s/catalog.db", w.to);
	if (sqlite3_open_v2(path, &w.database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK || run_sql(&w, "BEGIN") != 0 ||
	    read_segments(&w) != 0)
		goto done;
	for (size_t i = 0; i < w.count; i++)
		if (link_own(&w, &w.segments[i]) != 0)
			goto done;
	for (unsigned round = 1; round < (unsigned)atoi(argv[3]); round++)
		for (size_t i = 0; i < w.count; i++)
			if (add(&w, &w.segments[i], round) != 0)
				goto done;
	if (run_sql(&w, "COMMIT; ANALYZE") != 0)
		goto done;
	printf("%zu segments, and %" PRIu64 " more\n", w.count, w.made);
	result = 0;
done:
	if (result != 0 && w.database)
		fprintf(stderr, "simulate: %s\n", sqlite3_errmsg(w.database));
	sqlite3_close(w.database);
	free(w.segments);
	return result;
}
