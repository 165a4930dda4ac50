/* Makes flow records of the records of datagrams: what is known of their elements. */
#include <stdio.h>

#include "core/arena.h"
#include "core/clock.h"
#include "file/pen.h"
#include "flow/datagram.h"
#include "flow/elements.h"

enum { PROTOCOL_ICMP = 1, PROTOCOL_ICMPV6 = 58 };
enum { PAN_APPLICATION = 56701, IXIA = 3054, IXIA_APPLICATION = 111, IXIA_REVERSE_OCTETS = 176, IXIA_REVERSE_PACKETS = 177 };
enum { CERT = 6871, CERT_REVERSE = 0x4000, CERT_INITIAL_FLAGS = 14, CERT_UNION_FLAGS = 15, CERT_REVERSE_DELTA = 21 };

/* What becomes of a value. */
enum kind {
	NOTHING,
	UNSIGNED,
	PRESENT,       /* the same, and sets the flag that there is a value */
	ADDRESS,
	MAC,
	SECONDS,
	MILLISECONDS,
	NTP_TIME,
	UPTIME,        /* ms since boot */
	BEFORE_EXPORT, /* microseconds */
	DURATION,
	STRING,
	TEXT,
	DSCP_OF_TOS,
	ICMP_TYPE_CODE,
	APPLICATION_ID,
	SYSTEM_INIT, /* this and those behind it only help where nothing else sets their member */
	LASTED_MILLISECONDS,
	LASTED_MICROSECONDS,
	REVERSE_START, /* ms after the start */
};

#define FUTURE_MS INT64_C(604800000)
#define MEMBER(member) .offset = offsetof(struct weir_flow, member), .size = sizeof((struct weir_flow *)0)->member

/* Elements that other exporters use for what a column holds. */
static const struct {
	uint32_t enterprise;
	uint16_t element;
	uint8_t version; /* only of this protocol; 0: of each */
	struct datagram_action action;
} others[] = {
	{0, ELEMENT_SOURCE_IPV6, 0, {ADDRESS, MEMBER(source)}},
	{0, ELEMENT_DESTINATION_IPV6, 0, {ADDRESS, MEMBER(destination)}},
	{0, ELEMENT_OCTETS_TOTAL, 0, {UNSIGNED, MEMBER(forward.ip_bytes)}},
	{0, ELEMENT_PACKETS_TOTAL, 0, {UNSIGNED, MEMBER(forward.packets)}},
	{DATAGRAM_REVERSE, ELEMENT_OCTETS_TOTAL, 0, {UNSIGNED, MEMBER(reverse.ip_bytes)}},
	{DATAGRAM_REVERSE, ELEMENT_PACKETS_TOTAL, 0, {UNSIGNED, MEMBER(reverse.packets)}},
	{0, ELEMENT_INITIATOR_OCTETS, 0, {UNSIGNED, MEMBER(forward.ip_bytes)}},
	{0, ELEMENT_RESPONDER_OCTETS, 0, {UNSIGNED, MEMBER(reverse.ip_bytes)}},
	{0, ELEMENT_INITIATOR_PACKETS, 0, {UNSIGNED, MEMBER(forward.packets)}},
	{0, ELEMENT_RESPONDER_PACKETS, 0, {UNSIGNED, MEMBER(reverse.packets)}},
	{0, ELEMENT_POST_OCTETS, DATAGRAM_NETFLOW9, {UNSIGNED, MEMBER(reverse.ip_bytes)}},
	{0, ELEMENT_POST_PACKETS, DATAGRAM_NETFLOW9, {UNSIGNED, MEMBER(reverse.packets)}},
	{0, ELEMENT_CLASS_OF_SERVICE, 0, {DSCP_OF_TOS, MEMBER(forward.dscp)}},
	{DATAGRAM_REVERSE, ELEMENT_CLASS_OF_SERVICE, 0, {DSCP_OF_TOS, MEMBER(reverse.dscp)}},
	{0, ELEMENT_ICMP_TYPE_CODE, 0, {ICMP_TYPE_CODE, MEMBER(icmp_type)}},
	{0, ELEMENT_ICMP_TYPE_CODE_IPV6, 0, {ICMP_TYPE_CODE, MEMBER(icmp_type)}},
	{0, ELEMENT_ICMP_TYPE_IPV6, 0, {UNSIGNED, MEMBER(icmp_type)}},
	{0, ELEMENT_ICMP_CODE_IPV6, 0, {UNSIGNED, MEMBER(icmp_code)}},
	{0, ELEMENT_DOT1Q_VLAN, 0, {UNSIGNED, MEMBER(vlan)}},
	{0, ELEMENT_START_UPTIME, 0, {UPTIME, MEMBER(forward.first_ns)}},
	{0, ELEMENT_END_UPTIME, 0, {UPTIME, MEMBER(forward.last_ns)}},
	{0, ELEMENT_START_DELTA, 0, {BEFORE_EXPORT, MEMBER(forward.first_ns)}},
	{0, ELEMENT_END_DELTA, 0, {BEFORE_EXPORT, MEMBER(forward.last_ns)}},
	{0, ELEMENT_DURATION_MILLISECONDS, 0, {LASTED_MILLISECONDS, MEMBER(forward.last_ns)}},
	{0, ELEMENT_DURATION_MICROSECONDS, 0, {LASTED_MICROSECONDS, MEMBER(forward.last_ns)}},
	{0, ELEMENT_SYSTEM_INIT, 0, {SYSTEM_INIT, 8, 0}},
	{0, ELEMENT_APPLICATION_ID, 0, {APPLICATION_ID, MEMBER(application)}},
	{0, PAN_APPLICATION, DATAGRAM_NETFLOW9, {STRING, MEMBER(application)}},
	{IXIA, IXIA_APPLICATION, 0, {STRING, MEMBER(application)}},
	{IXIA, IXIA_REVERSE_OCTETS, 0, {UNSIGNED, MEMBER(reverse.ip_bytes)}},
	{IXIA, IXIA_REVERSE_PACKETS, 0, {UNSIGNED, MEMBER(reverse.packets)}},
	{CERT, CERT_INITIAL_FLAGS, 0, {UNSIGNED, MEMBER(forward.tcp_flags_initial)}},
	{CERT, CERT_UNION_FLAGS, 0, {UNSIGNED, MEMBER(forward.tcp_flags)}},
	{CERT, CERT_INITIAL_FLAGS | CERT_REVERSE, 0, {UNSIGNED, MEMBER(reverse.tcp_flags_initial)}},
	{CERT, CERT_UNION_FLAGS | CERT_REVERSE, 0, {UNSIGNED, MEMBER(reverse.tcp_flags)}},
	{CERT, CERT_REVERSE_DELTA, 0, {REVERSE_START, MEMBER(reverse.first_ns)}},
};

/* 150 to 157: start and end, in seconds, ms, and twice as NTP has them. */
static struct datagram_action time_action(uint16_t element, bool reverse)
{
	static const uint8_t kinds[] = {SECONDS, MILLISECONDS, NTP_TIME, NTP_TIME};
	bool end = (element - ELEMENT_START_SECONDS) & 1;
	size_t offset = reverse ? (end ? offsetof(struct weir_flow, reverse.last_ns) : offsetof(struct weir_flow, reverse.first_ns))
	                        : (end ? offsetof(struct weir_flow, forward.last_ns) : offsetof(struct weir_flow, forward.first_ns));

	return (struct datagram_action){kinds[(element - ELEMENT_START_SECONDS) / 2], sizeof(int64_t), (uint16_t)offset};
}

static struct datagram_action column_action(const struct weir_flow_column *column)
{
	static const uint8_t kinds[] = {
		[WEIR_COLUMN_UNSIGNED] = UNSIGNED, [WEIR_COLUMN_TIME] = NTP_TIME, [WEIR_COLUMN_DURATION] = DURATION,
		[WEIR_COLUMN_IP] = ADDRESS,        [WEIR_COLUMN_MAC] = MAC,       [WEIR_COLUMN_STRING] = STRING,
		[WEIR_COLUMN_TEXT] = TEXT,
	};
	uint8_t kind = kinds[column->type];

	if (column->present && kind == UNSIGNED)
		kind = PRESENT;
	return (struct datagram_action){kind, column->size, column->offset};
}

static struct datagram_action action_of(const struct datagram_template *template, const struct datagram_field *field)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);
	bool reverse = field->enterprise == DATAGRAM_REVERSE;

	if ((field->enterprise == 0 || reverse) && field->element >= ELEMENT_START_SECONDS && field->element <= ELEMENT_END_NANOSECONDS)
		return time_action(field->element, reverse);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (others[i].enterprise == field->enterprise && others[i].element == field->element &&
		    (others[i].version == 0 || others[i].version == template->version))
			return others[i].action;
	for (size_t i = 0; i < count; i++) {
		const struct weir_flow_column *c = &columns[i];
		if (field->enterprise == WEIR_PEN ? c->own_element &&
			(c->own_element == field->element || (c->type == WEIR_COLUMN_IP && c->own_element + OWN_ELEMENT_IPV6 == field->element))
		        : c->element && c->element == field->element && (field->enterprise == 0 || reverse) && c->reverse == reverse)
			return column_action(c);
	}
	return (struct datagram_action){NOTHING, 0, 0};
}

/* Counts since the flow began, and the like: they only stand in where the template has no better element for the member. */
static bool stands_in(const struct datagram_field *field)
{
	switch (field->element) {
	case ELEMENT_OCTETS_TOTAL:
	case ELEMENT_PACKETS_TOTAL:
	case ELEMENT_INITIATOR_OCTETS:
	case ELEMENT_RESPONDER_OCTETS:
	case ELEMENT_INITIATOR_PACKETS:
	case ELEMENT_RESPONDER_PACKETS:
	case ELEMENT_APPLICATION_ID:
	case ELEMENT_START_UPTIME:
	case ELEMENT_END_UPTIME:
	case ELEMENT_CLASS_OF_SERVICE:
	case ELEMENT_DOT1Q_VLAN:
		return field->enterprise == 0 || field->enterprise == DATAGRAM_REVERSE;
	default:
		/* Of times, the finer ones. */
		return field->enterprise == 0 && field->element >= ELEMENT_START_SECONDS && field->element < ELEMENT_END_NANOSECONDS - 1;
	}
}

static bool known_better(const struct datagram_template *template, size_t index)
{
	const struct datagram_field *field = &template->fields[index];

	for (size_t i = 0; i < template->count; i++) {
		const struct datagram_field *other = &template->fields[i];
		if (i != index && other->action.kind != NOTHING && other->action.kind < SYSTEM_INIT &&
		    other->action.offset == field->action.offset && (!stands_in(other) || other->element > field->element))
			return true;
	}
	return false;
}

void datagram_plan(struct datagram_template *template)
{
	size_t usable = 0;

	for (size_t i = 0; i < template->count; i++)
		if (!template->options)
			template->fields[i].action = action_of(template, &template->fields[i]);
	/* A flow has no more members than this; a template with more fields that are known is made to be slow. */
	for (size_t i = 0; i < template->count; i++)
		if (template->fields[i].action.kind != NOTHING && ++usable > 128)
			template->fields[i].action.kind = NOTHING;
	if (usable > 128)
		return;
	for (size_t i = 0; i < template->count; i++)
		if (template->fields[i].action.kind != NOTHING && stands_in(&template->fields[i]) && known_better(template, i))
			template->fields[i].action.kind = NOTHING;
}

/* A big-endian number of 1 to 8 bytes (RFC 7011, section 6.2); of longer ones the last 8. */
static uint64_t number(struct weir_bytes value)
{
	uint64_t n = 0;

	for (size_t i = value.length > 8 ? value.length - 8 : 0; i < value.length; i++)
		n = n << 8 | value.data[i];
	return n;
}

/* Numbers that the member does not hold become the greatest that it does. */
static void set_unsigned(void *member, uint8_t size, uint64_t n)
{
	switch (size) {
	case 1: *(uint8_t *)member = n > UINT8_MAX ? UINT8_MAX : (uint8_t)n; break;
	case 2: weir_store_native16(member, n > UINT16_MAX ? UINT16_MAX : (uint16_t)n); break;
	case 4: weir_store_native32(member, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n); break;
	default: weir_store_native64(member, n); break;
	}
}

static int64_t limited(uint64_t n, int64_t scale)
{
	return n > (uint64_t)(INT64_MAX / 2 / scale) ? INT64_MAX / 2 : (int64_t)n * scale;
}

/* Seconds of NTP's first era before its middle are of the second, which begins in 2036. */
static int64_t ntp_time(uint64_t ntp)
{
	uint64_t seconds = (ntp >> 32) + (ntp >> 63 ? 0 : UINT64_C(1) << 32) - NTP_EPOCH_SECONDS;

	return (int64_t)(seconds * (uint64_t)NS_PER_SECOND + ((ntp & UINT32_MAX) * (uint64_t)NS_PER_SECOND >> 32));
}

/* 32 bits of milliseconds since boot, which wrap: what seems to lie more than a week after the export was before they did. */
static int64_t uptime(const struct datagram_message *message, uint64_t ms)
{
	if (message->version == DATAGRAM_IPFIX)
		return message->boot_ns + (int64_t)(uint32_t)ms * 1000000;
	int64_t age = (message->export_ns - message->boot_ns) / 1000000 - (int64_t)(uint32_t)ms;

	if (age < -FUTURE_MS)
		age += INT64_C(1) << 32;
	return message->export_ns - age * 1000000;
}

static int application_id(struct weir_bytes value, struct weir_arena *arena, struct weir_bytes *name)
{
	if (value.length < 2)
		return 0;
	char *text = arena_take(arena, 32);
	if (!text)
		return WEIR_E_MEMORY;
	int length = snprintf(text, 32, "%u:%llu", value.data[0],
	                      (unsigned long long)number((struct weir_bytes){value.data + 1, value.length - 1}));
	*name = (struct weir_bytes){(const uint8_t *)text, (size_t)length};
	return 0;
}

/* What can only be worked out when all fields are read. */
struct later {
	int64_t system_init_ns, start_uptime_ms, end_uptime_ms;
	int64_t lasted_ns, reverse_after_ns;
};

static void set_text(void *member, size_t size, struct weir_bytes value)
{
	size_t length = value.length < size ? value.length : size - 1;

	memset(member, 0, size);
	memcpy(member, value.data, length);
}

/* Strings of fixed length are padded with zeros. */
static struct weir_bytes string_of(struct weir_bytes value, uint16_t field_length)
{
	if (field_length != DATAGRAM_VARIABLE)
		while (value.length && value.data[value.length - 1] == 0)
			value.length--;
	return value.length ? value : (struct weir_bytes){NULL, 0};
}

static void set_address(struct weir_ip *ip, struct weir_bytes value)
{
	if (value.length != 4 && value.length != 16)
		return;
	if (value.length == 16 && ip->version == 4) { /* exporters that send both leave one of them zero */
		static const uint8_t zero[16];
		if (memcmp(value.data, zero, 16) == 0)
			return;
	} else if (value.length == 4 && ip->version == 6 && number(value) == 0) {
		return;
	}
	*ip = (struct weir_ip){.version = value.length == 4 ? 4 : 6};
	memcpy(ip->bytes, value.data, value.length);
}

static int apply(const struct datagram_record *record, const struct datagram_field *field, struct weir_bytes value,
                 struct weir_arena *arena, struct weir_flow *flow, struct later *later)
{
	const struct datagram_action *action = &field->action;
	void *member = (uint8_t *)flow + action->offset;
	int64_t *time = member;

	switch ((enum kind)action->kind) {
	case NOTHING: break;
	case UNSIGNED: set_unsigned(member, action->size, number(value)); break;
	case PRESENT:
		set_unsigned(member, action->size, number(value));
		flow->has_spi = true; /* the one column that is */
		break;
	case ADDRESS: set_address(member, value); break;
	case MAC:
		if (value.length == 6) {
			memcpy(member, value.data, 6);
			flow->has_macs = true;
		}
		break;
	case SECONDS: *time = limited(number(value), NS_PER_SECOND); break;
	case MILLISECONDS: *time = limited(number(value), 1000000); break;
	case NTP_TIME:
		if (value.length == 8 && number(value) != 0)
			*time = ntp_time(number(value));
		break;
	case UPTIME:
		if (record->message->boot_ns != WEIR_NO_TIME)
			*time = uptime(record->message, number(value));
		else if (action->offset == offsetof(struct weir_flow, forward.first_ns))
			later->start_uptime_ms = (uint32_t)number(value);
		else
			later->end_uptime_ms = (uint32_t)number(value);
		break;
	case BEFORE_EXPORT: *time = record->message->export_ns - limited(number(value), 1000); break;
	case DURATION: *time = limited(number(value), 1); break;
	case STRING: *(struct weir_bytes *)member = string_of(value, field->length); break;
	case TEXT: set_text(member, action->size, value); break;
	case DSCP_OF_TOS: *(uint8_t *)member = (uint8_t)number(value) >> 2; break;
	case ICMP_TYPE_CODE:
		flow->icmp_type = (uint8_t)(number(value) >> 8);
		flow->icmp_code = (uint8_t)number(value);
		break;
	case APPLICATION_ID: return application_id(value, arena, member);
	case SYSTEM_INIT: later->system_init_ns = limited(number(value), 1000000); break;
	case LASTED_MILLISECONDS: later->lasted_ns = limited(number(value), 1000000); break;
	case LASTED_MICROSECONDS: later->lasted_ns = limited(number(value), 1000); break;
	case REVERSE_START: later->reverse_after_ns = limited(number(value), 1000000); break;
	}
	return 0;
}

static void finish(const struct datagram_record *record, const struct later *later, struct weir_flow *flow)
{
	struct weir_flow_direction *forward = &flow->forward;
	bool icmp = flow->protocol == PROTOCOL_ICMP || flow->protocol == PROTOCOL_ICMPV6;

	/* IPFIX counts from systemInitTimeMilliseconds; without it the times cannot be known. */
	if (later->system_init_ns != WEIR_NO_TIME && later->start_uptime_ms >= 0 && forward->first_ns == WEIR_NO_TIME)
		forward->first_ns = later->system_init_ns + later->start_uptime_ms * 1000000;
	if (later->system_init_ns != WEIR_NO_TIME && later->end_uptime_ms >= 0 && forward->last_ns == WEIR_NO_TIME)
		forward->last_ns = later->system_init_ns + later->end_uptime_ms * 1000000;
	if (later->lasted_ns >= 0 && forward->first_ns != WEIR_NO_TIME && forward->last_ns == WEIR_NO_TIME)
		forward->last_ns = forward->first_ns / 2 + later->lasted_ns / 2 < INT64_MAX / 2 ? forward->first_ns + later->lasted_ns : INT64_MAX;
	if (later->reverse_after_ns >= 0 && flow->reverse.packets && forward->first_ns != WEIR_NO_TIME && flow->reverse.first_ns == WEIR_NO_TIME &&
	    forward->first_ns < INT64_MAX / 4 && later->reverse_after_ns < INT64_MAX / 4)
		flow->reverse.first_ns = forward->first_ns + later->reverse_after_ns;
	if (flow->ip_version == 0)
		flow->ip_version = flow->source.version;
	/* Who counts no frames at least counts what was in them. */
	if (forward->wire_bytes == 0)
		forward->wire_bytes = forward->ip_bytes;
	if (flow->reverse.wire_bytes == 0)
		flow->reverse.wire_bytes = flow->reverse.ip_bytes;
	/* NetFlow v5 has nowhere else to put it. Others send the element for all flows, zero where it means nothing. */
	if (icmp && record->template->version == DATAGRAM_NETFLOW5) {
		flow->icmp_type = flow->destination_port >> 8;
		flow->icmp_code = flow->destination_port & 255;
	} else if (!icmp) {
		flow->icmp_type = flow->icmp_code = WEIR_NO_VALUE;
	}
}

int datagram_flow(const struct datagram_record *record, struct weir_arena *arena, struct weir_flow *flow)
{
	const struct datagram_template *template = record->template;
	struct later later = {WEIR_NO_TIME, -1, -1, -1, -1};
	struct weir_bytes value;
	size_t at = 0;
	int error = 0;

	weir_flow_clear(flow);
	for (size_t i = 0; i < template->count && !error; i++) {
		if (!datagram_value(&template->fields[i], record->bytes, &at, &value))
			break;
		if (template->fields[i].action.kind != NOTHING)
			error = apply(record, &template->fields[i], value, arena, flow, &later);
	}
	finish(record, &later, flow);
	return error;
}
