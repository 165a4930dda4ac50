/*
 * The few counters that weir top shows, from /proc: interfaces, disks, CPU, memory, pressure (box/counters.h).
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box/counters.h"
#include "core/clock.h"

#define COUNTERS_MOST 8192
#define NAME_MOST 63
#define FILE_MOST (1u << 20)

struct entry {
	char instance[NAME_MOST + 1], name[NAME_MOST + 1];
	double before;
	int64_t looked_ns; /* 0: not yet, or it was away */
	uint64_t look;
	float history[COUNTERS_HISTORY];
	uint16_t first, count;
};

struct counters {
	char **patterns;
	size_t pattern_count;
	struct counter *list;
	struct entry **entries; /* one each, which do not move: names in the list point into them */
	size_t count, room;
	size_t hint; /* where the next one stands, if things come as they did before */
	uint64_t look;
	int64_t now_ns;
	char *text;
};

/* ---- entering values ---- */

static bool wanted(const struct counters *counters, const char *group, const char *instance, const char *name)
{
	char whole[2 * NAME_MOST + 40];

	if (!counters->pattern_count)
		return true;
	snprintf(whole, sizeof whole, "%s.%s%s%s", group, instance, *instance ? "." : "", name);
	for (size_t i = 0; i < counters->pattern_count; i++) {
		const char *pattern = counters->patterns[i];
		char longer[2 * NAME_MOST + 42];
		snprintf(longer, sizeof longer, "%.120s.*", pattern);
		if (fnmatch(pattern, whole, 0) == 0 || fnmatch(longer, whole, 0) == 0)
			return true;
	}
	return false;
}

static struct entry *add(struct counters *counters, const char *group, const char *instance, const char *name)
{
	if (counters->count == COUNTERS_MOST || !wanted(counters, group, instance, name))
		return NULL;
	if (counters->count == counters->room) {
		size_t room = counters->room ? 2 * counters->room : 256;
		struct counter *list = realloc(counters->list, room * sizeof *list);
		if (list)
			counters->list = list;
		struct entry **entries = realloc(counters->entries, room * sizeof *entries);
		if (entries)
			counters->entries = entries;
		if (!list || !entries)
			return NULL;
		counters->room = room;
	}
	struct entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	snprintf(entry->instance, sizeof entry->instance, "%s", instance);
	snprintf(entry->name, sizeof entry->name, "%s", name);
	counters->list[counters->count] = (struct counter){.group = group, .instance = entry->instance, .name = entry->name, .meaning = ""};
	counters->entries[counters->count++] = entry;
	return entry;
}

static bool is_it(const struct counter *counter, const char *group, const char *instance, const char *name)
{
	return strcmp(counter->name, name) == 0 && strcmp(counter->instance, instance) == 0 && strcmp(counter->group, group) == 0;
}

static bool find(const struct counters *counters, const char *group, const char *instance, const char *name, size_t from, size_t *place)
{
	for (size_t i = 0; i < counters->count; i++) {
		*place = (from + i) % counters->count;
		if (is_it(&counters->list[*place], group, instance, name))
			return true;
	}
	return false;
}

static void put(struct counters *counters, const char *group, const char *instance, const char *name, enum counter_kind kind,
                enum counter_unit unit, double value)
{
	size_t place;

	if (!find(counters, group, instance, name, counters->hint, &place)) {
		if (!add(counters, group, instance, name))
			return;
		place = counters->count - 1;
	}
	counters->hint = place + 1;
	struct counter *counter = &counters->list[place];
	struct entry *entry = counters->entries[place];
	double seconds = entry->looked_ns ? (double)(counters->now_ns - entry->looked_ns) / 1e9 : 0;
	counter->kind = (uint8_t)kind;
	counter->unit = (uint8_t)unit;
	counter->there = true;
	counter->value = value;
	counter->whole = unit == COUNTER_RATIO ? 0 : (uint64_t)value;
	counter->rate = seconds > 0 && value >= entry->before ? (value - entry->before) / seconds : (double)NAN;
	entry->before = value;
	entry->looked_ns = counters->now_ns;
	entry->look = counters->look;
	double shown = kind == COUNTER_TOTAL ? counter->rate : value;
	if (isnan(shown))
		return;
	if (entry->count < COUNTERS_HISTORY) {
		entry->history[(entry->first + entry->count++) % COUNTERS_HISTORY] = (float)shown;
	} else {
		entry->history[entry->first] = (float)shown;
		entry->first = (uint16_t)((entry->first + 1) % COUNTERS_HISTORY);
	}
}

/* ---- files ---- */

static char *read_text(struct counters *counters, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	while (size < FILE_MOST && (n = read(fd, counters->text + size, FILE_MOST - size)) > 0)
		size += (size_t)n;
	close(fd);
	counters->text[size] = 0;
	return counters->text;
}

/* The numbers of a line, as many as there are room for; how many. */
static size_t numbers_of(char *line, double *numbers, size_t most)
{
	size_t count = 0;

	for (char *end; count < most; line = end) {
		uint64_t number = strtoull(line, &end, 10);
		if (end == line)
			break;
		numbers[count++] = (double)number;
	}
	return count;
}

/* "  eth0: 1 2 …", receive before transmit. */
static void look_at_interfaces(struct counters *counters)
{
	static const struct {
		unsigned place;
		const char *name;
		enum counter_unit unit;
	} figures[] = {
		{0, "received_bytes", COUNTER_BYTES},     {1, "received_packets", COUNTER_PACKETS}, {2, "received_errors", COUNTER_PACKETS},
		{3, "received_dropped", COUNTER_PACKETS}, {8, "sent_bytes", COUNTER_BYTES},         {9, "sent_packets", COUNTER_PACKETS},
		{10, "sent_errors", COUNTER_PACKETS},     {11, "sent_dropped", COUNTER_PACKETS},
	};
	char *text = read_text(counters, "/proc/net/dev"), *save;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strrchr(line, ':'), *name = line + strspn(line, " ");
		double numbers[16];
		if (!colon)
			continue;
		*colon = 0;
		if (strlen(name) > NAME_MOST || numbers_of(colon + 1, numbers, 16) < 12)
			continue;
		for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
			put(counters, "interface", name, figures[i].name, COUNTER_TOTAL, figures[i].unit, numbers[figures[i].place]);
	}
}

/* "259 0 nvme0n1 READS MERGED SECTORS MS WRITES MERGED SECTORS MS UNDER-WAY BUSY-MS …"; partitions, loops and RAM are left out. */
static void look_at_disks(struct counters *counters)
{
	char *text = read_text(counters, "/proc/diskstats"), *save;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char name[NAME_MOST + 1], path[NAME_MOST + 32];
		double numbers[10];
		int at = 0;
		if (sscanf(line, "%*u %*u %63s %n", name, &at) != 1 || numbers_of(line + at, numbers, 10) < 10)
			continue;
		snprintf(path, sizeof path, "/sys/block/%s", name);
		if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 || access(path, F_OK) != 0)
			continue;
		put(counters, "disk", name, "reads", COUNTER_TOTAL, COUNTER_NUMBER, numbers[0]);
		put(counters, "disk", name, "read_bytes", COUNTER_TOTAL, COUNTER_BYTES, numbers[2] * 512);
		put(counters, "disk", name, "writes", COUNTER_TOTAL, COUNTER_NUMBER, numbers[4]);
		put(counters, "disk", name, "written_bytes", COUNTER_TOTAL, COUNTER_BYTES, numbers[6] * 512);
		put(counters, "disk", name, "write_time", COUNTER_TOTAL, COUNTER_NANOSECONDS, numbers[7] * 1e6);
		put(counters, "disk", name, "queue", COUNTER_LEVEL, COUNTER_NUMBER, numbers[8]);
		put(counters, "disk", name, "busy_time", COUNTER_TOTAL, COUNTER_NANOSECONDS, numbers[9] * 1e6);
	}
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …" in ticks. */
static void look_at_cpu(struct counters *counters)
{
	static const char *const names[] = {"user", "nice", "system", "idle", "io_wait", "interrupts", "soft_interrupts", "steal"};
	char *text = read_text(counters, "/proc/stat");
	double numbers[8], tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);

	if (!text || strncmp(text, "cpu ", 4) != 0)
		return;
	size_t count = numbers_of(text + 4, numbers, 8);
	for (size_t i = 0; i < count; i++)
		put(counters, "cpu", "all", names[i], COUNTER_TOTAL, COUNTER_NANOSECONDS, numbers[i] * tick_ns);
}

/* "MemTotal:   123 kB" */
static void look_at_memory(struct counters *counters)
{
	char *text = read_text(counters, "/proc/meminfo"), *save;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');
		double number;
		if (!colon || colon - line > NAME_MOST || !strstr(colon, "kB") || !numbers_of(colon + 1, &number, 1))
			continue;
		*colon = 0;
		put(counters, "memory", "", line, COUNTER_LEVEL, COUNTER_BYTES, number * 1024);
	}
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", the time in µs, in which some had to wait. */
static void look_at_pressure(struct counters *counters)
{
	static const char *const kinds[] = {"cpu", "io", "memory"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[64], instance[32];
		double average;
		uint64_t total;
		snprintf(path, sizeof path, "/proc/pressure/%s", kinds[i]);
		snprintf(instance, sizeof instance, "%s.some", kinds[i]);
		char *text = read_text(counters, path);
		if (!text || sscanf(text, "some avg10=%lf avg60=%*f avg300=%*f total=%" SCNu64, &average, &total) != 2)
			continue;
		put(counters, "pressure", instance, "avg10", COUNTER_LEVEL, COUNTER_RATIO, average);
		put(counters, "pressure", instance, "total", COUNTER_TOTAL, COUNTER_NANOSECONDS, (double)total * 1000);
	}
}

/* ---- box/counters.h ---- */

int counters_open(const char *const *names, size_t count, struct counters **out, struct weir_fault *fault)
{
	struct counters *counters = calloc(1, sizeof *counters);

	if (!counters)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for counters");
	counters->text = malloc(FILE_MOST + 1);
	counters->patterns = calloc(count + 1, sizeof *counters->patterns);
	for (size_t i = 0; i < count && counters->patterns; i++) {
		counters->patterns[i] = strdup(names[i]);
		counters->pattern_count += counters->patterns[i] != NULL;
	}
	if (!counters->text || !counters->patterns || counters->pattern_count != count) {
		counters_close(counters);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for counters");
	}
	*out = counters;
	return 0;
}

void counters_close(struct counters *counters)
{
	if (!counters)
		return;
	for (size_t i = 0; i < counters->pattern_count; i++)
		free(counters->patterns[i]);
	for (size_t i = 0; i < counters->count; i++)
		free(counters->entries[i]);
	free(counters->patterns);
	free(counters->entries);
	free(counters->list);
	free(counters->text);
	free(counters);
}

const char *counters_lack(const struct counters *counters) { return ""; }

int counters_refresh(struct counters *counters, struct weir_fault *fault)
{
	counters->look++;
	counters->now_ns = clock_monotonic_ns();
	counters->hint = 0;
	look_at_interfaces(counters);
	look_at_disks(counters);
	look_at_cpu(counters);
	look_at_memory(counters);
	look_at_pressure(counters);
	for (size_t i = 0; i < counters->count; i++) {
		if (counters->entries[i]->look == counters->look)
			continue;
		counters->list[i].there = false;
		counters->entries[i]->looked_ns = 0;
	}
	return 0;
}

const struct counter *counters_list(const struct counters *counters, size_t *count)
{
	*count = counters->count;
	return counters->list;
}

const struct counter *counters_named(const struct counters *counters, const char *group, const char *instance, const char *name)
{
	size_t place;

	return find(counters, group, instance, name, 0, &place) ? &counters->list[place] : NULL;
}

size_t counters_history(const struct counters *counters, const struct counter *counter, double out[static COUNTERS_HISTORY])
{
	const struct entry *entry = counters->entries[counter - counters->list];

	for (size_t i = 0; i < entry->count; i++)
		out[i] = (double)entry->history[(entry->first + i) % COUNTERS_HISTORY];
	return entry->count;
}
