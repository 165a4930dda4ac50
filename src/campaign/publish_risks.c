/*
 * What no search finds: how far hosts and flows stand out by what hiding leaves as it is. Numbers for the data sheet, bounded: of hosts RISK_HOSTS, of sizes of
 * flows RISK_SIZES are told apart; the rest is counted.
 */
#include <stdlib.h>
#include <string.h>

#include "campaign/publish.h"
#include "core/xxh3.h"

#define RISK_HOSTS 65536u
#define RISK_SIZES (1u << 20)
#define SCAN_LEAST 20

struct risk_host {
	struct weir_ip address; /* as published */
	uint32_t used;
	uint64_t ports;      /* a sum of hashes of the ports that it serves: the same for the same set … */
	uint64_t served[16]; /* … with a filter of those that are in it */
	uint32_t hours;      /* of the day, in which it was active: a bit each */
	uint32_t calls;      /* others that it called on the port it calls most lately, or ports of one host */
	struct weir_ip last_called;
	uint16_t last_port;
	bool scanned;
};

struct risk_size {
	uint64_t key;
	uint32_t count;
};

struct risks {
	struct risk_host hosts[RISK_HOSTS];
	uint32_t host_slots[RISK_HOSTS * 2];
	uint32_t host_count;
	struct risk_size sizes[RISK_SIZES * 2];
	uint64_t size_count, more_hosts, more_sizes, flows;
};

struct risks *risks_new(void) { return calloc(1, sizeof(struct risks)); }
void risks_free(struct risks *risks) { free(risks); }

static struct risk_host *host_of(struct risks *risks, const struct weir_ip *address)
{
	for (size_t at = xxh3_of(address, sizeof *address) % (RISK_HOSTS * 2);; at = (at + 1) % (RISK_HOSTS * 2)) {
		uint32_t *slot = &risks->host_slots[at];
		if (*slot == 0) {
			if (risks->host_count == RISK_HOSTS) {
				risks->more_hosts++;
				return NULL;
			}
			risks->hosts[risks->host_count].address = *address;
			*slot = ++risks->host_count;
			return &risks->hosts[*slot - 1];
		}
		if (memcmp(&risks->hosts[*slot - 1].address, address, sizeof *address) == 0)
			return &risks->hosts[*slot - 1];
	}
}

static void see_size(struct risks *risks, const struct weir_flow *flow)
{
	uint64_t values[5] = {flow->forward.packets, flow->forward.ip_bytes, flow->reverse.packets, flow->reverse.ip_bytes,
	                      flow->protocol};
	uint64_t key = xxh3_of(values, sizeof values) | 1;

	risks->flows++;
	for (size_t at = key % (RISK_SIZES * 2);; at = (at + 1) % (RISK_SIZES * 2)) {
		struct risk_size *size = &risks->sizes[at];
		if (size->key == 0) {
			if (risks->size_count == RISK_SIZES) {
				risks->more_sizes++;
				return;
			}
			risks->size_count++;
			size->key = key;
		} else if (size->key != key) {
			continue;
		}
		size->count += size->count < UINT32_MAX;
		return;
	}
}

static void see_hours(struct risk_host *host, const struct weir_flow *flow)
{
	int64_t hour = flow->forward.first_ns / INT64_C(3600000000000) % 24;

	if (flow->forward.first_ns != WEIR_NO_TIME)
		host->hours |= UINT32_C(1) << (hour < 0 ? hour + 24 : hour);
}

/* Whoever calls one host after the other on one port, or one port after the other. */
static void see_call(struct risk_host *host, const struct weir_ip *called, uint16_t port)
{
	bool same_host = memcmp(&host->last_called, called, sizeof *called) == 0, same_port = host->last_port == port;

	if (same_host != same_port)
		host->calls += host->calls < UINT32_MAX;
	host->last_called = *called;
	host->last_port = port;
}

void risks_see(struct risks *risks, const struct weir_flow *flow, const struct weir_ip *source,
               const struct weir_ip *destination)
{
	struct risk_host *from = host_of(risks, source), *to = host_of(risks, destination);

	see_size(risks, flow);
	if (from) {
		see_hours(from, flow);
		see_call(from, destination, flow->destination_port);
	}
	if (!to)
		return;
	see_hours(to, flow);
	to->scanned |= from && from->calls >= SCAN_LEAST;
	uint64_t port = xxh3_of(&flow->destination_port, sizeof flow->destination_port);
	uint64_t bit = port % 1024;
	if (flow->reverse.packets && !(to->served[bit / 64] >> bit % 64 & 1)) {
		to->served[bit / 64] |= UINT64_C(1) << bit % 64;
		to->ports += port;
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* How many of the values, sorted here, occur once. */
static uint64_t alone(uint64_t *values, size_t count)
{
	uint64_t once = 0;

	qsort(values, count, sizeof *values, by_value);
	for (size_t i = 0; i < count; i++)
		once += (i == 0 || values[i - 1] != values[i]) && (i + 1 == count || values[i + 1] != values[i]);
	return once;
}

static void count_sizes(const struct risks *risks, struct weir_publish_risks *out, uint64_t *counts)
{
	size_t n = 0;
	uint64_t before = 0;

	for (size_t i = 0; i < RISK_SIZES * 2; i++)
		if (risks->sizes[i].count) {
			counts[n++] = risks->sizes[i].count;
			out->unique_flow_sizes += risks->sizes[i].count == 1;
		}
	qsort(counts, n, sizeof *counts, by_value);
	for (size_t i = 0; i < n && before * 2 < risks->flows; i++) {
		before += counts[i];
		out->least_anonymity = counts[i];
	}
}

int risks_count(struct risks *risks, struct weir_publish_risks *out, struct weir_fault *fault)
{
	uint64_t *values = malloc((RISK_SIZES + RISK_HOSTS) * sizeof *values);
	size_t n = 0, ports = 0;

	*out =
		(struct weir_publish_risks){.hosts = risks->host_count, .more_hosts = risks->more_hosts, .flows = risks->flows};
	if (!values)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to estimate risks");
	for (uint32_t i = 0; i < risks->host_count; i++) {
		const struct risk_host *host = &risks->hosts[i];
		uint8_t net[9] = {host->address.version};
		memcpy(net + 1, host->address.bytes, host->address.version == 4 ? 3 : 8);
		values[n++] = xxh3_of(net, sizeof net);
		out->scanners += host->calls >= SCAN_LEAST;
		out->scanned += host->scanned;
	}
	out->unique_prefixes = alone(values, n);
	for (uint32_t i = 0; i < risks->host_count; i++)
		if (risks->hosts[i].ports)
			values[ports++] = risks->hosts[i].ports;
	out->unique_ports = alone(values, ports);
	for (uint32_t i = 0; i < risks->host_count; i++)
		values[i] = risks->hosts[i].hours;
	out->unique_times = alone(values, risks->host_count);
	count_sizes(risks, out, values);
	out->unique_flow_sizes += risks->more_sizes;
	free(values);
	return 0;
}
