/* Events of the kernel's programs (bpf/trace.bpf.c), from their ring: the kernel's side of box/trace.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box/linux/kernel_names.h"
#include "box/trace.h"
#include "config.h"
#include "core/clock.h"
#include "os/bpf.h"

#ifdef HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/trace.h"
#include "trace.skel.h"

#define BUFFER_LEAST (UINT64_C(256) << 10)
#define BUFFER_DEFAULT (UINT64_C(16) << 20)
#define BUFFER_MOST (UINT64_C(1) << 30)
#define LINKS_MOST 32

struct trace_kernel {
	struct trace_bpf *programs;
	struct ring_buffer *ring;
	struct kernel_names *names;
	struct btf *types;
	struct bpf_link *links[LINKS_MOST];
	size_t link_count;
	int cgroup;
	unsigned cpus;
	int64_t offset_ns, offset_at_ns; /* of the clock of packets to the monotonic one, and when that was looked at */
	struct trace_count *counts;      /* of all CPUs, for one look */
	struct trace_kernel_options options;
	bool stopped;
	uint64_t taken;
};

/* The clock may be set while we run: looked at ten times a second, between two looks at the other. */
static void follow_clock(struct trace_kernel *kernel)
{
	int64_t best = INT64_MAX, now = clock_monotonic_ns();

	if (kernel->offset_at_ns && now - kernel->offset_at_ns < NS_PER_SECOND / 10)
		return;
	for (int i = 0; i < 5; i++) {
		int64_t before = clock_monotonic_ns(), wall = clock_wall_ns(), after = clock_monotonic_ns();
		if (after - before < best) {
			best = after - before;
			kernel->offset_ns = wall - (before + best / 2);
		}
	}
	kernel->offset_at_ns = now;
}

/*
 * What getrusage(2) makes of a task's times. Where the kernel counts user and kernel time by ticks it scales them to the run time, which is exact, and
 * lets neither go back (cputime_adjust in kernel/sched/cputime.c). Where it does not keep what it told last, times are exact as they stand.
 */
static void scale_times(const struct trace_head *head, uint64_t *user, uint64_t *system)
{
	uint64_t runtime = head->runtime, u = head->user, s = head->system;

	if (head->told_user == UINT64_MAX) {
		*user = u;
		*system = s;
		return;
	}
	if (head->told_user + head->told_system >= runtime) {
		*user = head->told_user;
		*system = head->told_system;
		return;
	}
	if (s == 0)
		u = runtime;
	else if (u == 0)
		s = runtime;
	else
		s = (uint64_t)((unsigned __int128)s * runtime / (s + u));
	if (s > runtime)
		s = runtime;
	if (s < head->told_system)
		s = head->told_system;
	u = runtime - s;
	if (u < head->told_user) {
		u = head->told_user;
		s = runtime - u;
	}
	*user = u;
	*system = s;
}

static int take(void *argument, void *data, size_t size)
{
	struct trace_kernel *kernel = argument;
	const struct trace_head *head = data;
	uint8_t payload[TRACE_PAYLOAD_MOST];

	if (size < sizeof *head || head->length > size - sizeof *head || head->length > sizeof payload || head->provider >= TRACE_KERNEL_PROVIDERS)
		return 0;
	const struct trace_provider *provider = NULL;
	for (size_t i = 0; kernel->options.providers[i] && !provider; i++)
		if (kernel->options.providers[i]->shown.id == head->provider)
			provider = kernel->options.providers[i];
	if (!provider)
		return 0;
	struct weir_trace_event event = {
		.time_ns = (int64_t)head->time + kernel->offset_ns,
		.process_id = head->pid,
		.thread_id = head->tid,
		.activity = head->activity,
		.cpu = head->cpu,
		.flags = head->flags & TRACE_FLAG_INTERRUPT ? WEIR_TRACE_IN_INTERRUPT | WEIR_TRACE_NO_CPU_TIME : 0,
		.provider = &provider->shown,
		.payload = {(const uint8_t *)(head + 1), head->length},
	};
	if (!(event.flags & WEIR_TRACE_NO_CPU_TIME))
		scale_times(head, &event.user_ns, &event.kernel_ns);
	memcpy(event.name, head->name, sizeof event.name);
	if (provider->complete) {
		memcpy(payload, head + 1, head->length);
		event.payload = (struct weir_bytes){payload, provider->complete(kernel->names, payload, head->length)};
	}
	kernel->taken++;
	return kernel->options.event(kernel->options.argument, head->provider, &event, head->event);
}

static bool kernel_has(const struct trace_kernel *kernel, const struct trace_program *program)
{
	char name[96];

	if (!program->tracepoint)
		return true;
	snprintf(name, sizeof name, "btf_trace_%s", program->tracepoint);
	return btf__find_by_name_kind(kernel->types, name, BTF_KIND_TYPEDEF) > 0;
}

/* Says once what a provider's events miss. */
static void tell(struct text *lack, const char *line)
{
	if (!strstr(text_string(lack), line))
		text_add_format(lack, "%s%s", lack->length ? "\n" : "", line);
}

/* Leaves out providers that lack what they can't be without. */
static void choose(struct trace_kernel *kernel, struct text *lack)
{
	const struct trace_provider **providers = kernel->options.providers;
	size_t kept = 0;

	for (size_t i = 0; providers[i]; i++) {
		bool fine = true;
		for (const struct trace_program *program = providers[i]->programs; program->name && fine; program++) {
			if (kernel_has(kernel, program))
				continue;
			char line[160];
			if (program->optional) {
				tell(lack, program->optional);
				continue;
			}
			snprintf(line, sizeof line, "%s: this kernel has no tracepoint %s", providers[i]->shown.name, program->tracepoint);
			tell(lack, line);
			fine = false;
		}
		if (fine)
			providers[kept++] = providers[i];
	}
	providers[kept] = NULL;
}

static int load(struct trace_kernel *kernel, struct weir_fault *fault)
{
	struct bpf_program *program;

	if (!(kernel->programs = trace_bpf__open()))
		return os_bpf_fail(fault, errno, "open the programs that trace");
	uint64_t buffer = kernel->options.buffer_bytes ? kernel->options.buffer_bytes : BUFFER_DEFAULT;
	kernel->programs->rodata->only_pid = kernel->options.pid;
	kernel->programs->rodata->has_reason = kernel_drop_reasons(kernel->names) > 0;
	kernel->programs->rodata->wake_bytes = (uint32_t)(buffer / 4);
	for (unsigned i = 0; i < TRACE_KERNEL_PROVIDERS; i++)
		kernel->programs->rodata->wanted[i] = kernel->options.wanted[i];
	int refused = bpf_map__set_max_entries(kernel->programs->maps.events, (uint32_t)buffer);
	bpf_object__for_each_program(program, kernel->programs->obj) bpf_program__set_autoload(program, false);
	for (size_t i = 0; kernel->options.providers[i]; i++)
		for (const struct trace_program *wanted = kernel->options.providers[i]->programs; wanted->name; wanted++)
			if (kernel_has(kernel, wanted) && (program = bpf_object__find_program_by_name(kernel->programs->obj, wanted->name)))
				bpf_program__set_autoload(program, true);
	if (!refused)
		refused = trace_bpf__load(kernel->programs);
	return refused ? os_bpf_fail(fault, refused, "load the programs that trace") : 0;
}

static int attach_program(struct trace_kernel *kernel, const struct trace_program *wanted, struct text *lack, struct weir_fault *fault)
{
	struct bpf_program *program = bpf_object__find_program_by_name(kernel->programs->obj, wanted->name);

	if (!program || bpf_program__fd(program) < 0)
		return 0;
	if (wanted->cgroup && kernel->cgroup < 0) {
		char path[2048];
		int error = os_cgroup_root(path, sizeof path, fault);
		if (error)
			return error;
		kernel->cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (kernel->cgroup < 0)
			return weir_fail_errno(fault, errno, path, "could not open the root of cgroup v2");
	}
	struct bpf_link *link = wanted->cgroup ? bpf_program__attach_cgroup(program, kernel->cgroup) : bpf_program__attach(program);
	long refused = libbpf_get_error(link);
	if (!refused) {
		kernel->links[kernel->link_count++] = link;
		return 0;
	}
	if (wanted->optional) {
		tell(lack, wanted->optional);
		return 0;
	}
	return os_bpf_fail(fault, (int)refused, "attach the programs that trace");
}

/* Programs that several providers have are attached once. */
static bool attached_before(const struct trace_kernel *kernel, size_t provider, const char *name)
{
	for (size_t i = 0; i < provider; i++)
		for (const struct trace_program *program = kernel->options.providers[i]->programs; program->name; program++)
			if (strcmp(program->name, name) == 0)
				return true;
	return false;
}

static int attach(struct trace_kernel *kernel, struct text *lack, struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; kernel->options.providers[i] && !error; i++)
		for (const struct trace_program *program = kernel->options.providers[i]->programs; program->name && !error; program++)
			if (kernel->link_count < LINKS_MOST && !attached_before(kernel, i, program->name))
				error = attach_program(kernel, program, lack, fault);
	return error;
}

static int prepare(struct trace_kernel *kernel, struct text *lack, struct weir_fault *fault)
{
	int error = kernel_names_open(&kernel->names, fault);

	if (error)
		return error;
	kernel->types = btf__load_vmlinux_btf();
	if (libbpf_get_error(kernel->types)) {
		kernel->types = NULL;
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "could not read the kernel's types");
	}
	choose(kernel, lack);
	if (!kernel->options.providers[0])
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "this kernel has no tracepoints for it: %s", text_string(lack));
	for (size_t i = 0; kernel->options.providers[i]; i++)
		if (kernel->options.providers[i]->learn)
			kernel->options.providers[i]->learn(kernel->names);
	error = load(kernel, fault);
	if (error)
		return error;
	int cpus = libbpf_num_possible_cpus();
	kernel->cpus = cpus > 0 ? (unsigned)cpus : 1;
	kernel->counts = calloc(kernel->cpus, sizeof *kernel->counts);
	kernel->ring = ring_buffer__new(bpf_map__fd(kernel->programs->maps.events), take, kernel, NULL);
	if (!kernel->counts || libbpf_get_error(kernel->ring)) {
		kernel->ring = NULL;
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the ring of events");
	}
	follow_clock(kernel);
	return attach(kernel, lack, fault);
}

int trace_kernel_open(struct trace_kernel_options *options, struct text *lack, struct trace_kernel **kernel, struct weir_fault *fault)
{
	uint64_t buffer = options->buffer_bytes;
	int error = os_bpf_probe(fault);

	if (error < 0)
		return error;
	if (buffer && (buffer < BUFFER_LEAST || buffer > BUFFER_MOST || (buffer & (buffer - 1))))
		return weir_fail(fault, WEIR_E_USAGE, "a buffer for events has 256 KiB to 1 GiB, a power of two");
	struct trace_kernel *made = calloc(1, sizeof *made);
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to trace");
	made->options = *options;
	made->cgroup = -1;
	error = prepare(made, lack, fault);
	memcpy(options->providers, made->options.providers, sizeof options->providers);
	if (error) {
		trace_kernel_close(made);
		return error;
	}
	*kernel = made;
	return 0;
}

int trace_kernel_poll(struct trace_kernel *kernel)
{
	follow_clock(kernel);
	kernel->taken = 0;
	int result = ring_buffer__consume(kernel->ring);
	return result < 0 ? result : (int)(kernel->taken > INT32_MAX ? INT32_MAX : kernel->taken);
}

int trace_kernel_descriptor(const struct trace_kernel *kernel) { return ring_buffer__epoll_fd(kernel->ring); }

/* Runs that the kernel left out because the program was running on that CPU already: an event of ours each, or one that nobody wanted. */
static uint64_t recursion(const struct trace_kernel *kernel, const struct trace_provider *provider)
{
	uint64_t sum = 0;

	for (const struct trace_program *wanted = provider->programs; wanted->name; wanted++) {
		struct bpf_program *program = bpf_object__find_program_by_name(kernel->programs->obj, wanted->name);
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof info;
		if (strncmp(wanted->name, "softirq", 7) == 0 || !program || bpf_program__fd(program) < 0)
			continue;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
			sum += info.recursion_misses;
	}
	return sum;
}

void trace_kernel_stop(struct trace_kernel *kernel)
{
	if (kernel->stopped)
		return;
	for (size_t i = 0; i < kernel->link_count; i++)
		bpf_link__destroy(kernel->links[i]);
	kernel->link_count = 0;
	kernel->stopped = true;
}

unsigned trace_kernel_cpus(const struct trace_kernel *kernel) { return kernel->cpus; }

void trace_kernel_count(struct trace_kernel *kernel, unsigned provider, uint32_t cpu, uint64_t *sent, uint64_t *lost)
{
	*sent = *lost = 0;
	if (provider >= TRACE_KERNEL_PROVIDERS)
		return;
	if (cpu == WEIR_TRACE_ANY_CPU) {
		for (size_t i = 0; kernel->options.providers[i]; i++)
			if (kernel->options.providers[i]->shown.id == provider)
				*sent = *lost = recursion(kernel, kernel->options.providers[i]);
	} else if (cpu < kernel->cpus && bpf_map_lookup_elem(bpf_map__fd(kernel->programs->maps.counts), &provider, kernel->counts) == 0) {
		*sent = kernel->counts[cpu].sent;
		*lost = kernel->counts[cpu].lost;
	}
}


void trace_kernel_close(struct trace_kernel *kernel)
{
	if (!kernel)
		return;
	trace_kernel_stop(kernel);
	ring_buffer__free(kernel->ring);
	trace_bpf__destroy(kernel->programs);
	if (kernel->types)
		btf__free(kernel->types);
	kernel_names_close(kernel->names);
	if (kernel->cgroup >= 0)
		close(kernel->cgroup);
	free(kernel->counts);
	free(kernel);
}

#else

int trace_kernel_open(struct trace_kernel_options *options, struct text *lack, struct trace_kernel **kernel, struct weir_fault *fault)
{
	return os_bpf_probe(fault);
}
int trace_kernel_poll(struct trace_kernel *kernel) { return 0; }
int trace_kernel_descriptor(const struct trace_kernel *kernel) { return -1; }
void trace_kernel_stop(struct trace_kernel *kernel) {}
unsigned trace_kernel_cpus(const struct trace_kernel *kernel) { return 0; }
void trace_kernel_count(struct trace_kernel *kernel, unsigned provider, uint32_t cpu, uint64_t *sent, uint64_t *lost) { *sent = *lost = 0; }
void trace_kernel_close(struct trace_kernel *kernel) {}

#endif
