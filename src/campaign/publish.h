/*
 * campaign/publish.h: what the files of publishing share. The public face is weir/publish.h.
 *
 * publish.c          step by step
 * publish_data.c     packets and flows, and what is gathered while they pass
 * publish_risks.c    what no search finds
 * publish_sheet.c    the data sheet
 */
#ifndef CAMPAIGN_PUBLISH_H
#define CAMPAIGN_PUBLISH_H

#include <limits.h>

#include <weir/archive.h>
#include <weir/publish.h>

#include "core/text.h"

/* ---- risks ---- */

struct risks;
struct risks *risks_new(void); /* NULL: no memory */
void risks_free(struct risks *risks);
/* A flow as it was, and where its ends are after hiding. */
void risks_see(struct risks *risks, const struct weir_flow *flow, const struct weir_ip *source,
               const struct weir_ip *destination);
int risks_count(struct risks *risks, struct weir_publish_risks *out, struct weir_fault *fault);

/* ---- the whole ---- */

struct publish_gap {
	uint64_t times, packets;
	bool more; /* of some it is not known how many packets */
	int64_t ns;
};

struct publish {
	const struct weir_publish_options *options;
	struct weir_publish_summary *summary;
	char folder[PATH_MAX]; /* where it is made */
	struct weir_originals *originals;
	struct risks *risks;
	struct publish_gap gaps[WEIR_LOSS_CAUSES];
	uint64_t vantages; /* interfaces */
	int threads;
};

/* Makes packets and flows in publish->folder. */
int publish_data(struct publish *publish, struct weir_fault *fault);

/*
 * Writes datasheet.md and datasheet.html. stated: with the texts of campaign.toml, which stand as their owner wrote them, and with what the audit came to; without it
 * the sheet is what can be searched.
 */
int publish_sheet(const struct publish *publish, bool stated, struct weir_fault *fault);

/* The same into texts, as Markdown and as HTML. */
void publish_sheet_text(const struct publish *publish, bool stated, struct text *sheet, struct text *html);

#endif
