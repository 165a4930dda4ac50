/*
 * box/linux/event_queue.h: takes the kernel's events out of their ring as they come, and keeps them until somebody looks.
 */
#ifndef BOX_LINUX_EVENT_QUEUE_H
#define BOX_LINUX_EVENT_QUEUE_H

#include "box/linux/socket_events.h"

struct event_queue;

/* Has a thread of its own. Keeps up to 64 MiB; what is more is counted as lost. */
int event_queue_open(struct event_queue **queue, struct weir_fault *fault);
void event_queue_close(struct event_queue *queue);

/* Tells everything that came since the last time. */
void event_queue_take(struct event_queue *queue, const struct socket_events_taker *taker);
/* Tells what is there: who has each socket open (holders), and figures that have changed, those of TCP only if asked. */
int event_queue_look(struct event_queue *queue, bool holders, bool tcp, const struct socket_events_taker *taker, struct weir_fault *fault);
/* After events were lost. */
void event_queue_tell_again(struct event_queue *queue);
uint64_t event_queue_lost(struct event_queue *queue);
bool event_queue_sees_use(const struct event_queue *queue);

#endif
