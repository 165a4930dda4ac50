/*
 * flow/intern.h: strings of bytes, each kept once and numbered from 0 in the order in which they first came.
 */
#ifndef FLOW_INTERN_H
#define FLOW_INTERN_H

#include <weir/bytes.h>

/* A string of at most 24 bytes that came lately: its first eight bytes, the next and its last (of shorter ones what there is), so that it is known without the table. */
struct intern_lately {
	uint64_t words[3];
	uint32_t length, number; /* UINT32_MAX: nothing */
};

/* One thread at a time. */
struct intern {
	uint64_t *slots;     /* half of the hash of what is there, and its number + 1; 0: free */
	size_t *ends;        /* of each string in bytes: it begins where the one before it ends */
	uint8_t *bytes;
	size_t used, bytes_size;
	uint32_t count, room, mask;
	struct intern_lately *lately; /* INTERN_LATELY of them, once several were numbered at a time */
	uint64_t seed;       /* of hashes: where memory happened to be, so that nobody outside can make strings that all hash alike */
};

#define INTERN_LATELY 512u
#define INTERN_FULL UINT32_MAX /* no memory, or 2^31 strings */

/* Zero-initialise; free with intern_free. Forgets all but keeps the memory: */
void intern_clear(struct intern *intern);
void intern_free(struct intern *intern);

/* The number of these bytes, which are copied when they are new. INTERN_FULL when they could not be. */
uint32_t intern_number(struct intern *intern, const void *data, size_t length);

/* The numbers of several, in their order. False: of some it is INTERN_FULL. */
#define INTERN_AT_ONCE 32
bool intern_numbers(struct intern *intern, const struct weir_bytes *strings, size_t count, uint32_t *numbers);

/* Valid until the next new one. */
static inline struct weir_bytes intern_bytes(const struct intern *intern, uint32_t number)
{
	size_t begin = number ? intern->ends[number - 1] : 0;
	return (struct weir_bytes){intern->bytes + begin, intern->ends[number] - begin};
}

/* Calls for what intern_bytes(number) reads into the cache: first where it ends, later, when that is there, the string. */
static inline void intern_prefetch_end(const struct intern *intern, uint32_t number) { __builtin_prefetch(&intern->ends[number]); }
static inline void intern_prefetch(const struct intern *intern, uint32_t number)
{
	__builtin_prefetch(intern->bytes + (number ? intern->ends[number - 1] : 0));
}

/* What it takes. */
static inline size_t intern_memory(const struct intern *intern)
{
	return intern->bytes_size + (size_t)intern->room * sizeof *intern->ends + (intern->lately ? INTERN_LATELY * sizeof *intern->lately : 0) +
	       (intern->slots ? ((size_t)intern->mask + 1) * sizeof *intern->slots : 0);
}

#endif
