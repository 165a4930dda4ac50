/* The files of a segment that is being written: archive/sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/sink.h"
#include "os/files.h"

void segment_path(const struct archive_sink *sink, const struct segment *segment, char out[static PATH_MAX])
{
	/* The campaign's path was checked to be short enough when the sink was opened. */
	snprintf(out, PATH_MAX, "%s/%s", sink->campaign->path, segment->path);
}

void journal_path(const struct archive_sink *sink, const struct segment *segment, uint32_t number, char out[static PATH_MAX])
{
	size_t stem = strlen(segment->path) - strlen(codec_ending(segment->content.codec));
	snprintf(out, PATH_MAX, "%s/%.*s-%02u.open", sink->campaign->path, (int)stem, segment->path, number);
}

void segment_free(struct segment *segment)
{
	if (!segment)
		return;
	if (segment->fd >= 0)
		close(segment->fd);
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
	return 0;
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

static int close_empty(struct archive_sink *sink, struct segment *segment, const char *path, struct weir_fault *fault)
{
	unlink(path);
	remove_journals(sink, segment);
	return catalog_segment_gone(sink->campaign->catalog, segment->path, fault);
}

/* Behind the last sound chunk: nothing but the seek table. */
static int write_end(struct segment *segment, const char *path, struct weir_fault *fault)
{
	struct index_content *content = &segment->content;
	const struct index_chunk *last = &content->chunks[content->chunk_count - 1];
	uint64_t end = chunk_end(last->offset + last->stored_bytes);
	uint8_t *table;
	size_t size;

	if (seek_table(content, end, &table, &size))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
	int error = 0;
	if (ftruncate(segment->fd, (off_t)end) != 0)
		error = errno;
	if (!error && segment->direct)
		error = output_undirect(segment->fd);
	if (!error)
		error = os_write_all(segment->fd, table, size, (int64_t)end);
	if (segment->digest && chain_digest_bytes(segment->digest) == end)
		chain_digest_add(segment->digest, table, size);
	free(table);
	if (!error && fdatasync(segment->fd) != 0)
		error = errno;
	if (error)
		return weir_fail_errno(fault, error, path, "cannot close the segment");
	content->segment_bytes = end + size;
	return 0;
}

static int sign(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault)
{
	struct chain_entry entry = {.event = CHAIN_SEGMENT, .file = segment->path, .bytes = segment->content.segment_bytes};

	/* Where a write failed in between, what was written is not what is there: it is read. */
	if (!segment->digest || chain_digest_bytes(segment->digest) != entry.bytes || chain_digest_end(segment->digest, entry.sha256) != 0)
		return chain_append_file(sink->campaign, sink->node, CHAIN_SEGMENT, segment->path, fault);
	return chain_append(sink->campaign, sink->node, &entry, fault);
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
		error = index_write(path, content, segment->postings, &row.index_bytes, fault);
	if (error)
		return error;
	/* Before the catalog hears that it is closed: what is not signed when the power fails is found again. */
	error = sign(sink, segment, fault);
	if (error)
		return error;
	remove_journals(sink, segment);
	index_content_row(content, &row);
	error = catalog_segment_closed(sink->campaign->catalog, &row, fault);
	*strrchr(path, '/') = '\0';
	return error ? error : os_sync_folder(path, fault);
}
