/* Which events changes of links make: box/linux/links_store.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box/linux/links_store.h"

static struct link_event *room(struct links_store *store)
{
	if (store->first && store->first + store->waiting == store->event_capacity) {
		memmove(store->events, store->events + store->first, store->waiting * sizeof *store->events);
		store->first = 0;
	}
	if (store->waiting == store->event_capacity) {
		uint32_t capacity = store->event_capacity ? 2 * store->event_capacity : 64;
		struct link_event *more = capacity > LINKS_EVENTS_MOST ? NULL : realloc(store->events, capacity * sizeof *more);
		if (!more) {
			store->lost = true;
			return NULL;
		}
		store->events = more;
		store->event_capacity = capacity;
	}
	return &store->events[store->first + store->waiting++];
}

void links_tell(struct links_store *store, int64_t now_ns, enum link_event_kind kind, const struct link *link, const char *format, ...)
{
	struct link_event *event = store->telling ? room(store) : NULL;
	va_list arguments;

	if (!event)
		return;
	*event = (struct link_event){.time_ns = now_ns, .kind = kind, .speed = LINK_NONE};
	if (link) {
		event->index = link->index;
		memcpy(event->name, link->name, sizeof event->name);
		if (kind == LINK_CARRIER)
			event->speed = link->speed;
	}
	va_start(arguments, format);
	vsnprintf(event->detail, sizeof event->detail, format, arguments);
	va_end(arguments);
}

bool links_told(struct links_store *store, struct link_event *event)
{
	if (store->waiting == 0)
		return false;
	*event = store->events[store->first++];
	if (--store->waiting == 0)
		store->first = 0;
	return true;
}

static void tell_number(struct links_store *store, int64_t now_ns, const struct link *link, const char *what, uint32_t before, uint32_t after)
{
	if (before != after)
		links_tell(store, now_ns, LINK_CHANGED, link, "%s %u → %u", what, before, after);
}

/* What it belongs to, by name where it has one. */
static const char *name_of(const struct links_store *store, uint32_t index, char out[static 32])
{
	const struct link_entry *entry = index ? links_store_find(store, index) : NULL;

	if (entry)
		memcpy(out, entry->link.name, 32);
	else
		snprintf(out, 32, index ? "%u" : "none", index);
	return out;
}

void links_tell_changes(struct links_store *store, int64_t now_ns, const struct link *before, const struct link *after)
{
	char one[LINK_MAC_SIZE], two[LINK_MAC_SIZE];

	if (!store->telling)
		return;
	if (before->up && !after->up)
		links_tell(store, now_ns, LINK_DOWN, after, "%s", "");
	if (before->carrier && !after->carrier)
		links_tell(store, now_ns, LINK_NO_CARRIER, after, "%s", link_operational_name(after->operational));
	if (!before->up && after->up)
		links_tell(store, now_ns, LINK_UP, after, "%s", "");
	if (!before->carrier && after->carrier) {
		if (after->speed != LINK_NONE)
			links_tell(store, now_ns, LINK_CARRIER, after, "%u Mbit/s%s%s", after->speed, after->duplex ? ", duplex " : "", link_duplex_name(after->duplex));
		else
			links_tell(store, now_ns, LINK_CARRIER, after, "%s", link_operational_name(after->operational));
	} else if (before->speed != after->speed && after->carrier && before->speed != LINK_NONE && after->speed != LINK_NONE) {
		tell_number(store, now_ns, after, "speed", before->speed, after->speed);
	}
	if (strcmp(before->name, after->name) != 0)
		links_tell(store, now_ns, LINK_CHANGED, after, "name %s → %s", before->name, after->name);
	tell_number(store, now_ns, after, "mtu", before->mtu, after->mtu);
	tell_number(store, now_ns, after, "transmit queue", before->transmit_queue, after->transmit_queue);
	if (before->mac_length != after->mac_length || memcmp(before->mac, after->mac, after->mac_length) != 0)
		links_tell(store, now_ns, LINK_CHANGED, after, "mac %s → %s", link_mac_text(before->mac, before->mac_length, one), link_mac_text(after->mac, after->mac_length, two));
	if (before->master != after->master)
		links_tell(store, now_ns, LINK_CHANGED, after, "master %s → %s", name_of(store, before->master, one), name_of(store, after->master, two));
	if (before->promiscuous != after->promiscuous)
		links_tell(store, now_ns, LINK_CHANGED, after, "promiscuous %s", after->promiscuous ? "on" : "off");
	if (strcmp(before->queueing, after->queueing) != 0)
		links_tell(store, now_ns, LINK_CHANGED, after, "queueing %s → %s", before->queueing, after->queueing);
}
