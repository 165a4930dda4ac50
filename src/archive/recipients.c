/* Recipients in campaign.toml: archive/recipients.h, weir/archive.h. */
#include "archive/recipients.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/toml.h"
#include "os/files.h"

#define KEY "recipients"

static int toml_path(const char *campaign, char path[static PATH_MAX], struct weir_fault *fault)
{
	if (snprintf(path, PATH_MAX, "%s/campaign.toml", campaign) < PATH_MAX)
		return 0;
	return weir_fail_at(fault, WEIR_E_LIMIT, campaign, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
}

static int take(const struct toml *toml, const struct toml_value *value, struct weir_recipients *recipients,
                struct weir_fault *fault)
{
	struct weir_fault why = {0};

	if (value && value->kind != TOML_ARRAY)
		return toml_fail(toml, value, fault, WEIR_E_FORMAT, KEY " is %s, not an array of strings",
		                 toml_kind_name(value->kind));
	for (const struct toml_value *item = value ? value->first : NULL; item; item = item->next) {
		if (item->kind != TOML_STRING)
			return toml_fail(toml, item, fault, WEIR_E_FORMAT, "a recipient is %s, not a string",
			                 toml_kind_name(item->kind));
		if (weir_recipients_add(recipients, item->string, &why) < 0)
			return toml_fail(toml, item, fault, why.code == WEIR_E_USAGE ? WEIR_E_FORMAT : (enum weir_error)why.code,
			                 "%s", why.message);
	}
	return 0;
}

int weir_campaign_recipients(const char *campaign, struct weir_recipients **recipients, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct toml *toml = NULL;
	struct weir_recipients *found = NULL;
	int error = toml_path(campaign, path, fault);

	*recipients = NULL;
	if (!error)
		error = weir_recipients_new(&found, fault);
	if (!error)
		error = toml_read(path, &toml, fault);
	if (!error)
		error = take(toml, toml_get(toml_root(toml), KEY), found, fault);
	/* A campaign may be without the file, and a new one is. */
	if (error == WEIR_E_NOT_FOUND)
		error = 0;
	toml_free(toml);
	if (error)
		weir_recipients_free(found);
	else
		*recipients = found;
	return error;
}

int recipients_gather(const char *campaign, const struct weir_recipients *named, struct weir_recipients **recipients,
                      struct weir_fault *fault)
{
	int error = weir_campaign_recipients(campaign, recipients, fault);

	for (size_t i = 0; !error && i < weir_recipients_count(named); i++)
		error = weir_recipients_add(*recipients, weir_recipients_text(named, i), fault);
	if (error || !weir_recipients_count(*recipients)) {
		weir_recipients_free(*recipients);
		*recipients = NULL;
	}
	return error;
}

/* Behind the array that begins at or behind `at`: brackets count where they stand in no string and no comment. */
static const char *end_of_array(const char *at)
{
	unsigned depth = 0;

	for (; *at; at++) {
		if (*at == '#') {
			at += strcspn(at, "\n");
			if (!*at)
				return at;
		} else if (*at == '"' || *at == '\'') {
			char quote = *at++;
			while (*at && *at != quote)
				at += *at == '\\' && quote == '"' && at[1] ? 2 : 1;
			if (!*at)
				return at;
		} else if (*at == '[') {
			depth++;
		} else if (*at == ']' && --depth == 0) {
			return at + 1;
		}
	}
	return at;
}

/* Where line number `line` begins. */
static const char *find_line(const char *text, uint32_t line)
{
	for (uint32_t n = 1; n < line && text; n++) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}

/* Before the first table, because what stands behind its heading belongs to it. */
static const char *before_tables(const char *text)
{
	for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (at[strspn(at, " \t")] == '[')
			return at;
	return text + strlen(text);
}

static void add_assignment(struct text *out, const struct weir_recipients *recipients)
{
	text_add(out, KEY " = [\n");
	for (size_t i = 0; i < weir_recipients_count(recipients); i++)
		text_add_format(out, "\t\"%s\",\n", weir_recipients_text(recipients, i));
	text_add(out, "]");
}

/* The text with its array of recipients replaced, or with a new one. */
static int put_recipients(const char *path, const char *text, size_t length, const struct weir_recipients *recipients,
                          struct text *out, struct weir_fault *fault)
{
	struct toml *toml;
	int error = toml_parse(text, length, path, &toml, fault);

	if (error)
		return error;
	const struct toml_value *value = toml_get(toml_root(toml), KEY);
	/* The value begins on this line: the key stands before it on the same one (TOML has no key and value on two). */
	const char *line = value ? find_line(text, value->line) : NULL;
	const char *from = line ? line + strspn(line, " \t") : before_tables(text);
	bool plain = !value || (from && strncmp(from, KEY, strlen(KEY)) == 0);
	const char *to = value && plain ? end_of_array(from) : from;
	if (plain) {
		text_add_bytes(out, text, (size_t)(from - text));
		if (!value && from > text && from[-1] != '\n')
			text_add_char(out, '\n');
		add_assignment(out, recipients);
		text_add(out, value ? "" : "\n");
		text_add(out, to);
	} else {
		error =
			toml_fail(toml, value, fault, WEIR_E_UNSUPPORTED,
		              "is written in a way that weir does not change: write " KEY " = [\"age1…\"] on lines of its own");
	}
	toml_free(toml);
	if (!error && out->failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for campaign.toml");
	return error;
}

/* Those of `all` that are not in `gone`. */
static int without(const struct weir_recipients *all, const struct weir_recipients *gone, struct weir_recipients *rest,
                   struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; i < weir_recipients_count(all) && !error; i++) {
		bool stays = true;
		for (size_t k = 0; k < weir_recipients_count(gone); k++)
			stays = stays && strcmp(weir_recipients_text(all, i), weir_recipients_text(gone, k)) != 0;
		if (stays)
			error = weir_recipients_add(rest, weir_recipients_text(all, i), fault);
	}
	return error;
}

static int change(struct weir_recipients **recipients, const char *const *names, size_t count, bool add,
                  struct weir_fault *fault)
{
	struct weir_recipients *named = NULL, *rest = NULL;
	int error = weir_recipients_new(&named, fault);

	for (size_t i = 0; i < count && !error; i++)
		error = weir_recipients_add(add ? *recipients : named, names[i], fault);
	if (!error && !add)
		error = weir_recipients_new(&rest, fault);
	if (!error && !add)
		error = without(*recipients, named, rest, fault);
	if (!error && !add && !weir_recipients_count(rest))
		error = weir_fail(fault, WEIR_E_USAGE, "nobody would be left who can open what is sealed");
	if (!error && !add) {
		weir_recipients_free(*recipients);
		*recipients = rest;
		rest = NULL;
	}
	weir_recipients_free(named);
	weir_recipients_free(rest);
	return error;
}

int recipients_change(const char *campaign, const char *const *names, size_t count, bool add,
                      struct weir_recipients **recipients, struct weir_fault *fault)
{
	char path[PATH_MAX], *text = NULL;
	size_t length = 0;
	struct text out = {0};
	int error = toml_path(campaign, path, fault);

	*recipients = NULL;
	if (!error)
		error = weir_campaign_recipients(campaign, recipients, fault);
	if (!error)
		error = change(recipients, names, count, add, fault);
	if (!error)
		error = os_read_file(path, TOML_BYTES_MAX, &text, &length, fault);
	if (!error)
		error = put_recipients(path, text, length, *recipients, &out, fault);
	if (!error)
		error = os_write_file(path, out.data, out.length, fault);
	text_free(&out);
	free(text);
	if (error) {
		weir_recipients_free(*recipients);
		*recipients = NULL;
	}
	return error;
}
