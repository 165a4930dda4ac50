/* The repairing source: sound stretches pass through the ordinary reader, and what it gives is held against what records look like. */
#include <stdlib.h>
#include <string.h>

#include "file/option.h"
#include "stage/repair.h"

#define LEAST_BACK_NS INT64_C(1000000000)
#define JUMP_RECORDS 16 /* that tell whether a time has jumped, or is wrong */

int repair_need(struct repair *repair, size_t need, struct weir_fault *fault)
{
	struct weir_fault found;

	weir_fault_clear(&found);
	int result = capture_need(repair->capture, need, &found);
	if (result >= 0)
		return result;
	if (!repair_is_damage(result)) {
		if (fault)
			*fault = found;
		return result;
	}
	repair->broken = true;
	repair->capture->ended = true;
	return 0;
}

void repair_note_time(struct repair *repair, int64_t time_ns)
{
	int64_t back;

	if (repair->before_ns[0] != WEIR_NO_TIME && time_ns < repair->before_ns[0] &&
	    !__builtin_sub_overflow(repair->before_ns[0], time_ns, &back) && back < SOUND_DAY_NS && 2 * back > repair->back_ns)
		repair->back_ns = 2 * back;
	repair->before_ns[1] = repair->before_ns[0];
	repair->before_ns[0] = time_ns;
}

void repair_damage_begin(struct repair *repair, const char *cause)
{
	if (repair->damaged) {
		if (!repair->damage.cause)
			repair->damage.cause = cause;
		return;
	}
	repair->damaged = true;
	repair->zeros = 0;
	repair->damage = (struct weir_damage){
		.file = repair->capture->name,
		.from = repair_offset(repair),
		.packets_before = repair->capture->number - 1,
		.packets = WEIR_UNKNOWN_COUNT,
		.cause = cause,
		.before_ns = repair->before_ns[0],
	};
}

void repair_damage_end(struct repair *repair, int64_t after_ns)
{
	struct weir_damage *damage = &repair->damage;

	damage->to = repair_offset(repair);
	damage->after_ns = after_ns;
	if (!damage->cause)
		damage->cause = "overwritten";
	if (repair->zeros >= 64 && 2 * repair->zeros >= damage->to - damage->from)
		damage->cause = "zeroed";
	repair->damaged = false;
	if (repair->on_damage)
		repair->on_damage(repair->context, damage);
}

void repair_reshape(struct repair *repair)
{
	struct capture *capture = repair->capture;
	struct sound_shape *shape = &repair->shape;
	bool lost = shape->lost_interfaces, odd = shape->odd_lengths, padding = shape->odd_padding;

	if (capture->header.format == WEIR_FORMAT_PCAPNG) {
		uint32_t first = capture->state.pcapng.first_interface;
		*shape = (struct sound_shape){
			.pcapng = true,
			.big = capture->state.pcapng.swapped != WEIR_NATIVE_BIG,
			.interfaces = capture->interface_count ? capture->interfaces + first : NULL,
			.interface_count = capture->interface_count - first,
			.limit = capture_packet_limit(capture, 1),
			.lost_interfaces = lost,
			.odd_lengths = odd,
			.odd_padding = padding,
		};
		for (uint32_t i = first; i < capture->interface_count; i++)
			if (capture->keys[i].packet_limit > shape->limit)
				shape->limit = capture->keys[i].packet_limit;
		return;
	}
	bool fractions = shape->odd_fractions;
	*shape = (struct sound_shape){
		.big = capture->state.pcap.swapped != WEIR_NATIVE_BIG,
		.header = capture->state.pcap.header,
		.lengths = capture->state.pcap.lengths,
		.units = capture->state.pcap.units,
		.limit = capture->state.pcap.limit,
		.odd_fractions = fractions,
		.odd_lengths = odd,
	};
}

static void lengths_of(const struct sound_shape *shape, const uint8_t *at, uint32_t *captured, uint32_t *length)
{
	uint32_t first = weir_load32(at + 8, shape->big), second = weir_load32(at + 12, shape->big);
	bool swap = shape->lengths == PCAP_LENGTH_FIRST || (shape->lengths == PCAP_LESS_IS_CAPTURED && first > second);

	*captured = swap ? second : first;
	*length = swap ? first : second;
}

static bool far(int64_t a, int64_t b)
{
	int64_t step;
	return __builtin_sub_overflow(a, b, &step) || step > SOUND_DAY_NS || step < -SOUND_DAY_NS;
}

/* Whether the header of a pcap record could be one. Less strict than a search: sound files have packets of no bytes, too. */
static inline bool header_sound(const struct repair *repair, const uint8_t *at)
{
	const struct sound_shape *shape = &repair->shape;
	uint32_t captured, length;

	lengths_of(shape, at, &captured, &length);
	if (captured > shape->limit || ((captured > length || length > shape->limit) && !shape->odd_lengths))
		return false;
	if (weir_load32(at + 4, shape->big) >= shape->units && !shape->odd_fractions)
		return false;
	if (length)
		return true;
	/* A zeroed page, and the header of a pcap file, look like packets of no length; the latter at another time. */
	return (weir_load_native64(at) || captured) && repair->before_ns[0] != WEIR_NO_TIME && !far((int64_t)weir_load32(at, shape->big) * 1000000000, repair->before_ns[0]);
}

/* Whether a header's time is far from that of the record before it, at `at`. */
static bool header_far(const struct repair *repair, const uint8_t *at, const uint8_t *next)
{
	int64_t step = (int64_t)weir_load32(next, repair->shape.big) - (int64_t)weir_load32(at, repair->shape.big);
	return step > SOUND_DAY_NS / 1000000000 || step < -SOUND_DAY_NS / 1000000000;
}

/* Looks at the packets that the reader has put into the batch from `i` on; gives the first that is odd. */
static uint32_t check_run(const struct repair *repair, const struct weir_batch *batch, uint32_t i)
{
	const struct sound_shape *shape = &repair->shape;
	uint32_t units = shape->odd_fractions ? UINT32_MAX : shape->units, least = 1, most = shape->limit;
	bool pcap = !shape->pcapng, odd = shape->odd_lengths;
	int64_t before = repair->before_ns[0];
	struct sound_record record;

	if (i < batch->count && before == WEIR_NO_TIME)
		before = batch->packets[i].time_ns;
	for (; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		uint64_t step = (uint64_t)packet->time_ns - (uint64_t)before + (uint64_t)SOUND_DAY_NS;
		if (__builtin_expect(step > 2 * (uint64_t)SOUND_DAY_NS, 0))
			break;
		if (__builtin_expect((packet->captured > packet->length || packet->length - least >= most) && !odd, 0))
			break;
		/* Cut packets are few but where all are: their padding tells a length that lies. */
		if (!pcap && __builtin_expect(packet->captured < packet->length && packet->captured != repair->usual_cut, 0) &&
		    sound_record(shape, packet->block, packet->block + packet->block_length, &record) != SOUND_YES)
			break;
		if (pcap && __builtin_expect(weir_load32(packet->block + 4, shape->big) >= units, 0))
			break;
		before = packet->time_ns;
	}
	return i;
}

static void note_run(struct repair *repair, const struct weir_batch *batch, uint32_t i)
{
	int64_t before = repair->before_ns[0], back = 0, step;

	if (i == batch->count)
		return;
	repair->section_packets += batch->count - i;
	if (before == WEIR_NO_TIME)
		before = batch->packets[i].time_ns;
	for (; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		/* As in repair_note_time: what lies days apart is no order that was upset a little. */
		if (!__builtin_sub_overflow(before, packet->time_ns, &step) && step > back && step < SOUND_DAY_NS)
			back = step;
		if (packet->captured < packet->length)
			repair->usual_cut = packet->captured;
		if (packet->captured > repair->largest)
			repair->largest = packet->captured;
		repair->before_ns[1] = before;
		before = packet->time_ns;
	}
	repair->before_ns[0] = before;
	if (2 * back > repair->back_ns)
		repair->back_ns = 2 * back;
}

/* Lets the reader go as far as the window reaches, and takes back what is odd or not confirmed by what follows. */
static int run(struct repair *repair, struct weir_batch *batch)
{
	struct capture *capture = repair->capture;
	uint32_t packets = batch->count;

	repair->doubt = false;
	capture->format->fill(capture, batch);
	uint32_t good = check_run(repair, batch, packets);
	repair->doubt = good < batch->count;
	/* Of pcap nothing confirms a length but the record behind it. */
	if (!repair->shape.pcapng && good > packets) {
		const uint8_t *next = repair->doubt ? batch->packets[good].block : capture->at;
		if ((size_t)(capture->end - next) < capture->state.pcap.header || !header_sound(repair, next) ||
		    header_far(repair, batch->packets[good - 1].block, next)) {
			good--;
			repair->doubt = true;
		}
	}
	if (good < batch->count)
		capture->at = batch->packets[good].block;
	batch->count = good;
	capture->number += good - packets;
	note_run(repair, batch, packets);
	return capture_hold(capture, batch, packets, batch->block_count);
}

int repair_take(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	uint32_t packets = batch->count, blocks = batch->block_count;
	struct weir_block *block = &batch->blocks[blocks];

	int result = capture->format->next(capture, &batch->packets[packets], block, fault);
	if (result == RECORD_PACKET) {
		batch->count++;
		if (!(batch->packets[packets].flags & WEIR_PACKET_NO_TIME))
			repair_note_time(repair, batch->packets[packets].time_ns);
		capture->number++;
		repair->section_packets++;
	} else if (result == RECORD_BLOCK) {
		block->before = packets;
		batch->block_count++;
		if (block->type == PCAPNG_SHB) {
			repair->section_packets = 0;
			repair->shape.lost_interfaces = false;
		}
		if (block->type == PCAPNG_SHB || block->type == PCAPNG_IDB)
			repair_reshape(repair);
	}
	if (result > RECORD_END) {
		int error = capture_hold(capture, batch, packets, blocks);
		if (error)
			return error;
	}
	return result;
}

/* records_from: bytes from here that are no sound record's beginning. */
static void search(struct repair *repair, size_t records_from, size_t suspect, const char *cause)
{
	repair->searching = true;
	repair->from = 0;
	repair->records_from = records_from;
	repair->suspect = suspect;
	if (repair->section_packets == 0)
		repair->shape.lost_interfaces = true;
	if (!suspect)
		repair_damage_begin(repair, cause);
}

/*
 * The time of the record in hand is far from those before it. When those behind it go on with the new time, or this is the last, the
 * clock has jumped; when they go on with the old one the record's time is wrong.
 */
static bool time_is_wrong(const struct repair *repair, const struct sound_record *record)
{
	const struct capture *capture = repair->capture;
	const uint8_t *at = capture->at + record->size;
	struct sound_record next;
	unsigned returned = 0;

	if (!record->timed || repair->before_ns[0] == WEIR_NO_TIME || !far(record->time_ns, repair->before_ns[0]))
		return false;
	for (unsigned i = 0; i < JUMP_RECORDS && at < capture->end; i++) {
		if (sound_record(&repair->shape, at, capture->end, &next) != SOUND_YES)
			break;
		at += next.size;
		if (!next.timed)
			continue;
		if (!far(next.time_ns, record->time_ns))
			return false;
		returned += !far(next.time_ns, repair->before_ns[0]);
	}
	return returned > 0;
}

/* Leaves out a record that stands where it should and has a time that can't be. 1, or 0 when it is to be taken. */
static int leave_out(struct repair *repair, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	struct sound_record record, next;

	int result = repair_need(repair, SOUND_LOOK / 2, fault);
	if (result < 0)
		return result;
	if (sound_record(&repair->shape, capture->at, capture->end, &record) != SOUND_YES || !time_is_wrong(repair, &record))
		return 0;
	repair_damage_begin(repair, "time jump");
	capture->at += record.size;
	bool timed = sound_record(&repair->shape, capture->at, capture->end, &next) == SOUND_YES && next.timed;
	repair_damage_end(repair, timed ? next.time_ns : WEIR_NO_TIME);
	return 1;
}

/* Whether behind the record at `next`, whose time is far, one stands whose time is near that of the record at `at` again. */
static bool returns(const struct repair *repair, const uint8_t *at, const uint8_t *next)
{
	const struct capture *capture = repair->capture;
	struct sound_record odd, after;

	return sound_record(&repair->shape, next, capture->end, &odd) == SOUND_YES &&
	       sound_record(&repair->shape, next + odd.size, capture->end, &after) == SOUND_YES && !header_far(repair, at, next + odd.size);
}

/* One record of pcap, with care. 1, 0 at the end, or an error. */
static int step_pcap(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;
	size_t header = capture->state.pcap.header;
	uint32_t captured, length;

	int result = repair_need(repair, header, fault);
	if (result < 0 || capture_left(capture) == 0)
		return result;
	if (result == 0 || !header_sound(repair, capture->at)) {
		search(repair, 0, 0, result == 0 ? "cut" : NULL);
		return 1;
	}
	lengths_of(&repair->shape, capture->at, &captured, &length);
	size_t size = header + captured;
	result = repair_need(repair, size + header, fault);
	if (result < 0)
		return result;
	if (capture_left(capture) < size) {
		search(repair, header, 0, "cut");
		return 1;
	}
	if (capture_left(capture) > size && (result == 0 || !header_sound(repair, capture->at + size))) {
		search(repair, header, size, NULL);
		return 1;
	}
	if (capture_left(capture) > size && header_far(repair, capture->at, capture->at + size)) {
		/* The clock has jumped, or what looks like a header is none. */
		struct sound_chain chain;
		result = repair_need(repair, size + SOUND_LOOK / 2, fault);
		if (result < 0)
			return result;
		sound_chain(&repair->shape, capture->at + size, capture->end, capture->ended, 3, SIZE_MAX, &chain);
		if (chain.records == 0 && !returns(repair, capture->at, capture->at + size)) {
			search(repair, header, size, NULL);
			return 1;
		}
	}
	if (repair->doubt && (result = leave_out(repair, fault)) != 0)
		return result;
	return repair_take(repair, batch, fault);
}

static int step_pcapng(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct weir_fault found;
	int result;

	if (repair->doubt && (result = leave_out(repair, fault)) != 0)
		return result;
	/* The reader lets options end before their block does; then the packet's length may be wrong. */
	struct capture *capture = repair->capture;
	result = repair_need(repair, 8, fault);
	if (result < 0)
		return result;
	uint32_t type = result ? weir_load32(capture->at, repair->shape.big) : 0;
	if (type == PCAPNG_EPB || type == PCAPNG_PB) {
		struct sound_record record;
		result = repair_need(repair, PCAPNG_EPB_BYTES, fault);
		uint32_t total = weir_load32(capture->at + 4, repair->shape.big);
		if (result > 0 && !(total & 3) && total <= repair->shape.limit + SOUND_LOOK)
			result = repair_need(repair, total, fault);
		if (result < 0)
			return result;
		/* Lengths without the padding, which the reader takes, are not looked at. */
		if (result > 0 && !(total & 3) && sound_record(&repair->shape, capture->at, capture->end, &record) == SOUND_NOT) {
			search(repair, 1, 0, "bad length");
			return 1;
		}
	}
	weir_fault_clear(&found);
	result = repair_take(repair, batch, &found);
	if (result < 0 && repair_is_damage(result)) {
		bool missing = repair->shape.lost_interfaces && repair_missing_interfaces(repair, &repair->shape);
		search(repair, missing ? 0 : 1, 0, NULL);
		return 1;
	}
	if (result < 0 && fault)
		*fault = found;
	return result;
}

/* The window is used up. In compressed data more may follow behind the damage. 1, 0 at the end, or an error. */
static int resume(struct repair *repair, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;

	if (!repair->broken)
		return 0;
	repair_damage_begin(repair, "compressed data");
	repair->damage.cause = "compressed data";
	int result = stream_resume(capture->stream, fault);
	if (result < 0)
		return result;
	repair->broken = false;
	if (result == 0)
		return 0;
	capture->ended = false;
	search(repair, 0, 0, "compressed data");
	return 1;
}

/* At the very end: what has begun is told. */
static int end(struct repair *repair)
{
	if (repair->damaged)
		repair_damage_end(repair, WEIR_NO_TIME);
	if (repair->text_undone) {
		repair->text_undone = false;
		struct weir_damage damage = {
			.file = repair->capture->name, .to = repair_offset(repair), .cause = "text-mode transfer",
			.packets = 0, .before_ns = WEIR_NO_TIME, .after_ns = WEIR_NO_TIME,
		};
		if (repair->on_damage)
			repair->on_damage(repair->context, &damage);
	}
	return 0;
}

static int fill_batch(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = repair->capture;

	for (;;) {
		int result = 0;
		if (!repair->searching)
			result = run(repair, batch);
		if (result < 0 || capture_batch_full(capture, batch))
			return result;
		/* From a live pipe: hand over what there is before going to sleep. */
		if ((batch->count || batch->block_count) && stream_waits(capture->stream))
			return 0;
		if (repair->searching)
			result = repair_find(repair, batch, fault);
		else
			result = repair->shape.pcapng ? step_pcapng(repair, batch, fault) : step_pcap(repair, batch, fault);
		if (result == 0 && (result = resume(repair, fault)) == 0)
			return end(repair);
		if (result < 0 || capture_batch_full(capture, batch))
			return result < 0 ? result : 0;
	}
}

static int fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct repair *repair = (struct repair *)source;
	struct capture *capture = repair->capture;
	uint64_t first = capture->number;
	int result = repair->held.code;

	if (!result)
		result = fill_batch(repair, batch, &repair->held);
	batch->first_number = first;
	batch->interfaces = capture->interfaces;
	batch->interface_count = capture->interface_count;
	batch->source_bytes = stream_position(capture->stream);
	if (batch->count || batch->block_count || !capture->delivered) {
		capture->delivered = true;
		return 1;
	}
	if (result < 0 && fault)
		*fault = repair->held;
	return result < 0 ? result : 0;
}

static void close_repair(struct weir_source *source)
{
	struct repair *repair = (struct repair *)source;

	capture_free(repair->capture);
	free(repair);
}

static const struct weir_source_ops repair_ops = {.name = "repair", .fill = fill, .close = close_repair};

/* Takes the stream in any case. */
static int open_stream(struct stream *stream, const char *name, const struct weir_capture_options *options, enum repair_text text,
                       void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                       struct weir_source **source, struct weir_fault *fault)
{
	struct weir_capture_options reading = options ? *options : (struct weir_capture_options){0};
	struct capture *capture;

	reading.tolerant_linktype = true;
	int error = capture_new(stream, name, &reading, &capture, fault);
	if (error)
		return error;
	struct repair *repair = calloc(1, sizeof *repair);
	if (!repair) {
		capture_free(capture);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to repair %s", name);
	}
	repair->source.ops = &repair_ops;
	repair->capture = capture;
	repair->on_damage = on_damage;
	repair->context = context;
	repair->text = text;
	repair->before_ns[0] = repair->before_ns[1] = WEIR_NO_TIME;
	repair->back_ns = LEAST_BACK_NS;
	repair->adopted_at = UINT64_MAX;
	error = repair_begin(repair, fault);
	if (error) {
		close_repair(&repair->source);
		return error;
	}
	*source = &repair->source;
	return 0;
}

int weir_repair_open(const char *path, const struct weir_capture_options *options,
                     void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                     struct weir_source **source, struct weir_fault *fault)
{
	struct stream *stream;
	int error = stream_open_sealed(path, options ? options->identities : NULL, &stream, fault);

	if (error)
		return error;
	return open_stream(stream, strcmp(path, "-") == 0 ? "standard input" : path, options, REPAIR_TEXT_FIND_OUT, on_damage, context,
	                   source, fault);
}

int repair_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options, enum repair_text text,
                       void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                       struct weir_source **source, struct weir_fault *fault)
{
	struct stream *stream;
	int error = stream_open_sealed_memory(data, length, name, options ? options->identities : NULL, &stream, fault);

	return error ? error : open_stream(stream, name, options, text, on_damage, context, source, fault);
}

int weir_repair_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options,
                            void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                            struct weir_source **source, struct weir_fault *fault)
{
	return repair_open_memory(data, length, name, options, REPAIR_TEXT_FIND_OUT, on_damage, context, source, fault);
}

uint64_t weir_repair_size(const struct weir_source *source)
{
	return stream_size(((const struct repair *)source)->capture->stream);
}

const struct weir_file_header *weir_repair_header(const struct weir_source *source)
{
	return &((const struct repair *)source)->capture->header;
}
