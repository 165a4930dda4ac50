/* cli/endpoint_columns.h: what there is to show of an endpoint, as columns and as JSON. */
#ifndef CLI_ENDPOINT_COLUMNS_H
#define CLI_ENDPOINT_COLUMNS_H

#include "box/endpoints.h"
#include "core/json.h"
#include "core/text.h"

struct endpoint_column {
	const char *name, *heading;
	char alignment; /* 'l' or 'r' */
	void (*put)(struct text *out, const struct endpoint *endpoint, int64_t now_ns);
	const char *help;
};

const struct endpoint_column *endpoint_columns(size_t *count);

#define ENDPOINT_COLUMNS_MOST 24
/* Columns by their names, joined by commas; NULL: those that are shown when nobody asks. Their number, or WEIR_E_USAGE. */
int endpoint_columns_of(const char *names, const struct endpoint_column *columns[static ENDPOINT_COLUMNS_MOST], struct weir_fault *fault);

/* An endpoint's members, into an object that is open. What is not known is left out. */
void endpoint_json(struct json *json, const struct endpoint *endpoint);
/* "tcp", "udp", "raw/89"; address and port: "192.0.2.1:80", "[2001:db8::1]:80", "*:80". */
void endpoint_put_protocol(struct text *out, const struct endpoint *endpoint);
void endpoint_put_address(struct text *out, const struct endpoint *endpoint, bool remote);

#endif
