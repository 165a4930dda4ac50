/* cli/flows.h: what the files of `weir flows` share. */
#ifndef CLI_FLOWS_H
#define CLI_FLOWS_H

#include <stdatomic.h>

#include "cli/cli.h"
#include "core/text.h"
#include "flow/aggregate.h"

/* What is asked for, worked out from the options. */
struct flows_request {
	const char *filter;           /* "": all */
	int64_t from_ns, to_ns;       /* WEIR_TIME_FIRST, WEIR_TIME_LAST: all */
	int64_t idle_ns, active_ns;
	uint64_t memory_bytes, top;   /* top 0: all */
	const char *format, *write;   /* as the options have them */
	const char *sort;             /* NULL: the usual */
	bool local;                   /* times of tables in local time */
	bool no_applications;
	int threads;
	bool grouped;
	struct aggregate_plan plan;
	const _Atomic int *stop;
	bool *began;                  /* set once an input was opened: there is something to show, whatever comes then */
};

/* ---- input: flows_input.c ---- */

/* Paths of flow files and folders of them become files; the rest are captures and campaigns. */
enum flows_kind { FLOWS_PACKETS, FLOWS_CAMPAIGN, FLOWS_PARQUET, FLOWS_DATAGRAMS };
struct flows_file {
	char *path;
	enum flows_kind kind;
};
struct flows_files {
	struct flows_file *items;
	size_t count, room;
};
int flows_files_add(struct flows_files *files, const char *path, struct weir_fault *fault);
void flows_files_free(struct flows_files *files);

/* Gives the records of a Parquet file that match to sink. */
int flows_read_parquet(const struct flows_file *file, const struct flows_request *request, struct weir_flow_sink *sink, struct weir_fault *fault);

/* Of files of datagrams: one after the other, as a template in one holds for those after it. Warns of data without one. */
int flows_read_datagrams(const struct command *command, const struct flows_file *files, size_t count, const struct flows_request *request,
                         struct weir_flow_sink *sink, struct weir_fault *fault);

/*
 * Makes records of packets: of captures, all together in order of time, or (then count is 1) of a campaign. Warns of flows that had to be cut:
 * flows_packets.c.
 */
int flows_make(const struct command *command, const struct flows_file *files, size_t count, const struct flows_request *request,
               struct weir_flow_sink *sink, struct weir_fault *fault);

/* ---- output ---- */

/* A line a record for people: flows_table.c. */
int flows_table_open(const char *path, bool local, struct weir_flow_sink **sink, struct weir_fault *fault);

/* Keeps records until the end, or the first `top` of them, and gives them in order of a column to next, which it owns: flows_order.c. */
int flows_order_open(const char *column, uint64_t top, uint64_t memory_bytes, struct weir_flow_sink *next, struct weir_flow_sink **sink,
                     struct weir_fault *fault);

/* Groups records and writes the groups when it is finished: flows_groups.c. */
int flows_groups_open(const struct flows_request *request, struct weir_flow_sink **sink, struct weir_fault *fault);
struct aggregate *flows_groups_aggregate(struct weir_flow_sink *sink);

/* "TCP", "17" when there is no short name. */
const char *flows_protocol_name(unsigned protocol, char out[static FORMAT_SIZE]);

#endif
