/* Disks with their write queues; CPU, memory and pressure above them: cli/top_view.h. */
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"

enum { S_DISK, S_WRITTEN, S_READ, S_WRITES, S_READS, S_QUEUE, S_FLIGHT, S_WAIT, S_BUSY };

static const struct top_column columns[] = {
	[S_DISK] = {"disk", "disk", 0, false, true, 0},
	[S_WRITTEN] = {"write B/s", "written_bytes_rate", 9, true, false, 0},
	[S_READ] = {"read B/s", "read_bytes_rate", 9, true, false, 0},
	[S_WRITES] = {"writes/s", "writes_rate", 8, true, false, 0},
	[S_READS] = {"reads/s", "reads_rate", 8, true, false, 0},
	[S_QUEUE] = {"queued", "write_queue", 7, true, false, 0},
	[S_FLIGHT] = {"in flight", "in_flight", 9, true, false, 1},
	[S_WAIT] = {"write ms", "write_wait_seconds", 8, true, false, 0},
	[S_BUSY] = {"busy", "busy_share", 5, true, false, 0},
	{0},
};

static size_t rows(struct top_screen *screen) { return counter_instances(screen->top, "disk"); }

/* How long a write took, on the average of the last interval. */
static void wait_cell(const struct top *top, const char *disk, struct top_value *value)
{
	bool known, waited;
	double writes = top_counter_rate(top, "disk", disk, "writes", &known);
	double time = top_counter_rate(top, "disk", disk, "write_time", &waited);

	if (known && waited && writes > 0)
		value_number(value, time / writes / 1e9, "%.2f", time / writes / 1e6);
}

/* How many writes there were at once, on the average of the last interval: the time of all of them by the time that went by. */
static void queue_cell(const struct top *top, const char *disk, struct top_value *value)
{
	bool known;
	double length = top_counter_rate(top, "disk", disk, "write_time", &known) / 1e9;

	if (known)
		value_number(value, length, "%.2f", length);
}

static void cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	struct top *top = screen->top;
	const char *disk = counter_instance(top, "disk", row);
	bool known;
	double busy;

	if (!disk)
		return;
	switch (column) {
	case S_DISK: value_text(value, disk); break;
	case S_WRITTEN: counter_rate_cell(top, "disk", disk, "written_bytes", value); break;
	case S_READ: counter_rate_cell(top, "disk", disk, "read_bytes", value); break;
	case S_WRITES: counter_rate_cell(top, "disk", disk, "writes", value); break;
	case S_READS: counter_rate_cell(top, "disk", disk, "reads", value); break;
	case S_QUEUE: queue_cell(top, disk, value); break;
	case S_FLIGHT: counter_value_cell(top, "disk", disk, "in_flight", value); break;
	case S_WAIT: wait_cell(top, disk, value); break;
	case S_BUSY:
		busy = top_counter_rate(top, "disk", disk, "busy_time", &known) / 1e9;
		if (known)
			value_number(value, busy, "%.0f%%", 100 * busy);
		break;
	}
}

static uint64_t identity(struct top_screen *screen, size_t row) { return counter_identity(counter_instance(screen->top, "disk", row)); }

/* ---- lines above ---- */

/* The share of time that the CPUs did something, by what it was: user time is that of lower priority too, and time in interrupts the kernel's. */
static int cpu_line(struct top_screen *screen, struct canvas *canvas, int row)
{
	static const struct {
		const char *counter, *too, *title;
	} kinds[] = {{"user", "nice", "user"}, {"system", "irq", "sys"}, {"softirq", NULL, "soft"}, {"iowait", NULL, "iowait"}, {"steal", NULL, "steal"}};
	const struct top *top = screen->top;
	bool known;
	double idle = top_counter_rate(top, "cpu", "all", "idle", &known), all = idle, part[5];

	if (!known)
		return 0;
	for (int i = 0; i < 5; i++) {
		part[i] = top_counter_rate(top, "cpu", "all", kinds[i].counter, &known);
		if (kinds[i].too)
			part[i] += top_counter_rate(top, "cpu", "all", kinds[i].too, &known);
		all += part[i];
	}
	double busy = all > 0 ? 1 - (idle + part[3]) / all : 0;
	int at = canvas_put(canvas, row, 0, 8, STYLE_BOLD, "cpu") + 1;
	canvas_meter(canvas, row, at, 16, busy > 0.9 ? STYLE_BAD : busy > 0.6 ? STYLE_WARNING : STYLE_GOOD, busy);
	at += 17;
	at += canvas_format(canvas, row, at, 8, STYLE_BOLD, "%3.0f%%", 100 * busy) + 1;
	for (int i = 0; i < 5; i++)
		at += canvas_format(canvas, row, at, canvas->columns - at, STYLE_PLAIN, "%s %.1f%%", kinds[i].title, all > 0 ? 100 * part[i] / all : 0) + 2;
	return 1;
}

static int memory_line(struct top_screen *screen, struct canvas *canvas, int row)
{
	static const char *const kinds[] = {"cpu", "io", "memory"};
	const struct top *top = screen->top;
	char text[2][FORMAT_SIZE];
	bool known, available_known;
	double all = top_counter_value(top, "memory", "", "MemTotal", &known);
	double available = top_counter_value(top, "memory", "", "MemAvailable", &available_known);
	int at = 0;

	if (known && available_known && all > 0) {
		double used = 1 - available / all;
		at += canvas_put(canvas, row, 0, 8, STYLE_BOLD, "mem") + 1;
		canvas_meter(canvas, row, at, 16, used > 0.95 ? STYLE_BAD : used > 0.8 ? STYLE_WARNING : STYLE_GOOD, used);
		at += 17;
		at += canvas_format(canvas, row, at, 30, STYLE_PLAIN, "%3.0f%%  %s of %s", 100 * used, short_number(all - available, 1024, text[0]),
		                    short_number(all, 1024, text[1])) +
		      2;
	}
	int begin = at;
	for (int i = 0; i < 3; i++) {
		char instance[16];
		snprintf(instance, sizeof instance, "%s.some", kinds[i]);
		double share = 100 * top_counter_value(top, "pressure", instance, "avg10", &known);
		if (!known)
			continue;
		if (at == begin)
			at += canvas_put(canvas, row, at, 10, STYLE_BOLD, "pressure") + 1;
		at += canvas_format(canvas, row, at, canvas->columns - at, share > 10 ? STYLE_BAD : STYLE_PLAIN, "%s %.0f%%", kinds[i], share) + 1;
	}
	return at > 0;
}

/* The disk that most is written to: how much, how many wait, how long. */
static int disk_line(struct top_screen *screen, struct canvas *canvas, int row)
{
	struct top *top = screen->top;
	double most = -1;
	const char *busiest = NULL;
	bool known;
	size_t count = counter_instances(top, "disk");

	for (size_t i = 0; i < count; i++) {
		const char *disk = counter_instance(top, "disk", i);
		double rate = top_counter_rate(top, "disk", disk, "written_bytes", &known);
		if (rate > most) {
			most = rate;
			busiest = disk;
		}
	}
	if (!busiest)
		return 0;
	struct top_value written = {.with_text = true}, queue = {.with_text = true}, wait = {.with_text = true};
	counter_rate_cell(top, "disk", busiest, "written_bytes", &written);
	queue_cell(top, busiest, &queue);
	wait_cell(top, busiest, &wait);
	int at = canvas_put(canvas, row, 0, 8, STYLE_BOLD, "disk") + 1;
	canvas_format(canvas, row, at, canvas->columns - at, STYLE_PLAIN, "%s  %s B/s written  %s queued  %s ms a write", busiest,
	              written.known ? written.text : "-", queue.known ? queue.text : "-", wait.known ? wait.text : "-");
	return 1;
}

int system_lines(struct top_screen *screen, struct canvas *canvas, int row)
{
	int used = cpu_line(screen, canvas, row);

	used += memory_line(screen, canvas, row + used);
	return used + disk_line(screen, canvas, row + used);
}

static int head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	int used = cpu_line(screen, canvas, row);

	used += memory_line(screen, canvas, row + used);
	return used ? used + 1 : 0;
}

const struct top_view system_view = {
	.name = "system",
	.title = "System",
	.key = '8',
	.lack = TOP_LACK_COUNTERS,
	.sort = S_WRITTEN,
	.columns = columns,
	.rows = rows,
	.cell = cell,
	.identity = identity,
	.head = head,
};
