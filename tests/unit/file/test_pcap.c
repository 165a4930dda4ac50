#include "../unit.h"

#include <stdio.h>
#include <unistd.h>

#include "file/capture.h"
#include "file/pcap.h"
#include "make.h"

static void every_magic_in_both_byte_orders(void **state)
{
	static const struct {
		uint32_t magic;
		enum weir_format format;
		uint8_t resolution;
		int64_t time_ns;
	} cases[] = {
		{PCAP_MAGIC, WEIR_FORMAT_PCAP, 6, 1700000000000123000},
		{PCAP_MAGIC_NS, WEIR_FORMAT_PCAP_NS, 9, 1700000000000000123},
		{PCAP_MAGIC_MODIFIED, WEIR_FORMAT_PCAP_MODIFIED, 6, 1700000000000123000},
	};

	for (int big = 0; big < 2; big++) {
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			struct bytes b = {.big = big};
			put_pcap_header(&b, cases[i].magic, 4, 65535, 1);
			put_pcap_record(&b, 1700000000, 123, 5, 60, cases[i].magic == PCAP_MAGIC_MODIFIED ? 8 : 5, 7);
			if (cases[i].magic == PCAP_MAGIC_MODIFIED)
				put(&b, "\7\10\11\12\13", 5);
			struct weir_source *source = open_bytes(&b);
			const struct weir_file_header *header = weir_capture_header(source);
			assert_int_equal(header->format, cases[i].format);
			assert_int_equal(header->big_endian, big);
			assert_int_equal(header->linktype, 1);
			assert_int_equal(header->snaplen, 65535);
			assert_int_equal(header->raw.length, 24);
			uint32_t count;
			const struct weir_interface *interface = weir_capture_interfaces(source, &count)[0];
			assert_int_equal(count, 1);
			assert_int_equal(interface->resolution, cases[i].resolution);
			struct all *all = read_all(source);
			assert_int_equal(all->result, 0);
			assert_int_equal(all->count, 1);
			const struct weir_packet *packet = &all->packets[0];
			assert_int_equal(packet->time_ns, cases[i].time_ns);
			assert_int_equal(packet->captured, 5);
			assert_int_equal(packet->length, 60);
			assert_memory_equal(packet->data, "\7\10\11\12\13", 5);
			assert_int_equal(packet->flags, WEIR_PACKET_PCAP_RECORD);
			assert_int_equal(packet->block_length, packet->data - packet->block + 5);
			assert_int_equal(weir_interface_time(interface, packet->ticks), packet->time_ns);
			free(all);
			weir_source_close(source);
		}
	}
}

static void check_lengths(uint16_t minor, uint32_t first, uint32_t second, uint32_t captured, uint32_t length)
{
	struct bytes b = {0};
	put_pcap_header(&b, PCAP_MAGIC, minor, 65535, 1);
	put_pcap_record(&b, 1, 2, first, second, captured, 0);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->count, 1);
	assert_int_equal(all->packets[0].captured, captured);
	assert_int_equal(all->packets[0].length, length);
	free(all);
}

static void lengths_of_old_versions_are_swapped(void **state)
{
	check_lengths(4, 10, 60, 10, 60);
	check_lengths(4, 60, 10, 60, 10); /* odd, but said so by a version that knows the order */
	check_lengths(3, 10, 60, 10, 60);
	check_lengths(3, 60, 10, 10, 60);
	check_lengths(2, 60, 10, 10, 60);
	check_lengths(1, 60, 60, 60, 60);
}

static void aix_files_have_their_own_link_types_and_nanoseconds(void **state)
{
	struct bytes b = {.big = true};
	put_pcap_header(&b, PCAP_MAGIC, 2, 65535, 6);
	put_pcap_record(&b, 1, 999999999, 4, 4, 4, 0);
	struct all *all = read_bytes(&b);
	assert_int_equal(all->count, 1);
	assert_int_equal(all->packets[0].linktype, 1);
	assert_int_equal(all->packets[0].time_ns, 1999999999);
	free(all);
}

static void reserved_link_type_bits_are_refused_unless_tolerated(void **state)
{
	struct bytes b = {0};
	struct weir_source *source;
	struct weir_fault fault;
	struct weir_capture_options tolerant = {.tolerant_linktype = true};

	put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 0x00300001);
	assert_int_equal(weir_capture_open_memory(b.data, b.length, "x", NULL, &source, &fault), WEIR_E_FORMAT);
	assert_int_equal(fault.offset, 20);
	assert_int_equal(weir_capture_open_memory(b.data, b.length, "x", &tolerant, &source, &fault), 0);
	assert_int_equal(weir_capture_interfaces(source, &(uint32_t){0})[0]->linktype, 1);
	weir_source_close(source);
}

static void fcs_bits_are_no_part_of_the_link_type(void **state)
{
	struct bytes b = {0};
	put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 0x24000001);
	struct weir_source *source = open_bytes(&b);
	uint32_t count;
	const struct weir_interface *interface = weir_capture_interfaces(source, &count)[0];
	assert_int_equal(interface->linktype, 1);
	struct weir_cursor cursor = weir_cursor_over(interface->options.data, interface->options.length);
	struct weir_bytes value;
	uint16_t code;
	int fcs = -1;
	while (pcapng_option_next(&cursor, false, &code, &value))
		if (code == PCAPNG_IF_FCSLEN)
			fcs = value.data[0];
	assert_int_equal(fcs, 32);
	weir_source_close(source);
}

static void records_longer_than_the_snap_length_are_read(void **state)
{
	for (uint32_t snaplen = 0; snaplen <= 8; snaplen += 4) {
		struct bytes b = {0};
		put_pcap_header(&b, PCAP_MAGIC, 4, snaplen, 1);
		put_pcap_record(&b, 1, 2, 100, 100, 100, 0);
		struct all *all = read_bytes(&b);
		assert_int_equal(all->result, 0);
		assert_int_equal(all->count, 1);
		free(all);
	}
}

static void damage_comes_after_the_packets_before_it(void **state)
{
	static const struct {
		uint32_t claimed, present;
		size_t cut; /* of the last record's header */
		int code;
	} cases[] = {
		{262145, 10, 0, WEIR_E_FORMAT},
		{UINT32_MAX, 10, 0, WEIR_E_FORMAT},
		{11, 10, 0, WEIR_E_TRUNCATED},
		{262144, 10, 0, WEIR_E_TRUNCATED},
		{10, 0, 1, WEIR_E_TRUNCATED},
		{10, 0, 15, WEIR_E_TRUNCATED},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes b = {0};
		put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 1);
		for (int k = 0; k < 3; k++)
			put_pcap_record(&b, 1, 2, 20, 20, 20, 0);
		put_pcap_record(&b, 1, 2, cases[i].claimed, cases[i].claimed, cases[i].present, 0);
		b.length -= cases[i].cut;
		struct all *all = read_bytes(&b);
		assert_int_equal(all->count, 3);
		assert_int_equal(all->result, cases[i].code);
		assert_int_equal(all->fault.offset, 24 + 3 * 36);
		assert_int_equal(all->fault.packet, 4);
		assert_string_equal(all->fault.file, "bytes");
		free(all);
	}
}

static void what_is_no_capture_is_refused(void **state)
{
	struct weir_source *source;
	struct weir_fault fault;
	struct bytes old = {0};

	assert_int_equal(weir_capture_open_memory("", 0, "x", NULL, &source, &fault), WEIR_E_TRUNCATED);
	assert_int_equal(weir_capture_open_memory("\xd4", 1, "x", NULL, &source, &fault), WEIR_E_FORMAT);
	assert_int_equal(weir_capture_open_memory("\xd4\xc3\xb2\xa1", 4, "x", NULL, &source, &fault), WEIR_E_TRUNCATED);
	assert_int_equal(weir_capture_open_memory("hello, world", 12, "x", NULL, &source, &fault), WEIR_E_FORMAT);
	assert_int_equal(weir_capture_open_memory("snoop\0\0\0....", 12, "x", NULL, &source, &fault), WEIR_E_UNSUPPORTED);
	assert_int_equal(weir_capture_open("/nonexistent/x", NULL, &source, &fault), WEIR_E_NOT_FOUND);
	put_pcap_header(&old, PCAP_MAGIC, 4, 65535, 1);
	old.data[4] = 1; /* major version */
	assert_int_equal(weir_capture_open_memory(old.data, old.length, "x", NULL, &source, &fault), WEIR_E_UNSUPPORTED);
}

static void an_empty_capture_still_shows_its_interface(void **state)
{
	struct bytes b = {0};
	put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 1);
	struct weir_source *source = open_bytes(&b);
	struct weir_batch *batch = weir_batch_new();
	assert_int_equal(source->ops->fill(source, batch, NULL), 1);
	assert_int_equal(batch->count, 0);
	assert_int_equal(batch->interface_count, 1);
	assert_int_equal(source->ops->fill(source, batch, NULL), 0);
	weir_batch_free(batch);
	weir_source_close(source);
}

/* Records of all sizes over the edges of small windows: the packets of a file equal those of memory, and so do the figures of a walk. */
static void records_that_lie_over_the_edge_of_a_window_are_whole(void **state)
{
	static struct bytes b;
	char path[] = "/tmp/weir-pcap.XXXXXX";
	struct weir_capture_options small = {.window_bytes = 4096};
	struct weir_source *source;
	struct weir_fault fault;
	uint64_t wire = 0;

	b = (struct bytes){0};
	put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 1);
	for (uint32_t i = 0; b.length < 50000; i++) {
		uint32_t length = i * 37 % 1500;
		put_pcap_record(&b, i, i, length, length + i, length, (uint8_t)i);
		wire += length + i;
	}
	put_pcap_record(&b, 1, 1, 12000, 12000, 12000, 3); /* larger than the window */
	wire += 12000;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b.data, b.length), b.length);
	close(fd);

	struct all *whole = read_bytes(&b);
	assert_int_equal(weir_capture_open(path, &small, &source, &fault), 0);
	struct weir_batch *batch = weir_batch_new();
	uint32_t seen = 0;
	while (source->ops->fill(source, batch, &fault) > 0) {
		for (uint32_t i = 0; i < batch->count; i++, seen++) {
			const struct weir_packet *got = &batch->packets[i], *expected = &whole->packets[seen];
			assert_int_equal(got->captured, expected->captured);
			assert_int_equal(got->time_ns, expected->time_ns);
			assert_memory_equal(got->block, expected->block, got->block_length);
		}
		weir_batch_reset(batch);
	}
	assert_int_equal(seen, whole->count);
	weir_batch_free(batch);
	weir_source_close(source);

	struct capture_walk walk = {0};
	assert_int_equal(weir_capture_open(path, &small, &source, &fault), 0);
	assert_int_equal(capture_walk(source, &walk, &fault), 0);
	assert_int_equal(walk.interfaces[0].packets, whole->count);
	assert_int_equal(walk.interfaces[0].wire_bytes, wire);
	assert_true(walk.unsorted);
	capture_walk_free(&walk);
	weir_source_close(source);
	free(whole);
	unlink(path);
}

static void batches_outlive_what_is_read_after_them(void **state)
{
	static struct bytes b;
	char path[] = "/tmp/weir-pcap.XXXXXX";
	struct weir_capture_options small = {.window_bytes = 4096};
	struct weir_source *source;
	struct weir_fault fault;
	struct weir_batch *batches[16];
	int count = 0;

	b = (struct bytes){0};
	put_pcap_header(&b, PCAP_MAGIC, 4, 65535, 1);
	for (uint32_t i = 0; i < 60; i++)
		put_pcap_record(&b, i, 0, 1000, 1000, 1000, (uint8_t)i);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b.data, b.length), b.length);
	close(fd);
	assert_int_equal(weir_capture_open(path, &small, &source, &fault), 0);
	do {
		batches[count] = weir_batch_new();
	} while (source->ops->fill(source, batches[count++], &fault) > 0 && count < 16);
	/* The source may go first: buffers belong to who holds them. */
	weir_source_close(source);
	uint32_t number = 0;
	for (int k = 0; k < count; k++) {
		for (uint32_t i = 0; i < batches[k]->count; i++, number++)
			for (uint32_t at = 0; at < 1000; at++)
				assert_int_equal(batches[k]->packets[i].data[at], (uint8_t)(number + at));
		weir_batch_free(batches[k]);
	}
	assert_int_equal(number, 60);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_magic_in_both_byte_orders),
		cmocka_unit_test(lengths_of_old_versions_are_swapped),
		cmocka_unit_test(aix_files_have_their_own_link_types_and_nanoseconds),
		cmocka_unit_test(reserved_link_type_bits_are_refused_unless_tolerated),
		cmocka_unit_test(fcs_bits_are_no_part_of_the_link_type),
		cmocka_unit_test(records_longer_than_the_snap_length_are_read),
		cmocka_unit_test(damage_comes_after_the_packets_before_it),
		cmocka_unit_test(what_is_no_capture_is_refused),
		cmocka_unit_test(an_empty_capture_still_shows_its_interface),
		cmocka_unit_test(records_that_lie_over_the_edge_of_a_window_are_whole),
		cmocka_unit_test(batches_outlive_what_is_read_after_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
