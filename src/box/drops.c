/* What there is no room for in a list of drops: box/drops.h. */
#include "box/drops.h"

#include <stdio.h>
#include <string.h>

size_t drops_fold(const struct drop *list, size_t count, struct drop *out, size_t most)
{
	size_t kept = count <= most ? count : most - 1;

	if (kept)
		memcpy(out, list, kept * sizeof *list);
	if (kept == count)
		return count;
	struct drop *others = &out[kept];
	memset(others, 0, sizeof *others);
	snprintf(others->reason, sizeof others->reason, "%s", DROP_OTHERS);
	for (size_t i = kept; i < count; i++) {
		others->packets += list[i].packets;
		others->rate += list[i].rate;
		if (list[i].last_ns > others->last_ns)
			others->last_ns = list[i].last_ns;
	}
	return kept + 1;
}
