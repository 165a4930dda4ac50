/*
 * The data sheet: what was captured, when, how it was hidden, what is missing, what a search cannot find. It is made once, as Markdown, and turned into HTML line by
 * line: headings, lists and paragraphs are all that it has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/publish.h"
#include "core/clock.h"
#include "core/toml.h"
#include "os/files.h"

/* Texts of campaign.toml that a reader wants: as their owner wrote them. */
static const struct {
	const char *key, *heading;
} stated_texts[] = {
	{"title", "Title"},          {"description", "What"}, {"where", "Where"},     {"who", "Who"},
	{"contact", "Contact"},      {"licence", "Licence"},  {"license", "Licence"}, {"acceptable_use", "Acceptable use"},
	{"citation", "How to cite"},
};

/* One line: what would be markup is left out. */
static void put_stated(struct text *out, const char *heading, const char *string)
{
	text_add_format(out, "- %s: ", heading);
	for (const char *c = string; *c; c++)
		text_add_char(out, (unsigned char)*c < ' ' || *c == '<' || *c == '>' || *c == '|' || *c == '`' ? ' ' : *c);
	text_add(out, "\n");
}

static void put_texts(struct text *out, const struct publish *publish, bool stated)
{
	char path[PATH_MAX + 32];
	struct toml *toml;

	snprintf(path, sizeof path, "%s/campaign.toml", publish->options->input ? publish->options->input : "");
	if (!stated || !publish->options->input || toml_read(path, &toml, NULL) < 0) {
		text_add(out, "- (nothing was stated)\n");
		return;
	}
	size_t said = 0;
	for (size_t i = 0; i < sizeof stated_texts / sizeof *stated_texts; i++) {
		const struct toml_value *value = toml_get(toml_root(toml), stated_texts[i].key);
		if (value && value->kind == TOML_STRING && value->string[0]) {
			put_stated(out, stated_texts[i].heading, value->string);
			said++;
		}
	}
	if (!said)
		text_add(out, "- (nothing was stated)\n");
	toml_free(toml);
}

static void put_when(struct text *out, const struct publish *publish)
{
	const struct weir_publish_summary *s = publish->summary;
	const struct weir_policy_hide *hide = &publish->options->policy->hide;
	bool shifted = publish->options->policy->hides && (hide->time_shift_ns || hide->time_shift_random);
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];

	text_add(out, "\n## When, and how much\n\n");
	if (s->packets)
		text_add_format(out, "- From %s to %s (%s)%s\n", format_time(s->first_ns, false, 3, a),
		                format_time(s->last_ns, false, 3, b), format_duration(s->last_ns - s->first_ns, c),
		                shifted ? "; these are not the real times: all were moved by the same span" : ", UTC");
	text_add_format(out, "- Packets: %s of %s that were read\n", format_count(s->packets, a),
	                format_count(s->packets_read, b));
	text_add_format(out, "- Captured bytes: %s of %s\n", format_size(s->bytes, a), format_size(s->bytes_before, b));
	text_add_format(out, "- Flow records: %s\n- Places of capture: %s\n", format_count(s->flows, a),
	                format_count(publish->vantages, b));
}

static void put_gaps(struct text *out, const struct publish *publish)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];
	bool any = false;

	text_add(out, "\n## What is missing\n\n");
	for (unsigned i = 0; i < WEIR_LOSS_CAUSES; i++) {
		const struct publish_gap *gap = &publish->gaps[i];
		if (!gap->times)
			continue;
		any = true;
		text_add_format(out, "- %s: %s times, %s in all, %s packets%s\n", weir_loss_name((enum weir_loss_cause)i),
		                format_count(gap->times, a), format_duration(gap->ns, b), format_count(gap->packets, c),
		                gap->more ? " and an unknown number more" : "");
	}
	if (!any)
		text_add(out, "- Nothing that is known. (Of single files and runs it is not known what was lost while they "
		              "were captured.)\n");
}

static void put_way(struct text *out, const char *what, struct weir_hide_way way)
{
	static const char *const words[WEIR_HIDE_TECHNIQUES] = {
		[WEIR_HIDE_NOTHING] = "kept as they are",
		[WEIR_HIDE_PREFIX] = "prefix-preserving (Crypto-PAn): who shared n leading bits shares n",
		[WEIR_HIDE_PERMUTE] = "a keyed permutation",
		[WEIR_HIDE_TRUNCATE] = "cut: only the leading bits are kept",
		[WEIR_HIDE_BLACK] = "replaced by one constant",
		[WEIR_HIDE_VENDOR] = "the vendor's part kept, the rest a keyed permutation",
		[WEIR_HIDE_KEYED] = "keyed, label by label: equal ones stay equal, lengths and structure stay",
	};

	text_add_format(out, "- %s: %s", what, words[way.technique]);
	if (way.technique == WEIR_HIDE_TRUNCATE)
		text_add_format(out, " (%u)", way.bits);
	text_add(out, "\n");
}

static void put_keeping(struct text *out, const struct weir_policy_keep *keep)
{
	static const char *const amounts[] = {
		[WEIR_KEEP_PACKET] = "everything",
		[WEIR_KEEP_HEADERS] = "headers",
		[WEIR_KEEP_BYTES] = "headers and some bytes behind them",
		[WEIR_KEEP_HANDSHAKE] = "the handshake",
		[WEIR_KEEP_NO_PACKET] = "nothing: such packets are left out",
	};

	text_add_format(out, "- Of packets is kept: %s", amounts[keep->otherwise.amount]);
	if (keep->otherwise.amount == WEIR_KEEP_BYTES)
		text_add_format(out, " (%u)", keep->otherwise.bytes);
	text_add(out, "\n");
	/* Filters may name hosts: how many rules there are is all that is said of them. */
	if (keep->rule_count)
		text_add_format(out, "- For some packets it is another amount, by %zu rules\n", keep->rule_count);
	if (keep->snaplen)
		text_add_format(out, "- At most %u bytes of a packet\n", keep->snaplen);
	if (keep->flow_bytes != UINT64_MAX)
		text_add_format(out, "- At most %llu bytes of payload of a flow\n", (unsigned long long)keep->flow_bytes);
}

static void put_hiding(struct text *out, const struct publish *publish)
{
	static const char *const scopes[] = {"of all hosts", "of internal hosts", "of external hosts"};
	const struct weir_policy *policy = publish->options->policy;
	const struct weir_policy_hide *hide = &policy->hide;
	char text[FORMAT_SIZE];

	text_add(out, "\n## What was kept, and how it was hidden\n\n");
	put_keeping(out, &policy->keep);
	if (!policy->hides) {
		text_add(out, "- Nothing was hidden.\n");
		return;
	}
	put_way(out, "IPv4 addresses", hide->ipv4);
	put_way(out, "IPv6 addresses", hide->ipv6);
	text_add_format(out, "- Addresses are hidden %s; special-purpose and multicast ones are %s\n", scopes[hide->scope],
	                hide->keep_special ? "kept" : "hidden, too");
	put_way(out, "MAC addresses", hide->macs);
	put_way(out, "Ports", hide->ports);
	put_way(out, "VLAN ids", hide->vlans);
	put_way(out, "Names (DNS, TLS, HTTP, DHCP, NetBIOS, interfaces)", hide->names);
	put_way(out, "TCP timestamps", hide->tcp_timestamps);
	put_way(out, "IP ids", hide->ip_ids);
	text_add_format(out, "- Times: %s",
	                hide->time_shift_ns || hide->time_shift_random ? "all moved by the same span" : "as they are");
	if (hide->time_precision_ns)
		text_add_format(out, ", rounded down to %s", format_duration(hide->time_precision_ns, text));
	text_add_format(out, "\n- Counters of flows: %s\n", hide->counter_precision ? "rounded up" : "as they are");
	text_add(out, "- Checksums that were right are right; wrong ones are still wrong.\n");
}

static double share(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static void put_risks(struct text *out, const struct publish *publish)
{
	const struct weir_publish_risks *r = &publish->summary->risks;
	char a[FORMAT_SIZE], b[FORMAT_SIZE];

	text_add(out, "\n## What no search finds\n\nHow hosts and flows stand out by what hiding leaves as it is. Who "
	              "knows something of the network from elsewhere can "
	              "find them by it.\n\n");
	text_add_format(out, "- Hosts: %s%s\n", format_count(r->hosts, a),
	                r->more_hosts ? ", and more that were not counted one by one" : "");
	text_add_format(
		out, "- Structure of prefixes: %s hosts (%.1f %%) are alone in their /24 (IPv6: /64) as it is published\n",
		format_count(r->unique_prefixes, a), share(r->unique_prefixes, r->hosts));
	text_add_format(out, "- Ports: %s hosts (%.1f %%) answer on a set of ports that no other has\n",
	                format_count(r->unique_ports, a), share(r->unique_ports, r->hosts));
	text_add_format(out, "- Active times: %s hosts (%.1f %%) have hours of activity that no other has\n",
	                format_count(r->unique_times, a), share(r->unique_times, r->hosts));
	text_add_format(out,
	                "- Scans: %s hosts called one host or port after the other; %s hosts were called by them: who ran "
	                "the scan knows its order\n",
	                format_count(r->scanners, a), format_count(r->scanned, b));
	text_add_format(out,
	                "- Sizes of flows: %s of %s flows (%.1f %%) have a size in packets and bytes that no other has\n",
	                format_count(r->unique_flow_sizes, a), format_count(r->flows, b),
	                share(r->unique_flow_sizes, r->flows));
	text_add_format(out, "- Half of the flows share their size with fewer than %s others\n",
	                format_count(r->least_anonymity, a));
}

static void put_audit(struct text *out, const struct publish *publish)
{
	const struct weir_audit_result *r = &publish->summary->audit;
	const struct weir_originals_statistics *o = &publish->summary->originals;
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];

	text_add(out, "\n## The audit\n\nEvery byte of this data set was searched for every value that was to be hidden, "
	              "in all encodings that weir knows. What was found "
	              "ends the publishing: nothing was found.\n\n");
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++)
		text_add_format(out, "- %s: %s searched for%s%s; %s can't be told from what another became\n",
		                weir_original_kind_name((enum weir_original_kind)i), format_count(o->held[i], a),
		                o->not_held[i] ? ", times that there was no memory for one: " : "",
		                o->not_held[i] ? format_count(o->not_held[i], b) : "", format_count(o->images[i], c));
	text_add_format(out, "- Of payload one run of eight bytes in %s was searched for\n",
	                format_count(o->payload_sampled_one_in, a));
	text_add_format(out, "- Searched: %s files, %s as decompressed\n", format_count(r->files, a),
	                format_size(r->searched_bytes, b));
	text_add_format(out,
	                "- Explained as what another value became: %s; short values within what chance gives (%.1f): %s\n",
	                format_count(r->explained, a), r->expected_by_chance, format_count(r->by_chance, b));
	text_add(out, "- The texts under \"About\" stand as their owner wrote them, and were not searched.\n");
}

/* ---- HTML ---- */

static void escape(struct text *out, const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		switch (line[i]) {
		case '<':
			text_add(out, "&lt;");
			break;
		case '>':
			text_add(out, "&gt;");
			break;
		case '&':
			text_add(out, "&amp;");
			break;
		default:
			text_add_char(out, line[i]);
		}
}

static void put_html(struct text *out, const char *markdown)
{
	bool list = false;

	text_add(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
	              "content=\"width=device-width\"><title>Data sheet</title><style>"
	              "body{margin:0 auto;max-width:48rem;padding:2rem 1.5rem;font:16px/1.55 system-ui,sans-serif}"
	              "h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid "
	              "#ccc}li{margin:.25rem 0;overflow-wrap:anywhere}</style>\n");
	for (const char *line = markdown; *line;) {
		size_t length = strcspn(line, "\n");
		bool item = strncmp(line, "- ", 2) == 0;
		if (item != list)
			text_add(out, item ? "<ul>\n" : "</ul>\n");
		list = item;
		const char *tag = item ? "li" : strncmp(line, "## ", 3) == 0 ? "h2" : strncmp(line, "# ", 2) == 0 ? "h1" : "p";
		size_t skip = item || tag[1] == '1' ? 2 : tag[1] == '2' ? 3 : 0;
		if (length > skip) {
			text_add_format(out, "<%s>", tag);
			escape(out, line + skip, length - skip);
			text_add_format(out, "</%s>\n", tag);
		}
		line += length + (line[length] == '\n');
	}
	text_add(out, list ? "</ul></html>\n" : "</html>\n");
}

void publish_sheet_text(const struct publish *publish, bool stated, struct text *sheet, struct text *html)
{
	text_add(sheet, "# Data sheet\n\n## About\n\n");
	put_texts(sheet, publish, stated);
	put_when(sheet, publish);
	put_gaps(sheet, publish);
	put_hiding(sheet, publish);
	put_risks(sheet, publish);
	if (stated)
		put_audit(sheet, publish);
	text_add(sheet, "\n## Files\n\n- packets/: pcapng, compressed with zstd\n- flows/: Parquet\n- audit.json: what was "
	                "searched for\n"
	                "- SHA256SUMS: for sha256sum -c\n");
	put_html(html, text_string(sheet));
}

int publish_sheet(const struct publish *publish, bool stated, struct weir_fault *fault)
{
	char path[PATH_MAX + 32];
	struct text sheet = {0}, html = {0};
	int error = 0;

	publish_sheet_text(publish, stated, &sheet, &html);
	if (sheet.failed || html.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the data sheet");
	snprintf(path, sizeof path, "%s/datasheet.md", publish->folder);
	if (!error)
		error = os_write_file(path, sheet.data, sheet.length, fault);
	snprintf(path, sizeof path, "%s/datasheet.html", publish->folder);
	if (!error)
		error = os_write_file(path, html.data, html.length, fault);
	text_free(&sheet);
	text_free(&html);
	return error;
}
