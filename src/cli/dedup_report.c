/* What weir dedup tells of the duplicates: cli/dedup_report.h. */
#include <inttypes.h>
#include <string.h>

#include "cli/dedup_report.h"
#include "core/json.h"
#include "core/terminal.h"
#include "core/text.h"

/* Duplicates for whose delay the answer is: not more than this in so many of a hundred. The buckets are powers of two. */
static int64_t delay_percentile(const struct weir_dedup_pair *pair, unsigned percent)
{
	uint64_t wanted = ((pair->exact + pair->routed) * percent + 99) / 100, seen = 0;
	unsigned i = 0;

	while (i < WEIR_DELAY_BUCKETS - 1 && (seen += pair->delays[i]) < wanted)
		i++;
	int64_t most = INT64_C(1) << i;
	return i == WEIR_DELAY_BUCKETS - 1 || most > pair->delay_max_ns ? pair->delay_max_ns : most;
}

static const char *delay_words(int64_t ns, char out[static FORMAT_SIZE])
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
	double value = (double)ns, size = value < 0 ? -value : value;
	unsigned i = 0;

	while (i < 3 && size < units[i].ns)
		i++;
	snprintf(out, FORMAT_SIZE, "%.3g %s", value / units[i].ns, units[i].unit);
	return out;
}

static const char *hops_words(const struct weir_dedup_pair *pair, char out[static FORMAT_SIZE])
{
	unsigned least = 8, most = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (!pair->hops[i])
			continue;
		least = least == 8 ? i : least;
		most = i;
	}
	if (least == 8)
		return "-";
	/* 7 stands for what is more, or less than none. */
	const char *end = most == 7 ? "other" : "";
	if (least == most)
		snprintf(out, FORMAT_SIZE, most == 7 ? "%s" : "%s%u", end, most);
	else
		snprintf(out, FORMAT_SIZE, most == 7 ? "%u, %s" : "%u-%s%u", least, end, most);
	return out;
}

/* Bytes from a file go to a terminal: nothing in them may drive that. */
static const char *vantage_words(const struct dedup_names *names, uint32_t id, char *out, size_t size)
{
	const struct weir_interface *interface = id < names->count ? names->interfaces[id] : NULL;

	if (id == UINT32_MAX)
		snprintf(out, size, "others");
	else if (interface && interface->name[0])
		snprintf(out, size, "%" PRIu32 " %s%s%s", id, interface->node, interface->node[0] ? ":" : "", interface->name);
	else if (interface && interface->node[0])
		snprintf(out, size, "%" PRIu32 " %s", id, interface->node);
	else
		snprintf(out, size, "%" PRIu32, id);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return out;
}

static void report_table(const struct weir_dedup_pair *pairs, size_t count, const struct dedup_names *names, FILE *out)
{
	static const char *const headings[] = {"FIRST SEEN AT", "THEN AT", "EXACT", "ROUTED", "BYTES", "DELAY 50 %", "95 %", "MOST", "HOPS"};
	struct table *table = table_new("llrrrrrrr", headings);
	char a[256], b[256], text[FORMAT_SIZE];

	for (size_t i = 0; table && i < count; i++) {
		const struct weir_dedup_pair *pair = &pairs[i];
		table_cell(table, "%s", vantage_words(names, pair->first, a, sizeof a));
		table_cell(table, "%s", vantage_words(names, pair->second, b, sizeof b));
		table_cell(table, "%s", format_count(pair->exact, text));
		table_cell(table, "%s", format_count(pair->routed, text));
		table_cell(table, "%s", format_size(pair->bytes, text));
		table_cell(table, "%s", delay_words(delay_percentile(pair, 50), text));
		table_cell(table, "%s", delay_words(delay_percentile(pair, 95), text));
		table_cell(table, "%s", delay_words(pair->delay_max_ns, text));
		table_cell(table, "%s", hops_words(pair, text));
	}
	if (table && count)
		table_print(table, out);
	table_free(table);
}

static void json_vantage(struct json *json, const char *key, const struct dedup_names *names, uint32_t id)
{
	const struct weir_interface *interface = id < names->count ? names->interfaces[id] : NULL;

	json_key(json, key);
	json_object(json);
	json_key(json, "id");
	id == UINT32_MAX ? json_null(json) : json_unsigned(json, id);
	json_put_string(json, "name", interface ? interface->name : "");
	json_put_string(json, "node", interface ? interface->node : "");
	json_end_object(json);
}

static void json_pair(struct json *json, const struct weir_dedup_pair *pair, const struct dedup_names *names)
{
	uint64_t all = pair->exact + pair->routed;
	unsigned last = 0;

	json_object(json);
	json_vantage(json, "first", names, pair->first);
	json_vantage(json, "second", names, pair->second);
	json_put_unsigned(json, "exact", pair->exact);
	json_put_unsigned(json, "routed", pair->routed);
	json_put_unsigned(json, "bytes", pair->bytes);
	json_put_signed(json, "delay_min_ns", pair->delay_min_ns);
	json_put_signed(json, "delay_max_ns", pair->delay_max_ns);
	json_put_signed(json, "delay_mean_ns", all ? pair->delay_sum_ns / (int64_t)all : 0);
	json_put_signed(json, "delay_50_ns", delay_percentile(pair, 50));
	json_put_signed(json, "delay_95_ns", delay_percentile(pair, 95));
	for (unsigned i = 0; i < WEIR_DELAY_BUCKETS; i++)
		last = pair->delays[i] ? i + 1 : last;
	json_key(json, "delays_below_power_of_2_ns");
	json_array(json);
	for (unsigned i = 0; i < last; i++)
		json_unsigned(json, pair->delays[i]);
	json_end_array(json);
	json_key(json, "hops");
	json_array(json);
	for (unsigned i = 0; i < 8; i++)
		json_unsigned(json, pair->hops[i]);
	json_end_array(json);
	json_end_object(json);
}

static void report_json(const struct weir_dedup_statistics *statistics, const struct weir_dedup_pair *pairs, size_t count, const struct dedup_names *names, FILE *out)
{
	struct text text = {0};
	struct json json = json_into(&text);

	json_object(&json);
	json_put_unsigned(&json, "packets", statistics->packets);
	json_put_unsigned(&json, "exact", statistics->exact);
	json_put_unsigned(&json, "routed", statistics->routed);
	json_put_unsigned(&json, "bytes", statistics->bytes);
	json_put_unsigned(&json, "forgotten", statistics->forgotten);
	json_key(&json, "pairs");
	json_array(&json);
	for (size_t i = 0; i < count; i++)
		json_pair(&json, &pairs[i], names);
	json_end_array(&json);
	json_end_object(&json);
	fprintf(out, "%s\n", text_string(&text));
	text_free(&text);
}

void dedup_report(const struct weir_stage *dedup, const struct dedup_names *names, bool json, FILE *out)
{
	struct weir_dedup_statistics statistics;
	char packets[FORMAT_SIZE], exact[FORMAT_SIZE], routed[FORMAT_SIZE], forgotten[FORMAT_SIZE];
	size_t count;

	weir_dedup_statistics(dedup, &statistics);
	const struct weir_dedup_pair *pairs = weir_dedup_pairs(dedup, &count);
	if (json)
		report_json(&statistics, pairs, count, names, out);
	else
		report_table(pairs, count, names, out);
	fflush(out);
	fprintf(stderr, "weir dedup: %s packets read, %s removed as exact duplicates, %s as routed ones\n", format_count(statistics.packets, packets),
	        format_count(statistics.exact, exact), format_count(statistics.routed, routed));
	if (statistics.forgotten)
		fprintf(stderr, "weir dedup: %s packets were forgotten before their time: allow more (--memory)\n",
		        format_count(statistics.forgotten, forgotten));
}
