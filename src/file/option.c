/* Options of pcapng blocks. */
#include "file/option.h"
#include "file/pen.h"

bool pcapng_option_next(struct weir_cursor *cursor, bool big, uint16_t *code, struct weir_bytes *value)
{
	if (weir_cursor_left(cursor) == 0)
		return false;
	const uint8_t *head = weir_take(cursor, 4);
	if (!head)
		return false;
	*code = weir_load16(head, big);
	value->length = weir_load16(head + 2, big);
	value->data = weir_take(cursor, pcapng_padded(value->length));
	return value->data != NULL && *code != PCAPNG_END_OF_OPTIONS;
}

bool pcapng_options_sound(struct weir_bytes options, bool big)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	while (pcapng_option_next(&cursor, big, &code, &value))
		;
	return !cursor.failed;
}

size_t pcapng_option_put(uint8_t *out, bool big, uint16_t code, const void *value, uint16_t length)
{
	size_t padded = pcapng_padded(length);

	weir_store16(out, code, big);
	weir_store16(out + 2, length, big);
	memset(out + 4, 0, padded);
	if (length)
		memcpy(out + 4, value, length);
	return 4 + padded;
}

struct weir_bytes pcapng_option_ours(struct weir_bytes options, bool big, const char magic[static 4])
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	while (pcapng_option_next(&cursor, big, &code, &value))
		if (code == PCAPNG_CUSTOM_BINARY_NO_COPY && value.length >= 8 && weir_load32(value.data, big) == WEIR_PEN &&
		    memcmp(value.data + 4, magic, 4) == 0)
			return (struct weir_bytes){value.data + 8, value.length - 8};
	return (struct weir_bytes){NULL, 0};
}

static bool is_custom(uint16_t code)
{
	return code == PCAPNG_CUSTOM_STRING || code == PCAPNG_CUSTOM_BINARY || code == PCAPNG_CUSTOM_STRING_NO_COPY ||
	       code == PCAPNG_CUSTOM_BINARY_NO_COPY;
}

static void turn_number(uint8_t *value, size_t wide)
{
	if (wide == 2)
		weir_store_native16(value, weir_swap16(weir_load_native16(value)));
	else if (wide == 4)
		weir_store_native32(value, weir_swap32(weir_load_native32(value)));
	else if (wide == 8)
		weir_store_native64(value, weir_swap64(weir_load_native64(value)));
}

void pcapng_options_turn(uint8_t *options, size_t length, bool from_big, size_t (*wide)(uint16_t code))
{
	struct weir_cursor cursor = weir_cursor_over(options, length);
	struct weir_bytes value = {0};
	uint16_t code;
	const uint8_t *at = cursor.at;

	while (pcapng_option_next(&cursor, from_big, &code, &value)) {
		uint8_t *head = options + (at - options);
		size_t size = is_custom(code) ? 4 : wide(code);
		weir_store16(head, code, !from_big);
		weir_store16(head + 2, (uint16_t)value.length, !from_big);
		/* Of a custom option only the PEN in front is known; other numbers only in their right size. */
		if (value.length == size || (is_custom(code) && value.length >= 4))
			turn_number(head + 4, size);
		else if (size == PCAPNG_TWO_NUMBERS && value.length == 8) {
			turn_number(head + 4, 4);
			turn_number(head + 8, 4);
		}
		at = cursor.at;
	}
	/* The end of the options has a length, too, which need not be 0. */
	if (!cursor.failed && cursor.at != at)
		weir_store16(options + (at - options) + 2, (uint16_t)value.length, !from_big);
}

size_t pcapng_interface_option_wide(uint16_t code)
{
	switch (code) {
	case PCAPNG_IF_SPEED:
	case PCAPNG_IF_TSOFFSET:
	case 16: /* if_txspeed */
	case 17: /* if_rxspeed */
		return 8;
	case PCAPNG_IF_TZONE:
		return 4;
	default:
		return 1;
	}
}

size_t pcapng_packet_option_wide(uint16_t code)
{
	switch (code) {
	case PCAPNG_EPB_FLAGS:
	case PCAPNG_EPB_QUEUE:
		return 4;
	case PCAPNG_EPB_DROPCOUNT:
	case PCAPNG_EPB_PACKETID:
		return 8;
	case PCAPNG_EPB_PROCESS:
		return PCAPNG_TWO_NUMBERS;
	default:
		return 1;
	}
}

struct weir_bytes pcapng_packet_options(const uint8_t *block, uint32_t length, bool big)
{
	uint32_t type = weir_load32(block, big);
	struct weir_bytes none = {NULL, 0};

	/* The captured length stands in the same place in Packet Blocks and Enhanced Packet Blocks. */
	if ((type != PCAPNG_EPB && type != PCAPNG_PB) || length < PCAPNG_EPB_BYTES)
		return none;
	size_t data = pcapng_padded(weir_load32(block + 20, big));
	if (data >= length - PCAPNG_EPB_BYTES)
		return none;
	return (struct weir_bytes){block + 28 + data, length - PCAPNG_EPB_BYTES - data};
}
