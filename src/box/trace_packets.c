/* The feed of providers that look at packets: box/trace_packets.h. */
#include "box/trace_packets.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/live.h>

#include "box/owners.h"
#include "box/process_stage.h"
#include "core/clock.h"
#include "live/link.h"

#define SNAPLEN 4096u
#define RING_BYTES (UINT64_C(4) << 20)
#define EXCHANGE_SETS 1024u
#define EXCHANGE_WAYS 4u
#define SAME_PACKET_NS (NS_PER_SECOND / 10) /* how far apart interfaces show one datagram at most */

enum { TCP = 6, UDP = 17 };

struct trace_packets {
	struct weir_sink sink;
	const struct trace_packets_user *user;
	struct weir_source *source;
	struct weir_stage *decode, *process; /* process: NULL where sockets can't be known */
	struct owners *owners;
	pthread_t thread;
	bool started, joined;
	int descriptor; /* an eventfd: there is something in the queue, or the thread has failed */
	struct trace_exchange exchanges[EXCHANGE_SETS][EXCHANGE_WAYS];
	pthread_mutex_t lock; /* over what is below */
	struct trace_packet_event waiting[TRACE_PACKETS_WAITING];
	uint32_t first, count;
	uint64_t lost;
	int failed;
	struct weir_fault fault;
};

/* ---- events ---- */

static void wake(struct trace_packets *packets)
{
	const uint64_t one = 1;
	/* It can only be refused when it is readable anyway. */
	ssize_t written = write(packets->descriptor, &one, sizeof one);
	(void)written;
}

void trace_packet_event_number(struct trace_packet_event *event, uint64_t number, unsigned size)
{
	if (size > sizeof event->payload - event->length)
		return;
	for (unsigned i = 0; i < size; i++)
		event->payload[event->length++] = (uint8_t)(number >> 8 * i);
}

void trace_packet_event_address(struct trace_packet_event *event, const struct weir_ip *address)
{
	if (sizeof event->payload - event->length < 17u)
		return;
	memcpy(event->payload + event->length, address->bytes, 16);
	event->payload[event->length + 16] = address->version;
	event->length += 17;
}

void trace_packet_event_string(struct trace_packet_event *event, const void *data, size_t length, size_t most)
{
	if (length > most)
		length = most;
	if (length + 2 > sizeof event->payload - event->length)
		return;
	trace_packet_event_number(event, length, 2);
	if (length)
		memcpy(event->payload + event->length, data, length);
	event->length = (uint16_t)(event->length + length);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t exchange_hash(const struct trace_exchange *exchange)
{
	uint64_t words[4], hash = mix((uint64_t)exchange->protocol << 48 | (uint64_t)exchange->client_port << 32 | (uint64_t)exchange->server_port << 16, exchange->number);

	memcpy(words, exchange->client.bytes, 16);
	memcpy(words + 2, exchange->server.bytes, 16);
	for (unsigned i = 0; i < 4; i++)
		hash = mix(hash, words[i]);
	return hash ? hash : 1;
}

void trace_packet_event_begin(struct trace_packet_event *event, uint8_t id, const struct trace_packet *packet, const struct weir_process *process,
                              const struct weir_process *other, const struct trace_exchange *exchange)
{
	event->id = id;
	event->time_ns = packet->time_ns;
	event->activity = mix(exchange_hash(exchange), (uint64_t)exchange->question.time_ns) | 1;
	event->process_id = process->pid;
	event->thread_id = process->thread_id;
	event->length = 0;
	memset(event->name, 0, sizeof event->name);
	if (process->name.length)
		memcpy(event->name, process->name.data, process->name.length < sizeof event->name ? process->name.length : sizeof event->name - 1);
	trace_packet_event_number(event, packet->protocol, 1);
	trace_packet_event_address(event, &packet->source);
	trace_packet_event_address(event, &packet->destination);
	trace_packet_event_number(event, packet->source_port, 2);
	trace_packet_event_number(event, packet->destination_port, 2);
	trace_packet_event_number(event, other->pid, 4);
}

void trace_packet_event_emit(struct trace_packets *packets, const struct trace_packet_event *event)
{
	pthread_mutex_lock(&packets->lock);
	bool room = packets->count < TRACE_PACKETS_WAITING, first = packets->count == 0;
	if (room)
		packets->waiting[(packets->first + packets->count++) % TRACE_PACKETS_WAITING] = *event;
	else
		packets->lost++;
	pthread_mutex_unlock(&packets->lock);
	if (room && first)
		wake(packets);
}

/* ---- questions and answers ---- */

static bool same_exchange(const struct trace_exchange *a, const struct trace_exchange *b)
{
	return a->used && a->protocol == b->protocol && a->number == b->number && a->client_port == b->client_port && a->server_port == b->server_port &&
	       memcmp(&a->client, &b->client, sizeof a->client) == 0 && memcmp(&a->server, &b->server, sizeof a->server) == 0;
}

struct trace_exchange *trace_exchange_of(struct trace_packets *packets, const struct trace_packet *packet, bool from_client, uint16_t number)
{
	const struct trace_exchange key = {
		.client = from_client ? packet->source : packet->destination,
		.server = from_client ? packet->destination : packet->source,
		.client_port = from_client ? packet->source_port : packet->destination_port,
		.server_port = from_client ? packet->destination_port : packet->source_port,
		.number = number,
		.protocol = packet->protocol,
		.used = true,
	};
	struct trace_exchange *set = packets->exchanges[(exchange_hash(&key) >> 32) % EXCHANGE_SETS], *chosen = &set[0];

	for (unsigned i = 0; i < EXCHANGE_WAYS; i++) {
		if (same_exchange(&set[i], &key)) {
			set[i].touched_ns = packet->time_ns;
			return &set[i];
		}
		if (chosen->used && (!set[i].used || set[i].touched_ns < chosen->touched_ns))
			chosen = &set[i];
	}
	*chosen = key;
	chosen->touched_ns = packet->time_ns;
	return chosen;
}

bool trace_said_before(struct trace_said *said, const struct trace_packet *packet)
{
	int64_t since = packet->time_ns - said->time_ns;
	bool before = said->said && (packet->protocol == TCP ? said->sequence == packet->sequence
	                                                     : said->interface != packet->interface && since > -SAME_PACKET_NS && since < SAME_PACKET_NS);

	if (!before)
		*said = (struct trace_said){true, packet->interface, packet->sequence, packet->time_ns};
	return before;
}

uint64_t trace_exchange_latency(struct trace_exchange *exchange, const struct trace_packet *packet, bool done)
{
	bool known = exchange->question.said && !exchange->done && !exchange->unsure && packet->time_ns >= exchange->question.time_ns;

	if (done) {
		exchange->done = true;
		exchange->unsure = false;
	}
	return known ? (uint64_t)(packet->time_ns - exchange->question.time_ns) : UINT64_MAX;
}

/* ---- packets ---- */

static struct weir_ip ip_at(const uint8_t *bytes, uint8_t version)
{
	struct weir_ip ip = {.version = version};

	memcpy(ip.bytes, bytes, version == 4 ? 4 : 16);
	return ip;
}

/* False: no payload of TCP or UDP. */
static bool describe(const struct weir_batch *batch, const struct weir_packet *packet, struct trace_packet *out)
{
	const struct weir_process nobody = {.user_id = WEIR_NO_USER};
	const struct weir_facts *facts = packet->facts;

	if (packet->verdict != WEIR_KEEP || !facts || facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	if (!(network->flags & WEIR_NETWORK_ADDRESSES) || !(network->flags & WEIR_NETWORK_PORTS) || (network->protocol != TCP && network->protocol != UDP))
		return false;
	uint32_t end = network->end < packet->captured ? network->end : packet->captured;
	if (!network->transport || facts->payload < network->transport + 8 || facts->payload >= end)
		return false;
	*out = (struct trace_packet){
		.time_ns = packet->time_ns,
		.interface = packet->linktype == LINKTYPE_LINUX_SLL2_NUMBER && packet->captured >= 8 ? weir_load_be32(packet->data + 4) : 0,
		.sequence = network->protocol == TCP ? weir_load_be32(packet->data + network->transport + 4) : 0,
		.source = ip_at(packet->data + network->source, network->version),
		.destination = ip_at(packet->data + network->destination, network->version),
		.source_port = network->source_port,
		.destination_port = network->destination_port,
		.protocol = network->protocol,
		.payload = {packet->data + facts->payload, end - facts->payload},
	};
	if (!weir_packet_process(batch, packet, &out->processes))
		out->processes = (struct weir_packet_processes){nobody, nobody, nobody};
	return true;
}

static int consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct trace_packets *packets = (struct trace_packets *)sink;
	struct trace_packet packet;

	for (uint32_t i = 0; i < batch->count; i++)
		if (describe(batch, &batch->packets[i], &packet))
			packets->user->see(packets, &packet);
	return 0;
}

static int finish(struct weir_sink *sink, struct weir_fault *fault) { return 0; }

static void sink_close(struct weir_sink *sink) { (void)sink; }

static const struct weir_sink_ops sink_ops = {.name = "trace", .consume = consume, .finish = finish, .close = sink_close};

static void *run(void *argument)
{
	struct trace_packets *packets = argument;
	struct weir_fault fault;
	const struct weir_pipeline pipeline = {
		.source = packets->source,
		.stages = {packets->decode, packets->process},
		.sink = &packets->sink,
		.threads = 1,
	};

	weir_fault_clear(&fault);
	int error = weir_pipeline_run(&pipeline, &fault);
	if (error < 0) {
		pthread_mutex_lock(&packets->lock);
		packets->failed = error;
		packets->fault = fault;
		pthread_mutex_unlock(&packets->lock);
		wake(packets);
	}
	return NULL;
}

/* ---- the feed ---- */

/* Without sockets' owners events have no process, and that is said. */
static int open_stages(struct trace_packets *packets, struct weir_fault *lack, struct weir_fault *fault)
{
	const struct owners_options defaults = {0};

	packets->decode = weir_decode_stage_new();
	if (!packets->decode)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
	if (owners_open(&defaults, &packets->owners, lack)) {
		packets->owners = NULL;
		return 0;
	}
	if (owners_lack(packets->owners)[0])
		weir_fail(lack, WEIR_E_UNSUPPORTED, "%s", owners_lack(packets->owners));
	const struct process_lookup lookup = process_lookup_of(packets->owners);
	return process_stage_new(&lookup, &packets->process, fault);
}

static int open_all(struct trace_packets *packets, struct weir_fault *lack, struct weir_fault *fault)
{
	const struct weir_live_options live = {
		.interface = "any",
		.filter = packets->user->filter,
		.snaplen = SNAPLEN,
		.ring_bytes = RING_BYTES,
		.no_promiscuous = true,
	};
	/* The capture first: whether there is the right to it is known at once, and owners cost more. */
	int error = weir_live_open(&live, &packets->source, fault);

	if (!error)
		error = open_stages(packets, lack, fault);
	if (error)
		return error;
	packets->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (packets->descriptor < 0)
		return weir_fail_errno(fault, errno, NULL, "cannot make an eventfd");
	weir_live_start(packets->source);
	int refused = pthread_create(&packets->thread, NULL, run, packets);
	if (refused)
		return weir_fail_errno(fault, refused, NULL, "cannot start a thread");
	packets->started = true;
	return 0;
}

int trace_packets_open(const struct trace_packets_user *user, void **feed, int *descriptor, struct weir_fault *fault)
{
	struct trace_packets *packets = calloc(1, sizeof *packets);
	struct weir_fault lack;

	if (!packets)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to look at packets");
	weir_fault_clear(&lack);
	packets->sink.ops = &sink_ops;
	packets->user = user;
	packets->descriptor = -1;
	pthread_mutex_init(&packets->lock, NULL);
	int error = open_all(packets, &lack, fault);
	if (error) {
		trace_packets_close(packets);
		return error;
	}
	if (lack.message[0]) {
		weir_fail(fault, WEIR_E_UNSUPPORTED, "processes are not known, or not all: %.400s", lack.message);
		fault->code = 0;
	}
	*feed = packets;
	*descriptor = packets->descriptor;
	return 0;
}

void trace_packets_stop(void *feed)
{
	struct trace_packets *packets = feed;

	if (!packets->started || packets->joined)
		return;
	weir_live_stop(packets->source);
	pthread_join(packets->thread, NULL);
	packets->joined = true;
}

int trace_packets_take(void *feed, struct weir_trace_session *session, struct weir_fault *fault)
{
	struct trace_packets *packets = feed;
	uint64_t count;

	if (read(packets->descriptor, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
		return weir_fail_errno(fault, errno, NULL, "cannot read an eventfd");
	for (;;) {
		struct trace_packet_event taken;
		pthread_mutex_lock(&packets->lock);
		bool any = packets->count > 0;
		int failed = any ? 0 : packets->failed;
		if (any) {
			taken = packets->waiting[packets->first];
			packets->first = (packets->first + 1) % TRACE_PACKETS_WAITING;
			packets->count--;
		} else if (failed && fault) {
			*fault = packets->fault;
		}
		pthread_mutex_unlock(&packets->lock);
		if (!any)
			return failed;
		struct weir_trace_event event = {
			.time_ns = taken.time_ns,
			.activity = taken.activity,
			.process_id = taken.process_id,
			.thread_id = taken.thread_id,
			.flags = WEIR_TRACE_IN_INTERRUPT | WEIR_TRACE_NO_CPU_TIME,
			.payload = {taken.payload, taken.length},
		};
		memcpy(event.name, taken.name, sizeof event.name);
		int error = trace_emit_found(session, packets->user->provider, taken.id, &event, fault);
		if (error)
			return error;
	}
}

uint64_t trace_packets_lost(void *feed)
{
	struct trace_packets *packets = feed;
	struct weir_live_statistics live;

	weir_live_statistics(packets->source, &live);
	pthread_mutex_lock(&packets->lock);
	uint64_t lost = packets->lost + live.ring_dropped;
	pthread_mutex_unlock(&packets->lock);
	return lost;
}

void trace_packets_close(void *feed)
{
	struct trace_packets *packets = feed;

	trace_packets_stop(packets);
	weir_source_close(packets->source);
	weir_stage_close(packets->process);
	weir_stage_close(packets->decode);
	if (packets->owners)
		owners_close(packets->owners);
	if (packets->descriptor >= 0)
		close(packets->descriptor);
	pthread_mutex_destroy(&packets->lock);
	free(packets);
}
