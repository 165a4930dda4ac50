/*
 * Makes flow records of every kind and writes them: records COUNT SEED usual|odd csv|json|parquet FILE. usual: as a network of 300 hosts makes them; odd: with
 * extremes, missing values and strings that are no text.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/flow.h>

#define START_NS INT64_C(1700000000000000000)

static uint64_t state;

/* splitmix64 */
static uint64_t any(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t below(uint64_t limit) { return any() % limit; }

/* Small numbers far more often than large ones. */
static uint64_t skewed(unsigned bits) { return any() >> (64 - bits + below(bits)); }

static struct weir_bytes string(const char *text) { return (struct weir_bytes){(const uint8_t *)text, strlen(text)}; }

static struct weir_ip address(bool six)
{
	struct weir_ip ip = {.version = six ? 6 : 4};
	uint64_t host = skewed(9) % 300;

	if (six) {
		memcpy(ip.bytes, "\x20\x01\x0d\xb8", 4);
		weir_store_be16(ip.bytes + 14, (uint16_t)host);
	} else {
		memcpy(ip.bytes, "\x0a\x01", 2);
		weir_store_be16(ip.bytes + 2, (uint16_t)host);
	}
	return ip;
}

static void direction(struct weir_flow_direction *d, int64_t start)
{
	d->packets = 1 + skewed(12);
	d->first_ns = start;
	d->last_ns = d->packets > 1 ? start + (int64_t)below(UINT64_C(60000000000)) : start;
	d->wire_bytes = d->packets * (60 + below(1440));
	d->ip_bytes = d->wire_bytes - d->packets * 14;
	d->captured_bytes = d->packets * 60 + skewed(10);
	d->retransmissions = below(20) ? 0 : (uint32_t)skewed(5);
	d->tcp_flags_initial = 2;
	d->tcp_flags = (uint8_t)(0x1b & any());
	d->ttl_min = d->ttl_max = (uint8_t)(64 - below(4));
}

static void make_usual(struct weir_flow *flow, uint64_t number)
{
	static const char *const names[] = {"TLS", "SMB", "DNS", "Kerberos", "LDAP", "HTTP", "RDP", "NFS"};
	static const char *const categories[] = {"web", "file", "name service", "directory", "directory", "web", "remote desktop", "file"};
	static const char *const evidences[] = {"port", "sni", "signature"};
	static char server[64];
	bool six = below(7) == 0;
	size_t application = skewed(3) % 8;
	uint16_t ports[] = {443, 445, 53, 88, 389, 80, 3389, 2049};

	weir_flow_clear(flow);
	flow->sequence = number;
	flow->source = address(six);
	flow->destination = address(six);
	flow->source_port = (uint16_t)(49152 + below(16384));
	flow->destination_port = ports[application];
	flow->protocol = application == 2 ? 17 : 6;
	flow->ip_version = six ? 6 : 4;
	flow->end_reason = (uint8_t)(1 + below(4));
	flow->has_macs = true;
	flow->source_mac[5] = flow->source.bytes[3];
	flow->destination_mac[5] = flow->destination.bytes[3];
	direction(&flow->forward, START_NS + (int64_t)number * 100000 + (int64_t)below(UINT64_C(2000000000)));
	if (below(10))
		direction(&flow->reverse, flow->forward.first_ns + (int64_t)below(5000000));
	if (flow->protocol == 6 && flow->reverse.packets)
		flow->rtt_ns = (int64_t)(100000 + skewed(24));
	flow->application = string(names[application]);
	flow->category = string(categories[application]);
	flow->evidence = string(evidences[below(3)]);
	if (application == 0) {
		snprintf(server, sizeof server, "www%d.example.net", (int)skewed(9));
		flow->server_name = string(server);
	}
	flow->vantages = string(below(4) ? "span1" : "span1,span2");
	weir_community_id(&flow->source, &flow->destination, flow->protocol, flow->source_port, flow->destination_port, 0, flow->community_id);
}

/* Any value at all where one may stand, and none in places. */
static void make_odd(struct weir_flow *flow, uint64_t number)
{
	static const char *const strings[] = {"", "a,b", "say \"it\"", "two\nlines\r", "\xff\xfe no text \xc3", "\xe6\xb0\xb4\xe9\x96\x80", "'; drop", "\\N", "NULL", "\t x "};
	const struct weir_flow_column *columns;
	size_t count;

	columns = weir_flow_columns(&count);
	make_usual(flow, number);
	for (size_t c = 0; c < count; c++) {
		void *member = (uint8_t *)flow + columns[c].offset;
		bool none = below(3) == 0;
		uint64_t value = below(8) ? skewed(columns[c].size * 8 > 40 ? 40 : columns[c].size * 8) : columns[c].size < 8 ? any() : any() >> 20;
		if (strcmp(columns[c].name, "record") == 0)
			continue;
		switch (columns[c].type) {
		case WEIR_COLUMN_UNSIGNED:
			if (columns[c].present)
				*(bool *)((uint8_t *)flow + columns[c].present) = !none;
			memcpy(member, &value, columns[c].size);
			if (columns[c].no_value && none)
				memset(member, 0xff, columns[c].size);
			break;
		case WEIR_COLUMN_TIME:
			/* Before 1970 in whole µs: DuckDB, which has no more, cuts them upwards in Parquet and downwards in text. */
			*(int64_t *)member = none ? WEIR_NO_TIME : below(50) ? START_NS + (int64_t)skewed(60) : -(int64_t)skewed(52) * 1000;
			break;
		case WEIR_COLUMN_DURATION: *(int64_t *)member = none ? WEIR_NO_TIME : (int64_t)skewed(50) - 1000; break;
		case WEIR_COLUMN_IP:
			*(struct weir_ip *)member = none ? (struct weir_ip){.version = 0} : address(below(2));
			break;
		case WEIR_COLUMN_MAC: memcpy(member, &value, 6); break;
		case WEIR_COLUMN_STRING:
			*(struct weir_bytes *)member = none ? (struct weir_bytes){NULL, 0} : string(strings[below(sizeof strings / sizeof *strings)]);
			break;
		default:
			if (none)
				*(char *)member = '\0';
		}
	}
}

static int open_sink(const char *format, const char *path, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	if (strcmp(format, "csv") == 0)
		return weir_flow_csv_open(path, sink, fault);
	if (strcmp(format, "json") == 0)
		return weir_flow_json_open(path, sink, fault);
	if (strcmp(format, "parquet") == 0)
		return weir_flow_parquet_open(path, &(struct weir_parquet_options){.row_group_rows = 5000}, sink, fault);
	return weir_fail(fault, WEIR_E_USAGE, "no format '%s'", format);
}

int main(int argc, char **argv)
{
	struct weir_flow flow;
	struct weir_flow_sink *sink = NULL;
	struct weir_fault fault;
	char text[1200];

	if (argc != 6) {
		fprintf(stderr, "usage: records COUNT SEED usual|odd csv|json|parquet FILE\n");
		return 2;
	}
	uint64_t count = strtoull(argv[1], NULL, 10);
	state = strtoull(argv[2], NULL, 10);
	int code = open_sink(argv[4], argv[5], &sink, &fault);
	for (uint64_t done = 0; code == 0 && done < count;) {
		if (strcmp(argv[3], "odd") == 0)
			make_odd(&flow, ++done);
		else
			make_usual(&flow, ++done);
		code = sink->ops->write(sink, &flow, 1, &fault);
	}
	if (code == 0)
		code = sink->ops->finish(sink, &fault);
	if (sink)
		sink->ops->close(sink);
	if (code < 0)
		fprintf(stderr, "records: %s\n", weir_fault_text(&fault, text, sizeof text));
	return code < 0;
}
