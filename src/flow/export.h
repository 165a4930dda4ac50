/*
 * flow/export.h: where exported datagrams go: a file, or a collector on the network.
 */
#ifndef FLOW_EXPORT_H
#define FLOW_EXPORT_H

#include <weir/flow.h>

#define EXPORT_DATAGRAM 1420 /* bytes that reach anyone in one piece: Ethernet's 1,500 without IPv6, UDP and a tunnel's header */

/* How often templates are sent again over UDP, where nobody knows whether they arrived: RFC 7011, section 8.4. */
#define EXPORT_TEMPLATES_EVERY 512 /* datagrams, or */
#define EXPORT_TEMPLATES_SECONDS 30

/* One thread at a time. */
struct export_target;

enum export_kind { EXPORT_FILE, EXPORT_UDP, EXPORT_TCP };

/* target: as weir_flow_export_open has it. */
int export_target_open(const char *target, struct export_target **opened, struct weir_fault *fault);
enum export_kind export_target_kind(const struct export_target *target);

/* Sends a datagram or message. Over UDP at no more than EXPORT_UDP_RATE datagrams a second, so that a collector's socket does not run over. */
#define EXPORT_UDP_RATE 10000
int export_target_send(struct export_target *target, const void *data, size_t length, struct weir_fault *fault);
int export_target_finish(struct export_target *target, struct weir_fault *fault);
void export_target_close(struct export_target *target);

/* Takes the target, whatever happens. */
int export_netflow9_new(struct export_target *target, struct weir_flow_sink **sink, struct weir_fault *fault);
int export_ipfix_new(struct export_target *target, struct weir_flow_sink **sink, struct weir_fault *fault);

#endif
