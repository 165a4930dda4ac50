/* Finding where it goes on after damage. */
#include "stage/repair.h"

#define CHECKSUMS_ASKED 32
#define NEXT_NS (INT64_C(3600) * 1000000000)
#define IN_DOUBT 30 /* bytes behind a record that are too few for a damaged one: they were put in, probably in the record itself */

void repair_describe(const struct repair *repair, struct sound_search *search)
{
	struct capture *capture = repair->capture;

	*search = (struct sound_search){
		.before_ns = {repair->before_ns[0], repair->before_ns[1]},
		.back_ns = repair->back_ns,
		.largest = repair->largest,
	};
	if (repair->begun) {
		uint32_t interface = repair->shape.pcapng ? capture->state.pcapng.first_interface : capture->state.pcap.interface;
		search->linktype_known = interface < capture->interface_count;
		search->linktype = search->linktype_known ? capture->interfaces[interface]->linktype : 0;
		search->own = 1;
		search->shapes[search->shape_count++] = repair->shape;
	}
	/* Of other kinds, for those whose header is lost. */
	for (int big = 0; big < 2; big++) {
		search->shapes[search->shape_count++] = (struct sound_shape){.big = big, .header = PCAP_RECORD_BYTES, .limit = repair->shape.limit};
		search->shapes[search->shape_count++] =
			(struct sound_shape){.big = big, .pcapng = true, .limit = repair->shape.limit, .lost_interfaces = true};
		if (!repair->begun || repair->shape.header == PCAP_MODIFIED_RECORD_BYTES)
			search->shapes[search->shape_count++] =
				(struct sound_shape){.big = big, .header = PCAP_MODIFIED_RECORD_BYTES, .limit = repair->shape.limit};
	}
}

/* Whether the checksums of the packets that chain from `at` hold as a rule: those that the sender's hardware fills in may not. */
static bool checksums_hold(const struct repair *repair, uint16_t linktype, const uint8_t *at)
{
	unsigned good = 0, bad = 0;
	struct sound_record record;

	while (good + bad < CHECKSUMS_ASKED && sound_record(&repair->shape, at, repair->capture->end, &record) == SOUND_YES) {
		int checksum = sound_checksum(linktype, record.data, record.captured, record.length);
		good += checksum == 1;
		bad += checksum == -1;
		at += record.size;
	}
	return good > 4 * bad;
}

/*
 * Whether the record in doubt may be what its writer meant, when the next sound one is `gap` bytes behind it: damage behind it may have begun
 * in it, or in its length.
 */
static bool length_plausible(const struct repair *repair, size_t gap)
{
	struct capture *capture = repair->capture;
	uint16_t linktype = capture->state.pcap.linktype;
	struct sound_record record;

	if (sound_record(&repair->shape, capture->at, capture->end, &record) != SOUND_YES)
		return false;
	if (record.captured == 0 || (record.captured < record.length && record.captured != repair->usual_cut &&
	                             record.captured != capture->header.snaplen))
		return false;
	int checksum = sound_checksum(linktype, record.data, record.captured, record.length);
	/* Where a transfer in text mode is undone, a CR taken out that was the packet's own shifts what is behind it, into the next record. */
	if (checksum == -1 && repair->text_undone)
		return false;
	if (checksum)
		return checksum == 1 || !checksums_hold(repair, linktype, capture->at + record.size + gap);
	/* A file that was cut in the next header. */
	size_t left = capture_left(capture) - record.size;
	if (capture->ended && gap == left && gap < repair->shape.header)
		return true;
	if (gap < IN_DOUBT)
		return gap == 0;
	/* Damage that left nothing of the next header began before it, more often than not: in this record. */
	const uint8_t *next = capture->at + record.size;
	int64_t step = (int64_t)weir_load32(next, repair->shape.big) * 1000000000 - record.time_ns;
	bool big = repair->shape.big;
	return (step >= -repair->back_ns && step < NEXT_NS) || weir_load32(next + 8, big) + PCAP_RECORD_BYTES == gap ||
	       weir_load32(next + 12, big) + PCAP_RECORD_BYTES == gap;
}

/* The longest run of zeros. One that goes on from window to window counts anew. */
static void count_zeros(struct repair *repair, size_t length)
{
	const uint8_t *at = repair->capture->at;
	uint64_t zeros = 0;

	for (size_t i = 0; i < length; i++) {
		zeros = at[i] ? 0 : zeros + 1;
		if (zeros > repair->zeros)
			repair->zeros = zeros;
	}
}

/* Goes on behind `length` bytes of damage. */
static void pass(struct repair *repair, size_t length)
{
	repair_damage_begin(repair, NULL);
	count_zeros(repair, length);
	repair->capture->at += length;
}

/* The record in doubt is taken, or belongs to the damage. gap: bytes from its end to the next sound one. */
static int settle(struct repair *repair, struct weir_batch *batch, size_t gap, bool overlapped, struct weir_fault *fault)
{
	size_t suspect = repair->suspect;

	repair->suspect = 0;
	if (overlapped || !length_plausible(repair, gap)) {
		repair_damage_begin(repair, "bad length");
		return 0;
	}
	repair->from = repair->from > suspect ? repair->from - suspect : 0;
	repair->records_from = 0;
	int result = repair_take(repair, batch, fault);
	repair_damage_begin(repair, NULL);
	return result < 0 ? result : 0;
}

/* Nothing sound is found to the end of the input. */
static int give_up(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	int error = 0;

	if (repair->suspect)
		error = settle(repair, batch, capture_left(capture) - repair->suspect, false, fault);
	if (error)
		return error;
	pass(repair, capture_left(capture));
	if (repair->broken)
		repair->damage.cause = "compressed data";
	repair->searching = false;
	return 0;
}

static const char *cause_of(const struct repair *repair, const struct sound_found *found, const struct sound_search *search)
{
	if (found->kind != SOUND_RECORDS)
		return repair->begun ? "second file" : "lost header";
	if (!repair->begun)
		return repair->foreign ? "foreign header" : "lost header";
	if (found->shape == 0)
		return NULL;
	if (search->shapes[found->shape].pcapng != repair->shape.pcapng)
		return repair->capture->number == 1 ? "foreign header" : "second file";
	return repair->capture->number == 1 ? "foreign header" : "byte order";
}

/* What was found stands at the window's beginning. */
static int adopt(struct repair *repair, const struct sound_found *found, const struct sound_search *search, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	const struct sound_shape *shape = &search->shapes[found->shape];
	const char *cause = cause_of(repair, found, search);
	struct sound_chain chain = {0};

	repair_damage_begin(repair, cause);
	if (cause)
		repair->damage.cause = cause;
	repair->adopted_at = repair_offset(repair);
	if (found->kind == SOUND_RECORDS)
		sound_chain(shape, capture->at, capture->end, capture->ended, 16, SIZE_MAX, &chain);
	repair_damage_end(repair, chain.timed ? chain.first_ns : WEIR_NO_TIME);
	repair->searching = false;
	repair->suspect = 0;
	repair->from = repair->records_from = 0;
	/* Records of the shape in hand need nothing but, after damage to its header, descriptions of interfaces. */
	if (found->kind == SOUND_SECTION && repair->begun && repair->shape.pcapng)
		return 0;
	return repair_adopt(repair, found->kind, shape, fault);
}

int repair_find(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	struct sound_search search;
	struct sound_found found;

	repair_describe(repair, &search);
	for (;;) {
		int result = repair_need(repair, repair->suspect + repair->from + SOUND_LOOK, fault);
		if (result < 0)
			return result;
		size_t left = capture_left(capture);
		size_t until = capture->ended ? left : left - SOUND_LOOK / 2;
		search.records_from = capture->at + repair->records_from;
		if (repair->from < until &&
		    sound_find(&search, capture->at + repair->from, capture->at + until, capture->end, capture->ended, &found)) {
			/* What was found there before was not sound after all. */
			if (repair_offset(repair) + (uint64_t)(found.at - capture->at) != repair->adopted_at)
				break;
			repair->from = (size_t)(found.at - capture->at) + 1;
			continue;
		}
		if (capture->ended)
			return give_up(repair, batch, fault);
		if (repair->suspect) {
			repair->from = until;
			int error = settle(repair, batch, until - repair->suspect, false, fault);
			if (error || capture_batch_full(capture, batch))
				return error ? error : 1;
			until = repair->from;
		}
		pass(repair, until);
		repair->from = repair->records_from = 0;
	}
	size_t offset = (size_t)(found.at - capture->at), suspect = repair->suspect;
	if (suspect) {
		int error = settle(repair, batch, offset - suspect, offset < suspect, fault);
		if (error)
			return error;
		offset = (size_t)(found.at - capture->at);
	}
	pass(repair, offset);
	int error = adopt(repair, &found, &search, fault);
	if (error && repair_is_damage(error)) {
		/* What was found is no good after all. */
		repair->searching = true;
		repair->from = 1;
		error = 0;
	}
	return error ? error : 1;
}
