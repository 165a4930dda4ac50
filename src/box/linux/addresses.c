/* The addresses of this box, by rtnetlink: box/addresses.h. */
#include "box/addresses.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define RECEIVE_BYTES (1 << 20)
#define ANSWER_MS 2000

struct entry {
	struct weir_ip ip, broadcast; /* version 0: none */
	uint32_t interface;
};

struct addresses {
	int socket;
	struct entry *entries;
	size_t count, room;
	/* What is looked up: addresses and broadcast addresses, by hash; version 0: free. Half of it is, at least. */
	struct slot {
		struct weir_ip ip;
		bool broadcast;
	} *slots;
	uint32_t mask;
	bool changed;
};

static uint32_t hash_of(const struct weir_ip *ip)
{
	uint64_t words[2];

	memcpy(words, ip->bytes, sizeof words);
	uint64_t mixed = (words[0] ^ (words[1] << 7 | words[1] >> 57) ^ ip->version) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(mixed >> 32);
}

static bool same_ip(const struct weir_ip *a, const struct weir_ip *b)
{
	return a->version == b->version && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static const struct slot *find(const struct addresses *addresses, const struct weir_ip *ip)
{
	if (!addresses->slots)
		return NULL;
	for (uint32_t at = hash_of(ip) & addresses->mask; addresses->slots[at].ip.version; at = (at + 1) & addresses->mask)
		if (same_ip(&addresses->slots[at].ip, ip))
			return &addresses->slots[at];
	return NULL;
}

static void enter(struct addresses *addresses, const struct weir_ip *ip, bool broadcast)
{
	uint32_t at = hash_of(ip) & addresses->mask;

	while (addresses->slots[at].ip.version && !same_ip(&addresses->slots[at].ip, ip))
		at = (at + 1) & addresses->mask;
	/* An address of ours is one also where another interface's broadcast address is the same (a /32 with itself). */
	bool was_ours = addresses->slots[at].ip.version && !addresses->slots[at].broadcast;
	addresses->slots[at] = (struct slot){*ip, broadcast && !was_ours};
}

/* Without memory for it what was known stays. */
static void rebuild(struct addresses *addresses)
{
	uint32_t size = 16;

	while (size < addresses->count * 4)
		size *= 2;
	struct slot *slots = calloc(size, sizeof *slots);
	if (!slots)
		return;
	free(addresses->slots);
	addresses->slots = slots;
	addresses->mask = size - 1;
	addresses->changed = false;
	for (size_t i = 0; i < addresses->count; i++) {
		enter(addresses, &addresses->entries[i].ip, false);
		if (addresses->entries[i].broadcast.version)
			enter(addresses, &addresses->entries[i].broadcast, true);
	}
}

static void add(struct addresses *addresses, const struct entry *entry)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->entries[i].interface == entry->interface && same_ip(&addresses->entries[i].ip, &entry->ip)) {
			addresses->entries[i] = *entry;
			addresses->changed = true;
			return;
		}
	if (addresses->count == addresses->room) {
		size_t room = addresses->room ? 2 * addresses->room : 16;
		struct entry *more = realloc(addresses->entries, room * sizeof *more);
		if (!more)
			return;
		addresses->entries = more;
		addresses->room = room;
	}
	addresses->entries[addresses->count++] = *entry;
	addresses->changed = true;
}

static void drop(struct addresses *addresses, const struct entry *entry)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->entries[i].interface == entry->interface && same_ip(&addresses->entries[i].ip, &entry->ip)) {
			addresses->entries[i] = addresses->entries[--addresses->count];
			addresses->changed = true;
			return;
		}
}

static void take_address(struct weir_ip *ip, uint8_t family, const struct rtattr *attribute)
{
	size_t length = family == AF_INET ? 4 : 16;

	if (RTA_PAYLOAD(attribute) < length)
		return;
	*ip = (struct weir_ip){.version = family == AF_INET ? 4 : 6};
	memcpy(ip->bytes, RTA_DATA(attribute), length);
}

static void take_message(struct addresses *addresses, const struct nlmsghdr *message)
{
	struct ifaddrmsg head;
	struct entry entry = {.interface = 0};
	struct weir_ip peer = {.version = 0};

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof head))
		return;
	memcpy(&head, NLMSG_DATA(message), sizeof head);
	if (head.ifa_family != AF_INET && head.ifa_family != AF_INET6)
		return;
	entry.interface = head.ifa_index;
	int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof head));
	const struct rtattr *attribute = (const struct rtattr *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof head));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == IFA_LOCAL)
			take_address(&entry.ip, head.ifa_family, attribute);
		else if (attribute->rta_type == IFA_ADDRESS)
			take_address(&peer, head.ifa_family, attribute); /* the peer's, of links between two, where there is IFA_LOCAL */
		else if (attribute->rta_type == IFA_BROADCAST)
			take_address(&entry.broadcast, head.ifa_family, attribute);
	}
	if (!entry.ip.version)
		entry.ip = peer;
	if (!entry.ip.version)
		return;
	if (message->nlmsg_type == RTM_NEWADDR)
		add(addresses, &entry);
	else
		drop(addresses, &entry);
}

/* Reads what there is. *done: the answer to a question has ended. */
static int receive(struct addresses *addresses, bool *done)
{
	/* The kernel sends up to 32 KiB at once. */
	_Alignas(struct nlmsghdr) char buffer[32 << 10];
	ssize_t length;

	while ((length = recv(addresses->socket, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
		unsigned left = (unsigned)length;
		for (const struct nlmsghdr *message = (const struct nlmsghdr *)buffer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
				take_message(addresses, message);
			else if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
				*done = true;
		}
	}
	return length < 0 ? errno : 0;
}

static bool ask(struct addresses *addresses)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg body;
	} question = {
		.head = {.nlmsg_len = sizeof question, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 1},
	};

	return send(addresses->socket, &question, sizeof question, 0) == (ssize_t)sizeof question;
}

void addresses_refresh(struct addresses *addresses)
{
	bool done = false;

	/* Some messages were lost for want of room: ask again, where that may be done still; else what is known has to do. */
	if (receive(addresses, &done) == ENOBUFS && ask(addresses))
		receive(addresses, &done);
	if (addresses->changed)
		rebuild(addresses);
}

int addresses_open(struct addresses **out, struct weir_fault *fault)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	struct addresses *addresses = calloc(1, sizeof *addresses);
	int room = RECEIVE_BYTES;
	bool done = false;

	*out = NULL;
	if (!addresses)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the addresses of this box");
	addresses->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (addresses->socket < 0 || bind(addresses->socket, (struct sockaddr *)&address, sizeof address) || !ask(addresses)) {
		int error = errno;
		addresses_close(addresses);
		return weir_fail_errno(fault, error, NULL, "cannot ask for the addresses of this box");
	}
	setsockopt(addresses->socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	while (!done) {
		struct pollfd readable = {.fd = addresses->socket, .events = POLLIN};
		int ready = poll(&readable, 1, ANSWER_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			break;
		receive(addresses, &done);
	}
	rebuild(addresses);
	if (!done || !addresses->slots) {
		addresses_close(addresses);
		return weir_fail(fault, WEIR_E_SYSTEM, "the system does not tell the addresses of this box");
	}
	*out = addresses;
	return 0;
}

void addresses_close(struct addresses *addresses)
{
	if (!addresses)
		return;
	if (addresses->socket >= 0)
		close(addresses->socket);
	free(addresses->entries);
	free(addresses->slots);
	free(addresses);
}

bool addresses_has(const struct addresses *addresses, const struct weir_ip *ip)
{
	if (ip->version == 4 && ip->bytes[0] == 127)
		return true;
	const struct slot *slot = find(addresses, ip);
	return slot && !slot->broadcast;
}

bool addresses_is_broadcast(const struct addresses *addresses, const struct weir_ip *ip)
{
	static const uint8_t everybody[4] = {255, 255, 255, 255};

	if (ip->version != 4)
		return false;
	if (memcmp(ip->bytes, everybody, 4) == 0)
		return true;
	const struct slot *slot = find(addresses, ip);
	return slot && slot->broadcast;
}
