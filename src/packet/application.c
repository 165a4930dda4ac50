/*
 * Naming a flow's application.
 *
 * In this order: the IP protocol; signatures of our own on the first payloads; what the endpoint mapper or earlier flows said of the server's port; nDPI on
 * copies of the first payloads; the well-known port. The server name (ClientHello, Host, or the answer that the client had had from DNS) then says which
 * service the protocol carries. Most flows are decided by their first payload and never shown again.
 */
#include <stdlib.h>

#include "packet/application.h"
#include "packet/application_memory.h"
#include "packet/application_namer.h"

#define LEARNED_AFTER 3           /* flows that have to agree before an endpoint names others */
#define DNS_LEAST_S 600           /* clients go on with an address for longer than a short TTL says */
#define DNS_MOST_S 86400
#define QUIC_LOOKS 3             /* datagrams: a hello may fill two */
#define TLS_LOOKS 12             /* segments: hellos and the certificates */
#define ASKING 0x80              /* a bit of evidence: packets are kept to ask nDPI for the service */

static struct application_entry entry_of(const struct weir_applications *a, uint16_t number)
{
	if (number < APPLICATIONS)
		return application_entries[number];
	return application_ndpi_entry(a->ndpi, number);
}

/* ---- keys of learned pairs ---- */

static uint64_t endpoint_key(const struct weir_ip *server, uint16_t port, uint8_t protocol)
{
	return application_hash(server, sizeof *server, (uint64_t)port << 8 | protocol);
}

static uint64_t address_key(const struct weir_ip *client, const struct weir_ip *server)
{
	return application_hash(server, sizeof *server, application_hash(client, sizeof *client, 3));
}

/* The server is who was spoken to, unless the flow was met midway and only the source has a well-known port. */
static bool source_serves(const struct weir_application_flow *flow)
{
	bool tcp = flow->protocol == 6;

	return flow->source_port < 1024 ? flow->destination_port >= 1024
	                                : flow->destination_port >= 1024 && application_of_port(tcp, flow->source_port) && !application_of_port(tcp, flow->destination_port);
}

static uint64_t flow_endpoint(const struct weir_application_flow *flow)
{
	return source_serves(flow) ? endpoint_key(flow->source, flow->source_port, flow->protocol)
	                           : endpoint_key(flow->destination, flow->destination_port, flow->protocol);
}

/* What an endpoint is known for: name, carrier, how many flows agreed, whether the endpoint mapper said so. */
union endpoint {
	uint64_t value;
	struct {
		uint16_t name, carrier;
		uint16_t agreed;
		uint16_t mapped;
	};
};

static void learn_endpoint(struct weir_applications *a, uint64_t key, uint16_t name, uint16_t carrier)
{
	struct pair out, *pair = pairs_put(&a->endpoints, key, &out);
	union endpoint endpoint = {.value = pair->value};

	if (pair->value && endpoint.name == name && endpoint.carrier == carrier) {
		if (endpoint.agreed < UINT16_MAX)
			endpoint.agreed++;
	} else if (endpoint.agreed > LEARNED_AFTER) {
		endpoint.agreed = LEARNED_AFTER / 2; /* one that differs: it has to show again */
	} else {
		endpoint = (union endpoint){.name = name, .carrier = carrier, .agreed = 1};
	}
	pair->value = endpoint.value;
}

static bool know_endpoint(struct weir_applications *a, const struct weir_application_flow *flow, union endpoint *endpoint)
{
	const struct pair *pair = pairs_find(&a->endpoints, flow_endpoint(flow));

	if (!pair)
		return false;
	endpoint->value = pair->value;
	return endpoint->mapped || endpoint->agreed >= LEARNED_AFTER;
}

/* ---- server names ---- */

static uint16_t service_of_name(struct weir_applications *a, uint32_t name)
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

static void set_server_name(struct weir_applications *a, struct weir_application *application, struct weir_bytes name)
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
static uint32_t resolved_name(struct weir_applications *a, const struct weir_application_flow *flow)
{
	bool turned = source_serves(flow);
	const struct pair *pair = pairs_find(&a->answers, turned ? address_key(flow->destination, flow->source) : address_key(flow->source, flow->destination));

	return pair && pair->value >> 32 >= (uint64_t)a->seconds ? (uint32_t)pair->value : 0;
}

/* A DNS message towards the client teaches the addresses of what it asks. */
static void learn_dns(struct weir_applications *a, const struct weir_application_flow *flow, struct weir_bytes message, bool reversed)
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

	pair->value = (union endpoint){.name = name, .carrier = APPLICATION_DCE_RPC, .agreed = 1, .mapped = 1}.value;
}

/* ---- deciding ---- */

static bool is_carrier(uint16_t name)
{
	return name == APPLICATION_TLS || name == APPLICATION_HTTP || name == APPLICATION_QUIC || name == APPLICATION_DNS || name == APPLICATION_DTLS || name == APPLICATION_STUN ||
	       name == APPLICATION_SMTP || name == APPLICATION_SMTPS || name == APPLICATION_IMAPS || name == APPLICATION_POPS;
}

/* Refines the name by the server name, and the category with it. Evidence of the service is what gave the server name. */
static void refine(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow, uint8_t named_by)
{
	if (!application->server_name && application->name != APPLICATION_DNS && flow->source_port && application->evidence != EVIDENCE_PROTOCOL) {
		application->server_name = resolved_name(a, flow);
		names_hold_again(a->names, application->server_name);
		named_by = EVIDENCE_DNS;
	}
	if (application->server_name && !application->carrier && is_carrier(application->name)) {
		uint16_t service = service_of_name(a, application->server_name);
		if (application->name == APPLICATION_STUN && (service == APPLICATION_TEAMS || service == APPLICATION_SKYPE_TEAMS))
			service = APPLICATION_SKYPE_TEAMS_CALL; /* what Teams relays is calls */
		if (service && service != application->name) {
			application->carrier = application->name;
			application->name = service;
			application->evidence = named_by;
		}
	}
	/* A question about a service is still name service, mail with it still mail. */
	bool as_carrier = application->carrier == APPLICATION_DNS || entry_of(a, application->carrier).category == CATEGORY_MAIL;
	uint16_t of = as_carrier ? application->carrier : application->name;
	application->category = entry_of(a, of).category;
}

static void set(struct weir_application *application, uint16_t name, uint16_t carrier, uint8_t evidence)
{
	application->name = name;
	application->carrier = carrier;
	application->evidence = evidence;
}

/* What nDPI makes of the packets that were kept. False: nothing was kept, or it may not be asked now. */
static bool ask_ndpi(struct weir_applications *a, const struct weir_application *application, const struct weir_application_flow *flow,
                     struct application_ndpi_verdict *verdict)
{
	int64_t time_ns;
	struct weir_bytes kept = pending_read(a->pending, application->pending, &time_ns);

	if (!a->ndpi || !kept.length || a->credit < NDPI_COST)
		return false;
	a->credit -= NDPI_COST;
	application_ndpi_look(a->ndpi, flow, kept, time_ns, verdict);
	return true;
}

static void take_server_name(struct weir_applications *a, struct weir_application *application, const struct application_ndpi_verdict *verdict)
{
	set_server_name(a, application, (struct weir_bytes){(const uint8_t *)verdict->server_name, strlen(verdict->server_name)});
}

/* TLS or QUIC of which we saw no name: nDPI may know the service, by the certificate or the decrypted hello. */
static void finish_asking(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow)
{
	struct application_ndpi_verdict verdict = {0};

	application->evidence &= (uint8_t)~ASKING;
	if (ask_ndpi(a, application, flow, &verdict) && verdict.carrier == application->name && !verdict.guessed) {
		set(application, verdict.name, verdict.carrier, EVIDENCE_NDPI);
		take_server_name(a, application, &verdict);
	} else if (verdict.name == application->name && !application->server_name) {
		take_server_name(a, application, &verdict);
	}
	pending_drop(a->pending, &application->pending);
	refine(a, application, flow, EVIDENCE_SNI);
}

static void settle_now(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow)
{
	union endpoint endpoint;
	struct application_ndpi_verdict verdict = {0};
	uint8_t named_by = EVIDENCE_DNS;

	if (know_endpoint(a, flow, &endpoint) && endpoint.name) {
		set(application, endpoint.name, endpoint.carrier, endpoint.mapped ? EVIDENCE_EPM : EVIDENCE_ENDPOINT);
	} else if (ask_ndpi(a, application, flow, &verdict)) {
		if (!verdict.guessed && verdict.name) {
			set(application, verdict.name, verdict.carrier, EVIDENCE_NDPI);
			named_by = EVIDENCE_NDPI;
			take_server_name(a, application, &verdict);
		}
		/* What nDPI could not name it need not be asked again, for this endpoint. */
		learn_endpoint(a, flow_endpoint(flow), application->name, application->carrier);
	}
	if (!application->name && flow->protocol == 17) {
		int64_t time_ns;
		uint16_t media = application_of_media(pending_read(a->pending, application->pending, &time_ns));
		if (media)
			set(application, media, 0, EVIDENCE_SIGNATURE);
	}
	pending_drop(a->pending, &application->pending);
	if (!application->name) {
		bool tcp = flow->protocol == 6;
		uint16_t first = source_serves(flow) ? flow->source_port : flow->destination_port;
		uint16_t other = source_serves(flow) ? flow->destination_port : flow->source_port;
		uint16_t name = tcp || flow->protocol == 17 ? application_of_port(tcp, first) : 0;
		if (!name && (tcp || flow->protocol == 17))
			name = application_of_port(tcp, other);
		if (name && !verdict.by_address)
			set(application, name, 0, EVIDENCE_PORT);
		else if (verdict.name)
			set(application, verdict.name, verdict.carrier, EVIDENCE_NDPI);
	}
	refine(a, application, flow, named_by);
	/* Nothing was seen but the handshake or the end: whose address it is says more than the port. */
	if (application->evidence == EVIDENCE_PORT && application->name == APPLICATION_TLS && application->seen == 0 && a->ndpi) {
		uint16_t service = application_ndpi_address(a->ndpi, source_serves(flow) ? flow->source : flow->destination);
		if (service && service != APPLICATION_TLS) {
			set(application, service, APPLICATION_TLS, EVIDENCE_ADDRESS);
			application->category = entry_of(a, service).category;
		}
	}
}

/* TLS and QUIC to a port of something else carry that; mail has had names of its own for it since before TLS was everywhere. */
static void name_by_port(struct sighting *s, const struct weir_application_flow *flow)
{
	uint16_t port = source_serves(flow) ? flow->source_port : flow->destination_port;

	if (s->name == APPLICATION_TLS && (port == 993 || port == 995 || port == 465)) {
		s->name = port == 993 ? APPLICATION_IMAPS : port == 995 ? APPLICATION_POPS : APPLICATION_SMTPS;
		return;
	}
	uint16_t carried = application_of_port(s->name == APPLICATION_TLS, port);
	if (!carried || application_entries[carried].category == CATEGORY_WEB || port > 10000)
		return;
	s->carrier = s->name;
	s->name = carried;
}

/* Of a protocol in clear the one that it becomes by STARTTLS; 0: none. */
static uint16_t secured(uint16_t name)
{
	switch (name) {
	case APPLICATION_SMTP: return APPLICATION_SMTPS;
	case APPLICATION_POP3: return APPLICATION_POPS;
	case APPLICATION_IMAP: return APPLICATION_IMAPS;
	case APPLICATION_LDAP: return APPLICATION_LDAPS;
	case APPLICATION_FTP_CONTROL: return APPLICATION_FTPS;
	default: return APPLICATION_NONE;
	}
}

static void found(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow, struct sighting *s)
{
	if (s->name == APPLICATION_TLS || s->name == APPLICATION_QUIC)
		name_by_port(s, flow);
	if (s->tcp && secured(s->name))
		s->goes_on = true;
	set(application, s->name, s->carrier, s->evidence);
	set_server_name(a, application, s->server_name);
	uint8_t named_by = s->name == APPLICATION_HTTP || s->name == APPLICATION_SMTP ? EVIDENCE_HOST : s->name == APPLICATION_DNS ? EVIDENCE_DNS : EVIDENCE_SNI;
	if (s->unfinished && !application->server_name)
		return;
	refine(a, application, flow, named_by);
	/* Ports that answer in one protocol name flows whose beginning was not seen. */
	learn_endpoint(a, flow_endpoint(flow), s->name, s->carrier);
	if (s->nameless && a->ndpi && !application->carrier && (application->name == APPLICATION_TLS || application->name == APPLICATION_QUIC)) {
		application->evidence |= ASKING;
		s->goes_on = true;
	}
	if (!s->goes_on) {
		pending_drop(a->pending, &application->pending);
		application->decided = 1;
	}
}

/* ---- one packet ---- */

/* The payload of TCP or UDP up to the datagram's end; and how long it was on the wire. False: none. */
static bool payload_of(const struct weir_packet *packet, const struct weir_facts *facts, struct sighting *s, struct kept *kept)
{
	if (facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	const uint8_t *data = packet->data;
	if (!network->transport || !(network->flags & WEIR_NETWORK_PORTS) || network->end > packet->captured)
		return false;
	uint32_t end = network->end, length = network->version == 4 ? weir_load_be16(data + network->offset + 2) : weir_load_be16(data + network->offset + 4);
	uint32_t wire_end = network->offset + length + (network->version == 6 ? 40 : 0), start = facts->payload;
	if (length == 0)
		wire_end = packet->length; /* a jumbogram, or a length that the sender left to the interface */
	if (network->protocol == 17) {
		start = network->transport + 8;
		uint32_t udp = start <= end ? weir_load_be16(data + network->transport + 4) : 0;
		if (udp >= 8 && network->transport + udp < wire_end)
			wire_end = network->transport + udp;
	} else if (network->protocol == 6 && network->transport + 20 <= end) {
		start = network->transport + (data[network->transport + 12] >> 4) * 4u;
		kept->sequence = weir_load_be32(data + network->transport + 4);
		kept->tcp_flags = data[network->transport + 13];
	}
	if (facts->flags & WEIR_FACT_ESP_NULL)
		wire_end = wire_end > facts->trailer ? wire_end - facts->trailer : 0;
	if (end > wire_end)
		end = wire_end;
	if (start >= end || start < network->transport)
		return false;
	s->payload = (struct weir_bytes){data + start, end - start};
	s->wire_length = wire_end - start;
	kept->wire_length = s->wire_length;
	kept->length = (uint16_t)(s->payload.length < UINT16_MAX ? s->payload.length : UINT16_MAX);
	return true;
}

/* The message whose beginning was kept, with this payload behind it, if it is the next of the same direction. */
static bool join(struct weir_applications *a, const struct weir_application *application, const struct kept *next, struct sighting *s)
{
	int64_t time_ns;
	struct weir_bytes whole = pending_read(a->pending, application->pending, &time_ns);
	struct kept kept;
	size_t length = 0;
	uint32_t sequence = 0;

	for (size_t at = 0; at + sizeof kept <= whole.length; at += sizeof kept + kept.length) {
		memcpy(&kept, whole.data + at, sizeof kept);
		if (at + sizeof kept + kept.length > whole.length)
			return false;
		if (kept.reversed != next->reversed || (length && kept.sequence != sequence))
			continue;
		if (kept.wire_length != kept.length || length + kept.length > sizeof a->joined)
			return false;
		memcpy(a->joined + length, whole.data + at + sizeof kept, kept.length);
		length += kept.length;
		sequence = kept.sequence + kept.length;
	}
	if (length == 0 || sequence != next->sequence)
		return false;
	size_t some = s->payload.length < sizeof a->joined - length ? s->payload.length : sizeof a->joined - length;
	memcpy(a->joined + length, s->payload.data, some);
	s->wire_length += (uint32_t)length;
	s->payload = (struct weir_bytes){a->joined, length + some};
	return true;
}

void weir_application_see(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                          const struct weir_packet *packet, const struct weir_facts *facts, bool reversed)
{
	struct sighting s;
	struct kept kept = {.reversed = reversed};

	if (application->decided)
		return;
	if (flow->protocol != 6 && flow->protocol != 17) {
		set(application, application_of_protocol(flow->protocol), 0, EVIDENCE_PROTOCOL);
		if (!application->name)
			application->evidence = EVIDENCE_NONE;
		application->category = entry_of(a, application->name).category;
		application->decided = 1;
		return;
	}
	if (!payload_of(packet, facts, &s, &kept))
		return;
	a->seconds = packet->time_ns / 1000000000;
	if (application->seen < UINT8_MAX)
		application->seen++;
	s.candidates = &a->candidates;
	s.source_port = flow->source_port;
	s.destination_port = flow->destination_port;
	s.tcp = flow->protocol == 6;
	s.reversed = reversed;
	s.first = application->seen == 1;
	s.name = s.carrier = 0;
	s.evidence = EVIDENCE_NONE;
	s.goes_on = s.unfinished = s.nameless = false;
	s.server_name = (struct weir_bytes){NULL, 0};
	application_see_payload(a, application, flow, &s, &kept, packet->time_ns);
}

void application_see_payload(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                             struct sighting *s, const struct kept *kept, int64_t time_ns)
{
	struct weir_bytes payload = s->payload;

	if (s->first && a->credit < NDPI_CREDIT)
		a->credit++;
	/* A record was written meanwhile, with what the ports said: a payload says more. */
	if (application->evidence == EVIDENCE_PORT || application->evidence == EVIDENCE_ADDRESS)
		set(application, APPLICATION_NONE, APPLICATION_NONE, EVIDENCE_NONE);
	if (application->name == APPLICATION_DNS || application->carrier == APPLICATION_DNS) {
		if (s->tcp && s->payload.length > 2)
			learn_dns(a, flow, (struct weir_bytes){s->payload.data + 2, s->payload.length - 2}, s->reversed);
		else if (!s->tcp)
			learn_dns(a, flow, s->payload, s->reversed);
		return;
	}
	if (application->name == APPLICATION_EPM && s->payload.length >= 24 && s->payload.data[2] == 2) {
		struct learning l = {.a = a, .server = s->reversed ? flow->destination : flow->source};
		application_epm_towers(s->payload, learn_mapped, &l);
		return;
	}
	if (application->evidence & ASKING) {
		bool room = pending_add(a->pending, &application->pending, time_ns, kept, payload.data);
		if (!room || application->seen >= (s->tcp ? TLS_LOOKS : QUIC_LOOKS)) {
			finish_asking(a, application, flow);
			application->decided = 1;
		}
		return;
	}
	uint16_t secure = s->tcp ? secured(application->carrier ? application->carrier : application->name) : APPLICATION_NONE;
	if (secure) {
		if (s->payload.data[0] == 0x16 && application_look_tls(s)) {
			set(application, secure, 0, EVIDENCE_SIGNATURE);
			set_server_name(a, application, s->server_name);
			refine(a, application, flow, EVIDENCE_SNI);
		}
		if (application->name == secure || application->carrier == secure || application->seen >= 2 * LOOKS)
			application->decided = 1;
		return;
	}
	/* A hello or request that goes on in this segment. */
	bool joined = application->name && s->tcp && application->pending && join(a, application, kept, s);
	if (!joined && (application->name == APPLICATION_TLS || application->name == APPLICATION_HTTP)) {
		/* Met in a response: the next request has the host. Or the rest did not come: a retransmission or a gap. */
		bool again = application->name == APPLICATION_HTTP && !application->pending && application_look_http(s) && s->server_name.data;
		if (!again && application->seen < LOOKS)
			return;
		if (again)
			found(a, application, flow, s);
		refine(a, application, flow, EVIDENCE_DNS);
		pending_drop(a->pending, &application->pending);
		application->decided = 1;
		return;
	}
	(s->tcp ? application_look_tcp : application_look_udp)(s);
	if (s->name) {
		found(a, application, flow, s);
		if (s->name == APPLICATION_DNS && !s->tcp)
			learn_dns(a, flow, payload, s->reversed);
		if (application->evidence & ASKING) {
			if (!pending_add(a->pending, &application->pending, time_ns, kept, payload.data))
				finish_asking(a, application, flow);
		} else if (s->unfinished && application->seen < LOOKS) {
			if (!pending_add(a->pending, &application->pending, time_ns, kept, payload.data))
				pending_drop(a->pending, &application->pending);
		} else if (s->unfinished) {
			refine(a, application, flow, EVIDENCE_DNS);
			application->decided = 1;
		}
		return;
	}
	if (application->name) {
		if (application->seen >= LOOKS)
			application->decided = 1;
		return;
	}
	union endpoint endpoint;
	if (s->first && know_endpoint(a, flow, &endpoint)) {
		settle_now(a, application, flow);
		application->decided = 1;
		return;
	}
	bool room = a->ndpi && pending_add(a->pending, &application->pending, time_ns, kept, payload.data);
	if (application->seen >= (s->tcp ? LOOKS : UDP_LOOKS) || (a->ndpi && !room)) {
		settle_now(a, application, flow);
		application->decided = 1;
	}
}

void weir_application_settle(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow)
{
	if (application->decided)
		return;
	if (application->evidence & ASKING)
		finish_asking(a, application, flow);
	else if (application->name == 0 || application->evidence == EVIDENCE_PORT || application->evidence == EVIDENCE_ADDRESS)
		settle_now(a, application, flow);
	else
		refine(a, application, flow, EVIDENCE_DNS);
}

void weir_application_end(struct weir_applications *a, struct weir_application *application)
{
	pending_drop(a->pending, &application->pending);
	names_drop(a->names, application->server_name);
	application->server_name = 0;
	application->decided = 1;
}

void weir_application_describe(const struct weir_applications *a, const struct weir_application *application, struct weir_flow *flow)
{
	struct weir_bytes none = {NULL, 0};
	const char *name = application->name ? entry_of(a, application->name).name : NULL;
	const char *category = application_category_name(application->category), *evidence = application_evidence_name(application->evidence & ~ASKING);

	flow->application = flow->category = flow->evidence = none;
	flow->server_name = names_text(a->names, application->server_name);
	if (!name)
		return;
	if (application->carrier) {
		size_t length = 0;
		for (const char *p = entry_of(a, application->carrier).name; p && *p && length < sizeof a->scratch->name / 2; p++)
			a->scratch->name[length++] = *p;
		a->scratch->name[length++] = '.';
		for (const char *p = name; *p && length < sizeof a->scratch->name; p++)
			a->scratch->name[length++] = *p;
		flow->application = (struct weir_bytes){(const uint8_t *)a->scratch->name, length};
	} else {
		flow->application = (struct weir_bytes){(const uint8_t *)name, strlen(name)};
	}
	if (category)
		flow->category = (struct weir_bytes){(const uint8_t *)category, strlen(category)};
	if (evidence)
		flow->evidence = (struct weir_bytes){(const uint8_t *)evidence, strlen(evidence)};
}

/* ---- the namer itself ---- */

int weir_applications_new(const struct weir_applications_options *options, struct weir_applications **applications, struct weir_fault *fault)
{
	struct weir_applications *a = calloc(1, sizeof *a);
	uint64_t bytes = options->memory_bytes ? options->memory_bytes : 64 << 20;

	if (!a)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for application names");
	if (bytes < 256 << 10)
		bytes = 256 << 10;
	a->memory_bytes = bytes;
	a->use_ndpi = !options->no_ndpi;
	a->credit = NDPI_CREDIT;
	application_candidates_tcp(&a->candidates);
	application_candidates_udp(&a->candidates);
	a->names = names_new(bytes / 4);
	a->pending = pending_new(bytes / 2);
	a->scratch = calloc(1, sizeof *a->scratch);
	int error = pairs_new(&a->answers, bytes / 8);
	if (!error)
		error = pairs_new(&a->endpoints, bytes / 8);
	if (error || !a->names || !a->pending || !a->scratch) {
		weir_applications_free(a);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for application names (%llu bytes)", (unsigned long long)bytes);
	}
	if (a->use_ndpi)
		a->ndpi = application_ndpi_new(); /* without it the rest still names most */
	*applications = a;
	return 0;
}

void weir_applications_free(struct weir_applications *a)
{
	if (!a)
		return;
	names_free(a->names);
	pending_free(a->pending);
	pairs_free(&a->answers);
	pairs_free(&a->endpoints);
	application_ndpi_free(a->ndpi);
	free(a->scratch);
	free(a);
}

void weir_applications_part(struct weir_applications *a)
{
	/* nDPI remembers from flow to flow in caches that can't be written down. */
	if (!a->ndpi)
		return;
	application_ndpi_free(a->ndpi);
	a->ndpi = application_ndpi_new();
}
