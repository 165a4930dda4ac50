/*
 * The hide stage, and what hides single values: any packet of any link type, cut anywhere. Nothing is read or written outside of the bytes, what is kept is no more
 * than there was, and the same comes out again.
 */
#include <stdlib.h>
#include <string.h>

#include "stage/hide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_hider *hiders[3];

/* Three policies: as a person would have them; everything by tables and shuffles; everything black. */
static void make_hiders(void)
{
	static const struct weir_key key = {{1, 2, 3}};
	static const uint8_t ways[3][6] = {
		{WEIR_HIDE_PREFIX, WEIR_HIDE_PERMUTE, WEIR_HIDE_NOTHING, WEIR_HIDE_KEYED, WEIR_HIDE_PERMUTE, WEIR_HIDE_PERMUTE},
		{WEIR_HIDE_PERMUTE, WEIR_HIDE_VENDOR, WEIR_HIDE_PERMUTE, WEIR_HIDE_KEYED, WEIR_HIDE_BLACK, WEIR_HIDE_PERMUTE},
		{WEIR_HIDE_BLACK, WEIR_HIDE_BLACK, WEIR_HIDE_BLACK, WEIR_HIDE_BLACK, WEIR_HIDE_NOTHING, WEIR_HIDE_BLACK},
	};

	for (size_t i = 0; i < 3; i++) {
		struct weir_policy policy = {.hides = true,
		                             .hide = {
										 .ipv4 = {.technique = ways[i][0]},
										 .ipv6 = {.technique = ways[i][0]},
										 .macs = {.technique = ways[i][1]},
										 .ports = {.technique = ways[i][2]},
										 .names = {.technique = ways[i][3]},
										 .tcp_timestamps = {.technique = ways[i][4]},
										 .ip_ids = {.technique = ways[i][5]},
										 .vlans = {.technique = ways[i][5]},
										 .keep_special = i == 0,
										 .time_shift_ns = i == 1 ? 1000 : 0,
									 }};
		if (weir_hider_new(&policy, &key, &hiders[i], NULL) < 0)
			abort();
	}
}

/* In memory that ends where the packet does. Returns what is left. */
static uint8_t *hide(struct hide_context *context, const struct weir_packet *packet, const struct weir_facts *facts,
                     uint32_t *kept)
{
	bool whole = hide_wants_payload(facts, packet->data, packet->captured);
	uint32_t length = whole || facts->payload > packet->captured ? packet->captured : facts->payload;
	uint8_t *out = malloc(length ? length : 1);
	struct hiding h = {.context = context,
	                   .hider = context->hider,
	                   .facts = facts,
	                   .in = packet->data,
	                   .out = out,
	                   .length = length,
	                   .whole_copied = whole};

	if (!out)
		abort();
	memcpy(out, packet->data, length);
	hide_packet(&h);
	if (h.keep > length)
		abort();
	*kept = h.keep;
	return out;
}

static void one(const struct weir_packet *packet, const struct weir_hider *hider)
{
	struct weir_facts facts;
	uint32_t first_kept, second_kept;

	weir_decode(packet, &facts);
	struct hide_context *context = hider_borrow(hider);
	uint8_t *first = hide(context, packet, &facts, &first_kept), *second = hide(context, packet, &facts, &second_kept);
	hider_return(context);
	/* What is remembered of the first time changes nothing. */
	if (first_kept != second_kept || memcmp(first, second, first_kept) != 0)
		abort();
	free(first);
	free(second);
}

/* Each packet: link type and captured length, 2 bytes each, its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!hiders[0])
		make_hiders();
	while (size >= 4) {
		uint16_t linktype = weir_load_le16(data);
		uint32_t captured = weir_load_le16(data + 2);
		data += 4;
		size -= 4;
		if (captured > size)
			captured = (uint32_t)size;
		uint8_t *copy = malloc(captured ? captured : 1);
		if (!copy)
			abort();
		memcpy(copy, data, captured);
		struct weir_packet packet = {.data = copy, .captured = captured, .length = captured, .linktype = linktype};
		for (size_t i = 0; i < 3; i++)
			one(&packet, hiders[i]);
		free(copy);
		data += captured;
		size -= captured;
	}
	return 0;
}
