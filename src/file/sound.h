/*
 * file/sound.h: what sound records of pcap and blocks of pcapng look like, and where the next of them stand after damage.
 *
 * One header says little: fields that are small by chance are common. What tells records from anything else is that they chain: where
 * one ends the next begins, its lengths possible, its time near. Everything here looks at bytes in memory and changes nothing.
 */
#ifndef FILE_SOUND_H
#define FILE_SOUND_H

#include <weir/packet.h>

#include "file/pcap.h"

#define SOUND_DAY_NS (INT64_C(86400) * 1000000000)
#define SOUND_LOOK ((size_t)1 << 20) /* bytes ahead with which a search is sure: half of it is enough to tell records from records in records */
#define SOUND_IDS_MOST 64u           /* numbers of interfaces whose descriptions may have been lost */

/* What records to look for. */
struct sound_shape {
	bool pcapng, big;
	uint32_t limit;       /* captured bytes of a packet, at most */

	uint8_t header;       /* pcap: bytes of a record's header */
	uint8_t lengths;      /* enum pcap_lengths */
	uint32_t units;       /* fractions in a second; 0: not known, either */
	bool odd_fractions, odd_lengths, odd_padding; /* the file is full of impossible ones: they say nothing */

	/* pcapng: the interfaces of the section in hand, and whether descriptions of others may have been lost. */
	const struct weir_interface *const *interfaces;
	uint32_t interface_count;
	bool lost_interfaces;
};

struct sound_record {
	size_t size; /* with its header */
	const uint8_t *data;
	uint32_t captured, length; /* of a packet */
	uint32_t type;             /* of a block */
	uint32_t id;               /* of its interface in the section */
	uint64_t ticks;
	int64_t time_ns;
	bool packet, timed;
};

enum sound {
	SOUND_NOT,
	SOUND_YES,
	SOUND_BEYOND, /* so far it is, but it does not end before `end` */
};

/* Looks at one record. SOUND_YES: all of *record is set; SOUND_BEYOND: size is. */
enum sound sound_record(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, struct sound_record *record);

/* Whether what stands behind a packet's bytes in its block is what writers put there, and not bytes of a packet that was longer. */
bool sound_padding(const struct sound_record *record);

/* Whether the options of a block are well formed and end where it does. */
bool sound_options_end(struct weir_bytes options, bool big);

enum sound_end {
	CHAIN_BREAKS,
	CHAIN_ENDS,    /* with the input, exactly */
	CHAIN_WINDOW,  /* with what can be seen */
	CHAIN_ENOUGH,  /* it was not followed farther */
};

struct sound_chain {
	uint32_t records; /* each followed by another sound one, or by the end */
	size_t bytes;     /* of these */
	enum sound_end end;
	bool timed;
	int64_t first_ns, last_ns;
};

/* Follows records until something is not sound, or over records_most or bytes_most. ended: nothing follows `end`. */
void sound_chain(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, bool ended, uint32_t records_most,
                 size_t bytes_most, struct sound_chain *chain);

/* What a search knows. */
#define SOUND_SHAPES 8
struct sound_search {
	struct sound_shape shapes[SOUND_SHAPES];
	unsigned shape_count;
	uint16_t linktype;      /* of the packets before; only when `linktype_known` */
	bool linktype_known;
	int64_t before_ns[2];   /* times of the last sound packets; WEIR_NO_TIME */
	int64_t back_ns;        /* how much earlier the next may be */
	uint32_t largest;       /* captured bytes of the largest packet so far: records in it can't reach farther */
	unsigned own;           /* the first so many shapes are those of what stands before: they may go on with fewer records */
	const uint8_t *records_from; /* before it only headers are looked for; NULL: everything from the beginning on */
};

enum sound_kind {
	SOUND_RECORDS,     /* records of shapes[shape] */
	SOUND_PCAP_HEADER, /* the header of a pcap file */
	SOUND_SECTION,     /* a section header */
};

struct sound_found {
	const uint8_t *at;
	enum sound_kind kind;
	unsigned shape;
};

/*
 * Finds the first place in [from, until) at which sound records go on. The bytes up to `end` are there to be looked at: unless `ended`, there
 * should be half of SOUND_LOOK behind `until`.
 */
bool sound_find(const struct sound_search *search, const uint8_t *from, const uint8_t *until, const uint8_t *end, bool ended,
                struct sound_found *found);

/* Whether a packet of the link type looks like one: 1 a network protocol is in it, 0 nothing that is known, -1 it says impossible things. */
int sound_decodes(uint16_t linktype, const uint8_t *data, uint32_t captured, uint32_t length);

/* Whether a packet's outermost TCP or UDP checksum holds: 1, -1 it does not, 0 it has none that could be checked. */
int sound_checksum(uint16_t linktype, const uint8_t *data, uint32_t captured, uint32_t length);

/*
 * How well the packets that chain from `at` decode as a link type, and which decodes best: shares of 100. Interface id: of packets of this
 * interface only; UINT32_MAX: all.
 */
struct sound_linktype {
	unsigned packets; /* looked at */
	unsigned share;   /* of `linktype` */
	uint16_t best;
	unsigned best_share;
};
void sound_linktype(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, uint32_t id, uint16_t linktype,
                    struct sound_linktype *result);

/* What the fractions of seconds of the pcap records that chain from `at` say: 1000000, 1000000000, or 0: it can't be told. */
uint32_t sound_units(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, bool from_header);

#endif
