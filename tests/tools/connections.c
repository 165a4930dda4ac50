/*
 * connections COUNT FILE [PORT]: opens, uses and closes COUNT connections over loopback, TCP and UDP, IPv4 and IPv6, from forked children, most of them living for
 * less than a millisecond, and writes what it did into FILE, a line a socket:
 *
 *	PROTOCOL PID LOCAL LOCAL_PORT REMOTE REMOTE_PORT SENT RECEIVED DATAGRAMS_SENT DATAGRAMS_RECEIVED KIND
 *
 * KIND: connected, unconnected (UDP; the socket itself has any address and no other end), accepted, server (UDP, one line for all that it served; no other end).
 * Bytes are payload. PORT: the first of four that its servers listen on (7000). Each server is a process of its own, and so is each child.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 4          /* children */
#define TCP_BYTES_MOST 20000
#define DATAGRAM_MOST 1200

struct header {
	uint32_t follow, answer; /* bytes that follow this header, bytes that are wanted back */
};

struct tally {
	uint64_t sent, received, datagrams_sent, datagrams_received;
};

static int log_file;
static unsigned first_port = 7000;
static volatile sig_atomic_t ending;

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

static void on_end(int number) { ending = 1; }

static unsigned number_of(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

/* The address of a server: kinds are TCP over IPv4, TCP over IPv6, UDP over IPv4, UDP over IPv6. */
static socklen_t server_address(unsigned kind, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof *address);
	if (kind % 2 == 0) {
		struct sockaddr_in *a = (struct sockaddr_in *)address;
		*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(first_port + kind), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		return sizeof *a;
	}
	struct sockaddr_in6 *a = (struct sockaddr_in6 *)address;
	*a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(first_port + kind), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	return sizeof *a;
}

static int new_socket(unsigned kind) { return socket(kind % 2 ? AF_INET6 : AF_INET, (kind < 2 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0); }

static unsigned port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port : ((const struct sockaddr_in6 *)address)->sin6_port);
}

static void write_line(unsigned kind, int fd, unsigned remote_port, const struct tally *t, const char *what)
{
	const char *loopback = kind % 2 ? "::1" : "127.0.0.1";
	struct sockaddr_storage local;
	socklen_t size = sizeof local;
	char line[256];

	if (getsockname(fd, (struct sockaddr *)&local, &size))
		fail("getsockname");
	int n = snprintf(line, sizeof line, "%s\t%d\t%s\t%u\t%s\t%u\t%llu\t%llu\t%llu\t%llu\t%s\n", kind < 2 ? "tcp" : "udp", (int)getpid(), loopback,
	                 port_of(&local), remote_port ? loopback : "-", remote_port, (unsigned long long)t->sent, (unsigned long long)t->received,
	                 (unsigned long long)t->datagrams_sent, (unsigned long long)t->datagrams_received, what);
	if (write(log_file, line, (size_t)n) != n)
		fail("write");
}

static bool send_all(int fd, const void *data, size_t size, struct tally *t)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
		t->sent += (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, void *data, size_t size, struct tally *t)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(fd, (char *)data + done, size - done, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
		t->received += (size_t)n;
	}
	return true;
}

/* ---- servers ---- */

static void serve_one(unsigned kind, int fd, unsigned remote_port)
{
	static char data[TCP_BYTES_MOST];
	struct tally t = {0};
	struct header header;
	char end;

	if (!receive_all(fd, &header, sizeof header, &t) || header.follow > sizeof data || header.answer > sizeof data ||
	    !receive_all(fd, data, header.follow, &t) || !send_all(fd, data, header.answer, &t))
		exit(4);
	/* The other side ends it, so that all has arrived when this side does. */
	if (recv(fd, &end, 1, 0) != 0)
		exit(5);
	write_line(kind, fd, remote_port, &t, "accepted");
	close(fd);
}

/* Waits for something to take; false: it is to end. The signal comes only in here, so that it is neither missed nor cuts anything. */
static bool wait_to_serve(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	while (!ending && ppoll(&ready, 1, NULL, &none) <= 0)
		;
	return !ending;
}

static void serve_tcp(unsigned kind, int fd)
{
	while (wait_to_serve(fd)) {
		struct sockaddr_storage other;
		socklen_t size = sizeof other;
		int one = accept4(fd, (struct sockaddr *)&other, &size, SOCK_CLOEXEC);
		if (one < 0 && errno == EINTR)
			continue;
		if (one < 0)
			fail("accept");
		serve_one(kind, one, port_of(&other));
	}
}

static void serve_udp(unsigned kind, int fd)
{
	struct tally t = {0};
	char data[DATAGRAM_MOST];

	while (wait_to_serve(fd)) {
		struct sockaddr_storage other;
		socklen_t size = sizeof other;
		struct header header;
		ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&other, &size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof header)
			fail("recvfrom");
		memcpy(&header, data, sizeof header);
		t.received += (size_t)n;
		t.datagrams_received++;
		n = sendto(fd, data, header.answer <= sizeof data ? header.answer : 0, 0, (struct sockaddr *)&other, size);
		if (n < 0)
			fail("sendto");
		t.sent += (size_t)n;
		t.datagrams_sent++;
	}
	write_line(kind, fd, 0, &t, "server");
}

static pid_t start_server(unsigned kind)
{
	struct sockaddr_storage address;
	socklen_t size = server_address(kind, &address);
	int fd = new_socket(kind), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) || bind(fd, (struct sockaddr *)&address, size))
		fail("bind");
	if (kind < 2 && listen(fd, 512))
		fail("listen");
	sigset_t end;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_end}, NULL);
		if (kind < 2)
			serve_tcp(kind, fd);
		else
			serve_udp(kind, fd);
		close(fd);
		_exit(0);
	}
	sigprocmask(SIG_UNBLOCK, &end, NULL);
	close(fd);
	return pid;
}

/* ---- clients ---- */

static void use_tcp(unsigned kind, unsigned *random)
{
	static char data[TCP_BYTES_MOST];
	struct header header = {number_of(random) % 4 ? number_of(random) % 600 : number_of(random) % TCP_BYTES_MOST,
	                        number_of(random) % 4 ? number_of(random) % 600 : number_of(random) % TCP_BYTES_MOST};
	struct sockaddr_storage address;
	socklen_t size = server_address(kind, &address);
	struct tally t = {0};
	int fd = new_socket(kind);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size))
		fail("connect");
	if (!send_all(fd, &header, sizeof header, &t) || !send_all(fd, data, header.follow, &t) || !receive_all(fd, data, header.answer, &t))
		fail("a connection was cut");
	write_line(kind, fd, first_port + kind, &t, "connected");
	close(fd);
}

static void use_udp(unsigned kind, bool connected, unsigned *random)
{
	unsigned datagrams = 1 + number_of(random) % 3;
	struct sockaddr_storage address;
	socklen_t size = server_address(kind, &address);
	struct tally t = {0};
	char data[DATAGRAM_MOST] = {0};
	int fd = new_socket(kind);

	if (fd < 0 || (connected && connect(fd, (struct sockaddr *)&address, size)))
		fail("connect");
	for (unsigned i = 0; i < datagrams; i++) {
		struct header header = {number_of(random) % (DATAGRAM_MOST - sizeof header), number_of(random) % DATAGRAM_MOST};
		memcpy(data, &header, sizeof header);
		ssize_t n = connected ? send(fd, data, sizeof header + header.follow, 0)
		                      : sendto(fd, data, sizeof header + header.follow, 0, (struct sockaddr *)&address, size);
		if (n < 0)
			fail("send");
		t.sent += (size_t)n;
		t.datagrams_sent++;
		n = recv(fd, data, sizeof data, 0);
		if (n < 0)
			fail("recv");
		t.received += (size_t)n;
		t.datagrams_received++;
	}
	write_line(kind, fd, first_port + kind, &t, connected ? "connected" : "unconnected");
	close(fd);
}

static void use(unsigned from, unsigned to)
{
	unsigned random = from * 2654435761u + 1;

	for (unsigned i = from; i < to; i++) {
		unsigned kind = i % 4;
		if (kind < 2)
			use_tcp(kind, &random);
		else
			use_udp(kind, i / 4 % 2, &random);
	}
}

static void wait_for_one(unsigned *running)
{
	int status;

	if (wait(&status) < 0)
		fail("wait");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "connections: a child failed: %x\n", status);
		exit(3);
	}
	--*running;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0, running = 0;
	pid_t servers[4];

	if (count == 0) {
		fprintf(stderr, "usage: connections COUNT FILE [PORT]\n");
		return 2;
	}
	if (argc > 3)
		first_port = (unsigned)strtoul(argv[3], NULL, 10);
	log_file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (log_file < 0)
		fail(argv[2]);
	for (unsigned kind = 0; kind < 4; kind++)
		servers[kind] = start_server(kind);
	for (unsigned from = 0, child = 0; from < count; child++) {
		unsigned to = from + 1 + child % 24; /* some children have one connection alone */
		if (to > count)
			to = count;
		if (running == AT_ONCE)
			wait_for_one(&running);
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			use(from, to);
			_exit(0);
		}
		running++;
		from = to;
	}
	while (running)
		wait_for_one(&running);
	for (unsigned kind = 0; kind < 4; kind++)
		kill(servers[kind], SIGTERM);
	for (running = 4; running;)
		wait_for_one(&running);
	return 0;
}
