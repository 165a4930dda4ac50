/*
 * datagrams FILE...: every record of files of IPFIX and NetFlow datagrams, a JSON object a line: each field as it stands,
 * "ENTERPRISE:ELEMENT": hexadecimal; and of a flow the columns that are made of it. At the end what was counted, and any fault, on standard error.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/text.h"
#include "flow/datagram.h"

static void print_fields(const struct datagram_record *record)
{
	struct weir_bytes value;
	size_t at = 0;

	printf("{\"version\":%u,\"domain\":%u,\"sequence\":%u,\"export_ns\":%" PRId64 ",\"template\":%u,\"options\":%s,\"fields\":{",
	       record->message->version, record->message->domain, record->message->sequence, record->message->export_ns,
	       record->template->id, record->template->options ? "true" : "false");
	for (size_t i = 0; i < record->template->count; i++) {
		const struct datagram_field *field = &record->template->fields[i];
		if (!datagram_value(field, record->bytes, &at, &value))
			break;
		printf("%s\"%u:%u\":\"", i ? "," : "", field->enterprise, field->element);
		for (size_t j = 0; j < value.length; j++)
			printf("%02x", value.data[j]);
		putchar('"');
	}
	putchar('}');
}

static void print_ip(const struct weir_ip *ip)
{
	putchar('"');
	for (size_t i = 0; i < (ip->version == 6 ? 16u : 4u); i++)
		printf("%02x", ip->bytes[i]);
	putchar('"');
}

static void print_column(const struct weir_flow *flow, const struct weir_flow_column *column)
{
	const uint8_t *member = (const uint8_t *)flow + column->offset;
	const struct weir_bytes *string = (const void *)member;

	switch ((enum weir_column_type)column->type) {
	case WEIR_COLUMN_UNSIGNED:
		printf("%" PRIu64, column->size == 1   ? *member
		                   : column->size == 2 ? weir_load_native16(member)
		                   : column->size == 4 ? weir_load_native32(member)
		                                       : weir_load_native64(member));
		break;
	case WEIR_COLUMN_TIME:
	case WEIR_COLUMN_DURATION: printf("%" PRId64, (int64_t)weir_load_native64(member)); break;
	case WEIR_COLUMN_DOUBLE: printf("%.17g", *(const double *)member); break;
	case WEIR_COLUMN_IP: print_ip((const void *)member); break;
	case WEIR_COLUMN_MAC: printf("\"%02x%02x%02x%02x%02x%02x\"", member[0], member[1], member[2], member[3], member[4], member[5]); break;
	case WEIR_COLUMN_STRING:
		putchar('"');
		for (size_t i = 0; i < string->length; i++)
			printf(string->data[i] >= ' ' && string->data[i] < 127 && string->data[i] != '"' && string->data[i] != '\\' ? "%c" : "\\u%04x",
			       string->data[i]);
		putchar('"');
		break;
	case WEIR_COLUMN_TEXT: printf("\"%s\"", (const char *)member); break;
	}
}

static void print_flow(const struct weir_flow *flow)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	fputs(",\"flow\":{", stdout);
	for (size_t i = 0; i < count; i++) {
		printf("%s\"%s\":", i ? "," : "", columns[i].name);
		print_column(flow, &columns[i]);
	}
	putchar('}');
}

static int read_file(struct datagram_reader *reader, struct weir_arena *arena, const char *path)
{
	struct weir_fault fault;
	struct datagram_record record;
	struct weir_flow flow;
	struct stream *stream;
	char text[1200];
	int got = stream_open(path, &stream, &fault);

	if (got == 0) {
		datagram_reader_input(reader, stream, path);
		while (datagram_reader_release(reader), (got = datagram_next(reader, &record, &fault)) == 1) {
			arena_reset(arena);
			print_fields(&record);
			if (!record.template->options && datagram_flow(&record, arena, &flow) == 0)
				print_flow(&flow);
			puts("}");
		}
	}
	if (got < 0)
		fprintf(stderr, "%s\n", weir_fault_text(&fault, text, sizeof text));
	return got;
}

int main(int argc, char **argv)
{
	struct datagram_reader *reader = datagram_reader_new();
	struct weir_arena *arena = arena_new(0);
	int status = 0;

	if (!reader || !arena)
		return 3;
	for (int i = 1; i < argc; i++)
		if (read_file(reader, arena, argv[i]) < 0)
			status = 1;
	const struct weir_datagram_statistics *s = datagram_reader_statistics(reader);
	fprintf(stderr,
	        "messages %" PRIu64 " flows %" PRIu64 " options %" PRIu64 " templates %" PRIu64 " unknown %" PRIu64 " malformed %" PRIu64
	        " lost %" PRIu64 "\n",
	        s->messages, s->flows, s->options, s->template_sets, s->unknown_sets, s->malformed_sets, s->lost);
	datagram_reader_free(reader);
	arena_free(arena);
	return status;
}
