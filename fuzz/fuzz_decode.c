/* Decoding: any bytes on any link type. The fast path and the general one must give the same facts, within the bytes. */
#include <stdlib.h>

#include <weir/decode.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	/* The first two bytes are the link type, the next how much more there was on the wire. */
	struct weir_packet packet = {
		.data = data + 4,
		.captured = (uint32_t)size - 4,
		.length = (uint32_t)size - 4 + data[2],
		.linktype = (uint16_t)(weir_load_le16(data) % 300),
	};
	struct weir_facts facts, thorough;

	memset(&facts, 0, sizeof facts);
	memset(&thorough, 0, sizeof thorough);
	weir_decode(&packet, &facts);
	weir_decode_thoroughly(&packet, &thorough);
	if (memcmp(&facts, &thorough, sizeof facts) != 0 || facts.payload > packet.captured ||
	    facts.layer_count > WEIR_LAYERS_MAX || facts.network_count > WEIR_NETWORKS_MAX ||
	    facts.vlan_count > WEIR_VLANS_MAX)
		abort();
	for (unsigned i = 0; i < facts.network_count; i++)
		if (facts.networks[i].end > packet.captured || facts.networks[i].offset > facts.networks[i].end)
			abort();
	return 0;
}
