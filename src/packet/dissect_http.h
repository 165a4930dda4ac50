/* packet/dissect_http.h: the first line of an HTTP/1 message. */
#ifndef PACKET_DISSECT_HTTP_H
#define PACKET_DISSECT_HTTP_H

#include <weir/bytes.h>

/* Views of the payload, any bytes but line ends. What is not there is empty or 0. */
struct http_line {
	struct weir_bytes method, target; /* of a request */
	struct weir_bytes version, reason;
	struct weir_bytes status_text;
	unsigned status; /* of an answer: 100 to 999; 0: none */
};

/* False: the payload does not begin as a request or an answer does. */
bool http_line_read(struct weir_bytes payload, struct http_line *line);

#endif
