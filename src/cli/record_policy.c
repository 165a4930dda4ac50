/* What recorder.h says of policies: their stages, and what they left out or gave up into the ledger. */
#include <stdio.h>

#include "cli/recorder.h"
#include "core/clock.h"
#include "core/text.h"

/* Packets that are not to be kept are no loss, and come all the time: an entry in the ledger an hour is enough. */
#define WITHHELD_NS (3600 * NS_PER_SECOND)

static unsigned fullness(void *context) { return weir_archive_sink_fullness(context); }

int recorder_add_policies(struct recorder *recorder, struct lane *lane, struct weir_fault *fault)
{
	const struct policies *policies = &recorder->policies;

	/* All of them first keep, so that nothing is given up that would not have been kept anyway. */
	for (size_t i = 0; i < policies->count; i++) {
		if (policies->items[i]->keeps_all)
			continue;
		lane->keeps[i] = weir_keep_stage_new(policies->items[i], fault);
		if (!lane->keeps[i])
			return fault->code;
		lane->stages[lane->stage_count++] = lane->keeps[i];
	}
	for (size_t i = 0; i < policies->count; i++) {
		if (policies->items[i]->keep.shed_count == 0)
			continue;
		lane->sheds[i] = weir_shed_stage_new(policies->items[i], fullness, lane->sink, fault);
		if (!lane->sheds[i])
			return fault->code;
		lane->stages[lane->stage_count++] = lane->sheds[i];
	}
	lane->withheld_ns = clock_monotonic_ns();
	return 0;
}

static void enter_shed(struct recorder *recorder, struct lane *lane, struct weir_stage *stage, bool last)
{
	struct weir_shed_loss loss;
	char detail[200], count[FORMAT_SIZE];

	while (weir_shed_look(stage, last, &loss)) {
		if (loss.payload)
			snprintf(detail, sizeof detail,
			         "payload of %s packets was given up, as the policy says: their headers are kept",
			         format_count(loss.packets, count));
		else
			snprintf(detail, sizeof detail, "'%.100s' was given up, as the policy says", loss.what);
		const struct weir_loss row = {
			.from_ns = loss.from_ns,
			.to_ns = loss.to_ns,
			.cause = loss.payload ? WEIR_LOSS_PAYLOAD : WEIR_LOSS_SHED,
			.packets = loss.payload ? 0 : loss.packets,
			.bytes = loss.bytes,
			.detail = detail,
		};
		if (recorder_enter(recorder, lane, &row))
			continue;
		weir_shed_keep(stage, &loss);
		if (last && !loss.payload)
			recorder->unentered += loss.packets;
		return;
	}
}

static void enter_withheld(struct recorder *recorder, const struct lane *lane, const struct weir_keep_statistics *now,
                           struct weir_keep_statistics *told)
{
	const struct weir_loss row = {
		.from_ns = told->dropped ? told->last_ns : now->first_ns,
		.to_ns = now->last_ns,
		.cause = WEIR_LOSS_POLICY,
		.packets = now->dropped - told->dropped,
		.bytes = now->dropped_bytes - told->dropped_bytes,
		.detail = "the policy lets none of them be kept",
	};
	if (row.packets && recorder_enter(recorder, lane, &row))
		*told = *now;
}

void recorder_look_at_policies(struct recorder *recorder, struct lane *lane, bool last)
{
	int64_t now_ns = clock_monotonic_ns();
	bool due = last || now_ns - lane->withheld_ns > WITHHELD_NS;

	lane->withheld = lane->shed = 0;
	if (due)
		lane->withheld_ns = now_ns;
	for (size_t i = 0; i < recorder->policies.count; i++) {
		struct weir_keep_statistics keep;
		if (lane->keeps[i]) {
			weir_keep_statistics(lane->keeps[i], &keep);
			lane->withheld += keep.dropped;
			if (due)
				enter_withheld(recorder, lane, &keep, &lane->withheld_told[i]);
		}
		if (lane->sheds[i]) {
			enter_shed(recorder, lane, lane->sheds[i], last);
			lane->shed += weir_shed_dropped(lane->sheds[i]);
		}
	}
}
