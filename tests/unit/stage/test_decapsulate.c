/* The decapsulate stage: what is opened, what never is, and when. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/flow.h>
#include <weir/stage.h>
#include <weir/state.h>

#include "flow/item.h"
#include "stage/decapsulate.h"

struct made {
	uint8_t data[2048];
	uint32_t length;
};

/* How a packet is made. */
struct how {
	uint32_t spi, sequence;
	uint8_t version;       /* of the IP around the ESP; 0: 4 */
	uint8_t iv, icv;
	uint8_t protocol;      /* of what is inside */
	uint16_t payload;      /* bytes of payload behind the inner transport header */
	bool encrypted, counter, in_udp, timestamps, fragment;
	uint16_t source_port;
};

static uint64_t seed = 1;

static uint8_t noise(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint8_t)(seed >> 56);
}

static uint16_t checksum(const uint8_t *p, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum of the pseudo header of the datagram at ip. */
static uint32_t pseudo(const uint8_t *ip, uint8_t protocol, uint32_t length)
{
	bool four = ip[0] >> 4 == 4;
	return (uint16_t)~checksum(ip + (four ? 12 : 8), four ? 8 : 32, protocol + length);
}

static uint32_t put_ip(uint8_t *p, uint8_t version, uint8_t protocol, uint32_t length)
{
	if (version == 6) {
		weir_store_be32(p, 0x60000000);
		weir_store_be16(p + 4, (uint16_t)length);
		p[6] = protocol;
		p[7] = 64;
		memcpy(p + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 32);
		return 40;
	}
	memset(p, 0, 20);
	p[0] = 0x45;
	weir_store_be16(p + 2, (uint16_t)(length + 20));
	p[8] = 64;
	p[9] = protocol;
	memcpy(p + 12, "\x0a\0\0\x01\x0a\0\0\x02", 8);
	weir_store_be16(p + 10, checksum(p, 20, 0));
	return 20;
}

/* Transport header and payload of a datagram whose IP header is at ip. */
static uint32_t put_transport(uint8_t *p, const uint8_t *ip, const struct how *how, uint8_t protocol)
{
	uint32_t header = protocol == 6 ? (how->timestamps ? 32 : 20) : 8, length = header + how->payload;
	uint16_t source = how->source_port ? how->source_port : 50000;

	memset(p, 0, header);
	for (uint32_t i = 0; i < how->payload; i++)
		p[header + i] = noise();
	if (protocol == 1 || protocol == 58) {
		p[0] = protocol == 1 ? 8 : 128;
		weir_store_be16(p + 6, (uint16_t)how->sequence);
		weir_store_be16(p + 2, checksum(p, length, protocol == 1 ? 0 : pseudo(ip, protocol, length)));
		return length;
	}
	weir_store_be16(p, source);
	weir_store_be16(p + 2, 445);
	if (protocol == 6) {
		weir_store_be32(p + 4, how->sequence * 1000);
		weir_store_be32(p + 8, 0x12345678);
		p[12] = (uint8_t)(header * 4);
		p[13] = 0x18;
		weir_store_be16(p + 14, 512);
		if (how->timestamps)
			weir_store_be32(p + 20, 0x0101080a);
	} else {
		weir_store_be16(p + 4, (uint16_t)length);
	}
	weir_store_be16(p + (protocol == 6 ? 16 : 6), checksum(p, length, pseudo(ip, protocol, length)));
	return length;
}

static uint32_t put_inside(uint8_t *p, const uint8_t *ip, const struct how *how)
{
	if (how->protocol != 4 && how->protocol != 41)
		return how->protocol == 59 ? 40 : put_transport(p, ip, how, how->protocol);
	uint32_t header = put_ip(p, how->protocol == 4 ? 4 : 6, 17, 8u + how->payload);
	return header + put_transport(p + header, p, how, 17);
}

static void make(struct made *m, const struct how *how)
{
	uint8_t *p = m->data, version = how->version ? how->version : 4;
	uint8_t inner[2048];
	uint32_t header = version == 4 ? 20 : 40, udp = how->in_udp ? 8 : 0;

	memcpy(p, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	weir_store_be16(p + 12, version == 4 ? 0x0800 : 0x86dd);
	put_ip(p + 14, version, 50, 0); /* for the pseudo header */
	memset(inner, 0, sizeof inner);
	uint32_t length = put_inside(inner, p + 14, how), padding = (0u - length - 2) & 3;
	for (uint32_t i = 0; i < padding; i++)
		inner[length + i] = (uint8_t)(i + 1);
	inner[length + padding] = (uint8_t)padding;
	inner[length + padding + 1] = how->protocol;
	length += padding + 2;
	uint32_t esp = 8 + how->iv + length + how->icv;
	put_ip(p + 14, version, how->in_udp ? 17 : 50, udp + esp);
	if (how->fragment) {
		weir_store_be16(p + 20, 0x2000);
	}
	uint8_t *at = p + 14 + header;
	if (how->in_udp) {
		weir_store_be16(at, 4500);
		weir_store_be16(at + 2, 4500);
		weir_store_be16(at + 4, (uint16_t)(8 + esp));
		weir_store_be16(at + 6, 0);
		at += 8;
	}
	weir_store_be32(at, how->spi);
	weir_store_be32(at + 4, how->sequence);
	at += 8;
	for (uint32_t i = 0; i < esp - 8; i++)
		at[i] = noise();
	if (how->iv || how->counter)
		weir_store_be64(at, UINT64_C(0xc0dec0de00640000) + how->sequence);
	if (!how->encrypted)
		memcpy(at + how->iv, inner, length);
	m->length = (uint32_t)(at + esp - 8 - p);
}

static struct weir_stage *stage_of(uint64_t memory)
{
	struct weir_fault fault;
	struct weir_stage *stage;

	assert_int_equal(weir_decapsulate_stage_new(memory, &stage, &fault), 0);
	return stage;
}

/* Puts one packet through decoding and the stage; the facts stay until the next. snap: 0 = whole. */
static const struct weir_facts *pass(struct weir_stage *stage, const struct made *m, uint32_t snap)
{
	static struct weir_batch *batch;
	static uint8_t *exact;
	struct weir_fault fault;

	if (!stage) {
		weir_batch_free(batch);
		free(exact);
		batch = NULL;
		exact = NULL;
		return NULL;
	}
	if (!batch)
		assert_non_null(batch = weir_batch_new());
	weir_batch_reset(batch);
	uint32_t captured = snap && snap < m->length ? snap : m->length;
	/* In memory of exactly its size, so that the sanitizer sees a read outside. */
	free(exact);
	assert_non_null(exact = malloc(captured));
	memcpy(exact, m->data, captured);
	batch->packets[0] = (struct weir_packet){.data = exact, .captured = captured, .length = m->length, .linktype = 1};
	batch->count = 1;
	assert_int_equal(weir_decode_batch(batch, &fault), 0);
	assert_int_equal(stage->ops->process(stage, batch, &fault), 0);
	return batch->packets[0].facts;
}

static const struct weir_facts *pass_made(struct weir_stage *stage, const struct how *how, uint32_t snap)
{
	struct made m;
	make(&m, how);
	return pass(stage, &m, snap);
}

static bool opened(const struct weir_facts *facts) { return (facts->flags & WEIR_FACT_ESP_NULL) != 0; }

static int at_end(void **state)
{
	(void)state;
	pass(NULL, NULL, 0);
	return 0;
}

static void opens_a_whole_packet_by_itself(void **state)
{
	static const uint8_t protocols[] = {6, 17, 1};
	static const struct {
		uint8_t iv, icv;
	} shapes[] = {{0, 12}, {0, 16}, {8, 16}, {0, 24}, {0, 32}, {0, 8}, {0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		for (size_t k = 0; k < sizeof protocols; k++)
			for (uint16_t payload = 30; payload < 34; payload++) {
				struct weir_stage *stage = stage_of(0);
				struct how how = {.spi = 77, .sequence = 1, .iv = shapes[i].iv, .icv = shapes[i].icv, .protocol = protocols[k], .payload = payload};
				const struct weir_facts *facts = pass_made(stage, &how, 0);
				assert_true(opened(facts));
				assert_false(facts->flags & WEIR_FACT_ESP);
				const struct weir_network *n = &facts->networks[0];
				uint32_t header = how.protocol == 6 ? 20 : 8;
				assert_int_equal(facts->network_count, 1);
				assert_int_equal(n->protocol, how.protocol);
				assert_int_equal(n->transport, 14 + 20 + 8 + how.iv);
				assert_int_equal(facts->payload, n->transport + header);
				assert_int_equal(n->end, facts->payload + payload);
				assert_int_equal(facts->trailer, ((0u - header - payload - 2) & 3) + 2 + how.icv);
				assert_int_equal(n->source_port, how.protocol == 1 ? 0 : 50000);
				weir_stage_close(stage);
			}
}

static void opened_packets_hash_like_those_without_esp(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 77, .sequence = 1, .icv = 12, .protocol = 6, .payload = 40};
	struct made m;
	struct weir_facts plain;

	(void)state;
	uint64_t hash = pass_made(stage, &how, 0)->flow_hash;
	put_ip(m.data + 14, 4, 6, 60);
	memcpy(m.data + 12, "\x08\0", 2);
	m.length = 34 + put_transport(m.data + 34, m.data + 14, &how, 6);
	struct weir_packet packet = {.data = m.data, .captured = m.length, .length = m.length, .linktype = 1};
	weir_decode(&packet, &plain);
	assert_int_equal(hash, plain.flow_hash);
	weir_stage_close(stage);
}

static void opens_tunnels_and_counts_no_trailer_of_them(void **state)
{
	static const uint8_t protocols[] = {4, 41};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_stage *stage = stage_of(0);
		struct how how = {.spi = 5, .sequence = 1, .icv = 16, .protocol = protocols[i], .payload = 300};
		for (; how.sequence < 4; how.sequence++)
			pass_made(stage, &how, 120);
		const struct weir_facts *facts = pass_made(stage, &how, 120);
		assert_true(opened(facts));
		assert_int_equal(facts->network_count, 2);
		assert_int_equal(facts->networks[1].version, i ? 6 : 4);
		assert_int_equal(facts->networks[1].protocol, 17);
		assert_int_equal(facts->networks[1].destination_port, 445);
		assert_int_equal(facts->trailer, 0);
		weir_stage_close(stage);
	}
}

static void opens_esp_in_udp_and_in_ipv6(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 0x1000, .sequence = 1, .icv = 12, .protocol = 6, .payload = 10, .in_udp = true};

	(void)state;
	const struct weir_facts *facts = pass_made(stage, &how, 0);
	assert_true(opened(facts));
	assert_int_equal(facts->networks[0].protocol, 6);
	assert_int_equal(facts->networks[0].destination_port, 445);
	how = (struct how){.spi = 0x1001, .sequence = 1, .version = 6, .icv = 16, .protocol = 58, .payload = 56};
	facts = pass_made(stage, &how, 0);
	assert_true(opened(facts));
	assert_int_equal(facts->layers[facts->layer_count - 1].kind, WEIR_LAYER_ICMPV6);
	weir_stage_close(stage);
}

/* With the ICV's length from a whole packet, what was cut off is known but for the padding. */
static void learns_the_icv_and_applies_it_to_packets_that_were_cut(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 9, .sequence = 1, .icv = 16, .protocol = 6, .payload = 0};

	(void)state;
	assert_true(opened(pass_made(stage, &how, 0)));
	how.payload = 1000;
	how.sequence = 2;
	const struct weir_facts *facts = pass_made(stage, &how, 152);
	assert_true(opened(facts));
	assert_int_equal(facts->trailer, 16 + 2 + 3); /* 18 of it certain */
	how.protocol = 17;
	how.sequence = 3;
	facts = pass_made(stage, &how, 152);
	assert_true(opened(facts));
	assert_int_equal(facts->networks[0].protocol, 17);
	assert_int_equal(facts->trailer, ((0u - 1008 - 2) & 3) + 2 + 16);
	how.protocol = 1;
	how.sequence = 4;
	facts = pass_made(stage, &how, 152);
	assert_true(opened(facts));
	assert_int_equal(facts->networks[0].protocol, 1);
	weir_stage_close(stage);
}

static void decides_from_cut_packets_alone(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 10, .sequence = 1, .icv = 12, .protocol = 17};
	unsigned closed = 0;

	(void)state;
	for (; how.sequence <= 20; how.sequence++) {
		how.payload = (uint16_t)(400 + how.sequence * 5);
		closed += !opened(pass_made(stage, &how, 128));
	}
	assert_true(closed <= 3);
	how = (struct how){.spi = 11, .sequence = 1, .icv = 12, .protocol = 6, .payload = 1200};
	pass_made(stage, &how, 128);
	how.sequence = 2;
	assert_true(opened(pass_made(stage, &how, 128)));
	weir_stage_close(stage);
}

static void never_opens_what_is_encrypted(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct weir_decapsulate_statistics statistics;

	(void)state;
	for (uint32_t i = 0; i < 300000; i++) {
		struct how how = {.spi = 1000 + i / 30, .sequence = i, .iv = i & 1 ? 16 : 8, .icv = i & 2 ? 16 : 12, .protocol = 6, .encrypted = true};
		how.payload = (uint16_t)(i * 7 % 200);
		how.counter = (i / 30) % 3 == 0;
		pass_made(stage, &how, i % 5 ? 152 : 0);
	}
	weir_decapsulate_statistics(stage, &statistics);
	assert_int_equal(statistics.esp, 300000);
	assert_int_equal(statistics.opened, 0);
	assert_true(statistics.encrypted > 200000);
	weir_stage_close(stage);
}

/* AES-GCM's IV counts: its bytes look like UDP ports and a length that stay. */
static void a_counter_is_no_udp_header(void **state)
{
	struct weir_stage *stage = stage_of(0);

	(void)state;
	for (uint32_t i = 1; i < 70000; i += 1 + i % 3) {
		/* The word where UDP has its length is 0x0064: let the packet be one for which that is right. */
		struct how how = {.spi = 12, .sequence = i, .icv = 16, .protocol = 17, .payload = 100 - 8, .counter = true, .encrypted = true};
		assert_false(opened(pass_made(stage, &how, 100)));
	}
	weir_stage_close(stage);
}

static void copies_are_no_evidence(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 13, .sequence = 5, .icv = 12, .protocol = 17, .payload = 500};
	struct made m;

	(void)state;
	make(&m, &how);
	for (int i = 0; i < 50; i++)
		assert_false(opened(pass(stage, &m, 128)));
	weir_stage_close(stage);
}

static void learns_anew_when_an_spi_is_used_again(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 14, .sequence = 1, .icv = 12, .protocol = 6, .payload = 700};
	unsigned closed = 0;

	(void)state;
	for (; how.sequence < 10; how.sequence++)
		pass_made(stage, &how, 0);
	for (how.encrypted = true; how.sequence < 40; how.sequence++)
		assert_false(opened(pass_made(stage, &how, 152)));
	how.encrypted = false;
	how.icv = 16;
	for (; how.sequence < 60; how.sequence++)
		closed += !opened(pass_made(stage, &how, 0));
	assert_true(closed <= 4);
	weir_stage_close(stage);
}

static void fragments_and_dummies_are_read_as_far_as_can_be(void **state)
{
	struct weir_stage *stage = stage_of(0);
	struct how how = {.spi = 15, .sequence = 1, .icv = 12, .protocol = 6, .payload = 20};

	(void)state;
	assert_true(opened(pass_made(stage, &how, 0)));
	how.fragment = true;
	how.sequence = 2;
	const struct weir_facts *facts = pass_made(stage, &how, 0);
	assert_true(opened(facts));
	assert_int_equal(facts->trailer, 0);
	how = (struct how){.spi = 15, .sequence = 3, .icv = 12, .protocol = 59};
	facts = pass_made(stage, &how, 0);
	assert_false(opened(facts));
	assert_true(facts->flags & WEIR_FACT_ESP);
	weir_stage_close(stage);
}

static void memory_is_bounded_and_old_associations_go_first(void **state)
{
	struct weir_stage *stage = stage_of(4096);

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct how how = {.spi = 100 + i, .sequence = 1, .icv = 12, .protocol = 6, .payload = 20};
		assert_true(opened(pass_made(stage, &how, 0)));
	}
	weir_stage_close(stage);
}

/* The n-th packet of a mixture. */
static void mixture(struct made *m, uint32_t n)
{
	struct how how = {.spi = 200 + n % 97, .sequence = 1 + n / 97, .icv = n % 2 ? 12 : 16, .protocol = n % 5 ? 6 : 17, .payload = (uint16_t)(n * 13 % 900)};

	how.encrypted = n % 97 % 4 == 3;
	seed = n + 1;
	make(m, &how);
}

static void a_saved_and_loaded_stage_goes_on_as_if_nothing_had_been(void **state)
{
	char path[] = "/tmp/weir-decapsulate-XXXXXX";
	struct weir_stage *one = stage_of(64 << 10), *two = stage_of(64 << 10);
	struct weir_decapsulate_statistics a, b;
	struct weir_fault fault;
	struct weir_state *saved;
	struct made m;

	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (uint32_t n = 0; n < 700; n++) {
		mixture(&m, n);
		pass(one, &m, 152);
	}
	assert_int_equal(weir_state_create(path, &saved, &fault), 0);
	assert_int_equal(one->ops->save(one, saved, &fault), 0);
	assert_int_equal(weir_state_finish(saved, &fault), 0);
	weir_state_close(saved);
	assert_int_equal(weir_state_open(path, &saved, &fault), 0);
	assert_int_equal(two->ops->load(two, saved, &fault), 0);
	weir_state_close(saved);
	for (uint32_t n = 700; n < 3000; n++) {
		struct weir_facts facts;
		mixture(&m, n);
		facts = *pass(one, &m, 152);
		const struct weir_facts *other = pass(two, &m, 152);
		assert_int_equal(facts.flags, other->flags);
		assert_int_equal(facts.flow_hash, other->flow_hash);
		assert_int_equal(facts.payload, other->payload);
		if (facts.flags & WEIR_FACT_ESP_NULL)
			assert_int_equal(facts.trailer, other->trailer);
	}
	weir_decapsulate_statistics(one, &a);
	weir_decapsulate_statistics(two, &b);
	assert_memory_equal(&a, &b, sizeof a);
	/* Another amount of memory has no place for it. */
	struct weir_stage *three = stage_of(1 << 20);
	assert_int_equal(weir_state_open(path, &saved, &fault), 0);
	assert_int_equal(three->ops->load(three, saved, &fault), WEIR_E_FORMAT);
	weir_state_close(saved);
	unlink(path);
	weir_stage_close(one);
	weir_stage_close(two);
	weir_stage_close(three);
}

/* ---- along with taking what flows need ---- */

#define TOGETHER 50

static void assert_same_facts(const struct weir_facts *a, const struct weir_facts *b)
{
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->layer_count, b->layer_count);
	assert_int_equal(a->network_count, b->network_count);
	assert_int_equal(a->payload, b->payload);
	assert_int_equal(a->flow_hash, b->flow_hash);
	if (a->flags & WEIR_FACT_ESP_NULL)
		assert_int_equal(a->trailer, b->trailer);
	assert_memory_equal(a->layers, b->layers, a->layer_count * sizeof a->layers[0]);
	assert_memory_equal(a->networks, b->networks, a->network_count * sizeof a->networks[0]);
}

/* Two batches of the same packets: one through this stage and that which takes items, one through the one that does both. */
struct both {
	struct weir_stage *alone, *items, *inside, *along;
	struct weir_batch *batches[2];
	struct made made[TOGETHER];
	uint64_t opened, left; /* of the opened, those that were left for whoever looks at them */
};

static void assert_same_item(const struct flow_item *a, const struct flow_item *b)
{
	assert_true(flow_key_equal(&a->key, &b->key));
	assert_true(a->hash == b->hash);
	assert_int_equal(a->bits, b->bits);
	assert_int_equal(a->captured_bytes, b->captured_bytes);
	assert_int_equal(a->wire_bytes, b->wire_bytes);
	assert_int_equal(a->ip_bytes, b->ip_bytes);
	assert_int_equal(a->ttl, b->ttl);
	assert_int_equal(a->dscp, b->dscp);
	assert_int_equal(a->tcp_flags, b->tcp_flags);
	if (!(a->bits & FLOW_ITEM_TCP))
		return;
	assert_int_equal(a->payload_bytes, b->payload_bytes);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->acknowledged, b->acknowledged);
	assert_int_equal(a->window, b->window);
}

static void run_both(struct both *both)
{
	struct weir_fault fault;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_decode_batch(both->batches[i], &fault), 0);
		for (uint32_t k = 0; k < both->batches[i]->count; k++)
			both->batches[i]->packets[k].verdict = k % 11 == 5 ? WEIR_DUPLICATE : k % 17 == 3 ? WEIR_DROP : WEIR_KEEP;
	}
	assert_int_equal(both->alone->ops->process(both->alone, both->batches[0], &fault), 0);
	assert_int_equal(both->items->ops->process(both->items, both->batches[0], &fault), 0);
	assert_int_equal(both->along->ops->process(both->along, both->batches[1], &fault), 0);
	assert_int_equal(both->batches[0]->items->count, both->batches[1]->items->count);
	for (uint32_t i = 0; i < both->batches[1]->items->count; i++) {
		assert_same_item(&both->batches[0]->items->items[i], &both->batches[1]->items->items[i]);
		both->left += both->batches[1]->items->items[i].esp != 0;
		flow_item_open(&both->batches[1]->items->items[i]);
	}
	for (uint32_t i = 0; i < both->batches[0]->count; i++) {
		assert_same_facts(both->batches[0]->packets[i].facts, both->batches[1]->packets[i].facts);
		both->opened += opened(both->batches[0]->packets[i].facts);
	}
	for (int i = 0; i < 2; i++)
		weir_batch_reset(both->batches[i]);
}

static void add_both(struct both *both, const struct how *how, uint32_t snap)
{
	uint32_t at = both->batches[0]->count;
	struct made *m = &both->made[at];

	make(m, how);
	uint32_t captured = snap && snap < m->length ? snap : m->length;
	for (int i = 0; i < 2; i++) {
		both->batches[i]->packets[at] = (struct weir_packet){.data = m->data, .captured = captured, .length = m->length, .linktype = 1};
		both->batches[i]->count = at + 1;
	}
	if (at + 1 == TOGETHER)
		run_both(both);
}

/* Packets of 30 associations of each kind, whole and cut off at many places, interleaved. */
static void add_kind(struct both *both, const struct how *kind, uint32_t spi)
{
	for (uint32_t i = 0; i < 30 * 6; i++) {
		struct how how = *kind;
		how.spi = spi + i % 6;
		how.sequence = 1 + i / 6;
		how.payload = (uint16_t)(20 + i * 7 % 120);
		how.source_port = i % 13 == 0 ? 4500 : i % 7 == 0 ? 0x4001 : 0; /* ESP again; what looks like IPv4 */
		how.fragment = i % 31 == 30 && how.version != 6;
		add_both(both, &how, i % 6 < 2 ? 0 : 90 + i % 50);
	}
}

static void taking_items_along_with_it_comes_to_the_same(void **state)
{
	static const struct {
		uint8_t iv, icv;
	} shapes[] = {{0, 12}, {0, 16}, {8, 16}, {0, 24}, {0, 32}, {0, 8}, {0, 0}};
	static const uint8_t protocols[] = {6, 17, 1, 4, 59};
	struct both *both = calloc(1, sizeof *both);
	struct weir_decapsulate_statistics a, b;
	struct weir_fault fault;
	uint32_t spi = 1000;

	(void)state;
	assert_non_null(both);
	both->alone = stage_of(0);
	assert_int_equal(weir_decapsulate_stage_new(0, &both->inside, &fault), 0);
	assert_non_null(both->items = weir_flow_items_stage_new(NULL, false));
	assert_non_null(both->along = weir_flow_items_stage_new(both->inside, false));
	for (int i = 0; i < 2; i++)
		assert_non_null(both->batches[i] = weir_batch_new());
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		for (size_t k = 0; k < sizeof protocols; k++)
			for (uint8_t version = 4; version <= 6; version += 2) {
				struct how kind = {.version = version, .iv = shapes[i].iv, .icv = shapes[i].icv, .protocol = protocols[k]};
				kind.timestamps = i & 1;
				kind.encrypted = k == 0 && i == 4;
				add_kind(both, &kind, spi);
				spi += 6;
			}
	run_both(both);
	weir_decapsulate_statistics(both->alone, &a);
	weir_decapsulate_statistics(both->inside, &b);
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(both->opened > 5000);
	assert_true(both->left > 2000);
	assert_true(a.encrypted + a.undecided > 300);
	for (int i = 0; i < 2; i++)
		weir_batch_free(both->batches[i]);
	weir_stage_close(both->alone);
	weir_stage_close(both->items);
	weir_stage_close(both->along);
	weir_stage_close(both->inside);
	free(both);
}

/* ---- the usual packet ---- */

static uint32_t below(uint32_t bound) { return ((uint32_t)noise() << 16 | (uint32_t)noise() << 8 | noise()) % bound; }

/* Any packet of a NULL association, cut off anywhere, with a few bytes changed. */
static void make_any(struct made *m, uint32_t *captured, uint8_t icv)
{
	struct how how = {.spi = 5, .sequence = below(1000), .version = below(2) ? 6 : 4, .icv = icv, .protocol = below(2) ? 6 : 17, .payload = (uint16_t)below(60),
	                  .timestamps = below(2), .source_port = below(8) == 0 ? 4500 : 0};

	make(m, &how);
	*captured = below(2) ? m->length : 42 + below(m->length - 41);
	for (uint32_t n = below(4); n > 0; n--) {
		/* Where it matters: in IP's header, in ESP's and behind it, and in the trailer. */
		uint32_t at = below(4) == 0 ? 14 + below(8) : below(2) ? 34 + below(60) : m->length - 1 - below(icv + 8u);
		if (at < m->length)
			m->data[at] = below(2) ? noise() : m->data[at] ^ (uint8_t)(1u << below(8));
	}
}

/* What is read without a look at the general way is what that would have read; and neither reads behind what was captured, which has memory of its own. */
static void what_is_usual_is_read_as_the_general_way_reads_it(void **state)
{
	uint32_t usuals[2][2] = {{0}}; /* by protocol, and whether the trailer was cut off */
	static struct made m;

	(void)state;
	for (uint32_t n = 0; n < 200000; n++) {
		struct association association = {.key = 1, .state = ESP_NULL, .icv = (uint8_t)(4 * below(9))};
		struct weir_facts facts;
		struct esp_view view;
		uint32_t captured;
		make_any(&m, &captured, association.icv);
		uint8_t *data = malloc(captured);
		assert_non_null(data);
		memcpy(data, m.data, captured);
		struct weir_packet packet = {.data = data, .captured = captured, .length = m.length, .linktype = 1, .facts = &facts};
		weir_decode(&packet, &facts);
		if (facts.flags & WEIR_FACT_ESP) {
			const struct weir_network *network = &facts.networks[facts.network_count - 1];
			bool four = network->version == 4;
			struct esp_usual usual = esp_read_tcp(&packet, &facts, network, &association, four);
			if (!usual.protocol)
				usual = esp_read_udp(&packet, &facts, network, &association, four);
			esp_view_make(&view, &packet);
			struct esp_reading reading = esp_read(&view, 0, association.icv, 12);
			if (usual.protocol) {
				uint32_t length = reading.length < view.visible ? reading.length : view.visible;
				assert_true(reading.bits > 0);
				assert_int_equal(usual.protocol, reading.protocol);
				assert_int_equal(usual.behind + usual.slack, reading.trailer);
				assert_int_equal(esp_payload_end(usual, network), facts.payload + length);
				assert_true(usual.behind < 64 && usual.slack < 4);
				usuals[usual.protocol == 17][!reading.trailer_seen]++;
			}
		}
		free(data);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(usuals[i / 2][i % 2] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_a_whole_packet_by_itself),
		cmocka_unit_test(opened_packets_hash_like_those_without_esp),
		cmocka_unit_test(opens_tunnels_and_counts_no_trailer_of_them),
		cmocka_unit_test(opens_esp_in_udp_and_in_ipv6),
		cmocka_unit_test(learns_the_icv_and_applies_it_to_packets_that_were_cut),
		cmocka_unit_test(decides_from_cut_packets_alone),
		cmocka_unit_test(never_opens_what_is_encrypted),
		cmocka_unit_test(a_counter_is_no_udp_header),
		cmocka_unit_test(copies_are_no_evidence),
		cmocka_unit_test(learns_anew_when_an_spi_is_used_again),
		cmocka_unit_test(fragments_and_dummies_are_read_as_far_as_can_be),
		cmocka_unit_test(memory_is_bounded_and_old_associations_go_first),
		cmocka_unit_test(a_saved_and_loaded_stage_goes_on_as_if_nothing_had_been),
		cmocka_unit_test(taking_items_along_with_it_comes_to_the_same),
		cmocka_unit_test(what_is_usual_is_read_as_the_general_way_reads_it),
	};
	return cmocka_run_group_tests(tests, NULL, at_end);
}
