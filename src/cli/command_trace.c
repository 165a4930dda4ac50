/* weir trace: events of the kernel and of weir, as they happen or from a file. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/trace.h>

#include "box/trace.h"
#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/terminal.h"

#define NAMES_MOST 64
#define OUT_BYTES (64 << 10)

struct options {
	struct option_list provider, keyword, identity;
	const char *level, *write, *read, *perfetto;
	uint64_t pid, buffer, count;
	int64_t duration;
	bool json, list, utc, local, quiet;
};

static const struct option table[] = {
	{.name = "provider", .letter = 'p', .type = OPTION_STRINGS, .offset = offsetof(struct options, provider), .metavar = "PROVIDER",
	 .help = "events of this provider; several by commas or by giving it again"},
	{.name = "keyword", .type = OPTION_STRINGS, .offset = offsetof(struct options, keyword), .metavar = "KEYWORD",
	 .help = "only events that have one of these keywords"},
	{.name = "level", .type = OPTION_CHOICE, .offset = offsetof(struct options, level), .metavar = "LEVEL",
	 .choices = "critical|error|warning|information|verbose", .help = "only events up to this level"},
	{.name = "pid", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, pid), .metavar = "PID", .least = 1, .most = UINT32_MAX,
	 .help = "only events of this process"},
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "FILE",
	 .help = "write them into a pcapng file; .zst, .gz and .lz4 compress it"},
	{.name = "read", .letter = 'r', .type = OPTION_STRING, .offset = offsetof(struct options, read), .metavar = "FILE",
	 .help = "events of a file, and not those that happen; - is standard input"},
	{.name = "perfetto", .type = OPTION_STRING, .offset = offsetof(struct options, perfetto), .metavar = "FILE",
	 .help = "write what the Perfetto UI opens"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "a JSON object an event"},
	{.name = "quiet", .letter = 'q', .type = OPTION_FLAG, .offset = offsetof(struct options, quiet), .help = "print no events"},
	{.name = "list", .letter = 'l', .type = OPTION_FLAG, .offset = offsetof(struct options, list),
	 .help = "the providers, their events, fields and keywords, and what is missing here"},
	{.name = "count", .letter = 'c', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, count), .metavar = "N", .least = 1, .most = UINT64_MAX,
	 .help = "end after so many events"},
	{.name = "duration", .letter = 'd', .type = OPTION_DURATION, .offset = offsetof(struct options, duration), .metavar = "TIME",
	 .help = "end after this time"},
	{.name = "buffer", .type = OPTION_SIZE, .offset = offsetof(struct options, buffer), .metavar = "SIZE",
	 .help = "between the kernel and weir: a power of two (16M when it is not given)"},
	{.name = "utc", .type = OPTION_FLAG, .offset = offsetof(struct options, utc), .help = "times in UTC (they are, unless --local)"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct options, local), .help = "times in local time"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

/* What a run has in hand. */
struct run {
	const struct options *options;
	const char *names[NAMES_MOST + 1];
	size_t name_count;
	char *name_room;
	const char **keywords; /* names, NULL at the end; NULL: all */
	uint8_t level;
	struct text out;
	struct trace_perfetto *perfetto;
	uint64_t events;
	int error; /* of printing */
	struct weir_fault fault;
};

static void flush(struct run *run)
{
	if (!run->error && run->out.length && fwrite(run->out.data, 1, run->out.length, stdout) != run->out.length)
		run->error = weir_fail(&run->fault, WEIR_E_IO, "could not write to standard output");
	if (!run->error && fflush(stdout))
		run->error = weir_fail(&run->fault, WEIR_E_IO, "could not write to standard output");
	text_clear(&run->out);
}

static void take(const struct weir_trace_event *event, void *argument)
{
	struct run *run = argument;

	if (run->error || (run->options->count && run->events >= run->options->count))
		return;
	run->events++;
	if (run->perfetto)
		run->error = trace_perfetto_event(run->perfetto, event, &run->fault);
	/* What goes into a file is not printed as well. */
	if (run->options->quiet || run->options->write || run->perfetto)
		return;
	if (run->options->json)
		trace_put_json(&run->out, event);
	else
		trace_put_line(&run->out, event, run->options->local);
	if (run->out.failed)
		run->error = weir_fail(&run->fault, WEIR_E_MEMORY, "no memory to print events");
	if (run->out.length > OUT_BYTES)
		flush(run);
}

/* ---- options ---- */

static int choose_providers(struct run *run, struct weir_fault *fault)
{
	const struct option_list *list = &run->options->provider;
	size_t length = 1;

	for (size_t i = 0; i < list->count; i++)
		length += strlen(list->items[i]) + 1;
	run->name_room = calloc(1, length);
	if (!run->name_room)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for options");
	char *at = run->name_room;
	for (size_t i = 0; i < list->count; i++) {
		strcpy(at, list->items[i]);
		for (char *rest, *name = strtok_r(at, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
			if (run->name_count == NAMES_MOST)
				return weir_fail(fault, WEIR_E_USAGE, "at most %d providers", NAMES_MOST);
			run->names[run->name_count++] = name;
		}
		at += strlen(list->items[i]) + 1;
	}
	return 0;
}

static bool is_chosen(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->name_count; i++)
		if (strcmp(run->names[i], name) == 0)
			return true;
	return run->name_count == 0;
}

/* What is asked for must be some chosen provider's. */
static int choose_keywords(struct run *run, struct weir_fault *fault)
{
	size_t count = run->options->keyword.count;

	if (count == 0)
		return 0;
	run->keywords = calloc(count + 1, sizeof *run->keywords);
	if (!run->keywords)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for options");
	memcpy(run->keywords, run->options->keyword.items, count * sizeof *run->keywords);
	for (size_t i = 0; i < count && !run->options->read; i++) {
		const char *const one[] = {run->keywords[i], NULL};
		bool found = false;
		const struct weir_trace_provider *provider;
		for (size_t k = 0; (provider = weir_trace_builtin(k)); k++)
			found |= is_chosen(run, provider->name) && trace_keyword_bits(provider, one);
		if (!found)
			return weir_fail(fault, WEIR_E_USAGE, "no provider that was chosen has a keyword %s: weir trace --list", run->keywords[i]);
	}
	return 0;
}

static uint8_t level_of(const char *name)
{
	for (uint8_t level = WEIR_TRACE_CRITICAL; name && level <= WEIR_TRACE_VERBOSE; level++)
		if (strcmp(weir_trace_level_name(level), name) == 0)
			return level;
	return 0;
}

/* ---- the list ---- */

static void list_events(const struct weir_trace_provider *provider, struct text *keywords)
{
	for (const struct weir_trace_event_type *type = provider->events; type->id; type++) {
		text_clear(keywords);
		trace_put_keywords(keywords, provider, type->keywords);
		printf("  %-2u %-16s v%u %-12s %-16s", type->id, type->name, type->version, weir_trace_level_name(type->level), text_string(keywords));
		for (const struct weir_trace_field *field = type->fields; field->name; field++)
			printf("%s%s", field == type->fields ? " " : ", ", field->name);
		printf("\n");
	}
}

static void list_json(const struct weir_trace_provider *provider, const char *needs, const char *lack)
{
	struct text text = {0};
	struct json json = json_into(&text);

	json_object(&json);
	json_put_string(&json, "provider", provider->name);
	json_put_string(&json, "meaning", provider->meaning);
	json_put_string(&json, "needs", needs);
	json_put_string(&json, "lack", lack[0] ? lack : NULL);
	json_key(&json, "events");
	json_array(&json);
	for (const struct weir_trace_event_type *type = provider->events; type->id; type++) {
		json_object(&json);
		json_put_unsigned(&json, "id", type->id);
		json_put_string(&json, "event", type->name);
		json_put_unsigned(&json, "version", type->version);
		json_put_string(&json, "level", weir_trace_level_name(type->level));
		json_key(&json, "keywords");
		json_array(&json);
		for (const struct weir_trace_keyword *keyword = provider->keywords; keyword->name; keyword++)
			if (keyword->bit & type->keywords)
				json_string(&json, keyword->name);
		json_end_array(&json);
		json_key(&json, "fields");
		json_array(&json);
		for (const struct weir_trace_field *field = type->fields; field->name; field++)
			json_string(&json, field->name);
		json_end_array(&json);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	printf("%s\n", text_string(&text));
	text_free(&text);
}

static void list(const struct run *run)
{
	struct text keywords = {0};
	const struct weir_trace_provider *provider;

	for (size_t i = 0; (provider = weir_trace_builtin(i)); i++) {
		struct weir_fault fault;
		if (!is_chosen(run, provider->name))
			continue;
		weir_fault_clear(&fault);
		const char *lack = weir_trace_available(provider->name, &fault) < 0 ? fault.message : "";
		if (run->options->json) {
			list_json(provider, trace_providers[i]->needs, lack);
			continue;
		}
		printf("%s: %s (needs %s)\n", provider->name, provider->meaning, trace_providers[i]->needs);
		if (lack[0])
			printf("  missing here: %s\n", lack);
		list_events(provider, &keywords);
	}
	text_free(&keywords);
}

/* ---- runs ---- */

static void tell_losses(const struct command *command, const struct weir_trace_loss *losses, size_t count)
{
	const struct weir_trace_provider *provider = NULL;
	uint64_t sent = 0, lost = 0;

	for (size_t i = 0; i <= count; i++) {
		if (i == count || losses[i].provider != provider) {
			if (lost)
				warn(command, "%s: %" PRIu64 " of %" PRIu64 " events lost", provider->name, lost, sent);
			sent = lost = 0;
		}
		if (i < count) {
			provider = losses[i].provider;
			sent += losses[i].sent;
			lost += losses[i].lost;
		}
	}
}

static int read_file(const struct command *command, struct run *run, struct weir_fault *fault)
{
	struct weir_trace_reader *reader;
	struct weir_trace_event event;
	const struct weir_capture_options *sealed = seal_capture_options();
	int error = weir_trace_read_open(run->options->read, sealed ? sealed->identities : NULL, &reader, fault), result = 0;
	size_t count;

	if (error)
		return error;
	while (!run->error && !atomic_load_explicit(stop_requested(), memory_order_relaxed) && (result = weir_trace_read(reader, &event, fault)) > 0) {
		if (!is_chosen(run, event.provider->name) || (run->level && event.type->level > run->level))
			continue;
		if (run->options->pid && event.process_id != run->options->pid)
			continue;
		if (run->keywords && !(trace_keyword_bits(event.provider, run->keywords) & event.type->keywords))
			continue;
		take(&event, run);
		if (run->options->count && run->events >= run->options->count)
			break;
	}
	const struct weir_trace_loss *losses = weir_trace_read_losses(reader, &count);
	tell_losses(command, losses, count);
	weir_trace_read_close(reader);
	return result < 0 ? result : 0;
}

static bool is_over(const struct run *run, int64_t began_ns)
{
	return run->error || atomic_load_explicit(stop_requested(), memory_order_relaxed) || (run->options->count && run->events >= run->options->count) ||
	       (run->options->duration && clock_monotonic_ns() - began_ns >= run->options->duration);
}

#define LOSSES_MOST 4096

static int trace(const struct command *command, struct run *run, struct weir_fault *fault)
{
	const struct weir_trace_options options = {
		.providers = run->name_count ? run->names : NULL,
		.file = run->options->write,
		.event = (run->options->quiet || run->options->write) && !run->perfetto && !run->options->count ? NULL : take,
		.argument = run,
		.pid = (uint32_t)run->options->pid,
		.level = run->level,
		.keywords = run->keywords,
		.buffer_bytes = run->options->buffer,
	};
	struct weir_trace_session *session;
	int error = weir_trace_open(&options, &session, fault), result;

	if (error)
		return error;
	if (weir_trace_lack(session)[0])
		warn(command, "%s", weir_trace_lack(session));
	int64_t began_ns = clock_monotonic_ns();
	do {
		result = weir_trace_poll(session, 100, fault);
		flush(run);
	} while (result >= 0 && !is_over(run, began_ns));
	error = weir_trace_finish(session, result < 0 ? NULL : fault);
	flush(run);
	struct weir_trace_loss *losses = calloc(LOSSES_MOST, sizeof *losses);
	if (losses)
		tell_losses(command, losses, weir_trace_losses(session, losses, LOSSES_MOST));
	free(losses);
	weir_trace_close(session);
	return result < 0 ? result : error;
}

static int start(const struct command *command, struct run *run, struct weir_fault *fault)
{
	const struct options *options = run->options;
	int error = choose_providers(run, fault);

	if (error)
		return error;
	run->level = level_of(options->level);
	if (options->read && options->write)
		return weir_fail(fault, WEIR_E_USAGE, "-r reads events and -w writes those that happen: one of them");
	if (options->list) {
		list(run);
		return 0;
	}
	error = choose_keywords(run, fault);
	if (!error && options->perfetto)
		error = trace_perfetto_open(options->perfetto, &run->perfetto, fault);
	if (!error)
		error = options->read ? read_file(command, run, fault) : trace(command, run, fault);
	flush(run);
	if (!error && run->error) {
		*fault = run->fault;
		error = run->error;
	}
	if (run->perfetto && (!error || error == WEIR_E_TRUNCATED)) {
		int finished = trace_perfetto_finish(run->perfetto, error ? NULL : fault);
		error = error ? error : finished;
	}
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct run run = {.options = values};
	struct weir_fault fault;

	weir_fault_clear(&fault);
	catch_interrupts();
	/* A reader that goes away shows as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	int error = start(command, &run, &fault);
	trace_perfetto_close(run.perfetto);
	text_free(&run.out);
	free(run.name_room);
	free(run.keywords);
	return error < 0 ? report(command, &fault) : EXIT_FINE;
}

const struct command trace_command = {
	.name = "trace",
	.summary = "events of the system: connections, datagrams, drops, processes, disks, context switches",
	.usage = "",
	.description = "Prints events as they happen, a line or a JSON object each, or writes them into a pcapng file with -w, which Wireshark and weir take beside\n"
				   "captures; -r prints events of such a file. Without -p all providers but the costly ones (sched, dns, http) are asked. Events are filtered in the\n"
				   "kernel; those that are lost are counted, and told at the end and in the file.",
	.options = table,
	.options_size = sizeof(struct options),
	.run = run,
};
