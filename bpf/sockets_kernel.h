/*
 * bpf/sockets_kernel.h: further members of the kernel's structs, as bpf/kernel.h has them. What stands behind ___ in a name is no part of it.
 */
#ifndef BPF_SOCKETS_KERNEL_H
#define BPF_SOCKETS_KERNEL_H

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common___sockets {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	struct in6_addr_kernel skc_v6_daddr, skc_v6_rcv_saddr;
	unsigned long skc_flags;
};

struct sock___sockets {
	struct sock_common___sockets __sk_common;
	__u16 sk_type, sk_protocol;
	__u32 sk_ack_backlog, sk_max_ack_backlog;
};

struct counter___sockets {
	int counter;
};

struct refcount___sockets {
	struct counter___sockets refs;
};

struct sock___queues {
	struct refcount___sockets sk_wmem_alloc;
	struct {
		struct counter___sockets rmem_alloc;
	} sk_backlog;
};

struct tcp_sock {
	__u64 bytes_sent, bytes_retrans, bytes_received;
	__u32 segs_in, segs_out, srtt_us, total_retrans, write_seq, snd_una, rcv_nxt, copied_seq;
};

struct udp_sock;

struct mptcp_sock {
	struct sock *first;
};

struct kuid___sockets {
	__u32 val;
};

struct cred___sockets {
	struct kuid___sockets euid;
};

struct qstr___sockets {
	const unsigned char *name;
};

struct dentry___sockets {
	struct dentry___sockets *d_parent;
	struct qstr___sockets d_name;
};

struct vfsmount___sockets {
	struct dentry___sockets *mnt_root;
};

struct mount___sockets {
	struct mount___sockets *mnt_parent;
	struct dentry___sockets *mnt_mountpoint;
	struct vfsmount___sockets mnt;
};

struct path___sockets {
	struct vfsmount___sockets *mnt;
	struct dentry___sockets *dentry;
};

struct socket {
	struct sock *sk;
};

struct file___sockets {
	struct path___sockets f_path;
	void *private_data;
	const void *f_op;
};

struct mm_struct___sockets {
	struct file___sockets *exe_file;
};

struct fdtable___sockets {
	unsigned int max_fds;
	struct file___sockets **fd;
};

struct files_struct___sockets {
	struct fdtable___sockets *fdt;
};

struct task_struct___sockets {
	int pid, tgid;
	struct task_struct___sockets *group_leader;
	__u64 start_time;
	struct mm_struct___sockets *mm;
	const struct cred___sockets *cred;
	struct files_struct___sockets *files;
	char comm[16];
};

struct seq_file;
struct file;
struct task_struct;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs___sockets {
	unsigned long orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___sockets {
	int syscallno;
};
#else
struct pt_regs___sockets;
#endif

#pragma clang attribute pop

#endif
