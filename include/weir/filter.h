/*
 * weir/filter.h: pcap-filter expressions, compiled by libpcap, run on packets.
 */
#ifndef WEIR_FILTER_H
#define WEIR_FILTER_H

#include <weir/pipeline.h>

/*
 * A compiled expression. It is compiled once for each link type that it meets, at first sight; use one from one thread
 * at a time (libpcap's compiler is serialised inside).
 */
struct weir_filter;

/*
 * Compiles expression for linktype, to find its errors early, and makes a filter of it. netmask is not known, so that
 * `ip broadcast` is refused, as tcpdump -r refuses it; so is what only the kernel knows while it captures (`inbound`).
 * Returns 0 and *filter, or WEIR_E_FILTER with libpcap's words. NULL or "" matches everything. Free with weir_filter_free.
 */
int weir_filter_new(const char *expression, uint16_t linktype, struct weir_filter **filter, struct weir_fault *fault);
void weir_filter_free(struct weir_filter *filter);

/*
 * Whether the packet matches: 1 or 0, or WEIR_E_FILTER when the expression does not compile for the packet's link type.
 */
int weir_filter_match(struct weir_filter *filter, const struct weir_packet *packet, struct weir_fault *fault);

/*
 * Compiles for a link type ahead, 0 or WEIR_E_FILTER. Matching packets of link types that are prepared changes nothing: any number of threads may do so at once.
 */
int weir_filter_prepare(struct weir_filter *filter, uint16_t linktype, struct weir_fault *fault);

/* A stage that drops what does not match. It owns the filter from then on. NULL when there is no memory. */
struct weir_stage *weir_filter_stage_new(struct weir_filter *filter);

#endif
