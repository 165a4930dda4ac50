/*
 * The decapsulate stage: any packets on Ethernet, one after the other. Facts must stay within the bytes, the figures add up,
 * and doing it along with taking what flows need comes to the same facts.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/decode.h>
#include <weir/flow.h>
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

static void check_same(const struct weir_facts *a, const struct weir_facts *b)
{
	if (a->flags != b->flags || a->layer_count != b->layer_count || a->network_count != b->network_count || a->payload != b->payload ||
	    a->flow_hash != b->flow_hash || ((a->flags & WEIR_FACT_ESP_NULL) && a->trailer != b->trailer) ||
	    memcmp(a->layers, b->layers, a->layer_count * sizeof a->layers[0]) != 0 ||
	    memcmp(a->networks, b->networks, a->network_count * sizeof a->networks[0]) != 0)
		abort();
}

/* The same packets through the stage that takes items too. */
static void check_along(const struct weir_batch *opened)
{
	struct weir_stage *decapsulate = NULL, *items = NULL;
	struct weir_batch *batch = weir_batch_new();

	if (!batch || weir_decapsulate_stage_new(4096, &decapsulate, NULL) < 0 || !(items = weir_flow_items_stage_new(decapsulate, true)))
		abort();
	memcpy(batch->packets, opened->packets, opened->count * sizeof batch->packets[0]);
	batch->count = opened->count;
	if (weir_decode_batch(batch, NULL) < 0 || items->ops->process(items, batch, NULL) < 0)
		abort();
	for (uint32_t i = 0; i < batch->count; i++)
		check_same(opened->packets[i].facts, batch->packets[i].facts);
	weir_stage_close(items);
	weir_stage_close(decapsulate);
	weir_batch_free(batch);
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
	check_along(batch);
	weir_decapsulate_statistics(stage, &s);
	if (s.esp != s.opened + s.encrypted + s.undecided)
		abort();
	weir_stage_close(stage);
	weir_batch_free(batch);
	return 0;
}
