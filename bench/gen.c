/*
 * Makes a synthetic campaign to measure and to test with: what two mirror ports see of a company of 300 hosts whose traffic is mostly in IPsec
 * transport mode without encryption (ESP-NULL), cut at 152 bytes; with packets seen twice, sent again, and, wanted so, clocks that are wrong. A truth
 * file says of each packet what it is. The same arguments make the same bytes, on every machine.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>

#include "bench/gen.h"
#include "core/text.h"

static void usage(void)
{
	fputs("gen [OPTIONS] FOLDER\n"
	      "Writes FOLDER/node1-span0.pcapng and node2-span0.pcapng (with --nodes 1: node1-span0, node1-span1), and JSON about them on standard error.\n"
	      "  --bytes SIZE       of both files (64M)      --packets N       instead\n"
	      "  --seed N           (1)                      --start MOMENT    (2026-01-01)\n"
	      "  --hosts N          (300; to 2000)           --flows N         at a time (16384; to 16M)\n"
	      "  --rate N           packets a second (14500, or as many as --flows if those are more)\n"
	      "  --snap N           (152; 0: whole)          --locality N      percent of packets from the 32 flows in hand (70)\n"
	      "  --null N --sealed N --ipv6 N --exact N --routed N    percent of packets in ESP-NULL (84), encrypted ESP (3), IPv6 (15),\n"
	      "                     seen again within 5 (2), seen again behind a router (3)\n"
	      "  --nodes 1|2        two interfaces of a node, or two nodes (2), the second with a clock that is wrong by\n"
	      "  --offset DURATION --drift PPM --step DURATION --step-at DURATION\n"
	      "  --format pcapng|pcap    --truth: FOLDER/truth.tsv too\n",
	      stderr);
}

static int share_read(const char *text, double *share, struct weir_fault *fault)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || *end || !(percent >= 0 && percent <= 100))
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no percentage", text);
	*share = percent / 100;
	return 0;
}

static int number_read(const char *text, uint64_t least, uint64_t most, uint32_t *number, struct weir_fault *fault)
{
	uint64_t value = 0;
	int error = parse_unsigned(text, least, most, &value, fault);

	*number = (uint32_t)value;
	return error;
}

/* A duration that may be negative. */
static int offset_read(const char *text, int64_t *ns, struct weir_fault *fault)
{
	int error = parse_duration(text + (*text == '-'), ns, fault);

	if (*text == '-')
		*ns = -*ns;
	return error;
}

enum { BYTES, PACKETS, SEED, START, HOSTS, FLOWS, RATE, SNAP, LOCALITY, NULLS, SEALED, IPV6, EXACT, ROUTED, NODES, OFFSET, DRIFT, STEP, STEP_AT, FORMAT, TRUTH };

static int option_read(struct options *o, int option, const char *text, struct weir_fault *fault)
{
	char *end;

	switch (option) {
	case BYTES: return parse_size(text, &o->bytes, fault);
	case PACKETS: return parse_unsigned(text, 1, UINT64_MAX, &o->packets, fault);
	case SEED: return parse_unsigned(text, 0, UINT64_MAX, &o->seed, fault);
	case START: return parse_moment(text, 0, false, &o->start_ns, fault);
	case HOSTS: return number_read(text, 16, 2000, &o->hosts, fault);
	case FLOWS: return number_read(text, 64, 1u << 24, &o->flows, fault);
	case RATE: return parse_unsigned(text, 1, 100000000, &o->rate, fault);
	case SNAP: return number_read(text, 0, 1500, &o->snap, fault);
	case LOCALITY: return number_read(text, 0, 100, &o->locality, fault);
	case NULLS: return share_read(text, &o->null_share, fault);
	case SEALED: return share_read(text, &o->sealed_share, fault);
	case IPV6: return share_read(text, &o->ipv6_share, fault);
	case EXACT: return share_read(text, &o->exact_share, fault);
	case ROUTED: return share_read(text, &o->routed_share, fault);
	case NODES: return number_read(text, 1, 2, &o->nodes, fault);
	case OFFSET: return offset_read(text, &o->offset_ns, fault);
	case STEP: return offset_read(text, &o->step_ns, fault);
	case STEP_AT: return offset_read(text, &o->step_at_ns, fault);
	case DRIFT:
		o->drift_ppm = strtod(text, &end);
		return *end ? weir_fail(fault, WEIR_E_USAGE, "'%s' is no number", text) : 0;
	case FORMAT:
		o->pcap = strcmp(text, "pcap") == 0;
		return o->pcap || strcmp(text, "pcapng") == 0 ? 0 : weir_fail(fault, WEIR_E_USAGE, "--format is pcapng or pcap");
	case TRUTH: o->truth = true; return 0;
	default: return weir_fail(fault, WEIR_E_USAGE, "no such option");
	}
}

static int check(struct options *o, struct weir_fault *fault)
{
	if (o->snap && o->snap < 128)
		return weir_fail(fault, WEIR_E_USAGE, "--snap is 128 or more: headers are not cut");
	if (o->null_share + o->sealed_share > 1 || o->exact_share + o->routed_share > 0.5)
		return weir_fail(fault, WEIR_E_USAGE, "the shares are too much together");
	if (o->nodes == 1 && (o->offset_ns || o->step_ns || o->drift_ppm != 0))
		return weir_fail(fault, WEIR_E_USAGE, "a node has one clock: --offset, --drift and --step want --nodes 2");
	if (o->rate == 0)
		o->rate = o->flows > 14500 * 4 ? o->flows : 14500;
	return 0;
}

static int options_read(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{"bytes", 1, NULL, BYTES}, {"packets", 1, NULL, PACKETS}, {"seed", 1, NULL, SEED}, {"start", 1, NULL, START}, {"hosts", 1, NULL, HOSTS},
		{"flows", 1, NULL, FLOWS}, {"rate", 1, NULL, RATE}, {"snap", 1, NULL, SNAP}, {"locality", 1, NULL, LOCALITY}, {"null", 1, NULL, NULLS},
		{"sealed", 1, NULL, SEALED}, {"ipv6", 1, NULL, IPV6}, {"exact", 1, NULL, EXACT}, {"routed", 1, NULL, ROUTED}, {"nodes", 1, NULL, NODES},
		{"offset", 1, NULL, OFFSET}, {"drift", 1, NULL, DRIFT}, {"step", 1, NULL, STEP}, {"step-at", 1, NULL, STEP_AT}, {"format", 1, NULL, FORMAT},
		{"truth", 0, NULL, TRUTH}, {NULL, 0, NULL, 0},
	};
	struct weir_fault fault;
	char text[1200];
	int c, error = 0;

	weir_fault_clear(&fault);
	while (!error && (c = getopt_long(argc, argv, "", known, NULL)) != -1)
		error = option_read(o, c, optarg, &fault);
	if (!error && optind != argc - 1)
		error = weir_fail(&fault, WEIR_E_USAGE, "one folder is needed");
	if (!error)
		error = check(o, &fault);
	if (error) {
		fprintf(stderr, "gen: %s\n", weir_fault_text(&fault, text, sizeof text));
		usage();
		return 2;
	}
	o->folder = argv[optind];
	return 0;
}

static int run(struct traffic *traffic, struct output *output, const struct options *o)
{
	static struct datagram d;
	int64_t time_ns = o->start_ns;
	uint64_t gap_16 = (UINT64_C(1000000000) << 16) / o->rate;

	while (o->packets ? traffic->packets < o->packets : output_written(output) < o->bytes) {
		unsigned first, second;
		bool two_ways;
		traffic_next(traffic, time_ns, &d, &first, &second, &two_ways);
		if (output_put(output, &traffic->random, &d, first, time_ns) != 0)
			return 3;
		if (two_ways)
			output_again(output, &traffic->random, &d, second, time_ns);
		/* Gaps between none and twice their mean. */
		time_ns += (int64_t)(((gap_16 >> 8) * (random_next(&traffic->random) & 0x1ffff)) >> 24);
	}
	return output_finish(output, &traffic->random) != 0 ? 3 : 0;
}

static void report(const struct traffic *t, const struct output *output)
{
	double packets = (double)(t->packets ? t->packets : 1);

	fputc('{', stderr);
	output_report(output, stderr);
	fprintf(stderr, ", \"packets\": %" PRIu64 ", \"null\": %.4f, \"sealed\": %.4f, \"ipv6\": %.4f, \"retransmissions\": %" PRIu64 ", \"pings\": %" PRIu64
	                ", \"flows\": %" PRIu64 ", \"associations\": %" PRIu64 ", \"seed\": %" PRIu64 "}\n",
	        t->packets, (double)t->shares[SEAL_NULL] / packets, (double)t->shares[SEAL_SEALED] / packets, (double)t->ipv6 / packets,
	        t->kinds[KIND_RETRANSMISSION], t->kinds[KIND_PING], t->flows_begun, t->associations_made, t->options->seed);
}

int main(int argc, char **argv)
{
	struct options options = {
		.bytes = 64u << 20, .seed = 1, .hosts = 300, .flows = 16384, .snap = 152, .nodes = 2, .locality = 70, .null_share = 0.84, .sealed_share = 0.03,
		.ipv6_share = 0.15, .exact_share = 0.02, .routed_share = 0.03, .start_ns = INT64_C(1767225600) * 1000000000, /* 2026-01-01T00:00:00Z */
	};
	struct traffic traffic = {0};
	int status = options_read(&options, argc, argv);

	if (status != 0)
		return status;
	mkdir(options.folder, 0777);
	struct output *output = output_new(&options);
	if (!output)
		return 3;
	if (traffic_make(&traffic, &options) != 0) {
		fputs("gen: no memory\n", stderr);
		status = 3;
	} else {
		status = run(&traffic, output, &options);
	}
	if (status == 0)
		report(&traffic, output);
	traffic_free(&traffic);
	output_free(output);
	return status;
}
