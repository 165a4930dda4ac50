/* Interfaces, softnet and the protocols' counters: /proc/net. */
#include <stdio.h>

#include "box/linux/counters_sources.h"

/* ---- /proc/net/dev ---- */

static const struct field {
	const char *name, *meaning;
	enum counter_unit unit;
} interface_fields[] = {
	{"received_bytes", "", COUNTER_BYTES},
	{"received_packets", "", COUNTER_PACKETS},
	{"received_errors", "bad packets of every kind", COUNTER_PACKETS},
	{"received_dropped", "dropped by card, driver or stack before a protocol saw them; with those that the card missed", COUNTER_PACKETS},
	{"received_fifo_errors", "lost since the card's own buffer was full", COUNTER_PACKETS},
	{"received_frame_errors", "bad length, checksum or alignment, or too long for the ring", COUNTER_PACKETS},
	{"received_compressed", "", COUNTER_PACKETS},
	{"received_multicast", "", COUNTER_PACKETS},
	{"sent_bytes", "", COUNTER_BYTES},
	{"sent_packets", "", COUNTER_PACKETS},
	{"sent_errors", "", COUNTER_PACKETS},
	{"sent_dropped", "dropped on the way out, for want of room or by a queueing discipline without one", COUNTER_PACKETS},
	{"sent_fifo_errors", "", COUNTER_PACKETS},
	{"collisions", "", COUNTER_NUMBER},
	{"sent_carrier_errors", "no carrier, aborted, out of window or heartbeat", COUNTER_PACKETS},
	{"sent_compressed", "", COUNTER_PACKETS},
};

bool take_interface(struct weir_bytes *line, struct weir_bytes *name)
{
	while (line->length && *line->data == ' ') {
		line->data++;
		line->length--;
	}
	const uint8_t *colon = line->length ? memrchr(line->data, ':', line->length) : NULL;
	if (!colon || colon == line->data)
		return false;
	*name = (struct weir_bytes){line->data, (size_t)(colon - line->data)};
	line->length -= name->length + 1;
	line->data = colon + 1;
	return true;
}

static void parse_interfaces(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, name;
	while (take_line(&text, &line)) {
		if (!take_interface(&line, &name))
			continue;
		for (size_t i = 0; i < sizeof interface_fields / sizeof interface_fields[0]; i++) {
			const struct field *field = &interface_fields[i];
			uint64_t number;
			if (!take_number(&line, &number))
				break;
			counter_put(sink, &(struct counter_value){.group = "interface",
			                                          .instance = name,
			                                          .name = bytes_of(field->name),
			                                          .meaning = field->meaning,
			                                          .unit = field->unit,
			                                          .whole = number});
		}
	}
}

const struct counter_source interface_source = {.groups = "interface", .path = "/proc/net/dev", .parse = parse_interfaces};

/* ---- /proc/net/softnet_stat ---- */

/* By their places in a line; kernels before 5.10 have fewer, and do not say which CPU it is. */
static const struct softnet_field {
	unsigned place;
	const char *name, *meaning;
	enum counter_kind kind;
} softnet_fields[] = {
	{0, "processed", "packets that the CPU took from rings and backlog", COUNTER_TOTAL},
	{1, "dropped", "packets dropped since the backlog of the CPU was full (net.core.netdev_max_backlog)", COUNTER_TOTAL},
	{2, "time_squeeze", "times that work was left over since its budget or time was used up (net.core.netdev_budget)", COUNTER_TOTAL},
	{9, "received_rps", "times that another CPU woke this one for packets that it had steered here", COUNTER_TOTAL},
	{10, "flow_limit", "packets dropped by the limit of a single flow's share of the backlog", COUNTER_TOTAL},
	{11, "backlog", "packets that wait for the CPU", COUNTER_LEVEL},
};
#define SOFTNET_FIELDS (sizeof softnet_fields / sizeof softnet_fields[0])
#define SOFTNET_CPU 12
#define SOFTNET_COLUMNS 16

static bool hex_of(struct weir_bytes word, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < word.length; i++) {
		uint8_t c = word.data[i];
		unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10u : 16;
		if (digit > 15 || i >= 16)
			return false;
		*number = *number << 4 | digit;
	}
	return word.length > 0;
}

static void put_softnet(struct counter_sink *sink, const char *instance, const uint64_t *columns, size_t count)
{
	for (size_t i = 0; i < SOFTNET_FIELDS; i++) {
		const struct softnet_field *field = &softnet_fields[i];
		if (field->place < count)
			counter_put(sink, &(struct counter_value){.group = "softnet",
			                                          .instance = bytes_of(instance),
			                                          .name = bytes_of(field->name),
			                                          .meaning = field->meaning,
			                                          .kind = field->kind,
			                                          .unit = field->place == 2 || field->place == 9 ? COUNTER_NUMBER : COUNTER_PACKETS,
			                                          .whole = columns[field->place],
			                                          .wraps_at = UINT64_C(1) << 32});
	}
}

static void parse_softnet(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, word;
	uint64_t sums[SOFTNET_COLUMNS] = {0};
	size_t least = SOFTNET_COLUMNS;
	unsigned lines = 0;
	while (take_line(&text, &line)) {
		uint64_t columns[SOFTNET_COLUMNS];
		size_t count = 0;
		char instance[16];
		while (count < SOFTNET_COLUMNS && take_word(&line, &word) && hex_of(word, &columns[count]))
			count++;
		if (count <= 2)
			continue;
		snprintf(instance, sizeof instance, "cpu%u", count > SOFTNET_CPU ? (unsigned)columns[SOFTNET_CPU] : lines);
		put_softnet(sink, instance, columns, count);
		for (size_t i = 0; i < count; i++)
			sums[i] += columns[i];
		least = count < least ? count : least;
		lines++;
	}
	if (lines)
		put_softnet(sink, "all", sums, least);
}

const struct counter_source softnet_source = {.groups = "softnet", .path = "/proc/net/softnet_stat", .parse = parse_softnet};

/* ---- /proc/net/snmp and netstat: a line of names, a line of values ---- */

static const char *const levels[] = {
	"ip.Forwarding", "ip.DefaultTTL", "tcp.RtoAlgorithm", "tcp.RtoMin", "tcp.RtoMax", "tcp.MaxConn", "tcp.CurrEstab", "mptcpext.MPCurrEstab",
};

static enum counter_kind kind_of(const char *group, struct weir_bytes name)
{
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		size_t length = strcspn(levels[i], ".");
		if (strlen(group) == length && strncmp(levels[i], group, length) == 0 && bytes_are(name, levels[i] + length + 1))
			return COUNTER_LEVEL;
	}
	return COUNTER_TOTAL;
}

static bool ends_in(struct weir_bytes name, const char *end)
{
	size_t length = strlen(end);
	return name.length >= length && memcmp(name.data + name.length - length, end, length) == 0;
}

/* The groups that kernels have. */
static const struct {
	const char *kernel, *group;
} protocol_groups[] = {
	{"Ip", "ip"},   {"Icmp", "icmp"},       {"IcmpMsg", "icmpmsg"}, {"Tcp", "tcp"},
	{"Udp", "udp"}, {"UdpLite", "udplite"}, {"TcpExt", "tcpext"},   {"IpExt", "ipext"}, {"MPTcpExt", "mptcpext"},
};

static const char *group_of(struct weir_bytes name)
{
	for (size_t i = 0; i < sizeof protocol_groups / sizeof protocol_groups[0]; i++)
		if (bytes_are(name, protocol_groups[i].kernel))
			return protocol_groups[i].group;
	return NULL;
}

/* Values may be below zero: MaxConn is -1 where there is no limit. */
static bool take_signed(struct weir_bytes *line, uint64_t *number, bool *negative)
{
	struct weir_bytes word;
	if (!take_word(line, &word))
		return false;
	*negative = word.data[0] == '-';
	if (*negative) {
		word.data++;
		word.length--;
	}
	if (!number_of(word, number))
		return false;
	if (*negative)
		*number = 0 - *number;
	return true;
}

static void put_pairs(struct counter_sink *sink, const char *group, struct weir_bytes names, struct weir_bytes values)
{
	struct weir_bytes name;
	uint64_t number;
	bool negative;
	while (take_word(&names, &name) && take_signed(&values, &number, &negative))
		counter_put(sink, &(struct counter_value){.group = group,
		                                          .name = name,
		                                          .kind = kind_of(group, name),
		                                          .unit = ends_in(name, "Octets") ? COUNTER_BYTES : COUNTER_NUMBER,
		                                          .whole = number,
		                                          .negative = negative});
}

static void parse_pairs(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes names, values, before, after;
	while (take_line(&text, &names) && take_line(&text, &values)) {
		if (!take_word(&names, &before) || !take_word(&values, &after) || before.length != after.length ||
		    memcmp(before.data, after.data, before.length) != 0 || before.data[before.length - 1] != ':')
			continue;
		before.length--;
		const char *group = group_of(before);
		if (group)
			put_pairs(sink, group, names, values);
	}
}

const struct counter_source snmp_source = {.groups = "ip icmp icmpmsg tcp udp udplite", .path = "/proc/net/snmp", .parse = parse_pairs};
const struct counter_source netstat_source = {.groups = "tcpext ipext mptcpext", .path = "/proc/net/netstat", .parse = parse_pairs};

/* ---- /proc/net/snmp6: a name and a value a line ---- */

static const struct {
	const char *kernel, *group;
} protocol6_groups[] = {{"UdpLite6", "udplite6"}, {"Udp6", "udp6"}, {"Icmp6", "icmp6"}, {"Ip6", "ip6"}};

static void parse_snmp6(struct counter_sink *sink, struct weir_bytes text)
{
	struct weir_bytes line, name;
	while (take_line(&text, &line)) {
		uint64_t number;
		if (!take_word(&line, &name) || !take_number(&line, &number))
			continue;
		for (size_t i = 0; i < sizeof protocol6_groups / sizeof protocol6_groups[0]; i++) {
			size_t length = strlen(protocol6_groups[i].kernel);
			if (name.length <= length || memcmp(name.data, protocol6_groups[i].kernel, length) != 0)
				continue;
			name.data += length;
			name.length -= length;
			counter_put(sink, &(struct counter_value){.group = protocol6_groups[i].group,
			                                          .name = name,
			                                          .unit = ends_in(name, "Octets") ? COUNTER_BYTES : COUNTER_NUMBER,
			                                          .whole = number});
			break;
		}
	}
}

const struct counter_source snmp6_source = {.groups = "ip6 icmp6 udp6 udplite6",
                                            .path = "/proc/net/snmp6",
                                            .parse = parse_snmp6,
                                            .often_missing = true};
