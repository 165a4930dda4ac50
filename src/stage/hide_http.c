/*
 * Hiding in HTTP/1 (RFC 9112): the head of a message, line by line. Who is asked is hidden as a name; what only says how is kept; everything else (what is asked for,
 * from where, by whom, with which cookies) is blanked. The body is cut off, and so is a line that is not whole.
 */
#include <strings.h>

#include "stage/hide.h"

static const char *const methods[] = {"GET ",     "POST ",  "HEAD ",  "PUT ",      "DELETE ",   "OPTIONS ",
                                      "CONNECT ", "PATCH ", "TRACE ", "PROPFIND ", "M-SEARCH ", "NOTIFY "};

static bool begins(const uint8_t *data, uint32_t length, const char *word)
{
	size_t size = strlen(word);

	return length >= size && memcmp(data, word, size) == 0;
}

bool hide_looks_like_http(const uint8_t *data, uint32_t length)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (begins(data, length, methods[i]))
			return true;
	return begins(data, length, "HTTP/1.");
}

/*
 * Fields whose values are words of the protocol. Not among them: those that name other fields (Vary, Trailer), and those into which programs put what they like (Pragma:
 * the client's id of media players).
 */
static const char *const harmless[] = {
	"Accept-Encoding",
	"Accept-Ranges",
	"Content-Encoding",
	"Content-Length",
	"Keep-Alive",
	"TE",
	"Transfer-Encoding",
	"Upgrade",
	"Upgrade-Insecure-Requests",
	"Expect",
	"Allow",
};

/* Fields whose names are everybody's, and whose values are not. The name of any other may tell whose server it is. */
static const char *const common[] = {
	"Accept",
	"Accept-Charset",
	"Accept-Language",
	"Access-Control-Allow-Origin",
	"Age",
	"Authorization",
	"Cache-Control",
	"Connection",
	"Content-Disposition",
	"Content-Language",
	"Content-Location",
	"Content-MD5",
	"Content-Range",
	"Content-Type",
	"Cookie",
	"DNT",
	"Date",
	"ETag",
	"Expires",
	"From",
	"If-Match",
	"If-Modified-Since",
	"If-None-Match",
	"If-Range",
	"If-Unmodified-Since",
	"Last-Modified",
	"Link",
	"Location",
	"Origin",
	"P3P",
	"Pragma",
	"Proxy-Authenticate",
	"Proxy-Authorization",
	"Proxy-Connection",
	"Range",
	"Referer",
	"Retry-After",
	"Server",
	"Set-Cookie",
	"Strict-Transport-Security",
	"Trailer",
	"User-Agent",
	"Vary",
	"Via",
	"WWW-Authenticate",
	"Warning",
	"X-Content-Type-Options",
	"X-Forwarded-For",
	"X-Frame-Options",
	"X-Powered-By",
	"X-Requested-With",
};

static bool is_field(const uint8_t *name, uint32_t length, const char *field)
{
	return strlen(field) == length && strncasecmp((const char *)name, field, length) == 0;
}

static void blank(uint8_t *out, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (out[i] != ' ' && out[i] != '\t' && out[i] != '/')
			out[i] = 'x';
}

/* "host", "host:port" */
static void host(struct hide_context *context, uint8_t *out, uint32_t length)
{
	uint32_t start = 0, end = length;

	while (start < end && (out[start] == ' ' || out[start] == '\t'))
		start++;
	while (end > start && (out[end - 1] == ' ' || out[end - 1] == '\t'))
		end--;
	uint32_t colon = start;
	while (colon < end && out[colon] != ':')
		colon++;
	/* An IPv6 address has colons, and stands in brackets: it is hidden as a word, not as the address that it is. */
	bool bracket = start < end && out[start] == '[';
	hide_name(context, out + start, (bracket ? end : colon) - start);
	if (!bracket)
		for (uint32_t i = colon + 1; i < end; i++)
			out[i] = '0';
}

static bool is_among(const uint8_t *name, uint32_t length, const char *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_field(name, length, fields[i]))
			return true;
	return false;
}

#define AMONG(name, length, fields) is_among(name, length, fields, sizeof(fields) / sizeof *(fields))

/* What the connection is to be; any other word is the name of a field. */
static bool is_connection(const uint8_t *in, uint32_t name, uint32_t length)
{
	static const char *const words[] = {"close", "keep-alive", "upgrade"};
	uint32_t at = name + 1;

	if (!is_field(in, name, "Connection") && !is_field(in, name, "Proxy-Connection"))
		return false;
	while (at < length && in[at] == ' ')
		at++;
	return AMONG(in + at, length - at, words);
}

static void field(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	const uint8_t *colon = memchr(in, ':', length);
	uint32_t name = colon ? (uint32_t)(colon - in) : 0;

	if (!colon || in[0] == ' ' || in[0] == '\t') {
		blank(out, length); /* the rest of the field before, or no field */
		return;
	}
	if (AMONG(in, name, harmless) || is_connection(in, name, length))
		return;
	if (is_field(in, name, "Host")) {
		host(context, out + name + 1, length - name - 1);
		return;
	}
	if (!AMONG(in, name, common))
		blank(out, name);
	blank(out + name + 1, length - name - 1);
}

/* "GET target HTTP/1.1", or "HTTP/1.1 200 reason": what stands between is blanked. False: it is neither. */
static bool first_line(const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (begins(in, length, "HTTP/1.")) {
		if (length > 13)
			blank(out + 13, length - 13);
		return length >= 12 && in[8] == ' ';
	}
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		uint32_t size = (uint32_t)strlen(methods[i]);
		if (!begins(in, length, methods[i]))
			continue;
		if (length < size + 9 || memcmp(in + length - 9, " HTTP/1.", 8) != 0)
			return false;
		blank(out + size, length - size - 9);
		return true;
	}
	return false;
}

uint32_t hide_http(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = 0;

	while (at < length) {
		const uint8_t *end = memchr(in + at, '\n', length - at);
		if (!end)
			break;
		uint32_t next = (uint32_t)(end - in) + 1, line = next - 1 - at;
		if (line && in[at + line - 1] == '\r')
			line--;
		if (line == 0 && at > 0)
			return next;
		if (at == 0 ? !first_line(in, out, line) : false)
			return 0;
		if (at > 0)
			field(context, in + at, out + at, line);
		at = next;
	}
	return at;
}
