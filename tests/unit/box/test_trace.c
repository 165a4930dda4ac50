#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <time.h>

#include "box/trace.h"
#include "box/trace_format.h"
#include "file/option.h"
#include "file/pen.h"

/* ---- files ---- */

static void put(struct text *out, const void *data, size_t length) { text_add_bytes(out, data, length); }

static void put32(struct text *out, uint32_t value)
{
	uint8_t bytes[4];
	weir_store_le32(bytes, value);
	put(out, bytes, sizeof bytes);
}

static void put_section(struct text *out)
{
	uint8_t header[PCAPNG_SHB_BYTES] = {0};

	weir_store_le32(header, PCAPNG_SHB);
	weir_store_le32(header + 4, sizeof header);
	weir_store_le32(header + 8, PCAPNG_BYTE_ORDER);
	weir_store_le16(header + 12, 1);
	weir_store_le64(header + 16, UINT64_MAX);
	weir_store_le32(header + 24, sizeof header);
	put(out, header, sizeof header);
}

static void put_block(struct text *out, const struct text *body)
{
	size_t padded = (body->length + 3) & ~(size_t)3, total = TRACE_BLOCK_HEAD + padded + 4;

	put32(out, TRACE_BLOCK);
	put32(out, (uint32_t)total);
	put32(out, WEIR_PEN);
	put(out, body->data, body->length);
	put(out, "\0\0\0", padded - body->length);
	put32(out, (uint32_t)total);
}

static void put_text(struct text *out, const char *text)
{
	text_add_char(out, (char)strlen(text));
	text_add(out, text);
}

/* A provider 40 of one event, whose field has a name for 1. Everything is called `name`. */
static void put_provider(struct text *out, const char *name)
{
	static const uint8_t id[2] = {40, 0}, keywords[8] = {0}, names[2] = {1, 0};
	struct text body = {0};

	text_add(&body, TRACE_PROVIDER_MAGIC);
	put(&body, id, sizeof id);
	put_text(&body, name);
	put_text(&body, name);
	text_add_char(&body, 0);
	put(&body, "\1\1\1\4", 4); /* an event: id 1, version 1, level 4 */
	put(&body, keywords, sizeof keywords);
	put_text(&body, name);
	text_add_char(&body, 1);
	put(&body, "\1\4", 2);
	put_text(&body, name);
	put(&body, names, sizeof names);
	put32(&body, 1);
	put_text(&body, name);
	put_block(out, &body);
	text_free(&body);
}

static void put_event(struct text *out, const char *thread)
{
	struct text body = {0};
	uint8_t head[TRACE_EVENT_HEAD] = {0};

	memcpy(head, TRACE_EVENT_MAGIC, 4);
	weir_store_le16(head + 4, 40);
	head[6] = head[7] = 1;
	weir_store_le32(head + 12, 4);
	weir_store_le32(head + 16, 7);
	strncpy((char *)head + 56, thread, 16);
	put(&body, head, sizeof head);
	put32(&body, 1);
	put_block(out, &body);
	text_free(&body);
}

static void put_loss_of(struct text *out, uint32_t cpu, uint64_t lost)
{
	uint8_t bytes[TRACE_LOSS_BYTES] = {0};
	struct text body = {0};

	memcpy(bytes, TRACE_LOSS_MAGIC, 4);
	weir_store_le16(bytes + 4, 40);
	weir_store_le32(bytes + 8, cpu);
	weir_store_le64(bytes + 20, lost + 10);
	weir_store_le64(bytes + 28, 10);
	weir_store_le64(bytes + 36, lost);
	put(&body, bytes, sizeof bytes);
	put_block(out, &body);
	text_free(&body);
}

static void put_loss(struct text *out, uint64_t lost) { put_loss_of(out, 0, lost); }

static struct weir_trace_reader *reader_over(const struct text *file)
{
	struct weir_trace_reader *reader;

	assert_false(file->failed);
	assert_int_equal(weir_trace_read_open_memory(file->data, file->length, "memory", &reader, NULL), 0);
	return reader;
}

static void names_in_a_file_do_nothing_to_a_terminal(void **state)
{
	struct text file = {0}, line = {0};
	struct weir_trace_event event;

	put_section(&file);
	put_provider(&file, "\x1b[2J\x07\xc2\x9b");
	put_event(&file, "\x1b]0;x");
	struct weir_trace_reader *reader = reader_over(&file);
	assert_int_equal(weir_trace_read(reader, &event, NULL), 1);
	trace_put_line(&line, &event, false);
	assert_non_null(strstr(text_string(&line), "^[[2J"));
	for (size_t i = 0; i + 1 < line.length; i++)
		assert_true(line.data[i] >= 0x20 && line.data[i] < 0x7f);
	weir_trace_read_close(reader);
	text_free(&file);
	text_free(&line);
}

static void many_traces_behind_each_other_are_read_to_the_end(void **state)
{
	char name[200];
	struct text file = {0};
	struct weir_trace_event event;
	size_t events = 0, losses;

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	/* More than fits, if each were kept. */
	for (size_t i = 0; i < 30000; i++) {
		put_section(&file);
		put_provider(&file, name);
		put_event(&file, "thread");
		if (i < 2)
			put_loss(&file, i + 1);
	}
	struct weir_trace_reader *reader = reader_over(&file);
	while (weir_trace_read(reader, &event, NULL) > 0)
		events++;
	assert_int_equal(events, 30000);
	/* Each is a trace of its own. */
	const struct weir_trace_loss *list = weir_trace_read_losses(reader, &losses);
	assert_int_equal(losses, 2);
	assert_int_equal(list[0].lost, 1);
	assert_int_equal(list[1].lost, 2);
	weir_trace_read_close(reader);
	text_free(&file);
}

static void descriptions_without_end_are_refused_and_not_passed_over(void **state)
{
	char name[201];
	struct text file = {0};
	struct weir_trace_event event;
	struct weir_fault fault;
	int result;

	put_section(&file);
	for (size_t i = 0; i < 30000; i++) {
		snprintf(name, sizeof name, "%0200zu", i);
		put_provider(&file, name);
		put_event(&file, "thread");
	}
	struct weir_trace_reader *reader = reader_over(&file);
	while ((result = weir_trace_read(reader, &event, &fault)) > 0)
		;
	assert_int_equal(result, WEIR_E_LIMIT);
	weir_trace_read_close(reader);
	text_free(&file);
}

/* Every one was held against all before it: 60,000 and 300,000 more were 20 s. */
static void losses_of_very_many_cpus_take_no_longer_each(void **state)
{
	const uint32_t many = 60000, more = 300000;
	struct text file = {0};
	struct weir_trace_event event;
	size_t count;

	put_section(&file);
	put_provider(&file, "own");
	for (uint32_t i = 0; i < many; i++)
		put_loss_of(&file, i, i);
	for (uint32_t i = 0; i < more; i++)
		put_loss_of(&file, 0, 7000 + i);
	struct weir_trace_reader *reader = reader_over(&file);
	clock_t begun = clock();
	assert_int_equal(weir_trace_read(reader, &event, NULL), 0);
	assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
	const struct weir_trace_loss *losses = weir_trace_read_losses(reader, &count);
	assert_int_equal(count, many);
	assert_int_equal(losses[0].lost, 7000 + more - 1);
	for (uint32_t i = 1; i < many; i++)
		assert_true(losses[i].cpu == i && losses[i].lost == i);
	weir_trace_read_close(reader);
	text_free(&file);
}

/* A provider 40 of one event with so many fields, of which each has so many names: told once, and for the others as those before. */
static void put_named_provider(struct text *out, unsigned fields, uint16_t names)
{
	static const uint8_t id[2] = {40, 0}, keywords[8] = {0};
	struct text body = {0};

	text_add(&body, TRACE_PROVIDER_MAGIC);
	put(&body, id, sizeof id);
	put_text(&body, "own");
	put_text(&body, "");
	put(&body, "\0\1\1\1\4", 5);
	put(&body, keywords, sizeof keywords);
	put_text(&body, "did");
	text_add_char(&body, (char)fields);
	for (unsigned i = 0; i < fields; i++) {
		put(&body, "\1\4\1f", 4);
		put(&body, &names, sizeof names);
		for (uint32_t k = 0; k < names; k++) {
			put32(&body, k);
			put_text(&body, "n");
		}
	}
	put_block(out, &body);
	text_free(&body);
}

/* To print one event took as long as its fields have names: 64 fields of 8,192. */
static void an_event_has_no_more_names_than_one_field_may_have(void **state)
{
	static const struct {
		unsigned fields;
		uint16_t names;
		int result;
	} cases[] = {{1, 8192, 1}, {2, 4096, 1}, {2, 4097, 0}, {1, 8193, 0}, {64, 1024, 0}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text file = {0};
		struct weir_trace_event event;
		put_section(&file);
		put_named_provider(&file, cases[i].fields, cases[i].names);
		put_event(&file, "thread");
		struct weir_trace_reader *reader = reader_over(&file);
		assert_int_equal(weir_trace_read(reader, &event, NULL), cases[i].result);
		weir_trace_read_close(reader);
		text_free(&file);
	}
}

/* ---- sessions ---- */

static const struct weir_trace_field fields[] = {{"took", WEIR_TRACE_DURATION, 8, NULL}, {0}};
static const struct weir_trace_event_type types[] = {{1, 1, WEIR_TRACE_INFORMATION, 0, "did", fields}, {0}};
static const struct weir_trace_provider own = {.name = "own", .meaning = "a test's", .events = types};

static void who_emits_after_the_end_is_told_why_not(void **state)
{
	static const char *const names[] = {"weir", NULL};
	const struct weir_trace_options options = {.providers = names};
	const uint8_t payload[8] = {1};
	struct weir_trace_session *session;
	struct weir_fault fault;
	uint16_t id;

	assert_int_equal(weir_trace_open(&options, &session, &fault), 0);
	assert_int_equal(weir_trace_add(session, &own, &id, &fault), 0);
	assert_int_equal(weir_trace_emit(session, id, 1, 0, payload, sizeof payload, &fault), 0);
	assert_int_equal(weir_trace_finish(session, &fault), 0);
	assert_int_equal(weir_trace_emit(session, id, 1, 0, payload, sizeof payload, &fault), WEIR_E_USAGE);
	assert_int_equal(fault.code, WEIR_E_USAGE);
	assert_true(fault.message[0]);
	weir_trace_close(session);
}

/* The size of what the Perfetto UI gets of an event that took so long. */
static long perfetto_size(uint64_t took)
{
	char path[] = "/tmp/weir-test-trace-XXXXXX";
	uint8_t payload[8];
	struct trace_perfetto *perfetto;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	weir_store_le64(payload, took);
	const struct weir_trace_event event = {.provider = &own, .type = types, .payload = {payload, sizeof payload}};
	assert_int_equal(trace_perfetto_open(path, &perfetto, NULL), 0);
	assert_int_equal(trace_perfetto_event(perfetto, &event, NULL), 0);
	assert_int_equal(trace_perfetto_finish(perfetto, NULL), 0);
	trace_perfetto_close(perfetto);
	close(fd);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	long size = ftell(file);
	fclose(file);
	unlink(path);
	return size;
}

static void a_duration_that_is_not_known_is_not_shown(void **state)
{
	/* No annotation at all: less than one of the smallest number. */
	assert_true(perfetto_size(UINT64_MAX) < perfetto_size(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_a_file_do_nothing_to_a_terminal),
		cmocka_unit_test(many_traces_behind_each_other_are_read_to_the_end),
		cmocka_unit_test(descriptions_without_end_are_refused_and_not_passed_over),
		cmocka_unit_test(losses_of_very_many_cpus_take_no_longer_each),
		cmocka_unit_test(an_event_has_no_more_names_than_one_field_may_have),
		cmocka_unit_test(who_emits_after_the_end_is_told_why_not),
		cmocka_unit_test(a_duration_that_is_not_known_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
