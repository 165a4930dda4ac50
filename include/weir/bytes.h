/*
 * weir/bytes.h: views on memory that others own, and loads that never read outside of them.
 *
 * A struct weir_bytes is a pointer and a length; it owns nothing and must not outlive what it points into. A struct
 * weir_cursor walks over such a view: every take is checked, and after the first one that did not fit the cursor is
 * `failed` and gives zeros, so that a parser may check once at its end.
 */
#ifndef WEIR_BYTES_H
#define WEIR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct weir_bytes {
	const uint8_t *data;
	size_t length;
};

static inline uint16_t weir_swap16(uint16_t v) { return __builtin_bswap16(v); }
static inline uint32_t weir_swap32(uint32_t v) { return __builtin_bswap32(v); }
static inline uint64_t weir_swap64(uint64_t v) { return __builtin_bswap64(v); }

/* Unaligned loads and stores. The caller has checked the bounds. */
static inline uint16_t weir_load_native16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t weir_load_native32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t weir_load_native64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WEIR_NATIVE_BIG 0
#define WEIR_FROM_BE(bits, v) weir_swap##bits(v)
#define WEIR_FROM_LE(bits, v) (v)
#else
#define WEIR_NATIVE_BIG 1
#define WEIR_FROM_BE(bits, v) (v)
#define WEIR_FROM_LE(bits, v) weir_swap##bits(v)
#endif

static inline uint16_t weir_load_be16(const void *p) { return WEIR_FROM_BE(16, weir_load_native16(p)); }
static inline uint32_t weir_load_be32(const void *p) { return WEIR_FROM_BE(32, weir_load_native32(p)); }
static inline uint64_t weir_load_be64(const void *p) { return WEIR_FROM_BE(64, weir_load_native64(p)); }
static inline uint16_t weir_load_le16(const void *p) { return WEIR_FROM_LE(16, weir_load_native16(p)); }
static inline uint32_t weir_load_le32(const void *p) { return WEIR_FROM_LE(32, weir_load_native32(p)); }
static inline uint64_t weir_load_le64(const void *p) { return WEIR_FROM_LE(64, weir_load_native64(p)); }

static inline void weir_store_native16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void weir_store_native32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void weir_store_native64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }
static inline void weir_store_be16(void *p, uint16_t v) { weir_store_native16(p, WEIR_FROM_BE(16, v)); }
static inline void weir_store_be32(void *p, uint32_t v) { weir_store_native32(p, WEIR_FROM_BE(32, v)); }
static inline void weir_store_be64(void *p, uint64_t v) { weir_store_native64(p, WEIR_FROM_BE(64, v)); }
static inline void weir_store_le16(void *p, uint16_t v) { weir_store_native16(p, WEIR_FROM_LE(16, v)); }
static inline void weir_store_le32(void *p, uint32_t v) { weir_store_native32(p, WEIR_FROM_LE(32, v)); }
static inline void weir_store_le64(void *p, uint64_t v) { weir_store_native64(p, WEIR_FROM_LE(64, v)); }

/* Loads in a byte order that is known only at run time (pcap and pcapng say it in their headers). */
static inline uint16_t weir_load16(const void *p, bool big) { return big ? weir_load_be16(p) : weir_load_le16(p); }
static inline uint32_t weir_load32(const void *p, bool big) { return big ? weir_load_be32(p) : weir_load_le32(p); }
static inline uint64_t weir_load64(const void *p, bool big) { return big ? weir_load_be64(p) : weir_load_le64(p); }
static inline void weir_store16(void *p, uint16_t v, bool big) { big ? weir_store_be16(p, v) : weir_store_le16(p, v); }
static inline void weir_store32(void *p, uint32_t v, bool big) { big ? weir_store_be32(p, v) : weir_store_le32(p, v); }
static inline void weir_store64(void *p, uint64_t v, bool big) { big ? weir_store_be64(p, v) : weir_store_le64(p, v); }

struct weir_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static inline struct weir_cursor weir_cursor_over(const void *data, size_t length)
{
	const uint8_t *p = data;
	return (struct weir_cursor){p, length ? p + length : p, false}; /* an empty view may be of NULL */
}

static inline size_t weir_cursor_left(const struct weir_cursor *c) { return (size_t)(c->end - c->at); }

/* Takes `length` bytes; NULL (and failed) when there are not as many. */
static inline const uint8_t *weir_take(struct weir_cursor *c, size_t length)
{
	if (c->failed || weir_cursor_left(c) < length) {
		c->failed = true;
		return NULL;
	}
	const uint8_t *p = c->at;
	c->at += length;
	return p;
}

static inline uint8_t weir_take8(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 1);
	return p ? *p : 0;
}

static inline uint16_t weir_take_be16(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 2);
	return p ? weir_load_be16(p) : 0;
}

static inline uint32_t weir_take_be32(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 4);
	return p ? weir_load_be32(p) : 0;
}

static inline uint64_t weir_take_be64(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 8);
	return p ? weir_load_be64(p) : 0;
}

static inline uint16_t weir_take_le16(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 2);
	return p ? weir_load_le16(p) : 0;
}

static inline uint32_t weir_take_le32(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 4);
	return p ? weir_load_le32(p) : 0;
}

static inline uint64_t weir_take_le64(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 8);
	return p ? weir_load_le64(p) : 0;
}

#endif
