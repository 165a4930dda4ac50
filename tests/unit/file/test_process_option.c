/* The processes of packets as options: file/process_option.h, weir/process.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/packet.h>

#include "file/option.h"
#include "file/pen.h"
#include "file/process_option.h"
#include "../unit.h"

#define TEXT(string) ((struct weir_bytes){(const uint8_t *)(string), sizeof(string) - 1})

static const struct weir_process curl = {1234, 1235, 1000, TEXT("curl"), TEXT("/usr/bin/curl"), TEXT("alice")};
static const struct weir_process nginx = {77, 0, WEIR_NO_USER, TEXT("nginx"), {NULL, 0}, {NULL, 0}};
static const struct weir_process nobody = {.user_id = WEIR_NO_USER};

static void assert_same(struct weir_bytes a, struct weir_bytes b)
{
	assert_int_equal(a.length, b.length);
	if (a.length)
		assert_memory_equal(a.data, b.data, a.length);
}

static void assert_process(const struct weir_process *a, const struct weir_process *b)
{
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->thread_id, b->thread_id);
	assert_int_equal(a->user_id, b->user_id);
	assert_same(a->name, b->name);
	assert_same(a->executable, b->executable);
	assert_same(a->user, b->user);
}

static void they_come_back(void **state)
{
	const struct weir_packet_processes cases[] = {{curl, nginx, nobody}, {curl, nobody, nobody}, {nobody, nginx, nobody}};
	uint8_t options[PROCESS_OPTIONS_MOST];
	struct weir_packet_processes read;

	for (size_t i = 0; i < 3; i++)
		for (int big = 0; big < 2; big++) {
			size_t length = process_options_put(options, big, &cases[i]);
			assert_int_equal(length % 4, 0);
			/* epb_processid_threadid first: code 8, two numbers of the section's byte order. */
			assert_int_equal(weir_load16(options, big), 8);
			assert_int_equal(weir_load16(options + 2, big), 8);
			assert_int_equal(weir_load32(options + 4, big), cases[i].source.pid ? 1234 : 77);
			assert_true(pcapng_options_sound((struct weir_bytes){options, length}, big));
			assert_true(process_options_read((struct weir_bytes){options, length}, big, &read));
			assert_process(&read.source, &cases[i].source);
			assert_process(&read.destination, &cases[i].destination);
			assert_int_equal(read.either.pid, 0);
			/* Turned round they say the same. */
			pcapng_options_turn(options, length, big, pcapng_packet_option_wide);
			assert_true(process_options_read((struct weir_bytes){options, length}, !big, &read));
			assert_process(&read.source, &cases[i].source);
			assert_int_equal(weir_load32(options + 4, !big), cases[i].source.pid ? 1234 : 77);
		}
}

static void nobody_makes_no_options(void **state)
{
	const struct weir_packet_processes none = {nobody, nobody, nobody};
	uint8_t options[PROCESS_OPTIONS_MOST];

	assert_int_equal(process_options_put(options, false, &none), 0);
}

static void what_other_programs_write_names_no_end(void **state)
{
	uint8_t options[16];
	const uint8_t ids[8] = {0x10, 0x27, 0, 0, 0x11, 0x27, 0, 0};
	struct weir_packet_processes read;

	size_t length = pcapng_option_put(options, false, 8, ids, 8);
	assert_true(process_options_read((struct weir_bytes){options, length}, false, &read));
	assert_int_equal(read.either.pid, 10000);
	assert_int_equal(read.either.thread_id, 10001);
	assert_int_equal(read.source.pid, 0);
	assert_int_equal(read.destination.pid, 0);
	/* No. 0 is not known. */
	memset(options + 4, 0, 8);
	assert_false(process_options_read((struct weir_bytes){options, length}, false, &read));
}

static void damage_is_never_read_over(void **state)
{
	const struct weir_packet_processes both = {curl, nginx, nobody};
	uint8_t options[PROCESS_OPTIONS_MOST], damaged[PROCESS_OPTIONS_MOST];
	struct weir_packet_processes read;
	size_t length = process_options_put(options, false, &both);

	/* Every byte changed to what is at the edges: it reads something sound or nothing; ASan sees the rest. */
	for (size_t at = 0; at < length; at++)
		for (unsigned value = 0; value < 4; value++) {
			uint8_t *exact = malloc(length);
			memcpy(exact, options, length);
			exact[at] = (const uint8_t[]){0, 1, 0x7f, 0xff}[value];
			if (process_options_read((struct weir_bytes){exact, length}, false, &read) && read.source.executable.length)
				assert_in_range((uintptr_t)read.source.executable.data, (uintptr_t)exact,
				                (uintptr_t)exact + length - read.source.executable.length);
			free(exact);
		}
	for (size_t cut = 0; cut < length; cut++) {
		memcpy(damaged, options, cut);
		process_options_read((struct weir_bytes){damaged, cut}, false, &read);
	}
	/* A version to come is not understood, and epb_processid_threadid still is. */
	memcpy(damaged, options, length);
	damaged[12 + 4 + 8] = 2;
	assert_true(process_options_read((struct weir_bytes){damaged, length}, false, &read));
	assert_int_equal(read.source.pid, 0);
	assert_int_equal(read.either.pid, 1234);
}

static void joining_keeps_what_a_block_says(void **state)
{
	const struct weir_packet_processes first = {curl, nobody, nobody}, second = {nginx, nobody, nobody};
	uint8_t added[PROCESS_OPTIONS_MOST], own[PROCESS_OPTIONS_MOST + 32];
	struct joined_options joined = {0};
	struct weir_packet_processes read;
	struct weir_bytes value;
	uint16_t code;

	size_t added_length = process_options_put(added, WEIR_NATIVE_BIG, &second);
	/* A comment, its end, and in the other byte order. */
	size_t length = pcapng_option_put(own, true, PCAPNG_COMMENT, "hello", 5);
	length += pcapng_option_put(own + length, true, PCAPNG_END_OF_OPTIONS, NULL, 0);
	assert_true(process_options_join(&joined, (struct weir_bytes){own, length}, true, (struct weir_bytes){added, added_length}, false));
	struct weir_cursor cursor = weir_cursor_over(joined.bytes, joined.length);
	assert_true(pcapng_option_next(&cursor, false, &code, &value));
	assert_int_equal(code, PCAPNG_COMMENT);
	assert_memory_equal(value.data, "hello", 5);
	assert_true(process_options_read((struct weir_bytes){joined.bytes, joined.length}, false, &read));
	assert_int_equal(read.source.pid, 77);
	assert_int_equal(weir_load_native32(joined.bytes + joined.length - 4), 0);
	/* One that has processes keeps its own. */
	length = process_options_put(own, true, &first);
	assert_true(process_options_join(&joined, (struct weir_bytes){own, length}, true, (struct weir_bytes){added, added_length}, false));
	assert_int_equal(joined.length, length + 4);
	assert_true(process_options_read((struct weir_bytes){joined.bytes, joined.length}, false, &read));
	assert_process(&read.source, &curl);
	free(joined.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_back),
		cmocka_unit_test(nobody_makes_no_options),
		cmocka_unit_test(what_other_programs_write_names_no_end),
		cmocka_unit_test(damage_is_never_read_over),
		cmocka_unit_test(joining_keeps_what_a_block_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
