/*
 * os/network.h: sending bytes to another host.
 */
#ifndef OS_NETWORK_H
#define OS_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/error.h>

/* Connects to a host (a name or an address) and port (a number or a service): TCP when stream, else UDP. 0 and *fd, or an error. */
int os_connect(const char *host, const char *port, bool stream, int *fd, struct weir_fault *fault);

/* Sends all of it, as one datagram where it is UDP. 0 or an errno; ETIMEDOUT when the other side takes nothing for a minute. */
int os_send(int fd, const void *data, size_t size);

/* Ends the connection; what was sent is still delivered. */
void os_disconnect(int fd);

#endif
