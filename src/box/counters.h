/*
 * box/counters.h: what the system counts: interfaces, softnet, rings, protocols, disks, CPU, memory, pressure, interrupts; with rates and a short history.
 */
#ifndef BOX_COUNTERS_H
#define BOX_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

enum counter_kind {
	COUNTER_TOTAL, /* grows for ever: its rate a second is what tells */
	COUNTER_LEVEL, /* how much there is of it now */
};

enum counter_unit { COUNTER_NUMBER, COUNTER_BYTES, COUNTER_PACKETS, COUNTER_NANOSECONDS, COUNTER_RATIO };

struct counter {
	const char *group;    /* "interface", "softnet", "ring", "ip", "tcp", "udp", "disk", "cpu", "memory", "pressure", "interrupt", … */
	const char *instance; /* "eth0", "cpu1", "vda", "io.some"; "": the system's only one */
	const char *name;     /* "received_bytes"; with group and instance unique: GROUP.INSTANCE.NAME */
	const char *meaning;  /* a line for a person; "" when the system's name is all there is */
	uint8_t kind, unit;
	bool there;           /* false: its instance went away; value and rate are the last */
	double value;         /* exact up to 2^53 */
	uint64_t whole;       /* of COUNTER_NUMBER, BYTES, PACKETS, NANOSECONDS: exactly; where value is below zero in two's complement */
	double rate;          /* a second, between the last two looks; NAN: there was one look, or it was set back */
};

#define COUNTERS_HISTORY 60

struct counters;

/*
 * names: shell patterns of GROUP.INSTANCE.NAME, GROUP.NAME (where there is one instance) or of a prefix up to a dot ("interface", "interface.eth*"); none: all. WEIR_E_NOT_FOUND when one matches nothing.
 * What it sees does not count as a look: counters_refresh comes next. Everything is opened here: privileges may be dropped afterwards. One thread.
 */
int counters_open(const char *const *names, size_t count, struct counters **counters, struct weir_fault *fault);
void counters_close(struct counters *counters);
/* A line about what can't be read and which right it takes; "": nothing is missing. */
const char *counters_lack(const struct counters *counters);
int counters_refresh(struct counters *counters, struct weir_fault *fault);
/* In a stable order: by group, instance, name as the system has them. Valid until the next refresh; entries once there keep their place. */
const struct counter *counters_list(const struct counters *counters, size_t *count);
/* NULL: there is none. */
const struct counter *counters_named(const struct counters *counters, const char *group, const char *instance, const char *name);
/* What a sparkline shows: rates of totals, values of levels, oldest first, at most COUNTERS_HISTORY of them; NAN: not known then. Returns how many. */
size_t counters_history(const struct counters *counters, const struct counter *counter, double out[static COUNTERS_HISTORY]);

#endif
