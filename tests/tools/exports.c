/*
 * exports COUNT ipfix|nf9 TARGET: exports COUNT made-up flow records, of every kind there is, the same ones for the same COUNT.
 * exports read FILE...: reads datagrams as flow records.
 * Both print the sums over both directions, "records R packets P bytes B", of what was exported or read. exports time … prints the seconds too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/flow.h>

#include "core/clock.h"

enum { BATCH = 256 };

static struct {
	uint64_t records, packets, bytes, sum;
} sums;

static void add(const struct weir_flow *flow)
{
	sums.records++;
	sums.packets += flow->forward.packets + flow->reverse.packets;
	sums.bytes += flow->forward.ip_bytes + flow->reverse.ip_bytes;
	/* Everything else too, in an order that does not matter. */
	sums.sum += (uint64_t)(flow->forward.first_ns ^ flow->reverse.last_ns) * 31 + flow->source_port * 7 + flow->destination_port + flow->vlan +
	            flow->application.length * 3 + flow->spi + (uint64_t)flow->rtt_ns + flow->icmp_type * 5 + flow->forward.retransmissions +
	            flow->source.bytes[3] * 11 + flow->outer_source.bytes[1] * 13 + flow->source_mac[5];
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static void make_direction(struct weir_flow_direction *direction, uint64_t *state, int64_t start, bool tcp)
{
	uint64_t random = next(state);

	direction->packets = 1 + random % 50;
	direction->ip_bytes = direction->packets * (40 + random % 1400);
	direction->wire_bytes = direction->ip_bytes + 14 * direction->packets;
	direction->captured_bytes = direction->wire_bytes < 152 * direction->packets ? direction->wire_bytes : 152 * direction->packets;
	direction->first_ns = start;
	direction->last_ns = start + (int64_t)(random % 90000000000);
	direction->ttl_min = direction->ttl_max = 64;
	direction->dscp = random % 64;
	if (tcp) {
		direction->tcp_flags_initial = 2;
		direction->tcp_flags = 27;
		direction->retransmissions = random % 3;
	}
}

static void make_address(struct weir_ip *ip, uint8_t version, uint64_t random)
{
	*ip = (struct weir_ip){.version = version};
	weir_store_be32(ip->bytes, version == 6 ? 0x20010db8 : 0x0a000000 | (uint32_t)(random & 0xffff));
	if (version == 6)
		weir_store_be64(ip->bytes + 8, random & 0xffff);
}

static void make_flow(struct weir_flow *flow, uint64_t number, uint64_t *state)
{
	static const uint8_t protocols[] = {6, 6, 6, 17, 17, 1, 50};
	static const char *const names[] = {"TLS", "DNS", "SMB", NULL};
	uint64_t random = next(state);
	uint8_t version = random % 5 ? 4 : 6;
	int64_t start = INT64_C(1700000000123456789) + (int64_t)number * 1000003;

	weir_flow_clear(flow);
	flow->protocol = protocols[random / 8 % sizeof protocols];
	if (flow->protocol == 1 && version == 6)
		flow->protocol = 58;
	make_address(&flow->source, version, random);
	make_address(&flow->destination, version, random >> 16);
	flow->ip_version = version;
	flow->end_reason = 1 + random % 5;
	bool tcp = flow->protocol == 6;
	if (tcp || flow->protocol == 17) {
		flow->source_port = (uint16_t)(random >> 40 | 1024);
		flow->destination_port = 443;
	} else if (flow->protocol != 50) {
		flow->icmp_type = version == 4 ? 8 : 128;
		flow->icmp_code = 0;
	} else {
		flow->spi = (uint32_t)random;
		flow->has_spi = true;
	}
	make_direction(&flow->forward, state, start, tcp);
	if (random % 3)
		make_direction(&flow->reverse, state, start + 250000, tcp);
	if (tcp && random % 3)
		flow->rtt_ns = (int64_t)(random % 100000000);
	if (random % 4 == 0)
		flow->vlan = random % 4095;
	if (random % 16) {
		weir_store_be32(flow->source_mac + 2, (uint32_t)random);
		flow->has_macs = true;
	}
	if (random % 32 == 0) {
		make_address(&flow->outer_source, random % 64 ? 4 : 6, random);
		make_address(&flow->outer_destination, random % 64 ? 4 : 6, random);
	}
	const char *name = names[random / 64 % 4];
	if (name)
		flow->application = (struct weir_bytes){(const uint8_t *)name, strlen(name)};
	strcpy(flow->community_id, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	flow->sequence = number + 1;
}

static int report(const struct weir_fault *fault)
{
	char text[1200];

	fprintf(stderr, "%s\n", weir_fault_text(fault, text, sizeof text));
	return 1;
}

static int export_flows(uint64_t count, const char *format, const char *target)
{
	static struct weir_flow flows[BATCH];
	struct weir_flow_sink *sink;
	struct weir_fault fault;
	uint64_t state = count;

	if (weir_flow_export_open(target, strcmp(format, "ipfix") == 0 ? WEIR_EXPORT_IPFIX : WEIR_EXPORT_NETFLOW9, &sink, &fault) < 0)
		return report(&fault);
	int error = 0;
	for (uint64_t done = 0; done < count && !error;) {
		size_t n = count - done < BATCH ? (size_t)(count - done) : BATCH;
		for (size_t i = 0; i < n; i++, done++) {
			make_flow(&flows[i], done, &state);
			add(&flows[i]);
		}
		error = sink->ops->write(sink, flows, n, &fault);
	}
	if (!error)
		error = sink->ops->finish(sink, &fault);
	sink->ops->close(sink);
	return error ? report(&fault) : 0;
}

static int read_flows(const char *const *paths, size_t count)
{
	static struct weir_flow flows[BATCH];
	struct weir_flow_source *source;
	struct weir_fault fault;
	int n = weir_flow_datagrams_read_many(paths, count, NULL, &source, &fault);

	if (n < 0)
		return report(&fault);
	while ((n = source->ops->fill(source, flows, BATCH, &fault)) > 0)
		for (int i = 0; i < n; i++)
			add(&flows[i]);
	source->ops->close(source);
	return n < 0 ? report(&fault) : 0;
}

int main(int argc, char **argv)
{
	int64_t before = clock_monotonic_ns();
	bool timed = argc > 1 && strcmp(argv[1], "time") == 0;

	argv += timed;
	argc -= timed;
	if (argc < 3)
		return 2;
	int status = strcmp(argv[1], "read") == 0 ? read_flows((const char *const *)argv + 2, (size_t)argc - 2)
	             : argc == 4                  ? export_flows(strtoull(argv[1], NULL, 10), argv[2], argv[3])
	                                          : 2;
	printf("records %" PRIu64 " packets %" PRIu64 " bytes %" PRIu64 " sum %016" PRIx64 "\n", sums.records, sums.packets, sums.bytes, sums.sum);
	if (timed)
		printf("%.3f s\n", (double)(clock_monotonic_ns() - before) / 1e9);
	return status;
}
