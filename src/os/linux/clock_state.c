/* The kernel's clock discipline: os/clock_state.h. */
#include "os/clock_state.h"

#include <errno.h>
#include <sys/timex.h>

int os_clock_state(struct os_clock_state *state, struct weir_fault *fault)
{
	struct timex timex = {.modes = 0}; /* only asks: needs no right */
	int code = adjtimex(&timex);

	if (code < 0)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "the system does not tell the state of its clock (errno %d)", errno);
	*state = (struct os_clock_state){
		.offset_ns = timex.status & STA_NANO ? timex.offset : timex.offset * 1000,
		.maximum_error_ns = (int64_t)timex.maxerror * 1000,
		.estimated_error_ns = (int64_t)timex.esterror * 1000,
		.frequency_ppm = (double)timex.freq / 65536,
		.synchronised = code != TIME_ERROR && !(timex.status & STA_UNSYNC),
		.status = (uint32_t)timex.status,
	};
	return 0;
}
