/* One record, and how records chain. */
#include "file/sound.h"

#include "file/option.h"

#define SECOND_NS INT64_C(1000000000)
#define OWN_BLOCK_MOST ((uint32_t)1 << 20) /* of types that are not pcapng's own */
#define ODD_LENGTH_MOST 0xffffffu /* on the wire, where lengths are odd */
#define OTHER_BLOCK_MOST ((uint32_t)64 << 20)

static inline enum sound pcap_record(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end,
                                     struct sound_record *record)
{
	bool big = shape->big;

	if ((size_t)(end - at) < shape->header) {
		record->size = shape->header;
		return SOUND_BEYOND;
	}
	uint32_t captured = weir_load32(at + 8, big), length = weir_load32(at + 12, big);
	if (shape->lengths == PCAP_LENGTH_FIRST || (shape->lengths == PCAP_LESS_IS_CAPTURED && captured > length)) {
		uint32_t first = captured;
		captured = length;
		length = first;
	}
	if (captured - 1 >= shape->limit)
		return SOUND_NOT;
	if ((length < captured || length > shape->limit) && (!shape->odd_lengths || length > (shape->limit | ODD_LENGTH_MOST)))
		return SOUND_NOT;
	uint32_t seconds = weir_load32(at, big), fraction = weir_load32(at + 4, big);
	uint32_t units = shape->units ? shape->units : 1000000000u;
	if (fraction >= units && !shape->odd_fractions)
		return SOUND_NOT;
	record->size = (size_t)shape->header + captured;
	if (record->size > (size_t)(end - at))
		return SOUND_BEYOND;
	record->data = at + shape->header;
	record->captured = captured;
	record->length = length;
	record->type = 0;
	record->id = 0;
	record->ticks = (uint64_t)seconds * units + fraction;
	/* Of unknown units only the seconds count: order within a second is not looked at then. */
	record->time_ns = (int64_t)seconds * SECOND_NS + (shape->units ? (int64_t)fraction * (1000000000u / units) : 0);
	record->packet = record->timed = true;
	return SOUND_YES;
}

/* Types of blocks that there are. Others are sound to a reader, but no landmark. */
static bool known_block(uint32_t type, uint32_t total)
{
	if (type == 0)
		return false;
	if (type <= 0x20 || type == PCAPNG_SHB || type == PCAPNG_CUSTOM || type == PCAPNG_CUSTOM_NO_COPY)
		return true;
	return ((type >= 0x200 && type < 0x300) || type >> 31) && total <= OWN_BLOCK_MOST;
}

bool sound_padding(const struct sound_record *record)
{
	/* An end of options without options is legal, but nobody writes it: four zeros that were a cut packet's, more likely. */
	if (record->captured < record->length && record->size == PCAPNG_EPB_BYTES + pcapng_padded(record->captured) + 4)
		return false;
	for (uint32_t i = record->captured; i & 3; i++)
		if (record->data[i])
			return false;
	return true;
}

static bool packet_block(const struct sound_shape *shape, const uint8_t *at, uint32_t total, struct sound_record *record)
{
	bool big = shape->big;

	if (total < PCAPNG_EPB_BYTES)
		return false;
	record->id = record->type == PCAPNG_PB ? weir_load16(at + 8, big) : weir_load32(at + 8, big);
	record->captured = weir_load32(at + 20, big);
	record->length = weir_load32(at + 24, big);
	record->data = at + 28;
	record->ticks = (uint64_t)weir_load32(at + 12, big) << 32 | weir_load32(at + 16, big);
	record->packet = true;
	if (record->captured > shape->limit || pcapng_padded(record->captured) > total - PCAPNG_EPB_BYTES)
		return false;
	if (record->captured > record->length && !shape->odd_lengths)
		return false;
	/* Packet bytes that a lying length makes options of seldom parse, and do not end with the block. */
	struct weir_bytes options = pcapng_packet_options(at, total, big);
	if (options.length && !sound_options_end(options, big))
		return false;
	if (!shape->odd_padding && !sound_padding(record))
		return false;
	if (record->id < shape->interface_count) {
		record->timed = true;
		record->time_ns = weir_interface_time(shape->interfaces[record->id], record->ticks);
		return true;
	}
	return shape->lost_interfaces && record->id < SOUND_IDS_MOST;
}

bool sound_options_end(struct weir_bytes options, bool big)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	const uint8_t *end = options.data;
	uint16_t code;

	while (pcapng_option_next(&cursor, big, &code, &value))
		end = value.data + pcapng_padded(value.length);
	size_t left = (size_t)(options.data + options.length - end);
	return !cursor.failed && (left == 0 || (left == 4 && weir_load_native32(end) == 0));
}

/* The same as pcapng.c takes, but for versions of sections; and types that nobody knows are not sound. */
static bool block_content(const struct sound_shape *shape, const uint8_t *at, uint32_t total, struct sound_record *record)
{
	bool big = shape->big;

	switch (record->type) {
	case PCAPNG_EPB:
	case PCAPNG_PB:
		return packet_block(shape, at, total, record);
	case PCAPNG_SPB:
		record->packet = true;
		record->data = at + 12;
		record->length = total >= 16 ? weir_load32(at + 8, big) : 0;
		record->captured = record->length < total - 16 ? record->length : total - 16;
		return total > 16 && pcapng_padded(record->captured) == total - 16 &&
		       (shape->lost_interfaces || (shape->interface_count && record->captured <= shape->limit));
	case PCAPNG_IDB:
		return total >= PCAPNG_IDB_BYTES && pcapng_options_sound((struct weir_bytes){at + 16, total - PCAPNG_IDB_BYTES}, big);
	case PCAPNG_SHB:
		return total >= PCAPNG_SHB_BYTES && weir_load32(at + 8, big) == PCAPNG_BYTE_ORDER && weir_load16(at + 12, big) == 1;
	default:
		return true;
	}
}

static enum sound pcapng_block(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, struct sound_record *record)
{
	size_t left = (size_t)(end - at);

	record->size = 12;
	if (left < 12)
		return SOUND_BEYOND;
	uint32_t type = weir_load32(at, shape->big), total = weir_load32(at + 4, shape->big);
	if (total < 12 || (total & 3) || total > OTHER_BLOCK_MOST || !known_block(type, total))
		return SOUND_NOT;
	if ((type == PCAPNG_EPB || type == PCAPNG_PB || type == PCAPNG_SPB) && total - 12 > (uint64_t)shape->limit + OWN_BLOCK_MOST)
		return SOUND_NOT;
	record->size = total;
	if (total > left)
		return SOUND_BEYOND;
	if (weir_load32(at + total - 4, shape->big) != total)
		return SOUND_NOT;
	*record = (struct sound_record){.size = total, .type = type};
	return block_content(shape, at, total, record) ? SOUND_YES : SOUND_NOT;
}

enum sound sound_record(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, struct sound_record *record)
{
	return shape->pcapng ? pcapng_block(shape, at, end, record) : pcap_record(shape, at, end, record);
}

/* Whether other records begin here: of a file that was put behind this one. */
static bool other_file(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end)
{
	size_t left = (size_t)(end - at);

	if (left < PCAP_HEADER_BYTES)
		return false;
	uint32_t magic = weir_load_be32(at);
	if (magic == PCAPNG_SHB)
		return !shape->pcapng && (weir_load_be32(at + 8) == PCAPNG_BYTE_ORDER || weir_load_le32(at + 8) == PCAPNG_BYTE_ORDER);
	uint32_t little = weir_load_le32(at);
	bool pcap = magic == PCAP_MAGIC || magic == PCAP_MAGIC_NS || magic == PCAP_MAGIC_MODIFIED || little == PCAP_MAGIC ||
	            little == PCAP_MAGIC_NS || little == PCAP_MAGIC_MODIFIED;
	return pcap && weir_load16(at + 4, magic >> 24 == 0xa1) == 2;
}

/* Times of neighbours are near each other; files that nobody sorted stay within a day too. */
static bool near(const struct sound_chain *chain, int64_t time_ns)
{
	int64_t step;

	return !chain->timed || (!__builtin_sub_overflow(time_ns, chain->last_ns, &step) && step < SOUND_DAY_NS && step > -SOUND_DAY_NS);
}

/* Whether a record whose time is far from those before it is followed by one that is near it: then the clock has jumped. */
static bool jumped(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, const struct sound_record *record)
{
	struct sound_chain alone = {.timed = true, .last_ns = record->time_ns};
	struct sound_record next;

	at += record->size;
	return sound_record(shape, at, end, &next) == SOUND_YES && next.timed && near(&alone, next.time_ns);
}

void sound_chain(const struct sound_shape *given, const uint8_t *at, const uint8_t *end, bool ended, uint32_t records_most,
                 size_t bytes_most, struct sound_chain *chain)
{
	const uint8_t *from = at;
	struct sound_shape shape = *given;
	struct sound_record record;
	uint32_t last = 0; /* size of the last record, which nothing has confirmed yet */

	*chain = (struct sound_chain){.end = CHAIN_ENOUGH};
	while (chain->records < records_most && chain->bytes < bytes_most) {
		if (at == end) {
			chain->end = ended ? CHAIN_ENDS : CHAIN_WINDOW;
			break;
		}
		enum sound sound = sound_record(&shape, at, end, &record);
		/* Not behind the first, which may be no record at all, but end where one begins. */
		if (sound == SOUND_YES && (!record.timed || near(chain, record.time_ns) ||
		                           (chain->records > 1 && jumped(&shape, at, end, &record)))) {
			chain->records++;
			chain->bytes = (size_t)(at - from) + record.size;
			if (record.timed) {
				if (!chain->timed)
					chain->first_ns = record.time_ns;
				chain->last_ns = record.time_ns;
				chain->timed = true;
			}
			/* Behind a section header or an interface other ids are sound than those that are known here. */
			if (record.type == PCAPNG_SHB || record.type == PCAPNG_IDB)
				shape.lost_interfaces = true;
			at += record.size;
			last = (uint32_t)record.size;
			continue;
		}
		if (at != from && other_file(&shape, at, end))
			chain->end = CHAIN_ENDS;
		else if (sound == SOUND_BEYOND && !ended)
			chain->end = CHAIN_WINDOW;
		else
			chain->end = CHAIN_BREAKS;
		break;
	}
	/* Blocks say their length twice; a record is only as good as the one behind it. */
	if (chain->end == CHAIN_BREAKS && chain->records && !shape.pcapng) {
		chain->records--;
		chain->bytes -= last;
	}
}
