/* Provider net.link: what rtnetlink(7) tells of interfaces, addresses and routes. Takes no rights. */
#include <errno.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box/trace.h"
#include "bpf/trace.h"

enum { LINK = 1, ADDRESS = 2, ROUTE = 4 };
enum { LINK_CHANGED = 1, LINK_REMOVED, ADDRESS_ADDED, ADDRESS_REMOVED, ROUTE_ADDED, ROUTE_REMOVED };

static const struct weir_trace_keyword keywords[] = {{"link", LINK}, {"address", ADDRESS}, {"route", ROUTE}, {0}};

static const struct weir_trace_field link_fields[] = {
	{"interface", WEIR_TRACE_UNSIGNED, 4, NULL}, {"up", WEIR_TRACE_UNSIGNED, 1, NULL}, {"running", WEIR_TRACE_UNSIGNED, 1, NULL},
	{"mtu", WEIR_TRACE_UNSIGNED, 4, NULL}, {"flags", WEIR_TRACE_HEX, 4, NULL}, {"name", WEIR_TRACE_TEXT, 16, NULL}, {0},
};
static const struct weir_trace_field address_fields[] = {
	{"interface", WEIR_TRACE_UNSIGNED, 4, NULL}, {"address", WEIR_TRACE_ADDRESS, 17, NULL}, {"prefix", WEIR_TRACE_UNSIGNED, 1, NULL}, {0},
};
static const struct weir_trace_field route_fields[] = {
	{"destination", WEIR_TRACE_ADDRESS, 17, NULL}, {"prefix", WEIR_TRACE_UNSIGNED, 1, NULL}, {"gateway", WEIR_TRACE_ADDRESS, 17, NULL},
	{"interface", WEIR_TRACE_UNSIGNED, 4, NULL}, {"table", WEIR_TRACE_UNSIGNED, 4, NULL}, {0},
};

static const struct weir_trace_event_type events[] = {
	{LINK_CHANGED, 1, WEIR_TRACE_INFORMATION, LINK, "link", link_fields},
	{LINK_REMOVED, 1, WEIR_TRACE_INFORMATION, LINK, "link-removed", link_fields},
	{ADDRESS_ADDED, 1, WEIR_TRACE_INFORMATION, ADDRESS, "address", address_fields},
	{ADDRESS_REMOVED, 1, WEIR_TRACE_INFORMATION, ADDRESS, "address-removed", address_fields},
	{ROUTE_ADDED, 1, WEIR_TRACE_INFORMATION, ROUTE, "route", route_fields},
	{ROUTE_REMOVED, 1, WEIR_TRACE_INFORMATION, ROUTE, "route-removed", route_fields},
	{0},
};

struct feed {
	int fd;
	uint32_t port;      /* ours, as /proc/net/netlink has it */
	uint64_t lost;      /* at the last look */
	uint8_t buffer[65536] __attribute__((aligned(8)));
};

static int open_feed(void **feed, int *descriptor, struct weir_fault *fault)
{
	struct sockaddr_nl own = {.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	socklen_t length = sizeof own;
	int room = 1 << 20;
	struct feed *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to follow interfaces");
	made->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (made->fd < 0 || bind(made->fd, (struct sockaddr *)&own, sizeof own) || getsockname(made->fd, (struct sockaddr *)&own, &length)) {
		int error = weir_fail_errno(fault, errno, NULL, "could not follow interfaces by netlink");
		if (made->fd >= 0)
			close(made->fd);
		free(made);
		return error;
	}
	setsockopt(made->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	made->port = own.nl_pid;
	*feed = made;
	*descriptor = made->fd;
	return 0;
}

static void close_feed(void *argument)
{
	struct feed *feed = argument;
	close(feed->fd);
	free(feed);
}

/* What found no room in our socket: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode. */
static uint64_t lost(void *argument)
{
	struct feed *feed = argument;
	FILE *file = fopen("/proc/self/net/netlink", "re");
	char line[256];
	unsigned protocol;
	uint32_t port;
	uint64_t drops;

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "%*s %u %" SCNu32 " %*s %*s %*s %*s %*s %" SCNu64, &protocol, &port, &drops) == 3 && protocol == NETLINK_ROUTE && port == feed->port)
			feed->lost = drops;
	if (file)
		fclose(file);
	return feed->lost;
}

static void put_address(uint8_t out[static 17], int family, struct weir_bytes value)
{
	memset(out, 0, 17);
	if ((family == AF_INET && value.length != 4) || (family == AF_INET6 && value.length != 16) || (family != AF_INET && family != AF_INET6))
		return;
	memcpy(out, value.data, value.length);
	out[16] = family == AF_INET ? 4 : 6;
}

/* The attributes that we look at, by number; none: {NULL, 0}. */
static void take_attributes(struct weir_cursor *cursor, struct weir_bytes *values, unsigned most)
{
	memset(values, 0, most * sizeof *values);
	while (weir_cursor_left(cursor) >= 4) {
		const uint8_t *head = weir_take(cursor, 4);
		uint16_t length = weir_load_native16(head), type = weir_load_native16(head + 2) & 0x3fff;
		if (length < 4)
			return;
		const uint8_t *data = weir_take(cursor, length - 4u);
		if (!data)
			return;
		if (type < most)
			values[type] = (struct weir_bytes){data, length - 4u};
		size_t padding = (4 - (length & 3)) & 3;
		weir_take(cursor, padding < weir_cursor_left(cursor) ? padding : weir_cursor_left(cursor));
	}
}

static uint32_t number_of(struct weir_bytes value) { return value.length == 4 ? weir_load_native32(value.data) : 0; }

static size_t link_payload(struct weir_cursor *cursor, uint8_t *out)
{
	struct weir_bytes attributes[IFLA_MTU + 1];
	struct ifinfomsg message;
	const uint8_t *head = weir_take(cursor, sizeof message);

	if (!head)
		return 0;
	memcpy(&message, head, sizeof message);
	take_attributes(cursor, attributes, IFLA_MTU + 1);
	memset(out, 0, 30);
	weir_store_le32(out, (uint32_t)message.ifi_index);
	out[4] = !!(message.ifi_flags & IFF_UP);
	out[5] = !!(message.ifi_flags & IFF_RUNNING);
	weir_store_le32(out + 6, number_of(attributes[IFLA_MTU]));
	weir_store_le32(out + 10, message.ifi_flags);
	if (attributes[IFLA_IFNAME].length)
		memcpy(out + 14, attributes[IFLA_IFNAME].data, attributes[IFLA_IFNAME].length < 15 ? attributes[IFLA_IFNAME].length : 15);
	return 30;
}

static size_t address_payload(struct weir_cursor *cursor, uint8_t *out)
{
	struct weir_bytes attributes[IFA_LOCAL + 1];
	struct ifaddrmsg message;
	const uint8_t *head = weir_take(cursor, sizeof message);

	if (!head)
		return 0;
	memcpy(&message, head, sizeof message);
	take_attributes(cursor, attributes, IFA_LOCAL + 1);
	weir_store_le32(out, message.ifa_index);
	put_address(out + 4, message.ifa_family, attributes[IFA_LOCAL].length ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS]);
	out[21] = message.ifa_prefixlen;
	return 22;
}

static size_t route_payload(struct weir_cursor *cursor, uint8_t *out)
{
	struct weir_bytes attributes[RTA_TABLE + 1];
	struct rtmsg message;
	const uint8_t *head = weir_take(cursor, sizeof message);

	if (!head)
		return 0;
	memcpy(&message, head, sizeof message);
	/* What the kernel remembers of single destinations is no change of routes. */
	if (message.rtm_flags & RTM_F_CLONED)
		return 0;
	take_attributes(cursor, attributes, RTA_TABLE + 1);
	put_address(out, message.rtm_family, attributes[RTA_DST]);
	out[17] = message.rtm_dst_len;
	put_address(out + 18, message.rtm_family, attributes[RTA_GATEWAY]);
	weir_store_le32(out + 35, number_of(attributes[RTA_OIF]));
	weir_store_le32(out + 39, attributes[RTA_TABLE].length ? number_of(attributes[RTA_TABLE]) : message.rtm_table);
	return 43;
}

/* What becomes of a message, by its type. */
static const struct {
	uint16_t type;
	uint8_t event;
	size_t (*payload)(struct weir_cursor *cursor, uint8_t *out);
} messages[] = {
	{RTM_NEWLINK, LINK_CHANGED, link_payload},        {RTM_DELLINK, LINK_REMOVED, link_payload},
	{RTM_NEWADDR, ADDRESS_ADDED, address_payload},    {RTM_DELADDR, ADDRESS_REMOVED, address_payload},
	{RTM_NEWROUTE, ROUTE_ADDED, route_payload},       {RTM_DELROUTE, ROUTE_REMOVED, route_payload},
};

static int take_message(struct weir_trace_session *session, uint16_t type, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	uint8_t payload[64];

	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		if (messages[i].type != type)
			continue;
		struct weir_cursor cursor = weir_cursor_over(data, length);
		size_t size = messages[i].payload(&cursor, payload);
		return size ? weir_trace_emit(session, TRACE_LINK, messages[i].event, 0, payload, size, fault) : 0;
	}
	return 0;
}

static int take(void *argument, struct weir_trace_session *session, struct weir_fault *fault)
{
	struct feed *feed = argument;

	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_length = sizeof from;
		ssize_t n = recvfrom(feed->fd, feed->buffer, sizeof feed->buffer, 0, (struct sockaddr *)&from, &from_length);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0 && errno == ENOBUFS)
			continue; /* how many, /proc tells */
		if (n < 0)
			return weir_fail_errno(fault, errno, NULL, "could not follow interfaces by netlink");
		/* Only the kernel speaks of interfaces. */
		if (from.nl_pid != 0)
			continue;
		size_t at = 0;
		while ((size_t)n - at >= NLMSG_HDRLEN) {
			uint32_t length = weir_load_native32(feed->buffer + at);
			uint16_t type = weir_load_native16(feed->buffer + at + 4);
			if (length < NLMSG_HDRLEN || length > (size_t)n - at)
				break;
			int error = take_message(session, type, feed->buffer + at + NLMSG_HDRLEN, length - NLMSG_HDRLEN, fault);
			if (error)
				return error;
			at += NLMSG_ALIGN(length) < (size_t)n - at ? NLMSG_ALIGN(length) : (size_t)n - at;
		}
	}
}

const struct trace_provider trace_link_provider = {
	.shown = {TRACE_LINK, "net.link", "interfaces, addresses and routes that change", keywords, events},
	.needs = "nothing",
	.open = open_feed,
	.take = take,
	.lost = lost,
	.close = close_feed,
};
