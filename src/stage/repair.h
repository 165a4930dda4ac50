/*
 * stage/repair.h: the repairing source from inside. repair.c passes on what is sound, repair_find.c finds where it goes on after damage,
 * repair_adopt.c sees to the headers that what was found needs.
 */
#ifndef STAGE_REPAIR_H
#define STAGE_REPAIR_H

#include <weir/stage.h>

#include "file/capture.h"
#include "file/sound.h"

enum repair_text {
	REPAIR_TEXT_FIND_OUT,
	REPAIR_TEXT_AS_IT_STANDS,
	REPAIR_TEXT_UNDO,
};

struct repair {
	struct weir_source source;
	struct capture *capture; /* its reader does the reading, also of what is put in before it finds it */
	void (*on_damage)(void *context, const struct weir_damage *damage);
	void *context;

	struct sound_shape shape; /* of what is being read */
	bool foreign;             /* the file's header is another file's */
	bool begun;               /* a file's or section's header was read, or made */
	bool broken;              /* compressed data can't be read behind the window */
	enum repair_text text;
	bool text_undone;
	bool doubt;               /* the record at the window's beginning is odd, perhaps only its time */
	uint64_t inserted;        /* bytes put into the window that are not in the file */
	uint64_t section_packets; /* since the last header */

	int64_t before_ns[2];     /* times of the last sound packets */
	int64_t back_ns;          /* how far times have stepped back so far, at least a second */
	uint32_t largest;         /* captured bytes of the largest packet */
	uint32_t usual_cut;       /* captured bytes of the last packet that was cut */

	/* The search: from `from` bytes behind the window's beginning, where a record of `suspect` bytes may stand whose length may be wrong. */
	bool searching;
	size_t from, suspect;
	size_t records_from;      /* before it only headers are looked for */
	uint64_t adopted_at;      /* where the last search ended, UINT64_MAX: nowhere yet */

	/* The damage in hand. */
	bool damaged;
	struct weir_damage damage;
	uint64_t zeros;           /* the longest run of them among its bytes */

	struct weir_fault held;
};

static inline uint64_t repair_offset(const struct repair *repair)
{
	uint64_t offset = capture_offset(repair->capture);
	/* Bytes that were put in stand at the offset of what is behind them. */
	return offset > repair->inserted ? offset - repair->inserted : 0;
}

/* Errors that are damage, as opposed to those that end the reading. */
static inline bool repair_is_damage(int code)
{
	return code == WEIR_E_FORMAT || code == WEIR_E_TRUNCATED || code == WEIR_E_CORRUPT || code == WEIR_E_UNSUPPORTED;
}

/*
 * As capture_need, but damage in compressed data is the end (repair->broken). 1, 0 when the input ends before, or an error.
 */
int repair_need(struct repair *repair, size_t need, struct weir_fault *fault);

/* Takes the record at the window's beginning, which is sound. An enum capture_record or an error. */
int repair_take(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault);

/* Remembers the time of a packet that is passed on. */
void repair_note_time(struct repair *repair, int64_t time_ns);

/* What a search is to look for. */
void repair_describe(const struct repair *repair, struct sound_search *search);

/* Looks for the next sound record. 1 found, 0 the input ends, or an error. */
int repair_find(struct repair *repair, struct weir_batch *batch, struct weir_fault *fault);

/* Begins the damage in hand at the window's beginning, unless it has begun; and ends it there and tells it. */
void repair_damage_begin(struct repair *repair, const char *cause);
void repair_damage_end(struct repair *repair, int64_t after_ns);

/* repair->shape from what the reader has read; to be called when it may have read a header or interface. */
void repair_reshape(struct repair *repair);

/* Opens memory, and says what is to be done about transfers in text mode. */
int repair_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options, enum repair_text text,
                       void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                       struct weir_source **source, struct weir_fault *fault);

/* Begins to read: with the header at the beginning, one that has been put in order, or none (repair->searching). 0 or an error. */
int repair_begin(struct repair *repair, struct weir_fault *fault);

/* Sees to it that the reader can go on with what was found, which stands at the window's beginning. 0 or an error. */
int repair_adopt(struct repair *repair, enum sound_kind kind, const struct sound_shape *shape, struct weir_fault *fault);

/* Whether repair_adopt would put in descriptions of interfaces. */
uint32_t repair_missing_interfaces(const struct repair *repair, const struct sound_shape *shape);

#endif
