/*
 * What weir itself writes into what it makes, whatever the data: headings of the data sheet, names of columns. Payload has the same words, and of those it can't be told
 * where they come from.
 */
#include "campaign/audit.h"
#include "campaign/publish.h"
#include "flow/parquet_footer.h"

static void see(struct weir_originals *originals, struct text *text)
{
	audit_see_runs(originals, (const uint8_t *)text_string(text), text->length, AUDIT_KEPT);
	text_clear(text);
}

static void see_string(struct weir_originals *originals, const char *string)
{
	audit_see_runs(originals, (const uint8_t *)string, strlen(string), AUDIT_KEPT);
}

/* A sheet of nothing, with every line that there can be. */
static void see_sheets(struct weir_originals *originals, struct text *text)
{
	struct weir_publish_options options = {.policy = originals->policy, .hider = originals->hider};
	struct weir_publish_summary summary = {.packets = 1, .risks = {.more_hosts = 1}};
	struct publish publish = {.options = &options, .summary = &summary};
	struct text html = {0};

	for (unsigned i = 0; i < WEIR_LOSS_CAUSES; i++)
		publish.gaps[i] = (struct publish_gap){.times = 1, .more = true};
	for (unsigned way = 0; way < 2; way++) {
		publish_sheet_text(&publish, way == 1, text, &html);
		see(originals, text);
		see(originals, &html);
		for (unsigned i = 0; i < WEIR_LOSS_CAUSES; i++)
			publish.gaps[i].times = 0;
		for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++)
			summary.originals.not_held[i] = 1;
	}
	text_free(&html);
}

int audit_see_vocabulary(struct weir_originals *originals, struct weir_fault *fault)
{
	struct text text = {0}, groups = {0};
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);
	const struct parquet_schema schema = parquet_flow_schema();

	see_sheets(originals, &text);
	parquet_footer_make(&text, &schema, &groups, 0, 0);
	see(originals, &text);
	for (size_t i = 0; i < count; i++) {
		text_add_format(&text, ",\"%s\":\"", columns[i].name);
		see(originals, &text);
	}
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++)
		see_string(originals, weir_original_kind_name((enum weir_original_kind)i));
	for (unsigned i = 0; i <= WEIR_FLOW_RESOURCES; i++)
		see_string(originals, weir_flow_end_name(i));
	for (unsigned i = 0; i < WEIR_LAYER_KINDS; i++)
		see_string(originals, weir_layer_name((enum weir_layer_kind)i));
	see_string(originals,
	           "packets/packets.pcapng.zst flows/packets.parquet datasheet.md datasheet.html audit.json SHA256SUMS");
	bool failed = text.failed;
	text_free(&text);
	return failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for an audit") : 0;
}
