/* packet/application_namer.h: the namer's own state. */
#ifndef PACKET_APPLICATION_NAMER_H
#define PACKET_APPLICATION_NAMER_H

#include "packet/application.h"

#define LOOKS 8                    /* payloads of a TCP flow that are looked at; nDPI wants as many */
#define UDP_LOOKS 5                /* datagrams tell sooner */
/*
 * nDPI takes up to a tenth of a millisecond for a flow where the rest takes a microsecond. So each new flow earns 1, each look costs NDPI_COST, and what was earned is
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
	struct application_scratch { char name[128]; } *scratch; /* where describe composes names */
	uint8_t joined[PENDING_FLOW_BYTES];
};

/* What weir_application_see does once the payload has been found. */
void application_see_payload(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                             struct sighting *sighting, const struct kept *kept, int64_t time_ns);

#endif
