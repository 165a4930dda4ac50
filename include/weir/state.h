/*
 * weir/state.h: what stages carry from one part of a run to the next, kept in a file, so that an interrupted run goes on from there to the
 * same bytes. Values are little-endian where a stage wants them portable; the file belongs to one machine and one version.
 *
 * One thread at a time.
 */
#ifndef WEIR_STATE_H
#define WEIR_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

struct weir_state;

/* Begins a state file. It appears under its name when it is finished; until then a file of that name stays as it was. */
int weir_state_create(const char *path, struct weir_state **state, struct weir_fault *fault);

/* Opens one and checks it whole: WEIR_E_CORRUPT when a byte of it is not what was written. */
int weir_state_open(const char *path, struct weir_state **state, struct weir_fault *fault);

/*
 * Writing: begins a section of this name and version. Reading: goes to the next section, which has to be this one: WEIR_E_FORMAT
 * otherwise. Every stage has a section of its own.
 */
int weir_state_section(struct weir_state *state, const char *name, uint32_t version, struct weir_fault *fault);

/* Writes, or reads exactly, length bytes. Reading past the section's end is WEIR_E_FORMAT. */
int weir_state_put(struct weir_state *state, const void *data, size_t length, struct weir_fault *fault);
int weir_state_get(struct weir_state *state, void *data, size_t length, struct weir_fault *fault);

/* Reading: bytes left in the section, so that a count can be checked before memory is taken for it. */
uint64_t weir_state_left(const struct weir_state *state);

/* Writing: seals it: it is on disk and has its name. Reading: nothing. */
int weir_state_finish(struct weir_state *state, struct weir_fault *fault);
void weir_state_close(struct weir_state *state);

#endif
