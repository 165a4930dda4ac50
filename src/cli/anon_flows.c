/* `weir anon` on flow files: Parquet, IPFIX, NetFlow in; these, CSV and JSON out. */
#include <string.h>
#include <unistd.h>

#include <weir/archive.h>

#include "cli/anon.h"
#include "flow/hide.h"

/* What to write: as --format or the name's ending says; else what the first input is. */
static const char *format_of(const struct anon_options *options, const struct flows_files *files)
{
	static const struct {
		const char *ending, *format;
	} endings[] = {
		{".parquet", "parquet"}, {".ipfix", "ipfix"}, {".nf9", "nf9"},
		{".csv", "csv"},         {".json", "json"},   {".jsonl", "json"},
	};
	size_t length = strlen(options->write);

	if (options->format)
		return options->format;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t size = strlen(endings[i].ending);
		if (length > size && strcmp(options->write + length - size, endings[i].ending) == 0)
			return endings[i].format;
	}
	return files->items[0].kind == FLOWS_PARQUET ? "parquet" : "ipfix";
}

static int open_writer(const char *format, const char *path, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	if (strcmp(format, "csv") == 0)
		return weir_flow_csv_open(path, sink, fault);
	if (strcmp(format, "json") == 0)
		return weir_flow_json_open(path, sink, fault);
	if (strcmp(format, "parquet") == 0)
		return weir_flow_parquet_open(path, NULL, sink, fault);
	if (strcmp(format, "ipfix") == 0)
		return weir_flow_export_open(path, WEIR_EXPORT_IPFIX, sink, fault);
	if (strcmp(format, "nf9") == 0)
		return weir_flow_export_open(path, WEIR_EXPORT_NETFLOW9, sink, fault);
	return weir_fail(fault, WEIR_E_USAGE, "flows are written as parquet, ipfix, nf9, csv or json, not as %s", format);
}

static int read_all(const struct command *command, const struct flows_files *files, const struct flows_request *request,
                    struct weir_flow_sink *sink, struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; i < files->count && !error && !*request->stop; i++) {
		const struct flows_file *file = &files->items[i];
		if (file->kind == FLOWS_PARQUET)
			error = flows_read_parquet(file, request, sink, fault);
		else if (i == 0 || files->items[i - 1].kind != FLOWS_DATAGRAMS) {
			/* Files of datagrams that follow one another share templates. */
			size_t count = 1;
			while (i + count < files->count && files->items[i + count].kind == FLOWS_DATAGRAMS)
				count++;
			error = flows_read_datagrams(command, file, count, request, sink, fault);
		}
	}
	return error;
}

int anon_flows(const struct command *command, const struct anon_options *options, const struct flows_files *files,
               const struct weir_hider *hider, struct weir_fault *fault)
{
	bool began = false;
	struct flows_request request = {
		.filter = "",
		.from_ns = WEIR_TIME_FIRST,
		.to_ns = WEIR_TIME_LAST,
		.format = format_of(options, files),
		.stop = stop_requested(),
		.began = &began,
	};
	struct weir_flow_sink *writer, *sink;
	int error = open_writer(request.format, options->write, &writer, fault);

	if (!error)
		error = flow_hide_open(hider, writer, &sink, fault);
	if (error)
		return error;
	error = read_all(command, files, &request, sink, fault);
	/* Of a damaged input what is sound is given. */
	if (!error || (began && exit_status_of(error) == EXIT_FAULT_IN_DATA)) {
		struct weir_fault at_end;
		int finished = sink->ops->finish(sink, &at_end);
		if (finished && !error) {
			*fault = at_end;
			error = finished;
		}
	}
	sink->ops->close(sink);
	return error;
}
