/* Counters in Prometheus' text exposition format 0.0.4: cli/counters_print.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/counters_print.h"

struct metric {
	const struct counter *counter;
	char name[160];
};

/* "TCPFastRetrans" to "tcp_fast_retrans"; what is no letter or digit to "_", one at a time and none at the end. */
static void add_snake(char *out, size_t size, const char *name)
{
	size_t length = strlen(out);
	for (size_t i = 0; name[i] && length + 2 < size; i++) {
		unsigned char c = (unsigned char)name[i], before = i ? (unsigned char)name[i - 1] : 0;
		bool begins = isupper(c) && i && (islower(before) || isdigit(before) || (isupper(before) && islower((unsigned char)name[i + 1])));
		bool plain = c < 0x80 && isalnum(c);
		if ((begins || !plain) && length && out[length - 1] != '_')
			out[length++] = '_';
		if (plain)
			out[length++] = (char)tolower(c);
	}
	while (length && out[length - 1] == '_')
		length--;
	out[length] = '\0';
}

static void drop_end(char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);
	if (length > end_length && strcmp(name + length - end_length, end) == 0)
		name[length - end_length] = '\0';
}

static void name_metric(struct metric *metric)
{
	const struct counter *counter = metric->counter;
	size_t size = sizeof metric->name - 16; /* room for what is put behind it */
	strcpy(metric->name, "weir_");
	add_snake(metric->name, size, counter->group);
	strcat(metric->name, "_");
	add_snake(metric->name, size, counter->name);
	if (counter->unit == COUNTER_NANOSECONDS) {
		drop_end(metric->name, "_time");
		drop_end(metric->name, "_total");
		strcat(metric->name, "_seconds");
	} else if (counter->unit == COUNTER_BYTES) {
		drop_end(metric->name, "_octets");
		drop_end(metric->name, "_bytes");
		strcat(metric->name, "_bytes");
	} else if (counter->unit == COUNTER_RATIO) {
		strcat(metric->name, "_ratio");
	}
	/* The ending says that it is a counter: HugePages_Total is none. */
	drop_end(metric->name, "_total");
	if (counter->kind == COUNTER_TOTAL)
		strcat(metric->name, "_total");
}

static const struct {
	const char *group, *label;
} labels[] = {
	{"interface", "interface"}, {"driver", "interface"}, {"ring", "interface"},       {"softnet", "cpu"},     {"cpu", "cpu"},
	{"disk", "device"},         {"pressure", "kind"},    {"interrupt", "interrupt"}, {"softirq", "softirq"},
};

static const char *label_of(const struct counter *counter)
{
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
		if (strcmp(labels[i].group, counter->group) == 0)
			return labels[i].label;
	return "instance";
}

static bool is_exported(const struct counter *counter)
{
	if (!counter->there || strcmp(counter->instance, "all") == 0)
		return false;
	bool by_source = strcmp(counter->group, "interrupt") == 0 || strcmp(counter->group, "softirq") == 0;
	return !by_source || (strncmp(counter->instance, "cpu", 3) != 0 && !strstr(counter->instance, ".cpu"));
}

static int compare(const void *a, const void *b)
{
	const struct metric *one = a, *other = b;
	int order = strcmp(one->name, other->name);
	if (!order)
		order = strcmp(one->counter->instance, other->counter->instance);
	return order ? order : (one->counter > other->counter) - (one->counter < other->counter);
}

static void add_head(struct text *out, const struct metric *metric)
{
	const struct counter *counter = metric->counter;
	/* Meanings are ours, one line without a backslash; names may be a driver's. */
	text_add_format(out, "# HELP %s ", metric->name);
	if (*counter->meaning && !strpbrk(counter->meaning, "\\\n")) {
		text_add(out, counter->meaning);
	} else {
		text_add_format(out, "%s ", counter->group);
		for (const char *c = counter->name; *c; c++)
			text_add_char(out, *c > ' ' && *c < 0x7f && *c != '\\' ? *c : '?');
	}
	text_add_format(out, "\n# TYPE %s %s\n", metric->name, counter->kind == COUNTER_TOTAL ? "counter" : "gauge");
}

static void add_sample(struct text *out, const struct metric *metric)
{
	const struct counter *counter = metric->counter;
	text_add(out, metric->name);
	if (*counter->instance) {
		struct text value = {0};
		/* Also for a person who looks at it: an interface's name may hold what a terminal obeys. */
		text_add_shown(&value, counter->instance, strlen(counter->instance), false);
		text_add_format(out, "{%s=\"", label_of(counter));
		for (const char *c = text_string(&value); *c; c++) {
			if (*c == '\\' || *c == '"')
				text_add_char(out, '\\');
			if (*c == '\n')
				text_add(out, "\\n");
			else
				text_add_char(out, *c);
		}
		text_add(out, "\"}");
		text_free(&value);
	}
	if (counter->unit == COUNTER_RATIO)
		text_add_format(out, " %.6g\n", counter->value);
	else if (counter->value < 0)
		text_add_format(out, " %" PRId64 "\n", (int64_t)counter->whole);
	else if (counter->unit == COUNTER_NANOSECONDS)
		text_add_format(out, " %" PRIu64 ".%09" PRIu64 "\n", counter->whole / 1000000000, counter->whole % 1000000000);
	else
		text_add_format(out, " %" PRIu64 "\n", counter->whole);
}

int counters_prometheus(const struct counters *counters, struct text *out, struct weir_fault *fault)
{
	size_t count, used = 0;
	const struct counter *list = counters_list(counters, &count);
	struct metric *metrics = calloc(count + 1, sizeof *metrics);
	if (!metrics)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for %zu counters", count);
	for (size_t i = 0; i < count; i++) {
		if (!is_exported(&list[i]))
			continue;
		metrics[used].counter = &list[i];
		name_metric(&metrics[used++]);
	}
	/* All samples of a metric have to stand together; and two names that become one here may not have the same labels: the first stays. */
	qsort(metrics, used, sizeof *metrics, compare);
	for (size_t i = 0; i < used; i++) {
		bool same = i && strcmp(metrics[i].name, metrics[i - 1].name) == 0;
		if (same && strcmp(metrics[i].counter->instance, metrics[i - 1].counter->instance) == 0)
			continue;
		if (!same)
			add_head(out, &metrics[i]);
		add_sample(out, &metrics[i]);
	}
	free(metrics);
	return out->failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for %zu counters", count) : 0;
}
