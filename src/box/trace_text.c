/* Events as a line, as JSON: everything comes from the schema of their provider. */
#include <inttypes.h>
#include <string.h>

#include "box/trace.h"
#include "core/json.h"
#include "core/text.h"
#include "packet/output.h"

/* What stands between a number's fields is little-endian. */
static uint64_t take_number(struct weir_cursor *payload, unsigned size)
{
	switch (size) {
	case 1:
		return weir_take8(payload);
	case 2:
		return weir_take_le16(payload);
	case 4:
		return weir_take_le32(payload);
	case 8:
		return weir_take_le64(payload);
	default:
		payload->failed = true;
		return 0;
	}
}

static uint64_t extended(uint64_t number, unsigned size)
{
	unsigned shift = 64 - 8 * size;
	return shift < 64 ? (uint64_t)((int64_t)(number << shift) >> shift) : number;
}

bool weir_trace_take(struct weir_cursor *payload, const struct weir_trace_field *field, struct weir_trace_value *value)
{
	const uint8_t *data;

	memset(value, 0, sizeof *value);
	switch (field->type) {
	case WEIR_TRACE_ADDRESS:
		data = weir_take(payload, 17);
		if (data) {
			memcpy(value->address.bytes, data, 16);
			value->address.version = data[16] == 4 || data[16] == 6 ? data[16] : 0;
		}
		break;
	case WEIR_TRACE_TEXT:
		data = weir_take(payload, field->size);
		if (data)
			value->text = (struct weir_bytes){data, strnlen((const char *)data, field->size)};
		break;
	case WEIR_TRACE_STRING:
		value->text.length = weir_take_le16(payload);
		value->text.data = weir_take(payload, value->text.length);
		break;
	case WEIR_TRACE_UNSIGNED:
	case WEIR_TRACE_SIGNED:
	case WEIR_TRACE_HEX:
	case WEIR_TRACE_DURATION:
		value->number = take_number(payload, field->size);
		if (field->type == WEIR_TRACE_SIGNED && !payload->failed)
			value->number = extended(value->number, field->size);
		for (const struct weir_trace_name *name = field->names; name && name->name && !value->name; name++)
			if (name->value == value->number)
				value->name = name->name;
		break;
	default:
		payload->failed = true;
	}
	return !payload->failed;
}

/* Takes all fields that are whole. How many. */
static size_t take_all(const struct weir_trace_event *event, struct weir_trace_value values[static TRACE_FIELDS_MOST])
{
	struct weir_cursor payload = weir_cursor_over(event->payload.data, event->payload.length);
	size_t count = 0;

	for (const struct weir_trace_field *field = event->type->fields; field->name && count < TRACE_FIELDS_MOST; field++, count++)
		if (!weir_trace_take(&payload, field, &values[count]))
			break;
	return count;
}

/* Where the field NAME_port of an address is; -1: there is none. */
static int port_of(const struct weir_trace_event *event, size_t count, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (strncmp(event->type->fields[i].name, name, length) == 0 && strcmp(event->type->fields[i].name + length, "_port") == 0)
			return (int)i;
	return -1;
}

static bool is_port(const struct weir_trace_event *event, size_t count, size_t field)
{
	for (size_t i = 0; i < count; i++)
		if (event->type->fields[i].type == WEIR_TRACE_ADDRESS && port_of(event, count, event->type->fields[i].name) == (int)field)
			return true;
	return false;
}

static void put_address(struct text *text, const struct weir_trace_value *value, const struct weir_trace_value *port)
{
	const struct weir_ip *ip = &value->address;

	if (ip->version == 0)
		text_add(text, "-");
	else if (ip->version == 6 && port)
		text_add_char(text, '[');
	if (ip->version)
		put_ip(text, ip->version, ip->bytes);
	if (ip->version == 6 && port)
		text_add_char(text, ']');
	if (port && ip->version)
		text_add_format(text, ":%" PRIu64, port->number);
	output_end(text);
}

static void put_visible_text(struct text *text, const struct weir_bytes *value)
{
	put_visible(text, value->data, value->length);
	output_end(text);
}

/* What a trace's own description calls something: whoever wrote the file may have put anything into it. */
static void put_word(struct text *text, const char *word) { put_visible_text(text, &(struct weir_bytes){(const uint8_t *)word, strlen(word)}); }

static void put_value(struct text *text, const struct weir_trace_field *field, const struct weir_trace_value *value)
{
	char room[FORMAT_SIZE];

	switch (field->type) {
	case WEIR_TRACE_TEXT:
	case WEIR_TRACE_STRING:
		text_add_char(text, '"');
		put_visible_text(text, &value->text);
		text_add_char(text, '"');
		break;
	case WEIR_TRACE_HEX:
		text_add_format(text, "0x%" PRIx64, value->number);
		break;
	case WEIR_TRACE_SIGNED:
		text_add_format(text, "%" PRId64, (int64_t)value->number);
		break;
	case WEIR_TRACE_DURATION:
		if (value->number == UINT64_MAX || value->number > INT64_MAX)
			text_add_char(text, '-');
		else
			text_add(text, format_duration((int64_t)value->number, room));
		break;
	default:
		if (value->name)
			put_word(text, value->name);
		else
			text_add_unsigned(text, value->number);
	}
}

void trace_put_line(struct text *text, const struct weir_trace_event *event, bool local)
{
	struct weir_trace_value values[TRACE_FIELDS_MOST];
	size_t count = take_all(event, values);
	char room[FORMAT_SIZE];

	text_add_format(text, "%s cpu%u ", format_time(event->time_ns, local, 9, room), event->cpu);
	put_word(text, event->provider->name);
	text_add_char(text, '.');
	put_word(text, event->type->name);
	text_add_char(text, ' ');
	if (event->process_id) {
		struct weir_bytes name = {(const uint8_t *)event->name, strnlen(event->name, sizeof event->name)};
		put_visible_text(text, &name);
		text_add_format(text, "[%u/%u]", event->process_id, event->thread_id);
	} else {
		text_add(text, "-");
	}
	for (size_t i = 0; i < count; i++) {
		const struct weir_trace_field *field = &event->type->fields[i];
		if (is_port(event, count, i))
			continue;
		text_add_char(text, ' ');
		put_word(text, field->name);
		text_add_char(text, '=');
		if (field->type == WEIR_TRACE_ADDRESS) {
			int port = port_of(event, count, field->name);
			put_address(text, &values[i], port >= 0 ? &values[port] : NULL);
		} else {
			put_value(text, field, &values[i]);
		}
	}
	text_add_char(text, '\n');
}

void trace_put_keywords(struct text *text, const struct weir_trace_provider *provider, uint64_t keywords)
{
	bool any = false;

	for (const struct weir_trace_keyword *keyword = provider->keywords; keyword && keyword->name; keyword++) {
		if (!(keyword->bit & keywords))
			continue;
		text_add_format(text, "%s%s", any ? "," : "", keyword->name);
		any = true;
	}
}

static void json_value(struct json *json, const struct weir_trace_field *field, const struct weir_trace_value *value)
{
	struct text address = {0};

	json_key(json, field->name);
	switch (field->type) {
	case WEIR_TRACE_ADDRESS:
		if (value->address.version) {
			put_address(&address, value, NULL);
			json_string(json, text_string(&address));
			text_free(&address);
		} else {
			json_null(json);
		}
		break;
	case WEIR_TRACE_TEXT:
	case WEIR_TRACE_STRING:
		json_string_bytes(json, value->text.data, value->text.length);
		break;
	case WEIR_TRACE_SIGNED:
		json_signed(json, (int64_t)value->number);
		break;
	case WEIR_TRACE_DURATION:
		if (value->number == UINT64_MAX)
			json_null(json);
		else
			json_unsigned(json, value->number);
		break;
	default:
		if (value->name)
			json_string(json, value->name);
		else
			json_unsigned(json, value->number);
	}
}

void trace_put_json(struct text *text, const struct weir_trace_event *event)
{
	struct json json = json_into(text);
	struct weir_trace_value values[TRACE_FIELDS_MOST];
	size_t count = take_all(event, values);
	char room[FORMAT_SIZE];

	json_object(&json);
	json_put_string(&json, "time", format_time(event->time_ns, false, 9, room));
	json_put_unsigned(&json, "cpu", event->cpu);
	json_put_string(&json, "provider", event->provider->name);
	json_put_string(&json, "event", event->type->name);
	json_put_unsigned(&json, "id", event->type->id);
	json_put_unsigned(&json, "version", event->type->version);
	json_put_string(&json, "level", weir_trace_level_name(event->type->level));
	json_key(&json, "keywords");
	json_array(&json);
	for (const struct weir_trace_keyword *keyword = event->provider->keywords; keyword && keyword->name; keyword++)
		if (keyword->bit & event->type->keywords)
			json_string(&json, keyword->name);
	json_end_array(&json);
	if (event->process_id) {
		json_put_unsigned(&json, "pid", event->process_id);
		json_put_unsigned(&json, "tid", event->thread_id);
		if (event->name[0]) {
			json_key(&json, "process");
			json_string_bytes(&json, event->name, strnlen(event->name, sizeof event->name));
		}
	}
	if (!(event->flags & WEIR_TRACE_NO_CPU_TIME)) {
		json_put_unsigned(&json, "user_ns", event->user_ns);
		json_put_unsigned(&json, "kernel_ns", event->kernel_ns);
	}
	json_put_bool(&json, "interrupt", event->flags & WEIR_TRACE_IN_INTERRUPT);
	json_put_unsigned(&json, "activity", event->activity);
	json_key(&json, "fields");
	json_object(&json);
	for (size_t i = 0; i < count; i++)
		json_value(&json, &event->type->fields[i], &values[i]);
	json_end_object(&json);
	json_end_object(&json);
	text_add_char(text, '\n');
}
