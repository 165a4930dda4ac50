/*
 * weir/live.h: live capture.
 */
#ifndef WEIR_LIVE_H
#define WEIR_LIVE_H

#include <weir/pipeline.h>

struct weir_live_options {
	const char *interface;  /* "eth0"; "any" where the backend has it */
	const char *filter;     /* pcap-filter expression, run in the kernel; NULL or "": all */
	const char *backend;    /* "af_packet", "pcap"; NULL: the best there is */
	uint32_t snaplen;       /* 0 = 262144 */
	uint64_t ring_bytes;    /* 0 = 256 MiB */
	bool no_promiscuous;
	int fanout_group;       /* 0: none; else PACKET_FANOUT group id, the same for all rings of the interface */
	int fanout_rings;       /* how many rings share the group */
	int quiet_ms;           /* fill returns an empty batch after so long without packets; 0 = 100 */
};

/* Cumulative since the source was opened. */
struct weir_live_statistics {
	uint64_t received;      /* packets that passed the filter, those dropped by the ring included */
	uint64_t ring_dropped;  /* … dropped because the ring was full */
	uint64_t nic_dropped;   /* by card and driver, as far as they tell */
	uint64_t delivered;     /* in batches */
	bool down;              /* the interface is down or gone at the moment */
	bool gone;              /* the interface does not exist at the moment */
	const char *timestamps; /* "hardware", "software": where times come from */
	const char *backend;
};

/*
 * Opens a capture. 0 and *source; WEIR_E_PERMISSION when the right is missing (the message has the command that grants it);
 * WEIR_E_NOT_FOUND: no such interface. fill gives the packets of the ring without copying them: the ring's block goes back to
 * the kernel when the batch is reset, so reset batches promptly. The sockets are open when this returns: privileges may be dropped.
 */
int weir_live_open(const struct weir_live_options *options, struct weir_source **source, struct weir_fault *fault);

/*
 * Opened, a source takes no packets yet: it begins with this, or with the first fill. Any thread.
 */
void weir_live_start(struct weir_source *source);

/*
 * Takes no more packets from now on: fill gives what the ring holds, then one empty batch, by which the statistics are final
 * (received = delivered + ring_dropped), then 0. Any thread; returns at once.
 */
void weir_live_stop(struct weir_source *source);

/* Any thread. Exact after fill has given 0; while it runs, received counts what still stands in the ring. */
void weir_live_statistics(struct weir_source *source, struct weir_live_statistics *statistics);

struct weir_live_interface {
	char name[64];
	char description[128];
	bool up, loopback;
	uint16_t linktype;
};

/* The interfaces that can be captured on. *list is freed with free(). */
int weir_live_interfaces(struct weir_live_interface **list, size_t *count, struct weir_fault *fault);

#endif
