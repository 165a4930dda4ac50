/*
 * box/linux/netlink.h: netlink(7): questions to the kernel, the messages of its answers and of what it tells by itself, and their attributes. Every length is looked at.
 */
#ifndef BOX_LINUX_NETLINK_H
#define BOX_LINUX_NETLINK_H

#include <stdbool.h>

#include <weir/bytes.h>
#include <weir/error.h>

struct netlink;

/* protocol: NETLINK_ROUTE, …; groups: what the kernel tells by itself, 0: nothing. what: "could not …", for the fault. One thread at a time, as everything here. */
int netlink_open(int protocol, uint32_t groups, const char *what, struct netlink **netlink, struct weir_fault *fault);
void netlink_close(struct netlink *netlink); /* may be NULL */
int netlink_descriptor(const struct netlink *netlink);
uint32_t netlink_port(const struct netlink *netlink); /* ours, by which the kernel knows the socket */

/* A message of the kernel. Valid during the call that it is handed to. */
struct netlink_message {
	uint16_t type, flags;
	struct weir_bytes body;
};
typedef void netlink_taker(const struct netlink_message *message, void *argument);

/*
 * Asks, and hands on every message until the answer has ended; those of groups that come in between too. What is dumped while it changes is asked for again, so that
 * messages may come twice: up to three times, then it stays as it is. 0, or an errno: the kernel's own, ETIMEDOUT when it says nothing for five seconds, ENOBUFS
 * when messages of groups were lost meanwhile (the answer is whole). Never by sendto or sendmsg, which a recorder's sandbox does not let through.
 */
int netlink_ask(struct netlink *netlink, uint16_t type, uint16_t flags, const void *body, size_t size, netlink_taker *taker, void *argument);

/* Hands on what one datagram of the kernel has, without waiting. 1; 0: nothing waits; or a negative errno: -ENOBUFS: some were lost. */
int netlink_receive(struct netlink *netlink, netlink_taker *taker, void *argument);

/* Copies the struct that the body begins with; attributes: what comes behind it. False: the body is shorter. */
bool netlink_head(const struct netlink_message *message, void *head, size_t size, struct weir_bytes *attributes);

struct netlink_attribute {
	uint16_t type;
	struct weir_bytes value;
};

/* Takes the next one off the front; false: no whole one is left. */
bool netlink_next(struct weir_bytes *attributes, struct netlink_attribute *attribute);

/* A number of four bytes (or of more, then of the first four), or of one; 0: it is empty. */
uint32_t netlink_number(struct weir_bytes value);

#endif
