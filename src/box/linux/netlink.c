/* Netlink sockets: box/linux/netlink.h. */
#include "box/linux/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MOST 65536 /* the kernel makes 32 KiB at most */
#define QUESTION_MOST 256
#define QUEUE_BYTES (1 << 20)
#define ANSWER_MS 5000
#define INTERRUPTED_MOST 3

struct netlink {
	int fd;
	uint32_t port, sequence;
	uint8_t datagram[DATAGRAM_MOST];
};

int netlink_open(int protocol, uint32_t groups, const char *what, struct netlink **netlink, struct weir_fault *fault)
{
	struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = groups};
	struct netlink *made = malloc(sizeof *made);
	socklen_t length = sizeof own;
	int room = QUEUE_BYTES;

	*netlink = NULL;
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory: could not %s", what);
	made->sequence = 0;
	made->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (made->fd < 0 || setsockopt(made->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) || bind(made->fd, (struct sockaddr *)&own, sizeof own) ||
	    getsockname(made->fd, (struct sockaddr *)&own, &length)) {
		int failed = errno;
		if (made->fd >= 0)
			close(made->fd);
		free(made);
		return weir_fail_errno(fault, failed, NULL, "could not %s", what);
	}
	made->port = own.nl_pid;
	*netlink = made;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	close(netlink->fd);
	free(netlink);
}

int netlink_descriptor(const struct netlink *netlink) { return netlink->fd; }
uint32_t netlink_port(const struct netlink *netlink) { return netlink->port; }

/* The next datagram of the kernel's: its length, 0: none waits, or a negative errno. */
static ssize_t next_datagram(struct netlink *netlink)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_length = sizeof from;
		ssize_t n = recvfrom(netlink->fd, netlink->datagram, sizeof netlink->datagram, MSG_TRUNC, (struct sockaddr *)&from, &from_length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		if ((size_t)n > sizeof netlink->datagram)
			return -EMSGSIZE;
		/* Other processes may write to the socket; only the kernel is asked and listened to. */
		if (n > 0 && from.nl_pid == 0)
			return n;
	}
}

enum ended { GOES_ON, DONE, FAILED };

struct answer {
	enum ended ended;
	int error;        /* an errno, 0: none */
	bool interrupted; /* it changed while it was dumped */
};

/* What ends an answer says how in its first four bytes: a negative errno, 0. */
static void take_end(struct answer *answer, const struct nlmsghdr *header, struct weir_bytes body)
{
	int32_t code = body.length >= 4 ? (int32_t)weir_load_native32(body.data) : header->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;

	answer->error = code < 0 && code > -4096 ? -code : code ? EBADMSG : 0;
	answer->ended = answer->error ? FAILED : DONE;
}

static void take_datagram(struct netlink *netlink, size_t size, netlink_taker *taker, void *argument, struct answer *answer)
{
	const uint8_t *at = netlink->datagram;

	while (size >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr header;
		memcpy(&header, at, sizeof header);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > size)
			return;
		const struct netlink_message message = {
			.type = header.nlmsg_type, .flags = header.nlmsg_flags, .body = {at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN}};
		bool ours = header.nlmsg_pid == netlink->port, current = ours && header.nlmsg_seq == netlink->sequence;
		if (answer && current && header.nlmsg_flags & NLM_F_DUMP_INTR)
			answer->interrupted = true;
		if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
			if (answer && current)
				take_end(answer, &header, message.body);
		} else if (header.nlmsg_type >= NLMSG_MIN_TYPE && (current || !ours)) {
			taker(&message, argument); /* not what is left of an answer that nobody waited for */
		}
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		if (step >= size)
			return;
		at += step;
		size -= step;
	}
}

int netlink_receive(struct netlink *netlink, netlink_taker *taker, void *argument)
{
	ssize_t n = next_datagram(netlink);

	if (n <= 0)
		return (int)n;
	take_datagram(netlink, (size_t)n, taker, argument, NULL);
	return 1;
}

static int send_question(struct netlink *netlink, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	uint8_t question[QUESTION_MOST] = {0};
	const struct nlmsghdr header = {
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size), .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = ++netlink->sequence, .nlmsg_pid = netlink->port};

	if (size > sizeof question - NLMSG_HDRLEN)
		return EMSGSIZE;
	memcpy(question, &header, sizeof header);
	if (size)
		memcpy(question + NLMSG_HDRLEN, body, size);
	/* To the kernel, as for every netlink socket that is connected to nobody. */
	return write(netlink->fd, question, header.nlmsg_len) < 0 ? errno : 0;
}

static int await_answer(struct netlink *netlink, netlink_taker *taker, void *argument, struct answer *answer)
{
	bool lost = false;

	while (answer->ended == GOES_ON) {
		ssize_t n = next_datagram(netlink);
		if (n == -ENOBUFS) {
			lost = true;
		} else if (n < 0) {
			return (int)-n;
		} else if (n > 0) {
			take_datagram(netlink, (size_t)n, taker, argument, answer);
		} else {
			struct pollfd ready = {.fd = netlink->fd, .events = POLLIN};
			int found = poll(&ready, 1, ANSWER_MS);
			if (found == 0)
				return ETIMEDOUT;
			if (found < 0 && errno != EINTR)
				return errno;
		}
	}
	return answer->error ? answer->error : lost ? ENOBUFS : 0;
}

int netlink_ask(struct netlink *netlink, uint16_t type, uint16_t flags, const void *body, size_t size, netlink_taker *taker, void *argument)
{
	struct answer answer = {.interrupted = true};
	int failed = 0;

	for (unsigned i = 0; i < INTERRUPTED_MOST && !failed && answer.interrupted; i++) {
		answer = (struct answer){0};
		failed = send_question(netlink, type, flags | NLM_F_REQUEST, body, size);
		if (!failed)
			failed = await_answer(netlink, taker, argument, &answer);
	}
	return failed;
}

bool netlink_head(const struct netlink_message *message, void *head, size_t size, struct weir_bytes *attributes)
{
	size_t behind = NLMSG_ALIGN(size);

	if (message->body.length < size)
		return false;
	memcpy(head, message->body.data, size);
	*attributes = message->body.length > behind ? (struct weir_bytes){message->body.data + behind, message->body.length - behind} : (struct weir_bytes){0};
	return true;
}

bool netlink_next(struct weir_bytes *attributes, struct netlink_attribute *attribute)
{
	struct nlattr head;

	if (attributes->length < sizeof head)
		return false;
	memcpy(&head, attributes->data, sizeof head);
	if (head.nla_len < sizeof head || head.nla_len > attributes->length)
		return false;
	size_t aligned = NLA_ALIGN((size_t)head.nla_len), step = aligned < attributes->length ? aligned : attributes->length;
	*attribute = (struct netlink_attribute){head.nla_type & NLA_TYPE_MASK, {attributes->data + sizeof head, head.nla_len - sizeof head}};
	attributes->data += step;
	attributes->length -= step;
	return true;
}

uint32_t netlink_number(struct weir_bytes value)
{
	return value.length >= 4 ? weir_load_native32(value.data) : value.length >= 1 ? value.data[0] : 0;
}
