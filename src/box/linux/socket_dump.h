/*
 * box/linux/socket_dump.h: the sockets that there are, as the kernel lists them (sock_diag(7)). Takes no right.
 */
#ifndef BOX_LINUX_SOCKET_DUMP_H
#define BOX_LINUX_SOCKET_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "sockets.h"

/* event: SOCKET_FIGURES, without a process; what the list does not have is SOCKET_NOT_KNOWN. inode: 0: no process has it open. */
struct socket_found {
	struct socket_event event;
	uint64_t inode;
};

struct socket_dump;
int socket_dump_open(struct socket_dump **dump, struct weir_fault *fault);
void socket_dump_close(struct socket_dump *dump);

enum { SOCKET_DUMP_TCP = 1, SOCKET_DUMP_OTHER = 2 }; /* OTHER: UDP, UDP-Lite, raw */

/* Calls for each. figures: TCP's too, which cost the kernel more. Kinds that this kernel does not list are left out. */
int socket_dump(struct socket_dump *dump, unsigned what, bool figures, void (*found)(const struct socket_found *found, void *argument), void *argument,
                struct weir_fault *fault);

/* Ends the connection, or closes the socket, with this cookie. */
int socket_dump_destroy(struct socket_dump *dump, uint64_t cookie, struct weir_fault *fault);

#endif
