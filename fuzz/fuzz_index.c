/* Indexes of any bytes: opened, checked, asked for all and for some of their keys, and their interfaces read. */
#include <stdlib.h>

#include "archive/index_read.h"
#include "archive/query_interfaces.h"

static const struct query_vantage vantage = {.node = "node", .interface = "interface"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query_interfaces interfaces = {0};
	struct walk_interface *walk;
	struct weir_fault fault;
	struct index index;
	uint32_t count;

	if (index_open_memory(data, size, "fuzz.idx", &index, &fault) < 0)
		return 0;
	index_check(&index, "fuzz.idx", &fault);
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
		struct index_key least = {{0}}, most;

		memset(&most, 0xff, sizeof most);
		uint64_t all = index_chunks_with(&index, kind, &least, &most);
		least = index_key_number(size);
		most = index_key_number(UINT32_MAX);
		if (index_chunks_with(&index, kind, &least, &most) & ~index.all || all & ~index.all)
			abort();
	}
	if (query_interfaces_enter(&interfaces, &vantage, index.prologue, "fuzz.idx", &walk, &count, &fault) == 0)
		free(walk);
	query_interfaces_free(&interfaces);
	return 0;
}
