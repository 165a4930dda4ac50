/* What the CPUs do: /proc/stat, /proc/interrupts, /proc/softirqs. */
#include <stdio.h>
#include <unistd.h>

#include "box/linux/counters_sources.h"

/* ---- /proc/stat ---- */

static const struct {
	const char *name, *meaning;
} modes[] = {
	{"user", "with guests"}, {"nice", "user, at lower priority; with guests"}, {"system", ""}, {"idle", ""},
	{"iowait", "idle while a request to a disk was not finished"}, {"irq", "serving interrupts"},
	{"softirq", "serving softirqs: most of the network stack's receiving"}, {"steal", "not given by the hypervisor"}, {"guest", ""}, {"guest_nice", ""},
};

static void put_cpu(struct counter_sink *sink, struct weir_bytes cpu, struct weir_bytes line, uint64_t tick_ns)
{
	uint64_t ticks;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0] && take_number(&line, &ticks); i++)
		counter_put(sink, &(struct counter_value){.group = "cpu",
		                                          .instance = cpu,
		                                          .name = bytes_of(modes[i].name),
		                                          .meaning = modes[i].meaning,
		                                          .unit = COUNTER_NANOSECONDS,
		                                          .whole = ticks * tick_ns});
}

static const struct {
	const char *kernel, *name, *meaning;
	enum counter_kind kind;
} lines[] = {
	{"ctxt", "context_switches", "", COUNTER_TOTAL},
	{"processes", "forks", "processes and threads begun", COUNTER_TOTAL},
	{"procs_running", "running", "threads that run or wait for a CPU", COUNTER_LEVEL},
	{"procs_blocked", "blocked", "threads that wait for a disk", COUNTER_LEVEL},
};

static void parse_stat(struct counter_sink *sink, struct weir_bytes text)
{
	long hertz = sysconf(_SC_CLK_TCK);
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)(hertz > 0 ? hertz : 100), number;
	struct weir_bytes line, word;
	while (take_line(&text, &line)) {
		if (!take_word(&line, &word))
			continue;
		if (word.length >= 3 && memcmp(word.data, "cpu", 3) == 0) {
			put_cpu(sink, word.length == 3 ? bytes_of("all") : word, line, tick_ns);
			continue;
		}
		for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
			if (bytes_are(word, lines[i].kernel) && take_number(&line, &number))
				counter_put(sink, &(struct counter_value){.group = "cpu",
				                                          .name = bytes_of(lines[i].name),
				                                          .meaning = lines[i].meaning,
				                                          .kind = lines[i].kind,
				                                          .whole = number});
	}
}

const struct counter_source cpu_source = {.groups = "cpu", .path = "/proc/stat", .parse = parse_stat};

/* ---- /proc/interrupts, /proc/softirqs: a column a CPU that is up, a line a source ---- */

#define CPUS_MOST 4096

static void put_count(struct counter_sink *sink, const char *group, struct weir_bytes of, const char *cpu, uint64_t number)
{
	char instance[COUNTER_NAME_MOST + 1];
	int length = snprintf(instance, sizeof instance, "%.*s%s%s", (int)of.length, (const char *)of.data, of.length && *cpu ? "." : "", cpu);
	if (length > 0 && (size_t)length < sizeof instance)
		counter_put(sink, &(struct counter_value){.group = group,
		                                          .instance = {(const uint8_t *)instance, (size_t)length},
		                                          .name = bytes_of("count"),
		                                          .whole = number});
}

/* What CPUs never had is left out: most interrupts are served by one. */
static void put_per_cpu(struct counter_sink *sink, const char *group, struct weir_bytes of, const uint16_t *cpus,
                        const uint64_t *numbers, size_t count)
{
	char cpu[16];
	for (size_t i = 0; i < count; i++) {
		if (!numbers[i])
			continue;
		snprintf(cpu, sizeof cpu, "cpu%u", cpus[i]);
		put_count(sink, group, of, cpu, numbers[i]);
	}
}

static size_t take_heading(struct weir_bytes *text, uint16_t cpus[static CPUS_MOST])
{
	struct weir_bytes line, word;
	size_t count = 0;
	if (!take_line(text, &line))
		return 0;
	while (count < CPUS_MOST && take_word(&line, &word)) {
		uint64_t number;
		if (word.length < 4 || memcmp(word.data, "CPU", 3) != 0 ||
		    !number_of((struct weir_bytes){word.data + 3, word.length - 3}, &number) || number > UINT16_MAX)
			return 0;
		cpus[count++] = (uint16_t)number;
	}
	return count;
}

static void parse_table(struct counter_sink *sink, const char *group, struct weir_bytes text)
{
	uint16_t cpus[CPUS_MOST];
	uint64_t numbers[CPUS_MOST], sums[CPUS_MOST] = {0}, all = 0;
	struct weir_bytes line, of;
	size_t columns = take_heading(&text, cpus);
	while (columns && take_line(&text, &line)) {
		if (!take_word(&line, &of) || of.length < 2 || of.length > 40 || of.data[of.length - 1] != ':')
			continue;
		of.length--;
		size_t count = 0;
		uint64_t sum = 0;
		while (count < columns && take_number(&line, &numbers[count])) {
			sums[count] += numbers[count];
			sum += numbers[count++];
		}
		if (!count)
			continue;
		all += sum;
		put_count(sink, group, of, "", sum);
		/* ERR and MIS have one number, of all CPUs. */
		if (count == columns && columns > 1)
			put_per_cpu(sink, group, of, cpus, numbers, count);
	}
	if (!columns)
		return;
	put_per_cpu(sink, group, bytes_of(""), cpus, sums, columns);
	put_count(sink, group, bytes_of("all"), "", all);
}

static void parse_interrupts(struct counter_sink *sink, struct weir_bytes text) { parse_table(sink, "interrupt", text); }
static void parse_softirqs(struct counter_sink *sink, struct weir_bytes text) { parse_table(sink, "softirq", text); }

const struct counter_source interrupt_source = {.groups = "interrupt", .path = "/proc/interrupts", .parse = parse_interrupts};
const struct counter_source softirq_source = {.groups = "softirq", .path = "/proc/softirqs", .parse = parse_softirqs};
