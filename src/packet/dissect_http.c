/* The first line of an HTTP/1 request or answer (RFC 9112), and the banner of SSH (RFC 4253, section 4.2). */
#include "packet/dissect.h"
#include "packet/dissect_http.h"

static const char *const methods[] = {
	"GET",
	"POST",
	"HEAD",
	"PUT",
	"DELETE",
	"OPTIONS",
	"CONNECT",
	"TRACE",
	"PATCH",
	"NOTIFY",
	"SUBSCRIBE",
	"UNSUBSCRIBE",
	"PROPFIND",
	"PROPPATCH",
	"MKCOL",
	"COPY",
	"MOVE",
	"LOCK",
	"UNLOCK",
	"SEARCH",
	"REPORT",
	"MERGE",
	"CHECKOUT",
	"RPC_CONNECT",
	"BCOPY",
	"BMOVE",
	"BDELETE",
	"POLL",
	"BPROPFIND",
	"BPROPPATCH",
	"LABEL",
	"UPDATE",
	"CHECKIN",
	"UNCHECKOUT",
	"MKACTIVITY",
	"MKWORKSPACE",
	"VERSION-CONTROL",
	"BASELINE-CONTROL",
	"CCM_POST",
	"M-SEARCH",
	NULL,
};

/* The length of the method that the payload begins with, 0 when it begins with none. */
static size_t method_length(struct weir_bytes payload)
{
	for (size_t i = 0; methods[i]; i++) {
		size_t length = strlen(methods[i]);
		if (payload.length > length && payload.data[length] == ' ' && payload.data[0] == (uint8_t)methods[i][0] &&
		    memcmp(payload.data, methods[i], length) == 0)
			return length;
	}
	return 0;
}

/* How a line is: ended, cut off, or with bytes in it that no text has. */
enum line {
	LINE_WHOLE,
	LINE_CUT,
	LINE_BINARY,
};

static enum line first_line(struct weir_bytes bytes, size_t *length)
{
	for (size_t i = 0; i < bytes.length; i++) {
		uint8_t c = bytes.data[i];
		*length = i;
		if (c == '\n')
			return LINE_WHOLE;
		if (c == '\r') {
			if (i + 1 == bytes.length)
				return LINE_BINARY;
			return bytes.data[i + 1] == '\n' ? LINE_WHOLE : LINE_BINARY;
		}
		if ((c < 0x20 || c > 0x7e) && c != '\t')
			return LINE_BINARY;
	}
	*length = bytes.length;
	return LINE_CUT;
}

static void put_line(const struct dissection *d, const char *name, const char *cut, struct text *out)
{
	size_t length;
	enum line line = first_line(d->bytes, &length);

	put_bytes(out, name, strlen(name));
	if (line == LINE_BINARY)
		return;
	put(out, ": ");
	put_bytes(out, d->bytes.data, length);
	if (line == LINE_CUT)
		put_cut(out, cut);
}

static void http_text(const struct dissection *d, struct text *out)
{
	put_line(d, "HTTP", "http", out);
}

static struct weir_bytes part(struct weir_bytes bytes, size_t from, size_t to)
{
	return (struct weir_bytes){bytes.data + from, to > from ? to - from : 0};
}

static void read_request(struct weir_bytes line, size_t method, struct http_line *out)
{
	size_t end = line.length;

	out->method = part(line, 0, method);
	while (end > method && line.data[end - 1] != ' ')
		end--;
	if (end > method + 1) {
		out->target = part(line, method + 1, end - 1);
		out->version = part(line, end, line.length);
	} else {
		out->target = part(line, method + 1, line.length);
	}
}

/* HTTP/1.1 200 OK */
static void read_answer(struct weir_bytes line, struct http_line *out)
{
	out->version = part(line, 0, line.length < 8 ? line.length : 8);
	if (line.length < 12)
		return;
	out->status_text = part(line, 9, 12);
	const uint8_t *digits = out->status_text.data;
	if (digits[0] >= '1' && digits[0] <= '9' && digits[1] >= '0' && digits[1] <= '9' && digits[2] >= '0' && digits[2] <= '9')
		out->status = (digits[0] - '0') * 100u + (digits[1] - '0') * 10u + (digits[2] - '0');
	if (line.length > 13)
		out->reason = part(line, 13, line.length);
}

bool http_line_read(struct weir_bytes payload, struct http_line *out)
{
	struct weir_bytes line = {payload.data, 0};
	size_t method = method_length(payload);

	*out = (struct http_line){.method = {payload.data, 0}};
	if (!looks_like_http(payload))
		return false;
	/* Up to the line's end, whatever bytes are in it. */
	while (line.length < payload.length && payload.data[line.length] != '\r' && payload.data[line.length] != '\n')
		line.length++;
	if (method)
		read_request(line, method, out);
	else
		read_answer(line, out);
	return true;
}

static void http_fields(const struct dissection *d, struct fields *f)
{
	struct http_line line;

	if (!http_line_read(d->bytes, &line))
		return;
	if (line.method.length) {
		field_text(f, "method", line.method.data, line.method.length);
		field_text(f, "target", line.target.data, line.target.length);
		if (line.version.data)
			field_text(f, "version", line.version.data, line.version.length);
		return;
	}
	field_text(f, "version", line.version.data, line.version.length);
	if (line.status_text.length)
		field_text(f, "status", line.status_text.data, line.status_text.length);
	if (line.reason.length)
		field_text(f, "reason", line.reason.data, line.reason.length);
}

bool looks_like_http(struct weir_bytes payload)
{
	if (payload.length >= 12 && memcmp(payload.data, "HTTP/1.", 7) == 0)
		return true;
	return payload.length >= 8 && payload.data[0] >= 'A' && payload.data[0] <= 'Z' && method_length(payload) > 0;
}

const struct dissector dissector_http = {
	.kind = WEIR_LAYER_HTTP,
	.fields = http_fields,
	.text = http_text,
};

static void ssh_text(const struct dissection *d, struct text *out)
{
	put_line(d, "SSH", "ssh", out);
}

static void ssh_fields(const struct dissection *d, struct fields *f)
{
	size_t length;

	if (first_line(d->bytes, &length) != LINE_BINARY)
		field_text(f, "banner", d->bytes.data, length);
}

bool looks_like_ssh(struct weir_bytes payload)
{
	return payload.length >= 8 && memcmp(payload.data, "SSH-", 4) == 0;
}

const struct dissector dissector_ssh = {
	.kind = WEIR_LAYER_SSH,
	.fields = ssh_fields,
	.text = ssh_text,
};
