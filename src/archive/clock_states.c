/* What nodes said of their clocks: archive/clock_states.h. */
#include "archive/clock_states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/campaign.h"
#include "core/json.h"
#include "os/files.h"

enum { NEED_TIME = 1, NEED_ERROR = 2, NEED_SYNCHRONISED = 4, NEEDED = 7 };

void clock_state_write(struct text *line, const struct weir_clock_state *state)
{
	struct json json = json_into(line);

	json_object(&json);
	json_put_signed(&json, "time_ns", state->time_ns);
	json_put_signed(&json, "offset_ns", state->offset_ns);
	json_put_signed(&json, "maximum_error_ns", state->maximum_error_ns);
	json_put_signed(&json, "estimated_error_ns", state->estimated_error_ns);
	json_put_double(&json, "frequency_ppm", state->frequency_ppm);
	json_put_bool(&json, "synchronised", state->synchronised);
	json_put_unsigned(&json, "status", state->status);
	json_end_object(&json);
	text_add_char(line, '\n');
}

/* ---- Reading a line ---- */

struct scan {
	const char *at, *end;
};

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

static bool take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* A string, as it stands between its quotes. */
static bool take_string(struct scan *scan, struct weir_bytes *value)
{
	if (!take(scan, '"'))
		return false;
	const char *from = scan->at;
	while (scan->at < scan->end && *scan->at != '"')
		scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
	if (scan->at >= scan->end)
		return false;
	*value = (struct weir_bytes){(const uint8_t *)from, (size_t)(scan->at - from)};
	scan->at++;
	return true;
}

/* A number or a word, up to what may follow it. */
static bool take_word(struct scan *scan, struct weir_bytes *value)
{
	skip_blanks(scan);
	const char *from = scan->at;
	while (scan->at < scan->end && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *scan->at) && *scan->at)
		scan->at++;
	*value = (struct weir_bytes){(const uint8_t *)from, (size_t)(scan->at - from)};
	return value->length > 0;
}

static bool is(struct weir_bytes value, const char *word)
{
	return value.length == strlen(word) && memcmp(value.data, word, value.length) == 0;
}

static bool whole_number(struct weir_bytes value, int64_t *number)
{
	bool negative = value.length && value.data[0] == '-';
	int64_t sum = 0;

	if (value.length == (size_t)negative)
		return false;
	for (size_t i = negative; i < value.length; i++) {
		int digit = value.data[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
			return false;
	}
	*number = sum;
	return true;
}

static bool any_number(struct weir_bytes value, double *number)
{
	char text[40], *end;

	if (value.length == 0 || value.length >= sizeof text || (value.data[0] != '-' && (value.data[0] < '0' || value.data[0] > '9')))
		return false;
	memcpy(text, value.data, value.length);
	text[value.length] = '\0';
	*number = strtod(text, &end);
	return *end == '\0';
}

/* Takes the value of a key that is known. False when it is not of its type. */
static bool set(struct weir_clock_state *state, struct weir_bytes key, struct weir_bytes value, unsigned *have)
{
	int64_t number;

	if (is(key, "time_ns")) {
		*have |= NEED_TIME;
		return whole_number(value, &state->time_ns);
	}
	if (is(key, "offset_ns"))
		return whole_number(value, &state->offset_ns);
	if (is(key, "maximum_error_ns")) {
		*have |= NEED_ERROR;
		return whole_number(value, &state->maximum_error_ns) && state->maximum_error_ns >= 0;
	}
	if (is(key, "estimated_error_ns"))
		return whole_number(value, &state->estimated_error_ns);
	if (is(key, "frequency_ppm"))
		return is(value, "null") || any_number(value, &state->frequency_ppm);
	if (is(key, "synchronised")) {
		*have |= NEED_SYNCHRONISED;
		state->synchronised = is(value, "true");
		return state->synchronised || is(value, "false");
	}
	if (is(key, "status")) {
		if (!whole_number(value, &number) || number < 0 || number > UINT32_MAX)
			return false;
		state->status = (uint32_t)number;
	}
	return true;
}

bool clock_state_parse(const char *line, size_t length, struct weir_clock_state *state)
{
	struct scan scan = {line, line + length};
	struct weir_bytes key, value;
	unsigned have = 0;

	*state = (struct weir_clock_state){0};
	if (!take(&scan, '{'))
		return false;
	do {
		if (!take_string(&scan, &key) || !take(&scan, ':'))
			return false;
		skip_blanks(&scan);
		bool string = scan.at < scan.end && *scan.at == '"';
		if (string ? !take_string(&scan, &value) : !take_word(&scan, &value))
			return false;
		/* None of the keys that are known has a string. */
		if (!set(state, key, string ? (struct weir_bytes){(const uint8_t *)"\"", 1} : value, &have))
			return false;
	} while (take(&scan, ','));
	if (!take(&scan, '}'))
		return false;
	skip_blanks(&scan);
	return scan.at == scan.end && have == NEEDED;
}

/* ---- The file ---- */

static int path_of(const struct weir_campaign *campaign, const char *node, const char *file, char path[static PATH_MAX],
                   struct weir_fault *fault)
{
	char name[VANTAGE_NAME_MAX], relative[VANTAGE_NAME_MAX + 32];

	vantage_name(node, name);
	snprintf(relative, sizeof relative, "raw/%s%s", name, file);
	return campaign_path(campaign, relative, path, fault);
}

int weir_clock_state_enter(struct weir_campaign *campaign, const char *node, const struct weir_clock_state *state,
                           struct weir_fault *fault)
{
	struct text line = {0};
	char path[PATH_MAX];

	int error = path_of(campaign, node, "", path, fault);
	if (!error)
		error = os_make_folders(path, fault);
	if (!error)
		error = path_of(campaign, node, "/clock.jsonl", path, fault);
	if (error)
		return error;
	clock_state_write(&line, state);
	int fd = line.failed ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	/* One write, so that recorders of one node do not mix their lines. What a full disk cuts short is a line that readers pass over. */
	if (line.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of the clock");
	else if (fd < 0)
		error = weir_fail_errno(fault, errno, path, "cannot be opened");
	else if ((errno = os_write_all(fd, line.data, line.length, -1)) != 0)
		error = weir_fail_errno(fault, errno, path, "cannot be written");
	if (fd >= 0)
		close(fd);
	text_free(&line);
	return error;
}

int weir_clock_states_read(struct weir_campaign *campaign, const char *node, int64_t from_ns, int64_t to_ns,
                           int (*found)(void *context, const struct weir_clock_state *state), void *context, uint64_t *bad,
                           struct weir_fault *fault)
{
	char path[PATH_MAX], line[CLOCK_STATE_LINE_MAX + 2];
	uint64_t wrong = 0;
	bool inside = false; /* a line that is too long */

	int result = path_of(campaign, node, "/clock.jsonl", path, fault);
	if (result)
		return result;
	FILE *file = fopen(path, "re");
	if (!file && errno != ENOENT)
		return weir_fail_errno(fault, errno, path, "cannot be read");
	while (file && result == 0 && fgets(line, sizeof line, file)) {
		struct weir_clock_state state;
		size_t length = strlen(line);
		bool ended = length && line[length - 1] == '\n', whole = ended && !inside;
		inside = !ended;
		if (!ended)
			continue;
		if (!whole || !clock_state_parse(line, length - 1, &state))
			wrong++;
		else if (state.time_ns >= from_ns && state.time_ns <= to_ns)
			result = found(context, &state);
	}
	wrong += inside;
	if (file && ferror(file))
		result = weir_fail_errno(fault, errno, path, "cannot be read");
	if (file)
		fclose(file);
	if (bad)
		*bad = wrong;
	return result;
}
