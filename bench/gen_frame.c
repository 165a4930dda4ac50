/* The bytes of a datagram: IP, ESP around what is sealed, transport, payload. */
#include <string.h>

#include "bench/checksum.h"
#include "bench/gen.h"

struct making {
	struct traffic *traffic;
	struct datagram *d;
	const struct segment *segment;
	uint32_t limit; /* bytes of the datagram that anybody will see */
	uint32_t at;
};

/* Bytes from a pool, those that will be seen; moves on by all of them. */
static void put_pool(struct making *m, const uint8_t *pool, uint64_t seed, uint32_t length)
{
	if (m->at < m->limit) {
		uint32_t seen = length < m->limit - m->at ? length : m->limit - m->at;
		memcpy(m->d->data + m->at, pool + (seed & (POOL_BYTES - 1)), seen);
	}
	m->at += length;
}

static void put_ip(struct making *m, uint8_t protocol, uint32_t length)
{
	struct datagram *d = m->d;
	uint8_t *p = d->data;

	if (d->flow->ipv6) {
		d->type = 0x86dd;
		weir_store_be32(p, 0x60000000);
		weir_store_be16(p + 4, (uint16_t)length);
		p[6] = protocol;
		p[7] = d->from->hops;
		memcpy(p + 8, d->from->ipv6, 16);
		memcpy(p + 24, d->to->ipv6, 16);
		m->at = 40;
		return;
	}
	struct host *from = &m->traffic->hosts[d->from - m->traffic->hosts];
	/* Some ping with the same bytes every time; what may not be cut up needs no number (RFC 6864). */
	bool same = d->kind == KIND_PING && d->flow->number & 1;
	d->type = 0x0800;
	weir_store_be32(p, 0x45000000 | (length + 20));
	weir_store_be16(p + 4, same ? 0 : from->ip_id++);
	weir_store_be16(p + 6, 0x4000);
	p[8] = d->from->hops;
	p[9] = protocol;
	weir_store_be16(p + 10, 0);
	memcpy(p + 12, d->from->ipv4, 4);
	memcpy(p + 16, d->to->ipv4, 4);
	weir_store_native16(p + 10, sum_fold(sum_add(0, p, 20)));
	m->at = 20;
}

static uint64_t pseudo_sum(const struct datagram *d, uint8_t protocol, uint32_t length)
{
	uint8_t tail[4] = {0, protocol, (uint8_t)(length >> 8), (uint8_t)length};
	uint64_t sum = sum_add(0, tail, 4);
	return sum_add(sum, d->data + (d->flow->ipv6 ? 8 : 12), d->flow->ipv6 ? 32 : 8);
}

static void put_tcp(struct making *m, int64_t time_ns)
{
	const struct segment *s = m->segment;
	const struct flow *f = m->d->flow;
	uint8_t *p = m->d->data + m->at;
	bool forward = m->d->forward;

	memset(p, 0, 32);
	weir_store_be16(p, forward ? f->a_port : f->b_port);
	weir_store_be16(p + 2, forward ? f->b_port : f->a_port);
	weir_store_be32(p + 4, forward ? f->a_sequence : f->b_sequence);
	weir_store_be32(p + 8, s->flags == 2 ? 0u : forward ? f->b_sequence : f->a_sequence);
	p[12] = (uint8_t)(s->header * 4);
	p[13] = s->flags;
	/* Windows move, so that no two acknowledgements are the same bytes; that of a segment with data is the same when it is sent again. */
	weir_store_be16(p + 14, (uint16_t)(s->length ? 512 + (s->seed & 511) : 1024u + (f->sent & 4095)));
	if (s->flags & 2) { /* maximum segment size, window scale, selective acknowledgements */
		memcpy(p + 20, (uint8_t[]){2, 4, 5, 0xb4, 1, 3, 3, 8, 4, 2, 1, 0}, 12);
	} else if (s->header == 32) { /* timestamps (RFC 7323) */
		weir_store_be32(p + 20, 0x0101080a);
		weir_store_be32(p + 24, (uint32_t)(time_ns / 1000000));
		weir_store_be32(p + 28, (uint32_t)(time_ns / 1000000) - 17);
	}
}

static void put_datagram(struct making *m)
{
	const struct segment *s = m->segment;
	const struct flow *f = m->d->flow;
	uint8_t *p = m->d->data + m->at;
	bool forward = m->d->forward;

	if (services[f->service].transport == OVER_ICMP) {
		bool same = f->number & 1;
		weir_store_be16(p, f->ipv6 ? (forward ? 0x8000 : 0x8100) : forward ? 0x0800 : 0);
		weir_store_be16(p + 2, 0);
		weir_store_be16(p + 4, f->a_port);
		weir_store_be16(p + 6, same ? 1 : (uint16_t)(f->sent / 2));
		return;
	}
	weir_store_be16(p, forward ? f->a_port : f->b_port);
	weir_store_be16(p + 2, forward ? f->b_port : f->a_port);
	weir_store_be16(p + 4, (uint16_t)(8 + s->length));
	weir_store_be16(p + 6, 0);
}

static void put_payload(struct making *m)
{
	const struct segment *s = m->segment;
	const struct flow *f = m->d->flow;
	const struct service *service = &services[f->service];
	uint32_t start = m->at, head = s->head ? s->head->length : 0;

	if (head > s->length)
		head = s->length;
	if (head)
		memcpy(m->d->data + m->at, s->head->data, head);
	m->at += head;
	put_pool(m, service->words ? m->traffic->words : m->traffic->noise, s->seed >> 20, s->length - head);
	if (service->numbered)
		weir_store_be16(m->d->data + start, (uint16_t)f->number);
	else if (service->port == 16384)
		weir_store_be16(m->d->data + start + 2, f->sent);
	else if (service->port == 443 && service->transport == OVER_TCP && !s->head && s->length > 5)
		memcpy(m->d->data + start, (uint8_t[]){0x17, 3, 3, (uint8_t)((s->length - 5) >> 8), (uint8_t)(s->length - 5)}, 5);
	else if (service->port == 443 && service->transport == OVER_UDP && !s->head)
		m->d->data[start] = (uint8_t)((m->d->data[start] & 0x3f) | 0x40);
}

/* The transport header and payload at m->at; what nobody sees the end of gets a checksum that nobody can check, the same when sent again. */
static void put_transport(struct making *m, uint8_t protocol, int64_t time_ns)
{
	const struct segment *s = m->segment;
	uint32_t start = m->at, length = s->header + s->length;
	uint32_t place = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;

	if (protocol == 6)
		put_tcp(m, time_ns);
	else
		put_datagram(m);
	m->at += s->header;
	put_payload(m);
	uint8_t *checksum = m->d->data + start + place;
	if (m->at > m->limit) {
		weir_store_native16(checksum, (uint16_t)(s->seed >> 40));
		return;
	}
	uint64_t sum = protocol == 1 ? 0 : pseudo_sum(m->d, protocol, length);
	uint16_t value = sum_fold(sum_add(sum, m->d->data + start, length));
	weir_store_native16(checksum, value || protocol != 17 ? value : 0xffff);
}

/* Padding, its length, next header, integrity check value (RFC 4303). */
static void put_trailer(struct making *m, uint8_t protocol, uint32_t padding, uint32_t icv)
{
	if (m->at < m->limit) {
		uint8_t *p = m->d->data + m->at;
		for (uint32_t i = 0; i < padding; i++)
			*p++ = (uint8_t)(i + 1);
		*p++ = (uint8_t)padding;
		*p = protocol;
	}
	m->at += padding + 2;
	put_pool(m, m->traffic->noise, random_next(&m->traffic->random), icv);
}

static void put_esp(struct making *m, uint8_t protocol, int64_t time_ns)
{
	struct traffic *t = m->traffic;
	uint32_t inner = m->segment->header + m->segment->length, icv;
	struct association *a = traffic_association(t, m->d, &icv);
	bool sealed = m->d->flow->seal == SEAL_SEALED;
	/* Padded to 4 bytes; AES-CBC: to 16, behind 16 of initialisation vector. */
	uint32_t padding = sealed ? (16 - (inner + 2) % 16) % 16 : (4 - (inner + 2) % 4) % 4;

	put_ip(m, 50, 8 + (sealed ? 16 : 0) + inner + padding + 2 + icv);
	weir_store_be32(m->d->data + m->at, a->spi);
	weir_store_be32(m->d->data + m->at + 4, a->sequence);
	m->at += 8;
	if (sealed) {
		put_pool(m, t->noise, random_next(&t->random), 16 + inner + padding + 2 + icv);
		return;
	}
	put_transport(m, protocol, time_ns);
	put_trailer(m, protocol, padding, icv);
}

void frame_make(struct traffic *t, struct datagram *d, const struct segment *segment, int64_t time_ns)
{
	uint32_t snap = t->options->snap;
	struct making m = {.traffic = t, .d = d, .segment = segment, .limit = snap ? snap - 14 : FRAME_MAX - 128};
	uint8_t protocol = services[d->flow->service].transport;

	if (protocol == OVER_ICMP && d->flow->ipv6)
		protocol = 58;
	if (d->flow->seal != SEAL_CLEAR) {
		put_esp(&m, protocol, time_ns);
	} else {
		put_ip(&m, protocol, segment->header + segment->length);
		put_transport(&m, protocol, time_ns);
	}
	d->length = m.at;
	d->captured = m.at < m.limit ? m.at : m.limit;
}

void frame_arp(struct traffic *t, struct datagram *d)
{
	uint8_t *p = d->data;

	memcpy(p, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	memcpy(p + 8, d->from->mac, 6);
	memcpy(p + 14, d->from->ipv4, 4);
	memset(p + 18, 0, 6);
	memcpy(p + 24, d->to->ipv4, 4);
	memset(p + 28, 0, 18);
	d->type = 0x0806;
	d->length = d->captured = 46;
}
