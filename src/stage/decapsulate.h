/*
 * stage/decapsulate.h: reading what follows an ESP header as if nothing of it were encrypted, and how much speaks for that.
 *
 * ESP (RFC 4303) is: SPI, sequence number | IV | payload | padding 1, 2, 3 … | length of the padding | next header | ICV. Where the encryption is NULL (RFC 2410)
 * the IV is empty, with AES-GMAC (RFC 4543) it has 8 bytes; the ICV's length depends on the algorithm. The packet says neither, nor whether it is
 * encrypted: that is found out as RFC 5879 does, by what is improbable in encrypted bytes. Evidence is counted in bits: n bits are
 * what random bytes show once in 2^n.
 */
#ifndef STAGE_DECAPSULATE_H
#define STAGE_DECAPSULATE_H

#include <weir/decode.h>
#include <weir/stage.h>

#include "packet/decoding.h"
#include "packet/flow_hash.h"

#define ESP_ICV_UNKNOWN 0xff
#define ESP_NO_NEXT_HEADER 59

/* A packet from behind its ESP header on. */
struct esp_view {
	const uint8_t *p;
	uint32_t visible; /* bytes that were captured */
	uint32_t total;   /* bytes on the wire, ICV and all; 0: not known (a fragment) */
	const uint8_t *data;
	const struct weir_network *network; /* around the ESP */
};

/* One way to read it. */
struct esp_reading {
	uint8_t protocol;
	uint8_t iv, icv;   /* lengths; icv may be ESP_ICV_UNKNOWN */
	uint8_t bits;      /* of evidence; 0: it can't be read so */
	bool trailer_seen; /* length is exact */
	uint32_t length;   /* of the payload, from behind the IV on; at most so much when the trailer was not seen; UINT32_MAX: not known */
	uint32_t trailer;  /* bytes behind it on the wire */
};

/* What esp_tcp_sound says, of bytes 12 to 19 and of the ports as big-endian numbers. The room is not looked at. */
static inline bool esp_tcp_sound_word(uint64_t tcp, uint32_t ports)
{
	const uint64_t flags = UINT64_C(1) << 0x10 | UINT64_C(1) << 0x11 | UINT64_C(1) << 0x02 | UINT64_C(1) << 0x12 | UINT64_C(1) << 0x04 | UINT64_C(1) << 0x14;

	return (tcp & UINT64_C(0x0f0000000000ffff)) == 0 && tcp >> 60 >= 5 && (flags >> (tcp >> 48 & 0x37) & 1) && (ports >> 16) * (ports & 0xffff) != 0;
}

/*
 * Whether a TCP header stands in the 20 bytes here, as in one of 2^26 random ones; room: bytes that it may fill at most. No urgent data: nobody
 * sends it, and it makes for half of what can be told. Reserved bits are 0. Flags (without PSH, ECE, CWR): SYN, SYN ACK, ACK, FIN ACK, RST, RST ACK.
 */
static inline bool esp_tcp_sound(const uint8_t *p, uint32_t room)
{
	uint64_t tcp = weir_load_be64(p + 12);

	return esp_tcp_sound_word(tcp, weir_load_be32(p)) && (uint32_t)(tcp >> 60) * 4 <= room;
}

/* Makes the view of a packet whose facts have WEIR_FACT_ESP. */
void esp_view_make(struct esp_view *view, const struct weir_packet *packet);

/* The most plausible reading when nothing is known; bits 0 when there is none. */
struct esp_reading esp_guess(const struct esp_view *view);

/*
 * The reading when the lengths of IV and ICV are known (icv may be ESP_ICV_UNKNOWN: then usual_icv is taken for the length of what can't
 * be seen). bits 0: it is not what this association sends.
 */
struct esp_reading esp_read(const struct esp_view *view, uint8_t iv, uint8_t icv, uint8_t usual_icv);

/* ---- associations ---- */

#define ESP_WAYS 4
#define ESP_USED_SHIFT 10
#define ESP_BLOCK 16 /* packets whose associations are called for together */
#define ESP_ICV_KINDS 9

enum { ESP_UNDECIDED, ESP_NULL, ESP_ENCRYPTED };

/* What every packet needs of an association; what only learning needs is in struct learning, at the same place of another table. */
struct association {
	uint64_t key;    /* 0: free */
	uint32_t used;   /* when it was, in packets >> ESP_USED_SHIFT */
	uint8_t state;
	uint8_t iv, icv; /* ESP_ICV_UNKNOWN */
	uint8_t misses;  /* undecided; NULL: failures in a row; encrypted: 1 when there is evidence against that */
};

struct association_set {
	struct association ways[ESP_WAYS];
};
_Static_assert(sizeof(struct association_set) == 64, "a set is a cache line");

struct decapsulate {
	struct weir_stage stage;
	struct association_set *sets;
	struct learning *learnings;
	uint64_t set_mask, most_mask; /* as many sets as are in use, as there is room for */
	struct weir_decapsulate_statistics statistics;
	uint64_t icvs[ESP_ICV_KINDS]; /* by length / 4: how often each was learned, so that the commonest can be taken where it can't be seen */
	uint8_t usual_icv;
};

static inline struct association_set *decapsulate_set(const struct decapsulate *stage, uint64_t key) { return &stage->sets[key >> 20 & stage->set_mask]; }

static inline struct weir_network *innermost_network(struct weir_facts *facts) { return &facts->networks[facts->network_count] - 1; }

/*
 * Of the SPI and the addresses: decoding has hashed these, the same for both directions, so that the end of the destination's has to come in. Without a
 * branch on the version, which could not be foretold. Never 0.
 */
static inline uint64_t decapsulate_key(const struct weir_packet *packet)
{
	struct weir_facts *facts = packet->facts;
	const struct weir_network *network = innermost_network(facts);
	uint64_t spi = weir_load_native32(packet->data + facts->payload - 8);
	uint64_t destination = weir_load_native32(packet->data + network->destination + (network->version & 2u) * 6u);
	uint64_t key = flow_hash_mix(facts->flow_hash ^ FLOW_HASH_KEY_1, (spi << 32 | destination) ^ FLOW_HASH_KEY_2);

	return key | 1;
}

/* The keys of those among `count` packets, ESP_BLOCK at most, that end at ESP and were not dropped, and 0 of the others; calls for their associations. */
static inline void decapsulate_find(const struct decapsulate *stage, const struct weir_packet *packets, uint32_t count, uint64_t keys[static ESP_BLOCK])
{
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_packet *packet = &packets[i];
		keys[i] = 0;
		if (!packet->facts || !(packet->facts->flags & WEIR_FACT_ESP) || packet->verdict == WEIR_DROP)
			continue;
		keys[i] = decapsulate_key(packet);
		__builtin_prefetch(decapsulate_set(stage, keys[i]), 1);
	}
}

struct association *decapsulate_associate_new(struct decapsulate *stage, uint64_t key);

/* The association of a packet that is counted with this. Which of the four it is could not be foretold: no branches. */
static inline struct association *decapsulate_associate(struct decapsulate *stage, uint64_t key)
{
	struct association *ways = decapsulate_set(stage, key)->ways;
	unsigned last = ways[3].key == key;
	struct association *a = &ways[(ways[1].key == key) + (((ways[2].key == key) | last) << 1) + last];

	if (__builtin_expect(a->key != key, 0))
		a = decapsulate_associate_new(stage, key);
	a->used = (uint32_t)(stage->statistics.esp++ >> ESP_USED_SHIFT);
	return a;
}

/* ---- the usual packet ---- */

/* TCP or UDP, that is no tunnel, behind the ESP header with nothing in between. */
struct esp_usual {
	uint32_t protocol; /* 6 or 17; 0: something else, or not certain */
	uint32_t end;      /* of the datagram on the wire, from the packet's first byte */
	uint32_t behind;   /* bytes behind the payload, up to `end`; less than 64 */
	uint32_t slack;    /* up to so many of the payload's last are padding, perhaps: that was cut off */
	uint32_t header;   /* length of the payload's: 20 to 60, or 8 */
	uint32_t ports;    /* the source's in the high half */
	uint64_t tcp;      /* bytes 12 to 19 of the TCP header, the first foremost: esp_tcp_… */
};

static inline uint8_t esp_tcp_flags(uint64_t tcp) { return (uint8_t)(tcp >> 48); }
static inline uint16_t esp_tcp_window(uint64_t tcp) { return (uint16_t)(tcp >> 32); }

/*
 * UDP of which the trailer was cut off: when its length and the least padding make up the rest, and its bytes are not those that would be taken for IP
 * (decapsulate_read.c). More is to be decoded behind the ports of a tunnel.
 */
static inline bool esp_is_cut_udp(const uint8_t *p, uint32_t total, uint32_t icv)
{
	uint32_t length = weir_load_be16(p + 4), version = p[0] >> 4;

	return length >= 8 && length + ((0u - length - 2) & 3) + 2 + icv == total && version != 4 && version != 6 && weir_load_native16(p) &&
	       weir_load_native16(p + 2) && udp_ports_are_plain(weir_load_be16(p), weir_load_be16(p + 2));
}

/* The end of a payload that is TCP, by the length of its padding: what the last bytes before the ICV are to be, and which of them count. */
static const struct {
	uint64_t mask, value;
} esp_tcp_trailers[4] = {{0xffff, 0x0006}, {0xffffff, 0x010106}, {0xffffffff, 0x01020206}, {UINT64_C(0xffffffffff), UINT64_C(0x0102030306)}};

/*
 * Whether it may be usual: ESP in a whole datagram, of an association that is known to have nothing but 20 bytes or more of payload and a trailer around an ICV
 * of known length. four: network->version is 4.
 */
static inline __attribute__((always_inline)) bool esp_framed(const struct weir_packet *packet, const struct weir_facts *facts, const struct weir_network *network,
                                                             const struct association *a, bool four, uint32_t *end)
{
	const uint8_t *ip = packet->data + network->offset;
	uint32_t at = facts->payload;

	*end = network->offset + (four ? weir_load_be16(ip + 2) : 40u + weir_load_be16(ip + 4));
	return a->state == ESP_NULL && a->iv == 0 && a->icv != ESP_ICV_UNKNOWN && facts->layer_count != WEIR_LAYERS_MAX && network->protocol == 50 &&
	       !(network->flags & WEIR_NETWORK_FRAGMENT) && *end <= packet->length && network->end >= at + 20 && *end >= at + 22 + a->icv &&
	       ((*end - at) & 3) == 0;
}

/*
 * What most packets are: TCP in transport mode, of an association that is known. As the general way reads it. Whether the trailer was cut off can't be
 * foretold: there is no branch on that.
 */
static inline __attribute__((always_inline)) struct esp_usual esp_read_tcp(const struct weir_packet *packet, const struct weir_facts *facts,
                                                                           const struct weir_network *network, const struct association *a, bool four)
{
	struct esp_usual usual = {.protocol = 0};

	if (!esp_framed(packet, facts, network, a, four, &usual.end))
		return usual;
	uint32_t at = facts->payload, icv = a->icv, room = usual.end - icv - 2 - at;
	const uint8_t *p = packet->data + at;
	/* All ones when the trailer was captured. If not: anything that may be read is taken for it. */
	uint64_t whole = (uint64_t)0 - (network->end >= usual.end - icv);
	uint64_t trailer = weir_load_be64(p - 6 + (room & whole));
	uint32_t padding = (uint32_t)(trailer >> 8 & 3 & whole);

	usual.tcp = weir_load_be64(p + 12);
	usual.ports = weir_load_be32(p);
	usual.header = (uint32_t)(usual.tcp >> 60) * 4;
	usual.behind = icv + 2 + padding;
	usual.slack = 3 & ~(uint32_t)whole;
	if (__builtin_expect(((trailer ^ esp_tcp_trailers[padding].value) & esp_tcp_trailers[padding].mask & whole) == 0, 1) &&
	    usual.header + padding <= room && esp_tcp_sound_word(usual.tcp, usual.ports))
		usual.protocol = 6;
	return usual;
}

/* The same of UDP, which is asked for when it is not TCP. */
static inline struct esp_usual esp_read_udp(const struct weir_packet *packet, const struct weir_facts *facts, const struct weir_network *network,
                                            const struct association *a, bool four)
{
	struct esp_usual usual = {.header = 8};

	if (!esp_framed(packet, facts, network, a, four, &usual.end))
		return usual;
	uint32_t at = facts->payload, icv = a->icv, total = usual.end - at, room = total - icv - 2;
	const uint8_t *p = packet->data + at;
	uint16_t length = weir_load_be16(p + 4);

	usual.ports = weir_load_be32(p);
	if (network->end < usual.end - icv) {
		usual.behind = total - length;
		usual.protocol = esp_is_cut_udp(p, total, icv) ? 17 : 0;
		return usual;
	}
	uint64_t trailer = weir_load_be64(p - 6 + room);
	uint32_t padding = (uint32_t)(trailer >> 8 & 3);
	usual.behind = icv + 2 + padding;
	if (((trailer ^ esp_tcp_trailers[padding].value) & esp_tcp_trailers[padding].mask) == (6 ^ 17) && length + padding == room &&
	    udp_ports_are_plain((uint16_t)(usual.ports >> 16), (uint16_t)usual.ports))
		usual.protocol = 17;
	return usual;
}

/* The end of what was captured of its payload. */
static inline uint32_t esp_payload_end(struct esp_usual usual, const struct weir_network *network)
{
	uint32_t end = usual.end - usual.behind;

	return end < network->end ? end : network->end;
}

/* Enters into the facts what was read. */
static inline void esp_open(struct weir_packet *packet, struct esp_usual usual)
{
	struct weir_facts *facts = packet->facts;

	facts->trailer = usual.behind + usual.slack;
	facts->flags |= WEIR_FACT_ESP_NULL;
	decode_behind_esp(packet, facts, facts->payload, esp_payload_end(usual, &facts->networks[facts->network_count - 1]), (uint8_t)usual.protocol);
}

/* The association's packet was read in the usual way. */
static inline void decapsulate_opened(struct decapsulate *stage, struct association *a)
{
	a->misses = 0;
	stage->statistics.opened++;
}

/* A packet that is not usual, or of an association that is not settled: as far as that goes. */
void decapsulate_odd(struct decapsulate *stage, struct association *a, struct weir_packet *packet, uint64_t key);

#endif
