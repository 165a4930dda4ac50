/* DNS messages (RFC 1035): what is asked, and the addresses that answer it. */
#include "packet/application.h"

/* Moves behind a name; false when it is cut off or broken. Compression pointers end it and are not followed. */
static bool skip_name(struct weir_cursor *c)
{
	for (unsigned labels = 0; labels < 128; labels++) {
		uint8_t length = weir_take8(c);
		if (c->failed)
			return false;
		if (length == 0)
			return true;
		if (length >= 0xc0)
			return weir_take(c, 1) != NULL;
		if (length > 63 || !weir_take(c, length))
			return false;
	}
	return false;
}

static char lower(uint8_t c) { return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

static bool read_name(struct weir_cursor *c, struct dns_question *question)
{
	size_t length = 0;

	for (;;) {
		uint8_t label = weir_take8(c);
		if (c->failed || label > 63)
			return false;
		if (label == 0)
			break;
		const uint8_t *text = weir_take(c, label);
		if (!text || length + label + 1 > sizeof question->name - 1)
			return false;
		if (length)
			question->name[length++] = '.';
		for (uint8_t i = 0; i < label; i++) {
			if (text[i] <= ' ' || text[i] >= 127)
				return false;
			question->name[length++] = lower(text[i]);
		}
	}
	question->name[length] = '\0';
	question->length = length;
	return true;
}

bool application_dns_read(struct weir_bytes message, struct dns_question *question)
{
	struct weir_cursor c = weir_cursor_over(message.data, message.length);

	question->length = 0;
	question->name[0] = '\0';
	weir_take_be16(&c);
	uint16_t flags = weir_take_be16(&c), questions = weir_take_be16(&c), answers = weir_take_be16(&c);
	uint16_t authorities = weir_take_be16(&c), additional = weir_take_be16(&c);
	if (c.failed)
		return false;
	question->response = flags >> 15;
	/* Opcodes 0 to 6 but 3; the counts of what people send. */
	if ((flags >> 11 & 15) > 6 || (flags >> 11 & 15) == 3 || questions > 16 || (flags & 0x40))
		return false;
	if (!question->response && (answers > 64 || (flags & 15)))
		return false;
	if (answers > 512 || authorities > 512 || additional > 512 || questions + answers + authorities + additional == 0)
		return false;
	if (questions == 0)
		return true;
	/* A question that was cut off is one all the same. */
	if (!read_name(&c, question)) {
		question->length = 0;
		question->name[0] = '\0';
		return c.failed;
	}
	uint16_t type = weir_take_be16(&c), class = weir_take_be16(&c) & 0x7fff;
	return c.failed || (type != 0 && (class == 1 || class == 3 || class == 4 || class == 254 || class == 255));
}

void application_dns_answers(struct weir_bytes message, application_dns_learn *learn, void *context)
{
	struct weir_cursor c = weir_cursor_over(message.data, message.length);

	weir_take(&c, 4);
	uint16_t questions = weir_take_be16(&c), answers = weir_take_be16(&c);
	weir_take(&c, 4);
	for (unsigned i = 0; i < questions; i++)
		if (!skip_name(&c) || !weir_take(&c, 4))
			return;
	for (unsigned i = 0; i < answers && i < 64; i++) {
		if (!skip_name(&c))
			return;
		uint16_t type = weir_take_be16(&c), class = weir_take_be16(&c);
		uint32_t ttl = weir_take_be32(&c);
		uint16_t length = weir_take_be16(&c);
		const uint8_t *data = weir_take(&c, length);
		if (!data)
			return;
		struct weir_ip address = {.version = type == 1 ? 4 : 6};
		if (class != 1 || !((type == 1 && length == 4) || (type == 28 && length == 16)))
			continue;
		memcpy(address.bytes, data, length);
		learn(context, &address, ttl);
	}
}
