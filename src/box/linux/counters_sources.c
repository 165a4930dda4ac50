/* The sources of Linux' counters, in the order in which they are listed. */
#include "box/linux/counters_sources.h"

const struct counter_source *const counter_sources[] = {
	&interface_source, &driver_source, &softnet_source, &snmp_source, &netstat_source, &snmp6_source,
	&disk_source, &cpu_source, &meminfo_source, &vmstat_source,
	&pressure_cpu_source, &pressure_io_source, &pressure_memory_source, &pressure_irq_source,
	&softirq_source, &interrupt_source,
	NULL,
};
