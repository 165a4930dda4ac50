/* Who talks to whom, for how long, and under which security association. */
#include <stdlib.h>
#include <string.h>

#include <weir/bytes.h>

#include "bench/gen.h"

enum { SYN = 2, SYN_ACK = 0x12, ACK = 0x10, PUSH_ACK = 0x18, FIN_ACK = 0x11, RESET = 0x14 };

static void host_init(struct traffic *t, uint32_t i)
{
	struct host *h = &t->hosts[i];
	bool outside = i >= t->options->hosts;
	uint32_t n = outside ? i - t->options->hosts : i;

	*h = (struct host){.side = n & 1, .hops = outside ? 52 : n % 4 == 1 ? 64 : 128, .timestamps = n % 3 == 1, .ip_id = (uint16_t)(n * 257)};
	/* Two halves of a company, each behind a mirror port, in 10.20.0.0/15; the others stand in networks for benchmarks. */
	if (outside)
		memcpy(h->ipv4, (uint8_t[]){198, (uint8_t)(18 + (n & 1)), (uint8_t)(n >> 8), (uint8_t)n}, 4);
	else
		memcpy(h->ipv4, (uint8_t[]){10, (uint8_t)(20 + (n & 1)), (uint8_t)(n >> 7), (uint8_t)((n >> 1) * 3 + 1)}, 4);
	memcpy(h->ipv6, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, outside ? 0xff : 0, (uint8_t)(0x20 + (n & 1)), 0, 0}, 8);
	weir_store_be64(h->ipv6 + 8, UINT64_C(0x0200000000000000) + i + 1);
	memcpy(h->mac, (uint8_t[]){0x02, 0x57, 0x45, 0x49, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	h->vlan = n % 5 == 4 ? (uint16_t)(100 + n % 7) : 0;
}

/* Fills picks with 0…count-1, the one of rank k as often as Zipf's law (exponent 1) has it. */
static void zipf_fill(uint16_t *picks, size_t size, uint32_t count)
{
	double sum = 0, at = 0;
	size_t filled = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += 1.0 / (i + 1);
	for (uint32_t i = 0; i < count; i++) {
		at += 1.0 / (i + 1);
		for (size_t end = (size_t)(at / sum * (double)size); filled < end && filled < size; filled++)
			picks[filled] = (uint16_t)i;
	}
	for (; filled < size; filled++)
		picks[filled] = (uint16_t)(count - 1);
}

/* How probable a kind has to be for the next flow that should make up `wanted` of the packets: pulled towards the share. */
static double probability(const struct traffic *t, double wanted, uint64_t so_far)
{
	double actual = t->packets > 1000 ? (double)so_far / (double)t->packets : wanted;

	return wanted <= 0 ? 0 : wanted + 4 * (wanted - actual);
}

static double random_unit(struct traffic *t) { return (double)(random_next(&t->random) >> 11) * 0x1p-53; }

static enum seal choose_seal(struct traffic *t)
{
	double null = probability(t, t->options->null_share, t->shares[SEAL_NULL]);
	double sealed = probability(t, t->options->sealed_share, t->shares[SEAL_SEALED]);
	double at = random_unit(t);

	return at < sealed ? SEAL_SEALED : at < sealed + null ? SEAL_NULL : SEAL_CLEAR;
}

/*
 * How many packets a flow has: a Pareto distribution (exponent 1.2) in octaves, beginning at 20; with the short ones the mean is about 100.
 */
static uint32_t life(struct traffic *t, const struct service *service)
{
	uint64_t bits = random_next(&t->random);
	uint32_t octave = 0;

	if (service->short_lived)
		return 2;
	if (service->transport == OVER_ICMP)
		return 2 * (4 + (bits & 31));
	while (octave < 15 && (bits & 255) < 111) { /* 2^-1.2 */
		octave++;
		bits = octave == 8 ? random_next(&t->random) : bits >> 8;
	}
	return (20u << octave) + random_below(&t->random, 20u << octave);
}

static void flow_begin(struct traffic *t, struct flow *f)
{
	const struct options *options = t->options;
	uint64_t bits = random_next(&t->random);

	*f = (struct flow){.number = (uint32_t)++t->flows_begun, .service = t->service_picks[bits & 255]};
	const struct service *service = &services[f->service];
	f->seal = choose_seal(t);
	f->ipv6 = random_unit(t) < probability(t, options->ipv6_share, t->ipv6);
	/* Of all records, copies among them, the share is to be copies. */
	f->routed = random_unit(t) < probability(t, options->routed_share / (1 - options->routed_share - options->exact_share), t->routed);
	f->same_port = bits >> 60 < 4;
	f->a = t->host_picks[bits >> 8 & 4095];
	/* Most talk to one of the few servers that have the service. */
	if (f->seal == SEAL_CLEAR && (bits >> 20 & 7) < 5)
		f->b = (uint16_t)(options->hosts + random_below(&t->random, t->host_total - options->hosts));
	else if (service->transport == OVER_ICMP || (bits >> 20 & 7) == 7)
		f->b = (uint16_t)random_below(&t->random, options->hosts);
	else
		f->b = (uint16_t)((f->service * 7u + t->server_picks[bits >> 24 & 255]) % options->hosts);
	if (f->b == f->a)
		f->b = (uint16_t)((f->a + 1) % options->hosts);
	f->a_port = (uint16_t)(service->transport == OVER_ICMP ? f->number : 49152 + (bits >> 32 & 0x3fff));
	f->b_port = service->port;
	f->a_sequence = (uint32_t)random_next(&t->random);
	f->b_sequence = (uint32_t)random_next(&t->random);
	f->left = life(t, service);
}

static int pools_make(struct traffic *t)
{
	t->words = malloc(POOL_BYTES + FRAME_MAX);
	t->noise = malloc(POOL_BYTES + FRAME_MAX);
	if (!t->words || !t->noise)
		return -1;
	for (size_t i = 0; i < POOL_BYTES + FRAME_MAX; i += 8) {
		uint64_t bits = random_next(&t->random);
		memcpy(t->noise + i, &bits, 8);
	}
	for (size_t i = 0; i < POOL_BYTES + FRAME_MAX; i++)
		t->words[i] = (uint8_t)((t->noise[i] & 7) == 0 ? ' ' : 'a' + (t->noise[i] >> 3) % 26);
	return 0;
}

static void services_fill(struct traffic *t)
{
	uint32_t sum = 0, at = 0, filled = 0;

	for (unsigned i = 0; i < service_count; i++)
		sum += services[i].weight;
	for (unsigned i = 0; i < service_count; i++) {
		at += services[i].weight;
		for (; filled < at * 256 / sum; filled++)
			t->service_picks[filled] = (uint8_t)i;
	}
}

int traffic_make(struct traffic *t, const struct options *options)
{
	size_t pairs = (size_t)options->hosts * options->hosts;

	*t = (struct traffic){.options = options};
	random_seed(&t->random, options->seed);
	t->host_total = options->hosts + options->hosts / 4 + 1;
	t->hosts = calloc(t->host_total, sizeof *t->hosts);
	t->flows = calloc(options->flows, sizeof *t->flows);
	t->associations = calloc(pairs * 4, sizeof *t->associations);
	if (!t->hosts || !t->flows || !t->associations || pools_make(t) != 0)
		return -1;
	services_make(&t->random);
	services_fill(t);
	zipf_fill(t->host_picks, 4096, options->hosts);
	zipf_fill(t->server_picks, 256, options->hosts / 10 + 2);
	for (uint32_t i = 0; i < t->host_total; i++)
		host_init(t, i);
	for (uint32_t i = 0; i < options->flows; i++) {
		struct flow *f = &t->flows[i];
		flow_begin(t, f);
		/* Most were there before the capture began: they do not start with a handshake. */
		if (i % 16 != 15 && f->left > 10) {
			f->sent = 6;
			f->headed = 3;
			f->left -= random_below(&t->random, f->left - 8);
			f->left += services[f->service].transport == OVER_ICMP && f->left & 1;
		}
	}
	for (uint32_t i = 0; i < HOT_FLOWS; i++)
		t->hot[i] = random_below(&t->random, options->flows);
	return 0;
}

void traffic_free(struct traffic *t)
{
	free(t->hosts);
	free(t->flows);
	free(t->associations);
	free(t->words);
	free(t->noise);
}

struct association *traffic_association(struct traffic *t, const struct datagram *d, unsigned *icv)
{
	size_t from = (size_t)(d->from - t->hosts), to = (size_t)(d->to - t->hosts);
	size_t pair = from * t->options->hosts + to;
	struct association *a = &t->associations[pair * 4 + d->flow->ipv6 * 2u + (d->flow->seal == SEAL_SEALED)];

	*icv = (from + to) % 4 == 0 ? 16 : 12;
	if (a->left == 0) {
		bool first = a->spi == 0;
		a->spi = (uint32_t)(random_next(&t->random) | 0x1000);
		a->sequence = first ? random_below(&t->random, 100000) : 0;
		a->left = 2000 + random_below(&t->random, 200000);
		t->associations_made++;
	}
	a->left--;
	a->sequence++;
	return a;
}

/* A flow's place: half of them all alike, half by Zipf's law (log-uniform: rank in an octave, octaves alike). */
static uint32_t pick_any(struct traffic *t)
{
	uint64_t bits = random_next(&t->random);
	uint32_t flows = t->options->flows;

	if (bits & 1)
		return (uint32_t)((bits >> 32) * flows >> 32);
	uint32_t octaves = 32 - (uint32_t)__builtin_clz(flows), octave = (uint32_t)((bits >> 1 & 0xffff) * octaves >> 16);
	uint32_t rank = (1u << octave | ((uint32_t)(bits >> 32) & ((1u << octave) - 1))) - 1;
	return rank < flows ? rank : rank % flows;
}

/* Packets come in trains: a few flows are hot for a while. */
static struct flow *pick_flow(struct traffic *t, uint32_t now_ms)
{
	uint32_t slot = 0;

	for (int tries = 0; tries < 8; tries++) {
		uint64_t bits = random_next(&t->random);
		uint32_t *hot = &t->hot[bits & (HOT_FLOWS - 1)];
		if ((bits >> 8 & 127) * 100 >= t->options->locality * 128u || tries > 0)
			*hot = pick_any(t);
		slot = *hot;
		struct flow *f = &t->flows[slot];
		/* Who waits for an answer waits: pings come every second or so, segments are sent again after a few milliseconds. */
		uint32_t gap = f->retransmit ? 5 : services[f->service].transport == OVER_ICMP && !(f->sent & 1) ? 200 : 0;
		if (gap == 0 || f->last_ms == 0 || now_ms - f->last_ms >= gap)
			return f;
	}
	flow_begin(t, &t->flows[slot]);
	return &t->flows[slot];
}

static uint64_t seed_of(const struct flow *f, bool forward)
{
	uint64_t seed = (uint64_t)f->number << 33 | (uint64_t)forward << 32 | (forward ? f->a_sequence : f->b_sequence);
	return splitmix(&seed);
}

/* Which way the next packet of a TCP flow goes and what it carries. */
static void tcp_next(struct traffic *t, struct flow *f, struct datagram *d, struct segment *s)
{
	const struct service *service = &services[f->service];
	uint64_t bits = random_next(&t->random);
	uint32_t most = f->seal != SEAL_CLEAR ? 1380 : 1428;

	s->header = 20 + (t->hosts[f->a].timestamps ? 12 : 0);
	s->flags = ACK;
	if (f->sent < 3 || f->left <= 3) {
		d->forward = f->sent < 3 ? f->sent != 1 : f->left != 2;
		s->flags = f->sent == 0 ? SYN : f->sent == 1 ? SYN_ACK : f->sent == 2 ? ACK : f->left > 1 ? FIN_ACK : f->number % 32 ? ACK : RESET;
		if (s->flags & SYN)
			s->header = 32;
		return;
	}
	unsigned first = service->server_first ? 2 : 1;
	if (f->headed != 3) {
		unsigned who = f->headed & first ? 3 - first : first;
		f->headed |= who;
		d->forward = who == 1;
		s->head = service_head(f->service, who == 2, f->number);
		s->length = s->head->length;
		/* Certificates and pages are longer than a segment. */
		if (who == 2 && (service->port == 443 || service->words))
			s->length = most;
		s->flags = PUSH_ACK;
		return;
	}
	d->forward = (bits & 255) < (service->bulk ? 95 : 115);
	if ((bits >> 8 & 255) < (d->forward ? 150 : 225)) {
		uint64_t shape = seed_of(f, d->forward);
		unsigned choice = shape & 15;
		s->length = choice < 9 ? most : choice < 14 ? 60 + (shape >> 8 & 511) : 6 + (shape >> 8 & 63);
		s->flags = PUSH_ACK;
		f->retransmit = (bits >> 16 & 1023) < 6;
	}
}

static void udp_next(struct traffic *t, struct flow *f, struct datagram *d, struct segment *s)
{
	const struct service *service = &services[f->service];
	uint64_t bits = random_next(&t->random);

	s->header = 8;
	if (service->transport == OVER_ICMP || service->short_lived) {
		d->forward = !(f->sent & 1);
		s->head = service_head(f->service, !d->forward && service->short_lived, f->number);
		s->length = s->head->length;
		return;
	}
	d->forward = f->sent == 0 || service->port == 514 || (bits & 255) < 120;
	unsigned who = d->forward ? 1 : 2;
	if (!(f->headed & who) || service->port == 16384) {
		f->headed |= who;
		s->head = service_head(f->service, !d->forward, f->number);
		s->length = s->head->length;
		if (service->port == 443)
			s->length = 1200;
		return;
	}
	s->length = service->words ? 60 + (uint32_t)(bits >> 8 & 255) : (bits >> 8 & 3) ? 1200 : 34;
}

static void advance(struct traffic *t, struct flow *f, const struct datagram *d, const struct segment *s)
{
	if (d->kind != KIND_RETRANSMISSION) {
		uint32_t *mine = d->forward ? &f->a_sequence : &f->b_sequence;
		*mine += s->length + ((s->flags & 3) != 0);
		if (f->sent < UINT16_MAX - 1)
			f->sent++;
		else
			f->sent--; /* keeps changing; the lowest bit is whose turn it is */
		f->left--;
		if (s->length && !s->head) {
			f->last_length = (uint16_t)s->length;
			f->last_forward = d->forward;
		}
	}
	t->packets++;
	t->shares[f->seal]++;
	t->ipv6 += f->ipv6;
	t->routed += f->routed;
	t->kinds[d->kind]++;
}

static bool arp_next(struct traffic *t, struct datagram *d)
{
	uint64_t bits = random_next(&t->random);

	if ((bits & 1023) > 1)
		return false;
	d->flow = NULL;
	d->then = (struct flow){0};
	d->from = &t->hosts[(bits >> 10) % t->options->hosts];
	d->to = &t->hosts[(bits >> 30) % t->options->hosts];
	d->kind = KIND_ORIGINAL;
	frame_arp(t, d);
	t->packets++;
	t->shares[SEAL_CLEAR]++;
	t->kinds[KIND_ORIGINAL]++;
	return true;
}

void traffic_next(struct traffic *t, int64_t time_ns, struct datagram *d, unsigned *first, unsigned *second, bool *two_ways)
{
	d->id = ++t->next_id;
	d->hops_less = 0;
	if (arp_next(t, d)) {
		*first = d->from->side;
		*two_ways = false;
		return;
	}
	uint32_t now_ms = (uint32_t)((time_ns - t->options->start_ns) / 1000000) + 1;
	struct flow *f = pick_flow(t, now_ms);
	const struct service *service = &services[f->service];
	struct segment s = {0};

	if (f->left == 0)
		flow_begin(t, f);
	service = &services[f->service];
	d->flow = f;
	d->kind = service->transport == OVER_ICMP ? KIND_PING : KIND_ORIGINAL;
	if (f->retransmit) {
		f->retransmit = false;
		d->kind = KIND_RETRANSMISSION;
		d->forward = f->last_forward;
		*(d->forward ? &f->a_sequence : &f->b_sequence) -= f->last_length;
		s = (struct segment){.header = 20 + (t->hosts[f->a].timestamps ? 12 : 0), .length = f->last_length, .flags = PUSH_ACK};
	} else if (service->transport == OVER_TCP) {
		tcp_next(t, f, d, &s);
	} else {
		udp_next(t, f, d, &s);
	}
	s.seed = seed_of(f, d->forward) + (service->transport == OVER_TCP ? 0 : (uint64_t)f->sent * 7919);
	d->from = &t->hosts[d->forward ? f->a : f->b];
	d->to = &t->hosts[d->forward ? f->b : f->a];
	frame_make(t, d, &s, time_ns);
	if (d->kind == KIND_RETRANSMISSION)
		*(d->forward ? &f->a_sequence : &f->b_sequence) += f->last_length;
	d->then = *f;
	advance(t, f, d, &s);
	f->last_ms = now_ms;
	/* Its two ends are behind different mirror ports, or it is routed back to where it came from. */
	unsigned near = t->hosts[f->a].side;
	*two_ways = f->routed;
	*first = !f->routed || f->same_port || d->forward ? near : 1 - near;
	*second = f->same_port ? near : 1 - *first;
}
