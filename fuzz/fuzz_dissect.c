/* Printing: any bytes on any link type, as text with everything on, and as JSON, which has to be well-formed. */
#include <stdlib.h>

#include "packet/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Brackets nest and strings end: what could go wrong in JSON that is written piece by piece. */
static bool is_well_formed(const char *text, size_t length)
{
	char open[64];
	size_t depth = 0;
	bool string = false;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		if (string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				string = false;
			else if (c < 0x20)
				return false;
		} else if (c == '"') {
			string = true;
		} else if (c == '{' || c == '[') {
			if (depth == sizeof open)
				return false;
			open[depth++] = c == '{' ? '}' : ']';
		} else if (c == '}' || c == ']') {
			if (depth == 0 || open[--depth] != (char)c)
				return false;
		} else if (c == ',' && (i + 1 == length || strchr(",]}", text[i + 1]))) {
			return false;
		}
	}
	return depth == 0 && !string;
}

static void print(const struct weir_packet *packet, const struct print_options *options)
{
	struct printer *printer = printer_new(options);
	struct text out = {0};

	if (!printer)
		return;
	/* Twice: the second time its connection is known. */
	for (unsigned i = 0; i < 2; i++) {
		text_clear(&out);
		printer_add(printer, packet, NULL, NULL, i + 1, &out);
		if (out.length == 0 || out.data[out.length - 1] != '\n' || out.data[out.length] != '\0')
			abort();
		if (options->json && !is_well_formed(out.data, out.length - 1))
			abort();
	}
	text_free(&out);
	printer_free(printer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct print_options
		text = {.numeric = true, .link = true, .verbose = 3, .hex = PRINT_HEX_ASCII_LINK, .absolute = true},
		line = {.numeric = true, .hex = PRINT_ASCII, .absolute = true, .time = PRINT_TIME_DATE}, json = {.json = true};
	if (size < 4)
		return 0;
	struct weir_packet packet = {
		.data = data + 4,
		.captured = (uint32_t)size - 4,
		.length = (uint32_t)size - 4 + data[2],
		.linktype = (uint16_t)(weir_load_le16(data) % 300),
		.time_ns = (int64_t)data[3] << 55,
	};
	print(&packet, &text);
	print(&packet, &line);
	print(&packet, &json);
	return 0;
}
