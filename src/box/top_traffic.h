/*
 * box/top_traffic.h: what passes at the moment, in bounded memory: flows with their rates and applications, and the last packets.
 *
 * Who captures adds packets; who shows looks now and then. One lock; any thread.
 */
#ifndef BOX_TOP_TRAFFIC_H
#define BOX_TOP_TRAFFIC_H

#include <weir/application.h>
#include <weir/flow.h>

#define TOP_HISTORY 60

/* The last values, oldest first from `first` on. */
struct top_history {
	float value[TOP_HISTORY];
	uint16_t first, count;
};
void top_history_add(struct top_history *history, double value);
size_t top_history_read(const struct top_history *history, double out[static TOP_HISTORY]);

/* Figures are what was seen, times how many packets each that was looked at stands for. [0]: from source to destination, [1]: back. */
struct top_flow {
	uint64_t hash;
	struct weir_ip source, destination; /* source: who was seen to speak first */
	uint16_t source_port, destination_port;
	uint8_t protocol;
	uint16_t lane; /* number of the interface that it was last seen on */
	uint64_t packets[2], bytes[2]; /* on the wire */
	double packet_rate[2], byte_rate[2]; /* a second, between the last two looks */
	int64_t first_ns, last_ns;
	uint64_t before_packets[2], before_bytes[2];
	struct weir_application application;
	char name[40], category[24], server_name[64]; /* "": not known */
	struct top_history history;                   /* bytes a second, both directions */
};

struct top_packet {
	uint64_t number; /* from 1, of those that were looked at */
	uint64_t hash;   /* of its flow; 0: none */
	int64_t time_ns;
	uint32_t captured, length;
	uint16_t linktype, lane;
	const uint8_t *data;
};

struct top_traffic_options {
	uint32_t flows;   /* at most; 0 = 8,192; rounded up to a power of two. Past it the flow idle longest among eight makes room. */
	uint32_t packets; /* the last so many; 0 = 1,000 */
	uint32_t snaplen; /* of each so many bytes; 0 = 512 */
	int64_t idle_ns;  /* a flow without packets for so long is forgotten; 0 = 30 s */
};

struct top_traffic;
int top_traffic_new(const struct top_traffic_options *options, struct top_traffic **traffic, struct weir_fault *fault);
void top_traffic_free(struct top_traffic *traffic);

/* Takes the kept packets of a batch that was decoded; each stands for `weight` of them. */
void top_traffic_add(struct top_traffic *traffic, const struct weir_batch *batch, uint32_t weight, uint16_t lane);

/* Ends an interval of so many seconds: rates, histories, what is idle is forgotten. now_ns: by the packets' clock. */
void top_traffic_tick(struct top_traffic *traffic, int64_t now_ns, double seconds);

/* What there is, as copies; *flows is grown by realloc and stays the caller's. 0 or WEIR_E_MEMORY. */
int top_traffic_flows(struct top_traffic *traffic, struct top_flow **flows, size_t *count, size_t *room, struct weir_fault *fault);

/* A copy of the last packets, oldest first; free it with free(). */
struct top_packets {
	size_t count;
	struct top_packet *packets;
};
int top_traffic_packets(struct top_traffic *traffic, struct top_packets **packets, struct weir_fault *fault);

struct top_traffic_statistics {
	uint64_t packets, no_ip; /* looked at; of them those that belong to no flow */
	uint64_t flows, forgotten; /* there are; that made room for others */
	size_t memory_bytes; /* of flows and packets */
};
void top_traffic_statistics(struct top_traffic *traffic, struct top_traffic_statistics *statistics);

#endif
