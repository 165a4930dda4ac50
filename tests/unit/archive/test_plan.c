#include "../unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "archive/plan.h"
#include "index_make.h"

static void describes(const char *expression, const char *expected)
{
	struct plan *plan;
	char text[1024];

	assert_int_equal(plan_new(expression, &plan, NULL), 0);
	plan_describe(plan, text, sizeof text);
	if (strcmp(text, expected) != 0)
		fail_msg("\"%s\" is planned as \"%s\", not \"%s\"", expression, text, expected);
	plan_free(plan);
}

static void primitives_become_keys(void **state)
{
	describes("", "everything");
	describes("host 10.0.0.1", "ipv4 10.0.0.1");
	describes("src host 10.0.0.1 and dst port 443", "ipv4 10.0.0.1 and port 443");
	describes("src or dst 10.0.0.1", "ipv4 10.0.0.1");
	describes("host 10.0.0.1 or 10.0.0.2", "ipv4 10.0.0.1 or ipv4 10.0.0.2");
	describes("host 10.0.0.1 or 10.0.0.2 and tcp", "(ipv4 10.0.0.1 or ipv4 10.0.0.2) and protocol 6");
	describes("tcp port 80 or 443", "(protocol 6 and port 80) or (protocol 6 and port 443)");
	describes("port 80 and (tcp or udp)", "port 80 and (protocol 6 or protocol 17)");
	describes("port (80 or 443)", "port 80 or port 443");
	describes("net 10.1.0.0/16", "ipv4 10.1.0.0–10.1.255.255");
	describes("src net 192.168.0.0/16 and ip6", "ipv4 192.168.0.0–192.168.255.255 and ethertype 0x86dd");
}

static void nets_and_addresses(void **state)
{
	describes("net 10", "ipv4 10.0.0.0–10.255.255.255");
	describes("net 10.1", "ipv4 10.1.0.0–10.1.255.255");
	describes("net 10.1.2.0 mask 255.255.255.0", "ipv4 10.1.2.0–10.1.2.255");
	describes("host 2001:db8::1", "ipv6 2001:db8::1");
	describes("net 2001:db8::/33", "ipv6 2001:db8::–2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
	describes("net 0.0.0.0/0", "everything");
	describes("ether host 02:00:00:00:00:01", "mac 02:00:00:00:00:01");
	describes("ether proto 0x88cc", "ethertype 0x88cc");
	describes("arp", "ethertype 0x0806");
	describes("portrange 6000-6008", "port 6000–6008");
	describes("port domain", "port 53 or port 53");
	describes("ip proto \\tcp", "protocol 6");
	describes("proto 89", "protocol 89");
	describes("vlan 5 and host 10.0.0.1", "vlan 5 and ipv4 10.0.0.1");
}

static void what_is_not_understood_leaves_nothing_out(void **state)
{
	describes("not host 10.0.0.1", "everything");
	describes("host 10.0.0.1 or not port 80", "everything");
	describes("host 10.0.0.1 and not port 80", "ipv4 10.0.0.1");
	describes("tcp[13] & 2 != 0", "everything");
	describes("tcp[13] & 2 != 0 and host 10.0.0.1", "ipv4 10.0.0.1");
	describes("(tcp[0:2] + 1) * 2 = 81 and host 10.0.0.1", "ipv4 10.0.0.1");
	describes("len > 100 and (port 80)", "port 80");
	describes("greater 100 and port 80", "port 80");
	describes("ip broadcast or port 80", "everything");
	describes("host example.invalid and port 80", "port 80");
	describes("host", "everything");
	describes("((((", "everything");
	describes("geneve and host 10.0.0.1", "everything");
	describes("type mgt subtype beacon", "everything");
}

static void a_shift_that_need_not_hold_ends_what_the_index_knows(void **state)
{
	describes("(vlan or port 5) and host 10.0.0.1", "everything");
	describes("not vlan and host 10.0.0.1", "everything");
	describes("host 10.0.0.1 and (vlan 5 or port 7)", "ipv4 10.0.0.1");
	describes("(host 10.0.0.1 or (vlan and host 10.0.0.2)) and port 80", "ipv4 10.0.0.1 or ipv4 10.0.0.2");
	describes("mpls and host 10.0.0.1 and arp", "ipv4 10.0.0.1");
}

static void deep_and_long_expressions_are_bounded(void **state)
{
	struct plan *plan;
	char text[64];
	char *long_one = malloc(2 << 20);
	size_t length = 0;

	for (unsigned i = 0; i < 50000; i++)
		length += (size_t)sprintf(long_one + length, "%shost 10.0.%u.%u", i ? " or " : "", i >> 8 & 255, i & 255);
	assert_int_equal(plan_new(long_one, &plan, NULL), 0);
	plan_describe(plan, text, sizeof text);
	assert_true(strlen(text) < sizeof text);
	plan_free(plan);
	for (const char *const *what = (const char *const[]){"(", "not ", "src not ", "not (", "!", "src (", NULL}; *what; what++) {
		long_one[0] = 0;
		for (size_t i = 0, n = strlen(*what); i < 100000; i++)
			memcpy(long_one + i * n, *what, n + 1);
		assert_int_equal(plan_new(long_one, &plan, NULL), 0);
		plan_free(plan);
	}
	free(long_one);
}

/* ---- The property: over real packets, no chunk with a packet that libpcap's program matches is left out. ---- */

#define PACKETS_MAX 20000

struct packets {
	struct weir_packet *list;
	size_t count;
	int dlt;
};

static void free_packets(struct packets *packets)
{
	for (size_t i = 0; i < packets->count; i++)
		free((void *)packets->list[i].data);
	free(packets->list);
}

static bool load_packets(const char *path, struct packets *packets)
{
	char message[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, message);
	struct pcap_pkthdr *header;
	const u_char *data;

	if (!pcap)
		return false;
	*packets = (struct packets){.list = calloc(PACKETS_MAX, sizeof *packets->list), .dlt = pcap_datalink(pcap)};
	uint16_t linktype = packets->dlt == DLT_RAW ? 101 : (uint16_t)packets->dlt;
	while (packets->count < PACKETS_MAX && pcap_next_ex(pcap, &header, &data) == 1) {
		uint8_t *copy = malloc(header->caplen ? header->caplen : 1);
		memcpy(copy, data, header->caplen);
		packets->list[packets->count++] = (struct weir_packet){.data = copy, .captured = header->caplen, .length = header->len,
		                                                       .linktype = linktype};
	}
	pcap_close(pcap);
	return true;
}

static uint32_t random_below(uint32_t bound)
{
	return bound ? (uint32_t)rand() % bound : 0;
}

static void append_address(char *out, size_t size, const struct weir_packet *packet, const struct index_terms *terms)
{
	char word[64] = "10.0.0.1";
	static const char *const hosts[] = {"host", "src host", "dst host", "ip host", "arp host", "src", "src or dst host"};

	if (terms->ipv6_count && random_below(2)) {
		inet_ntop(AF_INET6, terms->ipv6[random_below(terms->ipv6_count)], word, sizeof word);
		snprintf(out, size, "%s %s", random_below(2) ? "host" : "ip6 host", word);
		return;
	}
	if (terms->ipv4_count) {
		uint32_t a = terms->ipv4[random_below(terms->ipv4_count)];
		if (random_below(4) == 0) {
			unsigned bits = 1 + random_below(32);
			uint32_t net = a & (bits == 32 ? UINT32_MAX : ~(UINT32_MAX >> bits));
			snprintf(out, size, "net %u.%u.%u.%u/%u", net >> 24, net >> 16 & 255, net >> 8 & 255, net & 255, bits);
			return;
		}
		snprintf(word, sizeof word, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	}
	snprintf(out, size, "%s %s", hosts[random_below(7)], word);
}

/* One primitive with values of this packet, in one of the ways in which they can be said. */
static void primitive(char *out, size_t size, const struct weir_packet *packet)
{
	static const char *const fixed[] = {
		"ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "esp", "ah", "not tcp", "vlan", "mpls", "pppoes",
		"tcp[13] & 2 != 0", "len > 100", "greater 200", "less 90", "(ip[0] & 0xf) > 5", "ip[6:2] & 0x1fff = 0", "pim", "vrrp",
		"ether multicast", "ip multicast", "ip6 multicast", "ether broadcast", "port domain", "port http", "ip proto \\udp",
		"ether proto \\arp", "ip protochain 6", "ip6 protochain 17",
	};
	static const char *const transports[] = {"", "tcp ", "udp ", "sctp "};
	static const char *const sides[] = {"", "src ", "dst ", "src or dst ", "src and dst "};
	struct weir_facts facts;
	struct index_terms terms;

	weir_decode(packet, &facts);
	index_terms_of(packet, &facts, &terms);
	switch (random_below(10)) {
	case 0: case 1: case 2:
		append_address(out, size, packet, &terms);
		break;
	case 3: case 4: {
		uint32_t port = terms.port_count ? terms.port[random_below(terms.port_count)] : 80;
		if (random_below(5) == 0)
			snprintf(out, size, "%sportrange %u-%u", sides[random_below(4)], port > 5 ? port - 5 : 0, port);
		else
			snprintf(out, size, "%s%sport %u", transports[random_below(4)], sides[random_below(5)], port);
		break;
	}
	case 5: {
		uint32_t protocol = terms.protocol_count ? terms.protocol[random_below(terms.protocol_count)] : 17;
		static const char *const words[] = {"proto", "ip proto", "ip6 proto"};
		snprintf(out, size, "%s %u", words[random_below(3)], protocol);
		break;
	}
	case 6:
		if (terms.mac_count) {
			uint64_t mac = terms.mac[random_below(terms.mac_count)];
			snprintf(out, size, "ether %s %02x:%02x:%02x:%02x:%02x:%02x", random_below(2) ? "host" : "src", (unsigned)(mac >> 40) & 255,
			         (unsigned)(mac >> 32) & 255, (unsigned)(mac >> 24) & 255, (unsigned)(mac >> 16) & 255, (unsigned)(mac >> 8) & 255,
			         (unsigned)mac & 255);
			break;
		}
		/* fall through */
	case 7:
		if (terms.ethertype_count) {
			snprintf(out, size, "ether proto %u", terms.ethertype[random_below(terms.ethertype_count)]);
			break;
		}
		/* fall through */
	case 8:
		if (terms.vlan_count) {
			snprintf(out, size, "vlan %u", terms.vlan[random_below(terms.vlan_count)]);
			break;
		}
		/* fall through */
	default:
		snprintf(out, size, "%s", fixed[random_below(sizeof fixed / sizeof fixed[0])]);
	}
}

static void expression(char *out, size_t size, const struct packets *packets, unsigned depth)
{
	char left[700], right[700];

	if (depth == 0 || random_below(3) == 0) {
		primitive(out, size, &packets->list[random_below((uint32_t)packets->count)]);
		return;
	}
	expression(left, sizeof left, packets, depth - 1);
	expression(right, sizeof right, packets, depth - 1);
	static const char *const forms[] = {"%s and %s", "%s or %s", "(%s) and (%s)", "(%s) or (%s)", "%s and not (%s)", "not (%s) or %s",
	                                    "%s && (%s)", "vlan and (%s or %s)", "(%s) and ! %s"};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (snprintf(out, size, forms[random_below(9)], left, right) >= (int)size)
		snprintf(out, size, "ip");
#pragma GCC diagnostic pop
}

struct outcome {
	unsigned expressions, pruning;
};

/* Each packet in a chunk of its own, or in one with its neighbours when there are more than 64. */
static void check_capture(const char *path, unsigned rounds, struct outcome *outcome)
{
	struct packets packets;
	struct index_made made = {.linktype_count = 1};
	struct index index;
	size_t length;

	if (!load_packets(path, &packets))
		return;
	if (packets.count) {
		made_chunks(&made, packets.count < 64 ? (unsigned)packets.count : 64);
		made.linktypes[0] = packets.list[0].linktype;
		for (size_t i = 0; i < packets.count; i++)
			made_packet(&made, &packets.list[i], (unsigned)(i * made.chunk_count / packets.count));
		uint8_t *bytes = made_bytes(&made, &length);
		assert_int_equal(index_open_memory(bytes, length, "x.idx", &index, NULL), 0);
		pcap_t *dead = pcap_open_dead(packets.dlt, 262144);
		for (unsigned round = 0; round < rounds; round++) {
			char text[1600];
			struct bpf_program program;
			struct plan *plan;

			expression(text, sizeof text, &packets, random_below(4));
			if (pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
				continue;
			assert_int_equal(plan_new(text, &plan, NULL), 0);
			uint64_t planned = plan_chunks(plan, &index), matched = 0;
			for (size_t i = 0; i < packets.count; i++)
				if (bpf_filter(program.bf_insns, packets.list[i].data, packets.list[i].length, packets.list[i].captured))
					matched |= UINT64_C(1) << i * made.chunk_count / packets.count;
			if (matched & ~planned)
				fail_msg("%s: \"%s\": chunks %016lx have matches, planned are %016lx", path, text, (unsigned long)matched,
				         (unsigned long)planned);
			outcome->expressions++;
			outcome->pruning += planned != index.all;
			plan_free(plan);
			pcap_freecode(&program);
		}
		pcap_close(dead);
		free(bytes);
	}
	made_free(&made);
	free_packets(&packets);
}

static void check_folder(const char *folder, unsigned depth, struct outcome *outcome)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		char path[4096];
		struct stat status;

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
			continue;
		if (stat(path, &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode) && depth)
			check_folder(path, depth - 1, outcome);
		else if (S_ISREG(status.st_mode))
			check_capture(path, status.st_size < 100000 ? 60 : 15, outcome);
	}
	if (directory)
		closedir(directory);
}

static void no_chunk_with_a_match_is_left_out(void **state)
{
	const char *shared = getenv("WEIR_SHARED");
	char folder[4096];
	struct outcome outcome = {0};

	snprintf(folder, sizeof folder, "%s/captures/captures", shared ? shared : "../shared");
	if (access(folder, R_OK) < 0) {
		print_message("skipped: %s is not there; set WEIR_SHARED\n", folder);
		skip();
	}
	srand(getenv("WEIR_SEED") ? (unsigned)atoi(getenv("WEIR_SEED")) : 1);
	check_folder(folder, 3, &outcome);
	print_message("%u expressions, of which %u left chunks out\n", outcome.expressions, outcome.pruning);
	assert_true(outcome.expressions > 2000);
	assert_true(outcome.pruning > outcome.expressions / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(primitives_become_keys),
		cmocka_unit_test(nets_and_addresses),
		cmocka_unit_test(what_is_not_understood_leaves_nothing_out),
		cmocka_unit_test(a_shift_that_need_not_hold_ends_what_the_index_knows),
		cmocka_unit_test(deep_and_long_expressions_are_bounded),
		cmocka_unit_test(no_chunk_with_a_match_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
