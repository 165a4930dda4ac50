/* Disks: /proc/diskstats (Documentation/admin-guide/iostats.rst). */
#include "box/linux/counters_sources.h"

#define SECTOR UINT64_C(512)
#define MS UINT64_C(1000000)

static const struct disk_field {
	const char *name, *meaning;
	enum counter_kind kind;
	enum counter_unit unit;
	uint64_t scale;
} fields[] = {
	{"reads", "", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"reads_merged", "joined to one that waited", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"read_bytes", "", COUNTER_TOTAL, COUNTER_BYTES, SECTOR},
	{"read_time", "of all reads together; its rate is how many were in flight on average", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
	{"writes", "", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"writes_merged", "joined to one that waited", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"written_bytes", "", COUNTER_TOTAL, COUNTER_BYTES, SECTOR},
	{"write_time", "of all writes together; its rate is the length of the write queue", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
	{"in_flight", "requests given to the disk and not finished", COUNTER_LEVEL, COUNTER_NUMBER, 1},
	{"busy_time", "with something in flight; its rate is the utilisation", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
	{"queue_time", "of all requests together; its rate is the length of the queue", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
	{"discards", "", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"discards_merged", "", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"discarded_bytes", "", COUNTER_TOTAL, COUNTER_BYTES, SECTOR},
	{"discard_time", "", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
	{"flushes", "", COUNTER_TOTAL, COUNTER_NUMBER, 1},
	{"flush_time", "", COUNTER_TOTAL, COUNTER_NANOSECONDS, MS},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* How long one took on average since the last look (the first time: since the disk came), by the places of how long and how many. */
static const struct {
	const char *name;
	unsigned time, requests;
} waits[] = {{"read_wait", 3, 0}, {"write_wait", 7, 4}, {"discard_wait", 14, 11}, {"flush_wait", 16, 15}};

static void put_disk(struct counter_sink *sink, struct weir_bytes disk, const uint64_t *values, size_t count)
{
	uint64_t growth[FIELDS];
	for (size_t i = 0; i < count; i++)
		growth[i] = counter_put(sink, &(struct counter_value){.group = "disk",
		                                                      .instance = disk,
		                                                      .name = bytes_of(fields[i].name),
		                                                      .meaning = fields[i].meaning,
		                                                      .kind = fields[i].kind,
		                                                      .unit = fields[i].unit,
		                                                      .whole = values[i] * fields[i].scale,
		                                                      /* Milliseconds are told in 32 bits: those of 32 requests at once for a day and a half. */
		                                                      .wraps_at = fields[i].scale == MS ? MS << 32 : 0});
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		if (waits[i].time >= count)
			continue;
		uint64_t requests = growth[waits[i].requests];
		counter_put(sink, &(struct counter_value){.group = "disk",
		                                          .instance = disk,
		                                          .name = bytes_of(waits[i].name),
		                                          .meaning = "of one request on average, since the last look",
		                                          .kind = COUNTER_LEVEL,
		                                          .unit = COUNTER_NANOSECONDS,
		                                          .whole = requests ? growth[waits[i].time] / requests : 0});
	}
}

static void parse(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, disk;
	while (take_line(&text, &line)) {
		uint64_t major, minor, values[FIELDS], any = 0;
		size_t count = 0;
		if (!take_number(&line, &major) || !take_number(&line, &minor) || !take_word(&line, &disk))
			continue;
		while (count < FIELDS && take_number(&line, &values[count]))
			any |= values[count++];
		/* Loop and memory disks that were never used stand there by the dozen: they come with their first request. */
		if (count >= 11 && any)
			put_disk(sink, disk, values, count);
	}
}

const struct counter_source disk_source = {.groups = "disk", .path = "/proc/diskstats", .parse = parse};
