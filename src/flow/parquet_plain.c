/* Values as they are, and the least and greatest of them: flow/parquet_plain.h. */
#include "flow/parquet_plain.h"

void parquet_plain_numbers(struct text *out, const uint64_t *values, uint32_t count, bool wide)
{
	size_t bytes = (size_t)count * (wide ? 8 : 4);

	if (!text_reserve(out, bytes + 4))
		return;
	char *at = out->data + out->length;
	for (uint32_t i = 0; wide && i < count; i++)
		weir_store_le64(at + 8 * (size_t)i, values[i]);
	for (uint32_t i = 0; !wide && i < count; i++)
		weir_store_le32(at + 4 * (size_t)i, (uint32_t)values[i]);
	out->length += bytes;
	out->data[out->length] = '\0';
}

static int compare(const char *data, size_t length, const struct text *with)
{
	int order = memcmp(data, text_string(with), length < with->length ? length : with->length);

	return order ? order : (length > with->length) - (length < with->length);
}

static void set_bound(struct parquet_chunk *chunk, struct text *bound, const char *data, size_t length)
{
	text_clear(bound);
	text_add_bytes(bound, data, length);
	chunk->failed |= bound->failed;
}

static void count_bounds(struct parquet_chunk *chunk, const char *data, size_t length)
{
	if (!chunk->bounds || compare(data, length, &chunk->least) < 0)
		set_bound(chunk, &chunk->least, data, length);
	if (!chunk->bounds || compare(data, length, &chunk->most) > 0)
		set_bound(chunk, &chunk->most, data, length);
	chunk->bounds = true;
}

/* The first eight bytes of the bounds: of most strings they say that they are neither the least nor the most of the chunk. */
struct heads {
	uint64_t least, most;
};

static struct heads heads_of(const struct parquet_chunk *chunk)
{
	return (struct heads){chunk->bounds && chunk->least.length >= 8 ? weir_load_be64(chunk->least.data) : UINT64_MAX,
	                      chunk->bounds && chunk->most.length >= 8 ? weir_load_be64(chunk->most.data) : 0};
}

/* A string, its length before it. */
static void put_string(struct text *out, const struct parquet_column *column, struct weir_bytes string, struct parquet_chunk *chunk, struct heads *heads)
{
	uint8_t bytes[4] = {0};
	size_t at = out->length;

	text_add_bytes(out, bytes, 4);
	value_put_bytes(out, column->column, string);
	if (out->failed)
		return;
	const char *data = out->data + at + 4;
	size_t length = out->length - at - 4;
	weir_store_le32(out->data + at, (uint32_t)length);
	uint64_t head = length < 8 ? 0 : weir_load_be64(data);
	if (length < 8 || head <= heads->least || head >= heads->most) {
		count_bounds(chunk, data, length);
		*heads = heads_of(chunk);
	}
}

void parquet_plain_all_strings(struct text *out, const struct parquet_column *column, struct parquet_chunk *chunk)
{
	struct heads heads = heads_of(chunk);

	for (uint32_t i = 0; i < column->strings.count; i++)
		put_string(out, column, intern_bytes(&column->strings, i), chunk, &heads);
}

/* Strings were numbered as they came, so that in the order of rows each is somewhere else: called for ahead, they take half the time. */
void parquet_plain_strings(struct text *out, const struct parquet_column *column, const uint64_t *numbers, uint32_t count, struct parquet_chunk *chunk)
{
	enum { AHEAD = 8 };
	struct heads heads = heads_of(chunk);

	for (uint32_t i = 0; i < count; i++) {
		if (i + 2 * AHEAD < count)
			intern_prefetch_end(&column->strings, (uint32_t)numbers[i + 2 * AHEAD]);
		if (i + AHEAD < count)
			intern_prefetch(&column->strings, (uint32_t)numbers[i + AHEAD]);
		put_string(out, column, intern_bytes(&column->strings, (uint32_t)numbers[i]), chunk, &heads);
	}
}

void parquet_plain_texts(struct text *out, const struct parquet_column *column, const uint64_t *rows, uint32_t count, struct parquet_chunk *chunk)
{
	enum { AHEAD = 16 };
	size_t size = column->column->size;
	struct heads heads = heads_of(chunk);

	for (uint32_t i = 0; i < count && !out->failed; i++) {
		const char *text = column->texts + rows[i] * size;
		if (i + AHEAD < count)
			__builtin_prefetch(column->texts + rows[i + AHEAD] * size);
		put_string(out, column, (struct weir_bytes){(const uint8_t *)text, strnlen(text, size)}, chunk, &heads);
	}
}
