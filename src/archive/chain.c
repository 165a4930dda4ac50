/* Adding to a node's chain: archive/chain.h. */
#include "archive/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/signing.h"
#include "file/age.h"
#include "os/files.h"

const char *chain_event_name(enum chain_event event)
{
	static const char *const names[CHAIN_EVENTS] = {
		[CHAIN_SEGMENT] = "segment", [CHAIN_RECOVERED] = "recovered", [CHAIN_REMOVED] = "removed", [CHAIN_END] = "end"};
	return names[event];
}

/* Where the header of a sealed file ends. 0: it is no such file, or has no sound one, and all of it counts. */
static uint64_t age_header_end(int fd)
{
	uint8_t *head = malloc(AGE_HEADER_MOST);
	int64_t got = head ? os_read_at(fd, head, AGE_MAGIC_LENGTH, 0) : 0, end = 0;

	if (got == (int64_t)AGE_MAGIC_LENGTH && memcmp(head, AGE_MAGIC, AGE_MAGIC_LENGTH) == 0) {
		got = os_read_at(fd, head, AGE_HEADER_MOST, 0);
		end = got > 0 ? age_header_length(head, (size_t)got, "", NULL) : 0;
	}
	free(head);
	return end > 0 ? (uint64_t)end : 0;
}

int chain_hash(int fd, bool sealed, const _Atomic int *stop, uint64_t *bytes, char hex[static SHA256_HEX])
{
	uint64_t from = sealed ? age_header_end(fd) : 0;
	struct stat status;

	if (fstat(fd, &status) != 0)
		return errno;
	*bytes = (uint64_t)status.st_size - from;
	if (lseek(fd, (off_t)from, SEEK_SET) < 0)
		return errno;
	return file_sha256(fd, stop, hex);
}

struct chain_digest {
	struct sha256 *sha256;
	uint64_t bytes;
	bool failed;
};

struct chain_digest *chain_digest_new(void)
{
	struct chain_digest *digest = calloc(1, sizeof *digest);

	if (digest)
		digest->sha256 = sha256_new();
	if (!digest || !digest->sha256) {
		chain_digest_free(digest);
		return NULL;
	}
	return digest;
}

void chain_digest_add(struct chain_digest *digest, const void *data, size_t length)
{
	digest->failed |= sha256_add(digest->sha256, data, length) != 0;
	digest->bytes += length;
}

uint64_t chain_digest_bytes(const struct chain_digest *digest)
{
	return digest->bytes;
}

int chain_digest_end(struct chain_digest *digest, char hex[static SHA256_HEX])
{
	return digest->failed ? EIO : sha256_end(digest->sha256, hex);
}

void chain_digest_free(struct chain_digest *digest)
{
	if (!digest)
		return;
	sha256_free(digest->sha256);
	free(digest);
}

static void sha256_of(const void *data, size_t length, char hex[static SHA256_HEX])
{
	uint8_t digest[32];

	EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL);
	signing_to_hex(digest, sizeof digest, hex);
}

/* What the chain has come to: its last whole line. What a crash tore off behind it is cut. 0 or an errno. */
static int last_line(int fd, uint64_t *number, char previous[static SHA256_HEX])
{
	char tail[2 * CHAIN_LINE_MAX + 1];
	struct stat status;

	*number = 0;
	previous[0] = '\0';
	if (fstat(fd, &status) != 0)
		return errno;
	uint64_t size = (uint64_t)status.st_size, from = size > 2 * CHAIN_LINE_MAX ? size - 2 * CHAIN_LINE_MAX : 0;
	int64_t got = os_read_at(fd, tail, (size_t)(size - from), from);
	if (got < 0)
		return (int)-got;
	tail[got] = '\0';
	const char *end = memrchr(tail, '\n', (size_t)got);
	uint64_t whole = end ? from + (uint64_t)(end + 1 - tail) : from;
	if (whole != size && ftruncate(fd, (off_t)whole) != 0)
		return errno;
	if (!end)
		return 0;
	const char *start = end > tail ? memrchr(tail, '\n', (size_t)(end - tail)) : NULL;
	start = start ? start + 1 : tail;
	sha256_of(start, (size_t)(end + 1 - start), previous);
	unsigned long long last;
	if (sscanf(start, "{\"number\":%llu,", &last) == 1)
		*number = last;
	return 0;
}

/*
 * The ledger as far as it has come, which is on the disk before that is signed. Another process may add to it at this moment: what is counted is what is
 * hashed. None: no bytes. 0 or an errno.
 */
static int hash_ledger(const char *path, uint64_t *bytes, char hex[static SHA256_HEX])
{
	uint8_t buffer[1 << 14];
	int64_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*bytes = 0;
	if (fd < 0 && errno == ENOENT) {
		sha256_of("", 0, hex);
		return 0;
	}
	if (fd < 0)
		return errno;
	struct chain_digest *digest = chain_digest_new();
	int failed = !digest ? ENOMEM : fdatasync(fd) != 0 ? errno : 0;
	while (!failed && (got = os_read_at(fd, buffer, sizeof buffer, *bytes)) != 0) {
		failed = got < 0 ? (int)-got : 0;
		if (!failed) {
			chain_digest_add(digest, buffer, (size_t)got);
			*bytes += (uint64_t)got;
		}
	}
	if (!failed)
		failed = chain_digest_end(digest, hex);
	chain_digest_free(digest);
	close(fd);
	return failed;
}

struct position {
	uint64_t number, ledger_bytes;
	char previous[SHA256_HEX], ledger_sha256[SHA256_HEX];
};

static int put_line(struct text *line, const struct signing_key *signer, const struct chain_entry *entry, const struct position *position,
                    struct weir_fault *fault)
{
	struct json json = json_into(line);
	char public[SIGNING_PUBLIC_HEX], signature_hex[2 * SIGNATURE_BYTES + 1];
	uint8_t signature[SIGNATURE_BYTES];

	signing_key_public(signer, public);
	json_object(&json);
	json_put_unsigned(&json, "number", position->number);
	json_put_signed(&json, "time_ns", clock_wall_ns());
	json_put_string(&json, "event", chain_event_name(entry->event));
	json_put_string(&json, "file", entry->file);
	json_put_unsigned(&json, "bytes", entry->bytes);
	json_put_string(&json, "sha256", entry->sha256);
	json_put_unsigned(&json, "ledger_bytes", position->ledger_bytes);
	json_put_string(&json, "ledger_sha256", position->ledger_sha256);
	json_put_string(&json, "previous", position->previous);
	json_put_string(&json, "key", public);
	if (line->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a signed line");
	int error = signing_sign(signer, line->data, line->length, signature, fault);
	if (error)
		return error;
	signing_to_hex(signature, sizeof signature, signature_hex);
	text_add_format(line, CHAIN_SIGNATURE "%s\"}\n", signature_hex);
	return line->failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a signed line") : 0;
}

/* The chain is locked: it has one end at a time. */
static int append(struct weir_campaign *campaign, int fd, const char *path, const char *ledger, const struct chain_entry *entry, struct weir_fault *fault)
{
	struct position position;
	struct text line = {0};
	uint64_t last;

	int system = last_line(fd, &last, position.previous);
	if (!system)
		system = hash_ledger(ledger, &position.ledger_bytes, position.ledger_sha256);
	if (system)
		return weir_fail_errno(fault, system, path, "cannot sign");
	position.number = last + 1;
	int error = put_line(&line, campaign->signer, entry, &position, fault);
	if (!error && line.length > CHAIN_LINE_MAX)
		error = weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the name of a segment is too long to be signed");
	if (!error) {
		system = os_write_all(fd, line.data, line.length, WEIR_NOWHERE);
		if (!system && fdatasync(fd) != 0)
			system = errno;
		if (system)
			error = weir_fail_errno(fault, system, path, "cannot write the signed chain");
	}
	text_free(&line);
	return error;
}

int chain_append(struct weir_campaign *campaign, const char *node, const struct chain_entry *entry, struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX], ledger[PATH_MAX];

	if (!campaign->signer)
		return 0;
	snprintf(relative, sizeof relative, "raw/%s/chain.jsonl", node);
	int error = campaign_path(campaign, relative, path, fault);
	snprintf(relative, sizeof relative, "raw/%s/ledger.jsonl", node);
	if (!error)
		error = campaign_path(campaign, relative, ledger, fault);
	if (error)
		return error;
	/* Rows of the ledger that this process enters wait; those of others are whole lines, and whatever has come is what is signed. */
	pthread_mutex_lock(&campaign->ledger_lock);
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		error = weir_fail_errno(fault, errno, path, "cannot open the signed chain");
	else
		error = append(campaign, fd, path, ledger, entry, fault);
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&campaign->ledger_lock);
	return error;
}

int chain_append_file(struct weir_campaign *campaign, const char *node, enum chain_event event, const char *file, struct weir_fault *fault)
{
	struct chain_entry entry = {.event = event, .file = file};
	char path[PATH_MAX];

	if (!campaign->signer)
		return 0;
	int error = campaign_path(campaign, file, path, fault);
	int fd = error ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (error)
		return error;
	int system = fd < 0 ? errno : chain_hash(fd, segment_is_sealed(file), NULL, &entry.bytes, entry.sha256);
	if (fd >= 0)
		close(fd);
	if (system)
		return weir_fail_errno(fault, system, path, "cannot be read to be signed");
	return chain_append(campaign, node, &entry, fault);
}

/* Opens raw/NODE/recovered, which nobody else reads or writes until it is closed. The descriptor or an error; path is for faults. */
static int open_recovered(const struct weir_campaign *campaign, const char *node, int flags, char path[static PATH_MAX],
                          struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32];

	snprintf(relative, sizeof relative, "raw/%s/recovered", node);
	int error = campaign_path(campaign, relative, path, fault);
	if (error)
		return error;
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0666);
	if (fd < 0 && errno == ENOENT)
		return WEIR_E_NOT_FOUND;
	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	error = weir_fail_errno(fault, errno, path, "cannot open the list of what was recovered");
	if (fd >= 0)
		close(fd);
	return error;
}

int chain_list_recovered(const struct weir_campaign *campaign, const char *node, const char *file, bool *listed,
                         struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX], line[PATH_MAX + 1];

	snprintf(relative, sizeof relative, "raw/%s/chain.jsonl", node);
	int error = campaign_path(campaign, relative, path, fault);
	if (error)
		return error;
	*listed = access(path, F_OK) == 0;
	if (!*listed)
		return 0;
	int fd = open_recovered(campaign, node, O_APPEND | O_CREAT, path, fault);
	if (fd < 0)
		return fd;
	int length = snprintf(line, sizeof line, "%s\n", file);
	int system = os_write_all(fd, line, (size_t)length, WEIR_NOWHERE);
	if (!system && fdatasync(fd) != 0)
		system = errno;
	close(fd);
	return system ? weir_fail_errno(fault, system, path, "cannot list what was recovered") : 0;
}

static int sign_listed(struct weir_campaign *campaign, const char *node, char *list, struct weir_fault *fault)
{
	struct segment_name name;
	char path[PATH_MAX], *rest = NULL;
	int error = 0;

	for (char *file = strtok_r(list, "\n", &rest); file && !error; file = strtok_r(NULL, "\n", &rest)) {
		/* A line that a crash tore off names nothing, and what retention deleted is not there. */
		if (segment_name_parse(file, &name) != 0 || strcmp(name.node, node) != 0 || name.interface[0] == '.' ||
		    campaign_path(campaign, file, path, NULL) < 0 || access(path, F_OK) != 0)
			continue;
		error = chain_append_file(campaign, node, CHAIN_RECOVERED, file, fault);
	}
	return error;
}

int chain_sign_recovered(struct weir_campaign *campaign, const char *node, struct weir_fault *fault)
{
	char path[PATH_MAX], *list = NULL;
	struct stat status;
	int fd = open_recovered(campaign, node, 0, path, fault);

	if (fd == WEIR_E_NOT_FOUND)
		return 0;
	if (fd < 0)
		return fd;
	int error = fstat(fd, &status) == 0 ? 0 : weir_fail_errno(fault, errno, path, "cannot be read");
	if (!error && !(list = calloc(1, (size_t)status.st_size + 1)))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of segments");
	int64_t got = error ? 0 : os_read_at(fd, list, (size_t)status.st_size, 0);
	if (got < 0)
		error = weir_fail_errno(fault, (int)-got, path, "cannot be read");
	if (!error)
		error = sign_listed(campaign, node, list, fault);
	if (!error && ftruncate(fd, 0) != 0)
		error = weir_fail_errno(fault, errno, path, "cannot be emptied");
	free(list);
	close(fd);
	return error;
}
