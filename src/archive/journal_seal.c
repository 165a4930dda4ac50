#include "archive/journal_seal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/key.h>

#include "archive/blocks.h"
#include "core/xxh3.h"
#include "file/sealed.h"
#include "os/files.h"

#define MAGIC_BYTES 8u

struct journal_seal {
	struct age_payload *payload;
	uint8_t *header; /* with the nonce; NULL once it was written */
	size_t header_bytes;
	uint8_t *start; /* what stands before the first blocks; NULL once it was written */
	size_t start_bytes;
	uint64_t number;   /* of the next chunk of age */
	struct xxh3 *hash; /* of all that was sealed */
	struct section section;
	struct chunk_trailer trailer;
	uint8_t *plain, *sealed;
	size_t plain_capacity, sealed_capacity;
	uint64_t bytes;
	bool big;
};

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for a sealed journal");
}

static int make_header(struct journal_seal *journal, const struct weir_recipients *recipients, struct weir_fault *fault)
{
	uint8_t *start = NULL;
	size_t length = 0;
	int error = age_begin(recipients, SEALED_HEADER, &journal->payload, &start, &length, fault);

	journal->header_bytes = MAGIC_BYTES + length;
	if (!error && !(journal->header = malloc(journal->header_bytes)))
		error = no_memory(fault);
	if (!error) {
		memcpy(journal->header, SEALED_JOURNAL_MAGIC, MAGIC_BYTES);
		memcpy(journal->header + MAGIC_BYTES, start, length);
	}
	free(start);
	return error;
}

int journal_seal_new(const struct weir_recipients *recipients, bool big, const void *start, size_t length,
                     struct journal_seal **journal, struct weir_fault *fault)
{
	struct journal_seal *made = calloc(1, sizeof *made);
	int error = 0;

	if (!made)
		return no_memory(fault);
	made->big = made->section.big = big;
	/* Without postings no key may rule it out. */
	made->trailer = (struct chunk_trailer){.first_ns = INT64_MAX, .last_ns = INT64_MIN, .flags = CHUNK_IRREGULAR};
	made->hash = xxh3_new();
	made->start = malloc(length ? length : 1);
	made->start_bytes = length;
	if (!made->hash || !made->start)
		error = no_memory(fault);
	if (!error) {
		memcpy(made->start, start, length);
		xxh3_reset(made->hash);
		error = make_header(made, recipients, fault);
	}
	if (error) {
		journal_seal_free(made);
		return error;
	}
	*journal = made;
	return 0;
}

void journal_seal_free(struct journal_seal *journal)
{
	if (!journal)
		return;
	age_payload_free(journal->payload);
	xxh3_free(journal->hash);
	section_free(&journal->section);
	if (journal->plain)
		weir_wipe(journal->plain, journal->plain_capacity);
	free(journal->plain);
	free(journal->sealed);
	free(journal->header);
	free(journal->start);
	free(journal);
}

uint64_t journal_seal_bytes(const struct journal_seal *journal) { return journal->bytes; }

static bool fits(uint8_t **buffer, size_t *capacity, size_t bytes)
{
	if (*capacity >= bytes)
		return true;
	free(*buffer);
	*buffer = malloc(bytes);
	*capacity = *buffer ? bytes : 0;
	return *buffer != NULL;
}

/* The times and sums of packets go into the trailer, and, in the open, into the record. */
static int count(struct journal_seal *journal, const uint8_t *blocks, size_t length)
{
	struct weir_packet packet;
	struct block block;

	for (size_t at = 0; block_at(blocks, length, at, journal->big, &block) == 1; at += block.length) {
		int code = section_block(&journal->section, &block, &packet);
		if (code == WEIR_E_MEMORY)
			return code;
		if (code == 1)
			trailer_count(&journal->trailer, &packet);
	}
	return 0;
}

/* Start, blocks and padding, in journal->plain. Their length: a multiple of AGE_CHUNK; 0: no memory. */
static size_t gather(struct journal_seal *journal, const uint8_t *blocks, size_t length)
{
	size_t start = journal->start ? journal->start_bytes : 0, filled = start + length;
	size_t padded = (filled + AGE_CHUNK - 1) / AGE_CHUNK * AGE_CHUNK;

	if (padded != filled && padded - filled < PADDING_BLOCK_LEAST)
		padded += AGE_CHUNK;
	if (!fits(&journal->plain, &journal->plain_capacity, padded))
		return 0;
	if (start)
		memcpy(journal->plain, journal->start, start);
	memcpy(journal->plain + start, blocks, length);
	if (padded != filled)
		put_padding_block(journal->plain + filled, (uint32_t)(padded - filled), journal->big);
	return count(journal, journal->plain, filled) == 0 ? padded : 0;
}

static uint64_t checksum_of(const struct journal_record *record, const uint8_t *behind, size_t length)
{
	struct journal_record copy = *record;

	copy.checksum = 0;
	return xxh3_of(&copy, sizeof copy) ^ xxh3_of(behind, length);
}

/* Seals what is in journal->plain, with the record before it. The length of the whole, or 0. */
static size_t seal(struct journal_seal *journal, size_t plain)
{
	uint8_t last[TRAILER_BLOCK_SIZE], *record_at, *at;
	size_t header = journal->header ? journal->header_bytes : 0, chunks = plain / AGE_CHUNK;
	size_t size = header + sizeof(struct journal_record) + chunks * AGE_SEALED + sizeof last + AGE_TAG;
	bool sealed = fits(&journal->sealed, &journal->sealed_capacity, size);

	if (!sealed)
		return 0;
	if (header)
		memcpy(journal->sealed, journal->header, header);
	record_at = journal->sealed + header;
	at = record_at + sizeof(struct journal_record);
	for (size_t i = 0; i < chunks && sealed; i++, at += AGE_SEALED)
		sealed =
			age_payload_seal(journal->payload, journal->number++, false, journal->plain + i * AGE_CHUNK, AGE_CHUNK, at);
	xxh3_add(journal->hash, journal->plain, plain);
	journal->trailer.checksum = xxh3_value(journal->hash);
	uint32_t last_bytes = put_trailer(last, &journal->trailer, 0, journal->big);
	/* This number's nonce as the last is used once: the next record begins with this number, and not as the last. */
	sealed = sealed && age_payload_seal(journal->payload, journal->number, true, last, last_bytes, at);
	const struct chunk_trailer *trailer = &journal->trailer;
	struct journal_record record = {
		.magic = JOURNAL_RECORD_MAGIC,
		.chunks = (uint32_t)chunks,
		.last_bytes = last_bytes + AGE_TAG,
		.big_endian = journal->big,
		.segment_bytes = journal->number * AGE_CHUNK + last_bytes,
		.packets = trailer->packets,
		.captured_bytes = trailer->captured_bytes,
		.wire_bytes = trailer->wire_bytes,
		.first_ns = trailer->packets ? trailer->first_ns : 0,
		.last_ns = trailer->packets ? trailer->last_ns : 0,
	};
	record.checksum = checksum_of(&record, record_at + sizeof record, chunks * AGE_SEALED + record.last_bytes);
	memcpy(record_at, &record, sizeof record);
	return sealed ? size : 0;
}

int journal_seal_append(struct journal_seal *journal, int fd, const uint8_t *blocks, size_t length,
                        struct weir_fault *fault)
{
	size_t plain = gather(journal, blocks, length), sealed = plain ? seal(journal, plain) : 0;

	if (!sealed)
		return no_memory(fault);
	int system = os_write_all(fd, journal->sealed, sealed, WEIR_NOWHERE);
	if (system)
		return weir_fail_errno(fault, system, NULL, "cannot write a journal");
	free(journal->header);
	free(journal->start);
	journal->header = journal->start = NULL;
	journal->bytes += sealed;
	return 0;
}

/* ---- Reading ---- */

bool journal_is_sealed(const void *data, size_t length)
{
	return length >= MAGIC_BYTES && memcmp(data, SEALED_JOURNAL_MAGIC, MAGIC_BYTES) == 0;
}

/* The sound record at *at, which moves on to what stands behind it. */
static const uint8_t *next_record(const uint8_t *file, size_t length, size_t *at, struct journal_record *record)
{
	if (length - *at < sizeof *record)
		return NULL;
	memcpy(record, file + *at, sizeof *record);
	size_t left = length - *at - sizeof *record;
	if (record->magic != JOURNAL_RECORD_MAGIC || record->last_bytes < AGE_TAG || record->last_bytes > AGE_SEALED ||
	    record->chunks > left / AGE_SEALED || record->last_bytes > left - record->chunks * (size_t)AGE_SEALED)
		return NULL;
	const uint8_t *behind = file + *at + sizeof *record;
	size_t bytes = record->chunks * (size_t)AGE_SEALED + record->last_bytes;
	if (checksum_of(record, behind, bytes) != record->checksum)
		return NULL;
	*at += sizeof *record + bytes;
	return behind;
}

/* Where the records begin; 0 when the header is not whole. */
static size_t records_at(const uint8_t *file, size_t length, const char *name)
{
	if (!journal_is_sealed(file, length))
		return 0;
	int64_t header = age_header_length(file + MAGIC_BYTES, length - MAGIC_BYTES, name, NULL);
	return header > 0 && length - MAGIC_BYTES - (size_t)header >= AGE_NONCE ? MAGIC_BYTES + (size_t)header + AGE_NONCE
	                                                                        : 0;
}

int journal_seal_open(const uint8_t *file, size_t file_length, const struct weir_identities *identities,
                      const char *name, uint8_t **data, size_t *length, struct weir_fault *fault)
{
	size_t at = records_at(file, file_length, name);
	struct age_payload *payload = NULL;
	struct journal_record record;
	struct age_file_key key;
	uint64_t number = 0;
	const uint8_t *behind;

	*length = 0;
	*data = malloc(file_length ? file_length : 1);
	if (!*data)
		return no_memory(fault);
	if (!at)
		return 0;
	int error = age_header_open(file + MAGIC_BYTES, at - MAGIC_BYTES - AGE_NONCE, identities, name, &key, fault);
	if (!error)
		error = age_payload_new(&key, file + at - AGE_NONCE, &payload, fault);
	weir_wipe(&key, sizeof key);
	bool sound = !error;
	while (sound && (behind = next_record(file, file_length, &at, &record)))
		for (uint32_t i = 0; i < record.chunks && sound; i++, behind += AGE_SEALED) {
			sound = age_payload_open(payload, number, false, behind, AGE_SEALED, *data + *length);
			*length += sound ? AGE_CHUNK : 0;
			number++;
		}
	age_payload_free(payload);
	if (error) {
		free(*data);
		*data = NULL;
	}
	return error;
}

int journal_seal_assemble(const uint8_t *file, size_t file_length, uint8_t **out, size_t *length,
                          struct segment_row *row, bool *big, struct weir_fault *fault)
{
	size_t at = records_at(file, file_length, "journal");
	struct journal_record record, last = {0};
	const uint8_t *behind, *tail = NULL;

	*length = 0;
	*out = malloc(file_length ? file_length : 1);
	if (!*out)
		return no_memory(fault);
	size_t made = at ? at - MAGIC_BYTES : 0;
	if (made)
		memcpy(*out, file + MAGIC_BYTES, made);
	while (at && (behind = next_record(file, file_length, &at, &record))) {
		memcpy(*out + made, behind, record.chunks * (size_t)AGE_SEALED);
		made += record.chunks * (size_t)AGE_SEALED;
		tail = behind + record.chunks * (size_t)AGE_SEALED;
		last = record;
	}
	if (!tail || !last.packets)
		return 0;
	memcpy(*out + made, tail, last.last_bytes);
	*length = made + last.last_bytes;
	row->codec = WEIR_CODEC_NONE;
	row->stored_bytes = row->raw_bytes = last.segment_bytes;
	row->packets = last.packets;
	row->captured_bytes = last.captured_bytes;
	row->wire_bytes = last.wire_bytes;
	row->first_ns = last.first_ns;
	row->last_ns = last.last_ns;
	row->chunks = 1;
	*big = last.big_endian;
	return 0;
}
