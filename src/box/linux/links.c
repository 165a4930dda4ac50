/* Links by rtnetlink: box/links.h. */
#include "box/links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box/linux/links_store.h"
#include "core/clock.h"

struct links {
	struct links_store store;
	struct netlink *asking, *watching; /* watching: NULL when nobody watches */
};

int links_open(bool watch, struct links **out, struct weir_fault *fault)
{
	struct links *links = calloc(1, sizeof *links);

	*out = NULL;
	if (!links)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for links");
	links->store.drivers = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (links->store.drivers < 0)
		links->store.drivers = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = netlink_open(NETLINK_ROUTE, 0, "ask the kernel for its links", &links->asking, fault);
	/* Before the first look, so that nothing falls between the two. */
	if (!error && watch)
		error = netlink_open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
		                     "follow the changes of links", &links->watching, fault);
	if (!error)
		error = links_refresh(links, watch, fault);
	if (error) {
		links_close(links);
		return error;
	}
	links->store.telling = watch;
	*out = links;
	return 0;
}

void links_close(struct links *links)
{
	if (!links)
		return;
	netlink_close(links->asking);
	netlink_close(links->watching);
	if (links->store.drivers >= 0)
		close(links->store.drivers);
	links_store_free(&links->store);
	free(links);
}

struct taking {
	struct links *links;
	int64_t now_ns;
};

static void take(const struct netlink_message *message, void *argument)
{
	struct taking *taking = argument;

	links_store_take(&taking->links->store, message, taking->now_ns);
}

/* One dump of all there is of a kind. 0 or an errno. */
static int dump(struct links *links, uint16_t type, int64_t now_ns)
{
	/* Each kind has a head of its own, which begins with the family; ours is none in particular. What is longer the kernel takes for attributes, and says so in its log. */
	static const struct ifinfomsg question = {.ifi_family = AF_UNSPEC};
	size_t size = type == RTM_GETLINK ? sizeof question : type == RTM_GETADDR ? sizeof(struct ifaddrmsg) : type == RTM_GETNEIGH ? sizeof(struct ndmsg) : sizeof(struct rtmsg);
	struct taking taking = {links, now_ns};

	return netlink_ask(links->asking, type, NLM_F_DUMP, &question, size, take, &taking);
}

int links_refresh(struct links *links, bool details, struct weir_fault *fault)
{
	static const uint16_t types[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH, RTM_GETROUTE};
	int64_t now = clock_wall_ns();

	links_store_begin(&links->store);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		int failed = dump(links, types[i], now);
		if (failed)
			return weir_fail_errno(fault, failed, NULL, "could not ask the kernel for its links");
	}
	links_store_end(&links->store, now);
	for (uint32_t i = 0; details && links->store.drivers >= 0 && i < links->store.count; i++)
		links_driver_ask(links->store.drivers, links->store.list[i]);
	if (links->store.failed) {
		links->store.failed = false;
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for all links");
	}
	return 0;
}

const struct link *const *links_list(const struct links *links, size_t *count)
{
	*count = links->store.count;
	return (const struct link *const *)links->store.list;
}

const struct link *links_by_index(const struct links *links, uint32_t index)
{
	const struct link_entry *entry = links_store_find(&links->store, index);
	return entry ? &entry->link : NULL;
}

const struct link_neighbour *links_neighbours(const struct links *links, size_t *count)
{
	*count = links->store.neighbour_count;
	return links->store.neighbours;
}

int links_descriptor(const struct links *links) { return links->watching ? netlink_descriptor(links->watching) : -1; }

/* What the kernel had to leave out is found by looking at everything. */
static int look_again(struct links *links, int64_t now_ns, struct weir_fault *fault)
{
	links_tell(&links->store, now_ns, LINK_EVENTS_LOST, NULL, "more happened than the kernel's queue holds");
	return links_refresh(links, false, fault);
}

static int look_at_routes(struct links *links, int64_t now_ns, struct weir_fault *fault)
{
	links_store_begin(&links->store);
	int failed = dump(links, RTM_GETROUTE, now_ns);
	if (failed)
		return weir_fail_errno(fault, failed, NULL, "could not ask the kernel for its routes");
	links_store_end_routes(&links->store, now_ns);
	return 0;
}

int links_next(struct links *links, struct link_event *event, struct weir_fault *fault)
{
	while (!links_told(&links->store, event)) {
		if (!links->watching)
			return 0;
		struct taking taking = {links, clock_wall_ns()};
		int error = 0;
		/* Events that found no room: what the socket has is left to the look at everything. */
		int taken = links->store.lost ? -ENOBUFS : netlink_receive(links->watching, take, &taking);
		if (taken == 0 && !links->store.routes_doubtful)
			return 0;
		if (taken == 0)
			error = look_at_routes(links, taking.now_ns, fault);
		else if (taken == -ENOBUFS || taken == -ENOSPC) {
			links->store.lost = false;
			error = look_again(links, taking.now_ns, fault);
		} else if (taken < 0) {
			error = weir_fail_errno(fault, -taken, NULL, "could not follow the changes of links");
		}
		if (error)
			return error;
	}
	return 1;
}
