/*
 * box/linux/socket_holders.h: which process has which socket open, by inode, from /proc. For where the kernel does not tell.
 */
#ifndef BOX_LINUX_SOCKET_HOLDERS_H
#define BOX_LINUX_SOCKET_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>

struct socket_holders;

struct socket_holders *socket_holders_new(void);
void socket_holders_free(struct socket_holders *holders);

/* A new look begins: /proc is walked again, once, when a socket is asked for that is not known, or when what is known is older than five seconds. */
void socket_holders_begin(struct socket_holders *holders);
/* The process that has it open, 0: none that we may see. several: it is one of several. */
uint32_t socket_holders_find(struct socket_holders *holders, uint64_t inode, bool *several);
/* Whether every process could be looked into. */
bool socket_holders_see_all(const struct socket_holders *holders);

#endif
