/* The files of a segment that is being written: archive/sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/sink.h"
#include "file/age.h"
#include "os/files.h"

void segment_path(const struct archive_sink *sink, const struct segment *segment, char out[static PATH_MAX])
{
	/* The campaign's path was checked to be short enough when the sink was opened. */
	snprintf(out, PATH_MAX, "%s/%s", sink->campaign->path, segment->path);
}

void journal_path(const struct archive_sink *sink, const struct segment *segment, uint32_t number, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%.*s-%02u.open", sink->campaign->path, (int)segment_stem(segment->path), segment->path, number);
}

static void end_path(const struct archive_sink *sink, const struct segment *segment, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%.*s.end", sink->campaign->path, (int)segment_stem(segment->path), segment->path);
}

void segment_free(struct segment *segment)
{
	if (!segment)
		return;
	if (segment->fd >= 0)
		close(segment->fd);
	sealing_free(segment->sealing);
	chain_digest_free(segment->digest);
	index_content_free(&segment->content);
	pthread_mutex_destroy(&segment->begin_lock);
	free(segment);
}

static int make_files(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct segment_row row = {
		.path = segment->path,
		.node = sink->node,
		.interface = sink->interface,
		.sequence = segment->sequence,
		.codec = segment->content.codec,
	};

	segment_path(sink, segment, path);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	int error = os_make_folders(path, fault);
	*slash = '/';
	/* First the row, then the file: a crash in between leaves a row without a file, which recovery takes out, and never a
	   file that nobody looks for. */
	if (!error)
		error = catalog_segment_opened(sink->campaign->catalog, &row, fault);
	if (error)
		return error;
	if (sink->campaign->signer)
		segment->digest = chain_digest_new();
	segment->direct = !sink->options.buffered;
	segment->fd = output_create(path, &segment->direct);
	if (segment->fd < 0) {
		int system = -segment->fd;
		segment->fd = -1;
		catalog_segment_gone(sink->campaign->catalog, segment->path, NULL); /* else: recovery */
		return weir_fail_errno(fault, system, path, "cannot create the segment");
	}
	if (!sink->recipients)
		return 0;
	end_path(sink, segment, path);
	error = sealing_new(sink->recipients, path, segment->direct, &segment->sealing, fault);
	if (error) {
		close(segment->fd);
		segment->fd = -1;
		unlink(path);
		segment_path(sink, segment, path);
		unlink(path);
		catalog_segment_gone(sink->campaign->catalog, segment->path, NULL);
	}
	return error;
}

int segment_begin(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault)
{
	int error = 0;

	pthread_mutex_lock(&segment->begin_lock);
	if (!segment->begun) {
		error = make_files(sink, segment, fault);
		segment->begun = error == 0;
	}
	pthread_mutex_unlock(&segment->begin_lock);
	if (!error) {
		pthread_mutex_lock(&sink->lock);
		if (!segment->counted) {
			segment->counted = true;
			sink->statistics.segments++;
		}
		pthread_mutex_unlock(&sink->lock);
	}
	return error;
}

static void remove_journals(const struct archive_sink *sink, const struct segment *segment)
{
	char path[PATH_MAX];
	for (uint32_t i = 0; i < SEGMENT_CHUNKS_MAX && i < segment->journals; i++) {
		journal_path(sink, segment, i, path);
		unlink(path);
	}
}

/* Chunks that reached the disk behind one that did not: a segment has no holes. */
static void count_lost(struct archive_sink *sink, struct segment *segment, uint32_t good)
{
	pthread_mutex_lock(&sink->lock);
	for (uint32_t i = good; i < segment->submitted; i++) {
		const struct index_chunk *chunk = &segment->content.chunks[i];
		sink_lost(sink, sink->last_trouble, chunk->first_ns, chunk->last_ns, chunk->packets, chunk->wire_bytes);
		sink->kept.packets -= chunk->packets;
		sink->kept.captured -= chunk->captured_bytes;
		sink->kept.wire -= chunk->wire_bytes;
	}
	segment->submitted = good;
	pthread_mutex_unlock(&sink->lock);
}

static void remove_end(const struct archive_sink *sink, const struct segment *segment)
{
	char path[PATH_MAX];

	if (!segment->sealing)
		return;
	end_path(sink, segment, path);
	unlink(path);
}

static int close_empty(struct archive_sink *sink, struct segment *segment, const char *path, struct weir_fault *fault)
{
	unlink(path);
	remove_journals(sink, segment);
	remove_end(sink, segment);
	return catalog_segment_gone(sink->campaign->catalog, segment->path, fault);
}

/* Sealed, what the record of the last sound chunk has. */
static int write_sealed_end(struct segment *segment, const char *path, struct weir_fault *fault)
{
	struct index_content *content = &segment->content;
	struct segment_row row = {0};
	uint32_t count;
	bool big;
	int system = segment->direct ? output_undirect(segment->fd) : 0;

	if (system)
		return weir_fail_errno(fault, system, path, "cannot close the segment");
	int error = sealing_end(segment->fd, segment->sealing->end_fd, content->chunk_count, false, path, &row, &count, &big, fault);
	if (!error && count != content->chunk_count)
		error = weir_fail_at(fault, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "what is to end the segment has been changed");
	content->segment_bytes = row.stored_bytes;
	return error;
}

/* Behind the last sound chunk: nothing but the seek table. */
static int write_end(struct segment *segment, const char *path, struct weir_fault *fault)
{
	struct index_content *content = &segment->content;
	const struct index_chunk *last = &content->chunks[content->chunk_count - 1];
	uint64_t end = chunk_end(last->offset + last->stored_bytes);
	uint8_t *table;
	size_t size;

	if (segment->sealing)
		return write_sealed_end(segment, path, fault);
	if (seek_table(content, end, &table, &size))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
	int error = 0;
	if (ftruncate(segment->fd, (off_t)end) != 0)
		error = errno;
	if (!error && segment->direct)
		error = output_undirect(segment->fd);
	if (!error)
		error = os_write_all(segment->fd, table, size, (int64_t)end);
	free(table);
	if (!error && fdatasync(segment->fd) != 0)
		error = errno;
	if (error)
		return weir_fail_errno(fault, error, path, "cannot close the segment");
	content->segment_bytes = end + size;
	return 0;
}

/* Bytes in front of what is signed: the header of age. The nonce behind it belongs to what is sealed. */
static size_t unsigned_bytes(const struct segment *segment)
{
	return segment->sealing ? segment->sealing->header_bytes - AGE_NONCE : 0;
}

void segment_digest(struct segment *segment, const uint8_t *written, size_t size)
{
	if (!segment->digest)
		return;
	size_t skip = chain_digest_bytes(segment->digest) ? 0 : unsigned_bytes(segment);
	chain_digest_add(segment->digest, written + skip, size - skip);
}

/* Reads what stands behind the bytes that the digest has: the end of the segment. False when it has bytes that are not there any more, or can't be read. */
static bool digest_end(const struct segment *segment, const char *path)
{
	uint64_t at = unsigned_bytes(segment) + chain_digest_bytes(segment->digest), end = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t buffer[1 << 14];
	struct stat status;
	int64_t got = 0;

	/* Of the file: what is sealed in it is shorter. */
	if (fd >= 0 && fstat(fd, &status) == 0)
		end = (uint64_t)status.st_size;
	while (at < end && (got = os_read_at(fd, buffer, sizeof buffer, at)) > 0) {
		chain_digest_add(segment->digest, buffer, (size_t)got);
		at += (uint64_t)got;
	}
	if (fd >= 0)
		close(fd);
	return at == end;
}

static int sign(struct archive_sink *sink, struct segment *segment, const char *path, struct weir_fault *fault)
{
	struct chain_entry entry = {.event = CHAIN_SEGMENT, .file = segment->path};

	if (!sink->campaign->signer)
		return 0;
	/* Where chunks were given up, what was written is not what is there: it is read. */
	if (!segment->digest || segment->broken != SEGMENT_CHUNKS_MAX || !digest_end(segment, path))
		return chain_append_file(sink->campaign, sink->node, CHAIN_SEGMENT, segment->path, fault);
	entry.bytes = chain_digest_bytes(segment->digest);
	int system = chain_digest_end(segment->digest, entry.sha256);
	/* It has no second end: should this have to be done again, the file is read. */
	chain_digest_free(segment->digest);
	segment->digest = NULL;
	return system ? weir_fail_errno(fault, system, path, "cannot be signed") : chain_append(sink->campaign, sink->node, &entry, fault);
}

int segment_close(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault)
{
	struct index_content *content = &segment->content;
	struct segment_row row = {
		.path = segment->path,
		.node = sink->node,
		.interface = sink->interface,
		.sequence = segment->sequence,
	};
	char path[PATH_MAX];

	if (!segment->begun)
		return 0;
	segment_path(sink, segment, path);
	uint32_t good = segment->submitted < segment->broken ? segment->submitted : segment->broken;
	if (good < segment->submitted)
		count_lost(sink, segment, good);
	if (good == 0)
		return close_empty(sink, segment, path, fault);
	content->chunk_count = good;
	content->interfaces = segment->interfaces_after[good - 1];
	content->prologue_bytes = segment->prologue_after[good - 1];
	int error = write_end(segment, path, fault);
	if (!error)
		error = index_write(path, content, segment->postings, sink->recipients, &row.index_bytes, fault);
	if (error)
		return error;
	/* Before the catalog hears that it is closed: what is not signed when the power fails is found again. */
	error = sign(sink, segment, path, fault);
	if (error)
		return error;
	remove_journals(sink, segment);
	remove_end(sink, segment);
	index_content_row(content, &row);
	error = catalog_segment_closed(sink->campaign->catalog, &row, fault);
	*strrchr(path, '/') = '\0';
	return error ? error : os_sync_folder(path, fault);
}
