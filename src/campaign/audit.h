/*
 * campaign/audit.h: what the files of the audit share. The public face is weir/audit.h.
 *
 * audit_table.c      sets of values, bounded
 * audit_originals.c  which values are originals
 * audit_names.c      … and which names
 * audit_runs.c       … and which runs of what is cut
 * audit_vocabulary.c what weir itself writes
 * audit_gather.c     gathering them from packets and flows
 * audit_match.c      the search for bytes: a filter over every offset, then the exact check
 * audit_tokens.c     the search for text: addresses in any way of writing them
 * audit_views.c      what is written in another alphabet: UTF-16, percent, base64, hex, NetBIOS
 * audit_hits.c       hits, and which of them are chance
 * audit_stream.c     the bytes of a file, decompressed
 * audit_packets.c    capture files, packet by packet
 * audit_parquet.c    Parquet files, page by page
 * audit_sqlite.c     databases, value by value
 * audit.c            all files of an output
 */
#ifndef CAMPAIGN_AUDIT_H
#define CAMPAIGN_AUDIT_H

#include <weir/audit.h>
#include <weir/decode.h>

#include "core/text.h"

/* ---- sets of values (audit_table.c) ---- */

#define AUDIT_VALUE_MOST 16

/* Values of one width with a byte of flags each, never 0. Open addressing. */
struct audit_table {
	uint8_t *slots; /* width bytes and the flags, each */
	size_t room, count;
	uint64_t seed; /* drawn for each audit: who does not know it cannot make values that stand in each other's way */
	unsigned width;
};

/* What a set of originals may take of memory, together. */
struct audit_budget {
	uint64_t used, most;
};

enum audit_flags {
	AUDIT_HELD = 1,
	AUDIT_IMAGE = 2, /* also what another original became */
	AUDIT_DECOY = 4, /* no original: made up beside one, to see what chance gives */
	AUDIT_CUT = 8,   /* a run of bytes that the policy cuts … */
	AUDIT_KEPT = 16, /* … that it also keeps, elsewhere */
};

/* The flags of a value: NULL when it is not there. */
uint8_t *audit_table_find(const struct audit_table *table, const void *value);
/* Likewise, entered with flags 0 when it is new (the caller sets them). NULL: no memory left. */
uint8_t *audit_table_enter(struct audit_table *table, const void *value, struct audit_budget *budget);
/* Goes over all values: NULL ends. *at begins with 0. */
const uint8_t *audit_table_next(const struct audit_table *table, size_t *at);
static inline uint8_t audit_table_flags(const struct audit_table *table, const uint8_t *value)
{
	return value[table->width];
}
void audit_table_free(struct audit_table *table);

/* ---- originals (audit_originals.c, audit_names.c) ---- */

struct audit_hits;
struct audit_place;

/* How a value is written where it was found. The words are in audit_hits.c. */
enum audit_encoding {
	AUDIT_BYTES,
	AUDIT_BYTES_REVERSED,
	AUDIT_MAPPED,
	AUDIT_COMPATIBLE,
	AUDIT_NAT64,
	AUDIT_6TO4,
	AUDIT_TEREDO,
	AUDIT_ISATAP,
	AUDIT_EUI64,
	AUDIT_INTERFACE_ID,
	AUDIT_DOTTED,
	AUDIT_DOTTED_REVERSED,
	AUDIT_DECIMAL,
	AUDIT_DECIMAL_REVERSED,
	AUDIT_HEX,
	AUDIT_HEX_REVERSED,
	AUDIT_COLONS,
	AUDIT_NIBBLES,
	AUDIT_TEXT,
	AUDIT_LABELS,
	AUDIT_ENCODINGS
};

/* A run of bytes that is searched for. */
struct audit_pattern {
	uint32_t next; /* of the same anchor, + 1; 0: none */
	uint32_t data; /* where its bytes stand */
	uint16_t length;
	uint8_t anchor; /* the four bytes that are looked up stand so far in */
	uint8_t kind;   /* enum weir_original_kind */
	uint8_t encoding;
	uint8_t flags; /* enum audit_flags, of the original */
};

struct weir_originals {
	const struct weir_policy *policy;
	const struct weir_hider *hider;
	struct audit_budget budget;
	struct audit_table ipv4, ipv6, macs, runs;
	struct text names;           /* each in lower case, without closing dot, behind its length in one byte */
	struct audit_table name_set; /* hashes of them */
	uint64_t seed;
	uint64_t runs_limit; /* runs of bytes are held whose hash is not above it */
	size_t runs_most;
	uint64_t packets, words, not_held[WEIR_ORIGINAL_KINDS], images[WEIR_ORIGINAL_KINDS];
	uint64_t ipv4_held, short_names;
	double short_name_chance;                 /* that one of them stands at a place, in random bytes */
	bool no_ipv4, no_ipv6, no_macs, no_names; /* the policy leaves them alone */

	/* For searching. */
	uint64_t *runs_filter; /* a bit for each hash of a run */
	unsigned runs_bits;
	uint64_t *filter;     /* a bit for each hash of four bytes, of any case */
	unsigned filter_bits; /* log2 of how many */
	uint32_t *buckets;    /* index of a pattern + 1, by the hash of its anchor */
	unsigned bucket_bits;
	struct audit_pattern *patterns;
	size_t pattern_count, pattern_room;
	uint8_t *bytes; /* of the patterns */
	size_t byte_count, byte_room;
	bool ready;
};

/* Whether a policy hides an address; by a list of special ones that is the audit's own. */
bool audit_hides_ip(const struct weir_policy *policy, const struct weir_ip *ip);

/* The form in which names are held, into out: lower case, no closing dot. 0: it is not to be searched for. */
size_t audit_name(const void *name, size_t length, char out[static 256]);

/* Searching for runs: what it needs, and the search. */
int audit_runs_prepare(struct weir_originals *originals, struct weir_fault *fault);
void audit_match_runs(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to);

/* Whether a value of four or six bytes is like a number that stands everywhere (10.0.0.1, 00:00:00:00:00:01): as bytes it says nothing. */
bool audit_says_little(const uint8_t *value, size_t length);

/* Enters what weir itself writes into what it makes as kept: of payload that happens to say the same nothing can be told (audit_vocabulary.c). */
int audit_see_vocabulary(struct weir_originals *originals, struct weir_fault *fault);

/* Enters what a policy cuts (AUDIT_CUT) or keeps (AUDIT_KEPT), as far as it is sampled. */
void audit_see_runs(struct weir_originals *originals, const uint8_t *data, size_t length, uint8_t flag);

/* Eight bytes that say something: not zeros, not one pattern over and over. */
bool audit_run_says_something(const uint8_t *run);

/* Whether the headers of a packet have no addresses or names but those that its facts list. */
bool audit_is_plain(const struct weir_facts *facts);

/* Goes over a packet as JSON: calls for each text in it with the key and protocol that it stands under. */
typedef int audit_json_text(void *context, const char *protocol, const char *key, struct weir_bytes text,
                            struct weir_fault *fault);
int audit_json_walk(const struct text *json, audit_json_text *call, void *context, struct weir_fault *fault);

/* ---- hits (audit_hits.c) ---- */

struct audit_hits;

/* Kinds of hits that chance gives, each judged for itself. */
enum audit_chance {
	AUDIT_CERTAIN,        /* chance does not give them */
	AUDIT_CHANCE_BYTES4,  /* four bytes of an IPv4 address, in either order */
	AUDIT_CHANCE_HEX8,    /* … as eight hex digits */
	AUDIT_CHANCE_DECIMAL, /* … as a number */
	AUDIT_CHANCE_TURNED,  /* … dotted, the last number first */
	AUDIT_CHANCE_BYTES6,  /* six bytes: MAC addresses, 6to4 */
	AUDIT_CHANCE_NAME,    /* names of less than eight characters */
	AUDIT_CHANCES
};

/* Where is being searched. */
struct audit_place {
	const char *file;
	const char *what;                 /* "bytes", "packet", … */
	const char *view;                 /* what the bytes were made from, "base64"; NULL: they are as they stand */
	uint64_t base;                    /* offset of the first of them */
	uint64_t packet;                  /* 0: none */
	const struct weir_packet *around; /* the packet; NULL: none */
	const struct weir_facts *facts;
	bool images;       /* what originals became may stand here */
	bool ipv4_bytes;   /* four bytes count as an address */
	bool numbers;      /* numbers and eight hex digits do */
	bool plain;        /* no views are made of this: it is one */
	bool runs;         /* runs of payload count */
	bool short_values; /* values of less than eight bytes count */
};

int audit_hits_new(const struct weir_originals *originals, struct audit_hits **hits, struct weir_fault *fault);
void audit_hits_free(struct audit_hits *hits);
/* A value was found at an offset from place->base. data: the original itself. */
void audit_hit(struct audit_hits *hits, const struct audit_place *place, size_t offset, enum weir_original_kind kind,
               enum audit_encoding encoding, enum audit_chance chance, uint8_t flags, const void *data, size_t length);
/* So many places were looked at where chance could have given a hit. */
void audit_trials(struct audit_hits *hits, enum audit_chance chance, uint64_t trials);
/* Judges, and reports. 0 or WEIR_E_MEMORY: there were hits that could not be kept. */
int audit_hits_judge(struct audit_hits *hits, const struct weir_audit_options *options,
                     struct weir_audit_result *result, struct weir_fault *fault);

/* ---- searching bytes ---- */

/*
 * Searches data, and what it is made views of, for originals that begin (or for patterns: have their anchor) in [from, to); what is before and behind is
 * looked at. AUDIT_AROUND bytes on each side are enough.
 */
#define AUDIT_AROUND 4096
void audit_search(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                  size_t from, size_t to);
/* All of it, from its beginning to its end. */
static inline void audit_search_all(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data,
                                    size_t length)
{
	audit_search(hits, place, data, length, 0, length);
}

/* The parts of it (audit_match.c, audit_tokens.c, audit_views.c). */
void audit_match(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                 size_t from, size_t to);
/* IPv4 addresses as bytes alone. */
void audit_match_ipv4(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to);
void audit_tokens(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                  size_t from, size_t to);
void audit_views(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                 size_t from, size_t to);
/* Looks up one address. */
void audit_check_ipv4(struct audit_hits *hits, const struct audit_place *place, size_t offset, uint32_t address,
                      enum audit_encoding encoding, enum audit_chance chance);
void audit_check_ipv6(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *address,
                      enum audit_encoding encoding);
void audit_check_mac(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *mac,
                     enum audit_encoding encoding);
/* All that sixteen, eight or six bytes can be that were written as text. */
void audit_check_bytes(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *bytes,
                       size_t length, enum audit_encoding encoding);
const struct weir_originals *audit_hits_originals(const struct audit_hits *hits);

/* Makes what audit_match needs (audit_match.c). */
int audit_match_prepare(struct weir_originals *originals, struct weir_fault *fault);

/* ---- files ---- */

struct audit_file {
	const char *path; /* to open it */
	const char *name; /* as it is told */
	bool
		in_pieces; /* runs of payload are searched for piece by piece (payloads, values), not over all bytes: headers of different packets are alike */
	bool plain_bytes; /* four bytes may be an address anywhere in it: its format is not known */
	struct audit_hits *hits;
	const struct weir_audit_options *options;
	struct weir_audit_result *result;
};

/* Each adds to *result, and returns 0 or a negative error: it could not be searched whole. */
int audit_stream(const struct audit_file *file, struct weir_fault *fault);
int audit_packets(const struct audit_file *file, struct weir_fault *fault);
int audit_parquet(const struct audit_file *file, struct weir_fault *fault);
int audit_parquet_memory(const struct audit_file *file, const void *data, size_t size, struct weir_fault *fault);
int audit_sqlite(const struct audit_file *file, struct weir_fault *fault);

#endif
