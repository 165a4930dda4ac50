/* Memory and pressure: /proc/meminfo, /proc/vmstat, /proc/pressure (Documentation/accounting/psi.rst). */
#include "box/linux/counters_sources.h"

static void parse_meminfo(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, name, unit;
	while (take_line(&text, &line)) {
		uint64_t number;
		if (!take_word(&line, &name) || name.data[name.length - 1] != ':' || !take_number(&line, &number))
			continue;
		name.length--;
		bool bytes = take_word(&line, &unit) && bytes_are(unit, "kB");
		if (bytes && number > UINT64_MAX / 1024)
			continue;
		counter_put(sink, &(struct counter_value){.group = "memory",
		                                          .name = name,
		                                          .kind = COUNTER_LEVEL,
		                                          .unit = bytes ? COUNTER_BYTES : COUNTER_NUMBER,
		                                          .whole = bytes ? number * 1024 : number});
	}
}

const struct counter_source meminfo_source = {.groups = "memory", .path = "/proc/meminfo", .parse = parse_meminfo};

/* What of it tells how memory goes short; the rest is in meminfo or for those who work on the kernel. */
static const struct {
	const char *name, *meaning;
	uint64_t scale;
} selected[] = {
	{"pgpgin", "read from disks", 1024}, {"pgpgout", "written to disks", 1024},
	{"pswpin", "pages read from swap", 1}, {"pswpout", "pages written to swap", 1},
	{"pgfault", "page faults", 1}, {"pgmajfault", "page faults that had to read", 1},
	{"pgsteal_kswapd", "pages taken back in the background", 1},
	{"pgsteal_direct", "pages taken back by who asked for memory, and waited", 1},
	{"pgscan_kswapd", "pages looked at for it", 1}, {"pgscan_direct", "pages looked at for it", 1},
	{"workingset_refault_anon", "pages wanted again soon after they were given up", 1},
	{"workingset_refault_file", "pages wanted again soon after they were given up", 1},
	{"compact_stall", "waited for memory to be moved together", 1}, {"oom_kill", "processes killed for want of memory", 1},
};
#define SELECTED (sizeof selected / sizeof selected[0])

static void parse_vmstat(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, name;
	while (take_line(&text, &line)) {
		uint64_t number;
		if (!take_word(&line, &name))
			continue;
		for (size_t i = 0; i < SELECTED; i++)
			if (bytes_are(name, selected[i].name) && take_number(&line, &number))
				counter_put(sink, &(struct counter_value){.group = "memory",
				                                          .name = name,
				                                          .meaning = selected[i].meaning,
				                                          .unit = selected[i].scale == 1024 ? COUNTER_BYTES : COUNTER_NUMBER,
				                                          .whole = number * selected[i].scale});
	}
}

const struct counter_source vmstat_source = {.groups = "memory", .path = "/proc/vmstat", .parse = parse_vmstat};

/* ---- pressure ---- */

/* "12.34" per cent, in hundredths. */
static bool hundredths_of(struct weir_bytes word, uint64_t *hundredths)
{
	uint64_t whole, part;
	if (word.length < 4 || word.length > 8 || word.data[word.length - 3] != '.' ||
	    !number_of((struct weir_bytes){word.data, word.length - 3}, &whole) ||
	    !number_of((struct weir_bytes){word.data + word.length - 2, 2}, &part))
		return false;
	*hundredths = whole * 100 + part;
	return true;
}

static void put_pressure(struct counter_sink *sink, struct weir_bytes instance, struct weir_bytes word)
{
	const uint8_t *equals = memchr(word.data, '=', word.length);
	uint64_t number;
	if (!equals)
		return;
	struct weir_bytes name = {word.data, (size_t)(equals - word.data)};
	struct weir_bytes text = {equals + 1, word.length - name.length - 1};
	if (bytes_are(name, "total") && number_of(text, &number) && number <= UINT64_MAX / 1000)
		counter_put(sink, &(struct counter_value){.group = "pressure",
		                                          .instance = instance,
		                                          .name = name,
		                                          .meaning = "time that some (or all: full) threads waited for it",
		                                          .unit = COUNTER_NANOSECONDS,
		                                          .whole = number * 1000});
	else if (hundredths_of(text, &number))
		counter_put(sink, &(struct counter_value){.group = "pressure",
		                                          .instance = instance,
		                                          .name = name,
		                                          .meaning = "share of so many last seconds that some (or all: full) threads waited for it",
		                                          .kind = COUNTER_LEVEL,
		                                          .unit = COUNTER_RATIO,
		                                          .whole = number,
		                                          .value = (double)number / 10000});
}

static void parse_pressure(struct counter_sink *sink, const char *some, const char *full, struct weir_bytes text)
{
	struct weir_bytes line, word;
	while (take_line(&text, &line)) {
		if (!take_word(&line, &word))
			continue;
		const char *instance = bytes_are(word, "some") ? some : bytes_are(word, "full") ? full : NULL;
		while (instance && take_word(&line, &word))
			put_pressure(sink, bytes_of(instance), word);
	}
}

#define PRESSURE(of, missing) \
	static void parse_##of(struct counter_sink *sink, struct weir_bytes text) { parse_pressure(sink, #of ".some", #of ".full", text); } \
	const struct counter_source pressure_##of##_source = {.groups = "pressure", \
	                                                      .path = "/proc/pressure/" #of, \
	                                                      .lack = "this kernel does not measure it (CONFIG_PSI, psi=1 at boot)", \
	                                                      .parse = parse_##of, \
	                                                      .often_missing = missing};
PRESSURE(cpu, false)
PRESSURE(io, false)
PRESSURE(memory, false)
PRESSURE(irq, true)
