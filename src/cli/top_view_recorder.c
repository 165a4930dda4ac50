/* How recordings into the campaign go: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"

enum { R_NODE, R_INTERFACE, R_STATE, R_PACKET_RATE, R_BIT_RATE, R_RECEIVED, R_ARCHIVED, R_LOST, R_SHED, R_WRITTEN, R_BACKLOG, R_SEGMENTS, R_LEVEL };

static const struct top_column columns[] = {
	[R_NODE] = {"node", "node", 10, false, true, 2},
	[R_INTERFACE] = {"interface", "interface", 0, false, true, 0},
	[R_STATE] = {"state", "state", 9, false, true, 0},
	[R_PACKET_RATE] = {"pkts/s", "packet_rate", 7, true, false, 0},
	[R_BIT_RATE] = {"bit/s", "bit_rate", 7, true, false, 0},
	[R_RECEIVED] = {"received", "received", 11, true, false, 1},
	[R_ARCHIVED] = {"archived", "archived", 11, true, false, 3},
	[R_LOST] = {"lost", "lost", 7, true, false, 0},
	[R_SHED] = {"shed", "shed", 7, true, false, 0},
	[R_WRITTEN] = {"written", "written_bytes", 7, true, false, 0},
	[R_BACKLOG] = {"backlog", "backlog_bytes", 7, true, false, 0},
	[R_SEGMENTS] = {"segments", "segments", 8, true, false, 4},
	[R_LEVEL] = {"level", "level", 5, true, false, 5},
	{0},
};

static size_t rows(struct top_screen *screen)
{
	size_t count = 0;

	for (size_t i = 0; i < screen->top->recorder_count; i++)
		count += screen->top->recorder[i].lane_count;
	return count;
}

/* A row is a ring of one of the recordings. */
static const struct recorder_lane_status *lane_at(const struct top *top, size_t row, const struct recorder_status **recorder)
{
	size_t i = 0;

	while (row >= top->recorder[i].lane_count)
		row -= top->recorder[i++].lane_count;
	*recorder = &top->recorder[i];
	return &top->recorder[i].lanes[row];
}

static const char *state_of(const struct recorder_status *recorder, const struct recorder_lane_status *lane)
{
	return !recorder->alive  ? "dead"
	       : lane->ended     ? "ended"
	       : lane->disk_full ? "DISK FULL"
	       : lane->link_down ? "link down"
	                         : "recording";
}

static void cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct recorder_status *recorder;
	const struct recorder_lane_status *lane = lane_at(screen->top, row, &recorder);
	uint64_t lost = lane->ring_lost + lane->card_lost;

	switch (column) {
	case R_NODE: value_text(value, recorder->node); break;
	case R_INTERFACE: value_text(value, lane->interface); break;
	case R_STATE:
		value_text(value, state_of(recorder, lane));
		value->style = strcmp(value->text, "recording") == 0 ? STYLE_GOOD : STYLE_BAD;
		break;
	case R_PACKET_RATE: value_rate(value, lane->packet_rate); break;
	case R_BIT_RATE: value_rate(value, lane->bit_rate); break;
	case R_RECEIVED: value_count(value, lane->received); break;
	case R_ARCHIVED: value_count(value, lane->archived); break;
	case R_LOST:
		value_count(value, lost);
		value->style = lost ? STYLE_BAD : STYLE_PLAIN;
		break;
	case R_SHED:
		value_count(value, lane->shed);
		value->style = lane->shed ? STYLE_BAD : STYLE_PLAIN;
		break;
	case R_WRITTEN: value_size(value, (double)lane->written_bytes); break;
	case R_BACKLOG: value_size(value, (double)lane->backlog_bytes); break;
	case R_SEGMENTS: value_count(value, lane->segments); break;
	case R_LEVEL: value_number(value, (double)lane->level, "%" PRId64, lane->level); break;
	}
}

static uint64_t identity(struct top_screen *screen, size_t row) { return row + 1; }

static int head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	const struct top *top = screen->top;
	int used = 0;

	if (top->options.campaign && !top->recorder_count && !top->lack[TOP_LACK_RECORDER][0])
		canvas_format(canvas, row + used++, 0, canvas->columns, STYLE_PLAIN, "nobody records into %s", top->options.campaign);
	for (size_t i = 0; i < top->recorder_count && used < height / 2; i++) {
		const struct recorder_status *recorder = &top->recorder[i];
		char left[FORMAT_SIZE], since[FORMAT_SIZE];
		int64_t late = top->now_ns - recorder->time_ns;
		int at = canvas_format(canvas, row + used, 0, canvas->columns, STYLE_BOLD, "weir %s  pid %" PRIu32 "  node %s", recorder->command,
		                       recorder->pid, recorder->node);
		at += 2 + canvas_format(canvas, row + used, at + 2, canvas->columns, STYLE_PLAIN, "since %s  %s left on disk",
		                        format_time(recorder->started_ns, screen->local, 0, since), format_size(recorder->disk_left_bytes, left));
		if (!recorder->alive)
			canvas_put(canvas, row + used, at + 2, canvas->columns, STYLE_BAD, "it died");
		else if (late > INT64_C(5000000000))
			canvas_format(canvas, row + used, at + 2, canvas->columns, STYLE_BAD, "silent for %.0f s", (double)late / 1e9);
		used++;
	}
	return used;
}

static void recordings_json(struct top_screen *screen, struct json *json)
{
	json_key(json, "recordings");
	json_array(json);
	for (size_t i = 0; i < screen->top->recorder_count; i++) {
		const struct recorder_status *recorder = &screen->top->recorder[i];
		json_object(json);
		json_put_string(json, "node", recorder->node);
		json_put_string(json, "command", recorder->command);
		json_put_unsigned(json, "pid", recorder->pid);
		json_put_bool(json, "alive", recorder->alive);
		json_put_signed(json, "started_ns", recorder->started_ns);
		json_put_signed(json, "time_ns", recorder->time_ns);
		json_put_unsigned(json, "disk_left_bytes", recorder->disk_left_bytes);
		json_put_unsigned(json, "segments_deleted", recorder->segments_deleted);
		json_end_object(json);
	}
	json_end_array(json);
}

const struct top_view recorder_view = {
	.name = "recorder",
	.title = "Record",
	.key = '9',
	.lack = TOP_LACK_RECORDER,
	.sort = R_NODE,
	.columns = columns,
	.rows = rows,
	.cell = cell,
	.identity = identity,
	.head = head,
	.json = recordings_json,
};
