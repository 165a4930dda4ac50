/* What the stack dropped, why and where: cli/top_view.h. */
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"
#include "packet/flow_hash.h"

enum { D_REASON, D_PLACE, D_RATE, D_PACKETS, D_PROTOCOL, D_SOURCE, D_DESTINATION, D_LAST };

static const struct top_column columns[] = {
	[D_REASON] = {"reason", "reason", 22, false, true, 0},
	[D_PLACE] = {"place", "place", 24, false, true, 0},
	[D_RATE] = {"pkts/s", "rate", 6, true, false, 0},
	[D_PACKETS] = {"packets", "packets", 9, true, false, 0},
	[D_PROTOCOL] = {"proto", "protocol", 5, false, true, 2},
	[D_SOURCE] = {"last from", "source", 0, false, true, 2},
	[D_DESTINATION] = {"to", "destination", 0, false, true, 2},
	[D_LAST] = {"ago", "seconds_ago", 6, true, true, 0},
	{0},
};

static size_t rows(struct top_screen *screen) { return screen->top->drop_count; }

static bool shown(struct top_screen *screen, size_t row) { return top_drop_matches(screen->top, &screen->top->drop[row]); }

static void cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct drop *d = &screen->top->drop[row];
	char text[FORMAT_SIZE];

	switch (column) {
	case D_REASON:
		value_text(value, d->reason);
		value->style = d->rate > 0 ? STYLE_BAD : STYLE_PLAIN;
		break;
	case D_PLACE: value_text(value, d->place); break;
	case D_RATE: value_rate(value, d->rate); break;
	case D_PACKETS: value_count(value, d->packets); break;
	case D_PROTOCOL:
		if (d->source.version || d->destination.version)
			value_text(value, protocol_text(d->protocol, false, text));
		break;
	case D_SOURCE:
		if (d->source.version)
			value_text(value, address_text(&d->source, d->source_port, d->source_port != 0, text));
		break;
	case D_DESTINATION:
		if (d->destination.version)
			value_text(value, address_text(&d->destination, d->destination_port, d->destination_port != 0, text));
		break;
	case D_LAST:
		if (d->last_ns)
			value_duration(value, screen->top->now_ns > d->last_ns ? screen->top->now_ns - d->last_ns : 0);
		break;
	}
}

static uint64_t identity(struct top_screen *screen, size_t row)
{
	const struct drop *d = &screen->top->drop[row];
	uint64_t hash = FLOW_HASH_KEY_1;

	for (const char *c = d->reason; *c; c++)
		hash = flow_hash_mix(hash ^ (uint8_t)*c, FLOW_HASH_KEY_2);
	for (const char *c = d->place; *c; c++)
		hash = flow_hash_mix(hash ^ (uint8_t)*c, FLOW_HASH_KEY_1);
	return hash ? hash : 1;
}

const struct top_view drops_view = {
	.name = "drops",
	.title = "Drops",
	.key = '7',
	.lack = TOP_LACK_DROPS,
	.sort = D_PACKETS,
	.columns = columns,
	.rows = rows,
	.shown = shown,
	.cell = cell,
	.identity = identity,
};
