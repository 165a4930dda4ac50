/*
 * box/endpoint_filter.h: which endpoints a person wants to see: pcap-filter expressions on an endpoint's addresses, as if it were a packet of it, and terms of our own.
 */
#ifndef BOX_ENDPOINT_FILTER_H
#define BOX_ENDPOINT_FILTER_H

#include "box/endpoints.h"

struct endpoint_filter;

/*
 * "tcp port 443 and process firefox and not user root": terms of our own stand between `and`, each with `not` before it or without:
 *
 *	process NAME|PID      the process' name, the last part of its executable's path, or its number
 *	user NAME|UID
 *	state NAME            as endpoint_state_name has it, in any case, with or without _
 *	container ID          or its beginning
 *
 * The rest is one pcap-filter expression. "" and NULL match everything. WEIR_E_FILTER with what is wrong.
 */
int endpoint_filter_new(const char *expression, struct endpoint_filter **filter, struct weir_fault *fault);
void endpoint_filter_free(struct endpoint_filter *filter);

/* Whether it matches: an endpoint without addresses matches what either version of IP would. */
bool endpoint_filter_match(struct endpoint_filter *filter, const struct endpoint *endpoint);

#endif
