/*
 * box/owners.h: which process holds which socket of this box: now, and a while ago. From the kernel's own events where eBPF can be had (every socket from its
 * first moment on, however short it lives); else by looking at the sockets and at /proc again and again, which misses what is short.
 *
 * A socket is held by the process that used it last: made it, bound it, listened, connected, accepted, sent or received. A socket accepted by nobody yet is held by
 * who holds the listening one; once somebody has accepted it, it was theirs from the handshake on, also for who asks about that time. Several processes that have it open do not matter, one that used it does; where that is not known and more than one has it, nobody is named.
 */
#ifndef BOX_OWNERS_H
#define BOX_OWNERS_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/flow.h>
#include <weir/process.h>

struct owners;

struct owners_options {
	bool without_bpf;      /* look at sockets and /proc only */
	uint32_t remember_s;   /* how long a closed socket is remembered; 0 = 60 */
	uint32_t most_sockets; /* open and remembered ones; 0 = 262,144. Past it those closed longest ago are forgotten first, then what is new is not known. */
};

/*
 * Takes in the sockets that are there, and begins to follow what comes. WEIR_E_PERMISSION, WEIR_E_UNSUPPORTED, …: nothing can be known. What it needs of rights it
 * needs here, not later: privileges may be dropped afterwards. Has a thread of its own.
 */
int owners_open(const struct owners_options *options, struct owners **owners, struct weir_fault *fault);
void owners_close(struct owners *owners);

/* Whether every socket is seen (eBPF), and a line for a person about what is missing otherwise ("" when nothing is): which right, or what the kernel lacks. */
bool owners_see_all(const struct owners *owners);
const char *owners_lack(const struct owners *owners);

struct owners_statistics {
	uint64_t events, lost; /* events of the kernel, taken in and lost for want of room */
	uint64_t sockets;      /* known now */
};
void owners_statistics(struct owners *owners, struct owners_statistics *statistics);

/* A socket's addresses, as a packet shows them: local is this box's end. */
struct owner_tuple {
	uint8_t protocol; /* TCP, UDP, UDP-Lite, ICMP, ICMPv6 (an echo's identifier is local_port), any other: raw sockets */
	struct weir_ip local, remote;
	uint16_t local_port, remote_port;
};

/*
 * Waits until everything that had happened when it was called is known, at most 20 ms. Any thread. For packets: call it once a batch, after the batch has come, before
 * the batch is looked up.
 */
void owners_catch_up(struct owners *owners);

/*
 * The process that held the socket to which a packet with these addresses belongs, at that time (ns since the epoch, up to the memory of options). Looks for a connected
 * socket first, then for one bound to the local address and port, then for one bound to the port on any address (as the kernel does); several candidates held by several processes: not
 * known. Only sockets of the network namespace that owners_open was called in. False: not known. Strings live until owners_close. Any thread, between owners_begin and
 * owners_end, which take and release a lock for reading (so that a batch takes it once).
 */
void owners_begin(struct owners *owners);
bool owners_find(struct owners *owners, const struct owner_tuple *tuple, int64_t time_ns, struct weir_process *process);
void owners_end(struct owners *owners);

#endif
