/* Expressions of any bytes: planned, described, and asked of an index without keys. */
#include <stdlib.h>

#include "archive/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct index index = {.all = 15, .irregular = 4, .links = INDEX_LINKS_KNOWN | INDEX_LINKS_TYPED | INDEX_LINKS_ETHERNET};
	static const uint8_t nothing[8];
	char *expression = malloc(size + 1), text[64];
	struct plan *plan;

	if (!expression)
		return 0;
	memcpy(expression, data, size);
	expression[size] = 0;
	index.data = nothing;
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++)
		index.header.postings[kind].key_size = index_key_size(kind);
	if (plan_new(expression, &plan, NULL) == 0) {
		uint64_t chunks = plan_chunks(plan, &index);

		/* The irregular chunk is never left out, and none is made up. */
		if (!(chunks & 4) || chunks & ~UINT64_C(15) || (plan_is_all(plan) && chunks != 15))
			abort();
		plan_describe(plan, text, sizeof text);
		if (strlen(text) >= sizeof text)
			abort();
		plan_free(plan);
	}
	free(expression);
	return 0;
}
