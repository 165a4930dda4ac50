/* What a recorder that died left of sealed segments, of any bytes: the records of how a segment ends, and journals. */
#include "capture.h"

#include <sys/mman.h>

#include <weir/key.h>

#include "archive/journal_seal.h"
#include "archive/sealing.h"

/* The corpus has files for this identity, which is no secret. */
static struct weir_identities *identities(void)
{
	static struct weir_identities *list;

	if (!list && weir_identities_new(&list, NULL) == 0)
		weir_identities_add(list, "AGE-SECRET-KEY-1XZ4CJRQHSAWPN69DVM4F2RPFQDFNV707V3TFTSZULMTCQMLC5K2QE6Q979", NULL);
	return list;
}

static void check_journal(const uint8_t *data, size_t size)
{
	struct segment_row row = {0};
	uint8_t *out = NULL;
	size_t length = 0;
	bool big;

	if (journal_seal_assemble(data, size, &out, &length, &row, &big, NULL) == 0)
		HOLDS(length <= size);
	free(out);
	out = NULL;
	if (journal_seal_open(data, size, identities(), "fuzz", &out, &length, NULL) == 0)
		HOLDS(length <= size);
	free(out);
}

static void check_end(const uint8_t *data, size_t size)
{
	struct segment_row row = {0};
	uint32_t count;
	bool big;
	int fd = memfd_create("segment", MFD_CLOEXEC), end_fd = memfd_create("end", MFD_CLOEXEC);

	HOLDS(fd >= 0 && end_fd >= 0);
	HOLDS(write(end_fd, data, size) == (ssize_t)size && write(fd, data, size) == (ssize_t)size);
	if (sealing_end(fd, end_fd, SEGMENT_CHUNKS_MAX, true, "fuzz", &row, &count, &big, NULL) == 0)
		HOLDS(count <= SEGMENT_CHUNKS_MAX);
	close(fd);
	close(end_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_journal(data, size);
	check_end(data, size);
	return 0;
}
