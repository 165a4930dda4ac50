/* Any bytes as TOML: every value that comes of them is walked to, and what was read is told the same when it is read again. */
#include <stdlib.h>
#include <string.h>

#include "core/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks the whole document without recursion; a number that depends on all of it. */
static uint64_t walk(const struct toml_value *root)
{
	const struct toml_value *stack[TOML_VALUES_MAX + 1];
	uint64_t sum = 0;
	size_t depth = 0;

	stack[depth++] = root;
	while (depth) {
		const struct toml_value *value = stack[--depth];
		if (value->kind > TOML_TABLE || value->line == 0)
			abort();
		sum = sum * 31 + value->kind + value->line;
		for (const char *c = value->key; c && *c; c++)
			sum = sum * 31 + (unsigned char)*c;
		for (const char *c = value->string; c && *c; c++)
			sum = sum * 31 + (unsigned char)*c;
		for (const struct toml_value *inner = value->first; inner; inner = inner->next) {
			if ((value->kind == TOML_TABLE) != (inner->key != NULL))
				abort();
			if (value->kind == TOML_TABLE && toml_get(value, inner->key) != inner)
				abort();
			stack[depth++] = inner;
		}
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toml *toml, *again;
	struct weir_fault fault;

	if (size > 1U << 16)
		return 0;
	if (toml_parse((const char *)data, size, "fuzz", &toml, &fault)) {
		if (toml || strncmp(fault.message, "line ", 5) != 0)
			abort();
		return 0;
	}
	uint64_t sum = walk(toml_root(toml));
	if (toml_parse((const char *)data, size, "fuzz", &again, NULL) || walk(toml_root(again)) != sum)
		abort();
	toml_free(again);
	toml_free(toml);
	return 0;
}
