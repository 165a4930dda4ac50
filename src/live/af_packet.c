/*
 * live/af_packet.c: capture from an AF_PACKET socket through a TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst).
 *
 * The kernel fills blocks of the ring with packets and hands over whole blocks. A block is a weir_buffer: every batch that has
 * packets of it holds it, and when the last one lets go of it, from whatever thread, it goes back to the kernel. Whoever keeps
 * batches for long therefore makes the ring smaller.
 *
 * Counting is exact because nothing slips in or out unseen: a filter that lets nothing pass is in force before the socket is bound, until
 * the source is started; and at the end the socket takes nothing more before the ring is emptied and the counters are read for the last time.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "live/backend.h"
#include "live/kernel_filter.h"
#include "live/link.h"

#define BLOCK_BYTES_MOST (1u << 20)
#define BLOCK_BYTES_LEAST (1u << 17) /* the largest packet that segmentation offload makes fits */
#define BLOCK_RETIRE_MS 20
/* Room before each packet: a VLAN tag; on cooked sockets an SLL2 header too. */
#define RESERVE_BYTES 4u
#define RESERVE_COOKED_BYTES 32u
#define SLL2_BYTES 20u
#define VLAN_BYTES 4u
#define MACS_BYTES 12u
/* How long the kernel may take to hand over the last block after the end. */
#define DRAIN_NS (2 * NS_PER_SECOND)

struct af_packet {
	struct live_source live;
	char name[IFNAMSIZ];
	int socket;
	int index;    /* of the interface; 0: all */
	int loopback; /* index of lo: on "any" its packets are seen twice */
	bool cooked, fanout, promiscuous, hardware;
	uint32_t snaplen;
	int quiet_ms;
	uint8_t *ring;
	size_t ring_bytes;
	uint32_t block_bytes, block_count;
	struct weir_buffer *blocks;

	/* the filling thread's */
	uint32_t block;      /* at which it is */
	uint32_t left;       /* packets of it not yet delivered; while there are any, we hold it */
	const uint8_t *next; /* the first of them */
	bool blocked, ended;
	int64_t drain_until_ns;
	struct weir_interface interface;
	const struct weir_interface *interfaces[1];

	struct sock_fprog filter;
	_Atomic bool started, stopping;
	_Atomic bool down, gone;
	_Atomic uint64_t delivered, skipped;
	pthread_mutex_t counters_lock; /* for what follows */
	uint64_t received, ring_dropped;
	struct link_counters card;
};

extern const struct live_backend live_af_packet;

static struct tpacket_block_desc *block_descriptor(const struct af_packet *self, uint32_t number)
{
	return (struct tpacket_block_desc *)(self->ring + (size_t)number * self->block_bytes);
}

/* The last batch let go of a block: the kernel may fill it again. */
static void block_release(struct weir_buffer *buffer)
{
	struct tpacket_block_desc *block = (struct tpacket_block_desc *)buffer->data;
	/* Release: all our reads of the block come before the kernel writes to it again. */
	__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* Takes the block in turn when the kernel has filled it. */
static bool block_take(struct af_packet *self)
{
	struct tpacket_block_desc *block = block_descriptor(self, self->block);
	/* Acquire: what the kernel wrote before it set the status is seen. Pairs with the kernel's smp_wmb. */
	if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	struct weir_buffer *buffer = &self->blocks[self->block];
	/* It is still held by a batch: the whole ring is with us. */
	if (atomic_load_explicit(&buffer->references, memory_order_acquire))
		return false;
	atomic_store_explicit(&buffer->references, 1, memory_order_relaxed);
	self->left = block->hdr.bh1.num_pkts;
	self->next = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
	if (self->left == 0) {
		weir_buffer_drop(buffer);
		self->block = (self->block + 1) % self->block_count;
		return false;
	}
	return true;
}

static void block_finish(struct af_packet *self)
{
	weir_buffer_drop(&self->blocks[self->block]);
	self->block = (self->block + 1) % self->block_count;
}

/* The kernel takes the outer VLAN tag out of the packet. Puts it back, into the room before the packet. */
static void vlan_restore(const struct tpacket3_hdr *header, struct weir_packet *packet)
{
	if (packet->captured < MACS_BYTES)
		return;
	uint8_t *data = (uint8_t *)packet->data - VLAN_BYTES;
	memmove(data, packet->data, MACS_BYTES);
	uint16_t tpid = header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : ETH_P_8021Q;
	weir_store_be16(data + MACS_BYTES, tpid);
	weir_store_be16(data + MACS_BYTES + 2, (uint16_t)header->hv1.tp_vlan_tci);
	packet->data = data;
	packet->captured += VLAN_BYTES;
	packet->length += VLAN_BYTES;
}

/* Puts an SLL2 header before a packet of a cooked socket (LINKTYPE_LINUX_SLL2), and the VLAN tag that the kernel took out. */
static void sll2_prepend(const struct tpacket3_hdr *header, const struct sockaddr_ll *from, struct weir_packet *packet)
{
	uint8_t *data = (uint8_t *)packet->data;
	uint16_t protocol = weir_load_be16(&from->sll_protocol);
	uint32_t added = SLL2_BYTES;
	if (header->tp_status & TP_STATUS_VLAN_VALID) {
		data -= VLAN_BYTES;
		weir_store_be16(data, (uint16_t)header->hv1.tp_vlan_tci);
		weir_store_be16(data + 2, protocol);
		protocol = header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : ETH_P_8021Q;
		added += VLAN_BYTES;
	}
	data -= SLL2_BYTES;
	struct sockaddr_ll address = *from; /* it may lie where we are about to write */
	weir_store_be16(data, protocol);
	weir_store_be16(data + 2, 0);
	weir_store_be32(data + 4, (uint32_t)address.sll_ifindex);
	weir_store_be16(data + 8, address.sll_hatype);
	data[10] = address.sll_pkttype;
	data[11] = address.sll_halen;
	memcpy(data + 12, address.sll_addr, 8);
	packet->data = data;
	packet->captured += added;
	packet->length += added;
}

/* Describes one packet of the ring. False: it is one that we see a second time. */
static bool packet_describe(struct af_packet *self, const struct tpacket3_hdr *header, struct weir_packet *packet)
{
	packet->time_ns = (int64_t)header->tp_sec * NS_PER_SECOND + header->tp_nsec;
	packet->data = (const uint8_t *)header + header->tp_mac;
	packet->captured = header->tp_snaplen;
	packet->length = header->tp_len;
	packet->interface_id = 0;
	packet->linktype = self->interface.linktype;
	packet->flags = 0;
	packet->verdict = WEIR_KEEP;
	packet->block = NULL;
	packet->block_length = 0;
	packet->added = 0;
	packet->ticks = (uint64_t)packet->time_ns;
	packet->facts = NULL;
	if (__builtin_expect(self->cooked, 0)) {
		const struct sockaddr_ll *from =
			(const struct sockaddr_ll *)((const uint8_t *)header + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
		if (from->sll_ifindex == self->loopback && from->sll_pkttype == PACKET_OUTGOING)
			return false;
		sll2_prepend(header, from, packet);
	} else if (__builtin_expect(header->tp_status & TP_STATUS_VLAN_VALID, 0) &&
	           self->interface.linktype == LINKTYPE_ETHERNET_NUMBER) {
		vlan_restore(header, packet);
	}
	if (packet->captured > self->snaplen)
		packet->captured = self->snaplen;
	return true;
}

/* Hands up to a batch of packets of the block in hand to the batch. */
static int block_deliver(struct af_packet *self, struct weir_batch *batch, struct weir_fault *fault)
{
	int status = weir_batch_hold(batch, &self->blocks[self->block]);
	if (status)
		return weir_fail(fault, status, "a batch holds too many buffers");
	uint32_t taken = self->left < WEIR_BATCH_PACKETS ? self->left : WEIR_BATCH_PACKETS, count = 0;
	for (uint32_t i = 0; i < taken; i++) {
		const struct tpacket3_hdr *header = (const struct tpacket3_hdr *)self->next;
		/*
		 * The kernel wrote all this on another core, so each first touch is a miss, and the next header is only known from this one.
		 * Packets come in runs of one size: fetch what would be the eighth from here, header and first bytes. A wrong guess costs nothing.
		 */
		const uint8_t *ahead = self->next + (size_t)header->tp_next_offset * 8;
		__builtin_prefetch(ahead);
		__builtin_prefetch(ahead + 64);
		__builtin_prefetch(ahead + 128);
		self->next += header->tp_next_offset;
		count += packet_describe(self, header, &batch->packets[count]);
	}
	batch->count = count;
	uint64_t before = atomic_load_explicit(&self->delivered, memory_order_relaxed);
	batch->first_number = before + 1;
	/* Relaxed: counters for others to look at; only this thread writes them. */
	atomic_store_explicit(&self->delivered, before + count, memory_order_relaxed);
	if (taken != count)
		atomic_fetch_add_explicit(&self->skipped, taken - count, memory_order_relaxed);
	self->left -= taken;
	if (self->left == 0)
		block_finish(self);
	return 0;
}

static void counters_read(struct af_packet *self)
{
	struct tpacket_stats_v3 counters;
	socklen_t length = sizeof counters;
	/* The kernel starts again from zero with each reading. Packets include those that were dropped. */
	if (getsockopt(self->socket, SOL_PACKET, PACKET_STATISTICS, &counters, &length) == 0) {
		self->received += counters.tp_packets;
		self->ring_dropped += counters.tp_drops;
	}
}

static bool bind_to(int socket, int index)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = index};
	weir_store_be16(&address.sll_protocol, ETH_P_ALL);
	return bind(socket, (struct sockaddr *)&address, sizeof address) == 0;
}

/* Being promiscuous is a property of the socket's place on the interface and ends with it. */
static bool join_promiscuous(int socket, int index)
{
	struct packet_mreq request = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
	return setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) == 0;
}

/*
 * Looks whether the interface is there and up. When it comes up again the kernel feeds the socket again by itself; when it was
 * removed and one of its name appears, the socket is bound anew, which needs no privileges.
 */
static int link_look(struct af_packet *self, struct weir_fault *fault)
{
	if (self->index == 0)
		return 0;
	int index = link_index(self->socket, self->name);
	if (index > 0 && index != self->index) {
		if (self->fanout)
			return weir_fail(fault, WEIR_E_NOT_FOUND,
			                 "%s was removed; rings that share an interface can't be moved to a new one", self->name);
		if (bind_to(self->socket, index)) {
			self->index = index;
			if (self->promiscuous)
				join_promiscuous(self->socket, index);
		}
	}
	atomic_store_explicit(&self->gone, index <= 0, memory_order_relaxed);
	int flags = index > 0 ? link_flags(self->socket, self->name) : 0;
	atomic_store_explicit(&self->down, flags < 0 || (flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING),
	                      memory_order_relaxed);
	return 0;
}

/* The socket takes no packet more, and none is on its way into the ring. */
static void stop_taking(struct af_packet *self)
{
	self->blocked = true;
	self->drain_until_ns = clock_monotonic_ns() + DRAIN_NS;
	kernel_filter_block(self->socket);
	/* The old filter may still be at work on another core; this returns when every core has passed a quiescent point. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
		usleep(BLOCK_RETIRE_MS * 1000);
}

/* Whether everything that the socket took has been delivered. */
static bool drained(struct af_packet *self)
{
	pthread_mutex_lock(&self->counters_lock);
	counters_read(self);
	uint64_t taken = self->received - self->ring_dropped;
	pthread_mutex_unlock(&self->counters_lock);
	return atomic_load_explicit(&self->delivered, memory_order_relaxed) +
	           atomic_load_explicit(&self->skipped, memory_order_relaxed) >=
	       taken;
}

/* Waits for a block. 1: look again; 0: nothing came for the quiet time, or all is drained (ended is set). */
static int block_wait(struct af_packet *self, struct weir_fault *fault)
{
	/* Relaxed: nothing is handed over with it. */
	if (atomic_load_explicit(&self->stopping, memory_order_relaxed)) {
		if (!self->blocked) {
			stop_taking(self);
			return 1;
		}
		if (drained(self) || clock_monotonic_ns() > self->drain_until_ns) {
			self->ended = true;
			return 0;
		}
		usleep(2000);
		return 1;
	}
	struct pollfd poll_for = {.fd = self->socket, .events = POLLIN | POLLERR};
	int ready = poll(&poll_for, 1, self->quiet_ms);
	if (ready < 0 && errno != EINTR)
		return weir_fail_errno(fault, errno, NULL, "cannot wait for packets on %s", self->name);
	if (ready > 0 && (poll_for.revents & (POLLERR | POLLHUP))) {
		int error = 0;
		socklen_t length = sizeof error;
		getsockopt(self->socket, SOL_SOCKET, SO_ERROR, &error, &length); /* and forgets it */
		int status = link_look(self, fault);
		if (status)
			return status;
		if (error && error != ENETDOWN && error != ENXIO)
			return weir_fail_errno(fault, error, NULL, "capture on %s failed", self->name);
		usleep(1000);
		return 1;
	}
	if (ready > 0) {
		/* Readable also means that the block before is still ours, held by a batch on its way: don't spin on that. */
		struct tpacket_block_desc *block = block_descriptor(self, self->block);
		if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) ||
		    atomic_load_explicit(&self->blocks[self->block].references, memory_order_acquire))
			usleep(500);
		return 1;
	}
	int status = link_look(self, fault);
	return status ? status : 0;
}

/* Until here the filter let nothing pass. */
static int start(struct af_packet *self, struct weir_fault *fault)
{
	if (atomic_exchange(&self->started, true))
		return 0;
	return kernel_filter_attach(self->socket, &self->filter, fault);
}

static void af_packet_start(struct weir_source *source)
{
	struct weir_fault fault;
	/* The kernel refused nothing when the same program was tried at opening. */
	start((struct af_packet *)source, &fault);
}

static int af_packet_fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct af_packet *self = (struct af_packet *)source;
	if (self->ended)
		return 0;
	if (!atomic_load_explicit(&self->started, memory_order_relaxed)) {
		int status = start(self, fault);
		if (status)
			return status;
	}
	batch->interfaces = self->interfaces;
	batch->interface_count = 1;
	for (;;) {
		if (self->left || block_take(self)) {
			int status = block_deliver(self, batch, fault);
			if (status)
				return status;
			if (batch->count == 0) { /* all of them seen before */
				weir_batch_reset(batch);
				batch->interfaces = self->interfaces;
				batch->interface_count = 1;
				continue;
			}
			if (atomic_load_explicit(&self->down, memory_order_relaxed)) {
				status = link_look(self, fault);
				if (status)
					return status;
			}
			return 1;
		}
		int again = block_wait(self, fault);
		if (again < 0)
			return again;
		if (again == 0)
			return 1;
	}
}

static void af_packet_stop(struct weir_source *source)
{
	struct af_packet *self = (struct af_packet *)source;
	atomic_store_explicit(&self->stopping, true, memory_order_relaxed);
}

static void af_packet_statistics(struct weir_source *source, struct weir_live_statistics *statistics)
{
	struct af_packet *self = (struct af_packet *)source;
	pthread_mutex_lock(&self->counters_lock);
	counters_read(self);
	link_counters_read(&self->card);
	*statistics = (struct weir_live_statistics){
		.received = self->received - atomic_load_explicit(&self->skipped, memory_order_relaxed),
		.ring_dropped = self->ring_dropped,
		.nic_dropped = self->card.dropped,
		.delivered = atomic_load_explicit(&self->delivered, memory_order_relaxed),
		.down = atomic_load_explicit(&self->down, memory_order_relaxed),
		.gone = atomic_load_explicit(&self->gone, memory_order_relaxed),
		.timestamps = self->hardware ? "hardware" : "software",
		.backend = live_af_packet.name,
	};
	pthread_mutex_unlock(&self->counters_lock);
}

static void af_packet_close(struct weir_source *source)
{
	struct af_packet *self = (struct af_packet *)source;
	if (self->left)
		block_finish(self);
	if (self->ring)
		munmap(self->ring, self->ring_bytes);
	if (self->socket >= 0)
		close(self->socket);
	link_counters_close(&self->card);
	pthread_mutex_destroy(&self->counters_lock);
	free(self->filter.filter);
	free(self->blocks);
	free(self);
}

static const struct weir_source_ops af_packet_ops = {
	.name = "af_packet",
	.fill = af_packet_fill,
	.close = af_packet_close,
};

static int ring_map(struct af_packet *self, uint64_t ring_bytes, struct weir_fault *fault)
{
	int version = TPACKET_V3, reserve = (int)(self->cooked ? RESERVE_COOKED_BYTES : RESERVE_BYTES);
	if (setsockopt(self->socket, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
	    setsockopt(self->socket, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof reserve))
		return weir_fail_errno(fault, errno, NULL, "the kernel has no TPACKET_V3 ring for %s", self->name);
	self->block_bytes = BLOCK_BYTES_MOST;
	while (self->block_bytes > BLOCK_BYTES_LEAST && ring_bytes / self->block_bytes < 8)
		self->block_bytes /= 2;
	uint64_t count = ring_bytes / self->block_bytes;
	if (count < 4)
		count = 4;
	if (count * self->block_bytes > UINT32_MAX)
		return weir_fail(fault, WEIR_E_USAGE, "a ring can't be larger than 4 GiB");
	self->block_count = (uint32_t)count;
	struct tpacket_req3 request = {
		.tp_block_size = self->block_bytes,
		.tp_block_nr = self->block_count,
		.tp_frame_size = 2048, /* counts for nothing with version 3, but has to fit */
		.tp_frame_nr = self->block_bytes / 2048 * self->block_count,
		.tp_retire_blk_tov = BLOCK_RETIRE_MS,
	};
	if (setsockopt(self->socket, SOL_PACKET, PACKET_RX_RING, &request, sizeof request))
		return weir_fail_errno(fault, errno, NULL, "cannot get a ring of %llu MiB for %s",
		                       (unsigned long long)(count * self->block_bytes >> 20), self->name);
	self->ring_bytes = count * self->block_bytes;
	void *ring = mmap(NULL, self->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->socket, 0);
	if (ring == MAP_FAILED)
		return weir_fail_errno(fault, errno, NULL, "cannot map the ring of %s", self->name);
	self->ring = ring;
	self->blocks = calloc(self->block_count, sizeof *self->blocks);
	if (!self->blocks)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the ring of %s", self->name);
	for (uint32_t i = 0; i < self->block_count; i++)
		self->blocks[i] = (struct weir_buffer){
			.data = (uint8_t *)block_descriptor(self, i),
			.size = self->block_bytes,
			.release = block_release,
			.owner = self,
		};
	return 0;
}

/*
 * Binds the socket. It will see the very packets that pass the filter and no others, because at first nothing passes: neither what comes before a fanout
 * group is joined, which can only be done when bound, nor what comes before whoever opened it is ready.
 */
static int bind_closed(struct af_packet *self, const struct weir_live_options *options, struct weir_fault *fault)
{
	int on = 1;
	int flags = self->index ? link_flags(self->socket, self->name) : 0;
	if (flags > 0 && (flags & IFF_LOOPBACK) &&
	    setsockopt(self->socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on))
		return weir_fail_errno(fault, errno, NULL, "the kernel would give every packet of %s twice", self->name);
	/* The filter is tried before, so that what the kernel has against it is said now. */
	int status = kernel_filter_attach(self->socket, &self->filter, fault);
	if (status)
		return status;
	if (kernel_filter_block(self->socket))
		return weir_fail_errno(fault, errno, NULL, "the kernel takes no filter on %s", self->name);
	if (!bind_to(self->socket, self->index))
		return weir_fail_errno(fault, errno, NULL, "cannot bind to %s", self->name);
	if (self->promiscuous && !join_promiscuous(self->socket, self->index))
		return weir_fail_errno(fault, errno, NULL, "cannot make %s promiscuous (--no-promisc does without)",
		                       self->name);
	if (self->fanout) {
		int group = (options->fanout_group & 0xffff) | PACKET_FANOUT_HASH << 16;
		if (setsockopt(self->socket, SOL_PACKET, PACKET_FANOUT, &group, sizeof group))
			return weir_fail_errno(fault, errno, NULL, "cannot share %s among rings%s", self->name,
			                       flags >= 0 && !(flags & IFF_UP) ? " while it is down" : "");
	}
	return link_look(self, fault);
}

static int interface_describe(struct af_packet *self, const char *name, struct weir_fault *fault)
{
	if (strlen(name) >= sizeof self->name)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "no interface %s", name);
	strcpy(self->name, name);
	bool any = strcmp(name, "any") == 0;
	int index = any ? 0 : link_index(self->socket, name), hardware = any ? 0 : link_hardware(self->socket, name);
	if (index < 0 || hardware < 0)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "no interface %s", name);
	self->index = index;
	if (any) {
		self->cooked = true;
		self->interface.linktype = LINKTYPE_LINUX_SLL2_NUMBER;
		self->loopback = link_index(self->socket, "lo");
	} else {
		self->interface.linktype = link_type_of((unsigned)hardware, &self->cooked);
		self->loopback = -1;
	}
	self->interface.resolution = 9;
	self->interface.snaplen = self->snaplen;
	snprintf(self->interface.name, sizeof self->interface.name, "%s", name);
	self->interfaces[0] = &self->interface;
	return 0;
}

static int socket_open(struct af_packet *self, int type, struct weir_fault *fault)
{
	/* Protocol 0: it receives nothing before it is bound. */
	self->socket = socket(AF_PACKET, type | SOCK_CLOEXEC, 0);
	if (self->socket >= 0)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return live_fail_permission(fault, self->name);
	return weir_fail_errno(fault, errno, NULL, "cannot open a packet socket");
}

static int af_packet_prepare(struct af_packet *self, const struct weir_live_options *options, struct weir_fault *fault)
{
	snprintf(self->name, sizeof self->name, "%s",
	         options->interface); /* for the message, if that is all there will be */
	int status = socket_open(self, SOCK_RAW, fault);
	if (status || (status = interface_describe(self, options->interface, fault)))
		return status;
	if (self->cooked) {
		close(self->socket);
		if ((status = socket_open(self, SOCK_DGRAM, fault)))
			return status;
	}
	status = kernel_filter_compile(self->name, self->cooked, options->filter, self->snaplen, &self->filter, fault);
	if (status == 0)
		status = ring_map(self, options->ring_bytes ? options->ring_bytes : LIVE_RING_BYTES, fault);
	if (status == 0) {
		link_counters_open(&self->card, self->name);
		self->hardware = self->index > 0 && link_hardware_timestamps(self->socket, self->name);
		status = bind_closed(self, options, fault);
	}
	return status;
}

static int af_packet_open(const struct weir_live_options *options, struct weir_source **source,
                          struct weir_fault *fault)
{
	struct af_packet *self = calloc(1, sizeof *self);
	if (!self)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a capture on %s", options->interface);
	self->live = (struct live_source){{&af_packet_ops}, &live_af_packet};
	self->socket = -1;
	for (size_t i = 0; i < LINK_COUNTERS; i++)
		self->card.files[i] = -1;
	self->snaplen = options->snaplen ? options->snaplen : LIVE_SNAPLEN;
	self->quiet_ms = options->quiet_ms > 0 ? options->quiet_ms : LIVE_QUIET_MS;
	self->fanout = options->fanout_group != 0;
	self->promiscuous = !options->no_promiscuous && strcmp(options->interface, "any") != 0;
	pthread_mutex_init(&self->counters_lock, NULL);
	int status = af_packet_prepare(self, options, fault);
	if (status) {
		af_packet_close(&self->live.source);
		return status;
	}
	*source = &self->live.source;
	return 0;
}

const struct live_backend live_af_packet = {
	.name = "af_packet",
	.open = af_packet_open,
	.statistics = af_packet_statistics,
	.start = af_packet_start,
	.stop = af_packet_stop,
	.interfaces = link_interfaces,
};
