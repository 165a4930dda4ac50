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

#define MUCH_TO_NAME (UINT64_C(64) << 20) /* bytes of input, among which there will be something for nDPI */
#define QUIC_LOOKS 3 /* datagrams: a hello may fill two */
#define TLS_LOOKS 12 /* segments: hellos and the certificates */
#define ASKING 0x80  /* a bit of evidence: packets are kept to ask nDPI for the service */
#define BEGAN 0x40   /* a bit of evidence: the handshake was seen */

static struct application_entry entry_of(const struct weir_applications *a, uint16_t number)
{
	if (number < APPLICATIONS)
		return application_entries[number];
	return application_ndpi_entry(a->ndpi, number);
}

/* ---- deciding ---- */

static bool is_carrier(uint16_t name)
{
	return name == APPLICATION_TLS || name == APPLICATION_HTTP || name == APPLICATION_QUIC || name == APPLICATION_DNS ||
	       name == APPLICATION_DTLS || name == APPLICATION_STUN || name == APPLICATION_SMTP || name == APPLICATION_SMTPS ||
	       name == APPLICATION_IMAPS || name == APPLICATION_POPS;
}

/* Refines the name by the server name, and the category with it. Evidence of the service is what gave the server name. */
static void refine(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                   uint8_t named_by)
{
	if (!application->server_name && application->name != APPLICATION_DNS && flow->source_port &&
	    application->evidence != EVIDENCE_PROTOCOL) {
		application->server_name = application_resolved_name(a, flow);
		names_hold_again(a->names, application->server_name);
		named_by = EVIDENCE_DNS;
	}
	if (application->server_name && !application->carrier && is_carrier(application->name)) {
		uint16_t service = application_service_of_name(a, application->server_name);
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

	if (!a->ndpi || !application->pending || a->credit < NDPI_COST)
		return false;
	struct weir_bytes kept = pending_read(a->pending, application->pending, &time_ns);
	if (!kept.length)
		return false;
	a->credit -= NDPI_COST;
	application_ndpi_look(a->ndpi, flow, kept, time_ns, verdict);
	return true;
}

static void take_server_name(struct weir_applications *a, struct weir_application *application,
                             const struct application_ndpi_verdict *verdict)
{
	application_set_server_name(a, application, (struct weir_bytes){(const uint8_t *)verdict->server_name, strlen(verdict->server_name)});
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
	union application_endpoint endpoint;
	struct application_ndpi_verdict verdict = {0};
	uint8_t named_by = EVIDENCE_DNS;

	if (application_know_endpoint(a, flow, &endpoint) && endpoint.name) {
		set(application, endpoint.name, endpoint.carrier, endpoint.mapped ? EVIDENCE_EPM : EVIDENCE_ENDPOINT);
	} else if (ask_ndpi(a, application, flow, &verdict)) {
		if (!verdict.guessed && verdict.name) {
			set(application, verdict.name, verdict.carrier, EVIDENCE_NDPI);
			named_by = EVIDENCE_NDPI;
			take_server_name(a, application, &verdict);
		}
		/* What nDPI could not name it need not be asked again, for this endpoint. */
		application_learn_endpoint(a, application_endpoint_key(a, flow), application->name, application->carrier);
	}
	if (!application->name && flow->protocol == 17 && application->pending) {
		int64_t time_ns;
		uint16_t media = application_of_media(pending_read(a->pending, application->pending, &time_ns));
		if (media)
			set(application, media, 0, EVIDENCE_SIGNATURE);
	}
	pending_drop(a->pending, &application->pending);
	if (!application->name) {
		bool tcp = flow->protocol == 6;
		uint16_t first = application_source_serves(a, flow) ? flow->source_port : flow->destination_port;
		uint16_t other = application_source_serves(a, flow) ? flow->destination_port : flow->source_port;
		uint16_t name = tcp || flow->protocol == 17 ? application_of_port(&a->ports, tcp, first) : APPLICATION_NONE;
		if (!name && (tcp || flow->protocol == 17))
			name = application_of_port(&a->ports, tcp, other);
		if (name && !verdict.by_address)
			set(application, name, 0, EVIDENCE_PORT);
		else if (verdict.name)
			set(application, verdict.name, verdict.carrier, EVIDENCE_NDPI);
	}
	refine(a, application, flow, named_by);
	/* Nothing was seen but the handshake or the end: whose address it is says more than the port. */
	if (application->evidence == EVIDENCE_PORT && application->name == APPLICATION_TLS && application->seen == 0 && a->ndpi) {
		uint16_t service = application_ndpi_address(a->ndpi, application_source_serves(a, flow) ? flow->source : flow->destination);
		if (service && service != APPLICATION_TLS) {
			set(application, service, APPLICATION_TLS, EVIDENCE_ADDRESS);
			application->category = entry_of(a, service).category;
		}
	}
}

/* TLS and QUIC to a port of something else carry that; mail has had names of its own for it since before TLS was everywhere. */
static void name_by_port(const struct weir_applications *a, struct sighting *s, const struct weir_application_flow *flow)
{
	uint16_t port = application_source_serves(a, flow) ? flow->source_port : flow->destination_port;

	if (s->name == APPLICATION_TLS && (port == 993 || port == 995 || port == 465)) {
		s->name = port == 993 ? APPLICATION_IMAPS : port == 995 ? APPLICATION_POPS : APPLICATION_SMTPS;
		return;
	}
	uint16_t carried = application_of_port(&a->ports, s->name == APPLICATION_TLS, port);
	if (!carried || application_entries[carried].category == CATEGORY_WEB || port > 10000)
		return;
	s->carrier = s->name;
	s->name = carried;
}

/* Of a protocol in clear the one that it becomes by STARTTLS; 0: none. */
static uint16_t secured(uint16_t name)
{
	switch (name) {
	case APPLICATION_SMTP:
		return APPLICATION_SMTPS;
	case APPLICATION_POP3:
		return APPLICATION_POPS;
	case APPLICATION_IMAP:
		return APPLICATION_IMAPS;
	case APPLICATION_LDAP:
		return APPLICATION_LDAPS;
	case APPLICATION_FTP_CONTROL:
		return APPLICATION_FTPS;
	default:
		return APPLICATION_NONE;
	}
}

static void found(struct weir_applications *a, struct weir_application *application, const struct weir_application_flow *flow,
                  struct sighting *s)
{
	if (s->name == APPLICATION_TLS || s->name == APPLICATION_QUIC)
		name_by_port(a, s, flow);
	if (s->tcp && secured(s->name))
		s->goes_on = true;
	set(application, s->name, s->carrier, s->evidence);
	application_set_server_name(a, application, s->server_name);
	uint8_t named_by = s->name == APPLICATION_HTTP || s->name == APPLICATION_SMTP ? EVIDENCE_HOST
	                   : s->name == APPLICATION_DNS                               ? EVIDENCE_DNS
	                                                                              : EVIDENCE_SNI;
	if (s->unfinished && !application->server_name)
		return;
	refine(a, application, flow, named_by);
	/* Ports that answer in one protocol name flows whose beginning was not seen. */
	application_learn_endpoint(a, application_endpoint_key(a, flow), s->name, s->carrier);
	if (s->nameless && a->ndpi && !application->carrier &&
	    (application->name == APPLICATION_TLS || application->name == APPLICATION_QUIC)) {
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
	uint32_t end = network->end,
			 length = network->version == 4 ? weir_load_be16(data + network->offset + 2) : weir_load_be16(data + network->offset + 4);
	uint32_t wire_end = network->offset + length + (network->version == 6 ? 40 : 0), start = facts->payload;
	if (length == 0)
		wire_end = packet->length; /* a jumbogram, or a length that the sender left to the interface */
	s->slack = 0;
	if (network->protocol == 17) {
		start = network->transport + 8;
		uint32_t udp = start <= end ? weir_load_be16(data + network->transport + 4) : 0;
		if (udp >= 8 && network->transport + udp < wire_end)
			wire_end = network->transport + udp;
	} else if (network->protocol == 6 && network->transport + 20 <= end) {
		start = network->transport + (data[network->transport + 12] >> 4) * 4u;
		kept->sequence = weir_load_be32(data + network->transport + 4);
		kept->tcp_flags = data[network->transport + 13];
		if (facts->flags & WEIR_FACT_ESP_NULL) {
			wire_end = wire_end > facts->trailer ? wire_end - facts->trailer : 0;
			s->slack = facts->trailer && packet->captured < packet->length ? 3 : 0;
		}
	}
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

void weir_application_begin(struct weir_application *application)
{
	if (!application->decided && application->evidence == EVIDENCE_NONE)
		application->evidence = BEGAN;
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
	if (!payload_of(packet, facts, &s, &kept)) {
		if (kept.tcp_flags & 2)
			weir_application_begin(application);
		return;
	}
	a->seconds = packet->time_ns / 1000000000;
	if (application->seen < UINT8_MAX)
		application->seen++;
	s.candidates = &a->candidates;
	s.source_port = flow->source_port;
	s.destination_port = flow->destination_port;
	s.tcp = flow->protocol == 6;
	s.reversed = reversed;
	s.first = application->seen == 1;
	if (s.first)
		weir_application_expect(a, flow); /* what its payload is takes as long to find out as memory to answer */
	s.name = s.carrier = 0;
	s.evidence = EVIDENCE_NONE;
	s.goes_on = s.unfinished = s.nameless = false;
	s.server_name = (struct weir_bytes){NULL, 0};
	application_see_payload(a, application, flow, &s, &kept, packet->time_ns);
}

/* Keeps of a payload that says nothing what it may be asked for again: nDPI is shown the first few, and media are known by headers. False: there is no room. */
static bool keep(struct weir_applications *a, struct weir_application *application, const struct sighting *s, struct kept kept, int64_t time_ns)
{
	if (application->seen > (s->tcp ? NDPI_UNNAMED_TCP : NDPI_UNNAMED_UDP)) {
		if (s->tcp)
			return true;
		kept.length = kept.length < RTP_HEADER ? kept.length : RTP_HEADER;
	}
	return pending_add(a->pending, &application->pending, time_ns, &kept, s->payload.data);
}

static bool has_known_port(const struct weir_applications *a, const struct weir_application_flow *flow)
{
	bool tcp = flow->protocol == 6;
	return application_port_known(&a->ports, tcp, flow->source_port) || application_port_known(&a->ports, tcp, flow->destination_port);
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
			application_learn_dns(a, flow, (struct weir_bytes){s->payload.data + 2, s->payload.length - 2}, s->reversed);
		else if (!s->tcp)
			application_learn_dns(a, flow, s->payload, s->reversed);
		return;
	}
	if (application->name == APPLICATION_EPM && s->payload.length >= 24 && s->payload.data[2] == 2) {
		application_learn_map(a, s->reversed ? flow->destination : flow->source, s->payload);
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
			application_set_server_name(a, application, s->server_name);
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
			application_learn_dns(a, flow, payload, s->reversed);
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
	union application_endpoint endpoint;
	if (s->first && application_know_endpoint(a, flow, &endpoint)) {
		settle_now(a, application, flow);
		application->decided = 1;
		return;
	}
	/* nDPI knows beginnings. Of a connection that was met midway the port says as much. */
	bool beginning = !s->tcp || application->evidence & BEGAN || !has_known_port(a, flow);
	bool room = a->ndpi && beginning && keep(a, application, s, *kept, time_ns);
	if (application->seen >= (s->tcp ? LOOKS : UDP_LOOKS) || (a->ndpi && beginning && !room)) {
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
	const char *category = application_category_name(application->category),
			   *evidence = application_evidence_name(application->evidence & ~(ASKING | BEGAN));

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

int weir_applications_new(const struct weir_applications_options *options, struct weir_applications **applications,
                          struct weir_fault *fault)
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
	application_ports_fill(&a->ports);
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
	if (a->ndpi && options->input_bytes >= MUCH_TO_NAME)
		application_ndpi_begin(a->ndpi);
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
	if (a->ndpi)
		application_ndpi_forget(a->ndpi);
}
