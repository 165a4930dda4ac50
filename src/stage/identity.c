/* The identity of an IP packet: stage/identity.h. */
#include "stage/identity.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40

#define ALL_16 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

const struct identity_kept identity_kept[2] = {
	{
		.first = {0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, ALL_16},
		.last = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, ALL_16},
	},
	{
		.first = {0xf0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ALL_16},
		.last = {ALL_16, ALL_16},
	},
};

void identity_key_set(struct identity_key *key, uint64_t seed)
{
	uint64_t words[16];

	/* Others than those of the short hash. */
	for (uint64_t i = 0; i < 16; i++) {
		uint64_t number = i + UINT64_C(0x6964656e74697479);
		words[i] = xxh3_seeded(&number, sizeof number, seed);
	}
	memcpy(key->words, words, sizeof key->words);
	memcpy(key->last, words + 12, sizeof key->last);
}

/* Of a rung, the first or the second: three blocks and what counts of the words of the first and last. */
static uint64_t identity_of_blocks(const uint8_t *const blocks[static 3], const struct identity_kept *kept,
                                   const struct identity_key *key, unsigned rung)
{
	static const uint8_t all[16] = {ALL_16};
	const uint8_t *counts[3] = {kept->first + 16 * rung, all, kept->last + 16 * rung};
	uint64_t products[2] = {0}, words[2] = {0};

	for (unsigned i = 0; i < 6; i++) {
		uint64_t word = weir_load_le64(blocks[i / 2] + i % 2 * 8) & weir_load_le64(counts[i / 2] + i % 2 * 8);
		uint64_t mixed = word ^ key->words[i / 2][2 * rung + i % 2];
		products[i % 2] += (mixed & UINT32_MAX) * (mixed >> 32);
		words[i % 2] += word;
	}
	return short_hash_fold((products[0] + words[1]) ^ key->last[2 * rung],
	                       (products[1] + words[0]) ^ key->last[2 * rung + 1]);
}

static uint64_t identity_of_first(const uint8_t at[static IDENTITY_IPV6_RUNG], uint32_t six,
                                  const struct identity_key *key)
{
	const uint8_t *blocks[3] = {at, at + 16, at + 32};

	return identity_of_blocks(blocks, &identity_kept[six], key, 0);
}

static uint64_t identity_of_rest(const struct identity_place *place, const struct identity_key *key)
{
	const uint8_t *blocks[3];

	identity_blocks(place, blocks);
	return identity_of_blocks(blocks, &identity_kept[place->six], key, 1);
}

#define NO_NEXT_HEADER 59

/*
 * The length of the datagram; 0 when its header says impossible things, or does not say it: where that is left to the network card, and in jumbograms. Their headers are those of all
 * others between two hosts.
 */
static uint32_t identity_length(const uint8_t *at, bool four)
{
	if (!four) {
		uint32_t payload = weir_load_be16(at + 4);
		return payload || at[6] == NO_NEXT_HEADER ? IPV6_BYTES + payload : 0;
	}
	uint32_t header = (at[0] & 15) * 4u, total = weir_load_be16(at + 2);
	return header < IPV4_BYTES || total < header ? 0 : total;
}

/* Of an IP header with few bytes behind it, or of which few were captured, or an impossible one. */
static uint64_t identity_unusual(const uint8_t *at, uint32_t captured, bool four, const struct identity_key *key)
{
	uint8_t whole[IDENTITY_IPV6_RUNG] = {0};
	uint32_t rung = four ? IDENTITY_IPV4_RUNG : IDENTITY_IPV6_RUNG;

	if (captured < (four ? IPV4_BYTES : IPV6_BYTES))
		return 0;
	uint32_t total = identity_length(at, four);
	if (total == 0 || (captured < rung && captured < total))
		return 0;
	/* A datagram that is shorter than the rung is continued with zeros: its length is in its header. */
	memcpy(whole, at, total < rung ? total : rung);
	uint64_t first = identity_of_first(whole, !four, key);
	struct identity_place place = {at, !four, total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG};
	if (captured < place.full)
		return identity_of_rungs(first, NULL);
	uint64_t rest = total < rung ? first : identity_of_rest(&place, key);
	return identity_of_rungs(first, &rest);
}

uint64_t packet_identity_keyed(const struct weir_packet *packet, const struct weir_facts *facts,
                               const struct identity_key *key)
{
	struct identity_place place;

	if (!facts || facts->network_count == 0)
		return 0;
	const struct weir_network *network = &facts->networks[0];
	if (network->offset > packet->captured)
		return 0;
	uint32_t captured = packet->captured - network->offset;
	/* The last of the first rung's blocks is read whole here. */
	if (captured < IDENTITY_IPV6_RUNG || !identity_usual(packet, facts, &place))
		return identity_unusual(packet->data + network->offset, captured, network->version == 4, key);
	uint64_t rest = identity_of_rest(&place, key);
	return identity_of_rungs(identity_of_first(place.at, place.six, key), &rest);
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts)
{
	/* What identity_key_set makes of 0; a test holds the two together. */
	static const struct identity_key key = {
		{{UINT64_C(0x41b21df2929b1c0d), UINT64_C(0x4ddc82c5f175e609), UINT64_C(0xffdd308b76a3e41c),
	      UINT64_C(0x9cc450d4ad6d4905)},
	     {UINT64_C(0x25559c934021401d), UINT64_C(0xa4507626b2aa27bd), UINT64_C(0x9fd2870a4e1936eb),
	      UINT64_C(0xa5ca748a08a06c3d)},
	     {UINT64_C(0x976fef08084e9ed6), UINT64_C(0x696f74c590ad5b17), UINT64_C(0xc8e18140dd212da5),
	      UINT64_C(0x5e4a370d4b5fe155)}},
		{UINT64_C(0x397e47fc5ee735e4), UINT64_C(0xf7367b330c483709), UINT64_C(0xcd621fca08da7a41),
	     UINT64_C(0x1da0b96fb4d18b11)},
	};

	return packet_identity_keyed(packet, facts, &key);
}
