/*
 * NetFlow v9 (RFC 3954). Its records tell of one direction, so a biflow is sent as two, each with the sender as source: collectors that count
 * bytes and packets then count all of them, whether or not they know OUT_BYTES.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "flow/export.h"
#include "flow/value.h"

enum {
	VERSION = 9,
	HEADER = 20,
	SET_HEADER = 4,
	SET_TEMPLATES = 0,
	SET_OPTIONS = 1,
	TEMPLATE_IPV4 = 256,
	TEMPLATE_IPV6 = 257,
	TEMPLATE_OPTIONS = 258,
	FIELDS_MAX = 32,
	FIELD_TOS = 5,
	FIELD_FIRST = 22,
	FIELD_ICMP = 32, /* type * 256 + code */
	SCOPE_SYSTEM = 1,
};
#define MS_DAY INT64_C(86400000)
#define NS_PER_MS INT64_C(1000000)

/* Fields that the two ends of a flow have, each the other's in the reverse direction. */
static const struct {
	uint16_t type, other, type_ipv6;
} ends[] = {{8, 12, 27}, {12, 8, 28}, {7, 11, 0}, {11, 7, 0}, {56, 80, 0}, {80, 56, 0}};

struct field {
	const struct weir_flow_column *forward, *reverse; /* where the value is, by direction */
	uint16_t type, type_ipv6;
	uint8_t length, length_ipv6;
};

struct netflow9 {
	struct weir_flow_sink sink;
	struct export_target *target;
	enum export_kind kind;
	struct field fields[FIELDS_MAX];
	size_t field_count;
	uint8_t datagram[EXPORT_DATAGRAM];
	size_t length, set; /* set: where the open data set begins; 0: none */
	uint16_t set_id, count;
	uint32_t sequence;
	int64_t boot_ms;   /* times are sent in ms since then */
	int64_t newest_ms; /* of the records so far */
	bool begun;
	uint32_t since_templates; /* datagrams */
	int64_t templates_ns;     /* when they were sent last */
	uint64_t flows, packets;
};

static const struct weir_flow_column *column_of_type(uint16_t type, bool reverse)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t i = 0; i < count; i++)
		if (columns[i].netflow9 == type && columns[i].reverse == reverse)
			return &columns[i];
	return NULL;
}

static uint8_t length_of(const struct weir_flow_column *column)
{
	switch (column->type) {
	case WEIR_COLUMN_TIME: return 4;
	case WEIR_COLUMN_IP: return 4;
	case WEIR_COLUMN_UNSIGNED: return column->netflow9 == FIELD_ICMP || column->no_value ? 2 : column->size;
	default: return column->size;
	}
}

/* The template, from the table of columns. */
static void make_fields(struct netflow9 *netflow)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t i = 0; i < count && netflow->field_count < FIELDS_MAX; i++) {
		const struct weir_flow_column *column = &columns[i];
		if (column->netflow9 == 0 || column->reverse)
			continue;
		struct field *field = &netflow->fields[netflow->field_count++];
		uint8_t length = length_of(column);
		*field = (struct field){column, column_of_type(column->netflow9, true), column->netflow9, column->netflow9, length, length};
		for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++)
			if (ends[e].type == column->netflow9) {
				field->reverse = column_of_type(ends[e].other, false);
				if (ends[e].type_ipv6) {
					field->type_ipv6 = ends[e].type_ipv6;
					field->length_ipv6 = 16;
				}
			}
		if (!field->reverse)
			field->reverse = column;
	}
}

static size_t record_bytes(const struct netflow9 *netflow, bool ipv6)
{
	size_t bytes = 0;

	for (size_t i = 0; i < netflow->field_count; i++)
		bytes += ipv6 ? netflow->fields[i].length_ipv6 : netflow->fields[i].length;
	return bytes;
}

static void close_set(struct netflow9 *netflow)
{
	if (!netflow->set)
		return;
	while ((netflow->length - netflow->set) % 4)
		netflow->datagram[netflow->length++] = 0;
	weir_store_be16(netflow->datagram + netflow->set + 2, (uint16_t)(netflow->length - netflow->set));
	netflow->set = 0;
}

static void open_set(struct netflow9 *netflow, uint16_t id)
{
	close_set(netflow);
	netflow->set = netflow->length;
	netflow->set_id = id;
	weir_store_be16(netflow->datagram + netflow->length, id);
	netflow->length += SET_HEADER;
}

/*
 * The head's time. In a file it is that of the newest record, so that the same records make the same bytes; on the network it is now, unless
 * the records are so old that the uptime would not reach to them.
 */
static int64_t export_seconds(const struct netflow9 *netflow)
{
	int64_t now = clock_wall_ns() / NS_PER_SECOND;

	if (netflow->kind != EXPORT_FILE && now * 1000 > netflow->newest_ms && now * 1000 - netflow->boot_ms <= (int64_t)UINT32_MAX)
		return now;
	return netflow->newest_ms / 1000 + 1;
}

static int send_datagram(struct netflow9 *netflow, struct weir_fault *fault)
{
	uint8_t *head = netflow->datagram;
	int64_t seconds = export_seconds(netflow);

	if (netflow->length == HEADER)
		return 0;
	close_set(netflow);
	weir_store_be16(head, VERSION);
	weir_store_be16(head + 2, netflow->count);
	weir_store_be32(head + 4, (uint32_t)(seconds * 1000 - netflow->boot_ms));
	weir_store_be32(head + 8, (uint32_t)seconds);
	weir_store_be32(head + 12, netflow->sequence++);
	weir_store_be32(head + 16, 0);
	int error = export_target_send(netflow->target, head, netflow->length, fault);
	netflow->length = HEADER;
	netflow->count = 0;
	netflow->since_templates++;
	return error;
}

static void put16(struct netflow9 *netflow, uint16_t n)
{
	weir_store_be16(netflow->datagram + netflow->length, n);
	netflow->length += 2;
}

static void put32(struct netflow9 *netflow, uint32_t n)
{
	weir_store_be32(netflow->datagram + netflow->length, n);
	netflow->length += 4;
}

static void put64(struct netflow9 *netflow, uint64_t n)
{
	weir_store_be64(netflow->datagram + netflow->length, n);
	netflow->length += 8;
}

/* What the exporter did: flows and packets so far, and that it does not sample. */
static void put_options(struct netflow9 *netflow)
{
	static const uint16_t options[][2] = {{SCOPE_SYSTEM, 4}, {42, 8}, {41, 8}, {34, 4}, {35, 1}};

	open_set(netflow, SET_OPTIONS);
	put16(netflow, TEMPLATE_OPTIONS);
	put16(netflow, 4);
	put16(netflow, (sizeof options / sizeof options[0] - 1) * 4);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		put16(netflow, options[i][0]);
		put16(netflow, options[i][1]);
	}
	open_set(netflow, TEMPLATE_OPTIONS);
	put32(netflow, 0);
	put64(netflow, netflow->flows);
	put64(netflow, netflow->packets);
	put32(netflow, 1);
	netflow->datagram[netflow->length++] = 1;
	netflow->count += 2;
}

static void put_templates(struct netflow9 *netflow)
{
	open_set(netflow, SET_TEMPLATES);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		put16(netflow, ipv6 ? TEMPLATE_IPV6 : TEMPLATE_IPV4);
		put16(netflow, (uint16_t)netflow->field_count);
		for (size_t i = 0; i < netflow->field_count; i++) {
			const struct field *field = &netflow->fields[i];
			put16(netflow, ipv6 ? field->type_ipv6 : field->type);
			put16(netflow, ipv6 ? field->length_ipv6 : field->length);
		}
		netflow->count++;
	}
	put_options(netflow);
	close_set(netflow);
	netflow->since_templates = 0;
	netflow->templates_ns = netflow->kind == EXPORT_FILE ? 0 : clock_monotonic_ns();
}

static bool templates_due(const struct netflow9 *netflow)
{
	return netflow->since_templates >= EXPORT_TEMPLATES_EVERY ||
	       (netflow->kind != EXPORT_FILE && netflow->length == HEADER &&
	        clock_monotonic_ns() - netflow->templates_ns > EXPORT_TEMPLATES_SECONDS * NS_PER_SECOND);
}

/* Brings first and last within what 32 bits of milliseconds since boot can say. */
static int fit_times(struct netflow9 *netflow, int64_t *first_ms, int64_t last_ms, struct weir_fault *fault)
{
	int64_t newest_ms = netflow->begun && netflow->newest_ms > last_ms ? netflow->newest_ms : last_ms;
	int error = 0;

	if (!netflow->begun || *first_ms < netflow->boot_ms || newest_ms + 1000 - netflow->boot_ms > (int64_t)UINT32_MAX) {
		/* The head's time and uptime are of all records behind it. Times of flows that last longer than 47 days are cut. */
		error = netflow->begun ? send_datagram(netflow, fault) : 0;
		if (newest_ms - *first_ms > (int64_t)UINT32_MAX - 2 * MS_DAY)
			*first_ms = newest_ms - ((int64_t)UINT32_MAX - 2 * MS_DAY);
		netflow->boot_ms = (*first_ms - MS_DAY) / 1000 * 1000;
		netflow->begun = true;
	}
	netflow->newest_ms = newest_ms;
	return error;
}

struct times {
	int64_t first_ms, last_ms;
};

static void put_field(struct netflow9 *netflow, const struct field *field, bool reverse, bool ipv6, const struct weir_flow *flow,
                      const struct times *times)
{
	const struct weir_flow_column *column = reverse ? field->reverse : field->forward;
	const uint8_t *member = value_member(column, flow);
	uint8_t length = ipv6 ? field->length_ipv6 : field->length;
	uint8_t *out = netflow->datagram + netflow->length;
	uint64_t number = 0;

	netflow->length += length;
	if (column->type == WEIR_COLUMN_IP || column->type == WEIR_COLUMN_MAC) {
		memcpy(out, member, length); /* of an address the bytes come first; without one they are zero */
		return;
	}
	if (column->type == WEIR_COLUMN_TIME)
		number = (uint64_t)((field->type == FIELD_FIRST ? times->first_ms : times->last_ms) - netflow->boot_ms);
	else if (value_present(column, flow))
		number = value_number(column, flow);
	if (field->type == FIELD_TOS)
		number <<= 2;
	else if (field->type == FIELD_ICMP && value_present(column, flow))
		number = number << 8 | (flow->icmp_code & 255);
	for (uint8_t i = length; i-- > 0; number >>= 8)
		out[i] = (uint8_t)number;
}

/* One direction of a flow. */
static int put_direction(struct netflow9 *netflow, const struct weir_flow *flow, bool reverse, struct weir_fault *fault)
{
	const struct weir_flow_direction *direction = reverse ? &flow->reverse : &flow->forward;
	const struct weir_flow_direction *other = reverse ? &flow->forward : &flow->reverse;
	bool ipv6 = flow->source.version == 6;
	uint16_t id = ipv6 ? TEMPLATE_IPV6 : TEMPLATE_IPV4;
	int64_t first = direction->first_ns != WEIR_NO_TIME ? direction->first_ns : other->first_ns;
	int64_t last = direction->last_ns != WEIR_NO_TIME ? direction->last_ns : other->last_ns;

	if (first == WEIR_NO_TIME)
		first = last != WEIR_NO_TIME ? last : netflow->newest_ms * NS_PER_MS;
	if (last < first)
		last = first;
	struct times times = {first / NS_PER_MS, last / NS_PER_MS};
	int error = fit_times(netflow, &times.first_ms, times.last_ms, fault);
	if (error)
		return error;
	if (templates_due(netflow)) {
		error = send_datagram(netflow, fault);
		put_templates(netflow);
	}
	if (!error && netflow->length + SET_HEADER + record_bytes(netflow, ipv6) + 3 > sizeof netflow->datagram)
		error = send_datagram(netflow, fault);
	if (error)
		return error;
	if (!netflow->set || netflow->set_id != id)
		open_set(netflow, id);
	for (size_t i = 0; i < netflow->field_count; i++)
		put_field(netflow, &netflow->fields[i], reverse, ipv6, flow, &times);
	netflow->count++;
	netflow->flows++;
	netflow->packets += direction->packets;
	return 0;
}

static int netflow9_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct netflow9 *netflow = (struct netflow9 *)sink;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		bool answered = flows[i].reverse.packets != 0;
		if (flows[i].forward.packets || !answered)
			error = put_direction(netflow, &flows[i], false, fault);
		if (!error && answered)
			error = put_direction(netflow, &flows[i], true, fault);
	}
	return error;
}

static int netflow9_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct netflow9 *netflow = (struct netflow9 *)sink;
	int error = send_datagram(netflow, fault);

	/* The templates once more, with what was sent in all. */
	if (!error && netflow->begun) {
		put_templates(netflow);
		error = send_datagram(netflow, fault);
	}
	return error ? error : export_target_finish(netflow->target, fault);
}

static void netflow9_close(struct weir_flow_sink *sink)
{
	struct netflow9 *netflow = (struct netflow9 *)sink;

	export_target_close(netflow->target);
	free(netflow);
}

static const struct weir_flow_sink_ops ops = {
	.name = "NetFlow v9", .write = netflow9_write, .finish = netflow9_finish, .close = netflow9_close};

int export_netflow9_new(struct export_target *target, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct netflow9 *netflow = calloc(1, sizeof *netflow);

	if (!netflow) {
		export_target_close(target);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to export flows");
	}
	netflow->sink.ops = &ops;
	netflow->target = target;
	netflow->kind = export_target_kind(target);
	netflow->length = HEADER;
	netflow->since_templates = EXPORT_TEMPLATES_EVERY; /* before the first record */
	make_fields(netflow);
	*sink = &netflow->sink;
	return 0;
}
