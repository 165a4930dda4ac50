/*
 * bench/numbers.c: looks which of the packets that `send` numbered are in a capture file, "-" for standard input.
 *
 *	numbers [FILE]
 *
 * Prints one line of JSON: packets with a number, all others, distinct numbers, duplicates, the largest number, how many below it
 * are missing, the first of these, how often the number went down, and packets whose bytes are not what was sent.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/file.h>

struct seen {
	uint8_t *bits;
	uint64_t capacity; /* in numbers */
	uint64_t numbered, others, distinct, duplicates, largest, backwards, changed, last;
};

static int mark(struct seen *seen, uint64_t number)
{
	if (number >= seen->capacity) {
		uint64_t capacity = seen->capacity ? seen->capacity : 1 << 20;
		while (capacity <= number)
			capacity *= 2;
		if (capacity > (UINT64_C(1) << 36))
			return -1;
		uint8_t *bits = realloc(seen->bits, capacity / 8);
		if (!bits)
			return -1;
		memset(bits + seen->capacity / 8, 0, (capacity - seen->capacity) / 8);
		seen->bits = bits;
		seen->capacity = capacity;
	}
	uint8_t bit = (uint8_t)(1u << (number & 7));
	if (seen->bits[number / 8] & bit)
		seen->duplicates++;
	else
		seen->distinct++;
	seen->bits[number / 8] |= bit;
	if (number > seen->largest)
		seen->largest = number;
	if (seen->numbered++ && number < seen->last)
		seen->backwards++;
	seen->last = number;
	return 0;
}

/* Where the payload begins: behind Ethernet, perhaps a VLAN tag, IPv4 and UDP. 0: not one of ours. */
static uint32_t payload_of(const struct weir_packet *packet)
{
	uint32_t at = 14;
	if (packet->captured < 62)
		at = packet->captured >= 58 ? 14 : 0;
	if (at && packet->captured >= 62 && weir_load_be16(packet->data + 12) == 0x8100)
		at = 18;
	return at && memcmp(packet->data + at + 28, "weirSEND", 8) == 0 ? at + 28 : 0;
}

int main(int argc, char **argv)
{
	struct weir_source *source;
	struct weir_fault fault;
	char text[1200];
	struct seen seen = {0};
	struct weir_batch *batch = weir_batch_new();
	if (!batch || weir_capture_open(argc > 1 ? argv[1] : "-", NULL, &source, &fault)) {
		fprintf(stderr, "numbers: %s\n", batch ? weir_fault_text(&fault, text, sizeof text) : "no memory");
		return 3;
	}
	int result;
	while ((result = source->ops->fill(source, batch, &fault)) > 0) {
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			uint32_t payload = payload_of(packet);
			if (!payload) {
				seen.others++;
				continue;
			}
			if (mark(&seen, weir_load_be64(packet->data + payload + 8))) {
				fprintf(stderr, "numbers: no memory for numbers that large\n");
				return 3;
			}
			/* What follows the number and the time is filled with a pattern of the offset (without a VLAN tag). */
			for (uint32_t j = payload + 24; j < packet->captured; j++)
				if (packet->data[j] != (uint8_t)((j - payload + 42) * 7)) {
					seen.changed++;
					break;
				}
		}
		weir_batch_reset(batch);
	}
	uint64_t missing = 0, first = 0;
	for (uint64_t number = 0; seen.numbered && number <= seen.largest; number++)
		if (!(seen.bits[number / 8] >> (number & 7) & 1) && missing++ == 0)
			first = number;
	printf("{\"numbered\":%llu,\"others\":%llu,\"distinct\":%llu,\"duplicates\":%llu,\"largest\":%lld,\"missing\":%llu,"
	       "\"first_missing\":%lld,"
	       "\"backwards\":%llu,\"changed\":%llu}\n",
	       (unsigned long long)seen.numbered, (unsigned long long)seen.others, (unsigned long long)seen.distinct,
	       (unsigned long long)seen.duplicates, seen.numbered ? (long long)seen.largest : -1LL,
	       (unsigned long long)missing, missing ? (long long)first : -1LL, (unsigned long long)seen.backwards,
	       (unsigned long long)seen.changed);
	if (result < 0)
		fprintf(stderr, "numbers: %s\n", weir_fault_text(&fault, text, sizeof text));
	weir_source_close(source);
	weir_batch_free(batch);
	free(seen.bits);
	return result < 0 ? 1 : 0;
}
