/*
 * flow/datagram.h: IPFIX messages (RFC 7011), NetFlow v9 (RFC 3954) and v5 datagrams, taken apart into records. Nothing in them is trusted.
 */
#ifndef FLOW_DATAGRAM_H
#define FLOW_DATAGRAM_H

#include <weir/bytes.h>
#include <weir/flow.h>

#include "file/stream.h"

enum { DATAGRAM_NETFLOW5 = 5, DATAGRAM_NETFLOW9 = 9, DATAGRAM_IPFIX = 10 };

#define DATAGRAM_VARIABLE 65535     /* a field whose length stands before it (RFC 7011, section 7) */
#define DATAGRAM_SCOPE UINT32_MAX   /* enterprise of a NetFlow v9 scope field: its types are their own (RFC 3954, section 6.1) */
#define DATAGRAM_REVERSE 29305      /* enterprise of the reverse direction (RFC 5103, section 6.1) */
#define DATAGRAM_RECORD_MAX 65535

/* What becomes of a field's bytes in a flow record: datagram_flow.c. */
struct datagram_action {
	uint8_t kind;    /* of its own enum; 0: nothing */
	uint8_t size;    /* of the member of struct weir_flow */
	uint16_t offset; /* where that is */
};

struct datagram_field {
	uint32_t enterprise;
	uint16_t element;
	uint16_t length;
	struct datagram_action action;
};

/* How a record is laid out. Lives until its store forgets it, which may be when the next set is read. */
struct datagram_template {
	struct datagram_template *next;           /* of the same bucket */
	struct datagram_template *older, *newer;
	uint32_t domain;       /* observation domain, or source id: template ids have their meaning within one */
	uint16_t id;
	uint8_t version;       /* of the protocol */
	bool options;          /* describes the exporter, not flows */
	bool variable;         /* has fields of variable length */
	uint32_t least;        /* bytes of its shortest record; 0: cannot be used */
	uint16_t scope_count;  /* fields that say what the options are of; they come first */
	uint16_t count;
	struct datagram_field fields[];
};

/* Says what becomes of every field. */
void datagram_plan(struct datagram_template *template);

/* The templates of a transport session, in bounded memory: when it is full the one that was defined first goes. */
struct datagram_templates;
struct datagram_templates *datagram_templates_new(void); /* NULL: no memory */
void datagram_templates_free(struct datagram_templates *templates);
struct datagram_template *datagram_template_find(const struct datagram_templates *templates, uint8_t version, uint32_t domain, uint16_t id);

/* Takes in a set of (options) templates, header not included. 0, WEIR_E_FORMAT (what came before the damage is kept) or WEIR_E_MEMORY. */
int datagram_templates_take(struct datagram_templates *templates, uint8_t version, uint32_t domain, bool options, struct weir_bytes set);

/* The head of a datagram. */
struct datagram_message {
	uint8_t version;
	uint32_t domain, sequence;
	int64_t export_ns;
	int64_t boot_ns; /* what times "since boot" count from; WEIR_NO_TIME: not known (IPFIX) */
};

struct datagram_record {
	const struct datagram_template *template;
	const struct datagram_message *message;
	struct weir_bytes bytes;
};

/* Reads datagrams from any number of streams, one after the other; templates and sequence numbers outlive each. One thread at a time. */
struct datagram_reader;
struct datagram_reader *datagram_reader_new(void); /* NULL: no memory */
void datagram_reader_free(struct datagram_reader *reader);

/* Goes on with a stream, which is the reader's from now on and closed by it, whatever happens. */
void datagram_reader_input(struct datagram_reader *reader, struct stream *stream, const char *name);

/* Lets go of all records that were given: their bytes may be overwritten. */
void datagram_reader_release(struct datagram_reader *reader);

/*
 * The next record: 1. 0 at the end of the stream. DATAGRAM_HELD when it cannot go on before datagram_reader_release. A negative error where
 * the bytes cannot be followed any further; the rest of this stream is then lost, and further calls give 0.
 */
enum { DATAGRAM_HELD = 2 };
int datagram_next(struct datagram_reader *reader, struct datagram_record *record, struct weir_fault *fault);
const struct weir_datagram_statistics *datagram_reader_statistics(const struct datagram_reader *reader);

/* A field's bytes, `at` being where in the record it begins: moves it on. False when it does not fit. */
static inline bool datagram_value(const struct datagram_field *field, struct weir_bytes record, size_t *at, struct weir_bytes *value)
{
	size_t length = field->length, from = *at;

	if (length == DATAGRAM_VARIABLE) {
		if (record.length - from < 1)
			return false;
		length = record.data[from++];
		if (length == 255) {
			if (record.length - from < 2)
				return false;
			length = weir_load_be16(record.data + from);
			from += 2;
		}
	}
	if (record.length - from < length)
		return false;
	*value = (struct weir_bytes){record.data + from, length};
	*at = from + length;
	return true;
}

/* The flow that a record tells of, with strings that are views of it or taken from the arena. WEIR_E_MEMORY, or 0. */
struct weir_arena;
int datagram_flow(const struct datagram_record *record, struct weir_arena *arena, struct weir_flow *flow);

/* The one layout of NetFlow v5 records, which are 48 bytes. */
const struct datagram_template *datagram_template_netflow5(void);

#endif
