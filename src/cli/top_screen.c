/* What a person sees of the model, and what keys do to it: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/top_view.h"
#include "packet/print.h"

#define CONTENT_ROW 2

static size_t place_of(const struct top_view *view)
{
	size_t place = 0;

	while (top_views[place] && top_views[place] != view)
		place++;
	return place;
}

void screen_init(struct top_screen *screen, struct top *top)
{
	*screen = (struct top_screen){.top = top, .interval_ns = INT64_C(1000000000)};
	for (size_t i = 0; top_views[i]; i++) {
		const struct top_view *view = top_views[i];
		screen->states[i].sort = view->sort;
		screen->states[i].descending = view->columns && !view->columns[view->sort].ascending;
	}
	screen_show(screen, top_views[0]);
}

void screen_free(struct top_screen *screen)
{
	printer_free(screen->printer);
	text_free(&screen->text);
	free(screen->order);
	free((void *)screen->packet.data);
}

const struct top_view *screen_view(const struct top_screen *screen)
{
	const struct top_view *view = screen->pages[screen->page].view;

	if (view == &endpoints_view && !screen->flat)
		return &processes_view;
	if (view == &talkers_view && screen->by_flow)
		return &flows_view;
	return view;
}

struct view_state *screen_state(struct top_screen *screen) { return &screen->states[place_of(screen_view(screen))]; }

struct top_subject *screen_subject(struct top_screen *screen) { return &screen->pages[screen->page].subject; }

static void page_changed(struct top_screen *screen)
{
	bool wanted = screen->top->wants_packets;

	screen->top->wants_packets = screen_view(screen)->wants_packets;
	/* They are copied only while somebody looks; do not let that one wait for the next interval. */
	if (screen->top->wants_packets && !wanted && screen->top->traffic && !screen->top->frozen) {
		free(screen->top->packets);
		screen->top->packets = NULL;
		top_traffic_packets(screen->top->traffic, &screen->top->packets, NULL);
	}
	screen->endpoint_history[0] = screen->endpoint_history[1] = (struct top_history){.count = 0};
	screen->endpoint_looked = 0;
	screen_refreshed(screen);
}

void screen_show(struct top_screen *screen, const struct top_view *view)
{
	screen->page = 0;
	screen->pages[0] = (struct top_page){.view = view};
	page_changed(screen);
}

bool screen_enter(struct top_screen *screen, const struct top_view *view, const struct top_subject *subject)
{
	if (screen->page + 1 == TOP_PAGES_MOST)
		return false;
	screen->pages[++screen->page] = (struct top_page){.view = view};
	if (subject)
		screen->pages[screen->page].subject = *subject;
	*screen_state(screen) = (struct view_state){.sort = view->sort, .descending = view->columns && !view->columns[view->sort].ascending};
	page_changed(screen);
	return true;
}

static void go_back(struct top_screen *screen)
{
	if (screen->page) {
		screen->page--;
		page_changed(screen);
	}
}

void screen_refreshed(struct top_screen *screen)
{
	const struct endpoint *endpoint;

	if (screen_view(screen) != &endpoint_view || screen->endpoint_looked == screen->top->looks)
		return;
	screen->endpoint_looked = screen->top->looks;
	endpoint = endpoint_with_id(screen->top, screen_subject(screen)->endpoint);
	if (endpoint) {
		top_history_add(&screen->endpoint_history[0], endpoint->send_rate > 0 ? endpoint->send_rate : 0);
		top_history_add(&screen->endpoint_history[1], endpoint->receive_rate > 0 ? endpoint->receive_rate : 0);
	}
}

void screen_line(struct top_screen *screen, const char *title, const void *what, size_t length)
{
	text_add_format(&screen->text, "%-12s ", title);
	text_add_visible(&screen->text, length ? what : "-", length ? length : 1, screen->ascii);
	text_add_char(&screen->text, '\n');
}

/* ---- drawing ---- */

static void draw_tabs(struct top_screen *screen, struct canvas *canvas)
{
	const struct top_view *shown = screen->pages[0].view;
	int at = 0;

	canvas_style(canvas, 0, 0, canvas->columns, STYLE_BAR);
	for (size_t i = 0; top_views[i] && top_views[i]->title; i++) {
		enum style style = top_views[i] == shown ? STYLE_CHOSEN : STYLE_BAR;
		at += canvas_format(canvas, 0, at, canvas->columns - at, style, "%c%s", top_views[i]->key, top_views[i]->title) + 1;
	}
}

/* "sampled 1 in 8 on eth0", "" when everything is looked at. */
static void shortcut_note(const struct top *top, char *out, size_t size)
{
	*out = 0;
	if (top->endpoints_every > 1)
		snprintf(out, size, "endpoints 1 look in %" PRIu32, top->endpoints_every);
	for (size_t i = 0; top->capture && i < top_capture_lanes(top->capture); i++) {
		struct top_capture_lane lane;
		top_capture_lane(top->capture, i, &lane);
		if (lane.resting)
			snprintf(out, size, "capture on %s rests: %.0f packets/s", lane.interface, lane.rate);
		else if (lane.fault[0])
			snprintf(out, size, "no capture on %s: %s", lane.interface, lane.fault);
		else if (lane.one_in > 1)
			snprintf(out, size, "sampled 1 in %u on %s", lane.one_in, lane.interface);
	}
}

static void draw_information(struct top_screen *screen, struct canvas *canvas)
{
	char host[128] = "", time[FORMAT_SIZE], note[300];
	int at = 0;

	gethostname(host, sizeof host - 1);
	format_time(screen->top->now_ns, screen->local, 0, time);
	at += canvas_put(canvas, 1, at, 24, STYLE_BOLD, host) + 1;
	/* Of the day only the time: the screen is narrow. */
	at += canvas_put(canvas, 1, at, 16, STYLE_PLAIN, strchr(time, 'T') ? strchr(time, 'T') + 1 : time) + 1;
	if (screen->top->frozen)
		at += canvas_put(canvas, 1, at, 8, STYLE_CHOSEN, " FROZEN ") + 1;
	if (*top_filter_text(screen->top))
		at += canvas_format(canvas, 1, at, canvas->columns - at, STYLE_WARNING, "filter: %s", top_filter_text(screen->top)) + 1;
	if (screen->page) {
		const struct top_page *page = &screen->pages[screen->page];
		at += canvas_format(canvas, 1, at, canvas->columns - at, STYLE_BOLD, "%s %s", page->view->name, page->subject.name) + 1;
	}
	shortcut_note(screen->top, note, sizeof note);
	if (*note && at < canvas->columns)
		canvas_put_right(canvas, 1, at, canvas->columns - at, STYLE_WARNING, note);
}

static void draw_bottom(struct top_screen *screen, struct canvas *canvas, const struct top_view *view)
{
	int row = canvas->rows - 1, columns = canvas->columns;

	if (screen->prompting) {
		int length = (int)strlen(screen->prompt), room = columns > 10 ? columns - 10 : 0;
		int from = length > room ? length - room : 0;
		canvas_format(canvas, row, 0, columns, STYLE_BOLD, "filter: %s", screen->prompt + from);
		canvas_style(canvas, row, 8 + length - from, 1, STYLE_CHOSEN);
	} else if (screen->message[0]) {
		canvas_put(canvas, row, 0, columns, STYLE_BAD, screen->message);
	} else {
		canvas_style(canvas, row, 0, columns, STYLE_BAR);
		canvas_format(canvas, row, 0, columns, STYLE_BAR, "%s%s%sq quit  ? help  f freeze  / filter%s", screen->page ? "Esc back  " : "",
		              view->keys ? view->keys : "", view->keys ? "  " : "", view->columns ? "  < > sort  r reverse" : "");
	}
}

/* Where what is selected stands now, and what is visible so that it is. */
static void follow_selection(struct top_screen *screen, const struct top_view *view, struct view_state *state, size_t body)
{
	size_t count = screen->order_count;

	if (!state->identity) {
		state->selected = 0;
	} else {
		for (size_t i = 0; i < count; i++) {
			if (view->identity(screen, screen->order[i].row) == state->identity) {
				state->selected = i;
				break;
			}
		}
	}
	if (state->selected >= count)
		state->selected = count ? count - 1 : 0;
	if (state->first > state->selected)
		state->first = state->selected;
	if (body && state->selected >= state->first + body)
		state->first = state->selected - body + 1;
	if (state->first + body > count)
		state->first = count > body ? count - body : 0;
}

static void draw_text(struct top_screen *screen, struct canvas *canvas, const struct top_view *view, int row, int end)
{
	struct top_page *page = &screen->pages[screen->page];
	size_t line_number = 0, lines = 0;

	text_clear(&screen->text);
	view->text(screen);
	for (const char *at = text_string(&screen->text); *at; at++)
		lines += *at == '\n';
	size_t room = end > row ? (size_t)(end - row) : 0;
	if (page->first + room > lines)
		page->first = lines > room ? lines - room : 0;
	for (const char *line = text_string(&screen->text); *line && row < end; line_number++) {
		size_t length = strcspn(line, "\n");
		if (line_number >= page->first)
			canvas_format(canvas, row++, 0, canvas->columns, STYLE_PLAIN, "%.*s", (int)length, line);
		line += length + (line[length] == '\n');
	}
	screen->rows_shown = room;
}

void screen_draw(struct top_screen *screen, struct canvas *canvas)
{
	const struct top_view *view = screen_view(screen);
	struct view_state *state = screen_state(screen);
	int row = CONTENT_ROW, end = canvas->rows - 1;

	draw_tabs(screen, canvas);
	draw_information(screen, canvas);
	if (view->lack != TOP_LACKS && end > row + 6) {
		end -= canvas_wrap(canvas, -1, STYLE_WARNING, screen->top->lack[view->lack]);
		canvas_wrap(canvas, end, STYLE_WARNING, screen->top->lack[view->lack]);
	}
	if (view->head && end > row)
		row += view->head(screen, canvas, row, end - row);
	screen->order_count = 0;
	if (view->columns && end > row) {
		screen->rows_shown = (size_t)(end - row - 1);
		if (screen_sort(screen, view, state->sort, state->descending))
			snprintf(screen->message, sizeof screen->message, "no memory to sort");
		follow_selection(screen, view, state, screen->rows_shown);
		screen_table(screen, canvas, view, row, end - row, state->sort, state->descending, state->first, state->selected);
	}
	if (view->text)
		draw_text(screen, canvas, view, row, end);
	draw_bottom(screen, canvas, view);
}

/* ---- keys ---- */

static void select_row(struct top_screen *screen, size_t selected)
{
	const struct top_view *view = screen_view(screen);
	struct view_state *state = screen_state(screen);

	if (!screen->order_count)
		return;
	state->selected = selected < screen->order_count ? selected : screen->order_count - 1;
	/* The first row is whatever stands first, so that one who looks at the top of the list goes on seeing it. */
	state->identity = state->selected ? view->identity(screen, screen->order[state->selected].row) : 0;
}

static size_t moved(size_t from, int key, size_t page, size_t last)
{
	switch (key) {
	case TOP_KEY_UP:
	case 'k': return from ? from - 1 : 0;
	case TOP_KEY_DOWN:
	case 'j': return from + 1;
	case TOP_KEY_PAGE_UP: return from > page ? from - page : 0;
	case TOP_KEY_PAGE_DOWN: return from + page;
	case TOP_KEY_HOME: return 0;
	default: return last;
	}
}

static bool press_move(struct top_screen *screen, int key)
{
	const struct top_view *view = screen_view(screen);
	struct top_page *page = &screen->pages[screen->page];

	if (key != TOP_KEY_UP && key != TOP_KEY_DOWN && key != 'k' && key != 'j' && key != TOP_KEY_PAGE_UP && key != TOP_KEY_PAGE_DOWN &&
	    key != TOP_KEY_HOME && key != TOP_KEY_END)
		return false;
	if (view->columns)
		select_row(screen, moved(screen_state(screen)->selected, key, screen->rows_shown, screen->order_count));
	else if (view->text)
		page->first = moved(page->first, key, screen->rows_shown, SIZE_MAX / 2);
	return true;
}

static bool press_sort(struct top_screen *screen, int key)
{
	const struct top_view *view = screen_view(screen);
	struct view_state *state = screen_state(screen);
	uint8_t count = 0;

	if (!view->columns || !strchr("s<>r", key > 0 && key < 127 ? key : 1))
		return false;
	while (view->columns[count].title)
		count++;
	if (key == 'r') {
		state->descending = !state->descending;
		return true;
	}
	state->sort = (uint8_t)((state->sort + (key == '<' ? count - 1 : 1)) % count);
	state->descending = !view->columns[state->sort].ascending;
	return true;
}

static bool press_view(struct top_screen *screen, int key)
{
	size_t place = place_of(screen->pages[0].view), count = 0;

	while (top_views[count] && top_views[count]->title) {
		if (top_views[count]->key == key) {
			screen_show(screen, top_views[count]);
			return true;
		}
		count++;
	}
	if (key != '\t' && key != TOP_KEY_BACK_TAB)
		return false;
	screen_show(screen, top_views[(place + (key == '\t' ? 1 : count - 1)) % count]);
	return true;
}

static void apply_filter(struct top_screen *screen, const char *expression)
{
	struct weir_fault fault;

	if (top_filter_set(screen->top, expression, &fault))
		snprintf(screen->message, sizeof screen->message, "%.390s", fault.message);
}

static void press_prompt(struct top_screen *screen, int key)
{
	size_t length = strlen(screen->prompt);

	if (key == TOP_KEY_ENTER || key == '\r') {
		screen->prompting = false;
		apply_filter(screen, screen->prompt);
	} else if (key == TOP_KEY_ESCAPE) {
		screen->prompting = false;
	} else if (key == TOP_KEY_BACKSPACE && length) {
		screen->prompt[length - 1] = 0;
	} else if (key == 'U' - '@') {
		screen->prompt[0] = 0;
	} else if (key >= ' ' && key < 0x7f && length + 1 < sizeof screen->prompt) {
		screen->prompt[length] = (char)key;
		screen->prompt[length + 1] = 0;
	}
}

static void press_enter(struct top_screen *screen)
{
	const struct top_view *view = screen_view(screen);
	size_t selected = screen_state(screen)->selected;

	if (view->enter && selected < screen->order_count && !view->enter(screen, screen->order[selected].row))
		snprintf(screen->message, sizeof screen->message, "there is nothing more to see of it");
}

static void press_freeze(struct top_screen *screen)
{
	struct weir_fault fault;

	if (top_freeze(screen->top, !screen->top->frozen, &fault))
		snprintf(screen->message, sizeof screen->message, "%.390s", fault.message);
}

void screen_press(struct top_screen *screen, int key)
{
	const struct top_view *view = screen_view(screen);

	if (key == KEY_NOTHING || key == TOP_KEY_RESIZE)
		return;
	screen->message[0] = 0;
	if (screen->prompting) {
		press_prompt(screen, key);
		return;
	}
	if ((view->press && view->press(screen, key)) || press_move(screen, key) || press_sort(screen, key) || press_view(screen, key))
		return;
	switch (key) {
	case 'q': screen->quit = true; return;
	case '?':
	case 'h':
		if (view != &help_view)
			screen_enter(screen, &help_view, NULL);
		return;
	case '/':
		screen->prompting = true;
		snprintf(screen->prompt, sizeof screen->prompt, "%s", top_filter_text(screen->top));
		return;
	case '\\': apply_filter(screen, ""); return;
	case ' ':
	case 'f': press_freeze(screen); return;
	case TOP_KEY_ENTER:
	case '\r': press_enter(screen); return;
	case TOP_KEY_ESCAPE:
	case TOP_KEY_LEFT:
	case TOP_KEY_BACKSPACE: go_back(screen); return;
	default: return;
	}
}
