/* What the namer learns of one flow for others: what endpoints are known for, and by which names clients asked for addresses. */
#include "packet/application.h"
#include "packet/application_memory.h"
#include "packet/application_namer.h"

#define LEARNED_AFTER 3 /* flows that have to agree before an endpoint names others */
#define DNS_LEAST_S 600 /* clients go on with an address for longer than a short TTL says */
#define DNS_MOST_S 86400

static uint64_t endpoint_key(const struct weir_ip *server, uint16_t port, uint8_t protocol)
{
	return application_hash(server, sizeof *server, (uint64_t)port << 8 | protocol);
}

static uint64_t address_key(const struct weir_ip *client, const struct weir_ip *server)
{
	return application_hash(server, sizeof *server, application_hash(client, sizeof *client, 3));
}

/* The server is who was spoken to, unless the flow was met midway and only the source has a well-known port. */
bool application_source_serves(const struct weir_applications *a, const struct weir_application_flow *flow)
{
	bool tcp = flow->protocol == 6;

	return flow->source_port < 1024 ? flow->destination_port >= 1024
	                                : flow->destination_port >= 1024 && application_port_known(&a->ports, tcp, flow->source_port) &&
	                                      !application_port_known(&a->ports, tcp, flow->destination_port);
}

static uint64_t endpoint_of(const struct weir_application_flow *flow, bool source_serves)
{
	return source_serves ? endpoint_key(flow->source, flow->source_port, flow->protocol)
	                     : endpoint_key(flow->destination, flow->destination_port, flow->protocol);
}

static uint64_t answer_of(const struct weir_application_flow *flow, bool source_serves)
{
	return source_serves ? address_key(flow->destination, flow->source) : address_key(flow->source, flow->destination);
}

uint64_t application_endpoint_key(const struct weir_applications *a, const struct weir_application_flow *flow)
{
	return endpoint_of(flow, application_source_serves(a, flow));
}

/* Both tables are far larger than the caches: two of three lookups waited for memory. */
void weir_application_expect(const struct weir_applications *a, const struct weir_application_flow *flow)
{
	if (flow->protocol != 6 && flow->protocol != 17)
		return;
	bool source_serves = application_source_serves(a, flow);
	pairs_prefetch(&a->endpoints, endpoint_of(flow, source_serves));
	pairs_prefetch(&a->answers, answer_of(flow, source_serves));
}

void application_learn_endpoint(struct weir_applications *a, uint64_t key, uint16_t name, uint16_t carrier)
{
	struct pair out, *pair = pairs_put(&a->endpoints, key, &out);
	union application_endpoint endpoint = {.value = pair->value};

	if (pair->value && endpoint.name == name && endpoint.carrier == carrier) {
		if (endpoint.agreed < UINT16_MAX)
			endpoint.agreed++;
	} else if (endpoint.agreed > LEARNED_AFTER) {
		endpoint.agreed = LEARNED_AFTER / 2; /* one that differs: it has to show again */
	} else {
		endpoint = (union application_endpoint){.name = name, .carrier = carrier, .agreed = 1};
	}
	pair->value = endpoint.value;
}

bool application_know_endpoint(struct weir_applications *a, const struct weir_application_flow *flow, union application_endpoint *endpoint)
{
	const struct pair *pair = pairs_find(&a->endpoints, application_endpoint_key(a, flow));

	if (!pair)
		return false;
	endpoint->value = pair->value;
	return endpoint->mapped || endpoint->agreed >= LEARNED_AFTER;
}

/* ---- server names ---- */

uint16_t application_service_of_name(struct weir_applications *a, uint32_t name)
{
	if (!names_valid(a->names, name))
		return APPLICATION_NONE;
	uint16_t *service = names_service(a->names, name);
	if (*service == UINT16_MAX) {
		struct weir_bytes text = names_text(a->names, name);
		uint16_t found = application_of_host(text);
		if (!found && a->ndpi)
			found = application_ndpi_host(a->ndpi, text);
		*names_service(a->names, name) = found;
	}
	return *names_service(a->names, name);
}

/* Forgets addresses, a few buckets further each time, to make room for names. */
static void sweep_answers(struct weir_applications *a)
{
	for (unsigned i = 0; i < 16; i++) {
		struct pair *bucket = a->answers.buckets[a->sweep++ & a->answers.mask];
		for (unsigned j = 0; j < 4; j++) {
			names_drop(a->names, (uint32_t)bucket[j].value);
			bucket[j] = (struct pair){0, 0};
		}
	}
}

static uint32_t hold_name(struct weir_applications *a, struct weir_bytes name)
{
	uint32_t held = names_hold(a->names, name);

	if (!held && name.length) {
		sweep_answers(a);
		held = names_hold(a->names, name);
	}
	return held;
}

void application_set_server_name(struct weir_applications *a, struct weir_application *application, struct weir_bytes name)
{
	uint8_t text[256];

	if (application->server_name || name.length == 0 || name.length > 255)
		return;
	for (size_t i = 0; i < name.length; i++)
		text[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] + 32 : name.data[i];
	application->server_name = hold_name(a, (struct weir_bytes){text, name.length});
}

struct learning {
	struct weir_applications *a;
	const struct weir_ip *client;
	const struct weir_ip *server; /* of endpoint maps */
	uint32_t name;
	int64_t seconds;
};

static void learn_answer(void *context, const struct weir_ip *address, uint32_t ttl)
{
	struct learning *l = context;
	struct pair out, *pair = pairs_put(&l->a->answers, address_key(l->client, address), &out);
	uint64_t lasts = ttl < DNS_LEAST_S ? DNS_LEAST_S : ttl > DNS_MOST_S ? DNS_MOST_S : ttl;
	uint32_t old = (uint32_t)pair->value;

	names_hold_again(l->a->names, l->name);
	pair->value = ((uint64_t)l->seconds + lasts) << 32 | l->name;
	names_drop(l->a->names, (uint32_t)out.value);
	names_drop(l->a->names, old);
}

/* The name by which the client had asked for the server's address, 0: not seen. */
uint32_t application_resolved_name(struct weir_applications *a, const struct weir_application_flow *flow)
{
	const struct pair *pair = pairs_find(&a->answers, answer_of(flow, application_source_serves(a, flow)));

	return pair && pair->value >> 32 >= (uint64_t)a->seconds ? (uint32_t)pair->value : 0;
}

/* A DNS message towards the client teaches the addresses of what it asks. */
void application_learn_dns(struct weir_applications *a, const struct weir_application_flow *flow, struct weir_bytes message, bool reversed)
{
	struct dns_question question;

	if (!application_dns_read(message, &question) || !question.response || question.length == 0)
		return;
	struct learning l = {
		.a = a,
		.client = reversed ? flow->source : flow->destination,
		.name = hold_name(a, (struct weir_bytes){(const uint8_t *)question.name, question.length}),
		.seconds = a->seconds,
	};
	if (!l.name)
		return;
	application_dns_answers(message, learn_answer, &l);
	names_drop(a->names, l.name);
}

static void learn_mapped(void *context, uint16_t name, uint16_t port)
{
	struct learning *l = context;
	struct pair out, *pair = pairs_put(&l->a->endpoints, endpoint_key(l->server, port, 6), &out);

	pair->value = (union application_endpoint){.name = name, .carrier = APPLICATION_DCE_RPC, .agreed = 1, .mapped = 1}.value;
}

void application_learn_map(struct weir_applications *a, const struct weir_ip *server, struct weir_bytes pdu)
{
	struct learning l = {.a = a, .server = server};

	application_epm_towers(pdu, learn_mapped, &l);
}
