/*
 * State files: weir/state.h.
 *
 * Eight bytes of magic, then sections, each a header of 56 bytes (name, version, XXH3 of the content, its length) and the content, then a header without a
 * name that says that nothing is missing. Written beside its name and renamed when it is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/bytes.h>
#include <weir/state.h>

#include "core/xxh3.h"
#include "os/files.h"

#define MAGIC "weirst01"
#define BUFFER_BYTES (1u << 20)

struct section {
	char name[32];
	uint32_t version;
	uint32_t reserved;
	uint64_t hash;
	uint64_t length;
};

struct weir_state {
	int fd;
	bool writing, in_section;
	char *path, *new_path;
	struct xxh3 *hash;
	struct section section;
	uint64_t section_at; /* of the section's header in the file */
	uint64_t at;         /* in the file: of what the buffer holds first (writing), of what is read next (reading) */
	uint64_t left;       /* reading: of the section's content */
	uint8_t *buffer;
	size_t used, taken;  /* in the buffer: filled; reading: given out */
};

static int broken(const struct weir_state *state, struct weir_fault *fault)
{
	return weir_fail_at(fault, WEIR_E_CORRUPT, state->path, (int64_t)state->at, WEIR_NOWHERE, "the state of a run is damaged: start the run anew");
}

static int flush(struct weir_state *state, struct weir_fault *fault)
{
	int error = os_write_all(state->fd, state->buffer, state->used, (int64_t)state->at);

	if (error)
		return weir_fail_errno(fault, error, state->path, "can't write the state of a run");
	state->at += state->used;
	state->used = 0;
	return 0;
}

static int append(struct weir_state *state, const void *data, size_t length, struct weir_fault *fault)
{
	const uint8_t *from = data;

	while (length) {
		size_t some = BUFFER_BYTES - state->used < length ? BUFFER_BYTES - state->used : length;
		memcpy(state->buffer + state->used, from, some);
		state->used += some;
		from += some;
		length -= some;
		if (state->used == BUFFER_BYTES) {
			int error = flush(state, fault);
			if (error)
				return error;
		}
	}
	return 0;
}

static struct weir_state *state_new(const char *path, bool writing)
{
	struct weir_state *state = calloc(1, sizeof *state);

	if (!state)
		return NULL;
	state->fd = -1;
	state->writing = writing;
	state->path = strdup(path);
	state->hash = xxh3_new();
	state->buffer = malloc(BUFFER_BYTES);
	if (writing && asprintf(&state->new_path, "%s.new", path) < 0)
		state->new_path = NULL;
	if (!state->path || !state->hash || !state->buffer || (writing && !state->new_path)) {
		weir_state_close(state);
		return NULL;
	}
	return state;
}

int weir_state_create(const char *path, struct weir_state **out, struct weir_fault *fault)
{
	struct weir_state *state = state_new(path, true);

	*out = NULL;
	if (!state)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of a run");
	state->fd = open(state->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int error = state->fd < 0 ? weir_fail_errno(fault, errno, path, "can't write the state of a run") : append(state, MAGIC, 8, fault);
	if (error) {
		weir_state_close(state);
		return error;
	}
	*out = state;
	return 0;
}

/* Writes the header of the section that ends here, now that its length and hash are known. */
static int end_section(struct weir_state *state, struct weir_fault *fault)
{
	if (!state->in_section)
		return 0;
	int error = flush(state, fault);
	if (error)
		return error;
	state->section.hash = xxh3_value(state->hash);
	error = os_write_all(state->fd, &state->section, sizeof state->section, (int64_t)state->section_at);
	state->in_section = false;
	return error ? weir_fail_errno(fault, error, state->path, "can't write the state of a run") : 0;
}

static int begin_section(struct weir_state *state, const char *name, uint32_t version, struct weir_fault *fault)
{
	int error = end_section(state, fault);

	if (error)
		return error;
	state->section = (struct section){.version = version};
	snprintf(state->section.name, sizeof state->section.name, "%s", name);
	state->section_at = state->at + state->used;
	state->in_section = true;
	xxh3_reset(state->hash);
	return append(state, &state->section, sizeof state->section, fault);
}

int weir_state_put(struct weir_state *state, const void *data, size_t length, struct weir_fault *fault)
{
	if (!state->writing || !state->in_section)
		return weir_fail(fault, WEIR_E_USAGE, "a state file: no section to write to");
	xxh3_add(state->hash, data, length);
	state->section.length += length;
	return append(state, data, length, fault);
}

/* Reads from the file at state->at, through the buffer. */
static int take(struct weir_state *state, void *data, size_t length, struct weir_fault *fault)
{
	uint8_t *to = data;

	while (length) {
		if (state->taken == state->used) {
			int64_t got = os_read_at(state->fd, state->buffer, BUFFER_BYTES, state->at);
			if (got < 0)
				return weir_fail_errno(fault, (int)-got, state->path, "can't read the state of a run");
			if (got == 0)
				return broken(state, fault);
			state->used = (size_t)got;
			state->taken = 0;
			state->at += (uint64_t)got;
		}
		size_t some = state->used - state->taken < length ? state->used - state->taken : length;
		memcpy(to, state->buffer + state->taken, some);
		state->taken += some;
		to += some;
		length -= some;
	}
	return 0;
}

static void rewind_to(struct weir_state *state, uint64_t at)
{
	state->at = at;
	state->used = state->taken = 0;
}

/* Reads the content of a section and compares its hash. */
static int check_section(struct weir_state *state, const struct section *section, struct weir_fault *fault)
{
	uint8_t some[4096];

	xxh3_reset(state->hash);
	for (uint64_t left = section->length; left;) {
		size_t length = left < sizeof some ? (size_t)left : sizeof some;
		int error = take(state, some, length, fault);
		if (error)
			return error;
		xxh3_add(state->hash, some, length);
		left -= length;
	}
	return xxh3_value(state->hash) == section->hash ? 0 : broken(state, fault);
}

static int check(struct weir_state *state, struct weir_fault *fault)
{
	char magic[8];
	int error = take(state, magic, sizeof magic, fault);

	if (!error && memcmp(magic, MAGIC, sizeof magic) != 0)
		error = weir_fail_at(fault, WEIR_E_FORMAT, state->path, 0, WEIR_NOWHERE, "not the state of a run of this version of weir");
	while (!error) {
		struct section section;
		error = take(state, &section, sizeof section, fault);
		if (error || section.name[0] == '\0')
			break;
		error = check_section(state, &section, fault);
	}
	if (!error)
		rewind_to(state, sizeof magic);
	return error;
}

int weir_state_open(const char *path, struct weir_state **out, struct weir_fault *fault)
{
	struct weir_state *state = state_new(path, false);

	*out = NULL;
	if (!state)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of a run");
	state->fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = state->fd < 0 ? weir_fail_errno(fault, errno, path, "can't read the state of a run") : check(state, fault);
	if (error) {
		weir_state_close(state);
		return error;
	}
	*out = state;
	return 0;
}

/* Goes on to the section after the one in hand, of which something may be left. */
static int next_section(struct weir_state *state, const char *name, uint32_t version, struct weir_fault *fault)
{
	if (state->left)
		rewind_to(state, state->at - (state->used - state->taken) + state->left);
	int error = take(state, &state->section, sizeof state->section, fault);
	if (error)
		return error;
	state->section.name[sizeof state->section.name - 1] = '\0';
	if (strcmp(state->section.name, name) != 0 || state->section.version != version)
		return weir_fail_at(fault, WEIR_E_FORMAT, state->path, (int64_t)state->at, WEIR_NOWHERE,
		                    "the state of a run has '%s' version %u where '%s' version %u is wanted: start the run anew", state->section.name,
		                    state->section.version, name, version);
	state->left = state->section.length;
	return 0;
}

int weir_state_section(struct weir_state *state, const char *name, uint32_t version, struct weir_fault *fault)
{
	return state->writing ? begin_section(state, name, version, fault) : next_section(state, name, version, fault);
}

int weir_state_get(struct weir_state *state, void *data, size_t length, struct weir_fault *fault)
{
	if (state->writing || length > state->left)
		return weir_fail_at(fault, WEIR_E_FORMAT, state->path, (int64_t)state->at, WEIR_NOWHERE,
		                    "the state of a run ends in the middle of something: start the run anew");
	state->left -= length;
	return take(state, data, length, fault);
}

uint64_t weir_state_left(const struct weir_state *state)
{
	return state->left;
}

int weir_state_finish(struct weir_state *state, struct weir_fault *fault)
{
	struct section end = {0};

	if (!state->writing)
		return 0;
	int error = end_section(state, fault);
	if (!error)
		error = append(state, &end, sizeof end, fault);
	if (!error)
		error = flush(state, fault);
	if (!error && (fdatasync(state->fd) != 0 || rename(state->new_path, state->path) != 0))
		error = weir_fail_errno(fault, errno, state->path, "can't write the state of a run");
	if (!error) {
		free(state->new_path);
		state->new_path = NULL;
	}
	return error;
}

void weir_state_close(struct weir_state *state)
{
	if (!state)
		return;
	if (state->fd >= 0)
		close(state->fd);
	if (state->new_path && state->fd >= 0)
		unlink(state->new_path); /* never finished */
	free(state->new_path);
	free(state->path);
	xxh3_free(state->hash);
	free(state->buffer);
	free(state);
}
