/* Hiding single values: weir/policy.h, packet/hider.h. */
#include <stdlib.h>
#include <string.h>

#include "packet/hider.h"

#define PORTS 65536
#define VLANS 4096
#define NS_PER_SECOND INT64_C(1000000000)
#define SHIFT_MOST_SECONDS (INT64_C(5) * 365 * 86400) /* how far back "random" may set times */

static const struct weir_policy_net private_networks[] = {
	{{{10}, 4}, 8},
	{{{172, 16}, 4}, 12},
	{{{192, 168}, 4}, 16},
	{{{0xfc}, 6}, 7},
};

/* ---- contexts ---- */

static void context_free(struct hide_context *context)
{
	if (!context)
		return;
	cryptopan_clear(&context->cryptopan);
	cipher_free(context->permute);
	cipher_free(context->permute_ipv6);
	cipher_free(context->names);
	weir_wipe(context, sizeof *context); /* its caches are originals with what hides them */
	free(context);
}

static struct hide_context *context_new(const struct weir_hider *hider)
{
	struct hide_context *context = calloc(1, sizeof *context);

	if (!context)
		return NULL;
	context->hider = hider;
	context->permute = cipher_new(hider->keys.permute);
	context->permute_ipv6 = cipher_new(hider->keys.permute_ipv6);
	context->names = cipher_new(hider->keys.names);
	if (!cryptopan_init(&context->cryptopan, hider->keys.cryptopan) || !context->permute || !context->permute_ipv6 ||
	    !context->names) {
		context_free(context);
		return NULL;
	}
	return context;
}

struct hide_context *hider_borrow(const struct weir_hider *hider)
{
	struct hide_context *context;

	pthread_mutex_lock(&hider->contexts->lock);
	while (!(context = hider->contexts->idle)) {
		pthread_mutex_unlock(&hider->contexts->lock);
		context = context_new(hider);
		if (context)
			return context;
		/* One was made with the hider: it comes back. */
		pthread_mutex_lock(&hider->contexts->lock);
		while (!hider->contexts->idle)
			pthread_cond_wait(&hider->contexts->returned, &hider->contexts->lock);
	}
	hider->contexts->idle = context->next;
	pthread_mutex_unlock(&hider->contexts->lock);
	return context;
}

void hider_return(struct hide_context *context)
{
	const struct weir_hider *hider = context->hider;

	pthread_mutex_lock(&hider->contexts->lock);
	context->next = hider->contexts->idle;
	hider->contexts->idle = context;
	pthread_cond_signal(&hider->contexts->returned);
	pthread_mutex_unlock(&hider->contexts->lock);
}

bool hide_context_failed(const struct hide_context *context)
{
	return cipher_failed(context->cryptopan.cipher) || cipher_failed(context->permute) ||
	       cipher_failed(context->permute_ipv6) || cipher_failed(context->names);
}

/* ---- making one ---- */

static int derive_keys(struct weir_hider *hider, const struct weir_key *key, struct weir_fault *fault)
{
	const struct {
		const char *purpose;
		void *out;
		size_t length;
	} keys[] = {
		{"cryptopan", hider->keys.cryptopan, sizeof hider->keys.cryptopan},
		{"permute", hider->keys.permute, sizeof hider->keys.permute},
		{"permute ipv6", hider->keys.permute_ipv6, sizeof hider->keys.permute_ipv6},
		{"names", hider->keys.names, sizeof hider->keys.names},
		{"time", hider->keys.time, sizeof hider->keys.time},
	};
	int error = 0;

	for (size_t i = 0; i < sizeof keys / sizeof *keys && !error; i++)
		error = weir_key_derive(key, keys[i].purpose, keys[i].out, keys[i].length, fault);
	return error;
}

/* A table of all values of a small number. count values from `first` on are permuted, the others stay. */
static int make_table(struct cipher *cipher, const struct weir_hide_way *way, uint8_t purpose, uint32_t size,
                      uint16_t first, uint32_t count, uint16_t **table, struct weir_fault *fault)
{
	if (way->technique == WEIR_HIDE_NOTHING)
		return 0;
	*table = calloc(size, sizeof **table); /* black: all are 0 */
	if (!*table)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to hide numbers");
	if (way->technique == WEIR_HIDE_BLACK)
		return 0;
	for (uint32_t i = 0; i < size; i++)
		(*table)[i] = (uint16_t)i;
	cipher_shuffle(cipher, purpose, first, count, *table + first);
	return 0;
}

static int make_tables(struct weir_hider *hider, struct cipher *cipher, struct weir_fault *fault)
{
	int error = make_table(cipher, &hider->hide.ports, HIDE_PORT, PORTS, 1, PORTS - 1, &hider->ports, fault);

	if (!error)
		error = make_table(cipher, &hider->hide.ip_ids, HIDE_IP_ID, PORTS, 0, PORTS, &hider->ip_ids, fault);
	/* VLAN 0 is no VLAN but a priority, and 4095 is reserved (IEEE 802.1Q). */
	if (!error)
		error = make_table(cipher, &hider->hide.vlans, HIDE_VLAN, VLANS, 1, VLANS - 2, &hider->vlans, fault);
	return error;
}

static int copy_networks(struct weir_hider *hider, struct weir_fault *fault)
{
	const struct weir_policy_net *from = hider->hide.internal_count ? hider->hide.internal : private_networks;
	size_t count =
		hider->hide.internal_count ? hider->hide.internal_count : sizeof private_networks / sizeof *private_networks;
	struct weir_policy_net *copy = malloc(count * sizeof *copy);

	hider->hide.internal = copy;
	hider->hide.internal_count = count;
	if (!copy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for internal networks");
	memcpy(copy, from, count * sizeof *copy);
	return 0;
}

static void shift_times(struct weir_hider *hider)
{
	hider->time_shift_ns = hider->hide.time_shift_ns;
	if (hider->hide.time_shift_random)
		hider->time_shift_ns -=
			(int64_t)(weir_load_be64(hider->keys.time) % (uint64_t)(SHIFT_MOST_SECONDS * NS_PER_SECOND));
	hider->time_changes = hider->time_shift_ns != 0 || hider->hide.time_precision_ns > 1;
}

/* Everything but the keys. */
static int prepare(struct weir_hider *hider, struct weir_fault *fault)
{
	int error = copy_networks(hider, fault);

	if (error)
		return error;
	hider->contexts = calloc(1, sizeof *hider->contexts);
	if (!hider->contexts)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to hide");
	pthread_mutex_init(&hider->contexts->lock, NULL);
	pthread_cond_init(&hider->contexts->returned, NULL);
	struct hide_context *context = context_new(hider);
	if (!context)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for ciphers, or no AES in the system's OpenSSL");
	error = make_tables(hider, context->permute, fault);
	if (!error && hide_context_failed(context))
		error = weir_fail(fault, WEIR_E_SYSTEM, "the system's OpenSSL does not encrypt");
	hider_return(context);
	shift_times(hider);
	return error;
}

/* cryptopan: its own key, or NULL. */
static int make(const struct weir_policy *policy, const struct weir_key *key, const uint8_t *cryptopan,
                struct weir_hider **out, struct weir_fault *fault)
{
	struct weir_hider *hider = calloc(1, sizeof *hider);
	static const struct weir_key none;

	*out = NULL;
	if (!hider)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to hide");
	hider->hide = policy->hide;
	int error = derive_keys(hider, key ? key : &none, fault);
	if (!error && cryptopan)
		memcpy(hider->keys.cryptopan, cryptopan, CRYPTOPAN_KEY);
	if (!error)
		error = prepare(hider, fault);
	else
		hider->hide.internal = NULL; /* still the policy's */
	if (error) {
		weir_hider_free(hider);
		return error;
	}
	*out = hider;
	return 0;
}

int weir_hider_new(const struct weir_policy *policy, const struct weir_key *key, struct weir_hider **hider,
                   struct weir_fault *fault)
{
	*hider = NULL;
	if (!key && weir_policy_needs_key(policy))
		return weir_fail(fault, WEIR_E_USAGE, "the policy hides by a key, and none is given");
	return make(policy, key, NULL, hider, fault);
}

int weir_hider_new_cryptopan(const struct weir_policy *policy, const uint8_t key[static 32], struct weir_hider **hider,
                             struct weir_fault *fault)
{
	struct weir_key others;

	memcpy(others.bytes, key, sizeof others.bytes);
	int error = make(policy, &others, key, hider, fault);
	weir_wipe(&others, sizeof others);
	return error;
}

void weir_hider_free(struct weir_hider *hider)
{
	if (!hider)
		return;
	if (hider->contexts) {
		while (hider->contexts->idle) {
			struct hide_context *context = hider->contexts->idle;
			hider->contexts->idle = context->next;
			context_free(context);
		}
		pthread_cond_destroy(&hider->contexts->returned);
		pthread_mutex_destroy(&hider->contexts->lock);
		free(hider->contexts);
	}
	if (hider->ports)
		weir_wipe(hider->ports, PORTS * sizeof *hider->ports);
	if (hider->ip_ids)
		weir_wipe(hider->ip_ids, PORTS * sizeof *hider->ip_ids);
	if (hider->vlans)
		weir_wipe(hider->vlans, VLANS * sizeof *hider->vlans);
	free(hider->ports);
	free(hider->ip_ids);
	free(hider->vlans);
	free(hider->hide.internal);
	weir_wipe(hider, sizeof *hider);
	free(hider);
}

/* ---- numbers ---- */

#define MAC_GROUP (UINT64_C(1) << 40)
#define MAC_LOCAL (UINT64_C(1) << 41)
#define LOW_24 UINT64_C(0xffffff)

/* 33:33:ff:…: the group of a solicited node, whose last 24 bits are those of an address (RFC 4291, section 2.7.1; RFC 2464, section 7). */
static bool is_solicited(uint64_t mac) { return mac >> 24 == 0x3333ff; }

static uint64_t hide_group_mac(struct hide_context *context, uint64_t mac)
{
	const struct weir_policy_hide *hide = &context->hider->hide;

	if (mac == UINT64_C(0xffffffffffff) || (hide->keep_special && !is_solicited(mac)))
		return mac;
	if (hide->macs.technique == WEIR_HIDE_BLACK)
		return mac & ~LOW_24;
	uint8_t purpose = is_solicited(mac) ? HIDE_SOLICITED : HIDE_GROUP_MAC;
	return (mac & ~LOW_24) | cipher_permute(context->permute, purpose, 24, mac & LOW_24);
}

/* Of single stations. What is permuted stays the address of a single station, and one that nobody assigned stays so: its first bits are random anyway. */
static uint64_t hide_station_mac(struct hide_context *context, uint64_t mac)
{
	const struct weir_hide_way *way = &context->hider->hide.macs;
	uint64_t kept = MAC_GROUP | (way->technique == WEIR_HIDE_VENDOR ? MAC_LOCAL : 0), out = mac;

	if (mac == 0)
		return 0;
	switch (way->technique) {
	case WEIR_HIDE_TRUNCATE:
		return way->bits >= 48 ? mac : mac >> (48 - way->bits) << (48 - way->bits);
	case WEIR_HIDE_VENDOR:
		if (!(mac & MAC_LOCAL))
			return (mac & ~LOW_24) | cipher_permute(context->permute, HIDE_VENDOR_MAC, 24, mac & LOW_24);
		break;
	case WEIR_HIDE_BLACK:
		return 0;
	default:
		break;
	}
	/* Walked along until it is again such an address, it is a permutation of these: the way back from one leads to one. */
	do
		out = cipher_permute(context->permute, HIDE_MAC, 48, out);
	while (((out ^ mac) & kept || out == 0) && !cipher_failed(context->permute));
	return out;
}

void hide_mac(struct hide_context *context, uint8_t mac[static 6])
{
	uint64_t in = (uint64_t)weir_load_be16(mac) << 32 | weir_load_be32(mac + 2);
	struct hide_mac_entry *entry = &context->macs[(in * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
	_Static_assert(HIDE_MAC_CACHE == 1 << 10, "the hash has ten bits");

	if (context->hider->hide.macs.technique == WEIR_HIDE_NOTHING)
		return;
	if (entry->in != (in | UINT64_C(1) << 63)) {
		entry->in = in | UINT64_C(1) << 63;
		entry->out = in & MAC_GROUP ? hide_group_mac(context, in) : hide_station_mac(context, in);
	}
	weir_store_be16(mac, (uint16_t)(entry->out >> 32));
	weir_store_be32(mac + 2, (uint32_t)entry->out);
}

static uint64_t hide_wide(struct hide_context *context, const struct weir_hide_way *way, uint8_t purpose, unsigned bits,
                          uint64_t value)
{
	if (way->technique == WEIR_HIDE_NOTHING)
		return value;
	return way->technique == WEIR_HIDE_BLACK ? 0 : cipher_permute(context->permute, purpose, bits, value);
}

uint32_t hide_fragment_id(struct hide_context *context, uint32_t id)
{
	return (uint32_t)hide_wide(context, &context->hider->hide.ip_ids, HIDE_FRAGMENT, 32, id);
}

uint32_t hide_network_id(struct hide_context *context, uint32_t id)
{
	return (uint32_t)hide_wide(context, &context->hider->hide.vlans, HIDE_NETWORK_ID, 24, id);
}

#define MPLS_RESERVED 16 /* RFC 3032, section 2.1, and the registry of special-purpose labels */

uint32_t hide_mpls_label(struct hide_context *context, uint32_t label)
{
	if (label < MPLS_RESERVED)
		return label;
	do
		label = (uint32_t)hide_wide(context, &context->hider->hide.vlans, HIDE_MPLS, 20, label);
	while (label < MPLS_RESERVED && context->hider->hide.vlans.technique == WEIR_HIDE_PERMUTE &&
	       !cipher_failed(context->permute));
	return label;
}

/* ---- for everybody ---- */

void weir_hide_ip(const struct weir_hider *hider, const struct weir_ip *in, struct weir_ip *out)
{
	*out = *in;
	if (in->version != 4 && in->version != 6)
		return;
	struct hide_context *context = hider_borrow(hider);
	if (in->version == 4)
		hide_ipv4(context, out->bytes);
	else
		hide_ipv6(context, out->bytes);
	hider_return(context);
}

void weir_hide_mac(const struct weir_hider *hider, const uint8_t in[static 6], uint8_t out[static 6])
{
	struct hide_context *context = hider_borrow(hider);

	memmove(out, in, 6);
	hide_mac(context, out);
	hider_return(context);
}

uint16_t weir_hide_port(const struct weir_hider *hider, uint16_t port) { return hide_port(hider, port); }

uint32_t weir_hide_vlan(const struct weir_hider *hider, uint32_t vlan)
{
	return vlan < VLANS ? hide_vlan_id(hider, (uint16_t)vlan) : vlan;
}

int64_t weir_hide_time(const struct weir_hider *hider, int64_t time_ns)
{
	int64_t precision = hider->hide.time_precision_ns, shifted;

	if (!hider->time_changes || time_ns == WEIR_NO_TIME)
		return time_ns;
	if (__builtin_add_overflow(time_ns, hider->time_shift_ns, &shifted))
		shifted = hider->time_shift_ns > 0 ? INT64_MAX : INT64_MIN + 1;
	if (precision > 1) {
		int64_t rest = shifted % precision;
		rest += rest < 0 ? precision : 0;
		if (__builtin_sub_overflow(shifted, rest, &shifted) || shifted == WEIR_NO_TIME)
			shifted = INT64_MIN + 1;
	}
	return shifted;
}

void weir_hide_name(const struct weir_hider *hider, char *name, size_t length)
{
	struct hide_context *context = hider_borrow(hider);

	hide_name(context, (uint8_t *)name, length);
	hider_return(context);
}
