/* Links by rtnetlink: box/links.h. */
#include "box/links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box/linux/links_store.h"
#include "config.h"
#include "core/clock.h"

#ifdef HAVE_MNL
#include <libmnl/libmnl.h>

#define RECEIVE_BYTES 65536
#define QUEUE_BYTES (1 << 20)

struct links {
	struct links_store store;
	struct mnl_socket *asking, *watching; /* watching: NULL when nobody watches */
	uint32_t sequence;
	char buffer[RECEIVE_BYTES];
};

static struct mnl_socket *open_socket(unsigned groups, struct weir_fault *fault)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));

	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) == 0) {
		int bytes = QUEUE_BYTES;
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
		return socket;
	}
	weir_fail_errno(fault, errno, NULL, "could not ask the kernel for its links");
	if (socket)
		mnl_socket_close(socket);
	return NULL;
}

int links_open(bool watch, struct links **out, struct weir_fault *fault)
{
	struct links *links = calloc(1, sizeof *links);

	*out = NULL;
	if (!links)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for links");
	links->store.drivers = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (links->store.drivers < 0)
		links->store.drivers = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	links->asking = open_socket(0, fault);
	/* Before the first look, so that nothing falls between the two. */
	if (links->asking && watch)
		links->watching = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, fault);
	int error = !links->asking || (watch && !links->watching) ? fault ? fault->code : WEIR_E_SYSTEM : links_refresh(links, watch, fault);
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
	if (links->asking)
		mnl_socket_close(links->asking);
	if (links->watching)
		mnl_socket_close(links->watching);
	if (links->store.drivers >= 0)
		close(links->store.drivers);
	links_store_free(&links->store);
	free(links);
}

struct taking {
	struct links *links;
	int64_t now_ns;
};

static int take(const struct nlmsghdr *message, void *data)
{
	struct taking *taking = data;

	links_store_take(&taking->links->store, message, taking->now_ns);
	return MNL_CB_OK;
}

/* One dump of all there is of a kind. 0 or an errno. */
static int dump(struct links *links, uint16_t type, int64_t now_ns)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(links->buffer);
	struct taking taking = {links, now_ns};
	unsigned port = mnl_socket_get_portid(links->asking);
	ssize_t length;
	int more = MNL_CB_OK;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++links->sequence;
	/* Every one of the kinds has a head of at most this size that begins with the family; ours is none in particular. */
	memset(mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg)), 0, sizeof(struct ifinfomsg));
	/* To the kernel, as for every netlink socket that is connected to nobody. Not by sendto, which a recorder's sandbox does not let through. */
	if (write(mnl_socket_get_fd(links->asking), request, request->nlmsg_len) < 0)
		return errno;
	while (more > MNL_CB_STOP) {
		length = mnl_socket_recvfrom(links->asking, links->buffer, sizeof links->buffer);
		if (length < 0 && errno == EINTR)
			continue;
		more = length < 0 ? MNL_CB_ERROR : mnl_cb_run(links->buffer, (size_t)length, links->sequence, port, take, &taking);
		/* Something changed while it was dumped: what is missing is told by the watching socket, or by the next look. */
		if (more < 0 && errno == EINTR)
			more = MNL_CB_OK;
	}
	return more < 0 ? errno : 0;
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

int links_descriptor(const struct links *links) { return links->watching ? mnl_socket_get_fd(links->watching) : -1; }

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
		ssize_t length = mnl_socket_recvfrom(links->watching, links->buffer, sizeof links->buffer);
		struct taking taking = {links, clock_wall_ns()};
		int error = 0;
		bool nothing = length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !links->store.lost;
		if (nothing && !links->store.routes_doubtful)
			return 0;
		if (length < 0 && errno == EINTR)
			continue;
		if (nothing) {
			error = look_at_routes(links, taking.now_ns, fault);
		} else if (links->store.lost || (length < 0 && (errno == ENOBUFS || errno == ENOSPC))) {
			links->store.lost = false;
			error = look_again(links, taking.now_ns, fault);
		} else if (length < 0) {
			error = weir_fail_errno(fault, errno, NULL, "could not follow the changes of links");
		} else {
			mnl_cb_run(links->buffer, (size_t)length, 0, 0, take, &taking);
		}
		if (error)
			return error;
	}
	return 1;
}

#else

struct links {
	int unused;
};

int links_open(bool watch, struct links **links, struct weir_fault *fault)
{
	*links = NULL;
	return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir is built without libmnl, by which links are asked for");
}

void links_close(struct links *links) {}
int links_refresh(struct links *links, bool details, struct weir_fault *fault) { return weir_fail(fault, WEIR_E_UNSUPPORTED, "built without libmnl"); }

const struct link *const *links_list(const struct links *links, size_t *count)
{
	*count = 0;
	return NULL;
}

const struct link *links_by_index(const struct links *links, uint32_t index) { return NULL; }

const struct link_neighbour *links_neighbours(const struct links *links, size_t *count)
{
	*count = 0;
	return NULL;
}

int links_descriptor(const struct links *links) { return -1; }
int links_next(struct links *links, struct link_event *event, struct weir_fault *fault) { return 0; }

#endif
