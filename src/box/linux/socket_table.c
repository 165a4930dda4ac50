/* Sockets over time: box/linux/socket_table.h. */
#include "box/linux/socket_table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/xxh3.h"

#define HOLDERS_MOST 4
#define BINDINGS_MOST 256 /* of a socket: one that is connected again and again, or asks for echoes with ever other numbers, would have them without end */
#define GONE 4096
#define ALWAYS INT64_MIN
#define STILL INT64_MAX
#define HANDSHAKE_NS INT64_C(10000000000) /* before it comes out of a listening socket, a connection's handshake goes on, for at most so long */
#define AFTER_TCP_NS 1000000000 /* after it has ended a TCP connection still gets the last segments; nobody gets its addresses anew so soon */

enum { TCP_STATE_SYN_RECEIVED = 3, TCP_STATE_CLOSED = 7, TCP_STATE_LISTEN = 10 };

struct holder {
	int64_t since;
	struct process_known *process; /* NULL: it is known that it is not known */
};

struct binding {
	struct binding *next;          /* of the same hash */
	struct binding *of_socket;     /* the one before it */
	struct known_socket *socket;
	struct owner_tuple tuple;      /* remote.version 0: of a socket that is not connected; local.version 0: any address */
	int64_t since, certain, until;
};

struct known_socket {
	struct known_socket *next; /* of the same hash of cookies */
	struct known_socket *newer, *older; /* open ones; closed ones in the order in which they were closed */
	struct binding *bindings;  /* the newest first */
	uint64_t cookie, look;
	int64_t opened, closed;
	int64_t told;              /* when the latest of what is known was so */
	uint32_t held_by;          /* the process that was found to have it open */
	uint16_t binding_count;
	uint8_t protocol, family, only_v6, holder_count;
	bool listening, accepted_from; /* it listens; it came out of one that listens */
	bool only_held;            /* nobody was seen to use it */
	bool first_taken;          /* out of it somebody has taken the first datagram */
	bool ended;                /* its end was told; a look that does not find it may err */
	struct holder holders[HOLDERS_MOST];
};

struct list {
	struct known_socket *oldest, *newest;
};

struct socket_table {
	struct known_socket **cookies;
	struct binding **bindings;
	size_t mask, count, most, binding_count;
	uint64_t look, seed;
	int64_t remember_ns;
	struct {
		uint64_t cookie, time;
	} gone[GONE];          /* of which only the end was heard, and when that was */
	uint64_t forgotten;    /* when the latest ended of those that others have taken the place of there */
	bool doubtful;         /* what was read may be of one of those */
	struct list open, closed;
	struct process_table *processes;
};

static void list_add(struct list *list, struct known_socket *socket)
{
	socket->older = list->newest;
	socket->newer = NULL;
	if (list->newest)
		list->newest->newer = socket;
	else
		list->oldest = socket;
	list->newest = socket;
}

static void list_remove(struct list *list, struct known_socket *socket)
{
	if (socket->older)
		socket->older->newer = socket->newer;
	else
		list->oldest = socket->newer;
	if (socket->newer)
		socket->newer->older = socket->older;
	else
		list->newest = socket->older;
}

struct socket_table *socket_table_new(uint32_t most_sockets, int64_t remember_ns)
{
	struct socket_table *table = calloc(1, sizeof *table);
	size_t slots = 1024;

	if (!table)
		return NULL;
	table->most = most_sockets;
	table->remember_ns = remember_ns;
	while (slots < most_sockets / 2 && slots < (size_t)1 << 24)
		slots *= 2;
	table->mask = slots - 1;
	table->seed = (uintptr_t)table;
	table->cookies = calloc(slots, sizeof *table->cookies);
	table->bindings = calloc(slots, sizeof *table->bindings);
	table->processes = process_table_new();
	if (!table->cookies || !table->bindings || !table->processes) {
		socket_table_free(table);
		return NULL;
	}
	return table;
}

struct process_table *socket_table_processes(struct socket_table *table) { return table->processes; }
size_t socket_table_count(const struct socket_table *table) { return table->count; }
size_t socket_table_bindings(const struct socket_table *table) { return table->binding_count; }

static bool is_connected(const struct owner_tuple *tuple) { return tuple->remote.version != 0; }

/* Those that are not connected are found by protocol and port alone. */
static size_t tuple_slot(const struct socket_table *table, const struct owner_tuple *tuple, bool connected)
{
	uint8_t key[39] = {tuple->protocol};

	weir_store_native16(key + 1, tuple->local_port);
	if (connected) {
		weir_store_native16(key + 3, tuple->remote_port);
		memcpy(key + 5, tuple->local.bytes, 16);
		memcpy(key + 21, tuple->remote.bytes, 16);
		key[37] = tuple->local.version;
	}
	return xxh3_seeded(key, sizeof key, table->seed) & table->mask;
}

static void unlink_binding(struct socket_table *table, struct binding *binding)
{
	struct binding **at = &table->bindings[tuple_slot(table, &binding->tuple, is_connected(&binding->tuple))];

	while (*at != binding)
		at = &(*at)->next;
	*at = binding->next;
	binding->socket->binding_count--;
	table->binding_count--;
	free(binding);
}

static void forget(struct socket_table *table, struct known_socket *socket)
{
	struct known_socket **at = &table->cookies[socket->cookie & table->mask];

	while (*at != socket)
		at = &(*at)->next;
	*at = socket->next;
	list_remove(socket->closed == STILL ? &table->open : &table->closed, socket);
	for (struct binding *b = socket->bindings, *before; b; b = before) {
		before = b->of_socket;
		unlink_binding(table, b);
	}
	for (size_t i = 0; i < socket->holder_count; i++)
		process_known_drop(socket->holders[i].process);
	free(socket);
	table->count--;
}

void socket_table_free(struct socket_table *table)
{
	if (!table)
		return;
	while (table->open.oldest)
		forget(table, table->open.oldest);
	while (table->closed.oldest)
		forget(table, table->closed.oldest);
	process_table_free(table->processes);
	free(table->cookies);
	free(table->bindings);
	free(table);
}

void socket_table_forget_open(struct socket_table *table)
{
	while (table->open.oldest)
		forget(table, table->open.oldest);
}

void socket_table_expire(struct socket_table *table, int64_t now)
{
	while (table->closed.oldest && table->closed.oldest->closed < now - table->remember_ns)
		forget(table, table->closed.oldest);
}

/* An address as packets show it. */
static struct weir_ip ip_of(uint8_t family, const uint8_t bytes[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, none[16] = {0};
	struct weir_ip ip = {0};

	if (memcmp(bytes, none, family == AF_INET ? 4 : 16) == 0)
		return ip;
	if (family == AF_INET || memcmp(bytes, mapped, sizeof mapped) == 0) {
		ip.version = 4;
		memcpy(ip.bytes, family == AF_INET ? bytes : bytes + 12, 4);
		if (family != AF_INET && memcmp(ip.bytes, none, 4) == 0)
			ip.version = 0; /* ::ffff:0.0.0.0 is any IPv4 address */
		return ip;
	}
	ip.version = 6;
	memcpy(ip.bytes, bytes, 16);
	return ip;
}

static void remember_gone(struct socket_table *table, uint64_t cookie, uint64_t time)
{
	size_t at = cookie % GONE;

	if (table->gone[at].cookie != cookie && table->gone[at].time > table->forgotten)
		table->forgotten = table->gone[at].time;
	table->gone[at].cookie = cookie;
	table->gone[at].time = time;
}

/* Whether what a look read, of one that is not known, may be of one that ended meanwhile. */
static bool may_be_gone(struct socket_table *table, const struct socket_event *event)
{
	if (table->gone[event->cookie % GONE].cookie == event->cookie)
		return true;
	bool may = event->time <= table->forgotten;
	table->doubtful |= may;
	return may;
}

bool socket_table_doubtful(struct socket_table *table)
{
	bool doubtful = table->doubtful;

	table->doubtful = false;
	return doubtful;
}

static struct known_socket *socket_of(struct socket_table *table, const struct socket_event *event)
{
	struct known_socket **slot = &table->cookies[event->cookie & table->mask], *socket;

	for (socket = *slot; socket; socket = socket->next)
		if (socket->cookie == event->cookie)
			return socket;
	if (event->kind == SOCKET_CLOSED || (event->kind == SOCKET_STATE && event->state == TCP_STATE_CLOSED && event->before != 2)) {
		remember_gone(table, event->cookie, event->time);
		return NULL; /* its end is all that is heard of it */
	}
	if (event->kind == SOCKET_HELD && may_be_gone(table, event))
		return NULL;
	if (table->count >= table->most) {
		if (!table->closed.oldest)
			return NULL;
		if (table->closed.oldest->ended)
			remember_gone(table, table->closed.oldest->cookie, (uint64_t)table->closed.oldest->closed);
		forget(table, table->closed.oldest);
	}
	socket = calloc(1, sizeof *socket);
	if (!socket)
		return NULL;
	socket->cookie = event->cookie;
	socket->protocol = event->protocol;
	socket->family = event->family;
	socket->closed = STILL;
	socket->opened = ALWAYS;
	socket->next = *slot;
	*slot = socket;
	list_add(&table->open, socket);
	table->count++;
	return socket;
}

static bool same_process(const struct process_known *a, const struct process_known *b)
{
	return a == b || (a && b && a->process.pid == b->process.pid && a->process.user_id == b->process.user_id &&
	                  a->process.executable.data == b->process.executable.data && a->process.name.data == b->process.name.data);
}

/* From now on this process holds it. Takes the reference. */
static void add_holder(struct known_socket *socket, struct process_known *process, int64_t since)
{
	struct holder *last = socket->holder_count ? &socket->holders[socket->holder_count - 1] : NULL;

	if (last && same_process(last->process, process)) {
		process_known_drop(process);
		return;
	}
	if (socket->holder_count == HOLDERS_MOST) {
		process_known_drop(socket->holders[0].process);
		memmove(socket->holders, socket->holders + 1, (HOLDERS_MOST - 1) * sizeof *socket->holders);
		socket->holder_count--;
	}
	socket->holders[socket->holder_count++] = (struct holder){since, process};
}

static void drop_holders(struct known_socket *socket)
{
	while (socket->holder_count)
		process_known_drop(socket->holders[--socket->holder_count].process);
}

/* A process was found to have it open. That says who holds it only when no other has, and nobody was seen to use it. */
static void take_held(struct socket_table *table, struct known_socket *socket, const struct socket_event *event, int64_t since)
{
	if (socket->holder_count && !socket->only_held)
		return;
	if (!socket->held_by) {
		struct process_known *process = process_table_find(table->processes, event->pid, event->user_id);
		socket->held_by = event->pid;
		socket->only_held = true;
		if (process)
			add_holder(socket, process, since);
	} else if (socket->held_by != event->pid) {
		drop_holders(socket);
		socket->only_held = true;
	}
}

static void take_holder(struct socket_table *table, struct known_socket *socket, const struct socket_event *event, int64_t since, int64_t time)
{
	struct process_known *process;

	if (event->kind == SOCKET_HELD) {
		if (event->pid)
			take_held(table, socket, event, since);
		return;
	}
	if (!event->pid)
		return;
	process = process_table_find(table->processes, event->pid, event->user_id);
	if (!process)
		return;
	/* Whoever is the first seen to use a socket that was made before our eyes made it, unless it came out of a listening one. */
	bool made = !socket->holder_count && !socket->accepted_from && socket->opened != ALWAYS;
	/* What was accepted is its own who accepted it from its first segment on, now that it is known who that is. */
	bool accepted = !socket->holder_count && event->kind == SOCKET_ACCEPTED;
	/* Nor was what waited in it for anybody else than who takes the first datagram out of it, before anything was sent. */
	bool first_taken = event->kind == SOCKET_USED && event->protocol != IPPROTO_TCP && event->packets_received == 1 && event->packets_sent == 0 &&
	                   socket->opened != ALWAYS && !socket->first_taken;
	if (first_taken) {
		socket->first_taken = true;
		drop_holders(socket);
		made = true;
	}
	socket->only_held = false;
	add_holder(socket, process, accepted ? ALWAYS : made ? socket->opened : time);
}

static void end_binding(struct known_socket *socket, int64_t time)
{
	if (socket->bindings && socket->bindings->until == STILL)
		socket->bindings->until = time;
}

/* The older half of a socket's addresses. */
static void forget_old_bindings(struct socket_table *table, struct known_socket *socket)
{
	struct binding *last = socket->bindings, *old;

	for (unsigned i = 1; i < BINDINGS_MOST / 2; i++)
		last = last->of_socket;
	while ((old = last->of_socket)) {
		last->of_socket = old->of_socket;
		unlink_binding(table, old);
	}
}

static void take_tuple(struct socket_table *table, struct known_socket *socket, const struct owner_tuple *tuple, int64_t since, int64_t certain)
{
	const struct binding *last = socket->bindings;

	if (last && last->until == STILL && memcmp(&last->tuple, tuple, sizeof *tuple) == 0)
		return;
	end_binding(socket, certain);
	if (socket->binding_count == BINDINGS_MOST)
		forget_old_bindings(table, socket);
	struct binding *binding = calloc(1, sizeof *binding);
	if (!binding)
		return;
	struct binding **slot = &table->bindings[tuple_slot(table, tuple, is_connected(tuple))];
	*binding = (struct binding){
		.next = *slot, .of_socket = socket->bindings, .socket = socket, .tuple = *tuple, .since = since, .certain = certain, .until = STILL};
	*slot = binding;
	socket->bindings = binding;
	socket->binding_count++;
	table->binding_count++;
}

static void close_socket(struct socket_table *table, struct known_socket *socket, int64_t time)
{
	end_binding(socket, time);
	if (socket->closed != STILL)
		return;
	list_remove(&table->open, socket);
	socket->closed = time;
	list_add(&table->closed, socket);
}

/* TCP sockets can be used again after their connection has ended. */
static void open_again(struct socket_table *table, struct known_socket *socket)
{
	if (socket->closed == STILL)
		return;
	list_remove(&table->closed, socket);
	socket->closed = STILL;
	list_add(&table->open, socket);
}

static bool has_ports(uint8_t protocol) { return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE; }

static void use_listening(struct socket_table *table, const struct socket_event *event, const struct owner_tuple *tuple, int64_t time);

void socket_table_take(struct socket_table *table, const struct socket_event *event)
{
	struct known_socket *socket = socket_of(table, event);
	struct owner_tuple tuple;
	int64_t time = (int64_t)event->time;
	bool old = event->kind == SOCKET_HELD;

	/* A look that read of it before its end was told does not bring it back. */
	if (!socket || (old && socket->ended))
		return;
	socket->look = table->look;
	if (event->opened)
		socket->opened = (int64_t)event->opened;
	if (event->only_v6 != SOCKET_ONLY_V6_UNKNOWN)
		socket->only_v6 = event->only_v6;
	if (event->kind == SOCKET_STATE && event->before == TCP_STATE_SYN_RECEIVED)
		socket->accepted_from = true;
	if (event->kind == SOCKET_STATE || old)
		socket->listening = event->protocol == IPPROTO_TCP && event->state == TCP_STATE_LISTEN;
	int64_t since = event->since ? (int64_t)event->since : old ? ALWAYS : socket->opened;
	if (since > time)
		since = time;
	take_holder(table, socket, event, since, time);
	/* What a look read before an event that came in with it says nothing of how things are. */
	if (old && time < socket->told)
		return;
	socket->told = time;
	if (event->kind == SOCKET_CLOSED || (event->kind == SOCKET_STATE && event->state == TCP_STATE_CLOSED)) {
		close_socket(table, socket, time);
		socket->ended = true;
		return;
	}
	socket->ended = false;
	open_again(table, socket);
	if (event->local_port == 0 && (has_ports(event->protocol) || event->protocol == IPPROTO_ICMP || event->protocol == IPPROTO_ICMPV6))
		return;
	memset(&tuple, 0, sizeof tuple);
	tuple.protocol = event->protocol;
	tuple.local = ip_of(event->family, event->local);
	tuple.remote = ip_of(event->family, event->remote);
	tuple.local_port = event->local_port;
	tuple.remote_port = has_ports(event->protocol) ? event->remote_port : 0;
	take_tuple(table, socket, &tuple, since, since == ALWAYS && old ? ALWAYS : time);
	if (event->kind == SOCKET_ACCEPTED && event->pid)
		use_listening(table, event, &tuple, time);
}

void socket_table_look_begin(struct socket_table *table)
{
	table->look++;
	/* Who has them open is asked anew. */
	for (struct known_socket *s = table->open.oldest; s; s = s->newer)
		if (s->only_held)
			s->held_by = 0;
}

void socket_table_look_end(struct socket_table *table, int64_t time)
{
	struct known_socket *socket = table->open.oldest;

	while (socket) {
		struct known_socket *newer = socket->newer;
		if (socket->look != table->look)
			close_socket(table, socket, time);
		socket = newer;
	}
}

/* ---- finding ---- */

struct choice {
	int rank; /* 0: none yet, 1: it was there shortly before, 2: it came out of a listening socket shortly after, 3: may be, 4: certain */
	bool ambiguous;
	const struct known_socket *socket;
};

static int rank_of(const struct binding *binding, int64_t time)
{
	/* SYN and SYN+ACK go to and fro before there is a socket. */
	if (time < binding->since)
		return binding->socket->accepted_from && is_connected(&binding->tuple) && binding->since - time < HANDSHAKE_NS ? 2 : 0;
	if (time < binding->until)
		return time >= binding->certain ? 4 : 3;
	bool last_segments = binding->tuple.protocol == IPPROTO_TCP && is_connected(&binding->tuple) && time - binding->until < AFTER_TCP_NS;
	return last_segments ? 1 : 0;
}

/* Who held it then: NULL when that is not known. waiting: nobody had accepted it yet. */
static const struct process_known *holder_at(const struct known_socket *socket, int64_t time, bool *waiting)
{
	*waiting = socket->accepted_from && (!socket->holder_count || time < socket->holders[0].since);
	for (size_t i = socket->holder_count; i-- > 0;)
		if (socket->holders[i].since <= time)
			return socket->holders[i].process;
	return NULL;
}

static void consider(struct choice *choice, const struct binding *binding, int64_t time)
{
	int rank = rank_of(binding, time);
	bool waiting, other_waiting;

	if (rank == 0 || rank < choice->rank)
		return;
	if (rank > choice->rank) {
		*choice = (struct choice){.rank = rank, .socket = binding->socket};
		return;
	}
	const struct process_known *one = holder_at(choice->socket, time, &waiting), *other = holder_at(binding->socket, time, &other_waiting);
	if (!one || !other || one->process.pid != other->process.pid)
		choice->ambiguous = choice->ambiguous || choice->socket != binding->socket;
}

static void find_connected(const struct socket_table *table, const struct owner_tuple *tuple, int64_t time, struct choice *choice)
{
	for (const struct binding *b = table->bindings[tuple_slot(table, tuple, true)]; b; b = b->next)
		if (is_connected(&b->tuple) && b->tuple.protocol == tuple->protocol && b->tuple.local_port == tuple->local_port &&
		    b->tuple.remote_port == tuple->remote_port && memcmp(&b->tuple.local, &tuple->local, sizeof tuple->local) == 0 &&
		    memcmp(&b->tuple.remote, &tuple->remote, sizeof tuple->remote) == 0)
			consider(choice, b, time);
}

/* Whether a socket on any address takes what comes for one of that version: 0 no, 1 yes, 2 as of its own family, which comes first. */
static int takes_version(const struct known_socket *socket, uint8_t version)
{
	if (socket->family == AF_INET)
		return version == 4 ? 2 : 0;
	if (version == 6)
		return 2;
	return socket->only_v6 == SOCKET_ONLY_V6_NO ? 1 : 0;
}

/* Those bound to the local address (level 3), to any of its family (2), to any of IPv6 that takes IPv4 as well (1). */
static void find_bound(const struct socket_table *table, const struct owner_tuple *tuple, int64_t time, int level, struct choice *choice)
{
	for (const struct binding *b = table->bindings[tuple_slot(table, tuple, false)]; b; b = b->next) {
		if (is_connected(&b->tuple) || b->tuple.protocol != tuple->protocol || b->tuple.local_port != tuple->local_port ||
		    (tuple->protocol == IPPROTO_TCP && !b->socket->listening))
			continue;
		bool exact = b->tuple.local.version && memcmp(&b->tuple.local, &tuple->local, sizeof tuple->local) == 0;
		if (level == 3 ? exact : !b->tuple.local.version && takes_version(b->socket, tuple->local.version) == level)
			consider(choice, b, time);
	}
}

static struct choice find_any_bound(const struct socket_table *table, const struct owner_tuple *tuple, int64_t time)
{
	struct choice choice = {0};

	for (int level = 3; level > 0 && !choice.rank; level--)
		find_bound(table, tuple, time, level, &choice);
	return choice;
}

/* Whoever accepts uses the listening socket. */
static void use_listening(struct socket_table *table, const struct socket_event *event, const struct owner_tuple *tuple, int64_t time)
{
	struct choice choice = find_any_bound(table, tuple, time);
	struct process_known *process;

	if (!choice.rank || choice.ambiguous)
		return;
	process = process_table_find(table->processes, event->pid, event->user_id);
	if (process)
		add_holder((struct known_socket *)(uintptr_t)choice.socket, process, time);
}

bool socket_table_find(const struct socket_table *table, const struct owner_tuple *tuple, int64_t time, struct weir_process *process)
{
	struct owner_tuple wanted;
	struct choice choice = {0};
	const struct process_known *holder;
	bool waiting;

	memset(&wanted, 0, sizeof wanted);
	wanted.protocol = tuple->protocol;
	wanted.local = tuple->local;
	wanted.remote = tuple->remote;
	if (has_ports(tuple->protocol) || tuple->protocol == IPPROTO_ICMP || tuple->protocol == IPPROTO_ICMPV6)
		wanted.local_port = tuple->local_port;
	if (has_ports(tuple->protocol))
		wanted.remote_port = tuple->remote_port;
	find_connected(table, &wanted, time, &choice);
	if (!choice.rank)
		choice = find_any_bound(table, &wanted, time);
	if (!choice.rank || choice.ambiguous)
		return false;
	holder = holder_at(choice.socket, time, &waiting);
	if (!holder && waiting) {
		/* What nobody has accepted yet is held by who holds the one that listens. */
		choice = find_any_bound(table, &wanted, time);
		if (!choice.rank || choice.ambiguous)
			return false;
		holder = holder_at(choice.socket, time, &waiting);
	}
	if (!holder)
		return false;
	*process = holder->process;
	return true;
}
