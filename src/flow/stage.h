/*
 * flow/stage.h: what the files of the flow stage share: stage.c (options, batches), stage_packets.c (each packet to its flow), stage_life.c (when flows begin
 * and end), stage_timers.c (timeouts), record.c (what a flow becomes when it ends), naming.c, stage_state.c (from one part of a run to the next).
 */
#ifndef FLOW_STAGE_H
#define FLOW_STAGE_H

#include "flow/fragments.h"
#include "flow/item.h"
#include "flow/processes.h"
#include "flow/table.h"
#include "flow/vantages.h"
#include "flow/wheel.h"

#define FLOW_GROUP 8u /* items that are called for at once */
#define FLOW_RECORDS_PENDING 256u
#define FLOW_NAME_BYTES 1024u /* the most that one of a record's names takes */
#define FLOW_TEXT_BYTES (128u << 10) /* strings of records that are pending */

struct flow_stage {
	struct weir_stage stage;
	struct weir_flow_options options;
	struct flow_table table;
	struct flow_wheel wheel;
	struct flow_fragments fragments;
	struct flow_vantages vantages;
	struct flow_processes processes;
	const struct weir_batch *batch; /* in hand */
	int64_t linger_ns;        /* that a finished TCP flow stays for what comes late */
	int64_t back_ns;          /* a time before this sets the clock back */
	uint64_t quiet_ns;        /* a flow that was silent for no longer than this is not over, whatever its state */
	uint64_t active_ns;       /* options.active_ns; none: more than any time */
	struct weir_flow_statistics statistics;
	uint64_t sequence;        /* of the last record */
	struct weir_flow *pending; /* records that the sink has not got yet */
	uint32_t pending_count;
	uint32_t text_used;
	char *text;
	uint32_t called[FLOW_GROUP], called_count; /* items of the batch in hand whose packets the namer will want, and which have been called for */
};

/* Counts a batch's items, in their order. */
int flow_take_items(struct flow_stage *stage, struct flow_items *all, struct weir_fault *fault);

/* Adds what waited for a first fragment to its flow: `entry`, or FLOW_NONE: that of its key. */
int flow_count_waiting(struct flow_stage *stage, const struct flow_datagram *given, uint32_t entry, struct weir_fault *fault);

/* An entry for a flow that is not in the table; what has to go for it ends. */
int flow_new(struct flow_stage *stage, const struct flow_key *key, uint64_t hash, uint32_t *entry, struct weir_fault *fault);

/* The first packet of the entry's flow. */
void flow_begin(struct flow_stage *stage, uint32_t entry, const struct flow_item *item);

/* The first packet of a direction in this record. */
void flow_begin_direction(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side);

/* What there is to do before the packet is counted in an entry that is there: it may belong to a record of its own. */
int flow_renew(struct flow_stage *stage, uint32_t entry, const struct flow_item *item, struct weir_fault *fault);

/* Ends an entry's flow: makes its record, and the entry is free. reason: enum weir_flow_end. */
int flow_end(struct flow_stage *stage, uint32_t entry, unsigned reason, struct weir_fault *fault);

/* Has the entry looked at when it is at_ns. */
void flow_arm(struct flow_stage *stage, uint32_t entry, int64_t at_ns);

/* The clock has to be set before a packet of this time is counted. */
static inline bool flow_clock_is_due(const struct flow_stage *stage, int64_t time_ns) { return time_ns >= stage->wheel.due_ns || time_ns < stage->back_ns; }

/* The time moved on to another tick, or far back. */
int flow_set_clock(struct flow_stage *stage, int64_t now_ns, struct weir_fault *fault);

static inline bool flow_passed(int64_t now, int64_t since, int64_t limit)
{
	return now > since && (uint64_t)now - (uint64_t)since > (uint64_t)limit;
}

static inline int64_t flow_later(int64_t time, int64_t by) { return time > INT64_MAX - by ? INT64_MAX : time + by; }

/* How long the flow may be silent; 0: for ever. */
static inline int64_t flow_silence_limit(const struct flow_stage *stage, const struct flow_hot *hot)
{
	return hot->state & FLOW_FINISHED ? stage->linger_ns : stage->options.idle_ns;
}

/* Makes a record of what the entry holds; end_reason: enum weir_flow_end. It reaches the sink with flow_records_flush at the latest. */
int flow_record(struct flow_stage *stage, uint32_t entry, unsigned end_reason, struct weir_fault *fault);
int flow_records_flush(struct flow_stage *stage, struct weir_fault *fault);

/* The ends of an entry's flow, source first. */
void flow_ends(const struct flow_hot *hot, struct weir_ip *source, struct weir_ip *destination, uint16_t *source_port,
               uint16_t *destination_port);

/* processes.c: takes what a packet says of its processes, and puts what is known into a record. */
void flow_process_packet(struct flow_stage *stage, const struct flow_item *item);
void flow_process_record(struct flow_stage *stage, uint32_t entry, struct weir_flow *record);

/* The flow's application (naming.c): shows the namer a packet; takes what it says into a record; forgets the flow. Without a namer: nothing. */
void flow_name_fetch(struct flow_stage *stage, const struct flow_item *items, uint32_t from, uint32_t to); /* a group, whose entries are guessed */
void flow_name_packet(struct flow_stage *stage, uint32_t entry, const struct flow_item *item);
void flow_name_expect(const struct flow_stage *stage, uint32_t entry); /* its record is about to be made: calls for what is needed then */
void flow_name_record(struct flow_stage *stage, uint32_t entry, struct weir_flow *record);
void flow_name_end(struct flow_stage *stage, uint32_t entry);

int flow_stage_save(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault);
int flow_stage_load(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault);

#endif
