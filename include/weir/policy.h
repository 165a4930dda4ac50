/*
 * weir/policy.h: what of people's data may be kept, and how what is kept is hidden. docs/policy.md tells it for those who write one.
 *
 * A policy is TOML: the table `policy` of campaign.toml, or of a file of its own. It is read once, checked whole, and never changes while a
 * pipeline runs. Two stages carry it out: the keep stage cuts (weir_keep_stage_new), the hide stage rewrites (weir_hide_stage_new).
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/flow.h>
#include <weir/key.h>
#include <weir/pipeline.h>

/* ---- how much is kept ---- */

enum weir_keep_amount {
	WEIR_KEEP_PACKET,    /* "all": everything that was captured */
	WEIR_KEEP_HEADERS,   /* "headers": up to and with the transport header, tunnels included; where a protocol is named: its own headers too */
	WEIR_KEEP_BYTES,     /* "64 bytes": the headers, and as many bytes behind them */
	WEIR_KEEP_HANDSHAKE, /* "handshake" (TLS, QUIC, SSH): what stands before the encrypted data; of records of data their headers */
	WEIR_KEEP_NO_PACKET, /* "nothing": the packet is dropped, and counted */
};

/* One rule: those packets, so much. The first rule that fits decides. */
struct weir_keep_rule {
	char *match;             /* as it stands in the policy: the name of a protocol ("dns", "tls"), or a packet filter ("port 25", "net 10.1.0.0/16") */
	uint8_t protocol;        /* enum weir_layer_kind; WEIR_LAYER_NONE: match is a packet filter */
	uint8_t amount;          /* enum weir_keep_amount */
	uint32_t bytes;          /* with WEIR_KEEP_BYTES */
};

struct weir_policy_keep {
	uint32_t snaplen;           /* bytes of a packet, whatever the rules say; 0: no limit */
	uint64_t flow_bytes;        /* payload of each flow (both directions) that is kept at most, up to UINT32_MAX, headers always; UINT64_MAX: no limit */
	struct weir_keep_rule *rules;
	size_t rule_count;
	struct weir_keep_rule otherwise; /* for what no rule fits; "default" */
	/*
	 * What is given up under load, first to last: "payload" (as if everything but headers were forbidden), or a packet filter whose packets are dropped.
	 * Each time is an entry in the loss ledger.
	 */
	char **shed;
	size_t shed_count;
};

/* ---- how it is hidden: RFC 6235's techniques ---- */

enum weir_hide_technique {
	WEIR_HIDE_NOTHING,   /* "keep" */
	WEIR_HIDE_PREFIX,    /* "prefix": addresses by Crypto-PAn: who shares n leading bits shares n afterwards */
	WEIR_HIDE_PERMUTE,   /* "permute": a keyed permutation of all values */
	WEIR_HIDE_TRUNCATE,  /* "truncate:N": the leading N bits are kept, the rest is zero */
	WEIR_HIDE_BLACK,     /* "black": one constant */
	WEIR_HIDE_VENDOR,    /* "vendor": MAC addresses: the vendor's 24 bits are kept, the rest is permuted */
	WEIR_HIDE_KEYED,     /* "keyed": names, label by label: equal labels stay equal, the structure stays */
	WEIR_HIDE_TECHNIQUES
};

struct weir_hide_way {
	uint8_t technique; /* enum weir_hide_technique */
	uint8_t bits;      /* with WEIR_HIDE_TRUNCATE */
};

enum weir_hide_scope { WEIR_SCOPE_ALL, WEIR_SCOPE_INTERNAL, WEIR_SCOPE_EXTERNAL };

struct weir_policy_net {
	struct weir_ip address; /* bits behind `bits` are zero */
	uint8_t bits;
};

struct weir_policy_hide {
	struct weir_hide_way ipv4, ipv6;      /* prefix, permute, truncate, black */
	uint8_t scope;                        /* enum weir_hide_scope: whose addresses */
	struct weir_policy_net *internal;     /* networks that are internal; the private ones (RFC 1918, RFC 4193) when the policy names none */
	size_t internal_count;
	bool keep_special;                    /* special-purpose (RFC 6890) and multicast addresses stay as they are: the default */
	struct weir_hide_way macs;            /* permute, vendor, truncate, black */
	struct weir_hide_way ports;           /* permute, black */
	struct weir_hide_way vlans;           /* permute, black */
	struct weir_hide_way names;           /* keyed, black: DNS, TLS SNI, HTTP Host, DHCP, NBNS, interface names, node names */
	struct weir_hide_way tcp_timestamps;  /* black (the option becomes NOPs), permute (a keyed offset for each host) */
	struct weir_hide_way ip_ids;          /* permute, black */
	int64_t time_shift_ns;                /* added to all times; "random": drawn from the key */
	bool time_shift_random;
	int64_t time_precision_ns;            /* times are rounded down to it; 0: as they are */
	uint64_t counter_precision;           /* packet and byte counters of flows are rounded up to a multiple of it; 0: as they are */
};

struct weir_policy {
	char name[64];
	struct weir_policy_keep keep;
	struct weir_policy_hide hide;
	bool hides;    /* whether anything is hidden: a key is needed where a technique needs one (weir_policy_needs_key) */
	bool keeps_all; /* nothing is cut or dropped */
};

/*
 * Reads the policy of a TOML file. WEIR_E_NOT_FOUND when it has no table `policy`; WEIR_E_FORMAT with the line for what is no TOML or what
 * no policy has; WEIR_E_FILTER for a filter that does not compile. Free with weir_policy_free.
 */
int weir_policy_read(const char *path, struct weir_policy **policy, struct weir_fault *fault);

/* The same from memory; name is for faults. */
int weir_policy_parse(const char *text, size_t length, const char *name, struct weir_policy **policy, struct weir_fault *fault);
void weir_policy_free(struct weir_policy *policy);
bool weir_policy_needs_key(const struct weir_policy *policy);

/* The whole policy as it works, defaults included: as TOML, which reads back as the same policy, and as JSON. free() it; NULL: no memory. */
char *weir_policy_toml(const struct weir_policy *policy);
char *weir_policy_json(const struct weir_policy *policy);

/* ---- carrying it out ---- */

/*
 * The stage that keeps as much as the policy says, and no more: cuts packets (captured; length stays), drops what is not to be kept (WEIR_DROP), in batches
 * that were decoded. What it cannot decode it cuts behind the last header that it knows. In order (it counts the bytes of flows) only where the policy
 * has flow_bytes, else parallel. The policy outlives the stage.
 */
struct weir_stage *weir_keep_stage_new(const struct weir_policy *policy, struct weir_fault *fault);

struct weir_keep_statistics {
	uint64_t packets, cut, dropped; /* looked at; made shorter; dropped */
	uint64_t bytes_before, bytes_after; /* captured */
	uint64_t dropped_bytes; /* on the wire, of the dropped */
	int64_t first_ns, last_ns; /* of the dropped: of the earliest and the latest; WEIR_NO_TIME: none */
};
void weir_keep_statistics(const struct weir_stage *stage, struct weir_keep_statistics *statistics);

/*
 * The stage that, while it is recorded, gives up what the policy names first as the buffer behind it fills (policy->keep.shed): the first at 50 %, the others up
 * to 90 %; each is kept again when the buffer is 20 % emptier than that. To stand behind the keep stage, in order. fullness(context) is asked once a batch, in percent. The policy
 * outlives the stage.
 */
struct weir_stage *weir_shed_stage_new(const struct weir_policy *policy, unsigned (*fullness)(void *context), void *context,
                                       struct weir_fault *fault);

struct weir_shed_loss {
	const char *what;        /* as the policy says it */
	bool payload;            /* the packets were cut to their headers; else they were dropped */
	int64_t from_ns, to_ns;  /* of the packets */
	uint64_t packets, bytes; /* bytes: of payload that had been captured, or of whole packets on the wire */
};
/* What was given up and has not been told: true and *loss for each interval that is over (last: or not), to be called until false. Any thread. */
bool weir_shed_look(struct weir_stage *stage, bool last, struct weir_shed_loss *loss);
/* Takes back what weir_shed_look has given: it could not be entered in the ledger. */
void weir_shed_keep(struct weir_stage *stage, const struct weir_shed_loss *loss);
uint64_t weir_shed_dropped(const struct weir_stage *stage); /* packets so far */

/*
 * What hides: addresses, names and numbers by the policy's techniques, keyed by the campaign's key. Never changes once made; any number of threads use one.
 * The key is copied as what is derived from it, and wiped when freed. key may be NULL where none is needed.
 */
struct weir_hider;
int weir_hider_new(const struct weir_policy *policy, const struct weir_key *key, struct weir_hider **hider, struct weir_fault *fault);
/* With the key of Crypto-PAn itself, 32 bytes as its reference implementation takes them; everything else is derived from it. */
int weir_hider_new_cryptopan(const struct weir_policy *policy, const uint8_t key[static 32], struct weir_hider **hider, struct weir_fault *fault);
void weir_hider_free(struct weir_hider *hider);

/* Single values; what the policy leaves alone comes back as it was. */
void weir_hide_ip(const struct weir_hider *hider, const struct weir_ip *in, struct weir_ip *out);
void weir_hide_mac(const struct weir_hider *hider, const uint8_t in[static 6], uint8_t out[static 6]);
uint16_t weir_hide_port(const struct weir_hider *hider, uint16_t port);
uint32_t weir_hide_vlan(const struct weir_hider *hider, uint32_t vlan);
int64_t weir_hide_time(const struct weir_hider *hider, int64_t time_ns);
/* A name in dotted form, in place: never longer than before. */
void weir_hide_name(const struct weir_hider *hider, char *name, size_t length);

/*
 * The stage that hides in packets: wherever a value occurs (outer and inner headers, ARP, neighbour discovery, packets quoted in ICMP, DNS, DHCP, NBNS, TLS,
 * HTTP). Checksums that were right are right afterwards; those that were wrong stay recognisably so. What it cannot parse it cuts off. pcapng blocks that are no packets
 * are rewritten (names of interfaces) or left out (name resolution, comments, secrets). Parallel: the bytes do not depend on threads.
 */
struct weir_stage *weir_hide_stage_new(const struct weir_hider *hider, struct weir_fault *fault);

/* Of a hide stage, when the run is over. */
struct weir_hide_statistics {
	uint64_t packets, cut;              /* hidden; shortened, because what stands behind is not understood */
	uint64_t bytes_before, bytes_after; /* captured */
};
void weir_hide_statistics(const struct weir_stage *stage, struct weir_hide_statistics *statistics);

/* Hides in a flow record; strings that change are put into the arena. 0 or WEIR_E_MEMORY. */
struct weir_arena;
int weir_hide_flow(const struct weir_hider *hider, struct weir_flow *flow, struct weir_arena *arena, struct weir_fault *fault);

#endif
