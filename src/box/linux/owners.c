/* Who holds which socket, on Linux: box/owners.h. */
#include "box/owners.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "box/linux/socket_dump.h"
#include "box/linux/socket_events.h"
#include "box/linux/socket_holders.h"
#include "box/linux/socket_table.h"
#include "core/clock.h"

#define REMEMBER_S 60
#define SOCKETS_MOST 262144
#define DRAIN_EVERY_MS 50  /* the kernel's side wakes us before when much has come */
#define LOOK_EVERY_MS 200  /* without eBPF */

struct owners {
	struct socket_events *events; /* NULL: only looks */
	struct socket_dump *dump;
	struct socket_holders *holders;
	struct socket_table *table;
	pthread_rwlock_t lock;        /* of everything but what is atomic */
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	int64_t offset;               /* from the clock of events to that of packets, as it is now: that one may be set at any time */
	uint64_t looked;              /* when was the last look at what is there, by the clock of events; 0: none yet */
	uint64_t lost_before;
	bool look_again;              /* the last look failed, or it takes another */
	char lack[700];
};

static void take_process(const struct process_event *event, void *argument)
{
	struct owners *owners = argument;

	process_table_tell(socket_table_processes(owners->table), event);
}

static void take_socket(const struct socket_event *event, void *argument)
{
	struct owners *owners = argument;
	struct socket_event changed = *event;

	/* What was there at the first look was there always, as far as we are asked. */
	if (event->kind == SOCKET_HELD)
		changed.since = owners->looked;
	socket_table_take(owners->table, &changed);
}

static void take_found(const struct socket_found *found, void *argument)
{
	struct owners *owners = argument;
	struct socket_event event = found->event;
	bool several = false;

	if (event.state == 6 /* TIME_WAIT: it is nobody's any more, and what it was is remembered */)
		return;
	event.kind = SOCKET_HELD;
	event.since = owners->looked;
	event.pid = socket_holders_find(owners->holders, found->inode, &several);
	event.user_id = WEIR_NO_USER;
	socket_table_take(owners->table, &event);
	if (several) {
		/* As if a second one had it: nobody is named. */
		event.pid = UINT32_MAX;
		socket_table_take(owners->table, &event);
	}
}

/* One look without eBPF. */
static int look(struct owners *owners, struct weir_fault *fault)
{
	int error;

	socket_table_look_begin(owners->table);
	socket_holders_begin(owners->holders);
	error = socket_dump(owners->dump, SOCKET_DUMP_TCP | SOCKET_DUMP_OTHER, false, take_found, owners, fault);
	if (!error)
		socket_table_look_end(owners->table, clock_monotonic_ns());
	owners->looked = (uint64_t)clock_monotonic_ns();
	return error;
}

/* With the lock for writing. */
static void drain(struct owners *owners)
{
	uint64_t lost;

	owners->offset = socket_events_clock_offset();
	socket_events_drain(owners->events);
	lost = socket_events_lost(owners->events);
	if (lost != owners->lost_before) {
		/* What became of the open ones is not known any more. They are told anew when they do something, and those of which that can be looked up at once. */
		owners->lost_before = lost;
		socket_table_forget_open(owners->table);
		socket_events_tell_again(owners->events);
		owners->looked = (uint64_t)clock_monotonic_ns();
		owners->look_again = true;
	}
	if (owners->look_again)
		owners->look_again = socket_events_look(owners->events, NULL) != 0 || socket_table_doubtful(owners->table);
}

static void *follow(void *argument)
{
	struct owners *owners = argument;

	/* Relaxed: a flag and nothing more. */
	while (!atomic_load_explicit(&owners->stop, memory_order_relaxed)) {
		if (owners->events)
			socket_events_wait(owners->events, DRAIN_EVERY_MS);
		else
			nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
		pthread_rwlock_wrlock(&owners->lock);
		if (owners->events) {
			drain(owners);
		} else {
			owners->offset = socket_events_clock_offset();
			look(owners, NULL);
		}
		socket_table_expire(owners->table, clock_monotonic_ns());
		pthread_rwlock_unlock(&owners->lock);
	}
	return NULL;
}

static int open_events(struct owners *owners, struct weir_fault *fault)
{
	const struct socket_events_taker taker = {.process = take_process, .socket = take_socket, .argument = owners};
	int error = socket_events_open(false, &taker, &owners->events, fault);

	if (error)
		return error;
	process_table_by_kernel(socket_table_processes(owners->table));
	error = socket_events_look(owners->events, fault);
	if (error) {
		socket_events_close(owners->events);
		owners->events = NULL;
		socket_table_forget_open(owners->table);
		return error;
	}
	owners->look_again = socket_table_doubtful(owners->table);
	owners->looked = (uint64_t)clock_monotonic_ns();
	if (!socket_events_see_use(owners->events))
		snprintf(owners->lack, sizeof owners->lack, "%s",
		         "a socket that a process passed on to another is not seen to be used by that one before it is closed (Linux 6.3 and later tell)");
	return 0;
}

static int open_looks(struct owners *owners, const struct weir_fault *why, struct weir_fault *fault)
{
	int error = socket_dump_open(&owners->dump, fault);

	if (error)
		return error;
	owners->holders = socket_holders_new();
	if (!owners->holders)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to look at processes");
	error = look(owners, fault);
	if (error)
		return error;
	snprintf(owners->lack, sizeof owners->lack, "sockets that live for less than %d ms are missed%s%s%s", LOOK_EVERY_MS,
	         socket_holders_see_all(owners->holders) ? "" : ", as are those of other users (CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH see them)", why->code ? ": " : "",
	         why->code ? why->message : "");
	return 0;
}

int owners_open(const struct owners_options *options, struct owners **owners, struct weir_fault *fault)
{
	uint32_t remember_s = options->remember_s ? options->remember_s : REMEMBER_S;
	struct owners *made = calloc(1, sizeof *made);
	struct weir_fault why = {0};
	int error = WEIR_E_UNSUPPORTED;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to follow sockets");
	pthread_rwlock_init(&made->lock, NULL);
	made->offset = socket_events_clock_offset();
	made->table = socket_table_new(options->most_sockets ? options->most_sockets : SOCKETS_MOST, remember_s * NS_PER_SECOND);
	if (!made->table) {
		owners_close(made);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to follow sockets");
	}
	if (!options->without_bpf)
		error = open_events(made, &why);
	if (error)
		error = open_looks(made, &why, fault);
	if (!error && pthread_create(&made->thread, NULL, follow, made))
		error = weir_fail(fault, WEIR_E_SYSTEM, "could not start a thread");
	if (error) {
		owners_close(made);
		return error;
	}
	made->running = true;
	*owners = made;
	return 0;
}

void owners_close(struct owners *owners)
{
	if (!owners)
		return;
	if (owners->running) {
		atomic_store_explicit(&owners->stop, true, memory_order_relaxed);
		pthread_join(owners->thread, NULL);
	}
	socket_events_close(owners->events);
	socket_dump_close(owners->dump);
	socket_holders_free(owners->holders);
	socket_table_free(owners->table);
	pthread_rwlock_destroy(&owners->lock);
	free(owners);
}

bool owners_see_all(const struct owners *owners) { return owners->events != NULL; }
const char *owners_lack(const struct owners *owners) { return owners->lack; }

void owners_statistics(struct owners *owners, struct owners_statistics *statistics)
{
	pthread_rwlock_rdlock(&owners->lock);
	*statistics = (struct owners_statistics){.sockets = socket_table_count(owners->table)};
	if (owners->events) {
		statistics->events = socket_events_taken(owners->events);
		statistics->lost = socket_events_lost(owners->events);
	}
	pthread_rwlock_unlock(&owners->lock);
}

void owners_catch_up(struct owners *owners)
{
	/* What had happened stands in the ring: taken in by whoever asks, nobody is waited for but who is doing that already. */
	if (!owners->events)
		return;
	pthread_rwlock_wrlock(&owners->lock);
	drain(owners);
	pthread_rwlock_unlock(&owners->lock);
}

void owners_begin(struct owners *owners) { pthread_rwlock_rdlock(&owners->lock); }
void owners_end(struct owners *owners) { pthread_rwlock_unlock(&owners->lock); }

bool owners_find(struct owners *owners, const struct owner_tuple *tuple, int64_t time_ns, struct weir_process *process)
{
	return socket_table_find(owners->table, tuple, time_ns - owners->offset, process);
}
