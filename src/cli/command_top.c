/* weir top: what this box does, on one screen. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/top_terminal.h"
#include "cli/top_view.h"
#include "core/clock.h"
#include "core/terminal.h"

struct options {
	struct option_list interfaces;
	const char *campaign, *view, *filter;
	int64_t interval_ns;
	uint64_t count, budget, snaplen;
	bool capture, once, json, local;
};

static const struct options defaults = {.interval_ns = NS_PER_SECOND, .budget = 10000, .snaplen = 512, .capture = true};

#define ROW(long_name, short_name, kind, field, meta, text, ...)                                                                          \
	{                                                                                                                                     \
		.name = long_name, .letter = short_name, .type = kind, .offset = offsetof(struct options, field), .metavar = meta, .help = text, \
		__VA_ARGS__                                                                                                                       \
	}

static const struct option table[] = {
	ROW("interface", 'i', OPTION_STRINGS, interfaces, "IF", "capture on this one (again: on this one too); else on all that are up but loopback"),
	ROW("no-capture", 0, OPTION_FLAG, capture, NULL, "capture nothing: no talkers, applications and packets", .no_flag = true),
	ROW("budget", 0, OPTION_UNSIGNED, budget, "N", "look at so many packets/s at most, at one in so many of the rest", .least = 1, .most = 1000000),
	ROW("snaplen", 's', OPTION_UNSIGNED, snaplen, "BYTES", "take so much of each packet", .least = 64, .most = 65535),
	ROW("campaign", 0, OPTION_STRING, campaign, "CAMPAIGN", "show how recording into it goes; else into ./campaign, if it is there"),
	ROW("view", 0, OPTION_STRING, view, "VIEW",
        "begin with it, or with --once print it: overview, interfaces, talkers, flows, endpoints, processes, applications, packets, drops, system, recorder"),
	ROW("filter", 'f', OPTION_STRING, filter, "FILTER", "only endpoints, flows, packets that match (pcap-filter)"),
	ROW("interval", 0, OPTION_DURATION, interval_ns, "TIME", "look again after so long"),
	ROW("count", 'c', OPTION_UNSIGNED, count, "N", "end after N looks; 0: at q", .least = 0, .most = UINT64_MAX),
	ROW("once", 0, OPTION_FLAG, once, NULL, "print it as text and end; so it does without a terminal"),
	ROW("json", 0, OPTION_FLAG, json, NULL, "print it as JSON, an object a look; with --count again and again"),
	ROW("local", 0, OPTION_FLAG, local, NULL, "times in local time"),
	{0},
};

static const struct top_view *view_named(const char *name)
{
	for (size_t i = 0; top_views[i]; i++)
		if (strcmp(top_views[i]->name, name) == 0 && top_views[i] != &process_view && top_views[i] != &flow_view &&
		    top_views[i] != &endpoint_view && top_views[i] != &packet_view)
			return top_views[i];
	return NULL;
}

/* Flows and endpoints by process are got to by the view that has them. */
static void show_view(struct top_screen *screen, const struct top_view *view)
{
	screen->flat = view == &endpoints_view;
	screen->by_flow = view == &flows_view;
	screen_show(screen, view == &processes_view ? &endpoints_view : view == &flows_view ? &talkers_view : view);
}

/* ---- without a terminal ---- */

static int text_columns(void)
{
	const char *named = getenv("COLUMNS");
	struct winsize window;
	long columns = named ? strtol(named, NULL, 10) : 0;

	if (columns >= 40 && columns <= 1000)
		return (int)columns;
	return ioctl(1, TIOCGWINSZ, &window) == 0 && window.ws_col >= 40 ? window.ws_col : 120;
}

static void print_json(struct top_screen *screen, const struct top_view *view)
{
	struct text text = {0};
	struct json json = json_into(&text);
	char time[FORMAT_SIZE];

	json_object(&json);
	json_put_string(&json, "time", format_time(screen->top->now_ns, screen->local, 3, time));
	if (*top_filter_text(screen->top))
		json_put_string(&json, "filter", top_filter_text(screen->top));
	screen_json(screen, view, &json);
	json_end_object(&json);
	puts(text_string(&text));
	fflush(stdout);
	text_free(&text);
}

/* Waits until then, or until a signal asks for the end. */
static void wait_until(int64_t monotonic_ns)
{
	while (!atomic_load(stop_requested())) {
		int64_t left = monotonic_ns - clock_monotonic_ns();
		if (left <= 0)
			return;
		struct timespec rest = {.tv_sec = (left < NS_PER_SECOND / 5 ? left : NS_PER_SECOND / 5) / NS_PER_SECOND,
		                        .tv_nsec = (left < NS_PER_SECOND / 5 ? left : NS_PER_SECOND / 5) % NS_PER_SECOND};
		nanosleep(&rest, NULL);
	}
}

/* Rates need two looks: what is printed is the second one. */
static int print_looks(struct top_screen *screen, const struct options *options, struct weir_fault *fault)
{
	const struct top_view *view = screen_view(screen);
	uint64_t looks = options->count ? options->count : 1;
	int error = top_refresh(screen->top, fault);

	for (uint64_t i = 0; i < looks && !error; i++) {
		wait_until(screen->top->looked_ns + options->interval_ns);
		/* Asked to end while there is nothing yet: it is printed all the same. */
		if (atomic_load(stop_requested()) && i)
			break;
		error = top_refresh(screen->top, fault);
		if (error)
			break;
		if (options->json)
			print_json(screen, view);
		else if (screen_print(screen, view, text_columns(), stdout))
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to print");
		if (!options->json && i + 1 < looks)
			putchar('\n');
		fflush(stdout);
	}
	return error;
}

/* ---- on a terminal ---- */

static int draw(struct top_screen *screen, struct canvas *canvas, struct weir_fault *fault)
{
	int rows, columns;

	top_terminal_size(&rows, &columns);
	if (!canvas_size(canvas, rows, columns))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a screen of %d by %d", rows, columns);
	screen_draw(screen, canvas);
	top_terminal_draw(canvas);
	return 0;
}

static int run_screen(struct top_screen *screen, const struct options *options, struct weir_fault *fault)
{
	struct canvas canvas = {.ascii = screen->ascii};
	uint64_t looks = 0;
	int error = 0;

	while (!error && !screen->quit && !atomic_load(stop_requested())) {
		int64_t now = clock_monotonic_ns(), due = screen->top->looked_ns + options->interval_ns;
		if (!looks || now >= due) {
			if (options->count && looks == options->count)
				break;
			looks++;
			error = top_refresh(screen->top, fault);
			screen_refreshed(screen);
			due = screen->top->looked_ns + options->interval_ns;
		}
		if (!error)
			error = draw(screen, &canvas, fault);
		/* Not for ever, so that a signal that came a moment too early is seen. */
		int64_t left = due - clock_monotonic_ns();
		int wait_ms = left <= 0 ? 0 : left > NS_PER_SECOND ? 1000 : (int)(left / 1000000 + 1);
		int key = error ? KEY_NOTHING : top_terminal_key(wait_ms);
		while (key != KEY_NOTHING) {
			screen_press(screen, key);
			key = screen->quit ? KEY_NOTHING : top_terminal_key(0);
		}
	}
	canvas_free(&canvas);
	return error;
}

static int show(struct top_screen *screen, const struct options *options, struct weir_fault *fault)
{
	int error = top_terminal_open(fault);

	if (error)
		return error;
	error = run_screen(screen, options, fault);
	top_terminal_close();
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	const struct top_view *view = view_named(options->view ? options->view : "overview");
	struct weir_fault fault;
	struct top *top;
	struct top_screen screen;

	if (!view) {
		warn(command, "there is no view '%s': weir top --help lists them", options->view);
		return EXIT_WRONG_USE;
	}
	if (options->interval_ns < NS_PER_SECOND / 10) {
		warn(command, "--interval is at least 100ms");
		return EXIT_WRONG_USE;
	}
	bool once = options->once || options->json || !terminal_is(stdout) || !terminal_is(stdin);
	struct top_options model = {
		.capture = {.interfaces = options->interfaces.items,
		            .count = options->interfaces.count,
		            .budget = (uint32_t)options->budget,
		            .snaplen = (uint32_t)options->snaplen},
		.traffic = {.snaplen = (uint32_t)options->snaplen},
		.no_capture = !options->capture,
		.interval_ns = options->interval_ns,
		.campaign = options->campaign ? options->campaign : access("campaign/raw", F_OK) == 0 ? "campaign" : NULL,
	};
	/* One who prints one view need not wait for all the others. Packets are shown with their processes. */
	for (enum top_lack i = 0; i < TOP_LACKS && once && view != &overview_view; i++)
		model.unwanted[i] = view->lack != i && !(view->lack == TOP_LACK_CAPTURE && i == TOP_LACK_ENDPOINTS);
	catch_interrupts();
	if (top_open(&model, &top, &fault))
		return report(command, &fault);
	screen_init(&screen, top);
	screen.local = options->local;
	screen.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	screen.interval_ns = options->interval_ns;
	show_view(&screen, view);
	int error = top_filter_set(top, options->filter, &fault);
	if (!error)
		error = once ? print_looks(&screen, options, &fault) : show(&screen, options, &fault);
	screen_free(&screen);
	top_close(top);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command top_command = {
	.name = "top",
	.summary = "the screen of what this box does",
	.usage = "",
	.description = "Shows interfaces, talkers, endpoints by process, applications, packets, drops with their reasons, disks, CPU, memory and how\n"
				   "recording goes, once a second, on a terminal; ? there lists the keys. Without a terminal, or with --once, it prints the same as text.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
