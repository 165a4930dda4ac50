/*
 * name_flows: names the flows of a capture, keyed on the innermost addresses, ports and protocol and the outermost VLAN, without timeouts. A line a flow, in the order in
 * which they began:
 *
 *	PROTOCOL SOURCE SOURCE_PORT DESTINATION DESTINATION_PORT VLAN PACKETS BYTES APPLICATION CATEGORY EVIDENCE SERVER_NAME
 *
 * separated by tabs, "-" for what there is none of.
 *
 *	name_flows [-n] [-s SNAPLEN] [-m BYTES] FILE
 *
 * -n: without nDPI. -s: look at so many bytes of each packet. -m: memory of the namer.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/application.h>
#include <weir/file.h>

struct key {
	struct weir_ip source, destination;
	uint16_t source_port, destination_port;
	uint32_t vlan;
	uint8_t protocol;
};

struct flow {
	struct key key;
	uint64_t packets, bytes;
	struct weir_application application;
	uint32_t next;
};

static struct flow *flows;
static uint32_t flow_count, flow_room, *heads;
static const uint32_t heads_mask = (1u << 22) - 1;
static struct weir_applications *namer;

static bool same(const struct key *a, const struct key *b, bool *reversed)
{
	*reversed = false;
	if (a->protocol != b->protocol || a->vlan != b->vlan)
		return false;
	if (a->source_port == b->source_port && a->destination_port == b->destination_port &&
	    memcmp(&a->source, &b->source, sizeof a->source) == 0 && memcmp(&a->destination, &b->destination, sizeof a->source) == 0)
		return true;
	*reversed = true;
	return a->source_port == b->destination_port && a->destination_port == b->source_port &&
	       memcmp(&a->source, &b->destination, sizeof a->source) == 0 && memcmp(&a->destination, &b->source, sizeof a->source) == 0;
}

static bool key_of(const struct weir_packet *packet, const struct weir_facts *facts, struct key *key)
{
	memset(key, 0, sizeof *key);
	if (facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	if (!(network->flags & WEIR_NETWORK_ADDRESSES))
		return false;
	size_t size = network->version == 4 ? 4 : 16;
	key->source.version = key->destination.version = network->version;
	memcpy(key->source.bytes, packet->data + network->source, size);
	memcpy(key->destination.bytes, packet->data + network->destination, size);
	key->source_port = network->source_port;
	key->destination_port = network->destination_port;
	key->protocol = network->protocol;
	key->vlan = facts->vlan_count ? facts->vlans[0] : WEIR_NO_VALUE;
	return true;
}

static struct flow *flow_of(const struct key *key, uint64_t hash, bool *reversed)
{
	uint32_t *head = &heads[hash & heads_mask];

	for (uint32_t i = *head; i; i = flows[i - 1].next)
		if (same(&flows[i - 1].key, key, reversed))
			return &flows[i - 1];
	*reversed = false;
	if (flow_count == flow_room) {
		flow_room = flow_room ? flow_room * 2 : 1024;
		flows = realloc(flows, flow_room * sizeof *flows);
		if (!flows)
			exit(3);
	}
	flows[flow_count] = (struct flow){.key = *key, .next = *head};
	*head = ++flow_count;
	return &flows[flow_count - 1];
}

static struct weir_application_flow ends_of(const struct key *key)
{
	return (struct weir_application_flow){&key->source, &key->destination, key->source_port, key->destination_port, key->protocol};
}

static void see(const struct weir_packet *packet)
{
	struct key key;
	bool reversed;

	if (!key_of(packet, packet->facts, &key))
		return;
	struct flow *flow = flow_of(&key, packet->facts->flow_hash, &reversed);
	flow->packets++;
	flow->bytes += packet->length;
	if (flow->application.decided)
		return;
	struct weir_application_flow ends = ends_of(&flow->key);
	weir_application_see(namer, &flow->application, &ends, packet, packet->facts, reversed);
}

static const char *text_of(struct weir_bytes bytes, char *text, size_t size)
{
	size_t length = bytes.length < size - 1 ? bytes.length : size - 1;

	if (!bytes.data)
		return "-";
	memcpy(text, bytes.data, length);
	text[length] = '\0';
	return text;
}

static void print(const struct flow *flow)
{
	char source[64] = "", destination[64] = "", application[160], category[64], evidence[64], name[300];
	int family = flow->key.source.version == 4 ? AF_INET : AF_INET6;
	struct weir_flow record;

	memset(&record, 0, sizeof record);
	weir_application_describe(namer, &flow->application, &record);
	inet_ntop(family, flow->key.source.bytes, source, sizeof source);
	inet_ntop(family, flow->key.destination.bytes, destination, sizeof destination);
	printf("%u\t%s\t%u\t%s\t%u\t%d\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\t%s\n", flow->key.protocol, source, flow->key.source_port,
	       destination, flow->key.destination_port, (int)flow->key.vlan, flow->packets, flow->bytes,
	       text_of(record.application, application, sizeof application), text_of(record.category, category, sizeof category),
	       text_of(record.evidence, evidence, sizeof evidence), text_of(record.server_name, name, sizeof name));
}

static int run(const char *path, uint32_t snaplen, struct weir_fault *fault)
{
	struct weir_source *source;
	int error = weir_capture_open(path, NULL, &source, fault);

	if (error)
		return error;
	struct weir_batch *batch = weir_batch_new();
	if (!batch)
		exit(3);
	for (;;) {
		weir_batch_reset(batch);
		int more = source->ops->fill(source, batch, fault);
		if (more <= 0) {
			error = more;
			break;
		}
		for (uint32_t i = 0; snaplen && i < batch->count; i++)
			if (batch->packets[i].captured > snaplen)
				batch->packets[i].captured = snaplen;
		if ((error = weir_decode_batch(batch, fault)))
			break;
		for (uint32_t i = 0; i < batch->count; i++)
			see(&batch->packets[i]);
	}
	weir_source_close(source);
	weir_batch_free(batch);
	return error;
}

static void settle_all(void)
{
	for (uint32_t i = 0; i < flow_count; i++) {
		struct weir_application_flow ends = ends_of(&flows[i].key);
		weir_application_settle(namer, &flows[i].application, &ends);
	}
}

int main(int argc, char **argv)
{
	struct weir_applications_options options = {0};
	struct weir_fault fault;
	uint32_t snaplen = 0;
	int c;

	while ((c = getopt(argc, argv, "ns:m:")) != -1)
		switch (c) {
		case 'n':
			options.no_ndpi = true;
			break;
		case 's':
			snaplen = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			options.memory_bytes = strtoull(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	heads = calloc((size_t)heads_mask + 1, sizeof *heads);
	if (optind + 1 != argc || !heads || weir_applications_new(&options, &namer, &fault)) {
		fprintf(stderr, "usage: name_flows [-n] [-s SNAPLEN] [-m BYTES] FILE\n");
		return 2;
	}
	weir_fault_clear(&fault);
	if (run(argv[optind], snaplen, &fault)) {
		char text[1200];
		fprintf(stderr, "name_flows: %s\n", weir_fault_text(&fault, text, sizeof text));
	}
	settle_all();
	for (uint32_t i = 0; i < flow_count; i++) {
		print(&flows[i]);
		weir_application_end(namer, &flows[i].application);
	}
	weir_applications_free(namer);
	free(flows);
	free(heads);
	return 0;
}
