/*
 * bpf/stack.h: the kernel's structs that the tracing programs read, as in kernel.h only the members that are read. A header of its own, because a program
 * includes one or the other: what follows sockets needs little of the packets and tasks, and the other way round.
 */
#ifndef BPF_STACK_H
#define BPF_STACK_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic64_t;

struct prev_cputime {
	__u64 utime, stime;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct signal_struct {
	atomic_t live;
	int group_exit_code;
};

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	unsigned int __state;
	int prio;
	struct sched_entity se;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	__u64 utime, stime;
	struct prev_cputime prev_cputime;
	__u64 start_boottime;
	char comm[16];
	struct files_struct *files;
	struct signal_struct *signal;
};

/* Before Linux 5.14. */
struct task_struct___old {
	volatile long state;
};

struct linux_binprm {
	const char *filename;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	union {
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
};

/* skc_num is given back before the last change of state; this one stays. */
struct inet_sock {
	__be16 inet_sport;
};

struct socket {
	struct sock *sk;
};

struct tcp_sock {
	__u64 bytes_received, bytes_acked;
	__u32 srtt_us, total_retrans;
};

struct net_device {
	int ifindex;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	int skb_iif;
	__be16 protocol;
	__u16 transport_header, network_header, mac_header;
	unsigned char *head, *data;
};

struct gendisk {
	int major, first_minor;
};

struct request_queue {
	struct gendisk *disk;
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	__u64 __sector;
};

enum skb_drop_reason { SKB_DROP_REASON_OF_KERNEL };

#pragma clang attribute pop

#endif
