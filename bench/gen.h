/*
 * The synthetic campaign: what the parts of bench/gen share.
 *
 * traffic (gen_traffic.c) decides what is sent: hosts, flows, security associations; frame (gen_frame.c) makes the bytes of it; services
 * (gen_services.c) has what the payloads of applications begin with; output (gen_output.c) is the mirror ports: files, clocks, duplicates, truth.
 */
#ifndef BENCH_GEN_H
#define BENCH_GEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/random.h"

#define VANTAGES 2
#define FRAME_MAX 1664   /* an IP datagram in the making: 1,500 and what is cut off again */
#define HEAD_MAX 240
#define HEAD_VARIANTS 16
#define HOT_FLOWS 32
#define REPEATS 8

struct options {
	const char *folder;
	uint64_t bytes, packets, seed, rate;
	uint32_t hosts, flows, snap, nodes, locality;
	double null_share, sealed_share, ipv6_share, exact_share, routed_share; /* of the packets, 0 … 1 */
	int64_t start_ns, offset_ns, step_ns, step_at_ns;
	double drift_ppm;
	bool truth, pcap;
};

enum packet_kind { KIND_ORIGINAL, KIND_RETRANSMISSION, KIND_PING, KIND_EXACT, KIND_ROUTED, KINDS };

enum seal { SEAL_CLEAR, SEAL_NULL, SEAL_SEALED };

struct host {
	uint8_t mac[6];
	uint8_t ipv4[4];
	uint8_t ipv6[16];
	uint16_t vlan; /* 0: untagged */
	uint16_t ip_id;
	uint8_t hops;
	uint8_t side;  /* the mirror port that it is behind */
	bool timestamps;
};

struct flow {
	uint16_t a, b; /* hosts: who began, and the other */
	uint16_t a_port, b_port;
	uint32_t a_sequence, b_sequence;
	uint32_t left;   /* packets until it ends and another takes its place */
	uint32_t number; /* from 1 */
	uint32_t last_ms;
	uint16_t sent;   /* stays at its largest */
	uint16_t last_length; /* of the last segment with data */
	uint8_t service;
	bool ipv6 : 1, routed : 1, last_forward : 1, retransmit : 1, same_port : 1;
	uint8_t seal : 2;
	uint8_t headed : 2; /* which directions have sent the beginning of their application */
};

/* One direction of a security association. */
struct association {
	uint32_t spi, sequence, left; /* packets until it gets another key; spi 0: none yet */
};

enum transport { OVER_TCP = 6, OVER_UDP = 17, OVER_ICMP = 1 };

/* How a service talks. */
struct service {
	const char *name;
	uint16_t port;
	uint8_t transport;
	uint8_t weight;       /* of 256 flows */
	bool server_first, short_lived, bulk, words; /* the server greets; a question and an answer; long; its payload is text */
	bool numbered;        /* a datagram begins with a number of 2 bytes that question and answer share */
};

struct head {
	uint16_t length;
	uint8_t data[HEAD_MAX];
};

extern const struct service services[];
extern const unsigned service_count;

/* What a variant of a service's client (0) or server (1) says first. */
const struct head *service_head(unsigned service, bool server, unsigned variant);
void services_make(struct random *random);

/* An IP datagram on its way, and what the truth says about it. */
struct datagram {
	enum packet_kind kind;
	uint64_t id;       /* the same for all copies of one transmission */
	const struct flow *flow; /* while it is made; NULL: none (ARP) */
	struct flow then;        /* the flow as it was: its place goes to another, and copies come later */
	const struct host *from, *to;
	uint8_t hops_less; /* routers so far */
	bool forward;
	uint16_t type;     /* EtherType */
	uint32_t length, captured; /* of the datagram; what of it is in data */
	uint8_t data[FRAME_MAX];
};

struct traffic {
	const struct options *options;
	struct random random;
	struct host *hosts; /* options.hosts of ours, then outside ones */
	uint32_t host_total;
	struct association *associations;
	struct flow *flows;
	uint32_t hot[HOT_FLOWS];
	uint16_t host_picks[4096], server_picks[256];
	uint8_t service_picks[256];
	uint8_t *words, *noise;
	uint64_t flows_begun, next_id;
	uint64_t packets, shares[3], ipv6, routed, associations_made, kinds[KINDS];
};

#define POOL_BYTES (4u << 20)

int traffic_make(struct traffic *t, const struct options *options);
void traffic_free(struct traffic *t);

/* The next datagram on the network; *two_ways is whether it is seen twice, at *first and then at *second. */
void traffic_next(struct traffic *t, int64_t time_ns, struct datagram *d, unsigned *first, unsigned *second, bool *two_ways);

/* The association for datagrams from one to the other, made or given a new key when it is time. icv: bytes. */
struct association *traffic_association(struct traffic *t, const struct datagram *d, unsigned *icv);

/* Makes d->data: the datagram of the flow's next packet with `length` bytes of application. */
struct segment {
	uint32_t header, length; /* transport header, payload */
	uint8_t flags;
	uint64_t seed;           /* what the payload is made from: the same for a retransmission */
	const struct head *head; /* what it begins with, or NULL */
};
void frame_make(struct traffic *t, struct datagram *d, const struct segment *segment, int64_t time_ns);
void frame_arp(struct traffic *t, struct datagram *d);

struct output;
struct output *output_new(const struct options *options);
/* Puts a datagram before a mirror port at a true time; times rise. 0, or -1 with a message on standard error. */
int output_put(struct output *output, struct random *random, const struct datagram *d, unsigned vantage, int64_t time_ns);
/* … and once more, a router further, later. */
void output_again(struct output *output, struct random *random, const struct datagram *d, unsigned vantage, int64_t time_ns);
int output_finish(struct output *output, struct random *random);
uint64_t output_written(const struct output *output);
void output_report(const struct output *output, FILE *file);
void output_free(struct output *output);

#endif
