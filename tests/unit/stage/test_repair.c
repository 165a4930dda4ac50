#include "../unit.h"

#include <stdlib.h>

#include <weir/stage.h>

#include "file/pcap.h"

#define PACKETS 200
#define BYTES 100 /* of a packet */
#define BEGIN 1700000000

struct file {
	uint8_t data[2 * PACKETS * (PCAP_RECORD_BYTES + BYTES) + 1024];
	size_t length;
};

/* UDP over IPv4, numbered. */
static void add_records(struct file *file, bool big, uint32_t first, uint32_t count)
{
	static const uint8_t head[42] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 86, 0, 0, 0, 0, 64, 17, 0, 0,
	                                 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x10, 0x92, 0, 66, 0, 0};
	struct pcap_shape shape = {.big_endian = big, .record_header = PCAP_RECORD_BYTES};

	for (uint32_t i = first; i < first + count; i++) {
		uint8_t *out = file->data + file->length;
		pcap_record_make(&shape, BEGIN + i, 1000 * (i % 1000), BYTES, BYTES, out);
		memset(out + PCAP_RECORD_BYTES, 'a', BYTES);
		memcpy(out + PCAP_RECORD_BYTES, head, sizeof head);
		weir_store_be32(out + PCAP_RECORD_BYTES + 42, i);
		file->length += PCAP_RECORD_BYTES + BYTES;
	}
}

static void add_header(struct file *file, bool big)
{
	struct pcap_shape shape = {.format = WEIR_FORMAT_PCAP, .big_endian = big, .snaplen = 65535, .linktype = 1};

	pcap_header_make(&shape, file->data + file->length);
	file->length += PCAP_HEADER_BYTES;
}

static struct file *sound_file(void)
{
	struct file *file = calloc(1, sizeof *file);

	assert_non_null(file);
	add_header(file, false);
	add_records(file, false, 0, PACKETS);
	return file;
}

static uint8_t *record_at(struct file *file, uint32_t i)
{
	return file->data + PCAP_HEADER_BYTES + (size_t)i * (PCAP_RECORD_BYTES + BYTES);
}

struct outcome {
	uint32_t packets, last, ranges;
	bool seen[2 * PACKETS];
	struct weir_damage damage; /* the last */
	char cause[64];
};

static void on_damage(void *context, const struct weir_damage *damage)
{
	struct outcome *outcome = context;

	outcome->ranges++;
	outcome->damage = *damage;
	strncpy(outcome->cause, damage->cause, sizeof outcome->cause - 1);
}

/* Repairs it and frees it. Every packet that comes must be one that was there, with its time. */
static struct outcome repair(struct file *file)
{
	struct weir_batch *batch = weir_batch_new();
	struct outcome outcome = {0};
	struct weir_source *source;
	struct weir_fault fault;
	int code;

	assert_non_null(batch);
	if (weir_repair_open_memory(file->data, file->length, "test", NULL, on_damage, &outcome, &source, &fault) != 0)
		fail_msg("%s", fault.message);
	while ((code = source->ops->fill(source, batch, &fault)) == 1) {
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			assert_int_equal(packet->captured, BYTES);
			uint32_t number = weir_load_be32(packet->data + 42);
			assert_in_range(number, 0, 2 * PACKETS - 1);
			assert_int_equal(packet->time_ns, (BEGIN + (int64_t)number) * 1000000000 + (int64_t)(number % 1000) * 1000000);
			assert_int_equal(batch->interfaces[packet->interface_id]->linktype, 1);
			outcome.seen[number] = true;
			outcome.packets++;
		}
		weir_batch_reset(batch);
	}
	assert_int_equal(code, 0);
	weir_source_close(source);
	weir_batch_free(batch);
	free(file);
	return outcome;
}

static void a_sound_file_has_no_damage(void **state)
{
	struct outcome outcome = repair(sound_file());

	assert_int_equal(outcome.packets, PACKETS);
	assert_int_equal(outcome.ranges, 0);
}

static void a_length_that_lies_costs_its_record_alone(void **state)
{
	static const uint32_t lies[] = {0, 1, 50, 99, 101, 116, 200, 5000, 65535, 262144, UINT32_MAX};

	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		struct file *file = sound_file();
		weir_store_le32(record_at(file, 77) + 8, lies[i]);
		struct outcome outcome = repair(file);
		assert_int_equal(outcome.packets, PACKETS - 1);
		assert_false(outcome.seen[77]);
		assert_int_equal(outcome.ranges, 1);
		assert_int_equal(outcome.damage.from, PCAP_HEADER_BYTES + 77 * (PCAP_RECORD_BYTES + BYTES));
		assert_int_equal(outcome.damage.to, PCAP_HEADER_BYTES + 78 * (PCAP_RECORD_BYTES + BYTES));
		assert_int_equal(outcome.damage.packets_before, 77);
		assert_int_equal(outcome.damage.before_ns / 1000000000, BEGIN + 76);
		assert_int_equal(outcome.damage.after_ns / 1000000000, BEGIN + 78);
	}
}

static void impossible_fractions_and_lone_jumps_are_left_out(void **state)
{
	struct file *file = sound_file();

	weir_store_le32(record_at(file, 10) + 4, 1000000);
	weir_store_le32(record_at(file, 20), BEGIN + 20 + (1u << 30));
	struct outcome outcome = repair(file);
	assert_int_equal(outcome.packets, PACKETS - 2);
	assert_false(outcome.seen[10] || outcome.seen[20]);
	assert_int_equal(outcome.ranges, 2);
	assert_string_equal(outcome.cause, "time jump");
}

static void a_zeroed_page_costs_what_it_covers(void **state)
{
	struct file *file = sound_file();

	memset(file->data + 4096, 0, 4096);
	struct outcome outcome = repair(file);
	assert_true(outcome.packets >= PACKETS - 4096 / (PCAP_RECORD_BYTES + BYTES) - 2);
	assert_string_equal(outcome.cause, "zeroed");
}

static void a_lost_header_is_made_again(void **state)
{
	for (size_t lost = 1; lost <= PCAP_HEADER_BYTES + 40; lost++) {
		struct file *file = sound_file();
		file->length -= lost;
		memmove(file->data, file->data + lost, file->length);
		struct outcome outcome = repair(file);
		assert_int_equal(outcome.packets, lost <= PCAP_HEADER_BYTES ? PACKETS : PACKETS - 1);
		if (lost != PCAP_HEADER_BYTES || outcome.ranges)
			assert_string_equal(outcome.cause, "lost header");
	}
}

static void a_header_of_the_other_byte_order_is_foreign(void **state)
{
	struct file *file = sound_file();

	file->length = 0;
	add_header(file, true);
	file->length = PCAP_HEADER_BYTES + PACKETS * (PCAP_RECORD_BYTES + BYTES);
	struct outcome outcome = repair(file);
	assert_int_equal(outcome.packets, PACKETS);
	assert_string_equal(outcome.cause, "foreign header");
}

static void the_byte_order_may_change_midway(void **state)
{
	struct file *file = sound_file();

	add_records(file, true, PACKETS, PACKETS);
	struct outcome outcome = repair(file);
	assert_int_equal(outcome.packets, 2 * PACKETS);
	assert_int_equal(outcome.ranges, 1);
	assert_string_equal(outcome.cause, "byte order");
}

static void a_second_file_may_follow(void **state)
{
	for (int cut = 0; cut < 60; cut += 7) {
		struct file *file = sound_file();
		file->length -= (size_t)cut;
		add_header(file, cut & 1);
		add_records(file, cut & 1, PACKETS, PACKETS);
		struct outcome outcome = repair(file);
		assert_int_equal(outcome.packets, cut ? 2 * PACKETS - 1 : 2 * PACKETS);
		assert_string_equal(outcome.cause, "second file");
	}
}

/* A capture that was copied over the network while it was captured: its records are in packets, with older times. */
static void records_within_packets_are_no_packets(void **state)
{
	struct file *file = sound_file(), *inner = calloc(1, sizeof *inner);
	struct pcap_shape shape = {.record_header = PCAP_RECORD_BYTES};

	assert_non_null(inner);
	add_records(inner, false, 0, 5);
	inner->length -= 10; /* a segment of a stream ends anywhere */
	uint8_t *out = file->data + file->length;
	pcap_record_make(&shape, BEGIN + PACKETS, 0, (uint32_t)inner->length, (uint32_t)inner->length, out);
	memcpy(out + PCAP_RECORD_BYTES, inner->data, inner->length);
	weir_store_le32(out + 8, UINT32_MAX); /* its length is lost */
	file->length += PCAP_RECORD_BYTES + inner->length;
	add_records(file, false, PACKETS + 1, PACKETS - 1);
	free(inner);
	struct outcome outcome = repair(file);
	assert_int_equal(outcome.packets, 2 * PACKETS - 1);
	assert_int_equal(outcome.ranges, 1);
}

static void text_mode_is_undone(void **state)
{
	struct file *file = sound_file(), *made = calloc(1, sizeof *made);

	assert_non_null(made);
	for (size_t i = 0; i < file->length; i++) {
		if (file->data[i] == '\n')
			made->data[made->length++] = '\r';
		made->data[made->length++] = file->data[i];
	}
	assert_true(made->length > file->length);
	free(file);
	struct outcome outcome = repair(made);
	assert_int_equal(outcome.packets, PACKETS);
	assert_string_equal(outcome.cause, "text-mode transfer");
}

static void a_cut_file_gives_all_but_the_last(void **state)
{
	for (size_t cut = 1; cut < PCAP_RECORD_BYTES + BYTES; cut++) {
		struct file *file = sound_file();
		file->length -= cut;
		struct outcome outcome = repair(file);
		assert_int_equal(outcome.packets, PACKETS - 1);
		assert_int_equal(outcome.ranges, 1);
		assert_int_equal(outcome.damage.after_ns, WEIR_NO_TIME);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_file_has_no_damage),
		cmocka_unit_test(a_length_that_lies_costs_its_record_alone),
		cmocka_unit_test(impossible_fractions_and_lone_jumps_are_left_out),
		cmocka_unit_test(a_zeroed_page_costs_what_it_covers),
		cmocka_unit_test(a_lost_header_is_made_again),
		cmocka_unit_test(a_header_of_the_other_byte_order_is_foreign),
		cmocka_unit_test(the_byte_order_may_change_midway),
		cmocka_unit_test(a_second_file_may_follow),
		cmocka_unit_test(records_within_packets_are_no_packets),
		cmocka_unit_test(text_mode_is_undone),
		cmocka_unit_test(a_cut_file_gives_all_but_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
