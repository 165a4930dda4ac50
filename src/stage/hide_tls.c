/*
 * Hiding in TLS (RFC 8446, RFC 5246): of a client's hello the name of the server, tickets and keys that were agreed on before; nothing is kept behind that hello.
 * Certificates and what else of the handshake holds names is cut off.
 */
#include "stage/hide.h"

enum { RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1 };
enum { SERVER_NAME = 0, SESSION_TICKET = 35, PRE_SHARED_KEY = 41 };

bool hide_looks_like_tls(const uint8_t *data, uint32_t length)
{
	return length >= 5 && data[0] >= 20 && data[0] <= 23 && data[1] == 3 && data[2] <= 4;
}

/* Extensions that say nothing of who speaks or to whom; the content of others is zeroed. */
static bool is_harmless(uint16_t type)
{
	static const uint16_t harmless[] = {1,  5,  10, 11, 13, 15, 16, 18, 21, 22,
	                                    23, 27, 28, 43, 45, 47, 49, 50, 51, 0xff01};

	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		if (harmless[i] == type)
			return true;
	return (type & 0x0f0f) == 0x0a0a; /* RFC 8701: only there to be ignored */
}

/* RFC 6066, section 3: a list of names, of which only host names (type 0) are defined. */
static void server_names(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = 2;

	while (length > at && length - at >= 3) {
		uint32_t name = weir_load_be16(in + at + 1);
		if (name > length - at - 3)
			break;
		if (in[at] == 0)
			hide_name(context, out + at + 3, name);
		else
			memset(out + at + 3, 0, name);
		at += 3 + name;
	}
	if (length > at)
		memset(out + at, 0, length - at);
}

/* Identities, each with an age, and then binders: lengths stay. */
static void shared_keys(const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t identities = length >= 2 ? 2u + weir_load_be16(in) : 0, at = 2;

	while (identities <= length && identities > at && identities - at >= 6) {
		uint32_t size = weir_load_be16(in + at);
		if (size > identities - at - 6)
			break;
		memset(out + at + 2, 0, size + 4);
		at += 6 + size;
	}
	if (at == identities && length - at >= 2) {
		at += 2;
		while (length > at && in[at] < length - at) {
			memset(out + at + 1, 0, in[at]);
			at += 1u + in[at];
		}
	}
	if (length > at)
		memset(out + at, 0, length - at);
}

/* The end of the last extension that is whole. */
static uint32_t extensions(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t at, uint32_t end)
{
	while (end - at >= 4) {
		uint16_t type = weir_load_be16(in + at);
		uint32_t length = weir_load_be16(in + at + 2);
		if (length > end - at - 4)
			break;
		at += 4;
		if (type == SERVER_NAME)
			server_names(context, in + at, out + at, length);
		else if (type == PRE_SHARED_KEY)
			shared_keys(in + at, out + at, length);
		else if (!is_harmless(type))
			memset(out + at, 0, length);
		at += length;
	}
	return at;
}

/* From the legacy version on. */
static uint32_t client_hello(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t at, uint32_t end)
{
	if (end - at < 35)
		return at;
	if (context->hider->time_changes)
		memset(out + at + 2, 0, 4); /* where older versions have the time */
	at += 34;
	uint32_t session = in[at];
	if (end - at < 1 + session + 2)
		return at;
	memset(out + at + 1, 0, session); /* of a session before, perhaps in another place */
	at += 1 + session;
	uint32_t suites = weir_load_be16(in + at);
	if (end - at < 2 + suites + 1)
		return at;
	at += 2 + suites;
	uint32_t compressions = in[at];
	if (end - at < 1 + compressions)
		return at;
	at += 1 + compressions;
	if (end - at < 2)
		return at;
	uint32_t length = weir_load_be16(in + at);
	at += 2;
	return extensions(context, in, out, at, length < end - at ? at + length : end);
}

uint32_t hide_tls(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (!hide_looks_like_tls(in, length))
		return 0;
	if (in[0] != RECORD_HANDSHAKE || length < 9 || in[5] != CLIENT_HELLO)
		return 5; /* what is in the record nobody needs to know */
	uint32_t record = 5u + weir_load_be16(in + 3), message = 9u + ((uint32_t)in[6] << 16 | weir_load_be16(in + 7));
	uint32_t end = record < length ? record : length;
	if (end < 9)
		return 5; /* a record that is shorter than the hello's own header */
	return client_hello(context, in, out, 9, message < end ? message : end);
}
