/* The addresses of this box, by rtnetlink: box/addresses.h. */
#include "box/addresses.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "box/linux/netlink.h"

struct entry {
	struct weir_ip ip, broadcast; /* version 0: none */
	uint32_t interface;
	uint32_t look; /* the last one that saw it */
};

struct addresses {
	struct netlink *netlink;
	uint32_t look; /* number of the last time that everything was asked for */
	struct entry *entries;
	size_t count, room;
	/* What is looked up: addresses and broadcast addresses, by hash; version 0: free. Half of it is, at least. */
	struct slot {
		struct weir_ip ip;
		bool broadcast;
	} *slots;
	uint32_t mask;
	bool changed, doubtful;
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

static void take_address(struct weir_ip *ip, uint8_t family, struct weir_bytes value)
{
	size_t length = family == AF_INET ? 4 : 16;

	if (value.length < length)
		return;
	*ip = (struct weir_ip){.version = family == AF_INET ? 4 : 6};
	memcpy(ip->bytes, value.data, length);
}

static void take_message(const struct netlink_message *message, void *argument)
{
	struct addresses *addresses = argument;
	struct netlink_attribute attribute;
	struct weir_bytes attributes;
	struct ifaddrmsg head;
	struct entry entry = {.look = addresses->look};
	struct weir_ip peer = {.version = 0};

	if ((message->type != RTM_NEWADDR && message->type != RTM_DELADDR) || !netlink_head(message, &head, sizeof head, &attributes) ||
	    (head.ifa_family != AF_INET && head.ifa_family != AF_INET6))
		return;
	entry.interface = head.ifa_index;
	while (netlink_next(&attributes, &attribute)) {
		if (attribute.type == IFA_LOCAL)
			take_address(&entry.ip, head.ifa_family, attribute.value);
		else if (attribute.type == IFA_ADDRESS)
			take_address(&peer, head.ifa_family, attribute.value); /* the peer's, of links between two, where there is IFA_LOCAL */
		else if (attribute.type == IFA_BROADCAST)
			take_address(&entry.broadcast, head.ifa_family, attribute.value);
	}
	if (!entry.ip.version)
		entry.ip = peer;
	if (!entry.ip.version)
		return;
	if (message->type == RTM_NEWADDR)
		add(addresses, &entry);
	else
		drop(addresses, &entry);
}

/* Asks for all there are; those that the answer does not have are gone. 0 or an errno. */
static int ask(struct addresses *addresses)
{
	const struct ifaddrmsg question = {.ifa_family = AF_UNSPEC};
	int failed;

	addresses->look++;
	failed = netlink_ask(addresses->netlink, RTM_GETADDR, NLM_F_DUMP, &question, sizeof question, take_message, addresses);
	for (size_t i = addresses->count; !failed && i-- > 0;)
		if (addresses->entries[i].look != addresses->look) {
			addresses->entries[i] = addresses->entries[--addresses->count];
			addresses->changed = true;
		}
	return failed;
}

void addresses_refresh(struct addresses *addresses)
{
	int more;

	do {
		more = netlink_receive(addresses->netlink, take_message, addresses);
		addresses->doubtful |= more == -ENOBUFS;
	} while (more > 0 || more == -ENOBUFS);
	/* Some messages were lost for want of room: all are asked for. Where that is refused what is known has to do. */
	if (addresses->doubtful)
		addresses->doubtful = ask(addresses) == ENOBUFS;
	if (addresses->changed)
		rebuild(addresses);
}

int addresses_open(struct addresses **out, struct weir_fault *fault)
{
	struct addresses *addresses = calloc(1, sizeof *addresses);
	int error, failed;

	*out = NULL;
	if (!addresses)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the addresses of this box");
	error = netlink_open(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, "ask for the addresses of this box", &addresses->netlink, fault);
	if (!error && (failed = ask(addresses)))
		error = weir_fail_errno(fault, failed, NULL, "could not ask for the addresses of this box");
	if (!error) {
		rebuild(addresses);
		if (!addresses->slots)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the addresses of this box");
	}
	if (error) {
		addresses_close(addresses);
		return error;
	}
	*out = addresses;
	return 0;
}

void addresses_close(struct addresses *addresses)
{
	if (!addresses)
		return;
	netlink_close(addresses->netlink);
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
