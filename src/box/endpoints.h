/*
 * box/endpoints.h: every TCP, UDP, ping and raw endpoint of this box with its process and figures, and what became of them.
 */
#ifndef BOX_ENDPOINTS_H
#define BOX_ENDPOINTS_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/flow.h>
#include <weir/process.h>

#define ENDPOINT_UNKNOWN UINT64_MAX /* of counts and figures that could not be had */

/* TCP states are Linux' (and RFC 9293's, section 3.3.2); the rest has those that fit. */
enum endpoint_state {
	ENDPOINT_NONE, ENDPOINT_ESTABLISHED, ENDPOINT_SYN_SENT, ENDPOINT_SYN_RECEIVED, ENDPOINT_FIN_WAIT_1, ENDPOINT_FIN_WAIT_2, ENDPOINT_TIME_WAIT,
	ENDPOINT_CLOSED, ENDPOINT_CLOSE_WAIT, ENDPOINT_LAST_ACK, ENDPOINT_LISTEN, ENDPOINT_CLOSING, ENDPOINT_BOUND, ENDPOINT_CONNECTED,
};
const char *endpoint_state_name(unsigned state); /* "ESTABLISHED", "LISTEN", … */

struct endpoint {
	uint64_t id;            /* the kernel's socket cookie: never used twice while the machine is up; 0: it has none (TIME_WAIT on older kernels) */
	uint8_t protocol;       /* IP protocol number; of raw sockets the one that they take */
	bool raw;
	uint8_t state;          /* enum endpoint_state */
	struct weir_ip local, remote; /* version 0: any address */
	uint16_t local_port, remote_port; /* 0: none. Of a ping socket local_port is the identifier. */
	uint32_t interface_index;     /* it is bound to this one; 0: to none */
	struct weir_process process;  /* strings live until endpoints_close */
	uint32_t process_threads;     /* 0: not known */
	struct weir_bytes cgroup;     /* path in the hierarchy of cgroup v2, or of v1's pids or systemd's */
	struct weir_bytes container;  /* id of the container that the cgroup's path names; empty: none */
	uint64_t bytes_sent, bytes_received;     /* payload: TCP acknowledged or sent, see docs; UDP as the program sent and received it */
	uint64_t packets_sent, packets_received; /* segments; UDP: datagrams */
	double send_rate, receive_rate;          /* bytes/s between the last two looks; negative: not known */
	uint64_t rtt_ns;                         /* smoothed */
	uint64_t retransmissions;                /* segments */
	uint64_t send_queue, receive_queue;      /* bytes; listening: the limit of the backlog, and how many wait */
	int64_t opened_ns, closed_ns;            /* since the epoch; WEIR_NO_TIME: not known, not closed */
};

struct endpoints;

enum endpoint_event_kind { ENDPOINT_CAME, ENDPOINT_CHANGED, ENDPOINT_WENT };
struct endpoint_event {
	int64_t time_ns;
	enum endpoint_event_kind kind;
	uint8_t before; /* the state that it was in */
	const struct endpoint *endpoint; /* as it was at that time; valid during the call */
};

struct endpoints_options {
	bool without_bpf;
	/* Ask the kernel for the figures of every TCP connection at every look, whatever that costs. Else, where there are many, less often: every 4 s of 10,000. */
	bool always_figures;
	/* Called for every event, in the order in which the kernel told them (that of time to some microseconds), within endpoints_refresh; NULL: nobody wants them. Also for those that lived between two looks, where eBPF sees them. */
	void (*event)(const struct endpoint_event *event, void *argument);
	void *argument;
};

int endpoints_open(const struct endpoints_options *options, struct endpoints **endpoints, struct weir_fault *fault);
void endpoints_close(struct endpoints *endpoints);

/* A line for a person about what can't be shown and which right it takes; "": nothing is missing. */
const char *endpoints_lack(const struct endpoints *endpoints);

/* Events of the kernel that were lost for want of room: of those endpoints only is known what looking tells. 0 without eBPF. */
uint64_t endpoints_lost(const struct endpoints *endpoints);

/* Looks again. Afterwards the list is how things are. One dump of the sockets; /proc only for what is new. One thread. */
int endpoints_refresh(struct endpoints *endpoints, struct weir_fault *fault);
/* Those that are there, unsorted. Valid until the next refresh; none after one that failed. */
const struct endpoint *const *endpoints_list(const struct endpoints *endpoints, size_t *count);

/* Ends the connection, or closes the listening or UDP socket, with that id (SOCK_DESTROY, CAP_NET_ADMIN): its owner sees ECONNABORTED. */
int endpoints_end(uint64_t id, struct weir_fault *fault);

#endif
