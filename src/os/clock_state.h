/*
 * os/clock_state.h: what the system knows of its own clock.
 */
#ifndef OS_CLOCK_STATE_H
#define OS_CLOCK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

/* The state of the kernel's clock discipline (RFC 5905, section 11; on Linux adjtimex(2)). */
struct os_clock_state {
	int64_t offset_ns;          /* what is still to be corrected */
	int64_t maximum_error_ns;   /* the clock is within this of UTC, if it is synchronised */
	int64_t estimated_error_ns; /* and probably within this */
	double frequency_ppm;       /* by how much it is made faster */
	bool synchronised;          /* somebody keeps it so */
	uint32_t status;            /* the system's own flags */
};

/* 0, or WEIR_E_UNSUPPORTED when the system does not tell. */
int os_clock_state(struct os_clock_state *state, struct weir_fault *fault);

#endif
