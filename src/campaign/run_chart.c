#include "campaign/run_chart.h"

#include <math.h>

#define WIDTH 1000.0
#define HEIGHT 260.0
#define LEFT 64.0
#define BOTTOM 24.0
#define TOP 10.0
#define PLOT_WIDTH (WIDTH - LEFT - 8)
#define PLOT_HEIGHT (HEIGHT - BOTTOM - TOP)

struct axes {
	int64_t from_ns;
	double span_ns, most; /* bits per second at the top */
};

static double x_of(const struct axes *axes, int64_t time_ns)
{
	double part = ((double)time_ns - (double)axes->from_ns) / axes->span_ns;

	return LEFT + PLOT_WIDTH * (part < 0 ? 0 : part > 1 ? 1 : part);
}

static double y_of(const struct axes *axes, double rate)
{
	return TOP + PLOT_HEIGHT * (1 - rate / axes->most);
}

/* The next of 1, 2, 5 × 10^n that is not less. */
static double round_up(double value)
{
	double unit = pow(10, floor(log10(value > 1 ? value : 1)));

	return value <= unit ? unit : value <= 2 * unit ? 2 * unit : value <= 5 * unit ? 5 * unit : 10 * unit;
}

static void put_rates(struct text *out, const struct axes *axes)
{
	for (int i = 0; i <= 4; i++) {
		double rate = axes->most * i / 4, y = y_of(axes, rate);
		const char *unit = axes->most >= 1e9 ? "Gbit/s" : axes->most >= 1e6 ? "Mbit/s" : axes->most >= 1e3 ? "kbit/s" : "bit/s";
		double scale = axes->most >= 1e9 ? 1e9 : axes->most >= 1e6 ? 1e6 : axes->most >= 1e3 ? 1e3 : 1;
		text_add_format(out, "<line class=grid x1=%.0f x2=%.0f y1=%.1f y2=%.1f /><text x=%.0f y=%.1f text-anchor=end>%g %s</text>", LEFT,
		                LEFT + PLOT_WIDTH, y, y, LEFT - 6, y + 4, rate / scale, unit);
	}
}

static void put_times(struct text *out, const struct axes *axes)
{
	bool days = axes->span_ns > 2 * 86400e9, seconds = axes->span_ns < 600e9;

	for (int i = 0; i <= 5; i++) {
		double after_ns = axes->span_ns * i / 5;
		int64_t time_ns;
		/* Damaged times may be as far apart as there are any. */
		if (__builtin_add_overflow(axes->from_ns, after_ns < 9.2e18 ? (int64_t)after_ns : INT64_MAX, &time_ns))
			time_ns = INT64_MAX;
		char text[FORMAT_SIZE];
		format_time(time_ns, false, 0, text); /* 2026-11-23T10:00:00Z */
		int first = days ? 5 : 11, length = days ? 11 : seconds ? 8 : 5;
		text_add_format(out, "<text x=%.1f y=%.0f text-anchor=%s>%.*s</text>", x_of(axes, time_ns), HEIGHT - 6,
		                i == 0 ? "start" : i == 5 ? "end" : "middle", length, text + first);
	}
}

void chart_traffic(struct text *out, const struct run_tally *tally, const struct chart_gap *gaps, size_t gap_count)
{
	size_t used = TALLY_BUCKETS;
	double most = 0, width_s = (double)tally->bucket_ns / 1e9;

	while (used && !tally->buckets[used - 1].packets)
		used--;
	if (!used) {
		text_add(out, "<p class=none>There were no packets.</p>\n");
		return;
	}
	for (size_t i = 0; i < used; i++)
		if ((double)tally->buckets[i].wire_bytes > most)
			most = (double)tally->buckets[i].wire_bytes;
	struct axes axes = {tally->base_ns, (double)used * (double)tally->bucket_ns, round_up(most * 8 / width_s)};
	text_add_format(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=img aria-label=\"traffic over time\">", WIDTH, HEIGHT);
	put_rates(out, &axes);
	text_add_format(out, "<path class=area d=\"M%.1f %.1f", LEFT, y_of(&axes, 0));
	for (size_t i = 0; i < used; i++) {
		double y = y_of(&axes, (double)tally->buckets[i].wire_bytes * 8 / width_s);
		double x = LEFT + PLOT_WIDTH * (double)i / (double)used, next = LEFT + PLOT_WIDTH * (double)(i + 1) / (double)used;
		text_add_format(out, "L%.2f %.1fL%.2f %.1f", x, y, next, y);
	}
	text_add_format(out, "L%.1f %.1fZ\"/>", LEFT + PLOT_WIDTH, y_of(&axes, 0));
	for (size_t i = 0; i < gap_count; i++) {
		double from = x_of(&axes, gaps[i].from_ns), to = x_of(&axes, gaps[i].to_ns);
		text_add_format(out, "<rect class=gap x=%.2f y=%.0f width=%.2f height=%.0f />", from, TOP, to - from > 1.5 ? to - from : 1.5, PLOT_HEIGHT);
	}
	put_times(out, &axes);
	text_add(out, "</svg>\n");
	if (gap_count)
		text_add(out, "<p class=sub>Red: packets are known to be missing.</p>\n");
}
