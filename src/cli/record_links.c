/* What recorder.h says of links: the changes of the interfaces that are recorded, into the ledger. */
#include <stdio.h>
#include <string.h>

#include "cli/recorder.h"

void recorder_follow_links(struct recorder *recorder)
{
	struct weir_fault fault;

	/* Where the system does not tell, recording goes on without. */
	if (links_open(true, &recorder->links, &fault))
		recorder->links = NULL;
}

/*
 * What is said of it in the ledger; false: nothing. That an interface is down or gone is a loss, and entered as that (record_losses.c); neighbours come and go all the
 * time. Addresses are not written down: the ledger of a sealed campaign is in the open.
 */
static bool describe(const struct link_event *event, char *out, size_t size)
{
	switch (event->kind) {
	case LINK_CARRIER:
	case LINK_NO_CARRIER:
		snprintf(out, size, "%s%s%s", link_event_name(event->kind), event->detail[0] ? ": " : "", event->detail);
		return true;
	case LINK_CHANGED:
		if (strncmp(event->detail, "mac ", 4) == 0)
			snprintf(out, size, "another mac");
		else
			snprintf(out, size, "%s", event->detail);
		return true;
	case LINK_ADDRESS_ADDED:
	case LINK_ADDRESS_REMOVED:
	case LINK_ROUTE_ADDED:
	case LINK_ROUTE_REMOVED:
	case LINK_EVENTS_LOST:
		snprintf(out, size, "%s", link_event_name(event->kind));
		return true;
	default:
		return false;
	}
}

static void enter(struct recorder *recorder, const struct lane *lane, const struct link_event *event)
{
	char detail[200];
	struct weir_loss loss = {.from_ns = event->time_ns, .to_ns = event->time_ns, .cause = WEIR_LOSS_LINK, .detail = detail};

	if (describe(event, detail, sizeof detail))
		recorder_enter(recorder, lane, &loss);
}

void recorder_look_at_links(struct recorder *recorder)
{
	struct link_event event;
	struct weir_fault fault;
	int more = 0;

	while (recorder->links && (more = links_next(recorder->links, &event, &fault)) > 0) {
		for (size_t i = 0; i < recorder->lane_count; i++) {
			const struct lane *lane = &recorder->lanes[i];
			if (lane->first && (event.kind == LINK_EVENTS_LOST || strcmp(lane->interface, event.name) == 0))
				enter(recorder, lane, &event);
		}
	}
	if (more < 0) {
		char text[1200];
		warn(recorder->command, "changes of interfaces are no longer followed: %s", weir_fault_text(&fault, text, sizeof text));
		links_close(recorder->links);
		recorder->links = NULL;
	}
}
