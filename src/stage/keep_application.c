/* How much of a message of an application is its headers, or stands before encrypted data. One packet at a time: a message that began in an earlier one is not known. */
#include <string.h>

#include "stage/keep.h"

#define TLS_RECORD 5
#define TLS_RECORD_MOST (16384u + 2048u)

enum tls_content { TLS_CHANGE_CIPHER = 20, TLS_ALERT = 21, TLS_HANDSHAKE = 22 };

static uint32_t at_most(uint32_t bytes, struct weir_bytes payload)
{
	return bytes < payload.length ? bytes : (uint32_t)payload.length;
}

/* ---- HTTP ---- */

/* To the end of the blank line; where there is none, all of it is header. */
static uint32_t http_headers(struct weir_bytes payload)
{
	const uint8_t *p = payload.data, *end = p + payload.length;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (p < end && *p == '\n')
			return (uint32_t)(p + 1 - payload.data);
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return (uint32_t)(p + 2 - payload.data);
	}
	return (uint32_t)payload.length;
}

/* ---- TLS ---- */

/* Types of handshake messages that are not always encrypted (RFC 8446, appendix B.3; RFC 5246, section 7.4). */
static bool is_clear_message(uint8_t type)
{
	static const uint8_t types[] = {1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 22};

	return memchr(types, type, sizeof types) != NULL;
}

/*
 * Whether a handshake record is in the clear: messages of known types that fill it exactly. What is encrypted is random, or begins with a nonce of zeros,
 * and does not fit. A message that goes on in the next record only fits where the record is as large as records are made.
 */
static bool is_clear_handshake(const uint8_t *record, uint32_t length, uint32_t captured)
{
	uint32_t at = 0;

	while (at < length) {
		if (captured - at < 4)
			return at > 0;
		uint32_t message = (uint32_t)record[at + 1] << 16 | weir_load_be16(record + at + 2);
		if (!is_clear_message(record[at]))
			return false;
		if (message > length - at - 4)
			return length >= 4096 && message < 1u << 18;
		at += 4 + message;
		if (at > captured)
			return true;
	}
	return true;
}

static uint32_t tls_handshake(struct weir_bytes payload)
{
	uint32_t at = 0, size = (uint32_t)payload.length;
	bool changed = false;

	while (size - at >= TLS_RECORD) {
		const uint8_t *p = payload.data + at;
		uint32_t length = weir_load_be16(p + 3), left = size - at - TLS_RECORD;
		uint32_t captured = length < left ? length : left;
		if (p[0] < TLS_CHANGE_CIPHER || p[0] > 24 || p[1] != 3 || p[2] > 4 || length == 0 || length > TLS_RECORD_MOST)
			break;
		bool clear = false;
		if (p[0] == TLS_CHANGE_CIPHER)
			clear = changed = length == 1;
		else if (p[0] == TLS_ALERT)
			clear = length == 2 && !changed;
		else if (p[0] == TLS_HANDSHAKE)
			clear = !changed && is_clear_handshake(p + TLS_RECORD, length, captured);
		at += TLS_RECORD;
		if (!clear)
			break;
		at += captured;
	}
	return at;
}

/* ---- QUIC ---- */

#define QUIC_VERSION_2 0x6b3343cfu

/* A variable-length integer (RFC 9000, section 16). False: it is not whole. */
static bool take_varint(struct weir_cursor *cursor, uint64_t *value)
{
	uint8_t first = weir_take8(cursor);
	unsigned more = (1u << (first >> 6)) - 1;

	*value = first & 0x3f;
	while (more--)
		*value = *value << 8 | weir_take8(cursor);
	return !cursor->failed;
}

/*
 * Initial packets are encrypted with a key that stands in them, which is no secret (RFC 9001, section 5.2): they are kept. Of Handshake and 0-RTT packets
 * their headers are; of the short headers behind them nothing.
 */
static uint32_t quic_handshake(struct weir_bytes payload)
{
	enum { INITIAL, ZERO_RTT, HANDSHAKE, RETRY };
	struct weir_cursor cursor = weir_cursor_over(payload.data, payload.length);
	uint32_t kept = 0;

	while (weir_cursor_left(&cursor) && *cursor.at & 0x80) {
		uint8_t first = weir_take8(&cursor);
		uint32_t version = weir_take_be32(&cursor);
		weir_take(&cursor, weir_take8(&cursor));
		weir_take(&cursor, weir_take8(&cursor));
		if (cursor.failed)
			break;
		kept = (uint32_t)(cursor.at - payload.data);
		unsigned type = first >> 4 & 3;
		if (version == QUIC_VERSION_2)
			type = (type + 3) & 3; /* RFC 9369, section 3.2 */
		if (version == 0 || type == RETRY)
			return (uint32_t)payload.length;
		uint64_t length = 0;
		if (type == INITIAL && (!take_varint(&cursor, &length) || length > weir_cursor_left(&cursor) ||
		                        !weir_take(&cursor, (size_t)length)))
			break;
		if (!take_varint(&cursor, &length))
			break;
		kept = (uint32_t)(cursor.at - payload.data);
		if (type != INITIAL)
			break;
		if (length > weir_cursor_left(&cursor))
			return (uint32_t)payload.length;
		weir_take(&cursor, (size_t)length);
		kept = (uint32_t)(cursor.at - payload.data);
	}
	return kept;
}

/* The long header up to its connection ids. */
static uint32_t quic_headers(struct weir_bytes payload)
{
	struct weir_cursor cursor = weir_cursor_over(payload.data, payload.length);

	weir_take(&cursor, 5);
	weir_take(&cursor, weir_take8(&cursor));
	weir_take(&cursor, weir_take8(&cursor));
	return cursor.failed ? 0 : (uint32_t)(cursor.at - payload.data);
}

/* ---- SSH ---- */

/* RFC 4253, section 4.2: at most 255 bytes. 0: it begins with no such line. */
static uint32_t ssh_line(struct weir_bytes payload)
{
	const uint8_t *line = NULL;

	if (payload.length < 4 || memcmp(payload.data, "SSH-", 4) != 0)
		return 0;
	line = memchr(payload.data, '\n', at_most(255, payload));
	return line ? (uint32_t)(line + 1 - payload.data) : at_most(255, payload);
}

/*
 * Where packets of the key exchange end that begin at `at`. They have to look like it: a length that is a multiple of 8, padding of 4 bytes and more,
 * a message of the key exchange. What is encrypted does so once in millions.
 */
static uint32_t ssh_exchange(struct weir_bytes payload, uint32_t at)
{
	uint32_t size = (uint32_t)payload.length;

	while (size - at >= 6) {
		const uint8_t *p = payload.data + at;
		uint32_t length = weir_load_be32(p);
		bool exchange = p[5] == 20 || p[5] == 21 || (p[5] >= 30 && p[5] <= 34);
		if (length > 35000 || length < 12 || (length + 4) % 8 || p[4] < 4 || p[4] >= length || !exchange)
			break;
		if (length > size - at - 4)
			return size;
		at += 4 + length;
	}
	return at;
}

bool keep_is_ssh_exchange(struct weir_bytes payload) { return ssh_exchange(payload, 0) > 0; }

/* ---- all ---- */

static uint32_t smb_headers(struct weir_bytes payload)
{
	/* The four bytes of NetBIOS, then SMB1's header (MS-CIFS, 2.2.3.1) or that of SMB2 (MS-SMB2, 2.2.1). */
	return at_most(payload.length > 4 && payload.data[4] == 0xff ? 4 + 32 : 4 + 64, payload);
}

uint32_t keep_own_headers(uint8_t kind, bool over_tcp, struct weir_bytes payload)
{
	switch (kind) {
	case WEIR_LAYER_HTTP:
		return http_headers(payload);
	case WEIR_LAYER_TLS:
		return at_most(TLS_RECORD, payload);
	case WEIR_LAYER_QUIC:
		return quic_headers(payload);
	case WEIR_LAYER_SSH:
		return ssh_line(payload);
	case WEIR_LAYER_DNS:
		return at_most(over_tcp ? 2 + 12 : 12, payload);
	case WEIR_LAYER_NBNS:
		return at_most(12, payload);
	case WEIR_LAYER_NTP:
		return at_most(48, payload);
	case WEIR_LAYER_DHCP:
		return at_most(240, payload); /* with the magic cookie: RFC 2131, section 2 */
	case WEIR_LAYER_ISAKMP:
		return at_most(payload.length >= 4 && weir_load_be32(payload.data) == 0 ? 4 + 28 : 28, payload);
	case WEIR_LAYER_SMB:
		return smb_headers(payload);
	case WEIR_LAYER_DCERPC:
		return at_most(16, payload);
	default:
		return 0;
	}
}

uint32_t keep_handshake(uint8_t kind, struct weir_bytes payload)
{
	switch (kind) {
	case WEIR_LAYER_TLS:
		return tls_handshake(payload);
	case WEIR_LAYER_QUIC:
		return quic_handshake(payload);
	case WEIR_LAYER_SSH:
		return ssh_exchange(payload, ssh_line(payload));
	default:
		return 0;
	}
}
