/*
 * live/pcap.c: capture through libpcap, wherever that runs. Every packet is copied once, because what libpcap shows is only
 * there until it is asked for the next.
 */
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "live/backend.h"

#define BUFFER_BYTES (4u << 20)
#define TIMEOUT_MS 50
#define DRAIN_NS (2 * NS_PER_SECOND)

struct pool {
	pthread_mutex_t lock;
	struct pool_buffer *free;
	uint32_t owners; /* the source, and every buffer that is out: the last one frees the pool */
};

struct pool_buffer {
	struct weir_buffer buffer;
	struct pool_buffer *next;
};

struct pcap_capture {
	struct live_source live;
	pcap_t *handle;
	char name[64];
	uint32_t snaplen;
	int quiet_ms;
	uint16_t linktype;
	struct pool *pool;
	struct weir_interface interface;
	const struct weir_interface *interfaces[1];
	_Atomic bool stopping;
	_Atomic uint64_t delivered, received, ring_dropped, nic_dropped;
	bool stopped, ended;
	uint64_t target; /* of delivered, at the end */
	int64_t drain_until_ns;
	/* during a call of libpcap */
	struct weir_batch *batch;
	struct weir_buffer *buffer;
	size_t used;
};

extern const struct live_backend live_pcap;

static void pool_leave(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	bool last = --pool->owners == 0;
	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	while (pool->free) {
		struct pool_buffer *next = pool->free->next;
		free(pool->free->buffer.data);
		free(pool->free);
		pool->free = next;
	}
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void pool_release(struct weir_buffer *buffer)
{
	struct pool_buffer *member = (struct pool_buffer *)buffer;
	struct pool *pool = buffer->owner;
	pthread_mutex_lock(&pool->lock);
	member->next = pool->free;
	pool->free = member;
	pthread_mutex_unlock(&pool->lock);
	pool_leave(pool);
}

/* A buffer with one reference, the caller's. */
static struct weir_buffer *pool_take(struct pool *pool, size_t size)
{
	pthread_mutex_lock(&pool->lock);
	struct pool_buffer *member = pool->free;
	if (member)
		pool->free = member->next;
	pool->owners++;
	pthread_mutex_unlock(&pool->lock);
	if (!member) {
		member = calloc(1, sizeof *member);
		uint8_t *data = member ? malloc(size) : NULL;
		if (!data) {
			free(member);
			pool_leave(pool);
			return NULL;
		}
		member->buffer = (struct weir_buffer){.data = data, .size = size, .release = pool_release, .owner = pool};
	}
	atomic_store_explicit(&member->buffer.references, 1, memory_order_relaxed);
	return &member->buffer;
}

static void take_packet(u_char *context, const struct pcap_pkthdr *header, const u_char *data)
{
	struct pcap_capture *self = (struct pcap_capture *)context;
	struct weir_packet *packet = &self->batch->packets[self->batch->count++];
	uint8_t *copy = self->buffer->data + self->used;
	uint32_t captured = header->caplen < self->snaplen ? header->caplen : self->snaplen;
	memcpy(copy, data, captured);
	self->used += captured;
	/* In nanosecond precision tv_usec holds nanoseconds. */
	int64_t time = (int64_t)header->ts.tv_sec * NS_PER_SECOND + header->ts.tv_usec;
	*packet = (struct weir_packet){
		.time_ns = time,
		.data = copy,
		.captured = captured,
		.length = header->len,
		.linktype = self->linktype,
		.ticks = (uint64_t)time,
	};
}

static void counters_read(struct pcap_capture *self)
{
	struct pcap_stat counters;
	if (pcap_stats(self->handle, &counters))
		return;
	/* They are 32 bits wide and wrap. Each has grown by less than that since the last reading. */
	uint64_t received = atomic_load(&self->received), dropped = atomic_load(&self->ring_dropped),
			 card = atomic_load(&self->nic_dropped);
	atomic_store(&self->received, received + (uint32_t)(counters.ps_recv - (uint32_t)received));
	atomic_store(&self->ring_dropped, dropped + (uint32_t)(counters.ps_drop - (uint32_t)dropped));
	atomic_store(&self->nic_dropped, card + (uint32_t)(counters.ps_ifdrop - (uint32_t)card));
}

/*
 * libpcap can't be told to take no more, so the end is drawn by counting: what has been received by now is still delivered, what
 * comes later is not counted.
 */
static void stop_counting(struct pcap_capture *self)
{
	counters_read(self);
	self->stopped = true;
	self->target = atomic_load(&self->received) - atomic_load(&self->ring_dropped);
	self->drain_until_ns = clock_monotonic_ns() + DRAIN_NS;
}

/*
 * libpcap's own timeout bounds nothing on Linux: with a version 3 ring it waits for the first packet as long as it takes. Where
 * there is nothing to wait on, pcap_dispatch has to do.
 */
static void wait_for_packets(struct pcap_capture *self)
{
	struct pollfd poll_for = {.fd = pcap_get_selectable_fd(self->handle), .events = POLLIN};
	if (poll_for.fd >= 0)
		poll(&poll_for, 1, self->stopped ? 2 : self->quiet_ms);
}

static int capture_fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct pcap_capture *self = (struct pcap_capture *)source;
	if (self->ended)
		return 0;
	if (atomic_load_explicit(&self->stopping, memory_order_relaxed) && !self->stopped)
		stop_counting(self);
	batch->interfaces = self->interfaces;
	batch->interface_count = 1;
	self->buffer = pool_take(self->pool, BUFFER_BYTES);
	if (!self->buffer)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for packets of %s", self->name);
	self->batch = batch;
	self->used = 0;
	int status = weir_batch_hold(batch, self->buffer), got = 0;
	wait_for_packets(self);
	uint64_t before = atomic_load_explicit(&self->delivered, memory_order_relaxed);
	do {
		/* No more than are sure to find room: a packet that was shown can't be refused. */
		uint64_t room = (self->buffer->size - self->used) / self->snaplen, asked = WEIR_BATCH_PACKETS - batch->count;
		asked = asked < room ? asked : room;
		if (self->stopped && asked > self->target - before - batch->count)
			asked = self->target - before - batch->count;
		if (asked == 0)
			break;
		got = status ? 0 : pcap_dispatch(self->handle, (int)asked, take_packet, (u_char *)self);
		if (got >= 0 && (uint64_t)got < asked)
			break;
	} while (got > 0);
	weir_buffer_drop(self->buffer);
	if (status == 0 && got < 0 && got != PCAP_ERROR_BREAK && batch->count == 0)
		return weir_fail(fault, WEIR_E_IO, "capture on %s failed: %s", self->name, pcap_geterr(self->handle));
	batch->first_number = before + 1;
	atomic_store_explicit(&self->delivered, before + batch->count, memory_order_relaxed);
	if (!self->stopped) {
		counters_read(self);
	} else if (batch->count == 0) {
		self->ended = before >= self->target || clock_monotonic_ns() > self->drain_until_ns;
		if (self->ended)
			atomic_store(&self->received, before + atomic_load(&self->ring_dropped));
	}
	return status ? status : 1;
}

static void capture_statistics(struct weir_source *source, struct weir_live_statistics *statistics)
{
	struct pcap_capture *self = (struct pcap_capture *)source;
	*statistics = (struct weir_live_statistics){
		.received = atomic_load(&self->received),
		.ring_dropped = atomic_load(&self->ring_dropped),
		.nic_dropped = atomic_load(&self->nic_dropped),
		.delivered = atomic_load(&self->delivered),
		.timestamps = "software",
		.backend = live_pcap.name,
	};
}

/* libpcap takes packets from its activation on. */
static void capture_start(struct weir_source *source) {}

static void capture_stop(struct weir_source *source)
{
	struct pcap_capture *self = (struct pcap_capture *)source;
	atomic_store_explicit(&self->stopping, true, memory_order_relaxed);
}

static void capture_close(struct weir_source *source)
{
	struct pcap_capture *self = (struct pcap_capture *)source;
	if (self->handle)
		pcap_close(self->handle);
	if (self->pool)
		pool_leave(self->pool);
	free(self);
}

static const struct weir_source_ops capture_ops = {
	.name = "pcap",
	.fill = capture_fill,
	.close = capture_close,
};

static int activate(struct pcap_capture *self, const struct weir_live_options *options, struct weir_fault *fault)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	self->handle = pcap_create(options->interface, error);
	if (!self->handle)
		return weir_fail(fault, WEIR_E_SYSTEM, "cannot capture on %s: %s", options->interface, error);
	uint64_t ring = options->ring_bytes ? options->ring_bytes : LIVE_RING_BYTES;
	pcap_set_snaplen(self->handle, (int)self->snaplen);
	pcap_set_promisc(self->handle, !options->no_promiscuous);
	pcap_set_timeout(self->handle, TIMEOUT_MS);
	pcap_set_buffer_size(self->handle, ring > INT32_MAX ? INT32_MAX : (int)ring);
	bool nanoseconds = pcap_set_tstamp_precision(self->handle, PCAP_TSTAMP_PRECISION_NANO) == 0;
	int status = pcap_activate(self->handle);
	if (status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED)
		return live_fail_permission(fault, options->interface);
	if (status == PCAP_ERROR_NO_SUCH_DEVICE)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "no interface %s", options->interface);
	if (status < 0)
		return weir_fail(fault, WEIR_E_SYSTEM, "cannot capture on %s: %s", options->interface,
		                 pcap_geterr(self->handle)[0] ? pcap_geterr(self->handle) : pcap_statustostr(status));
	if (!nanoseconds)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "libpcap gives no nanoseconds on %s", options->interface);
	if (pcap_setnonblock(self->handle, 1, error))
		return weir_fail(fault, WEIR_E_SYSTEM, "cannot capture on %s: %s", options->interface, error);
	struct bpf_program program;
	if (options->filter && options->filter[0]) {
		if (pcap_compile(self->handle, &program, options->filter, 1, PCAP_NETMASK_UNKNOWN))
			return weir_fail(fault, WEIR_E_FILTER, "filter \"%s\": %s", options->filter, pcap_geterr(self->handle));
		status = pcap_setfilter(self->handle, &program);
		pcap_freecode(&program);
		if (status)
			return weir_fail(fault, WEIR_E_FILTER, "filter \"%s\": %s", options->filter, pcap_geterr(self->handle));
	}
	return 0;
}

static int capture_open(const struct weir_live_options *options, struct weir_source **source, struct weir_fault *fault)
{
	if (options->fanout_group)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "the pcap backend can't share an interface among rings (--fanout)");
	struct pcap_capture *self = calloc(1, sizeof *self);
	struct pool *pool = calloc(1, sizeof *pool);
	if (!self || !pool) {
		free(self);
		free(pool);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a capture on %s", options->interface);
	}
	pthread_mutex_init(&pool->lock, NULL);
	pool->owners = 1;
	self->live = (struct live_source){{&capture_ops}, &live_pcap};
	self->pool = pool;
	self->snaplen = options->snaplen && options->snaplen < LIVE_SNAPLEN ? options->snaplen : LIVE_SNAPLEN;
	self->quiet_ms = options->quiet_ms > 0 ? options->quiet_ms : LIVE_QUIET_MS;
	snprintf(self->name, sizeof self->name, "%s", options->interface);
	int status = activate(self, options, fault);
	if (status) {
		capture_close(&self->live.source);
		return status;
	}
	int datalink = pcap_datalink(self->handle);
	self->linktype =
		datalink == DLT_RAW ? 101 : (uint16_t)datalink; /* the one that differs among those of live devices */
	self->interface = (struct weir_interface){.linktype = self->linktype, .resolution = 9, .snaplen = self->snaplen};
	snprintf(self->interface.name, sizeof self->interface.name, "%s", options->interface);
	self->interfaces[0] = &self->interface;
	*source = &self->live.source;
	return 0;
}

static int capture_interfaces(struct weir_live_interface **list, size_t *count, struct weir_fault *fault)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_if_t *devices;
	if (pcap_findalldevs(&devices, error))
		return weir_fail(fault, WEIR_E_SYSTEM, "cannot list the interfaces: %s", error);
	size_t number = 0;
	for (const pcap_if_t *device = devices; device; device = device->next)
		number++;
	struct weir_live_interface *found = calloc(number + 1, sizeof *found);
	if (!found) {
		pcap_freealldevs(devices);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of interfaces");
	}
	size_t i = 0;
	for (const pcap_if_t *device = devices; device; device = device->next, i++) {
		snprintf(found[i].name, sizeof found[i].name, "%s", device->name);
		snprintf(found[i].description, sizeof found[i].description, "%s",
		         device->description ? device->description : "");
		found[i].up = device->flags & PCAP_IF_UP;
		found[i].loopback = device->flags & PCAP_IF_LOOPBACK;
	}
	pcap_freealldevs(devices);
	*list = found;
	*count = number;
	return 0;
}

const struct live_backend live_pcap = {
	.name = "pcap",
	.open = capture_open,
	.statistics = capture_statistics,
	.start = capture_start,
	.stop = capture_stop,
	.interfaces = capture_interfaces,
};
