/*
 * The kernel's side of weir trace. A program is loaded only when its provider is wanted, and decides by constants what an event has to be like: what nobody
 * wants does not get as far as the ring. Every event that is wanted is counted before it asks for room, and once more when there was none.
 */
#include "packet_tuple.h"

#include <bpf/bpf_tracing.h>

#include "trace_events.h"

#define CONNECTIONS 65536
#define REQUESTS 16384
#define DEVICES 256

const volatile __u32 only_pid = 0;
const volatile __u64 wanted[TRACE_KERNEL_PROVIDERS] = {0}; /* bit 1 << event */
const volatile bool has_reason = true;
const volatile __u32 wake_bytes = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRACE_KERNEL_PROVIDERS);
	__type(key, __u32);
	__type(value, struct trace_count);
} counts SEC(".maps");

/* Who has a socket, by its cookie: for what happens to it in interrupts. */
struct owner {
	__u32 pid, tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS);
	__type(key, __u64);
	__type(value, struct owner);
} owners SEC(".maps");

struct issued {
	__u64 time;
	__u32 pid, tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, REQUESTS);
	__type(key, __u64);
	__type(value, struct issued);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DEVICES);
	__type(key, __u64);
	__type(value, __s64);
} depths SEC(".maps");

/* Whether this CPU serves a softirq: the kernel's own count can be read on few kernels. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} serving SEC(".maps");

static __always_inline int serve(__u32 whether)
{
	__u32 key = 0, *flag = bpf_map_lookup_elem(&serving, &key);

	if (flag)
		*flag = whether;
	return 0;
}

SEC("raw_tp/softirq_entry")
int softirq_entry(void *context)
{
	return serve(1);
}

SEC("raw_tp/softirq_exit")
int softirq_exit(void *context)
{
	return serve(0);
}

static __always_inline bool in_interrupt(void)
{
	__u32 key = 0, *flag = bpf_map_lookup_elem(&serving, &key);
	return flag && *flag;
}

static __always_inline bool is_wanted(int provider, int event)
{
	return wanted[provider] >> event & 1;
}

/* Room for an event, with its head filled in but for who did it. NULL: it is not wanted, or lost. */
static __always_inline void *begin(int provider, int event, __u64 size)
{
	__u32 key = (__u32)provider;
	struct trace_count *count = bpf_map_lookup_elem(&counts, &key);

	if (!count)
		return NULL;
	__sync_fetch_and_add(&count->sent, 1);
	struct trace_head *head = bpf_ringbuf_reserve(&events, sizeof *head + size, 0);
	if (!head) {
		__sync_fetch_and_add(&count->lost, 1);
		return NULL;
	}
	head->time = bpf_ktime_get_ns();
	head->cpu = (__u16)bpf_get_smp_processor_id();
	head->provider = (__u8)provider;
	head->event = (__u8)event;
	head->flags = 0;
	head->padding[0] = 0;
	head->length = (__u16)size;
	head->activity = 0;
	return head;
}

/* Wakes who reads only when there is much to read; it looks often enough by itself. */
static __always_inline void end(void *head)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	bpf_ringbuf_submit(head, waiting >= wake_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void by_task(struct trace_head *head, const struct task_struct *task)
{
	head->pid = (__u32)task->tgid;
	head->tid = (__u32)task->pid;
	head->user = task->utime;
	head->system = task->stime;
	head->runtime = task->se.sum_exec_runtime;
	if (bpf_core_field_exists(task->prev_cputime)) {
		head->told_user = task->prev_cputime.utime;
		head->told_system = task->prev_cputime.stime;
	} else {
		head->told_user = head->told_system = ~0ULL;
	}
	__builtin_memcpy(head->name, task->comm, sizeof head->name);
}

static __always_inline void by_nobody(struct trace_head *head, const struct owner *owner)
{
	head->pid = owner ? owner->pid : 0;
	head->tid = owner ? owner->tid : 0;
	head->user = head->system = head->runtime = head->told_user = head->told_system = 0;
	__builtin_memset(head->name, 0, sizeof head->name);
	head->flags = TRACE_FLAG_INTERRUPT;
}

/* By the thread that runs, unless it only happened to: then by whoever has the socket, where that is known. */
static __always_inline void by_current(struct trace_head *head, bool interrupt, const struct owner *owner)
{
	if (interrupt)
		by_nobody(head, owner);
	else
		by_task(head, bpf_get_current_task_btf());
}

static __always_inline bool not_the_one(bool interrupt, const struct owner *owner)
{
	if (!only_pid)
		return false;
	if (interrupt)
		return !owner || owner->pid != only_pid;
	return bpf_get_current_pid_tgid() >> 32 != only_pid;
}

/* ---- sched ---- */

static __always_inline int switched(struct task_struct *previous, struct task_struct *next)
{
	if (!is_wanted(TRACE_SCHED, SCHED_SWITCH))
		return 0;
	if (only_pid && (__u32)previous->tgid != only_pid && (__u32)next->tgid != only_pid)
		return 0;
	struct trace_head *head = begin(TRACE_SCHED, SCHED_SWITCH, sizeof(struct trace_switch));
	if (!head)
		return 0;
	struct trace_switch *event = (void *)(head + 1);
	by_task(head, previous);
	if (bpf_core_field_exists(previous->__state))
		event->state = previous->__state;
	else
		event->state = (__u32)((struct task_struct___old *)previous)->state;
	event->priority = (__u32)previous->prio;
	event->next_pid = (__u32)next->tgid;
	event->next_tid = (__u32)next->pid;
	event->next_priority = (__u32)next->prio;
	__builtin_memcpy(event->next_name, next->comm, sizeof event->next_name);
	end(head);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempted, struct task_struct *previous, struct task_struct *next)
{
	return switched(previous, next);
}

/* ---- process ---- */

static __always_inline struct trace_process *process_event(struct trace_head *head, struct task_struct *task)
{
	struct trace_process *event = (void *)(head + 1);

	__builtin_memset(event, 0, sizeof *event);
	by_task(head, task);
	event->parent = (__u32)task->real_parent->tgid;
	event->child = (__u32)task->tgid;
	event->child_thread = (__u32)task->pid;
	event->started = task->group_leader->start_boottime;
	head->activity = event->started;
	__builtin_memcpy(event->child_name, task->comm, sizeof event->child_name);
	return event;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	int id = child->pid == child->tgid ? PROCESS_START : PROCESS_THREAD_START;

	if (!is_wanted(TRACE_PROCESS, id) || (only_pid && (__u32)parent->tgid != only_pid && (__u32)child->tgid != only_pid))
		return 0;
	struct trace_head *head = begin(TRACE_PROCESS, id, sizeof(struct trace_process));
	if (!head)
		return 0;
	process_event(head, child);
	/* Who did it is who forked. */
	by_task(head, parent);
	((struct trace_process *)(head + 1))->parent = (__u32)parent->tgid;
	end(head);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	if (!is_wanted(TRACE_PROCESS, PROCESS_EXEC) || (only_pid && (__u32)task->tgid != only_pid))
		return 0;
	struct trace_head *head = begin(TRACE_PROCESS, PROCESS_EXEC, sizeof(struct trace_process));
	if (!head)
		return 0;
	struct trace_process *event = process_event(head, task);
	bpf_probe_read_kernel_str(event->path, sizeof event->path, program->filename);
	end(head);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	int id = task->signal->live.counter == 0 ? PROCESS_EXIT : PROCESS_THREAD_EXIT;

	if (!is_wanted(TRACE_PROCESS, id) || (only_pid && (__u32)task->tgid != only_pid))
		return 0;
	struct trace_head *head = begin(TRACE_PROCESS, id, sizeof(struct trace_process));
	if (!head)
		return 0;
	struct trace_process *event = process_event(head, task);
	event->code = (__u32)(task->exit_code >> 8) & 0xff;
	event->signal = (__u32)task->exit_code & 0x7f;
	end(head);
	return 0;
}

/* ---- disk ---- */

static __always_inline __u64 device_of(const struct request *request, __u32 *major, __u32 *minor)
{
	const struct gendisk *disk = request->q->disk;

	*major = disk ? (__u32)disk->major : 0;
	*minor = disk ? (__u32)disk->first_minor : 0;
	return (__u64)*major << 32 | *minor;
}

static __always_inline __u32 depth_after(__u64 device, __s64 change)
{
	__s64 none = 0, *depth = bpf_map_lookup_elem(&depths, &device);

	if (!depth) {
		bpf_map_update_elem(&depths, &device, &none, BPF_NOEXIST);
		depth = bpf_map_lookup_elem(&depths, &device);
		if (!depth)
			return 0;
	}
	__s64 now = __sync_fetch_and_add(depth, change) + change;
	return now > 0 ? (__u32)now : 0;
}

static __always_inline struct trace_disk *disk_event(struct trace_head *head, const struct request *request)
{
	struct trace_disk *event = (void *)(head + 1);
	__u32 major, minor;

	__builtin_memset(event, 0, sizeof *event);
	device_of(request, &major, &minor);
	event->major = major;
	event->minor = minor;
	event->operation = request->cmd_flags & 0xff;
	event->flags = request->cmd_flags >> 8;
	event->sector = request->__sector;
	event->bytes = request->__data_len;
	head->activity = (__u64)(unsigned long)request;
	return event;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(disk_issue, struct request *request)
{
	__u64 key = (__u64)(unsigned long)request, pid_tgid = bpf_get_current_pid_tgid();
	bool interrupt = in_interrupt();
	struct issued issued = {.time = bpf_ktime_get_ns()};
	__u32 major, minor;

	if (!interrupt) {
		issued.pid = pid_tgid >> 32;
		issued.tid = (__u32)pid_tgid;
	}
	/* What the driver gave back for want of room is issued again, and completed once. */
	bool again = bpf_map_lookup_elem(&requests, &key);
	bpf_map_update_elem(&requests, &key, &issued, BPF_ANY);
	__u32 depth = depth_after(device_of(request, &major, &minor), again ? 0 : 1);
	if (!is_wanted(TRACE_DISK, DISK_ISSUE) || not_the_one(interrupt, NULL))
		return 0;
	struct trace_head *head = begin(TRACE_DISK, DISK_ISSUE, sizeof(struct trace_disk));
	if (!head)
		return 0;
	struct trace_disk *event = disk_event(head, request);
	event->latency = ~0ULL;
	event->depth = depth;
	by_current(head, interrupt, NULL);
	end(head);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(disk_complete, struct request *request, int error, unsigned int bytes)
{
	__u64 key = (__u64)(unsigned long)request, now = bpf_ktime_get_ns();
	struct issued *found, issued = {0};
	__u32 major, minor, depth = 0;

	/* A part of it: the rest comes in another. */
	if (bytes < request->__data_len)
		return 0;
	found = bpf_map_lookup_elem(&requests, &key);
	if (found) {
		issued = *found;
		bpf_map_delete_elem(&requests, &key);
		depth = depth_after(device_of(request, &major, &minor), -1);
	}
	struct owner owner = {issued.pid, issued.tid};
	if (!is_wanted(TRACE_DISK, DISK_COMPLETE) || not_the_one(true, &owner))
		return 0;
	struct trace_head *head = begin(TRACE_DISK, DISK_COMPLETE, sizeof(struct trace_disk));
	if (!head)
		return 0;
	struct trace_disk *event = disk_event(head, request);
	event->error = error;
	event->latency = found ? now - issued.time : ~0ULL;
	event->depth = depth;
	by_nobody(head, &owner);
	end(head);
	return 0;
}

/* ---- net.drop ---- */

SEC("raw_tp/kfree_skb")
int net_drop(struct bpf_raw_tracepoint_args *context)
{
	const struct sk_buff *skb = (const struct sk_buff *)context->args[0];
	__u32 reason = has_reason ? (__u32)context->args[2] : 2;
	int id = reason == 2 ? DROP_UNSPECIFIED : DROP_PACKET;
	const struct sock *sk = BPF_CORE_READ(skb, sk);

	if (!is_wanted(TRACE_DROP, id))
		return 0;
	__u64 cookie = sk ? (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) : 0;
	struct owner *owner = cookie ? bpf_map_lookup_elem(&owners, &cookie) : NULL;
	bool interrupt = in_interrupt();
	if (not_the_one(interrupt, owner))
		return 0;
	struct trace_head *head = begin(TRACE_DROP, id, sizeof(struct trace_drop));
	if (!head)
		return 0;
	struct trace_drop *event = (void *)(head + 1);
	struct tuple tuple = {0};
	if (!tuple_of_packet(&tuple, skb) && sk)
		tuple_of_socket(&tuple, sk);
	event->reason = reason;
	event->location = context->args[1];
	event->interface = (__u32)BPF_CORE_READ(skb, dev, ifindex);
	if (!event->interface)
		event->interface = (__u32)BPF_CORE_READ(skb, skb_iif);
	event->bytes = BPF_CORE_READ(skb, len);
	event->ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	event->tuple = tuple;
	head->activity = cookie;
	by_current(head, interrupt, owner);
	end(head);
	return 0;
}

/* ---- tcp ---- */

enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECEIVED = 3, CLOSED = 7, LISTEN = 10, NEW_SYN_RECEIVED = 12 };

static __always_inline void tcp_figures(struct trace_tcp *event, const struct sock *sk)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sk;

	event->bytes_sent = BPF_CORE_READ(tcp, bytes_acked);
	event->bytes_received = BPF_CORE_READ(tcp, bytes_received);
	/* Kept in eighths of a microsecond. */
	event->rtt_ns = (__u64)BPF_CORE_READ(tcp, srtt_us) * 125;
	event->retransmissions = BPF_CORE_READ(tcp, total_retrans);
}

static __always_inline int tcp_event(int id, struct sock *sk, const struct sk_buff *skb, int before, int after, __u64 cookie)
{
	struct owner *owner = cookie ? bpf_map_lookup_elem(&owners, &cookie) : NULL;
	/* A SYN that is answered, a retransmission, the end: whose socket it is counts, not what happened to run. */
	bool interrupt = in_interrupt();

	if (!is_wanted(TRACE_TCP, id) || not_the_one(interrupt, owner))
		return 0;
	struct trace_head *head = begin(TRACE_TCP, id, sizeof(struct trace_tcp));
	if (!head)
		return 0;
	struct trace_tcp *event = (void *)(head + 1);
	struct tuple tuple = {0};
	__builtin_memset(event, 0, sizeof *event);
	if (sk) {
		tuple_of_socket(&tuple, sk);
		if (after != LISTEN && before != LISTEN && after != NEW_SYN_RECEIVED)
			tcp_figures(event, sk);
	} else if (skb) {
		tuple_of_packet(&tuple, skb);
	}
	event->tuple = tuple;
	event->before = (__u8)before;
	event->after = (__u8)after;
	event->passive = before == SYN_RECEIVED;
	head->activity = cookie;
	by_current(head, interrupt, owner);
	end(head);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int before, int after)
{
	int id = after == SYN_SENT                                          ? TCP_CONNECT
	         : after == ESTABLISHED && (before == SYN_SENT || before == SYN_RECEIVED) ? TCP_ESTABLISHED
	         : after == CLOSED                                          ? TCP_CLOSE
	         : after == LISTEN                                          ? TCP_LISTEN
	                                                                    : TCP_STATE;
	if (sk->sk_protocol != TUPLE_TCP)
		return 0;
	__u64 cookie = bpf_get_socket_cookie(sk);
	if (id == TCP_CONNECT || id == TCP_LISTEN) {
		__u64 id_of = bpf_get_current_pid_tgid();
		struct owner owner = {id_of >> 32, (__u32)id_of};
		bpf_map_update_elem(&owners, &cookie, &owner, BPF_ANY);
	}
	tcp_event(id, sk, NULL, before, after, cookie);
	if (id == TCP_CLOSE)
		bpf_map_delete_elem(&owners, &cookie);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_retransmit, struct sock *sk, const struct sk_buff *skb)
{
	return tcp_event(TCP_RETRANSMIT, sk, skb, sk->__sk_common.skc_state, sk->__sk_common.skc_state, bpf_get_socket_cookie(sk));
}

/* Without a socket its packet is the one that is answered. */
SEC("raw_tp/tcp_send_reset")
int tcp_reset_sent(struct bpf_raw_tracepoint_args *context)
{
	struct sock *sk = (struct sock *)context->args[0];
	int state = sk ? BPF_CORE_READ(sk, __sk_common.skc_state) : 0;
	__u64 cookie = sk ? (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) : 0;

	/* The socket that listens stands for those that do not, and one in TIME_WAIT is no whole one. */
	if (state == LISTEN || state == 6 || state == NEW_SYN_RECEIVED)
		sk = NULL;
	return tcp_event(TCP_RESET_SENT, sk, (const struct sk_buff *)context->args[1], state, state, sk ? cookie : 0);
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_reset_received, struct sock *sk)
{
	return tcp_event(TCP_RESET_RECEIVED, sk, NULL, sk->__sk_common.skc_state, sk->__sk_common.skc_state, bpf_get_socket_cookie(sk));
}

/* accept(2) has returned: the file that it made has the socket. */
struct exit_of_call {
	__u64 common;
	long number, returned;
};

static __always_inline int accepted(const struct exit_of_call *context)
{
	if (context->returned < 0)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct file **table = BPF_CORE_READ(task, files, fdt, fd), *file = NULL;
	unsigned int most = BPF_CORE_READ(task, files, fdt, max_fds);
	if ((unsigned long)context->returned >= most || bpf_probe_read_kernel(&file, sizeof file, table + context->returned))
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != TUPLE_TCP)
		return 0;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != FAMILY_INET && family != FAMILY_INET6)
		return 0;
	__u64 cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter), id = bpf_get_current_pid_tgid();
	struct owner owner = {id >> 32, (__u32)id};
	if (cookie)
		bpf_map_update_elem(&owners, &cookie, &owner, BPF_ANY);
	int state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return tcp_event(TCP_ACCEPT, sk, NULL, state, state, cookie);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int tcp_accept4(struct exit_of_call *context)
{
	return accepted(context);
}

SEC("tracepoint/syscalls/sys_exit_accept")
int tcp_accept(struct exit_of_call *context)
{
	return accepted(context);
}

/* ---- udp ---- */

static __always_inline int datagram(struct __sk_buff *skb, int id)
{
	__u8 head[48] = {0};
	struct tuple tuple = {0};
	__u64 cookie = bpf_get_socket_cookie(skb);
	bool interrupt = id == UDP_ARRIVE;
	struct owner *owner = NULL;

	if (bpf_skb_load_bytes(skb, 0, head, 20) || bpf_skb_load_bytes(skb, 0, head, skb->len < sizeof head ? 28 : sizeof head))
		return 1;
	if ((head[0] >> 4 == 4 ? head[9] : head[6]) != TUPLE_UDP || (head[0] >> 4 == 4 && head[0] != 0x45))
		return 1;
	tuple.protocol = TUPLE_UDP;
	__u32 transport = 20;
	if (head[0] >> 4 == 4) {
		tuple.source.version = tuple.destination.version = 4;
		__builtin_memcpy(tuple.source.bytes, head + 12, 4);
		__builtin_memcpy(tuple.destination.bytes, head + 16, 4);
		tuple.source_port = head[20] << 8 | head[21];
		tuple.destination_port = head[22] << 8 | head[23];
	} else {
		transport = 40;
		tuple.source.version = tuple.destination.version = 6;
		__builtin_memcpy(tuple.source.bytes, head + 8, 16);
		__builtin_memcpy(tuple.destination.bytes, head + 24, 16);
		tuple.source_port = head[40] << 8 | head[41];
		tuple.destination_port = head[42] << 8 | head[43];
	}
	if (id == UDP_SEND) {
		__u64 task = bpf_get_current_pid_tgid();
		struct owner now = {task >> 32, (__u32)task};
		bpf_map_update_elem(&owners, &cookie, &now, BPF_ANY);
	} else {
		owner = bpf_map_lookup_elem(&owners, &cookie);
	}
	if (!is_wanted(TRACE_UDP, id) || not_the_one(interrupt, owner))
		return 1;
	struct trace_head *event_head = begin(TRACE_UDP, id, sizeof(struct trace_udp));
	if (!event_head)
		return 1;
	struct trace_udp *event = (void *)(event_head + 1);
	event->tuple = tuple;
	event->bytes = skb->len - transport - 8;
	event_head->activity = cookie;
	by_current(event_head, interrupt, owner);
	end(event_head);
	return 1;
}

SEC("cgroup_skb/egress")
int udp_send(struct __sk_buff *skb)
{
	return datagram(skb, UDP_SEND);
}

SEC("cgroup_skb/ingress")
int udp_arrive(struct __sk_buff *skb)
{
	return datagram(skb, UDP_ARRIVE);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(udp_receive, struct sock *sk, int bytes, int flags)
{
	__u64 cookie, task = bpf_get_current_pid_tgid();

	/* Peeked at, or read from the error queue: it comes again, or did not come. */
	if (bytes < 0 || flags & (2 | 0x2000) || sk->sk_protocol != TUPLE_UDP || sk->sk_type != 2)
		return 0;
	if (sk->__sk_common.skc_family != FAMILY_INET && sk->__sk_common.skc_family != FAMILY_INET6)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	struct owner now = {task >> 32, (__u32)task};
	bpf_map_update_elem(&owners, &cookie, &now, BPF_ANY);
	if (!is_wanted(TRACE_UDP, UDP_RECEIVE) || not_the_one(false, NULL))
		return 0;
	struct trace_head *head = begin(TRACE_UDP, UDP_RECEIVE, sizeof(struct trace_udp));
	if (!head)
		return 0;
	struct trace_udp *event = (void *)(head + 1);
	struct tuple from = {0}, tuple;
	tuple_of_socket(&from, sk);
	/* It came from the other end. */
	tuple.protocol = from.protocol;
	tuple.source = from.destination;
	tuple.destination = from.source;
	tuple.source_port = from.destination_port;
	tuple.destination_port = from.source_port;
	event->tuple = tuple;
	event->bytes = (__u32)bytes;
	head->activity = cookie;
	by_current(head, false, NULL);
	end(head);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
