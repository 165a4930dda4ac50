/* Endpoints by cookie: box/linux/endpoint_table.h. */
#include "box/linux/endpoint_table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "os/process.h"

#define SLOTS 16384u
#define DETAILS 8192u
#define GONE 8192u
#define DETAILS_A_LOOK 64     /* processes looked up in /proc at one look: 40 µs each */
#define DETAILS_AFTER_NS (5 * NS_PER_SECOND)

enum { RAW = SOCK_RAW };

struct entry {
	struct endpoint endpoint;
	struct entry *next;            /* of the same hash */
	struct process_known *process;
	uint32_t held_by;              /* by whom it was found to be open, when nobody was seen to use it */
	uint64_t held_look;            /* at which look */
	bool only_held, came;          /* it was told that it came */
	uint8_t family, only_v6;       /* of the socket, and whether it takes IPv6 alone */
	uint64_t look;                 /* at which it was heard of last */
	uint64_t bytes_sent, bytes_received; /* at the look before */
	int64_t figures_ns;            /* when that was; 0: never */
	uint64_t told;                 /* when the latest of what is known was so, by the events' clock */
	size_t place;                  /* in all */
};

/* What /proc says of a process. */
struct details {
	uint32_t pid, threads;
	struct weir_bytes cgroup, container;
	int64_t looked_ns;
};

struct endpoint_table {
	struct entry *slots[SLOTS];
	/* Those that went, and when: what a look read before it knew that does not bring them back. */
	struct {
		uint64_t cookie, time;
	} gone[GONE];
	uint64_t forgotten;            /* when the latest went of those that others have taken the place of there */
	bool doubtful;                 /* what was read may be of one of those */
	struct entry **all;
	size_t count, room;
	struct entry **listeners;      /* those that listen for TCP */
	size_t listeners_count, listeners_room;
	struct endpoint *waiting;      /* in TIME_WAIT, or not whole yet: found anew at each look */
	size_t waiting_count, waiting_room;
	const struct endpoint **list;
	size_t list_count, list_room;
	struct process_table *processes;
	struct details details[DETAILS];
	unsigned details_left;
	void (*event)(const struct endpoint_event *event, void *argument);
	void *argument;
	int64_t offset, now, looked_ns; /* from the events' clock; the time of this look and of the one before */
	uint64_t look, waiting_look;
};

struct endpoint_table *endpoint_table_new(void (*event)(const struct endpoint_event *event, void *argument), void *argument)
{
	struct endpoint_table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	table->event = event;
	table->argument = argument;
	table->processes = process_table_new();
	if (!table->processes) {
		free(table);
		return NULL;
	}
	return table;
}

void endpoint_table_free(struct endpoint_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		process_known_drop(table->all[i]->process);
		free(table->all[i]);
	}
	process_table_free(table->processes);
	free(table->all);
	free(table->listeners);
	free(table->waiting);
	free(table->list);
	free(table);
}

struct process_table *endpoint_table_processes(struct endpoint_table *table) { return table->processes; }

/* Makes room for one more. */
static bool make_room(void *array, size_t count, size_t *room, size_t size)
{
	void **at = array;

	if (count < *room)
		return true;
	size_t more = *room ? *room * 2 : 256;
	void *grown = realloc(*at, more * size);
	if (!grown)
		return false;
	*at = grown;
	*room = more;
	return true;
}

static struct entry **slot_of(struct endpoint_table *table, uint64_t cookie) { return &table->slots[cookie % SLOTS]; }

static struct entry *find(struct endpoint_table *table, uint64_t cookie)
{
	struct entry *entry = *slot_of(table, cookie);

	while (entry && entry->endpoint.id != cookie)
		entry = entry->next;
	return entry;
}

static void put_address(struct weir_ip *ip, uint8_t family, const uint8_t bytes[static 16])
{
	static const uint8_t none[16] = {0}, mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(ip, 0, sizeof *ip);
	if (memcmp(bytes, none, family == AF_INET ? 4 : 16) == 0)
		return;
	bool is_mapped = family == AF_INET6 && memcmp(bytes, mapped, sizeof mapped) == 0;
	ip->version = family == AF_INET || is_mapped ? 4 : 6;
	memcpy(ip->bytes, is_mapped ? bytes + 12 : bytes, ip->version == 4 ? 4 : 16);
}

static uint8_t state_of(const struct socket_event *event)
{
	if (event->protocol == IPPROTO_TCP && event->type != RAW)
		return event->state <= ENDPOINT_CLOSING ? event->state : ENDPOINT_NONE;
	static const uint8_t none[16] = {0};
	return memcmp(event->remote, none, event->family == AF_INET ? 4 : 16) ? ENDPOINT_CONNECTED : event->type == RAW ? ENDPOINT_NONE : ENDPOINT_BOUND;
}

static void put_kind(struct endpoint *endpoint, const struct socket_event *event)
{
	endpoint->id = event->cookie;
	endpoint->protocol = event->protocol;
	endpoint->raw = event->type == RAW;
	endpoint->process.user_id = WEIR_NO_USER;
	endpoint->opened_ns = endpoint->closed_ns = WEIR_NO_TIME;
	endpoint->send_rate = endpoint->receive_rate = -1;
	endpoint->bytes_sent = endpoint->bytes_received = endpoint->packets_sent = endpoint->packets_received = ENDPOINT_UNKNOWN;
	endpoint->rtt_ns = endpoint->retransmissions = endpoint->send_queue = endpoint->receive_queue = ENDPOINT_UNKNOWN;
}

static void put_place(struct endpoint *endpoint, const struct socket_event *event)
{
	put_address(&endpoint->local, event->family, event->local);
	put_address(&endpoint->remote, event->family, event->remote);
	endpoint->local_port = endpoint->raw ? 0 : event->local_port;
	endpoint->remote_port = endpoint->raw ? 0 : event->remote_port;
	if (event->interface_index)
		endpoint->interface_index = event->interface_index;
}

static void put_figures(struct endpoint *endpoint, const struct socket_event *event)
{
	bool listens = endpoint->state == ENDPOINT_LISTEN;

	if (!listens) {
		endpoint->bytes_sent = event->bytes_sent;
		endpoint->bytes_received = event->bytes_received;
		endpoint->packets_sent = event->packets_sent;
		endpoint->packets_received = event->packets_received;
	}
	if (!listens && endpoint->protocol == IPPROTO_TCP && !endpoint->raw) {
		endpoint->rtt_ns = event->rtt_ns;
		endpoint->retransmissions = event->retransmissions;
	}
	if (event->kind == SOCKET_FIGURES) {
		endpoint->send_queue = event->send_queue;
		endpoint->receive_queue = event->receive_queue;
	}
}

static struct entry *add(struct endpoint_table *table, const struct socket_event *event)
{
	struct entry **slot = slot_of(table, event->cookie), *entry;

	if (!make_room(&table->all, table->count, &table->room, sizeof *table->all))
		return NULL;
	entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	put_kind(&entry->endpoint, event);
	entry->next = *slot;
	*slot = entry;
	entry->family = event->family;
	entry->place = table->count;
	table->all[table->count++] = entry;
	return entry;
}

/* Sets its state, and keeps the list of those that listen. */
static void set_state(struct endpoint_table *table, struct entry *entry, uint8_t state)
{
	uint8_t before = entry->endpoint.state;

	entry->endpoint.state = state;
	if (before != ENDPOINT_LISTEN && state == ENDPOINT_LISTEN) {
		if (make_room(&table->listeners, table->listeners_count, &table->listeners_room, sizeof *table->listeners))
			table->listeners[table->listeners_count++] = entry;
	} else if (before == ENDPOINT_LISTEN && state != ENDPOINT_LISTEN) {
		for (size_t i = 0; i < table->listeners_count; i++)
			if (table->listeners[i] == entry)
				table->listeners[i--] = table->listeners[--table->listeners_count];
	}
}

static void drop(struct endpoint_table *table, struct entry *entry)
{
	struct entry **at = slot_of(table, entry->endpoint.id);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	table->all[entry->place] = table->all[--table->count];
	table->all[entry->place]->place = entry->place;
	process_known_drop(entry->process);
	free(entry);
}

static void tell(struct endpoint_table *table, struct entry *entry, enum endpoint_event_kind kind, uint8_t before, int64_t time)
{
	const struct endpoint_event event = {.time_ns = time, .kind = kind, .before = before, .endpoint = &entry->endpoint};

	if (table->event)
		table->event(&event, table->argument);
}

static void set_process(struct entry *entry, struct process_known *process)
{
	process_known_drop(entry->process);
	entry->process = process;
	entry->endpoint.process = process ? process->process : (struct weir_process){.user_id = WEIR_NO_USER};
}

/* How well what comes to an address fits one that listens: 3: it is bound to that address, 2: to all of its family, 1: to all of IPv6, and takes IPv4 as well, 0: not at all. */
static int fits(const struct entry *listener, const struct endpoint *new)
{
	const struct weir_ip *bound = &listener->endpoint.local;

	if (listener->endpoint.local_port != new->local_port)
		return 0;
	if (bound->version)
		return memcmp(bound, &new->local, sizeof *bound) == 0 ? 3 : 0;
	if (listener->family == AF_INET)
		return new->local.version == 4 ? 2 : 0;
	return new->local.version == 6 ? 2 : listener->only_v6 == SOCKET_ONLY_V6_NO;
}

/* Of a connection that nobody has accepted: who holds the socket that listens. When several of them do alike (SO_REUSEPORT) nobody is named. */
static void take_from_listener(struct endpoint_table *table, struct entry *entry)
{
	struct process_known *found = NULL;
	int best = 0;

	for (size_t i = 0; i < table->listeners_count; i++) {
		struct process_known *process = table->listeners[i]->process;
		int how = fits(table->listeners[i], &entry->endpoint);
		if (how > best)
			found = process;
		else if (how == best && how && (!process || !found || process->process.pid != found->process.pid))
			found = NULL;
		best = how > best ? how : best;
	}
	if (found) {
		process_known_hold(found);
		set_process(entry, found);
	}
}

/* Several processes have it open and none was seen to use it: nobody is named. */
static void take_held(struct endpoint_table *table, struct entry *entry, const struct socket_event *event)
{
	if (entry->process && !entry->only_held)
		return;
	if (entry->held_look == table->look && entry->held_by != event->pid) {
		set_process(entry, NULL);
		entry->only_held = true;
		return;
	}
	/* Each look asks anew. */
	entry->held_look = table->look;
	entry->held_by = event->pid;
	entry->only_held = true;
	if (!entry->process || entry->process->process.pid != event->pid)
		set_process(entry, process_table_find(table->processes, event->pid, event->user_id));
}

/* Whether another holds it now than did before, or the same as another user. */
static bool take_process(struct endpoint_table *table, struct entry *entry, const struct socket_event *event)
{
	uint32_t before = entry->process ? entry->process->process.pid : 0, user_before = entry->process ? entry->process->process.user_id : WEIR_NO_USER;

	if (event->kind == SOCKET_HELD) {
		if (event->pid)
			take_held(table, entry, event);
		return false;
	}
	if (!event->pid)
		return false;
	struct process_known *process = process_table_find(table->processes, event->pid, event->user_id);
	if (!process)
		return false;
	entry->only_held = false;
	set_process(entry, process);
	if (event->thread_id)
		entry->endpoint.process.thread_id = event->thread_id;
	return before != event->pid || user_before != entry->endpoint.process.user_id;
}

static void went(struct endpoint_table *table, struct entry *entry, uint8_t before, int64_t time)
{
	entry->endpoint.closed_ns = time;
	if (entry->came)
		tell(table, entry, ENDPOINT_WENT, before, time);
	drop(table, entry);
}

/* Found at this look, and no whole socket: only in the list. */
static void take_waiting(struct endpoint_table *table, const struct socket_event *event)
{
	if (table->waiting_look != table->look) {
		/* The first of this look: those of the one before are gone. */
		table->waiting_look = table->look;
		table->waiting_count = 0;
	}
	if (!make_room(&table->waiting, table->waiting_count, &table->waiting_room, sizeof *table->waiting))
		return;
	struct endpoint *endpoint = &table->waiting[table->waiting_count++];
	memset(endpoint, 0, sizeof *endpoint);
	put_kind(endpoint, event);
	put_place(endpoint, event);
	endpoint->state = event->state;
}

static bool is_addressed(const struct socket_event *event) { return event->local_port || event->type == RAW; }

static bool is_closing(const struct socket_event *event)
{
	return event->kind == SOCKET_CLOSED || (event->kind == SOCKET_STATE && event->state == ENDPOINT_CLOSED);
}

static void remember_gone(struct endpoint_table *table, const struct socket_event *event)
{
	size_t at = event->cookie % GONE;

	if (table->gone[at].cookie != event->cookie && table->gone[at].time > table->forgotten)
		table->forgotten = table->gone[at].time;
	table->gone[at].cookie = event->cookie;
	table->gone[at].time = event->time;
}

/* Whether what a look read, of one that is not known, may be of one that went meanwhile. */
static bool may_be_gone(struct endpoint_table *table, const struct socket_event *event)
{
	if (table->gone[event->cookie % GONE].cookie == event->cookie)
		return true;
	bool may = event->time <= table->forgotten;
	table->doubtful |= may;
	return may;
}

/* Whether an event is of something that was not there when we looked. */
static bool is_no_whole(const struct socket_event *event)
{
	return event->protocol == IPPROTO_TCP && event->type != RAW && event->kind == SOCKET_FIGURES &&
	       (event->state == ENDPOINT_TIME_WAIT || (event->state == ENDPOINT_SYN_RECEIVED && event->bytes_sent == SOCKET_NOT_KNOWN));
}

void endpoint_table_take(struct endpoint_table *table, const struct socket_event *event)
{
	struct entry *entry = find(table, event->cookie);
	int64_t time = (int64_t)event->time + table->offset;

	if (is_no_whole(event)) {
		take_waiting(table, event);
		return;
	}
	if (!entry && (event->kind == SOCKET_FIGURES || event->kind == SOCKET_HELD) && may_be_gone(table, event))
		return;
	if (is_closing(event)) {
		remember_gone(table, event);
		if (entry) {
			put_figures(&entry->endpoint, event);
			/* The state that the last event told is what it was in. */
			uint8_t before = event->kind == SOCKET_STATE ? event->before : entry->endpoint.state;
			set_state(table, entry, ENDPOINT_CLOSED);
			went(table, entry, before, time);
		}
		return;
	}
	if (!entry && !(entry = add(table, event)))
		return;
	struct endpoint before = entry->endpoint;
	bool looked = event->kind == SOCKET_FIGURES || event->kind == SOCKET_HELD;
	entry->look = table->look;
	/* What a look read before an event that came in with it is not how things are any more. */
	if (looked && event->time < entry->told) {
		take_process(table, entry, event);
		return;
	}
	entry->told = event->time;
	if (event->opened)
		entry->endpoint.opened_ns = (int64_t)event->opened + table->offset;
	if (event->only_v6 != SOCKET_ONLY_V6_UNKNOWN)
		entry->only_v6 = event->only_v6;
	bool handed_on = take_process(table, entry, event);
	/* What a raw socket sends to does not become its address; and a change that a state told already is no change. */
	if (is_addressed(event) && event->kind != SOCKET_ACCEPTED && !(entry->came && entry->endpoint.raw))
		put_place(&entry->endpoint, event);
	if (event->kind != SOCKET_ACCEPTED && event->kind != SOCKET_USED)
		set_state(table, entry, state_of(event));
	else if (entry->endpoint.protocol != IPPROTO_TCP || entry->endpoint.raw || !entry->came)
		set_state(table, entry, state_of(event));
	put_figures(&entry->endpoint, event);
	if (!entry->came) {
		if (!is_addressed(event))
			return; /* it comes when its port is known */
		entry->came = true;
		if (!entry->process && event->kind == SOCKET_STATE)
			take_from_listener(table, entry);
		tell(table, entry, ENDPOINT_CAME, ENDPOINT_NONE, time);
		return;
	}
	bool moved = before.local_port != entry->endpoint.local_port || before.remote_port != entry->endpoint.remote_port ||
	             memcmp(&before.remote, &entry->endpoint.remote, sizeof before.remote) || memcmp(&before.local, &entry->endpoint.local, sizeof before.local);
	if (handed_on || moved || before.state != entry->endpoint.state)
		tell(table, entry, ENDPOINT_CHANGED, before.state, time);
}

void endpoint_table_begin(struct endpoint_table *table, int64_t offset)
{
	table->look++;
	table->list_count = 0; /* what goes in this look may be freed before there is a new one */
	table->offset = offset;
	table->looked_ns = table->now;
	table->now = clock_wall_ns();
	table->details_left = DETAILS_A_LOOK;
}

static double rate_of(uint64_t now, uint64_t before, int64_t ns)
{
	if (now == ENDPOINT_UNKNOWN || before == ENDPOINT_UNKNOWN || ns <= 0 || now < before)
		return -1;
	return (double)(now - before) * 1e9 / (double)ns;
}

static void put_rates(const struct endpoint_table *table, struct entry *entry)
{
	struct endpoint *endpoint = &entry->endpoint;
	int64_t since = entry->figures_ns ? entry->figures_ns : endpoint->opened_ns;

	if (entry->figures_ns || endpoint->opened_ns != WEIR_NO_TIME) {
		endpoint->send_rate = rate_of(endpoint->bytes_sent, entry->bytes_sent, table->now - since);
		endpoint->receive_rate = rate_of(endpoint->bytes_received, entry->bytes_received, table->now - since);
	}
	entry->figures_ns = table->now;
	entry->bytes_sent = endpoint->bytes_sent;
	entry->bytes_received = endpoint->bytes_received;
}

/* /proc is asked for what is new, and now and then for what changes. */
static void put_details(struct endpoint_table *table, struct endpoint *endpoint)
{
	struct details *details = &table->details[endpoint->process.pid % DETAILS];

	if (endpoint->process.pid == 0 || !process_table_may_read(table->processes))
		return;
	if ((details->pid != endpoint->process.pid || table->now - details->looked_ns > DETAILS_AFTER_NS) && table->details_left > 0) {
		struct os_process process;
		table->details_left--;
		bool there = os_process_read(endpoint->process.pid, &process, NULL) == 0;
		*details = (struct details){.pid = endpoint->process.pid, .looked_ns = table->now};
		if (there) {
			struct weir_bytes container = os_container_of(process.cgroup);
			details->threads = process.threads;
			details->cgroup = process_table_string(table->processes, process.cgroup, strlen(process.cgroup));
			details->container = process_table_string(table->processes, container.data, container.length);
		}
	}
	if (details->pid != endpoint->process.pid)
		return;
	endpoint->process_threads = details->threads;
	endpoint->cgroup = details->cgroup;
	endpoint->container = details->container;
}

static bool is_tcp(const struct endpoint *endpoint) { return endpoint->protocol == IPPROTO_TCP && !endpoint->raw; }

bool endpoint_table_end(struct endpoint_table *table, bool tcp, bool everything)
{
	bool whole = !table->doubtful;

	table->doubtful = false;
	for (size_t i = 0; everything && i < table->count;) {
		struct entry *entry = table->all[i];
		if (entry->look == table->look) {
			i++;
			continue;
		}
		uint8_t before = entry->endpoint.state;
		set_state(table, entry, ENDPOINT_CLOSED);
		went(table, entry, before, table->now);
	}
	if (tcp && table->waiting_look != table->look)
		table->waiting_count = 0;
	table->list_count = 0;
	for (size_t i = 0; i < table->count; i++) {
		struct entry *entry = table->all[i];
		if (tcp || !is_tcp(&entry->endpoint))
			put_rates(table, entry);
		if (!entry->came || !make_room(&table->list, table->list_count, &table->list_room, sizeof *table->list))
			continue;
		put_details(table, &entry->endpoint);
		table->list[table->list_count++] = &entry->endpoint;
	}
	for (size_t i = 0; i < table->waiting_count; i++)
		if (make_room(&table->list, table->list_count, &table->list_room, sizeof *table->list))
			table->list[table->list_count++] = &table->waiting[i];
	return whole;
}

size_t endpoint_table_count(const struct endpoint_table *table) { return table->count + table->waiting_count; }

const struct endpoint *const *endpoint_table_list(const struct endpoint_table *table, size_t *count)
{
	*count = table->list_count;
	return table->list;
}
