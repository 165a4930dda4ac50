#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/codec.h"
#include "file/stream.h"

#define LENGTH (3u << 20)

static uint8_t *content;
static char folder[64], path[128];

static int setup(void **state)
{
	uint32_t random = 1;

	content = malloc(LENGTH);
	if (!content)
		return -1;
	/* Half of it noise, so that compressed blocks of every kind occur. */
	for (size_t i = 0; i < LENGTH; i++) {
		random = random * 1664525 + 1013904223;
		content[i] = i & 4096 ? (uint8_t)(random >> 24) : (uint8_t)(i >> 3);
	}
	strcpy(folder, "/tmp/weir-stream.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/file", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	free(content);
	return rmdir(folder);
}

static void write_with(enum weir_compression compression, int level, unsigned threads, const uint8_t *data, size_t length)
{
	const struct stream_writing writing = {.compression = compression, .level = level, .threads = threads};
	struct stream_writer *writer;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	assert_int_equal(stream_writer_open_as(path, &writing, &writer, &fault), 0);
	for (size_t at = 0, piece = 1; at < length; at += piece, piece = piece * 3 % 100003) {
		if (piece > length - at)
			piece = length - at;
		/* Both ways of writing, mixed. */
		if (piece % 2 && piece <= STREAM_ROOM) {
			uint8_t *room = stream_writer_room(writer, piece, &fault);
			assert_non_null(room);
			memcpy(room, data + at, piece);
		} else {
			assert_int_equal(stream_writer_write(writer, data + at, piece, &fault), 0);
		}
	}
	assert_int_equal(stream_writer_position(writer), length);
	assert_int_equal(stream_writer_finish(writer, &fault), 0);
	stream_writer_close(writer);
}

static void write_file(enum weir_compression compression, int level, const uint8_t *data, size_t length)
{
	write_with(compression, level, 0, data, length);
}

static size_t load(uint8_t **data)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	*data = malloc(2 * LENGTH);
	assert_non_null(*data);
	size_t length = fread(*data, 1, 2 * LENGTH, file);
	fclose(file);
	return length;
}

/* Reads all of a stream in pieces of many sizes; what came is compared with the content. Returns the last result. */
static int64_t drain(struct stream *stream, size_t *total, struct weir_fault *fault)
{
	uint8_t *out = malloc(1 << 18);
	int64_t n;

	*total = 0;
	for (size_t size = 1; (n = stream_read(stream, out, size, fault)) > 0; size = size * 5 % (1 << 18) + 1) {
		assert_true(*total + (size_t)n <= LENGTH);
		assert_memory_equal(out, content + *total, (size_t)n);
		*total += (size_t)n;
	}
	free(out);
	return n;
}

static bool available(enum weir_compression compression)
{
	return compression == WEIR_COMPRESSION_NONE || codec_find(compression)->decoder_new;
}

static void what_was_written_is_read_again(void **state)
{
	static const int levels[] = {0, 1, 9};

	for (int compression = WEIR_COMPRESSION_NONE; compression <= WEIR_COMPRESSION_LZ4; compression++) {
		for (size_t i = 0; available(compression) && i < 3; i++) {
			struct stream *stream;
			struct weir_fault fault;
			size_t total;
			write_file(compression, levels[i], content, LENGTH);
			assert_int_equal(stream_open(path, &stream, &fault), 0);
			assert_int_equal(stream_compression(stream), compression);
			assert_int_equal(drain(stream, &total, &fault), 0);
			assert_int_equal(total, LENGTH);
			assert_int_equal(stream_position(stream), stream_size(stream));
			stream_close(stream);
		}
	}
}

static void nothing_is_compressed_and_read_again(void **state)
{
	for (int compression = WEIR_COMPRESSION_GZIP; compression <= WEIR_COMPRESSION_LZ4; compression++) {
		struct stream *stream;
		struct weir_fault fault;
		uint8_t byte;
		if (!available(compression))
			continue;
		write_file(compression, 0, content, 0);
		assert_int_equal(stream_open(path, &stream, &fault), 0);
		assert_int_equal(stream_compression(stream), compression);
		assert_int_equal(stream_read(stream, &byte, 1, &fault), 0);
		stream_close(stream);
	}
}

/* Two frames, with a skippable one or padding between and behind, as pzstd, cat and the seekable format make them. */
static void frames_that_follow_each_other_are_one_stream(void **state)
{
	static const uint8_t skippable[] = {0x5e, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 'w', 'e', 'i', 'r', '!'};
	static const uint8_t zeros[512];

	for (int compression = WEIR_COMPRESSION_GZIP; compression <= WEIR_COMPRESSION_LZ4; compression++) {
		struct stream *stream;
		struct weir_fault fault;
		uint8_t *first, *second;
		size_t total;
		if (!available(compression))
			continue;
		bool gzip = compression == WEIR_COMPRESSION_GZIP;
		write_file(compression, 0, content, LENGTH / 2);
		size_t first_length = load(&first);
		write_file(compression, 0, content + LENGTH / 2, LENGTH - LENGTH / 2);
		size_t second_length = load(&second);

		FILE *file = fopen(path, "wb");
		assert_non_null(file);
		fwrite(first, 1, first_length, file);
		if (!gzip)
			fwrite(skippable, 1, sizeof skippable, file);
		fwrite(second, 1, second_length, file);
		fwrite(gzip ? zeros : skippable, 1, gzip ? sizeof zeros : sizeof skippable, file);
		fclose(file);
		free(first);
		free(second);

		assert_int_equal(stream_open(path, &stream, &fault), 0);
		assert_int_equal(drain(stream, &total, &fault), 0);
		assert_int_equal(total, LENGTH);
		stream_close(stream);
	}
}

static void a_truncated_file_gives_what_stands_before_and_then_the_error(void **state)
{
	for (int compression = WEIR_COMPRESSION_GZIP; compression <= WEIR_COMPRESSION_LZ4; compression++) {
		if (!available(compression))
			continue;
		write_file(compression, 0, content, LENGTH);
		uint8_t *data;
		size_t length = load(&data), before = 0;
		for (size_t cut = 30; cut < length; cut += length / 7) {
			struct stream *stream;
			struct weir_fault fault;
			size_t total;
			weir_fault_clear(&fault);
			assert_int_equal(stream_open_memory(data, cut, "cut", &stream, &fault), 0);
			assert_int_equal(drain(stream, &total, &fault), WEIR_E_TRUNCATED);
			assert_int_equal(fault.code, WEIR_E_TRUNCATED);
			assert_string_equal(fault.file, "cut");
			assert_true(total >= before && total < LENGTH);
			before = total;
			/* And it stays so. */
			uint8_t byte;
			assert_int_equal(stream_read(stream, &byte, 1, &fault), WEIR_E_TRUNCATED);
			stream_close(stream);
		}
		assert_true(before > LENGTH / 2);
		free(data);
	}
}

static void damage_is_found_by_the_checksum(void **state)
{
	for (int compression = WEIR_COMPRESSION_GZIP; compression <= WEIR_COMPRESSION_LZ4; compression++) {
		struct stream *stream;
		struct weir_fault fault;
		uint8_t *data, *out = malloc(1 << 16);
		int64_t n;
		if (!available(compression)) {
			free(out);
			continue;
		}
		write_file(compression, 0, content, LENGTH);
		size_t length = load(&data);
		data[length - 5] ^= 1; /* in the checksum, or near it */
		assert_int_equal(stream_open_memory(data, length, "bad", &stream, &fault), 0);
		while ((n = stream_read(stream, out, 1 << 16, &fault)) > 0)
			;
		/* A bit of a length in the end mark of lz4 may also make it look cut. */
		assert_true(n == WEIR_E_CORRUPT || n == WEIR_E_TRUNCATED);
		stream_close(stream);
		free(data);
		free(out);
	}
}

static void garbage_behind_gzip_is_an_error_and_zeros_are_not(void **state)
{
	uint8_t *data;
	size_t length, total;
	struct stream *stream;
	struct weir_fault fault;

	write_file(WEIR_COMPRESSION_GZIP, 0, content, LENGTH);
	length = load(&data);
	memcpy(data + length, "garbage", 7);
	assert_int_equal(stream_open_memory(data, length + 7, "tail", &stream, &fault), 0);
	assert_int_equal(drain(stream, &total, &fault), WEIR_E_CORRUPT);
	assert_int_equal(total, LENGTH);
	stream_close(stream);
	free(data);
}

static void formats_that_are_not_read_are_named(void **state)
{
	static const struct {
		const char *bytes, *word;
	} cases[] = {
		{"\xfd" "7zXZ\0..................................", "xz"},
		{"BZh91AY&SY..................................", "bzip2"},
		{"-----BEGIN AGE ENCRYPTED FILE-----\n.........", "age"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stream *stream;
		struct weir_fault fault;
		assert_int_equal(stream_open_memory(cases[i].bytes, 40, "other", &stream, &fault), WEIR_E_UNSUPPORTED);
		assert_non_null(strstr(fault.message, cases[i].word));
	}
}

static int files_in_folder(void)
{
	char command[160], line[32];
	snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(line, sizeof line, pipe));
	pclose(pipe);
	return atoi(line);
}

static void a_file_appears_when_it_is_whole(void **state)
{
	struct stream_writer *writer;
	struct weir_fault fault;

	unlink(path);
	assert_int_equal(stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &writer, &fault), 0);
	assert_int_equal(stream_writer_write(writer, content, LENGTH, &fault), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(stream_writer_finish(writer, &fault), 0);
	assert_int_equal(access(path, F_OK), 0);
	stream_writer_close(writer);
	assert_int_equal(files_in_folder(), 1);

	/* Given up, it leaves nothing, and what was there stays. */
	assert_int_equal(stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &writer, &fault), 0);
	assert_int_equal(stream_writer_write(writer, content, 10, &fault), 0);
	stream_writer_close(writer);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, LENGTH);
	assert_int_equal(files_in_folder(), 1);
}

static void the_mode_and_the_link_of_a_replaced_file_stay(void **state)
{
	struct stream_writer *writer;
	struct weir_fault fault;
	struct stat status;
	char link[160];

	write_file(WEIR_COMPRESSION_NONE, 0, content, 1);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(link, sizeof link, "%s/link", folder);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(stream_writer_open(link, WEIR_COMPRESSION_NONE, 0, &writer, &fault), 0);
	assert_int_equal(stream_writer_write(writer, content, 100, &fault), 0);
	assert_int_equal(stream_writer_finish(writer, &fault), 0);
	stream_writer_close(writer);
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 100);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(unlink(link), 0);
}

/* Also of less than a thread is started for, and of no job's whole size. */
static void the_number_of_threads_does_not_show(void **state)
{
	static const size_t lengths[] = {0, 1000, (2u << 20) + 1, LENGTH};

	for (size_t i = 0; i < 4; i++) {
		uint8_t *one, *more;
		write_with(WEIR_COMPRESSION_ZSTD, 1, 1, content, lengths[i]);
		size_t length = load(&one);
		for (unsigned threads = 2; threads < 8; threads += 3) {
			write_with(WEIR_COMPRESSION_ZSTD, 1, threads, content, lengths[i]);
			assert_int_equal(load(&more), length);
			assert_memory_equal(one, more, length);
			free(more);
		}
		free(one);
	}
}

static void a_full_disk_is_told(void **state)
{
	struct stream_writer *writer;
	struct weir_fault fault;

	assert_int_equal(stream_writer_open("/dev/full", WEIR_COMPRESSION_NONE, 0, &writer, &fault), 0);
	int error = stream_writer_write(writer, content, 10, &fault);
	if (!error)
		error = stream_writer_finish(writer, &fault);
	assert_int_equal(error, WEIR_E_NO_SPACE);
	assert_string_equal(fault.file, "/dev/full");
	stream_writer_close(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_again),
		cmocka_unit_test(nothing_is_compressed_and_read_again),
		cmocka_unit_test(frames_that_follow_each_other_are_one_stream),
		cmocka_unit_test(a_truncated_file_gives_what_stands_before_and_then_the_error),
		cmocka_unit_test(damage_is_found_by_the_checksum),
		cmocka_unit_test(garbage_behind_gzip_is_an_error_and_zeros_are_not),
		cmocka_unit_test(formats_that_are_not_read_are_named),
		cmocka_unit_test(a_file_appears_when_it_is_whole),
		cmocka_unit_test(the_mode_and_the_link_of_a_replaced_file_stay),
		cmocka_unit_test(the_number_of_threads_does_not_show),
		cmocka_unit_test(a_full_disk_is_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
