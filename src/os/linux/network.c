/* Sending over sockets. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/network.h"

/* Connects to the first of the addresses that takes it. A file descriptor or a negative errno. */
static int connect_any(const struct addrinfo *addresses)
{
	int system = EADDRNOTAVAIL;

	for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0) {
			system = errno;
			continue;
		}
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		system = errno;
		close(fd);
	}
	return -system;
}

int os_connect(const char *host, const char *port, bool stream, int *fd, struct weir_fault *fault)
{
	struct addrinfo hints = {.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM}, *addresses;
	int failed = getaddrinfo(host, port, &hints, &addresses);

	if (failed == EAI_SYSTEM)
		return weir_fail_errno(fault, errno, NULL, "cannot look up %s port %s", host, port);
	if (failed)
		return weir_fail(fault, failed == EAI_MEMORY ? WEIR_E_MEMORY : WEIR_E_NOT_FOUND, "cannot look up %s port %s: %s", host, port,
		                 gai_strerror(failed));
	int connected = connect_any(addresses);
	freeaddrinfo(addresses);
	if (connected < 0)
		return weir_fail_errno(fault, -connected, NULL, "cannot connect to %s port %s", host, port);
	/* A receiver that takes nothing must not hold us for ever. */
	struct timeval patience = {.tv_sec = 60};
	setsockopt(connected, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	*fd = connected;
	return 0;
}

int os_send(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? ETIMEDOUT : errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

void os_disconnect(int fd) { close(fd); }
