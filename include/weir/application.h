/*
 * weir/application.h: names the application of a flow, its category, and what named it.
 *
 * The flow stage holds one small struct weir_application a flow and shows the namer the flow's first packets until it has decided. What is
 * undecided keeps copies of a few payloads in the namer's bounded memory, never pointers to packets, so that it can be written to a state file.
 * One namer is used by one thread at a time; what it says depends on the packets and their order alone.
 */
#ifndef WEIR_APPLICATION_H
#define WEIR_APPLICATION_H

#include <weir/decode.h>
#include <weir/flow.h>
#include <weir/state.h>

struct weir_applications;

struct weir_applications_options {
	uint64_t memory_bytes; /* for what is undecided and for names learned (DNS answers, endpoint maps, endpoints); 0 = 64 MiB. Past it
	                          the oldest is forgotten. */
	bool no_ndpi;          /* without nDPI, even where it is built in */
	uint64_t input_bytes;  /* about how much there is to name; 0: not known. When it is much nDPI is made ready at once, on a thread of its own that ends with that: it takes
	                          40 ms, for which the first flow that it is asked about would wait. What is said of flows is the same. */
};

int weir_applications_new(const struct weir_applications_options *options, struct weir_applications **applications,
                          struct weir_fault *fault);
void weir_applications_free(struct weir_applications *applications);

/* Of one flow; all zero: nothing is known. Plain memory, may be copied and saved. */
struct weir_application {
	uint16_t name;     /* number of the application; 0: not known (yet). Numbers are this version's own: what lasts is the name. */
	uint8_t category;
	uint8_t evidence;
	uint8_t decided;   /* nothing more is to be shown */
	uint8_t seen;      /* packets with payload shown so far */
	uint16_t carrier;  /* number of the protocol that carries it where that is another ("TLS" of "TLS.Teams"); 0: none */
	uint32_t pending;  /* the namer's: what it keeps of the flow; 0: nothing */
	uint32_t server_name; /* the namer's: the name; 0: none */
};

/* The ends of a flow, source first (who spoke first). */
struct weir_application_flow {
	const struct weir_ip *source, *destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
};

/*
 * Shows one packet of an undecided flow. Its payload (after the transport header; facts->payload, up to the innermost network's end) may be
 * empty; then only what depends on state is looked at. reversed: it goes from destination to source.
 */
void weir_application_see(struct weir_applications *applications, struct weir_application *application,
                          const struct weir_application_flow *flow, const struct weir_packet *packet, const struct weir_facts *facts,
                          bool reversed);

/*
 * The same as to show the packet that begins a TCP connection (SYN) and has no payload, for who knows that of a packet without looking at it. Of other
 * segments without payload there is nothing to be shown.
 */
void weir_application_begin(struct weir_application *application);

/*
 * Changes nothing: calls what will be looked up of this flow into the cache. For who settles many flows, one after the other, and can say which some time
 * before.
 */
void weir_application_expect(const struct weir_applications *applications, const struct weir_application_flow *flow);

/* The flow's record is about to be written: decides with what there is. More may be shown after it when the flow goes on. */
void weir_application_settle(struct weir_applications *applications, struct weir_application *application,
                             const struct weir_application_flow *flow);

/* The flow is over: forgets what was kept of it. */
void weir_application_end(struct weir_applications *applications, struct weir_application *application);

/*
 * Fills application, category, evidence and server_name of a record; the views live until the next call of anything here, those of category and evidence for ever. The name is nDPI's where
 * it has one, with the protocol that carries it before it when both are known: "DNS", "TLS.Teams", "DCE_RPC.Netlogon".
 */
void weir_application_describe(const struct weir_applications *applications, const struct weir_application *application,
                               struct weir_flow *flow);

/* A part of a run ended here: caches whose content cannot be saved are emptied, so that going on and resuming give the same. */
void weir_applications_part(struct weir_applications *applications);

int weir_applications_save(struct weir_applications *applications, struct weir_state *state, struct weir_fault *fault);
int weir_applications_load(struct weir_applications *applications, struct weir_state *state, struct weir_fault *fault);

#endif
