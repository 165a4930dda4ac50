/* The hashes of a run's inputs while it is stopped, and of inputs that change: src/campaign/run_hashing.c. */
#include "../unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/run.h>

#include "campaign/run.h"

#define HUGE ((off_t)8 << 30) /* all of it a hole: nothing is on the disk, and to hash it takes seconds */

static char path[] = "/tmp/weir-hashing-XXXXXX";

struct fixture {
	_Atomic int stop;
	struct weir_run_options options;
	struct run_input input;
	struct run run;
};

static void begin(struct fixture *fixture, int threads, off_t bytes)
{
	struct stat status;

	assert_int_equal(truncate(path, bytes), 0);
	assert_int_equal(stat(path, &status), 0);
	*fixture = (struct fixture){.options = {.stop = &fixture->stop}, .input = {.path = path, .bytes = (uint64_t)bytes, .changed_ns = run_changed_ns(&status)}};
	fixture->run = (struct run){.options = &fixture->options, .plan = {.inputs = &fixture->input, .input_count = 1}, .threads = threads};
	fixture->run.hashing = run_hashing_begin(&fixture->run);
	assert_non_null(fixture->run.hashing);
}

static void end(struct fixture *fixture, int expected)
{
	struct weir_fault fault;

	assert_int_equal(run_hashing_end(&fixture->run, false, &fault), expected);
	run_hashing_free(fixture->run.hashing);
}

static void what_is_left_to_be_hashed_is_given_up_when_the_run_is_stopped(void **state)
{
	struct fixture fixture;

	(void)state;
	for (int threads = 1; threads <= 2; threads++) {
		begin(&fixture, threads, HUGE);
		fixture.stop = 1;
		end(&fixture, WEIR_E_INTERRUPTED);
	}
}

static void an_input_that_changed_is_an_error(void **state)
{
	static const struct timespec earlier[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	struct fixture fixture;

	(void)state;
	for (int threads = 1; threads <= 2; threads++) {
		begin(&fixture, threads, 100000);
		end(&fixture, 0);
		assert_string_equal(fixture.input.sha256, "9192c25b734fcbadbe32dadc28089c60db0e39f90cc20ce2e5733f57261acc0c");
		begin(&fixture, threads, 100000);
		assert_int_equal(truncate(path, 100001), 0);
		end(&fixture, WEIR_E_CORRUPT);
		/* Of the same size, it was written to. */
		begin(&fixture, threads, 100000);
		assert_int_equal(utimensat(AT_FDCWD, path, earlier, 0), 0);
		end(&fixture, WEIR_E_CORRUPT);
		/* Of a run that is made again it is not known when it had been changed: the hash tells. */
		begin(&fixture, threads, 100000);
		fixture.input.changed_ns = 0;
		assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}}, 0), 0);
		end(&fixture, 0);
	}
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_to_be_hashed_is_given_up_when_the_run_is_stopped),
		cmocka_unit_test(an_input_that_changed_is_an_error),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
