/* Two mirror ports: their clocks, what they see twice, the files that they are written to, and the truth about each packet. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/checksum.h"
#include "bench/gen.h"

#define BUFFER_BYTES (1u << 20)
#define WAITING_MAX 16384

/* A copy that is to come: of a datagram one router further, or of a packet seen again. */
struct waiting {
	int64_t time_ns;
	uint8_t vantage;
	struct datagram *datagram;
};

struct repeat {
	uint32_t after; /* packets until it is seen again; 0: free */
	struct datagram datagram;
};

struct vantage {
	int fd;
	char name[48];
	uint8_t *buffer;
	size_t used;
	uint64_t packets, written, exact, routed;
	struct repeat repeats[REPEATS];
	unsigned repeats_waiting;
};

struct output {
	const struct options *options;
	struct vantage vantages[VANTAGES];
	struct waiting waiting[WAITING_MAX]; /* a heap by time */
	struct datagram *copies;
	struct datagram *free_copies[WAITING_MAX];
	uint32_t waiting_count, free_count;
	uint64_t captured, left_out;
	int64_t last_ns;
	FILE *truth;
};

static const uint8_t routers[VANTAGES][6] = {{0x02, 0x57, 0x52, 0, 0, 1}, {0x02, 0x57, 0x52, 0, 0, 2}};

static int complain(const char *name)
{
	fprintf(stderr, "gen: %s: %s\n", name, strerror(errno));
	return -1;
}

static int flush(struct vantage *v)
{
	for (size_t at = 0; at < v->used;) {
		ssize_t n = write(v->fd, v->buffer + at, v->used - at);
		if (n < 0 && errno != EINTR)
			return complain(v->name);
		at += n > 0 ? (size_t)n : 0;
	}
	v->written += v->used;
	v->used = 0;
	return 0;
}

static void put_option(struct vantage *v, uint16_t code, const void *data, uint16_t length)
{
	uint8_t *p = v->buffer + v->used;
	weir_store_le16(p, code);
	weir_store_le16(p + 2, length);
	memset(p + 4, 0, (length + 3u) & ~3u);
	memcpy(p + 4, data, length);
	v->used += 4 + ((length + 3u) & ~3u);
}

static void put_file_header(struct vantage *v, const struct options *options)
{
	uint8_t *p = v->buffer;

	if (options->pcap) {
		memset(p, 0, 24);
		weir_store_le32(p, 0xa1b23c4d);
		weir_store_le16(p + 4, 2);
		weir_store_le16(p + 6, 4);
		weir_store_le32(p + 16, options->snap ? options->snap : 262144);
		weir_store_le32(p + 20, 1);
		v->used = 24;
		return;
	}
	memset(p, 0, 44);
	weir_store_le32(p, 0x0a0d0d0a);
	weir_store_le32(p + 4, 28);
	weir_store_le32(p + 8, 0x1a2b3c4d);
	weir_store_le16(p + 12, 1);
	weir_store_le64(p + 16, UINT64_MAX);
	weir_store_le32(p + 24, 28);
	weir_store_le32(p + 28, 1);
	weir_store_le16(p + 36, 1);
	weir_store_le32(p + 40, options->snap);
	v->used = 44;
	const char *interface = strchr(v->name, '-') + 1;
	put_option(v, 2, interface, (uint16_t)strlen(interface));
	put_option(v, 9, (uint8_t[]){9}, 1);
	put_option(v, 0, "", 0);
	uint32_t length = (uint32_t)v->used + 4 - 28;
	weir_store_le32(p + 32, length);
	weir_store_le32(p + v->used, length);
	v->used += 4;
}

static int vantage_open(struct output *o, unsigned i)
{
	const struct options *options = o->options;
	struct vantage *v = &o->vantages[i];
	char path[4096];

	snprintf(v->name, sizeof v->name, "node%u-span%u", options->nodes == 2 ? i + 1 : 1, options->nodes == 2 ? 0 : i);
	snprintf(path, sizeof path, "%s/%s.%s", options->folder, v->name, options->pcap ? "pcap" : "pcapng");
	v->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (v->fd < 0)
		return complain(path);
	v->buffer = malloc(BUFFER_BYTES);
	if (!v->buffer)
		return -1;
	put_file_header(v, options);
	return 0;
}

struct output *output_new(const struct options *options)
{
	struct output *o = calloc(1, sizeof *o);
	char path[4096];

	if (!o)
		return NULL;
	o->options = options;
	o->vantages[0].fd = o->vantages[1].fd = -1;
	o->copies = malloc(WAITING_MAX * sizeof *o->copies);
	if (!o->copies || vantage_open(o, 0) != 0 || vantage_open(o, 1) != 0) {
		output_free(o);
		return NULL;
	}
	for (uint32_t i = 0; i < WAITING_MAX; i++)
		o->free_copies[o->free_count++] = &o->copies[i];
	if (options->truth) {
		snprintf(path, sizeof path, "%s/truth.tsv", options->folder);
		o->truth = fopen(path, "we");
		if (!o->truth) {
			complain(path);
			output_free(o);
			return NULL;
		}
		fputs("vantage\tnumber\tkind\tid\tflow\ttrue_ns\thops_less\tseal\tservice\tprotocol\tsource\tsource_port\tdestination\tdestination_port\n",
		      o->truth);
	}
	return o;
}

/* A datagram without what is not in it. */
static void copy(struct datagram *to, const struct datagram *from)
{
	memcpy(to, from, offsetof(struct datagram, data));
	memcpy(to->data, from->data, from->captured);
}

/* What a mirror port's clock shows at a true time. */
static int64_t clock_shows(const struct options *options, unsigned vantage, int64_t time_ns)
{
	if (vantage == 0 || options->nodes == 1)
		return time_ns;
	int64_t since = time_ns - options->start_ns;
	return time_ns + options->offset_ns + (int64_t)((double)since * options->drift_ppm * 1e-6) +
	       (options->step_ns && since >= options->step_at_ns ? options->step_ns : 0);
}

static void print_address(char *text, const struct host *h, bool ipv6)
{
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, ipv6 ? h->ipv6 : h->ipv4, text, INET6_ADDRSTRLEN);
}

static void tell(struct output *o, const struct vantage *v, const struct datagram *d, int64_t time_ns)
{
	static const char *const kinds[] = {"original", "retransmission", "ping", "exact", "routed"};
	static const char *const seals[] = {"clear", "null", "sealed"};
	char source[48], destination[48];
	const struct flow *f = &d->then;

	if (f->number == 0) {
		fprintf(o->truth, "%u\t%" PRIu64 "\t%s\t%" PRIu64 "\t0\t%" PRId64 "\t0\tclear\tarp\t0\t\t0\t\t0\n", (unsigned)(v - o->vantages), v->packets,
		        kinds[d->kind], d->id, time_ns);
		return;
	}
	const struct service *service = &services[f->service];
	bool ports = service->transport != OVER_ICMP;
	print_address(source, d->from, f->ipv6);
	print_address(destination, d->to, f->ipv6);
	fprintf(o->truth, "%u\t%" PRIu64 "\t%s\t%" PRIu64 "\t%u\t%" PRId64 "\t%u\t%s\t%s\t%u\t%s\t%u\t%s\t%u\n", (unsigned)(v - o->vantages), v->packets,
	        kinds[d->kind], d->id, f->number, time_ns, d->hops_less, seals[f->seal], service->name, ports ? service->transport : f->ipv6 ? 58 : 1, source,
	        ports ? d->forward ? f->a_port : f->b_port : 0, destination, ports ? d->forward ? f->b_port : f->a_port : 0);
}

/* The link layer of a datagram at a mirror port; gives its length. Behind a router it comes from there, before it goes there. */
static uint32_t put_link(uint8_t *at, const struct datagram *d, unsigned vantage, bool two_ways)
{
	const struct host *near = d->hops_less ? d->to : d->from;
	const uint8_t *destination = d->then.number ? d->to->mac : (const uint8_t *)"\xff\xff\xff\xff\xff\xff";
	const uint8_t *source = d->from->mac;
	uint32_t length = 12;

	if (d->hops_less)
		source = routers[vantage];
	else if (two_ways)
		destination = routers[vantage];
	memcpy(at, destination, 6);
	memcpy(at + 6, source, 6);
	if (near->vlan) {
		weir_store_be16(at + 12, 0x8100);
		weir_store_be16(at + 14, near->vlan);
		length = 16;
	}
	weir_store_be16(at + length, d->type);
	return length + 2;
}

/* Puts a record into the vantage's buffer. */
static int record(struct output *o, unsigned vantage, const struct datagram *d, int64_t time_ns)
{
	struct vantage *v = &o->vantages[vantage];
	uint32_t snap = o->options->snap ? o->options->snap : UINT32_MAX, header = o->options->pcap ? 16 : 28;
	uint8_t *p = v->buffer + v->used, *frame = p + header;
	uint32_t link = put_link(frame, d, vantage, d->then.routed);
	uint32_t length = link + d->length, captured = link + d->captured;
	int64_t shown = clock_shows(o->options, vantage, time_ns);

	memcpy(frame + link, d->data, d->captured);
	if (length < 60) { /* the least on Ethernet */
		memset(frame + length, 0, 60 - length);
		length = captured = 60;
	}
	captured = captured < snap ? captured : snap;
	if (o->options->pcap) {
		weir_store_le32(p, (uint32_t)(shown / 1000000000));
		weir_store_le32(p + 4, (uint32_t)(shown % 1000000000));
		weir_store_le32(p + 8, captured);
		weir_store_le32(p + 12, length);
		v->used += 16 + captured;
	} else {
		uint32_t padded = (captured + 3) & ~3u;
		memset(frame + captured, 0, 4);
		weir_store_le32(p, 6);
		weir_store_le32(p + 4, 32 + padded);
		weir_store_le32(p + 8, 0);
		weir_store_le32(p + 12, (uint32_t)((uint64_t)shown >> 32));
		weir_store_le32(p + 16, (uint32_t)shown);
		weir_store_le32(p + 20, captured);
		weir_store_le32(p + 24, length);
		weir_store_le32(p + 28 + padded, 32 + padded);
		v->used += 32 + padded;
	}
	v->packets++;
	v->exact += d->kind == KIND_EXACT;
	v->routed += d->kind == KIND_ROUTED;
	o->captured += captured;
	o->last_ns = time_ns;
	if (o->truth)
		tell(o, v, d, time_ns);
	return v->used + FRAME_MAX + 256 > BUFFER_BYTES ? flush(v) : 0;
}

static void repeat_later(struct output *o, struct random *random, const struct datagram *d, struct vantage *v)
{
	uint64_t bits = random_next(random);
	double wanted = o->options->exact_share / (1 - o->options->exact_share);

	if ((double)(bits >> 11) * 0x1p-53 >= wanted)
		return;
	for (int i = 0; i < REPEATS; i++) {
		struct repeat *repeat = &v->repeats[i];
		if (repeat->after)
			continue;
		repeat->after = 1 + (bits & 3);
		copy(&repeat->datagram, d);
		repeat->datagram.kind = KIND_EXACT;
		v->repeats_waiting++;
		return;
	}
}

/* A record, and the copies that are due with it. */
static int see(struct output *o, struct random *random, const struct datagram *d, unsigned vantage, int64_t time_ns)
{
	struct vantage *v = &o->vantages[vantage];

	if (record(o, vantage, d, time_ns) != 0)
		return -1;
	for (int i = 0; v->repeats_waiting && i < REPEATS; i++) {
		struct repeat *repeat = &v->repeats[i];
		if (repeat->after == 0 || --repeat->after > 0)
			continue;
		v->repeats_waiting--;
		if (record(o, vantage, &repeat->datagram, time_ns) != 0)
			return -1;
	}
	repeat_later(o, random, d, v);
	return 0;
}

static void heap_swap(struct output *o, uint32_t a, uint32_t b)
{
	struct waiting w = o->waiting[a];
	o->waiting[a] = o->waiting[b];
	o->waiting[b] = w;
}

static struct waiting heap_take(struct output *o)
{
	struct waiting first = o->waiting[0];

	o->waiting[0] = o->waiting[--o->waiting_count];
	for (uint32_t i = 0, child; (child = 2 * i + 1) < o->waiting_count; i = child) {
		if (child + 1 < o->waiting_count && o->waiting[child + 1].time_ns < o->waiting[child].time_ns)
			child++;
		if (o->waiting[i].time_ns <= o->waiting[child].time_ns)
			break;
		heap_swap(o, i, child);
	}
	return first;
}

void output_again(struct output *o, struct random *random, const struct datagram *d, unsigned vantage, int64_t time_ns)
{
	uint64_t bits = random_next(random);

	if (o->free_count == 0) {
		o->left_out++;
		return;
	}
	/* A router takes 20 µs and, by what waits in it, about 40 more on average, hardly ever a millisecond. */
	uint64_t queue = (uint64_t)__builtin_ctzll(bits | UINT64_C(1) << 33) * 28000 + (bits >> 40) % 28000;
	struct waiting w = {time_ns + 20000 + (int64_t)queue, (uint8_t)vantage, o->free_copies[--o->free_count]};
	copy(w.datagram, d);
	w.datagram->kind = KIND_ROUTED;
	w.datagram->hops_less = (bits >> 35 & 15) == 0 ? 2 : 1;
	if (d->type == 0x86dd) {
		w.datagram->data[7] = (uint8_t)(d->data[7] - w.datagram->hops_less);
	} else {
		w.datagram->data[8] = (uint8_t)(d->data[8] - w.datagram->hops_less);
		weir_store_be16(w.datagram->data + 10, 0);
		weir_store_native16(w.datagram->data + 10, sum_fold(sum_add(0, w.datagram->data, 20)));
	}
	uint32_t i = o->waiting_count++;
	o->waiting[i] = w;
	for (; i && o->waiting[(i - 1) / 2].time_ns > o->waiting[i].time_ns; i = (i - 1) / 2)
		heap_swap(o, i, (i - 1) / 2);
}

static int drain(struct output *o, struct random *random, int64_t until_ns)
{
	while (o->waiting_count && o->waiting[0].time_ns <= until_ns) {
		struct waiting w = heap_take(o);
		int error = see(o, random, w.datagram, w.vantage, w.time_ns);
		o->free_copies[o->free_count++] = w.datagram;
		if (error)
			return error;
	}
	return 0;
}

int output_put(struct output *o, struct random *random, const struct datagram *d, unsigned vantage, int64_t time_ns)
{
	return drain(o, random, time_ns) != 0 ? -1 : see(o, random, d, vantage, time_ns);
}

int output_finish(struct output *o, struct random *random)
{
	if (drain(o, random, INT64_MAX) != 0)
		return -1;
	for (int i = 0; i < VANTAGES; i++)
		if (flush(&o->vantages[i]) != 0)
			return -1;
	if (o->truth && (ferror(o->truth) || fflush(o->truth) != 0))
		return complain("truth.tsv");
	return 0;
}

uint64_t output_written(const struct output *o)
{
	return o->vantages[0].written + o->vantages[0].used + o->vantages[1].written + o->vantages[1].used;
}

void output_report(const struct output *o, FILE *file)
{
	uint64_t packets = o->vantages[0].packets + o->vantages[1].packets;

	fprintf(file, "\"records\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"bytes_per_record\": %.1f, \"captured_bytes\": %" PRIu64 ", \"exact\": %" PRIu64
	              ", \"routed\": %" PRIu64 ", \"copies_left_out\": %" PRIu64 ", \"end_ns\": %" PRId64 ", \"vantages\": [",
	        packets, output_written(o), (double)output_written(o) / (double)(packets ? packets : 1), o->captured,
	        o->vantages[0].exact + o->vantages[1].exact, o->vantages[0].routed + o->vantages[1].routed, o->left_out, o->last_ns);
	for (int i = 0; i < VANTAGES; i++)
		fprintf(file, "%s{\"name\": \"%s\", \"records\": %" PRIu64 "}", i ? ", " : "", o->vantages[i].name, o->vantages[i].packets);
	fputc(']', file);
}

void output_free(struct output *o)
{
	if (!o)
		return;
	for (int i = 0; i < VANTAGES; i++) {
		if (o->vantages[i].fd >= 0)
			close(o->vantages[i].fd);
		free(o->vantages[i].buffer);
	}
	if (o->truth)
		fclose(o->truth);
	free(o->copies);
	free(o);
}
