/* The first line of an HTTP/1 request or answer (RFC 9112), and the banner of SSH (RFC 4253, section 4.2). */
#include "packet/dissect.h"

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

static void http_fields(const struct dissection *d, struct fields *f)
{
	size_t length = 0, method = method_length(d->bytes);
	const uint8_t *p = d->bytes.data;

	/* Up to the line's end, whatever bytes are in it. */
	while (length < d->bytes.length && p[length] != '\r' && p[length] != '\n')
		length++;
	if (method) {
		field_text(f, "method", p, method);
		size_t end = length;
		while (end > method && p[end - 1] != ' ')
			end--;
		if (end > method + 1) {
			field_text(f, "target", p + method + 1, end - method - 2);
			field_text(f, "version", p + end, length - end);
		} else {
			field_text(f, "target", p + method + 1, length > method ? length - method - 1 : 0);
		}
		return;
	}
	/* HTTP/1.1 200 OK */
	field_text(f, "version", p, length < 8 ? length : 8);
	if (length >= 12)
		field_text(f, "status", p + 9, 3);
	if (length > 13)
		field_text(f, "reason", p + 13, length - 13);
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
