/*
 * Gathers originals: weir/audit.h. What is in a packet is what decoding finds and what the dissectors print of it (docs/json.md): all that weir itself could show
 * anybody. The hide stage has its own way through packets.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "campaign/audit.h"
#include "packet/dissect.h"
#include "packet/print.h"

struct gather_stage {
	struct weir_stage stage;
	struct weir_originals *originals;
	struct weir_stage *keep;
	struct printer *printer;
	struct text json;
	uint32_t interfaces_seen;
	uint32_t captured[WEIR_BATCH_PACKETS];
	uint8_t verdicts[WEIR_BATCH_PACKETS];
};

/* ---- names ---- */

/* A name, and the domains that it is in, down to two labels: "www.example.org", "example.org". */
static int add_name(struct weir_originals *originals, struct weir_bytes name, struct weir_fault *fault)
{
	int error = weir_originals_add_name(originals, name.data, name.length, fault);

	while (!error && name.length) {
		const uint8_t *dot = memchr(name.data, '.', name.length);
		if (!dot)
			break;
		name.length -= (size_t)(dot + 1 - name.data);
		name.data = dot + 1;
		/* Of short ones the first label is one that registries give out: "co.uk". */
		if (name.length < 8 || name.data[0] == '_' || !memchr(name.data, '.', name.length - 1))
			break;
		error = weir_originals_add_name(originals, name.data, name.length, fault);
	}
	return error;
}

/* The names that HTTP requests are made to. */
static int add_hosts(struct weir_originals *originals, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	static const char header[] = "\nhost:";
	size_t end = length < 8192 ? length : 8192;

	for (size_t i = 0; i + sizeof header < end; i++) {
		size_t j = 0;
		while (header[j] && (data[i + j] | (j > 0 && j < 5 ? 0x20 : 0)) == header[j])
			j++;
		if (header[j])
			continue;
		for (i += j; i < end && data[i] == ' '; i++)
			continue;
		size_t from = i;
		while (i < end && data[i] > ' ' && data[i] < 127 && data[i] != ':')
			i++;
		return add_name(originals, (struct weir_bytes){data + from, i - from}, fault);
	}
	return 0;
}

/* ---- JSON ---- */

/* The string that begins behind the quote at *at; moves behind its closing quote. Escapes stay: no value that is looked for has any. */
static struct weir_bytes take_string(const struct text *json, size_t *at)
{
	size_t from = ++*at;

	while (*at < json->length && json->data[*at] != '"')
		*at += json->data[*at] == '\\' ? 2 : 1;
	size_t end = *at < json->length ? *at : json->length;
	*at = end + 1;
	return (struct weir_bytes){(const uint8_t *)json->data + from, end - from};
}

static void keep_word(char out[static 24], struct weir_bytes word)
{
	size_t length = word.length < 23 ? word.length : 23;

	memcpy(out, word.data, length);
	out[length] = '\0';
}

int audit_json_walk(const struct text *json, audit_json_text *call, void *context, struct weir_fault *fault)
{
	char key[24] = "", protocol[24] = "", code[24] = "", under[32];

	for (size_t at = 0; at < json->length;) {
		if (json->data[at] != '"') {
			if (strcmp(key, "code") == 0 && json->data[at] >= '0' && json->data[at] <= '9') {
				size_t end = at;
				while (end < json->length && json->data[end] >= '0' && json->data[end] <= '9')
					end++;
				keep_word(code, (struct weir_bytes){(const uint8_t *)json->data + at, end - at});
				at = end;
				key[0] = '\0';
				continue;
			}
			at++;
			continue;
		}
		struct weir_bytes string = take_string(json, &at);
		if (at < json->length && json->data[at] == ':') {
			keep_word(key, string);
			continue;
		}
		if (strcmp(key, "protocol") == 0) {
			keep_word(protocol, string);
			code[0] = '\0';
			continue;
		}
		/* Of DHCP's options the number says what the text is. */
		snprintf(under, sizeof under, "%s%s%s", key, strcmp(protocol, "dhcp") == 0 && code[0] ? "/" : "",
		         strcmp(protocol, "dhcp") == 0 ? code : "");
		int error = call(context, protocol, under, string, fault);
		if (error)
			return error;
	}
	return 0;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static bool read_mac(struct weir_bytes text, uint8_t mac[static 6])
{
	if (text.length != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_digit(text.data[i * 3]), low = hex_digit(text.data[i * 3 + 1]);
		if (high < 0 || low < 0 || (i < 5 && text.data[i * 3 + 2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* A name as DHCP's option 81 has it (RFC 4702), given in hex: flags, two codes, then ASCII or labels. */
static int add_client_name(struct weir_originals *originals, struct weir_bytes hex, struct weir_fault *fault)
{
	uint8_t name[256];
	size_t length = 0;
	bool labels = hex.length > 2 && hex_digit(hex.data[1]) >= 0 && (hex_digit(hex.data[1]) & 4);

	for (size_t i = 6; i + 1 < hex.length && length < sizeof name; i += 2) {
		int high = hex_digit(hex.data[i]), low = hex_digit(hex.data[i + 1]);
		if (high < 0 || low < 0)
			return 0;
		name[length++] = (uint8_t)(high << 4 | low);
	}
	for (size_t i = 0; labels && i < length;) {
		size_t next = i + name[i] + 1u;
		name[i] = '.';
		i = next;
	}
	size_t from = labels && length ? 1 : 0;
	return add_name(originals, (struct weir_bytes){name + from, length - from}, fault);
}

static bool is_name_at(const char *protocol, const char *key)
{
	static const char *const names[][2] = {
		{"dns", "name"},         {"dns", "target"},   {"nbns", "name"},    {"tls", "server_name"},
		{"quic", "server_name"}, {"dhcp", "text/12"}, {"dhcp", "text/15"},
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(protocol, names[i][0]) == 0 && strcmp(key, names[i][1]) == 0)
			return true;
	return false;
}

static int see_text(void *context, const char *protocol, const char *key, struct weir_bytes text,
                    struct weir_fault *fault)
{
	struct weir_originals *originals = context;
	struct weir_ip ip = {.version = 4};
	char address[48];
	uint8_t mac[6];

	if (is_name_at(protocol, key))
		return add_name(originals, text, fault);
	if (strcmp(protocol, "dhcp") == 0 && strcmp(key, "data/81") == 0)
		return add_client_name(originals, text, fault);
	if (read_mac(text, mac))
		return weir_originals_add_mac(originals, mac, fault);
	/* No text that stands for itself is taken for an address: versions of programs look like some. */
	if (strcmp(protocol, "http") == 0 || strcmp(protocol, "ssh") == 0 || text.length < 2 ||
	    text.length >= sizeof address)
		return 0;
	memcpy(address, text.data, text.length);
	address[text.length] = '\0';
	if (inet_pton(AF_INET, address, ip.bytes) == 1)
		return weir_originals_add_ip(originals, &ip, fault);
	ip.version = 6;
	return inet_pton(AF_INET6, address, ip.bytes) == 1 ? weir_originals_add_ip(originals, &ip, fault) : 0;
}

/* ---- packets ---- */

bool audit_is_plain(const struct weir_facts *facts)
{
	for (unsigned i = 0; i < facts->layer_count; i++)
		switch (facts->layers[i].kind) {
		case WEIR_LAYER_ETHERNET:
		case WEIR_LAYER_VLAN:
		case WEIR_LAYER_IPV4:
		case WEIR_LAYER_IPV6:
		case WEIR_LAYER_TCP:
		case WEIR_LAYER_UDP:
		case WEIR_LAYER_FRAGMENT:
		case WEIR_LAYER_ESP:
		case WEIR_LAYER_AH:
		case WEIR_LAYER_MPLS:
			continue;
		default:
			return false;
		}
	return true;
}

static int see_headers(struct gather_stage *stage, const struct weir_packet *packet, struct weir_fault *fault)
{
	const struct weir_facts *facts = packet->facts;
	struct weir_originals *originals = stage->originals;
	int error = 0;

	if (facts->link_source || facts->link_destination) {
		if (facts->link_source + 6 <= packet->captured)
			error = weir_originals_add_mac(originals, packet->data + facts->link_source, fault);
		if (!error && facts->link_destination + 6 <= packet->captured)
			error = weir_originals_add_mac(originals, packet->data + facts->link_destination, fault);
	}
	for (unsigned i = 0; i < facts->network_count && !error; i++) {
		const struct weir_network *network = &facts->networks[i];
		struct weir_ip ip = {.version = network->version};
		size_t length = network->version == 4 ? 4 : 16;
		if (!(network->flags & WEIR_NETWORK_ADDRESSES))
			continue;
		memcpy(ip.bytes, packet->data + network->source, length);
		error = weir_originals_add_ip(originals, &ip, fault);
		memcpy(ip.bytes, packet->data + network->destination, length);
		if (!error)
			error = weir_originals_add_ip(originals, &ip, fault);
	}
	return error;
}

static int see_packet(struct gather_stage *stage, const struct weir_packet *packet, uint64_t number,
                      struct weir_fault *fault)
{
	struct weir_facts facts = *packet->facts;
	uint32_t payload = facts.payload < packet->captured ? facts.payload : packet->captured;
	int error = see_headers(stage, packet, fault);

	if (error)
		return error;
	bool has_payload = payload < packet->captured;
	if (has_payload && !stage->originals->no_names && facts.network_count &&
	    facts.networks[facts.network_count - 1].protocol == 6)
		error = add_hosts(stage->originals, packet->data + payload, packet->captured - payload, fault);
	if (has_payload)
		find_application(packet, &facts);
	if (error || (audit_is_plain(&facts) && facts.layer_count == packet->facts->layer_count))
		return error;
	text_clear(&stage->json);
	printer_add(stage->printer, packet, NULL, NULL, number, &stage->json);
	if (stage->json.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to look at a packet");
	return audit_json_walk(&stage->json, see_text, stage->originals, fault);
}

static int see_interfaces(struct gather_stage *stage, const struct weir_batch *batch, struct weir_fault *fault)
{
	int error = 0;

	for (; stage->interfaces_seen < batch->interface_count && !error; stage->interfaces_seen++) {
		const struct weir_interface *interface = batch->interfaces[stage->interfaces_seen];
		error = weir_originals_add_name(stage->originals, interface->name, strlen(interface->name), fault);
		if (!error)
			error = weir_originals_add_name(stage->originals, interface->node, strlen(interface->node), fault);
	}
	return error;
}

/* What the policy cuts of each packet, and what it keeps, behind the headers. */
static void see_cut(struct gather_stage *stage, const struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (stage->verdicts[i] != WEIR_KEEP || !packet->facts)
			continue;
		stage->originals->packets++;
		uint32_t before = stage->captured[i];
		uint32_t kept = packet->verdict == WEIR_KEEP ? (packet->captured < before ? packet->captured : before) : 0;
		/* Headers are hidden field by field: they are looked for as fields. */
		uint32_t payload = packet->facts->payload < before ? packet->facts->payload : before;
		uint32_t from = kept > payload ? kept : payload;
		audit_see_runs(stage->originals, packet->data + from, before - from, AUDIT_CUT);
		audit_see_runs(stage->originals, packet->data, kept, AUDIT_KEPT);
		/* And what its end and the padding of a block make together. */
		uint8_t tail[10] = {0};
		if (kept >= 7) {
			memcpy(tail, packet->data + kept - 7, 7);
			audit_see_runs(stage->originals, tail, sizeof tail, AUDIT_KEPT);
		}
	}
}

static int process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct gather_stage *stage = (struct gather_stage *)base;
	int error = see_interfaces(stage, batch, fault);

	for (uint32_t i = 0; i < batch->count && !error; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		stage->captured[i] = packet->captured;
		stage->verdicts[i] = packet->verdict;
		if (packet->verdict != WEIR_KEEP || !packet->facts)
			continue;
		stage->originals->packets += !stage->keep;
		error = see_packet(stage, packet, batch->first_number + i, fault);
	}
	if (!error && stage->keep) {
		error = stage->keep->ops->process(stage->keep, batch, fault);
		if (!error)
			see_cut(stage, batch);
	}
	return error;
}

static void close_stage(struct weir_stage *base)
{
	struct gather_stage *stage = (struct gather_stage *)base;

	printer_free(stage->printer);
	text_free(&stage->json);
	free(stage);
}

static const struct weir_stage_ops ops = {.name = "originals", .process = process, .close = close_stage};

struct weir_stage *weir_originals_stage_new(struct weir_originals *originals, struct weir_stage *keep,
                                            struct weir_fault *fault)
{
	struct gather_stage *stage = calloc(1, sizeof *stage);

	if (stage)
		stage->printer = printer_new(&(struct print_options){.json = true, .numeric = true});
	if (!stage || !stage->printer) {
		free(stage);
		weir_fail(fault, WEIR_E_MEMORY, "no memory to gather originals");
		return NULL;
	}
	stage->stage.ops = &ops;
	stage->originals = originals;
	stage->keep = keep;
	return &stage->stage;
}

/* ---- flows ---- */

int weir_originals_see_flow(struct weir_originals *originals, const struct weir_flow *flow, struct weir_fault *fault)
{
	const struct weir_ip *ips[] = {&flow->source, &flow->destination, &flow->outer_source, &flow->outer_destination};
	int error = 0;

	for (size_t i = 0; i < 4 && !error; i++)
		error = weir_originals_add_ip(originals, ips[i], fault);
	if (!error && flow->has_macs)
		error = weir_originals_add_mac(originals, flow->source_mac, fault);
	if (!error && flow->has_macs)
		error = weir_originals_add_mac(originals, flow->destination_mac, fault);
	if (!error && flow->server_name.data)
		error = add_name(originals, flow->server_name, fault);
	/* Names of vantages, "NODE/INTERFACE", joined by commas. */
	for (size_t at = 0; !error && flow->vantages.data && at < flow->vantages.length;) {
		size_t end = at;
		while (end < flow->vantages.length && flow->vantages.data[end] != ',' && flow->vantages.data[end] != '/')
			end++;
		error = weir_originals_add_name(originals, flow->vantages.data + at, end - at, fault);
		at = end + 1;
	}
	return error;
}
