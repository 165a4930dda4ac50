/* What makes an IP packet the same elsewhere: src/stage/identity.c. */
#include <stdlib.h>

#include "../unit.h"

#include "stage/identity.h"

#define LENGTH 134

struct sample {
	uint8_t data[LENGTH + 32];
	struct weir_packet packet;
	struct weir_facts facts;
};

static uint64_t identity(struct sample *sample, uint32_t captured)
{
	sample->packet = (struct weir_packet){.data = sample->data, .captured = captured, .length = LENGTH, .linktype = 1};
	weir_decode(&sample->packet, &sample->facts);
	return packet_identity(&sample->packet, &sample->facts);
}

/* Ethernet, IPv4, UDP with 92 bytes. */
static void make4(struct sample *sample)
{
	uint8_t *p = sample->data;

	memset(sample, 0, sizeof *sample);
	memcpy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00", 14);
	memcpy(p + 14, "\x45\x00\x00\x78\x12\x34\x40\x00\x40\x11\xaa\xbb\x0a\x00\x00\x01\x0a\x00\x00\x02", 20);
	memcpy(p + 34, "\x10\x00\x20\x00\x00\x64\x00\x00", 8);
	for (unsigned i = 42; i < LENGTH; i++)
		p[i] = (uint8_t)i;
}

static void make6(struct sample *sample)
{
	uint8_t *p = sample->data;

	memset(sample, 0, sizeof *sample);
	memcpy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x86\xdd", 14);
	memcpy(p + 14, "\x60\x01\x23\x45\x00\x50\x11\x40", 8);
	p[22] = 0xfd, p[37] = 1, p[38] = 0xfd, p[53] = 2;
	memcpy(p + 54, "\x10\x00\x20\x00\x00\x50\x00\x00", 8);
}

static void test_routers_do_not_change_it(void **state)
{
	struct sample sample;

	make4(&sample);
	uint64_t before = identity(&sample, LENGTH);
	assert_true(before != 0);
	sample.data[0] ^= 1, sample.data[6] ^= 1; /* MAC addresses */
	sample.data[15] = 0xb8;                   /* DSCP */
	sample.data[22] -= 3;                     /* TTL */
	sample.data[24] ^= 0x55, sample.data[25] ^= 0xaa;
	assert_true(identity(&sample, LENGTH) == before);

	make6(&sample);
	before = identity(&sample, LENGTH);
	assert_true(before != 0);
	sample.data[14] |= 0x0b, sample.data[15] |= 0x80; /* traffic class */
	sample.data[16] ^= 0x55;                          /* flow label */
	sample.data[21] -= 3;
	assert_true(identity(&sample, LENGTH) == before);
}

static void test_everything_else_does(void **state)
{
	static const unsigned kept4[] = {17, 18, 19, 20, 23, 26, 29, 30, 33, 34, 36, 41, 42, 101};
	static const unsigned kept6[] = {19, 22, 37, 38, 53, 54, 60, 70};
	struct sample sample;

	make4(&sample);
	uint64_t before = identity(&sample, LENGTH);
	for (unsigned i = 0; i < sizeof kept4 / sizeof kept4[0]; i++) {
		make4(&sample);
		sample.data[kept4[i]] ^= 1;
		assert_true(identity(&sample, LENGTH) != before);
	}
	make6(&sample);
	before = identity(&sample, LENGTH);
	for (unsigned i = 0; i < sizeof kept6 / sizeof kept6[0]; i++) {
		make6(&sample);
		sample.data[kept6[i]] ^= 1;
		assert_true(identity(&sample, LENGTH) != before);
	}
}

static void test_neither_padding_nor_a_longer_snap_length_counts(void **state)
{
	struct sample sample;

	make4(&sample);
	uint64_t whole = identity(&sample, LENGTH);
	sample.data[LENGTH] = 0x77;
	assert_true(identity(&sample, LENGTH + 16) == whole);
	/* What is behind the second rung does not count. */
	assert_true(identity(&sample, 14 + IDENTITY_FULL_RUNG) == whole);
}

static void test_packets_cut_at_different_places_are_the_same(void **state)
{
	struct sample sample;

	make4(&sample);
	uint64_t whole = identity(&sample, LENGTH), cut = identity(&sample, 14 + IDENTITY_FULL_RUNG - 1);
	assert_true(whole != cut && identity_same(whole, cut) && identity_same(cut, whole));
	assert_true(identity(&sample, 14 + IDENTITY_IPV4_RUNG) == cut);
	assert_true(identity(&sample, 14 + IDENTITY_IPV4_RUNG - 1) == 0);
	/* Two whole ones that differ behind the first rung are not, though a cut one is the same as both. */
	sample.data[90] ^= 1;
	uint64_t other = identity(&sample, LENGTH);
	assert_true(!identity_same(whole, other) && identity_same(cut, other));
	sample.data[20] ^= 1;
	assert_true(!identity_same(cut, identity(&sample, LENGTH)));
	make6(&sample);
	whole = identity(&sample, LENGTH), cut = identity(&sample, 14 + IDENTITY_IPV6_RUNG);
	assert_true(whole != cut && identity_same(whole, cut));
	assert_true(identity(&sample, 14 + IDENTITY_IPV6_RUNG - 1) == 0);
	/* A datagram that is shorter than the rung. */
	make4(&sample);
	sample.data[17] = 28;
	whole = identity(&sample, 14 + 28);
	assert_true(whole != 0 && identity(&sample, LENGTH) == whole && identity(&sample, 14 + 27) == 0);
}

static void test_no_whole_ip_header_is_none(void **state)
{
	struct sample sample;

	make4(&sample);
	for (uint32_t captured = 0; captured < 34; captured++)
		assert_true(identity(&sample, captured) == 0);
	make6(&sample);
	for (uint32_t captured = 0; captured < 54; captured++)
		assert_true(identity(&sample, captured) == 0);
	sample.data[12] = 0x08, sample.data[13] = 0x06; /* ARP */
	assert_true(identity(&sample, LENGTH) == 0);
	assert_true(packet_identity(&sample.packet, NULL) == 0);
}

/* Left to the network card, or a jumbogram. */
static void test_no_length_is_none(void **state)
{
	struct sample sample;

	make4(&sample);
	sample.data[17] = 0;
	assert_true(identity(&sample, LENGTH) == 0);
	make6(&sample);
	sample.data[19] = 0;
	assert_true(identity(&sample, LENGTH) == 0);
	sample.data[20] = 59; /* nothing follows */
	assert_true(identity(&sample, LENGTH) != 0);
}

#ifdef SHORT_HASH_WIDE
static SHORT_HASH_256 uint64_t wide_identity(const struct weir_packet *packet, const struct weir_facts *facts,
                                             const struct identity_key *key)
{
	return packet_identity_256(packet, facts, key);
}
#endif

/* Of every captured length and every length in the header, in memory that is exactly as long. */
static void test_vectors_compute_the_same(void **state)
{
#ifdef SHORT_HASH_WIDE
	bool widest = __builtin_cpu_supports("avx2");
	struct identity_key key;
	struct sample sample;

	identity_key_set(&key, 99);
	for (unsigned six = 0; six < 2; six++)
		for (uint32_t captured = 14; captured <= LENGTH; captured++)
			for (uint32_t total = 0; total <= LENGTH; total += total < 20 ? 20 : 1) {
				six ? make6(&sample) : make4(&sample);
				sample.data[six ? 19 : 17] = (uint8_t)total;
				uint8_t *copy = malloc(captured);
				assert_non_null(copy);
				memcpy(copy, sample.data, captured);
				sample.packet = (struct weir_packet){.data = copy, .captured = captured, .length = LENGTH, .linktype = 1};
				weir_decode(&sample.packet, &sample.facts);
				uint64_t identity = packet_identity_keyed(&sample.packet, &sample.facts, &key);
				assert_true(packet_identity_128(&sample.packet, &sample.facts, &key) == identity);
				assert_true(!widest || wide_identity(&sample.packet, &sample.facts, &key) == identity);
				free(copy);
			}
#else
	skip();
#endif
}

static void test_the_key_of_no_seed_is_the_one_that_is_written_down(void **state)
{
	struct identity_key key;
	struct sample sample;

	identity_key_set(&key, 0);
	make4(&sample);
	uint64_t before = identity(&sample, LENGTH);
	assert_true(packet_identity_keyed(&sample.packet, &sample.facts, &key) == before);
	make6(&sample);
	before = identity(&sample, LENGTH);
	assert_true(packet_identity_keyed(&sample.packet, &sample.facts, &key) == before);
	identity_key_set(&key, 1);
	assert_true(packet_identity_keyed(&sample.packet, &sample.facts, &key) != before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routers_do_not_change_it),
		cmocka_unit_test(test_everything_else_does),
		cmocka_unit_test(test_neither_padding_nor_a_longer_snap_length_counts),
		cmocka_unit_test(test_packets_cut_at_different_places_are_the_same),
		cmocka_unit_test(test_no_whole_ip_header_is_none),
		cmocka_unit_test(test_no_length_is_none),
		cmocka_unit_test(test_vectors_compute_the_same),
		cmocka_unit_test(test_the_key_of_no_seed_is_the_one_that_is_written_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
