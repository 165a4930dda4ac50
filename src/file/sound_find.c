/* The search for the next place at which records chain. */
#include "file/sound.h"

#include "file/option.h"

#define NEAR_RECORDS 32              /* of a chain that goes on where the last one ended in time */
#define FAR_RECORDS 3                /* of one that does not, */
#define FAR_BYTES ((size_t)8 << 10)  /* and its length, if no larger packets are known: one packet may hold records itself */
#define STEPS_MOST 4000000u            /* records followed for far chains in one search: bounds its time on hostile input */
#define OUR_DAYS_NS (INT64_C(631152000) * 1000000000) /* from 1990 on */
#define TIGHT_NS (INT64_C(60) * 1000000000)

struct finder {
	const struct sound_search *search;
	const uint8_t *end;
	bool ended;
	uint32_t steps;
};

/* Whether a time is where the times of the next packets are to be expected. */
static bool follows(const struct sound_search *search, int64_t time_ns, int64_t most_ns)
{
	for (unsigned i = 0; i < 2; i++) {
		int64_t step;
		if (search->before_ns[i] != WEIR_NO_TIME && !__builtin_sub_overflow(time_ns, search->before_ns[i], &step) &&
		    step >= -search->back_ns && step <= most_ns)
			return true;
	}
	return false;
}

static bool times_known(const struct sound_search *search)
{
	return search->before_ns[0] != WEIR_NO_TIME || search->before_ns[1] != WEIR_NO_TIME;
}

/* A chain of one or two that goes on where it should: its first packet has to look like one, too. */
static bool short_chain(const struct finder *finder, const struct sound_shape *shape, const uint8_t *at,
                        const struct sound_chain *chain)
{
	struct sound_record record;

	if (chain->records >= 2 || shape->pcapng)
		return true;
	if (!follows(finder->search, chain->first_ns, TIGHT_NS) || !finder->search->linktype_known)
		return false;
	return sound_record(shape, at, finder->end, &record) == SOUND_YES &&
	       sound_decodes(finder->search->linktype, record.data, record.captured, record.length) == 1;
}

/* All that a file without a header has: of our days, and it looks like a packet of some kind. */
static bool lone_packet(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end)
{
	struct sound_linktype decoded;
	struct sound_record record;

	if (sound_record(shape, at, end, &record) != SOUND_YES || (record.timed && record.time_ns < OUR_DAYS_NS))
		return false;
	sound_linktype(shape, at, end, UINT32_MAX, 1, &decoded);
	return decoded.best_share == 100;
}

/*
 * A record between two damaged ones: nothing but itself tells that it is sound. Its time is where it should be, it decodes, and its checksum
 * holds; or if it has none, the next header's time is near as well.
 */
static bool stands_alone(const struct finder *finder, const struct sound_shape *shape, const uint8_t *at)
{
	const struct sound_search *search = finder->search;
	struct sound_record record;

	if (shape->pcapng || !search->linktype_known || sound_record(shape, at, finder->end, &record) != SOUND_YES ||
	    !follows(search, record.time_ns, TIGHT_NS))
		return false;
	int decodes = sound_decodes(search->linktype, record.data, record.captured, record.length);
	int checksum = decodes == 1 ? sound_checksum(search->linktype, record.data, record.captured, record.length) : 0;
	const uint8_t *next = at + record.size;
	if (decodes < 0 || checksum != 0 || finder->end - next < 4)
		return checksum == 1;
	int64_t step = (int64_t)weir_load32(next, shape->big) * 1000000000 - record.time_ns;
	return step >= -search->back_ns && step < TIGHT_NS;
}

static bool goes_on(struct finder *finder, const struct sound_shape *shape, bool own, const uint8_t *at)
{
	const struct sound_search *search = finder->search;
	struct sound_chain chain;

	sound_chain(shape, at, finder->end, finder->ended, NEAR_RECORDS, SIZE_MAX, &chain);
	if (chain.records == 0)
		return own && stands_alone(finder, shape, at);
	/* Blocks without times are sure enough by their lengths. */
	bool timed = chain.timed && times_known(search);
	bool near = own && (timed ? follows(search, chain.first_ns, SOUND_DAY_NS) : shape->pcapng);
	if (near)
		return chain.end != CHAIN_BREAKS || short_chain(finder, shape, at, &chain);
	/* Another time, or another shape: then not by what a single packet could hold. */
	size_t enough = 2 * (size_t)search->largest > FAR_BYTES ? 2 * (size_t)search->largest : FAR_BYTES;
	if (chain.end == CHAIN_ENOUGH && chain.bytes < enough && finder->steps < STEPS_MOST) {
		sound_chain(shape, at, finder->end, finder->ended, UINT32_MAX, enough, &chain);
		finder->steps += chain.records;
	}
	if (chain.end == CHAIN_ENDS)
		return chain.records >= 2 || (!times_known(search) && lone_packet(shape, at, finder->end));
	if (!times_known(search))
		return chain.records >= (shape->pcapng ? 1 : FAR_RECORDS);
	return chain.records >= FAR_RECORDS && chain.bytes >= enough;
}

/* The header of a pcap file, and a record behind it. */
static bool pcap_header(struct finder *finder, const uint8_t *at, uint32_t limit)
{
	struct pcap_shape header;
	struct sound_chain chain;
	size_t left = (size_t)(finder->end - at);

	if (left < PCAP_HEADER_BYTES)
		return false;
	pcap_shape_parse(at, &header);
	if (header.version_major != 2 || header.version_minor > 4 || (header.network & 0x03ff0000u))
		return false;
	if (left == PCAP_HEADER_BYTES)
		return finder->ended;
	struct sound_shape shape = {
		.big = header.big_endian, .limit = limit, .header = header.record_header, .lengths = (uint8_t)header.lengths,
		.units = header.resolution == 9 ? 1000000000u : 1000000u,
	};
	sound_chain(&shape, at + PCAP_HEADER_BYTES, finder->end, finder->ended, NEAR_RECORDS, SIZE_MAX, &chain);
	return chain.records >= (chain.end == CHAIN_BREAKS ? 2 : 1);
}

static bool section_header(struct finder *finder, const uint8_t *at, uint32_t limit)
{
	size_t left = (size_t)(finder->end - at);
	struct sound_record record;

	if (left < PCAPNG_SHB_BYTES)
		return false;
	struct sound_shape shape = {
		.pcapng = true, .big = weir_load_be32(at + 8) == PCAPNG_BYTE_ORDER, .limit = limit, .lost_interfaces = true,
	};
	if (sound_record(&shape, at, finder->end, &record) != SOUND_YES || record.type != PCAPNG_SHB)
		return false;
	/* Something sound follows, or nothing. */
	enum sound next = sound_record(&shape, at + record.size, finder->end, &record);
	return next == SOUND_YES || (next == SOUND_BEYOND && !finder->ended) || at + record.size == finder->end;
}

/* What can be seen at a glance: lengths that could be, before anything is followed. */
static inline bool could_be(const struct sound_shape *shape, const uint8_t *at)
{
	if (shape->pcapng) {
		uint32_t total = weir_load32(at + 4, shape->big);
		return total >= 12 && !(total & 3) && total <= shape->limit + 65536u;
	}
	uint32_t first = weir_load32(at + 8, shape->big), second = weir_load32(at + 12, shape->big);
	return shape->odd_lengths || (first - 1 < shape->limit && second - 1 < shape->limit);
}

bool sound_find(const struct sound_search *search, const uint8_t *from, const uint8_t *until, const uint8_t *end, bool ended,
                struct sound_found *found)
{
	struct finder finder = {.search = search, .end = end, .ended = ended};
	uint32_t limit = search->shapes[0].limit;

	for (const uint8_t *at = from; at < until && end - at >= 12; at++) {
		uint32_t word = weir_load_be32(at);
		bool header = word == PCAP_MAGIC || word == PCAP_MAGIC_NS || word == PCAP_MAGIC_MODIFIED ||
		              word == weir_swap32(PCAP_MAGIC) || word == weir_swap32(PCAP_MAGIC_NS) ||
		              word == weir_swap32(PCAP_MAGIC_MODIFIED);
		*found = (struct sound_found){.at = at};
		if (header && pcap_header(&finder, at, limit)) {
			found->kind = SOUND_PCAP_HEADER;
			return true;
		}
		if (word == PCAPNG_SHB && section_header(&finder, at, limit)) {
			found->kind = SOUND_SECTION;
			return true;
		}
		if (at < search->records_from || end - at < 16)
			continue;
		for (unsigned i = 0; i < search->shape_count; i++) {
			if (could_be(&search->shapes[i], at) && goes_on(&finder, &search->shapes[i], i < search->own, at)) {
				found->shape = i;
				return true;
			}
		}
	}
	return false;
}
