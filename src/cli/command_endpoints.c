/* weir endpoints: the sockets of this box with their processes, and what becomes of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/flow.h>

#include "box/endpoint_filter.h"
#include "box/endpoints.h"
#include "cli/cli.h"
#include "cli/endpoint_columns.h"
#include "core/clock.h"
#include "core/terminal.h"

#define ONCE_NS NS_PER_SECOND

struct options {
	bool watch, json, listening, without_bpf, utc, local;
	int64_t interval;
	const char *columns;
};

static const struct option table[] = {
	{.name = "watch", .letter = 'w', .type = OPTION_FLAG, .offset = offsetof(struct options, watch), .help = "print what comes, changes and goes, until Ctrl-C"},
	{.name = "json", .letter = 'j', .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "one JSON object a line"},
	{.name = "listening", .letter = 'l', .type = OPTION_FLAG, .offset = offsetof(struct options, listening), .help = "only what waits for others: TCP that listens, UDP that is not connected"},
	{.name = "columns", .letter = 'c', .type = OPTION_STRING, .offset = offsetof(struct options, columns), .metavar = "NAME,...", .help = "what to show, in this order"},
	{.name = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = offsetof(struct options, interval),
     .metavar = "TIME",
     .help = "look so often; without --watch: list after so long, with rates"},
	{.name = "utc", .type = OPTION_FLAG, .offset = offsetof(struct options, utc), .help = "times in UTC (they are, unless --local)"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct options, local), .help = "times in local time"},
	{.name = "no-bpf", .type = OPTION_FLAG, .offset = offsetof(struct options, without_bpf), .help = "list and /proc only, as without rights"},
	{0},
};

struct shown {
	const struct options *options;
	struct endpoint_filter *filter;
	struct text text;
	bool watching, colour, failed;
};

static bool is_wanted(const struct shown *shown, const struct endpoint *endpoint)
{
	if (shown->options->listening && endpoint->state != ENDPOINT_LISTEN && endpoint->state != ENDPOINT_BOUND)
		return false;
	return endpoint_filter_match(shown->filter, endpoint);
}

/* ---- what happens ---- */

struct event_look {
	const char *word;
	char sign;
	const char *colour;
};

static const struct event_look event_looks[] = {
	[ENDPOINT_CAME] = {"came", '+', "\033[32m"},
	[ENDPOINT_CHANGED] = {"changed", '~', "\033[33m"},
	[ENDPOINT_WENT] = {"went", '-', "\033[31m"},
};

static void put_event_json(struct shown *shown, const struct endpoint_event *event)
{
	struct json json = json_into(&shown->text);
	char time[FORMAT_SIZE];

	json_object(&json);
	json_put_string(&json, "event", event_looks[event->kind].word);
	json_put_string(&json, "time", format_time(event->time_ns, shown->options->local, 9, time));
	json_put_signed(&json, "time_ns", event->time_ns);
	if (event->kind != ENDPOINT_CAME && *endpoint_state_name(event->before))
		json_put_string(&json, "state_before", endpoint_state_name(event->before));
	endpoint_json(&json, event->endpoint);
	json_end_object(&json);
	text_add_char(&shown->text, '\n');
}

static void put_holder(struct text *out, const struct weir_process *process)
{
	if (process->pid == 0) {
		text_add(out, "?");
		return;
	}
	text_add_utf8(out, process->name.data, process->name.length);
	text_add_format(out, "[%" PRIu32 "]", process->pid);
}

static void put_event_line(struct shown *shown, const struct endpoint_event *event)
{
	const struct endpoint *endpoint = event->endpoint;
	struct text *out = &shown->text;
	char time[FORMAT_SIZE];

	text_add(out, shown->colour ? event_looks[event->kind].colour : "");
	text_add_format(out, "%s %c ", format_time(event->time_ns, shown->options->local, 6, time), event_looks[event->kind].sign);
	endpoint_put_protocol(out, endpoint);
	text_add_char(out, ' ');
	endpoint_put_address(out, endpoint, false);
	text_add(out, " > ");
	endpoint_put_address(out, endpoint, true);
	text_add_char(out, ' ');
	if (event->kind != ENDPOINT_CAME && event->before != endpoint->state && *endpoint_state_name(event->before))
		text_add_format(out, "%s → ", endpoint_state_name(event->before));
	text_add_format(out, "%s ", endpoint_state_name(endpoint->state));
	put_holder(out, &endpoint->process);
	if (event->kind == ENDPOINT_WENT && endpoint->bytes_sent != ENDPOINT_UNKNOWN)
		text_add_format(out, " sent %" PRIu64 " received %" PRIu64, endpoint->bytes_sent, endpoint->bytes_received);
	text_add(out, shown->colour ? "\033[0m\n" : "\n");
}

static void take_event(const struct endpoint_event *event, void *argument)
{
	struct shown *shown = argument;

	if (!shown->watching || !is_wanted(shown, event->endpoint))
		return;
	if (shown->options->json)
		put_event_json(shown, event);
	else
		put_event_line(shown, event);
}

static int flush(struct shown *shown, struct weir_fault *fault)
{
	bool failed = shown->text.failed;

	if (shown->text.length && (fwrite(shown->text.data, 1, shown->text.length, stdout) != shown->text.length || fflush(stdout)))
		return weir_fail_errno(fault, errno, NULL, "could not write");
	text_clear(&shown->text);
	return failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for what happened") : 0;
}

/* Waits, or less when it is to end. */
static bool wait_for_ns(int64_t ns)
{
	struct timespec time = {ns / NS_PER_SECOND, ns % NS_PER_SECOND};

	/* Relaxed: a flag and nothing more. */
	while (!atomic_load_explicit(stop_requested(), memory_order_relaxed) && nanosleep(&time, &time) && errno == EINTR)
		;
	return !atomic_load_explicit(stop_requested(), memory_order_relaxed);
}

static int watch(struct endpoints *endpoints, struct shown *shown, struct weir_fault *fault)
{
	uint64_t lost_before = 0, lost;
	bool more = true;
	size_t count;

	int error = endpoints_refresh(endpoints, fault);
	if (error)
		return error;
	endpoints_list(endpoints, &count);
	shown->watching = true;
	fprintf(stderr, "weir endpoints: watching, %zu are there; Ctrl-C ends\n", count);
	while (more && !error) {
		more = wait_for_ns(shown->options->interval ? shown->options->interval : ONCE_NS);
		error = endpoints_refresh(endpoints, fault);
		if (!error)
			error = flush(shown, fault);
		lost = endpoints_lost(endpoints);
		if (lost != lost_before)
			fprintf(stderr, "weir endpoints: %" PRIu64 " events of the kernel were lost: what lived shortly may be missing\n", lost - lost_before);
		lost_before = lost;
	}
	return error;
}

/* ---- how things are ---- */

static int compare(const void *a, const void *b)
{
	const struct endpoint *one = *(const struct endpoint *const *)a, *other = *(const struct endpoint *const *)b;

	if (one->protocol != other->protocol)
		return one->protocol < other->protocol ? -1 : 1;
	bool listens = one->state == ENDPOINT_LISTEN, other_listens = other->state == ENDPOINT_LISTEN;
	if (listens != other_listens)
		return listens ? -1 : 1;
	if (one->local_port != other->local_port)
		return one->local_port < other->local_port ? -1 : 1;
	int order = memcmp(&one->remote, &other->remote, sizeof one->remote);
	if (order)
		return order;
	if (one->remote_port != other->remote_port)
		return one->remote_port < other->remote_port ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

static void list_json(struct shown *shown, const struct endpoint *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct json json = json_into(&shown->text);
		json_object(&json);
		endpoint_json(&json, list[i]);
		json_end_object(&json);
		text_add_char(&shown->text, '\n');
	}
}

static int list_table(struct shown *shown, const struct endpoint *const *list, size_t count, struct weir_fault *fault)
{
	const struct endpoint_column *columns[ENDPOINT_COLUMNS_MOST];
	const char *headings[ENDPOINT_COLUMNS_MOST];
	char alignment[ENDPOINT_COLUMNS_MOST + 1] = {0};
	int chosen = endpoint_columns_of(shown->options->columns, columns, fault);

	if (chosen < 0)
		return chosen;
	for (int i = 0; i < chosen; i++) {
		headings[i] = columns[i]->heading;
		alignment[i] = columns[i]->alignment;
	}
	struct table *rows = table_new(alignment, headings);
	struct text cell = {0};
	int64_t now = clock_wall_ns();
	if (!rows)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a table");
	for (size_t i = 0; i < count; i++)
		for (int c = 0; c < chosen; c++) {
			text_clear(&cell);
			columns[c]->put(&cell, list[i], now);
			table_cell(rows, "%s", text_string(&cell));
		}
	table_print(rows, stdout);
	table_free(rows);
	text_free(&cell);
	return 0;
}

static int list(struct endpoints *endpoints, struct shown *shown, struct weir_fault *fault)
{
	int error = endpoints_refresh(endpoints, fault);
	size_t count, wanted = 0;

	if (!error && shown->options->interval) {
		wait_for_ns(shown->options->interval);
		error = endpoints_refresh(endpoints, fault);
	}
	if (error)
		return error;
	const struct endpoint *const *all = endpoints_list(endpoints, &count);
	const struct endpoint **chosen = calloc(count ? count : 1, sizeof *chosen);
	if (!chosen)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a list");
	for (size_t i = 0; i < count; i++)
		if (is_wanted(shown, all[i]))
			chosen[wanted++] = all[i];
	qsort(chosen, wanted, sizeof *chosen, compare);
	if (shown->options->json)
		list_json(shown, chosen, wanted);
	else
		error = list_table(shown, chosen, wanted, fault);
	free(chosen);
	return error ? error : flush(shown, fault);
}

/* ---- ending one ---- */

static int end_one(const struct command *command, const char *argument)
{
	struct endpoints *endpoints;
	struct weir_fault fault;
	struct text line = {0};
	uint64_t number;
	size_t count;

	if (parse_unsigned(argument, 1, UINT64_MAX, &number, &fault) < 0)
		return report(command, &fault);
	if (endpoints_open(&(struct endpoints_options){0}, &endpoints, &fault) < 0)
		return report(command, &fault);
	if (endpoints_refresh(endpoints, &fault) == 0) {
		const struct endpoint *const *all = endpoints_list(endpoints, &count);
		for (size_t i = 0; i < count; i++) {
			if (all[i]->id != number)
				continue;
			endpoint_put_protocol(&line, all[i]);
			text_add_char(&line, ' ');
			endpoint_put_address(&line, all[i], false);
			text_add(&line, " > ");
			endpoint_put_address(&line, all[i], true);
			text_add_format(&line, " %s ", endpoint_state_name(all[i]->state));
			put_holder(&line, &all[i]->process);
		}
	}
	endpoints_close(endpoints);
	int error = endpoints_end(number, &fault);
	if (!error)
		printf("ended %" PRIu64 ": %s\n", number, text_string(&line));
	text_free(&line);
	return error ? report(command, &fault) : EXIT_FINE;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct shown shown = {.options = options, .colour = terminal_colour(stdout)};
	struct endpoints *endpoints = NULL;
	const struct endpoint_column *columns[ENDPOINT_COLUMNS_MOST];
	struct weir_fault fault;

	if (argc == 2 && strcmp(argv[0], "close") == 0)
		return end_one(command, argv[1]);
	if (options->columns && endpoint_columns_of(options->columns, columns, &fault) < 0)
		return report(command, &fault);
	char *expression = join_arguments(0, argc, argv);
	int error = expression ? endpoint_filter_new(expression, &shown.filter, &fault) : weir_fail(&fault, WEIR_E_MEMORY, "no memory for a filter");
	free(expression);
	if (!error) {
		const struct endpoints_options how = {.without_bpf = options->without_bpf, .always_figures = !options->watch, .event = take_event, .argument = &shown};
		error = endpoints_open(&how, &endpoints, &fault);
	}
	if (!error) {
		catch_interrupts();
		if (*endpoints_lack(endpoints) && !options->without_bpf)
			warn(command, "%s", endpoints_lack(endpoints));
		error = options->watch ? watch(endpoints, &shown, &fault) : list(endpoints, &shown, &fault);
	}
	endpoints_close(endpoints);
	endpoint_filter_free(shown.filter);
	text_free(&shown.text);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command endpoints_command = {
	.name = "endpoints",
	.summary = "which process talks to whom: every socket of this box",
	.usage = "[FILTER] | close ID",
	.description =
		"Lists every TCP, UDP, ping and raw socket of this network namespace with the process that used it last, or, with --watch, prints what comes (+), changes (~) and "
		"goes (-), with final figures, also of what lived between two looks. FILTER is a pcap-filter expression on the socket's addresses; `process NAME|PID`, "
		"`user NAME`, `state STATE` and `container ID` may stand beside it, joined by `and`. `close ID` ends a connection: its process sees ECONNABORTED.\n\n"
		"Columns: id protocol state local remote interface pid process executable threads user cgroup container sent received packets_sent packets_received "
		"send_rate receive_rate rtt retransmissions send_queue receive_queue age.\n\n"
		"Everything takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (root has them); without, what /proc and the list of sockets tell is shown.",
	.options = table,
	.options_size = sizeof(struct options),
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
