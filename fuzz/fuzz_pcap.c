/*
 * pcap files: reading, counting, writing in every form; and a sound file, whatever is odd about it, that becomes pcapng becomes the
 * same file again. An input that does not begin like pcap gets a header.
 */
#include "capture.h"

#include "file/pcap.h"

bool pcap_recognise(const uint8_t *head, size_t length);

/* pcap to pcapng to pcap. */
static void check_way_back(const uint8_t *data, size_t size)
{
	static const struct weir_capture_options options;
	struct pcap_shape shape;
	struct outcome outcome = read_batches(data, size, &options, NULL);
	size_t there_length, back_length;

	if (outcome.code != 0)
		return;
	pcap_shape_parse(data, &shape);
	struct weir_capture_writer_options there = {.format = WEIR_FORMAT_PCAPNG}, back = {.format = shape.format};
	uint8_t *middle = rewrite(data, size, &options, &there, &there_length);
	if (middle && there_length < PIPE_BYTES) {
		uint8_t *again = rewrite(middle, there_length, &options, &back, &back_length);
		HOLDS(again && back_length == size && memcmp(again, data, size) == 0);
		free(again);
	}
	free(middle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t magics[] = {PCAP_MAGIC, PCAP_MAGIC_NS, PCAP_MAGIC_MODIFIED};

	if (size < 4 || size > INPUT_MAX)
		return 0;
	if (pcap_recognise(data, size)) {
		check_capture(data, size);
		check_way_back(data, size);
		return 0;
	}
	struct pcap_shape shape = {.big_endian = data[0] & 1, .snaplen = 65535, .linktype = data[1]};
	uint8_t *made = malloc(PCAP_HEADER_BYTES + size);
	HOLDS(made);
	pcap_header_make(&shape, made);
	weir_store32(made, magics[data[0] / 2 % 3], shape.big_endian);
	memcpy(made + PCAP_HEADER_BYTES, data + 2, size - 2);
	check_capture(made, PCAP_HEADER_BYTES + size - 2);
	check_way_back(made, PCAP_HEADER_BYTES + size - 2);
	free(made);
	return 0;
}
