/*
 * packet/print.h: prints packets, a line each as tcpdump users expect, or as JSON (docs/json.md).
 */
#ifndef PACKET_PRINT_H
#define PACKET_PRINT_H

#include <weir/pipeline.h>
#include <weir/process.h>

#include "packet/dissect.h"

/* Keeps what printing remembers from packet to packet: connections, the time before. One thread. */
struct printer;

/* NULL when there is no memory. */
struct printer *printer_new(const struct print_options *options);
void printer_free(struct printer *printer);

/*
 * Adds one packet to out, with its line end. interface may be NULL; processes: those that it belongs to, NULL: none is known; number: of the packet in its source,
 * from 1.
 */
void printer_add(struct printer *printer, const struct weir_packet *packet, const struct weir_interface *interface,
                 const struct weir_packet_processes *processes, uint64_t number, struct text *out);

/*
 * A sink that prints to a file descriptor, which stays the caller's. limit: so many packets at most, 0 = all. flush: write out after
 * every batch (a person watches), otherwise when a buffer is full. Ends the run quietly when nobody reads any more. Decodes the
 * packets itself. NULL when there is no memory.
 */
struct weir_sink *print_sink_new(const struct print_options *options, int fd, uint64_t limit, bool flush);
uint64_t print_sink_count(const struct weir_sink *sink);

#endif
