/* Messages of rtnetlink (RFC 3549; rtnetlink(7)) into what is known of links: box/linux/links_store.h. */
#include "box/linux/links_store.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define LOWER_UP 0x10000u /* IFF_LOWER_UP, which <net/if.h> does not have */

void links_store_free(struct links_store *store)
{
	for (uint32_t i = 0; i < store->count; i++) {
		struct link_entry *entry = (struct link_entry *)store->list[i];
		free(entry->link.offloads);
		free(entry->link.addresses);
		free(entry->address_seen);
		free(entry);
	}
	free(store->list);
	free(store->neighbours);
	free(store->neighbour_seen);
	free(store->events);
}

/* Where an index stands, or would. */
static uint32_t place_of(const struct links_store *store, uint32_t index)
{
	uint32_t low = 0, high = store->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (store->list[middle]->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct link_entry *links_store_find(const struct links_store *store, uint32_t index)
{
	uint32_t at = place_of(store, index);
	return at < store->count && store->list[at]->index == index ? (struct link_entry *)store->list[at] : NULL;
}

static struct link_entry *add_link(struct links_store *store, uint32_t index)
{
	if (store->count == LINKS_MOST)
		return NULL;
	if (store->count == store->capacity) {
		uint32_t capacity = store->capacity ? 2 * store->capacity : 16;
		struct link **more = realloc(store->list, capacity * sizeof *more);
		if (!more)
			return NULL;
		store->list = more;
		store->capacity = capacity;
	}
	struct link_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	uint32_t at = place_of(store, index);
	memmove(store->list + at + 1, store->list + at, (store->count - at) * sizeof *store->list);
	store->list[at] = &entry->link;
	store->count++;
	entry->link = (struct link){
		.index = index,
		.speed = LINK_NONE,
		.peer_namespace = LINK_NONE,
		.ring = {LINK_NONE, LINK_NONE, LINK_NONE, LINK_NONE},
		.channels = LINK_NONE,
		.channels_most = LINK_NONE,
	};
	return entry;
}

static void remove_link(struct links_store *store, struct link_entry *entry, int64_t now_ns)
{
	uint32_t at = place_of(store, entry->link.index);

	links_tell(store, now_ns, LINK_WENT, &entry->link, "%s", "");
	store->count--;
	memmove(store->list + at, store->list + at + 1, (store->count - at) * sizeof *store->list);
	free(entry->link.offloads);
	free(entry->link.addresses);
	free(entry->address_seen);
	free(entry);
}

/* ---- attributes ---- */

static void text_of(struct weir_bytes value, char *out, size_t size)
{
	size_t length = 0;

	while (length < value.length && length < size - 1 && value.data[length])
		length++;
	if (length)
		memcpy(out, value.data, length);
	out[length] = '\0';
}

static struct weir_ip ip_of(struct weir_bytes value, unsigned family)
{
	struct weir_ip ip = {0};
	unsigned size = family == AF_INET ? 4 : 16;

	if (value.length < size)
		return ip;
	ip.version = family == AF_INET ? 4 : 6;
	memcpy(ip.bytes, value.data, size);
	return ip;
}

static uint8_t mac_of(struct weir_bytes value, uint8_t out[static 32])
{
	size_t length = value.length < 32 ? value.length : 32;

	if (length)
		memcpy(out, value.data, length);
	return (uint8_t)length;
}

static bool same_ip(const struct weir_ip *a, const struct weir_ip *b) { return memcmp(a, b, sizeof *a) == 0; }

/* ---- links ---- */

static void take_attribute(struct link *link, const struct netlink_attribute *attribute)
{
	switch (attribute->type) {
	case IFLA_IFNAME:
		text_of(attribute->value, link->name, sizeof link->name);
		break;
	case IFLA_ADDRESS:
		link->mac_length = mac_of(attribute->value, link->mac);
		break;
	case IFLA_MTU:
		link->mtu = netlink_number(attribute->value);
		break;
	case IFLA_OPERSTATE:
		link->operational = (uint8_t)netlink_number(attribute->value);
		break;
	case IFLA_CARRIER_CHANGES:
		link->carrier_changes = netlink_number(attribute->value);
		break;
	case IFLA_TXQLEN:
		link->transmit_queue = netlink_number(attribute->value);
		break;
	case IFLA_QDISC:
		text_of(attribute->value, link->queueing, sizeof link->queueing);
		break;
	case IFLA_MASTER:
		link->master = netlink_number(attribute->value);
		break;
	case IFLA_LINK:
		link->peer = netlink_number(attribute->value);
		break;
	case IFLA_LINK_NETNSID:
		link->peer_namespace = netlink_number(attribute->value);
		break;
	case IFLA_LINKINFO: {
		struct weir_bytes rest = attribute->value;
		struct netlink_attribute inner;
		while (netlink_next(&rest, &inner))
			if (inner.type == IFLA_INFO_KIND)
				text_of(inner.value, link->kind, sizeof link->kind);
		break;
	}
	default:
		break;
	}
}

static bool has_name(struct weir_bytes attributes)
{
	struct netlink_attribute attribute;

	while (netlink_next(&attributes, &attribute))
		if (attribute.type == IFLA_IFNAME)
			return true;
	return false;
}

static void take_link(struct links_store *store, const struct netlink_message *message, int64_t now_ns)
{
	struct ifinfomsg head;
	struct weir_bytes rest;
	struct netlink_attribute attribute;

	/* Messages of bridges about their ports are of another family, and tell less. */
	if (!netlink_head(message, &head, sizeof head, &rest) || head.ifi_family != AF_UNSPEC || head.ifi_index <= 0)
		return;
	struct link_entry *entry = links_store_find(store, (uint32_t)head.ifi_index);
	if (message->type == RTM_DELLINK) {
		if (entry)
			remove_link(store, entry, now_ns);
		return;
	}
	/* What a wireless driver has to tell comes in one as well, which says nothing of the link but its flags. */
	if (!has_name(rest))
		return;
	bool is_new = !entry;
	if (is_new && !(entry = add_link(store, (uint32_t)head.ifi_index))) {
		store->failed = true;
		return;
	}
	struct link before = entry->link, *link = &entry->link;
	link->hardware = head.ifi_type;
	link->up = head.ifi_flags & IFF_UP;
	link->running = head.ifi_flags & IFF_RUNNING;
	link->carrier = head.ifi_flags & LOWER_UP;
	link->promiscuous = head.ifi_flags & IFF_PROMISC;
	link->loopback = head.ifi_flags & IFF_LOOPBACK;
	link->master = 0; /* what has none does not say so */
	link->peer = 0;
	link->peer_namespace = LINK_NONE;
	while (netlink_next(&rest, &attribute))
		take_attribute(link, &attribute);
	entry->seen = store->look;
	/* The message does not have the speed: the driver knows it. */
	if (store->telling && store->drivers >= 0)
		links_driver_speed(store->drivers, link);
	if (is_new)
		links_tell(store, now_ns, LINK_CAME, link, "%s%s%s", link->kind, link->kind[0] ? ", " : "", link->up ? "up" : "down");
	else
		links_tell_changes(store, now_ns, &before, link);
}

/* ---- addresses ---- */

static struct link_address *add_address(struct links_store *store, struct link_entry *entry, const struct weir_ip *ip)
{
	struct link *link = &entry->link;

	if (link->address_count == LINKS_ADDRESSES_MOST)
		return NULL;
	/* Addresses are few: memory for each is asked for by itself. */
	struct link_address *addresses = realloc(link->addresses, (link->address_count + 1) * sizeof *addresses);
	if (addresses)
		link->addresses = addresses;
	uint32_t *seen = realloc(entry->address_seen, (link->address_count + 1) * sizeof *seen);
	if (seen)
		entry->address_seen = seen;
	if (!addresses || !seen) {
		store->failed = true;
		return NULL;
	}
	addresses[link->address_count] = (struct link_address){.address = *ip};
	return &addresses[link->address_count++];
}

static void remove_address(struct links_store *store, struct link_entry *entry, uint32_t at, int64_t now_ns)
{
	struct link *link = &entry->link;
	char text[LINK_IP_SIZE];

	links_tell(store, now_ns, LINK_ADDRESS_REMOVED, link, "%s/%u", link_ip_text(&link->addresses[at].address, text), link->addresses[at].prefix);
	link->address_count--;
	memmove(link->addresses + at, link->addresses + at + 1, (link->address_count - at) * sizeof *link->addresses);
	memmove(entry->address_seen + at, entry->address_seen + at + 1, (link->address_count - at) * sizeof *entry->address_seen);
}

static void take_address(struct links_store *store, const struct netlink_message *message, int64_t now_ns)
{
	struct ifaddrmsg head;
	struct weir_bytes rest;
	struct netlink_attribute attribute;
	struct weir_ip ip = {0}, local = {0};
	char text[LINK_IP_SIZE];

	if (!netlink_head(message, &head, sizeof head, &rest) || (head.ifa_family != AF_INET && head.ifa_family != AF_INET6))
		return;
	struct link_entry *entry = links_store_find(store, head.ifa_index);
	if (!entry)
		return;
	uint32_t flags = head.ifa_flags;
	while (netlink_next(&rest, &attribute)) {
		switch (attribute.type) {
		case IFA_ADDRESS:
			ip = ip_of(attribute.value, head.ifa_family);
			break;
		case IFA_LOCAL: /* of a link with a peer this is ours, and the other the peer's */
			local = ip_of(attribute.value, head.ifa_family);
			break;
		case IFA_FLAGS:
			flags = netlink_number(attribute.value);
			break;
		default:
			break;
		}
	}
	if (local.version)
		ip = local;
	if (!ip.version)
		return;
	struct link *link = &entry->link;
	uint32_t at = 0;
	while (at < link->address_count && !(same_ip(&link->addresses[at].address, &ip) && link->addresses[at].prefix == head.ifa_prefixlen))
		at++;
	if (message->type == RTM_DELADDR) {
		if (at < link->address_count)
			remove_address(store, entry, at, now_ns);
		return;
	}
	bool is_new = at == link->address_count;
	if (is_new && !add_address(store, entry, &ip))
		return;
	struct link_address *address = &link->addresses[at];
	address->prefix = head.ifa_prefixlen;
	address->scope = head.ifa_scope;
	address->tentative = flags & IFA_F_TENTATIVE;
	address->deprecated = flags & IFA_F_DEPRECATED;
	address->temporary = head.ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY;
	address->permanent = flags & IFA_F_PERMANENT;
	entry->address_seen[at] = store->look;
	if (is_new)
		links_tell(store, now_ns, LINK_ADDRESS_ADDED, link, "%s/%u", link_ip_text(&ip, text), address->prefix);
}

/* ---- neighbours ---- */

static const struct link *link_or_none(const struct links_store *store, uint32_t index)
{
	const struct link_entry *entry = links_store_find(store, index);
	return entry ? &entry->link : NULL;
}

static void remove_neighbour(struct links_store *store, uint32_t at, int64_t now_ns)
{
	const struct link_neighbour *neighbour = &store->neighbours[at];
	char ip[LINK_IP_SIZE], mac[LINK_MAC_SIZE];

	links_tell(store, now_ns, LINK_NEIGHBOUR_WENT, link_or_none(store, neighbour->index), "%s %s", link_ip_text(&neighbour->address, ip),
	           link_mac_text(neighbour->mac, neighbour->mac_length, mac));
	store->neighbour_count--;
	memmove(store->neighbours + at, store->neighbours + at + 1, (store->neighbour_count - at) * sizeof *store->neighbours);
	memmove(store->neighbour_seen + at, store->neighbour_seen + at + 1, (store->neighbour_count - at) * sizeof *store->neighbour_seen);
}

static int compare_neighbours(const struct link_neighbour *a, const struct link_neighbour *b)
{
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return memcmp(&a->address, &b->address, sizeof a->address);
}

/* Where it stands, or would: they are in order. */
static uint32_t neighbour_place(const struct links_store *store, const struct link_neighbour *neighbour)
{
	uint32_t low = 0, high = store->neighbour_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (compare_neighbours(&store->neighbours[middle], neighbour) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool add_neighbour(struct links_store *store, uint32_t at, const struct link_neighbour *neighbour)
{
	if (store->neighbour_count == LINKS_NEIGHBOURS_MOST)
		return false;
	if (store->neighbour_count == store->neighbour_capacity) {
		uint32_t capacity = store->neighbour_capacity ? 2 * store->neighbour_capacity : 64;
		struct link_neighbour *more = realloc(store->neighbours, capacity * sizeof *more);
		if (more)
			store->neighbours = more;
		uint32_t *seen = realloc(store->neighbour_seen, capacity * sizeof *seen);
		if (seen)
			store->neighbour_seen = seen;
		if (!more || !seen) {
			store->failed = true;
			return false;
		}
		store->neighbour_capacity = capacity;
	}
	memmove(store->neighbours + at + 1, store->neighbours + at, (store->neighbour_count - at) * sizeof *store->neighbours);
	memmove(store->neighbour_seen + at + 1, store->neighbour_seen + at, (store->neighbour_count - at) * sizeof *store->neighbour_seen);
	store->neighbours[at] = *neighbour;
	store->neighbour_count++;
	return true;
}

static void tell_neighbour(struct links_store *store, int64_t now_ns, const struct link_neighbour *before, const struct link_neighbour *after)
{
	const struct link *link = link_or_none(store, after->index);
	char ip[LINK_IP_SIZE], one[LINK_MAC_SIZE], two[LINK_MAC_SIZE];

	link_ip_text(&after->address, ip);
	link_mac_text(after->mac, after->mac_length, two);
	if (!before)
		links_tell(store, now_ns, LINK_NEIGHBOUR_CAME, link, "%s %s%s%s", ip, two, two[0] ? ", " : "", link_neighbour_state(after->state));
	else if (after->state & NUD_FAILED && !(before->state & NUD_FAILED))
		links_tell(store, now_ns, LINK_NEIGHBOUR_FAILED, link, "%s", ip);
	else if (before->mac_length && after->mac_length && memcmp(before->mac, after->mac, sizeof after->mac) != 0)
		links_tell(store, now_ns, LINK_NEIGHBOUR_CHANGED, link, "%s %s → %s", ip, link_mac_text(before->mac, before->mac_length, one), two);
	else if (before->state != after->state)
		links_tell(store, now_ns, LINK_NEIGHBOUR_CHANGED, link, "%s %s%s%s → %s", ip, two, two[0] ? ", " : "", link_neighbour_state(before->state),
		           link_neighbour_state(after->state));
}

static void take_neighbour(struct links_store *store, const struct netlink_message *message, int64_t now_ns)
{
	struct ndmsg head;
	struct weir_bytes rest;
	struct netlink_attribute attribute;
	struct link_neighbour taken = {0};

	/* Those that need no asking (multicast, loopback) are no neighbours. */
	if (!netlink_head(message, &head, sizeof head, &rest) || (head.ndm_family != AF_INET && head.ndm_family != AF_INET6) || head.ndm_state & NUD_NOARP)
		return;
	taken.index = (uint32_t)head.ndm_ifindex;
	taken.state = head.ndm_state;
	taken.router = head.ndm_flags & NTF_ROUTER;
	while (netlink_next(&rest, &attribute)) {
		if (attribute.type == NDA_DST)
			taken.address = ip_of(attribute.value, head.ndm_family);
		else if (attribute.type == NDA_LLADDR)
			taken.mac_length = mac_of(attribute.value, taken.mac);
	}
	if (!taken.address.version)
		return;
	uint32_t at = neighbour_place(store, &taken);
	bool known = at < store->neighbour_count && compare_neighbours(&store->neighbours[at], &taken) == 0;
	if (message->type == RTM_DELNEIGH) {
		if (known)
			remove_neighbour(store, at, now_ns);
		return;
	}
	if (known) {
		struct link_neighbour before = store->neighbours[at];
		store->neighbours[at] = taken;
		tell_neighbour(store, now_ns, &before, &taken);
	} else if (add_neighbour(store, at, &taken)) {
		tell_neighbour(store, now_ns, NULL, &taken);
	} else {
		return;
	}
	store->neighbour_seen[at] = store->look;
}

/* ---- default routes ---- */

static void tell_route(struct links_store *store, int64_t now_ns, enum link_event_kind kind, const struct default_route *route)
{
	char ip[LINK_IP_SIZE];

	link_ip_text(&route->gateway, ip);
	links_tell(store, now_ns, kind, link_or_none(store, route->index), "IPv%u%s%s, metric %u", route->version, ip[0] ? " via " : "", ip, route->metric);
}

static void take_route(struct links_store *store, const struct netlink_message *message, int64_t now_ns)
{
	struct rtmsg head;
	struct weir_bytes rest;
	struct netlink_attribute attribute;
	struct default_route taken = {0};

	if (!netlink_head(message, &head, sizeof head, &rest) || (head.rtm_family != AF_INET && head.rtm_family != AF_INET6) || head.rtm_dst_len != 0 ||
	    head.rtm_type != RTN_UNICAST || head.rtm_flags & RTM_F_CLONED)
		return;
	taken.version = head.rtm_family == AF_INET ? 4 : 6;
	taken.table = head.rtm_table;
	while (netlink_next(&rest, &attribute)) {
		switch (attribute.type) {
		case RTA_GATEWAY:
			taken.gateway = ip_of(attribute.value, head.rtm_family);
			break;
		case RTA_OIF:
			taken.index = netlink_number(attribute.value);
			break;
		case RTA_PRIORITY:
			taken.metric = netlink_number(attribute.value);
			break;
		case RTA_TABLE:
			taken.table = netlink_number(attribute.value);
			break;
		default:
			break;
		}
	}
	uint32_t at = 0;
	for (; at < store->route_count; at++) {
		const struct default_route *route = &store->routes[at];
		if (route->version == taken.version && route->table == taken.table && route->index == taken.index && route->metric == taken.metric &&
		    same_ip(&route->gateway, &taken.gateway))
			break;
	}
	if (message->type == RTM_DELROUTE) {
		if (at < store->route_count) {
			store->routes[at] = store->routes[--store->route_count];
			tell_route(store, now_ns, LINK_ROUTE_REMOVED, &taken);
		}
		return;
	}
	taken.seen = store->look;
	if (at == store->route_count) {
		if (at == LINKS_ROUTES_MOST)
			return;
		store->route_count++;
		tell_route(store, now_ns, LINK_ROUTE_ADDED, &taken);
	}
	store->routes[at] = taken;
}

void links_store_take(struct links_store *store, const struct netlink_message *message, int64_t now_ns)
{
	/* Nor which one another took the place of. */
	bool replaces = message->type == RTM_NEWROUTE && message->flags & NLM_F_REPLACE;
	store->routes_doubtful |= replaces || message->type == RTM_DELADDR || message->type == RTM_DELLINK || message->type == RTM_NEWLINK;
	switch (message->type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(store, message, now_ns);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		take_address(store, message, now_ns);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		take_neighbour(store, message, now_ns);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(store, message, now_ns);
		break;
	default:
		break;
	}
}

void links_store_begin(struct links_store *store) { store->look++; }

void links_store_end_routes(struct links_store *store, int64_t now_ns)
{
	store->routes_doubtful = false;
	for (uint32_t i = store->route_count; i-- > 0;) {
		if (store->routes[i].seen == store->look)
			continue;
		tell_route(store, now_ns, LINK_ROUTE_REMOVED, &store->routes[i]);
		store->routes[i] = store->routes[--store->route_count];
	}
}

void links_store_end(struct links_store *store, int64_t now_ns)
{
	links_store_end_routes(store, now_ns);
	for (uint32_t i = store->neighbour_count; i-- > 0;)
		if (store->neighbour_seen[i] != store->look)
			remove_neighbour(store, i, now_ns);
	for (uint32_t i = store->count; i-- > 0;) {
		struct link_entry *entry = (struct link_entry *)store->list[i];
		for (uint32_t k = entry->link.address_count; k-- > 0;)
			if (entry->address_seen[k] != store->look)
				remove_address(store, entry, k, now_ns);
		if (entry->seen != store->look)
			remove_link(store, entry, now_ns);
	}
}
