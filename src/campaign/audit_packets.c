/*
 * Searches a capture file packet by packet: its address fields, what the dissectors read of it, and, for addresses of four bytes, what is no field of a
 * header: there, and not in sequence numbers and checksums, such bytes are few enough for chance to be told.
 */
#include <stdlib.h>

#include <weir/file.h>

#include "campaign/audit.h"
#include "file/option.h"
#include "packet/dissect.h"
#include "packet/print.h"

struct packets {
	const struct audit_file *file;
	struct printer *printer;
	struct text json;
	struct weir_facts facts;
};

/* How many bytes from the beginning of a header on are fields that are no addresses of hosts, or are looked at as such. */
static uint32_t header_bytes(const struct weir_packet *packet, const struct weir_layer *layer)
{
	const uint8_t *p = packet->data + layer->offset;

	switch (layer->kind) {
	case WEIR_LAYER_ETHERNET:
		return 14;
	case WEIR_LAYER_VLAN:
	case WEIR_LAYER_MPLS:
	case WEIR_LAYER_NULL:
		return 4;
	case WEIR_LAYER_SLL:
		return 16;
	case WEIR_LAYER_SLL2:
		return 20;
	case WEIR_LAYER_LLC:
		return 3;
	case WEIR_LAYER_SNAP:
		return 5;
	case WEIR_LAYER_ARP:
		return 28; /* the dissector reads its addresses */
	case WEIR_LAYER_IPV4:
		return 20;
	case WEIR_LAYER_IPV6:
		return 40;
	case WEIR_LAYER_TCP:
		/* Options, too, where they hold nothing but times and sequence numbers; others are few. */
		if (layer->offset + 24 <= packet->captured && p[12] >> 4 == 8 && p[20] == 1 && p[21] == 1 && p[22] == 8)
			return 32;
		return 20;
	case WEIR_LAYER_AH:
		return 24;
	case WEIR_LAYER_UDP:
	case WEIR_LAYER_UDPLITE:
	case WEIR_LAYER_ICMP:
	case WEIR_LAYER_ICMPV6:
	case WEIR_LAYER_ESP:
	case WEIR_LAYER_VXLAN:
	case WEIR_LAYER_GENEVE:
	case WEIR_LAYER_GTPU:
	case WEIR_LAYER_FRAGMENT:
		return 8;
	case WEIR_LAYER_SCTP:
		return 12;
	default:
		return 0;
	}
}

static void search_between(const struct packets *p, const struct audit_place *place, const struct weir_packet *packet)
{
	uint32_t at = 0;

	for (unsigned i = 0; i <= p->facts.layer_count; i++) {
		uint32_t end = i < p->facts.layer_count ? p->facts.layers[i].offset : packet->captured;
		if (end > packet->captured)
			end = packet->captured;
		if (end > at)
			audit_match_ipv4(p->file->hits, place, packet->data, end, at, end);
		if (i < p->facts.layer_count) {
			uint32_t next = end + header_bytes(packet, &p->facts.layers[i]);
			at = next > at ? next : at;
		}
	}
}

static void search_addresses(const struct packets *p, struct audit_place *place, const struct weir_packet *packet)
{
	uint32_t macs[2] = {p->facts.link_source, p->facts.link_destination};

	place->what = "MAC address";
	for (unsigned i = 0; i < 2 && (macs[0] || macs[1]); i++)
		if (macs[i] + 6 <= packet->captured)
			audit_check_mac(p->file->hits, place, macs[i], packet->data + macs[i], AUDIT_BYTES);
	for (unsigned i = 0; i < p->facts.network_count; i++) {
		const struct weir_network *network = &p->facts.networks[i];
		uint32_t at[2] = {network->source, network->destination};
		if (!(network->flags & WEIR_NETWORK_ADDRESSES))
			continue;
		for (unsigned j = 0; j < 2; j++) {
			place->what = j == 0 ? "source address" : "destination address";
			if (network->version == 4)
				audit_check_ipv4(p->file->hits, place, at[j], weir_load_native32(packet->data + at[j]), AUDIT_BYTES,
				                 AUDIT_CERTAIN);
			else
				audit_check_ipv6(p->file->hits, place, at[j], packet->data + at[j], AUDIT_BYTES);
		}
	}
}

/* What is printed of a packet, searched as text: fields that decoding has no facts of. */
static int search_fields(struct packets *p, struct audit_place *place, const struct weir_packet *packet,
                         struct weir_fault *fault)
{
	unsigned layers = p->facts.layer_count;

	if (p->facts.payload < packet->captured)
		find_application(packet, &p->facts);
	if (audit_is_plain(&p->facts))
		return 0;
	text_clear(&p->json);
	printer_add(p->printer, packet, NULL, NULL, place->packet, &p->json);
	if (p->json.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to look at a packet");
	place->what = "fields of a packet";
	place->numbers = false;
	place->runs = false;
	place->plain = true;
	audit_search_all(p->file->hits, place, (const uint8_t *)p->json.data, p->json.length);
	p->facts.layer_count = (uint8_t)layers;
	return 0;
}

static int search_packet(struct packets *p, const struct weir_batch *batch, const struct weir_packet *packet,
                         uint64_t number, struct weir_fault *fault)
{
	struct audit_place place = {.file = p->file->name,
	                            .packet = number,
	                            .around = packet,
	                            .facts = &p->facts,
	                            .images = true,
	                            .ipv4_bytes = true,
	                            .numbers = true,
	                            .runs = true,
	                            .short_values = true};

	weir_decode(packet, &p->facts);
	search_addresses(p, &place, packet);
	place.what = "packet";
	search_between(p, &place, packet);
	if (packet->block && !(packet->flags & WEIR_PACKET_PCAP_RECORD)) {
		struct weir_bytes options = pcapng_packet_options(packet->block, packet->block_length,
		                                                  batch->interfaces[packet->interface_id]->big_endian);
		struct audit_place option = place;
		option.what = "option of a packet";
		option.images = false; /* nothing is put there by hiding */
		if (options.length)
			audit_search_all(p->file->hits, &option, options.data, options.length);
	}
	place.ipv4_bytes = false;
	/* Payload once more by itself: what stands before and behind it in the file is no part of its words. */
	if (p->facts.payload < packet->captured) {
		place.base = p->facts.payload;
		place.what = "payload of a packet";
		audit_search_all(p->file->hits, &place, packet->data + p->facts.payload, packet->captured - p->facts.payload);
		place.base = 0;
	}
	return search_fields(p, &place, packet, fault);
}

static int search_batch(struct packets *p, const struct weir_batch *batch, struct weir_fault *fault)
{
	int error = 0;

	for (uint32_t i = 0; i < batch->block_count; i++) {
		struct audit_place place = {.file = p->file->name,
		                            .what = "block that is no packet",
		                            .ipv4_bytes = true,
		                            .numbers = true,
		                            .runs = true,
		                            .short_values = true};
		audit_search_all(p->file->hits, &place, batch->blocks[i].data, batch->blocks[i].length);
	}
	for (uint32_t i = 0; i < batch->count && !error; i++)
		error = search_packet(p, batch, &batch->packets[i], batch->first_number + i, fault);
	p->file->result->packets += batch->count;
	return error;
}

int audit_packets(const struct audit_file *file, struct weir_fault *fault)
{
	struct packets p = {.file = file, .printer = printer_new(&(struct print_options){.json = true, .numeric = true})};
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source = NULL;
	int error = p.printer && batch ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to search %s", file->name);

	if (!error)
		error = weir_capture_open(file->path, NULL, &source, fault);
	for (int more = 1; !error && more > 0;) {
		more = source->ops->fill(source, batch, fault);
		error = more < 0 ? more : search_batch(&p, batch, fault);
		if (!error && more > 0 && file->options->stop && *file->options->stop)
			error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
		weir_batch_reset(batch);
	}
	weir_source_close(source);
	weir_batch_free(batch);
	printer_free(p.printer);
	text_free(&p.json);
	return error;
}
