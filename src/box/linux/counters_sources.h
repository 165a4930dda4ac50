/*
 * box/linux/counters_sources.h: what Linux counts, and where. One record each.
 */
#ifndef BOX_LINUX_COUNTERS_SOURCES_H
#define BOX_LINUX_COUNTERS_SOURCES_H

#include "box/counters_store.h"

extern const struct counter_source interface_source, softnet_source, snmp_source, netstat_source, snmp6_source; /* counters_network.c */
extern const struct counter_source driver_source;                                                              /* counters_driver.c */
extern const struct counter_source disk_source;                                                                /* counters_disk.c */
extern const struct counter_source cpu_source, interrupt_source, softirq_source;                               /* counters_cpu.c */
extern const struct counter_source meminfo_source, vmstat_source;                                              /* counters_memory.c */
extern const struct counter_source pressure_cpu_source, pressure_io_source, pressure_memory_source, pressure_irq_source;

/* The name of an interface at the start of a line of /proc/net/dev; line is what stands behind it. False: a heading. */
bool take_interface(struct weir_bytes *line, struct weir_bytes *name);

#endif
