/* How a recording goes, as a file: box/recorder_status.h. */
#include "box/recorder_status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/json_read.h"
#include "os/files.h"
#include "os/process_alive.h"

#define PREFIX ".recorder-"
#define SUFFIX ".json"
#define FILE_BYTES_MOST (1u << 20)

/* The members of a lane that are counts. */
#define LANE(member) {#member, offsetof(struct recorder_lane_status, member)}
static const struct {
	const char *key;
	size_t offset;
} lane_counts[] = {
	LANE(received),      LANE(archived),      LANE(ring_lost),     LANE(card_lost), LANE(shed), LANE(withheld), LANE(captured_bytes),
	LANE(wire_bytes), LANE(written_bytes), LANE(backlog_bytes), LANE(segments),
};
#define LANE_COUNTS (sizeof lane_counts / sizeof *lane_counts)

void recorder_status_free(struct recorder_status *status)
{
	free(status->lanes);
	status->lanes = NULL;
	status->lane_count = 0;
}

static void put_lane(struct json *json, const struct recorder_lane_status *lane)
{
	json_object(json);
	json_put_string(json, "interface", lane->interface);
	for (size_t i = 0; i < LANE_COUNTS; i++)
		json_put_unsigned(json, lane_counts[i].key, *(const uint64_t *)((const char *)lane + lane_counts[i].offset));
	json_put_double(json, "packet_rate", lane->packet_rate);
	json_put_double(json, "bit_rate", lane->bit_rate);
	json_put_signed(json, "level", lane->level);
	json_put_bool(json, "disk_full", lane->disk_full);
	json_put_bool(json, "link_down", lane->link_down);
	json_put_bool(json, "ended", lane->ended);
	json_end_object(json);
}

void recorder_status_format(const struct recorder_status *status, struct text *out)
{
	struct json json = json_into(out);

	json_object(&json);
	json_put_string(&json, "node", status->node);
	json_put_string(&json, "command", status->command);
	json_put_unsigned(&json, "pid", status->pid);
	json_put_unsigned(&json, "process_started", status->process_started);
	json_put_signed(&json, "started_ns", status->started_ns);
	json_put_signed(&json, "time_ns", status->time_ns);
	json_put_unsigned(&json, "disk_left_bytes", status->disk_left_bytes);
	json_put_unsigned(&json, "segments_deleted", status->segments_deleted);
	json_key(&json, "lanes");
	json_array(&json);
	for (size_t i = 0; i < status->lane_count; i++)
		put_lane(&json, &status->lanes[i]);
	json_end_array(&json);
	json_end_object(&json);
	text_add_char(out, '\n');
}

static void take_string(const struct json_token *token, char *out, size_t size)
{
	struct text text = {0};

	if (token->kind != JSON_STRING)
		return;
	json_unescape(token->value, &text);
	snprintf(out, size, "%s", text_string(&text));
	text_free(&text);
}

static int64_t signed_of(const struct json_token *token)
{
	uint64_t value = json_token_unsigned(token);

	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void take_lane_member(struct recorder_lane_status *lane, const struct json_token *token)
{
	for (size_t i = 0; i < LANE_COUNTS; i++)
		if (json_token_is(token->key, lane_counts[i].key))
			*(uint64_t *)((char *)lane + lane_counts[i].offset) = json_token_unsigned(token);
	if (json_token_is(token->key, "interface"))
		take_string(token, lane->interface, sizeof lane->interface);
	else if (json_token_is(token->key, "packet_rate"))
		lane->packet_rate = json_token_double(token);
	else if (json_token_is(token->key, "bit_rate"))
		lane->bit_rate = json_token_double(token);
	else if (json_token_is(token->key, "level"))
		lane->level = (int64_t)json_token_double(token);
	else if (json_token_is(token->key, "disk_full"))
		lane->disk_full = token->kind == JSON_TRUE;
	else if (json_token_is(token->key, "link_down"))
		lane->link_down = token->kind == JSON_TRUE;
	else if (json_token_is(token->key, "ended"))
		lane->ended = token->kind == JSON_TRUE;
}

static void take_member(struct recorder_status *status, const struct json_token *token)
{
	if (json_token_is(token->key, "node"))
		take_string(token, status->node, sizeof status->node);
	else if (json_token_is(token->key, "command"))
		take_string(token, status->command, sizeof status->command);
	else if (json_token_is(token->key, "pid"))
		status->pid = (uint32_t)json_token_unsigned(token);
	else if (json_token_is(token->key, "process_started"))
		status->process_started = json_token_unsigned(token);
	else if (json_token_is(token->key, "started_ns"))
		status->started_ns = signed_of(token);
	else if (json_token_is(token->key, "time_ns"))
		status->time_ns = signed_of(token);
	else if (json_token_is(token->key, "disk_left_bytes"))
		status->disk_left_bytes = json_token_unsigned(token);
	else if (json_token_is(token->key, "segments_deleted"))
		status->segments_deleted = json_token_unsigned(token);
}

static int add_lane(struct recorder_status *status, struct weir_fault *fault)
{
	if (status->lane_count == RECORDER_LANES_MOST)
		return weir_fail(fault, WEIR_E_LIMIT, "a recording of more than %d rings", RECORDER_LANES_MOST);
	struct recorder_lane_status *lanes = realloc(status->lanes, (status->lane_count + 1) * sizeof *lanes);
	if (!lanes)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of a recording");
	status->lanes = lanes;
	lanes[status->lane_count++] = (struct recorder_lane_status){0};
	return 0;
}

/* Depths: 1 members of the status, 2 the lanes, 3 their members. */
int recorder_status_parse(const void *data, size_t length, struct recorder_status *status, struct weir_fault *fault)
{
	struct json_reader reader = json_reader_over(data, length);
	struct json_token token;
	bool in_lanes = false;
	int error = 0;

	*status = (struct recorder_status){0};
	if (json_next(&reader, &token) != JSON_OBJECT)
		return weir_fail(fault, WEIR_E_FORMAT, "not the state of a recording");
	while (!error && json_next(&reader, &token) > JSON_ENDED) {
		if (token.depth == 1 && token.kind != JSON_OBJECT_END && token.kind != JSON_ARRAY_END) {
			in_lanes = token.kind == JSON_ARRAY && json_token_is(token.key, "lanes");
			take_member(status, &token);
		} else if (token.depth == 2 && in_lanes && token.kind == JSON_OBJECT) {
			error = add_lane(status, fault);
		} else if (token.depth == 3 && in_lanes && token.has_key && status->lane_count) {
			take_lane_member(&status->lanes[status->lane_count - 1], &token);
		}
	}
	if (!error && (token.kind != JSON_ENDED || !status->pid))
		error = weir_fail(fault, WEIR_E_FORMAT, "not the state of a recording");
	return error;
}

static int path_of(const char *campaign, const char *node, uint32_t pid, const char *ending, char out[static PATH_MAX])
{
	int length = snprintf(out, PATH_MAX, "%s/raw/%s/" PREFIX "%" PRIu32 SUFFIX "%s", campaign, node, pid, ending);

	return length > 0 && length < PATH_MAX ? 0 : -1;
}

/* The id in the name of such a file; 0: it is none. */
static uint32_t pid_of(const char *name)
{
	char *end;

	if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
		return 0;
	unsigned long pid = strtoul(name + sizeof PREFIX - 1, &end, 10);
	return strcmp(end, SUFFIX) == 0 && pid <= UINT32_MAX ? (uint32_t)pid : 0;
}

static int read_one(const char *path, struct recorder_status *status)
{
	char *data;
	size_t size;

	*status = (struct recorder_status){0};
	int error = os_read_file(path, FILE_BYTES_MOST, &data, &size, NULL);
	if (error)
		return error;
	error = recorder_status_parse(data, size, status, NULL);
	free(data);
	status->alive = !error && os_process_started(status->pid) == status->process_started;
	return error;
}

void recorder_status_sweep(const char *campaign, const char *node)
{
	char folder_path[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;

	if (snprintf(folder_path, sizeof folder_path, "%s/raw/%s", campaign, node) >= (int)sizeof folder_path)
		return;
	DIR *folder = opendir(folder_path);
	while (folder && (entry = readdir(folder))) {
		struct recorder_status status;
		uint32_t pid = pid_of(entry->d_name);
		if (!pid || path_of(campaign, node, pid, "", path))
			continue;
		if (read_one(path, &status) || !status.alive)
			unlink(path);
		recorder_status_free(&status);
	}
	if (folder)
		closedir(folder);
}

int recorder_status_write(const char *campaign, const char *node, const struct recorder_status *status, struct weir_fault *fault)
{
	char path[PATH_MAX], beside[PATH_MAX];
	struct text text = {0};

	if (path_of(campaign, node, status->pid, "", path) || path_of(campaign, node, status->pid, ".new", beside))
		return weir_fail(fault, WEIR_E_LIMIT, "the path of the campaign is too long");
	recorder_status_format(status, &text);
	if (text.failed) {
		text_free(&text);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of the recording");
	}
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int failed = fd < 0 ? errno : os_write_all(fd, text.data, text.length, -1);
	if (fd >= 0 && close(fd) && !failed)
		failed = errno;
	if (!failed && rename(beside, path))
		failed = errno;
	if (failed && fd >= 0)
		unlink(beside);
	text_free(&text);
	return failed ? weir_fail_errno(fault, failed, path, "the state of the recording could not be written") : 0;
}

void recorder_status_remove(const char *campaign, const char *node, uint32_t pid)
{
	char path[PATH_MAX];

	if (path_of(campaign, node, pid, "", path) == 0)
		unlink(path);
}

static void list_node(const char *campaign, const char *node, struct recorder_status *list, size_t *count)
{
	char folder_path[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;

	if (snprintf(folder_path, sizeof folder_path, "%s/raw/%s", campaign, node) >= (int)sizeof folder_path)
		return;
	DIR *folder = opendir(folder_path);
	while (folder && (entry = readdir(folder)) && *count < RECORDERS_MOST) {
		uint32_t pid = pid_of(entry->d_name);
		if (!pid || path_of(campaign, node, pid, "", path))
			continue;
		/* One that can't be read any more has just ended. */
		if (read_one(path, &list[*count]) == 0)
			(*count)++;
		else
			recorder_status_free(&list[*count]);
	}
	if (folder)
		closedir(folder);
}

static int by_node(const void *a, const void *b)
{
	const struct recorder_status *x = a, *y = b;
	int order = strcmp(x->node, y->node);

	return order ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

int recorder_status_list(const char *campaign, struct recorder_status **list, size_t *count, struct weir_fault *fault)
{
	char raw[PATH_MAX];
	struct dirent *entry;

	*list = NULL;
	*count = 0;
	if (snprintf(raw, sizeof raw, "%s/raw", campaign) >= (int)sizeof raw)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of the campaign is too long");
	DIR *folder = opendir(raw);
	if (!folder)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, raw, "cannot list the folder");
	*list = calloc(RECORDERS_MOST, sizeof **list);
	if (!*list) {
		closedir(folder);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the states of recordings");
	}
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			list_node(campaign, entry->d_name, *list, count);
	closedir(folder);
	if (*count)
		qsort(*list, *count, sizeof **list, by_node);
	return 0;
}
