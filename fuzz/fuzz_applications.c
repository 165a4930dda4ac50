/*
 * Naming applications: hostile payloads shown, settled, ended, saved and loaded in any order. Two namers get the same; one is written to a state file midway and read again, and
 * both must go on saying the same. Without nDPI, which is not our code, unless FUZZ_NDPI is set.
 *
 * The input is a list of orders: a byte what (its low three bits) and to which of eight flows (the next three), for a payload two bytes of length, two more of length on the
 * wire, and the payload.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/application.h>

#include "packet/application_namer.h"

#define FLOWS 8
#define HOLDS(condition)                                                                                                                   \
	do {                                                                                                                                   \
		if (!(condition)) {                                                                                                                \
			fprintf(stderr, "does not hold: %s\n", #condition);                                                                            \
			abort();                                                                                                                       \
		}                                                                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	uint16_t source, destination;
	uint8_t protocol;
} ends[FLOWS] = {
	{40000, 443, 6},    {40001, 53, 17},   {40002, 135, 6},  {40003, 80, 6},
	{40004, 40005, 17}, {40006, 40007, 6}, {40008, 443, 17}, {25, 40009, 6},
};

struct side {
	struct weir_applications *namer;
	struct weir_application flows[FLOWS];
};

static struct weir_applications *make(void)
{
	struct weir_applications_options options = {.memory_bytes = 256 << 10, .no_ndpi = getenv("FUZZ_NDPI") == NULL};
	struct weir_applications *namer = NULL;
	struct weir_fault fault;

	HOLDS(weir_applications_new(&options, &namer, &fault) == 0);
	return namer;
}

static struct weir_application_flow flow_of(unsigned number)
{
	static const struct weir_ip client = {{10, 0, 0, 1}, 4}, server = {{192, 0, 2, 7}, 4};
	return (struct weir_application_flow){&client, &server, ends[number].source, ends[number].destination, ends[number].protocol};
}

static void show(struct side *side, unsigned number, const uint8_t *payload, size_t length, uint32_t wire_length, bool reversed,
                 uint32_t sequence)
{
	struct weir_application_flow flow = flow_of(number);
	struct weir_application *application = &side->flows[number];
	struct sighting sighting;
	struct kept kept = {
		.length = (uint16_t)length, .reversed = reversed, .tcp_flags = 0x18, .wire_length = wire_length, .sequence = sequence};

	if (application->decided)
		return;
	if (application->seen < UINT8_MAX)
		application->seen++;
	memset(&sighting, 0, sizeof sighting);
	sighting.candidates = &side->namer->candidates;
	sighting.payload = (struct weir_bytes){payload, length};
	sighting.wire_length = wire_length;
	sighting.source_port = flow.source_port;
	sighting.destination_port = flow.destination_port;
	sighting.tcp = flow.protocol == 6;
	sighting.reversed = reversed;
	sighting.first = application->seen == 1;
	application_see_payload(side->namer, application, &flow, &sighting, &kept, 1700000000000000000);
}

static void touch(struct weir_bytes bytes)
{
	static volatile uint8_t sum;
	for (size_t i = 0; i < bytes.length; i++)
		sum += bytes.data[i];
}

static bool same(struct weir_bytes a, struct weir_bytes b)
{
	return a.length == b.length && (a.data == NULL) == (b.data == NULL) && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static void compare(const struct side *a, const struct side *b)
{
	struct weir_flow one, other;

	for (unsigned i = 0; i < FLOWS; i++) {
		memset(&one, 0, sizeof one);
		memset(&other, 0, sizeof other);
		weir_application_describe(a->namer, &a->flows[i], &one);
		weir_application_describe(b->namer, &b->flows[i], &other);
		touch(one.application);
		touch(one.server_name);
		HOLDS(same(one.application, other.application) && same(one.category, other.category) && same(one.evidence, other.evidence) &&
		      same(one.server_name, other.server_name));
	}
}

/* Through a state file, the one file that it writes, in memory and gone at once, into a new namer. */
static void resume(struct side *side)
{
	char path[64];
	struct weir_state *state;
	struct weir_fault fault;

	snprintf(path, sizeof path, "/dev/shm/fuzz-applications-%d", (int)getpid());
	HOLDS(weir_state_create(path, &state, &fault) == 0);
	HOLDS(weir_applications_save(side->namer, state, &fault) == 0);
	HOLDS(weir_state_finish(state, &fault) == 0);
	weir_state_close(state);
	weir_applications_free(side->namer);
	side->namer = make();
	HOLDS(weir_state_open(path, &state, &fault) == 0);
	HOLDS(weir_applications_load(side->namer, state, &fault) == 0);
	HOLDS(weir_state_left(state) == 0);
	weir_state_close(state);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side sides[2] = {{.namer = make()}, {.namer = make()}};
	struct weir_cursor c = weir_cursor_over(data, size < 65536 ? size : 65536);
	uint32_t sequences[FLOWS][2] = {{0}};
	bool resumed = false;

	while (!c.failed && weir_cursor_left(&c)) {
		uint8_t order = weir_take8(&c), number = order >> 3 & 7;
		bool reversed = order >> 6 & 1;
		struct weir_application_flow flow = flow_of(number);
		uint16_t length = order & 4 ? 0 : weir_take_be16(&c), more = order & 4 ? 0 : weir_take_be16(&c);
		length = length % 2048 < weir_cursor_left(&c) ? length % 2048 : (uint16_t)weir_cursor_left(&c);
		const uint8_t *payload = weir_take(&c, length);
		if (c.failed)
			break;
		/* In memory of exactly its size, so that the sanitizer sees a read outside. */
		uint8_t *copy = malloc(length ? length : 1);
		HOLDS(copy);
		if (length)
			memcpy(copy, payload, length);
		for (unsigned i = 0; i < 2; i++) {
			if (length)
				show(&sides[i], number, copy, length, length + more % 4096, reversed, sequences[number][reversed]);
			if ((order & 7) == 4)
				weir_application_settle(sides[i].namer, &sides[i].flows[number], &flow);
			if ((order & 7) == 5) {
				weir_application_end(sides[i].namer, &sides[i].flows[number]);
				memset(&sides[i].flows[number], 0, sizeof sides[i].flows[number]);
			}
		}
		sequences[number][reversed] += length;
		free(copy);
		if ((order & 7) == 6 && !resumed) {
			if (getenv("FUZZ_NDPI"))
				weir_applications_part(sides[0].namer);
			resume(&sides[1]);
			resumed = true;
		}
	}
	compare(&sides[0], &sides[1]);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < FLOWS; k++) {
			struct weir_application_flow flow = flow_of(k);
			weir_application_settle(sides[i].namer, &sides[i].flows[k], &flow);
		}
	}
	compare(&sides[0], &sides[1]);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < FLOWS; k++)
			weir_application_end(sides[i].namer, &sides[i].flows[k]);
		weir_applications_free(sides[i].namer);
	}
	return 0;
}
