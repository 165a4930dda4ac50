/* The sockets of box/owners.h, for the process stage. */
#include "box/process_stage.h"

static void catch_up(void *owners) { owners_catch_up(owners); }
static void begin(void *owners) { owners_begin(owners); }
static void end(void *owners) { owners_end(owners); }

static bool find(void *owners, const struct owner_tuple *tuple, int64_t time_ns, struct weir_process *process)
{
	return owners_find(owners, tuple, time_ns, process);
}

struct process_lookup process_lookup_of(struct owners *owners)
{
	return (struct process_lookup){.catch_up = catch_up, .begin = begin, .find = find, .end = end, .context = owners};
}
