#include "../unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/pcap.h"
#include "make.h"

static char path[] = "/tmp/weir-writer.XXXXXX/file";
static char folder[] = "/tmp/weir-writer.XXXXXX";

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	memcpy(path, folder, strlen(folder));
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(folder);
}

struct result {
	int code;
	struct weir_fault fault;
	struct weir_capture_writer_losses losses;
	uint64_t packets;
	uint8_t data[1 << 17]; /* the file that was written */
	size_t length;
};

/* Writes sources one after the other into one file. drop: the number of a packet that is dropped, 0 for none. */
static struct result *write_sources(struct weir_source **sources, size_t count, const struct weir_capture_writer_options *options,
                                    uint64_t drop)
{
	struct result *result = calloc(1, sizeof *result);
	struct weir_batch *batch = weir_batch_new();
	struct weir_sink *sink;
	uint64_t bytes;
	int more;

	assert_non_null(result);
	unlink(path);
	weir_fault_clear(&result->fault);
	assert_int_equal(weir_capture_writer_open(path, options, &sink, &result->fault), 0);
	for (size_t i = 0; i < count && result->code == 0; i++) {
		while (result->code == 0 && (more = sources[i]->ops->fill(sources[i], batch, &result->fault)) > 0) {
			if (drop && drop >= batch->first_number && drop < batch->first_number + batch->count)
				batch->packets[drop - batch->first_number].verdict = WEIR_DROP;
			result->code = sink->ops->consume(sink, batch, &result->fault);
			weir_batch_reset(batch);
		}
		weir_batch_reset(batch);
	}
	int finished = sink->ops->finish(sink, result->code ? NULL : &result->fault);
	assert_true(result->code == 0 || finished < 0);
	weir_capture_writer_losses(sink, &result->losses);
	weir_capture_writer_count(sink, &result->packets, &bytes);
	weir_sink_close(sink);
	weir_batch_free(batch);

	FILE *file = fopen(path, "rb");
	if (file) {
		result->length = fread(result->data, 1, sizeof result->data, file);
		assert_int_equal(result->length, bytes);
		fclose(file);
	}
	return result;
}

static struct result *write_bytes(const struct bytes *b, enum weir_format format)
{
	struct weir_source *source = open_bytes(b);
	struct weir_capture_writer_options options = {.format = format};
	struct result *result = write_sources(&source, 1, &options, 0);
	weir_source_close(source);
	return result;
}

static struct bytes *as_bytes(const struct result *result)
{
	struct bytes *b = calloc(1, sizeof *b);
	assert_non_null(b);
	assert_true(result->length <= sizeof b->data);
	memcpy(b->data, result->data, result->length);
	b->length = result->length;
	return b;
}

static void nothing_lost(const struct result *result)
{
	static const struct weir_capture_writer_losses none;
	assert_memory_equal(&result->losses, &none, sizeof none);
}

/* A pcap file becomes pcapng, and that the same pcap file, whatever was odd about it. */
static void there_and_back(const struct bytes *b, enum weir_format back)
{
	struct result *there = write_bytes(b, WEIR_FORMAT_PCAPNG);
	assert_int_equal(there->code, 0);
	nothing_lost(there);
	struct bytes *middle = as_bytes(there);
	struct result *again = write_bytes(middle, back);
	if (again->code)
		fail_msg("%s", again->fault.message);
	nothing_lost(again);
	assert_int_equal(again->length, b->length);
	assert_memory_equal(again->data, b->data, b->length);
	free(middle);
	free(there);
	free(again);
}

static void odd_pcap_files_survive_being_pcapng(void **state)
{
	static struct bytes b;

	for (int big = 0; big < 2; big++) {
		/* Plain, with a snap length of 0, FCS bits, time zone and accuracy, a fraction above a second, captured above length. */
		for (int odd = 0; odd < 6; odd++) {
			b = (struct bytes){.big = big};
			put_pcap_header(&b, PCAP_MAGIC, 4, odd == 1 ? 0 : 65535, odd == 2 ? 0x24000001 : 1);
			if (odd == 3)
				memset(b.data + 8, 0x11, 8);
			put_pcap_record(&b, 5, odd == 4 ? 4000000000u : 999999, odd == 5 ? 60 : 10, odd == 5 ? 10 : 60, odd == 5 ? 60 : 10, 0);
			put_pcap_record(&b, UINT32_MAX, 1, 0, 0, 0, 0);
			there_and_back(&b, WEIR_FORMAT_PCAP);
		}
		/* Nanoseconds; old versions. */
		b = (struct bytes){.big = big};
		put_pcap_header(&b, PCAP_MAGIC_NS, 4, 65535, 113);
		put_pcap_record(&b, 5, 999999999, 10, 60, 10, 0);
		there_and_back(&b, WEIR_FORMAT_PCAP_NS);
		for (uint16_t minor = 1; minor < 4; minor++) {
			b = (struct bytes){.big = big};
			put_pcap_header(&b, PCAP_MAGIC, minor, 65535, 1);
			put_pcap_record(&b, 5, 1, 60, 10, 10, 0);
			put_pcap_record(&b, 5, 1, 10, 10, 10, 0);
			there_and_back(&b, WEIR_FORMAT_PCAP);
		}
		/* AIX, and the extra fields of the modified variant. */
		b = (struct bytes){.big = big};
		put_pcap_header(&b, PCAP_MAGIC, 2, 65535, 6);
		put_pcap_record(&b, 5, 999999999, 60, 10, 10, 0);
		there_and_back(&b, WEIR_FORMAT_PCAP);
		b = (struct bytes){.big = big};
		put_pcap_header(&b, PCAP_MAGIC_MODIFIED, 4, 65535, 1);
		put_pcap_record(&b, 5, 6, 4, 40, 12, 0); /* 8 bytes of fields, 4 of data */
		there_and_back(&b, WEIR_FORMAT_PCAP_MODIFIED);
	}
}

static void made_up(struct bytes *b, bool big)
{
	struct bytes body = {.big = big};
	*b = (struct bytes){.big = big};
	put_section(b);
	put_interface(b, 1, 96, 9);
	put(&body, "names", 5);
	put_block(b, PCAPNG_NRB, &body);
	put_packet(b, 0, UINT64_C(1700000000123456789), 50, 60, "a comment");
	put_packet(b, 0, UINT64_C(1700000000123456790), 51, 60, NULL);
	put_block(b, 0x5555, &body);
}

static void pcapng_is_mirrored_byte_for_byte(void **state)
{
	static struct bytes b, two;

	made_up(&b, false);
	made_up(&two, true);
	put(&b, two.data, two.length);
	struct result *result = write_bytes(&b, WEIR_FORMAT_PCAPNG);
	assert_int_equal(result->code, 0);
	assert_int_equal(result->packets, 4);
	nothing_lost(result);
	assert_int_equal(result->length, b.length);
	assert_memory_equal(result->data, b.data, b.length);
	free(result);
}

static void a_filtered_section_has_no_length(void **state)
{
	static struct bytes b;
	struct weir_capture_writer_options options = {.format = WEIR_FORMAT_PCAPNG, .filtered = true};

	made_up(&b, true);
	weir_store_be64(b.data + 16, b.length - 28);
	struct weir_source *source = open_bytes(&b);
	struct result *result = write_sources(&source, 1, &options, 1);
	assert_int_equal(result->code, 0);
	assert_int_equal(result->packets, 1);
	assert_true(weir_load_be64(result->data + 16) == UINT64_MAX);
	struct bytes *written = as_bytes(result);
	struct all *all = read_bytes(written);
	assert_int_equal(all->result, 0);
	assert_int_equal(all->count, 1);
	assert_int_equal(all->packets[0].captured, 51);
	free(all);
	free(written);
	free(result);
	weir_source_close(source);
}

static void what_pcap_has_no_place_for_is_counted(void **state)
{
	static struct bytes b;

	made_up(&b, true);
	struct result *result = write_bytes(&b, WEIR_FORMAT_PCAP);
	assert_int_equal(result->code, 0);
	assert_int_equal(result->losses.blocks, 2);
	assert_int_equal(result->losses.packet_options, 1);
	assert_int_equal(result->losses.times_rounded, 2);
	/* In the byte order of the section, with its snap length. */
	assert_true(weir_load_be32(result->data) == PCAP_MAGIC);
	assert_int_equal(weir_load_be32(result->data + 16), 96);
	assert_int_equal(weir_load_be32(result->data + 24), 1700000000);
	assert_int_equal(weir_load_be32(result->data + 28), 123456);
	free(result);
	result = write_bytes(&b, WEIR_FORMAT_PCAP_NS);
	assert_int_equal(result->losses.times_rounded, 0);
	assert_int_equal(weir_load_be32(result->data + 28), 123456789);
	free(result);
}

static void pcap_takes_one_link_type_and_times_to_2106(void **state)
{
	static struct bytes b;

	made_up(&b, false);
	put_interface(&b, 101, 0, -1);
	put_packet(&b, 1, 0, 4, 4, NULL);
	struct result *result = write_bytes(&b, WEIR_FORMAT_PCAP);
	assert_int_equal(result->code, WEIR_E_UNSUPPORTED);
	assert_int_equal(result->fault.packet, 3);
	assert_int_equal(access(path, F_OK), -1); /* nothing half done appears */
	free(result);

	made_up(&b, false);
	put_packet(&b, 0, UINT64_C(4294967296000000000), 4, 4, NULL);
	result = write_bytes(&b, WEIR_FORMAT_PCAP_NS);
	assert_int_equal(result->code, WEIR_E_UNSUPPORTED);
	free(result);
}

static void large_packets_are_written_whole(void **state)
{
	static struct bytes b;
	static const enum weir_format formats[] = {WEIR_FORMAT_PCAP_NS, WEIR_FORMAT_PCAPNG};

	for (size_t i = 0; i < 2; i++) {
		b = (struct bytes){.big = true};
		put_pcap_header(&b, PCAP_MAGIC, 4, 262144, 1);
		put_pcap_record(&b, 5, 1, 65401, 70000, 65401, 9);
		struct result *result = write_bytes(&b, formats[i]);
		assert_int_equal(result->code, 0);
		struct bytes *written = as_bytes(result);
		struct all *all = read_bytes(written);
		assert_int_equal(all->count, 1);
		assert_int_equal(all->packets[0].captured, 65401);
		assert_memory_equal(all->packets[0].data, b.data + 40, 65401);
		free(all);
		free(written);
		free(result);
	}
}

static void merging_gathers_equal_interfaces_and_turns_byte_orders(void **state)
{
	static struct bytes little, big, pcap;
	struct weir_capture_writer_options options = {.format = WEIR_FORMAT_PCAPNG, .merge = true};

	made_up(&little, false);
	made_up(&big, true);
	pcap = (struct bytes){0};
	put_pcap_header(&pcap, PCAP_MAGIC, 4, 65535, 1);
	put_pcap_record(&pcap, 5, 6, 4, 4, 4, 0);
	struct weir_source *sources[] = {open_bytes(&little), open_bytes(&big), open_bytes(&pcap)};
	struct result *result = write_sources(sources, 3, &options, 0);
	assert_int_equal(result->code, 0);
	assert_int_equal(result->losses.blocks, 4);
	struct bytes *written = as_bytes(result);
	struct weir_source *source = open_bytes(written);
	struct all *all = read_all(source);
	uint32_t count;
	weir_capture_interfaces(source, &count);
	assert_int_equal(all->result, 0);
	assert_int_equal(weir_capture_header(source)->sections, 1);
	assert_int_equal(count, 2);
	assert_int_equal(all->count, 5);
	for (int i = 0; i < 4; i++) {
		const struct weir_packet *packet = &all->packets[i];
		assert_int_equal(packet->interface_id, 0);
		assert_int_equal(packet->time_ns, 1700000000123456789 + i % 2);
		assert_int_equal(packet->captured, 50 + i % 2);
		struct weir_bytes options_of = pcapng_packet_options(packet->block, packet->block_length, WEIR_NATIVE_BIG);
		struct weir_cursor cursor = weir_cursor_over(options_of.data, options_of.length);
		struct weir_bytes value;
		uint16_t code;
		assert_int_equal(pcapng_option_next(&cursor, WEIR_NATIVE_BIG, &code, &value), i % 2 == 0);
		if (i % 2 == 0)
			assert_memory_equal(value.data, "a comment", 9);
	}
	assert_int_equal(all->packets[4].interface_id, 1);
	assert_int_equal(all->packets[4].time_ns, 5000006000);
	free(all);
	free(written);
	free(result);
	weir_source_close(source);
	for (int i = 0; i < 3; i++)
		weir_source_close(sources[i]);
}

/* A live source: packets without a block, interfaces without options. */
static void packets_without_a_record_get_one(void **state)
{
	static const enum weir_format formats[] = {WEIR_FORMAT_PCAP, WEIR_FORMAT_PCAP_NS, WEIR_FORMAT_PCAPNG};
	static const struct weir_interface live = {.linktype = 1, .resolution = 9, .snaplen = 262144, .name = "eth0",
	                                           .description = "a card"};
	static const struct weir_interface *const interfaces[] = {&live};

	for (size_t i = 0; i < 3; i++) {
		struct weir_batch *batch = weir_batch_new();
		struct weir_capture_writer_options options = {.format = formats[i]};
		struct weir_sink *sink;
		struct weir_source *source;
		struct weir_fault fault;
		batch->interfaces = interfaces;
		batch->interface_count = 1;
		batch->count = 1;
		batch->packets[0] = (struct weir_packet){.time_ns = 1700000000123456789, .data = (const uint8_t *)"abcd", .captured = 4,
		                                         .length = 9, .linktype = 1};
		assert_int_equal(weir_capture_writer_open(path, &options, &sink, &fault), 0);
		assert_int_equal(sink->ops->consume(sink, batch, &fault), 0);
		assert_int_equal(sink->ops->finish(sink, &fault), 0);
		weir_sink_close(sink);
		weir_batch_free(batch);

		assert_int_equal(weir_capture_open(path, NULL, &source, &fault), 0);
		batch = weir_batch_new();
		uint32_t seen = 0;
		while (source->ops->fill(source, batch, &fault) > 0) {
			for (uint32_t k = 0; k < batch->count; k++, seen++) {
				assert_int_equal(batch->packets[k].time_ns, formats[i] == WEIR_FORMAT_PCAP ? 1700000000123456000 : 1700000000123456789);
				assert_int_equal(batch->packets[k].length, 9);
				assert_memory_equal(batch->packets[k].data, "abcd", 4);
			}
			weir_batch_reset(batch);
		}
		assert_int_equal(seen, 1);
		if (formats[i] == WEIR_FORMAT_PCAPNG) {
			uint32_t count;
			assert_string_equal(weir_capture_interfaces(source, &count)[0]->name, "eth0");
			assert_string_equal(weir_capture_interfaces(source, &count)[0]->description, "a card");
		}
		weir_batch_free(batch);
		weir_source_close(source);
	}
}

static void the_name_says_what_to_write(void **state)
{
	static const struct {
		const char *ending;
		enum weir_format format;
		enum weir_compression compression;
	} cases[] = {
		{".pcap", WEIR_FORMAT_PCAP_NS, WEIR_COMPRESSION_NONE}, /* the finest that the source needs */
		{".cap.gz", WEIR_FORMAT_PCAP_NS, WEIR_COMPRESSION_GZIP},
		{".pcapng.zst", WEIR_FORMAT_PCAPNG, WEIR_COMPRESSION_ZSTD},
		{".zst", WEIR_FORMAT_PCAPNG, WEIR_COMPRESSION_ZSTD},
		{"", WEIR_FORMAT_PCAPNG, WEIR_COMPRESSION_NONE},
	};
	static struct bytes b;

	made_up(&b, false);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_capture_writer_options options = {.by_name = true};
		struct weir_source *source = open_bytes(&b);
		struct weir_batch *batch = weir_batch_new();
		struct weir_sink *sink;
		struct weir_fault fault;
		char name[128];
		snprintf(name, sizeof name, "%s%s", path, cases[i].ending);
		assert_int_equal(weir_capture_writer_open(name, &options, &sink, &fault), 0);
		while (source->ops->fill(source, batch, &fault) > 0) {
			assert_int_equal(sink->ops->consume(sink, batch, &fault), 0);
			weir_batch_reset(batch);
		}
		assert_int_equal(sink->ops->finish(sink, &fault), 0);
		weir_sink_close(sink);
		weir_source_close(source);
		weir_batch_free(batch);
		assert_int_equal(weir_capture_open(name, NULL, &source, &fault), 0);
		assert_int_equal(weir_capture_header(source)->format, cases[i].format);
		assert_int_equal(weir_capture_header(source)->compression, cases[i].compression);
		weir_source_close(source);
		unlink(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_pcap_files_survive_being_pcapng),
		cmocka_unit_test(pcapng_is_mirrored_byte_for_byte),
		cmocka_unit_test(a_filtered_section_has_no_length),
		cmocka_unit_test(what_pcap_has_no_place_for_is_counted),
		cmocka_unit_test(pcap_takes_one_link_type_and_times_to_2106),
		cmocka_unit_test(large_packets_are_written_whole),
		cmocka_unit_test(merging_gathers_equal_interfaces_and_turns_byte_orders),
		cmocka_unit_test(packets_without_a_record_get_one),
		cmocka_unit_test(the_name_says_what_to_write),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
