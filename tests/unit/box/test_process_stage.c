/* Which process a packet belongs to: box/process_stage.h, over a table of sockets that is made up. */
#include <stdio.h>
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/process.h>

#include "box/process_stage.h"
#include "../unit.h"

#define TEXT(string) ((struct weir_bytes){(const uint8_t *)(string), sizeof(string) - 1})

struct fake {
	unsigned caught_up, begun, ended, asked;
	struct owner_tuple last;
};

static const struct weir_process client = {100, 101, 1000, TEXT("client"), TEXT("/bin/client"), TEXT("alice")};
static const struct weir_process server = {200, 200, 0, TEXT("server"), TEXT("/bin/server"), TEXT("root")};

static void catch_up(void *context) { ((struct fake *)context)->caught_up++; }
static void begin(void *context) { ((struct fake *)context)->begun++; }
static void end(void *context) { ((struct fake *)context)->ended++; }

/* Ports 1000 are the client's, 53 the server's; echoes with identifier 7 the client's. */
static bool find(void *context, const struct owner_tuple *tuple, int64_t time_ns, struct weir_process *process)
{
	struct fake *fake = context;

	assert_int_equal(fake->begun, fake->ended + 1);
	fake->asked++;
	fake->last = *tuple;
	if (tuple->local_port == 1000 || ((tuple->protocol == 1 || tuple->protocol == 58) && tuple->local_port == 7))
		*process = client;
	else if (tuple->local_port == 53)
		*process = server;
	else
		return false;
	return true;
}

static struct fake fake;
static struct weir_stage *stage;
static struct weir_batch *batch;

static int set_up(void **state)
{
	const struct process_lookup lookup = {catch_up, begin, find, end, &fake};
	struct weir_fault fault;

	fake = (struct fake){0};
	batch = weir_batch_new();
	return !batch || process_stage_new(&lookup, &stage, &fault);
}

static int tear_down(void **state)
{
	weir_stage_close(stage);
	weir_batch_free(batch);
	return 0;
}

/* An IPv4 packet without a link layer. */
struct made {
	uint8_t bytes[128];
	uint32_t length;
};

static struct made make(const char *source, const char *destination, uint8_t protocol, uint16_t source_port, uint16_t destination_port)
{
	struct made made = {.length = 48};
	unsigned a[8];

	sscanf(source, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]);
	sscanf(destination, "%u.%u.%u.%u", &a[4], &a[5], &a[6], &a[7]);
	made.bytes[0] = 0x45;
	made.bytes[3] = 48;
	made.bytes[5] = 42; /* id */
	made.bytes[8] = 64;
	made.bytes[9] = protocol;
	for (unsigned i = 0; i < 8; i++)
		made.bytes[12 + i] = (uint8_t)a[i];
	weir_store_be16(made.bytes + 20, source_port);
	weir_store_be16(made.bytes + 22, destination_port);
	made.bytes[25] = 28; /* UDP's length; the identifier of an echo stands here */
	return made;
}

static void add(struct made *made)
{
	batch->packets[batch->count++] = (struct weir_packet){
		.data = made->bytes, .captured = made->length, .length = made->length, .linktype = 101, .time_ns = 1000, .added = 77};
}

/* Runs the stage over what was added; afterwards the processes of packet number `at`. */
static struct weir_packet_processes run(uint32_t at)
{
	struct weir_packet_processes processes = {{0}, {0}, {0}};
	struct weir_fault fault;

	if (!batch->packets[0].facts) {
		assert_int_equal(weir_decode_batch(batch, &fault), 0);
		assert_int_equal(stage->ops->process(stage, batch, &fault), 0);
	}
	weir_packet_process(batch, &batch->packets[at], &processes);
	return processes;
}

static void each_end_on_this_box_is_told(void **state)
{
	struct made out = make("127.0.0.1", "198.51.100.1", 17, 1000, 53), in = make("198.51.100.1", "127.0.0.1", 17, 53, 1000),
	            both = make("127.0.0.1", "127.0.0.2", 17, 1000, 53), foreign = make("198.51.100.1", "198.51.100.2", 17, 1000, 53);

	add(&out);
	add(&in);
	add(&both);
	add(&foreign);
	struct weir_packet_processes p = run(0);
	assert_int_equal(p.source.pid, 100);
	assert_int_equal(p.source.thread_id, 101);
	assert_memory_equal(p.source.executable.data, "/bin/client", 11);
	assert_int_equal(p.destination.pid, 0);
	p = run(1);
	assert_int_equal(p.source.pid, 0);
	assert_int_equal(p.destination.pid, 100);
	p = run(2);
	assert_int_equal(p.source.pid, 100);
	assert_int_equal(p.destination.pid, 200);
	assert_memory_equal(p.destination.user.data, "root", 4);
	/* Nobody of ours, though the ports are those of sockets here. */
	p = run(3);
	assert_int_equal(p.source.pid, 0);
	assert_int_equal(p.destination.pid, 0);
	assert_int_equal(batch->packets[3].added, 0);
	assert_int_equal(fake.caught_up, 1);
	assert_int_equal(fake.begun, 1);
	assert_int_equal(fake.ended, 1);
	assert_int_equal(fake.asked, 4);
}

static void packets_of_the_same_share_their_options(void **state)
{
	struct made one = make("127.0.0.1", "198.51.100.1", 17, 1000, 53), other = make("127.0.0.1", "198.51.100.9", 17, 1000, 80);

	for (unsigned i = 0; i < 500; i++) {
		add(&one);
		add(&other);
	}
	run(0);
	assert_int_equal(batch->added_count, 1);
	assert_int_equal(batch->packets[999].added, 1);
	struct process_stage_statistics statistics;
	process_stage_statistics(stage, &statistics);
	assert_int_equal(statistics.packets, 1000);
	assert_int_equal(statistics.local, 1000);
	assert_int_equal(statistics.known, 1000);
	/* The next batch begins anew. */
	weir_batch_reset(batch);
	add(&one);
	batch->packets[0].facts = NULL;
	assert_int_equal(run(0).source.pid, 100);
	assert_int_equal(batch->added_count, 1);
}

static void later_fragments_are_of_who_the_first_was(void **state)
{
	struct made first = make("127.0.0.1", "198.51.100.1", 17, 1000, 53), later = make("127.0.0.1", "198.51.100.1", 17, 53, 53),
	            other = make("127.0.0.1", "198.51.100.1", 17, 1000, 53);

	first.bytes[6] = 0x20; /* more follow */
	later.bytes[7] = 2;    /* 16 bytes on: what looks like ports is payload */
	other.bytes[7] = 2;
	other.bytes[5] = 43;   /* of another datagram, whose first was not seen */
	add(&first);
	add(&later);
	add(&other);
	assert_int_equal(run(0).source.pid, 100);
	assert_int_equal(run(1).source.pid, 100);
	assert_int_equal(run(2).source.pid, 0);
	assert_int_equal(fake.asked, 1);
}

static void echoes_belong_to_who_asks(void **state)
{
	struct made asks = make("127.0.0.1", "127.0.0.2", 1, 0x0800, 0), answers = make("127.0.0.2", "127.0.0.1", 1, 0, 0),
	            error = make("198.51.100.1", "127.0.0.1", 1, 0x0301, 0);

	weir_store_be16(asks.bytes + 24, 7);
	weir_store_be16(answers.bytes + 24, 7);
	weir_store_be16(error.bytes + 24, 7);
	add(&asks);
	add(&answers);
	add(&error);
	struct weir_packet_processes p = run(0);
	assert_int_equal(p.source.pid, 100);
	assert_int_equal(p.destination.pid, 0);
	p = run(1);
	assert_int_equal(p.source.pid, 0);
	assert_int_equal(p.destination.pid, 100);
	p = run(2);
	assert_int_equal(p.destination.pid, 0);
}

static void groups_name_nobody(void **state)
{
	struct made out = make("127.0.0.1", "224.0.0.251", 17, 1000, 53), system = make("127.0.0.1", "198.51.100.1", 50, 1000, 53);

	add(&out);
	add(&system);
	struct weir_packet_processes p = run(0);
	assert_int_equal(p.source.pid, 100);
	assert_int_equal(p.destination.pid, 0);
	p = run(1);
	assert_int_equal(p.source.pid, 0);
	assert_int_equal(fake.asked, 1);
}

static void inside_a_tunnel_the_inner_packet_counts_first(void **state)
{
	struct made inner = make("127.0.0.1", "127.0.0.2", 17, 1000, 53), foreign = make("198.51.100.7", "198.51.100.8", 17, 1000, 53);
	struct made tunnel[2];

	for (unsigned i = 0; i < 2; i++) {
		/* IPv4 in IPv4, then the inner packet. */
		const struct made *in = i ? &foreign : &inner;
		tunnel[i] = make("127.0.0.1", "198.51.100.1", 4, 0, 0);
		memcpy(tunnel[i].bytes + 20, in->bytes, in->length);
		tunnel[i].length = 20 + in->length;
		tunnel[i].bytes[3] = (uint8_t)tunnel[i].length;
		add(&tunnel[i]);
	}
	assert_int_equal(run(0).source.pid, 100);
	assert_int_equal(run(0).destination.pid, 200);
	assert_int_equal(run(1).source.pid, 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(each_end_on_this_box_is_told),
		WITH(packets_of_the_same_share_their_options),
		WITH(later_fragments_are_of_who_the_first_was),
		WITH(echoes_belong_to_who_asks),
		WITH(groups_name_nobody),
		WITH(inside_a_tunnel_the_inner_packet_counts_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
