/*
 * Removing duplicates: any packets at any times. Batches do not change what is removed, what is told of it adds up, and the exact duplicates in windows by count are those that
 * comparing all bytes finds.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/decode.h>
#include <weir/stage.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS 512
#define HEADER 12 /* interface, flags, length, time */

struct input {
	const uint8_t *data;
	size_t size, at;
};

static bool next(struct input *input, struct weir_packet *packet)
{
	if (input->size - input->at < HEADER)
		return false;
	const uint8_t *header = input->data + input->at;
	uint32_t length = weir_load_le16(header + 2) % 300;
	input->at += HEADER;
	if (length > input->size - input->at)
		length = (uint32_t)(input->size - input->at);
	*packet = (struct weir_packet){.data = input->data + input->at, .captured = length, .length = length, .interface_id = header[0],
		.linktype = header[0] & 2 ? 101 : 1, .flags = header[1] & 1, .time_ns = (int64_t)weir_load_le64(header + 4)};
	/* Half of the times near each other. */
	if (header[1] & 4)
		packet->time_ns &= 0xffff;
	/* A packet may be repeated, which bytes that are found by chance are not. */
	if (!(header[1] & 8))
		input->at += length;
	return true;
}

static struct weir_stage *run(const struct weir_dedup_options *options, const uint8_t *data, size_t size, uint32_t batch_size, uint8_t *removed, uint32_t *count)
{
	struct input input = {data, size, 0};
	struct weir_batch *batch = weir_batch_new();
	struct weir_stage *digest, *dedup;
	bool more = true;

	*count = 0;
	if (!batch || weir_dedup_stages_new(options, &digest, &dedup, NULL) != 0)
		abort();
	while (more && *count < PACKETS) {
		while (batch->count < batch_size && *count + batch->count < PACKETS && (more = next(&input, &batch->packets[batch->count])))
			batch->count++;
		if (weir_decode_batch(batch, NULL) != 0 || digest->ops->process(digest, batch, NULL) != 0 || dedup->ops->process(dedup, batch, NULL) != 0)
			abort();
		for (uint32_t i = 0; i < batch->count; i++)
			removed[(*count)++] = batch->packets[i].verdict;
		weir_batch_reset(batch);
	}
	weir_stage_close(digest);
	weir_batch_free(batch);
	return dedup;
}

/* How many packets are exact duplicates, by all their bytes. */
static uint64_t exact_duplicates(const struct weir_dedup_options *options, const uint8_t *data, size_t size)
{
	static struct weir_packet packets[PACKETS];
	struct input input = {data, size, 0};
	uint64_t found = 0;

	for (uint32_t count = 0; count < PACKETS && next(&input, &packets[count]); count++) {
		const struct weir_packet *packet = &packets[count];
		uint32_t before = 0;
		for (uint32_t i = count; i-- > 0 && before + 1 < options->window;) {
			if (options->each_interface && packets[i].interface_id != packet->interface_id)
				continue;
			before++;
			if (packets[i].captured == packet->captured && memcmp(packets[i].data, packet->data, packet->captured) == 0) {
				found++;
				break;
			}
		}
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_dedup_statistics statistics;
	uint8_t one[PACKETS], other[PACKETS];
	uint32_t count, again;
	size_t pairs;

	if (size < 2)
		return 0;
	struct weir_dedup_options options = {
		.window = data[0] & 1 ? data[1] : 0,
		.window_ns = data[0] & 1 ? 0 : (int64_t)data[1] << ((data[0] >> 2) & 31),
		.routed_ns = data[0] & 2 ? INT64_C(1) << (data[0] >> 2 & 31) : 0,
		.ignore_ttl = true,
		.ignore_mac = data[1] & 1,
		.ignore_vlan = data[1] & 2,
		.each_interface = data[0] & 128,
		.memory_bytes = 1 << 20,
	};
	struct weir_stage *dedup = run(&options, data + 2, size - 2, 1024, one, &count);
	uint64_t found = 0, told = 0;
	for (uint32_t i = 0; i < count; i++)
		found += one[i] == WEIR_DUPLICATE;
	const struct weir_dedup_pair *pair = weir_dedup_pairs(dedup, &pairs);
	for (size_t i = 0; i < pairs; i++)
		told += pair[i].exact + pair[i].routed;
	weir_dedup_statistics(dedup, &statistics);
	if (found != told || found != statistics.exact + statistics.routed || statistics.packets != count || (count && one[0] != WEIR_KEEP))
		abort();
	if (options.window && !statistics.forgotten && statistics.exact != exact_duplicates(&options, data + 2, size - 2))
		abort();
	weir_stage_close(dedup);
	weir_stage_close(run(&options, data + 2, size - 2, 3, other, &again));
	if (count != again || memcmp(one, other, count) != 0)
		abort();
	return 0;
}
