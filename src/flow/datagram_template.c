/* Templates of IPFIX and NetFlow v9: read, found, and forgotten when there are too many. */
#include <stdlib.h>
#include <string.h>

#include "flow/datagram.h"

#define BUCKETS 4096u
#define TEMPLATES_MAX 16384u            /* each exporter has tens; a forged stream may define any number */
#define MEMORY_MAX ((size_t)8 << 20)

struct datagram_templates {
	struct datagram_template *buckets[BUCKETS];
	struct datagram_template *oldest, *newest;
	size_t count, memory;
};

static size_t memory_of(size_t fields) { return sizeof(struct datagram_template) + fields * sizeof(struct datagram_field); }

static struct datagram_template **bucket(struct datagram_templates *templates, uint8_t version, uint32_t domain, uint16_t id)
{
	uint32_t hash = (domain * 0x9E3779B1u) ^ (id * 0x85EBCA6Bu) ^ version;

	return &templates->buckets[(hash ^ hash >> 15) % BUCKETS];
}

struct datagram_templates *datagram_templates_new(void)
{
	return calloc(1, sizeof(struct datagram_templates));
}

struct datagram_template *datagram_template_find(const struct datagram_templates *templates, uint8_t version, uint32_t domain, uint16_t id)
{
	struct datagram_template *t = *bucket((struct datagram_templates *)templates, version, domain, id);

	while (t && (t->id != id || t->domain != domain || t->version != version))
		t = t->next;
	return t;
}

static void forget(struct datagram_templates *templates, struct datagram_template *template)
{
	struct datagram_template **link = bucket(templates, template->version, template->domain, template->id);

	while (*link != template)
		link = &(*link)->next;
	*link = template->next;
	*(template->older ? &template->older->newer : &templates->oldest) = template->newer;
	*(template->newer ? &template->newer->older : &templates->newest) = template->older;
	templates->count--;
	templates->memory -= memory_of(template->count);
	free(template);
}

/* Every template of a kind within a domain: RFC 7011, section 8.1. */
static void forget_all(struct datagram_templates *templates, uint8_t version, uint32_t domain, bool options)
{
	struct datagram_template *newer;

	for (struct datagram_template *t = templates->oldest; t; t = newer) {
		newer = t->newer;
		if (t->version == version && t->domain == domain && t->options == options)
			forget(templates, t);
	}
}

void datagram_templates_free(struct datagram_templates *templates)
{
	while (templates && templates->oldest)
		forget(templates, templates->oldest);
	free(templates);
}

/* Whether a definition that came again says what is known already: the common case over UDP. */
static bool same(const struct datagram_template *a, const struct datagram_template *b)
{
	if (a->options != b->options || a->count != b->count || a->scope_count != b->scope_count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->fields[i].enterprise != b->fields[i].enterprise || a->fields[i].element != b->fields[i].element ||
		    a->fields[i].length != b->fields[i].length)
			return false;
	return true;
}

static void keep(struct datagram_templates *templates, struct datagram_template *template)
{
	struct datagram_template *known = datagram_template_find(templates, template->version, template->domain, template->id);

	if (known && same(known, template)) {
		free(template);
		return;
	}
	if (known)
		forget(templates, known);
	while (templates->oldest &&
	       (templates->count >= TEMPLATES_MAX || templates->memory + memory_of(template->count) > MEMORY_MAX))
		forget(templates, templates->oldest);
	for (size_t i = 0; i < template->count; i++) {
		bool variable = template->fields[i].length == DATAGRAM_VARIABLE;
		template->variable |= variable;
		template->least += variable ? 1 : template->fields[i].length;
	}
	datagram_plan(template);
	struct datagram_template **link = bucket(templates, template->version, template->domain, template->id);
	template->next = *link;
	*link = template;
	template->older = templates->newest;
	*(templates->newest ? &templates->newest->newer : &templates->oldest) = template;
	templates->newest = template;
	templates->count++;
	templates->memory += memory_of(template->count);
}

/* Reads `count` field specifiers. In NetFlow v9 there is no enterprise bit and no variable length. */
static void take_fields(struct weir_cursor *cursor, uint8_t version, bool scope, struct datagram_field *fields, size_t count)
{
	for (size_t i = 0; i < count && !cursor->failed; i++) {
		uint16_t element = weir_take_be16(cursor), length = weir_take_be16(cursor);
		fields[i] = (struct datagram_field){.element = element, .length = length};
		if (version == DATAGRAM_IPFIX && fields[i].element & 0x8000) {
			fields[i].element &= 0x7FFF;
			fields[i].enterprise = weir_take_be32(cursor);
		} else if (version == DATAGRAM_NETFLOW9 && scope) {
			fields[i].enterprise = DATAGRAM_SCOPE;
		}
	}
}

/* The head of a template: how many fields, how many of them are scopes. False: none, it was withdrawn or is damaged. */
static bool take_head(struct datagram_templates *templates, struct weir_cursor *cursor, struct datagram_template *head)
{
	head->id = weir_take_be16(cursor);
	if (head->options && head->version == DATAGRAM_NETFLOW9) {
		uint16_t scope_bytes = weir_take_be16(cursor), option_bytes = weir_take_be16(cursor);
		if (scope_bytes % 4 || option_bytes % 4)
			cursor->failed = true;
		head->scope_count = scope_bytes / 4;
		head->count = (uint16_t)(head->scope_count + option_bytes / 4);
	} else {
		head->count = weir_take_be16(cursor);
		if (head->options && head->count)
			head->scope_count = weir_take_be16(cursor);
	}
	if (cursor->failed)
		return false;
	if (head->count == 0 && head->version == DATAGRAM_IPFIX) {
		struct datagram_template *known = datagram_template_find(templates, head->version, head->domain, head->id);
		if (head->id < 256)
			forget_all(templates, head->version, head->domain, head->options);
		else if (known)
			forget(templates, known);
		return false;
	}
	if (head->id < 256 || head->scope_count > head->count || (size_t)head->count * 4 > weir_cursor_left(cursor)) {
		cursor->failed = true;
		return false;
	}
	return head->count != 0;
}

int datagram_templates_take(struct datagram_templates *templates, uint8_t version, uint32_t domain, bool options, struct weir_bytes set)
{
	struct weir_cursor cursor = weir_cursor_over(set.data, set.length);

	/* What is left over is padding: up to 3 bytes in IPFIX, and whole zero words from some exporters. */
	while (weir_cursor_left(&cursor) >= 4 && weir_load_be16(cursor.at) != 0) {
		struct datagram_template head = {.version = version, .domain = domain, .options = options};
		if (!take_head(templates, &cursor, &head)) {
			if (cursor.failed)
				return WEIR_E_FORMAT;
			continue;
		}
		struct datagram_template *template = malloc(memory_of(head.count));
		if (!template)
			return WEIR_E_MEMORY;
		*template = head;
		take_fields(&cursor, version, true, template->fields, head.scope_count);
		take_fields(&cursor, version, false, template->fields + head.scope_count, (size_t)head.count - head.scope_count);
		if (cursor.failed) {
			free(template);
			return WEIR_E_FORMAT;
		}
		keep(templates, template);
	}
	return 0;
}
