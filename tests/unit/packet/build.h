/* Packets made by hand, header by header, for the tests of decoding and printing. */
#ifndef TESTS_PACKET_BUILD_H
#define TESTS_PACKET_BUILD_H

#include <weir/decode.h>

struct build {
	uint8_t data[2048];
	uint32_t length;
	uint16_t linktype;
	/* Length fields that are filled in when the packet is done: 16 bits at `at`, of the bytes from `from` on. */
	struct {
		uint32_t at, from;
	} lengths[16];
	unsigned length_count;
};

static inline void bytes(struct build *b, const void *data, uint32_t length)
{
	assert_true(b->length + length <= sizeof b->data);
	memcpy(b->data + b->length, data, length);
	b->length += length;
}

static inline void u8(struct build *b, uint8_t v) { bytes(b, &v, 1); }

static inline void be16(struct build *b, uint16_t v)
{
	uint8_t p[2];
	weir_store_be16(p, v);
	bytes(b, p, 2);
}

static inline void be32(struct build *b, uint32_t v)
{
	uint8_t p[4];
	weir_store_be32(p, v);
	bytes(b, p, 4);
}

static inline void length_here(struct build *b, uint32_t from)
{
	b->lengths[b->length_count].at = b->length;
	b->lengths[b->length_count++].from = from;
	be16(b, 0);
}

static inline void ethernet(struct build *b, uint16_t type)
{
	bytes(b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	be16(b, type);
}

/* 802.3: the length stands where the type would. */
static inline void ethernet_802_3(struct build *b)
{
	bytes(b, "\x01\x80\xc2\x00\x00\x00\x02\x00\x00\x00\x00\x01", 12);
	length_here(b, b->length + 2);
}

static inline void vlan(struct build *b, uint16_t tag, uint16_t type)
{
	be16(b, tag);
	be16(b, type);
}

/* From 10.0.0.1 to 10.0.0.2; options: so many bytes of NOP. */
static inline void ipv4_with(struct build *b, uint8_t protocol, uint16_t fragment, uint8_t options)
{
	uint32_t start = b->length;
	u8(b, (uint8_t)(0x45 + options / 4));
	u8(b, 0);
	length_here(b, start);
	be16(b, 0x1234);
	be16(b, fragment);
	u8(b, 64);
	u8(b, protocol);
	be16(b, 0);
	be32(b, 0x0a000001);
	be32(b, 0x0a000002);
	for (uint8_t i = 0; i < options; i++)
		u8(b, 1);
}

static inline void ipv4(struct build *b, uint8_t protocol) { ipv4_with(b, protocol, 0, 0); }

/* From 2001:db8::1 to 2001:db8::2. */
static inline void ipv6(struct build *b, uint8_t next)
{
	be32(b, 0x60000000);
	length_here(b, b->length + 36);
	u8(b, next);
	u8(b, 64);
	bytes(b, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 32);
}

static inline void tcp(struct build *b, uint16_t source, uint16_t destination)
{
	be16(b, source);
	be16(b, destination);
	be32(b, 1000);
	be32(b, 2000);
	be16(b, 0x5018);
	be16(b, 512);
	be32(b, 0);
}

static inline void udp(struct build *b, uint16_t source, uint16_t destination)
{
	uint32_t start = b->length;
	be16(b, source);
	be16(b, destination);
	length_here(b, start);
	be16(b, 0);
}

static inline void arp(struct build *b)
{
	bytes(b, "\0\x01\x08\0\x06\x04\0\x01", 8);
	bytes(b, "\x02\0\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\x0a\0\0\x02", 20);
}

static inline struct weir_packet finished(struct build *b)
{
	for (unsigned i = 0; i < b->length_count; i++)
		weir_store_be16(b->data + b->lengths[i].at, (uint16_t)(b->length - b->lengths[i].from));
	b->length_count = 0;
	return (struct weir_packet){.data = b->data, .captured = b->length, .length = b->length, .linktype = b->linktype};
}

#endif
