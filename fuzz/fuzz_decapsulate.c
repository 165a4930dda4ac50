/* The decapsulate stage: any packets on Ethernet, one after the other. Facts must stay within the bytes, and the figures add up. */
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/stage.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;

	if (facts->payload > packet->captured || facts->layer_count > WEIR_LAYERS_MAX || facts->network_count > WEIR_NETWORKS_MAX)
		abort();
	for (unsigned i = 0; i < facts->network_count; i++) {
		const struct weir_network *n = &facts->networks[i];
		if (n->end > packet->captured || n->offset > n->end || n->transport > packet->captured)
			abort();
	}
	for (unsigned i = 0; i < facts->layer_count; i++)
		if (facts->layers[i].offset > packet->captured)
			abort();
	if ((facts->flags & WEIR_FACT_ESP_NULL) && facts->trailer > packet->length)
		abort();
}

/* Each packet: its captured length in 2 bytes, how much more there was on the wire in 2, its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_batch *batch = weir_batch_new();
	struct weir_stage *stage = NULL;
	struct weir_fault fault;
	struct weir_decapsulate_statistics s;

	weir_fault_clear(&fault);
	if (!batch || weir_decapsulate_stage_new(4096, &stage, &fault) < 0)
		abort();
	while (size >= 4 && batch->count < WEIR_BATCH_PACKETS) {
		uint32_t captured = weir_load_le16(data), more = weir_load_le16(data + 2);
		data += 4;
		size -= 4;
		if (captured > size)
			captured = (uint32_t)size;
		batch->packets[batch->count++] = (struct weir_packet){.data = data, .captured = captured, .length = captured + more, .linktype = 1};
		data += captured;
		size -= captured;
	}
	if (weir_decode_batch(batch, &fault) < 0 || stage->ops->process(stage, batch, &fault) < 0)
		abort();
	for (uint32_t i = 0; i < batch->count; i++)
		check(&batch->packets[i]);
	weir_decapsulate_statistics(stage, &s);
	if (s.esp != s.opened + s.encrypted + s.undecided)
		abort();
	weir_stage_close(stage);
	weir_batch_free(batch);
	return 0;
}
