#include "archive/recover_sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/folders.h"
#include "archive/journal_seal.h"
#include "archive/recover.h"
#include "archive/sealing.h"
#include "os/files.h"

#define JOURNAL_BYTES_MAX ((size_t)1 << 30)

struct patient {
	struct weir_campaign *campaign;
	const char *path; /* relative */
	const struct segment_name *name;
	char file[PATH_MAX];
	uint64_t packets;
	int64_t last_ns;
};

static struct segment_row row_of(const struct patient *patient)
{
	return (struct segment_row){
		.path = patient->path,
		.node = patient->name->node,
		.interface = patient->name->interface,
		.sequence = patient->name->sequence,
		.codec = patient->name->codec,
	};
}

static void beside(const struct patient *patient, const char *ending, char out[static PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%.*s%s", (int)segment_stem(patient->file), patient->file, ending) >= PATH_MAX)
		out[0] = '\0';
}

static void journal_file(const struct patient *patient, unsigned number, char out[static PATH_MAX])
{
	char ending[16];

	snprintf(ending, sizeof ending, "-%02u.open", number);
	beside(patient, ending, out);
}

/* The row, with its index's open part before it: with that it is closed. */
static int enter(struct patient *patient, const char *file, struct segment_row *row, bool big, struct weir_fault *fault)
{
	int error = index_write_open(file, row, big, fault);

	if (error)
		return error;
	row->index_bytes = index_stored_bytes(file);
	patient->packets += row->packets;
	if (row->packets && row->last_ns > patient->last_ns)
		patient->last_ns = row->last_ns;
	error = recover_note(patient->campaign, row->path, fault);
	return error ? error : catalog_segment_closed(patient->campaign->catalog, row, fault);
}

/* ---- Journals ---- */

/* Whether a segment is this journal already: another recovery came so far. Their headers are the same, and no two others are. */
static bool is_same(const struct weir_campaign *campaign, const char *relative, const uint8_t *sealed)
{
	uint8_t head[SEALED_HEADER];
	char path[PATH_MAX];

	int fd = campaign_path(campaign, relative, path, NULL) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool same = os_read_at(fd, head, sizeof head, 0) == (int64_t)sizeof head && memcmp(head, sealed, sizeof head) == 0;
	close(fd);
	return same;
}

/* The number behind the greatest of the vantage's segments; or, when one of them is this journal, that one's, and its path in relative. */
static int find_place(const struct patient *patient, const uint8_t *sealed, uint64_t *sequence, char *relative, size_t size,
                      struct weir_fault *fault)
{
	struct folder_list segments = {0};
	struct segment_name name;
	int error = list_segments(patient->campaign, patient->name->node, patient->name->interface, &segments, fault);

	*sequence = patient->name->sequence + 1;
	relative[0] = '\0';
	for (size_t i = 0; i < segments.count && !error; i++) {
		if (segment_name_parse(segments.names[i], &name) != 0)
			continue;
		if (name.sealed && name.codec == WEIR_CODEC_NONE && is_same(patient->campaign, segments.names[i], sealed)) {
			snprintf(relative, size, "%s", segments.names[i]);
			*sequence = name.sequence;
			break;
		}
		if (name.sequence >= *sequence)
			*sequence = name.sequence + 1;
	}
	folder_list_free(&segments);
	return error;
}

static int put_segment(struct patient *patient, const uint8_t *sealed, size_t length, struct segment_row *row, bool big,
                       struct weir_fault *fault)
{
	char relative[3 * VANTAGE_NAME_MAX], file[PATH_MAX];
	uint64_t sequence;
	int error = find_place(patient, sealed, &sequence, relative, sizeof relative, fault);

	if (error)
		return error;
	bool there = relative[0] != '\0';
	/* In the same folder, with the same time in its name: raw/NODE/INTERFACE/DAY/HHMMSS. */
	size_t time = (size_t)(strrchr(patient->path, '/') - patient->path) + 1 + 6;
	if (!there && snprintf(relative, sizeof relative, "%.*s-%06llu%s" SEALED_ENDING, (int)time, patient->path,
	                       (unsigned long long)sequence, codec_ending(WEIR_CODEC_NONE)) >= (int)sizeof relative)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of a segment is too long");
	error = campaign_path(patient->campaign, relative, file, fault);
	if (!error && !there)
		error = os_write_file(file, sealed, length, fault);
	if (error)
		return error;
	/* Whoever made it before may have died before it was entered. */
	row->path = relative;
	row->sequence = sequence;
	return enter(patient, file, row, big, fault);
}

static int take_journal(struct patient *patient, const char *path, struct weir_fault *fault)
{
	struct segment_row row = row_of(patient);
	char *data;
	uint8_t *sealed = NULL;
	size_t size, length = 0;
	bool big = false;
	int error = os_read_file(path, JOURNAL_BYTES_MAX, &data, &size, fault);

	if (error)
		return error == WEIR_E_NOT_FOUND ? 0 : error;
	error = journal_seal_assemble((const uint8_t *)data, size, &sealed, &length, &row, &big, fault);
	if (!error && length)
		error = put_segment(patient, sealed, length, &row, big, fault);
	free(sealed);
	free(data);
	return error;
}

/* Those of chunks that are in the segment are done with; of each other one a segment is made before it goes. */
static int take_journals(struct patient *patient, uint32_t chunks, struct weir_fault *fault)
{
	char path[PATH_MAX];
	int error = 0;

	for (unsigned i = 0; i < SEGMENT_CHUNKS_MAX && !error; i++) {
		journal_file(patient, i, path);
		if (i >= chunks && access(path, F_OK) == 0)
			error = take_journal(patient, path, fault);
		if (!error)
			unlink(path);
		/* One that was to take its place has not more in it, or is not whole. */
		strncat(path, JOURNAL_BESIDE, sizeof path - strlen(path) - 1);
		if (!error)
			unlink(path);
	}
	return error;
}

/* ---- The segment ---- */

/* Nothing of it is whole. Its journals are segments by now. */
static int bury(const struct patient *patient, struct weir_fault *fault)
{
	unlink(patient->file);
	return catalog_segment_gone(patient->campaign->catalog, patient->path, fault);
}

/* The index comes last: a segment that has one is done with, and its journals are not looked for any more. */
static int mend(struct patient *patient, int fd, int end_fd, struct weir_fault *fault)
{
	struct segment_row row = row_of(patient);
	uint32_t chunks = 0;
	bool big = false;
	int error = 0;

	if (fd >= 0 && end_fd >= 0)
		error = sealing_end(fd, end_fd, SEGMENT_CHUNKS_MAX, true, patient->file, &row, &chunks, &big, fault);
	if (!error)
		error = take_journals(patient, chunks, fault);
	if (error)
		return error;
	return chunks ? enter(patient, patient->file, &row, big, fault) : bury(patient, fault);
}

int recover_sealed(struct weir_campaign *campaign, const char *path, const struct segment_name *name, uint64_t *packets,
                   int64_t *last_ns, struct weir_fault *fault)
{
	struct patient patient = {.campaign = campaign, .path = path, .name = name, .last_ns = *last_ns};
	char end[PATH_MAX];
	int error = campaign_path(campaign, path, patient.file, fault);

	if (error)
		return error;
	beside(&patient, ".end", end);
	int end_fd = open(end, O_RDONLY | O_CLOEXEC);
	int fd = open(patient.file, O_RDWR | O_CLOEXEC);
	/* The records come to be together with the file. Without them it is not known where it could end. */
	bool endless = end_fd < 0 && fd >= 0 && lseek(fd, 0, SEEK_END) > 0;
	if (!endless)
		error = mend(&patient, fd, end_fd, fault);
	if (!error && !endless)
		unlink(end);
	if (fd >= 0)
		close(fd);
	if (end_fd >= 0)
		close(end_fd);
	*packets += patient.packets;
	*last_ns = patient.last_ns;
	return error ? error : !endless;
}
