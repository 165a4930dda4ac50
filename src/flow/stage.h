/*
 * flow/stage.h: what the files of the flow stage share: stage.c (batches, timeouts, the life of flows), record.c (what a flow becomes when it ends),
 * stage_state.c (from one part of a run to the next).
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
