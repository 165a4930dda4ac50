/*
 * flow/parquet_page.h: a page of a column chunk, compressed, with its header.
 */
#ifndef FLOW_PARQUET_PAGE_H
#define FLOW_PARQUET_PAGE_H

#include "flow/parquet_column.h"

/* Appends a page to the chunk, its body in output->page: of so many rows, or entries of a dictionary. */
int parquet_page_write(struct parquet_output *output, struct parquet_chunk *chunk, enum parquet_page kind, enum parquet_encoding encoding, uint32_t values,
                       struct weir_fault *fault);

#endif
