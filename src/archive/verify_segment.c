#include "archive/verify_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/decode.h>

#include "archive/blocks.h"
#include "archive/campaign.h"
#include "archive/index_read.h"
#include "archive/index_write.h"
#include "archive/postings.h"
#include "archive/segment_scan.h"
#include "file/sealed.h"

struct verify_worker {
	struct verify *verify;
	struct postings *postings;
	struct index index;
	struct section section;
	const char *path;
	bool has_index;
	uint64_t damages; /* that the scan of the segment told of */
};

void verify_tell(struct verify *verify, enum weir_error code, const char *file, int64_t offset, const char *format, ...)
{
	struct weir_fault fault;
	char message[sizeof fault.message];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	weir_fail_at(&fault, code, file, offset, WEIR_NOWHERE, "%s", message);
	pthread_mutex_lock(&verify->lock);
	verify->counts.faults++;
	verify->found(verify->context, &fault);
	pthread_mutex_unlock(&verify->lock);
}

static void tell_fault(struct verify *verify, const struct weir_fault *fault)
{
	pthread_mutex_lock(&verify->lock);
	verify->counts.faults++;
	verify->found(verify->context, fault);
	pthread_mutex_unlock(&verify->lock);
}

struct verify_worker *verify_worker_new(struct verify *verify)
{
	struct verify_worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return NULL;
	worker->verify = verify;
	worker->postings = postings_new();
	if (!worker->postings) {
		free(worker);
		return NULL;
	}
	return worker;
}

void verify_worker_free(struct verify_worker *worker)
{
	if (!worker)
		return;
	postings_free(worker->postings);
	free(worker);
}

static void damage_found(void *context, const struct weir_fault *fault)
{
	struct verify_worker *worker = context;

	worker->damages++;
	tell_fault(worker->verify, fault);
}

/* What the packets of a chunk come to, to be held against its trailer. */
struct sums {
	int64_t first_ns, last_ns, previous_ns;
	uint64_t captured_bytes, wire_bytes;
	uint32_t packets, flags;
};

static void add_packet(struct verify_worker *worker, struct sums *sums, const struct weir_packet *packet, unsigned number)
{
	struct weir_facts facts;

	if (sums->packets && packet->time_ns < sums->previous_ns)
		sums->flags |= CHUNK_UNSORTED;
	sums->previous_ns = packet->time_ns;
	if (!sums->packets || packet->time_ns < sums->first_ns)
		sums->first_ns = packet->time_ns;
	if (!sums->packets || packet->time_ns > sums->last_ns)
		sums->last_ns = packet->time_ns;
	sums->packets++;
	sums->captured_bytes += packet->captured;
	sums->wire_bytes += packet->length;
	weir_decode(packet, &facts);
	sums->flags |= postings_add(worker->postings, packet, &facts, number);
}

static void check_sums(struct verify_worker *worker, const struct index_chunk *chunk, const struct sums *sums)
{
	struct verify *verify = worker->verify;
	int64_t at = (int64_t)chunk->offset;

	if (sums->packets != chunk->packets || sums->captured_bytes != chunk->captured_bytes || sums->wire_bytes != chunk->wire_bytes)
		verify_tell(verify, WEIR_E_CORRUPT, worker->path, at, "the chunk has %u packets of %llu bytes, its trailer says %u of %llu",
		            sums->packets, (unsigned long long)sums->captured_bytes, chunk->packets, (unsigned long long)chunk->captured_bytes);
	else if (sums->packets && (sums->first_ns != chunk->first_ns || sums->last_ns != chunk->last_ns))
		verify_tell(verify, WEIR_E_CORRUPT, worker->path, at, "the times of the chunk's packets are not those that its trailer says");
	if ((sums->flags & CHUNK_UNSORTED) && !(chunk->flags & CHUNK_UNSORTED))
		verify_tell(verify, WEIR_E_CORRUPT, worker->path, at, "the chunk's packets are out of order, and its trailer does not say so");
	if ((sums->flags & CHUNK_IRREGULAR) && !(chunk->flags & CHUNK_IRREGULAR))
		verify_tell(verify, WEIR_E_CORRUPT, worker->path, at,
		            "the chunk has packets that the index does not cover, and its trailer does not say so");
}

/* Every block of a sound chunk. */
static int check_chunk(void *context, const struct segment_scan *scan, const uint8_t *raw, struct weir_fault *fault)
{
	struct verify_worker *worker = context;
	struct verify *verify = worker->verify;
	const struct index_chunk *chunk = &scan->chunks[scan->chunk_count - 1];
	unsigned number = scan->numbers[scan->chunk_count - 1];
	struct sums sums = {0};
	struct weir_packet packet;
	struct block block;

	if (verify->stop && atomic_load_explicit(verify->stop, memory_order_relaxed))
		return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	worker->section.big = scan->big;
	for (size_t at = 0; block_at(raw, chunk->raw_bytes, at, scan->big, &block) == 1; at += block.length) {
		int code = section_block(&worker->section, &block, &packet);

		if (code == WEIR_E_MEMORY)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the interfaces of a segment");
		if (code < 0) {
			verify_tell(verify, WEIR_E_FORMAT, worker->path, (int64_t)chunk->offset,
			            "the block %zu bytes behind the start of chunk %u makes no sense", at, number);
			break;
		}
		if (code == 1)
			add_packet(worker, &sums, &packet, number);
	}
	check_sums(worker, chunk, &sums);
	pthread_mutex_lock(&verify->lock);
	verify->counts.chunks++;
	verify->counts.packets += sums.packets;
	verify->counts.bytes += chunk_end_in(chunk->offset + chunk->stored_bytes, scan->sealed) - chunk->offset;
	if (verify->progress)
		verify->progress(verify->context, verify->counts.bytes);
	pthread_mutex_unlock(&verify->lock);
	return 0;
}

/* ---- The segment against its index ---- */

static const struct index_chunk *scanned(const struct segment_scan *scan, unsigned number)
{
	for (uint32_t i = 0; i < scan->chunk_count; i++)
		if (scan->numbers[i] == number)
			return &scan->chunks[i];
	return NULL;
}

static void check_index_chunks(struct verify_worker *worker, const struct segment_scan *scan, const char *path)
{
	const struct index *index = &worker->index;

	for (unsigned i = 0; i < index->header.chunk_count; i++) {
		const struct index_chunk *there = &index->chunks[i], *found = scanned(scan, i);
		int64_t at = index->header.chunks_offset + (int64_t)i * (int64_t)sizeof *there;

		if (!found) {
			if (!worker->damages) /* else it was told of */
				verify_tell(worker->verify, WEIR_E_CORRUPT, worker->path, (int64_t)there->offset, "chunk %u is not there", i);
			continue;
		}
		if (found->stored_checksum != there->stored_checksum)
			verify_tell(worker->verify, WEIR_E_CORRUPT, worker->path, (int64_t)there->offset,
			            "the checksum of chunk %u as it is stored does not hold", i);
		if (found->offset != there->offset || found->stored_bytes != there->stored_bytes || found->raw_bytes != there->raw_bytes ||
		    found->first_ns != there->first_ns || found->last_ns != there->last_ns || found->checksum != there->checksum ||
		    found->captured_bytes != there->captured_bytes || found->wire_bytes != there->wire_bytes ||
		    found->packets != there->packets || (found->flags & ~there->flags))
			verify_tell(worker->verify, WEIR_E_CORRUPT, path, at, "chunk %u of the segment is not as the index says", i);
	}
	for (uint32_t i = 0; i < scan->chunk_count; i++)
		if (scan->numbers[i] >= index->header.chunk_count)
			verify_tell(worker->verify, WEIR_E_CORRUPT, path, (int64_t)index->header.chunks_offset,
			            "the segment has a chunk %u that the index does not have", scan->numbers[i]);
	bool whole = scan->chunk_count == index->header.chunk_count;
	if (whole && (scan->prologue_bytes != index->prologue.length ||
	              memcmp(scan->prologue, index->prologue.data, index->prologue.length) != 0))
		verify_tell(worker->verify, WEIR_E_CORRUPT, path, (int64_t)index->header.prologue_offset,
		            "the interfaces in the index are not those of the segment");
}

static uint64_t load_key(const uint8_t *keys, unsigned size, uint32_t i)
{
	return size == 2 ? weir_load_le16(keys + i * 2u) : size == 4 ? weir_load_le32(keys + i * (size_t)4)
	     : weir_load_le64(keys + i * (size_t)8);
}

static int compare_keys(const uint8_t *a, uint32_t i, const uint8_t *b, uint32_t k, unsigned size)
{
	if (size == 16)
		return memcmp(a + i * (size_t)16, b + k * (size_t)16, 16);
	uint64_t x = load_key(a, size, i), y = load_key(b, size, k);
	return (x > y) - (x < y);
}

struct posting_view {
	const uint8_t *keys, *masks;
	uint32_t count;
	uint64_t offset;
};

static struct posting_view view_of(const uint8_t *table, uint32_t count, unsigned size)
{
	return (struct posting_view){table, table + (((size_t)count * size + 7) & ~(size_t)7), count, 0};
}

/*
 * What is in the index against what is in the packets. A key may be missing only from irregular chunks (they have more keys than the
 * index may take); no key may be there that no packet has. Chunks that are damaged were told of already.
 */
static void compare_postings(struct verify_worker *worker, const char *path, enum posting_kind kind, struct posting_view there,
                             struct posting_view made, uint64_t sound)
{
	static const char *const names[POSTING_KINDS] = {"IPv4 address", "IPv6 address", "MAC address", "port", "protocol",
	                                                 "EtherType", "VLAN"};
	unsigned size = index_key_size(kind);
	uint32_t i = 0, k = 0;

	while (i < there.count || k < made.count) {
		int order = i == there.count ? 1 : k == made.count ? -1 : compare_keys(there.keys, i, made.keys, k, size);
		uint64_t in_index = order <= 0 ? weir_load_le64(there.masks + (size_t)i * 8) : 0;
		uint64_t in_packets = order >= 0 ? weir_load_le64(made.masks + (size_t)k * 8) : 0;
		int64_t at = (int64_t)there.offset + (int64_t)i * size;

		if (i && i < there.count && compare_keys(there.keys, i - 1, there.keys, i, size) >= 0) {
			verify_tell(worker->verify, WEIR_E_CORRUPT, path, at, "the %ses in the index are out of order", names[kind]);
			return;
		}
		if (in_packets & sound & ~in_index & ~worker->index.irregular) {
			verify_tell(worker->verify, WEIR_E_CORRUPT, path, at, "packets have a %s that the index lacks", names[kind]);
			return;
		}
		if (in_index & sound & ~in_packets) {
			verify_tell(worker->verify, WEIR_E_CORRUPT, path, at, "the index has a %s that no packet has", names[kind]);
			return;
		}
		i += order <= 0;
		k += order >= 0;
	}
}

static int check_postings(struct verify_worker *worker, const struct segment_scan *scan, const char *path,
                          struct weir_fault *fault)
{
	const struct index *index = &worker->index;
	uint64_t sound = 0, postings = 0;

	for (uint32_t i = 0; i < scan->chunk_count; i++)
		sound |= UINT64_C(1) << scan->numbers[i];
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
		const struct posting_table *table = &index->header.postings[kind];
		uint8_t *made;
		size_t size;
		uint32_t count;

		if (postings_table(worker->postings, kind, SEGMENT_CHUNKS_MAX, &made, &size, &count) < 0)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to make the index of a segment again");
		struct posting_view there = view_of(index->data + table->offset, table->count, table->key_size);
		there.offset = table->offset;
		compare_postings(worker, path, kind, there, view_of(made, count, table->key_size), sound);
		postings += table->count;
		free(made);
	}
	pthread_mutex_lock(&worker->verify->lock);
	worker->verify->counts.indexes++;
	worker->verify->counts.postings += postings;
	pthread_mutex_unlock(&worker->verify->lock);
	return 0;
}

/* The header's sums. */
static void check_index_header(struct verify_worker *worker, const char *path)
{
	const struct index_header *header = &worker->index.header;
	struct index_content content = {.codec = header->codec, .chunk_count = header->chunk_count, .segment_bytes = header->segment_bytes};
	struct segment_row row = {0};

	memcpy(content.chunks, worker->index.chunks, header->chunk_count * sizeof content.chunks[0]);
	index_content_row(&content, &row);
	if (row.packets != header->packets || row.captured_bytes != header->captured_bytes || row.wire_bytes != header->wire_bytes ||
	    row.raw_bytes != header->raw_bytes || row.first_ns != header->first_ns || row.last_ns != header->last_ns)
		verify_tell(worker->verify, WEIR_E_CORRUPT, path, 0, "the header of the index is not the sum of its chunks");
}

/* ---- What stands behind the chunks ---- */

static int read_end(struct verify_worker *worker, bool sealed, uint64_t end, uint8_t *there, size_t size, struct weir_fault *fault)
{
	struct sealed_file *opened = NULL;
	int file = open(worker->path, O_RDONLY | O_CLOEXEC), code = 0;

	if (sealed && file >= 0)
		code = sealed_file_open(file, worker->verify->identities, true, worker->path, &opened, fault);
	int64_t n = file < 0 || code < 0 ? -1 : sealed ? sealed_file_read(opened, there, size, end, fault) : pread(file, there, size, (off_t)end);
	if (code == 0 && n != (int64_t)size)
		code = weir_fail_errno(fault, errno, worker->path, "cannot read the seek table");
	sealed_file_close(opened);
	if (file >= 0)
		close(file);
	return code;
}

static int check_end(struct verify_worker *worker, const struct segment_scan *scan, struct weir_fault *fault)
{
	/* The index knows of chunks that are damaged. */
	const struct index_chunk *chunks = worker->has_index ? worker->index.chunks : scan->chunks;
	struct index_content content = {.codec = scan->codec, .sealed = scan->sealed, .big = scan->big};
	uint8_t *table = NULL, *there = NULL;
	uint64_t end = 0;
	size_t size = 0;
	int code = 0;

	content.chunk_count = worker->has_index ? worker->index.header.chunk_count : scan->chunk_count;
	memcpy(content.chunks, chunks, content.chunk_count * sizeof content.chunks[0]);
	if (content.chunk_count)
		end = chunk_end_in(chunks[content.chunk_count - 1].offset + chunks[content.chunk_count - 1].stored_bytes, scan->sealed);
	/* What recovery made of a sealed journal ends with its chunk. */
	if (scan->sealed && scan->codec == WEIR_CODEC_NONE && content.chunk_count == 1 && scan->file_bytes == chunks[0].stored_bytes)
		return 0;
	if (seek_table(&content, end, &table, &size) < 0)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
	if (scan->file_bytes != end + size) {
		verify_tell(worker->verify, WEIR_E_CORRUPT, worker->path, WEIR_NOWHERE,
		            "the segment is of %llu bytes, and should end at %llu", (unsigned long long)scan->file_bytes,
		            (unsigned long long)(end + size));
	} else if (size) {
		there = malloc(size);
		code = there ? read_end(worker, scan->sealed, end, there, size, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
		if (code == 0 && memcmp(there, table, size) != 0)
			verify_tell(worker->verify, WEIR_E_CORRUPT, worker->path, (int64_t)end,
			            "the seek table is not that of the segment's frames");
	}
	free(there);
	free(table);
	return code;
}

/* ---- The catalog's row ---- */

static void check_row(struct verify_worker *worker, const struct segment_row *row, uint64_t index_bytes)
{
	const struct index_header *header = &worker->index.header;

	if (row->packets != header->packets || row->captured_bytes != header->captured_bytes || row->wire_bytes != header->wire_bytes ||
	    row->raw_bytes != header->raw_bytes || row->stored_bytes != header->segment_bytes || row->first_ns != header->first_ns ||
	    row->last_ns != header->last_ns || row->chunks != header->chunk_count ||
	    (row->index_bytes != index_bytes && !segment_is_sealed(worker->path)) ||
	    row->codec != (enum weir_codec)header->codec)
		verify_tell(worker->verify, WEIR_E_CORRUPT, worker->path, WEIR_NOWHERE,
		            "the catalog's entry is not what the segment's index says (weir catalog rebuild makes it again)");
}

static int open_index(struct verify_worker *worker, const char *path)
{
	struct weir_fault found = {0};
	int code = index_open_of(worker->path, worker->verify->identities, &worker->index, &found);

	/* Recovered where nobody could open it: it is complete without. */
	if (code == WEIR_E_NOT_FOUND && segment_is_sealed(worker->path)) {
		worker->has_index = false;
		return 0;
	}

	worker->has_index = code == 0;
	if (code == 0 && index_check(&worker->index, path, &found) < 0)
		tell_fault(worker->verify, &found);
	else if (code < 0)
		tell_fault(worker->verify, &found);
	return code == WEIR_E_MEMORY ? code : 0;
}

static int scan(struct verify_worker *worker, const char *path, enum weir_codec codec, bool resume, struct segment_scan *result,
                struct weir_fault *fault)
{
	struct segment_scan_options options = {
		.resume = resume, .chunk = check_chunk, .damage = resume ? damage_found : NULL, .context = worker,
		.identities = worker->verify->identities,
	};
	struct weir_fault found = {0};

	worker->path = path;
	worker->damages = 0;
	/* As much room as there is: what the writer left out for want of it is irregular. */
	postings_reset(worker->postings, UINT64_MAX);
	postings_advance(worker->postings, UINT64_MAX);
	int code = segment_scan(path, codec, &options, result, &found);
	section_free(&worker->section);
	if (code == WEIR_E_MEMORY || code == WEIR_E_INTERRUPTED) {
		if (fault)
			*fault = found;
		return code;
	}
	if (code < 0)
		tell_fault(worker->verify, &found);
	return code < 0 ? 1 : 0;
}

/* What can be held against what, where nobody can open it: the open part of the index, the catalog, and the length. */
static int verify_closed_eyes(struct verify_worker *worker, const char *path, const struct segment_row *row, struct weir_fault *fault)
{
	struct weir_fault found = {0};
	char index_path[PATH_MAX + 8];
	uint64_t bytes;

	worker->path = path;
	snprintf(index_path, sizeof index_path, "%s.idx", path);
	int code = index_open(index_path, &worker->index, &found);
	if (code == 0)
		code = index_check(&worker->index, index_path, &found);
	if (code == WEIR_E_MEMORY)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the index of a segment");
	if (code < 0)
		tell_fault(worker->verify, &found);
	if (code == 0 && row)
		check_row(worker, row, worker->index.length);
	if (code == 0 && sealed_file_length(path, &bytes, &found) < 0)
		tell_fault(worker->verify, &found);
	else if (code == 0 && bytes != worker->index.header.segment_bytes)
		verify_tell(worker->verify, WEIR_E_CORRUPT, path, WEIR_NOWHERE, "%llu bytes are sealed in the segment, its index says %llu",
		            (unsigned long long)bytes, (unsigned long long)worker->index.header.segment_bytes);
	index_close(&worker->index);
	pthread_mutex_lock(&worker->verify->lock);
	worker->verify->counts.segments++;
	worker->verify->counts.sealed++;
	pthread_mutex_unlock(&worker->verify->lock);
	return 0;
}

int verify_segment(struct verify_worker *worker, const char *path, enum weir_codec codec, const struct segment_row *row,
                   struct weir_fault *fault)
{
	struct segment_scan found;
	char index_path[PATH_MAX + 16];

	if (segment_is_sealed(path) && !weir_identities_count(worker->verify->identities))
		return verify_closed_eyes(worker, path, row, fault);
	int code = scan(worker, path, codec, true, &found, fault);

	if (code == 0) {
		snprintf(index_path, sizeof index_path, "%s.idx%s", path, found.sealed ? SEALED_ENDING : "");
		if (found.torn)
			verify_tell(worker->verify, WEIR_E_TRUNCATED, path, WEIR_NOWHERE, "the sealed segment is cut off, or its end damaged");
		code = open_index(worker, index_path);
		if (code < 0)
			weir_fail(fault, WEIR_E_MEMORY, "no memory for the index of a segment");
		if (code == 0)
			code = check_end(worker, &found, fault);
		if (worker->has_index) {
			if (code == 0) {
				check_index_header(worker, index_path);
				check_index_chunks(worker, &found, index_path);
				if (found.file_bytes != worker->index.header.segment_bytes)
					verify_tell(worker->verify, WEIR_E_CORRUPT, path, WEIR_NOWHERE,
					            "the segment is of %llu bytes, its index says %llu", (unsigned long long)found.file_bytes,
					            (unsigned long long)worker->index.header.segment_bytes);
				if (row)
					check_row(worker, row, worker->index.length);
				code = check_postings(worker, &found, index_path, fault);
			}
			index_close(&worker->index);
		}
		pthread_mutex_lock(&worker->verify->lock);
		worker->verify->counts.segments++;
		pthread_mutex_unlock(&worker->verify->lock);
	}
	segment_scan_free(&found);
	return code < 0 ? code : 0;
}

int verify_open_segment(struct verify_worker *worker, const char *path, enum weir_codec codec, struct weir_fault *fault)
{
	struct segment_scan found;

	if (segment_is_sealed(path) && !weir_identities_count(worker->verify->identities)) {
		pthread_mutex_lock(&worker->verify->lock);
		worker->verify->counts.segments++;
		worker->verify->counts.sealed++;
		pthread_mutex_unlock(&worker->verify->lock);
		return 0;
	}
	int code = scan(worker, path, codec, false, &found, fault);

	if (code == 0) {
		pthread_mutex_lock(&worker->verify->lock);
		worker->verify->counts.segments++;
		pthread_mutex_unlock(&worker->verify->lock);
	}
	segment_scan_free(&found);
	return code < 0 ? code : 0;
}
