/* archive/clock_states.h: lines of raw/NODE/clock.jsonl. Entered by weir_clock_state_enter, read by weir_clock_states_read (weir/archive.h). */
#ifndef ARCHIVE_CLOCK_STATES_H
#define ARCHIVE_CLOCK_STATES_H

#include <weir/archive.h>

#include "core/text.h"

#define CLOCK_STATE_LINE_MAX 1000 /* bytes */

/* What one line says, without its end. False when it is no state: not one flat JSON object, or without what it needs. */
bool clock_state_parse(const char *line, size_t length, struct weir_clock_state *state);

/* Adds the line, with its end. */
void clock_state_write(struct text *line, const struct weir_clock_state *state);

#endif
