#include "../unit.h"

#include <dirent.h>
#include <stdio.h>

#include "make.h"

static void sections_of_either_byte_order_follow_each_other(void **state)
{
	static struct bytes b;
	b = (struct bytes){0};

	for (int i = 0; i < 4; i++) {
		b.big = i % 2;
		put_section(&b);
		put_interface(&b, (uint16_t)(100 + i), 0, 9);
		put_interface(&b, (uint16_t)(200 + i), 0, -1);
		put_packet(&b, 0, UINT64_C(1700000000000000001), 5, 60, NULL);
		put_packet(&b, 1, UINT64_C(1700000000000001), 6, 6, "hello");
	}
	struct weir_source *source = open_bytes(&b);
	assert_int_equal(weir_capture_header(source)->linktype, 100); /* before anything else is read */
	struct all *all = read_all(source);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->count, 8);
	assert_int_equal(all->block_count, 12);
	uint32_t count;
	const struct weir_interface *const *interfaces = weir_capture_interfaces(source, &count);
	assert_int_equal(count, 8);
	assert_int_equal(weir_capture_header(source)->sections, 4);
	for (uint32_t i = 0; i < 8; i++) {
		const struct weir_packet *packet = &all->packets[i];
		assert_int_equal(packet->interface_id, i);
		assert_int_equal(packet->linktype, (i % 2 ? 200 : 100) + i / 2);
		assert_int_equal(packet->time_ns, i % 2 ? 1700000000000001000 : 1700000000000000001);
		assert_int_equal(interfaces[i]->section, i / 2);
		assert_int_equal(interfaces[i]->section_id, i % 2);
		assert_int_equal(interfaces[i]->big_endian, i / 2 % 2);
		assert_int_equal(packet->captured, i % 2 ? 6 : 5);
	}
	/* An SHB counts as in the section that it opens, and stands before its packets. */
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(all->blocks[i].section, i / 3);
		assert_int_equal(all->blocks[i].before, i / 3 * 2);
		assert_int_equal(all->blocks[i].type, i % 3 ? PCAPNG_IDB : PCAPNG_SHB);
	}
	free(all);
	weir_source_close(source);
}

static void blocks_come_in_their_place_and_whole(void **state)
{
	static const uint32_t types[] = {PCAPNG_NRB, PCAPNG_ISB, PCAPNG_JOURNAL, PCAPNG_DSB, PCAPNG_CUSTOM, PCAPNG_CUSTOM_NO_COPY, 0x7777};
	static struct bytes b;
	struct bytes body = {0};

	b = (struct bytes){0};
	put_section(&b);
	put_interface(&b, 1, 0, -1);
	put(&body, "something or other", 18);
	for (uint32_t i = 0; i < 7; i++) {
		put_block(&b, types[i], &body);
		put_packet(&b, 0, i, 4, 4, NULL);
	}
	struct all *all = read_bytes(&b);
	assert_int_equal(all->count, 7);
	assert_int_equal(all->block_count, 9);
	for (uint32_t i = 0; i < 7; i++) {
		const struct weir_block *block = &all->blocks[i + 2];
		assert_int_equal(block->type, types[i]);
		assert_int_equal(block->before, i);
		assert_int_equal(block->length, 32);
		assert_memory_equal(block->data + 8, body.data, body.length);
	}
	free(all);
}

static void simple_packets_have_no_time_and_the_snap_length(void **state)
{
	static struct bytes b;
	struct bytes body = {0};

	b = (struct bytes){0};
	put_section(&b);
	put_interface(&b, 1, 6, -1);
	put_packet(&b, 0, 1000, 4, 4, NULL);
	put32(&body, 100);
	put(&body, "abcdef", 6);
	put_block(&b, PCAPNG_SPB, &body);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->count, 2);
	assert_int_equal(all->packets[1].captured, 6);
	assert_int_equal(all->packets[1].length, 100);
	assert_int_equal(all->packets[1].flags, WEIR_PACKET_NO_TIME);
	assert_int_equal(all->packets[1].time_ns, 1000000);
	free(all);
}

static void obsolete_packet_blocks_are_packets(void **state)
{
	static struct bytes b;

	for (int big = 0; big < 2; big++) {
		b = (struct bytes){.big = big};
		struct bytes body = {.big = big};
		put_section(&b);
		put_interface(&b, 1, 0, -1);
		put_interface(&b, 2, 0, -1);
		put16(&body, 1);
		put16(&body, 7); /* drops */
		put32(&body, 0);
		put32(&body, 42);
		put32(&body, 3);
		put32(&body, 30);
		put(&body, "xyz", 3);
		put_block(&b, PCAPNG_PB, &body);
		struct all *all = read_bytes(&b);
		assert_int_equal(all->count, 1);
		assert_int_equal(all->packets[0].linktype, 2);
		assert_int_equal(all->packets[0].time_ns, 42000);
		assert_int_equal(all->packets[0].length, 30);
		assert_memory_equal(all->packets[0].data, "xyz", 3);
		free(all);
	}
}

/* What ends the reading, and where: each makes the fourth block, after one packet, wrong. */
static void damage_is_found_where_it_is(void **state)
{
	static const struct {
		const char *what;
		size_t at;       /* the word of the block that is changed */
		uint32_t value;
		int code;
	} cases[] = {
		{"unknown interface", 8, 1, WEIR_E_FORMAT},
		{"captured more than there is", 20, 9, WEIR_E_FORMAT},
		{"captured absurdly much", 20, 0xfffffff0, WEIR_E_FORMAT},
		{"length below the least", 4, 11, WEIR_E_FORMAT},
		{"length zero", 4, 0, WEIR_E_FORMAT},
		{"length absurd", 4, 0xffffffff, WEIR_E_FORMAT},
		{"length behind the end", 4, 4000, WEIR_E_TRUNCATED},
		{"trailer of another length", 36, 44, WEIR_E_FORMAT},
		{"section header without an order", 0, PCAPNG_SHB, WEIR_E_FORMAT},
	};
	static struct bytes b;

	for (int big = 0; big < 2; big++) {
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			b = (struct bytes){.big = big};
			put_section(&b);
			put_interface(&b, 1, 0, -1);
			put_packet(&b, 0, 1, 8, 8, NULL);
			size_t at = b.length;
			put_packet(&b, 0, 1, 8, 8, NULL);
			weir_store32(b.data + at + cases[i].at, cases[i].value, big);
			struct all *all = read_bytes(&b);
			if (all->result != cases[i].code)
				fail_msg("%s: %d, %s", cases[i].what, all->result, all->fault.message);
			assert_int_equal(all->count, 1);
			assert_int_equal(all->fault.offset, at);
			assert_int_equal(all->fault.packet, 2);
			free(all);
		}
	}
}

static void options_that_do_not_fit_are_damage(void **state)
{
	static struct bytes b;

	b = (struct bytes){0};
	put_section(&b);
	put_interface(&b, 1, 0, 9);
	put_packet(&b, 0, 1, 8, 8, "a comment");
	size_t at = b.length;
	put_packet(&b, 0, 1, 8, 8, "a comment");
	weir_store_le16(b.data + at + 28 + 8 + 2, 0x1000);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->count, 1);
	assert_int_equal(all->result, WEIR_E_FORMAT);
	assert_int_equal(all->fault.offset, at);
	free(all);
	/* In the description of the interface. */
	weir_store_le16(b.data + 28 + 16 + 2, 0x1000);
	all = read_bytes(&b);
	assert_int_equal(all->count, 0);
	assert_int_equal(all->result, WEIR_E_FORMAT);
	assert_int_equal(all->fault.offset, 28);
	free(all);
	/* The end of the options has a length too. */
	weir_store_le16(b.data + 28 + 16 + 2, 1);
	weir_store_le16(b.data + 28 + 16 + 8 + 2, 33);
	all = read_bytes(&b);
	assert_int_equal(all->result, WEIR_E_FORMAT);
	assert_int_equal(all->fault.offset, 28);
	free(all);
}

/* Old writers counted the data without its padding. */
static void lengths_without_padding_are_rounded_up(void **state)
{
	static struct bytes b;

	b = (struct bytes){0};
	put_section(&b);
	put_interface(&b, 1, 0, -1);
	size_t at = b.length;
	put_packet(&b, 0, 1, 6, 6, NULL);
	weir_store_le32(b.data + at + 4, 38);
	weir_store_le32(b.data + at + 36, 38);
	put_packet(&b, 0, 1, 6, 6, NULL);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->count, 2);
	assert_int_equal(all->packets[0].block_length, 40);
	free(all);
}

static void versions_to_come_are_refused(void **state)
{
	struct bytes b = {0};
	struct weir_source *source;
	struct weir_fault fault;

	put_section(&b);
	b.data[12] = 2;
	assert_int_equal(weir_capture_open_memory(b.data, b.length, "x", NULL, &source, &fault), WEIR_E_UNSUPPORTED);
}

static void more_blocks_than_a_batch_holds_are_spread(void **state)
{
	static struct bytes b;
	struct bytes body = {0};

	b = (struct bytes){0};
	put_section(&b);
	put_interface(&b, 1, 0, -1);
	put(&body, "block", 5);
	for (int i = 0; i < 500; i++)
		put_block(&b, 0x1234, &body);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->block_count, 502);
	free(all);
}

static const char *abbreviation(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {
		{PCAPNG_SHB, "SHB"}, {PCAPNG_IDB, "IDB"}, {PCAPNG_PB, "PB"},          {PCAPNG_SPB, "SPB"},   {PCAPNG_NRB, "NRB"},
		{PCAPNG_ISB, "ISB"}, {PCAPNG_EPB, "EPB"}, {PCAPNG_JOURNAL, "SYSTEMD"}, {PCAPNG_DSB, "DSB"},  {PCAPNG_CUSTOM, "CB"},
		{PCAPNG_CUSTOM_NO_COPY, "DCB"},
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].type == type)
			return names[i].name;
	return "?";
}

/* The blocks of a file, in order, as the generator of the test captures describes them. */
static void describe(const char *path, char *out, size_t size)
{
	struct weir_source *source;
	struct weir_fault fault;
	size_t used = 0;

	assert_int_equal(weir_capture_open(path, NULL, &source, &fault), 0);
	struct weir_batch *batch = weir_batch_new();
	out[0] = '\0';
	while (source->ops->fill(source, batch, &fault) > 0) {
		for (uint32_t packet = 0, block = 0; packet < batch->count || block < batch->block_count;) {
			uint32_t type;
			if (block < batch->block_count && batch->blocks[block].before == packet)
				type = batch->blocks[block++].type;
			else {
				const struct weir_packet *p = &batch->packets[packet++];
				type = weir_load32(p->block, batch->interfaces[p->interface_id]->big_endian);
			}
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", abbreviation(type));
			assert_true(used < size);
		}
		weir_batch_reset(batch);
	}
	weir_batch_free(batch);
	weir_source_close(source);
}

static bool expected_sequence(const char *folder, char *out, size_t size)
{
	char path[2048], line[512];
	bool found = false;
	DIR *directory = opendir(folder);

	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		FILE *file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof line, file)) {
			/* The sequence may go on over lines. */
			line[strcspn(line, "\r\n")] = '\0';
			if (strncmp(line, "Block sequence: ", 16) == 0) {
				snprintf(out, size, "%s", line + 16);
				found = true;
			} else if (found) {
				const char *more = line + strspn(line, " \t");
				snprintf(out + strlen(out), size - strlen(out), "%s%s", out[strlen(out) - 1] == ',' && *more ? " " : "", more);
			}
		}
		fclose(file);
	}
	if (directory)
		closedir(directory);
	return found;
}

static void blocks_are_those_that_the_generator_of_the_captures_describes(void **state)
{
	const char *shared = getenv("WEIR_SHARED");
	char folder[512], path[1024], expected[4096], got[4096];
	int compared = 0;

	snprintf(folder, sizeof folder, "%s/captures/expected/pcapng-test-generator", shared ? shared : "../shared");
	DIR *directory = opendir(folder);
	if (!directory) {
		print_message("the shared captures are not there: set WEIR_SHARED\n");
		skip();
	}
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s/pcapng-description", folder, entry->d_name);
		assert_true(expected_sequence(path, expected, sizeof expected));
		snprintf(path, sizeof path, "%s/captures/captures/pcapng-test-generator/%s", shared ? shared : "../shared", entry->d_name);
		describe(path, got, sizeof got);
		assert_string_equal(got, expected);
		compared++;
	}
	closedir(directory);
	assert_true(compared > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_of_either_byte_order_follow_each_other),
		cmocka_unit_test(blocks_come_in_their_place_and_whole),
		cmocka_unit_test(simple_packets_have_no_time_and_the_snap_length),
		cmocka_unit_test(obsolete_packet_blocks_are_packets),
		cmocka_unit_test(damage_is_found_where_it_is),
		cmocka_unit_test(options_that_do_not_fit_are_damage),
		cmocka_unit_test(lengths_without_padding_are_rounded_up),
		cmocka_unit_test(versions_to_come_are_refused),
		cmocka_unit_test(more_blocks_than_a_batch_holds_are_spread),
		cmocka_unit_test(blocks_are_those_that_the_generator_of_the_captures_describes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
