/* The process of each packet: box/process_stage.h. */
#include "box/process_stage.h"

#include <stdlib.h>
#include <string.h>

#include <weir/decode.h>

#include "box/addresses.h"
#include "core/arena.h"
#include "core/clock.h"
#include "file/process_option.h"

#define PAIRS 2048u /* twice as many as a batch has packets, so that there is always a free one */
#define FRAGMENT_SETS 1024u
#define FRAGMENT_NS (30 * NS_PER_SECOND)

enum { ICMP = 1, IGMP = 2, IPV4_IN_IP = 4, TCP = 6, UDP = 17, IPV6_IN_IP = 41, GRE = 47, ESP = 50, AH = 51, ICMPV6 = 58, UDPLITE = 136 };

/* A datagram whose first fragment was seen: later ones have no ports. */
struct fragment {
	struct weir_ip source, destination;
	uint32_t id;
	uint8_t protocol;
	bool used;
	int64_t time_ns;
	struct weir_packet_processes processes;
};

/* Processes whose options this batch has. */
struct pair {
	struct weir_packet_processes processes;
	uint32_t added; /* 0: free */
};

struct process_stage {
	struct weir_stage stage;
	struct process_lookup lookup;
	struct addresses *addresses;
	struct process_stage_statistics statistics;
	uint16_t used[PAIRS]; /* those of pairs that are not free */
	uint32_t used_count;
	struct pair pairs[PAIRS];
	struct fragment fragments[FRAGMENT_SETS];
};

/* ---- what a packet says ---- */

/* The ends of one IP header and what is on it. */
struct ends {
	struct weir_ip source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
	bool source_has_socket, destination_has_socket; /* a socket can be behind it */
};

static struct weir_ip ip_at(const uint8_t *bytes, uint8_t version)
{
	struct weir_ip ip = {.version = version};

	memcpy(ip.bytes, bytes, version == 4 ? 4 : 16);
	return ip;
}

/* An echo belongs to who asks: the system itself answers. Everything else of ICMP nobody sends from a socket of ours for certain. */
static bool take_echo(const struct weir_packet *packet, const struct weir_network *network, struct ends *ends)
{
	bool four = network->protocol == ICMP;

	if (!network->transport || network->end < network->transport + 8)
		return false;
	uint8_t type = packet->data[network->transport];
	bool asks = type == (four ? 8 : 128), answers = type == (four ? 0 : 129);
	ends->source_has_socket = asks;
	ends->destination_has_socket = answers;
	ends->source_port = asks ? weir_load_be16(packet->data + network->transport + 4) : 0;
	ends->destination_port = answers ? weir_load_be16(packet->data + network->transport + 4) : 0;
	return asks || answers;
}

/* False: no socket is behind it that could be known. */
static bool take_ends(const struct weir_packet *packet, const struct weir_network *network, struct ends *ends)
{
	if (!(network->flags & WEIR_NETWORK_ADDRESSES))
		return false;
	*ends = (struct ends){
		.source = ip_at(packet->data + network->source, network->version),
		.destination = ip_at(packet->data + network->destination, network->version),
		.protocol = network->protocol,
		.source_has_socket = true,
		.destination_has_socket = true,
	};
	if (network->flags & WEIR_NETWORK_LATER_FRAGMENT)
		return true;
	switch (network->protocol) {
	case TCP:
	case UDP:
	case UDPLITE:
		ends->source_port = network->source_port;
		ends->destination_port = network->destination_port;
		return network->flags & WEIR_NETWORK_PORTS;
	case ICMP:
	case ICMPV6:
		return take_echo(packet, network, ends);
	case IGMP:
	case IPV4_IN_IP:
	case IPV6_IN_IP:
	case GRE:
	case ESP:
	case AH:
		return false; /* the system's own, also where a raw socket listens */
	default:
		return true; /* raw sockets */
	}
}

/* ---- who holds the sockets ---- */

static bool is_multicast(const struct weir_ip *ip)
{
	return ip->version == 4 ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

static bool find(struct process_stage *stage, const struct ends *ends, bool source, int64_t time_ns, struct weir_process *process)
{
	const struct owner_tuple tuple = {
		.protocol = ends->protocol,
		.local = source ? ends->source : ends->destination,
		.remote = source ? ends->destination : ends->source,
		.local_port = source ? ends->source_port : ends->destination_port,
		.remote_port = source ? ends->destination_port : ends->source_port,
	};

	if (stage->lookup.find(stage->lookup.context, &tuple, time_ns, process) && process->pid)
		return true;
	*process = (struct weir_process){.user_id = WEIR_NO_USER};
	return false;
}

/* The number by which fragments of a datagram know each other. */
static bool datagram_id(const struct weir_packet *packet, unsigned network, uint32_t *id)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *header = &facts->networks[network];

	if (header->version == 4) {
		*id = weir_load_be16(packet->data + header->offset + 4);
		return true;
	}
	for (unsigned i = 0; i < facts->layer_count; i++) {
		const struct weir_layer *layer = &facts->layers[i];
		if (layer->kind != WEIR_LAYER_FRAGMENT || layer->network != network || layer->offset + 8 > packet->captured)
			continue;
		*id = weir_load_be32(packet->data + layer->offset + 4);
		return true;
	}
	return false;
}

static struct fragment *fragment_of(struct process_stage *stage, const struct ends *ends, uint32_t id)
{
	uint64_t words[4];

	memcpy(words, ends->source.bytes, 16);
	memcpy(words + 2, ends->destination.bytes, 16);
	uint64_t mixed = (words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3] * 7 ^ id) * UINT64_C(0x9e3779b97f4a7c15);
	return &stage->fragments[(mixed >> 40) % FRAGMENT_SETS];
}

/* A first fragment is remembered, a later one is of who the first was. */
static bool take_fragment(struct process_stage *stage, const struct weir_packet *packet, unsigned network, const struct ends *ends,
                          struct weir_packet_processes *processes, bool found)
{
	bool later = packet->facts->networks[network].flags & WEIR_NETWORK_LATER_FRAGMENT;
	uint32_t id;

	if (!datagram_id(packet, network, &id))
		return found && !later;
	struct fragment *fragment = fragment_of(stage, ends, id);
	if (!later) {
		*fragment = (struct fragment){ends->source, ends->destination, id, ends->protocol, found, packet->time_ns, *processes};
		return found;
	}
	bool same = fragment->used && fragment->id == id && fragment->protocol == ends->protocol &&
	            memcmp(&fragment->source, &ends->source, sizeof ends->source) == 0 &&
	            memcmp(&fragment->destination, &ends->destination, sizeof ends->destination) == 0 &&
	            packet->time_ns - fragment->time_ns < FRAGMENT_NS;
	if (same)
		*processes = fragment->processes;
	return same;
}

/* Looks behind one IP header. */
static bool look_behind(struct process_stage *stage, const struct weir_packet *packet, unsigned network, struct weir_packet_processes *processes, bool *local)
{
	uint8_t flags = packet->facts->networks[network].flags;
	struct ends ends;
	bool found = false;

	if (!take_ends(packet, &packet->facts->networks[network], &ends))
		return false;
	bool source = addresses_has(stage->addresses, &ends.source);
	/* Of several that listen to a group nobody says which have joined it. */
	bool destination = !is_multicast(&ends.destination) && (addresses_has(stage->addresses, &ends.destination) ||
	                                                        addresses_is_broadcast(stage->addresses, &ends.destination));
	*local |= source || destination;
	if (!source && !destination)
		return false;
	if (!(flags & WEIR_NETWORK_LATER_FRAGMENT)) {
		if (source && ends.source_has_socket)
			found |= find(stage, &ends, true, packet->time_ns, &processes->source);
		if (destination && ends.destination_has_socket)
			found |= find(stage, &ends, false, packet->time_ns, &processes->destination);
	}
	return flags & WEIR_NETWORK_FRAGMENT ? take_fragment(stage, packet, network, &ends, processes, found) : found;
}

/* The innermost IP header that a socket of ours is behind. */
static bool look(struct process_stage *stage, const struct weir_packet *packet, struct weir_packet_processes *processes)
{
	const struct weir_process nobody = {.user_id = WEIR_NO_USER};
	bool local = false, found = false;

	*processes = (struct weir_packet_processes){nobody, nobody, nobody};
	for (unsigned i = packet->facts->network_count; i-- > 0 && !found;)
		found = look_behind(stage, packet, i, processes, &local);
	stage->statistics.local += local;
	stage->statistics.known += found;
	return found;
}

/* ---- options ---- */

static bool same_bytes(struct weir_bytes a, struct weir_bytes b)
{
	/* Mostly they are the very same. */
	return a.length == b.length && (a.data == b.data || memcmp(a.data, b.data, a.length) == 0);
}

static bool same_process(const struct weir_process *a, const struct weir_process *b)
{
	return a->pid == b->pid && a->thread_id == b->thread_id && a->user_id == b->user_id && same_bytes(a->name, b->name) &&
	       same_bytes(a->executable, b->executable) && same_bytes(a->user, b->user);
}

/* The number of the options for these processes in the batch's table. 0: no memory. */
static uint32_t options_for(struct process_stage *stage, struct weir_batch *batch, const struct weir_packet_processes *processes)
{
	uint32_t mixed = processes->source.pid * 0x9e3779b1u ^ processes->destination.pid * 0x85ebca77u ^ processes->source.thread_id * 0xc2b2ae3du ^
	                 processes->destination.thread_id * 0x27d4eb2fu;
	uint32_t at = (mixed ^ mixed >> 15) % PAIRS;
	uint8_t options[PROCESS_OPTIONS_MOST];

	for (; stage->pairs[at].added; at = (at + 1) % PAIRS)
		if (same_process(&stage->pairs[at].processes.source, &processes->source) &&
		    same_process(&stage->pairs[at].processes.destination, &processes->destination))
			return stage->pairs[at].added;
	size_t length = process_options_put(options, WEIR_NATIVE_BIG, processes);
	uint8_t *kept = arena_take(batch->arena, length);
	if (!kept)
		return 0;
	memcpy(kept, options, length);
	uint32_t added = weir_batch_add_options(batch, (struct weir_bytes){kept, length});
	if (added) {
		stage->pairs[at] = (struct pair){*processes, added};
		stage->used[stage->used_count++] = (uint16_t)at;
	}
	return added;
}

static void forget_pairs(struct process_stage *stage)
{
	while (stage->used_count)
		stage->pairs[stage->used[--stage->used_count]].added = 0;
}

/* ---- the stage ---- */

static int process(struct weir_stage *generic, struct weir_batch *batch, struct weir_fault *fault)
{
	struct process_stage *stage = (struct process_stage *)generic;
	const struct process_lookup *lookup = &stage->lookup;
	struct weir_packet_processes processes;
	int error = 0;

	if (batch->count == 0)
		return 0;
	addresses_refresh(stage->addresses);
	lookup->catch_up(lookup->context);
	lookup->begin(lookup->context);
	for (uint32_t i = 0; i < batch->count && !error; i++) {
		struct weir_packet *packet = &batch->packets[i];
		packet->added = 0;
		if (packet->verdict != WEIR_KEEP || !packet->facts)
			continue;
		stage->statistics.packets++;
		if (!look(stage, packet, &processes))
			continue;
		packet->added = options_for(stage, batch, &processes);
		if (!packet->added)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the processes of packets");
	}
	lookup->end(lookup->context);
	forget_pairs(stage);
	return error;
}

static void close_stage(struct weir_stage *generic)
{
	struct process_stage *stage = (struct process_stage *)generic;

	addresses_close(stage->addresses);
	free(stage);
}

static const struct weir_stage_ops process_stage = {.name = "process", .process = process, .close = close_stage};

int process_stage_new(const struct process_lookup *lookup, struct weir_stage **out, struct weir_fault *fault)
{
	struct process_stage *stage = calloc(1, sizeof *stage);

	*out = NULL;
	if (!stage)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
	int error = addresses_open(&stage->addresses, fault);
	if (error) {
		free(stage);
		return error;
	}
	stage->stage.ops = &process_stage;
	stage->lookup = *lookup;
	*out = &stage->stage;
	return 0;
}

void process_stage_statistics(const struct weir_stage *generic, struct process_stage_statistics *statistics)
{
	*statistics = ((const struct process_stage *)generic)->statistics;
}
