/* Builds capture files byte by byte for the tests of src/file. */
#ifndef TESTS_FILE_MAKE_H
#define TESTS_FILE_MAKE_H

#include <stdlib.h>

#include <weir/file.h>

#include "file/option.h"

struct bytes {
	uint8_t data[1 << 16];
	size_t length;
	bool big;
};

static inline void put(struct bytes *b, const void *data, size_t length)
{
	assert_true(b->length + length <= sizeof b->data);
	memcpy(b->data + b->length, data, length);
	b->length += length;
}

static inline void put16(struct bytes *b, uint16_t v)
{
	uint8_t p[2];
	weir_store16(p, v, b->big);
	put(b, p, sizeof p);
}

static inline void put32(struct bytes *b, uint32_t v)
{
	uint8_t p[4];
	weir_store32(p, v, b->big);
	put(b, p, sizeof p);
}

static inline void put_pcap_header(struct bytes *b, uint32_t magic, uint16_t minor, uint32_t snaplen, uint32_t network)
{
	put32(b, magic);
	put16(b, 2);
	put16(b, minor);
	put32(b, 0);
	put32(b, 0);
	put32(b, snaplen);
	put32(b, network);
}

/* A record whose data is `captured` bytes that count up from `fill`. */
static inline void put_pcap_record(struct bytes *b, uint32_t seconds, uint32_t fraction, uint32_t first, uint32_t second,
                                   uint32_t captured, uint8_t fill)
{
	put32(b, seconds);
	put32(b, fraction);
	put32(b, first);
	put32(b, second);
	for (uint32_t i = 0; i < captured; i++)
		put(b, &(uint8_t){(uint8_t)(fill + i)}, 1);
}

/* A block around a body; its length is as it should be. */
static inline void put_block(struct bytes *b, uint32_t type, const struct bytes *body)
{
	uint32_t length = (uint32_t)(12 + pcapng_padded(body->length));
	static const uint8_t zeros[4];

	put32(b, type);
	put32(b, length);
	put(b, body->data, body->length);
	put(b, zeros, pcapng_padded(body->length) - body->length);
	put32(b, length);
}

static inline void put_section(struct bytes *b)
{
	struct bytes body = {.big = b->big};
	put32(&body, PCAPNG_BYTE_ORDER);
	put16(&body, 1);
	put16(&body, 0);
	put32(&body, 0xffffffff);
	put32(&body, 0xffffffff);
	put_block(b, PCAPNG_SHB, &body);
}

/* resolution < 0: without the option. */
static inline void put_interface(struct bytes *b, uint16_t linktype, uint32_t snaplen, int resolution)
{
	struct bytes body = {.big = b->big};
	put16(&body, linktype);
	put16(&body, 0);
	put32(&body, snaplen);
	if (resolution >= 0) {
		body.length += pcapng_option_put(body.data + body.length, b->big, PCAPNG_IF_TSRESOL, &(uint8_t){(uint8_t)resolution}, 1);
		body.length += pcapng_option_put(body.data + body.length, b->big, PCAPNG_END_OF_OPTIONS, NULL, 0);
	}
	put_block(b, PCAPNG_IDB, &body);
}

/* comment NULL: no options. */
static inline void put_packet(struct bytes *b, uint32_t interface, uint64_t ticks, uint32_t captured, uint32_t length,
                              const char *comment)
{
	struct bytes body = {.big = b->big};
	put32(&body, interface);
	put32(&body, (uint32_t)(ticks >> 32));
	put32(&body, (uint32_t)ticks);
	put32(&body, captured);
	put32(&body, length);
	for (uint32_t i = 0; i < captured; i++)
		put(&body, &(uint8_t){(uint8_t)i}, 1);
	while (body.length % 4)
		put(&body, "", 1);
	if (comment) {
		body.length += pcapng_option_put(body.data + body.length, b->big, PCAPNG_COMMENT, comment, (uint16_t)strlen(comment));
		body.length += pcapng_option_put(body.data + body.length, b->big, PCAPNG_END_OF_OPTIONS, NULL, 0);
	}
	put_block(b, PCAPNG_EPB, &body);
}

static inline struct weir_source *open_bytes(const struct bytes *b)
{
	struct weir_source *source = NULL;
	struct weir_fault fault;
	weir_fault_clear(&fault);
	if (weir_capture_open_memory(b->data, b->length, "bytes", NULL, &source, &fault) != 0)
		fail_msg("%s", fault.message);
	return source;
}

/* What is left of a source: everything it gives, in one list. Data points into `b` for plain memory. */
struct all {
	struct weir_packet packets[4096];
	uint32_t count;
	struct weir_block blocks[512];
	uint32_t block_count;
	int result;
	struct weir_fault fault;
};

static inline struct all *read_all(struct weir_source *source)
{
	struct all *all = calloc(1, sizeof *all);
	struct weir_batch *batch = weir_batch_new();

	assert_non_null(all);
	assert_non_null(batch);
	weir_fault_clear(&all->fault);
	while ((all->result = source->ops->fill(source, batch, &all->fault)) > 0) {
		assert_true(all->count + batch->count <= 4096 && all->block_count + batch->block_count <= 512);
		if (batch->count)
			assert_int_equal(batch->first_number, all->count + 1);
		for (uint32_t i = 0; i < batch->block_count; i++) {
			all->blocks[all->block_count] = batch->blocks[i];
			all->blocks[all->block_count++].before += all->count;
		}
		memcpy(all->packets + all->count, batch->packets, batch->count * sizeof batch->packets[0]);
		all->count += batch->count;
		weir_batch_reset(batch);
	}
	weir_batch_free(batch);
	return all;
}

/* Opens, reads all and closes; the bytes stay. */
static inline struct all *read_bytes(const struct bytes *b)
{
	struct weir_source *source = open_bytes(b);
	struct all *all = read_all(source);
	weir_source_close(source);
	return all;
}

#endif
