/* What an audit found: cli/audit_report.h. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/audit_report.h"

int audit_policy_open(const struct audit_switches *switches, struct weir_policy **policy, struct weir_hider **hider,
                      struct weir_fault *fault)
{
	struct weir_key key;
	int error = weir_policy_read(switches->policy, policy, fault);

	if (error || (!switches->key && weir_policy_needs_key(*policy)))
		return error;
	if (!switches->key)
		return weir_hider_new(*policy, NULL, hider, fault);
	error = weir_key_read(switches->key, &key, fault);
	if (!error)
		error = weir_hider_new(*policy, &key, hider, fault);
	weir_wipe(&key, sizeof key);
	return error;
}

void audit_report_begin(struct audit_report *report)
{
	report->out = json_into(&report->text);
	json_object(&report->out);
	json_key(&report->out, "hits");
	json_array(&report->out);
}

void audit_report_found(void *context, const struct weir_audit_hit *hit)
{
	struct audit_report *report = context;

	if (report->json) {
		json_object(&report->out);
		json_put_string(&report->out, "file", hit->file);
		json_put_unsigned(&report->out, "offset", hit->offset);
		if (hit->packet)
			json_put_unsigned(&report->out, "packet", hit->packet);
		json_put_string(&report->out, "place", hit->place);
		json_put_string(&report->out, "kind", weir_original_kind_name(hit->kind));
		json_put_string(&report->out, "encoding", hit->encoding);
		json_put_unsigned(&report->out, "times", hit->times);
		if (report->show_values)
			json_put_string(&report->out, "value", hit->value);
		json_end_object(&report->out);
		return;
	}
	if (report->told++ >= AUDIT_TOLD_MOST)
		return;
	printf("%s: offset %" PRIu64, hit->file, hit->offset);
	if (hit->packet)
		printf(": packet %" PRIu64, hit->packet);
	printf(": %s: %s (%s)", hit->place, weir_original_kind_name(hit->kind), hit->encoding);
	if (report->show_values)
		printf(" %s", hit->value);
	if (hit->times > 1)
		printf(", %" PRIu64 " times", hit->times);
	putchar('\n');
}

void audit_report_unsearched(void *context, const char *file, const struct weir_fault *why)
{
	struct audit_report *report = context;
	char text[1100];

	warn(report->command, "%s could not be searched whole: %s", file, weir_fault_text(why, text, sizeof text));
}

void audit_report_json(struct json *json, const struct weir_originals_statistics *o, const struct weir_audit_result *r)
{
	json_key(json, "originals");
	json_object(json);
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++) {
		json_key(json, weir_original_kind_name((enum weir_original_kind)i));
		json_object(json);
		json_put_unsigned(json, "held", o->held[i]);
		json_put_unsigned(json, "not_held", o->not_held[i]);
		json_put_unsigned(json, "also_images", o->images[i]);
		json_end_object(json);
	}
	json_put_unsigned(json, "packets", o->packets);
	json_put_unsigned(json, "names_that_are_words", o->words);
	json_put_unsigned(json, "payload_sampled_one_in", o->payload_sampled_one_in);
	json_end_object(json);
	json_put_unsigned(json, "files", r->files);
	json_put_unsigned(json, "files_unsearched", r->files_unsearched);
	json_put_unsigned(json, "disk_bytes", r->disk_bytes);
	json_put_unsigned(json, "searched_bytes", r->searched_bytes);
	json_put_unsigned(json, "packets", r->packets);
	json_put_unsigned(json, "leaks", r->leaks);
	json_put_unsigned(json, "times", r->times);
	json_put_unsigned(json, "explained", r->explained);
	json_put_unsigned(json, "by_chance", r->by_chance);
	json_put_double(json, "expected_by_chance", r->expected_by_chance);
	json_put_bool(json, "clean", r->leaks == 0 && r->files_unsearched == 0);
}

void audit_report_text(const struct audit_report *report, const struct weir_originals_statistics *o,
                       const struct weir_audit_result *r)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];

	if (report->told > AUDIT_TOLD_MOST)
		printf("… and %s more\n", format_count(report->told - AUDIT_TOLD_MOST, a));
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++) {
		printf("%-12s %s originals", weir_original_kind_name((enum weir_original_kind)i), format_count(o->held[i], a));
		if (o->images[i])
			printf(", %s of them also what another became", format_count(o->images[i], b));
		if (o->not_held[i])
			printf(", %s times there was no memory for one", format_count(o->not_held[i], c));
		putchar('\n');
	}
	if (o->held[WEIR_ORIGINAL_PAYLOAD])
		printf("             of runs of eight bytes one in %s\n", format_count(o->payload_sampled_one_in, a));
	printf("searched     %s files, %s, %s as decompressed, %s packets\n", format_count(r->files, a),
	       format_size(r->disk_bytes, b), format_size(r->searched_bytes, c),
	       format_count(r->packets, (char[FORMAT_SIZE]){0}));
	printf("explained    %s: values that others became\n", format_count(r->explained, a));
	printf("chance       %s short values, where chance gives %.1f\n", format_count(r->by_chance, a),
	       r->expected_by_chance);
	if (r->files_unsearched)
		printf("unsearched   %s files\n", format_count(r->files_unsearched, a));
	printf("leaks        %s\n", format_count(r->leaks, a));
}
