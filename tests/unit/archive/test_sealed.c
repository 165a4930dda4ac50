/* Sealed archives: what a writer that died left is made whole by who has no key, whatever part of it reached the disk. */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>

#include "archive/campaign.h"
#include "archive/chain.h"
#include "archive/folders.h"
#include "archive/reseal.h"
#include "archive/verify.h"
#include "core/clock.h"
#include "core/signing.h"
#include "file/sealed.h"
#include "os/files.h"

#define BYTES 200u
#define BASE_NS (INT64_C(1700000000) * NS_PER_SECOND)
#define PACKETS 12000u

static char folder[64];
static struct weir_identities *identities;
static struct weir_recipients *recipients;
static const struct weir_interface wire = {.linktype = 1, .resolution = 9, .name = "wire"};
static const struct weir_interface *const interfaces[] = {&wire};

/* The system's own, but that the call with this number fails. */
static atomic_int entropy_calls, entropy_fails_at = -1;

int getentropy(void *out, size_t length)
{
	int at = entropy_fails_at, call = atomic_fetch_add(&entropy_calls, 1);
	return call == at ? -1 : getrandom(out, length, 0) == (ssize_t)length ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at) { return remove(path); }

/* Campaigns that are harmed, of each codec: every kind of harm to every kind of file. A sanitizer of threads takes ten times as long. */
#ifdef __SANITIZE_THREAD__
#define HARMED 9
#else
#define HARMED 24
#endif

static void remove_folder(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int setup(void **state)
{
	strcpy(folder, "/tmp/weir-sealed.XXXXXX");
	if (!mkdtemp(folder) || weir_identities_new(&identities, NULL) || weir_recipients_new(&recipients, NULL) ||
	    weir_identities_add(identities, "AGE-SECRET-KEY-1XZ4CJRQHSAWPN69DVM4F2RPFQDFNV707V3TFTSZULMTCQMLC5K2QE6Q979",
	                        NULL))
		return -1;
	return weir_recipients_add(recipients, "age1mg94ea5l0ejkvk7ezkl3qlqrnphqj5dhshm08cavjjuz26js03eqysvt8n", NULL);
}

static int teardown(void **state)
{
	weir_identities_free(identities);
	weir_recipients_free(recipients);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct weir_campaign *campaign_of(const char *name, enum weir_campaign_mode mode)
{
	char path[128];
	struct weir_campaign *campaign;
	struct weir_fault fault;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (weir_campaign_open(path, mode, &campaign, &fault) != 0)
		fail_msg("%s: %s", fault.file, fault.message);
	weir_campaign_unseal(campaign, identities);
	return campaign;
}

/* A packet with its number in it, and noise, so that chunks do not become small. */
static void put_packet(uint8_t *at, uint64_t number)
{
	uint32_t random = (uint32_t)number * 2654435761u + 1;

	for (unsigned i = 0; i < BYTES; i++) {
		random = random * 1664525 + 1013904223;
		at[i] = (uint8_t)(random >> 24);
	}
	memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0", 16);
	weir_store_be16(at + 16, BYTES - 14);
	memset(at + 18, 0, 8);
	at[22] = 64;
	at[23] = 17;
	weir_store_be32(at + 26, 0x0a000000u + (uint32_t)(number >> 8));
	weir_store_be32(at + 30, 0x0a010001u);
	weir_store_be64(at + 42, number);
}

static void feed(struct weir_sink *sink, uint64_t first, uint64_t count)
{
	static uint8_t bytes[WEIR_BATCH_PACKETS][BYTES];
	struct weir_batch *batch = weir_batch_new();

	for (uint64_t number = first; number < first + count;) {
		weir_batch_reset(batch);
		batch->interfaces = interfaces;
		batch->interface_count = 1;
		for (; batch->count < WEIR_BATCH_PACKETS && number < first + count; number++, batch->count++) {
			put_packet(bytes[batch->count], number);
			batch->packets[batch->count] = (struct weir_packet){
				.time_ns = BASE_NS + (int64_t)number * 1000000,
				.data = bytes[batch->count],
				.captured = BYTES,
				.length = BYTES,
				.linktype = 1,
			};
		}
		assert_int_equal(weir_decode_batch(batch, NULL), 0);
		assert_int_equal(sink->ops->consume(sink, batch, NULL), 0);
	}
	weir_batch_free(batch);
}

/* What a query gives: each packet as it was, none twice. How many. */
static uint64_t query_all(struct weir_campaign *campaign)
{
	struct weir_query query = {.from_ns = WEIR_TIME_FIRST, .to_ns = WEIR_TIME_LAST};
	struct weir_source *source;
	struct weir_batch *batch = weir_batch_new();
	struct weir_fault fault;
	uint64_t count = 0;
	int64_t before = -1;
	int result;

	if (weir_query_open(campaign, &query, &source, &fault) != 0)
		fail_msg("%s: %s", fault.file, fault.message);
	while ((result = source->ops->fill(source, batch, &fault)) > 0) {
		for (uint32_t i = 0; i < batch->count; i++, count++) {
			uint8_t expected[BYTES];
			int64_t number = (int64_t)weir_load_be64(batch->packets[i].data + 42);
			assert_true(number > before && number < PACKETS);
			put_packet(expected, (uint64_t)number);
			assert_memory_equal(batch->packets[i].data, expected, BYTES);
			before = number;
		}
		weir_batch_reset(batch);
	}
	if (result < 0)
		fail_msg("%s: %s", fault.file, fault.message);
	weir_source_close(source);
	weir_batch_free(batch);
	return count;
}

static void tell(void *context, const struct weir_fault *fault)
{
	print_message("%s: %s\n", fault->file, fault->message);
}

static uint64_t faults_of(const char *name, const struct weir_identities *with)
{
	struct verify verify = {.threads = 1, .found = tell, .identities = with};
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	verify_begin(&verify);
	assert_int_equal(verify_campaign(&verify, path, NULL), 0);
	uint64_t faults = verify.counts.faults;
	verify_end(&verify);
	return faults;
}

/* Nothing but whole age files, and open parts of indexes. */
static int check_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	struct sealed_file *file;
	const char *ending = strrchr(path, '.');

	if (type != FTW_F || !strstr(path, "/wire/2"))
		return 0;
	assert_non_null(ending);
	assert_true(strcmp(ending, SEALED_ENDING) == 0 || strcmp(ending, ".idx") == 0);
	if (strcmp(ending, SEALED_ENDING) != 0)
		return 0;
	int fd = open(path, O_RDONLY);
	struct weir_fault fault;
	if (sealed_file_open(fd, identities, false, path, &file, &fault) != 0)
		fail_msg("%s: %s", path, fault.message);
	sealed_file_close(file);
	close(fd);
	return 0;
}

static uint64_t check_all(const char *name)
{
	char path[128];

	/* Recovers, without a key. */
	struct weir_campaign *campaign = campaign_of(name, WEIR_CAMPAIGN_WRITE);
	uint64_t count = query_all(campaign);
	weir_campaign_close(campaign);
	snprintf(path, sizeof path, "%s/%s/raw", folder, name);
	nftw(path, check_one, 16, FTW_PHYS);
	assert_int_equal(faults_of(name, NULL), 0);
	assert_int_equal(faults_of(name, identities), 0);
	return count;
}

/* A writer that dies: the files as they are then, in `name`. */
static void die(const char *name, enum weir_codec codec, bool buffered)
{
	pid_t child = fork();

	if (child == 0) {
		struct weir_campaign *campaign = campaign_of(name, WEIR_CAMPAIGN_CREATE);
		struct weir_archive_options options = {
			.node = "box",
			.interface = "wire",
			.codec = codec,
			.segment_bytes = 16 << 20,
			.buffer_bytes = 4 << 20,
			.flush_ns = NS_PER_SECOND / 20,
			.recipients = recipients,
			.buffered = buffered,
		};
		struct weir_sink *sink;
		if (weir_archive_sink_open(campaign, &options, &sink, NULL) != 0)
			_exit(1);
		feed(sink, 0, PACKETS - 500);
		/* Some more into journals, in several times. */
		for (unsigned i = 0; i < 5; i++) {
			usleep(120000);
			feed(sink, PACKETS - 500 + i * 100, 100);
		}
		usleep(300000);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof command, "cp -r --sparse=never %s/%s %s/%s", folder, from, folder, to);
	assert_int_equal(system(command), 0);
}

/* The file of the vantage's only day whose name has this ending, in path. */
static bool find_file(const char *name, const char *ending, char path[static 1024])
{
	char day[512];
	struct dirent *entry;
	bool found = false;

	snprintf(day, sizeof day, "%s/%s/raw/box/wire/2023-11-14", folder, name);
	DIR *open = opendir(day);
	assert_non_null(open);
	while (!found && (entry = readdir(open))) {
		size_t length = strlen(entry->d_name), n = strlen(ending);
		found = length > n && strcmp(entry->d_name + length - n, ending) == 0;
		if (found)
			snprintf(path, 1024, "%s/%s", day, entry->d_name);
	}
	closedir(open);
	return found;
}

enum harm { HARM_NONE, HARM_BYTE, HARM_CUT, HARM_HOLE, HARM_GONE };

static void harm_file(const char *path, enum harm harm, uint32_t random)
{
	static const uint8_t zeros[4096];
	struct stat status;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0);
	off_t at = (off_t)(random % (uint64_t)status.st_size);
	uint8_t byte;
	if (harm == HARM_BYTE) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1u << (random & 7));
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	} else if (harm == HARM_CUT) {
		assert_int_equal(ftruncate(fd, at), 0);
	} else if (harm == HARM_HOLE && status.st_size > 8192) {
		/* A block that was under way. */
		assert_int_equal(pwrite(fd, zeros, sizeof zeros, at / 4096 * 4096 % (status.st_size - 4096)), 4096);
	} else if (harm == HARM_GONE) {
		unlink(path);
	}
	close(fd);
}

static void whatever_reached_the_disk_is_made_whole_without_a_key(void **state)
{
	static const struct {
		enum weir_codec codec;
		bool buffered;
		const char *segment;
	} cases[] = {{WEIR_CODEC_ZSTD, false, ".pcapng.zst.age"},
	             {WEIR_CODEC_NONE, true, ".pcapng.age"},
	             {WEIR_CODEC_LZ4, true, ".pcapng.lz4.age"}};
	uint32_t random = 3;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *const files[] = {cases[i].segment, ".end", ".open"};
		die("dead", cases[i].codec, cases[i].buffered);
		copy("dead", "whole");
		/* All but the last moments. */
		assert_true(check_all("whole") == PACKETS);
		/* Again, there is nothing to do. */
		assert_true(check_all("whole") == PACKETS);
		remove_folder("whole");
		for (unsigned k = 0; k < HARMED; k++) {
			char path[1024];
			random = random * 1664525 + 1013904223;
			enum harm harm = HARM_BYTE + k % 3;
			copy("dead", "harmed");
			if (find_file("harmed", files[k / 3 % 3], path))
				harm_file(path, harm, random >> 3);
			uint64_t count = check_all("harmed");
			assert_true(count <= PACKETS);
			/* Damage costs what is behind it, and not what the other files have. */
			assert_true(k / 3 % 3 == 2 ? count >= PACKETS - 2000 : count > 0 || k / 3 % 3 == 0);
			remove_folder("harmed");
		}
		remove_folder("dead");
	}
}

static void journals_become_segments_once(void **state)
{
	struct folder_list list = {0};
	char journal[1024], end[1024], command[4600];

	die("dead", WEIR_CODEC_ZSTD, false);
	assert_true(find_file("dead", ".open", journal));
	assert_true(find_file("dead", ".end", end));
	snprintf(command, sizeof command, "mkdir %s/journals && cp %s/dead/raw/box/wire/2023-11-14/*.open %s/journals && cp %s %s/end",
	         folder, folder, folder, end, folder);
	assert_int_equal(system(command), 0);
	assert_true(check_all("dead") == PACKETS);
	struct weir_campaign *campaign = campaign_of("dead", WEIR_CAMPAIGN_WRITE);
	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	size_t segments = list.count;
	assert_true(segments >= 2);
	folder_list_free(&list);
	list = (struct folder_list){0};
	/* As if it had died between making the segment and deleting the journal: before it was entered, even. */
	snprintf(command, sizeof command,
	         "cp %s/journals/* %s/dead/raw/box/wire/2023-11-14 && cp %s/end %s && printf live >%s/dead/raw/box/wire/.lock",
	         folder, folder, folder, end, folder);
	assert_int_equal(system(command), 0);
	char sql[] = "UPDATE segments SET state = 'open', span_class = -1 WHERE seq = 1; DELETE FROM segments WHERE codec = 'none'";
	assert_int_equal(sqlite3_exec(catalog_database(campaign->catalog), sql, NULL, NULL, NULL), SQLITE_OK);
	weir_campaign_close(campaign);
	snprintf(command, sizeof command, "rm -f %s/dead/raw/box/wire/2023-11-14/*000001*.idx %s/dead/raw/box/wire/2023-11-14/*.pcapng.age.idx", folder,
	         folder);
	assert_int_equal(system(command), 0);
	campaign = campaign_of("dead", WEIR_CAMPAIGN_WRITE);
	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	assert_int_equal(list.count, segments);
	folder_list_free(&list);
	weir_campaign_close(campaign);
	assert_true(check_all("dead") == PACKETS);
	remove_folder("dead");
}

static int has_no_packet(const char *path, const struct stat *status, int type, struct FTW *at)
{
	uint8_t packet[BYTES];
	char *data;
	size_t length;

	if (type != FTW_F)
		return 0;
	put_packet(packet, 1);
	assert_int_equal(os_read_file(path, 64 << 20, &data, &length, NULL), 0);
	if (memmem(data, length, packet + 60, 64))
		fail_msg("%s has a packet in the open", path);
	free(data);
	return 0;
}

/* The system has no random numbers for the key of a journal, and has them again later. */
static void a_journal_without_a_key_gets_nothing_in_the_open(void **state)
{
	char path[128];
	pid_t child = fork();

	if (child == 0) {
		struct weir_campaign *campaign = campaign_of("keyless", WEIR_CAMPAIGN_CREATE);
		struct weir_archive_options options = {
			.node = "box",
			.interface = "wire",
			.segment_bytes = 16 << 20,
			.flush_ns = NS_PER_SECOND / 20,
			.recipients = recipients,
			.shed = true,
		};
		struct weir_sink *sink;
		/* Three calls make the key, the nonce and the only recipient's share of the segment; the next are the journal's. */
		entropy_calls = 0;
		entropy_fails_at = 3;
		if (weir_archive_sink_open(campaign, &options, &sink, NULL) != 0)
			_exit(1);
		feed(sink, 0, 100);
		usleep(2500000);
		_exit(entropy_calls > 3 ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	snprintf(path, sizeof path, "%s/keyless", folder);
	nftw(path, has_no_packet, 16, FTW_PHYS);
	assert_int_equal(check_all("keyless"), 100);
	remove_folder("keyless");
}

/* A disk that does not take the line of the chain for a while: when it does again, the segments that waited are signed and closed. */
static void what_could_not_be_signed_is_signed_later(void **state)
{
	const struct chain_check wanted = {0};
	struct verify verify = {.threads = 1, .found = tell};
	struct weir_archive_options options = {
		.node = "box",
		.interface = "wire",
		.segment_bytes = 1 << 20,
		.flush_ns = NS_PER_SECOND / 20,
		.recipients = recipients,
		.shed = true,
	};
	struct weir_campaign *campaign = campaign_of("unsigned", WEIR_CAMPAIGN_CREATE);
	struct weir_archive_statistics statistics;
	struct signing_key *signer;
	struct weir_sink *sink;
	struct weir_fault fault;
	char path[128];

	assert_int_equal(signing_key_new(&signer, NULL), 0);
	assert_int_equal(campaign_sign_with(campaign, signer, NULL), 0);
	assert_int_equal(weir_archive_sink_open(campaign, &options, &sink, NULL), 0);
	snprintf(path, sizeof path, "%s/unsigned/raw/box/chain.jsonl", folder);
	assert_int_equal(mkdir(path, 0777), 0);
	feed(sink, 0, PACKETS);
	usleep(500000);
	assert_int_equal(rmdir(path), 0);
	usleep(2500000);
	feed(sink, 0, 100);
	if (sink->ops->finish(sink, &fault) != 0)
		fail_msg("%s: %s", fault.file, fault.message);
	weir_archive_sink_statistics(sink, &statistics);
	/* What came while nothing could be signed was shed; what came then was not. */
	assert_true(statistics.segments >= 2);
	weir_sink_close(sink);
	weir_campaign_close(campaign);
	verify_begin(&verify);
	snprintf(path, sizeof path, "%s/unsigned", folder);
	assert_int_equal(verify_chains(&verify, path, &wanted, NULL), 0);
	assert_int_equal(verify.counts.faults, 0);
	assert_true(verify.counts.signed_segments >= 2);
	verify_end(&verify);
	remove_folder("unsigned");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_reached_the_disk_is_made_whole_without_a_key),
		cmocka_unit_test(journals_become_segments_once),
		cmocka_unit_test(a_journal_without_a_key_gets_nothing_in_the_open),
		cmocka_unit_test(what_could_not_be_signed_is_signed_later),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
