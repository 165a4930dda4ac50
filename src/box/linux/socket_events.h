/*
 * box/linux/socket_events.h: the events of bpf/sockets.bpf.c in user space.
 */
#ifndef BOX_LINUX_SOCKET_EVENTS_H
#define BOX_LINUX_SOCKET_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "sockets.h"

struct socket_events;

/* Whom events are told, in the order in which they happened. Called within socket_events_drain and socket_events_look. */
struct socket_events_taker {
	void (*process)(const struct process_event *event, void *argument);
	void (*socket)(const struct socket_event *event, void *argument);
	void *argument;
};

/* every_state: of TCP connections too what lies between their beginning and end. From now on events are kept (8 MiB of them) until they are drained. */
int socket_events_open(bool every_state, const struct socket_events_taker *taker, struct socket_events **events, struct weir_fault *fault);
void socket_events_close(struct socket_events *events);

/* Tells what there is. One thread at a time, as socket_events_look. */
void socket_events_drain(struct socket_events *events);
/* Waits until there is much to drain, or for so long. */
void socket_events_wait(struct socket_events *events, int timeout_ms);

/* Tells of each open file that is a socket (SOCKET_HELD). After events were lost, too. */
int socket_events_look(struct socket_events *events, struct weir_fault *fault);
/* Tells of sockets other than TCP, and of TCP sockets when tcp, whose figures have changed since they were last told (SOCKET_FIGURES). */
int socket_events_figures(struct socket_events *events, bool tcp, struct weir_fault *fault);

/* From now on each socket and process is told anew when it does something: for when events were lost. Takes no right and no system call. */
void socket_events_tell_again(struct socket_events *events);

/* Taken in, and lost for want of room, so far. */
uint64_t socket_events_taken(const struct socket_events *events);
uint64_t socket_events_lost(const struct socket_events *events);
/* Whether sending and receiving is seen (kernels from 6.3 on). */
bool socket_events_see_use(const struct socket_events *events);

/* CLOCK_MONOTONIC in ns to ns since the epoch, as the clocks stand now. */
int64_t socket_events_clock_offset(void);

#endif
