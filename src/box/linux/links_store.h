/*
 * box/linux/links_store.h: what box/links.h knows, how rtnetlink's messages (RFC 3549) change it, and which events that makes.
 */
#ifndef BOX_LINKS_STORE_H
#define BOX_LINKS_STORE_H

#include "box/links.h"
#include "box/linux/netlink.h"

#define LINKS_MOST 65536u
#define LINKS_ADDRESSES_MOST 4096u /* of one link */
#define LINKS_NEIGHBOURS_MOST 65536u
#define LINKS_ROUTES_MOST 256u
#define LINKS_EVENTS_MOST 16384u   /* that wait to be asked for; more are told as lost */

struct link_entry {
	struct link link; /* first: the list has pointers to it */
	uint32_t seen;    /* the last look that saw it */
	uint32_t *address_seen;
};


struct default_route {
	struct weir_ip gateway; /* version 0: none */
	uint8_t version;
	uint32_t index, metric, table, seen;
};

struct links_store {
	struct link **list; /* by index */
	uint32_t count, capacity;
	struct link_neighbour *neighbours;
	uint32_t *neighbour_seen;
	uint32_t neighbour_count, neighbour_capacity;
	struct default_route routes[LINKS_ROUTES_MOST];
	uint32_t route_count;
	int drivers;     /* any socket, for ioctl; negative: none */
	uint32_t look;   /* number of the look at everything that is going on, or was last */
	bool telling;    /* changes become events */
	bool lost;       /* events did not fit */
	bool routes_doubtful; /* the kernel does not tell of routes that go with an address or a link, or that another replaces */
	bool failed;     /* there was no memory for something */
	struct link_event *events;
	uint32_t first, waiting, event_capacity;
};

void links_store_free(struct links_store *store);
struct link_entry *links_store_find(const struct links_store *store, uint32_t index);

/* Takes in a message. Ones that make no sense change nothing. */
void links_store_take(struct links_store *store, const struct netlink_message *message, int64_t now_ns);

/* A look at everything: what it did not see, of the kinds that it looked at, is gone afterwards. */
void links_store_begin(struct links_store *store);
void links_store_end(struct links_store *store, int64_t now_ns);
void links_store_end_routes(struct links_store *store, int64_t now_ns); /* of a look at routes alone */

/* links_events.c: each makes an event, when changes are told. */
void links_tell(struct links_store *store, int64_t now_ns, enum link_event_kind kind, const struct link *link, const char *format, ...) WEIR_PRINTF(5, 6);
void links_tell_changes(struct links_store *store, int64_t now_ns, const struct link *before, const struct link *after);
bool links_told(struct links_store *store, struct link_event *event);

/* links_driver.c: by ioctl on any socket. What the driver does not tell stays LINK_NONE or "". */
void links_driver_speed(int socket, struct link *link);
void links_driver_ask(int socket, struct link *link);

#endif
