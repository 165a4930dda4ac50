/*
 * bpf/sockets.h: what the programs that follow sockets say to user space.
 */
#ifndef BPF_SOCKETS_H
#define BPF_SOCKETS_H

#include <linux/types.h>

enum socket_event_kind {
	SOCKET_PROCESS = 1, /* struct process_event: comes before the first event that names that process, and again when it has become another program */
	SOCKET_MADE,        /* a raw socket: from now on it gets packets */
	SOCKET_BOUND,       /* bound to a local address by a process */
	SOCKET_TUPLE,       /* its addresses are others than they were: known before the first packet leaves */
	SOCKET_STATE,       /* a TCP socket changes state */
	SOCKET_USED,        /* another process than before uses it */
	SOCKET_ACCEPTED,    /* a process accepted it */
	SOCKET_CLOSED,      /* a socket other than TCP is closed */
	SOCKET_HELD,        /* it was there before: this process has it open */
	SOCKET_FIGURES,     /* what it has carried */
};

/* That a socket takes IPv6 alone: known of some events only. */
enum { SOCKET_ONLY_V6_UNKNOWN, SOCKET_ONLY_V6_NO, SOCKET_ONLY_V6_YES };

#define SOCKET_NO_USER 0xffffffffu
#define SOCKET_NOT_KNOWN (~(__u64)0)

struct socket_event {
	__u8 kind;
	__u8 protocol;
	__u8 family;   /* AF_INET, AF_INET6: of the socket; addresses are IPv6, IPv4 ones in their first four bytes when it is AF_INET */
	__u8 type;     /* SOCK_STREAM, … */
	__u8 state, before; /* TCP's, as the kernel numbers them */
	__u8 only_v6;
	__u8 unused;
	__u32 pid, thread_id, user_id; /* 0: nobody known */
	__u32 interface_index;
	__u64 cookie;
	__u64 time;   /* CLOCK_MONOTONIC, ns */
	__u64 opened; /* likewise; 0: before we looked */
	__u64 since;  /* what the event says may be so since then, likewise; 0: since it was opened */
	__u8 local[16], remote[16];
	__u16 local_port, remote_port; /* of this machine's byte order */
	__u32 retransmissions;
	__u64 bytes_sent, bytes_received, packets_sent, packets_received;
	__u64 rtt_ns;
	__u32 send_queue, receive_queue;
};

#define PROCESS_PATH_MOST 1024

struct process_event {
	__u8 kind;
	__u8 path_whole; /* all of the path is here */
	__u16 path_length;
	__u32 pid;
	__u32 user_id;
	__u32 unused;
	__u64 started; /* CLOCK_MONOTONIC, ns */
	char name[16];
	char path[PROCESS_PATH_MOST + 256]; /* the path's names from the last to the first, each ended by a zero */
};

#endif
