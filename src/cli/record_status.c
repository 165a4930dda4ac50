/* How a recording goes: a line a second, and the summary at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#include "cli/recorder.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/terminal.h"
#include "core/text.h"

void record_sum(const struct recorder *recorder, struct record_sums *sums)
{
	*sums = (struct record_sums){0};
	for (size_t i = 0; i < recorder->lane_count; i++) {
		const struct lane *lane = &recorder->lanes[i];
		sums->received += lane->live.received;
		sums->ring_dropped += lane->live.ring_dropped;
		sums->card_dropped += lane->first ? lane->live.nic_dropped : 0;
		sums->packets += lane->archive.packets;
		sums->captured_bytes += lane->archive.captured_bytes;
		sums->wire_bytes += lane->archive.wire_bytes;
		sums->shed += lane->archive.shed_packets + lane->shed;
		sums->withheld += lane->withheld;
		sums->written_bytes += lane->archive.written_bytes;
		sums->segments += lane->archive.segments;
		sums->disk_full |= lane->archive.disk_full;
		sums->down |= lane->live.down;
	}
}

static uint64_t disk_left(const struct recorder *recorder)
{
	struct statvfs status;
	return statvfs(weir_campaign_path(recorder->campaign), &status) ? 0 : (uint64_t)status.f_bavail * status.f_frsize;
}

static void print_json(struct text *text)
{
	text_add_char(text, '\n');
	fputs(text_string(text), stdout);
	fflush(stdout);
	text_free(text);
}

static void put_losses(struct json *json, uint64_t ring, uint64_t card, uint64_t shed)
{
	json_key(json, "lost");
	json_object(json);
	json_put_unsigned(json, "ring", ring);
	json_put_unsigned(json, "nic", card);
	json_put_unsigned(json, "shed", shed);
	json_end_object(json);
}

static void status_json(const struct recorder *recorder, const struct record_sums *sums, double packet_rate,
                        double bit_rate)
{
	struct text text = {0};
	struct json json = json_into(&text);
	char time[FORMAT_SIZE];
	json_object(&json);
	json_put_string(&json, "time", format_time(clock_wall_ns(), false, 3, time));
	json_put_unsigned(&json, "received", sums->received);
	json_put_unsigned(&json, "packets", sums->packets);
	json_put_double(&json, "packets_per_second", packet_rate);
	json_put_double(&json, "bits_per_second", bit_rate);
	json_put_unsigned(&json, "written_bytes", sums->written_bytes);
	put_losses(&json, sums->ring_dropped, sums->card_dropped, sums->shed);
	json_put_unsigned(&json, "segments", sums->segments);
	json_put_unsigned(&json, "disk_left_bytes", disk_left(recorder));
	json_put_bool(&json, "disk_full", sums->disk_full);
	json_put_bool(&json, "link_down", sums->down);
	json_end_object(&json);
	print_json(&text);
}

static void status_line(const struct recorder *recorder, const struct record_sums *sums, double packet_rate,
                        double bit_rate)
{
	char rate[FORMAT_SIZE], bits[FORMAT_SIZE], packets[FORMAT_SIZE], written[FORMAT_SIZE], lost[FORMAT_SIZE],
		left[FORMAT_SIZE];
	struct text text = {0};
	struct winsize window = {0};
	uint64_t all_lost = sums->ring_dropped + sums->card_dropped + sums->shed;
	text_add_format(&text, "%s packets/s  %sbit/s  %s packets  %s written  ", format_rate(packet_rate, rate),
	                format_rate(bit_rate, bits), format_count(sums->packets, packets),
	                format_size(sums->written_bytes, written));
	text_add_format(&text, "%s lost  %llu segment%s  %s left", format_count(all_lost, lost),
	                (unsigned long long)sums->segments, sums->segments == 1 ? "" : "s",
	                format_size(disk_left(recorder), left));
	if (sums->disk_full)
		text_add(&text, "  DISK FULL");
	if (sums->down)
		text_add(&text, "  an interface is down");
	size_t width = text.length;
	if (ioctl(2, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 && width > (size_t)window.ws_col - 1)
		width = (size_t)window.ws_col - 1;
	bool colour = terminal_colour(stderr) && all_lost;
	fprintf(stderr, "\r%s%.*s%s\033[K", colour ? "\033[33m" : "", (int)width, text_string(&text),
	        colour ? "\033[0m" : "");
	fflush(stderr);
	text_free(&text);
}

void record_status(const struct recorder *recorder, const struct record_sums *before, int64_t elapsed_ns)
{
	bool terminal = terminal_is(stderr) && !recorder->options->quiet;
	if (!recorder->options->json && !terminal)
		return;
	struct record_sums sums;
	record_sum(recorder, &sums);
	double seconds = (double)elapsed_ns / 1e9;
	double packet_rate = (double)(sums.received - before->received) / seconds;
	double bit_rate = (double)(sums.wire_bytes - before->wire_bytes) * 8 / seconds;
	if (recorder->options->json)
		status_json(recorder, &sums, packet_rate, bit_rate);
	else
		status_line(recorder, &sums, packet_rate, bit_rate);
}

void record_status_clear(const struct recorder *recorder)
{
	if (!recorder->options->json && !recorder->options->quiet && terminal_is(stderr))
		fputs("\r\033[K", stderr);
}

/* Packets that were received and are neither archived nor counted as lost: beyond --count. */
static uint64_t beyond(const struct lane *lane)
{
	uint64_t known = lane->live.ring_dropped + lane->archive.packets + lane->archive.shed_packets + lane->shed + lane->withheld;
	return lane->live.received > known ? lane->live.received - known : 0;
}

static void summary_json(const struct recorder *recorder)
{
	struct text text = {0};
	struct json json = json_into(&text);
	json_object(&json);
	json_key(&json, "summary");
	json_array(&json);
	for (size_t i = 0; i < recorder->lane_count; i++) {
		const struct lane *lane = &recorder->lanes[i];
		json_object(&json);
		json_put_string(&json, "interface", lane->vantage);
		json_put_unsigned(&json, "received", lane->live.received);
		json_put_unsigned(&json, "archived", lane->archive.packets);
		put_losses(&json, lane->live.ring_dropped, lane->first ? lane->live.nic_dropped : 0,
		           lane->archive.shed_packets + lane->shed);
		json_put_unsigned(&json, "withheld", lane->withheld);
		json_put_unsigned(&json, "not_wanted", beyond(lane));
		json_put_unsigned(&json, "captured_bytes", lane->archive.captured_bytes);
		json_put_unsigned(&json, "wire_bytes", lane->archive.wire_bytes);
		json_put_unsigned(&json, "written_bytes", lane->archive.written_bytes);
		json_put_unsigned(&json, "segments", lane->archive.segments);
		json_put_string(&json, "timestamps", lane->live.timestamps);
		json_put_string(&json, "backend", lane->live.backend);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_put_double(&json, "seconds", (double)(clock_monotonic_ns() - recorder->started_ns) / 1e9);
	json_put_unsigned(&json, "segments_deleted", recorder->deleted);
	json_end_object(&json);
	print_json(&text);
}

static void count_cell(struct table *table, uint64_t count)
{
	char text[FORMAT_SIZE];
	table_cell(table, "%s", format_count(count, text));
}

void record_summary(const struct recorder *recorder)
{
	if (recorder->options->json) {
		summary_json(recorder);
		return;
	}
	static const char *const headings[] = {"interface", "received", "archived", "lost: ring", "card",
	                                       "shed",      "segments", "captured", "written"};
	struct table *table = table_new("lrrrrrrrr", headings);
	char text[FORMAT_SIZE];
	if (!table)
		return;
	for (size_t i = 0; i < recorder->lane_count; i++) {
		const struct lane *lane = &recorder->lanes[i];
		table_cell(table, "%s", lane->vantage);
		count_cell(table, lane->live.received);
		count_cell(table, lane->archive.packets);
		count_cell(table, lane->live.ring_dropped);
		count_cell(table, lane->first ? lane->live.nic_dropped : 0);
		count_cell(table, lane->archive.shed_packets + lane->shed);
		count_cell(table, lane->archive.segments);
		table_cell(table, "%s", format_size(lane->archive.captured_bytes, text));
		table_cell(table, "%s", format_size(lane->archive.written_bytes, text));
	}
	table_print(table, stdout);
	table_free(table);
	printf("%s, %s timestamps", format_duration(clock_monotonic_ns() - recorder->started_ns, text),
	       recorder->lanes[0].live.timestamps);
	if (recorder->deleted)
		printf(", %s old segments deleted", format_count(recorder->deleted, text));
	struct record_sums sums;
	record_sum(recorder, &sums);
	if (sums.withheld)
		printf(", %s packets not kept by policy", format_count(sums.withheld, text));
	putchar('\n');
	fflush(stdout);
}
