/* All of it on one screen: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"

/* Parts of the overview: the first rows of other views, as they sort at first. */
static const struct {
	const struct top_view *view;
	uint8_t least; /* rows */
} parts[] = {
	{&interfaces_view, 2}, {&processes_view, 3}, {&flows_view, 3}, {&applications_view, 2}, {&drops_view, 2},
};
#define PARTS (sizeof parts / sizeof *parts)

static int sort_part(struct top_screen *screen, const struct top_view *view)
{
	return screen_sort(screen, view, view->sort, !view->columns[view->sort].ascending);
}

/* How many rows each part gets: its least, then in turn one more of what is left, never more than it has. */
static void share_rows(struct top_screen *screen, int height, int rows[static PARTS])
{
	int has[PARTS], used = 0;
	bool more = true;

	for (size_t i = 0; i < PARTS; i++) {
		has[i] = sort_part(screen, parts[i].view) ? 0 : (int)screen->order_count;
		rows[i] = has[i] < parts[i].least ? has[i] : parts[i].least;
		/* Its heading, if it has rows, and what it lacks. */
		used += rows[i] ? rows[i] + 1 : 0;
	}
	while (used < height && more) {
		more = false;
		for (size_t i = 0; i < PARTS && used < height; i++) {
			if (!rows[i] || rows[i] == has[i])
				continue;
			rows[i]++;
			used++;
			more = true;
		}
	}
}

/* What is missing and which right it takes, each once. Rows used; row < 0: they are only counted. */
static int lack_lines(const struct top *top, struct canvas *canvas, int row)
{
	int used = 0;

	for (int i = 0; i < TOP_LACKS; i++) {
		bool told = i == TOP_LACK_RECORDER || !top->lack[i][0];
		for (int k = 0; k < i; k++)
			told |= strcmp(top->lack[i], top->lack[k]) == 0;
		if (!told)
			used += canvas_wrap(canvas, row < 0 ? row : row + used, STYLE_WARNING, top->lack[i]);
	}
	return used;
}

/* What recordings do, in a line. */
static int recorder_line(struct top_screen *screen, struct canvas *canvas, int row)
{
	uint64_t lost = 0, backlog = 0, left = UINT64_MAX;
	double packets = 0, bits = 0;
	size_t alive = 0;
	char text[4][FORMAT_SIZE];

	for (size_t i = 0; i < screen->top->recorder_count; i++) {
		const struct recorder_status *recorder = &screen->top->recorder[i];
		alive += recorder->alive;
		if (recorder->alive && recorder->disk_left_bytes < left)
			left = recorder->disk_left_bytes;
		for (size_t k = 0; recorder->alive && k < recorder->lane_count; k++) {
			const struct recorder_lane_status *lane = &recorder->lanes[k];
			packets += lane->packet_rate;
			bits += lane->bit_rate;
			lost += lane->ring_lost + lane->card_lost + lane->shed;
			backlog += lane->backlog_bytes;
		}
	}
	if (!alive)
		return 0;
	canvas_format(canvas, row, 0, canvas->columns, lost ? STYLE_BAD : STYLE_GOOD,
	              "recording  %s packets/s  %sbit/s  %" PRIu64 " lost  backlog %s  %s left on disk", short_number(packets, 1000, text[0]),
	              short_number(bits, 1000, text[1]), lost, short_number((double)backlog, 1024, text[2]), format_size(left, text[3]));
	return 1;
}

static int head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	int at = row + system_lines(screen, canvas, row), end = row + height - lack_lines(screen->top, canvas, -1);
	int rows[PARTS];

	at += recorder_line(screen, canvas, at);
	share_rows(screen, end - at, rows);
	for (size_t i = 0; i < PARTS && at < end; i++) {
		const struct top_view *view = parts[i].view;
		if (!rows[i] || sort_part(screen, view))
			continue;
		int part = rows[i] + 1 < end - at ? rows[i] + 1 : end - at;
		at += screen_table(screen, canvas, view, at, part, view->sort, !view->columns[view->sort].ascending, 0, SIZE_MAX);
	}
	at += lack_lines(screen->top, canvas, at);
	return at - row;
}

static void overview_json(struct top_screen *screen, struct json *json)
{
	static const struct top_view *const shown[] = {&interfaces_view, &processes_view, &talkers_view, &flows_view, &applications_view,
	                                               &drops_view,      &system_view,    &recorder_view};

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		json_key(json, shown[i]->name);
		json_object(json);
		screen_json(screen, shown[i], json);
		json_end_object(json);
	}
}

const struct top_view overview_view = {
	.name = "overview",
	.title = "Overview",
	.key = '1',
	.lack = TOP_LACKS,
	.head = head,
	.json = overview_json,
};
