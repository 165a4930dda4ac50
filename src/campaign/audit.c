/* The audit of an output: all its files, and their names. Public face: weir/audit.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "campaign/audit.h"
#include "file/capture.h"
#include "flow/parquet_format.h"

#define FILES_MOST 1000000u
#define DEPTH_MOST 64

struct audit {
	const struct weir_audit_options *options;
	struct weir_audit_result *result;
	struct audit_hits *hits;
	size_t root;  /* bytes of a path that are not told */
	char **paths; /* that wait */
	size_t count, room;
};

/* ---- what is a file? ---- */

enum kind { KIND_PLAIN, KIND_CAPTURE, KIND_PARQUET, KIND_SQLITE };

static enum kind kind_of(const char *path)
{
	static const char database[16] = "SQLite format 3";
	uint8_t head[32];
	size_t have = 0;
	struct stream *stream;
	int64_t n;

	if (stream_open(path, &stream, NULL) < 0)
		return KIND_PLAIN;
	while (have < sizeof head && (n = stream_read(stream, head + have, sizeof head - have, NULL)) > 0)
		have += (size_t)n;
	stream_close(stream);
	if (pcap_recognise(head, have) || pcapng_recognise(head, have))
		return KIND_CAPTURE;
	if (have >= 4 && memcmp(head, PARQUET_MAGIC, 4) == 0)
		return KIND_PARQUET;
	return have >= sizeof database && memcmp(head, database, sizeof database) == 0 ? KIND_SQLITE : KIND_PLAIN;
}

static void search_name(const struct audit *audit, const char *name)
{
	struct audit_place place = {.file = name, .what = "file name", .numbers = true, .runs = true, .short_values = true};

	audit_search_all(audit->hits, &place, (const uint8_t *)name, strlen(name));
}

static int search_file(struct audit *audit, const char *path, uint64_t bytes)
{
	struct weir_fault fault;
	enum kind kind = kind_of(path);
	const char *name = path + audit->root;
	struct audit_file file = {.path = path,
	                          .name = name,
	                          .in_pieces = kind == KIND_CAPTURE || kind == KIND_PARQUET,
	                          .plain_bytes = kind == KIND_PLAIN || kind == KIND_SQLITE,
	                          .hits = audit->hits,
	                          .options = audit->options,
	                          .result = audit->result};

	search_name(audit, name);
	weir_fault_clear(&fault);
	int error = audit_stream(&file, &fault), second = 0;
	if (error != WEIR_E_INTERRUPTED && error != WEIR_E_MEMORY) {
		struct weir_fault *to = error ? NULL : &fault;
		second = kind == KIND_CAPTURE   ? audit_packets(&file, to)
		         : kind == KIND_PARQUET ? audit_parquet(&file, to)
		         : kind == KIND_SQLITE  ? audit_sqlite(&file, to)
		                                : 0;
	}
	error = error ? error : second;
	audit->result->files++;
	audit->result->disk_bytes += bytes;
	if (audit->options->progress)
		audit->options->progress(audit->options->progress_context, audit->result->disk_bytes);
	if (!error || error == WEIR_E_INTERRUPTED || error == WEIR_E_MEMORY)
		return error;
	audit->result->files_unsearched++;
	if (audit->options->unsearched)
		audit->options->unsearched(audit->options->context, name, &fault);
	return 0;
}

/* ---- all files ---- */

static int push(struct audit *audit, char *path, struct weir_fault *fault)
{
	if (path && audit->count == audit->room && audit->count < FILES_MOST) {
		size_t room = audit->room ? audit->room * 2 : 64;
		char **larger = realloc(audit->paths, room * sizeof *larger);
		if (larger) {
			audit->paths = larger;
			audit->room = room;
		}
	}
	if (!path || audit->count == audit->room) {
		free(path);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the files of a folder");
	}
	audit->paths[audit->count++] = path;
	return 0;
}

static int by_name_backwards(const void *a, const void *b) { return strcmp(*(char *const *)b, *(char *const *)a); }

static int push_folder(struct audit *audit, const char *path, struct weir_fault *fault)
{
	DIR *folder = opendir(path);
	size_t first = audit->count, length = strlen(path);
	int error = 0;

	if (!folder)
		return weir_fail_errno(fault, errno, path, "the folder can't be read");
	for (struct dirent *entry; !error && (entry = readdir(folder));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *below = malloc(length + strlen(entry->d_name) + 2);
		if (below)
			sprintf(below, "%s/%s", path, entry->d_name);
		error = push(audit, below, fault);
	}
	closedir(folder);
	/* The last is taken first. */
	if (audit->count > first)
		qsort(audit->paths + first, audit->count - first, sizeof *audit->paths, by_name_backwards);
	return error;
}

static int search_path(struct audit *audit, const char *path, struct weir_fault *fault)
{
	struct stat status;
	char target[PATH_MAX];

	if (lstat(path, &status) < 0)
		return weir_fail_errno(fault, errno, path, "can't be read");
	if (S_ISLNK(status.st_mode)) {
		/* What it says, not what it leads to: that is no part of the output. */
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		search_name(audit, path + audit->root);
		search_name(audit, target);
		return 0;
	}
	if (S_ISDIR(status.st_mode)) {
		size_t depth = 0;
		for (const char *at = path + audit->root; (at = strchr(at, '/')); at++)
			depth++;
		return depth < DEPTH_MOST ? push_folder(audit, path, fault)
		                          : weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE,
		                                         "folders within folders too deep");
	}
	if (!S_ISREG(status.st_mode)) {
		search_name(audit, path + audit->root);
		return 0;
	}
	return search_file(audit, path, (uint64_t)status.st_size);
}

/* A file's own name is told and searched; of a folder what is in it. */
static size_t root_of(const char *path)
{
	struct stat status;
	size_t length = strlen(path);

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return length + 1;
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash + 1 - path) : 0;
}

int weir_audit(const char *path, const struct weir_audit_options *options, struct weir_audit_result *result,
               struct weir_fault *fault)
{
	struct audit audit = {.options = options, .result = result};
	int error;

	*result = (struct weir_audit_result){.files = 0};
	if (!options->originals->ready)
		return weir_fail(fault, WEIR_E_USAGE, "the originals are not ready to be searched for");
	char *first = strdup(path);
	for (size_t length = first ? strlen(first) : 0; length > 1 && first[length - 1] == '/';)
		first[--length] = '\0';
	audit.root = first ? root_of(first) : 0;
	error = audit_hits_new(options->originals, &audit.hits, fault);
	error = error ? (free(first), error) : push(&audit, first, fault);
	bool top = true;
	while (!error && audit.count) {
		char *next = audit.paths[--audit.count];
		struct stat status;
		/* The folder itself is no path below itself. */
		error = top && stat(next, &status) == 0 && S_ISDIR(status.st_mode) ? push_folder(&audit, next, fault)
		                                                                   : search_path(&audit, next, fault);
		top = false;
		free(next);
	}
	if (!error)
		error = audit_hits_judge(audit.hits, options, result, fault);
	while (audit.count)
		free(audit.paths[--audit.count]);
	free(audit.paths);
	audit_hits_free(audit.hits);
	return error;
}
