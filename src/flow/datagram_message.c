/* Walks over datagrams: messages, the sets in them, the records in those. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "flow/datagram.h"
#include "flow/elements.h"

enum {
	IPFIX_HEADER = 16,
	NETFLOW9_HEADER = 20,
	NETFLOW5_HEADER = 24,
	NETFLOW5_RECORD = 48,
	SET_HEADER = 4,
	NETFLOW5_MOST = (65535 - NETFLOW5_HEADER) / NETFLOW5_RECORD, /* the RFC-less format says 30; what fits a datagram is let pass */
	IPFIX_TEMPLATES = 2,
	IPFIX_OPTIONS = 3,
	SET_DATA = 256,
	EXPORTERS = 256, /* whose sequence numbers are followed */
};
#define BUFFER_BYTES ((size_t)256 << 10) /* at least two of the largest message */
#define NS_PER_MS INT64_C(1000000)

/* What sequence number an exporter's next datagram should have. */
struct exporter {
	uint32_t domain, next;
	uint8_t version; /* 0: nobody */
	bool known;      /* next is */
	int64_t boot_ns; /* IPFIX: as its options said; WEIR_NO_TIME: not said */
};

struct datagram_reader {
	struct stream *stream;
	const char *name;
	uint8_t buffer[BUFFER_BYTES];
	size_t at, end;      /* bytes not yet looked at */
	uint64_t read;       /* bytes of the stream that are or were in the buffer */
	bool held;           /* records were given that point into the buffer */
	bool over;           /* nothing further can be had from this stream */
	struct datagram_message message;
	const uint8_t *message_end;       /* IPFIX; else NULL */
	uint32_t records_left;            /* v5 */
	struct weir_bytes set;            /* records that were not given yet */
	const struct datagram_template *template; /* of them; NULL: none */
	uint32_t data_records;            /* of the message so far: what an IPFIX sequence counts */
	bool uncounted;                   /* some of its records could not be counted */
	struct exporter exporters[EXPORTERS];
	struct datagram_templates *templates;
	struct weir_datagram_statistics statistics;
};

struct datagram_reader *datagram_reader_new(void)
{
	struct datagram_reader *reader = calloc(1, sizeof *reader);

	if (reader) {
		reader->over = true;
		reader->templates = datagram_templates_new();
		if (!reader->templates) {
			free(reader);
			reader = NULL;
		}
	}
	return reader;
}

void datagram_reader_free(struct datagram_reader *reader)
{
	if (!reader)
		return;
	if (reader->stream)
		stream_close(reader->stream);
	datagram_templates_free(reader->templates);
	free(reader);
}

void datagram_reader_input(struct datagram_reader *reader, struct stream *stream, const char *name)
{
	if (reader->stream)
		stream_close(reader->stream);
	reader->stream = stream;
	reader->name = name;
	reader->at = reader->end = 0;
	reader->read = 0;
	reader->over = false;
	reader->message_end = NULL;
	reader->message.version = 0;
	reader->records_left = 0;
	reader->template = NULL;
}

void datagram_reader_release(struct datagram_reader *reader) { reader->held = false; }

const struct weir_datagram_statistics *datagram_reader_statistics(const struct datagram_reader *reader) { return &reader->statistics; }

/* Ends the stream with a fault. */
static int damage(struct datagram_reader *reader, struct weir_fault *fault, enum weir_error code, const char *what)
{
	reader->over = true;
	reader->template = NULL;
	return weir_fail_at(fault, code, reader->name, (int64_t)(reader->read - (reader->end - reader->at)), WEIR_NOWHERE, "%s", what);
}

/* Sees that `length` bytes are in the buffer, at most 65535. 1; 0: the stream ends before; DATAGRAM_HELD; or an error. */
static int load(struct datagram_reader *reader, size_t length, struct weir_fault *fault)
{
	while (reader->end - reader->at < length) {
		if (reader->held)
			return DATAGRAM_HELD;
		memmove(reader->buffer, reader->buffer + reader->at, reader->end - reader->at);
		reader->end -= reader->at;
		reader->at = 0;
		int64_t n = stream_read(reader->stream, reader->buffer + reader->end, sizeof reader->buffer - reader->end, fault);
		if (n <= 0) {
			reader->over |= n < 0;
			return (int)n;
		}
		reader->end += (size_t)n;
		reader->read += (uint64_t)n;
	}
	return 1;
}

/* As load, where the stream must not end. */
static int load_rest(struct datagram_reader *reader, size_t length, struct weir_fault *fault)
{
	int loaded = load(reader, length, fault);

	return loaded ? loaded : damage(reader, fault, WEIR_E_TRUNCATED, "the file ends in the middle of a datagram");
}

/* What is kept of the message's exporter. Another one may be forgotten for it. */
static struct exporter *exporter_of(struct datagram_reader *reader)
{
	const struct datagram_message *message = &reader->message;
	struct exporter *exporter = &reader->exporters[(message->domain * 0x9E3779B1u >> 8 ^ message->version) % EXPORTERS];

	if (exporter->version != message->version || exporter->domain != message->domain)
		*exporter = (struct exporter){.domain = message->domain, .version = message->version, .boot_ns = WEIR_NO_TIME};
	return exporter;
}

/* Compares the sequence number with what was to come, and says what is next when this message is over. */
static void follow_sequence(struct datagram_reader *reader, bool counted, uint32_t step)
{
	struct exporter *exporter = exporter_of(reader);
	uint32_t gap = reader->message.sequence - exporter->next;

	if (exporter->known && gap < 1u << 20) /* otherwise it began again, or came late */
		reader->statistics.lost += gap;
	exporter->next = reader->message.sequence + step;
	exporter->known = counted;
}

/* IPFIX says in options when the exporter began, if it has times that count from there. */
static void learn_boot(struct datagram_reader *reader, const struct datagram_record *record)
{
	struct weir_bytes value;
	size_t at = 0;

	for (size_t i = 0; i < record->template->count; i++) {
		const struct datagram_field *field = &record->template->fields[i];
		if (!datagram_value(field, record->bytes, &at, &value))
			return;
		if (field->enterprise == 0 && field->element == ELEMENT_SYSTEM_INIT && value.length == 8 &&
		    weir_load_be64(value.data) < (uint64_t)INT64_MAX / NS_PER_MS)
			reader->message.boot_ns = exporter_of(reader)->boot_ns = (int64_t)weir_load_be64(value.data) * NS_PER_MS;
	}
}

/* An IPFIX message is over: only now is it known how many records it had. */
static void end_message(struct datagram_reader *reader)
{
	if (reader->message.version == DATAGRAM_IPFIX)
		follow_sequence(reader, !reader->uncounted, reader->data_records);
	reader->message.version = 0;
	reader->message_end = NULL;
}

static void begin_message(struct datagram_reader *reader, uint8_t version, uint32_t domain, uint32_t sequence, int64_t export_ns,
                          int64_t boot_ns)
{
	reader->message = (struct datagram_message){version, domain, sequence, export_ns, boot_ns};
	reader->data_records = 0;
	reader->uncounted = false;
	reader->statistics.messages++;
}

static int begin_ipfix(struct datagram_reader *reader, struct weir_fault *fault)
{
	int loaded = load_rest(reader, IPFIX_HEADER, fault);
	if (loaded != 1)
		return loaded;
	size_t length = weir_load_be16(reader->buffer + reader->at + 2);
	if (length < IPFIX_HEADER)
		return damage(reader, fault, WEIR_E_FORMAT, "an IPFIX message that is shorter than its header");
	loaded = load_rest(reader, length, fault);
	if (loaded != 1)
		return loaded;
	const uint8_t *head = reader->buffer + reader->at;
	begin_message(reader, DATAGRAM_IPFIX, weir_load_be32(head + 12), weir_load_be32(head + 8),
	              (int64_t)weir_load_be32(head + 4) * NS_PER_SECOND, WEIR_NO_TIME);
	reader->message.boot_ns = exporter_of(reader)->boot_ns;
	reader->message_end = head + length;
	reader->at += IPFIX_HEADER;
	return 1;
}

static int begin_netflow9(struct datagram_reader *reader, struct weir_fault *fault)
{
	int loaded = load_rest(reader, NETFLOW9_HEADER, fault);
	if (loaded != 1)
		return loaded;
	const uint8_t *head = reader->buffer + reader->at;
	int64_t now = (int64_t)weir_load_be32(head + 8) * NS_PER_SECOND;
	begin_message(reader, DATAGRAM_NETFLOW9, weir_load_be32(head + 16), weir_load_be32(head + 12), now,
	              now - (int64_t)weir_load_be32(head + 4) * NS_PER_MS);
	follow_sequence(reader, true, 1);
	reader->at += NETFLOW9_HEADER;
	return 1;
}

static int begin_netflow5(struct datagram_reader *reader, struct weir_fault *fault)
{
	int loaded = load_rest(reader, NETFLOW5_HEADER, fault);
	if (loaded != 1)
		return loaded;
	const uint8_t *head = reader->buffer + reader->at;
	uint16_t count = weir_load_be16(head + 2);
	if (count > NETFLOW5_MOST)
		return damage(reader, fault, WEIR_E_FORMAT, "a NetFlow v5 datagram that says to have more records than fit one");
	int64_t now = (int64_t)weir_load_be32(head + 8) * NS_PER_SECOND + weir_load_be32(head + 12);
	begin_message(reader, DATAGRAM_NETFLOW5, weir_load_be16(head + 20), weir_load_be32(head + 16), now,
	              now - (int64_t)weir_load_be32(head + 4) * NS_PER_MS);
	follow_sequence(reader, true, count);
	reader->records_left = count;
	reader->at += NETFLOW5_HEADER;
	return 1;
}

/* Takes in the set that was loaded: templates are learned, data are left in reader->set. */
static int take_set(struct datagram_reader *reader, uint16_t id, struct weir_bytes set, struct weir_fault *fault)
{
	const struct datagram_message *message = &reader->message;
	bool ipfix = message->version == DATAGRAM_IPFIX;
	uint16_t first = ipfix ? IPFIX_TEMPLATES : 0;

	reader->template = NULL;
	if (id == first || id == first + 1) {
		reader->statistics.template_sets++;
		int error = datagram_templates_take(reader->templates, message->version, message->domain, id != first, set);
		if (error == WEIR_E_FORMAT)
			reader->statistics.malformed_sets++;
		return error == WEIR_E_MEMORY ? weir_fail(fault, WEIR_E_MEMORY, "no memory for the templates") : 0;
	}
	const struct datagram_template *template =
		id >= SET_DATA ? datagram_template_find(reader->templates, message->version, message->domain, id) : NULL;
	if (!template || template->least == 0) {
		reader->uncounted = true;
		reader->statistics.unknown_sets++;
		reader->statistics.unknown_bytes += set.length;
		return 0;
	}
	reader->template = template;
	reader->set = set;
	return 0;
}

/* The next set of an IPFIX message, all of which is in the buffer. */
static int next_set_ipfix(struct datagram_reader *reader, struct weir_fault *fault)
{
	const uint8_t *at = reader->buffer + reader->at;
	size_t left = (size_t)(reader->message_end - at);
	size_t length = left < SET_HEADER ? left : weir_load_be16(at + 2);

	if (left == 0) {
		end_message(reader);
		return 1;
	}
	if (left < SET_HEADER || length < SET_HEADER || length > left) {
		/* The message's own length still says where the next one begins. */
		reader->statistics.malformed_sets++;
		reader->uncounted = true;
		reader->at += left;
		return 1;
	}
	reader->at += length;
	int error = take_set(reader, weir_load_be16(at), (struct weir_bytes){at + SET_HEADER, length - SET_HEADER}, fault);
	return error ? error : 1;
}

/*
 * The next set of a NetFlow v9 datagram. It does not say how long it is, but the ids of sets from 2 to 255 are reserved (RFC 3954,
 * section 5.2), so a 5, 9 or 10 there is the version of the datagram behind it.
 */
static int next_set_netflow9(struct datagram_reader *reader, struct weir_fault *fault)
{
	int loaded = load(reader, SET_HEADER, fault);
	if (loaded == 0 && reader->end == reader->at)
		reader->over = true;
	if (loaded == 0 && reader->end > reader->at)
		return damage(reader, fault, WEIR_E_TRUNCATED, "the file ends in the middle of a datagram");
	if (loaded != 1)
		return loaded;
	uint16_t id = weir_load_be16(reader->buffer + reader->at);
	size_t length = weir_load_be16(reader->buffer + reader->at + 2);
	if (id == DATAGRAM_NETFLOW5 || id == DATAGRAM_NETFLOW9 || id == DATAGRAM_IPFIX) {
		end_message(reader);
		return 1;
	}
	if (length < SET_HEADER)
		return damage(reader, fault, WEIR_E_FORMAT, "a NetFlow v9 flow set that is shorter than its header");
	loaded = load_rest(reader, length, fault);
	if (loaded != 1)
		return loaded;
	const uint8_t *at = reader->buffer + reader->at;
	reader->at += length;
	int error = take_set(reader, id, (struct weir_bytes){at + SET_HEADER, length - SET_HEADER}, fault);
	return error ? error : 1;
}

static int next_records_netflow5(struct datagram_reader *reader, struct weir_fault *fault)
{
	if (reader->records_left == 0) {
		end_message(reader);
		return 1;
	}
	int loaded = load_rest(reader, NETFLOW5_RECORD, fault);
	if (loaded != 1)
		return loaded;
	reader->template = datagram_template_netflow5();
	reader->set = (struct weir_bytes){reader->buffer + reader->at, NETFLOW5_RECORD};
	reader->at += NETFLOW5_RECORD;
	reader->records_left--;
	return 1;
}

static int next_message(struct datagram_reader *reader, struct weir_fault *fault)
{
	int loaded = load(reader, 2, fault);
	if (loaded == 0) {
		if (reader->end > reader->at)
			return damage(reader, fault, WEIR_E_TRUNCATED, "the file ends in the middle of a datagram");
		reader->over = true;
		return 0;
	}
	if (loaded != 1)
		return loaded;
	switch (weir_load_be16(reader->buffer + reader->at)) {
	case DATAGRAM_IPFIX: return begin_ipfix(reader, fault);
	case DATAGRAM_NETFLOW9: return begin_netflow9(reader, fault);
	case DATAGRAM_NETFLOW5: return begin_netflow5(reader, fault);
	default: return damage(reader, fault, WEIR_E_FORMAT, "neither IPFIX nor NetFlow v9 or v5: another version stands here");
	}
}

/* Cuts the next record off the set. False when there is none: what is left is padding, or does not fit its template. */
static bool next_record(struct datagram_reader *reader, struct datagram_record *record)
{
	const struct datagram_template *template = reader->template;
	size_t length = template->least;

	if (reader->set.length < length)
		return false;
	if (template->variable) {
		struct weir_bytes value;
		length = 0;
		for (size_t i = 0; i < template->count; i++)
			if (!datagram_value(&template->fields[i], reader->set, &length, &value)) {
				reader->statistics.malformed_sets++;
				reader->uncounted = true;
				return false;
			}
	}
	*record = (struct datagram_record){template, &reader->message, {reader->set.data, length}};
	reader->set.data += length;
	reader->set.length -= length;
	return true;
}

int datagram_next(struct datagram_reader *reader, struct datagram_record *record, struct weir_fault *fault)
{
	for (;;) {
		if (reader->template) {
			if (next_record(reader, record)) {
				reader->held = true;
				reader->data_records++;
				*(record->template->options ? &reader->statistics.options : &reader->statistics.flows) += 1;
				if (record->template->options && record->message->version == DATAGRAM_IPFIX)
					learn_boot(reader, record);
				return 1;
			}
			reader->template = NULL;
		}
		if (reader->over)
			return 0;
		int went_on;
		switch (reader->message.version) {
		case DATAGRAM_IPFIX: went_on = next_set_ipfix(reader, fault); break;
		case DATAGRAM_NETFLOW9: went_on = next_set_netflow9(reader, fault); break;
		case DATAGRAM_NETFLOW5: went_on = next_records_netflow5(reader, fault); break;
		default: went_on = next_message(reader, fault); break;
		}
		if (went_on != 1)
			return went_on;
	}
}
