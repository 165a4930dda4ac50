/*
 * Grouping and summing: flow/aggregate.h. Keys become one 64-bit word each (strings and addresses their number among those seen), so that groups are
 * found by comparing a few words; sums are then added column by column.
 */
#include <stdlib.h>

#include "flow/aggregate_groups.h"
#include "flow/value.h"

#define SLOTS_LEAST 4096u
#define GROUPS_MOST (UINT32_C(1) << 30)
#define NOT_MAPPED UINT32_MAX

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory to group flows"); }

int aggregate_new(const struct aggregate_plan *plan, uint64_t memory_bytes, struct aggregate **aggregate, struct weir_fault *fault)
{
	struct aggregate *made = calloc(1, sizeof *made);
	bool failed = !made;

	if (failed)
		return no_memory(fault);
	made->plan = *plan;
	made->memory_bytes = memory_bytes;
	made->width = plan->key_count + plan->sum_count;
	for (size_t k = 0; k < plan->key_count; k++)
		failed |= !(made->words[k] = malloc(VECTOR_ROWS * sizeof *made->words[k]));
	for (size_t side = 0; side < 2; side++)
		failed |= !(made->row_groups[side] = malloc(VECTOR_ROWS * sizeof *made->row_groups[side]));
	failed |= !(made->numbers = malloc(VECTOR_ROWS * sizeof *made->numbers)) || !(made->present = malloc(VECTOR_ROWS)) ||
	          !(made->strings = malloc(VECTOR_ROWS * sizeof *made->strings));
	failed |= !(made->slots = calloc(SLOTS_LEAST, sizeof *made->slots));
	made->slot_mask = SLOTS_LEAST - 1;
	if (failed) {
		aggregate_free(made);
		return no_memory(fault);
	}
	*aggregate = made;
	return 0;
}

void aggregate_free(struct aggregate *aggregate)
{
	if (!aggregate)
		return;
	for (size_t k = 0; k < AGGREGATE_KEYS; k++) {
		free(aggregate->words[k]);
		intern_free(&aggregate->binary[k].seen);
		intern_free(&aggregate->textual[k].seen);
		free(aggregate->binary[k].texts);
		free(aggregate->textual[k].texts);
		free(aggregate->dictionaries[k][0].texts);
		free(aggregate->dictionaries[k][1].texts);
	}
	free(aggregate->row_groups[0]);
	free(aggregate->row_groups[1]);
	free(aggregate->numbers);
	free(aggregate->present);
	free(aggregate->strings);
	free(aggregate->slots);
	free(aggregate->hashes);
	free(aggregate->groups);
	free(aggregate->order);
	intern_free(&aggregate->texts);
	text_free(&aggregate->scratch);
	free(aggregate);
}

uint64_t aggregate_records(const struct aggregate *aggregate) { return aggregate->records; }

/* ---- keys ---- */

static void mask(struct weir_ip *ip, const struct aggregate_key *key)
{
	unsigned bits = ip->version == 4 ? key->prefix4 : key->prefix6, bytes = ip->version == 4 ? 4 : 16;

	for (unsigned i = 0; i < bytes; i++) {
		unsigned left = bits > 8 * i ? bits - 8 * i : 0;
		if (left < 8)
			ip->bytes[i] &= (uint8_t)(0xff00 >> left);
	}
}

/* The text of an address, of its prefix when not all of it counts, into scratch. */
static void address_text(struct text *out, struct weir_ip ip, const struct aggregate_key *key)
{
	unsigned bits = ip.version == 4 ? key->prefix4 : key->prefix6;

	mask(&ip, key);
	value_put_bytes(out, key->column, (struct weir_bytes){(const uint8_t *)&ip, sizeof ip});
	if (bits < (ip.version == 4 ? 32u : 128u)) {
		text_add_char(out, '/');
		text_add_unsigned(out, bits);
	}
}

/* The number of the text that a value stands for. textual: it is text already, else as value_bytes has it. */
static uint32_t text_number(struct aggregate *aggregate, size_t k, struct weir_bytes value, bool textual)
{
	const struct aggregate_key *key = &aggregate->plan.keys[k];
	struct text *text = &aggregate->scratch;
	struct weir_ip ip;

	text_clear(text);
	if (key->column->type != WEIR_COLUMN_IP) {
		if (textual)
			text_add_utf8(text, value.data, value.length);
		else
			value_put_bytes(text, key->column, value);
	} else if (!textual) {
		memcpy(&ip, value.data, sizeof ip);
		address_text(text, ip, key);
	} else if (value_parse_ip(value, &ip)) {
		address_text(text, ip, key);
	} else {
		text_add_utf8(text, value.data, value.length);
	}
	return text->failed ? INTERN_FULL : intern_number(&aggregate->texts, text_string(text), text->length);
}

static uint32_t mapped_number(struct aggregate *aggregate, size_t k, struct weir_bytes value, bool textual)
{
	struct mapping *mapping = textual ? &aggregate->textual[k] : &aggregate->binary[k];
	uint32_t before = mapping->seen.count, number = intern_number(&mapping->seen, value.data, value.length);

	if (number == INTERN_FULL)
		return INTERN_FULL;
	if (number >= mapping->room) {
		size_t room = mapping->room ? 2 * mapping->room : 256;
		uint32_t *texts = realloc(mapping->texts, room * sizeof *texts);
		if (!texts)
			return INTERN_FULL;
		mapping->texts = texts;
		mapping->room = room;
	}
	if (number == before)
		mapping->texts[number] = text_number(aggregate, k, value, textual);
	return mapping->texts[number];
}

/* The map of a vector's dictionary, empty when it is a new one. */
static uint32_t *dictionary_map(struct aggregate *aggregate, size_t k, unsigned side, const struct flow_vector *vector)
{
	struct dictionary_map *map = &aggregate->dictionaries[k][side];

	if (map->owner == vector && map->serial == vector->serial)
		return map->texts;
	if (map->room < vector->dictionary_count) {
		uint32_t *texts = realloc(map->texts, vector->dictionary_count * sizeof *texts);
		if (!texts)
			return NULL;
		map->texts = texts;
		map->room = vector->dictionary_count;
	}
	memset(map->texts, 0xff, vector->dictionary_count * sizeof *map->texts);
	map->owner = vector;
	map->serial = vector->serial;
	return map->texts;
}

static int number_words(const struct aggregate_key *key, const struct flow_vector *vector, uint32_t rows, uint64_t *words)
{
	if (key->bucket_ns) {
		for (uint32_t i = 0; i < rows; i++) {
			int64_t time = (int64_t)vector->numbers[i], rest = time % key->bucket_ns;
			words[i] = (uint64_t)time - (uint64_t)(rest < 0 ? rest + key->bucket_ns : rest); /* of no time: whatever it is */
		}
	} else {
		memcpy(words, vector->numbers, rows * sizeof *words);
	}
	return 0;
}

static int text_words(struct aggregate *aggregate, size_t k, unsigned side, const struct flow_vector *vector, uint32_t rows, uint64_t *words,
                      struct weir_fault *fault)
{
	uint32_t *map = vector->dictionary ? dictionary_map(aggregate, k, side, vector) : NULL;

	if (vector->dictionary && !map)
		return no_memory(fault);
	for (uint32_t i = 0; i < rows; i++) {
		if (vector->present && !vector->present[i])
			continue;
		uint32_t number = map ? map[vector->ids[i]] : NOT_MAPPED;
		if (number == NOT_MAPPED) {
			number = mapped_number(aggregate, k, map ? vector->dictionary[vector->ids[i]] : vector->strings[i], !vector->binary);
			if (number == INTERN_FULL)
				return no_memory(fault);
			if (map)
				map[vector->ids[i]] = number;
		}
		words[i] = number;
	}
	return 0;
}

/* The words of a key of all rows. vector NULL: none has a value. */
static int key_words(struct aggregate *aggregate, size_t k, unsigned side, const struct flow_vector *vector, uint32_t rows, struct weir_fault *fault)
{
	const struct aggregate_key *key = &aggregate->plan.keys[k];
	uint64_t *words = aggregate->words[k];
	int error = 0;

	if (!vector) {
		memset(words, 0xff, rows * sizeof *words);
		return 0;
	}
	if (value_is_number(key->column))
		error = number_words(key, vector, rows, words);
	else
		error = text_words(aggregate, k, side, vector, rows, words, fault);
	if (vector->present)
		for (uint32_t i = 0; i < rows; i++)
			words[i] = vector->present[i] ? words[i] : AGGREGATE_NO_KEY;
	return error;
}

/* ---- groups ---- */

static uint64_t memory_used(const struct aggregate *aggregate)
{
	uint64_t bytes = (uint64_t)aggregate->group_room * (aggregate->width * sizeof *aggregate->groups + sizeof *aggregate->hashes) +
	                 ((uint64_t)aggregate->slot_mask + 1) * sizeof *aggregate->slots + intern_memory(&aggregate->texts);

	for (size_t k = 0; k < aggregate->plan.key_count; k++) {
		bytes += intern_memory(&aggregate->binary[k].seen) + intern_memory(&aggregate->textual[k].seen);
		bytes += (aggregate->binary[k].room + aggregate->textual[k].room) * sizeof(uint32_t);
		bytes += (aggregate->dictionaries[k][0].room + aggregate->dictionaries[k][1].room) * sizeof(uint32_t);
	}
	return bytes;
}

static int check_memory(const struct aggregate *aggregate, uint64_t more, struct weir_fault *fault)
{
	char most[FORMAT_SIZE], groups[FORMAT_SIZE];

	if (memory_used(aggregate) + more <= aggregate->memory_bytes)
		return 0;
	return weir_fail(fault, WEIR_E_LIMIT, "%s groups of flows do not fit into %s: give more --memory, or group by less (a prefix, a longer time)",
	                 format_count(aggregate->group_count, groups), format_size(aggregate->memory_bytes, most));
}

static int grow_slots(struct aggregate *aggregate, struct weir_fault *fault)
{
	uint32_t room = 2 * (aggregate->slot_mask + 1);
	uint32_t *slots = calloc(room, sizeof *slots);

	if (!slots)
		return no_memory(fault);
	for (uint32_t g = 0; g < aggregate->group_count; g++) {
		uint32_t slot = aggregate->hashes[g] & (room - 1);
		while (slots[slot])
			slot = (slot + 1) & (room - 1);
		slots[slot] = g + 1;
	}
	free(aggregate->slots);
	aggregate->slots = slots;
	aggregate->slot_mask = room - 1;
	return 0;
}

/* Room for so many groups more, so that the rows at hand can be entered without a look at memory for each. */
static int make_room(struct aggregate *aggregate, uint32_t more, struct weir_fault *fault)
{
	int error = check_memory(aggregate, 0, fault);

	while (!error && aggregate->group_count + more > (aggregate->slot_mask + 1) / 2) {
		error = check_memory(aggregate, ((uint64_t)aggregate->slot_mask + 1) * sizeof *aggregate->slots, fault);
		if (!error)
			error = grow_slots(aggregate, fault);
	}
	if (error || aggregate->group_count + more <= aggregate->group_room)
		return error;
	uint32_t room = aggregate->group_room + aggregate->group_room / 2 + more;
	if (room > GROUPS_MOST)
		return weir_fail(fault, WEIR_E_LIMIT, "more than %u groups of flows", GROUPS_MOST);
	error = check_memory(aggregate, (uint64_t)(room - aggregate->group_room) * (aggregate->width * 8 + 4), fault);
	if (error)
		return error;
	uint64_t *groups = realloc(aggregate->groups, room * aggregate->width * sizeof *groups);
	if (groups)
		aggregate->groups = groups;
	uint32_t *hashes = realloc(aggregate->hashes, room * sizeof *hashes);
	if (hashes)
		aggregate->hashes = hashes;
	if (!groups || !hashes)
		return no_memory(fault);
	aggregate->group_room = room;
	return 0;
}

static uint32_t group_new(struct aggregate *aggregate, uint32_t slot, uint32_t hash, uint32_t row)
{
	const struct aggregate_plan *plan = &aggregate->plan;
	uint32_t number = aggregate->group_count++;
	uint64_t *group = aggregate->groups + number * aggregate->width;

	for (size_t k = 0; k < plan->key_count; k++)
		group[k] = aggregate->words[k][row];
	for (size_t s = 0; s < plan->sum_count; s++) {
		const struct weir_flow_column *column = plan->sums[s].column;
		bool is_signed = column && column->type != WEIR_COLUMN_UNSIGNED;
		uint64_t most = is_signed ? INT64_MAX : UINT64_MAX, least = is_signed ? (uint64_t)INT64_MIN : 0;
		enum aggregate_operation operation = plan->sums[s].operation;
		group[plan->key_count + s] = operation == AGGREGATE_LEAST ? most : operation == AGGREGATE_MOST ? least : 0;
	}
	aggregate->hashes[number] = hash;
	aggregate->slots[slot] = number + 1;
	return number;
}

static uint32_t hash_words(const struct aggregate *aggregate, uint32_t row)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t k = 0; k < aggregate->plan.key_count; k++) {
		hash = (hash ^ aggregate->words[k][row]) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return (uint32_t)hash;
}

static bool same_keys(const struct aggregate *aggregate, uint32_t number, uint32_t row)
{
	const uint64_t *group = aggregate->groups + number * aggregate->width;

	for (size_t k = 0; k < aggregate->plan.key_count; k++)
		if (group[k] != aggregate->words[k][row])
			return false;
	return true;
}

/* The group of each row, by its words. */
static void find_groups(struct aggregate *aggregate, uint32_t rows, uint32_t *row_groups)
{
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t hash = hash_words(aggregate, i), slot = hash & aggregate->slot_mask, number;
		for (;; slot = (slot + 1) & aggregate->slot_mask) {
			number = aggregate->slots[slot];
			if (!number) {
				number = group_new(aggregate, slot, hash, i) + 1;
				break;
			}
			if (aggregate->hashes[number - 1] == hash && same_keys(aggregate, number - 1, i))
				break;
		}
		row_groups[i] = number - 1;
	}
}

/* ---- sums ---- */

#define NOWHERE UINT32_MAX /* a row that is counted already: both ends are the same */

#define EACH_ROW(statement)                                                                                                                          \
	for (uint32_t i = 0; i < rows; i++) {                                                                                                            \
		if (row_groups[i] == NOWHERE || (vector->present && !vector->present[i]))                                                                    \
			continue;                                                                                                                                \
		uint64_t *to = at + row_groups[i] * width, value = vector->numbers[i];                                                                       \
		statement;                                                                                                                                   \
	}

static void add_sum(struct aggregate *aggregate, size_t s, const struct flow_vector *vector, const uint32_t *row_groups, uint32_t rows)
{
	uint64_t *at = aggregate->groups + aggregate->plan.key_count + s;
	const struct weir_flow_column *column = aggregate->plan.sums[s].column;
	size_t width = aggregate->width;

	if (!column) {
		for (uint32_t i = 0; i < rows; i++)
			if (row_groups[i] != NOWHERE)
				at[row_groups[i] * width]++;
		return;
	}
	if (!vector)
		return;
	bool is_signed = column->type != WEIR_COLUMN_UNSIGNED;
	switch (aggregate->plan.sums[s].operation) {
	case AGGREGATE_SUM: EACH_ROW(*to += value) break;
	case AGGREGATE_OR: EACH_ROW(*to |= value) break;
	case AGGREGATE_LEAST:
		if (is_signed)
			EACH_ROW(if ((int64_t)value < (int64_t)*to) *to = value)
		else
			EACH_ROW(if (value < *to) *to = value)
		break;
	case AGGREGATE_MOST:
		if (is_signed)
			EACH_ROW(if ((int64_t)value > (int64_t)*to) *to = value)
		else
			EACH_ROW(if (value > *to) *to = value)
		break;
	}
}

/* Gives the vector of a column of the rows at hand, NULL when there is none. It may be overwritten by the next call. */
typedef const struct flow_vector *vector_of(void *context, const struct weir_flow_column *column);

static int add_side(struct aggregate *aggregate, unsigned side, uint32_t rows, vector_of *vector, void *context, struct weir_fault *fault)
{
	const struct aggregate_plan *plan = &aggregate->plan;
	uint32_t *row_groups = aggregate->row_groups[side];
	int error = 0;

	for (size_t k = 0; k < plan->key_count && !error; k++) {
		const struct weir_flow_column *column = side && plan->keys[k].other ? plan->keys[k].other : plan->keys[k].column;
		error = key_words(aggregate, k, side, vector(context, column), rows, fault);
	}
	if (!error)
		error = make_room(aggregate, rows, fault);
	if (error)
		return error;
	find_groups(aggregate, rows, row_groups);
	for (uint32_t i = 0; side && i < rows; i++)
		if (row_groups[i] == aggregate->row_groups[0][i])
			row_groups[i] = NOWHERE;
	for (size_t s = 0; s < plan->sum_count; s++) {
		const struct weir_flow_column *column = side ? plan->sums[s].swapped : plan->sums[s].column;
		add_sum(aggregate, s, column ? vector(context, column) : NULL, row_groups, rows);
	}
	return 0;
}

static int add_rows(struct aggregate *aggregate, uint32_t rows, vector_of *vector, void *context, struct weir_fault *fault)
{
	int error = add_side(aggregate, 0, rows, vector, context, fault);

	if (!error && aggregate->plan.either)
		error = add_side(aggregate, 1, rows, vector, context, fault);
	aggregate->records += rows;
	return error;
}

/* ---- where rows come from ---- */

static const struct flow_vector *reader_vector(void *context, const struct weir_flow_column *column)
{
	size_t count;

	return parquet_reader_vector(context, (size_t)(column - weir_flow_columns(&count)));
}

int aggregate_parquet(struct aggregate *aggregate, struct parquet_reader *reader, const _Atomic int *stop, struct weir_fault *fault)
{
	size_t count;
	weir_flow_columns(&count);
	bool *wanted = calloc(count, sizeof *wanted);
	int rows = wanted ? 1 : no_memory(fault);

	if (wanted) {
		aggregate_columns(&aggregate->plan, wanted);
		parquet_reader_want(reader, wanted);
	}
	/* A vector's dictionary is known by where it is and its serial: both may come again in another file. */
	for (size_t k = 0; k < AGGREGATE_KEYS; k++)
		aggregate->dictionaries[k][0].owner = aggregate->dictionaries[k][1].owner = NULL;
	while (rows > 0 && !(stop && *stop)) {
		rows = parquet_reader_next(reader, VECTOR_ROWS, fault);
		if (rows <= 0)
			break;
		int error = add_rows(aggregate, (uint32_t)rows, reader_vector, reader, fault);
		if (error)
			rows = error;
	}
	free(wanted);
	return rows < 0 ? rows : 0;
}

struct records {
	struct aggregate *aggregate;
	const struct weir_flow *flows;
	uint32_t count;
	struct flow_vector vector;
};

/* A column of records as a vector. */
static const struct flow_vector *records_vector(void *context, const struct weir_flow_column *column)
{
	struct records *records = context;
	struct aggregate *aggregate = records->aggregate;

	for (uint32_t i = 0; i < records->count; i++) {
		const struct weir_flow *flow = &records->flows[i];
		aggregate->present[i] = value_present(column, flow);
		if (value_is_number(column))
			aggregate->numbers[i] = value_number(column, flow);
		else if (aggregate->present[i])
			aggregate->strings[i] = value_bytes(column, flow);
	}
	records->vector = (struct flow_vector){
		.present = aggregate->present, .numbers = aggregate->numbers, .strings = aggregate->strings, .binary = true,
	};
	return &records->vector;
}

int aggregate_flows(struct aggregate *aggregate, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	int error = 0;

	while (count && !error) {
		uint32_t rows = count < VECTOR_ROWS ? (uint32_t)count : VECTOR_ROWS;
		struct records records = {.aggregate = aggregate, .flows = flows, .count = rows};
		error = add_rows(aggregate, rows, records_vector, &records, fault);
		flows += rows;
		count -= rows;
	}
	return error;
}
