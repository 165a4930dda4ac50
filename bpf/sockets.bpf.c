/*
 * Follows every TCP, UDP, ping and raw socket of one network namespace: who uses it, which addresses it has, its states, what it has carried. Says so to user space when
 * something changes, never for each packet or each call.
 *
 * Each socket has a struct followed for as long as it lives. Who holds it is the process that used it last, seen where it does so: making, binding, listening,
 * connecting, accepting, and after each sending or receiving. A UDP socket's port is known before its first packet leaves since a program looks at what goes
 * out, and TCP's when it connects. Nothing tells who sends there: a packet may leave while another process runs.
 */
#include "sockets_told.h"

#include <bpf/bpf_tracing.h>

#include "sockets_looks.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- TCP ---- */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int state)
{
	struct socket_event event = {.kind = SOCKET_STATE, .before = before, .time = bpf_ktime_get_ns()};

	/* A socket made for a connection that comes has no addresses yet. */
	if (BPF_CORE_READ(sk, sk_protocol) != TCP || state == SYN_RECEIVED || !is_followed(sk))
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

/* As is_followed, of a pointer that the verifier knows: read without helpers, which take 20 ns each, at every call of every process. */
static bool is_followed_here(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return (family == INET || family == INET6) && sk->sk_protocol < PROTOCOLS && sk->__sk_common.skc_net.net->net_cookie == namespace_cookie;
}

/* As addresses_differ, likewise. What a raw socket was told to be stays its port. */
static bool addresses_differ_here(const struct followed *followed, const struct sock *sk)
{
	const struct sock_common *common = &sk->__sk_common;
	const struct addresses *told = &followed->told;
	const __u32 *local = (const __u32 *)told->local, *remote = (const __u32 *)told->remote;

	if (followed->generation != generation || told->remote_port != bpf_ntohs(common->skc_dport) || (told->local_port != common->skc_num && sk->sk_type != RAW))
		return true;
	if (common->skc_family == INET)
		return local[0] != common->skc_rcv_saddr || remote[0] != common->skc_daddr;
	const __u32 *own = common->skc_v6_rcv_saddr.in6_u.u6_addr32, *other = common->skc_v6_daddr.in6_u.u6_addr32;
	return local[0] != own[0] || local[1] != own[1] || local[2] != own[2] || local[3] != own[3] || remote[0] != other[0] || remote[1] != other[1] ||
	       remote[2] != other[2] || remote[3] != other[3];
}

/* After bytes were sent or received. */
static int carried(struct sock *sk, int length, bool sent)
{
	if (length < 0 || !is_followed_here(sk))
		return 0;
	struct followed *followed = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!followed)
		return 0;
	__u16 protocol = sk->sk_protocol;
	if (protocol != TCP) {
		__sync_fetch_and_add(sent ? &followed->bytes_sent : &followed->bytes_received, length);
		__sync_fetch_and_add(sent ? &followed->packets_sent : &followed->packets_received, 1);
		if (protocol != UDP && !others)
			others = 1;
	}
	bool other = used_by_caller(followed);
	if (!other && (protocol == TCP || !addresses_differ_here(followed, sk)))
		return 0;
	struct socket_event event = {.kind = SOCKET_USED};
	put_socket(&event, sk);
	if (event.type == RAW)
		event.local_port = followed->told.local_port;
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
int BPF_PROG(on_call_ended, struct pt_regs *registers, long result)
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
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slot = BPF_CORE_READ(table, fd), *file = 0;
	if (result >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof file, slot + result) || !file)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = connection_of(BPF_CORE_READ(socket, sk));
	if (!sk || !is_followed(sk) || BPF_CORE_READ(sk, sk_protocol) != TCP)
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
