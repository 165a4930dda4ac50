/* Publishing, step by step: weir/publish.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "campaign/publish.h"
#include "core/json.h"
#include "file/sha256.h"
#include "os/files.h"

#define FOLDERS_OPEN 16

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* ---- checksums ---- */

static int add_sum(struct text *out, const char *folder, const char *name, const _Atomic int *stop,
                   struct weir_fault *fault)
{
	char path[PATH_MAX + 768], hex[SHA256_HEX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "can't be opened");
	int system = file_sha256(fd, stop, hex);
	close(fd);
	if (system == EINTR)
		return weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
	if (system)
		return weir_fail_errno(fault, system, path, "can't be read");
	text_add_format(out, "%s  %s\n", hex, name);
	return 0;
}

static int add_folder(struct text *out, const char *folder, const char *below, const _Atomic int *stop,
                      struct weir_fault *fault)
{
	char path[PATH_MAX + 768], name[512];
	struct dirent **entries = NULL;
	int error = 0;

	snprintf(path, sizeof path, "%s/%s", folder, below);
	int count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "the folder can't be read");
	for (int i = 0; i < count; i++) {
		struct stat status;
		snprintf(name, sizeof name, "%s%s%s", below, below[0] ? "/" : "", entries[i]->d_name);
		snprintf(path, sizeof path, "%s/%s", folder, name);
		if (!error && stat(path, &status) == 0 && S_ISREG(status.st_mode))
			error = add_sum(out, folder, name, stop, fault);
		free(entries[i]);
	}
	free(entries);
	return error;
}

static int write_sums(const struct publish *publish, struct weir_fault *fault)
{
	static const char *const folders[] = {"", "flows", "packets"};
	struct text sums = {0};
	char path[PATH_MAX + 32];
	int error = 0;

	for (size_t i = 0; i < sizeof folders / sizeof *folders && !error; i++)
		error = add_folder(&sums, publish->folder, folders[i], publish->options->stop, fault);
	if (!error && sums.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for checksums");
	snprintf(path, sizeof path, "%s/SHA256SUMS", publish->folder);
	if (!error)
		error = os_write_file(path, sums.data, sums.length, fault);
	text_free(&sums);
	return error;
}

/* ---- the audit ---- */

static int audit_write(const struct publish *publish, struct weir_fault *fault)
{
	const struct weir_originals_statistics *o = &publish->summary->originals;
	const struct weir_audit_result *r = &publish->summary->audit;
	struct text text = {0};
	struct json json = json_into(&text);
	char path[PATH_MAX + 32];

	json_object(&json);
	json_key(&json, "originals");
	json_object(&json);
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++) {
		json_key(&json, weir_original_kind_name((enum weir_original_kind)i));
		json_object(&json);
		json_put_unsigned(&json, "held", o->held[i]);
		json_put_unsigned(&json, "not_held", o->not_held[i]);
		json_put_unsigned(&json, "also_images", o->images[i]);
		json_end_object(&json);
	}
	json_put_unsigned(&json, "names_that_are_words", o->words);
	json_put_unsigned(&json, "payload_sampled_one_in", o->payload_sampled_one_in);
	json_end_object(&json);
	json_put_unsigned(&json, "files", r->files);
	json_put_unsigned(&json, "searched_bytes", r->searched_bytes);
	json_put_unsigned(&json, "packets", r->packets);
	json_put_unsigned(&json, "leaks", r->leaks);
	json_put_unsigned(&json, "explained", r->explained);
	json_put_unsigned(&json, "by_chance", r->by_chance);
	json_put_double(&json, "expected_by_chance", r->expected_by_chance);
	json_end_object(&json);
	text_add(&text, "\n");
	snprintf(path, sizeof path, "%s/audit.json", publish->folder);
	int error = text.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for the audit's result")
	                        : os_write_file(path, text.data, text.length, fault);
	text_free(&text);
	return error;
}

static int audit(struct publish *publish, struct weir_fault *fault)
{
	const struct weir_publish_options *options = publish->options;
	struct weir_audit_options search = {.originals = publish->originals,
	                                    .found = options->found,
	                                    .unsearched = options->unsearched,
	                                    .context = options->context,
	                                    .stop = options->stop};
	int error = weir_originals_ready(publish->originals, fault);

	if (!error)
		error = weir_audit(publish->folder, &search, &publish->summary->audit, fault);
	weir_originals_count(publish->originals, &publish->summary->originals);
	if (error)
		return error;
	return publish->summary->audit.leaks || publish->summary->audit.files_unsearched ? 1 : 0;
}

/* ---- the whole ---- */

static int make(struct publish *publish, struct weir_fault *fault)
{
	int error = publish_data(publish, fault);

	if (!error)
		error = risks_count(publish->risks, &publish->summary->risks, fault);
	/* What the sheet says by itself is searched; then what the campaign's owner states is put in, and what the search came to. */
	if (!error)
		error = publish_sheet(publish, false, fault);
	if (!error)
		error = audit(publish, fault);
	if (!error)
		error = publish_sheet(publish, true, fault);
	if (!error)
		error = audit_write(publish, fault);
	if (!error)
		error = write_sums(publish, fault);
	if (!error)
		error = os_sync_folder(publish->folder, fault);
	return error;
}

/* The folder is made under another name, and gets its own when it is whole. */
static int begin(struct publish *publish, struct weir_fault *fault)
{
	const char *out = publish->options->out;

	if (access(out, F_OK) == 0)
		return weir_fail(fault, WEIR_E_USAGE, "%s is there already: nothing is published over something else", out);
	if (snprintf(publish->folder, sizeof publish->folder, "%s.partial", out) >= (int)sizeof publish->folder)
		return weir_fail(fault, WEIR_E_USAGE, "the name of the output is too long");
	if (mkdir(publish->folder, 0700) < 0)
		return errno == EEXIST ? weir_fail(fault, WEIR_E_BUSY,
		                                   "%s is there: another publishing is at work, or was killed (then delete it)",
		                                   publish->folder)
		                       : weir_fail_errno(fault, errno, publish->folder, "the folder can't be made");
	return 0;
}

static int end(const struct publish *publish, struct weir_fault *fault)
{
	mode_t mask = umask(0);

	umask(mask);
	if (chmod(publish->folder, 0777 & ~mask) < 0 || rename(publish->folder, publish->options->out) < 0)
		return weir_fail_errno(fault, errno, publish->options->out, "the data set can't be put in its place");
	return 0;
}

int weir_publish(const struct weir_publish_options *options, struct weir_publish_summary *summary,
                 struct weir_fault *fault)
{
	struct weir_originals_options originals = {.policy = options->policy,
	                                           .hider = options->hider,
	                                           .memory_bytes = options->memory_bytes};
	struct publish publish = {.options = options, .summary = summary};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*summary = (struct weir_publish_summary){.packets = 0};
	publish.threads = options->threads ? options->threads : cores > 0 && cores < 32 ? (int)cores : 32;
	publish.risks = risks_new();
	int error = publish.risks ? weir_originals_new(&originals, &publish.originals, fault)
	                          : weir_fail(fault, WEIR_E_MEMORY, "no memory to publish");
	if (!error)
		error = begin(&publish, fault);
	if (!error) {
		error = make(&publish, fault);
		if (!error)
			error = end(&publish, fault);
		if (error)
			nftw(publish.folder, delete_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
	}
	weir_originals_free(publish.originals);
	risks_free(publish.risks);
	return error;
}
