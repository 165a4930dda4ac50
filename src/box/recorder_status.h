/*
 * box/recorder_status.h: how a recording goes, told to others by a small file in the campaign.
 *
 * weir record and up write raw/NODE/.recorder-PID.json once a second, replacing it at once, and remove it when they end. It is no part of the campaign's data:
 * whatever reads a campaign passes over names that begin with a dot. A file whose process is gone (its id is free, or belongs to a process that was
 * started at another time) is stale, and removed by the next recording of that node.
 */
#ifndef BOX_RECORDER_STATUS_H
#define BOX_RECORDER_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

struct text;

#define RECORDER_LANES_MOST 1024
#define RECORDERS_MOST 64 /* that are shown of a campaign */

/* One ring. Counts are since the recording began. */
struct recorder_lane_status {
	char interface[80];
	uint64_t received, archived, ring_lost, card_lost, shed, withheld;
	uint64_t captured_bytes, wire_bytes, written_bytes, backlog_bytes, segments;
	double packet_rate, bit_rate; /* of the last second */
	int64_t level;                /* of compression, in force */
	bool disk_full, link_down, ended;
};

struct recorder_status {
	char node[256], command[32];
	uint32_t pid;
	uint64_t process_started; /* os/process_alive.h */
	int64_t started_ns, time_ns; /* since the epoch: the recording's begin, and when this was written */
	uint64_t disk_left_bytes, segments_deleted;
	struct recorder_lane_status *lanes;
	size_t lane_count;
	bool alive; /* set by recorder_status_list: the process is there */
};

void recorder_status_free(struct recorder_status *status); /* what it holds, not itself */

void recorder_status_format(const struct recorder_status *status, struct text *out);
/* From bytes of a file: WEIR_E_FORMAT when they are no such status. Free it all the same. */
int recorder_status_parse(const void *data, size_t length, struct recorder_status *status, struct weir_fault *fault);

/* node: as its folder is called. What stale ones there are is removed by the first. Nothing is synchronised to the disk: it is for now. */
void recorder_status_sweep(const char *campaign, const char *node);
int recorder_status_write(const char *campaign, const char *node, const struct recorder_status *status, struct weir_fault *fault);
void recorder_status_remove(const char *campaign, const char *node, uint32_t pid);

/* All recordings into a campaign, stale ones too, by node and pid. Free each and the list. A campaign without any: 0 of them. */
int recorder_status_list(const char *campaign, struct recorder_status **list, size_t *count, struct weir_fault *fault);

#endif
