/* Hiding IP addresses: what is kept, whose are hidden, by which technique, and what is remembered of it. */
#include "packet/hider.h"

/*
 * Special-purpose addresses that are nobody's: they mean the same everywhere (RFC 6890 and its registries; multicast: RFC 5771, RFC 4291). Private and link-local
 * addresses are special-purpose too, but each is somebody's machine: these are hidden. So are the multicast addresses that are made from an organisation's own
 * numbers (233/8: RFC 3180; 234/8: RFC 6034): below.
 */
static const struct {
	uint32_t network;
	uint8_t bits;
} special_ipv4[] = {
	{0x00000000, 8},                                     /* this network */
	{0x7f000000, 8},                                     /* loopback */
	{0xc0000000, 24},                                    /* IETF protocol assignments */
	{0xc0000200, 24},                                    /* documentation, and the next two */
	{0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4}, /* multicast */
	{0xf0000000, 4},                                     /* reserved, and limited broadcast */
};

static bool is_special_ipv4(uint32_t address)
{
	for (size_t i = 0; i < sizeof special_ipv4 / sizeof *special_ipv4; i++)
		if ((address ^ special_ipv4[i].network) >> (32 - special_ipv4[i].bits) == 0)
			return true;
	return false;
}

/* Groups whose numbers are an organisation's: the first octet stays, so that they stay groups. */
static bool is_assigned_group_ipv4(uint32_t address) { return address >> 24 == 233 || address >> 24 == 234; }

static bool is_special_ipv6(const uint8_t *a)
{
	static const uint8_t zero[15];

	return a[0] == 0xff || (memcmp(a, zero, 15) == 0 && a[15] <= 1) || memcmp(a, "\x20\x01\x0d\xb8", 4) == 0 ||
	       memcmp(a, "\x01\0\0\0\0\0\0\0", 8) == 0;
}

/* Whose IPv4 address is within: IPv4-mapped (RFC 4291, section 2.5.5.2), and translated by NAT64 (RFC 6052). */
static bool holds_ipv4(const uint8_t *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, translated[12] = {0x00, 0x64, 0xff, 0x9b};

	return memcmp(a, mapped, 12) == 0 || memcmp(a, translated, 12) == 0;
}

/* ff02::1:ff00:0/104, with the last 24 bits of an address (RFC 4291, section 2.7.1). */
static bool is_solicited_group(const uint8_t *a)
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};

	return memcmp(a, prefix, 13) == 0;
}

/* Groups that hold a network's prefix (RFC 3306) or a rendezvous point's address (RFC 3956). */
static bool is_assigned_group_ipv6(const uint8_t *a) { return a[0] == 0xff && (a[1] & 0x20) && a[3] != 0; }

/* Whether the first bits of both are the same. */
static bool within(const uint8_t *address, const uint8_t *network, unsigned bits)
{
	if (memcmp(address, network, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((address[bits / 8] ^ network[bits / 8]) & (0xff00 >> bits % 8) & 0xff) == 0;
}

static bool in_scope(const struct weir_policy_hide *hide, const uint8_t *address, uint8_t version)
{
	bool internal = false;

	if (hide->scope == WEIR_SCOPE_ALL)
		return true;
	for (size_t i = 0; i < hide->internal_count && !internal; i++) {
		const struct weir_policy_net *net = &hide->internal[i];
		internal = net->address.version == version && within(address, net->address.bytes, net->bits);
	}
	return internal == (hide->scope == WEIR_SCOPE_INTERNAL);
}

static void truncate_bits(uint8_t *address, unsigned bytes, unsigned bits)
{
	for (unsigned i = bits / 8; i < bytes; i++)
		address[i] &= i == bits / 8 ? (uint8_t)(0xff00 >> bits % 8) : 0;
}

/* ---- IPv4 ---- */

/* The upper 16 bits of a network's addresses are encrypted once. */
static uint32_t prefix_ipv4(struct hide_context *context, uint32_t address)
{
	uint16_t upper = (uint16_t)(address >> 16);
	struct hide_ipv4_upper *entry = &context->ipv4_upper[(upper * UINT32_C(0x9e3779b1)) >> 21];
	_Static_assert(HIDE_IPV4_UPPER_CACHE == 1 << 11, "the hash has eleven bits");

	if (!entry->used || entry->in != upper) {
		uint32_t mask = cryptopan_mask_ipv4(&context->cryptopan, address, 0, 32);
		*entry = (struct hide_ipv4_upper){upper, (uint16_t)(mask >> 16), true};
		return address ^ mask;
	}
	return address ^ ((uint32_t)entry->mask << 16 | cryptopan_mask_ipv4(&context->cryptopan, address, 16, 32));
}

static uint32_t permute_ipv4(struct hide_context *context, uint32_t address)
{
	/* Walked along until it is no special one again: a permutation of those that are none. */
	do
		address = (uint32_t)cipher_permute(context->permute, HIDE_IPV4, 32, address);
	while (context->hider->hide.keep_special && is_special_ipv4(address) && !cipher_failed(context->permute));
	return address;
}

static uint32_t technique_ipv4(struct hide_context *context, uint32_t address)
{
	const struct weir_hide_way *way = &context->hider->hide.ipv4;

	switch (way->technique) {
	case WEIR_HIDE_PREFIX:
		return prefix_ipv4(context, address);
	case WEIR_HIDE_PERMUTE:
		return permute_ipv4(context, address);
	case WEIR_HIDE_TRUNCATE:
		return way->bits == 0 ? 0 : way->bits >= 32 ? address : address & UINT32_MAX << (32 - way->bits);
	case WEIR_HIDE_BLACK:
		return 0;
	default:
		return address;
	}
}

static uint32_t find_ipv4(struct hide_context *context, uint32_t address)
{
	const struct weir_policy_hide *hide = &context->hider->hide;
	uint8_t bytes[4];

	weir_store_be32(bytes, address);
	if (!in_scope(hide, bytes, 4))
		return address;
	if (hide->keep_special && is_assigned_group_ipv4(address))
		return (address & 0xff000000) | (technique_ipv4(context, address) & 0x00ffffff);
	if (hide->keep_special && is_special_ipv4(address))
		return address;
	return technique_ipv4(context, address);
}

/* The keyed offset of a host's TCP timestamps. */
static uint32_t find_offset(struct hide_context *context, const uint8_t *address, size_t length)
{
	uint8_t offset[4];

	if (context->hider->hide.tcp_timestamps.technique != WEIR_HIDE_PERMUTE)
		return 0;
	cipher_prf(context->permute, HIDE_TIMESTAMP, address, length, offset, sizeof offset);
	return weir_load_be32(offset);
}

const struct hide_ipv4_entry *hide_ipv4_entry(struct hide_context *context, uint32_t address)
{
	struct hide_ipv4_entry *entry = &context->ipv4[(address * UINT32_C(0x9e3779b1)) >> 19];
	_Static_assert(HIDE_IPV4_CACHE == 1 << 13, "the hash has thirteen bits");

	if (__builtin_expect(!entry->used || entry->in != address, 0)) {
		uint8_t bytes[4];
		weir_store_be32(bytes, address);
		*entry = (struct hide_ipv4_entry){address, find_ipv4(context, address), find_offset(context, bytes, 4), true};
	}
	return entry;
}

/* ---- IPv6 ---- */

static void prefix_ipv6(struct hide_context *context, const uint8_t in[static 16], uint8_t out[static 16])
{
	struct hide_ipv6_upper *entry = &context->ipv6_upper[(weir_load_native64(in) * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
	uint8_t mask[16];
	_Static_assert(HIDE_IPV6_UPPER_CACHE == 1 << 8, "the hash has eight bits");

	if (!entry->used || memcmp(entry->in, in, 8) != 0) {
		cryptopan_mask_ipv6(&context->cryptopan, in, 0, 64, mask);
		memcpy(entry->in, in, 8);
		memcpy(entry->mask, mask, 8);
		entry->used = true;
	}
	cryptopan_mask_ipv6(&context->cryptopan, in, 64, 128, mask);
	memcpy(mask, entry->mask, 8);
	for (unsigned i = 0; i < 16; i++)
		out[i] = in[i] ^ mask[i];
}

static void technique_ipv6(struct hide_context *context, const uint8_t in[static 16], uint8_t out[static 16])
{
	const struct weir_hide_way *way = &context->hider->hide.ipv6;

	switch (way->technique) {
	case WEIR_HIDE_PREFIX:
		prefix_ipv6(context, in, out);
		break;
	case WEIR_HIDE_PERMUTE:
		/* A block of AES is a permutation of 128 bits. Walked along as above. */
		memcpy(out, in, 16);
		do
			cipher_blocks(context->permute_ipv6, out, out, 1);
		while (context->hider->hide.keep_special && (is_special_ipv6(out) || holds_ipv4(out)) &&
		       !cipher_failed(context->permute_ipv6));
		break;
	case WEIR_HIDE_TRUNCATE:
		memcpy(out, in, 16);
		truncate_bits(out, 16, way->bits);
		break;
	case WEIR_HIDE_BLACK:
		memset(out, 0, 16);
		break;
	default:
		memcpy(out, in, 16);
		break;
	}
}

/* The last 24 bits of an address, whose first bits nobody tells: they can't be hidden as those are. */
static void hide_solicited_group(struct hide_context *context, uint8_t address[static 16])
{
	uint32_t low = weir_load_be32(address + 12);
	uint8_t technique = context->hider->hide.ipv6.technique;

	if (technique == WEIR_HIDE_NOTHING)
		return;
	uint32_t hidden = technique == WEIR_HIDE_BLACK
	                      ? 0
	                      : (uint32_t)cipher_permute(context->permute, HIDE_SOLICITED, 24, low & 0xffffff);
	weir_store_be32(address + 12, (low & 0xff000000) | hidden);
}

static void find_ipv6(struct hide_context *context, const uint8_t in[static 16], uint8_t out[static 16])
{
	const struct weir_policy_hide *hide = &context->hider->hide;

	memcpy(out, in, 16);
	if (holds_ipv4(in)) {
		hide_ipv4(context, out + 12);
		return;
	}
	if (!in_scope(hide, in, 6))
		return;
	if (hide->keep_special && is_solicited_group(in)) {
		hide_solicited_group(context, out);
		return;
	}
	if (hide->keep_special && is_assigned_group_ipv6(in)) {
		technique_ipv6(context, in, out);
		memcpy(out, in, 2);
		return;
	}
	if (!hide->keep_special || !is_special_ipv6(in))
		technique_ipv6(context, in, out);
}

const struct hide_ipv6_entry *hide_ipv6_entry(struct hide_context *context, const uint8_t address[static 16])
{
	uint64_t hash = (weir_load_native64(address) ^ weir_load_native64(address + 8) * UINT64_C(0xe7037ed1a0b428db)) *
	                UINT64_C(0x9e3779b97f4a7c15);
	struct hide_ipv6_entry *entry = &context->ipv6[hash >> 53];
	_Static_assert(HIDE_IPV6_CACHE == 1 << 11, "the hash has eleven bits");

	if (__builtin_expect(!entry->used || memcmp(entry->in, address, 16) != 0, 0)) {
		uint8_t in[16];
		memcpy(in, address, 16);
		find_ipv6(context, in, entry->out);
		memcpy(entry->in, in, 16);
		entry->offset = find_offset(context, in, 16);
		entry->used = true;
	}
	return entry;
}

void hide_prefix(struct hide_context *context, uint8_t *address, unsigned bytes, unsigned bits)
{
	if (bits > bytes * 8)
		bits = bytes * 8;
	truncate_bits(address, bytes, bits);
	if (bits == 0)
		return; /* the default route says nothing of anybody */
	if (bytes == 4)
		hide_ipv4(context, address);
	else
		hide_ipv6(context, address);
	truncate_bits(address, bytes, bits);
}
