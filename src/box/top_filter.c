/* The filter of `weir top`: box/top.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/filter.h>

#include "box/top.h"
#include "box/top_filter.h"
#include "flow/match.h"

struct top_filter {
	struct flow_match *match;
	struct weir_filter *packets;
	char *text;
};

void top_filter_free(struct top_filter *filter)
{
	if (!filter)
		return;
	flow_match_free(filter->match);
	weir_filter_free(filter->packets);
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
		int error = made->text ? flow_match_new(expression, &made->match, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
		if (!error)
			error = weir_filter_new(expression, 1 /* Ethernet */, &made->packets, fault);
		if (error) {
			top_filter_free(made);
			return error;
		}
	}
	top_filter_free(top->filter);
	top->filter = made;
	return top_group(top, false, fault);
}

const char *top_filter_text(const struct top *top) { return top->filter ? top->filter->text : ""; }

/* An address that stands for any is that of the other end's version; both: IPv4's, which most filters mean. */
static struct weir_ip address(const struct weir_ip *ip, const struct weir_ip *other)
{
	struct weir_ip any = {.version = other->version ? other->version : 4};

	return ip->version ? *ip : any;
}

static bool matches(const struct top *top, uint8_t protocol, const struct weir_ip *source, uint16_t source_port,
                    const struct weir_ip *destination, uint16_t destination_port)
{
	struct weir_flow flow;

	if (!top->filter)
		return true;
	weir_flow_clear(&flow);
	flow.protocol = protocol;
	flow.source = address(source, destination);
	flow.destination = address(destination, source);
	flow.source_port = source_port;
	flow.destination_port = destination_port;
	flow.forward.packets = flow.reverse.packets = 1;
	return flow_match(top->filter->match, &flow, NULL) > 0;
}

bool top_endpoint_matches(const struct top *top, const struct endpoint *e)
{
	return matches(top, e->protocol, &e->local, e->local_port, &e->remote, e->remote_port);
}

bool top_flow_matches(const struct top *top, const struct top_flow *f)
{
	return matches(top, f->protocol, &f->source, f->source_port, &f->destination, f->destination_port);
}

bool top_drop_matches(const struct top *top, const struct drop *d)
{
	if (!top->filter)
		return true;
	return (d->source.version || d->destination.version) &&
	       matches(top, d->protocol, &d->source, d->source_port, &d->destination, d->destination_port);
}

bool top_packet_matches(const struct top *top, const struct top_packet *packet)
{
	const struct weir_packet whole = {
		.data = packet->data,
		.captured = packet->captured,
		.length = packet->length,
		.linktype = packet->linktype,
		.time_ns = packet->time_ns,
	};

	return !top->filter || weir_filter_match(top->filter->packets, &whole, NULL) > 0;
}
