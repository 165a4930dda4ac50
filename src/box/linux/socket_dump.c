/* Lists of sockets: box/linux/socket_dump.h. */
#include "box/linux/socket_dump.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <weir/bytes.h>

#include "box/linux/netlink.h"
#include "core/clock.h"

#define EVERY_STATE 0xffffffffu

/* Behind what older headers have of struct tcp_info: their places never change. */
#define AT_RTT 68
#define AT_TOTAL_RETRANS 100
#define AT_BYTES_RECEIVED 128
#define AT_SEGS_OUT 136
#define AT_SEGS_IN 140
#define AT_BYTES_SENT 200
#define AT_BYTES_RETRANS 208

enum { FIN_RECEIVED = 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11 }; /* TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING */

struct socket_dump {
	struct netlink *netlink;
};

struct kind {
	uint8_t protocol, type;
	unsigned what;
};

static const struct kind kinds[] = {
	{IPPROTO_TCP, SOCK_STREAM, SOCKET_DUMP_TCP},
	{IPPROTO_UDP, SOCK_DGRAM, SOCKET_DUMP_OTHER},
	{IPPROTO_UDPLITE, SOCK_DGRAM, SOCKET_DUMP_OTHER},
	{IPPROTO_RAW, SOCK_RAW, SOCKET_DUMP_OTHER},
};

int socket_dump_open(struct socket_dump **dump, struct weir_fault *fault)
{
	struct socket_dump *made = calloc(1, sizeof *made);
	int error;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to list sockets");
	error = netlink_open(NETLINK_SOCK_DIAG, 0, "ask the kernel for its sockets", &made->netlink, fault);
	if (error) {
		free(made);
		return error;
	}
	*dump = made;
	return 0;
}

void socket_dump_close(struct socket_dump *dump)
{
	if (!dump)
		return;
	netlink_close(dump->netlink);
	free(dump);
}

static void put_tcp_info(struct socket_event *event, const uint8_t *info, size_t length)
{
	if (length >= AT_TOTAL_RETRANS + 4) {
		event->retransmissions = weir_load_native32(info + AT_TOTAL_RETRANS);
		event->rtt_ns = (uint64_t)weir_load_native32(info + AT_RTT) * 1000;
	}
	if (length >= AT_SEGS_IN + 4) {
		event->bytes_received = weir_load_native64(info + AT_BYTES_RECEIVED);
		if (event->bytes_received && FIN_RECEIVED >> event->state & 1)
			event->bytes_received--; /* the FIN counts as one */
		event->packets_sent = weir_load_native32(info + AT_SEGS_OUT);
		event->packets_received = weir_load_native32(info + AT_SEGS_IN);
	}
	if (length >= AT_BYTES_RETRANS + 8)
		event->bytes_sent = weir_load_native64(info + AT_BYTES_SENT) - weir_load_native64(info + AT_BYTES_RETRANS);
	if (event->rtt_ns == 0)
		event->rtt_ns = SOCKET_NOT_KNOWN;
}

static void put_attributes(struct socket_event *event, struct weir_bytes attributes)
{
	struct netlink_attribute attribute;

	while (netlink_next(&attributes, &attribute)) {
		if (attribute.type == INET_DIAG_INFO)
			put_tcp_info(event, attribute.value.data, attribute.value.length);
		else if (attribute.type == INET_DIAG_SKV6ONLY && attribute.value.length >= 1)
			event->only_v6 = *attribute.value.data ? SOCKET_ONLY_V6_YES : SOCKET_ONLY_V6_NO;
	}
}

static void put_found(struct socket_found *found, const struct kind *kind, const struct inet_diag_msg *message, struct weir_bytes attributes)
{
	struct socket_event *event = &found->event;
	size_t address = message->idiag_family == AF_INET ? 4 : 16;
	bool listening = kind->protocol == IPPROTO_TCP && message->idiag_state == 10;

	memset(found, 0, sizeof *found);
	found->inode = message->idiag_inode;
	event->kind = SOCKET_FIGURES;
	event->protocol = kind->protocol;
	event->type = kind->type;
	event->family = message->idiag_family;
	event->state = message->idiag_state;
	event->user_id = message->idiag_uid;
	event->interface_index = message->id.idiag_if;
	event->cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0];
	event->time = (uint64_t)clock_monotonic_ns();
	memcpy(event->local, message->id.idiag_src, address);
	memcpy(event->remote, message->id.idiag_dst, address);
	event->local_port = weir_load_be16(&message->id.idiag_sport);
	event->remote_port = weir_load_be16(&message->id.idiag_dport);
	if (kind->type == SOCK_RAW) {
		event->protocol = (uint8_t)event->local_port; /* of raw sockets the protocol stands there */
		event->local_port = event->remote_port = 0;
	}
	event->bytes_sent = event->bytes_received = event->packets_sent = event->packets_received = event->rtt_ns = SOCKET_NOT_KNOWN;
	event->send_queue = message->idiag_wqueue;
	event->receive_queue = message->idiag_rqueue;
	put_attributes(event, attributes);
	if (listening || message->idiag_state == 6)
		event->bytes_sent = event->bytes_received = event->packets_sent = event->packets_received = event->rtt_ns = SOCKET_NOT_KNOWN;
}

struct taking {
	const struct kind *kind;
	void (*found)(const struct socket_found *found, void *argument);
	void *argument;
};

static void take(const struct netlink_message *answer, void *argument)
{
	const struct taking *taking = argument;
	struct inet_diag_msg message;
	struct weir_bytes attributes;
	struct socket_found one;

	if (answer->type != SOCK_DIAG_BY_FAMILY || !netlink_head(answer, &message, sizeof message, &attributes))
		return;
	put_found(&one, taking->kind, &message, attributes);
	taking->found(&one, taking->argument);
}

static int dump_kind(struct socket_dump *dump, uint8_t family, bool figures, struct taking *taking)
{
	const struct kind *kind = taking->kind;
	struct inet_diag_req_v2 request = {.sdiag_family = family, .sdiag_protocol = kind->protocol, .idiag_states = EVERY_STATE};

	if (figures && kind->protocol == IPPROTO_TCP)
		request.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	return netlink_ask(dump->netlink, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, take, taking);
}

int socket_dump(struct socket_dump *dump, unsigned what, bool figures, void (*found)(const struct socket_found *found, void *argument), void *argument,
                struct weir_fault *fault)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!(kinds[i].what & what))
			continue;
		for (int v6 = 0; v6 < 2; v6++) {
			struct taking taking = {&kinds[i], found, argument};
			int failed = dump_kind(dump, v6 ? AF_INET6 : AF_INET, figures, &taking);
			if (failed && failed != ENOENT && failed != EOPNOTSUPP && failed != EINVAL && failed != EPROTONOSUPPORT)
				return weir_fail_errno(fault, failed, NULL, "could not list the sockets");
		}
	}
	return 0;
}

struct wanted {
	uint64_t cookie;
	bool found;
	struct socket_found one;
};

static void look_for(const struct socket_found *found, void *argument)
{
	struct wanted *wanted = argument;

	if (found->event.cookie == wanted->cookie) {
		wanted->found = true;
		wanted->one = *found;
	}
}

static void nothing(const struct netlink_message *message, void *argument) {}

int socket_dump_destroy(struct socket_dump *dump, uint64_t cookie, struct weir_fault *fault)
{
	struct wanted wanted = {.cookie = cookie};
	int error = socket_dump(dump, SOCKET_DUMP_TCP | SOCKET_DUMP_OTHER, false, look_for, &wanted, fault);

	if (error)
		return error;
	if (!wanted.found)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "there is no endpoint %llu", (unsigned long long)cookie);
	const struct socket_event *event = &wanted.one.event;
	struct inet_diag_req_v2 request = {
		.sdiag_family = event->family,
		.sdiag_protocol = event->type == SOCK_RAW ? IPPROTO_RAW : event->protocol,
		.idiag_states = EVERY_STATE,
		.id = {.idiag_if = event->interface_index, .idiag_cookie = {(uint32_t)cookie, (uint32_t)(cookie >> 32)}},
	};
	if (event->type == SOCK_RAW)
		request.pad = event->protocol;
	memcpy(request.id.idiag_src, event->local, 16);
	memcpy(request.id.idiag_dst, event->remote, 16);
	weir_store_be16(&request.id.idiag_sport, event->local_port);
	weir_store_be16(&request.id.idiag_dport, event->remote_port);
	int failed = netlink_ask(dump->netlink, SOCK_DESTROY, NLM_F_ACK, &request, sizeof request, nothing, NULL);
	if (failed == EPERM || failed == EACCES)
		return weir_fail(fault, WEIR_E_PERMISSION, "ending an endpoint takes CAP_NET_ADMIN: run as root");
	if (failed == EOPNOTSUPP)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "this kernel can't end that endpoint (CONFIG_INET_DIAG_DESTROY)");
	if (failed == ENOENT)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "endpoint %llu has ended meanwhile", (unsigned long long)cookie);
	return failed ? weir_fail_errno(fault, failed, NULL, "could not end endpoint %llu", (unsigned long long)cookie) : 0;
}
