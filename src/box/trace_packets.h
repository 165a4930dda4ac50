/*
 * box/trace_packets.h: the feed of providers whose events are what packets say: a thread that captures on all interfaces what a filter of the kernel lets
 * through, finds the processes at its ends, and asks the provider what it is. Events wait in a queue of TRACE_PACKETS_WAITING until the session takes them; those
 * that find it full, and packets that found no room in the kernel's ring, are counted lost.
 */
#ifndef BOX_TRACE_PACKETS_H
#define BOX_TRACE_PACKETS_H

#include <weir/process.h>

#include "box/trace.h"

#define TRACE_PACKETS_WAITING 2048u
#define TRACE_PACKETS_PAYLOAD 640u

/* A TCP segment or UDP datagram with a payload. */
struct trace_packet {
	int64_t time_ns;
	uint32_t interface; /* 0: not known */
	uint32_t sequence;  /* of TCP */
	struct weir_ip source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
	struct weir_bytes payload; /* as far as captured */
	struct weir_packet_processes processes;
};

/* A packet that went one way of an exchange, and was told of. */
struct trace_said {
	bool said;
	uint32_t interface, sequence;
	int64_t time_ns;
};

/* A question and its answer: what is remembered of the last few thousand. Zero but for its key when it is new. */
struct trace_exchange {
	struct weir_ip client, server;
	uint16_t client_port, server_port, number;
	uint8_t protocol;
	bool used;
	bool unsure; /* of several questions it is not known which is answered */
	bool done;   /* answered */
	int64_t touched_ns;
	struct trace_said question, answer;
};

struct trace_packets;

/* What a provider is for the feed. Its record is made of TRACE_PACKETS_FEED and its own `open`. */
struct trace_packets_user {
	uint16_t provider;
	const char *filter;
	void (*see)(struct trace_packets *packets, const struct trace_packet *packet);
};

int trace_packets_open(const struct trace_packets_user *user, void **feed, int *descriptor, struct weir_fault *fault);
int trace_packets_take(void *feed, struct weir_trace_session *session, struct weir_fault *fault);
void trace_packets_stop(void *feed);
uint64_t trace_packets_lost(void *feed);
void trace_packets_close(void *feed);
#define TRACE_PACKETS_FEED \
	.needs = "CAP_NET_RAW; processes: eBPF", .costly = true, .has_processes = true, .take = trace_packets_take, .stop = trace_packets_stop, \
	.lost = trace_packets_lost, .close = trace_packets_close

/* ---- for `see`, on the feed's thread ---- */

/* The exchange of that number between the ends of a packet, which goes from the client or to it; the oldest of some is forgotten for a new one. */
struct trace_exchange *trace_exchange_of(struct trace_packets *packets, const struct trace_packet *packet, bool from_client, uint16_t number);
/* Whether it was told of already: a segment sent again, or a datagram that another interface has shown. Otherwise notes that it is now. */
bool trace_said_before(struct trace_said *said, const struct trace_packet *packet);
/* From question to answer. UINT64_MAX: not known. Marks it done. */
uint64_t trace_exchange_latency(struct trace_exchange *exchange, const struct trace_packet *packet, bool done);

/* An event that is being put together: begins with TRACE_TUPLE_FIELDS and the process at the other end, which a provider calls what it is there. */
struct trace_packet_event {
	uint8_t id;
	int64_t time_ns;
	uint64_t activity;
	uint32_t process_id, thread_id;
	char name[16];
	uint16_t length;
	uint8_t payload[TRACE_PACKETS_PAYLOAD];
};
/* Of the process `process`, in the exchange; `other` is at the other end. */
void trace_packet_event_begin(struct trace_packet_event *event, uint8_t id, const struct trace_packet *packet, const struct weir_process *process,
                              const struct weir_process *other, const struct trace_exchange *exchange);
/* Little-endian, of 1, 2, 4 or 8 bytes. */
void trace_packet_event_number(struct trace_packet_event *event, uint64_t number, unsigned size);
void trace_packet_event_address(struct trace_packet_event *event, const struct weir_ip *address);
/* A STRING, cut after `most` bytes. */
void trace_packet_event_string(struct trace_packet_event *event, const void *data, size_t length, size_t most);
void trace_packet_event_emit(struct trace_packets *packets, const struct trace_packet_event *event);

#endif
