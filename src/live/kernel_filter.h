/* live/kernel_filter.h: pcap-filter expressions as programs that the kernel runs on a packet socket. */
#ifndef LIVE_KERNEL_FILTER_H
#define LIVE_KERNEL_FILTER_H

#include <linux/filter.h>

#include <weir/live.h>

/*
 * Compiles expression for a live interface, so that what the kernel took out of the packet (VLAN tags) is looked for where it
 * is. Every packet that matches is cut to snaplen. NULL or "" matches all. cooked: for sockets without link header, as "any".
 * Free program->filter with free().
 */
int kernel_filter_compile(const char *interface, bool cooked, const char *expression, uint32_t snaplen,
                          struct sock_fprog *program, struct weir_fault *fault);

/* Lets the socket take what the program takes, at once. */
int kernel_filter_attach(int socket, const struct sock_fprog *program, struct weir_fault *fault);

/* Lets it take nothing. 0 or -errno. */
int kernel_filter_block(int socket);

#endif
