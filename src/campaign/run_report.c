/*
 * report.html: a run for people. One file without scripts and without anything from elsewhere. It says nothing that would be otherwise if the run were
 * made again.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "archive/gaps.h"
#include "campaign/run.h"
#include "file/sealed.h"
#include "campaign/run_chart.h"
#include "config.h"
#include "core/clock.h"
#include "os/files.h"

#define TOP 20
#define DAMAGES_SHOWN 200
#define LOSSES_SHOWN 500

struct report {
	struct run *run;
	struct text out;
	struct chart_gap *gaps; /* for the chart */
	size_t gap_count;
	struct text losses;     /* rows of the table, made while the gaps are read */
	uint64_t loss_count, lost_packets;
	bool lost_more;         /* of some losses it is not known how many packets */
};

static const char style[] =
	":root{--ink:#1c2733;--dim:#5b6b7b;--line:#dfe5ea;--paper:#fff;--tile:#f5f7f9;--bar:#2f7ea8;--bar2:#8fbdd3;--gap:#c8402f}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--dim:#93a1af;--line:#2c3742;--paper:#12181e;--tile:#1a222a;--bar:#4fa3cf;--bar2:#2a5d78;--gap:#e06a5a}}"
	"*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:2rem 1.5rem 4rem;background:var(--paper);color:var(--ink);"
	"font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
	"h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2.4rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}"
	"p.sub{color:var(--dim);margin:0 0 1.4rem;overflow-wrap:anywhere}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem}"
	".tile{background:var(--tile);border-radius:.5rem;padding:.7rem .9rem}.tile b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums}"
	".tile span{color:var(--dim);font-size:.85rem}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}"
	"th{text-align:left;color:var(--dim);font-weight:500;border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0}"
	"td{padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right}"
	"td.bar{width:26%}td.bar i{display:block;height:.75rem;border-radius:.2rem;background:var(--bar);min-width:1px;margin-top:.35rem}"
	"svg{width:100%;height:auto;display:block}svg text{fill:var(--dim);font-size:11px}.area{fill:var(--bar2);stroke:var(--bar);stroke-width:1}"
	".grid{stroke:var(--line)}.gap{fill:var(--gap);opacity:.35}.wide{overflow-x:auto}.none{color:var(--dim)}"
	"footer{margin-top:3rem;color:var(--dim);font-size:.85rem}"
	"@media print{body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}tr,svg,.tiles{break-inside:avoid}"
	":root{--ink:#000;--dim:#444;--line:#bbb;--paper:#fff;--tile:#f2f2f2}}";

static void escape(struct text *out, const char *string)
{
	for (const char *c = string; *c; c++)
		switch (*c) {
		case '<': text_add(out, "&lt;"); break;
		case '>': text_add(out, "&gt;"); break;
		case '&': text_add(out, "&amp;"); break;
		case '"': text_add(out, "&quot;"); break;
		default: text_add_char(out, (unsigned char)*c < 0x20 ? ' ' : *c);
		}
}

static void cell(struct text *out, const char *string)
{
	text_add(out, "<td>");
	escape(out, string);
	text_add(out, "</td>");
}

static void cell_count(struct text *out, uint64_t count)
{
	char text[FORMAT_SIZE];

	text_add_format(out, "<td class=n>%s</td>", format_count(count, text));
}

static void cell_size(struct text *out, uint64_t bytes)
{
	char text[FORMAT_SIZE];

	text_add_format(out, "<td class=n>%s</td>", format_size(bytes, text));
}

static void cell_time(struct text *out, int64_t ns)
{
	char text[FORMAT_SIZE];

	cell(out, ns == INT64_MIN || ns == INT64_MAX ? "" : format_time(ns, false, 3, text));
}

static void cell_share(struct text *out, uint64_t part, uint64_t whole)
{
	double share = whole ? (double)part / (double)whole * 100 : 0;

	text_add_format(out, "<td class=n>%.2f %%</td><td class=bar><i style=\"width:%.2f%%\"></i></td>", share, share);
}

static void tile(struct text *out, const char *what, const char *value)
{
	text_add_format(out, "<div class=tile><b>%s</b><span>%s</span></div>", value, what);
}

/* ---- gaps ---- */

static void add_gap(struct report *report, int64_t from_ns, int64_t to_ns)
{
	if ((report->gap_count & (report->gap_count - 1)) == 0) {
		struct chart_gap *more = realloc(report->gaps, (report->gap_count ? report->gap_count * 2 : 1) * sizeof *more);
		if (!more) {
			report->out.failed = true;
			return;
		}
		report->gaps = more;
	}
	report->gaps[report->gap_count++] = (struct chart_gap){from_ns, to_ns};
}

static void on_loss(void *context, const struct weir_loss *loss)
{
	struct report *report = context;
	struct text *rows = &report->losses;

	add_gap(report, loss->from_ns, loss->to_ns);
	if (loss->packets == WEIR_UNKNOWN_COUNT)
		report->lost_more = true;
	else
		report->lost_packets += loss->packets;
	if (report->loss_count++ >= LOSSES_SHOWN)
		return;
	text_add(rows, "<tr>");
	cell(rows, loss->node);
	cell(rows, loss->interface);
	cell(rows, weir_loss_name(loss->cause));
	cell_time(rows, loss->from_ns);
	cell_time(rows, loss->to_ns);
	if (loss->packets == WEIR_UNKNOWN_COUNT)
		text_add(rows, "<td class=n>not known</td>");
	else
		cell_count(rows, loss->packets);
	cell(rows, loss->detail);
	text_add(rows, "</tr>\n");
}

static int read_gaps(struct report *report, struct weir_fault *fault)
{
	const struct run *run = report->run;
	int error = 0;

	if (run->campaign)
		error = gaps_between(run->campaign, run->plan.from_ns, run->plan.to_ns, NULL, NULL, on_loss, report, fault);
	for (size_t i = 0; i < run->damage_count; i++)
		if (run->damages[i].before_ns != WEIR_NO_TIME && run->damages[i].after_ns != WEIR_NO_TIME)
			add_gap(report, run->damages[i].before_ns, run->damages[i].after_ns);
	return error;
}

/* ---- sections ---- */

static void put_head(struct report *report)
{
	struct text *out = &report->out;
	const struct run_tally *tally = report->run->tally;
	char a[FORMAT_SIZE], b[FORMAT_SIZE];
	int64_t span_ns;

	if (__builtin_sub_overflow(tally->last_ns, tally->first_ns, &span_ns))
		span_ns = INT64_MAX;
	text_add(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>weir: run</title><style>");
	text_add(out, style);
	text_add(out, "</style>\n<h1>What was on the network</h1><p class=sub>");
	if (report->run->plan.campaign)
		escape(out, report->run->plan.campaign);
	else
		text_add_format(out, "%zu file%s", report->run->plan.input_count, report->run->plan.input_count == 1 ? "" : "s");
	if (tally->packets)
		text_add_format(out, ", %s to %s (%s), UTC", format_time(tally->first_ns, false, 3, a), format_time(tally->last_ns, false, 3, b),
		                format_duration(span_ns, (char[FORMAT_SIZE]){0}));
	text_add(out, "</p>\n");
}

static void put_tiles(struct report *report)
{
	const struct run_tally *tally = report->run->tally;
	struct text *out = &report->out;
	char text[FORMAT_SIZE], share[FORMAT_SIZE + 16];

	text_add(out, "<div class=tiles>");
	tile(out, "packets read", format_count(tally->packets, text));
	tile(out, "on the wire", format_size(tally->wire_bytes, text));
	tile(out, "captured", format_size(tally->captured_bytes, text));
	tile(out, "packets kept", format_count(tally->kept, text));
	snprintf(share, sizeof share, "%.2f %%", tally->packets ? (double)tally->duplicates / (double)tally->packets * 100 : 0);
	tile(out, "duplicates removed", share);
	if (report->run->flow)
		tile(out, "flow records", format_count(tally->flows, text));
	format_count(report->lost_packets, text);
	snprintf(share, sizeof share, "%s%s", text, report->lost_more ? " and more" : "");
	tile(out, "packets known to be lost", share);
	tile(out, "damaged places", format_count(report->run->all_damages, text));
	text_add(out, "</div>\n");
}

static int by_bytes(const void *a, const void *b)
{
	const struct tally_name *x = a, *y = b;

	if (x->sum.wire_bytes != y->sum.wire_bytes)
		return x->sum.wire_bytes > y->sum.wire_bytes ? -1 : 1;
	int order = strcmp(x->name, y->name);
	return order ? order : strcmp(x->category, y->category);
}

static void put_sums(struct text *out, const struct tally_sum *sum, uint64_t all_bytes)
{
	cell_count(out, sum->flows);
	cell_count(out, sum->packets);
	cell_size(out, sum->wire_bytes);
	cell_share(out, sum->wire_bytes, all_bytes);
	text_add(out, "</tr>\n");
}

#define SUM_HEADINGS "<th class=n>flows<th class=n>packets<th class=n>bytes<th class=n>share<th></tr>\n"

static int put_names(struct report *report, uint64_t all_bytes, struct weir_fault *fault)
{
	const struct run_tally *tally = report->run->tally;
	struct text *out = &report->out;
	struct tally_name *names = malloc((tally->name_count + 1) * sizeof *names), *categories = calloc(tally->name_count + 1, sizeof *categories);
	uint32_t category_count = 0;

	if (!names || !categories) {
		free(names);
		free(categories);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the report");
	}
	memcpy(names, tally->names, tally->name_count * sizeof *names);
	qsort(names, tally->name_count, sizeof *names, by_bytes);
	for (uint32_t i = 0; i < tally->name_count; i++) {
		uint32_t k = 0;
		while (k < category_count && strcmp(categories[k].name, names[i].category) != 0)
			k++;
		if (k == category_count)
			snprintf(categories[category_count++].name, sizeof categories[0].name, "%s", names[i].category);
		categories[k].sum.flows += names[i].sum.flows;
		categories[k].sum.packets += names[i].sum.packets;
		categories[k].sum.wire_bytes += names[i].sum.wire_bytes;
	}
	qsort(categories, category_count, sizeof *categories, by_bytes);
	text_add(out, "<h2>Applications</h2><div class=wide><table><tr><th>application<th>category" SUM_HEADINGS);
	for (uint32_t i = 0; i < tally->name_count && i < 2 * TOP; i++) {
		text_add(out, "<tr>");
		cell(out, names[i].name);
		cell(out, names[i].category);
		put_sums(out, &names[i].sum, all_bytes);
	}
	text_add(out, "</table></div>\n<h2>Categories</h2><div class=wide><table><tr><th>category" SUM_HEADINGS);
	for (uint32_t i = 0; i < category_count; i++) {
		text_add(out, "<tr>");
		cell(out, categories[i].name[0] ? categories[i].name : "none");
		put_sums(out, &categories[i].sum, all_bytes);
	}
	text_add(out, "</table></div>\n");
	free(names);
	free(categories);
	return 0;
}

static const char *protocol_name(unsigned number, char text[static 16])
{
	static const struct {
		unsigned number;
		const char *name;
	} names[] = {{1, "ICMP"}, {2, "IGMP"}, {4, "IP in IP"}, {6, "TCP"}, {17, "UDP"}, {41, "IPv6 in IP"}, {47, "GRE"}, {50, "ESP"}, {51, "AH"},
	             {58, "ICMPv6"}, {88, "EIGRP"}, {89, "OSPF"}, {103, "PIM"}, {112, "VRRP"}, {115, "L2TP"}, {132, "SCTP"}, {136, "UDP-Lite"}};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(text, 16, "%u", number);
	return text;
}

static uint64_t put_protocols(struct report *report)
{
	const struct run_tally *tally = report->run->tally;
	struct tally_name rows[256] = {{{0}, {0}, {0, 0, 0}}};
	struct text *out = &report->out;
	uint64_t all_bytes = 0;
	size_t count = 0;

	for (unsigned i = 0; i < 256; i++) {
		char number[16];
		if (!tally->protocols[i].flows)
			continue;
		snprintf(rows[count].name, sizeof rows[count].name, "%s", protocol_name(i, number));
		rows[count++].sum = tally->protocols[i];
		all_bytes += tally->protocols[i].wire_bytes;
	}
	qsort(rows, count, sizeof rows[0], by_bytes);
	text_add(out, "<h2>Protocols</h2><div class=wide><table><tr><th>protocol" SUM_HEADINGS);
	for (size_t i = 0; i < count; i++) {
		text_add(out, "<tr>");
		cell(out, rows[i].name);
		put_sums(out, &rows[i].sum, all_bytes);
	}
	text_add(out, "</table></div>\n");
	return all_bytes;
}

static int by_traffic(const void *a, const void *b)
{
	const struct tally_host *x = *(const struct tally_host *const *)a, *y = *(const struct tally_host *const *)b;
	uint64_t x_bytes = x->sent_bytes + x->received_bytes, y_bytes = y->sent_bytes + y->received_bytes;

	if (x_bytes != y_bytes)
		return x_bytes > y_bytes ? -1 : 1;
	return memcmp(&x->address, &y->address, sizeof x->address);
}

static int put_hosts(struct report *report, uint64_t all_bytes, struct weir_fault *fault)
{
	const struct run_tally *tally = report->run->tally;
	struct text *out = &report->out;
	const struct tally_host **hosts = malloc((tally->host_count + 1) * sizeof *hosts);

	if (!hosts)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the report");
	for (uint32_t i = 0; i < tally->host_count; i++)
		hosts[i] = &tally->hosts[i];
	qsort(hosts, tally->host_count, sizeof *hosts, by_traffic);
	text_add_format(out, "<h2>Top talkers</h2><p class=sub>of %u hosts%s</p><div class=wide><table><tr><th>address<th class=n>flows<th class=n>packets sent"
	                     "<th class=n>bytes sent<th class=n>packets received<th class=n>bytes received<th class=n>share<th></tr>\n",
	                tally->host_count, tally->other_hosts.flows ? " that were counted one by one; there are more" : "");
	for (uint32_t i = 0; i < tally->host_count && i < TOP; i++) {
		char address[INET6_ADDRSTRLEN] = "";
		inet_ntop(hosts[i]->address.version == 4 ? AF_INET : AF_INET6, hosts[i]->address.bytes, address, sizeof address);
		text_add(out, "<tr>");
		cell(out, address);
		cell_count(out, hosts[i]->flows);
		cell_count(out, hosts[i]->sent_packets);
		cell_size(out, hosts[i]->sent_bytes);
		cell_count(out, hosts[i]->received_packets);
		cell_size(out, hosts[i]->received_bytes);
		cell_share(out, hosts[i]->sent_bytes + hosts[i]->received_bytes, all_bytes);
		text_add(out, "</tr>\n");
	}
	text_add(out, "</table></div>\n");
	free(hosts);
	return 0;
}

static void put_duplicates(struct report *report)
{
	struct text *out = &report->out;
	size_t count = 0;
	const struct weir_dedup_pair *pairs = report->run->dedup ? weir_dedup_pairs(report->run->dedup, &count) : NULL;

	if (!report->run->dedup)
		return;
	text_add(out, "<h2>Duplicates</h2>");
	if (!count) {
		text_add(out, "<p class=none>None were found.</p>\n");
		return;
	}
	text_add(out, "<div class=wide><table><tr><th>seen first at<th>and then at<th class=n>exact<th class=n>routed<th class=n>bytes<th class=n>delay, least"
	              "<th class=n>mean<th class=n>most</tr>\n");
	for (size_t i = 0; i < count; i++) {
		uint64_t all = pairs[i].exact + pairs[i].routed;
		text_add(out, "<tr>");
		cell(out, run_tally_vantage(report->run->tally, pairs[i].first));
		cell(out, run_tally_vantage(report->run->tally, pairs[i].second));
		cell_count(out, pairs[i].exact);
		cell_count(out, pairs[i].routed);
		cell_size(out, pairs[i].bytes);
		text_add_format(out, "<td class=n>%.1f µs<td class=n>%.1f µs<td class=n>%.1f µs</tr>\n", (double)pairs[i].delay_min_ns / 1e3,
		                all ? (double)pairs[i].delay_sum_ns / 1e3 / (double)all : 0, (double)pairs[i].delay_max_ns / 1e3);
	}
	text_add(out, "</table></div>\n");
}

static void put_clocks(struct report *report)
{
	const struct run *run = report->run;
	struct text *out = &report->out;

	if (!(run->plan.stages & WEIR_RUN_CLOCK))
		return;
	text_add(out, "<h2>Clocks</h2>");
	if (!run_clocks_correct(run)) {
		text_add(out, "<p class=none>No clock was corrected: there is one, or none shares packets with another.</p>\n");
		return;
	}
	text_add(out, "<div class=wide><table><tr><th>clock<th>estimated from<th class=n>shared packets<th class=n>drift<th class=n>times set<th class=n>correction at first<th class=n>at last<th class=n>uncertainty, at most</tr>\n");
	for (size_t i = 0; i < run->clock_count; i++) {
		const struct run_clock *clock = &run->clocks[i];
		int64_t uncertainty_ns = 0;
		if (!clock->count)
			continue;
		for (size_t k = 0; k < clock->count; k++)
			if (clock->knots[k].uncertainty_ns > uncertainty_ns)
				uncertainty_ns = clock->knots[k].uncertainty_ns;
		text_add(out, "<tr>");
		cell(out, clock->name);
		cell(out, clock->basis);
		cell_count(out, clock->shared);
		text_add_format(out, "<td class=n>%+.3f ppm</td>", clock->drift * 1e6);
		cell_count(out, clock->steps);
		text_add_format(out, "<td class=n>%.6f s<td class=n>%.6f s<td class=n>%.1f µs</tr>\n", (double)clock->knots[0].correction_ns / 1e9,
		                (double)clock->knots[clock->count - 1].correction_ns / 1e9, (double)uncertainty_ns / 1e3);
	}
	text_add(out, "</table></div>\n");
}

static void put_completeness(struct report *report)
{
	const struct run_tally *tally = report->run->tally;
	const struct run *run = report->run;
	struct text *out = &report->out;

	text_add(out, "<h2>Completeness</h2><div class=wide><table><tr><th>vantage point<th class=n>packets<th class=n>kept<th class=n>duplicates<th>first<th>last</tr>\n");
	for (uint32_t i = 0; i < tally->vantage_count; i++) {
		text_add(out, "<tr>");
		cell(out, tally->vantages[i].name);
		cell_count(out, tally->vantages[i].packets);
		cell_count(out, tally->vantages[i].kept);
		cell_count(out, tally->vantages[i].duplicates);
		cell_time(out, tally->vantages[i].first_ns);
		cell_time(out, tally->vantages[i].last_ns);
		text_add(out, "</tr>\n");
	}
	text_add(out, "</table></div>\n");
	if (report->loss_count) {
		text_add(out, "<div class=wide><table><tr><th>node<th>interface<th>lost by<th>from<th>to<th class=n>packets<th>detail</tr>\n");
		text_add_bytes(out, report->losses.data, report->losses.length);
		text_add(out, "</table></div>\n");
		if (report->loss_count > LOSSES_SHOWN)
			text_add_format(out, "<p class=none>and %llu more, in manifest.json</p>\n", (unsigned long long)(report->loss_count - LOSSES_SHOWN));
	} else if (run->campaign) {
		text_add(out, "<p class=none>The loss ledger has no entry for this time.</p>\n");
	}
	if (!run->damage_count)
		return;
	text_add(out, "<div class=wide><table><tr><th>damaged file<th class=n>from byte<th class=n>to byte<th>cause<th>between<th>and</tr>\n");
	for (size_t i = 0; i < run->damage_count && i < DAMAGES_SHOWN; i++) {
		text_add(out, "<tr>");
		cell(out, run->damages[i].file);
		cell_count(out, run->damages[i].from);
		cell_count(out, run->damages[i].to);
		cell(out, run->damages[i].cause);
		cell_time(out, run->damages[i].before_ns);
		cell_time(out, run->damages[i].after_ns);
		text_add(out, "</tr>\n");
	}
	text_add(out, "</table></div>\n");
	if (run->all_damages > DAMAGES_SHOWN)
		text_add_format(out, "<p class=none>and %llu more, in manifest.json</p>\n", (unsigned long long)(run->all_damages - DAMAGES_SHOWN));
}

static int put_report(struct report *report, struct weir_fault *fault)
{
	const struct run *run = report->run;
	int error = read_gaps(report, fault);

	if (error)
		return error;
	put_head(report);
	put_tiles(report);
	text_add(&report->out, "<h2>Traffic over time</h2>");
	chart_traffic(&report->out, run->tally, report->gaps, report->gap_count);
	if (run->flow) {
		uint64_t all_bytes = put_protocols(report);
		error = put_names(report, all_bytes, fault);
		if (!error)
			error = put_hosts(report, all_bytes, fault);
	}
	put_duplicates(report);
	put_clocks(report);
	put_completeness(report);
	text_add(&report->out, "<footer>weir " WEIR_VERSION ". What went in, how, and every hash: manifest.json beside this file.</footer></html>\n");
	if (!error && report->out.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the report");
	return error;
}

int run_report_write(struct run *run, struct weir_fault *fault)
{
	struct report report = {.run = run};
	char path[PATH_MAX];
	int error = put_report(&report, fault);

	if (!error && snprintf(path, sizeof path, "%s/report.html%s", run->folder, run->recipients ? SEALED_ENDING : "") >= (int)sizeof path)
		error = weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	if (!error)
		error = run->recipients ? sealed_write_file(path, run->recipients, report.out.data, report.out.length, fault)
		                        : os_write_file(path, report.out.data, report.out.length, fault);
	text_free(&report.out);
	text_free(&report.losses);
	free(report.gaps);
	return error;
}
