/*
 * box/trace.h: how providers feed a session. A provider is one file trace_NAME.c that ends in one record, listed in the table of trace_providers.c.
 *
 * It is fed in one of three ways: by programs in the kernel (`programs`), whose events come through the session's ring; by a descriptor that becomes
 * readable (`open`, as netlink sockets do); or by whoever in this program calls weir_trace_emit with its id (neither).
 */
#ifndef BOX_TRACE_H
#define BOX_TRACE_H

#include <weir/trace.h>

#include "core/text.h"

#define TRACE_EVENTS_MOST 63
#define TRACE_FIELDS_MOST 64
#define TRACE_PROVIDERS_MOST 64
#define TRACE_PAYLOAD_MOST 2048

struct kernel_names;

/* A program of bpf/trace.bpf.c. */
struct trace_program {
	const char *name;       /* NULL ends a table */
	const char *tracepoint; /* that the kernel must have; NULL: none */
	const char *optional;   /* what is missing without it; NULL: the provider can't be without it */
	bool cgroup;            /* attached to the root of cgroup v2 */
};

struct trace_provider {
	struct weir_trace_provider shown;
	const char *needs;      /* which rights and features, for --list */
	bool costly;            /* only when it is asked for by name */
	const struct trace_program *programs; /* NULL: not fed by the kernel's programs */
	/* Puts the fields that the kernel has no text for behind the payload of `length` bytes (of TRACE_PAYLOAD_MOST). Returns its length. NULL: nothing to do. */
	size_t (*complete)(const struct kernel_names *names, uint8_t *payload, size_t length);
	/* Fills in what of the schema only the running kernel knows. May be NULL. */
	void (*learn)(const struct kernel_names *names);
	bool has_processes;     /* of a feed's: its events name processes, so that a session of one process can have it */
	/*
	 * A feed of its own: *descriptor becomes readable when take has something to emit. All or none are NULL, but stop may be. open that worked may leave a message
	 * with code 0 in fault: what is missing all the same.
	 */
	int (*open)(void **feed, int *descriptor, struct weir_fault *fault);
	int (*take)(void *feed, struct weir_trace_session *session, struct weir_fault *fault);
	void (*stop)(void *feed);     /* nothing comes behind what take then gives */
	uint64_t (*lost)(void *feed); /* so far */
	void (*close)(void *feed);
};

extern const struct trace_provider *const trace_providers[]; /* by id; NULL ends it */
const struct trace_provider *trace_provider_named(const char *name);

/* The fields of a struct tuple (bpf/tuple.h), in their order. */
#define TRACE_TUPLE_FIELDS \
	{"protocol", WEIR_TRACE_UNSIGNED, 1, trace_protocol_names}, {"source", WEIR_TRACE_ADDRESS, 17, NULL}, \
	{"destination", WEIR_TRACE_ADDRESS, 17, NULL}, {"source_port", WEIR_TRACE_UNSIGNED, 2, NULL}, {"destination_port", WEIR_TRACE_UNSIGNED, 2, NULL}
extern const struct weir_trace_name trace_protocol_names[];

/*
 * For a feed's take: an event that happened before, with its time, process, activity, flags and payload in *event; provider and type are set here. Of a session of one
 * process those of others are passed over.
 */
int trace_emit_found(struct weir_trace_session *session, uint16_t provider, uint8_t id, struct weir_trace_event *event, struct weir_fault *fault);

/* Whether the options of a session want events of this type. */
bool trace_wants(const struct weir_trace_options *options, const struct weir_trace_provider *provider, const struct weir_trace_event_type *type);

/* The bits that keywords of these names (NULL at the end) have in a provider. */
uint64_t trace_keyword_bits(const struct weir_trace_provider *provider, const char *const *names);

const struct weir_trace_event_type *trace_event_type(const struct weir_trace_provider *provider, unsigned id);

/* ---- events as text ---- */

void trace_put_line(struct text *text, const struct weir_trace_event *event, bool local);
void trace_put_json(struct text *text, const struct weir_trace_event *event);
void trace_put_keywords(struct text *text, const struct weir_trace_provider *provider, uint64_t keywords);

/* Writes the protobuf trace that the Perfetto UI opens. */
struct trace_perfetto;
int trace_perfetto_open(const char *path, struct trace_perfetto **perfetto, struct weir_fault *fault);
int trace_perfetto_event(struct trace_perfetto *perfetto, const struct weir_trace_event *event, struct weir_fault *fault);
int trace_perfetto_finish(struct trace_perfetto *perfetto, struct weir_fault *fault);
void trace_perfetto_close(struct trace_perfetto *perfetto);

/* ---- the file ---- */

struct trace_writer;
int trace_writer_open(const char *path, struct trace_writer **writer, struct weir_fault *fault);
int trace_writer_provider(struct trace_writer *writer, const struct weir_trace_provider *provider, struct weir_fault *fault);
int trace_writer_event(struct trace_writer *writer, const struct weir_trace_event *event, struct weir_fault *fault);
int trace_writer_loss(struct trace_writer *writer, const struct weir_trace_loss *loss, int64_t time_ns, struct weir_fault *fault);
int trace_writer_finish(struct trace_writer *writer, struct weir_fault *fault);
void trace_writer_close(struct trace_writer *writer);

/* ---- the kernel's side (linux/trace_kernel.c) ---- */

struct trace_kernel;
struct trace_kernel_options {
	uint32_t pid;
	uint64_t buffer_bytes;
	const struct trace_provider *providers[TRACE_PROVIDERS_MOST]; /* fed by programs; NULL ends it */
	uint64_t wanted[TRACE_PROVIDERS_MOST];                        /* by id: bit of the event's id */
	/* Called for each event within trace_kernel_poll; its type and payload are as the kernel gave them. */
	int (*event)(void *argument, unsigned provider, struct weir_trace_event *event, unsigned id);
	void *argument;
};
/* Loads the programs; a provider that can't be had has its place in `providers` set to NULL and a line about it in lack. */
int trace_kernel_open(struct trace_kernel_options *options, struct text *lack, struct trace_kernel **kernel, struct weir_fault *fault);
int trace_kernel_poll(struct trace_kernel *kernel);   /* how many events there were, or what `event` returned */
int trace_kernel_descriptor(const struct trace_kernel *kernel);
void trace_kernel_stop(struct trace_kernel *kernel);  /* nothing comes behind what is in the ring */
unsigned trace_kernel_cpus(const struct trace_kernel *kernel);
/* Of one CPU, or with WEIR_TRACE_ANY_CPU what no CPU counts. */
void trace_kernel_count(struct trace_kernel *kernel, unsigned provider, uint32_t cpu, uint64_t *sent, uint64_t *lost);
void trace_kernel_close(struct trace_kernel *kernel);

#endif
