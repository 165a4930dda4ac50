#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "box/recorder_status.h"
#include "core/text.h"
#include "os/files.h"
#include "os/process_alive.h"

static struct recorder_lane_status lanes[2] = {
	{.interface = "eth0", .received = 10, .archived = 7, .ring_lost = 1, .card_lost = 1, .shed = 1, .backlog_bytes = UINT64_MAX, .packet_rate = 1.5, .level = -7, .disk_full = true},
	{.interface = "e\"\n\x1b", .link_down = true, .ended = true},
};

static struct recorder_status sample(uint32_t pid, uint64_t started)
{
	return (struct recorder_status){.node = "box", .command = "record", .pid = pid, .process_started = started, .started_ns = 5, .time_ns = 6, .disk_left_bytes = 7, .segments_deleted = 8, .lanes = lanes, .lane_count = 2};
}

static void what_is_written_is_read_again(void **state)
{
	struct recorder_status status = sample(9, 4), again;
	struct text text = {0};

	recorder_status_format(&status, &text);
	assert_int_equal(recorder_status_parse(text.data, text.length, &again, NULL), 0);
	assert_string_equal(again.node, "box");
	assert_string_equal(again.command, "record");
	assert_int_equal(again.pid, 9);
	assert_int_equal(again.process_started, 4);
	assert_int_equal(again.started_ns, 5);
	assert_int_equal(again.disk_left_bytes, 7);
	assert_int_equal(again.segments_deleted, 8);
	assert_int_equal(again.lane_count, 2);
	assert_string_equal(again.lanes[0].interface, "eth0");
	assert_true(again.lanes[0].backlog_bytes == UINT64_MAX);
	assert_true(again.lanes[0].packet_rate == 1.5);
	assert_int_equal(again.lanes[0].level, -7);
	assert_true(again.lanes[0].disk_full && !again.lanes[0].ended);
	assert_string_equal(again.lanes[1].interface, "e\"\n\x1b");
	assert_true(again.lanes[1].link_down && again.lanes[1].ended);
	recorder_status_free(&again);
	text_free(&text);
}

static void what_is_no_status_is_refused(void **state)
{
	static const char *const bad[] = {"", "[]", "{}", "{\"pid\":0}", "{\"pid\":1", "{\"pid\":1,\"lanes\":[{]}"};
	struct recorder_status status;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(recorder_status_parse(bad[i], strlen(bad[i]), &status, NULL) < 0);
		recorder_status_free(&status);
	}
}

static size_t count_in(const char *campaign, bool *alive)
{
	struct recorder_status *list;
	size_t count;

	assert_int_equal(recorder_status_list(campaign, &list, &count, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		if (alive)
			alive[i] = list[i].alive;
		recorder_status_free(&list[i]);
	}
	free(list);
	return count;
}

static void the_dead_are_known_and_swept_away(void **state)
{
	char campaign[] = "/tmp/weir-test.XXXXXX", folder[200], command[250];
	uint32_t pid = (uint32_t)getpid();
	uint64_t started = os_process_started(pid);
	bool alive[8];

	assert_true(started > 0);
	assert_int_equal(os_process_started(0x7ffffff0), 0);
	assert_non_null(mkdtemp(campaign));
	assert_int_equal(count_in(campaign, NULL), 0);
	snprintf(folder, sizeof folder, "%s/raw/box", campaign);
	assert_int_equal(os_make_folders(folder, NULL), 0);
	struct recorder_status status = sample(pid, started);
	assert_int_equal(recorder_status_write(campaign, "box", &status, NULL), 0);
	/* One whose id was given away again: here, that of the first process. */
	status = sample(1, 1);
	assert_int_equal(recorder_status_write(campaign, "box", &status, NULL), 0);
	assert_int_equal(count_in(campaign, alive), 2);
	assert_true(!alive[0] && alive[1]);
	recorder_status_sweep(campaign, "box");
	assert_int_equal(count_in(campaign, alive), 1);
	assert_true(alive[0]);
	recorder_status_remove(campaign, "box", pid);
	assert_int_equal(count_in(campaign, NULL), 0);
	snprintf(command, sizeof command, "rm -r %s", campaign);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_is_no_status_is_refused),
		cmocka_unit_test(the_dead_are_known_and_swept_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
