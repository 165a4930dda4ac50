/*
 * Makes captures to measure with: the same bytes for the same arguments, on every machine.
 *
 *   mix    mean 678 bytes a packet: 300 hosts, flows by Zipf's law, TCP and UDP with right checksums, 15 % IPv6, some VLAN tags, some ARP and ICMP,
 *          5 % of the packets seen again within 5, and a payload that `zstd -1` takes to about 68 %
 *   small  mean 105 bytes: the same hosts, mostly bare acknowledgements
 *
 * It has to be faster than what it feeds, so that payloads are slices of two pools made once, larger than any compressor's window in use: one of
 * words, one of noise.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/bytes.h>

#include "bench/checksum.h"
#include "bench/random.h"
#include "core/text.h"

#define HOSTS 300
#define FLOWS 16384
#define PICKS (1u << 18)
#define OUTPUT_BYTES (1u << 20)
#define RECORD_MAX 1600
#define REPEATS 8
#define DNS_QUERY (12 + 20 + 4)
#define DNS_ANSWER (DNS_QUERY + 16)

enum kind { KIND_MIX, KIND_SMALL };

struct options {
	enum kind kind;
	uint64_t bytes, seed;
	int64_t span_ns, start_ns;
	bool nanoseconds;
	const char *path;
};

struct host {
	uint8_t mac[6];
	uint8_t ipv4[4];
	uint8_t ipv6[16];
	uint16_t vlan; /* 0: untagged */
};

struct flow {
	uint16_t a, b; /* hosts */
	uint16_t a_port, b_port;
	uint32_t a_sequence, b_sequence;
	uint32_t left; /* packets until it ends and another takes its place */
	uint32_t sent;
	uint8_t protocol; /* 6 or 17 */
	bool ipv6, words;
};

struct pool {
	uint8_t *data;
	size_t size, at;
};

struct repeat {
	uint32_t length, after; /* packets until it is seen again; 0: free */
	uint8_t frame[RECORD_MAX];
};

struct generator {
	struct options options;
	struct random random;
	struct host hosts[HOSTS];
	struct flow flows[FLOWS];
	uint16_t flow_picks[PICKS]; /* flows as often as Zipf's law wants them */
	uint16_t host_picks[4096];
	struct pool words, noise;
	struct repeat repeats[REPEATS];
	unsigned repeats_waiting;
	int file;
	uint8_t *output;
	size_t output_used;
	uint64_t flows_begun, written, packets, captured, ipv6, tagged, repeated;
	int64_t time_ns;
	uint64_t ns_per_byte_32; /* 32.32 fixed point */
};

static const uint16_t services[] = {443, 443, 443, 443, 443, 80, 80, 80, 53, 53, 123, 5201, 3389, 993, 8080, 9000};

static void host_init(struct generator *g, unsigned i)
{
	struct host *h = &g->hosts[i];
	/* Two thirds are ours, in 10.20.0.0/16 and 2001:db8:20::/48; the others stand in documentation networks. */
	if (i % 3 != 2) {
		memcpy(h->ipv4, (uint8_t[]){10, 20, (uint8_t)(i >> 6), (uint8_t)(i * 3 + 1)}, 4);
		memcpy(h->ipv6, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, 0x20, 0, 0}, 8);
	} else {
		memcpy(h->ipv4, (uint8_t[]){198, 18 + (i & 1), (uint8_t)(i >> 2), (uint8_t)(i * 7 + 3)}, 4);
		memcpy(h->ipv6, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0xff, (uint8_t)i, 0, 0}, 8);
	}
	weir_store_be64(h->ipv6 + 8, UINT64_C(0x0200000000000000) + i + 1);
	memcpy(h->mac, (uint8_t[]){0x02, 0x57, 0x45, 0x49, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	h->vlan = i % 10 == 4 ? (uint16_t)(100 + i % 7) : 0;
}

/* Fills picks with 0…count-1, the one of rank k as often as Zipf's law (exponent 1) has it: 1/k of the sum. */
static void zipf_fill(uint16_t *picks, size_t size, unsigned count)
{
	double sum = 0, at = 0;
	size_t filled = 0;

	for (unsigned i = 0; i < count; i++)
		sum += 1.0 / (i + 1);
	for (unsigned i = 0; i < count; i++) {
		at += 1.0 / (i + 1);
		for (size_t end = (size_t)(at / sum * (double)size); filled < end && filled < size; filled++)
			picks[filled] = (uint16_t)i;
	}
	for (; filled < size; filled++)
		picks[filled] = (uint16_t)(count - 1);
}

static void flow_begin(struct generator *g, struct flow *f)
{
	struct random *r = &g->random;
	uint64_t bits = random_next(r);

	*f = (struct flow){0};
	f->a = g->host_picks[bits & 4095];
	f->b = (uint16_t)random_below(r, HOSTS);
	if (f->b == f->a)
		f->b = (uint16_t)((f->a + 1) % HOSTS);
	f->b_port = services[bits >> 12 & 15];
	f->a_port = (uint16_t)(32768 + (bits >> 16 & 0x6fff));
	/* 15 %, spread evenly over the ranks, so that a short capture has its share too. */
	f->ipv6 = ((g->flows_begun++ * 157 + 100) & 0xff) < 38;
	f->protocol = f->b_port == 53 || f->b_port == 123 || (bits >> 40 & 15) == 0 ? 17 : 6;
	f->words = (bits >> 48 & 0xff) < (g->options.kind == KIND_MIX ? 137 : 128);
	f->a_sequence = (uint32_t)random_next(r);
	f->b_sequence = (uint32_t)random_next(r);
	f->left = f->b_port == 53 || f->b_port == 123 ? 2 : 10 + random_below(r, 8192 >> (bits >> 56 & 7));
}

static int pools_make(struct generator *g)
{
	/* 32 MiB each is 64 windows of zstd -1; less for small captures, which are made in tests. */
	size_t size = g->options.bytes < UINT64_C(1) << 30 ? 4u << 20 : 32u << 20;
	char words[512][12];
	size_t lengths[512];

	g->words = (struct pool){malloc(size + RECORD_MAX), size, 0};
	g->noise = (struct pool){malloc(size + RECORD_MAX), size, 0};
	if (!g->words.data || !g->noise.data)
		return -1;
	for (size_t i = 0; i < size + RECORD_MAX; i += 8) {
		uint64_t bits = random_next(&g->random);
		memcpy(g->noise.data + i, &bits, 8);
	}
	for (int i = 0; i < 512; i++) {
		uint64_t bits = random_next(&g->random);
		lengths[i] = 2 + (bits & 7);
		for (size_t k = 0; k < lengths[i]; k++, bits >>= 5)
			words[i][k] = (char)('a' + (bits >> 8) % 26);
		words[i][lengths[i]++] = bits & 1 ? ' ' : '=';
	}
	for (size_t at = 0; at < size + RECORD_MAX;) {
		uint64_t bits = random_next(&g->random);
		for (int k = 0; k < 7 && at < size + RECORD_MAX; k++, bits >>= 9) {
			size_t n = lengths[bits & 511];
			n = n < size + RECORD_MAX - at ? n : size + RECORD_MAX - at;
			memcpy(g->words.data + at, words[bits & 511], n);
			at += n;
		}
	}
	return 0;
}

static int output_flush(struct generator *g)
{
	for (size_t at = 0; at < g->output_used;) {
		ssize_t n = write(g->file, g->output + at, g->output_used - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "generate: %s: %s\n", g->options.path, strerror(errno));
			return -1;
		}
		at += (size_t)n;
	}
	g->output_used = 0;
	return 0;
}

/* Ethernet and VLAN header; gives where the network header goes. */
static uint8_t *put_link(struct generator *g, uint8_t *at, const struct host *from, const struct host *to,
                         uint16_t type)
{
	memcpy(at, to->mac, 6);
	memcpy(at + 6, from->mac, 6);
	at += 12;
	if (from->vlan) {
		weir_store_be16(at, 0x8100);
		weir_store_be16(at + 2, from->vlan);
		at += 4;
		g->tagged++;
	}
	weir_store_be16(at, type);
	return at + 2;
}

/* IP header; *sum receives that of the pseudo header without the length. */
static uint8_t *put_ip(struct generator *g, uint8_t *at, const struct flow *f, const struct host *from,
                       const struct host *to, size_t transport_length, uint64_t *sum)
{
	uint8_t pseudo[4] = {0, f->protocol, (uint8_t)(transport_length >> 8), (uint8_t)transport_length};
	*sum = sum_add(0, pseudo, 4);
	if (f->ipv6) {
		weir_store_be32(at, 0x60000000);
		weir_store_be16(at + 4, (uint16_t)transport_length);
		at[6] = f->protocol;
		at[7] = 64;
		memcpy(at + 8, from->ipv6, 16);
		memcpy(at + 24, to->ipv6, 16);
		*sum = sum_add(*sum, at + 8, 32);
		g->ipv6++;
		return at + 40;
	}
	weir_store_be16(at, 0x4500);
	weir_store_be16(at + 2, (uint16_t)(transport_length + 20));
	weir_store_be16(at + 4, (uint16_t)g->packets);
	weir_store_be16(at + 6, 0x4000);
	at[8] = 64;
	at[9] = f->protocol;
	weir_store_be16(at + 10, 0);
	memcpy(at + 12, from->ipv4, 4);
	memcpy(at + 16, to->ipv4, 4);
	weir_store_native16(at + 10, sum_fold(sum_add(0, at, 20)));
	*sum = sum_add(*sum, at + 12, 8);
	return at + 20;
}

static const uint8_t *pool_take(struct pool *pool, struct random *r, size_t length)
{
	if (pool->at + length > pool->size)
		pool->at = random_below(r, 4096); /* another alignment in every round */
	const uint8_t *slice = pool->data + pool->at;
	pool->at += length;
	return slice;
}

static size_t payload_length(const struct generator *g, const struct flow *f, uint64_t bits, bool forward)
{
	if (f->sent < 2 && f->protocol == 6)
		return 0; /* SYN, SYN-ACK */
	if (f->b_port == 53)
		return forward ? DNS_QUERY : DNS_ANSWER;
	if (f->b_port == 123)
		return 48;
	if (g->options.kind == KIND_SMALL) {
		/* 105 bytes on average: acknowledgements, keystrokes, voice. */
		unsigned choice = bits >> 8 & 15;
		return choice < 9 ? 0 : choice < 13 ? 16 + (bits & 63) : 80 + (bits & 127);
	}
	if (!forward) {
		unsigned choice = bits >> 8 & 63;
		return choice < 43 ? 1448 : choice < 52 ? 200 + (bits & 1023) : 0;
	}
	unsigned choice = bits >> 8 & 63;
	return choice < 52 ? 0 : choice < 60 ? 80 + (bits & 511) : 1448;
}

/* What a decoder expects at the beginning of a payload, so that the captures are not full of malformed applications. */
static void put_application(const struct flow *f, uint8_t *at, size_t length, bool forward)
{
	static const uint8_t name[] = "\6w00000\7example\3org"; /* with its root label */

	if (f->b_port == 53 && f->protocol == 17) {
		memset(at, 0, length);
		weir_store_be16(at, (uint16_t)f->b_sequence);
		weir_store_be16(at + 2, forward ? 0x0100 : 0x8180);
		at[5] = 1;
		at[7] = !forward;
		memcpy(at + 12, name, sizeof name);
		for (uint32_t i = 0, n = f->a_sequence; i < 5; i++, n /= 10)
			at[14 + i] = (uint8_t)('0' + n % 10);
		weir_store_be32(at + 12 + sizeof name, 0x00010001);
		if (!forward) {
			weir_store_be32(at + 16 + sizeof name, 0xc00c0001);
			memcpy(at + 20 + sizeof name, (uint8_t[]){0, 1, 0, 0, 1, 44, 0, 4, 198, 18, 0, 1}, 12);
		}
	} else if (f->b_port == 123) {
		at[0] = forward ? 0x23 : 0x24;
		at[1] = 2;
	} else if (f->b_port == 443 && f->protocol == 6 && length > 5) {
		memcpy(at, (uint8_t[]){0x17, 0x03, 0x03, (uint8_t)((length - 5) >> 8), (uint8_t)(length - 5)}, 5);
	} else if (f->b_port == 80 && f->protocol == 6 && forward && length > 64 && length < 1000) {
		memcpy(at, "GET /words HTTP/1.1\r\nHost: www.example.org\r\n\r\n", 47);
	} else if (f->b_port == 443 && length > 0) {
		at[0] = (uint8_t)((at[0] & 0x3f) | 0x40); /* a QUIC short header */
	}
}

/* The next packet of a flow, as a frame; gives its length. */
static size_t put_flow_packet(struct generator *g, struct flow *f, uint8_t *frame)
{
	uint64_t bits = random_next(&g->random), sum;
	bool forward = f->protocol == 6 && f->sent < 3 ? f->sent != 1
	               : f->b_port == 53               ? f->sent == 0
	                                               : (bits >> 40 & 0xff) < 120;
	const struct host *from = &g->hosts[forward ? f->a : f->b], *to = &g->hosts[forward ? f->b : f->a];
	size_t header = f->protocol == 6 ? 20 + 12 : 8;
	size_t length = payload_length(g, f, bits, forward);
	length = f->ipv6 && length > 1408 ? 1408 : length;

	uint8_t *at = put_link(g, frame, from, to, f->ipv6 ? 0x86dd : 0x0800);
	at = put_ip(g, at, f, from, to, header + length, &sum);
	weir_store_be16(at, forward ? f->a_port : f->b_port);
	weir_store_be16(at + 2, forward ? f->b_port : f->a_port);
	memcpy(at + header, pool_take(f->words ? &g->words : &g->noise, &g->random, length), length);
	put_application(f, at + header, length, forward);
	if (f->protocol == 17) {
		weir_store_be16(at + 4, (uint16_t)(header + length));
		weir_store_be16(at + 6, 0);
		uint16_t checksum = sum_fold(sum_add(sum, at, header + length));
		weir_store_native16(at + 6, checksum ? checksum : 0xffff);
	} else {
		uint32_t *mine = forward ? &f->a_sequence : &f->b_sequence;
		uint8_t flags = f->sent == 0 ? 0x02 : f->sent == 1 ? 0x12 : f->left <= 2 ? 0x11 : length ? 0x18 : 0x10;
		weir_store_be32(at + 4, *mine);
		weir_store_be32(at + 8, flags == 0x02 ? 0 : forward ? f->b_sequence : f->a_sequence);
		weir_store_be16(at + 12, (uint16_t)(0x8000 | flags));
		weir_store_be16(at + 14, 502);
		weir_store_be32(at + 16, 0);
		/* NOP NOP timestamps (RFC 7323) */
		weir_store_be32(at + 20, 0x0101080a);
		weir_store_be32(at + 24, (uint32_t)(g->time_ns / 1000000));
		weir_store_be32(at + 28, (uint32_t)(g->time_ns / 1000000) - 17);
		weir_store_native16(at + 16, sum_fold(sum_add(sum, at, header + length)));
		*mine += (uint32_t)length + ((flags & 3) != 0);
	}
	f->sent++;
	if (--f->left == 0)
		flow_begin(g, f);
	return (size_t)(at + header + length - frame);
}

static size_t put_arp(struct generator *g, uint8_t *frame)
{
	static const struct host broadcast = {.mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	uint64_t bits = random_next(&g->random);
	const struct host *from = &g->hosts[bits % HOSTS], *to = &g->hosts[(bits >> 20) % HOSTS];
	uint8_t *at = put_link(g, frame, from, &broadcast, 0x0806);
	memcpy(at, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	memcpy(at + 8, from->mac, 6);
	memcpy(at + 14, from->ipv4, 4);
	memset(at + 18, 0, 6);
	memcpy(at + 24, to->ipv4, 4);
	return (size_t)(at + 28 - frame);
}

static size_t put_echo(struct generator *g, uint8_t *frame)
{
	uint64_t bits = random_next(&g->random), sum;
	const struct host *from = &g->hosts[bits % HOSTS], *to = &g->hosts[(bits >> 20) % HOSTS];
	struct flow f = {.protocol = 1};
	uint8_t *at = put_link(g, frame, from, to, 0x0800);
	at = put_ip(g, at, &f, from, to, 64, &sum);
	memcpy(at, (uint8_t[]){8, 0, 0, 0}, 4);
	for (uint8_t i = 0; i < 60; i++)
		at[4 + i] = i;
	weir_store_native16(at + 2, sum_fold(sum_add(0, at, 64)));
	return (size_t)(at + 64 - frame);
}

static void put_record(struct generator *g, const uint8_t *frame, size_t length, bool in_place)
{
	uint8_t *record = g->output + g->output_used;
	int64_t fraction = g->time_ns % 1000000000;
	weir_store_le32(record, (uint32_t)(g->time_ns / 1000000000));
	weir_store_le32(record + 4, (uint32_t)(g->options.nanoseconds ? fraction : fraction / 1000));
	weir_store_le32(record + 8, (uint32_t)length);
	weir_store_le32(record + 12, (uint32_t)length);
	if (!in_place)
		memcpy(record + 16, frame, length);
	g->output_used += 16 + length;
	g->written += 16 + length;
	g->captured += length;
	g->packets++;

	/* Gaps follow the bytes, so that the span comes out right, between half and one and a half of their share. */
	uint64_t gap = (16 + length) * g->ns_per_byte_32 >> 32;
	uint64_t jitter = random_next(&g->random) & 0xffff;
	g->time_ns += (int64_t)((gap * (32768 + jitter)) >> 16);
}

static int repeats_put(struct generator *g)
{
	for (int i = 0; g->repeats_waiting && i < REPEATS; i++) {
		struct repeat *repeat = &g->repeats[i];
		if (repeat->after == 0 || --repeat->after > 0)
			continue;
		put_record(g, repeat->frame, repeat->length, false);
		g->repeats_waiting--;
		g->repeated++;
	}
	return g->output_used + (REPEATS + 1) * (RECORD_MAX + 16) > OUTPUT_BYTES ? output_flush(g) : 0;
}

static void repeat_later(struct generator *g, const uint8_t *frame, size_t length, unsigned after)
{
	for (int i = 0; i < REPEATS; i++) {
		if (g->repeats[i].after)
			continue;
		g->repeats[i].after = after;
		g->repeats[i].length = (uint32_t)length;
		memcpy(g->repeats[i].frame, frame, length);
		g->repeats_waiting++;
		return;
	}
}

static int generate(struct generator *g)
{
	uint8_t header[24] = {0};
	weir_store_le32(header, g->options.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
	weir_store_le16(header + 4, 2);
	weir_store_le16(header + 6, 4);
	weir_store_le32(header + 16, 262144);
	weir_store_le32(header + 20, 1);
	memcpy(g->output, header, sizeof header);
	g->output_used = g->written = sizeof header;

	while (g->written < g->options.bytes) {
		uint8_t *frame = g->output + g->output_used + 16;
		uint64_t bits = random_next(&g->random);
		size_t length;

		if ((bits & 1023) == 0)
			length = put_arp(g, frame);
		else if ((bits & 1023) < 4)
			length = put_echo(g, frame);
		else
			length = put_flow_packet(g, &g->flows[g->flow_picks[bits >> 10 & (PICKS - 1)]], frame);
		if ((bits >> 40 & 0x3ff) < 54) /* of 1,024: 5 % of all packets are a repeat */
			repeat_later(g, frame, length, 1 + (bits >> 56 & 3));
		put_record(g, frame, length, true);
		if (repeats_put(g) != 0)
			return -1;
	}
	return output_flush(g);
}

static void usage(void)
{
	fputs("generate [--kind mix|small] [--bytes SIZE] [--span DURATION] [--start MOMENT] [--seed N] [--nanoseconds] "
	      "FILE|-\n"
	      "Writes a pcap file of about SIZE (64M) bytes whose packets span DURATION (2h) from MOMENT (2026-01-01) on,\n"
	      "and a line of JSON about it on standard error. The same arguments make the same bytes.\n",
	      stderr);
}

static int options_read(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"kind", required_argument, NULL, 'k'}, {"bytes", required_argument, NULL, 'b'},
		{"span", required_argument, NULL, 's'}, {"start", required_argument, NULL, 't'},
		{"seed", required_argument, NULL, 'r'}, {"nanoseconds", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
	};
	struct weir_fault fault;
	char text[1200];
	int c, result = 0;

	weir_fault_clear(&fault);
	while (result == 0 && (c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (c) {
		case 'k':
			if (strcmp(optarg, "mix") != 0 && strcmp(optarg, "small") != 0)
				result = weir_fail(&fault, WEIR_E_USAGE, "--kind is mix or small");
			options->kind = strcmp(optarg, "small") == 0 ? KIND_SMALL : KIND_MIX;
			break;
		case 'b':
			result = parse_size(optarg, &options->bytes, &fault);
			break;
		case 's':
			result = parse_duration(optarg, &options->span_ns, &fault);
			break;
		case 't':
			result = parse_moment(optarg, 0, false, &options->start_ns, &fault);
			break;
		case 'r':
			result = parse_unsigned(optarg, 0, UINT64_MAX, &options->seed, &fault);
			break;
		case 'n':
			options->nanoseconds = true;
			break;
		default:
			usage();
			return 2;
		}
	}
	if (result == 0 && optind != argc - 1)
		result = weir_fail(&fault, WEIR_E_USAGE, "one file is needed, or - for standard output");
	if (result != 0) {
		fprintf(stderr, "generate: %s\n", weir_fault_text(&fault, text, sizeof text));
		usage();
		return 2;
	}
	options->path = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct generator *g = calloc(1, sizeof *g);
	int status = 3;

	if (!g)
		return 3;
	g->options = (struct options){.bytes = 64u << 20, .seed = 1, .span_ns = INT64_C(7200) * 1000000000};
	g->options.start_ns = INT64_C(1767225600) * 1000000000; /* 2026-01-01T00:00:00Z */
	if (options_read(&g->options, argc, argv) != 0) {
		free(g);
		return 2;
	}
	random_seed(&g->random, g->options.seed);
	g->output = malloc(OUTPUT_BYTES);
	g->file = strcmp(g->options.path, "-") == 0 ? STDOUT_FILENO
	                                            : open(g->options.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (g->file < 0) {
		fprintf(stderr, "generate: %s: %s\n", g->options.path, strerror(errno));
		goto done;
	}
	if (!g->output || pools_make(g) != 0) {
		fputs("generate: no memory\n", stderr);
		goto done;
	}
	zipf_fill(g->flow_picks, PICKS, FLOWS);
	zipf_fill(g->host_picks, 4096, HOSTS);
	for (unsigned i = 0; i < HOSTS; i++)
		host_init(g, i);
	for (unsigned i = 0; i < FLOWS; i++) {
		flow_begin(g, &g->flows[i]);
		/* Most were there before the capture began: they do not start with a handshake. */
		if (i % 16 != 15 && g->flows[i].left > 2)
			g->flows[i].sent = 3;
	}
	g->time_ns = g->options.start_ns;
	g->ns_per_byte_32 = (uint64_t)((double)g->options.span_ns / (double)g->options.bytes * 4294967296.0);
	if (generate(g) != 0)
		goto done;
	fprintf(stderr,
	        "{\"bytes\": %" PRIu64 ", \"packets\": %" PRIu64 ", \"captured_bytes\": %" PRIu64 ", \"mean\": %" PRIu64
	        ", \"ipv6\": %" PRIu64 ", \"tagged\": %" PRIu64 ", \"repeated\": %" PRIu64 ", \"start_ns\": %" PRId64
	        ", \"end_ns\": %" PRId64 "}\n",
	        g->written, g->packets, g->captured, g->captured / g->packets, g->ipv6, g->tagged, g->repeated,
	        g->options.start_ns, g->time_ns);
	status = 0;
done:
	free(g->words.data);
	free(g->noise.data);
	free(g->output);
	free(g);
	return status;
}
