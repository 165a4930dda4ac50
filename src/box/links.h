/*
 * box/links.h: the interfaces of this box: state, speed, addresses, neighbours, what card and driver do; and every change of them as an event.
 */
#ifndef BOX_LINKS_H
#define BOX_LINKS_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/flow.h>

#define LINK_NONE UINT32_MAX /* of numbers that are not known */

enum link_duplex { LINK_DUPLEX_UNKNOWN, LINK_DUPLEX_HALF, LINK_DUPLEX_FULL };

struct link_address {
	struct weir_ip address;
	uint8_t prefix;    /* bits */
	uint8_t scope;     /* as rtnetlink numbers them: link_scope_name */
	bool tentative, deprecated, temporary, permanent;
};

/* What driver and card can do by themselves. */
struct link_offload {
	char name[32]; /* as ethtool has it: "tx-checksumming-ipv4" is "tx-checksum-ipv4" */
	bool on, fixed;
};

struct link_ring {
	uint32_t receive, receive_most, transmit, transmit_most; /* descriptors; LINK_NONE: the driver does not tell */
};

struct link {
	uint32_t index;
	char name[32];
	char kind[24];      /* "veth", "bridge", "vlan", …; "" of cards and lo */
	uint16_t hardware;  /* ARPHRD_… */
	uint8_t mac[32];
	uint8_t mac_length;
	uint32_t mtu;
	bool up;            /* somebody wants it to be */
	bool carrier;       /* it is connected */
	bool running;       /* it can carry packets now */
	bool promiscuous, loopback;
	uint8_t operational; /* RFC 2863's ifOperStatus as Linux numbers it: link_operational_name */
	uint32_t carrier_changes;
	uint32_t transmit_queue;
	char queueing[24];  /* queueing discipline */
	uint32_t master;    /* index of the bridge, bond, … that it belongs to; 0: none */
	uint32_t peer;      /* index of its other end (veth) or of what it stands on (VLAN); 0: none */
	uint32_t peer_namespace; /* id of the network namespace that the peer is in, as this one numbers them; LINK_NONE: this one, or not known */
	/* From the driver, by links_refresh with details. */
	uint32_t speed;     /* Mbit/s; LINK_NONE */
	uint8_t duplex;     /* enum link_duplex */
	bool autonegotiates;
	char driver[32], firmware[32], bus[32];
	struct link_ring ring;
	uint32_t channels, channels_most; /* queues with an interrupt; LINK_NONE */
	struct link_offload *offloads;
	uint32_t offload_count;
	struct link_address *addresses;
	uint32_t address_count;
};

struct link_neighbour {
	uint32_t index; /* of the interface */
	struct weir_ip address;
	uint8_t mac[32];
	uint8_t mac_length; /* 0: not known */
	uint16_t state;     /* NUD_…: link_neighbour_state */
	bool router;
};

enum link_event_kind {
	LINK_CAME, LINK_WENT, LINK_UP, LINK_DOWN, LINK_CARRIER, LINK_NO_CARRIER, LINK_CHANGED,
	LINK_ADDRESS_ADDED, LINK_ADDRESS_REMOVED, LINK_NEIGHBOUR_CAME, LINK_NEIGHBOUR_CHANGED, LINK_NEIGHBOUR_FAILED, LINK_NEIGHBOUR_WENT,
	LINK_ROUTE_ADDED, LINK_ROUTE_REMOVED, /* default routes */
	LINK_EVENTS_LOST, /* more happened than the kernel's queue holds: what is different now follows, in no order */
	LINK_EVENT_KINDS
};
const char *link_event_name(unsigned kind); /* "came", "up", "no carrier", "address added", … */

struct link_event {
	int64_t time_ns; /* since the epoch */
	enum link_event_kind kind;
	uint32_t index;    /* of the interface; 0: none in particular */
	char name[32];
	char detail[160];  /* what it is about, for a person: "mtu 1500 → 9000", "10.0.0.1/24", "10.0.0.7 02:00:00:00:00:01" */
	uint32_t speed;    /* when a carrier came: Mbit/s; LINK_NONE */
};

const char *link_operational_name(unsigned state);         /* "up", "lower-layer-down", … */
const char *link_scope_name(unsigned scope);               /* "global", "link", "host", … */
const char *link_neighbour_state(unsigned state);          /* "reachable", "stale", … */
const char *link_duplex_name(unsigned duplex);             /* "full", "half", "" */

/* "10.0.0.1", "fe80::1", "" of no address; "02:00:00:00:00:01". Each returns out. */
#define LINK_IP_SIZE 48
const char *link_ip_text(const struct weir_ip *ip, char out[static LINK_IP_SIZE]);
#define LINK_MAC_SIZE 97
const char *link_mac_text(const uint8_t *mac, unsigned length, char out[static LINK_MAC_SIZE]);

struct links;

/*
 * watch: changes are followed from now on. Needs no right. One thread.
 */
int links_open(bool watch, struct links **links, struct weir_fault *fault);
void links_close(struct links *links);

/* Looks at everything anew; details: also asks the drivers, some 20 µs a link. */
int links_refresh(struct links *links, bool details, struct weir_fault *fault);

/* By index of the interface. Valid until the next refresh or links_next. */
const struct link *const *links_list(const struct links *links, size_t *count);
const struct link *links_by_index(const struct links *links, uint32_t index);
/* By interface, then as the system has them. At most 65,536. */
const struct link_neighbour *links_neighbours(const struct links *links, size_t *count);

/* Readable when changes wait: for poll. -1: links are not watched. */
int links_descriptor(const struct links *links);

/* The next change: 1 and *event, 0 when none waits (never blocks), or an error. What it tells is in the list. */
int links_next(struct links *links, struct link_event *event, struct weir_fault *fault);

#endif
