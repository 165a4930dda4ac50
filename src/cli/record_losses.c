/* What recorder.h says of losses: the counters of rings and cards, links, the clock, into the ledger. */
#include <stdio.h>

#include "cli/recorder.h"
#include "core/clock.h"
#include "core/text.h"

bool recorder_enter(struct recorder *recorder, const struct lane *lane, const struct weir_loss *loss)
{
	struct weir_fault fault;
	char text[1200];
	struct weir_loss row = *loss;

	row.node = recorder->node;
	row.interface = lane->vantage;
	if (weir_ledger_enter(recorder->campaign, &row, &fault) == 0)
		return true;
	/* Told once: a disk that is full fails at every one, and the recording goes on. */
	if (!recorder->ledger_failed) {
		recorder->ledger_failed = true;
		warn(recorder->command, "a loss could not be entered in the ledger: %s",
		     weir_fault_text(&fault, text, sizeof text));
	}
	return false;
}

static bool enter(struct recorder *recorder, const struct lane *lane, enum weir_loss_cause cause,
                  const struct loss_span *span, uint64_t packets, const char *detail)
{
	const struct weir_loss loss = {
		.from_ns = span->from_ns,
		.to_ns = span->to_ns,
		.cause = cause,
		.packets = packets,
		.bytes = packets == 0 ? 0 : WEIR_UNKNOWN_COUNT,
		.detail = detail,
	};
	return recorder_enter(recorder, lane, &loss);
}

/* Packets that a counter says are lost. What can't be entered stays with the counter, until the disk takes it. */
static void enter_counted(struct recorder *recorder, const struct lane *lane, struct loss_counter *counter,
                          enum weir_loss_cause cause, uint64_t value, int64_t now, bool last, const char *detail)
{
	struct loss_span span;

	if (!loss_counter_look(counter, value, now, last, &span) ||
	    enter(recorder, lane, cause, &span, span.packets, detail))
		return;
	loss_counter_keep(counter, &span);
	if (last)
		recorder->unentered += span.packets;
}

static void look_at_lane(struct recorder *recorder, struct lane *lane, int64_t now, bool last)
{
	struct loss_span span;

	weir_live_statistics(lane->source, &lane->live);
	weir_archive_sink_statistics(lane->sink, &lane->archive);
	const struct weir_live_statistics *live = &lane->live;
	/* After the end all has been delivered that was received. What was not, if the kernel kept a block back, is lost in the ring. */
	uint64_t lost = live->ring_dropped;
	if (last && live->received > live->delivered + lost)
		lost = live->received - live->delivered;
	lane->live.ring_dropped = lost;
	weir_archive_sink_counters(lane->sink, live->received, lane->first ? live->nic_dropped : 0, lost);
	recorder_look_at_policies(recorder, lane, last);
	enter_counted(recorder, lane, &lane->ring_losses, WEIR_LOSS_RING, lost, now, last, "the ring was full");
	if (!lane->first)
		return;
	enter_counted(recorder, lane, &lane->card_losses, WEIR_LOSS_NIC, live->nic_dropped, now, last,
	              "dropped by card or driver");
	if (live->gone)
		lane->was_gone = true;
	if (loss_state_look(&lane->link, live->down, now, last, &span)) {
		enter(recorder, lane, WEIR_LOSS_LINK_DOWN, &span, WEIR_UNKNOWN_COUNT,
		      lane->was_gone ? "the interface did not exist" : "the interface was down");
		lane->was_gone = live->gone;
	}
}

void recorder_look(struct recorder *recorder, bool last)
{
	/* Both clocks at one moment, as nearly as may be: whoever was interrupted between them looks again. */
	int64_t before, wall, after, step;
	int tries = 0;
	do {
		before = clock_monotonic_ns();
		wall = clock_wall_ns();
		after = clock_monotonic_ns();
	} while (after - before > CLOCK_STEP_NS / 4 && ++tries < 10);
	bool sure = after - before <= CLOCK_STEP_NS / 4;
	if (sure && clock_watch_look(&recorder->clock, wall, before, &step)) {
		char detail[128];
		struct loss_span span = {step > 0 ? wall - step : wall, step > 0 ? wall : wall - step, 0};
		snprintf(detail, sizeof detail, "the clock was stepped by %+.6f s", (double)step / 1e9);
		for (size_t i = 0; i < recorder->lane_count; i++)
			enter(recorder, &recorder->lanes[i], WEIR_LOSS_CLOCK, &span, 0, detail);
	}
	for (size_t i = 0; i < recorder->lane_count; i++)
		look_at_lane(recorder, &recorder->lanes[i], wall, last);
}
