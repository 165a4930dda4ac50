/*
 * bpf/sockets_told.h: what is kept of each socket and process, and how events are filled in and told. Of sockets.bpf.c, as bpf/sockets_looks.h.
 */
#ifndef BPF_SOCKETS_TOLD_H
#define BPF_SOCKETS_TOLD_H

#include "kernel.h"
#include "sockets.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { INET = 2, INET6 = 10 };
enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58, UDPLITE = 136 };
enum { PEEK = 2, ERROR_QUEUE = 0x2000 }; /* flags of recv(2): what is read so did not come, or comes again */
/*
 * Numbers from here on are the kernel's own. A socket of MPTCP is none of TCP, and nothing leaves from it: it has TCP connections, which are sockets that are
 * followed as all others are.
 */
enum { MPTCP = 262, PROTOCOLS = 256 };
enum { STREAM = 1, DATAGRAM = 2, RAW = 3 };
enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECEIVED = 3, CLOSED = 7, LISTEN = 10, NEW_SYN_RECEIVED = 12 };
#define SOCK_DONE 1 /* bit of skc_flags: the other side's FIN has come */
#define ROOM_BEFORE_WAKING (1u << 20)
#define PATH_NAMES_MOST 48
/* What sums of figures are mixed with: one that grows by as much as another shrinks (a segment that acknowledges a byte) shows all the same. */
#define MIX 0x9e3779b97f4a7c15ull

const volatile __u64 namespace_cookie = 0; /* the network namespace that we follow */
const volatile bool every_state = false;   /* not only when TCP connections begin and end */
const volatile int accept_number = -1, accept4_number = -1; /* of the system calls */

struct addresses {
	__u8 local[16], remote[16];
	__u16 local_port, remote_port;
};

struct followed {
	__u32 pid, user_id; /* of who used it last; 0: nobody known */
	__u64 program;      /* what that process ran: its memory */
	__u64 credentials;  /* where those of the thread that used it last are */
	__u64 opened;       /* 0: before we looked */
	__u64 since;        /* what a coming change of addresses may be so since; 0: since it was opened */
	__u64 bytes_sent, bytes_received, packets_sent, packets_received;
	__u64 generation;   /* at which it was told */
	__u64 figures;      /* a sum that tells whether they have changed since they were told */
	struct addresses told;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct followed);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

/* Events for which there was no room. In memory that user space has mapped: it reads it without a right. */
__u64 lost = 0;
/* User space raises it when it has to be told of everything anew, since events were lost: each socket when it is used next. */
__u64 generation = 1;

/* A socket other than TCP's and UDP's has carried something: user space sets it back before it looks at those (look_at_others). */
__u64 others = 0;

/* The processes that were told: which program each ran. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

static void count_lost(void) { __sync_fetch_and_add(&lost, 1); }

/* User space looks by itself now and then: it is woken only when room gets short. */
static __u64 waking(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > ROOM_BEFORE_WAKING ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static void tell(const struct socket_event *event)
{
	if (bpf_ringbuf_output(&events, (void *)event, sizeof *event, waking()))
		count_lost();
}

/* The names of a file's path from the last to the first, over the mounts that it lies under. */
static void put_path(struct process_event *event, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mount = (void *)((char *)vfsmount - bpf_core_field_offset(struct mount, mnt));
	__u32 at = 0;

	for (int i = 0; i < PATH_NAMES_MOST && at < PROCESS_PATH_MOST; i++) {
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
			if (parent == mount || !parent) {
				event->path_whole = 1;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = parent;
			continue;
		}
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		if (parent == dentry || !parent) {
			event->path_whole = 1;
			break;
		}
		long length = bpf_probe_read_kernel_str(&event->path[at], 256, BPF_CORE_READ(dentry, d_name.name));
		if (length <= 1 || length > 256)
			break;
		at += length;
		dentry = parent;
	}
	event->path_length = at;
}

static __u64 program_of(struct task_struct *task)
{
	return (__u64)BPF_CORE_READ(task, mm) ?: 1;
}

static __u32 user_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, cred, euid.val);
}

/* Says which program a process is, once, and again when it has become another. */
static void tell_process(struct task_struct *task, __u32 pid)
{
	__u64 program = program_of(task), *before = bpf_map_lookup_elem(&processes, &pid);
	__u64 started = BPF_CORE_READ(task, group_leader, start_time), mark = program ^ started << 1 ^ generation << 48;

	if (before && *before == mark)
		return;
	struct process_event *event = bpf_ringbuf_reserve(&events, sizeof *event, 0);
	if (!event) {
		count_lost();
		return;
	}
	event->kind = SOCKET_PROCESS;
	event->path_whole = 0;
	event->path_length = 0;
	event->unused = 0;
	event->pid = pid;
	event->user_id = user_of(task);
	event->started = started;
	BPF_CORE_READ_INTO(&event->name, task, group_leader, comm);
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	if (file)
		put_path(event, file);
	bpf_ringbuf_submit(event, waking());
	bpf_map_update_elem(&processes, &pid, &mark, BPF_ANY);
}

/* The calling process used the socket. Whether that is another than before, or the same as another user. */
static bool used_by_caller(struct followed *followed)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 program = program_of(task), credentials = (__u64)BPF_CORE_READ(task, cred);
	bool same = followed->pid == pid && followed->program == program && followed->generation == generation;

	if (same && followed->credentials == credentials)
		return false;
	__u32 user_id = user_of(task);
	followed->credentials = credentials;
	if (same && followed->user_id == user_id)
		return false;
	followed->pid = pid;
	followed->program = program;
	followed->user_id = user_id;
	tell_process(task, pid);
	return true;
}

static void put_holder(struct socket_event *event, const struct followed *followed)
{
	event->pid = followed->pid;
	event->user_id = followed->pid ? followed->user_id : SOCKET_NO_USER;
	event->opened = followed->opened;
}

static void put_figures(struct socket_event *event, struct followed *followed)
{
	event->bytes_sent = followed->bytes_sent;
	event->bytes_received = followed->bytes_received;
	event->packets_sent = followed->packets_sent;
	event->packets_received = followed->packets_received;
	event->rtt_ns = SOCKET_NOT_KNOWN;
}

static void put_tcp_figures(struct socket_event *event, struct tcp_sock *tcp)
{
	struct sock *sk = (void *)tcp;

	/* What is sent anew is in the first and in the second; the FIN counts as a byte that was received. */
	event->bytes_sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
	event->bytes_received = BPF_CORE_READ(tcp, bytes_received);
	if (event->bytes_received && BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1)
		event->bytes_received--;
	event->packets_sent = BPF_CORE_READ(tcp, segs_out);
	event->packets_received = BPF_CORE_READ(tcp, segs_in);
	event->rtt_ns = (__u64)(BPF_CORE_READ(tcp, srtt_us) >> 3) * 1000 ?: SOCKET_NOT_KNOWN;
	event->retransmissions = BPF_CORE_READ(tcp, total_retrans);
	event->send_queue = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
	event->receive_queue = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);
}

/* Everything that a socket says of itself. */
static void put_socket(struct socket_event *event, struct sock *sk)
{

	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->protocol = BPF_CORE_READ(sk, sk_protocol);
	event->type = BPF_CORE_READ(sk, sk_type);
	event->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	event->interface_index = BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
	event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (event->family == INET6) {
		BPF_CORE_READ_INTO(&event->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, sk, __sk_common.skc_v6_daddr);
		event->only_v6 = BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_ipv6only) ? SOCKET_ONLY_V6_YES : SOCKET_ONLY_V6_NO;
		return;
	}
	__u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	__builtin_memcpy(event->local, &local, 4);
	__builtin_memcpy(event->remote, &remote, 4);
}

/* A socket that is no whole one. */
static void put_short(struct socket_event *event, struct sock_common *common)
{
	__u8 state = BPF_CORE_READ(common, skc_state);

	event->family = BPF_CORE_READ(common, skc_family);
	event->protocol = TCP;
	event->type = STREAM;
	event->state = state == NEW_SYN_RECEIVED ? SYN_RECEIVED : state;
	event->cookie = BPF_CORE_READ(common, skc_cookie.counter);
	event->user_id = SOCKET_NO_USER;
	event->local_port = BPF_CORE_READ(common, skc_num);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	event->bytes_sent = event->bytes_received = event->packets_sent = event->packets_received = SOCKET_NOT_KNOWN;
	if (event->family == INET6) {
		BPF_CORE_READ_INTO(&event->local, common, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, common, skc_v6_daddr);
		return;
	}
	__u32 local = BPF_CORE_READ(common, skc_rcv_saddr), remote = BPF_CORE_READ(common, skc_daddr);
	__builtin_memcpy(event->local, &local, 4);
	__builtin_memcpy(event->remote, &remote, 4);
}

static bool is_followed(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == INET || family == INET6) && BPF_CORE_READ(sk, sk_protocol) < PROTOCOLS &&
	       BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie) == namespace_cookie;
}

/* Of a socket of MPTCP its first connection; any other is its own. */
static struct sock *connection_of(struct sock *sk)
{
	if (bpf_core_field_exists(struct mptcp_sock, first) && BPF_CORE_READ(sk, sk_protocol) == MPTCP)
		return BPF_CORE_READ((struct mptcp_sock *)sk, first);
	return sk;
}

static bool same_address(const void *a, const void *b)
{
	const __u64 *one = a, *other = b;

	return one[0] == other[0] && one[1] == other[1];
}

static bool addresses_differ(const struct followed *followed, const struct socket_event *event)
{
	return followed->generation != generation || followed->told.local_port != event->local_port || followed->told.remote_port != event->remote_port ||
	       !same_address(followed->told.local, event->local) || !same_address(followed->told.remote, event->remote);
}

static void put_told(struct socket_event *event, const struct followed *followed)
{
	__builtin_memcpy(event->local, followed->told.local, 16);
	__builtin_memcpy(event->remote, followed->told.remote, 16);
	event->local_port = followed->told.local_port;
	event->remote_port = followed->told.remote_port;
}

static void remember_addresses(struct followed *followed, const struct socket_event *event)
{
	__builtin_memcpy(followed->told.local, event->local, 16);
	__builtin_memcpy(followed->told.remote, event->remote, 16);
	followed->told.local_port = event->local_port;
	followed->told.remote_port = event->remote_port;
	followed->since = event->time;
	followed->generation = generation;
}

/* ---- what the programs of a cgroup see ---- */

static void put_kind(struct socket_event *event, const struct bpf_sock *sk)
{
	event->family = sk->family;
	event->protocol = sk->protocol;
	event->type = sk->type;
}

static void put_seen(struct socket_event *event, const struct bpf_sock *sk)
{
	put_kind(event, sk);
	event->state = sk->state;
	event->interface_index = sk->bound_dev_if;
	event->local_port = sk->src_port;
	event->remote_port = bpf_ntohs(sk->dst_port);
	if (event->family == INET6) {
		__u32 *local = (__u32 *)event->local, *remote = (__u32 *)event->remote;
		local[0] = sk->src_ip6[0], local[1] = sk->src_ip6[1], local[2] = sk->src_ip6[2], local[3] = sk->src_ip6[3];
		remote[0] = sk->dst_ip6[0], remote[1] = sk->dst_ip6[1], remote[2] = sk->dst_ip6[2], remote[3] = sk->dst_ip6[3];
		return;
	}
	*(__u32 *)event->local = sk->src_ip4;
	*(__u32 *)event->remote = sk->dst_ip4;
}

/*
 * Whether it takes IPv6 alone, which what the cgroup's programs see does not have. What they are given is the kernel's own socket, but reading on from there
 * takes a number: the verifier lets nobody calculate with that pointer.
 */
static void put_only_v6(struct socket_event *event, const struct bpf_sock *sk)
{
	const struct bpf_sock *given = sk;
	const struct sock *own = 0;

	if (event->family == INET6 && !bpf_probe_read_kernel(&own, sizeof own, &given))
		event->only_v6 = BPF_CORE_READ_BITFIELD_PROBED(&own->__sk_common, skc_ipv6only) ? SOCKET_ONLY_V6_YES : SOCKET_ONLY_V6_NO;
}

#endif
