/*
 * packet/hider.h: what hides single values: struct weir_hider (weir/policy.h) and the contexts that its threads work with.
 *
 * A hider never changes once made. What is not shared between threads (the state of ciphers, caches) is in a context, which a thread borrows for a batch or
 * for a value. What comes out depends on policy, key and value alone, never on the context.
 */
#ifndef PACKET_HIDER_H
#define PACKET_HIDER_H

#include <pthread.h>

#include <weir/policy.h>

#include "core/cipher.h"
#include "core/cryptopan.h"

struct hide_keys {
	uint8_t cryptopan[CRYPTOPAN_KEY];
	uint8_t permute[CIPHER_KEY], permute_ipv6[CIPHER_KEY], names[CIPHER_KEY];
	uint8_t time[8];
};

struct weir_hider {
	struct weir_policy_hide hide; /* its internal networks are the hider's own */
	struct hide_keys keys;
	int64_t time_shift_ns;
	uint16_t *ports, *ip_ids, *vlans; /* by value; NULL: as they are */
	bool time_changes;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t returned;
		struct hide_context *idle;
	} * contexts;
};

#define HIDE_IPV4_CACHE 8192
#define HIDE_IPV4_UPPER_CACHE 2048
#define HIDE_IPV6_CACHE 2048
#define HIDE_IPV6_UPPER_CACHE 256
#define HIDE_MAC_CACHE 1024
#define HIDE_LABEL_CACHE 2048
#define HIDE_LABEL_CACHED 30 /* longest label that is remembered */

/* Tables are mapped directly: an entry is where the value's hash says, or not there. Bounded, and no older entry is ever looked for. */
struct hide_context {
	const struct weir_hider *hider;
	struct hide_context *next;
	struct cryptopan cryptopan;
	struct cipher *permute, *permute_ipv6, *names;
	struct hide_ipv4_entry {
		uint32_t in, out, offset; /* offset: of the host's TCP timestamps */
		bool used;
	} ipv4[HIDE_IPV4_CACHE];
	struct hide_ipv4_upper {
		uint16_t in, mask; /* the upper 16 bits and what hides them */
		bool used;
	} ipv4_upper[HIDE_IPV4_UPPER_CACHE];
	struct hide_ipv6_entry {
		uint8_t in[16], out[16];
		uint32_t offset;
		bool used;
	} ipv6[HIDE_IPV6_CACHE];
	struct hide_ipv6_upper {
		uint8_t in[8], mask[8];
		bool used;
	} ipv6_upper[HIDE_IPV6_UPPER_CACHE];
	struct hide_mac_entry {
		uint64_t in, out; /* in: with bit 63 set where the entry is used */
	} macs[HIDE_MAC_CACHE];
	struct hide_label_entry {
		uint8_t length; /* 0: not used */
		uint8_t in[HIDE_LABEL_CACHED], out[HIDE_LABEL_CACHED];
	} labels[HIDE_LABEL_CACHE];
};

/* A context for the caller's thread alone, until it is given back. Waits when there is none and no memory for another. */
struct hide_context *hider_borrow(const struct weir_hider *hider);
void hider_return(struct hide_context *context);

/* A cipher failed: what was hidden since may not be. Never seen; whoever writes results asks all the same. */
bool hide_context_failed(const struct hide_context *context);

/* ---- addresses: hider_address.c ---- */

/* In host byte order. */
const struct hide_ipv4_entry *hide_ipv4_entry(struct hide_context *context, uint32_t address);
const struct hide_ipv6_entry *hide_ipv6_entry(struct hide_context *context, const uint8_t address[static 16]);

/* In place, in network byte order. */
static inline void hide_ipv4(struct hide_context *context, uint8_t address[static 4])
{
	weir_store_be32(address, hide_ipv4_entry(context, weir_load_be32(address))->out);
}

static inline void hide_ipv6(struct hide_context *context, uint8_t address[static 16])
{
	memcpy(address, hide_ipv6_entry(context, address)->out, 16);
}

/* A network's prefix: as an address, and zero behind its bits. bytes: 4 or 16. */
void hide_prefix(struct hide_context *context, uint8_t *address, unsigned bytes, unsigned bits);

/* ---- numbers: hider.c ---- */

void hide_mac(struct hide_context *context, uint8_t mac[static 6]);
uint32_t hide_fragment_id(struct hide_context *context, uint32_t id); /* of IPv6; as IPv4's */
uint32_t hide_network_id(struct hide_context *context, uint32_t id);  /* 24 bits of VXLAN and GENEVE; as VLAN ids */
uint32_t hide_mpls_label(struct hide_context *context,
                         uint32_t label); /* 20 bits; likewise. The first 16 mean something, and stay. */

static inline uint16_t hide_port(const struct weir_hider *hider, uint16_t port)
{
	return hider->ports ? hider->ports[port] : port;
}
static inline uint16_t hide_ip_id(const struct weir_hider *hider, uint16_t id)
{
	return hider->ip_ids ? hider->ip_ids[id] : id;
}
static inline uint16_t hide_vlan_id(const struct weir_hider *hider, uint16_t vlan)
{
	return hider->vlans ? hider->vlans[vlan & 0xfff] : vlan;
}

/* What a purpose's number is that ciphers are told. */
enum hide_purpose {
	HIDE_IPV4 = 1,
	HIDE_SOLICITED,
	HIDE_MAC,
	HIDE_VENDOR_MAC,
	HIDE_GROUP_MAC,
	HIDE_FRAGMENT,
	HIDE_NETWORK_ID,
	HIDE_MPLS,
	HIDE_PORT,
	HIDE_IP_ID,
	HIDE_VLAN,
	HIDE_TIMESTAMP,
	HIDE_LABEL,
	HIDE_LABEL_CLASSES,
};

/* ---- names: hider_name.c ---- */

/* A label as it stands in the original; out: where the hidden one goes, as long; NULL: nowhere (it is hidden where it stands). */
struct hide_label {
	const uint8_t *in;
	uint8_t *out;
	uint8_t length;
};
#define HIDE_LABELS_MAX 128

/* The labels of one name, first to last. Those of addresses (in-addr.arpa, ip6.arpa) carry the hidden address, in as many digits as there is room for. */
void hide_labels(struct hide_context *context, const struct hide_label *labels, size_t count);

/* A name in dotted form, in place; also one that is an IPv4 address. */
void hide_name(struct hide_context *context, uint8_t *name, size_t length);

#endif
