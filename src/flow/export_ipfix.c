/*
 * IPFIX (RFC 7011) by libfixbuf: files (RFC 5655), UDP, TCP; biflows as RFC 5103 has them.
 *
 * A template has no way to say "no value", so there is one for every set of things that a flow can have or not: an address family, a VLAN, an
 * answer. Its id is 256 and those things as bits, the same whoever writes.
 *
 * libfixbuf makes messages in memory, one at a time: it neither opens files and sockets for us nor reads the clock, so that the same records make
 * the same bytes. What it asks glib for is small, and all of it is asked for when a template is first used; glib ends the program when there is
 * not even that.
 */
#include "config.h"

#include <stdlib.h>

#include "flow/export.h"
#include "flow/presence.h"

#ifdef HAVE_FIXBUF

#include <fixbuf/public.h>

#include "core/clock.h"
#include "file/pen.h"
#include "flow/elements.h"
#include "flow/value.h"

enum {
	TEMPLATE_FLOWS = 256,
	TEMPLATE_TYPES = TEMPLATE_FLOWS + PRESENCES, /* options: our own elements (RFC 5610) */
	TEMPLATE_EXPORTER,                         /* options: what was sent so far */
	DOMAIN = 1,
	MESSAGE_MAX = 16384,
	FIELDS_MAX = 96,
	RECORD_MAX = 2048, /* as libfixbuf is given it */
	OWN_MAX = 64,
	NAME_MAX_BYTES = 48,
};

/* How a field gets from the record to libfixbuf, which wants numbers as this machine has them. */
enum step { STEP_8, STEP_16, STEP_32, STEP_64, STEP_32_IN_8, STEP_32_IN_16, STEP_BYTES, STEP_IPV4, STEP_NTP, STEP_STRING, STEP_TEXT, STEP_FIRST_MS, STEP_LAST_MS, STEP_TOS };

struct field {
	uint8_t step;
	uint8_t size;   /* of the member */
	uint8_t length; /* in the template; 0: variable */
	uint16_t offset, clip;
};

struct layout {
	struct layout *next; /* in the order in which they were made */
	uint16_t id;
	size_t count, bytes;
	struct field fields[FIELDS_MAX];
};

struct ipfix {
	struct weir_flow_sink sink;
	struct export_target *target;
	enum export_kind kind;
	fbInfoModel_t *model;
	fbSession_t *session;
	fBuf_t *buffer; /* owns the session and the exporter */
	fbExporter_t *exporter;
	struct layout *layouts[PRESENCES], *first, *last;
	uint16_t current;  /* template that the buffer is set to; 0: none */
	bool open;         /* something stands in the message */
	bool begun;        /* our elements are described */
	int64_t newest_ns; /* of the records so far */
	uint32_t since_templates;
	int64_t templates_ns;
	uint64_t messages, records, octets;
	size_t own_count;
	char own_names[OWN_MAX][NAME_MAX_BYTES];
	uint8_t own_types[OWN_MAX];
	uint16_t own_elements[OWN_MAX];
	uint8_t record[RECORD_MAX], message[MESSAGE_MAX];
};

static int fixbuf_fault(GError *problem, struct weir_fault *fault)
{
	int error = weir_fail(fault, WEIR_E_SYSTEM, "libfixbuf: %s", problem && problem->message ? problem->message : "no reason given");

	g_clear_error(&problem);
	return error;
}

/* ---- our own elements ---- */

/* "captured_bytes" becomes "weirCapturedBytes". */
static void own_name(const char *column, const char *suffix, char out[static NAME_MAX_BYTES])
{
	size_t length = 4;
	bool upper = true;

	memcpy(out, "weir", 4);
	for (; *column && length + 8 < NAME_MAX_BYTES; column++) {
		if (*column != '_')
			out[length++] = upper && *column >= 'a' && *column <= 'z' ? (char)(*column - 'a' + 'A') : *column;
		upper = *column == '_';
	}
	memcpy(out + length, suffix, strlen(suffix) + 1);
}

static void add_own(struct ipfix *ipfix, const struct weir_flow_column *column, uint16_t number, const char *suffix, uint8_t type, uint16_t length)
{
	bool swapped = type != FB_IP6_ADDR && type != FB_STRING;
	char *name = ipfix->own_names[ipfix->own_count];

	if (ipfix->own_count == OWN_MAX)
		return;
	own_name(column->name, suffix, name);
	ipfix->own_types[ipfix->own_count] = type;
	ipfix->own_elements[ipfix->own_count++] = number;
	fbInfoElement_t element = FB_IE_INIT_FULL(name, WEIR_PEN, number, length, swapped && length > 1 ? FB_IE_F_ENDIAN : FB_IE_F_NONE, 0, 0,
	                                          type, (char *)column->meaning);
	fbInfoModelAddElement(ipfix->model, &element);
}

static void add_own_elements(struct ipfix *ipfix)
{
	static const uint8_t types[] = {[1] = FB_UINT_8, [2] = FB_UINT_16, [4] = FB_UINT_32, [8] = FB_UINT_64};
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t i = 0; i < count; i++) {
		const struct weir_flow_column *c = &columns[i];
		if (!c->own_element)
			continue;
		if (c->type == WEIR_COLUMN_IP) {
			add_own(ipfix, c, c->own_element, "IPv4", FB_IP4_ADDR, 4);
			add_own(ipfix, c, c->own_element + OWN_ELEMENT_IPV6, "IPv6", FB_IP6_ADDR, 16);
		} else if (c->type == WEIR_COLUMN_STRING || c->type == WEIR_COLUMN_TEXT) {
			add_own(ipfix, c, c->own_element, "", FB_STRING, FB_IE_VARLEN);
		} else {
			add_own(ipfix, c, c->own_element, "", types[c->size], c->size);
		}
	}
}

/* ---- templates ---- */

/* The element of a column in a template of these things. */
static const fbInfoElement_t *element_of(struct ipfix *ipfix, const struct weir_flow_column *column, unsigned bits)
{
	uint16_t number = column->element ? column->element : column->own_element;

	switch (column->offset) {
	case offsetof(struct weir_flow, source): number = bits & HAS_IPV6 ? ELEMENT_SOURCE_IPV6 : ELEMENT_SOURCE_IPV4; break;
	case offsetof(struct weir_flow, destination): number = bits & HAS_IPV6 ? ELEMENT_DESTINATION_IPV6 : ELEMENT_DESTINATION_IPV4; break;
	case offsetof(struct weir_flow, icmp_type): number = bits & HAS_IPV6 ? ELEMENT_ICMP_TYPE_IPV6 : ELEMENT_ICMP_TYPE_IPV4; break;
	case offsetof(struct weir_flow, icmp_code): number = bits & HAS_IPV6 ? ELEMENT_ICMP_CODE_IPV6 : ELEMENT_ICMP_CODE_IPV4; break;
	case offsetof(struct weir_flow, outer_source):
	case offsetof(struct weir_flow, outer_destination): number += bits & HAS_OUTER_IPV6 ? OWN_ELEMENT_IPV6 : 0; break;
	default: break;
	}
	return fbInfoModelGetElementByID(ipfix->model, number, !column->element ? WEIR_PEN : column->reverse ? FB_IE_PEN_REVERSE : 0);
}

/* How long a string may be: a record must fit a datagram. */
static uint16_t clip_of(const struct ipfix *ipfix, const struct weir_flow_column *column)
{
	if (ipfix->kind != EXPORT_UDP)
		return 2000;
	return column->offset == offsetof(struct weir_flow, server_name) || column->offset == offsetof(struct weir_flow, vantages) ? 255 : 64;
}

static struct field field_of(const struct ipfix *ipfix, const struct weir_flow_column *column, unsigned bits)
{
	bool outer = column->offset == offsetof(struct weir_flow, outer_source) || column->offset == offsetof(struct weir_flow, outer_destination);
	bool ipv6 = outer ? bits & HAS_OUTER_IPV6 : bits & HAS_IPV6;
	uint8_t step = column->size == 1 ? STEP_8 : column->size == 2 ? STEP_16 : column->size == 4 ? STEP_32 : STEP_64;
	struct field field = {step, column->size, column->size, column->offset, 0};

	switch (column->type) {
	case WEIR_COLUMN_TIME: field.step = STEP_NTP; break;
	case WEIR_COLUMN_IP:
		field.step = ipv6 ? STEP_BYTES : STEP_IPV4;
		field.length = ipv6 ? 16 : 4;
		break;
	case WEIR_COLUMN_MAC: field.step = STEP_BYTES; break;
	case WEIR_COLUMN_STRING:
	case WEIR_COLUMN_TEXT:
		field.step = column->type == WEIR_COLUMN_STRING ? STEP_STRING : STEP_TEXT;
		field.length = 0;
		field.clip = clip_of(ipfix, column);
		break;
	default:
		if (column->offset == offsetof(struct weir_flow, vlan)) {
			field.step = STEP_32_IN_16;
			field.length = 2;
		} else if (column->no_value) { /* ICMP's */
			field.step = STEP_32_IN_8;
			field.length = 1;
		}
		break;
	}
	return field;
}

static bool append(fbTemplate_t *template, struct layout *layout, const fbInfoElement_t *element, struct field field, GError **problem)
{
	fbInfoElementSpec_t spec = {.name = (char *)element->ref.name, .len_override = field.length ? field.length : FB_IE_VARLEN};

	layout->bytes += field.length ? field.length : sizeof(fbVarfield_t);
	layout->fields[layout->count++] = field;
	return layout->count < FIELDS_MAX && layout->bytes < RECORD_MAX && fbTemplateAppendSpec(template, &spec, 0, problem);
}

static bool append_all(struct ipfix *ipfix, fbTemplate_t *template, struct layout *layout, unsigned bits, GError **problem)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);
	bool fine = true;

	/* Collectors that know no nanoseconds get the biflow's times in milliseconds too; nor DSCPs, the TOS. */
	if (ipfix->kind != EXPORT_FILE)
		fine = append(template, layout, fbInfoModelGetElementByName(ipfix->model, "flowStartMilliseconds"),
		              (struct field){STEP_FIRST_MS, 8, 8, 0, 0}, problem) &&
		       append(template, layout, fbInfoModelGetElementByName(ipfix->model, "flowEndMilliseconds"),
		              (struct field){STEP_LAST_MS, 8, 8, 0, 0}, problem) &&
		       append(template, layout, fbInfoModelGetElementByName(ipfix->model, "ipClassOfService"), (struct field){STEP_TOS, 1, 1, 0, 0},
		              problem);
	for (size_t i = 0; i < count && fine; i++) {
		if ((!columns[i].element && !columns[i].own_element) || !presence_wants(&columns[i], bits))
			continue;
		const fbInfoElement_t *element = element_of(ipfix, &columns[i], bits);
		fine = element && append(template, layout, element, field_of(ipfix, &columns[i], bits), problem);
	}
	return fine;
}

/* ---- messages ---- */

static void stamp(struct ipfix *ipfix)
{
	int64_t now = ipfix->kind == EXPORT_FILE ? ipfix->newest_ns / NS_PER_SECOND + 1 : clock_wall_ns() / NS_PER_SECOND;

	weir_store_be32(ipfix->message + 4, (uint32_t)now);
}

/* libfixbuf leaves the head of a set behind when that still fits and its first record does not. A set has at least one: cut it off. */
static size_t without_empty_set(uint8_t *message, size_t length)
{
	size_t at = 16, set = 0;

	for (; at + 4 <= length; at += set) {
		set = weir_load_be16(message + at + 2);
		if (set <= 4)
			break;
	}
	if (at + 4 != length)
		return length;
	weir_store_be16(message + 2, (uint16_t)at);
	return at;
}

static int send_message(struct ipfix *ipfix, struct weir_fault *fault)
{
	GError *problem = NULL;

	if (!ipfix->open)
		return 0;
	ipfix->open = false;
	if (!fBufEmit(ipfix->buffer, &problem))
		return fixbuf_fault(problem, fault);
	size_t length = without_empty_set(ipfix->message, fbExporterGetMsgLen(ipfix->exporter));
	stamp(ipfix);
	ipfix->messages++;
	ipfix->octets += length;
	ipfix->since_templates++;
	return export_target_send(ipfix->target, ipfix->message, length, fault);
}

/* Puts a record into the message, or, when that is full, sends it and puts it into the next. */
static int put_record(struct ipfix *ipfix, uint16_t template, uint8_t *record, size_t bytes, struct weir_fault *fault)
{
	GError *problem = NULL;

	if (ipfix->current != template && (!fBufSetInternalTemplate(ipfix->buffer, template, &problem) ||
	                                   !fBufSetExportTemplate(ipfix->buffer, template, &problem)))
		return fixbuf_fault(problem, fault);
	ipfix->current = template;
	if (!fBufAppend(ipfix->buffer, record, bytes, &problem)) {
		if (!ipfix->open || !g_error_matches(problem, FB_ERROR_DOMAIN, FB_ERROR_EOM))
			return fixbuf_fault(problem, fault);
		g_clear_error(&problem);
		int error = send_message(ipfix, fault);
		if (error)
			return error;
		if (!fBufAppend(ipfix->buffer, record, bytes, &problem))
			return fixbuf_fault(problem, fault);
	}
	ipfix->open = true;
	return 0;
}

/* Takes a template into use, and sends it at the head of a message. */
static int add_template(struct ipfix *ipfix, uint16_t id, fbTemplate_t *template, struct weir_fault *fault)
{
	GError *problem = NULL;
	int error = send_message(ipfix, fault);

	if (error)
		return error;
	/* Going from data to templates libfixbuf wants to end the message that was just ended, which only "automatic" does. */
	fBufSetAutomaticMode(ipfix->buffer, TRUE);
	bool added = fbSessionAddTemplate(ipfix->session, TRUE, id, template, &problem) &&
	             fbSessionAddTemplate(ipfix->session, FALSE, id, template, &problem);
	fBufSetAutomaticMode(ipfix->buffer, FALSE);
	if (!added)
		return fixbuf_fault(problem, fault);
	ipfix->open = true;
	ipfix->current = 0;
	return 0;
}

static int make_layout(struct ipfix *ipfix, unsigned bits, struct layout **made, struct weir_fault *fault)
{
	GError *problem = NULL;
	fbTemplate_t *template = fbTemplateAlloc(ipfix->model);
	struct layout *layout = calloc(1, sizeof *layout);

	if (!layout) {
		fbTemplateFreeUnused(template);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to export flows");
	}
	layout->id = (uint16_t)(TEMPLATE_FLOWS + bits);
	if (!append_all(ipfix, template, layout, bits, &problem)) {
		fbTemplateFreeUnused(template);
		free(layout);
		return fixbuf_fault(problem, fault);
	}
	*(ipfix->last ? &ipfix->last->next : &ipfix->first) = layout;
	ipfix->last = ipfix->layouts[bits] = layout;
	*made = layout;
	return add_template(ipfix, layout->id, template, fault);
}

/* ---- options ---- */

/* Describes our own elements (RFC 5610), so that others can name them. */
static int put_types(struct ipfix *ipfix, struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; i < ipfix->own_count && !error; i++) {
		const char *name = ipfix->own_names[i];
		fbVarfield_t text = {strlen(name), (uint8_t *)name};
		uint8_t record[8 + sizeof text], *at = record;
		weir_store_native32(at, WEIR_PEN);
		weir_store_native16(at + 4, ipfix->own_elements[i]);
		at[6] = ipfix->own_types[i];
		at[7] = 0; /* semantics: default */
		memcpy(at + 8, &text, sizeof text);
		error = put_record(ipfix, TEMPLATE_TYPES, record, sizeof record, fault);
	}
	return error;
}

static int put_exporter(struct ipfix *ipfix, struct weir_fault *fault)
{
	static const char name[] = "weir " WEIR_VERSION;
	fbVarfield_t text = {sizeof name - 1, (uint8_t *)name};
	uint8_t record[4 + 3 * 8 + sizeof text];

	weir_store_native32(record, DOMAIN);
	weir_store_native64(record + 4, ipfix->messages);
	weir_store_native64(record + 12, ipfix->records);
	weir_store_native64(record + 20, ipfix->octets);
	memcpy(record + 28, &text, sizeof text);
	return put_record(ipfix, TEMPLATE_EXPORTER, record, sizeof record, fault);
}

static int add_options_template(struct ipfix *ipfix, uint16_t id, fbInfoElementSpec_t *specs, uint16_t scope, struct weir_fault *fault)
{
	GError *problem = NULL;
	fbTemplate_t *template = fbTemplateAlloc(ipfix->model);

	if (!fbTemplateAppendSpecArray(template, specs, UINT32_MAX, &problem)) {
		fbTemplateFreeUnused(template);
		return fixbuf_fault(problem, fault);
	}
	fbTemplateSetOptionsScope(template, scope);
	return add_template(ipfix, id, template, fault);
}

static int begin(struct ipfix *ipfix, struct weir_fault *fault)
{
	static fbInfoElementSpec_t types[] = {
		{"privateEnterpriseNumber", 4, 0},    {"informationElementId", 2, 0}, {"informationElementDataType", 1, 0},
		{"informationElementSemantics", 1, 0}, {"informationElementName", FB_IE_VARLEN, 0}, FB_IESPEC_NULL,
	};
	static fbInfoElementSpec_t exporter[] = {
		{"observationDomainId", 4, 0},      {"exportedMessageTotalCount", 8, 0},        {"exportedFlowRecordTotalCount", 8, 0},
		{"exportedOctetTotalCount", 8, 0}, {"observationDomainName", FB_IE_VARLEN, 0}, FB_IESPEC_NULL,
	};
	int error = add_options_template(ipfix, TEMPLATE_TYPES, types, 2, fault);

	if (!error)
		error = add_options_template(ipfix, TEMPLATE_EXPORTER, exporter, 1, fault);
	if (!error)
		error = put_types(ipfix, fault);
	if (!error)
		error = put_exporter(ipfix, fault);
	ipfix->begun = true;
	ipfix->templates_ns = ipfix->kind == EXPORT_FILE ? 0 : clock_monotonic_ns();
	return error;
}

static int send_template_again(struct ipfix *ipfix, uint16_t id, struct weir_fault *fault)
{
	GError *problem = NULL;

	if (!fbSessionExportTemplate(ipfix->session, id, &problem)) {
		if (!g_error_matches(problem, FB_ERROR_DOMAIN, FB_ERROR_EOM))
			return fixbuf_fault(problem, fault);
		g_clear_error(&problem);
		int error = send_message(ipfix, fault);
		if (error)
			return error;
		if (!fbSessionExportTemplate(ipfix->session, id, &problem))
			return fixbuf_fault(problem, fault);
	}
	ipfix->open = true;
	ipfix->current = 0;
	return 0;
}

/* Over UDP every so often, as nobody says whether they arrived. */
static int refresh(struct ipfix *ipfix, struct weir_fault *fault)
{
	if (ipfix->kind != EXPORT_UDP || ipfix->open)
		return 0;
	int64_t now = clock_monotonic_ns();
	if (ipfix->since_templates < EXPORT_TEMPLATES_EVERY && now - ipfix->templates_ns < EXPORT_TEMPLATES_SECONDS * NS_PER_SECOND)
		return 0;
	int error = send_template_again(ipfix, TEMPLATE_TYPES, fault);
	if (!error)
		error = send_template_again(ipfix, TEMPLATE_EXPORTER, fault);
	for (struct layout *l = ipfix->first; l && !error; l = l->next)
		error = send_template_again(ipfix, l->id, fault);
	if (!error)
		error = put_types(ipfix, fault);
	if (!error)
		error = put_exporter(ipfix, fault);
	ipfix->since_templates = 0;
	ipfix->templates_ns = now;
	return error;
}

/* ---- records ---- */

/* As NTP has it, rounded up, so that a reader that cuts gets the very nanosecond: RFC 7011, section 6.1.10. */
static uint64_t ntp_time(int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND, rest = ns % NS_PER_SECOND;

	if (ns == WEIR_NO_TIME)
		return 0;
	if (rest < 0) {
		seconds--;
		rest += NS_PER_SECOND;
	}
	uint64_t fraction = (((uint64_t)rest << 32) + NS_PER_SECOND - 1) / NS_PER_SECOND;
	uint64_t ntp = ((uint64_t)seconds + NTP_EPOCH_SECONDS) << 32 | fraction;
	return ntp ? ntp : 1; /* in 2036: 0 is no time, and this is the same nanosecond */
}

/* Cut where a character ends. */
static fbVarfield_t clipped(const uint8_t *data, size_t length, size_t most)
{
	if (length > most)
		for (length = most; length && (data[length] & 0xC0) == 0x80;)
			length--;
	return (fbVarfield_t){length, (uint8_t *)data};
}

/* The earlier, or the later, of two times of which one may be missing. */
static int64_t earlier(int64_t a, int64_t b) { return a == WEIR_NO_TIME || (b != WEIR_NO_TIME && b < a) ? b : a; }
static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; /* WEIR_NO_TIME is the least of all */ }

static uint64_t milliseconds(int64_t ns) { return ns > 0 ? (uint64_t)ns / 1000000 : 0; }

static void fill_field(uint8_t *out, const struct field *field, const struct weir_flow *flow)
{
	const uint8_t *member = (const uint8_t *)flow + field->offset;
	const struct weir_bytes *string = (const struct weir_bytes *)member;
	fbVarfield_t text;

	switch ((enum step)field->step) {
	case STEP_8: *out = *member; break;
	case STEP_16: memcpy(out, member, 2); break;
	case STEP_32: memcpy(out, member, 4); break;
	case STEP_64: memcpy(out, member, 8); break;
	case STEP_32_IN_8: *out = (uint8_t)weir_load_native32(member); break;
	case STEP_32_IN_16: weir_store_native16(out, (uint16_t)weir_load_native32(member)); break;
	case STEP_BYTES: memcpy(out, member, field->length); break;
	case STEP_IPV4: weir_store_native32(out, weir_load_be32(member)); break;
	case STEP_NTP: weir_store_native64(out, ntp_time((int64_t)weir_load_native64(member))); break;
	case STEP_STRING:
		text = clipped(string->data, string->length, field->clip);
		memcpy(out, &text, sizeof text);
		break;
	case STEP_TEXT:
		text = clipped(member, strnlen((const char *)member, field->size), field->clip);
		memcpy(out, &text, sizeof text);
		break;
	case STEP_TOS: *out = (uint8_t)(flow->forward.dscp << 2); break;
	case STEP_FIRST_MS: weir_store_native64(out, milliseconds(earlier(flow->forward.first_ns, flow->reverse.first_ns))); break;
	case STEP_LAST_MS: weir_store_native64(out, milliseconds(later(flow->forward.last_ns, flow->reverse.last_ns))); break;
	}
}

static int put_flow(struct ipfix *ipfix, const struct weir_flow *flow, struct weir_fault *fault)
{
	unsigned bits = presence_of(flow);
	struct layout *layout = ipfix->layouts[bits];
	uint8_t *at = ipfix->record;
	int error = layout ? 0 : make_layout(ipfix, bits, &layout, fault);

	if (!error)
		error = refresh(ipfix, fault);
	if (error)
		return error;
	for (size_t i = 0; i < layout->count; i++) {
		fill_field(at, &layout->fields[i], flow);
		at += layout->fields[i].length ? layout->fields[i].length : sizeof(fbVarfield_t);
	}
	ipfix->newest_ns = later(ipfix->newest_ns, later(flow->forward.last_ns, flow->reverse.last_ns));
	ipfix->records++;
	return put_record(ipfix, layout->id, ipfix->record, layout->bytes, fault);
}

static int ipfix_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct ipfix *ipfix = (struct ipfix *)sink;
	int error = 0;

	if (count && !ipfix->begun) {
		ipfix->newest_ns = later(flows[0].forward.last_ns, flows[0].reverse.last_ns);
		error = begin(ipfix, fault);
	}
	for (size_t i = 0; i < count && !error; i++)
		error = put_flow(ipfix, &flows[i], fault);
	return error;
}

static int ipfix_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct ipfix *ipfix = (struct ipfix *)sink;
	int error = ipfix->begun ? 0 : begin(ipfix, fault);

	if (!error)
		error = send_message(ipfix, fault);
	if (!error)
		error = put_exporter(ipfix, fault);
	if (!error)
		error = send_message(ipfix, fault);
	return error ? error : export_target_finish(ipfix->target, fault);
}

static void ipfix_close(struct weir_flow_sink *sink)
{
	struct ipfix *ipfix = (struct ipfix *)sink;
	struct layout *next;

	for (struct layout *l = ipfix->first; l; l = next) {
		next = l->next;
		free(l);
	}
	if (ipfix->buffer)
		fBufFree(ipfix->buffer);
	if (ipfix->model)
		fbInfoModelFree(ipfix->model);
	export_target_close(ipfix->target);
	free(ipfix);
}

static const struct weir_flow_sink_ops ops = {.name = "IPFIX", .write = ipfix_write, .finish = ipfix_finish, .close = ipfix_close};

int export_ipfix_new(struct export_target *target, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct ipfix *ipfix = calloc(1, sizeof *ipfix);

	if (!ipfix) {
		export_target_close(target);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to export flows");
	}
	ipfix->sink.ops = &ops;
	ipfix->target = target;
	ipfix->kind = export_target_kind(target);
	ipfix->model = fbInfoModelAlloc();
	add_own_elements(ipfix);
	ipfix->session = fbSessionAlloc(ipfix->model);
	fbSessionSetDomain(ipfix->session, DOMAIN);
	ipfix->exporter = fbExporterAllocBuffer(ipfix->message, ipfix->kind == EXPORT_UDP ? EXPORT_DATAGRAM : MESSAGE_MAX);
	ipfix->buffer = fBufAllocForExport(ipfix->session, ipfix->exporter);
	fBufSetAutomaticMode(ipfix->buffer, FALSE);
	fBufSetExportTime(ipfix->buffer, 1); /* or it would ask the clock; see stamp() */
	*sink = &ipfix->sink;
	return 0;
}

#else

int export_ipfix_new(struct export_target *target, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	export_target_close(target);
	return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir was built without libfixbuf, which writes IPFIX; NetFlow v9 needs no library");
}

#endif
