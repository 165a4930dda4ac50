/* Flows and packets of the moment: box/top_traffic.h. */
#include "box/top_traffic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WAYS 8u /* places that a flow may have */
#define FLOWS_DEFAULT 8192u
#define PACKETS_DEFAULT 1000u
#define SNAPLEN_DEFAULT 512u
#define IDLE_DEFAULT_NS INT64_C(30000000000)
#define APPLICATION_BYTES (UINT64_C(4) << 20)

enum { TCP = 6, TCP_SYN_ACK = 0x12 };

struct top_traffic {
	struct top_traffic_options options;
	pthread_mutex_t lock;
	struct weir_applications *applications;
	struct top_flow *flows; /* hash 0: free */
	uint32_t flow_mask;
	struct top_packet *packets; /* a ring: number n stands at (n - 1) % options.packets */
	uint8_t *bytes;
	struct top_traffic_statistics statistics;
};

void top_history_add(struct top_history *history, double value)
{
	if (history->count < TOP_HISTORY) {
		history->value[(history->first + history->count++) % TOP_HISTORY] = (float)value;
		return;
	}
	history->value[history->first] = (float)value;
	history->first = (uint16_t)((history->first + 1) % TOP_HISTORY);
}

size_t top_history_read(const struct top_history *history, double out[static TOP_HISTORY])
{
	for (size_t i = 0; i < history->count; i++)
		out[i] = (double)history->value[(history->first + i) % TOP_HISTORY];
	return history->count;
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t power = WAYS;

	while (power < least && power < 1u << 20)
		power *= 2;
	return power;
}

int top_traffic_new(const struct top_traffic_options *options, struct top_traffic **traffic, struct weir_fault *fault)
{
	struct top_traffic *made = calloc(1, sizeof *made);
	const struct weir_applications_options applications = {.memory_bytes = APPLICATION_BYTES, .no_ndpi = true};

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	made->options = *options;
	made->options.flows = power_of_two(options->flows ? options->flows : FLOWS_DEFAULT);
	made->options.packets = options->packets ? options->packets : PACKETS_DEFAULT;
	made->options.snaplen = options->snaplen ? options->snaplen : SNAPLEN_DEFAULT;
	made->options.idle_ns = options->idle_ns ? options->idle_ns : IDLE_DEFAULT_NS;
	made->flow_mask = made->options.flows - 1;
	pthread_mutex_init(&made->lock, NULL);
	made->flows = calloc(made->options.flows, sizeof *made->flows);
	made->packets = calloc(made->options.packets, sizeof *made->packets);
	made->bytes = malloc((size_t)made->options.packets * made->options.snaplen);
	made->statistics.memory_bytes = made->options.flows * sizeof *made->flows +
	                                (size_t)made->options.packets * (sizeof *made->packets + made->options.snaplen);
	int error = made->flows && made->packets && made->bytes ? weir_applications_new(&applications, &made->applications, fault)
	                                                        : weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	if (error)
		top_traffic_free(made);
	else
		*traffic = made;
	return error;
}

void top_traffic_free(struct top_traffic *traffic)
{
	if (!traffic)
		return;
	weir_applications_free(traffic->applications);
	pthread_mutex_destroy(&traffic->lock);
	free(traffic->flows);
	free(traffic->packets);
	free(traffic->bytes);
	free(traffic);
}

static void forget_flow(struct top_traffic *traffic, struct top_flow *flow)
{
	weir_application_end(traffic->applications, &flow->application);
	flow->hash = 0;
	traffic->statistics.flows--;
}

static void address_of(const struct weir_packet *packet, const struct weir_network *network, uint32_t offset, struct weir_ip *ip)
{
	*ip = (struct weir_ip){.version = network->version};
	memcpy(ip->bytes, packet->data + offset, network->version == 4 ? 4 : 16);
}

static bool same_ip(const struct weir_ip *a, const struct weir_ip *b) { return memcmp(a, b, sizeof *a) == 0; }

/* The flow with these ends; *reversed: it goes from destination to source. NULL: there is none. */
static struct top_flow *find_flow(struct top_traffic *traffic, const struct top_flow *wanted, bool *reversed)
{
	uint32_t first = (uint32_t)(wanted->hash >> 32) & traffic->flow_mask & ~(WAYS - 1);

	for (uint32_t i = first; i < first + WAYS; i++) {
		struct top_flow *flow = &traffic->flows[i];
		if (flow->hash != wanted->hash || flow->protocol != wanted->protocol)
			continue;
		*reversed = !(same_ip(&flow->source, &wanted->source) && flow->source_port == wanted->source_port);
		if (!*reversed ? same_ip(&flow->destination, &wanted->destination) && flow->destination_port == wanted->destination_port
		               : same_ip(&flow->source, &wanted->destination) && same_ip(&flow->destination, &wanted->source) &&
		                     flow->source_port == wanted->destination_port && flow->destination_port == wanted->source_port)
			return flow;
	}
	return NULL;
}

/* A place for a new flow: a free one, or that of the one idle longest. */
static struct top_flow *place_flow(struct top_traffic *traffic, uint64_t hash)
{
	uint32_t first = (uint32_t)(hash >> 32) & traffic->flow_mask & ~(WAYS - 1);
	struct top_flow *place = NULL;

	for (uint32_t i = first; i < first + WAYS; i++) {
		struct top_flow *flow = &traffic->flows[i];
		if (!flow->hash) {
			place = flow;
			break;
		}
		if (!place || flow->last_ns < place->last_ns)
			place = flow;
	}
	if (place->hash) {
		forget_flow(traffic, place);
		traffic->statistics.forgotten++;
	}
	traffic->statistics.flows++;
	return place;
}

static void turn(struct top_flow *flow)
{
	struct weir_ip ip = flow->source;
	uint16_t port = flow->source_port;

	flow->source = flow->destination;
	flow->source_port = flow->destination_port;
	flow->destination = ip;
	flow->destination_port = port;
}

static bool is_answer(const struct weir_packet *packet, const struct weir_network *network)
{
	return network->protocol == TCP && network->transport && network->transport + 14 <= packet->captured &&
	       (packet->data[network->transport + 13] & TCP_SYN_ACK) == TCP_SYN_ACK;
}

static void add_to_flow(struct top_traffic *traffic, const struct weir_packet *packet, uint32_t weight, uint16_t lane)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	struct top_flow wanted = {
		.hash = facts->flow_hash,
		.protocol = network->protocol,
		.source_port = network->flags & WEIR_NETWORK_PORTS ? network->source_port : 0,
		.destination_port = network->flags & WEIR_NETWORK_PORTS ? network->destination_port : 0,
	};
	bool reversed = false;

	address_of(packet, network, network->source, &wanted.source);
	address_of(packet, network, network->destination, &wanted.destination);
	struct top_flow *flow = find_flow(traffic, &wanted, &reversed);
	if (!flow) {
		flow = place_flow(traffic, wanted.hash);
		reversed = is_answer(packet, network);
		if (reversed)
			turn(&wanted);
		*flow = wanted;
		flow->first_ns = packet->time_ns;
	}
	flow->last_ns = packet->time_ns;
	flow->lane = lane;
	flow->packets[reversed] += weight;
	flow->bytes[reversed] += (uint64_t)packet->length * weight;
	if (!flow->application.decided) {
		const struct weir_application_flow ends = {&flow->source, &flow->destination, flow->source_port, flow->destination_port,
		                                           flow->protocol};
		weir_application_see(traffic->applications, &flow->application, &ends, packet, facts, reversed);
	}
}

static void keep_packet(struct top_traffic *traffic, const struct weir_packet *packet, uint16_t lane)
{
	size_t at = traffic->statistics.packets++ % traffic->options.packets;
	uint8_t *bytes = traffic->bytes + at * traffic->options.snaplen;
	struct top_packet *kept = &traffic->packets[at];

	*kept = (struct top_packet){
		.number = traffic->statistics.packets,
		.hash = packet->facts ? packet->facts->flow_hash : 0,
		.time_ns = packet->time_ns,
		.captured = packet->captured < traffic->options.snaplen ? packet->captured : traffic->options.snaplen,
		.length = packet->length,
		.linktype = packet->linktype,
		.lane = lane,
		.data = bytes,
	};
	if (kept->captured)
		memcpy(bytes, packet->data, kept->captured);
}

void top_traffic_add(struct top_traffic *traffic, const struct weir_batch *batch, uint32_t weight, uint16_t lane)
{
	pthread_mutex_lock(&traffic->lock);
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		const struct weir_facts *facts = packet->facts;
		if (packet->verdict != WEIR_KEEP)
			continue;
		keep_packet(traffic, packet, lane);
		if (facts && facts->flow_hash && facts->network_count &&
		    facts->networks[facts->network_count - 1].flags & WEIR_NETWORK_ADDRESSES)
			add_to_flow(traffic, packet, weight, lane);
		else
			traffic->statistics.no_ip++;
	}
	pthread_mutex_unlock(&traffic->lock);
}

static void take_string(struct weir_bytes from, char *to, size_t size)
{
	size_t length = from.length < size - 1 ? from.length : size - 1;

	if (length)
		memcpy(to, from.data, length);
	to[length] = 0;
}

static void name_flow(struct top_traffic *traffic, struct top_flow *flow)
{
	struct weir_flow record;

	weir_flow_clear(&record);
	weir_application_describe(traffic->applications, &flow->application, &record);
	take_string(record.application, flow->name, sizeof flow->name);
	take_string(record.category, flow->category, sizeof flow->category);
	take_string(record.server_name, flow->server_name, sizeof flow->server_name);
}

void top_traffic_tick(struct top_traffic *traffic, int64_t now_ns, double seconds)
{
	if (seconds <= 0)
		return;
	pthread_mutex_lock(&traffic->lock);
	for (uint32_t i = 0; i <= traffic->flow_mask; i++) {
		struct top_flow *flow = &traffic->flows[i];
		if (!flow->hash)
			continue;
		if (now_ns - flow->last_ns > traffic->options.idle_ns) {
			forget_flow(traffic, flow);
			continue;
		}
		for (int way = 0; way < 2; way++) {
			flow->packet_rate[way] = (double)(flow->packets[way] - flow->before_packets[way]) / seconds;
			flow->byte_rate[way] = (double)(flow->bytes[way] - flow->before_bytes[way]) / seconds;
			flow->before_packets[way] = flow->packets[way];
			flow->before_bytes[way] = flow->bytes[way];
		}
		top_history_add(&flow->history, flow->byte_rate[0] + flow->byte_rate[1]);
		name_flow(traffic, flow);
	}
	pthread_mutex_unlock(&traffic->lock);
}

int top_traffic_flows(struct top_traffic *traffic, struct top_flow **flows, size_t *count, size_t *room, struct weir_fault *fault)
{
	int error = 0;

	pthread_mutex_lock(&traffic->lock);
	size_t there = traffic->statistics.flows;
	if (there > *room) {
		struct top_flow *larger = realloc(*flows, there * sizeof *larger);
		if (larger) {
			*flows = larger;
			*room = there;
		} else {
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to show %zu flows", there);
		}
	}
	*count = 0;
	for (uint32_t i = 0; i <= traffic->flow_mask && *count < *room && !error; i++)
		if (traffic->flows[i].hash)
			(*flows)[(*count)++] = traffic->flows[i];
	pthread_mutex_unlock(&traffic->lock);
	return error;
}

int top_traffic_packets(struct top_traffic *traffic, struct top_packets **packets, struct weir_fault *fault)
{
	uint32_t most = traffic->options.packets, snaplen = traffic->options.snaplen;
	struct top_packets *copy = malloc(sizeof *copy + most * (sizeof *copy->packets + (size_t)snaplen));

	if (!copy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to show packets");
	pthread_mutex_lock(&traffic->lock);
	uint64_t seen = traffic->statistics.packets, first = seen > most ? seen - most : 0;
	copy->count = (size_t)(seen - first);
	copy->packets = (struct top_packet *)(copy + 1);
	uint8_t *bytes = (uint8_t *)(copy->packets + most);
	for (size_t i = 0; i < copy->count; i++, bytes += snaplen) {
		const struct top_packet *from = &traffic->packets[(first + i) % most];
		copy->packets[i] = *from;
		copy->packets[i].data = memcpy(bytes, from->data, from->captured);
	}
	pthread_mutex_unlock(&traffic->lock);
	*packets = copy;
	return 0;
}

void top_traffic_statistics(struct top_traffic *traffic, struct top_traffic_statistics *statistics)
{
	pthread_mutex_lock(&traffic->lock);
	*statistics = traffic->statistics;
	pthread_mutex_unlock(&traffic->lock);
}
