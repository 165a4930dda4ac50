/*
 * flow/intern.h: strings of bytes, each kept once and numbered from 0 in the order in which they first came.
 */
#ifndef FLOW_INTERN_H
#define FLOW_INTERN_H

#include <weir/bytes.h>

/* One thread at a time. */
struct intern {
	uint32_t *slots;     /* number + 1 of what hashes there, 0: free */
	uint32_t *hashes;    /* of each string */
	size_t *ends;        /* of each string in bytes: it begins where the one before it ends */
	uint8_t *bytes;
	size_t used, bytes_size;
	uint32_t count, room, mask;
};

#define INTERN_FULL UINT32_MAX /* no memory, or 2^31 strings */

/* Zero-initialise; free with intern_free. Forgets all but keeps the memory: */
void intern_clear(struct intern *intern);
void intern_free(struct intern *intern);

/* The number of these bytes, which are copied when they are new. INTERN_FULL when they could not be. */
uint32_t intern_number(struct intern *intern, const void *data, size_t length);

/* Valid until the next new one. */
static inline struct weir_bytes intern_bytes(const struct intern *intern, uint32_t number)
{
	size_t begin = number ? intern->ends[number - 1] : 0;
	return (struct weir_bytes){intern->bytes + begin, intern->ends[number] - begin};
}

/* What it takes. */
static inline size_t intern_memory(const struct intern *intern)
{
	return intern->bytes_size + (size_t)intern->room * (sizeof *intern->hashes + sizeof *intern->ends) +
	       (intern->slots ? ((size_t)intern->mask + 1) * sizeof *intern->slots : 0);
}

#endif
