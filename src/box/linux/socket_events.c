/* What the kernel tells of sockets: box/linux/socket_events.h. */
#include "box/linux/socket_events.h"

#include "config.h"
#include "core/clock.h"
#include "os/bpf.h"
#include "os/process.h"

int64_t socket_events_clock_offset(void)
{
	int64_t least = INT64_MAX, offset = 0;

	/* The pair that was read in the shortest time is the nearest. */
	for (int i = 0; i < 3; i++) {
		int64_t before = clock_monotonic_ns(), wall = clock_wall_ns(), after = clock_monotonic_ns();
		if (after - before < least) {
			least = after - before;
			offset = wall - (before + least / 2);
		}
	}
	return offset;
}

#ifdef HAVE_BPF
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "sockets.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct socket_events {
	struct sockets_bpf *programs;
	struct ring_buffer *ring;
	struct bpf_link *cgroup[9];
	struct socket_events_taker taker;
	uint64_t taken;
	bool sees_use, sees_calls;
};

static int take(void *context, void *data, size_t size)
{
	struct socket_events *events = context;
	const uint8_t *kind = data;

	events->taken++;
	if (size >= sizeof(struct process_event) && *kind == SOCKET_PROCESS)
		events->taker.process(data, events->taker.argument);
	else if (size >= sizeof(struct socket_event) && *kind != SOCKET_PROCESS)
		events->taker.socket(data, events->taker.argument);
	return 0;
}

/* The network namespace that we are in, as the kernel numbers it. */
static int namespace_cookie(uint64_t *cookie, struct weir_fault *fault)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof *cookie;
	int failed = fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size) ? errno : 0;

	if (fd >= 0)
		close(fd);
	return failed ? weir_fail_errno(fault, failed, NULL, "could not tell the network namespace (Linux 5.14 and later can)") : 0;
}

/* Whether the kernel has this trace point with types. */
static bool kernel_has(const char *tracepoint) { return libbpf_find_vmlinux_btf_id(tracepoint, BPF_TRACE_RAW_TP) > 0; }

static int load(struct socket_events *events, bool every_state, struct weir_fault *fault)
{
	struct sockets_bpf *programs = sockets_bpf__open();
	uint64_t cookie;
	int error;

	events->programs = programs;
	if (!programs)
		return os_bpf_fail(fault, errno, "open the programs that follow sockets");
	error = namespace_cookie(&cookie, fault);
	if (error)
		return error;
	programs->rodata->namespace_cookie = cookie;
	programs->rodata->every_state = every_state;
#ifdef SYS_accept
	programs->rodata->accept_number = SYS_accept;
#endif
	programs->rodata->accept4_number = SYS_accept4;
	events->sees_use = kernel_has("sock_send_length") && kernel_has("sock_recv_length");
	bpf_program__set_autoload(programs->progs.on_sent, events->sees_use);
	bpf_program__set_autoload(programs->progs.on_received, events->sees_use);
	/* Kernels may be built without it (CONFIG_FTRACE_SYSCALLS): there who accepted is seen by the first sending or receiving. */
	events->sees_calls = kernel_has("sys_exit");
	bpf_program__set_autoload(programs->progs.on_call_ended, events->sees_calls);
	error = sockets_bpf__load(programs);
	return error ? os_bpf_fail(fault, error, "load the programs that follow sockets") : 0;
}

static int attach(struct socket_events *events, struct weir_fault *fault)
{
	struct sockets_bpf *programs = events->programs;
	struct bpf_program *const of_cgroup[] = {
		programs->progs.on_made, programs->progs.on_bound4, programs->progs.on_bound6, programs->progs.on_connect4, programs->progs.on_connect6,
		programs->progs.on_send4, programs->progs.on_send6, programs->progs.on_released, programs->progs.on_leaving,
	};
	struct bpf_program *const of_tracepoints[] = {programs->progs.on_state, programs->progs.on_sent, programs->progs.on_received, programs->progs.on_call_ended};
	struct bpf_link **const links[] = {&programs->links.on_state, &programs->links.on_sent, &programs->links.on_received, &programs->links.on_call_ended};
	int root, error = os_cgroup_open(&root, fault);

	if (error)
		return error;
	programs->links.on_connecting = bpf_program__attach_cgroup(programs->progs.on_connecting, root);
	error = libbpf_get_error(programs->links.on_connecting);
	for (size_t i = 0; !error && i < sizeof of_cgroup / sizeof *of_cgroup; i++) {
		events->cgroup[i] = bpf_program__attach_cgroup(of_cgroup[i], root);
		error = (int)libbpf_get_error(events->cgroup[i]);
		if (error)
			events->cgroup[i] = NULL;
	}
	close(root);
	for (size_t i = 0; !error && i < sizeof of_tracepoints / sizeof *of_tracepoints; i++) {
		if (!bpf_program__autoload(of_tracepoints[i]))
			continue;
		*links[i] = bpf_program__attach(of_tracepoints[i]);
		error = (int)libbpf_get_error(*links[i]);
		if (error)
			*links[i] = NULL;
	}
	return error ? os_bpf_fail(fault, error, "attach the programs that follow sockets") : 0;
}

int socket_events_open(bool every_state, const struct socket_events_taker *taker, struct socket_events **events, struct weir_fault *fault)
{
	struct socket_events *made;
	int error = os_bpf_probe(fault);

	if (error)
		return error;
	made = calloc(1, sizeof *made);
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to follow sockets");
	made->taker = *taker;
	error = load(made, every_state, fault);
	if (!error) {
		made->ring = ring_buffer__new(bpf_map__fd(made->programs->maps.events), take, made, NULL);
		error = made->ring ? attach(made, fault) : os_bpf_fail(fault, errno, "map the kernel's events");
	}
	if (error) {
		socket_events_close(made);
		return error;
	}
	*events = made;
	return 0;
}

void socket_events_close(struct socket_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < sizeof events->cgroup / sizeof *events->cgroup; i++)
		bpf_link__destroy(events->cgroup[i]);
	ring_buffer__free(events->ring);
	sockets_bpf__destroy(events->programs);
	free(events);
}

void socket_events_drain(struct socket_events *events) { ring_buffer__consume(events->ring); }

void socket_events_wait(struct socket_events *events, int timeout_ms)
{
	/* Telling is left to drain: what is polled here is only whether there is much. */
	struct pollfd ready = {.fd = ring_buffer__epoll_fd(events->ring), .events = POLLIN};
	poll(&ready, 1, timeout_ms);
}

/* Reads what an iterator tells; processes that it speaks of are in the ring. */
static int iterate(struct socket_events *events, struct bpf_program *program, const struct bpf_iter_attach_opts *over, struct weir_fault *fault)
{
	struct socket_event records[128];
	size_t have = 0;
	ssize_t n;
	struct bpf_link *link = bpf_program__attach_iter(program, over);
	int error = (int)libbpf_get_error(link);

	if (error)
		return os_bpf_fail(fault, error, "look at the sockets that are there");
	int fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		error = errno;
		bpf_link__destroy(link);
		return os_bpf_fail(fault, error, "look at the sockets that are there");
	}
	while ((n = read(fd, (char *)records + have, sizeof records - have)) > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		size_t whole = (have += n > 0 ? (size_t)n : 0) / sizeof *records;
		socket_events_drain(events);
		for (size_t i = 0; i < whole; i++)
			events->taker.socket(&records[i], events->taker.argument);
		have -= whole * sizeof *records;
		memmove(records, records + whole, have);
	}
	error = n < 0 ? errno : 0;
	close(fd);
	bpf_link__destroy(link);
	return error ? weir_fail_errno(fault, error, NULL, "could not look at the sockets that are there") : 0;
}

int socket_events_look(struct socket_events *events, struct weir_fault *fault)
{
	return iterate(events, events->programs->progs.look_at_files, NULL, fault);
}

int socket_events_figures(struct socket_events *events, bool tcp, struct weir_fault *fault)
{
	struct sockets_bpf *programs = events->programs;
	union bpf_iter_link_info map = {.map.map_fd = (uint32_t)bpf_map__fd(programs->maps.sockets)};
	LIBBPF_OPTS(bpf_iter_attach_opts, over, .link_info = &map, .link_info_len = sizeof map);
	int error = tcp ? iterate(events, programs->progs.look_at_tcp, NULL, fault) : 0;

	if (!error)
		error = iterate(events, programs->progs.look_at_udp, NULL, fault);
	/* Relaxed: what is carried from now on is seen by this look, or raises it again. */
	if (!error && __atomic_exchange_n(&programs->bss->others, 0, __ATOMIC_RELAXED))
		error = iterate(events, programs->progs.look_at_others, &over, fault);
	return error;
}

uint64_t socket_events_taken(const struct socket_events *events) { return events->taken; }

/* Relaxed: a number for people, and a hint to look again. */
uint64_t socket_events_lost(const struct socket_events *events) { return __atomic_load_n(&events->programs->bss->lost, __ATOMIC_RELAXED); }

bool socket_events_see_use(const struct socket_events *events) { return events->sees_use; }

void socket_events_tell_again(struct socket_events *events)
{
	/* Relaxed: whoever sees the old number tells once more the next time. */
	__atomic_fetch_add(&events->programs->data->generation, 1, __ATOMIC_RELAXED);
}

#else

int socket_events_open(bool every_state, const struct socket_events_taker *taker, struct socket_events **events, struct weir_fault *fault)
{
	return os_bpf_probe(fault);
}

void socket_events_close(struct socket_events *events) {}
void socket_events_drain(struct socket_events *events) {}
void socket_events_wait(struct socket_events *events, int timeout_ms) {}
int socket_events_look(struct socket_events *events, struct weir_fault *fault) { return os_bpf_probe(fault); }
int socket_events_figures(struct socket_events *events, bool tcp, struct weir_fault *fault) { return os_bpf_probe(fault); }
void socket_events_tell_again(struct socket_events *events) {}
uint64_t socket_events_taken(const struct socket_events *events) { return 0; }
uint64_t socket_events_lost(const struct socket_events *events) { return 0; }
bool socket_events_see_use(const struct socket_events *events) { return false; }

#endif
