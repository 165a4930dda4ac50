/* Which values are originals: what a policy hides of what was there. */
#include <stdlib.h>

#include "campaign/audit.h"
#include "core/xxh3.h"

#define MEMORY_USUAL (UINT64_C(256) << 20)
#define MEMORY_LEAST (UINT64_C(1) << 20)
#define RUN_BYTES 8

const char *weir_original_kind_name(enum weir_original_kind kind)
{
	static const char *const names[WEIR_ORIGINAL_KINDS] = {"IPv4 address", "IPv6 address", "MAC address", "name",
	                                                       "payload"};

	return (unsigned)kind < WEIR_ORIGINAL_KINDS ? names[kind] : "unknown";
}

/*
 * What the same key gives again, so that an audit can be made again, and what nobody knows without it: then values can't be made that stand in each other's way in
 * tables, nor payload that is never sampled.
 */
static uint64_t draw_seed(const struct weir_hider *hider)
{
	struct weir_ip in = {.bytes = {0x2a, 0x0f, 0x43, 0x1c, 0x88, 0x21, 0x5e, 0x7a, 0x93, 0xb4, 0x0d, 0x6f, 0xe2, 0x19,
	                               0xc5, 0x38},
	                     .version = 6};
	struct weir_ip out = in;

	if (hider)
		weir_hide_ip(hider, &in, &out);
	return xxh3_of(out.bytes, sizeof out.bytes);
}

int weir_originals_new(const struct weir_originals_options *options, struct weir_originals **out,
                       struct weir_fault *fault)
{
	const struct weir_policy_hide *hide = &options->policy->hide;
	struct weir_originals *originals = calloc(1, sizeof *originals);

	*out = NULL;
	if (!originals)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for an audit");
	originals->seed = draw_seed(options->hider);
	uint64_t memory = options->memory_bytes ? options->memory_bytes : MEMORY_USUAL;
	if (memory < MEMORY_LEAST)
		memory = MEMORY_LEAST;
	originals->policy = options->policy;
	originals->hider = options->hider;
	/* Half is for the values, half for what searching makes of them. */
	originals->budget.most = memory / 2;
	originals->runs_most = (size_t)(memory / 16 / (RUN_BYTES + 1));
	originals->runs_limit = UINT64_MAX;
	originals->ipv4 = (struct audit_table){.width = 4, .seed = originals->seed};
	originals->ipv6 = (struct audit_table){.width = 16, .seed = originals->seed};
	originals->macs = (struct audit_table){.width = 6, .seed = originals->seed};
	originals->runs = (struct audit_table){.width = RUN_BYTES, .seed = originals->seed};
	originals->name_set = (struct audit_table){.width = 8, .seed = originals->seed};
	originals->no_ipv4 = !options->policy->hides || hide->ipv4.technique == WEIR_HIDE_NOTHING;
	originals->no_ipv6 = !options->policy->hides || hide->ipv6.technique == WEIR_HIDE_NOTHING;
	originals->no_macs = !options->policy->hides || hide->macs.technique == WEIR_HIDE_NOTHING;
	originals->no_names = !options->policy->hides || hide->names.technique == WEIR_HIDE_NOTHING;
	*out = originals;
	return 0;
}

void weir_originals_free(struct weir_originals *originals)
{
	if (!originals)
		return;
	audit_table_free(&originals->ipv4);
	audit_table_free(&originals->ipv6);
	audit_table_free(&originals->macs);
	audit_table_free(&originals->runs);
	audit_table_free(&originals->name_set);
	text_free(&originals->names);
	free(originals->runs_filter);
	free(originals->filter);
	free(originals->buckets);
	free(originals->patterns);
	free(originals->bytes);
	free(originals);
}

/* ---- addresses ---- */

static bool within(const uint8_t *address, const uint8_t *net, unsigned bits)
{
	if (memcmp(address, net, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((address[bits / 8] ^ net[bits / 8]) >> (8 - bits % 8)) == 0;
}

struct special {
	uint8_t net[16], bits;
};

/*
 * What is nobody's (RFC 6890 and its registries): unspecified, loopback, protocol assignments, documentation, multicast, reserved, broadcast. Private and link-local
 * addresses are machines of somebody; groups that are made from an organisation's numbers or a host's address (233/8, 234/8, solicited nodes, RFC 3306) say whose
 * they are.
 */
static const struct special special_ipv4[] = {
	{{0}, 8},   {{127}, 8}, {{192, 0, 0}, 24}, {{192, 0, 2}, 24}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
	{{224}, 4}, {{240}, 4},
};
static const struct special somebodys_ipv4[] = {{{233}, 8}, {{234}, 8}};
static const struct special special_ipv6[] = {
	{{0}, 128}, {{[15] = 1}, 128}, {{0x01, 0x00}, 64}, {{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0xff}, 8},
};
static const struct special somebodys_ipv6[] = {{{0xff, 0x02, [11] = 0x01, [12] = 0xff}, 104}};

#define IN_LIST(list, address) in_list(list, sizeof(list) / sizeof *(list), address)

static bool in_list(const struct special *list, size_t count, const uint8_t *address)
{
	for (size_t i = 0; i < count; i++)
		if (within(address, list[i].net, list[i].bits))
			return true;
	return false;
}

static bool is_special(const struct weir_ip *ip)
{
	const uint8_t *a = ip->bytes;

	if (ip->version == 4)
		return IN_LIST(special_ipv4, a) && !IN_LIST(somebodys_ipv4, a);
	return IN_LIST(special_ipv6, a) && !IN_LIST(somebodys_ipv6, a) && !(a[0] == 0xff && a[1] & 0x20 && a[3]);
}

/* The IPv4 address that an IPv6 one is another way of writing: mapped, compatible (RFC 4291, section 2.5.5), of NAT64 (RFC 6052). */
static bool holds_ipv4(const struct weir_ip *ip, struct weir_ip *inside)
{
	static const struct special ways[] = {{{[10] = 0xff, [11] = 0xff}, 96}, {{0, 0x64, 0xff, 0x9b}, 96}, {{0}, 96}};

	if (ip->version != 6 || !IN_LIST(ways, ip->bytes) || is_special(ip))
		return false;
	*inside = (struct weir_ip){.version = 4};
	memcpy(inside->bytes, ip->bytes + 12, 4);
	return true;
}

static bool is_internal(const struct weir_policy_hide *hide, const struct weir_ip *ip)
{
	static const struct special private_ipv4[] = {{{10}, 8}, {{172, 16}, 12}, {{192, 168}, 16}};
	static const struct special private_ipv6 = {{0xfc}, 7};

	for (size_t i = 0; i < hide->internal_count; i++)
		if (hide->internal[i].address.version == ip->version &&
		    within(ip->bytes, hide->internal[i].address.bytes, hide->internal[i].bits))
			return true;
	if (hide->internal_count)
		return false;
	if (ip->version == 6)
		return within(ip->bytes, private_ipv6.net, private_ipv6.bits);
	return IN_LIST(private_ipv4, ip->bytes);
}

bool audit_hides_ip(const struct weir_policy *policy, const struct weir_ip *ip)
{
	const struct weir_policy_hide *hide = &policy->hide;

	if (!policy->hides || (ip->version != 4 && ip->version != 6))
		return false;
	if ((ip->version == 4 ? hide->ipv4 : hide->ipv6).technique == WEIR_HIDE_NOTHING)
		return false;
	if (hide->keep_special && is_special(ip))
		return false;
	/* Kept or not: zero addresses and all ones say nothing. */
	static const uint8_t zeros[16] = {0}, ones[4] = {0xff, 0xff, 0xff, 0xff};
	size_t length = ip->version == 4 ? 4 : 16;
	if (memcmp(ip->bytes, zeros, length) == 0 || (length == 4 && memcmp(ip->bytes, ones, 4) == 0))
		return false;
	if (hide->scope == WEIR_SCOPE_ALL)
		return true;
	return is_internal(hide, ip) == (hide->scope == WEIR_SCOPE_INTERNAL);
}

bool audit_says_little(const uint8_t *value, size_t length)
{
	size_t zeros = 0, different = 0;

	for (size_t i = 0; i < length; i++) {
		zeros += value[i] == 0;
		different += i == 0 || !memchr(value, value[i], i);
	}
	return zeros >= length - 2 || different <= 2;
}

static void enter(struct weir_originals *originals, struct audit_table *table, const void *value,
                  enum weir_original_kind kind)
{
	uint8_t *flags = audit_table_enter(table, value, &originals->budget);

	if (flags)
		*flags |= AUDIT_HELD;
	else
		originals->not_held[kind]++;
}

int weir_originals_add_ip(struct weir_originals *originals, const struct weir_ip *ip, struct weir_fault *fault)
{
	struct weir_ip inside;

	(void)fault;
	if (holds_ipv4(ip, &inside))
		ip = &inside;
	if (!audit_hides_ip(originals->policy, ip))
		return 0;
	enter(originals, ip->version == 4 ? &originals->ipv4 : &originals->ipv6, ip->bytes,
	      ip->version == 4 ? WEIR_ORIGINAL_IPV4 : WEIR_ORIGINAL_IPV6);
	return 0;
}

int weir_originals_add_mac(struct weir_originals *originals, const uint8_t mac[static 6], struct weir_fault *fault)
{
	static const uint8_t zeros[6] = {0};

	(void)fault;
	/* Group addresses, broadcast among them, are nobody's. */
	if (originals->no_macs || mac[0] & 1 || memcmp(mac, zeros, 6) == 0)
		return 0;
	enter(originals, &originals->macs, mac, WEIR_ORIGINAL_MAC);
	return 0;
}

int weir_originals_add_name(struct weir_originals *originals, const void *name, size_t length, struct weir_fault *fault)
{
	char held[256];
	uint8_t size;

	if (originals->no_names || length == 0)
		return 0;
	size = (uint8_t)audit_name(name, length, held);
	if (size == 0) {
		originals->words++;
		return 0;
	}
	uint64_t hash = xxh3_seeded(held, size, originals->seed);
	uint8_t *flags = audit_table_enter(&originals->name_set, &hash, &originals->budget);
	if (flags && *flags)
		return 0;
	if (!flags || originals->budget.used + size + 1u > originals->budget.most) {
		originals->not_held[WEIR_ORIGINAL_NAME]++;
		if (flags)
			*flags = AUDIT_DECOY; /* its slot is taken, for nothing */
		return 0;
	}
	*flags = AUDIT_HELD;
	originals->budget.used += size + 1u;
	text_add_bytes(&originals->names, &size, 1);
	text_add_bytes(&originals->names, held, size);
	return originals->names.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for names") : 0;
}

/* ---- ready ---- */

static void mark(struct weir_originals *originals, struct audit_table *table, const void *image,
                 enum weir_original_kind kind)
{
	uint8_t *flags = audit_table_find(table, image);

	if (flags && !(*flags & AUDIT_IMAGE)) {
		*flags |= AUDIT_IMAGE;
		originals->images[kind]++;
	}
}

/* Which originals are also what an original becomes. */
static void mark_images(struct weir_originals *originals)
{
	struct weir_ip ip, image;
	uint8_t mac[6];
	const uint8_t *value;
	size_t at = 0;

	while ((value = audit_table_next(&originals->ipv4, &at))) {
		ip = (struct weir_ip){.version = 4};
		memcpy(ip.bytes, value, 4);
		weir_hide_ip(originals->hider, &ip, &image);
		mark(originals, &originals->ipv4, image.bytes, WEIR_ORIGINAL_IPV4);
	}
	at = 0;
	while ((value = audit_table_next(&originals->ipv6, &at))) {
		ip = (struct weir_ip){.version = 6};
		memcpy(ip.bytes, value, 16);
		weir_hide_ip(originals->hider, &ip, &image);
		mark(originals, &originals->ipv6, image.bytes, WEIR_ORIGINAL_IPV6);
	}
	at = 0;
	while ((value = audit_table_next(&originals->macs, &at))) {
		weir_hide_mac(originals->hider, value, mac);
		mark(originals, &originals->macs, mac, WEIR_ORIGINAL_MAC);
	}
}

/* Names become others of the same shape, of which short ones may be names that are there, too. */
static void mark_names(struct weir_originals *originals)
{
	char name[256];

	for (size_t at = 0; at < originals->names.length; at += (uint8_t)originals->names.data[at] + 1u) {
		uint8_t length = (uint8_t)originals->names.data[at];
		memcpy(name, originals->names.data + at + 1, length);
		weir_hide_name(originals->hider, name, length);
		uint64_t hash = xxh3_seeded(name, length, originals->seed);
		mark(originals, &originals->name_set, &hash, WEIR_ORIGINAL_NAME);
	}
}

int weir_originals_ready(struct weir_originals *originals, struct weir_fault *fault)
{
	if (originals->hider) {
		mark_images(originals);
		mark_names(originals);
	}
	originals->ipv4_held = originals->ipv4.count;
	int error = originals->runs.count ? audit_see_vocabulary(originals, fault) : 0;
	if (!error)
		error = audit_match_prepare(originals, fault);
	originals->ready = error == 0;
	return error;
}

static uint64_t count_runs(const struct audit_table *runs)
{
	uint64_t count = 0;
	size_t at = 0;

	for (const uint8_t *run; (run = audit_table_next(runs, &at));)
		count += !(audit_table_flags(runs, run) & AUDIT_KEPT);
	return count;
}

static uint64_t count_names(const struct text *names)
{
	uint64_t count = 0;

	for (size_t at = 0; at < names->length; at += (uint8_t)names->data[at] + 1u)
		count++;
	return count;
}

void weir_originals_count(const struct weir_originals *originals, struct weir_originals_statistics *statistics)
{
	*statistics = (struct weir_originals_statistics){.packets = originals->packets, .words = originals->words};
	memcpy(statistics->not_held, originals->not_held, sizeof statistics->not_held);
	memcpy(statistics->images, originals->images, sizeof statistics->images);
	statistics->held[WEIR_ORIGINAL_IPV4] = originals->ready ? originals->ipv4_held : originals->ipv4.count;
	statistics->held[WEIR_ORIGINAL_IPV6] = originals->ipv6.count;
	statistics->held[WEIR_ORIGINAL_MAC] = originals->macs.count;
	statistics->held[WEIR_ORIGINAL_NAME] = count_names(&originals->names);
	statistics->held[WEIR_ORIGINAL_PAYLOAD] = count_runs(&originals->runs);
	statistics->payload_sampled_one_in = originals->runs_limit ? UINT64_MAX / originals->runs_limit : 0;
}
