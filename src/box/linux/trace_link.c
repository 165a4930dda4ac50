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

#include "box/linux/netlink.h"
#include "box/trace.h"
#include "bpf/trace_events.h"

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
	struct netlink *netlink;
	uint64_t lost; /* at the last look */
};

static int open_feed(void **feed, int *descriptor, struct weir_fault *fault)
{
	const uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	struct feed *made = calloc(1, sizeof *made);
	int error;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to follow interfaces");
	error = netlink_open(NETLINK_ROUTE, groups, "follow interfaces by netlink", &made->netlink, fault);
	if (error) {
		free(made);
		return error;
	}
	*feed = made;
	*descriptor = netlink_descriptor(made->netlink);
	return 0;
}

static void close_feed(void *argument)
{
	struct feed *feed = argument;
	netlink_close(feed->netlink);
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
		if (sscanf(line, "%*s %u %" SCNu32 " %*s %*s %*s %*s %*s %" SCNu64, &protocol, &port, &drops) == 3 && protocol == NETLINK_ROUTE && port == netlink_port(feed->netlink))
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
static void take_attributes(struct weir_bytes attributes, struct weir_bytes *values, unsigned most)
{
	struct netlink_attribute attribute;

	memset(values, 0, most * sizeof *values);
	while (netlink_next(&attributes, &attribute))
		if (attribute.type < most)
			values[attribute.type] = attribute.value;
}

static size_t link_payload(const struct netlink_message *message, uint8_t *out)
{
	struct weir_bytes attributes[IFLA_MTU + 1];
	struct weir_bytes rest;
	struct ifinfomsg head;

	if (!netlink_head(message, &head, sizeof head, &rest))
		return 0;
	take_attributes(rest, attributes, IFLA_MTU + 1);
	memset(out, 0, 30);
	weir_store_le32(out, (uint32_t)head.ifi_index);
	out[4] = !!(head.ifi_flags & IFF_UP);
	out[5] = !!(head.ifi_flags & IFF_RUNNING);
	weir_store_le32(out + 6, netlink_number(attributes[IFLA_MTU]));
	weir_store_le32(out + 10, head.ifi_flags);
	if (attributes[IFLA_IFNAME].length)
		memcpy(out + 14, attributes[IFLA_IFNAME].data, attributes[IFLA_IFNAME].length < 15 ? attributes[IFLA_IFNAME].length : 15);
	return 30;
}

static size_t address_payload(const struct netlink_message *message, uint8_t *out)
{
	struct weir_bytes attributes[IFA_LOCAL + 1];
	struct weir_bytes rest;
	struct ifaddrmsg head;

	if (!netlink_head(message, &head, sizeof head, &rest))
		return 0;
	take_attributes(rest, attributes, IFA_LOCAL + 1);
	weir_store_le32(out, head.ifa_index);
	put_address(out + 4, head.ifa_family, attributes[IFA_LOCAL].length ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS]);
	out[21] = head.ifa_prefixlen;
	return 22;
}

static size_t route_payload(const struct netlink_message *message, uint8_t *out)
{
	struct weir_bytes attributes[RTA_TABLE + 1];
	struct weir_bytes rest;
	struct rtmsg head;

	if (!netlink_head(message, &head, sizeof head, &rest))
		return 0;
	/* What the kernel remembers of single destinations is no change of routes. */
	if (head.rtm_flags & RTM_F_CLONED)
		return 0;
	take_attributes(rest, attributes, RTA_TABLE + 1);
	put_address(out, head.rtm_family, attributes[RTA_DST]);
	out[17] = head.rtm_dst_len;
	put_address(out + 18, head.rtm_family, attributes[RTA_GATEWAY]);
	weir_store_le32(out + 35, netlink_number(attributes[RTA_OIF]));
	weir_store_le32(out + 39, attributes[RTA_TABLE].length ? netlink_number(attributes[RTA_TABLE]) : head.rtm_table);
	return 43;
}

/* What becomes of a message, by its type. */
static const struct {
	uint16_t type;
	uint8_t event;
	size_t (*payload)(const struct netlink_message *message, uint8_t *out);
} messages[] = {
	{RTM_NEWLINK, LINK_CHANGED, link_payload},        {RTM_DELLINK, LINK_REMOVED, link_payload},
	{RTM_NEWADDR, ADDRESS_ADDED, address_payload},    {RTM_DELADDR, ADDRESS_REMOVED, address_payload},
	{RTM_NEWROUTE, ROUTE_ADDED, route_payload},       {RTM_DELROUTE, ROUTE_REMOVED, route_payload},
};

struct taking {
	struct weir_trace_session *session;
	struct weir_fault *fault;
	int error;
};

static void take_message(const struct netlink_message *message, void *argument)
{
	struct taking *taking = argument;
	uint8_t payload[64];

	for (size_t i = 0; i < sizeof messages / sizeof messages[0] && !taking->error; i++) {
		if (messages[i].type != message->type)
			continue;
		size_t size = messages[i].payload(message, payload);
		if (size)
			taking->error = weir_trace_emit(taking->session, TRACE_LINK, messages[i].event, 0, payload, size, taking->fault);
	}
}

static int take(void *argument, struct weir_trace_session *session, struct weir_fault *fault)
{
	struct feed *feed = argument;
	struct taking taking = {session, fault, 0};
	int more;

	do
		more = netlink_receive(feed->netlink, take_message, &taking);
	while (!taking.error && (more > 0 || more == -ENOBUFS)); /* how many were lost, /proc tells */
	return taking.error ? taking.error : more < 0 ? weir_fail_errno(fault, -more, NULL, "could not follow interfaces by netlink") : 0;
}

const struct trace_provider trace_link_provider = {
	.shown = {TRACE_LINK, "net.link", "interfaces, addresses and routes that change", keywords, events},
	.needs = "nothing",
	.open = open_feed,
	.take = take,
	.lost = lost,
	.close = close_feed,
};
