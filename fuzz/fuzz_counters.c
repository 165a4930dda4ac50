/* The parsers of the kernel's counters: the first byte says which, the rest is the file, at two looks (the second one is cut). */
#include <stdlib.h>

#include "box/counters_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct counters *counters;
	struct weir_fault fault;
	size_t sources = 0, count;
	double history[COUNTERS_HISTORY];
	while (counter_sources[sources])
		sources++;
	if (!size || !counter_sources[data[0] % sources]->parse || counters_new(counter_sources, NULL, 0, &counters, &fault))
		return 0;
	size_t source = data[0] % sources;
	counters_feed(counters, source, (struct weir_bytes){data + 1, size - 1}, 1000);
	counters_feed(counters, source, (struct weir_bytes){data + 1, (size - 1) / 2}, 2000);
	const struct counter *list = counters_list(counters, &count);
	for (size_t i = 0; i < count; i++) {
		const struct counter *found = counters_named(counters, list[i].group, list[i].instance, list[i].name);
		if (found != &list[i] || strlen(list[i].instance) > COUNTER_NAME_MOST || counters_history(counters, found, history))
			abort();
	}
	counters_close(counters);
	return 0;
}
