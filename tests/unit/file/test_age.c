#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/key.h>

#include "file/bech32.h"
#include "file/sealed.h"
#include "file/stream.h"

#define LENGTH_MOST (5u * AGE_CHUNK + 77)

static const char identity_text[] = "AGE-SECRET-KEY-1XZ4CJRQHSAWPN69DVM4F2RPFQDFNV707V3TFTSZULMTCQMLC5K2QE6Q979";
static const char recipient_text[] = "age1mg94ea5l0ejkvk7ezkl3qlqrnphqj5dhshm08cavjjuz26js03eqysvt8n";

static struct weir_identities *identities, *strangers;
static struct weir_recipients *recipients;
static uint8_t *content, *sealed, *opened;
static size_t sealed_length;

static int setup(void **state)
{
	uint32_t random = 1;

	content = malloc(LENGTH_MOST);
	sealed = malloc(LENGTH_MOST + 100000);
	opened = malloc(LENGTH_MOST + 100000);
	for (size_t i = 0; i < LENGTH_MOST; i++) {
		random = random * 1664525 + 1013904223;
		content[i] = (uint8_t)(random >> 24);
	}
	return weir_identities_new(&identities, NULL) || weir_identities_new(&strangers, NULL) ||
	       weir_recipients_new(&recipients, NULL) || weir_identities_add(identities, identity_text, NULL) ||
	       weir_recipients_add(recipients, recipient_text, NULL);
}

static int teardown(void **state)
{
	weir_identities_free(identities);
	weir_identities_free(strangers);
	weir_recipients_free(recipients);
	free(content);
	free(sealed);
	free(opened);
	return 0;
}

static int keep(void *context, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	memcpy(sealed + sealed_length, data, length);
	sealed_length += length;
	return 0;
}

static void seal(size_t length, size_t piece, size_t multiple)
{
	struct sealed_writer *writer;

	sealed_length = 0;
	assert_int_equal(sealed_writer_new(recipients, multiple, keep, NULL, &writer, NULL), 0);
	for (size_t at = 0; at < length; at += piece)
		assert_int_equal(sealed_writer_write(writer, content + at, piece < length - at ? piece : length - at, NULL), 0);
	assert_int_equal(sealed_writer_finish(writer, NULL), 0);
	sealed_writer_free(writer);
}

struct memory {
	const uint8_t *data;
	size_t left, most;
};

static int64_t more(void *context, uint8_t *out, size_t size, struct weir_fault *fault)
{
	struct memory *memory = context;
	size_t n = size < memory->left ? size : memory->left;

	n = memory->most && n > memory->most ? memory->most : n;
	memcpy(out, memory->data, n);
	memory->data += n;
	memory->left -= n;
	return (int64_t)n;
}

/* Opens what is in `sealed`. The code of the end; *length: how many bytes came before it. */
static int open_all(const struct weir_identities *with, size_t piece, size_t *length)
{
	struct memory memory = {sealed, sealed_length, piece};
	struct sealed_stream *stream;
	int64_t n;

	*length = 0;
	int error = sealed_stream_open(sealed, 0, more, &memory, with, "test", &stream, NULL);
	if (error)
		return error;
	while ((n = sealed_stream_read(stream, opened + *length, piece ? piece : 100000, NULL)) > 0)
		*length += (size_t)n;
	sealed_stream_close(stream);
	return (int)n;
}

static const size_t lengths[] = {
	0, 1, 100, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, 2 * AGE_CHUNK, 3 * AGE_CHUNK + 5, LENGTH_MOST};

static void what_is_sealed_opens_to_the_same(void **state)
{
	static const size_t pieces[] = {0, 7919, AGE_CHUNK, AGE_SEALED};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			size_t length;
			seal(lengths[i], pieces[p] ? pieces[p] : LENGTH_MOST, p % 2 ? SEALED_HEADER : 0);
			assert_int_equal(open_all(identities, pieces[p], &length), 0);
			assert_int_equal(length, lengths[i]);
			assert_memory_equal(opened, content, length);
		}
}

static int file_of(size_t length)
{
	int fd = memfd_create("age", MFD_CLOEXEC);
	assert_int_equal(write(fd, sealed, length), length);
	return fd;
}

static void any_place_can_be_read(void **state)
{
	uint32_t random = 5;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct sealed_file *file;
		seal(lengths[i], 50000, SEALED_HEADER);
		int fd = file_of(sealed_length);
		assert_int_equal(sealed_file_open(fd, identities, false, "test", &file, NULL), 0);
		assert_int_equal(sealed_file_size(file), lengths[i]);
		for (int k = 0; k < 200; k++) {
			random = random * 1664525 + 1013904223;
			size_t at = lengths[i] ? (random >> 4) % lengths[i] : 0;
			size_t size = (random >> 8) % (k % 2 ? 300000 : 300), left = lengths[i] - at;
			assert_int_equal(sealed_file_read(file, opened, size, at, NULL), size < left ? size : left);
			assert_memory_equal(opened, content + at, size < left ? size : left);
		}
		sealed_file_close(file);
		close(fd);
	}
}

/* Each kind of change: a bit, a byte, bytes taken out or put in, two chunks exchanged, the end cut off, bytes behind it. */
/* There is one thread: its sanitizer, which makes this ten times as slow, sees what there is to see in a few. */
#ifdef __SANITIZE_THREAD__
#define MUTATIONS 300
#else
#define MUTATIONS 10000
#endif

static void mutate(uint32_t *random, const uint8_t *sound, size_t sound_length)
{
	memcpy(sealed, sound, sound_length);
	sealed_length = sound_length;
	*random = *random * 1664525 + 1013904223;
	size_t at = (*random >> 8) % sound_length, some = 1 + (*random >> 5) % 70000;
	size_t payload = sound_length - (sound_length / AGE_SEALED) * AGE_SEALED;
	switch (*random >> 29) {
	case 0:
	case 1:
		sealed[at] ^= (uint8_t)(1u << (*random & 7));
		break;
	case 2:
		sealed[at % 400] ^= (uint8_t)(1u << (*random & 7));
		break;
	case 3:
		some = some < sound_length - at ? some : sound_length - at;
		memmove(sealed + at, sealed + at + some, sound_length - at - some);
		sealed_length -= some;
		break;
	case 4:
		some %= 5000;
		memmove(sealed + at + some, sealed + at, sound_length - at);
		sealed_length += some;
		break;
	case 5:
		memcpy(sealed + payload, sound + payload + AGE_SEALED, AGE_SEALED);
		memcpy(sealed + payload + AGE_SEALED, sound + payload, AGE_SEALED);
		sealed[at] ^= *random & 1;
		break;
	case 6:
		sealed_length = *random & 1 ? at : sound_length - 16 * ((*random >> 9) % 9);
		break;
	default:
		sealed_length += some % 5000;
		memset(sealed + sound_length, 0, some % 5000);
		break;
	}
}

static void ten_thousand_mutations_never_give_a_wrong_byte(void **state)
{
	size_t whole = 2 * AGE_CHUNK + 1000, length;
	uint32_t random = 77;
	unsigned changed = 0;

	seal(whole, whole, 0);
	size_t sound_length = sealed_length;
	uint8_t *sound = malloc(sound_length);
	memcpy(sound, sealed, sound_length);
	for (int i = 0; i < MUTATIONS; i++) {
		struct sealed_file *file;
		mutate(&random, sound, sound_length);
		bool same = sealed_length == sound_length && memcmp(sealed, sound, sound_length) == 0;
		changed += !same;
		int code = open_all(identities, i % 3 ? 0 : 4096, &length);
		assert_true(same ? code == 0 && length == whole : code < 0 && length <= whole);
		assert_memory_equal(opened, content, length);
		int fd = file_of(sealed_length);
		if (sealed_file_open(fd, identities, i % 2, "test", &file, NULL) == 0) {
			for (uint64_t at = 0; at < sealed_file_size(file); at += 30000) {
				int64_t n = sealed_file_read(file, opened, 30000, at, NULL);
				if (n > 0) {
					assert_true(at + (uint64_t)n <= whole);
					assert_memory_equal(opened, content + at, (size_t)n);
				}
			}
			sealed_file_close(file);
		}
		close(fd);
	}
	assert_true(changed > MUTATIONS * 95 / 100);
	free(sound);
}

static void a_file_cut_between_chunks_gives_what_is_there_and_the_fault(void **state)
{
	size_t length;

	seal(3 * AGE_CHUNK, 3 * AGE_CHUNK, 0);
	sealed_length -= AGE_SEALED;
	assert_int_equal(open_all(identities, 0, &length), WEIR_E_TRUNCATED);
	assert_int_equal(length, 2 * AGE_CHUNK);
	assert_memory_equal(opened, content, length);
}

static void who_has_no_identity_opens_nothing(void **state)
{
	struct weir_fault fault;
	size_t length;

	seal(1000, 1000, 0);
	assert_int_equal(open_all(NULL, 0, &length), WEIR_E_PERMISSION);
	assert_int_equal(open_all(strangers, 0, &length), WEIR_E_PERMISSION);
	assert_int_equal(weir_identities_add(strangers,
	                                     "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
	                                     &fault),
	                 0);
	assert_int_equal(open_all(strangers, 0, &length), WEIR_E_PERMISSION);
	assert_int_equal(length, 0);
}

static void headers_are_filled_up_and_hold_many_recipients(void **state)
{
	struct weir_recipients *many;
	struct age_file_key key = {{1, 2, 3}}, again;
	uint8_t *header;
	size_t length;

	assert_int_equal(weir_recipients_new(&many, NULL), 0);
	for (int i = 0; i < 60; i++) {
		char *text, recipient[WEIR_RECIPIENT_SIZE];
		size_t text_length;
		assert_int_equal(weir_identity_new(&text, &text_length, recipient, NULL), 0);
		free(text);
		assert_int_equal(weir_recipients_add(many, i == 30 ? recipient_text : recipient, NULL), 0);
		assert_int_equal(age_header_write(many, &key, 4096, &header, &length, NULL), 0);
		assert_int_equal((length + AGE_NONCE) % 4096, 0);
		assert_int_equal(age_header_length(header, length, "test", NULL), length);
		assert_int_equal(age_header_length(header, length - 1, "test", NULL), 0);
		assert_int_equal(age_header_open(header, length, identities, "test", &again, NULL),
		                 i < 30 ? WEIR_E_PERMISSION : 0);
		free(header);
	}
	assert_memory_equal(&key, &again, sizeof key);
	assert_true(length > 4096);
	weir_recipients_free(many);
}

/* Makes a header of lines with a stanza for the identity, and reads it. */
static int read_header_with(const char *from, const char *to)
{
	struct age_file_key key = {{9}}, again;
	uint8_t *header;
	size_t length;
	char changed[2000];

	assert_int_equal(age_header_write(recipients, &key, 0, &header, &length, NULL), 0);
	char *at = strstr((char *)header, from);
	assert_non_null(at);
	int n = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - (char *)header), (char *)header, to,
	                 at + strlen(from));
	free(header);
	int64_t found = age_header_length((uint8_t *)changed, (size_t)n, "test", NULL);
	return found <= 0 ? (int)found
	                  : age_header_open((uint8_t *)changed, (size_t)found, identities, "test", &again, NULL);
}

static void headers_are_read_strictly(void **state)
{
	static const struct {
		const char *from, *to;
		int code;
	} cases[] = {
		{"v1\n", "v2\n", WEIR_E_UNSUPPORTED},
		{"v1\n", "v1\r\n", WEIR_E_UNSUPPORTED},
		{"-> X25519", "->  X25519", WEIR_E_FORMAT},
		{"-> X25519", "-> X25519 ", WEIR_E_FORMAT},
		{"-> X25519", "->X25519", WEIR_E_FORMAT},
		{"-> X25519", "-> X25519 x", WEIR_E_FORMAT},
		{"-> X25519", "-> \x7f", WEIR_E_FORMAT},
		{"\n---", "\n ---", WEIR_E_FORMAT},
		{"--- ", "---", WEIR_E_FORMAT},
		{"--- ", "---  ", WEIR_E_FORMAT},
		{"\n---", "=\n---", WEIR_E_FORMAT},
		{"\n---", "\n\n---", WEIR_E_FORMAT},
		{"-> X25519", "-> other\n\n-> X25519", WEIR_E_CORRUPT},
		{"-> X25519", "-> other a b c d e f g h\nAAAA\n-> X25519", WEIR_E_CORRUPT},
		{"-> X25519", "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 10\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-> X25519",
	     WEIR_E_PERMISSION},
		{"-> X25519",
	     "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-> "
	     "X25519",
	     WEIR_E_FORMAT},
		{"-> X25519",
	     "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-> "
	     "X25519",
	     WEIR_E_FORMAT},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int code = read_header_with(cases[i].from, cases[i].to);
		if (code != cases[i].code)
			fail_msg("case %zu: %d, not %d", i, code, cases[i].code);
	}
	assert_int_equal(read_header_with("-> X25519", "-> X25519"), 0);
}

static int answer(void *context, const char *file, char *passphrase, size_t size, struct weir_fault *fault)
{
	++*(int *)context;
	strcpy(passphrase, "korrekt horse");
	return 0;
}

static void passphrases_open_what_they_sealed(void **state)
{
	struct weir_recipients *with;
	struct weir_identities *asked;
	struct age_file_key key = {{4}}, again;
	uint8_t *header;
	size_t length;
	int times = 0;

	assert_int_equal(weir_recipients_new(&with, NULL), 0);
	assert_int_equal(weir_identities_new(&asked, NULL), 0);
	assert_int_equal(weir_recipients_passphrase(with, "", NULL), WEIR_E_USAGE);
	assert_int_equal(weir_recipients_passphrase(with, "korrekt horse", NULL), 0);
	assert_int_equal(weir_recipients_add(with, recipient_text, NULL), WEIR_E_USAGE);
	assert_int_equal(age_header_write(with, &key, 4096, &header, &length, NULL), 0);
	assert_int_equal(age_header_open(header, length, asked, "test", &again, NULL), WEIR_E_PERMISSION);
	weir_identities_ask(asked, answer, &times);
	assert_int_equal(age_header_open(header, length, asked, "test", &again, NULL), 0);
	assert_int_equal(age_header_open(header, length, asked, "test", &again, NULL), 0);
	assert_int_equal(times, 1);
	/* Work without bound is refused before it is done. */
	char *work = strstr((char *)header, " 18\n");
	memcpy(work, " 40\n", 4);
	assert_int_equal(age_header_open(header, length, asked, "test", &again, NULL), WEIR_E_LIMIT);
	memcpy(work, " 08\n", 4);
	assert_int_equal(age_header_open(header, length, asked, "test", &again, NULL), WEIR_E_FORMAT);
	free(header);
	weir_recipients_free(with);
	weir_identities_free(asked);
}

static void texts_of_keys_are_checked(void **state)
{
	char text[BECH32_TEXT];
	uint8_t key[BECH32_KEY];
	size_t length = strlen(recipient_text);

	assert_true(bech32_decode("age", recipient_text, length, false, key));
	bech32_encode("age", key, false, text);
	assert_string_equal(text, recipient_text);
	for (size_t i = 0; i < length; i++) {
		memcpy(text, recipient_text, length + 1);
		text[i] = text[i] == 'q' ? 'p' : 'q';
		assert_false(bech32_decode("age", text, length, false, key));
	}
	assert_false(bech32_decode("age", recipient_text, length - 1, false, key));
	assert_string_equal(weir_identities_recipient(identities, 0), recipient_text);
	assert_int_equal(weir_recipients_add(recipients, recipient_text, NULL), 0);
	assert_int_equal(weir_recipients_count(recipients), 1);
}

static void secrets_are_not_quoted(void **state)
{
	struct weir_fault fault;
	struct weir_recipients *list;

	assert_int_equal(weir_recipients_new(&list, NULL), 0);
	assert_int_equal(weir_recipients_add(list, identity_text, &fault), WEIR_E_USAGE);
	assert_null(strstr(fault.message, "AGE-SECRET"));
	assert_int_equal(weir_identities_add(identities, "AGE-SECRET-KEY-1XZ4", &fault), WEIR_E_USAGE);
	assert_null(strstr(fault.message, "XZ4"));
	weir_recipients_free(list);
}

static void identity_files_are_for_their_owner(void **state)
{
	char path[] = "/tmp/weir-age.XXXXXX";
	struct weir_identities *list;
	int fd = mkstemp(path);

	assert_int_equal(dprintf(fd, "# a comment\n\n%s\r\n", identity_text) > 0, 1);
	close(fd);
	assert_int_equal(weir_identities_new(&list, NULL), 0);
	assert_int_equal(weir_identities_read(list, path, NULL), 0);
	assert_int_equal(weir_identities_count(list), 1);
	chmod(path, 0644);
	assert_int_equal(weir_identities_read(list, path, NULL), WEIR_E_PERMISSION);
	weir_identities_free(list);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_opens_to_the_same),
		cmocka_unit_test(any_place_can_be_read),
		cmocka_unit_test(ten_thousand_mutations_never_give_a_wrong_byte),
		cmocka_unit_test(a_file_cut_between_chunks_gives_what_is_there_and_the_fault),
		cmocka_unit_test(who_has_no_identity_opens_nothing),
		cmocka_unit_test(headers_are_filled_up_and_hold_many_recipients),
		cmocka_unit_test(headers_are_read_strictly),
		cmocka_unit_test(passphrases_open_what_they_sealed),
		cmocka_unit_test(texts_of_keys_are_checked),
		cmocka_unit_test(secrets_are_not_quoted),
		cmocka_unit_test(identity_files_are_for_their_owner),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
