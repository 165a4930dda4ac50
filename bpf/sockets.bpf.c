/*
 * Follows every TCP, UDP, ping and raw socket of one network namespace: who uses it, which addresses it has, its states, what it has carried. Says so to user space when
 * something changes, never for each packet or each call.
 *
 * Each socket has a struct followed for as long as it lives. Who holds it is the process that used it last, seen where it does so: making, binding, listening,
 * connecting, accepting, and after each sending or receiving. A UDP socket's port is known before its first packet leaves since a program looks at what goes
 * out, and TCP's when it connects. Nothing tells who sends there: a packet may leave while another process runs.
 */
#include "sockets.h"
#include "sockets_kernel.h"

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

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
static void put_path(struct process_event *event, struct file___sockets *file)
{
	struct dentry___sockets *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount___sockets *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct mount___sockets *mount = (void *)((char *)vfsmount - bpf_core_field_offset(struct mount___sockets, mnt));
	__u32 at = 0;

	for (int i = 0; i < PATH_NAMES_MOST && at < PROCESS_PATH_MOST; i++) {
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount___sockets *parent = BPF_CORE_READ(mount, mnt_parent);
			if (parent == mount || !parent) {
				event->path_whole = 1;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = parent;
			continue;
		}
		struct dentry___sockets *parent = BPF_CORE_READ(dentry, d_parent);
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

static __u64 program_of(struct task_struct___sockets *task)
{
	return (__u64)BPF_CORE_READ(task, mm) ?: 1;
}

static __u32 user_of(struct task_struct___sockets *task)
{
	return BPF_CORE_READ(task, cred, euid.val);
}

/* Says which program a process is, once, and again when it has become another. */
static void tell_process(struct task_struct___sockets *task, __u32 pid)
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
	struct file___sockets *file = BPF_CORE_READ(task, mm, exe_file);
	if (file)
		put_path(event, file);
	bpf_ringbuf_submit(event, waking());
	bpf_map_update_elem(&processes, &pid, &mark, BPF_ANY);
}

/* The calling process used the socket. Whether that is another than before, or the same as another user. */
static bool used_by_caller(struct followed *followed)
{
	struct task_struct___sockets *task = (void *)bpf_get_current_task();
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
	struct sock___sockets *sk = (void *)tcp;

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
	struct sock___sockets *more = (void *)sk;

	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->protocol = BPF_CORE_READ(more, sk_protocol);
	event->type = BPF_CORE_READ(more, sk_type);
	event->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	event->interface_index = BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
	event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (event->family == INET6) {
		BPF_CORE_READ_INTO(&event->local, more, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, more, __sk_common.skc_v6_daddr);
		event->only_v6 = BPF_CORE_READ_BITFIELD_PROBED(&more->__sk_common, skc_ipv6only) ? SOCKET_ONLY_V6_YES : SOCKET_ONLY_V6_NO;
		return;
	}
	__u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	__builtin_memcpy(event->local, &local, 4);
	__builtin_memcpy(event->remote, &remote, 4);
}

/* A socket that is no whole one. */
static void put_short(struct socket_event *event, struct sock_common *common)
{
	struct sock_common___sockets *more = (void *)common;
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
		BPF_CORE_READ_INTO(&event->local, more, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, more, skc_v6_daddr);
		return;
	}
	__u32 local = BPF_CORE_READ(common, skc_rcv_saddr), remote = BPF_CORE_READ(common, skc_daddr);
	__builtin_memcpy(event->local, &local, 4);
	__builtin_memcpy(event->remote, &remote, 4);
}

static bool is_followed(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == INET || family == INET6) && BPF_CORE_READ((struct sock___sockets *)sk, sk_protocol) < PROTOCOLS &&
	       BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie) == namespace_cookie;
}

/* Of a socket of MPTCP its first connection; any other is its own. */
static struct sock *connection_of(struct sock *sk)
{
	if (bpf_core_field_exists(struct mptcp_sock, first) && BPF_CORE_READ((struct sock___sockets *)sk, sk_protocol) == MPTCP)
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

/* ---- TCP ---- */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int state)
{
	struct sock___sockets *more = (void *)sk;
	struct socket_event event = {.kind = SOCKET_STATE, .before = before, .time = bpf_ktime_get_ns()};

	/* A socket made for a connection that comes has no addresses yet. */
	if (BPF_CORE_READ(more, sk_protocol) != TCP || state == SYN_RECEIVED || !is_followed(sk))
		return 0;
	bool first = before == SYN_RECEIVED || state == SYN_SENT || state == LISTEN;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 0;
	if (!followed->opened && first)
		followed->opened = event.time;
	if (state == SYN_SENT || state == LISTEN) {
		followed->since = event.time;
		used_by_caller(followed);
	}
	if (!first && !every_state && state != CLOSED && !(before == SYN_SENT && state == ESTABLISHED))
		return 0;
	put_socket(&event, sk);
	event.state = state;
	event.cookie = bpf_get_socket_cookie(sk);
	event.since = followed->since;
	put_holder(&event, followed);
	put_tcp_figures(&event, (struct tcp_sock *)sk);
	remember_addresses(followed, &event);
	tell(&event);
	return 0;
}

static void put_kind(struct socket_event *event, const struct bpf_sock *sk)
{
	event->family = sk->family;
	event->protocol = sk->protocol;
	event->type = sk->type;
}

/* What the cgroup's programs see of a socket. */
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
	const struct sock___sockets *more = 0;

	if (event->family == INET6 && !bpf_probe_read_kernel(&more, sizeof more, &given))
		event->only_v6 = BPF_CORE_READ_BITFIELD_PROBED(&more->__sk_common, skc_ipv6only) ? SOCKET_ONLY_V6_YES : SOCKET_ONLY_V6_NO;
}

/* Before a SYN is sent. The change of state before it does not have the port yet. */
SEC("sockops")
int on_connecting(struct bpf_sock_ops *context)
{
	struct bpf_sock *sk = context->sk;

	/* The reply is left as it is: it may be that of another's program, of a cgroup below; the kernel takes its own value when nobody replied. */
	if (context->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	struct followed *followed = sk ? bpf_sk_storage_get(&sockets, sk, 0, 0) : 0;
	if (!followed)
		return 1;
	struct socket_event event = {.kind = SOCKET_TUPLE, .time = bpf_ktime_get_ns(), .protocol = TCP};
	put_seen(&event, sk);
	event.protocol = TCP;
	event.state = SYN_SENT;
	event.cookie = bpf_get_socket_cookie(context);
	event.since = followed->since;
	put_holder(&event, followed);
	put_figures(&event, followed);
	remember_addresses(followed, &event);
	tell(&event);
	return 1;
}

/* ---- other sockets: what goes out ---- */

/* The identifier of an echo that a raw socket sends: 0 when it is none. */
static __u16 echo_identifier(struct __sk_buff *packet, __u8 family)
{
	__u8 first = 0, header[8] = {0};
	__u32 at = 40;

	if (family == INET) {
		if (bpf_skb_load_bytes(packet, 0, &first, 1))
			return 0;
		at = (first & 15) * 4;
	}
	if (bpf_skb_load_bytes(packet, at, header, 8) || header[0] != (family == INET ? 8 : 128))
		return 0;
	return header[4] << 8 | header[5];
}

SEC("cgroup_skb/egress")
int on_leaving(struct __sk_buff *packet)
{
	struct bpf_sock *sk = packet->sk;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol == TCP)
		return 1;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!followed)
		return 1;
	struct socket_event event = {.kind = SOCKET_TUPLE};
	put_seen(&event, sk);
	if (event.type == RAW)
		event.local_port = event.protocol == ICMP || event.protocol == ICMPV6 ? echo_identifier(packet, event.family) : 0;
	if (!addresses_differ(followed, &event))
		return 1;
	put_only_v6(&event, sk);
	event.time = bpf_ktime_get_ns();
	event.cookie = bpf_get_socket_cookie(packet);
	event.since = followed->since;
	put_holder(&event, followed);
	put_figures(&event, followed);
	remember_addresses(followed, &event);
	tell(&event);
	return 1;
}

/* ---- what processes do with sockets ---- */

SEC("cgroup/sock_create")
int on_made(struct bpf_sock *sk)
{
	if ((sk->family != INET && sk->family != INET6) || sk->protocol >= PROTOCOLS || bpf_get_netns_cookie(sk) != namespace_cookie)
		return 1;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 1;
	struct socket_event event = {.kind = SOCKET_MADE, .time = bpf_ktime_get_ns()};
	followed->opened = event.time;
	used_by_caller(followed);
	if (sk->type != RAW)
		return 1;
	put_kind(&event, sk);
	event.cookie = bpf_get_socket_cookie(sk);
	event.thread_id = (__u32)bpf_get_current_pid_tgid();
	put_holder(&event, followed);
	put_figures(&event, followed);
	tell(&event);
	return 1;
}

static __always_inline int bound(struct bpf_sock *sk, __u8 family)
{
	if (sk->protocol >= PROTOCOLS || bpf_get_netns_cookie(sk) != namespace_cookie)
		return 1;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 1;
	used_by_caller(followed);
	if (sk->protocol == TCP)
		return 1;
	struct socket_event event = {.kind = SOCKET_BOUND, .time = bpf_ktime_get_ns()};
	put_kind(&event, sk);
	if (family == INET) {
		*(__u32 *)event.local = sk->src_ip4;
	} else {
		__u32 *local = (__u32 *)event.local;
		local[0] = sk->src_ip6[0], local[1] = sk->src_ip6[1], local[2] = sk->src_ip6[2], local[3] = sk->src_ip6[3];
	}
	put_only_v6(&event, sk);
	event.state = CLOSED;
	event.local_port = sk->src_port;
	event.cookie = bpf_get_socket_cookie(sk);
	event.since = event.time;
	event.thread_id = (__u32)bpf_get_current_pid_tgid();
	if (event.type == RAW)
		event.local_port = 0;
	put_holder(&event, followed);
	put_figures(&event, followed);
	remember_addresses(followed, &event);
	tell(&event);
	return 1;
}

SEC("cgroup/post_bind4")
int on_bound4(struct bpf_sock *sk) { return bound(sk, INET); }
SEC("cgroup/post_bind6")
int on_bound6(struct bpf_sock *sk) { return bound(sk, INET6); }

/* A socket other than TCP is connected, or sends to an address: just before it. */
static int addressed(struct bpf_sock_addr *context)
{
	struct bpf_sock *sk = context->sk;

	if (!sk || sk->protocol == TCP || sk->protocol >= PROTOCOLS || bpf_get_netns_cookie(context) != namespace_cookie)
		return 1;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 1;
	struct socket_event event = {.kind = SOCKET_USED};
	bool other = used_by_caller(followed);
	put_seen(&event, sk);
	if (event.type == RAW)
		event.local_port = followed->told.local_port;
	if (!other && !addresses_differ(followed, &event))
		return 1;
	event.time = bpf_ktime_get_ns();
	if (!event.local_port && event.type != RAW) {
		/* Its port is chosen between this and the first packet. */
		followed->since = event.time;
		return 1;
	}
	put_only_v6(&event, sk);
	event.cookie = bpf_get_socket_cookie(context);
	event.since = followed->since;
	event.thread_id = (__u32)bpf_get_current_pid_tgid();
	put_holder(&event, followed);
	put_figures(&event, followed);
	remember_addresses(followed, &event);
	tell(&event);
	return 1;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *context) { return addressed(context); }
SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *context) { return addressed(context); }
SEC("cgroup/sendmsg4")
int on_send4(struct bpf_sock_addr *context) { return addressed(context); }
SEC("cgroup/sendmsg6")
int on_send6(struct bpf_sock_addr *context) { return addressed(context); }

SEC("cgroup/sock_release")
int on_released(struct bpf_sock *sk)
{
	/* Of TCP only what is closed already and changes its state no more, so that nothing else tells that it goes. */
	if (sk->protocol == TCP && sk->state != CLOSED)
		return 1;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!followed || (sk->protocol == TCP && !followed->generation))
		return 1;
	struct socket_event event = {.kind = SOCKET_CLOSED, .time = bpf_ktime_get_ns()};
	put_kind(&event, sk);
	put_told(&event, followed);
	event.cookie = bpf_get_socket_cookie(sk);
	put_holder(&event, followed);
	put_figures(&event, followed);
	tell(&event);
	return 1;
}

/* After bytes were sent or received. */
static int carried(struct sock *sk, int length, bool sent)
{
	struct sock___sockets *more = (void *)sk;

	if (length < 0 || !is_followed(sk))
		return 0;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 0;
	__u16 protocol = BPF_CORE_READ(more, sk_protocol);
	if (protocol != TCP) {
		__sync_fetch_and_add(sent ? &followed->bytes_sent : &followed->bytes_received, length);
		__sync_fetch_and_add(sent ? &followed->packets_sent : &followed->packets_received, 1);
		if (protocol != UDP && !others)
			others = 1;
	}
	bool other = used_by_caller(followed);
	if (protocol == TCP && !other)
		return 0;
	struct socket_event event = {.kind = SOCKET_USED};
	put_socket(&event, sk);
	if (event.type == RAW)
		event.local_port = followed->told.local_port;
	if (!other && !addresses_differ(followed, &event))
		return 0;
	event.time = bpf_ktime_get_ns();
	event.cookie = bpf_get_socket_cookie(sk);
	event.since = followed->since;
	event.thread_id = (__u32)bpf_get_current_pid_tgid();
	put_holder(&event, followed);
	if (protocol == TCP)
		put_tcp_figures(&event, (struct tcp_sock *)sk);
	else
		put_figures(&event, followed);
	remember_addresses(followed, &event);
	tell(&event);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_sent, struct sock *sk, int length, int flags) { return carried(sk, length, true); }

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_received, struct sock *sk, int length, int flags) { return flags & (PEEK | ERROR_QUEUE) ? 0 : carried(sk, length, false); }

/* Nothing else tells who accepted. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_call_ended, struct pt_regs___sockets *registers, long result)
{
#if defined(__TARGET_ARCH_x86)
	long number = BPF_CORE_READ(registers, orig_ax);
#elif defined(__TARGET_ARCH_arm64)
	long number = BPF_CORE_READ(registers, syscallno);
#else
	long number = -2; /* none: there it is seen when it is used first */
#endif
	if ((number != accept4_number && number != accept_number) || result < 0)
		return 0;
	struct task_struct___sockets *task = (void *)bpf_get_current_task();
	struct fdtable___sockets *table = BPF_CORE_READ(task, files, fdt);
	struct file___sockets **slot = BPF_CORE_READ(table, fd), *file = 0;
	if (result >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof file, slot + result) || !file)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = connection_of(BPF_CORE_READ(socket, sk));
	struct sock___sockets *more = (void *)sk;
	if (!sk || !is_followed(sk) || BPF_CORE_READ(more, sk_protocol) != TCP)
		return 0;
	struct socket_event event = {.kind = SOCKET_ACCEPTED, .time = bpf_ktime_get_ns(), .rtt_ns = SOCKET_NOT_KNOWN};
	put_socket(&event, sk);
	put_tcp_figures(&event, (struct tcp_sock *)sk);
	event.cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	__u64 who = bpf_get_current_pid_tgid();
	event.pid = who >> 32;
	event.thread_id = (__u32)who;
	event.user_id = user_of(task);
	if (!event.cookie)
		return 0;
	tell_process(task, event.pid);
	tell(&event);
	return 0;
}

/* ---- what was there before ---- */

SEC("iter/task_file")
int look_at_files(struct bpf_iter__task_file *context)
{
	struct file *file = context->file;
	struct task_struct___sockets *task = (void *)context->task;

	if (!file || !task)
		return 0;
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	struct sock *sk = socket->sk;
	struct followed *followed = 0;
	if (!sk)
		return 0;
	struct socket_event event = {.kind = SOCKET_HELD, .time = bpf_ktime_get_ns()};
	if (BPF_CORE_READ((struct sock___sockets *)sk, sk_protocol) == MPTCP) {
		struct sock *connection = connection_of(sk);
		if (!connection || !is_followed(connection))
			return 0;
		event.cookie = BPF_CORE_READ(connection, __sk_common.skc_cookie.counter);
		if (!event.cookie)
			return 0; /* nothing has been told of it */
		put_socket(&event, connection);
		put_tcp_figures(&event, (struct tcp_sock *)connection);
	} else {
		if (!is_followed(sk))
			return 0;
		followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		put_socket(&event, sk);
		event.cookie = bpf_get_socket_cookie(sk);
	}
	event.pid = BPF_CORE_READ(task, tgid);
	event.user_id = user_of(task);
	if (followed && event.protocol == TCP) {
		put_tcp_figures(&event, (struct tcp_sock *)sk);
		if (event.state == CLOSED)
			followed->generation = generation; /* told: so its end has to be */
	} else if (followed) {
		put_figures(&event, followed);
	}
	if (event.type == RAW)
		event.local_port = followed ? followed->told.local_port : 0;
	tell_process(task, event.pid);
	bpf_seq_write(context->meta->seq, &event, sizeof event);
	return 0;
}

/* ---- what they carry ---- */

SEC("iter/tcp")
int look_at_tcp(struct bpf_iter__tcp *context)
{
	struct sock_common *common = context->sk_common;
	struct socket_event event = {.kind = SOCKET_FIGURES, .rtt_ns = SOCKET_NOT_KNOWN};

	if (!common)
		return 0;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp) {
		/* Waiting for its end, or for the third segment of the handshake: no whole socket. */
		event.time = bpf_ktime_get_ns();
		put_short(&event, common);
		bpf_seq_write(context->meta->seq, &event, sizeof event);
		return 0;
	}
	struct followed *followed = bpf_sk_storage_get(&sockets, tcp, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 0;
	/* Most have done nothing since the last look: what tells that is read without a helper. */
	__u8 state = common->skc_state;
	__u64 figures = tcp->segs_out + tcp->segs_in + (tcp->rcv_nxt - tcp->copied_seq) * MIX + (tcp->write_seq - tcp->snd_una) * MIX * MIX + ((__u64)state << 56);
	if (state == LISTEN)
		figures += BPF_CORE_READ((struct sock___sockets *)tcp, sk_ack_backlog) * MIX;
	figures ^= generation << 48 ^ 1;
	if (figures == followed->figures)
		return 0;
	followed->figures = figures;
	event.time = bpf_ktime_get_ns();
	put_tcp_figures(&event, tcp);
	event.state = state;
	if (state == LISTEN) {
		struct sock___sockets *more = (void *)tcp;
		event.receive_queue = BPF_CORE_READ(more, sk_ack_backlog);
		event.send_queue = BPF_CORE_READ(more, sk_max_ack_backlog);
	}
	put_socket(&event, (struct sock *)tcp);
	event.cookie = bpf_get_socket_cookie(tcp);
	put_holder(&event, followed);
	bpf_seq_write(context->meta->seq, &event, sizeof event);
	return 0;
}

/* Of a socket that carries datagrams, when they have changed since they were told. */
static void tell_figures(struct seq_file *out, struct sock *sk, struct followed *followed, struct socket_event *event)
{
	struct sock___queues *queues = (void *)sk;

	put_figures(event, followed);
	event->send_queue = BPF_CORE_READ(queues, sk_wmem_alloc.refs.counter);
	event->send_queue = event->send_queue ? event->send_queue - 1 : 0;
	event->receive_queue = BPF_CORE_READ(queues, sk_backlog.rmem_alloc.counter);
	__u64 figures = event->packets_sent + event->packets_received * MIX + event->receive_queue * MIX * MIX + event->send_queue * MIX * MIX * MIX;
	figures ^= generation << 48 ^ 1;
	if (figures == followed->figures)
		return;
	followed->figures = figures;
	event->time = bpf_ktime_get_ns();
	put_socket(event, sk);
	if (event->type == RAW)
		event->local_port = followed->told.local_port;
	put_holder(event, followed);
	bpf_seq_write(out, event, sizeof *event);
}

SEC("iter/udp")
int look_at_udp(struct bpf_iter__udp *context)
{
	struct udp_sock *udp = context->udp_sk;
	struct socket_event event = {.kind = SOCKET_FIGURES};

	if (!udp)
		return 0;
	struct followed *followed = bpf_sk_storage_get(&sockets, udp, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 0;
	event.cookie = bpf_get_socket_cookie(udp);
	tell_figures(context->meta->seq, (struct sock *)udp, followed, &event);
	return 0;
}

/* Ping, raw and UDP-Lite sockets have no iterator of their own: they are looked for among all that are followed. */
SEC("iter/bpf_sk_storage_map")
int look_at_others(struct bpf_iter__bpf_sk_storage_map *context)
{
	struct sock *sk = context->sk;
	struct followed *followed = context->value;
	struct socket_event event = {.kind = SOCKET_FIGURES};

	if (!sk || !followed || sk->sk_protocol == TCP || sk->sk_protocol == UDP)
		return 0;
	event.cookie = bpf_get_socket_cookie(sk);
	tell_figures(context->meta->seq, sk, followed, &event);
	return 0;
}
