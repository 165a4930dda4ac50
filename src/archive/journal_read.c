#include "archive/journal_read.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/blocks.h"
#include "archive/journal_seal.h"

#define JOURNAL_BYTES_MAX (INT64_C(1) << 30)
#define ENDING ".open"

/* "HHMMSS-SEQ-07.open" beside "HHMMSS-SEQ.pcapng.zst": 7; -1 when it is no journal of that segment. */
static int journal_number(const char *name, const char *stem, size_t stem_length)
{
	const char *digits = name + stem_length + 1;

	if (strncmp(name, stem, stem_length) != 0 || name[stem_length] != '-')
		return -1;
	if (!isdigit((unsigned char)digits[0]) || !isdigit((unsigned char)digits[1]) || strcmp(digits + 2, ENDING) != 0)
		return -1;
	int number = (digits[0] - '0') * 10 + digits[1] - '0';
	return number < SEGMENT_CHUNKS_MAX ? number : -1;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct journal_file *)a)->number - ((const struct journal_file *)b)->number;
}

static int open_all(DIR *folder, const char *folder_name, const char *stem, size_t stem_length, struct journals *journals,
                    struct weir_fault *fault)
{
	struct dirent *entry;

	while ((entry = readdir(folder)) && journals->count < JOURNALS_MAX) {
		int number = journal_number(entry->d_name, stem, stem_length);
		if (number < 0)
			continue;
		int descriptor = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (descriptor < 0) {
			if (errno == ENOENT) /* its chunk is in the segment by now */
				continue;
			return weir_fail_errno(fault, errno, entry->d_name, "cannot open the journal");
		}
		struct journal_file *list = realloc(journals->list, (journals->count + 1) * sizeof *list);
		if (!list) {
			close(descriptor);
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for journals");
		}
		journals->list = list;
		struct journal_file *file = &list[journals->count++];
		file->descriptor = descriptor;
		file->number = (uint8_t)number;
		snprintf(file->path, sizeof file->path, "%.3800s/%.255s", folder_name, entry->d_name);
	}
	return 0;
}

int journals_open(const char *segment, const struct weir_identities *identities, struct journals *journals, struct weir_fault *fault)
{
	const char *slash = strrchr(segment, '/');
	char folder_name[4096];
	int code = 0;

	*journals = (struct journals){0};
	if (!slash || (size_t)(slash - segment) >= sizeof folder_name)
		return 0;
	memcpy(folder_name, segment, (size_t)(slash - segment));
	folder_name[slash - segment] = 0;
	DIR *folder = opendir(folder_name);
	if (!folder)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, folder_name, "cannot look for journals");
	code = open_all(folder, folder_name, slash + 1, strcspn(slash + 1, "."), journals, fault);
	closedir(folder);
	for (uint32_t i = 0; i < journals->count; i++)
		journals->list[i].identities = identities;
	if (journals->count)
		qsort(journals->list, journals->count, sizeof *journals->list, by_number);
	if (code < 0)
		journals_close(journals);
	return code;
}

void journals_close(struct journals *journals)
{
	for (uint32_t i = 0; i < journals->count; i++)
		close(journals->list[i].descriptor);
	free(journals->list);
	*journals = (struct journals){0};
}

static int read_whole(const struct journal_file *file, uint8_t **data, size_t *length, struct weir_fault *fault)
{
	struct stat status;

	*data = NULL;
	*length = 0;
	if (fstat(file->descriptor, &status) < 0)
		return weir_fail_errno(fault, errno, file->path, "cannot read the journal");
	if (status.st_size < 28)
		return 0;
	if (status.st_size > JOURNAL_BYTES_MAX)
		return weir_fail_at(fault, WEIR_E_LIMIT, file->path, WEIR_NOWHERE, WEIR_NOWHERE, "larger than a journal can be");
	*data = malloc((size_t)status.st_size);
	if (!*data)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a journal of %lld bytes", (long long)status.st_size);
	while (*length < (size_t)status.st_size) {
		ssize_t n = pread(file->descriptor, *data + *length, (size_t)status.st_size - *length, (off_t)*length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return weir_fail_errno(fault, errno, file->path, "cannot read the journal");
		if (n == 0)
			break;
		*length += (size_t)n;
	}
	return 1;
}

static void count_packet(struct journal *journal, const struct weir_packet *packet)
{
	struct index_chunk *chunk = &journal->chunk;

	if (chunk->packets && packet->time_ns < chunk->last_ns)
		chunk->flags |= CHUNK_UNSORTED;
	if (!chunk->packets || packet->time_ns < chunk->first_ns)
		chunk->first_ns = packet->time_ns;
	if (!chunk->packets || packet->time_ns > chunk->last_ns)
		chunk->last_ns = packet->time_ns;
	chunk->packets++;
	chunk->captured_bytes += packet->captured;
	chunk->wire_bytes += packet->length;
}

/* Walks as far as the blocks are sound: what is behind was not written to its end. */
static int walk(struct journal *journal, size_t length, struct weir_fault *fault)
{
	struct section section = {.big = journal->big};
	struct weir_packet packet;
	struct block block;
	size_t at = 0;
	int code = 0;

	/* All blocks at most, so that the prologue needs no growing. */
	journal->prologue = malloc(length);
	if (!journal->prologue)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a journal");
	for (; block_at(journal->data, length, at, journal->big, &block) == 1; at += block.length) {
		code = section_block(&section, &block, &packet);
		if (code < 0)
			break;
		if (code == 1)
			count_packet(journal, &packet);
		if (block.type == BLOCK_INTERFACE || at == 0) {
			memcpy(journal->prologue + journal->prologue_bytes, block.data, block.length);
			journal->prologue_bytes += block.length;
		}
	}
	journal->interface_count = section.interface_count;
	section_free(&section);
	journal->chunk.raw_bytes = journal->chunk.stored_bytes = (uint32_t)at;
	if (code == WEIR_E_MEMORY)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a journal");
	return journal->chunk.packets > 0;
}

/* What is sealed in it, in its place. */
static int unseal(const struct journal_file *file, struct journal *journal, size_t *length, struct weir_fault *fault)
{
	uint8_t *sealed = journal->data;
	size_t sealed_length = *length;

	journal->data = NULL;
	int code = journal_seal_open(sealed, sealed_length, file->identities, file->path, &journal->data, length, fault);
	free(sealed);
	return code < 0 ? code : *length >= 28;
}

int journal_read(const struct journal_file *file, struct journal *journal, struct weir_fault *fault)
{
	size_t length;

	*journal = (struct journal){.number = file->number};
	int code = read_whole(file, &journal->data, &length, fault);
	if (code == 1 && journal_is_sealed(journal->data, length))
		code = unseal(file, journal, &length, fault);
	if (code == 1 && section_byte_order(journal->data, length, &journal->big) < 0)
		code = 0;
	if (code == 1)
		code = walk(journal, length, fault);
	if (code != 1)
		journal_free(journal);
	return code;
}

void journal_free(struct journal *journal)
{
	free(journal->data);
	free(journal->prologue);
	journal->data = journal->prologue = NULL;
}
