/* TLS records and hellos (RFC 8446, 5246, 6066, 7301). */
#include "packet/dissect.h"

static const struct value_name contents[] = {
	{20, "change-cipher-spec"}, {21, "alert"},     {22, "handshake"},
	{23, "application-data"},   {24, "heartbeat"}, {0, NULL},
};

static const struct value_name handshakes[] = {
	{0, "hello-request"},        {1, "client-hello"},         {2, "server-hello"},
	{4, "new-session-ticket"},   {8, "encrypted-extensions"}, {11, "certificate"},
	{12, "server-key-exchange"}, {13, "certificate-request"}, {14, "server-hello-done"},
	{15, "certificate-verify"},  {16, "client-key-exchange"}, {20, "finished"},
	{22, "certificate-status"},  {24, "key-update"},          {0, NULL},
};

static const struct value_name versions[] = {
	{0x0300, "SSL 3.0"}, {0x0301, "TLS 1.0"}, {0x0302, "TLS 1.1"}, {0x0303, "TLS 1.2"}, {0x0304, "TLS 1.3"}, {0, NULL},
};

struct hello {
	uint8_t type;          /* 1 client, 2 server */
	uint16_t version;      /* the highest that is offered, or the one chosen; 0: cut off before it */
	uint16_t cipher;       /* chosen; of a client the first it offers */
	uint16_t cipher_count;
	struct weir_bytes name, protocols; /* server name; ALPN's list */
};

/* GREASE values (RFC 8701) mean nothing. */
static bool is_grease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

static void read_versions(struct weir_cursor c, struct hello *hello)
{
	if (hello->type == 2) {
		uint16_t version = weir_take_be16(&c);
		if (!c.failed)
			hello->version = version;
		return;
	}
	for (unsigned left = weir_take8(&c); left >= 2; left -= 2) {
		uint16_t version = weir_take_be16(&c);
		if (c.failed)
			return;
		if (!is_grease(version) && version > hello->version)
			hello->version = version;
	}
}

static void read_extension(uint16_t kind, struct weir_cursor c, struct hello *hello)
{
	switch (kind) {
	case 0: /* server_name: list length, type 0, length, name */
		weir_take_be16(&c);
		if (weir_take8(&c) == 0) {
			uint16_t length = weir_take_be16(&c);
			const uint8_t *name = weir_take(&c, length);
			if (name)
				hello->name = (struct weir_bytes){name, length};
		}
		break;
	case 16: { /* application_layer_protocol_negotiation */
		uint16_t length = weir_take_be16(&c);
		const uint8_t *list = weir_take(&c, length);
		if (list)
			hello->protocols = (struct weir_bytes){list, length};
		break;
	}
	case 43: /* supported_versions */
		read_versions(c, hello);
		break;
	default:
		break;
	}
}

/* Reads what there is of a hello in the record; it may go on in the next packet. False when it is none. */
static bool read_hello(struct weir_bytes record, struct hello *hello)
{
	struct weir_cursor c = weir_cursor_over(record.data, record.length);

	*hello = (struct hello){0};
	if (weir_take8(&c) != 22 || !weir_take(&c, 4))
		return false;
	hello->type = weir_take8(&c);
	weir_take(&c, 3);
	if (hello->type != 1 && hello->type != 2)
		return false;
	hello->version = weir_take_be16(&c);
	weir_take(&c, 32);
	weir_take(&c, weir_take8(&c)); /* session id */
	if (hello->type == 1) {
		uint16_t length = weir_take_be16(&c);
		const uint8_t *ciphers = weir_take(&c, length);
		hello->cipher_count = length / 2;
		for (uint16_t i = 0; ciphers && i + 2 <= length; i += 2) {
			hello->cipher = weir_load_be16(ciphers + i);
			if (!is_grease(hello->cipher))
				break;
		}
		weir_take(&c, weir_take8(&c)); /* compression */
	} else {
		hello->cipher = weir_take_be16(&c);
		weir_take8(&c);
	}
	weir_take_be16(&c); /* length of all extensions */
	while (!c.failed && weir_cursor_left(&c) >= 4) {
		uint16_t kind = weir_take_be16(&c), length = weir_take_be16(&c);
		const uint8_t *data = weir_take(&c, length);
		if (data)
			read_extension(kind, weir_cursor_over(data, length), hello);
	}
	return true;
}

static void put_version(uint16_t version, struct text *out)
{
	const char *name = name_of(versions, version);
	if (name)
		put_bytes(out, name, strlen(name));
	else
		put_0x(out, version, 4);
}

static void put_protocols(struct weir_bytes list, struct text *out)
{
	struct weir_cursor c = weir_cursor_over(list.data, list.length);

	for (bool first = true; weir_cursor_left(&c) > 0; first = false) {
		uint8_t length = weir_take8(&c);
		const uint8_t *name = weir_take(&c, length);
		if (!name)
			return;
		put(out, first ? "" : ",");
		put_visible(out, name, length);
	}
}

static void tls_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	struct hello hello;

	put(out, "TLS: ");
	if (read_hello(d->bytes, &hello)) {
		put(out, hello.type == 1 ? "ClientHello " : "ServerHello ");
		put_version(hello.version, out);
		if (hello.type == 2) {
			put(out, ", cipher ");
			put_0x(out, hello.cipher, 4);
		}
		if (hello.name.length) {
			put(out, ", SNI ");
			put_visible(out, hello.name.data, hello.name.length);
		}
		if (hello.protocols.length) {
			put(out, ", ALPN ");
			put_protocols(hello.protocols, out);
		}
		return;
	}
	const char *content = name_of(contents, p[0]);
	const char *handshake = p[0] == 22 && d->bytes.length > 5 ? name_of(handshakes, p[5]) : NULL;
	const char *word = handshake ? handshake : content ? content : "record";
	put_bytes(out, word, strlen(word));
	put(out, ", ");
	put_version(weir_load_be16(p + 1), out);
}

static void tls_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	struct hello hello;

	field_unsigned(f, "content_type", p[0]);
	field_name(f, "content", contents, p[0]);
	field_hex(f, "record_version", weir_load_be16(p + 1), 4);
	field_unsigned(f, "record_length", weir_load_be16(p + 3));
	if (p[0] == 22 && d->bytes.length > 5) {
		field_unsigned(f, "handshake_type", p[5]);
		field_name(f, "handshake", handshakes, p[5]);
	}
	if (!read_hello(d->bytes, &hello))
		return;
	field_hex(f, "version", hello.version, 4);
	field_name(f, "version_name", versions, hello.version);
	field_hex(f, "cipher", hello.cipher, 4);
	if (hello.type == 1)
		field_unsigned(f, "cipher_count", hello.cipher_count);
	if (hello.name.length)
		field_text(f, "server_name", hello.name.data, hello.name.length);
	if (hello.protocols.length) {
		struct weir_cursor c = weir_cursor_over(hello.protocols.data, hello.protocols.length);
		fields_array(f, "alpn");
		while (weir_cursor_left(&c) > 0) {
			uint8_t length = weir_take8(&c);
			const uint8_t *name = weir_take(&c, length);
			if (!name)
				break;
			element_text(f, name, length);
		}
		fields_end_array(f);
	}
}

bool looks_like_tls(struct weir_bytes payload)
{
	const uint8_t *p = payload.data;
	return payload.length >= 6 && p[0] >= 20 && p[0] <= 24 && p[1] == 3 && p[2] <= 4 &&
	       weir_load_be16(p + 3) <= 16384 + 2048 && weir_load_be16(p + 3) > 0;
}

const struct dissector dissector_tls = {
	.kind = WEIR_LAYER_TLS,
	.fields = tls_fields,
	.text = tls_text,
};
