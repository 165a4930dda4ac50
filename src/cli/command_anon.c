/* weir anon: packets and flows without what names people. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>
#include <weir/file.h>
#include <weir/stage.h>

#include "cli/anon.h"
#include "cli/seal_options.h"
#include "core/terminal.h"
#include "core/text.h"
#include "flow/value.h"

#define FIELD(member) offsetof(struct anon_options, member)

static const struct option table[] = {
	{.name = "write",
     .letter = 'w',
     .type = OPTION_STRING,
     .offset = FIELD(write),
     .metavar = "OUT",
     .help = "what to write, - for standard output; its ending says how (.pcap .pcapng, then .gz .zst .lz4; .parquet "
             ".ipfix .nf9 .csv .json)"},
	{.name = "policy",
     .type = OPTION_STRING,
     .offset = FIELD(policy),
     .metavar = "FILE",
     .help = "the policy that says what is kept and how it is hidden; else that of the campaign, else the strictest, "
             "but for the options below"},
	{.name = "key",
     .type = OPTION_STRING,
     .offset = FIELD(key),
     .metavar = "FILE",
     .help = "the secret key; else the file that WEIR_KEY names"},
	IDENTITY_ROW(struct anon_options, identity),
	{.name = "cryptopan-key",
     .type = OPTION_STRING,
     .offset = FIELD(cryptopan_key),
     .metavar = "HEX64|@FILE",
     .help = "Crypto-PAn's own key, 32 bytes; others see it on the command line, so that a file is better"},
	{.name = "map",
     .type = OPTION_FLAG,
     .offset = FIELD(map),
     .help = "the arguments are addresses: print each with what it is hidden as"},
	{.name = "format",
     .letter = 'f',
     .type = OPTION_CHOICE,
     .offset = FIELD(format),
     .metavar = "FORMAT",
     .choices = "parquet|ipfix|nf9|csv|json|pcap|pcapng",
     .help = "what to write, whatever OUT is called"},
	{.name = "keep",
     .type = OPTION_STRING,
     .offset = FIELD(keep),
     .metavar = "AMOUNT",
     .help = "how much of packets: headers (if nothing is said), all (of what is understood), 64 bytes"},
	{.name = "addresses",
     .type = OPTION_STRING,
     .offset = FIELD(addresses),
     .metavar = "WAY",
     .help = "IP addresses: prefix (if nothing is said), permute, truncate:N, black, keep"},
	{.name = "scope",
     .type = OPTION_CHOICE,
     .offset = FIELD(scope),
     .metavar = "WHOSE",
     .choices = "all|internal|external",
     .help = "whose IP addresses"},
	{.name = "internal",
     .type = OPTION_STRINGS,
     .offset = FIELD(internal),
     .metavar = "NETWORK",
     .help = "a network that is internal; may be given again; else the private ones"},
	{.name = "special",
     .type = OPTION_CHOICE,
     .offset = FIELD(special),
     .metavar = "WHAT",
     .choices = "keep|hide",
     .help = "addresses that are nobody's (loopback, multicast, documentation); kept if nothing is said"},
	{.name = "macs",
     .type = OPTION_STRING,
     .offset = FIELD(macs),
     .metavar = "WAY",
     .help = "permute (if nothing is said), vendor, truncate:N, black, keep"},
	{.name = "ports",
     .type = OPTION_STRING,
     .offset = FIELD(ports),
     .metavar = "WAY",
     .help = "keep (if nothing is said), permute, black"},
	{.name = "vlans",
     .type = OPTION_STRING,
     .offset = FIELD(vlans),
     .metavar = "WAY",
     .help = "permute (if nothing is said), black, keep"},
	{.name = "names",
     .type = OPTION_STRING,
     .offset = FIELD(names),
     .metavar = "WAY",
     .help = "keyed (if nothing is said), black, keep"},
	{.name = "tcp-timestamps",
     .type = OPTION_STRING,
     .offset = FIELD(tcp_timestamps),
     .metavar = "WAY",
     .help = "permute (if nothing is said), black, keep"},
	{.name = "ip-ids",
     .type = OPTION_STRING,
     .offset = FIELD(ip_ids),
     .metavar = "WAY",
     .help = "permute (if nothing is said), black, keep"},
	{.name = "time-shift",
     .type = OPTION_STRING,
     .offset = FIELD(time_shift),
     .metavar = "DURATION",
     .help = "times are moved by so much: 3d, -2h; random: by what the key says, up to 5 years back"},
	{.name = "time-precision",
     .type = OPTION_STRING,
     .offset = FIELD(time_precision),
     .metavar = "DURATION",
     .help = "times are rounded down to it"},
	{.name = "threads",
     .type = OPTION_UNSIGNED,
     .offset = FIELD(threads),
     .metavar = "N",
     .least = 1,
     .most = 32,
     .help = "that share the work; else one a core. The result is the same"},
	{.name = "level",
     .letter = 'l',
     .type = OPTION_UNSIGNED,
     .offset = FIELD(level),
     .metavar = "N",
     .least = 1,
     .most = 22,
     .help = "of the compression; else that of gzip, zstd or lz4"},
	{0},
};

static void on_progress(void *context, const struct weir_batch *batch)
{
	progress_update(context, batch->source_bytes);
}

/* ---- packets ---- */

struct input {
	struct weir_source *source;
	struct weir_campaign *campaign;
	uint64_t bytes;
	bool merged;
};

static int open_files(const struct flows_files *files, struct input *input, struct weir_fault *fault)
{
	if (files->count == 1) {
		int error = weir_capture_open(files->items[0].path, seal_capture_options(), &input->source, fault);
		input->bytes = error ? 0 : weir_capture_size(input->source);
		return error;
	}
	const struct weir_merge_options merging = {.identities = seal_identities()};
	struct weir_merge_input *inputs = calloc(files->count, sizeof *inputs);
	if (!inputs)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the names of files");
	int error = 0;
	for (size_t i = 0; i < files->count && !error; i++) {
		inputs[i].path = inputs[i].name = files->items[i].path;
		if (strcmp(files->items[i].path, "-") == 0)
			error = weir_fail(fault, WEIR_E_USAGE, "standard input is read by itself");
	}
	if (!error)
		error = weir_merge_open(inputs, files->count, &merging, &input->source, fault);
	input->merged = true;
	free(inputs);
	return error;
}

static int open_campaign(const char *path, int threads, struct input *input, struct weir_fault *fault)
{
	struct weir_query query = {.from_ns = WEIR_TIME_FIRST,
	                           .to_ns = WEIR_TIME_LAST,
	                           .threads = threads,
	                           .pipelined = threads > 1,
	                           .stop = stop_requested()};
	int error = weir_campaign_open(path, WEIR_CAMPAIGN_READ, &input->campaign, fault);

	input->merged = true;
	if (!error)
		weir_campaign_unseal(input->campaign, seal_identities());
	return error ? error : weir_query_open(input->campaign, &query, &input->source, fault);
}

static int thread_count(const struct anon_options *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->threads)
		return (int)options->threads;
	return cores < 1 ? 1 : cores > 32 ? 32 : (int)cores;
}

static int add_stages(struct weir_pipeline *pipeline, const struct weir_policy *policy, const struct weir_hider *hider,
                      struct weir_fault *fault)
{
	size_t count = 0;

	pipeline->stages[count] = weir_decode_stage_new();
	if (!pipeline->stages[count++])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decode packets");
	if (!policy->keeps_all) {
		pipeline->stages[count] = weir_keep_stage_new(policy, fault);
		if (!pipeline->stages[count++])
			return fault->code;
	}
	pipeline->stages[count] = weir_hide_stage_new(hider, fault);
	return pipeline->stages[count] ? 0 : fault->code;
}

static int open_writer(const struct anon_options *options, const struct weir_policy *policy, bool merged,
                       struct weir_sink **sink, struct weir_fault *fault)
{
	struct weir_capture_writer_options writing = {
		.by_name = true,
		.level = (int)options->level,
		.merge = merged,
		.filtered = !policy->keeps_all,
		.stop = stop_requested(),
	};
	const char *format = options->format;

	if (format && strcmp(format, "pcap") == 0)
		writing.format = WEIR_FORMAT_PCAP;
	else if (format && strcmp(format, "pcapng") == 0)
		writing.format = WEIR_FORMAT_PCAPNG;
	else if (format)
		return weir_fail(fault, WEIR_E_USAGE, "packets are written as pcap or pcapng, not as %s", format);
	return weir_capture_writer_open(options->write, &writing, sink, fault);
}

static int run_packets(const struct anon_options *options, const struct weir_policy *policy,
                       const struct weir_hider *hider, const struct input *input, struct weir_fault *fault)
{
	struct weir_pipeline pipeline = {.source = input->source,
	                                 .threads = thread_count(options),
	                                 .stop = stop_requested()};
	struct progress progress;
	int error = add_stages(&pipeline, policy, hider, fault);

	if (!error)
		error = open_writer(options, policy, input->merged, &pipeline.sink, fault);
	if (!error) {
		progress_start(&progress, "anon", input->bytes);
		pipeline.progress = on_progress;
		pipeline.progress_context = &progress;
		error = weir_pipeline_run(&pipeline, fault);
		progress_end(&progress);
	}
	weir_sink_close(pipeline.sink);
	for (size_t i = 0; i < WEIR_PIPELINE_STAGES; i++)
		weir_stage_close(pipeline.stages[i]);
	return error;
}

static int packets(const struct anon_options *options, const struct flows_files *files,
                   const struct weir_policy *policy, const struct weir_hider *hider, struct weir_fault *fault)
{
	struct input input = {0};
	int error = files->items[0].kind == FLOWS_CAMPAIGN
	                ? open_campaign(files->items[0].path, thread_count(options), &input, fault)
	                : open_files(files, &input, fault);

	if (!error)
		error = run_packets(options, policy, hider, &input, fault);
	weir_source_close(input.source);
	weir_campaign_close(input.campaign);
	return error;
}

/* ---- addresses ---- */

static int map_one(const struct weir_hider *hider, const char *word, struct weir_fault *fault)
{
	static const struct weir_flow_column *ip_column, *mac_column;
	struct weir_bytes given = {(const uint8_t *)word, strlen(word)};
	struct weir_ip ip, hidden_ip;
	uint8_t mac[6];
	struct text text = {0};

	ip_column = weir_flow_column_named("source_address");
	mac_column = weir_flow_column_named("source_mac");
	if (value_parse_ip(given, &ip)) {
		weir_hide_ip(hider, &ip, &hidden_ip);
		value_put_bytes(&text, ip_column, (struct weir_bytes){(const uint8_t *)&hidden_ip, sizeof hidden_ip});
	} else if (value_parse_mac(given, mac)) {
		weir_hide_mac(hider, mac, mac);
		value_put_bytes(&text, mac_column, (struct weir_bytes){mac, sizeof mac});
	} else {
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no address", word);
	}
	printf("%s %.*s\n", word, (int)text.length, text.data);
	text_free(&text);
	return 0;
}

/* With Crypto-PAn's own key alone its own mapping, of all addresses, as its other implementations have it. */
static int map_policy(const struct anon_options *options, struct weir_policy **policy, struct weir_fault *fault)
{
	struct anon_options all = *options;

	if (options->cryptopan_key && !options->policy && !options->special)
		all.special = "hide";
	return anon_policy(&all, NULL, policy, fault);
}

static int map(const struct anon_options *options, int count, char **words, struct weir_fault *fault)
{
	struct weir_policy *policy;
	struct weir_hider *hider = NULL;
	int error = map_policy(options, &policy, fault);

	if (!error)
		error = anon_hider(options, policy, &hider, fault);
	for (int i = 0; i < count && !error; i++)
		error = map_one(hider, words[i], fault);
	weir_hider_free(hider);
	weir_policy_free(policy);
	return error;
}

/* ---- the command ---- */

/* Packets and flows are two things; a campaign stands alone. */
static int check_inputs(const struct flows_files *files, bool *flows, struct weir_fault *fault)
{
	size_t flow_files = 0, campaigns = 0;

	for (size_t i = 0; i < files->count; i++) {
		flow_files += files->items[i].kind == FLOWS_PARQUET || files->items[i].kind == FLOWS_DATAGRAMS;
		campaigns += files->items[i].kind == FLOWS_CAMPAIGN;
	}
	*flows = flow_files > 0;
	if (flow_files && flow_files < files->count)
		return weir_fail(fault, WEIR_E_USAGE, "packets and flows are written apart: name one kind at a time");
	if (campaigns && files->count > 1)
		return weir_fail(fault, WEIR_E_USAGE, "a campaign is written by itself");
	return 0;
}

static int anon(const struct command *command, const struct anon_options *options, int argc, char **argv,
                struct weir_fault *fault)
{
	struct flows_files files = {0};
	struct weir_policy *policy = NULL;
	struct weir_hider *hider = NULL;
	bool flows = false;
	int error = options->write ? 0 : weir_fail(fault, WEIR_E_USAGE, "says not what to write: -w OUT is missing");

	for (int i = 0; i < argc && !error; i++)
		error = flows_files_add(&files, argv[i], fault);
	if (!error)
		error = check_inputs(&files, &flows, fault);
	if (!error)
		error =
			anon_policy(options, files.items[0].kind == FLOWS_CAMPAIGN ? files.items[0].path : NULL, &policy, fault);
	if (!error)
		error = anon_hider(options, policy, &hider, fault);
	if (!error)
		error =
			flows ? anon_flows(command, options, &files, hider, fault) : packets(options, &files, policy, hider, fault);
	weir_hider_free(hider);
	weir_policy_free(policy);
	flows_files_free(&files);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct anon_options *options = values;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	catch_interrupts();
	int error = options->map ? map(options, argc, argv, &fault) : anon(command, options, argc, argv, &fault);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command anon_command = {
	.name = "anon",
	.summary = "hide who it was in packets and flows",
	.usage = "FILE|CAMPAIGN... -w OUT",
	.description = "Writes packets or flows without what names people and machines, by a policy and with a secret key: "
                   "addresses, MAC addresses, names and\n"
				   "numbers are hidden wherever they occur: in inner and outer headers, ARP, neighbour discovery, what "
                   "ICMP quotes, DNS, DHCP, NetBIOS,\n"
				   "TLS, HTTP, and in what a file says of interfaces. What is not understood is cut off. Checksums "
                   "that were right are right afterwards.\n"
				   "\n"
				   "FILE is a capture file (pcap or pcapng, plain or compressed; - is standard input; several are "
                   "merged in time order) or a flow file\n"
				   "(Parquet, IPFIX, NetFlow). Without a policy nothing but headers is kept, and all of them hidden "
                   "but for ports and times.\n"
				   "\n"
				   "--map ADDRESS... prints 'ADDRESS HIDDEN' a line, for those who hold the key.",
	.options = table,
	.options_size = sizeof(struct anon_options),
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
