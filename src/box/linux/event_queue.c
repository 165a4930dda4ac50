/* Events kept until somebody looks: box/linux/event_queue.h. */
#include "box/linux/event_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MOST ((size_t)64 << 20)
#define DRAIN_EVERY_MS 100

/* Records, each behind its size. */
struct records {
	uint8_t *data;
	size_t length, room;
};

struct event_queue {
	struct socket_events *events;
	pthread_mutex_t lock; /* of the events and of what comes below */
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	struct records coming, telling;
	uint64_t lost;
	const struct socket_events_taker *direct; /* while somebody looks: told at once */
};

static void keep(struct event_queue *queue, const void *record, uint32_t size)
{
	struct records *records = &queue->coming;
	size_t needed = records->length + sizeof size + size;

	if (needed > records->room) {
		size_t room = records->room ? records->room * 2 : 65536;
		while (room < needed)
			room *= 2;
		uint8_t *more = room <= BYTES_MOST ? realloc(records->data, room) : NULL;
		if (!more) {
			queue->lost++;
			return;
		}
		records->data = more;
		records->room = room;
	}
	memcpy(records->data + records->length, &size, sizeof size);
	memcpy(records->data + records->length + sizeof size, record, size);
	records->length = needed;
}

static void take_process(const struct process_event *event, void *argument)
{
	struct event_queue *queue = argument;
	size_t length = event->path_length < sizeof event->path ? event->path_length : sizeof event->path;

	if (queue->direct)
		queue->direct->process(event, queue->direct->argument);
	else
		keep(queue, event, (uint32_t)(offsetof(struct process_event, path) + length));
}

static void take_socket(const struct socket_event *event, void *argument)
{
	struct event_queue *queue = argument;

	if (queue->direct)
		queue->direct->socket(event, queue->direct->argument);
	else
		keep(queue, event, sizeof *event);
}

static void *follow(void *argument)
{
	struct event_queue *queue = argument;

	/* Relaxed: a flag and nothing more. */
	while (!atomic_load_explicit(&queue->stop, memory_order_relaxed)) {
		socket_events_wait(queue->events, DRAIN_EVERY_MS);
		pthread_mutex_lock(&queue->lock);
		socket_events_drain(queue->events);
		pthread_mutex_unlock(&queue->lock);
	}
	return NULL;
}

int event_queue_open(struct event_queue **queue, struct weir_fault *fault)
{
	struct event_queue *made = calloc(1, sizeof *made);
	int error;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for events");
	pthread_mutex_init(&made->lock, NULL);
	const struct socket_events_taker taker = {.process = take_process, .socket = take_socket, .argument = made};
	error = socket_events_open(true, &taker, &made->events, fault);
	if (!error && pthread_create(&made->thread, NULL, follow, made))
		error = weir_fail(fault, WEIR_E_SYSTEM, "could not start a thread");
	if (error) {
		event_queue_close(made);
		return error;
	}
	made->running = true;
	*queue = made;
	return 0;
}

void event_queue_close(struct event_queue *queue)
{
	if (!queue)
		return;
	if (queue->running) {
		atomic_store_explicit(&queue->stop, true, memory_order_relaxed);
		pthread_join(queue->thread, NULL);
	}
	socket_events_close(queue->events);
	pthread_mutex_destroy(&queue->lock);
	free(queue->coming.data);
	free(queue->telling.data);
	free(queue);
}

static void tell(const struct records *records, const struct socket_events_taker *taker)
{
	for (size_t at = 0; at < records->length;) {
		union {
			struct process_event process;
			struct socket_event socket;
		} record;
		uint32_t size;
		memcpy(&size, records->data + at, sizeof size);
		memcpy(&record, records->data + at + sizeof size, size);
		at += sizeof size + size;
		if (record.socket.kind == SOCKET_PROCESS)
			taker->process(&record.process, taker->argument);
		else
			taker->socket(&record.socket, taker->argument);
	}
}

void event_queue_take(struct event_queue *queue, const struct socket_events_taker *taker)
{
	struct records come;

	pthread_mutex_lock(&queue->lock);
	socket_events_drain(queue->events);
	come = queue->coming;
	queue->coming = queue->telling;
	queue->coming.length = 0;
	queue->telling = come;
	pthread_mutex_unlock(&queue->lock);
	tell(&queue->telling, taker);
	if (queue->telling.room > 1u << 20) {
		free(queue->telling.data); /* a burst: the memory is not kept */
		queue->telling = (struct records){0};
	}
}

int event_queue_look(struct event_queue *queue, bool holders, bool tcp, const struct socket_events_taker *taker, struct weir_fault *fault)
{
	int error;

	pthread_mutex_lock(&queue->lock);
	queue->direct = taker;
	error = holders ? socket_events_look(queue->events, fault) : 0;
	if (!error)
		error = socket_events_figures(queue->events, tcp, fault);
	queue->direct = NULL;
	pthread_mutex_unlock(&queue->lock);
	return error;
}

void event_queue_tell_again(struct event_queue *queue) { socket_events_tell_again(queue->events); }

uint64_t event_queue_lost(struct event_queue *queue)
{
	uint64_t lost;

	pthread_mutex_lock(&queue->lock);
	lost = queue->lost + socket_events_lost(queue->events);
	pthread_mutex_unlock(&queue->lock);
	return lost;
}

bool event_queue_sees_use(const struct event_queue *queue) { return socket_events_see_use(queue->events); }
