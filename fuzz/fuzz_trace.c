/*
 * Traces: blocks of any bytes in a section. Every event can be printed in each form, and each field lies in its payload. The input is a chain of
 * blocks: two bytes of length and so many, from the magic on; what begins with a section header is taken as a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/trace.h>

#include "box/trace.h"
#include "box/trace_format.h"
#include "core/text.h"
#include "file/option.h"
#include "file/pen.h"

#define INPUT_MAX ((size_t)64 << 10)

static void read_all(const uint8_t *data, size_t length)
{
	struct weir_trace_reader *reader;
	struct weir_trace_event event;
	struct text text = {0};
	struct weir_fault fault;
	size_t count;

	weir_fault_clear(&fault);
	if (weir_trace_read_open_memory(data, length, "fuzz", &reader, &fault) != 0)
		return;
	while (weir_trace_read(reader, &event, &fault) > 0) {
		trace_put_line(&text, &event, false);
		trace_put_json(&text, &event);
		text_clear(&text);
	}
	const struct weir_trace_loss *losses = weir_trace_read_losses(reader, &count);
	for (size_t i = 0; i < count; i++)
		if (!losses[i].provider)
			abort();
	weir_trace_read_close(reader);
	text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4 || size > INPUT_MAX)
		return 0;
	if (weir_load_be32(data) == PCAPNG_SHB) {
		read_all(data, size);
		return 0;
	}
	/* Each block grows by less than twenty bytes, and takes two of the input at least. */
	uint8_t *made = calloc(1, PCAPNG_SHB_BYTES + 12 * size);
	if (!made)
		return 0;
	size_t length = PCAPNG_SHB_BYTES;
	weir_store_le32(made, PCAPNG_SHB);
	weir_store_le32(made + 4, PCAPNG_SHB_BYTES);
	weir_store_le32(made + 8, PCAPNG_BYTE_ORDER);
	weir_store_le16(made + 12, 1);
	weir_store_le64(made + 16, UINT64_MAX);
	weir_store_le32(made + 24, PCAPNG_SHB_BYTES);
	struct weir_cursor cursor = weir_cursor_over(data, size);
	while (weir_cursor_left(&cursor) > 2) {
		size_t claimed = weir_take_le16(&cursor), left = weir_cursor_left(&cursor);
		size_t body = claimed < left ? claimed : left, total = TRACE_BLOCK_HEAD + ((body + 3) & ~(size_t)3) + 4;
		weir_store_le32(made + length, TRACE_BLOCK);
		weir_store_le32(made + length + 4, (uint32_t)total);
		weir_store_le32(made + length + 8, WEIR_PEN);
		memcpy(made + length + TRACE_BLOCK_HEAD, weir_take(&cursor, body), body);
		weir_store_le32(made + length + total - 4, (uint32_t)total);
		length += total;
	}
	read_all(made, length);
	free(made);
	return 0;
}
