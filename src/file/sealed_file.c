/* Sealed files at any place: file/sealed.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/key.h>

#include "file/sealed.h"
#include "os/files.h"

#define READ_CHUNKS 16 /* that are read at once */
#define NO_CHUNK UINT64_MAX

struct sealed_file {
	int fd;
	const char *name;
	struct age_payload *payload;
	uint64_t payload_at, chunks, size;
	uint32_t last_length; /* of the last chunk, opened */
	bool torn;
	uint8_t *sealed; /* READ_CHUNKS as they are on disk */
	uint8_t *plain;  /* chunk number plain_number, opened */
	uint64_t plain_number;
};

static int read_header(struct sealed_file *file, const struct weir_identities *identities, struct weir_fault *fault)
{
	size_t capacity = SEALED_HEADER;
	uint8_t *data = NULL;
	int64_t header = 0, n = 0;

	for (; header == 0; capacity *= 4) {
		uint8_t *wider = realloc(data, capacity);
		if (!wider) {
			header = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", file->name);
			break;
		}
		data = wider;
		n = os_read_at(file->fd, data, capacity, 0);
		if (n < 0)
			header = weir_fail_errno(fault, (int)-n, file->name, "could not be read");
		else
			header = age_header_length(data, (size_t)n, file->name, fault);
		if (header > 0 && n - header < (int64_t)AGE_NONCE && (size_t)n == capacity)
			header = 0;
		else if (header == 0 && (size_t)n < capacity)
			header = weir_fail_at(fault, WEIR_E_TRUNCATED, file->name, n, WEIR_NOWHERE, "ends in its age header");
	}
	if (header > 0 && n - header < (int64_t)AGE_NONCE)
		header = weir_fail_at(fault, WEIR_E_TRUNCATED, file->name, n, WEIR_NOWHERE, "ends behind its age header");
	struct age_file_key key;
	int error = header < 0 ? (int)header : age_header_open(data, (size_t)header, identities, file->name, &key, fault);
	if (!error) {
		error = age_payload_new(&key, data + header, &file->payload, fault);
		weir_wipe(&key, sizeof key);
		file->payload_at = (uint64_t)header + AGE_NONCE;
	}
	free(data);
	return error;
}

static int fail(const struct sealed_file *file, uint64_t number, enum weir_error code, const char *what,
                struct weir_fault *fault)
{
	return weir_fail_at(fault, code, file->name, (int64_t)(file->payload_at + number * AGE_SEALED), WEIR_NOWHERE, "%s",
	                    what);
}

/* Proves the end, so that the length of the file is what was sealed. */
static int prove_end(struct sealed_file *file, bool torn, struct weir_fault *fault)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return weir_fail_errno(fault, errno, file->name, "could not be looked at");
	uint64_t length = (uint64_t)status.st_size > file->payload_at ? (uint64_t)status.st_size - file->payload_at : 0;
	uint64_t whole = length / AGE_SEALED, rest = length % AGE_SEALED;
	uint64_t last = rest || !whole ? whole : whole - 1;
	uint32_t sealed = (uint32_t)(length - last * AGE_SEALED);
	int64_t n = os_read_at(file->fd, file->sealed, sealed, file->payload_at + last * AGE_SEALED);
	if (n < 0)
		return weir_fail_errno(fault, (int)-n, file->name, "could not be read");
	file->plain_number = NO_CHUNK;
	if (n == sealed && sealed >= AGE_TAG && (sealed > AGE_TAG || last == 0) &&
	    age_payload_open(file->payload, last, true, file->sealed, sealed, file->plain)) {
		file->chunks = last + 1;
		file->last_length = sealed - AGE_TAG;
		file->size = last * AGE_CHUNK + file->last_length;
		file->plain_number = last;
		return 0;
	}
	if (!torn)
		return fail(file, last, WEIR_E_TRUNCATED, "the sealed file is cut off, or its end damaged", fault);
	file->torn = true;
	file->chunks = whole;
	file->last_length = AGE_CHUNK;
	file->size = whole * AGE_CHUNK;
	return 0;
}

int sealed_file_open(int fd, const struct weir_identities *identities, bool torn, const char *name,
                     struct sealed_file **file, struct weir_fault *fault)
{
	struct sealed_file *opened = calloc(1, sizeof *opened);
	int error = 0;

	if (opened) {
		opened->fd = fd;
		opened->name = name;
		opened->sealed = malloc(READ_CHUNKS * (size_t)AGE_SEALED);
		opened->plain = malloc(AGE_CHUNK);
	}
	if (!opened || !opened->sealed || !opened->plain)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", name);
	if (!error)
		error = read_header(opened, identities, fault);
	if (!error)
		error = prove_end(opened, torn, fault);
	if (error) {
		sealed_file_close(opened);
		return error;
	}
	*file = opened;
	return 0;
}

void sealed_file_close(struct sealed_file *file)
{
	if (!file)
		return;
	age_payload_free(file->payload);
	if (file->plain)
		weir_wipe(file->plain, AGE_CHUNK);
	free(file->plain);
	free(file->sealed);
	free(file);
}

uint64_t sealed_file_size(const struct sealed_file *file) { return file->size; }

bool sealed_file_torn(const struct sealed_file *file) { return file->torn; }

static uint32_t length_of(const struct sealed_file *file, uint64_t number)
{
	return number + 1 == file->chunks ? file->last_length : AGE_CHUNK;
}

/* Opens chunk `number`, whose sealed bytes are at hand, into out. */
static int open_chunk(struct sealed_file *file, uint64_t number, const uint8_t *sealed, uint8_t *out,
                      struct weir_fault *fault)
{
	bool last = number + 1 == file->chunks && !file->torn;

	if (age_payload_open(file->payload, number, last, sealed, (size_t)length_of(file, number) + AGE_TAG, out))
		return 0;
	return fail(file, number, WEIR_E_CORRUPT, "the sealed file is damaged", fault);
}

/* Reads whole chunks from `first` on, as many as the buffer holds and the range needs. */
static int read_chunks(struct sealed_file *file, uint64_t first, uint64_t end, uint64_t *count,
                       struct weir_fault *fault)
{
	*count = end - first < READ_CHUNKS ? end - first : READ_CHUNKS;
	size_t bytes = (size_t)(*count - 1) * AGE_SEALED + length_of(file, first + *count - 1) + AGE_TAG;
	int64_t n = os_read_at(file->fd, file->sealed, bytes, file->payload_at + first * AGE_SEALED);

	if (n < 0)
		return weir_fail_errno(fault, (int)-n, file->name, "could not be read");
	if ((size_t)n < bytes)
		return fail(file, first + (uint64_t)n / AGE_SEALED, WEIR_E_TRUNCATED, "the sealed file has become shorter",
		            fault);
	return 0;
}

int64_t sealed_file_read(struct sealed_file *file, void *out, size_t size, uint64_t offset, struct weir_fault *fault)
{
	uint8_t *to = out;

	if (offset >= file->size)
		return 0;
	if (size > file->size - offset)
		size = (size_t)(file->size - offset);
	uint64_t end = (offset + size + AGE_CHUNK - 1) / AGE_CHUNK, count = 0, first = 0;
	for (size_t done = 0; done < size;) {
		uint64_t number = (offset + done) / AGE_CHUNK;
		size_t skip = (size_t)((offset + done) % AGE_CHUNK), length;
		int error = 0;

		if (number != file->plain_number && number >= first + count) {
			first = number;
			error = read_chunks(file, first, end, &count, fault);
		}
		if (error)
			return error;
		length = length_of(file, number);
		const uint8_t *sealed = file->sealed + (number - first) * AGE_SEALED;
		if (!skip && size - done >= length && number != file->plain_number) {
			error = open_chunk(file, number, sealed, to + done, fault);
			if (error)
				return error;
			done += length;
			continue;
		}
		if (number != file->plain_number) {
			file->plain_number = NO_CHUNK;
			error = open_chunk(file, number, sealed, file->plain, fault);
			if (error)
				return error;
			file->plain_number = number;
		}
		size_t piece = length - skip < size - done ? length - skip : size - done;
		memcpy(to + done, file->plain + skip, piece);
		done += piece;
	}
	return (int64_t)size;
}

int sealed_file_load(const char *path, const struct weir_identities *identities, size_t limit, uint8_t **data,
                     size_t *length, struct weir_fault *fault)
{
	struct sealed_file *file = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "could not be opened");
	int error = sealed_file_open(fd, identities, false, path, &file, fault);
	if (!error && file->size > limit)
		error =
			weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is too long for what it should be");
	uint8_t *all = error ? NULL : malloc(file->size ? file->size : 1);
	if (!error && !all)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for %s", path);
	int64_t n = error ? 0 : sealed_file_read(file, all, file->size, 0, fault);
	if (n < 0)
		error = (int)n;
	if (!error) {
		*data = all;
		*length = file->size;
	} else if (all) {
		weir_wipe(all, file->size);
		free(all);
	}
	sealed_file_close(file);
	close(fd);
	return error;
}

int sealed_file_length(const char *path, uint64_t *bytes, struct weir_fault *fault)
{
	uint8_t *data = NULL;
	struct stat status;
	int64_t header = 0, n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "could not be opened");
	for (size_t capacity = SEALED_HEADER; header == 0 && capacity <= 4 * AGE_HEADER_MOST; capacity *= 4) {
		uint8_t *wider = realloc(data, capacity);
		if (!wider) {
			header = weir_fail(fault, WEIR_E_MEMORY, "no memory to look at %s", path);
			break;
		}
		data = wider;
		n = os_read_at(fd, data, capacity, 0);
		header = n < 0 ? weir_fail_errno(fault, (int)-n, path, "could not be read") : age_header_length(data, (size_t)n, path, fault);
		if (header == 0 && (size_t)n < capacity)
			break;
	}
	free(data);
	int failed = fstat(fd, &status) < 0 ? errno : 0;
	close(fd);
	if (header < 0)
		return (int)header;
	if (failed)
		return weir_fail_errno(fault, failed, path, "could not be looked at");
	uint64_t payload = (uint64_t)header + AGE_NONCE, length = (uint64_t)status.st_size - payload, rest = length % AGE_SEALED;
	if (header == 0 || (uint64_t)status.st_size < payload + AGE_TAG || (rest && rest < AGE_TAG))
		return weir_fail_at(fault, WEIR_E_TRUNCATED, path, WEIR_NOWHERE, WEIR_NOWHERE, "the sealed file is cut off");
	*bytes = length / AGE_SEALED * AGE_CHUNK + (rest ? rest - AGE_TAG : 0);
	return 0;
}

int sealed_file_is(const char *path, struct weir_fault *fault)
{
	uint8_t head[sizeof AGE_ANY_MAGIC - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "could not be opened");
	int64_t n = os_read_at(fd, head, sizeof head, 0);
	close(fd);
	if (n < 0)
		return weir_fail_errno(fault, (int)-n, path, "could not be read");
	return n == sizeof head && memcmp(head, AGE_ANY_MAGIC, sizeof head) == 0;
}
