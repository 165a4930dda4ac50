/* Community ID version 1: a hash of a 5-tuple that other tools compute too. */
#include <string.h>

/* One block, no allocation: OpenSSL 3 asks for its providers at every digest, which takes five times as long as the digest. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <weir/flow.h>

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58, SCTP = 132 };

/* Which type answers which: the answer stands in as the other port. A type without an answer makes the flow one-way. */
static const struct {
	uint8_t type, answer;
} icmp_pairs[] = {{8, 0}, {0, 8}, {13, 14}, {14, 13}, {15, 16}, {16, 15}, {10, 9}, {9, 10}, {17, 18}, {18, 17}},
  icmpv6_pairs[] = {{128, 129}, {129, 128}, {133, 134}, {134, 133}, {135, 136}, {136, 135},
                    {130, 131}, {131, 130}, {144, 145}, {145, 144}, {139, 140}, {140, 139}};

/* True when the type has an answer, which then takes the place of the code. */
static bool pair(uint8_t protocol, uint16_t *type, uint16_t *code)
{
	if (protocol == ICMP) {
		for (size_t i = 0; i < sizeof icmp_pairs / sizeof icmp_pairs[0]; i++)
			if (icmp_pairs[i].type == *type) {
				*code = icmp_pairs[i].answer;
				return true;
			}
	} else {
		for (size_t i = 0; i < sizeof icmpv6_pairs / sizeof icmpv6_pairs[0]; i++)
			if (icmpv6_pairs[i].type == *type) {
				*code = icmpv6_pairs[i].answer;
				return true;
			}
	}
	return false;
}

/* SHA-1 (FIPS 180-4) of a message that fits into one block with its padding. */
static void digest_of(const uint8_t *message, size_t length, uint8_t digest[static SHA_DIGEST_LENGTH])
{
	uint8_t block[SHA_CBLOCK] = {0};
	SHA_CTX sha;

	memcpy(block, message, length);
	block[length] = 0x80;
	weir_store_be16(block + SHA_CBLOCK - 2, (uint16_t)(length * 8));
	SHA1_Init(&sha);
	SHA1_Transform(&sha, block);
	weir_store_be32(digest, sha.h0);
	weir_store_be32(digest + 4, sha.h1);
	weir_store_be32(digest + 8, sha.h2);
	weir_store_be32(digest + 12, sha.h3);
	weir_store_be32(digest + 16, sha.h4);
}

/* A digest in base64 (RFC 4648, section 4): 28 characters and the zero. A third of the instructions of EVP_EncodeBlock, which looks at what its length is. */
static void put_base64(char *out, const uint8_t digest[static SHA_DIGEST_LENGTH])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (unsigned i = 0; i < SHA_DIGEST_LENGTH; i += 3) {
		uint32_t three = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | (i + 2 < SHA_DIGEST_LENGTH ? digest[i + 2] : 0);
		*out++ = digits[three >> 18];
		*out++ = digits[three >> 12 & 63];
		*out++ = digits[three >> 6 & 63];
		*out++ = i + 2 < SHA_DIGEST_LENGTH ? digits[three & 63] : '=';
	}
	*out = '\0';
}

void weir_community_id(const struct weir_ip *source, const struct weir_ip *destination, uint8_t protocol, uint16_t source_port,
                       uint16_t destination_port, uint16_t seed, char out[static 32])
{
	size_t length = source->version == 4 ? 4 : 16;
	bool ports = protocol == TCP || protocol == UDP || protocol == SCTP || protocol == ICMP || protocol == ICMPV6;
	bool both_ways = true;
	uint8_t message[2 + 16 + 16 + 2 + 4], digest[SHA_DIGEST_LENGTH];

	out[0] = '\0';
	if (source->version != destination->version || (source->version != 4 && source->version != 6))
		return;
	if (protocol == ICMP || protocol == ICMPV6)
		both_ways = pair(protocol, &source_port, &destination_port);
	int order = memcmp(source->bytes, destination->bytes, length);
	bool swap = both_ways && (order > 0 || (order == 0 && ports && source_port > destination_port));
	weir_store_be16(message, seed);
	memcpy(message + 2, swap ? destination->bytes : source->bytes, length);
	memcpy(message + 2 + length, swap ? source->bytes : destination->bytes, length);
	uint8_t *at = message + 2 + 2 * length;
	at[0] = protocol;
	at[1] = 0;
	at += 2;
	if (ports) {
		weir_store_be16(at, swap ? destination_port : source_port);
		weir_store_be16(at + 2, swap ? source_port : destination_port);
		at += 4;
	}
	digest_of(message, (size_t)(at - message), digest);
	memcpy(out, "1:", 2);
	put_base64(out + 2, digest);
}
