/* packet/application_namer.h: the namer's own state. */
#ifndef PACKET_APPLICATION_NAMER_H
#define PACKET_APPLICATION_NAMER_H

#include "packet/application.h"

#define LOOKS 8     /* payloads of a TCP flow that are looked at */
#define UDP_LOOKS 5 /* datagrams tell sooner */
/*
 * nDPI takes up to 0.05 ms for a flow where the rest takes a microsecond. So each new flow earns 1, each look costs NDPI_COST, and what was earned is
 * kept up to NDPI_CREDIT: 16,384 flows at once, one in 128 for ever.
 */
#define NDPI_COST 128
#define NDPI_CREDIT (16384 * NDPI_COST)

struct weir_applications {
	uint64_t memory_bytes;
	struct names *names;
	struct pending *pending;
	struct pairs answers;   /* (client, address) → name that was asked, until when */
	struct pairs endpoints; /* (address, port, protocol) → what it is known for */
	uint64_t sweep;         /* bucket of answers to be emptied next for want of names */
	int64_t seconds;        /* time of the packet seen last */
	int64_t credit;
	bool use_ndpi;
	struct application_ndpi *ndpi;
	struct application_candidates candidates;
	struct application_ports ports;
	struct application_scratch {
		char name[128];
	} * scratch; /* where describe composes names */
	uint8_t joined[PENDING_FLOW_BYTES];
};

/* What an endpoint is known for: name, carrier, how many flows agreed, whether the endpoint mapper said so. */
union application_endpoint {
	uint64_t value;
	struct {
		uint16_t name, carrier;
		uint16_t agreed;
		uint16_t mapped;
	};
};

/* Whether the source is the one that serves, and the key under which the serving end is remembered. */
bool application_source_serves(const struct weir_applications *a, const struct weir_application_flow *flow);
uint64_t application_endpoint_key(const struct weir_applications *a, const struct weir_application_flow *flow);

void application_learn_endpoint(struct weir_applications *a, uint64_t key, uint16_t name, uint16_t carrier);
bool application_know_endpoint(struct weir_applications *a, const struct weir_application_flow *flow, union application_endpoint *endpoint);

/* A DNS message of this flow: the addresses that it answers with are remembered for the client. */
void application_learn_dns(struct weir_applications *a, const struct weir_application_flow *flow, struct weir_bytes message, bool reversed);
/* The name by which the client had asked for the server's address, 0: not seen. Not held. */
uint32_t application_resolved_name(struct weir_applications *a, const struct weir_application_flow *flow);
/* An answer of the endpoint mapper of this server. */
void application_learn_map(struct weir_applications *a, const struct weir_ip *server, struct weir_bytes pdu);

/* Gives the flow a server name, in lower case, unless it has one. */
void application_set_server_name(struct weir_applications *a, struct weir_application *application, struct weir_bytes name);
uint16_t application_service_of_name(struct weir_applications *a, uint32_t name);

/* What weir_application_see does once the payload has been found. */
void application_see_payload(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                             struct sighting *sighting, const struct kept *kept, int64_t time_ns);

#endif
