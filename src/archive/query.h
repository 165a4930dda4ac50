/*
 * archive/query.h: what the commands ask a query besides weir/archive.h.
 */
#ifndef ARCHIVE_QUERY_H
#define ARCHIVE_QUERY_H

#include <weir/archive.h>

/* Packets that were not looked at, because the expression is no filter for their link type (`vlan` on raw IP). */
uint64_t query_not_compiled(const struct weir_source *source);

#endif
