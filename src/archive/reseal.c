#include "archive/reseal.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/key.h>

#include "archive/folders.h"
#include "archive/recipients.h"
#include "file/sealed.h"
#include "os/files.h"

/* ---- One file ---- */

/* What an earlier change that was interrupted left beside the file. */
static int finish_interrupted(const char *path, int fd, struct weir_fault *fault)
{
	char beside[PATH_MAX], *header;
	size_t length;

	if (snprintf(beside, sizeof beside, "%s" RESEAL_ENDING, path) >= PATH_MAX)
		return weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
	int error = os_read_file(beside, AGE_HEADER_MOST, &header, &length, fault);
	if (error)
		return error == WEIR_E_NOT_FOUND ? 0 : error;
	int failed = os_write_all(fd, header, length, 0);
	if (!failed && fsync(fd) < 0)
		failed = errno;
	free(header);
	if (failed)
		return weir_fail_errno(fault, failed, path, "could not be given its new header");
	unlink(beside);
	return 0;
}

static int in_place(const char *path, int fd, const uint8_t *header, size_t length, struct weir_fault *fault)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof beside, "%s" RESEAL_ENDING, path) >= PATH_MAX)
		return weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
	int error = os_write_file(beside, header, length, fault);
	return error ? error : finish_interrupted(path, fd, fault);
}

/* Everything behind the header, by the file system's own means where it has any. 0 or an errno. */
static int copy_rest(int from, int to, off_t at)
{
	for (;;) {
		ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)1 << 30, 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
	}
}

static int by_copy(const char *path, int fd, const uint8_t *header, size_t length, off_t payload,
                   struct weir_fault *fault)
{
	char beside[PATH_MAX];
	struct stat status;

	if (snprintf(beside, sizeof beside, "%s.%ld.part", path, (long)getpid()) >= PATH_MAX)
		return weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
	int to = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return weir_fail_errno(fault, errno, beside, "could not be created");
	int failed =
		fstat(fd, &status) < 0 || fchmod(to, status.st_mode & 0777) < 0 ? errno : os_write_all(to, header, length, -1);
	if (!failed)
		failed = copy_rest(fd, to, payload);
	if (!failed && fsync(to) < 0)
		failed = errno;
	close(to);
	if (!failed && rename(beside, path) < 0)
		failed = errno;
	if (!failed)
		return 0;
	unlink(beside);
	return weir_fail_errno(fault, failed, path, "could not be given its new header");
}

/* Reads the header of a file. *length is with its last newline. */
static int read_header(const char *path, int fd, uint8_t **header, size_t *length, struct weir_fault *fault)
{
	int64_t found = 0;

	*header = NULL;
	for (size_t capacity = SEALED_HEADER; found == 0; capacity *= 4) {
		uint8_t *wider = realloc(*header, capacity);
		if (!wider)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the header of %s", path);
		*header = wider;
		int64_t n = os_read_at(fd, wider, capacity, 0);
		if (n < 0)
			return weir_fail_errno(fault, (int)-n, path, "could not be read");
		found = age_header_length(wider, (size_t)n, path, fault);
		if (found == 0 && (size_t)n < capacity)
			return weir_fail_at(fault, WEIR_E_TRUNCATED, path, n, WEIR_NOWHERE, "ends in its age header");
	}
	*length = found < 0 ? 0 : (size_t)found;
	return found < 0 ? (int)found : 0;
}

static int reseal_open(const char *path, int fd, const struct weir_recipients *recipients,
                       const struct weir_identities *identities, bool *copied, struct weir_fault *fault)
{
	struct age_file_key key;
	uint8_t *old = NULL, *new = NULL;
	size_t old_length = 0, new_length = 0;
	int error = finish_interrupted(path, fd, fault);

	if (!error)
		error = read_header(path, fd, &old, &old_length, fault);
	if (!error)
		error = age_header_open(old, old_length, identities, path, &key, fault);
	if (!error) {
		/* The same payload, so the same file key; who held it keeps it. */
		error = age_header_write(recipients, &key, SEALED_HEADER, &new, &new_length, fault);
		weir_wipe(&key, sizeof key);
	}
	if (!error) {
		*copied = new_length != old_length;
		error = *copied ? by_copy(path, fd, new, new_length, (off_t)old_length, fault)
		                : in_place(path, fd, new, new_length, fault);
	}
	free(old);
	free(new);
	return error;
}

int reseal_file(const char *path, const struct weir_recipients *recipients, const struct weir_identities *identities,
                bool *copied, struct weir_fault *fault)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	*copied = false;
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "could not be opened");
	int error = reseal_open(path, fd, recipients, identities, copied, fault);
	close(fd);
	return error;
}

/* ---- All of a campaign ---- */

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), n = strlen(ending);
	return length > n && strcmp(name + length - n, ending) == 0;
}

static int reseal_folder(const char *path, const struct weir_recipients *recipients,
                         const struct weir_identities *identities, struct reseal_counts *counts,
                         struct weir_fault *fault)
{
	char *const roots[] = {(char *)path, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	int error = walk ? 0 : weir_fail_errno(fault, errno, path, "could not be read");

	while (!error && (entry = fts_read(walk)) != NULL) {
		bool copied;
		if (entry->fts_info != FTS_F || !ends_in(entry->fts_name, SEALED_ENDING))
			continue;
		error = reseal_file(entry->fts_path, recipients, identities, &copied, fault);
		counts->changed += !error;
		counts->copied += !error && copied;
	}
	if (walk)
		fts_close(walk);
	return error;
}

/* Whether nobody records: each vantage's lock is taken, and kept until the end. */
static int lock_all(struct weir_campaign *campaign, int **fds, size_t *count, struct weir_fault *fault)
{
	struct folder_list nodes = {0}, interfaces = {0};
	char relative[VANTAGE_NAME_MAX + 16];
	int error = list_folders(campaign, "raw", &nodes, fault);

	for (size_t n = 0; n < nodes.count && !error; n++) {
		snprintf(relative, sizeof relative, "raw/%s", nodes.names[n]);
		error = list_folders(campaign, relative, &interfaces, fault);
		for (size_t i = 0; i < interfaces.count && !error; i++) {
			int *more = realloc(*fds, (*count + 1) * sizeof **fds);
			if (!more) {
				error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a lock");
				break;
			}
			*fds = more;
			error = vantage_lock(campaign, nodes.names[n], interfaces.names[i], &more[*count], fault);
			*count += !error;
		}
		folder_list_free(&interfaces);
		interfaces = (struct folder_list){0};
	}
	folder_list_free(&nodes);
	return error;
}

static int reseal_all(struct weir_campaign *campaign, const char *const *names, size_t count, bool add,
                      const struct weir_identities *identities, struct reseal_counts *counts, struct weir_fault *fault)
{
	static const char *const folders[] = {"raw", "runs"};
	struct weir_recipients *recipients = NULL;
	char path[PATH_MAX];
	int error = recipients_change(campaign->path, names, count, add, &recipients, fault);

	for (size_t i = 0; i < sizeof folders / sizeof folders[0] && !error; i++) {
		error = campaign_path(campaign, folders[i], path, fault);
		if (!error && access(path, F_OK) == 0)
			error = reseal_folder(path, recipients, identities, counts, fault);
	}
	weir_recipients_free(recipients);
	return error;
}

int reseal_campaign(const char *path, const char *const *recipients, size_t count, bool add,
                    const struct weir_identities *identities, struct reseal_counts *counts, struct weir_fault *fault)
{
	struct weir_campaign *campaign = NULL;
	int *fds = NULL;
	size_t locks = 0;
	int error = weir_campaign_open(path, WEIR_CAMPAIGN_WRITE, &campaign, fault);

	if (!error)
		error = lock_all(campaign, &fds, &locks, fault);
	if (!error)
		error = reseal_all(campaign, recipients, count, add, identities, counts, fault);
	for (size_t i = 0; i < locks; i++)
		close(fds[i]);
	free(fds);
	weir_campaign_close(campaign);
	return error;
}
