/*
 * The keep stage: any bytes on any link type, under policies of all kinds. What is kept is the beginning of the packet, at least what "headers" keeps of it, and
 * its facts are those of what is left.
 */
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const policies[] = {
	"[policy.keep]\ndefault = \"headers\"\n",
	"[policy.keep]\ndns = \"headers\"\ndhcp = \"headers\"\nnbns = \"headers\"\nntp = \"headers\"\nhttp = "
	"\"headers\"\ntls = \"headers\"\nquic = \"headers\"\n"
	"ssh = \"headers\"\nsmb = \"headers\"\ndcerpc = \"headers\"\nisakmp = \"headers\"\n",
	"[policy.keep]\ntls = \"handshake\"\nquic = \"handshake\"\nssh = \"handshake\"\nflow_bytes = 100\n",
	"[policy.keep]\n\"ip6\" = \"all\"\narp = \"all\"\ndefault = \"7 bytes\"\nflow_bytes = 3\n",
	"[policy.keep]\ndefault = \"handshake\"\n",
};
#define COUNT (sizeof policies / sizeof policies[0])

static void check(const struct weir_packet *before, const struct weir_packet *after)
{
	const struct weir_facts *facts = after->facts;
	struct weir_packet packet = *after;
	struct weir_facts again;

	if (after->captured > before->captured || after->length != before->length || after->verdict != WEIR_KEEP)
		abort();
	/* In memory of exactly that size, so that nothing beyond is read without a word. */
	uint8_t *copy = malloc(after->captured + 1);
	if (!copy)
		return;
	memcpy(copy, after->data, after->captured);
	packet.data = copy;
	weir_decode(&packet, &again);
	if (again.layer_count != facts->layer_count || again.network_count != facts->network_count ||
	    facts->payload > after->captured)
		abort();
	for (unsigned i = 0; i < again.network_count; i++) {
		const struct weir_network *a = &again.networks[i], *b = &facts->networks[i];
		if (a->offset != b->offset || a->source != b->source || a->destination != b->destination ||
		    a->source_port != b->source_port || a->destination_port != b->destination_port || b->end > after->captured)
			abort();
	}
	free(copy);
}

/* The first two bytes are the link type, the next how much more there was on the wire. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Made once: what is remembered of flows may grow, and changes nothing that is checked. */
	static struct weir_policy *read[COUNT];
	static struct weir_stage *stages[COUNT];
	struct weir_batch *batch = weir_batch_new();
	uint32_t headers = 0;

	if (size < 4 || !batch) {
		weir_batch_free(batch);
		return 0;
	}
	const struct weir_packet before = {
		.data = data + 4,
		.captured = (uint32_t)size - 4,
		.length = (uint32_t)size - 4 + data[2],
		.linktype = (uint16_t)(weir_load_le16(data) % 300),
	};
	for (size_t i = 0; i < COUNT; i++) {
		struct weir_fault fault;
		if (!read[i] && weir_policy_parse(policies[i], strlen(policies[i]), "fuzz", &read[i], &fault) < 0)
			abort();
		if (!stages[i] && !(stages[i] = weir_keep_stage_new(read[i], &fault)))
			abort();
		batch->packets[0] = before;
		batch->count = 1;
		if (weir_decode_batch(batch, &fault) < 0 || stages[i]->ops->process(stages[i], batch, &fault) < 0)
			abort();
		check(&before, &batch->packets[0]);
		if (i == 0)
			headers = batch->packets[0].captured;
		if (batch->packets[0].captured < headers)
			abort();
	}
	weir_batch_free(batch);
	return 0;
}
