/* Server names that clients send in clear: in a TLS ClientHello (RFC 6066) and in an HTTP request. */
#include "packet/application.h"
#include "packet/dissect.h"

/* A host name as it stands in a request: printable, with at least one letter or digit; the port is cut off. */
static struct weir_bytes host_of(const uint8_t *data, size_t length)
{
	size_t end = 0;

	while (length && (*data == ' ' || *data == '\t'))
		data++, length--;
	if (length && *data == '[') { /* an IPv6 address */
		while (end < length && data[end] != ']')
			end++;
		return end < length ? (struct weir_bytes){data + 1, end - 1} : (struct weir_bytes){NULL, 0};
	}
	for (; end < length && data[end] != ':'; end++)
		if (data[end] <= ' ' || data[end] >= 127)
			break;
	if (end > 0 && data[end - 1] == '.')
		end--;
	return end > 0 && end <= 255 ? (struct weir_bytes){data, end} : (struct weir_bytes){NULL, 0};
}

/* Moves c to the extensions of a ClientHello and returns their length as the hello has it; failed when they are not there. */
static uint16_t skip_to_extensions(struct weir_cursor *c)
{
	weir_take(c, 2 + 32);
	weir_take(c, weir_take8(c));     /* session id */
	weir_take(c, weir_take_be16(c)); /* cipher suites */
	weir_take(c, weir_take8(c));     /* compression */
	return weir_take_be16(c);
}

struct weir_bytes application_hello_name(struct weir_bytes handshake, bool *whole)
{
	struct weir_cursor c = weir_cursor_over(handshake.data, handshake.length);
	struct weir_bytes none = {NULL, 0};

	*whole = false;
	const uint8_t *header = weir_take(&c, 4);
	if (!header || header[0] != 1)
		return none;
	uint32_t length = (uint32_t)header[1] << 16 | weir_load_be16(header + 2);
	*whole = weir_cursor_left(&c) >= length;
	if (*whole)
		c.end = c.at + length;
	uint16_t extensions = skip_to_extensions(&c);
	if (!c.failed && weir_cursor_left(&c) > extensions)
		c.end = c.at + extensions;
	while (!c.failed && weir_cursor_left(&c) >= 4) {
		uint16_t kind = weir_take_be16(&c), size = weir_take_be16(&c);
		if (kind != 0) {
			weir_take(&c, size);
			continue;
		}
		weir_take_be16(&c); /* length of the list */
		uint8_t type = weir_take8(&c);
		uint16_t name_length = weir_take_be16(&c);
		const uint8_t *name = weir_take(&c, name_length);
		return name && type == 0 ? host_of(name, name_length) : none;
	}
	return none;
}

static bool is_address(struct weir_bytes name)
{
	for (size_t i = 0; i < name.length; i++)
		if (name.data[i] != '.' && name.data[i] != ':' && (name.data[i] < '0' || name.data[i] > '9'))
			return false;
	return true;
}

bool application_look_tls(struct sighting *s)
{
	const uint8_t *p = s->payload.data;
	size_t length = s->payload.length;

	if (!looks_like_tls(s->payload))
		return false;
	uint16_t record = weir_load_be16(p + 3);
	/* Each kind of record has its own lengths: an alert two bytes (or encrypted), a cipher change one, a hello a known type. */
	if ((p[0] == 20 && record != 1) || (p[0] == 21 && record != 2 && record < 18) || p[0] == 24)
		return false;
	if (p[0] == 22 && p[5] > 24 && s->first)
		return false;
	s->name = APPLICATION_TLS;
	s->evidence = EVIDENCE_SIGNATURE;
	if (p[0] != 22 || p[5] != 1)
		return true;
	bool whole;
	struct weir_bytes hello = {p + 5, length - 5 < record ? length - 5 : record};
	s->server_name = application_hello_name(hello, &whole);
	/* An address is no name; whose it is may still be seen, in the certificate. */
	s->nameless = whole && (!s->server_name.data || is_address(s->server_name));
	if (s->server_name.data)
		return true;
	/* What the snap length cut off will not come; what is in the next segment will. */
	s->goes_on = s->unfinished = !whole && s->wire_length <= s->payload.length;
	return true;
}

static bool is_http_request(const struct sighting *s)
{
	static const char *const methods[] = {
		"GET ",    "POST ",     "HEAD ",        "PUT ",          "OPTIONS ",  "DELETE ",    "CONNECT ",   "TRACE ",
		"PATCH ",  "PROPFIND ", "PROPPATCH ",   "REPORT ",       "MKCOL ",    "SEARCH ",    "SUBSCRIBE ", "UNSUBSCRIBE ",
		"NOTIFY ", "M-POST ",   "RPC_IN_DATA ", "RPC_OUT_DATA ", "CCM_POST ", "BITS_POST ", "POLL ",
	};
	const uint8_t *p = s->payload.data;

	if (s->payload.length < 8 || p[0] < 'B' || p[0] > 'U')
		return false;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		size_t length = strlen(methods[i]);
		if (s->payload.length <= length || memcmp(p, methods[i], length) != 0)
			continue;
		while (length + 1 < s->payload.length && p[length] == ' ')
			length++;
		return p[length] == '/' || p[length] == '*' || p[length] == '[' || (p[length] > ' ' && p[length] < 127);
	}
	return false;
}

static bool contains(struct weir_bytes line, const char *text) { return memmem(line.data, line.length, text, strlen(text)) != NULL; }

/* Walks the header lines for Host; *ended: the empty line was there. */
static struct weir_bytes find_host(struct weir_bytes request, bool *ended)
{
	const uint8_t *at = request.data, *end = at + request.length;
	struct weir_bytes none = {NULL, 0};

	*ended = false;
	while (at < end) {
		const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline)
			return none;
		at = newline + 1;
		if (at < end && (*at == '\r' || *at == '\n')) {
			*ended = true;
			return none;
		}
		if (end - at < 6 || strncasecmp((const char *)at, "host:", 5) != 0)
			continue;
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			return none; /* the name may go on */
		if (stop[-1] == '\r')
			stop--;
		*ended = true;
		return host_of(at + 5, (size_t)(stop - at - 5));
	}
	return none;
}

struct weir_bytes application_http_host(struct weir_bytes request)
{
	bool ended;
	return find_host(request, &ended);
}

bool application_look_http(struct sighting *s)
{
	bool ended;

	if (s->payload.length >= 9 && BEGINS(s, "HTTP/1.")) {
		s->name = APPLICATION_HTTP;
		s->evidence = EVIDENCE_SIGNATURE;
		s->goes_on = s->first;
		return true;
	}
	if (!is_http_request(s))
		return false;
	/* RTSP and SIP look alike and say so in the first line; what is neither must not be anything else. */
	const uint8_t *newline = memchr(s->payload.data, '\n', s->payload.length);
	struct weir_bytes first = {s->payload.data, newline ? (size_t)(newline - s->payload.data) : s->payload.length};
	if (newline && !contains(first, " HTTP/"))
		return false;
	if (!newline && (contains(first, " RTSP/") || contains(first, " SIP/") || contains(first, " rtsp:")))
		return false;
	s->name = BEGINS(s, "CONNECT ") ? APPLICATION_HTTP_CONNECT : APPLICATION_HTTP;
	s->evidence = EVIDENCE_SIGNATURE;
	s->server_name = find_host(s->payload, &ended);
	if (!s->server_name.data && s->name == APPLICATION_HTTP_CONNECT)
		s->server_name = host_of(s->payload.data + 8, s->payload.length - 8);
	s->goes_on = s->unfinished = !ended && !s->server_name.data && s->wire_length <= s->payload.length;
	return true;
}
