/* How a recording goes, for `weir top` and whoever else wants to know: box/recorder_status.h. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/campaign.h"
#include "box/recorder_status.h"
#include "cli/recorder.h"
#include "core/clock.h"
#include "os/process_alive.h"

static void describe_lane(struct lane *lane, double seconds, struct recorder_lane_status *out)
{
	*out = (struct recorder_lane_status){
		.received = lane->live.received,
		.archived = lane->archive.packets,
		.ring_lost = lane->live.ring_dropped,
		.card_lost = lane->first ? lane->live.nic_dropped : 0,
		.shed = lane->archive.shed_packets + lane->shed,
		.withheld = lane->withheld,
		.captured_bytes = lane->archive.captured_bytes,
		.wire_bytes = lane->archive.wire_bytes,
		.written_bytes = lane->archive.written_bytes,
		.backlog_bytes = lane->archive.backlog_bytes,
		.segments = lane->archive.segments,
		.level = lane->archive.level,
		.disk_full = lane->archive.disk_full,
		.link_down = lane->live.down,
		/* Acquire: pairs with the release in lane_run. */
		.ended = atomic_load_explicit(&lane->ended, memory_order_acquire),
	};
	snprintf(out->interface, sizeof out->interface, "%s", lane->vantage);
	if (seconds > 0) {
		out->packet_rate = (double)(lane->live.received - lane->published_packets) / seconds;
		out->bit_rate = (double)(lane->archive.wire_bytes - lane->published_bytes) * 8 / seconds;
	}
	lane->published_packets = lane->live.received;
	lane->published_bytes = lane->archive.wire_bytes;
}

void record_publish(struct recorder *recorder, int64_t elapsed_ns)
{
	struct recorder_status status = {.lanes = calloc(recorder->lane_count, sizeof *status.lanes)};
	const char *campaign = weir_campaign_path(recorder->campaign);
	char node[VANTAGE_NAME_MAX], text[1200];
	struct weir_fault fault;
	struct statvfs disk;

	if (!status.lanes)
		return;
	vantage_name(recorder->node, node);
	snprintf(status.node, sizeof status.node, "%s", recorder->node);
	snprintf(status.command, sizeof status.command, "%s", recorder->command->name);
	status.pid = (uint32_t)getpid();
	status.process_started = os_process_started(status.pid);
	status.time_ns = clock_wall_ns();
	status.started_ns = status.time_ns - (clock_monotonic_ns() - recorder->started_ns);
	status.disk_left_bytes = statvfs(campaign, &disk) ? 0 : (uint64_t)disk.f_bavail * disk.f_frsize;
	status.segments_deleted = recorder->deleted;
	while (status.lane_count < recorder->lane_count && status.lane_count < RECORDER_LANES_MOST) {
		describe_lane(&recorder->lanes[status.lane_count], (double)elapsed_ns / 1e9, &status.lanes[status.lane_count]);
		status.lane_count++;
	}
	int error = recorder_status_write(campaign, node, &status, &fault);
	/* A full disk is told already, and is no reason to tell it again each time that there is room for a moment. */
	if (error && error != WEIR_E_NO_SPACE && !recorder->publish_failed) {
		warn(recorder->command, "%s", weir_fault_text(&fault, text, sizeof text));
		recorder->publish_failed = true;
	}
	recorder_status_free(&status);
}

void record_publish_begin(struct recorder *recorder)
{
	char node[VANTAGE_NAME_MAX];

	vantage_name(recorder->node, node);
	recorder_status_sweep(weir_campaign_path(recorder->campaign), node);
	record_publish(recorder, 0);
}

void record_publish_end(struct recorder *recorder)
{
	char node[VANTAGE_NAME_MAX];

	vantage_name(recorder->node, node);
	recorder_status_remove(weir_campaign_path(recorder->campaign), node, (uint32_t)getpid());
}
