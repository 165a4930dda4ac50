/* weir info CAMPAIGN: what a campaign holds, out of its catalog, and what is being written at the moment. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/campaign.h"
#include "archive/gaps.h"
#include "archive/journal_read.h"
#include "archive/segment_scan.h"
#include "cli/info.h"
#include "cli/policy_options.h"
#include "cli/seal_options.h"
#include "core/terminal.h"

/* Sums, of a vantage or of all. */
struct sums {
	uint64_t segments, open, packets, captured_bytes, wire_bytes, raw_bytes, stored_bytes, index_bytes;
	uint64_t gaps, unknown_gaps, lost_packets, deleted_packets;
	int64_t first_ns, last_ns; /* only when there are packets */
};

struct vantage {
	char *node, *interface;
	struct sums sums;
};

struct campaign_summary {
	struct weir_campaign *campaign;
	struct policies policies; /* its own: one or none */
	struct weir_fault policy_fault; /* why it can't be read; code 0: it can */
	struct sums total;
	struct vantage *vantages;
	size_t count;
	uint64_t nodes;
	uint64_t sealed, unseen; /* segments; of them those that are being written, and that no identity opens */
	struct {
		uint64_t gaps, packets, unknown, bytes;
	} causes[WEIR_LOSS_CAUSES];
};

static bool is_campaign(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for what the campaign holds");
}

static int find_vantage(struct campaign_summary *summary, const char *node, const char *interface, struct vantage **found,
                        struct weir_fault *fault)
{
	for (size_t i = 0; i < summary->count; i++)
		if (strcmp(summary->vantages[i].node, node) == 0 && strcmp(summary->vantages[i].interface, interface) == 0) {
			*found = &summary->vantages[i];
			return 0;
		}
	struct vantage *more = realloc(summary->vantages, (summary->count + 1) * sizeof *more);
	if (!more)
		return no_memory(fault);
	summary->vantages = more;
	struct vantage made = {.node = strdup(node), .interface = strdup(interface)};
	if (!made.node || !made.interface) {
		free(made.node);
		free(made.interface);
		return no_memory(fault);
	}
	more[summary->count++] = made;
	*found = &more[summary->count - 1];
	return 0;
}

static void add_times(struct sums *sums, uint64_t packets, int64_t first_ns, int64_t last_ns)
{
	if (!packets)
		return;
	if (!sums->packets || first_ns < sums->first_ns)
		sums->first_ns = first_ns;
	if (!sums->packets || last_ns > sums->last_ns)
		sums->last_ns = last_ns;
	sums->packets += packets;
}

static void add_sums(struct sums *to, const struct sums *from)
{
	add_times(to, from->packets, from->first_ns, from->last_ns);
	to->segments += from->segments;
	to->open += from->open;
	to->captured_bytes += from->captured_bytes;
	to->wire_bytes += from->wire_bytes;
	to->raw_bytes += from->raw_bytes;
	to->stored_bytes += from->stored_bytes;
	to->index_bytes += from->index_bytes;
	to->gaps += from->gaps;
	to->unknown_gaps += from->unknown_gaps;
	to->lost_packets += from->lost_packets;
	to->deleted_packets += from->deleted_packets;
}

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *found = (const char *)sqlite3_column_text(statement, column);
	return found ? found : "";
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

/* Calls row for each row of the answer. */
static int ask(struct campaign_summary *summary, const char *sql,
               int (*row)(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault),
               struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(summary->campaign->catalog);
	sqlite3_stmt *statement;
	int code = 0, rc = SQLITE_DONE;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
		return catalog_fail(summary->campaign->catalog, "cannot read the catalog", fault);
	while (code == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
		code = row(summary, statement, fault);
	if (code == 0 && rc != SQLITE_DONE)
		code = catalog_fail(summary->campaign->catalog, "cannot read the catalog", fault);
	sqlite3_finalize(statement);
	return code;
}

static int take_closed(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault)
{
	struct vantage *vantage;
	int code = find_vantage(summary, text(statement, 0), text(statement, 1), &vantage, fault);

	if (code < 0)
		return code;
	struct sums sums = {
		.segments = number(statement, 2), .captured_bytes = number(statement, 4), .wire_bytes = number(statement, 5),
		.raw_bytes = number(statement, 6), .stored_bytes = number(statement, 7), .index_bytes = number(statement, 8),
	};
	add_times(&sums, number(statement, 3), sqlite3_column_int64(statement, 9), sqlite3_column_int64(statement, 10));
	add_sums(&vantage->sums, &sums);
	return 0;
}

static void add_chunk(struct sums *sums, const struct index_chunk *chunk)
{
	add_times(sums, chunk->packets, chunk->first_ns, chunk->last_ns);
	sums->captured_bytes += chunk->captured_bytes;
	sums->wire_bytes += chunk->wire_bytes;
	sums->raw_bytes += chunk->raw_bytes;
}

/* What is in the journals and not in the segment. The journals were opened before the segment was looked at. */
static int add_journals(struct sums *sums, const struct journals *journals, const struct segment_scan *scan,
                        struct weir_fault *fault)
{
	for (uint32_t i = 0; i < journals->count; i++) {
		struct journal journal;
		bool there = false;

		for (uint32_t k = 0; k < scan->chunk_count; k++)
			there |= scan->numbers[k] == journals->list[i].number;
		if (there)
			continue;
		int code = journal_read(&journals->list[i], &journal, fault);
		if (code < 0)
			return code;
		if (code == 1) {
			add_chunk(sums, &journal.chunk);
			sums->stored_bytes += journal.chunk.raw_bytes;
			journal_free(&journal);
		}
	}
	return 0;
}

/* A segment that is being written: what is in it by now. */
static int take_open(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault)
{
	const struct segment_scan_options options = {.identities = seal_identities()};
	struct journals journals;
	struct segment_scan scan;
	struct vantage *vantage;
	enum weir_codec codec;
	char path[PATH_MAX];
	int code = find_vantage(summary, text(statement, 0), text(statement, 1), &vantage, fault);

	if (code == 0)
		code = campaign_path(summary->campaign, text(statement, 2), path, fault);
	if (code == 0 && codec_from_name(text(statement, 3), &codec) < 0)
		code = weir_fail_at(fault, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the catalog has it with an unknown codec");
	if (code == 0)
		code = journals_open(path, seal_identities(), &journals, fault);
	if (code < 0)
		return code;
	struct sums sums = {.segments = 1, .open = 1};
	/* Its sums are in the open when it is closed. */
	if (segment_is_sealed(path) && !weir_identities_count(seal_identities())) {
		add_sums(&vantage->sums, &sums);
		summary->unseen++;
		journals_close(&journals);
		return 0;
	}
	code = segment_scan(path, codec, &options, &scan, fault);
	if (code == WEIR_E_NOT_FOUND) /* entered, and not made yet */
		code = 0;
	for (uint32_t i = 0; code == 0 && i < scan.chunk_count; i++)
		add_chunk(&sums, &scan.chunks[i]);
	sums.stored_bytes += scan.end;
	if (code == 0)
		code = add_journals(&sums, &journals, &scan, fault);
	add_sums(&vantage->sums, &sums);
	segment_scan_free(&scan);
	journals_close(&journals);
	return code;
}

static int take_loss(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault)
{
	enum weir_loss_cause cause = gaps_cause(text(statement, 2));
	uint64_t gaps = number(statement, 3), packets = number(statement, 4), unknown = number(statement, 5), bytes = number(statement, 6);
	struct vantage *vantage;
	int code = find_vantage(summary, text(statement, 0), text(statement, 1), &vantage, fault);

	if (code < 0)
		return code;
	vantage->sums.gaps += cause == WEIR_LOSS_LINK ? 0 : gaps;
	vantage->sums.unknown_gaps += unknown;
	if (cause == WEIR_LOSS_RETENTION)
		vantage->sums.deleted_packets += packets;
	else if (cause != WEIR_LOSS_POLICY)
		vantage->sums.lost_packets += packets;
	if (cause < WEIR_LOSS_CAUSES) {
		summary->causes[cause].gaps += gaps;
		summary->causes[cause].packets += packets;
		summary->causes[cause].unknown += unknown;
		summary->causes[cause].bytes += bytes;
	}
	return 0;
}

static int count_nodes(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault)
{
	summary->nodes = number(statement, 0);
	return 0;
}

static int compare_vantages(const void *a, const void *b)
{
	const struct vantage *x = a, *y = b;
	int order = strcmp(x->node, y->node);
	return order ? order : strcmp(x->interface, y->interface);
}

static int count_sealed(struct campaign_summary *summary, sqlite3_stmt *statement, struct weir_fault *fault)
{
	summary->sealed = number(statement, 0);
	return 0;
}

static int look(struct campaign_summary *summary, struct weir_fault *fault)
{
	int code = ask(summary,
	               "SELECT node, interface, count(*), sum(packets), sum(captured_bytes), sum(wire_bytes), sum(raw_bytes),"
	               " sum(stored_bytes), sum(index_bytes), min(CASE WHEN packets THEN first_ns END),"
	               " max(CASE WHEN packets THEN last_ns END) FROM segments WHERE state <> 'open' GROUP BY 1, 2",
	               take_closed, fault);
	if (code == 0)
		code = ask(summary, "SELECT node, interface, path, codec FROM segments WHERE state = 'open'", take_open, fault);
	if (code == 0)
		code = ask(summary,
		           "SELECT node, interface, cause, count(*), coalesce(sum(packets), 0), sum(packets IS NULL), coalesce(sum(bytes), 0) FROM ledger GROUP BY 1, 2, 3",
		           take_loss, fault);
	if (code == 0)
		code = ask(summary, "SELECT count(*) FROM nodes", count_nodes, fault);
	if (code == 0)
		code = ask(summary, "SELECT count(*) FROM segments WHERE path LIKE '%.age'", count_sealed, fault);
	if (summary->count)
		qsort(summary->vantages, summary->count, sizeof *summary->vantages, compare_vantages);
	for (size_t i = 0; i < summary->count; i++)
		add_sums(&summary->total, &summary->vantages[i].sums);
	return code;
}

static void json_sums(struct json *json, const struct sums *sums)
{
	json_put_unsigned(json, "segments", sums->segments);
	json_put_unsigned(json, "open_segments", sums->open);
	json_put_unsigned(json, "packets", sums->packets);
	json_put_unsigned(json, "captured_bytes", sums->captured_bytes);
	json_put_unsigned(json, "wire_bytes", sums->wire_bytes);
	json_put_unsigned(json, "raw_bytes", sums->raw_bytes);
	json_put_unsigned(json, "stored_bytes", sums->stored_bytes);
	json_put_unsigned(json, "index_bytes", sums->index_bytes);
	json_key(json, "first_ns");
	sums->packets ? json_signed(json, sums->first_ns) : json_null(json);
	json_key(json, "last_ns");
	sums->packets ? json_signed(json, sums->last_ns) : json_null(json);
	json_put_unsigned(json, "gaps", sums->gaps);
	json_put_unsigned(json, "gaps_of_unknown_size", sums->unknown_gaps);
	json_put_unsigned(json, "lost_packets", sums->lost_packets);
	json_put_unsigned(json, "deleted_packets", sums->deleted_packets);
}

/* What is kept of the packets, as campaign.toml says; null: no policy, or one that is not sound. */
static void json_policy(const struct campaign_summary *summary, struct json *json)
{
	json_key(json, "policy");
	if (summary->policies.count == 0) {
		json_null(json);
		return;
	}
	const struct weir_policy *policy = summary->policies.items[0];
	json_object(json);
	json_put_string(json, "name", policy->name[0] ? policy->name : NULL);
	json_put_bool(json, "keeps_all", policy->keeps_all);
	json_put_bool(json, "hides", policy->hides);
	json_end_object(json);
}

static void show_policy(const struct campaign_summary *summary)
{
	const struct weir_policy *policy = summary->policies.items[0];

	if (summary->policy_fault.code)
		info_line("Policy", "is not sound, so that nothing more will be recorded: %s", summary->policy_fault.message);
	else if (summary->policies.count)
		info_line("Policy", "%s%s%s%s%s", policy->name, policy->name[0] ? ": " : "", policy->keeps_all ? "everything is kept" : "less than everything is kept",
		          policy->hides ? ", and hidden from others" : "", "; weir policy show has all of it");
}

static void show_json(const struct campaign_summary *summary, struct json *json, const char *path, const struct weir_fault *fault)
{
	json_object(json);
	json_put_string(json, "path", path);
	json_put_string(json, "format", "campaign");
	json_put_unsigned(json, "nodes", summary->nodes);
	json_put_unsigned(json, "sealed_segments", summary->sealed);
	json_put_unsigned(json, "unseen_segments", summary->unseen);
	json_sums(json, &summary->total);
	json_key(json, "losses");
	json_object(json);
	for (int cause = 0; cause < WEIR_LOSS_CAUSES; cause++) {
		if (!summary->causes[cause].gaps)
			continue;
		json_key(json, weir_loss_name(cause));
		json_object(json);
		json_put_unsigned(json, "gaps", summary->causes[cause].gaps);
		json_put_unsigned(json, "gaps_of_unknown_size", summary->causes[cause].unknown);
		json_put_unsigned(json, "packets", summary->causes[cause].packets);
		json_put_unsigned(json, "bytes", summary->causes[cause].bytes);
		json_end_object(json);
	}
	json_end_object(json);
	json_key(json, "interfaces");
	json_array(json);
	for (size_t i = 0; i < summary->count; i++) {
		json_object(json);
		json_put_string(json, "node", summary->vantages[i].node);
		json_put_string(json, "name", summary->vantages[i].interface);
		json_sums(json, &summary->vantages[i].sums);
		json_end_object(json);
	}
	json_end_array(json);
	json_policy(summary, json);
	json_key(json, "fault");
	if (fault->code)
		info_fault_json(json, fault);
	else
		json_null(json);
	json_end_object(json);
}

static void show_vantages(const struct campaign_summary *summary)
{
	static const char *const headings[] = {"node", "interface", "segments", "packets", "on the wire", "stored", "from", "to", "gaps"};
	struct table *table = table_new("llrrrrllr", headings);
	char a[FORMAT_SIZE], b[FORMAT_SIZE];

	for (size_t i = 0; table && i < summary->count; i++) {
		const struct vantage *vantage = &summary->vantages[i];
		const struct sums *sums = &vantage->sums;

		table_cell(table, "%s", vantage->node);
		table_cell(table, "%s", vantage->interface[0] ? vantage->interface : "(all)");
		table_cell(table, "%s", format_count(sums->segments, a));
		table_cell(table, "%s", format_count(sums->packets, a));
		table_cell(table, "%s", format_size(sums->wire_bytes, a));
		table_cell(table, "%s", format_size(sums->stored_bytes + sums->index_bytes, a));
		table_cell(table, "%s", sums->packets ? format_time(sums->first_ns, false, 3, a) : "");
		table_cell(table, "%s", sums->packets ? format_time(sums->last_ns, false, 3, b) : "");
		table_cell(table, "%s", format_count(sums->gaps, a));
	}
	if (table)
		table_print(table, stdout);
	table_free(table);
}

static void show_losses(const struct campaign_summary *summary)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];

	for (int cause = 0; cause < WEIR_LOSS_CAUSES; cause++) {
		if (!summary->causes[cause].gaps)
			continue;
		/* Of packets whose payload was given up the headers are here; those that no policy lets be kept are not lost. */
		if (cause == WEIR_LOSS_PAYLOAD)
			printf("  %-19s%s given up in %s intervals, as the policy says", weir_loss_name(cause), format_size(summary->causes[cause].bytes, a),
			       format_count(summary->causes[cause].gaps, b));
		else if (cause == WEIR_LOSS_POLICY)
			printf("  %-19s%s packets not to be kept, which are not lost", weir_loss_name(cause), format_count(summary->causes[cause].packets, a));
		else if (cause == WEIR_LOSS_LINK)
			printf("  %-19s%s changes of interfaces", weir_loss_name(cause), format_count(summary->causes[cause].gaps, a));
		else
			printf("  %-19s%s packets in %s gaps", weir_loss_name(cause), format_count(summary->causes[cause].packets, a),
			       format_count(summary->causes[cause].gaps, b));
		if (summary->causes[cause].unknown)
			printf(", of %s how many is not known", format_count(summary->causes[cause].unknown, c));
		putchar('\n');
	}
}

static void show_text(const struct campaign_summary *summary)
{
	const struct sums *total = &summary->total;
	char a[FORMAT_SIZE], b[FORMAT_SIZE];
	size_t interfaces = 0;

	/* A loss may be of a whole node. */
	for (size_t i = 0; i < summary->count; i++)
		interfaces += summary->vantages[i].interface[0] != 0;
	info_line("Format", "campaign");
	info_line("Nodes", "%" PRIu64, summary->nodes);
	info_line("Interfaces", "%zu", interfaces);
	info_line("Segments", "%s%s%s%s", format_count(total->segments, a), total->open ? " (" : "",
	          total->open ? format_count(total->open, b) : "", total->open ? " being written)" : "");
	info_line("Packets", "%s", format_count(total->packets, a));
	info_line("Captured", "%s", format_size(total->captured_bytes, a));
	info_line("On the wire", "%s", format_size(total->wire_bytes, a));
	info_line("Stored", "%s of %s, %.1f %%", format_size(total->stored_bytes, a), format_size(total->raw_bytes, b),
	          total->raw_bytes ? 100.0 * (double)total->stored_bytes / (double)total->raw_bytes : 0.0);
	info_line("Index", "%s, %.2f %% of the packets' bytes", format_size(total->index_bytes, a),
	          total->raw_bytes ? 100.0 * (double)total->index_bytes / (double)total->raw_bytes : 0.0);
	if (summary->sealed)
		info_line("Sealed", "%s segments%s%s%s", format_count(summary->sealed, a), summary->unseen ? "; of " : "",
		          summary->unseen ? format_count(summary->unseen, b) : "",
		          summary->unseen ? " that are being written nothing can be seen without an identity" : "");
	if (total->packets) {
		info_line("First packet", "%s", format_time(total->first_ns, false, 9, a));
		info_line("Last packet", "%s", format_time(total->last_ns, false, 9, a));
		info_line("Time covered", "%s", format_duration(total->last_ns - total->first_ns, a));
	}
	show_policy(summary);
	info_line("Lost", "%s packets in %s gaps", format_count(total->lost_packets, a), format_count(total->gaps, b));
	show_losses(summary);
	if (summary->count)
		putchar('\n');
	show_vantages(summary);
}

static int show_campaign(struct info *info, const char *path)
{
	struct campaign_summary summary = {0};
	struct weir_fault fault = {0};
	int code = weir_campaign_open(path, WEIR_CAMPAIGN_READ, &summary.campaign, &fault);

	if (code == 0)
		weir_campaign_unseal(summary.campaign, seal_identities());
	if (code == 0)
		code = look(&summary, &fault);
	if (code == 0 && policies_read(NULL, path, &summary.policies, &summary.policy_fault) == 0)
		weir_fault_clear(&summary.policy_fault);
	if (info->json) {
		show_json(&summary, info->json, path, &fault);
	} else if (code == 0) {
		printf("%s", info->shown++ ? "\n" : "");
		info_line("Campaign", "%s", path);
		show_text(&summary);
		fflush(stdout);
	}
	for (size_t i = 0; i < summary.count; i++) {
		free(summary.vantages[i].node);
		free(summary.vantages[i].interface);
	}
	free(summary.vantages);
	policies_free(&summary.policies);
	weir_campaign_close(summary.campaign);
	return code < 0 ? report(info->command, &fault) : EXIT_FINE;
}

const struct info_kind info_campaign = {
	.is = is_campaign,
	.show = show_campaign,
};
