/* Writing a trace as pcapng: a section header, then a custom block for each provider, event and loss (docs/trace-format.md). */
#include <stdlib.h>
#include <string.h>

#include "box/trace.h"
#include "box/trace_format.h"
#include "file/option.h"
#include "file/pen.h"
#include "file/stream.h"

struct trace_writer {
	struct stream_writer *out;
};

static enum weir_compression compression_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (!dot)
		return WEIR_COMPRESSION_NONE;
	return strcmp(dot, ".zst") == 0  ? WEIR_COMPRESSION_ZSTD
	       : strcmp(dot, ".gz") == 0 ? WEIR_COMPRESSION_GZIP
	       : strcmp(dot, ".lz4") == 0 ? WEIR_COMPRESSION_LZ4
	                                  : WEIR_COMPRESSION_NONE;
}

int trace_writer_open(const char *path, struct trace_writer **writer, struct weir_fault *fault)
{
	uint8_t header[PCAPNG_SHB_BYTES] = {0};
	struct trace_writer *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write a trace");
	int error = stream_writer_open(path, compression_of(path), 0, &made->out, fault);
	if (!error) {
		weir_store_le32(header, PCAPNG_SHB);
		weir_store_le32(header + 4, sizeof header);
		weir_store_le32(header + 8, PCAPNG_BYTE_ORDER);
		weir_store_le16(header + 12, 1);
		weir_store_le64(header + 16, UINT64_MAX);
		weir_store_le32(header + 24, sizeof header);
		error = stream_writer_write(made->out, header, sizeof header, fault);
	}
	if (error) {
		trace_writer_close(made);
		return error;
	}
	*writer = made;
	return 0;
}

/* A block whose content is `head` and then `body`. */
static int write_block(struct trace_writer *writer, const void *head, size_t head_length, const void *body, size_t body_length,
                       struct weir_fault *fault)
{
	size_t length = head_length + body_length, padded = (length + 3) & ~(size_t)3, total = TRACE_BLOCK_HEAD + padded + 4;

	if (total > STREAM_ROOM)
		return weir_fail(fault, WEIR_E_LIMIT, "an event or description of %zu bytes is too long", length);
	uint8_t *out = stream_writer_room(writer->out, total, fault);
	if (!out)
		return fault ? fault->code : WEIR_E_IO;
	weir_store_le32(out, TRACE_BLOCK);
	weir_store_le32(out + 4, (uint32_t)total);
	weir_store_le32(out + 8, WEIR_PEN);
	memcpy(out + TRACE_BLOCK_HEAD, head, head_length);
	if (body_length)
		memcpy(out + TRACE_BLOCK_HEAD + head_length, body, body_length);
	memset(out + TRACE_BLOCK_HEAD + length, 0, padded - length);
	weir_store_le32(out + total - 4, (uint32_t)total);
	return 0;
}

int trace_writer_event(struct trace_writer *writer, const struct weir_trace_event *event, struct weir_fault *fault)
{
	uint8_t head[TRACE_EVENT_HEAD];

	memcpy(head, TRACE_EVENT_MAGIC, 4);
	weir_store_le16(head + 4, event->provider->id);
	head[6] = event->type->id;
	head[7] = event->type->version;
	weir_store_le16(head + 8, event->cpu);
	head[10] = event->flags;
	head[11] = 0;
	weir_store_le32(head + 12, (uint32_t)event->payload.length);
	weir_store_le32(head + 16, event->process_id);
	weir_store_le32(head + 20, event->thread_id);
	weir_store_le64(head + 24, (uint64_t)event->time_ns);
	weir_store_le64(head + 32, event->user_ns);
	weir_store_le64(head + 40, event->kernel_ns);
	weir_store_le64(head + 48, event->activity);
	memcpy(head + 56, event->name, 16);
	return write_block(writer, head, sizeof head, event->payload.data, event->payload.length, fault);
}

/* A text of at most 255 bytes with its length before it. */
static void put_text(struct text *out, const char *string)
{
	size_t length = strnlen(string, 255);

	text_add_char(out, (char)length);
	text_add_bytes(out, string, length);
}

static void put16(struct text *out, uint16_t value)
{
	uint8_t bytes[2];
	weir_store_le16(bytes, value);
	text_add_bytes(out, bytes, sizeof bytes);
}

static void put32(struct text *out, uint32_t value)
{
	uint8_t bytes[4];
	weir_store_le32(bytes, value);
	text_add_bytes(out, bytes, sizeof bytes);
}

static void put64(struct text *out, uint64_t value)
{
	uint8_t bytes[8];
	weir_store_le64(bytes, value);
	text_add_bytes(out, bytes, sizeof bytes);
}

/* The names of a field that an earlier event of this provider has just so are not told again: 0xffff, and the other has them. */
static void put_field(struct text *out, const struct weir_trace_field *field, bool told)
{
	uint16_t count = 0;

	for (const struct weir_trace_name *name = field->names; name && name->name; name++)
		count++;
	text_add_char(out, (char)field->type);
	text_add_char(out, (char)field->size);
	put_text(out, field->name);
	put16(out, told ? 0xffff : count);
	for (uint16_t i = 0; i < count && !told; i++) {
		put32(out, field->names[i].value);
		put_text(out, field->names[i].name);
	}
}

static size_t count_fields(const struct weir_trace_event_type *type)
{
	size_t count = 0;

	while (type->fields[count].name)
		count++;
	return count;
}

int trace_writer_provider(struct trace_writer *writer, const struct weir_trace_provider *provider, struct weir_fault *fault)
{
	struct text out = {0};
	uint8_t keywords = 0, events = 0;

	for (const struct weir_trace_keyword *keyword = provider->keywords; keyword && keyword->name; keyword++)
		keywords++;
	for (const struct weir_trace_event_type *type = provider->events; type->id; type++)
		events++;
	text_add_bytes(&out, TRACE_PROVIDER_MAGIC, 4);
	put16(&out, provider->id);
	put_text(&out, provider->name);
	put_text(&out, provider->meaning);
	text_add_char(&out, (char)keywords);
	for (uint8_t i = 0; i < keywords; i++) {
		put64(&out, provider->keywords[i].bit);
		put_text(&out, provider->keywords[i].name);
	}
	text_add_char(&out, (char)events);
	for (uint8_t i = 0; i < events; i++) {
		const struct weir_trace_event_type *type = &provider->events[i];
		text_add_char(&out, (char)type->id);
		text_add_char(&out, (char)type->version);
		text_add_char(&out, (char)type->level);
		put64(&out, type->keywords);
		put_text(&out, type->name);
		/* Events that share their fields share what is told of them. */
		bool told = i > 0 && type->fields == provider->events[i - 1].fields;
		text_add_char(&out, (char)count_fields(type));
		for (size_t f = 0; f < count_fields(type); f++)
			put_field(&out, &type->fields[f], told);
	}
	int error = out.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory to describe a provider")
	                       : write_block(writer, out.data, out.length, NULL, 0, fault);
	text_free(&out);
	return error;
}

int trace_writer_loss(struct trace_writer *writer, const struct weir_trace_loss *loss, int64_t time_ns, struct weir_fault *fault)
{
	uint8_t block[TRACE_LOSS_BYTES];

	memcpy(block, TRACE_LOSS_MAGIC, 4);
	weir_store_le16(block + 4, loss->provider->id);
	weir_store_le16(block + 6, 0);
	weir_store_le32(block + 8, loss->cpu);
	weir_store_le64(block + 12, (uint64_t)time_ns);
	weir_store_le64(block + 20, loss->sent);
	weir_store_le64(block + 28, loss->kept);
	weir_store_le64(block + 36, loss->lost);
	return write_block(writer, block, sizeof block, NULL, 0, fault);
}

int trace_writer_finish(struct trace_writer *writer, struct weir_fault *fault) { return stream_writer_finish(writer->out, fault); }

void trace_writer_close(struct trace_writer *writer)
{
	if (!writer)
		return;
	stream_writer_close(writer->out);
	free(writer);
}
