/*
 * stage/keep.h: what the files of keeping share: keep.c (the stage, its rules), keep_application.c (how much of an application's messages),
 * keep_flows.c (bytes of flows), shed.c (giving up under load).
 */
#ifndef STAGE_KEEP_H
#define STAGE_KEEP_H

#include <weir/decode.h>
#include <weir/policy.h>

/* The bytes of a packet up to and with its last header, as far as captured: what "headers" keeps. A header that makes no sense counts for its fixed part. */
uint32_t keep_headers(const struct weir_packet *packet, const struct weir_facts *facts);

/* Where what the headers carry ends: without padding and trailers of the link, as far as captured. */
uint32_t keep_payload_end(const struct weir_packet *packet, const struct weir_facts *facts);

/* Cuts a packet to so many bytes, and its facts with it. */
void keep_cut(struct weir_packet *packet, uint32_t captured);

/* How many bytes of a payload are the application's own headers. kind: enum weir_layer_kind, from WEIR_LAYER_DNS on. */
uint32_t keep_own_headers(uint8_t kind, bool over_tcp, struct weir_bytes payload);

/* Whether a payload begins with a packet of SSH's key exchange: behind the first line nothing else names the protocol. */
bool keep_is_ssh_exchange(struct weir_bytes payload);

/* How many stand before encrypted data (WEIR_LAYER_TLS, WEIR_LAYER_QUIC, WEIR_LAYER_SSH; others: 0). */
uint32_t keep_handshake(uint8_t kind, struct weir_bytes payload);

/*
 * How much payload each flow has had. A table of fixed size; a flow is over when it was silent for KEEP_IDLE_SECONDS, and only such flows are forgotten: while there
 * is no room for a new one it gets nothing.
 */
#define KEEP_IDLE_SECONDS 300
struct keep_flows;
struct keep_flows *keep_flows_new(void); /* NULL: no memory */
void keep_flows_free(struct keep_flows *flows);
/* Counts `payload` more bytes of the flow; how many of its `most` were left before them. */
uint32_t keep_flows_take(struct keep_flows *flows, uint64_t flow_hash, int64_t time_ns, uint32_t payload,
                         uint32_t most);
int keep_flows_save(const struct keep_flows *flows, struct weir_state *state, struct weir_fault *fault);
int keep_flows_load(struct keep_flows *flows, struct weir_state *state, struct weir_fault *fault);

#endif
