/* Lines of clock.jsonl of any bytes; what is taken for a state comes back when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "archive/clock_states.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_clock_state state, again;
	char *line = malloc(size ? size : 1); /* of just that size, so that reading beyond it is found */
	struct text text = {0};

	if (!line)
		return 0;
	if (size)
		memcpy(line, data, size);
	if (clock_state_parse(line, size, &state)) {
		clock_state_write(&text, &state);
		if (text.failed || text.length > CLOCK_STATE_LINE_MAX)
			abort();
		if (!clock_state_parse(text.data, text.length - 1, &again) || again.time_ns != state.time_ns ||
		    again.maximum_error_ns != state.maximum_error_ns || again.synchronised != state.synchronised ||
		    again.offset_ns != state.offset_ns || again.status != state.status)
			abort();
	}
	text_free(&text);
	free(line);
	return 0;
}
