/*
 * Headers: those that are there, those that are wrong, and those that have to be made. What is made is put into the window as if it stood in the
 * file, so that the ordinary reader reads it.
 */
#include <stdlib.h>

#include "file/option.h"
#include "file/writer.h"
#include "stage/repair.h"

#define PACKETS_TELL 4u          /* packets that are enough to tell a link type by */
#define SHARE_FOREIGN 20u        /* percent that decode as the header's link type when it is another file's, */
#define SHARE_OWN 80u            /* and as the right one */
#define SHARE_LIKELY 30u         /* as the best of all, when there is no header */
#define LINKTYPE_UNKNOWN 147u    /* LINKTYPE_USER0: nothing is claimed about it */
#define BLOCKS_LOOKED_AT 4096
#define HABIT_RECORDS 256
#define YEAR_SECONDS (UINT64_C(31557600))

static int put_in(struct repair *repair, const void *data, size_t length, struct weir_fault *fault)
{
	int error = capture_insert(repair->capture, data, length, fault);

	if (!error)
		repair->inserted += length;
	return error;
}

static int begin(struct repair *repair, struct weir_fault *fault)
{
	int error = capture_begin(repair->capture, fault);

	if (error)
		return error;
	repair->begun = true;
	repair->section_packets = 0;
	repair->shape = (struct sound_shape){0};
	repair_reshape(repair);
	return 0;
}

/* Header for pcap records that stand at the window's beginning, which has none, or a wrong one. */
static int make_pcap_header(struct repair *repair, const struct sound_shape *shape, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	bool before = repair->begun && !repair->shape.pcapng;
	uint16_t linktype = before ? capture->state.pcap.linktype : 1;
	uint32_t units = sound_units(shape, capture->at, capture->end, false);
	uint8_t header[PCAP_HEADER_BYTES];
	struct sound_linktype decoded;

	if (!units)
		units = before ? repair->shape.units : 1000000u;
	sound_linktype(shape, capture->at, capture->end, UINT32_MAX, linktype, &decoded);
	if (before ? decoded.share < SHARE_FOREIGN && decoded.best_share > SHARE_OWN : decoded.best_share >= SHARE_LIKELY)
		linktype = decoded.best;
	else if (!before)
		linktype = LINKTYPE_UNKNOWN;
	struct pcap_shape made = {
		.format = shape->header == PCAP_MODIFIED_RECORD_BYTES ? WEIR_FORMAT_PCAP_MODIFIED
		          : units == 1000000000u                      ? WEIR_FORMAT_PCAP_NS
		                                                      : WEIR_FORMAT_PCAP,
		.big_endian = shape->big,
		.snaplen = before ? capture->header.snaplen : capture_packet_limit(capture, linktype),
		.linktype = linktype,
	};
	pcap_header_make(&made, header);
	int error = put_in(repair, header, sizeof header, fault);
	return error ? error : begin(repair, fault);
}

uint32_t repair_missing_interfaces(const struct repair *repair, const struct sound_shape *shape)
{
	const struct capture *capture = repair->capture;
	const uint8_t *at = capture->at;
	uint32_t known = shape->interface_count, missing = 0;
	struct sound_shape lost = *shape;
	struct sound_record record;

	lost.lost_interfaces = true;
	for (int i = 0; shape->pcapng && i < BLOCKS_LOOKED_AT && sound_record(&lost, at, capture->end, &record) == SOUND_YES; i++) {
		if (record.type == PCAPNG_SHB)
			break;
		if (record.type == PCAPNG_IDB)
			known++;
		if (record.packet && record.id >= known + missing)
			missing = record.id + 1 - known;
		at += record.size;
	}
	return missing;
}

/* The resolution with which the first packet of the interface is of our days. */
static uint8_t likely_resolution(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, uint32_t id)
{
	static const struct {
		uint8_t resolution;
		uint64_t units;
	} all[] = {{6, 1000000}, {9, 1000000000}, {3, 1000}, {0, 1}};
	struct sound_record record;

	for (int i = 0; i < BLOCKS_LOOKED_AT && sound_record(shape, at, end, &record) == SOUND_YES; i++) {
		at += record.size;
		if (!record.packet || record.id != id || record.type == PCAPNG_SPB)
			continue;
		for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
			if (record.ticks / all[j].units > 15 * YEAR_SECONDS && record.ticks / all[j].units < 130 * YEAR_SECONDS)
				return all[j].resolution;
		break;
	}
	return 6;
}

/* Descriptions of the interfaces whose own were lost, by what their packets say. Put in from the last to the first. */
static int put_interfaces(struct repair *repair, const struct sound_shape *shape, uint32_t missing, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	struct sound_shape lost = *shape;
	int error = 0;

	lost.lost_interfaces = true;
	size_t made = 0;
	while (missing-- && !error) {
		const uint8_t *at = capture->at + made;
		uint32_t id = shape->interface_count + missing, length;
		struct sound_linktype decoded;
		sound_linktype(&lost, at, capture->end, id, 1, &decoded);
		struct weir_interface interface = {
			.linktype = decoded.best_share >= SHARE_LIKELY ? decoded.best : decoded.packets ? LINKTYPE_UNKNOWN : 1,
			.resolution = likely_resolution(&lost, at, capture->end, id),
			.big_endian = shape->big,
		};
		uint8_t *block = pcapng_make_interface(&interface, shape->big, &length);
		if (!block)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for an interface");
		error = put_in(repair, block, length, fault);
		made += length;
		free(block);
	}
	return error;
}

int repair_adopt(struct repair *repair, enum sound_kind kind, const struct sound_shape *shape, struct weir_fault *fault)
{
	bool same = repair->begun && kind == SOUND_RECORDS && shape->big == repair->shape.big && shape->pcapng == repair->shape.pcapng &&
	            (shape->pcapng || shape->header == repair->shape.header);
	uint8_t section[PCAPNG_SHB_BYTES];
	int error = 0;

	if (kind != SOUND_RECORDS)
		return begin(repair, fault);
	if (!shape->pcapng)
		return same ? 0 : make_pcap_header(repair, shape, fault);
	uint32_t missing = repair_missing_interfaces(repair, shape);
	if (missing && (!same || repair->shape.lost_interfaces))
		error = put_interfaces(repair, shape, missing, fault);
	if (error || same)
		return error;
	pcapng_make_section(shape->big, section);
	error = put_in(repair, section, sizeof section, fault);
	return error ? error : begin(repair, fault);
}

/* The shape that a pcap header gives its records. */
static struct sound_shape shape_of(const struct capture *capture, const struct pcap_shape *header)
{
	return (struct sound_shape){
		.big = header->big_endian,
		.limit = capture_packet_limit(capture, header->linktype),
		.header = header->record_header,
		.lengths = (uint8_t)header->lengths,
		.units = header->resolution == 9 ? 1000000000u : 1000000u,
	};
}

/* Which impossible things are common in a file, so that they say nothing about its records. */
static void find_habits(struct repair *repair)
{
	const struct capture *capture = repair->capture;
	const uint8_t *at = capture->at;
	struct sound_shape lax = repair->shape;
	unsigned records = 0, fractions = 0, lengths = 0, padding = 0;
	struct sound_record record;
	struct sound_chain chain;

	lax.odd_fractions = lax.odd_lengths = lax.odd_padding = true;
	sound_chain(&lax, at, capture->end, capture->ended, HABIT_RECORDS, SIZE_MAX, &chain);
	for (uint32_t i = 0; i < chain.records && sound_record(&lax, at, capture->end, &record) == SOUND_YES; i++) {
		/* Behind a jump they may be no records: lax as this is, much chains. */
		int64_t step;
		if (record.timed && (__builtin_sub_overflow(record.time_ns, chain.first_ns, &step) || step > SOUND_DAY_NS || step < -SOUND_DAY_NS))
			break;
		if (record.packet) {
			records++;
			lengths += record.captured > record.length || record.length > lax.limit;
			fractions += !lax.pcapng && weir_load32(at + 4, lax.big) >= lax.units;
			padding += lax.pcapng && !sound_padding(&record);
		}
		at += record.size;
	}
	/* Where it breaks the odd ones may be why. */
	bool broken = chain.end == CHAIN_BREAKS;
	if (broken && records < 32)
		return;
	repair->shape.odd_lengths = lengths && 2 * lengths >= records;
	repair->shape.odd_fractions = fractions && 2 * fractions >= records;
	repair->shape.odd_padding = padding > 8 || (padding && 2 * padding >= records);
}

/* Whether the first sound records behind a header are not of the kind that it says. */
static bool other_kind(const struct repair *repair, const struct sound_shape *shape, const uint8_t *at)
{
	const struct capture *capture = repair->capture;
	struct sound_search search;
	struct sound_found found;

	repair_describe(repair, &search);
	if (!sound_find(&search, at, capture->end, capture->end, capture->ended, &found) || found.kind != SOUND_RECORDS)
		return false;
	const struct sound_shape *other = &search.shapes[found.shape];
	return other->pcapng || other->big != shape->big || other->header != shape->header;
}

/*
 * A pcap header at the window's beginning. The records behind it may show it to be another file's: of another link type, precision or order of
 * lengths; or of another byte order or format, so that nothing behind it is sound as it says. Then WEIR_E_FORMAT: it is no header.
 */
static int begin_pcap(struct repair *repair, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	const uint8_t *at = capture->at + PCAP_HEADER_BYTES;
	struct pcap_shape header;
	struct sound_chain chain, other;
	struct sound_linktype decoded;
	bool foreign = false;

	if (capture_left(capture) < PCAP_HEADER_BYTES)
		return begin(repair, fault);
	pcap_shape_parse(capture->at, &header);
	struct sound_shape shape = shape_of(capture, &header);
	shape.units = 0;
	sound_chain(&shape, at, capture->end, capture->ended, 64, SIZE_MAX, &chain);
	if (chain.end == CHAIN_BREAKS && shape.lengths != PCAP_CAPTURED_FIRST) {
		struct sound_shape usual = shape;
		usual.lengths = PCAP_CAPTURED_FIRST;
		sound_chain(&usual, at, capture->end, capture->ended, 64, SIZE_MAX, &other);
		foreign = other.records > chain.records && other.end != CHAIN_BREAKS;
		if (foreign)
			shape = usual;
	}
	if (chain.records || foreign) {
		uint32_t units = sound_units(&shape, at, capture->end, true);
		foreign |= units && units != (header.resolution == 9 ? 1000000000u : 1000000u) && !(header.network >> 16 & 0x3ff);
		sound_linktype(&shape, at, capture->end, UINT32_MAX, header.linktype, &decoded);
		foreign |= decoded.packets >= PACKETS_TELL && decoded.share < SHARE_FOREIGN && decoded.best_share > SHARE_OWN;
	}
	if (!chain.records && !foreign && other_kind(repair, &shape, at))
		return capture_fail(capture, fault, WEIR_E_FORMAT, "the header is of another file");
	if (!foreign)
		return begin(repair, fault);
	repair_damage_begin(repair, "foreign header");
	capture->at = at;
	repair_damage_end(repair, chain.timed ? chain.first_ns : WEIR_NO_TIME);
	return make_pcap_header(repair, &shape, fault);
}

/* How many packets repair finds at the beginning of the file, with a transfer in text mode undone or not. */
static uint64_t packets_with(const struct repair *repair, enum repair_text text)
{
	const struct capture *capture = repair->capture;
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source = NULL;
	uint64_t packets = 0;

	if (batch && repair_open_memory(capture->at, capture_left(capture), capture->name, &capture->options, text, NULL, NULL, &source,
	                                NULL) == 0)
		while (source->ops->fill(source, batch, NULL) > 0) {
			packets += batch->count;
			weir_batch_reset(batch);
		}
	weir_source_close(source);
	weir_batch_free(batch);
	return packets;
}

/*
 * A transfer in text mode put a CR before each LF: none stands alone then, which in packets seldom happens by itself. Some programs left
 * those alone that had one; then more packets are sound as they stand than with all of them taken away.
 */
static bool text_mode(const struct repair *repair)
{
	const struct capture *capture = repair->capture;
	const uint8_t *at = capture->at;
	size_t left = capture_left(capture), feeds = 0;

	if (repair->text != REPAIR_TEXT_FIND_OUT)
		return repair->text == REPAIR_TEXT_UNDO;
	for (size_t i = 0; i < left; i++) {
		if (at[i] != '\n')
			continue;
		if (i == 0 || at[i - 1] != '\r')
			return false;
		feeds++;
	}
	return feeds && packets_with(repair, REPAIR_TEXT_UNDO) > packets_with(repair, REPAIR_TEXT_AS_IT_STANDS);
}

static int undo_text(struct repair *repair, struct weir_fault *fault)
{
	static const uint8_t undone[] = "\n\r\n", section[] = "\n\r\r\n";
	struct capture *capture = repair->capture;

	int error = stream_undo_text(capture->stream, capture->at, capture_left(capture), fault);
	if (error)
		return error;
	capture->end = capture->at;
	capture->end_offset = 0;
	capture->ended = false;
	repair->text_undone = true;
	int result = repair_need(repair, SOUND_LOOK, fault);
	/* The CR of a section header's type was its own, when the program left alone those that had one. */
	if (result >= 0 && capture_left(capture) > 3 && memcmp(capture->at, undone, 3) == 0) {
		capture->at += 3;
		error = put_in(repair, section, 4, fault);
	}
	return error ? error : result;
}

int repair_begin(struct repair *repair, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	struct weir_fault found;
	int error;

	weir_fault_clear(&found);
	repair->shape.limit = capture_packet_limit(capture, 1);
	int result = repair_need(repair, SOUND_LOOK, fault);
	if (result < 0)
		return result;
	if (text_mode(repair) && (result = undo_text(repair, fault)) < 0)
		return result;
	bool pcap = pcap_recognise(capture->at, capture_left(capture)), pcapng = pcapng_recognise(capture->at, capture_left(capture));
	error = pcap ? begin_pcap(repair, &found) : begin(repair, &found);
	if (!error) {
		find_habits(repair);
		return 0;
	}
	/* Another program's format is no damage, and neither is nothing. */
	if (!repair_is_damage(error) || capture_left(capture) == 0 || (error == WEIR_E_UNSUPPORTED && !pcap && !pcapng)) {
		if (fault)
			*fault = found;
		return error;
	}
	repair->begun = false;
	if (pcap && error == WEIR_E_FORMAT) {
		repair_damage_begin(repair, "foreign header");
		repair->foreign = true;
	}
	repair->searching = true;
	repair->shape = (struct sound_shape){.limit = capture_packet_limit(capture, 1)};
	while (repair->searching) {
		result = repair_find(repair, NULL, fault);
		if (result < 0)
			return result;
		if (result == 0) {
			if (fault)
				*fault = found;
			return found.code;
		}
	}
	find_habits(repair);
	return 0;
}
