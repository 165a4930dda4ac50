/*
 * flow/table.h: the flows that are open, in a bounded table.
 *
 * Entries live in slabs and are numbered, so that nothing in them is a pointer and the whole table can be written to a state file as it
 * stands. What every packet touches (the key, and one direction's counters) is apart from what only a flow's first packets and its
 * record touch. The hash table over them has buckets of one cache line: eight tags of 16 bits and eight numbers, and a chain of entries for
 * what found no place. So a packet costs three cache lines, and all three addresses can be known ahead of time and be prefetched.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <weir/application.h>
#include <weir/flow.h>

#define FLOW_NONE UINT32_MAX
#define FLOW_BUCKET_SLOTS 8
#define FLOW_NO_VLAN 0xffffu
/*
 * Entries in the chain of one bucket. With an even hash there are never as many: only packets made to collide get there, and they must not make
 * every packet walk over all of them.
 */
#define FLOW_CHAIN_MAX 32

/* What makes a flow. Addresses in the order of their values (the lower first), so that both directions have the same key. */
struct flow_key {
	uint64_t low[2], high[2]; /* as they stand in the packet; IPv4 in the first four bytes, the rest zero */
	uint16_t low_port, high_port;
	uint16_t vlan;            /* FLOW_NO_VLAN: untagged */
	uint8_t protocol;
	uint8_t version;
};

typedef uint64_t flow_half_key __attribute__((vector_size(16), aligned(8), may_alias));

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t last_a, last_b;
	memcpy(&last_a, &a->low_port, 8);
	memcpy(&last_b, &b->low_port, 8);
	flow_half_key differ = (*(const flow_half_key *)a->low ^ *(const flow_half_key *)b->low) | (*(const flow_half_key *)a->high ^ *(const flow_half_key *)b->high);
	return (differ[0] | differ[1] | (last_a ^ last_b)) == 0;
}

/* All of a key but the addresses, as one word: written and compared at once, since reading wide what was written narrow costs a stall. */
static inline uint64_t flow_key_rest(uint16_t low_port, uint16_t high_port, uint16_t vlan, uint8_t protocol, uint8_t version)
{
	return WEIR_NATIVE_BIG ? (uint64_t)low_port << 48 | (uint64_t)high_port << 32 | (uint64_t)vlan << 16 | (uint64_t)protocol << 8 | version
	                       : (uint64_t)version << 56 | (uint64_t)protocol << 48 | (uint64_t)vlan << 32 | (uint64_t)high_port << 16 | low_port;
}

enum flow_state {
	FLOW_USED = 1,
	FLOW_SOURCE_IS_HIGH = 2,   /* the source is the higher end of the key */
	FLOW_UNDECIDED = 4,        /* its application is not known: show the namer its packets */
	FLOW_FINISHED = 8,         /* TCP: it is over, and only lingers for what comes late */
	FLOW_SYN = 16,             /* TCP: SYN seen, the end of the handshake not yet: cold->rtt_ns holds the SYN's time */
	FLOW_FIN_LOW = 64,         /* the lower end has sent FIN */
	FLOW_FIN_HIGH = 128,
	FLOW_RTT = 256,            /* cold->rtt_ns holds the round-trip time */
	FLOW_TUNNELLED = 512,      /* there are outer addresses */
	FLOW_PROCESS_LOW = 1024,   /* the process of the lower end is known */
	FLOW_PROCESS_HIGH = 2048,
	FLOW_KEEP_ALIVE_LOW = 4096, /* TCP: the last segment of the lower end was a keep-alive; here, because the other direction asks */
	FLOW_KEEP_ALIVE_HIGH = 8192,
};
#define FLOW_PROCESSES (FLOW_PROCESS_LOW | FLOW_PROCESS_HIGH)
#define FLOW_FINS (FLOW_FIN_LOW | FLOW_FIN_HIGH)
#define FLOW_KEEP_ALIVES (FLOW_KEEP_ALIVE_LOW | FLOW_KEEP_ALIVE_HIGH)

/* One direction: a cache line. */
struct flow_direction {
	uint64_t packets, wire_bytes, ip_bytes, captured_bytes;
	int64_t last_ns;
	int64_t next_time_ns;     /* TCP: when next_sequence moved on last */
	uint32_t next_sequence;   /* TCP: behind the highest byte sent */
	uint32_t acknowledged;    /* TCP: the last acknowledgment number */
	uint16_t window;
	uint8_t tcp_flags;
	uint8_t ttl_min, ttl_max;
	uint8_t repeated_acks;
	uint8_t vantage;          /* that of the last packet: cold->vantages has its bit */
	uint8_t bits;             /* enum flow_direction_bits */
};

enum flow_direction_bits {
	FLOW_SEQUENCE = 1, /* next_sequence is known */
	FLOW_ROUGH = 32,   /* next_sequence comes of a length that is not known exactly (FLOW_ITEM_ROUGH) */
};

/* What every packet touches: three cache lines, of which one packet needs two. */
struct flow_hot {
	struct flow_key key;
	int64_t first_ns, last_ns; /* of the record, both directions */
	uint32_t next;             /* in the bucket's chain, or in the list of free entries */
	uint16_t state;            /* enum flow_state */
	uint8_t timers;            /* how often the wheel has it: also while it is free */
	uint8_t reserved;
	struct flow_direction directions[2]; /* 0: from the lower end of the key */
};

/* What first packets, odd packets and the record touch. By direction: 0 from the lower end of the key. */
struct flow_cold {
	uint64_t hash;
	int64_t first_ns[2];
	int64_t rtt_ns;            /* see FLOW_SYN and FLOW_RTT */
	uint64_t vantages;
	uint64_t duplicates;
	uint32_t retransmissions[2], out_of_order[2], zero_windows[2];
	uint32_t first_sequence[2]; /* TCP: of the SYN */
	uint32_t spi;
	uint8_t low_mac[6], high_mac[6];
	struct weir_application application;
	uint8_t tcp_flags_initial[2], dscp[2];
	uint8_t icmp_type, icmp_code;
	uint8_t tunnel, outer_version;
	uint8_t has_spi, has_macs, has_icmp; /* no bool: it comes out of state files too */
	uint8_t reserved;
};

/* The outermost addresses of a flow inside a tunnel. Memory that is never touched while there is none. */
struct flow_outer {
	uint8_t low[16], high[16];
};

/* Which processes hold the ends, where that is known: numbers of the stage's (processes.h). Likewise. */
struct flow_process {
	uint32_t number[2];
};

_Static_assert(sizeof(struct flow_direction) == 64, "a direction is a cache line");
_Static_assert(sizeof(struct flow_hot) == 192, "hot entries are three cache lines");
_Static_assert(sizeof(struct flow_cold) == 128, "cold entries are two cache lines");

struct flow_bucket {
	uint16_t tags[FLOW_BUCKET_SLOTS]; /* 0: empty */
	uint32_t entries[FLOW_BUCKET_SLOTS];
	uint32_t chain;                   /* entries that found no place; FLOW_NONE: none */
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is a cache line");

struct flow_table {
	struct flow_hot *hot;
	struct flow_cold *cold;
	struct flow_outer *outer;
	struct flow_process *processes;
	struct flow_bucket *buckets;
	size_t bucket_bytes;   /* as allocated */
	uint64_t bucket_mask;  /* buckets - 1 */
	uint64_t bucket_most;  /* never more buckets than this */
	uint32_t capacity;     /* entries that there is room for */
	uint32_t touched;      /* entries [0, touched) were used at some time */
	uint32_t used;
	uint32_t free;         /* list of those that are not used any more */
	uint32_t hand;         /* where the search for idle flows goes on */
};

/* A table that takes no more than about memory_bytes. */
int flow_table_init(struct flow_table *table, uint64_t memory_bytes, struct weir_fault *fault);
void flow_table_free(struct flow_table *table);
uint64_t flow_table_bytes(const struct flow_table *table); /* in use now */

/* Bytes that one entry takes of the bound, timer and buckets included. */
#define FLOW_ENTRY_BYTES (sizeof(struct flow_hot) + sizeof(struct flow_cold) + sizeof(struct flow_outer) + sizeof(struct flow_process) + 32 + 8)

static inline struct flow_bucket *flow_bucket(const struct flow_table *table, uint64_t hash)
{
	return &table->buckets[hash & table->bucket_mask];
}

static inline uint16_t flow_tag(uint64_t hash) { return (uint16_t)(hash >> 48 | 1); }

/*
 * Bit 16 * i + … of the result: the slots whose tag is this one, in two halves. Compilers make one comparison of eight of it.
 */
typedef uint16_t flow_tags __attribute__((vector_size(16), may_alias));
typedef uint64_t flow_halves __attribute__((vector_size(16)));
#ifdef __SSE2__
typedef char flow_bytes __attribute__((vector_size(16)));
#endif

static inline flow_halves flow_bucket_match(const struct flow_bucket *bucket, uint16_t tag)
{
	return (flow_halves)(*(const flow_tags *)bucket->tags == (flow_tags){tag, tag, tag, tag, tag, tag, tag, tag});
}

/* The first entry in the bucket that may be the one: a guess without looking at it. FLOW_NONE: there is none but perhaps in the chain. */
static inline uint32_t flow_table_guess(const struct flow_table *table, uint64_t hash)
{
	const struct flow_bucket *bucket = flow_bucket(table, hash);
	flow_halves match = flow_bucket_match(bucket, flow_tag(hash));

#ifdef __SSE2__
	/* Two bits a slot: a third of the instructions of what follows. */
	unsigned slots = (unsigned)__builtin_ia32_pmovmskb128((flow_bytes)match);
	return slots ? bucket->entries[(unsigned)__builtin_ctz(slots) / 2] : bucket->chain;
#else
	/* In which half it stands is as good as random: no branch on it. */
	uint64_t in_second = -(uint64_t)(match[0] == 0), bits = match[0] | (match[1] & in_second);
	if (bits == 0)
		return bucket->chain;
	return bucket->entries[(unsigned)__builtin_ctzll(bits) / 16 + (4 & in_second)];
#endif
}

/* Zeroes whole lines, of entries. Not by memset: for these sizes compilers take `rep stos`, which takes longer to begin than this to end. */
static inline void flow_clear(void *lines, size_t size)
{
	for (flow_half_key *at = lines, *end = at + size / sizeof *at; at < end; at += 4)
		at[0] = at[1] = at[2] = at[3] = (flow_half_key){0};
}

/* To stand in a function that does nothing but prefetch: GCC takes such a one for a function without effects, and leaves out calls of it. */
static inline void flow_has_effects(void) { __asm__ volatile(""); }

/* Calls for what first packets, odd packets and records touch of an entry. */
static inline void flow_cold_fetch(const struct flow_table *table, uint32_t entry)
{
	__builtin_prefetch(&table->cold[entry], 1);
	__builtin_prefetch((const char *)&table->cold[entry] + 64, 1);
}

/* The entry with this key, or FLOW_NONE. */
uint32_t flow_table_find(const struct flow_table *table, const struct flow_key *key, uint64_t hash);

/*
 * A new entry with this key, cleared but for `timers`. The table must have room (flow_table_full), and the key's bucket too
 * (flow_table_crowded).
 */
uint32_t flow_table_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash);
static inline bool flow_table_full(const struct flow_table *table) { return table->used == table->capacity; }

/* The entry of a chain that is too long that was idle longest; FLOW_NONE: there is room. */
uint32_t flow_table_crowded(const struct flow_table *table, uint64_t hash);

void flow_table_remove(struct flow_table *table, uint32_t entry);

/* Takes so many empty buckets in place of those that are there. False: no memory, and nothing changed. */
bool flow_table_buckets(struct flow_table *table, uint64_t count);

int flow_table_save(const struct flow_table *table, struct weir_state *state, struct weir_fault *fault);
/* Into a table that was just made. What it reads is checked: WEIR_E_FORMAT when it is not a table. */
int flow_table_load(struct flow_table *table, struct weir_state *state, struct weir_fault *fault);

/*
 * Finds up to `most` entries that have been idle for long, oldest first: of a window of entries that moves on with each call, the oldest. The
 * count; at least one while any is used.
 */
#define FLOW_IDLE_WINDOW 64
#define FLOW_IDLE_MOST 8
unsigned flow_table_idle(struct flow_table *table, uint32_t entries[static FLOW_IDLE_MOST]);

#endif
