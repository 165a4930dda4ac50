/* The table of dissectors, and the walk over a packet's layers. */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

#include "packet/decoding.h"
#include "packet/dissect.h"

static const struct dissector nothing = {.kind = WEIR_LAYER_NONE};

static const struct dissector *const dissectors[WEIR_LAYER_KINDS] = {
	[WEIR_LAYER_NONE] = &nothing,
	[WEIR_LAYER_ETHERNET] = &dissector_ethernet,
	[WEIR_LAYER_LLC] = &dissector_llc,
	[WEIR_LAYER_SNAP] = &dissector_snap,
	[WEIR_LAYER_SLL] = &dissector_sll,
	[WEIR_LAYER_SLL2] = &dissector_sll2,
	[WEIR_LAYER_NULL] = &dissector_null,
	[WEIR_LAYER_PPP] = &dissector_ppp,
	[WEIR_LAYER_PPPOE] = &dissector_pppoe,
	[WEIR_LAYER_FDDI] = &dissector_fddi,
	[WEIR_LAYER_NFLOG] = &dissector_nflog,
	[WEIR_LAYER_IPNET] = &dissector_ipnet,
	[WEIR_LAYER_RADIOTAP] = &dissector_radiotap,
	[WEIR_LAYER_IEEE80211] = &dissector_ieee80211,
	[WEIR_LAYER_VLAN] = &dissector_vlan,
	[WEIR_LAYER_MPLS] = &dissector_mpls,
	[WEIR_LAYER_ARP] = &dissector_arp,
	[WEIR_LAYER_IPV4] = &dissector_ipv4,
	[WEIR_LAYER_IPV6] = &dissector_ipv6,
	[WEIR_LAYER_IPV6_EXTENSION] = &dissector_ipv6_extension,
	[WEIR_LAYER_FRAGMENT] = &dissector_ipv6_fragment,
	[WEIR_LAYER_AH] = &dissector_ah,
	[WEIR_LAYER_ESP] = &dissector_esp,
	[WEIR_LAYER_GRE] = &dissector_gre,
	[WEIR_LAYER_VXLAN] = &dissector_vxlan,
	[WEIR_LAYER_GENEVE] = &dissector_geneve,
	[WEIR_LAYER_GTPU] = &dissector_gtpu,
	[WEIR_LAYER_ERSPAN] = &dissector_erspan,
	[WEIR_LAYER_L2TP] = &dissector_l2tp,
	[WEIR_LAYER_ICMP] = &dissector_icmp,
	[WEIR_LAYER_ICMPV6] = &dissector_icmpv6,
	[WEIR_LAYER_IGMP] = &dissector_igmp,
	[WEIR_LAYER_TCP] = &dissector_tcp,
	[WEIR_LAYER_UDP] = &dissector_udp,
	[WEIR_LAYER_UDPLITE] = &dissector_udplite,
	[WEIR_LAYER_SCTP] = &dissector_sctp,
	[WEIR_LAYER_DNS] = &dissector_dns,
	[WEIR_LAYER_DHCP] = &dissector_dhcp,
	[WEIR_LAYER_NBNS] = &dissector_nbns,
	[WEIR_LAYER_NTP] = &dissector_ntp,
	[WEIR_LAYER_HTTP] = &dissector_http,
	[WEIR_LAYER_TLS] = &dissector_tls,
	[WEIR_LAYER_QUIC] = &dissector_quic,
	[WEIR_LAYER_SSH] = &dissector_ssh,
	[WEIR_LAYER_SMB] = &dissector_smb,
	[WEIR_LAYER_DCERPC] = &dissector_dcerpc,
	[WEIR_LAYER_ISAKMP] = &dissector_isakmp,
};

/* Ports 0: on any port, when it looks like it. In this order: the first that fits. */
static const struct application {
	uint8_t kind, transport;
	uint16_t ports[4];
	looks_like *looks;
} applications[] = {
	{WEIR_LAYER_DNS, WEIR_LAYER_UDP, {53, 5353, 5355}, looks_like_dns},
	{WEIR_LAYER_DNS, WEIR_LAYER_TCP, {53}, looks_like_dns_tcp},
	{WEIR_LAYER_NBNS, WEIR_LAYER_UDP, {137}, looks_like_nbns},
	{WEIR_LAYER_DHCP, WEIR_LAYER_UDP, {67, 68}, looks_like_dhcp},
	{WEIR_LAYER_NTP, WEIR_LAYER_UDP, {123}, looks_like_ntp},
	{WEIR_LAYER_ISAKMP, WEIR_LAYER_UDP, {500}, looks_like_isakmp},
	{WEIR_LAYER_ISAKMP, WEIR_LAYER_UDP, {4500}, looks_like_isakmp_marked},
	{WEIR_LAYER_SMB, WEIR_LAYER_TCP, {445, 139}, looks_like_smb},
	{WEIR_LAYER_TLS, WEIR_LAYER_TCP, {0}, looks_like_tls},
	{WEIR_LAYER_HTTP, WEIR_LAYER_TCP, {0}, looks_like_http},
	{WEIR_LAYER_SSH, WEIR_LAYER_TCP, {0}, looks_like_ssh},
	{WEIR_LAYER_DCERPC, WEIR_LAYER_TCP, {0}, looks_like_dcerpc},
	{WEIR_LAYER_QUIC, WEIR_LAYER_UDP, {0}, looks_like_quic},
};

const struct dissector *dissector_of(unsigned kind)
{
	return kind < WEIR_LAYER_KINDS ? dissectors[kind] : &nothing;
}

static bool fits(const struct application *application, const struct weir_network *network)
{
	if (application->ports[0] == 0)
		return true;
	for (unsigned i = 0; i < 4 && application->ports[i]; i++)
		if (application->ports[i] == network->source_port || application->ports[i] == network->destination_port)
			return true;
	return false;
}

void find_application(const struct weir_packet *packet, struct weir_facts *facts)
{
	if (facts->layer_count == 0 || facts->layer_count == WEIR_LAYERS_MAX)
		return;
	const struct weir_layer *last = &facts->layers[facts->layer_count - 1];
	if ((last->kind != WEIR_LAYER_TCP && last->kind != WEIR_LAYER_UDP) || last->network == NO_NETWORK)
		return;
	const struct weir_network *network = &facts->networks[last->network];
	uint32_t end = network->end;
	if (last->kind == WEIR_LAYER_UDP && facts->payload == last->offset + 8) {
		uint32_t length = weir_load_be16(packet->data + last->offset + 4);
		if (length >= 8 && length < end - last->offset)
			end = last->offset + length;
	}
	if (facts->payload >= end)
		return;
	struct weir_bytes payload = {packet->data + facts->payload, end - facts->payload};
	for (size_t i = 0; i < sizeof applications / sizeof applications[0]; i++) {
		const struct application *application = &applications[i];
		if (application->transport != last->kind || !fits(application, network) || !application->looks(payload))
			continue;
		facts->layers[facts->layer_count++] = (struct weir_layer){application->kind, last->network, 0, facts->payload};
		return;
	}
}

/* Where a network's datagram ended on the wire, by its own header. */
static uint32_t wire_end_of(const struct weir_packet *packet, const struct weir_network *network)
{
	const uint8_t *p = packet->data + network->offset;
	uint32_t length = network->version == 4 ? weir_load_be16(p + 2) : weir_load_be16(p + 4);

	if (length == 0)
		return packet->length;
	return network->offset + length + (network->version == 6 ? 40 : 0);
}

void dissection_at(struct dissection *d, unsigned index)
{
	const struct weir_facts *facts = d->facts;
	const struct weir_layer *layer = &facts->layers[index];
	uint32_t end = d->packet->captured, wire_end = d->packet->length;

	d->index = index;
	d->layer = layer;
	d->network = NULL;
	if (layer->network != NO_NETWORK && layer->network < facts->network_count) {
		d->network = &facts->networks[layer->network];
		end = d->network->end;
		wire_end = wire_end_of(d->packet, d->network);
	}
	/* An application behind UDP ends where UDP says. */
	if (layer->kind >= WEIR_LAYER_DNS && index > 0 && layer[-1].kind == WEIR_LAYER_UDP) {
		uint32_t length = weir_load_be16(d->packet->data + layer[-1].offset + 4);
		uint32_t udp_end = layer[-1].offset + length;
		if (length >= 8 && udp_end < wire_end)
			wire_end = udp_end;
		if (wire_end < end)
			end = wire_end;
	}
	if (wire_end < end)
		wire_end = end;
	d->bytes = (struct weir_bytes){d->packet->data + layer->offset, end > layer->offset ? end - layer->offset : 0};
	d->wire_length = wire_end > layer->offset ? wire_end - layer->offset : 0;
}

void dissect_text(const struct dissection *whole, unsigned first, struct text *out)
{
	struct dissection d = *whole;

	for (unsigned i = first; i < d.facts->layer_count; i++) {
		unsigned kind = d.facts->layers[i].kind;
		const struct dissector *dissector = dissector_of(kind);
		if (!dissector->text || (d.options->quiet && kind >= WEIR_LAYER_DNS))
			continue;
		dissection_at(&d, i);
		if (kind >= WEIR_LAYER_DNS && kind_before(&d) == WEIR_LAYER_TCP)
			put(out, kind == WEIR_LAYER_DNS ? " " : ": ");
		dissector->text(&d, out);
	}
}

void dissect_fields(const struct dissection *whole, struct fields *f)
{
	struct dissection d = *whole;

	for (unsigned i = 0; i < d.facts->layer_count; i++) {
		const struct dissector *dissector = dissector_of(d.facts->layers[i].kind);
		dissection_at(&d, i);
		fields_object(f, NULL);
		field_word(f, "protocol", weir_layer_name(d.layer->kind));
		if (dissector->fields)
			dissector->fields(&d, f);
		fields_end_object(f);
	}
}

bool dissect_quoted(const struct dissection *d, uint32_t offset, struct weir_packet *packet, struct weir_facts *facts)
{
	if (d->depth > 0 || d->bytes.length <= offset)
		return false;
	unsigned version = d->bytes.data[offset] >> 4;
	if (version != 4 && version != 6)
		return false;
	*packet = (struct weir_packet){
		.data = d->bytes.data + offset,
		.captured = (uint32_t)d->bytes.length - offset,
		.length = d->wire_length - offset,
		.linktype = 101,
	};
	weir_decode_thoroughly(packet, facts);
	return facts->network_count > 0;
}

/* Services by port, read once: [0] TCP, [1] UDP, [2] SCTP. */
static char *services[3][65536];
static pthread_once_t services_once = PTHREAD_ONCE_INIT;

static void load_services(void)
{
	static const char *const transports[3] = {"tcp", "udp", "sctp"};

	setservent(1);
	for (struct servent *entry; (entry = getservent());)
		for (unsigned i = 0; i < 3; i++) {
			char **name = &services[i][ntohs((uint16_t)entry->s_port)];
			if (strcmp(entry->s_proto, transports[i]) == 0 && !*name)
				*name = strdup(entry->s_name);
		}
	endservent();
}

void put_port(const struct dissection *d, uint16_t port, const char *transport, struct text *out)
{
	const char *name = NULL;

	if (!d->options->numeric) {
		pthread_once(&services_once, load_services);
		name = services[transport[0] == 't' ? 0 : transport[0] == 'u' ? 1 : 2][port];
	}
	if (name)
		put_bytes(out, name, strlen(name));
	else
		put_unsigned(out, port);
}

void put_addresses(const struct dissection *d, struct text *out)
{
	const struct weir_network *network = d->network;

	put_ip(out, network->version, d->packet->data + network->source);
	put(out, " > ");
	put_ip(out, network->version, d->packet->data + network->destination);
	put(out, ": ");
}

void put_endpoints(const struct dissection *d, const char *transport, struct text *out)
{
	const struct weir_network *network = d->network;
	unsigned before = kind_before(d);
	bool plain = before == WEIR_LAYER_IPV4 || before == WEIR_LAYER_IPV6;

	if (plain) {
		put_ip(out, network->version, d->packet->data + network->source);
		put_char(out, '.');
	}
	put_port(d, network->source_port, transport, out);
	put(out, " > ");
	if (plain) {
		put_ip(out, network->version, d->packet->data + network->destination);
		put_char(out, '.');
	}
	put_port(d, network->destination_port, transport, out);
	put(out, ": ");
}

uint64_t checksum_add(uint64_t sum, const uint8_t *data, size_t length)
{
	for (; length >= 4; data += 4, length -= 4)
		sum += weir_load_native32(data);
	if (length) {
		uint8_t rest[4] = {0};
		memcpy(rest, data, length);
		sum += weir_load_native32(rest);
	}
	return sum;
}

uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~WEIR_FROM_BE(16, (uint16_t)sum);
}

uint16_t transport_checksum(const struct dissection *d, uint8_t protocol, bool *known)
{
	const struct weir_network *network = d->network;
	*known = network && !(network->flags & WEIR_NETWORK_FRAGMENT) && d->bytes.length == d->wire_length && d->bytes.length > 0;
	if (!*known)
		return 0;
	uint8_t tail[8] = {0};
	weir_store_be32(tail, (uint32_t)d->bytes.length);
	tail[7] = protocol;
	size_t size = network->version == 4 ? 4 : 16;
	uint64_t sum = checksum_add(0, d->packet->data + network->source, size);
	sum = checksum_add(sum, d->packet->data + network->destination, size);
	sum = checksum_add(sum, tail, sizeof tail);
	return checksum_fold(checksum_add(sum, d->bytes.data, d->bytes.length));
}
