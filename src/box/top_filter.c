/* The filter of `weir top`: box/top.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/filter.h>

#include "box/endpoint_filter.h"
#include "box/top.h"
#include "box/top_filter.h"
#include "flow/match.h"

/*
 * Endpoints have terms of their own (process, user, …). With one of those, the expression is none for packets: then flows match as their endpoints do, and packets
 * as their flows.
 */
struct top_filter {
	struct endpoint_filter *endpoints;
	struct flow_match *match;    /* NULL: by the endpoint */
	struct weir_filter *packets; /* likewise */
	uint64_t *hashes;            /* of the flows that match by their endpoint, sorted; made when it is wanted, for each look anew */
	size_t hash_count;
	bool hashes_made;
	char *text;
};

void top_filter_free(struct top_filter *filter)
{
	if (!filter)
		return;
	endpoint_filter_free(filter->endpoints);
	flow_match_free(filter->match);
	weir_filter_free(filter->packets);
	free(filter->hashes);
	free(filter->text);
	free(filter);
}

int top_filter_set(struct top *top, const char *expression, struct weir_fault *fault)
{
	struct top_filter *made = NULL;

	if (expression && *expression) {
		made = calloc(1, sizeof *made);
		if (!made)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
		made->text = strdup(expression);
		int error = made->text ? endpoint_filter_new(expression, &made->endpoints, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
		if (error) {
			top_filter_free(made);
			return error;
		}
		if (flow_match_new(expression, &made->match, NULL) || weir_filter_new(expression, 1 /* Ethernet */, &made->packets, NULL)) {
			flow_match_free(made->match);
			made->match = NULL;
		}
	}
	top_filter_free(top->filter);
	top->filter = made;
	return top_group(top, false, fault);
}

const char *top_filter_text(const struct top *top) { return top->filter ? top->filter->text : ""; }

bool top_endpoint_matches(struct top *top, const struct endpoint *endpoint)
{
	return !top->filter || endpoint_filter_match(top->filter->endpoints, endpoint);
}

static bool matches(struct flow_match *match, uint8_t protocol, const struct weir_ip *source, uint16_t source_port,
                    const struct weir_ip *destination, uint16_t destination_port)
{
	struct weir_flow flow;

	weir_flow_clear(&flow);
	flow.protocol = protocol;
	flow.source = *source;
	flow.destination = *destination;
	flow.source_port = source_port;
	flow.destination_port = destination_port;
	flow.forward.packets = flow.reverse.packets = 1;
	return flow_match(match, &flow, NULL) > 0;
}

bool top_flow_matches(struct top *top, const struct top_flow *f)
{
	if (!top->filter)
		return true;
	if (top->filter->match)
		return matches(top->filter->match, f->protocol, &f->source, f->source_port, &f->destination, f->destination_port);
	const struct endpoint *endpoint = top_endpoint_of_flow(top, f);
	return endpoint && top_endpoint_matches(top, endpoint);
}

bool top_drop_matches(struct top *top, const struct drop *d)
{
	if (!top->filter)
		return true;
	return top->filter->match && d->source.version && d->destination.version &&
	       matches(top->filter->match, d->protocol, &d->source, d->source_port, &d->destination, d->destination_port);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool flow_is_wanted(struct top *top, uint64_t hash)
{
	struct top_filter *filter = top->filter;

	if (!filter->hashes_made) {
		uint64_t *hashes = realloc(filter->hashes, (top->flow_count + 1) * sizeof *hashes);
		if (!hashes)
			return false;
		filter->hashes = hashes;
		filter->hash_count = 0;
		for (size_t i = 0; i < top->flow_count; i++)
			if (top_flow_matches(top, &top->flow[i]))
				hashes[filter->hash_count++] = top->flow[i].hash;
		qsort(hashes, filter->hash_count, sizeof *hashes, by_number);
		filter->hashes_made = true;
	}
	return bsearch(&hash, filter->hashes, filter->hash_count, sizeof hash, by_number);
}

void top_filter_looked(struct top_filter *filter)
{
	if (filter)
		filter->hashes_made = false;
}

bool top_packet_matches(struct top *top, const struct top_packet *packet)
{
	const struct weir_packet whole = {
		.data = packet->data,
		.captured = packet->captured,
		.length = packet->length,
		.linktype = packet->linktype,
		.time_ns = packet->time_ns,
	};

	if (!top->filter)
		return true;
	return top->filter->match ? weir_filter_match(top->filter->packets, &whole, NULL) > 0 : flow_is_wanted(top, packet->hash);
}
