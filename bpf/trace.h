/* bpf/trace.h: what the tracing programs hand to user space. */
#ifndef BPF_TRACE_H
#define BPF_TRACE_H

#include "tuple.h"

enum {
	TRACE_TCP = 1,
	TRACE_UDP = 2,
	TRACE_SCHED = 3,
	TRACE_DISK = 4,
	TRACE_PROCESS = 5,
	TRACE_DROP = 6,
	TRACE_KERNEL_PROVIDERS = 7, /* those of the kernel are below */
	TRACE_LINK = 7,
	TRACE_WEIR = 8,
	TRACE_DNS = 9,
	TRACE_HTTP = 10,
	TRACE_OWN = 32, /* where programs' own begin */
};

enum { TCP_CONNECT = 1, TCP_ACCEPT, TCP_ESTABLISHED, TCP_CLOSE, TCP_RETRANSMIT, TCP_RESET_SENT, TCP_RESET_RECEIVED, TCP_LISTEN, TCP_STATE };
enum { UDP_SEND = 1, UDP_RECEIVE, UDP_ARRIVE };
enum { SCHED_SWITCH = 1 };
enum { DISK_ISSUE = 1, DISK_COMPLETE };
enum { PROCESS_START = 1, PROCESS_EXEC, PROCESS_EXIT, PROCESS_THREAD_START, PROCESS_THREAD_EXIT };
enum { DROP_PACKET = 1, DROP_UNSPECIFIED };

#define TRACE_FLAG_INTERRUPT 1

/* What stands before every event of the ring: a multiple of eight bytes, so that what follows is aligned. */
struct trace_head {
	__u64 time; /* CLOCK_MONOTONIC */
	__u64 user, system, runtime, told_user, told_system; /* of the thread, as its task has them: see trace_kernel.c */
	__u64 activity;
	__u32 pid, tid;
	char name[16];
	__u16 cpu;
	__u8 provider, event, flags;
	__u8 padding[1];
	__u16 length; /* of what follows */
};

struct trace_count {
	__u64 sent, lost;
};

struct trace_tcp {
	struct tuple tuple;
	__u8 before, after;
	__u8 passive;
	__u64 bytes_sent, bytes_received;
	__u64 rtt_ns;
	__u32 retransmissions;
} __attribute__((packed));

struct trace_udp {
	struct tuple tuple;
	__u32 bytes;
} __attribute__((packed));

struct trace_switch {
	__u32 state, priority;
	__u32 next_pid, next_tid, next_priority;
	char next_name[16];
} __attribute__((packed));

struct trace_disk {
	__u32 major, minor;
	__u8 operation;
	__u32 flags;
	__u64 sector;
	__u32 bytes;
	__s32 error;
	__u64 latency;
	__u32 depth;
} __attribute__((packed));

struct trace_process {
	__u32 parent, child;
	__u32 child_thread;
	__u32 code, signal;
	__u64 started;
	char child_name[16];
	char path[128];
} __attribute__((packed));

struct trace_drop {
	__u32 reason;
	__u64 location;
	__u32 interface, bytes;
	__u16 ethertype;
	struct tuple tuple;
} __attribute__((packed));

#endif
