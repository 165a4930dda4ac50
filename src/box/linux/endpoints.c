/* Endpoints on Linux: box/endpoints.h. */
#include "box/endpoints.h"

#include <stdio.h>
#include <stdlib.h>

#include "box/linux/endpoint_table.h"
#include "box/linux/event_queue.h"
#include "box/linux/socket_holders.h"
#include "core/clock.h"

#define WALK_NS_EACH 400000
#define WALK_SLACK_NS 100000000 /* looks are not quite a second apart */

struct endpoints {
	struct event_queue *queue; /* NULL: only looks */
	struct socket_dump *dump;
	struct socket_holders *holders;
	struct endpoint_table *table;
	uint64_t lost_before;
	bool looked, always_figures;
	bool again;                /* it takes another look at everything */
	int64_t walked_ns;         /* when the TCP connections were looked at last */
	char lack[700];
};

static void take_process(const struct process_event *event, void *argument)
{
	struct endpoints *endpoints = argument;

	process_table_tell(endpoint_table_processes(endpoints->table), event);
}

static void take_socket(const struct socket_event *event, void *argument)
{
	struct endpoints *endpoints = argument;

	endpoint_table_take(endpoints->table, event);
}

static void take_found(const struct socket_found *found, void *argument)
{
	struct endpoints *endpoints = argument;
	struct socket_event event = found->event;
	bool several = false;

	endpoint_table_take(endpoints->table, &event);
	event.pid = socket_holders_find(endpoints->holders, found->inode, &several);
	if (!event.pid || event.state == ENDPOINT_TIME_WAIT)
		return;
	event.kind = SOCKET_HELD;
	event.user_id = WEIR_NO_USER;
	endpoint_table_take(endpoints->table, &event);
	if (several) {
		event.pid = UINT32_MAX; /* as if a second one had it: nobody is named */
		endpoint_table_take(endpoints->table, &event);
	}
}

static int open_looks(struct endpoints *endpoints, const struct weir_fault *why, struct weir_fault *fault)
{
	int error = socket_dump_open(&endpoints->dump, fault);

	if (error)
		return error;
	endpoints->holders = socket_holders_new();
	if (!endpoints->holders)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to look at processes");
	snprintf(endpoints->lack, sizeof endpoints->lack, "no ping sockets, no bytes of UDP, nothing of what lives between two looks, and processes of other users only as root%s%s",
	         why->code ? ": " : "", why->code ? why->message : "");
	return 0;
}

int endpoints_open(const struct endpoints_options *options, struct endpoints **endpoints, struct weir_fault *fault)
{
	struct endpoints *made = calloc(1, sizeof *made);
	struct weir_fault why = {0};
	int error = WEIR_E_UNSUPPORTED;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for endpoints");
	made->always_figures = options->always_figures;
	made->table = endpoint_table_new(options->event, options->argument);
	if (!made->table) {
		endpoints_close(made);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for endpoints");
	}
	if (!options->without_bpf)
		error = event_queue_open(&made->queue, &why);
	if (!error)
		process_table_by_kernel(endpoint_table_processes(made->table));
	if (error)
		error = open_looks(made, &why, fault);
	else if (!event_queue_sees_use(made->queue))
		snprintf(made->lack, sizeof made->lack, "no bytes of UDP, and who uses a socket that was passed on: Linux 6.3 and later tell");
	if (error) {
		endpoints_close(made);
		return error;
	}
	*endpoints = made;
	return 0;
}

void endpoints_close(struct endpoints *endpoints)
{
	if (!endpoints)
		return;
	event_queue_close(endpoints->queue);
	socket_dump_close(endpoints->dump);
	socket_holders_free(endpoints->holders);
	endpoint_table_free(endpoints->table);
	free(endpoints);
}

const char *endpoints_lack(const struct endpoints *endpoints) { return endpoints->lack; }

uint64_t endpoints_lost(const struct endpoints *endpoints) { return endpoints->queue ? event_queue_lost(endpoints->queue) : 0; }

/* The events since the last look, then what the kernel says of each socket that has carried something. */
static int refresh_by_events(struct endpoints *endpoints, struct weir_fault *fault)
{
	const struct socket_events_taker taker = {.process = take_process, .socket = take_socket, .argument = endpoints};
	uint64_t lost = event_queue_lost(endpoints->queue);
	int64_t now = clock_monotonic_ns();
	bool everything = !endpoints->looked || endpoints->again || lost != endpoints->lost_before;
	int error;

	endpoints->lost_before = lost;
	endpoints->again = everything; /* until that has been done */
	event_queue_take(endpoints->queue, &taker);
	if (everything)
		event_queue_tell_again(endpoints->queue);
	/* The kernel takes about 1 µs for each connection: so that it is no more than a part in 400 of the time, many are looked at less often. */
	size_t count = endpoint_table_count(endpoints->table);
	bool tcp = everything || endpoints->always_figures || now - endpoints->walked_ns >= (int64_t)count * WALK_NS_EACH - WALK_SLACK_NS;
	error = event_queue_look(endpoints->queue, everything, tcp, &taker, fault);
	if (error)
		return error;
	if (tcp)
		endpoints->walked_ns = now;
	endpoints->again = !endpoint_table_end(endpoints->table, tcp, everything && endpoints->looked);
	endpoints->looked = true;
	return 0;
}

int endpoints_refresh(struct endpoints *endpoints, struct weir_fault *fault)
{
	int error;

	endpoint_table_begin(endpoints->table, socket_events_clock_offset());
	if (endpoints->queue)
		return refresh_by_events(endpoints, fault);
	socket_holders_begin(endpoints->holders);
	error = socket_dump(endpoints->dump, SOCKET_DUMP_TCP | SOCKET_DUMP_OTHER, true, take_found, endpoints, fault);
	if (!error)
		endpoint_table_end(endpoints->table, true, true);
	return error;
}

const struct endpoint *const *endpoints_list(const struct endpoints *endpoints, size_t *count) { return endpoint_table_list(endpoints->table, count); }

int endpoints_end(uint64_t id, struct weir_fault *fault)
{
	struct socket_dump *dump;
	int error = socket_dump_open(&dump, fault);

	if (error)
		return error;
	error = socket_dump_destroy(dump, id, fault);
	socket_dump_close(dump);
	return error;
}
