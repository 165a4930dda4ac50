/*
 * weir/trace.h: event tracing: sessions, providers, events; and reading them back from capture files.
 *
 * A provider is a table of event types, each with an id, a version, a level, keywords and named fields. A session takes events of some of them, of the kernel
 * and of the program that has it, and hands each to a function or writes it into a pcapng file (docs/trace-format.md), where capture and trace stand on one time
 * line. What is lost is counted: for each provider, sent = kept + lost.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <stdbool.h>

#include <weir/bytes.h>
#include <weir/error.h>
#include <weir/flow.h>
#include <weir/seal.h>

enum weir_trace_level {
	WEIR_TRACE_CRITICAL = 1,
	WEIR_TRACE_ERROR = 2,
	WEIR_TRACE_WARNING = 3,
	WEIR_TRACE_INFORMATION = 4,
	WEIR_TRACE_VERBOSE = 5,
};
const char *weir_trace_level_name(unsigned level); /* "critical", …; "" for others */

/* How a field stands in an event, one behind the other without gaps, numbers in little-endian order. */
enum weir_trace_type {
	WEIR_TRACE_UNSIGNED = 1, /* of 1, 2, 4 or 8 bytes */
	WEIR_TRACE_SIGNED = 2,   /* likewise, two's complement */
	WEIR_TRACE_HEX = 3,      /* likewise, unsigned: an address or flags */
	WEIR_TRACE_DURATION = 4, /* 8 bytes: ns; all ones: not known */
	WEIR_TRACE_ADDRESS = 5,  /* 17 bytes, as struct weir_ip */
	WEIR_TRACE_TEXT = 6,     /* `size` bytes, filled up with zeros */
	WEIR_TRACE_STRING = 7,   /* 2 bytes of length, and so many */
};

/* What a number stands for. */
struct weir_trace_name {
	uint32_t value;
	const char *name; /* NULL ends a table */
};

struct weir_trace_field {
	const char *name; /* NULL ends a table */
	uint8_t type;     /* enum weir_trace_type */
	uint8_t size;     /* of numbers, TEXT */
	const struct weir_trace_name *names; /* of UNSIGNED; NULL: the number is all there is */
};

struct weir_trace_keyword {
	const char *name; /* NULL ends a table */
	uint64_t bit;
};

struct weir_trace_event_type {
	uint8_t id;       /* 1 to 63, unique in its provider; 0 ends a table */
	uint8_t version;  /* grows when fields change */
	uint8_t level;
	uint64_t keywords;
	const char *name;
	const struct weir_trace_field *fields;
};

struct weir_trace_provider {
	uint16_t id;      /* 0: the session chooses one; 1 to 31 are weir's own */
	const char *name; /* "tcp" */
	const char *meaning;
	const struct weir_trace_keyword *keywords;
	const struct weir_trace_event_type *events;
};

#define WEIR_TRACE_IN_INTERRUPT 1u /* it happened in an interrupt: the thread that was running has nothing to do with it and is not named */
#define WEIR_TRACE_NO_CPU_TIME 2u  /* user_ns and kernel_ns are not known */

struct weir_trace_event {
	int64_t time_ns;            /* since the epoch, the clock of packets */
	uint32_t process_id, thread_id; /* 0: not known */
	uint64_t user_ns, kernel_ns;    /* CPU time of that thread up to now, as getrusage(2) tells it */
	uint64_t activity;          /* what belongs together has the same: socket cookie, start of a process, …; 0: nothing */
	uint16_t cpu;
	uint8_t flags;
	char name[16];              /* of the thread */
	const struct weir_trace_provider *provider;
	const struct weir_trace_event_type *type;
	struct weir_bytes payload;  /* the fields */
};

/* A field's value. */
struct weir_trace_value {
	uint64_t number;          /* of signed ones its bits, sign extended */
	struct weir_ip address;
	struct weir_bytes text;   /* of TEXT and STRING */
	const char *name;         /* what the number stands for, or NULL */
};
/* Takes the next field from payload. False when it is not whole. */
bool weir_trace_take(struct weir_cursor *payload, const struct weir_trace_field *field, struct weir_trace_value *value);

struct weir_trace_loss {
	const struct weir_trace_provider *provider;
	uint32_t cpu; /* WEIR_TRACE_ANY_CPU: not of one */
	uint64_t sent, kept, lost;
};
#define WEIR_TRACE_ANY_CPU UINT32_MAX

/* ---- sessions ---- */

struct weir_trace_session;

struct weir_trace_options {
	const char *const *providers; /* names of those built in, NULL at the end; NULL: those that cost little */
	const char *file;             /* where to write; its ending chooses the compression; NULL: nowhere */
	/* Called for each, by weir_trace_poll and weir_trace_emit, one at a time: it may not call into the session. NULL: nobody wants them. */
	void (*event)(const struct weir_trace_event *event, void *argument);
	void *argument;
	uint32_t pid;        /* only of this process; 0: of all */
	uint8_t level;       /* only up to this; 0: all */
	const char *const *keywords; /* names: only events that have one of these, NULL at the end; NULL: all */
	uint64_t buffer_bytes; /* between kernel and program; 0: 16 MiB; a power of two */
};

/*
 * Opens a session. A provider that can't be had is left out, and weir_trace_lack says why; WEIR_E_PERMISSION or WEIR_E_UNSUPPORTED when none is left;
 * WEIR_E_USAGE: there is none of that name.
 */
int weir_trace_open(const struct weir_trace_options *options, struct weir_trace_session **session, struct weir_fault *fault);
/* Lines for a person about providers that are missing, and why; "": none is. */
const char *weir_trace_lack(const struct weir_trace_session *session);
/* Adds a provider of the program's own, which outlives the session. *id: to emit with. */
int weir_trace_add(struct weir_trace_session *session, const struct weir_trace_provider *provider, uint16_t *id, struct weir_fault *fault);
/*
 * An event of the program's, from any thread: payload is its fields as they stand in a file. What level and keywords leave out costs a comparison. 0, or an error of
 * the file (the event is counted lost then); WEIR_E_USAGE: no such provider or event.
 */
int weir_trace_emit(struct weir_trace_session *session, uint16_t provider, uint8_t event, uint64_t activity, const void *payload,
                    size_t length, struct weir_fault *fault);
/* Hands on what has come from the kernel; waits up to timeout_ms for it. How many, or an error. One thread. */
int weir_trace_poll(struct weir_trace_session *session, int timeout_ms, struct weir_fault *fault);
/* Puts what there is to tell of losses into `losses`, `room` of them at most. How many it put there. */
size_t weir_trace_losses(struct weir_trace_session *session, struct weir_trace_loss *losses, size_t room);
/* Takes what is left, and writes the end of the file. Once. */
int weir_trace_finish(struct weir_trace_session *session, struct weir_fault *fault);
void weir_trace_close(struct weir_trace_session *session);

/* The providers that are built in, in the order of their ids. */
const struct weir_trace_provider *weir_trace_builtin(size_t index); /* NULL: no more */
/* Whether one can be had here: 0, or why not. */
int weir_trace_available(const char *provider, struct weir_fault *fault);

/* ---- reading ---- */

struct weir_trace_reader;

/* Opens a capture file (plain, compressed, sealed); "-": standard input. */
int weir_trace_read_open(const char *path, const struct weir_identities *identities, struct weir_trace_reader **reader, struct weir_fault *fault);
int weir_trace_read_open_memory(const void *data, size_t length, const char *name, struct weir_trace_reader **reader, struct weir_fault *fault);
/* 1 and the next event, valid until the next call; 0 at the end; or an error (WEIR_E_LIMIT: descriptions of providers past 16 MiB). What is no event is passed over. */
int weir_trace_read(struct weir_trace_reader *reader, struct weir_trace_event *event, struct weir_fault *fault);
/* What the file told of losses so far; in each section the last word of each provider and CPU. */
const struct weir_trace_loss *weir_trace_read_losses(const struct weir_trace_reader *reader, size_t *count);
void weir_trace_read_close(struct weir_trace_reader *reader);

#endif
