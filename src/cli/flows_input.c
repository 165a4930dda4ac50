/* What `weir flows` reads: finding out what a path is, and the records of flow files. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/archive.h>

#include "cli/flows.h"
#include "cli/seal_options.h"
#include "file/stream.h"
#include "flow/match.h"
#include "flow/value.h"

#define RECORDS 1024

/* ---- what a path is ---- */

static int add_file(struct flows_files *files, const char *path, enum flows_kind kind, struct weir_fault *fault)
{
	if (files->count == files->room) {
		size_t room = files->room ? 2 * files->room : 16;
		struct flows_file *items = realloc(files->items, room * sizeof *items);
		if (!items)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the names of files");
		files->items = items;
		files->room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the names of files");
	files->items[files->count++] = (struct flows_file){copy, kind};
	return 0;
}

void flows_files_free(struct flows_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
	*files = (struct flows_files){0};
}

/*
 * By its first bytes, decompressed: no capture begins as flow files do. What is damaged or compressed in an unknown way is left to who reads captures to
 * tell of.
 */
static int kind_of(const char *path, enum flows_kind *kind, struct weir_fault *fault)
{
	struct stream *stream;
	struct stat status;
	uint8_t head[4];
	size_t length = 0;
	int64_t n = 1;

	*kind = FLOWS_PACKETS;
	if (strcmp(path, "-") == 0 || stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	int error = stream_open_sealed(path, seal_identities(), &stream, fault);
	if (error)
		return error == WEIR_E_UNSUPPORTED || exit_status_of(error) == EXIT_FAULT_IN_DATA ? 0 : error;
	for (; n > 0 && length < sizeof head; length += n > 0 ? (size_t)n : 0)
		n = stream_read(stream, head + length, sizeof head - length, fault);
	stream_close(stream);
	if (n < 0 && exit_status_of((int)n) != EXIT_FAULT_IN_DATA)
		return (int)n;
	uint16_t version = length == sizeof head ? weir_load_be16(head) : 0;
	if (length == sizeof head && memcmp(head, "PAR1", 4) == 0)
		*kind = FLOWS_PARQUET;
	else if (version == 5 || version == 9 || version == 10)
		*kind = FLOWS_DATAGRAMS;
	return 0;
}

static int parquet_only(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return (length > 8 && strcmp(entry->d_name + length - 8, ".parquet") == 0) ||
	       (length > 12 && strcmp(entry->d_name + length - 12, ".parquet.age") == 0);
}

/* The Parquet files of a folder, by name. How many, or a negative error. */
static int add_folder(struct flows_files *files, const char *path, struct weir_fault *fault)
{
	struct dirent **entries;
	int count = scandir(path, &entries, parquet_only, alphasort), error = 0;

	if (count < 0)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "could not be read");
	for (int i = 0; i < count; i++) {
		struct text name = {0};
		text_add_format(&name, "%s/%s", path, entries[i]->d_name);
		if (!error)
			error = name.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for the names of files")
			                    : add_file(files, text_string(&name), FLOWS_PARQUET, fault);
		text_free(&name);
		free(entries[i]);
	}
	free(entries);
	return error ? error : count;
}

int flows_files_add(struct flows_files *files, const char *path, struct weir_fault *fault)
{
	struct stat status;

	if (strcmp(path, "-") != 0 && stat(path, &status) < 0)
		return weir_fail_errno(fault, errno, path, "could not be opened");
	if (strcmp(path, "-") == 0 || !S_ISDIR(status.st_mode)) {
		enum flows_kind kind;
		int error = kind_of(path, &kind, fault);
		return error ? error : add_file(files, path, kind, fault);
	}
	int count = add_folder(files, path, fault);
	if (count == 0) { /* the folder of a run has them one deeper */
		struct text name = {0};
		text_add_format(&name, "%s/flows", path);
		count = add_folder(files, text_string(&name), fault);
		text_free(&name);
	}
	if (count != 0)
		return count < 0 ? count : 0;
	return add_file(files, path, FLOWS_CAMPAIGN, fault);
}

/* ---- records ---- */

static int64_t earlier(int64_t a, int64_t b) { return a == WEIR_NO_TIME ? b : b == WEIR_NO_TIME || a < b ? a : b; }

/* Whether the flow was under way at some time within [from, to]. */
static bool touches(const struct weir_flow *flow, const struct flows_request *request)
{
	int64_t start = earlier(flow->forward.first_ns, flow->reverse.first_ns);
	int64_t end = flow->forward.last_ns > flow->reverse.last_ns ? flow->forward.last_ns : flow->reverse.last_ns;

	return start <= request->to_ns && end >= request->from_ns;
}

static bool timed(const struct flows_request *request)
{
	return request->from_ns != WEIR_TIME_FIRST || request->to_ns != WEIR_TIME_LAST;
}

/* Those that are asked for of a batch, moved to its front. How many, or a negative error. */
static int keep_matching(struct weir_flow *flows, int count, struct flow_match *match, const struct flows_request *request,
                         struct weir_fault *fault)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		int matches = !timed(request) || touches(&flows[i], request);
		if (matches && match)
			matches = flow_match(match, &flows[i], fault);
		if (matches < 0)
			return matches;
		if (matches && kept++ != i)
			flows[kept - 1] = flows[i];
	}
	return kept;
}

static int pass_records(struct weir_flow_source *source, struct flow_match *match, const struct flows_request *request,
                        struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct weir_flow *flows = malloc(RECORDS * sizeof *flows);
	int count = flows ? 1 : weir_fail(fault, WEIR_E_MEMORY, "no memory to read flows");

	while (count > 0 && !*request->stop) {
		count = source->ops->fill(source, flows, RECORDS, fault);
		if (count <= 0)
			break;
		int kept = match || timed(request) ? keep_matching(flows, count, match, request, fault) : count;
		int error = kept > 0 ? sink->ops->write(sink, flows, (size_t)kept, fault) : kept;
		if (error < 0)
			count = error;
	}
	free(flows);
	return count < 0 ? count : 0;
}

/* Of Parquet only the columns that are asked for are read, whatever else is in it. */
static int open_parquet(const struct flows_file *file, const struct flows_request *request, struct parquet_reader **reader,
                        struct weir_fault *fault)
{
	static const char *const times[] = {"flow_start", "flow_end", "reverse_flow_start", "reverse_flow_end"};
	int error = parquet_reader_open(file->path, seal_identities(), reader, fault);
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	if (error)
		return error;
	parquet_reader_window(*reader, request->from_ns, request->to_ns);
	if (!request->grouped)
		return 0;
	bool *wanted = calloc(count, sizeof *wanted);
	if (!wanted) {
		parquet_reader_close(*reader);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", file->path);
	}
	aggregate_columns(&request->plan, wanted);
	if (request->filter[0])
		flow_match_columns(wanted);
	for (size_t i = 0; timed(request) && i < sizeof times / sizeof *times; i++)
		wanted[weir_flow_column_named(times[i]) - columns] = true;
	parquet_reader_want(*reader, wanted);
	free(wanted);
	return 0;
}

static int read_parquet(const struct flows_file *file, struct flow_match *match, const struct flows_request *request, struct weir_flow_sink *sink,
                        struct weir_fault *fault)
{
	struct parquet_reader *reader;
	int error = open_parquet(file, request, &reader, fault);

	if (error)
		return error;
	*request->began = true;
	/* Without a filter no record need be made: the columns are summed as they are. */
	if (request->grouped && !match && !timed(request)) {
		error = aggregate_parquet(flows_groups_aggregate(sink), reader, request->stop, fault);
		parquet_reader_close(reader);
		return error;
	}
	struct weir_flow_source *source = parquet_source_new(reader);
	if (!source) {
		parquet_reader_close(reader);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", file->path);
	}
	error = pass_records(source, match, request, sink, fault);
	source->ops->close(source);
	return error;
}

int flows_read_parquet(const struct flows_file *file, const struct flows_request *request, struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct flow_match *match = NULL;
	int error = request->filter[0] ? flow_match_new(request->filter, &match, fault) : 0;

	if (!error)
		error = read_parquet(file, match, request, sink, fault);
	flow_match_free(match);
	return error;
}

/* What there was that could not be read, and nobody would miss. */
static void tell_missing(const struct command *command, const struct weir_flow_source *source)
{
	struct weir_datagram_statistics s;

	weir_flow_datagrams_statistics(source, &s);
	if (s.unknown_sets)
		warn(command, "%" PRIu64 " sets of data (%" PRIu64 " bytes) were left out: their template is not there; name the file that has it first",
		     s.unknown_sets, s.unknown_bytes);
	if (s.lost)
		warn(command, "%" PRIu64 " records or datagrams did not arrive where this was recorded, by their sequence numbers", s.lost);
}

int flows_read_datagrams(const struct command *command, const struct flows_file *files, size_t count, const struct flows_request *request,
                         struct weir_flow_sink *sink, struct weir_fault *fault)
{
	const char **paths = calloc(count, sizeof *paths);
	struct flow_match *match = NULL;
	struct weir_flow_source *source;

	if (!paths)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read flows");
	for (size_t i = 0; i < count; i++)
		paths[i] = files[i].path;
	int error = request->filter[0] ? flow_match_new(request->filter, &match, fault) : 0;
	if (!error)
		error = weir_flow_datagrams_read_many(paths, count, seal_identities(), &source, fault);
	if (!error) {
		*request->began = true;
		error = pass_records(source, match, request, sink, fault);
		tell_missing(command, source);
		source->ops->close(source);
	}
	flow_match_free(match);
	free(paths);
	return error;
}
