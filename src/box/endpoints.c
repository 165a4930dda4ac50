/* What is the same on every system about endpoints: box/endpoints.h. */
#include "box/endpoints.h"

const char *endpoint_state_name(unsigned state)
{
	static const char *const names[] = {
		"", "ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
		"BOUND", "CONNECTED",
	};

	return state < sizeof names / sizeof *names ? names[state] : "";
}
