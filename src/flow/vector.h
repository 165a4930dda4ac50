/*
 * flow/vector.h: some values of one column, as whoever counts over few columns of many records wants them.
 */
#ifndef FLOW_VECTOR_H
#define FLOW_VECTOR_H

#include <weir/flow.h>

#define VECTOR_ROWS 2048u

/* Views: valid until whoever filled it does so again. Where present is 0 the rest of a row has no meaning. */
struct flow_vector {
	const uint8_t *present;  /* of each row; NULL: there is a value in all */
	const uint64_t *numbers; /* of columns that are numbers */
	/* Others: as text, either one by one … */
	const struct weir_bytes *strings;
	bool binary; /* … not as text, but as value_bytes has them */
	/* … or, when dictionary is not NULL, as entries of it. serial changes with the dictionary. */
	const struct weir_bytes *dictionary;
	const uint32_t *ids;
	uint32_t dictionary_count;
	uint64_t serial;
};

#endif
