/* The flow stage gives the same records however its packets are cut into batches, and when it is saved and loaded between any two of them. */
#include "../unit.h"

#include <stdio.h>
#include <unistd.h>

#include "flows.h"

#define PACKETS 2500u

static uint64_t random_state;

static uint32_t below(uint32_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) % bound);
}

/* States that are damaged. A sanitizer of threads has nothing to see in them, and takes ten times as long. */
#ifdef __SANITIZE_THREAD__
#define DAMAGED 6
#else
#define DAMAGED 60
#endif

static void add_fragment(struct flows *f, int64_t t)
{
	struct build *b = flows_next(f);
	uint16_t offset = (uint16_t)(below(3) * 2);

	ethernet(b, 0x86dd);
	ipv6(b, 44);
	bytes(b, "\x11\0", 2);
	be16(b, (uint16_t)(offset << 3 | (offset < 4)));
	be32(b, below(40));
	bytes(b, "\0\x07\0\x08\0\x40\0\0payload!", 16);
	flows_add(f, b, t);
}

/* Connections, datagrams, fragments, duplicates, from four interfaces; silences, and times that go back. */
static void add_packet(struct flows *f, int64_t *t)
{
	uint32_t kind = below(20);
	struct weir_packet *packet;

	*t += below(100) == 0 ? 20 * S : below(50) * MS;
	int64_t when = *t - (below(10) == 0 ? below(2000) * MS : 0);
	if (kind < 3) {
		add_fragment(f, when);
	} else if (kind < 8) {
		packet = flows_udp(f, when, (uint16_t)(1 + below(300)), 53, below(2));
		if (below(10) == 0)
			packet->verdict = WEIR_DUPLICATE;
		packet->interface_id = below(4);
	} else {
		static const uint8_t flags[] = {SYN, SYN | ACK, ACK, ACK, ACK, ACK, FIN | ACK, RST};
		packet = flows_tcp(f, when, (struct segment){.back = below(2), .port = (uint16_t)(1000 + below(200)), .flags = flags[below(8)],
		                                             .sequence = below(20) * 100, .acknowledged = below(20) * 100,
		                                             .length = (uint16_t)(below(3) * 100), .closed = below(20) == 0});
		packet->interface_id = below(4);
	}
}

static const struct weir_interface interfaces[] = {{.node = "b"}, {.name = "c"}, {.node = "a", .name = "x"}, {.node = "b"}};
static const struct weir_interface *const table[] = {&interfaces[0], &interfaces[1], &interfaces[2], &interfaces[3]};

/* A namer without what it can't save. */
static struct weir_applications *namer(void)
{
	struct weir_applications_options options = {.no_ndpi = true};
	struct weir_applications *applications;
	struct weir_fault fault = {0};

	assert_int_equal(weir_applications_new(&options, &applications, &fault), 0);
	return applications;
}

/* Opens flows that are named. */
static void open_named(struct flows *f, int64_t idle_ns, uint64_t memory_bytes)
{
	struct weir_fault fault = {0};

	flows_open(f, idle_ns, 60 * S, memory_bytes);
	weir_stage_close(f->stage);
	f->options.applications = namer();
	assert_int_equal(weir_flow_stage_new(&f->options, &f->stage, &fault), 0);
}

static void close_named(struct flows *f)
{
	weir_applications_free(f->options.applications);
	flows_close(f);
}

/* Saves the stage, closes it, and goes on with a new one that loads what was saved. */
static void resume(struct flows *f, const char *path)
{
	struct weir_fault fault = {0};
	struct weir_state *state;

	assert_int_equal(weir_state_create(path, &state, &fault), 0);
	assert_int_equal(f->stage->ops->save(f->stage, state, &fault), 0);
	assert_int_equal(weir_applications_save(f->options.applications, state, &fault), 0);
	assert_int_equal(weir_state_finish(state, &fault), 0);
	weir_state_close(state);
	weir_stage_close(f->stage);
	weir_applications_free(f->options.applications);
	f->options.applications = namer();
	assert_int_equal(weir_flow_stage_new(&f->options, &f->stage, &fault), 0);
	assert_int_equal(weir_state_open(path, &state, &fault), 0);
	assert_int_equal(f->stage->ops->load(f->stage, state, &fault), 0);
	assert_int_equal(weir_applications_load(f->options.applications, state, &fault), 0);
	weir_state_close(state);
}

/* All packets, in batches of about `most`, resumed after about one in `every` batches (0: never). */
static struct kept *run(uint32_t most, uint32_t every, int64_t idle_ns, uint64_t memory_bytes)
{
	struct flows f;
	uint64_t cuts = 99;
	int64_t t = 1000 * S;
	char path[] = "/tmp/weir-flow-state.XXXXXX";

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	open_named(&f, idle_ns, memory_bytes);
	f.batch->interfaces = table;
	f.batch->interface_count = 4;
	random_state = 1;
	uint32_t room = most;
	for (uint32_t i = 0; i < PACKETS; i++) {
		add_packet(&f, &t);
		if (f.batch->count < room)
			continue;
		flows_run(&f);
		cuts = cuts * UINT64_C(6364136223846793005) + 1;
		room = 1 + (uint32_t)(cuts >> 33) % most;
		if (every && (cuts >> 40) % every == 0)
			resume(&f, path);
	}
	flows_end(&f);
	unlink(path);
	struct kept *kept = f.kept;
	f.kept = NULL;
	close_named(&f);
	return kept;
}

static void compare(struct kept *a, struct kept *b)
{
	assert_true(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		/* The string is compared; where it stood is not. */
		struct weir_flow *records[] = {&a->flows[i], &b->flows[i]};
		for (int k = 0; k < 2; k++)
			records[k]->vantages = records[k]->application = records[k]->category = records[k]->evidence = records[k]->server_name =
				(struct weir_bytes){NULL, 0};
		assert_memory_equal(&a->flows[i], &b->flows[i], sizeof a->flows[i]);
		assert_string_equal(a->vantages[i], b->vantages[i]);
		assert_string_equal(a->names[i], b->names[i]);
	}
	free(b);
}

static void check(int64_t idle_ns, uint64_t memory_bytes, size_t least)
{
	struct kept *whole = run(60, 0, idle_ns, memory_bytes);
	uint64_t packets = 0;

	for (size_t i = 0; i < whole->count; i++)
		packets += whole->flows[i].forward.packets + whole->flows[i].reverse.packets + whole->flows[i].duplicates;
	assert_int_equal(packets, PACKETS);
	assert_true(whole->count >= least);
	compare(whole, run(1, 0, idle_ns, memory_bytes));
	compare(whole, run(7, 0, idle_ns, memory_bytes));
	compare(whole, run(60, 3, idle_ns, memory_bytes));
	compare(whole, run(3, 25, idle_ns, memory_bytes));
	free(whole);
}

static void with_timeouts(void **state) { check(10 * S, 4 << 20, 800); }
static void without_timeouts(void **state) { check(0, 4 << 20, 400); }

static void damaged_states_are_refused_and_do_no_harm(void **state)
{
	struct flows f;
	struct weir_fault fault = {0};
	struct weir_state *file;
	int64_t t = 1000 * S;
	char path[] = "/tmp/weir-flow-state.XXXXXX";
	static uint8_t content[1 << 20];
	size_t length;

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	open_named(&f, 10 * S, 1);
	f.batch->interfaces = table;
	f.batch->interface_count = 4;
	for (uint32_t i = 0; i < 500; i++)
		add_packet(&f, &t);
	flows_run(&f);
	resume(&f, path);
	/* What the namer holds is another's test. */
	weir_applications_free(f.options.applications);
	f.options.applications = NULL;
	assert_int_equal(weir_state_open(path, &file, &fault), 0);
	assert_int_equal(weir_state_section(file, "flow", 4, &fault), 0);
	length = weir_state_left(file);
	assert_in_range(length, 1000, sizeof content);
	assert_int_equal(weir_state_get(file, content, length, &fault), 0);
	weir_state_close(file);
	random_state = 7;
	for (int round = 0; round < DAMAGED; round++) {
		/* A sound file with a few bytes of the section changed, or its end missing. */
		static uint8_t changed[sizeof content];
		size_t keep = below(4) == 0 ? below((uint32_t)length) : length;
		memcpy(changed, content, length);
		for (uint32_t k = below(8); k > 0; k--)
			changed[below(below(2) ? (uint32_t)length : 400)] = (uint8_t)below(256);
		assert_int_equal(weir_state_create(path, &file, &fault), 0);
		assert_int_equal(weir_state_section(file, "flow", 4, &fault), 0);
		assert_int_equal(weir_state_put(file, changed, keep, &fault), 0);
		assert_int_equal(weir_state_finish(file, &fault), 0);
		weir_state_close(file);
		assert_int_equal(weir_state_open(path, &file, &fault), 0);
		weir_stage_close(f.stage);
		assert_int_equal(weir_flow_stage_new(&f.options, &f.stage, &fault), 0);
		int error = f.stage->ops->load(f.stage, file, &fault);
		weir_state_close(file);
		if (error)
			continue;
		f.kept->count = 0;
		for (uint32_t i = 0; i < 100; i++)
			add_packet(&f, &t);
		flows_end(&f);
	}
	unlink(path);
	flows_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_timeouts),
		cmocka_unit_test(without_timeouts),
		cmocka_unit_test(damaged_states_are_refused_and_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
