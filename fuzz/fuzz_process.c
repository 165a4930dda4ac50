/* The processes in a packet's options, in both byte orders; and what they are joined to. The first byte: the byte order. */
#include <stdlib.h>

#include "file/option.h"
#include "file/process_option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every view lies within what was read. */
static void check(struct weir_bytes options, const struct weir_process *process)
{
	const struct weir_bytes strings[] = {process->name, process->executable, process->user};

	for (size_t i = 0; i < 3; i++)
		if (strings[i].length &&
		    (strings[i].data < options.data || strings[i].data + strings[i].length > options.data + options.length))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_process curl = {.pid = 1, .user_id = WEIR_NO_USER};
	const struct weir_packet_processes added = {.source = curl};
	struct weir_packet_processes read, again;
	struct joined_options joined = {0};
	uint8_t put[PROCESS_OPTIONS_MOST];

	if (size < 1 || size > 1 << 17)
		return 0;
	bool big = data[0] & 1;
	struct weir_bytes options = {data + 1, size - 1};
	bool known = process_options_read(options, big, &read);
	check(options, &read.source);
	check(options, &read.destination);
	size_t length = process_options_put(put, WEIR_NATIVE_BIG, &added);
	if (!process_options_join(&joined, options, big, (struct weir_bytes){put, length}, !big))
		return 0;
	struct weir_bytes all = {joined.bytes, joined.length};
	if (!pcapng_options_sound(all, !big))
		abort();
	/* What was there stays. */
	bool still = process_options_read(all, !big, &again);
	if (known && (!still || again.source.pid != read.source.pid || again.destination.pid != read.destination.pid ||
	              again.either.pid != read.either.pid))
		abort();
	free(joined.bytes);
	return 0;
}
