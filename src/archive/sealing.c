#include "archive/sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/key.h>

#include "core/xxh3.h"
#include "os/files.h"

#define TAIL_MOST ((size_t)16 << 10) /* left over, seek table, tag */
#define CHECK_BYTES ((size_t)1 << 20)

int sealing_new(const struct weir_recipients *recipients, const char *path, bool direct, struct sealing **sealing,
                struct weir_fault *fault)
{
	struct sealing *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a segment");
	made->direct = direct;
	made->end_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
	made->hash = xxh3_new();
	int error = made->end_fd < 0 ? weir_fail_errno(fault, errno, path, "cannot be created") : 0;
	if (!error && !made->hash)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a segment");
	if (!error)
		error = age_begin(recipients, SEALED_HEADER, &made->payload, &made->header, &made->header_bytes, fault);
	if (error) {
		sealing_free(made);
		return error;
	}
	*sealing = made;
	return 0;
}

void sealing_free(struct sealing *sealing)
{
	if (!sealing)
		return;
	age_payload_free(sealing->payload);
	xxh3_free(sealing->hash);
	if (sealing->end_fd >= 0)
		close(sealing->end_fd);
	free(sealing->header);
	free(sealing);
}

size_t sealing_bound(const struct sealing *sealing, size_t bytes)
{
	return sealing->header_bytes + SEGMENT_ALIGNMENT + (bytes / AGE_CHUNK + 1) * AGE_SEALED;
}

int sealing_chunk(struct sealing *sealing, const uint8_t *data, size_t bytes, uint8_t *out, size_t *size, struct weir_fault *fault)
{
	size_t whole = (sealing->header ? sealing->header_bytes : 0) + sealing->carried + bytes / AGE_CHUNK * AGE_SEALED;
	size_t left_over = sealing->direct ? whole % SEGMENT_ALIGNMENT : 0, hashed = 0;
	uint8_t *at = out;

	*size = whole - left_over;
	if (sealing->header) {
		memcpy(at, sealing->header, sealing->header_bytes);
		at += sealing->header_bytes;
		free(sealing->header);
		sealing->header = NULL;
	}
	memcpy(at, sealing->carry, sealing->carried);
	at += sealing->carried;
	xxh3_reset(sealing->hash);
	for (size_t done = 0; done < bytes; done += AGE_CHUNK) {
		if (!age_payload_seal(sealing->payload, sealing->number++, false, data + done, AGE_CHUNK, at))
			return weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not seal");
		at += AGE_SEALED;
		size_t end = (size_t)(at - out) < *size ? (size_t)(at - out) : *size;
		xxh3_add(sealing->hash, out + hashed, end - hashed);
		hashed = end;
	}
	sealing->carried = left_over;
	memcpy(sealing->carry, out + *size, left_over);
	return 0;
}

static uint64_t checksum_of(const struct end_record *record, const uint8_t *tail)
{
	struct end_record copy = *record;

	copy.checksum = 0;
	return xxh3_of(&copy, sizeof copy) ^ xxh3_of(tail, record->tail_bytes);
}

int sealing_record(struct sealing *sealing, const struct index_content *content, uint64_t chunks_end, size_t size, struct weir_fault *fault)
{
	uint8_t buffer[sizeof(struct end_record) + TAIL_MOST], *tail = buffer + sizeof(struct end_record), *table;
	struct segment_row row = {0};
	size_t table_bytes;

	if (seek_table(content, chunks_end, &table, &table_bytes))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a seek table");
	memcpy(tail, sealing->carry, sealing->carried);
	bool sealed =
		age_payload_seal(sealing->payload, sealing->number, true, table, table_bytes, tail + sealing->carried);
	free(table);
	if (!sealed)
		return weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not seal");
	index_content_row(content, &row);
	struct end_record record = {
		.magic = END_RECORD_MAGIC,
		.number = content->chunk_count - 1,
		.offset = sealing->offset,
		.bytes = size,
		.written_checksum = xxh3_value(sealing->hash),
		.tail_offset = sealing->offset + size,
		.tail_bytes = (uint32_t)(sealing->carried + table_bytes + AGE_TAG),
		.big_endian = content->big,
		.segment_bytes = chunks_end + table_bytes,
		.raw_bytes = row.raw_bytes,
		.packets = row.packets,
		.captured_bytes = row.captured_bytes,
		.wire_bytes = row.wire_bytes,
		.first_ns = row.first_ns,
		.last_ns = row.last_ns,
	};
	record.checksum = checksum_of(&record, tail);
	memcpy(buffer, &record, sizeof record);
	sealing->offset += size;
	int failed = os_write_all(sealing->end_fd, buffer, sizeof record + record.tail_bytes, WEIR_NOWHERE);
	return failed ? weir_fail_errno(fault, failed, NULL, "cannot write how a sealed segment ends") : 0;
}

/* The record at *at, with its tail. 1, or 0 when no sound one stands there. */
static int read_record(int end_fd, uint64_t *at, uint32_t number, struct end_record *record,
                       uint8_t tail[static TAIL_MOST])
{
	if (os_read_at(end_fd, record, sizeof *record, *at) != (int64_t)sizeof *record ||
	    record->magic != END_RECORD_MAGIC || record->number != number || record->tail_bytes > TAIL_MOST ||
	    os_read_at(end_fd, tail, record->tail_bytes, *at + sizeof *record) != record->tail_bytes ||
	    checksum_of(record, tail) != record->checksum)
		return 0;
	*at += sizeof *record + record->tail_bytes;
	return 1;
}

/* Whether what was written is there. 1, 0, or an error. */
static int is_written(int fd, const struct end_record *record, struct xxh3 *hash, uint8_t *buffer, const char *name,
                      struct weir_fault *fault)
{
	xxh3_reset(hash);
	for (uint64_t done = 0; done < record->bytes;) {
		size_t piece = record->bytes - done < CHECK_BYTES ? (size_t)(record->bytes - done) : CHECK_BYTES;
		int64_t n = os_read_at(fd, buffer, piece, record->offset + done);
		if (n < 0)
			return weir_fail_errno(fault, (int)-n, name, "could not be read");
		if ((size_t)n < piece)
			return 0;
		xxh3_add(hash, buffer, piece);
		done += piece;
	}
	return xxh3_value(hash) == record->written_checksum;
}

static int put_tail(int fd, const struct end_record *record, const uint8_t *tail, const char *name,
                    struct weir_fault *fault)
{
	int failed = os_write_all(fd, tail, record->tail_bytes, (int64_t)record->tail_offset);

	if (!failed && ftruncate(fd, (off_t)(record->tail_offset + record->tail_bytes)) != 0)
		failed = errno;
	if (!failed && fdatasync(fd) != 0)
		failed = errno;
	return failed ? weir_fail_errno(fault, failed, name, "cannot close the segment") : 0;
}

int sealing_end(int fd, int end_fd, uint32_t most, bool check, const char *name, struct segment_row *row,
                uint32_t *count, bool *big, struct weir_fault *fault)
{
	struct xxh3 *hash = xxh3_new();
	uint8_t *buffer = malloc(CHECK_BYTES), tail[TAIL_MOST], last_tail[TAIL_MOST];
	struct end_record record, last = {0};
	uint64_t at = 0;
	int there = hash && buffer ? 1 : weir_fail(fault, WEIR_E_MEMORY, "no memory to end a segment");

	*count = 0;
	while (there == 1 && *count < most && read_record(end_fd, &at, *count, &record, tail)) {
		there = check ? is_written(fd, &record, hash, buffer, name, fault) : 1;
		if (there != 1)
			break;
		last = record;
		memcpy(last_tail, tail, record.tail_bytes);
		++*count;
	}
	xxh3_free(hash);
	free(buffer);
	if (there < 0 || !*count)
		return there < 0 ? there : 0;
	row->stored_bytes = last.segment_bytes;
	row->raw_bytes = last.raw_bytes;
	row->packets = last.packets;
	row->captured_bytes = last.captured_bytes;
	row->wire_bytes = last.wire_bytes;
	row->first_ns = last.first_ns;
	row->last_ns = last.last_ns;
	row->chunks = *count;
	*big = last.big_endian;
	return put_tail(fd, &last, last_tail, name, fault);
}
