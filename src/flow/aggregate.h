/*
 * flow/aggregate.h: groups flow records by some of their columns and sums others.
 */
#ifndef FLOW_AGGREGATE_H
#define FLOW_AGGREGATE_H

#include "core/text.h"
#include "flow/parquet_read.h"

#define AGGREGATE_KEYS 8
#define AGGREGATE_SUMS 64

/* What to group by: a column, or either end of a flow. */
struct aggregate_key {
	char name[64];                             /* as it was asked for: "source_address/24" */
	const struct weir_flow_column *column;     /* of either end: the source's */
	const struct weir_flow_column *other;      /* … and the destination's; NULL: no such key */
	unsigned prefix4, prefix6;                 /* of addresses: bits that count */
	int64_t bucket_ns;                         /* of times: rounded down to a multiple of it; 0: as they are */
};

enum aggregate_operation { AGGREGATE_SUM, AGGREGATE_LEAST, AGGREGATE_MOST, AGGREGATE_OR };

/* What is gathered of the records of a group. Of either end it is seen from that end: packets are those that it sent. */
struct aggregate_sum {
	const struct weir_flow_column *column;  /* NULL: the number of records, "flows" */
	const struct weir_flow_column *swapped; /* the same of the other direction, the column itself when there are no two */
	enum aggregate_operation operation;
};

struct aggregate_plan {
	struct aggregate_key keys[AGGREGATE_KEYS];
	size_t key_count;
	struct aggregate_sum sums[AGGREGATE_SUMS];
	size_t sum_count;
	bool either; /* some key is either end */
};

/* "source_address/24,destination_port", "host", "flow_start/5m,application". 0 or WEIR_E_USAGE, in words that name what there is. */
int aggregate_parse_keys(const char *text, struct aggregate_plan *plan, struct weir_fault *fault);

/* "packets,wire_bytes", "all"; NULL: the usual ones. The number of flows is always the first. */
int aggregate_parse_sums(const char *text, struct aggregate_plan *plan, struct weir_fault *fault);

struct aggregate;

/* memory_bytes: past it WEIR_E_LIMIT. */
int aggregate_new(const struct aggregate_plan *plan, uint64_t memory_bytes, struct aggregate **aggregate, struct weir_fault *fault);
void aggregate_free(struct aggregate *aggregate);

int aggregate_flows(struct aggregate *aggregate, const struct weir_flow *flows, size_t count, struct weir_fault *fault);

/* All rows of a reader, reading only the columns that it needs. *stop ends it early. */
int aggregate_parquet(struct aggregate *aggregate, struct parquet_reader *reader, const _Atomic int *stop, struct weir_fault *fault);

/* Which columns the plan needs: an element for each of weir_flow_columns. */
void aggregate_columns(const struct aggregate_plan *plan, bool *wanted);

/*
 * The groups, sorted: by the sum of this number descending (with that of the other direction added), equal ones by their keys; or by keys alone,
 * ascending (by_sum < 0). Returns their numbers, which the aggregate owns; NULL: no memory.
 */
const uint32_t *aggregate_sorted(struct aggregate *aggregate, int by_sum, size_t *count);

/* A group's key as text appended to out; false: it has no value. */
bool aggregate_key_text(const struct aggregate *aggregate, uint32_t group, size_t key, struct text *out);
/* … and whether it is a number that JSON needs no quotes for. */
bool aggregate_key_is_number(const struct aggregate_plan *plan, size_t key);
/* What was gathered. false: no record had a value. */
bool aggregate_value(const struct aggregate *aggregate, uint32_t group, size_t sum, uint64_t *value);

uint64_t aggregate_records(const struct aggregate *aggregate);

#endif
