/*
 * flow/value.h: the values of a record's columns, by way of the column table: what every writer does with a column is made of these. The record is a
 * struct weir_flow, or what else such a table describes (flow/parquet_table.h).
 */
#ifndef FLOW_VALUE_H
#define FLOW_VALUE_H

#include <math.h>

#include <weir/flow.h>

#include "core/text.h"

static inline const void *value_member(const struct weir_flow_column *column, const void *record)
{
	return (const uint8_t *)record + column->offset;
}

/* The number of an UNSIGNED, TIME or DURATION (these two as the 64 bits of an int64_t), or of a DOUBLE its bits. */
static inline uint64_t value_number(const struct weir_flow_column *column, const void *record)
{
	const void *member = value_member(column, record);

	switch (column->size) {
	case 1: return *(const uint8_t *)member;
	case 2: return weir_load_native16(member);
	case 4: return weir_load_native32(member);
	default: return weir_load_native64(member);
	}
}

static inline void value_set_number(const struct weir_flow_column *column, struct weir_flow *flow, uint64_t number)
{
	void *member = (uint8_t *)flow + column->offset;

	switch (column->size) {
	case 1: *(uint8_t *)member = (uint8_t)number; break;
	case 2: weir_store_native16(member, (uint16_t)number); break;
	case 4: weir_store_native32(member, (uint32_t)number); break;
	default: weir_store_native64(member, number);
	}
}

/* The type is one of numbers: UNSIGNED, TIME, DURATION, DOUBLE. */
static inline bool value_is_number(const struct weir_flow_column *column) { return column->type <= WEIR_COLUMN_DOUBLE; }

/* Whether some record may have no value there. */
static inline bool value_optional(const struct weir_flow_column *column)
{
	return column->type != WEIR_COLUMN_UNSIGNED || column->no_value || column->present;
}

static inline bool value_present(const struct weir_flow_column *column, const void *record)
{
	const void *member = value_member(column, record);

	if (column->present && !*(const bool *)((const uint8_t *)record + column->present))
		return false;
	switch (column->type) {
	case WEIR_COLUMN_UNSIGNED: return !column->no_value || weir_load_native32(member) != WEIR_NO_VALUE;
	case WEIR_COLUMN_TIME:
	case WEIR_COLUMN_DURATION: return (int64_t)weir_load_native64(member) != WEIR_NO_TIME;
	case WEIR_COLUMN_DOUBLE: return !isnan(*(const double *)member);
	case WEIR_COLUMN_IP: return ((const struct weir_ip *)member)->version != 0;
	case WEIR_COLUMN_STRING: return ((const struct weir_bytes *)member)->data != NULL;
	case WEIR_COLUMN_TEXT: return *(const char *)member != '\0';
	default: return true;
	}
}

/* The bytes that tell the values of a column that is no number apart. */
static inline struct weir_bytes value_bytes(const struct weir_flow_column *column, const void *record)
{
	const void *member = value_member(column, record);

	switch (column->type) {
	case WEIR_COLUMN_STRING: return *(const struct weir_bytes *)member;
	case WEIR_COLUMN_TEXT: return (struct weir_bytes){member, strnlen(member, column->size)};
	default: return (struct weir_bytes){member, column->size};
	}
}

/* The text of such bytes: an address, a MAC, or the string with what is no UTF-8 replaced. Not terminated. */
void value_put_bytes(struct text *out, const struct weir_flow_column *column, struct weir_bytes bytes);

/* "2026-11-23T10:00:00.123456789Z": RFC 3339 in UTC, always with nine decimals. */
void value_put_time(struct text *out, int64_t ns);

/* The text of a number: a time as above, a duration in ns, or just the number. */
void value_put_number(struct text *out, const struct weir_flow_column *column, uint64_t number);

/* The inverse of value_put_bytes of an IP or a MAC; false: it is none. */
bool value_parse_ip(struct weir_bytes text, struct weir_ip *ip);
bool value_parse_mac(struct weir_bytes text, uint8_t mac[static 6]);

#endif
