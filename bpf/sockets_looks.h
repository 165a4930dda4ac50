/*
 * bpf/sockets_looks.h: what is told when user space looks: who has which socket open, and what sockets have carried. Of sockets.bpf.c.
 */
#ifndef BPF_SOCKETS_LOOKS_H
#define BPF_SOCKETS_LOOKS_H

#include "sockets_told.h"

/* ---- what was there before ---- */

SEC("iter/task_file")
int look_at_files(struct bpf_iter__task_file *context)
{
	struct file *file = context->file;
	struct task_struct *task = context->task;

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
	if (BPF_CORE_READ(sk, sk_protocol) == MPTCP) {
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
		figures += BPF_CORE_READ((struct sock *)tcp, sk_ack_backlog) * MIX;
	figures ^= generation << 48 ^ 1;
	if (figures == followed->figures)
		return 0;
	followed->figures = figures;
	event.time = bpf_ktime_get_ns();
	put_tcp_figures(&event, tcp);
	event.state = state;
	if (state == LISTEN) {
		event.receive_queue = BPF_CORE_READ((struct sock *)tcp, sk_ack_backlog);
		event.send_queue = BPF_CORE_READ((struct sock *)tcp, sk_max_ack_backlog);
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
	
	put_figures(event, followed);
	event->send_queue = BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter);
	event->send_queue = event->send_queue ? event->send_queue - 1 : 0;
	event->receive_queue = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
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

#endif
