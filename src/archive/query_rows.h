/*
 * archive/query_rows.h: the segments of a query's time, as the catalog has them, and the vantages that they are of.
 */
#ifndef ARCHIVE_QUERY_ROWS_H
#define ARCHIVE_QUERY_ROWS_H

#include "archive/campaign.h"
#include "archive/codec.h"

struct query_row {
	char *path;       /* relative */
	uint32_t vantage; /* of those of the rows */
	uint64_t sequence;
	enum weir_codec codec;
	int64_t first_ns; /* INT64_MIN while it is open */
	bool open;
};

struct query_vantage_row {
	char *node, *interface;
	uint32_t rank; /* by node, then interface */
};

/* Begins zeroed. */
struct query_rows {
	struct query_row *list; /* by first_ns */
	size_t count, capacity;
	struct query_vantage_row *vantages;
	uint32_t vantage_count;
};

/* Asks the catalog for the segments that may have packets of the query. 0 or an error; free them either way. */
int query_rows_read(struct query_rows *rows, struct catalog *catalog, const struct weir_query *query, struct weir_fault *fault);
void query_rows_free(struct query_rows *rows);

/* The vantage of a rank that a row's has. */
const struct query_vantage_row *query_rows_ranked(const struct query_rows *rows, uint32_t rank);

/* Whether the segment was deleted by retention since the catalog was asked: its row is gone, and the loss in the ledger. */
bool query_row_was_deleted(struct weir_campaign *campaign, const struct query_row *row);

#endif
