/*
 * box/top.h: what `weir top` shows, without a terminal: looks at everything once an interval, filters, groups, freezes.
 *
 * Everything is bounded: sockets are what the system has; flows, hosts, packets, drops and processes by the constants here. One thread.
 */
#ifndef BOX_TOP_H
#define BOX_TOP_H

#include "box/counters.h"
#include "box/drops.h"
#include "box/endpoints.h"
#include "box/recorder_status.h"
#include "box/top_capture.h"
#include "box/top_traffic.h"

#define TOP_PROCESSES_MOST 4096
#define TOP_DROPS_MOST 256
#define TOP_LACK_SIZE 512

/* Looking at the endpoints may take this share of a core: where there are very many, they are looked at less often than the rest. */
#define TOP_ENDPOINTS_SHARE 0.014

/* What a process holds, of the endpoints that match the filter. */
struct top_process {
	uint32_t pid; /* 0: those whose process is not known */
	uint32_t threads;
	struct weir_process process; /* strings live as long as the endpoints' */
	uint32_t endpoints, established, listening;
	double send_rate, receive_rate;      /* bytes/s; of those endpoints where it is known */
	uint64_t bytes_sent, bytes_received; /* likewise */
	uint64_t retransmissions;
	struct top_history history; /* both rates together */
	bool here;                  /* seen at this look */
};

struct top_host {
	struct weir_ip address;
	uint32_t flows;
	double send_rate, receive_rate, packet_rate; /* bytes/s by and to it; packets/s both ways */
	uint64_t bytes_sent, bytes_received;         /* of the flows that are known now */
	int64_t last_ns;
};

struct top_application {
	char name[40], category[24]; /* name "": flows not known by name */
	uint32_t flows;
	double byte_rate, packet_rate;
	uint64_t bytes;
};

#define TOP_INSTANCE_GROUPS 2
#define TOP_INSTANCES_MOST 512

/* The instances of a group of counters (interfaces, disks), as of one look. Names live as long as the counters. */
struct top_instances {
	const char *group; /* NULL: unused */
	const char *names[TOP_INSTANCES_MOST];
	size_t count;
	uint64_t looks;
};

enum top_lack { TOP_LACK_COUNTERS, TOP_LACK_ENDPOINTS, TOP_LACK_CAPTURE, TOP_LACK_DROPS, TOP_LACK_RECORDER, TOP_LACKS };

struct top_options {
	struct top_capture_options capture;
	struct top_traffic_options traffic;
	bool no_capture;
	bool unwanted[TOP_LACKS]; /* what is not even to be opened, since nobody looks at it */
	const char *campaign; /* NULL: no recorder's state is looked for */
	int64_t interval_ns;  /* how far looks are apart, as a rule; 0 = 1 s */
};

/* Where figures come from; NULL where there are none. Tests put their own lists into struct top instead. */
struct top {
	struct top_options options;
	struct counters *counters;
	struct endpoints *endpoints;
	struct drops *drops;
	struct top_traffic *traffic;
	struct top_capture *capture;
	char lack[TOP_LACKS][TOP_LACK_SIZE]; /* a line about what can't be shown and which right it takes; "": nothing is missing */

	int64_t now_ns;     /* since the epoch, of the last look */
	int64_t looked_ns;  /* monotonic, likewise; 0: none yet */
	uint64_t looks;
	bool frozen;
	bool wants_packets; /* somebody looks at them: copy them at each look */

	struct top_instances instances[TOP_INSTANCE_GROUPS];
	double endpoints_cost_ns;  /* processor time of a look at them, on the average */
	uint32_t endpoints_every;  /* so many looks they are looked at once; 1: at each */
	uint32_t endpoints_wait;   /* looks until the next one at them */
	const struct endpoint *const *endpoint; /* as they are, or were when frozen */
	size_t endpoint_count;
	struct top_process *process;
	size_t process_count;
	struct drop drop[TOP_DROPS_MOST];
	size_t drop_count;
	struct top_flow *flow;
	size_t flow_count, flow_room;
	struct top_host *host;
	size_t host_count, host_room;
	struct top_application *application;
	size_t application_count, application_room;
	struct top_packets *packets;
	struct recorder_status *recorder;
	size_t recorder_count;

	struct top_filter *filter; /* NULL: everything */
	struct endpoint *frozen_copy;
	const struct endpoint **frozen_list;
	uint32_t *tuples; /* endpoints by their addresses, as indices + 1; see top_endpoint_of_flow */
	uint32_t tuple_mask;
	bool tuples_made;
};

/* Opens what can be opened; what can't stands in lack. WEIR_E_MEMORY; WEIR_E_NOT_FOUND and the like: an interface that was named. */
int top_open(const struct top_options *options, struct top **top, struct weir_fault *fault);
void top_close(struct top *top);

/* Looks again. While frozen what is shown stays; kernel events are still taken in, so that none are lost. */
int top_refresh(struct top *top, struct weir_fault *fault);
int top_freeze(struct top *top, bool frozen, struct weir_fault *fault);
/* The name of a captured packet's or flow's interface. */
void top_lane_name(const struct top *top, uint16_t lane, char name[static 64]);

/*
 * An expression as box/endpoint_filter.h has it: pcap-filter for everything that has addresses, and terms of endpoints, which hold for their flows and packets
 * too. "" or NULL: everything. WEIR_E_FILTER: the one before stays.
 */
int top_filter_set(struct top *top, const char *expression, struct weir_fault *fault);
const char *top_filter_text(const struct top *top); /* "": none */
bool top_endpoint_matches(struct top *top, const struct endpoint *endpoint);
bool top_flow_matches(struct top *top, const struct top_flow *flow);
bool top_packet_matches(struct top *top, const struct top_packet *packet);
bool top_drop_matches(struct top *top, const struct drop *drop);

/* The endpoint that a flow belongs to, by its addresses and ports; NULL: none that is there. */
const struct endpoint *top_endpoint_of_flow(struct top *top, const struct top_flow *flow);

/* Sums endpoints and flows that match; called by top_refresh (a new look: histories grow) and top_filter_set. 0 or WEIR_E_MEMORY. */
int top_group(struct top *top, bool new_look, struct weir_fault *fault);

/* At how many looks endpoints should be looked at once, when a look at them takes so long and looks are so far apart. */
uint32_t top_endpoints_every(double cost_ns, double interval_ns);

/* A value of a counter, and whether there is one. */
double top_counter_rate(const struct top *top, const char *group, const char *instance, const char *name, bool *known);
double top_counter_value(const struct top *top, const char *group, const char *instance, const char *name, bool *known);

#endif
