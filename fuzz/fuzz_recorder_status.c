/* The state of a recording, from any bytes; what is understood is written and read again to the same. */
#include "box/recorder_status.h"
#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recorder_status status, again;
	struct text once = {0};

	if (recorder_status_parse(data, size, &status, NULL) == 0) {
		recorder_status_format(&status, &once);
		if (recorder_status_parse(once.data, once.length, &again, NULL))
			__builtin_trap();
		if (again.lane_count != status.lane_count || again.pid != status.pid)
			__builtin_trap();
		recorder_status_free(&again);
	}
	recorder_status_free(&status);
	text_free(&once);
	return 0;
}
