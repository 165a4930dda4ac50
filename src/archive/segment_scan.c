#include "archive/segment_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/blocks.h"
#include "archive/chunk_read.h"
#include "archive/codec.h"
#include "archive/index_write.h"
#include "archive/campaign.h"
#include "core/xxh3.h"
#include "file/sealed.h"

/* No chunk is larger: a segment's would be 64 of them. */
#define CHUNK_BYTES_MAX (UINT64_C(1) << 30)

struct file {
	const char *path;
	const uint8_t *data;
	uint64_t size;
	struct codec_context *codec;
	uint8_t *raw;
	size_t raw_size;
	bool torn; /* sealed, and its end is missing */
};

static int fail(const struct file *file, uint64_t offset, enum weir_error code, const char *what, struct weir_fault *fault)
{
	return weir_fail_at(fault, code, file->path, (int64_t)offset, WEIR_NOWHERE, "%s", what);
}

/* The chunk of plain blocks at offset: ends behind the first trailer. */
static int find_plain(struct file *file, bool big, uint64_t offset, const uint8_t **raw, uint64_t *length,
                      struct weir_fault *fault)
{
	uint64_t left = file->size - offset, at = 0;
	struct chunk_trailer trailer;
	struct block block;

	if (left > CHUNK_BYTES_MAX)
		left = CHUNK_BYTES_MAX;
	for (;;) {
		int found = block_at(file->data + offset, left, at, big, &block);
		if (found <= 0)
			return fail(file, offset + at, at == left ? WEIR_E_TRUNCATED : WEIR_E_FORMAT,
			            at == left ? "the segment ends before the chunk's trailer" : "no sound block stands here", fault);
		at += block.length;
		if (block_is_trailer(&block, big, &trailer))
			break;
	}
	*raw = file->data + offset;
	*length = at;
	return 0;
}

/* The frame at offset, decompressed. *stored: its length. */
static int find_frame(struct file *file, enum weir_codec codec, uint64_t offset, const uint8_t **raw, uint64_t *length,
                      uint64_t *stored, struct weir_fault *fault)
{
	const uint8_t *data = file->data + offset;
	uint64_t left = file->size - offset, content;
	size_t used, got;

	if (codec_frame_content(codec, data, left, &content) < 0)
		return fail(file, offset, WEIR_E_FORMAT, "no frame begins here", fault);
	if (content > CHUNK_BYTES_MAX)
		return fail(file, offset, WEIR_E_CORRUPT, "the frame says that it is larger than a chunk can be", fault);
	if (file->raw_size < content) {
		free(file->raw);
		file->raw_size = 0;
		file->raw = malloc(content);
		if (!file->raw)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of %llu bytes", (unsigned long long)content);
		file->raw_size = content;
	}
	int code = codec_decompress(file->codec, codec, data, left, file->raw, content, &used, &got);
	if (code == 0 && got != content)
		code = WEIR_E_CORRUPT;
	if (code < 0)
		return fail(file, offset, code, code == WEIR_E_TRUNCATED ? "the frame is cut short or damaged" : "the frame is damaged",
		            fault);
	*raw = file->raw;
	*length = content;
	*stored = used;
	return 0;
}

static int add_prologue(struct segment_scan *scan, const struct block *block, struct weir_fault *fault)
{
	if (scan->prologue_capacity - scan->prologue_bytes < block->length) {
		uint32_t capacity = (scan->prologue_bytes + block->length) * 2;
		uint8_t *more = realloc(scan->prologue, capacity);
		if (!more)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the interfaces of a segment");
		scan->prologue = more;
		scan->prologue_capacity = capacity;
	}
	memcpy(scan->prologue + scan->prologue_bytes, block->data, block->length);
	scan->prologue_bytes += block->length;
	return 0;
}

/* All blocks of a sound chunk: the SHB and the IDBs enter the prologue. */
static int gather_prologue(struct file *file, struct segment_scan *scan, uint64_t offset, const uint8_t *raw, uint64_t length,
                           struct weir_fault *fault)
{
	struct block block;
	int found;

	for (uint64_t at = 0; (found = block_at(raw, length, at, scan->big, &block)) != 0; at += block.length) {
		if (found < 0)
			return fail(file, offset, WEIR_E_FORMAT, "a chunk with a sound checksum has a block that is not", fault);
		bool first = scan->chunk_count == 0 && at == 0;
		if (block.type == BLOCK_SECTION && !first)
			return fail(file, offset, WEIR_E_FORMAT, "a second section begins within the segment", fault);
		if (block.type == BLOCK_INTERFACE && block.length < 20)
			return fail(file, offset, WEIR_E_FORMAT, "an interface is too short", fault);
		scan->interface_count += block.type == BLOCK_INTERFACE;
		int code = first || block.type == BLOCK_INTERFACE ? add_prologue(scan, &block, fault) : 0;
		if (code < 0)
			return code;
	}
	return 0;
}

/* Takes in the chunk at offset when it is sound; *end: where the next one begins. */
static int take_chunk(struct file *file, struct segment_scan *scan, uint64_t offset, const uint8_t **raw, uint64_t *end,
                      struct weir_fault *fault)
{
	struct chunk_trailer trailer;
	uint64_t length = 0, stored = 0;
	int code;

	if (scan->codec == WEIR_CODEC_NONE) {
		if (scan->chunk_count == 0 && section_byte_order(file->data + offset, file->size - offset, &scan->big) < 0)
			return fail(file, offset, WEIR_E_FORMAT, "no section begins here", fault);
		code = find_plain(file, scan->big, offset, raw, &length, fault);
		stored = length;
	} else {
		code = find_frame(file, scan->codec, offset, raw, &length, &stored, fault);
		if (code == 0 && scan->chunk_count == 0 && section_byte_order(*raw, length, &scan->big) < 0)
			return fail(file, offset, WEIR_E_FORMAT, "the first chunk does not begin with a section", fault);
	}
	if (code < 0)
		return code;
	code = chunk_check(*raw, (uint32_t)length, scan->big, &trailer);
	if (code < 0)
		return fail(file, offset, code, code == WEIR_E_CORRUPT ? "the checksum of the chunk does not hold" : "the chunk has no trailer",
		            fault);
	if (trailer.number >= SEGMENT_CHUNKS_MAX || scan->chunk_count == SEGMENT_CHUNKS_MAX ||
	    (scan->chunk_count && trailer.number <= scan->numbers[scan->chunk_count - 1]))
		return fail(file, offset, WEIR_E_FORMAT, "the chunk's number is out of order", fault);

	struct index_chunk *chunk = &scan->chunks[scan->chunk_count];
	const struct index_chunk *before = scan->chunk_count ? chunk - 1 : NULL;
	*end = chunk_end_in(offset + stored, scan->sealed);
	/* What recovery made of a journal ends with its chunk. */
	if (*end > file->size)
		*end = file->size;
	*chunk = (struct index_chunk){
		.offset = offset, .raw_offset = before ? before->raw_offset + before->raw_bytes : 0, .stored_bytes = (uint32_t)stored,
		.raw_bytes = (uint32_t)length, .first_ns = trailer.first_ns, .last_ns = trailer.last_ns, .checksum = trailer.checksum,
		.stored_checksum = xxh3_of(file->data + offset, (*end < file->size ? *end : file->size) - offset),
		.captured_bytes = trailer.captured_bytes, .wire_bytes = trailer.wire_bytes, .packets = trailer.packets, .flags = trailer.flags,
		.interfaces_before = scan->interface_count, .prologue_before = scan->prologue_bytes,
	};
	code = gather_prologue(file, scan, offset, *raw, length, fault);
	if (code < 0)
		return code;
	scan->numbers[scan->chunk_count++] = (uint8_t)trailer.number;
	return 0;
}

/* Whether it is worth the while to look for a chunk at offset. */
static bool may_begin(const struct file *file, const struct segment_scan *scan, uint64_t offset)
{
	uint64_t content;
	struct block block;

	if (scan->codec != WEIR_CODEC_NONE)
		return codec_frame_content(scan->codec, file->data + offset, file->size - offset, &content) == 0;
	return scan->chunk_count > 0 && block_at(file->data + offset, file->size - offset, 0, scan->big, &block) == 1;
}

static bool is_seek_table(const struct file *file, const struct segment_scan *scan, uint64_t offset)
{
	struct block block;

	if (scan->codec == WEIR_CODEC_NONE)
		return scan->sealed && scan->chunk_count && block_at(file->data + offset, file->size - offset, 0, scan->big, &block) == 1 &&
		       block_is_end(&block, scan->big);
	return file->size - offset >= 4 && weir_load_le32(file->data + offset) == SEEK_TABLE_MAGIC;
}

static int scan_chunks(struct file *file, const struct segment_scan_options *options, struct segment_scan *scan,
                       struct weir_fault *fault)
{
	uint64_t at = 0;

	while (at < file->size && !is_seek_table(file, scan, at)) {
		struct weir_fault found = {0};
		const uint8_t *raw = NULL;
		uint64_t end = 0;
		int code = take_chunk(file, scan, at, &raw, &end, &found);

		if (code == WEIR_E_MEMORY) {
			*fault = found;
			return code;
		}
		if (code == 0) {
			code = options->chunk ? options->chunk(options->context, scan, raw, fault) : 0;
			if (code != 0)
				return code;
			at = scan->end = end;
			continue;
		}
		if (options->damage)
			options->damage(options->context, &found);
		if (!options->resume)
			break;
		uint64_t step = scan->sealed ? SEALED_ALIGNMENT : SEGMENT_ALIGNMENT;
		for (at = chunk_end_in(at + 1, scan->sealed); at < file->size && !may_begin(file, scan, at); at += step)
			;
	}
	if (scan->end > file->size)
		scan->end = file->size;
	scan->seek_table = scan->end < file->size && is_seek_table(file, scan, scan->end);
	return 0;
}

/* Tells of a piece that is damaged, which is zeros from here on. */
static void tell_piece(const struct segment_scan_options *options, const struct weir_fault *fault)
{
	if (options->damage)
		options->damage(options->context, fault);
}

/*
 * A sealed segment, opened into memory: it is read from one end to the other, as often as its chunks are looked at. Where it is damaged there are zeros, in
 * which no chunk is sound.
 */
static int open_sealed(struct file *file, int descriptor, const struct segment_scan_options *options, void **data, struct weir_fault *fault)
{
	struct sealed_file *sealed;
	int code = sealed_file_open(descriptor, options->identities, true, file->path, &sealed, fault);

	if (code < 0)
		return code;
	file->size = sealed_file_size(sealed);
	file->torn = sealed_file_torn(sealed);
	*data = file->size ? mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
	if (file->size && *data == MAP_FAILED)
		code = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", file->path);
	for (uint64_t at = 0; code == 0 && at < file->size; at += SEALED_ALIGNMENT) {
		struct weir_fault found = {0};
		size_t piece = file->size - at < SEALED_ALIGNMENT ? (size_t)(file->size - at) : SEALED_ALIGNMENT;
		int64_t n = sealed_file_read(sealed, (uint8_t *)*data + at, piece, at, &found);
		if (n == WEIR_E_CORRUPT)
			tell_piece(options, &found);
		else if (n < 0)
			code = weir_fail_at(fault, (enum weir_error)n, file->path, (int64_t)at, WEIR_NOWHERE, "%s", found.message);
	}
	sealed_file_close(sealed);
	return code;
}

int segment_scan(const char *path, enum weir_codec codec, const struct segment_scan_options *options, struct segment_scan *scan,
                 struct weir_fault *fault)
{
	struct file file = {.path = path};
	void *data = MAP_FAILED;
	struct weir_fault own;
	struct stat status;
	int code = 0;

	if (!fault)
		fault = &own;
	*scan = (struct segment_scan){.codec = codec, .sealed = segment_is_sealed(path)};
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the segment");
	if (fstat(descriptor, &status) < 0)
		code = weir_fail_errno(fault, errno, path, "cannot read the segment");
	else if (!S_ISREG(status.st_mode))
		code = weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "a segment must be a regular file");
	if (code == 0)
		code = codec_available(codec, fault);
	if (code == 0 && status.st_size > 0 && scan->sealed) {
		code = open_sealed(&file, descriptor, options, &data, fault);
	} else if (code == 0 && status.st_size > 0) {
		file.size = (uint64_t)status.st_size;
		data = mmap(NULL, file.size, PROT_READ, MAP_SHARED, descriptor, 0);
		if (data == MAP_FAILED)
			code = weir_fail_errno(fault, errno, path, "cannot map the segment");
	}
	scan->file_bytes = file.size;
	scan->torn = file.torn;
	if (file.size) {
		file.codec = codec_context_new();
		if (code == 0 && !file.codec)
			code = weir_fail(fault, WEIR_E_MEMORY, "no memory to scan a segment");
		if (code == 0) {
			if (!scan->sealed)
				madvise(data, file.size, MADV_SEQUENTIAL);
			file.data = data;
			code = scan_chunks(&file, options, scan, fault);
		}
		if (data != MAP_FAILED)
			munmap(data, file.size);
		codec_context_free(file.codec);
		free(file.raw);
	}
	close(descriptor);
	return code;
}

void segment_scan_free(struct segment_scan *scan)
{
	free(scan->prologue);
	scan->prologue = NULL;
}
