/* Filters on endpoints: box/endpoint_filter.h. */
#include "box/endpoint_filter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "flow/match.h"

#define TERMS_MOST 32
#define WORD_MOST 256

struct term {
	const struct term_kind *kind;
	bool negated;
	char value[WORD_MOST];
};

struct endpoint_filter {
	struct flow_match *match; /* NULL: any addresses */
	struct term terms[TERMS_MOST];
	size_t count;
};

struct term_kind {
	const char *word;
	bool (*matches)(const char *value, const struct endpoint *endpoint);
};

static bool is_bytes(struct weir_bytes bytes, const char *string)
{
	return bytes.length == strlen(string) && memcmp(bytes.data, string, bytes.length) == 0;
}

static bool is_number(const char *value, uint32_t number)
{
	char *end;
	unsigned long parsed = strtoul(value, &end, 10);

	return *value && !*end && isdigit((unsigned char)*value) && parsed == number;
}

static bool matches_process(const char *value, const struct endpoint *endpoint)
{
	const struct weir_process *process = &endpoint->process;
	struct weir_bytes file = process->executable;

	if (process->pid == 0)
		return false;
	if (is_bytes(process->name, value) || is_bytes(process->executable, value) || is_number(value, process->pid))
		return true;
	for (size_t i = file.length; i-- > 0;)
		if (file.data[i] == '/') {
			file.data += i + 1;
			file.length -= i + 1;
			break;
		}
	return is_bytes(file, value);
}

static bool matches_user(const char *value, const struct endpoint *endpoint)
{
	if (endpoint->process.user_id == WEIR_NO_USER)
		return false;
	return is_bytes(endpoint->process.user, value) || is_number(value, endpoint->process.user_id);
}

/* In any case, and _ and - need not be written. */
static bool same_word(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '_' || *a == '-')
			a++;
		while (*b == '_' || *b == '-')
			b++;
		if (toupper((unsigned char)*a) != toupper((unsigned char)*b))
			return false;
		if (!*a)
			return true;
	}
}

static bool matches_state(const char *value, const struct endpoint *endpoint) { return same_word(value, endpoint_state_name(endpoint->state)); }

static bool matches_container(const char *value, const struct endpoint *endpoint)
{
	size_t length = strlen(value);

	return endpoint->container.length >= length && memcmp(endpoint->container.data, value, length) == 0;
}

static const struct term_kind kinds[] = {
	{"process", matches_process},
	{"user", matches_user},
	{"state", matches_state},
	{"container", matches_container},
};

static const struct term_kind *kind_of(const char *word)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(word, kinds[i].word) == 0)
			return &kinds[i];
	return NULL;
}

/* The next word, with brackets words of their own. False: none is left. */
static bool next_word(const char **at, char word[static WORD_MOST])
{
	size_t length = 0;

	while (isspace((unsigned char)**at))
		++*at;
	if (!**at)
		return false;
	if (**at == '(' || **at == ')') {
		word[length++] = *(*at)++;
	} else {
		for (; **at && !isspace((unsigned char)**at) && **at != '(' && **at != ')'; ++*at)
			if (length < WORD_MOST - 1)
				word[length++] = **at;
	}
	word[length] = '\0';
	return true;
}

static bool is_and(const char *word) { return strcmp(word, "and") == 0 || strcmp(word, "&&") == 0; }
static bool is_not(const char *word) { return strcmp(word, "not") == 0 || strcmp(word, "!") == 0; }

/* A state that there is: a wrong one would silently match nothing. */
static bool is_state(const char *value)
{
	for (unsigned state = ENDPOINT_ESTABLISHED; state <= ENDPOINT_CONNECTED; state++)
		if (same_word(value, endpoint_state_name(state)))
			return true;
	return false;
}

static int add_term(struct endpoint_filter *filter, const struct term_kind *kind, bool negated, const char **at, struct weir_fault *fault)
{
	struct term *term = &filter->terms[filter->count];

	if (filter->count == TERMS_MOST)
		return weir_fail(fault, WEIR_E_FILTER, "more than %d terms", TERMS_MOST);
	if (!next_word(at, term->value) || is_and(term->value))
		return weir_fail(fault, WEIR_E_FILTER, "'%s' needs a word behind it", kind->word);
	if (strcmp(kind->word, "state") == 0 && !is_state(term->value))
		return weir_fail(fault, WEIR_E_FILTER, "there is no state '%s': ESTABLISHED, LISTEN, TIME_WAIT, … BOUND, CONNECTED", term->value);
	term->kind = kind;
	term->negated = negated;
	filter->count++;
	return 0;
}

/* Takes our own terms out, and leaves the rest. They stand alone between `and`, outside of brackets: `or` would make of them what libpcap can't be asked. */
static int split(struct endpoint_filter *filter, const char *at, struct text *rest, struct weir_fault *fault)
{
	char word[WORD_MOST];
	bool begins = true, negated = false, own_before = false, anything = false;
	int depth = 0;

	while (next_word(&at, word)) {
		const struct term_kind *kind = kind_of(word);
		if (kind && (!begins || depth))
			return weir_fail(fault, WEIR_E_FILTER, "'%s' stands alone between 'and', with or without 'not' before it", word);
		if (kind) {
			int error = add_term(filter, kind, negated, &at, fault);
			if (error)
				return error;
			negated = begins = false;
			own_before = true;
			continue;
		}
		if (own_before && !is_and(word))
			return weir_fail(fault, WEIR_E_FILTER, "behind a '%s' there may only be 'and'", filter->terms[filter->count - 1].kind->word);
		if (depth == 0 && is_and(word)) {
			if (begins)
				return weir_fail(fault, WEIR_E_FILTER, "nothing stands before 'and'");
			begins = true;
			own_before = false;
			continue;
		}
		if (depth == 0 && is_not(word) && begins) {
			negated = !negated;
			continue;
		}
		if (begins && anything)
			text_add(rest, " and ");
		if (negated)
			text_add(rest, "not ");
		text_add(rest, word);
		text_add_char(rest, ' ');
		depth += *word == '(' ? 1 : *word == ')' ? -1 : 0;
		begins = negated = false;
		anything = true;
	}
	if (negated || (begins && (anything || filter->count)))
		return weir_fail(fault, WEIR_E_FILTER, "the expression ends where something is missing");
	return rest->failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter") : 0;
}

int endpoint_filter_new(const char *expression, struct endpoint_filter **filter, struct weir_fault *fault)
{
	struct endpoint_filter *made = calloc(1, sizeof *made);
	struct text rest = {0};
	int error;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	error = split(made, expression ? expression : "", &rest, fault);
	if (!error && rest.length)
		error = flow_match_new(text_string(&rest), &made->match, fault);
	text_free(&rest);
	if (error) {
		endpoint_filter_free(made);
		return error;
	}
	*filter = made;
	return 0;
}

void endpoint_filter_free(struct endpoint_filter *filter)
{
	if (!filter)
		return;
	flow_match_free(filter->match);
	free(filter);
}

static bool matches_addresses(struct flow_match *match, const struct endpoint *endpoint, uint8_t version)
{
	struct weir_flow flow = {
		.source = endpoint->local,
		.destination = endpoint->remote,
		.source_port = endpoint->local_port,
		.destination_port = endpoint->remote_port,
		.protocol = endpoint->protocol,
		.vlan = WEIR_NO_VALUE,
		.icmp_type = WEIR_NO_VALUE,
		.icmp_code = WEIR_NO_VALUE,
		.forward.packets = 1,
		.reverse.packets = 1,
	};

	flow.source.version = flow.destination.version = flow.ip_version = version;
	return flow_match(match, &flow, NULL) == 1;
}

bool endpoint_filter_match(struct endpoint_filter *filter, const struct endpoint *endpoint)
{
	uint8_t version = endpoint->local.version ? endpoint->local.version : endpoint->remote.version;

	for (size_t i = 0; i < filter->count; i++)
		if (filter->terms[i].kind->matches(filter->terms[i].value, endpoint) == filter->terms[i].negated)
			return false;
	if (!filter->match)
		return true;
	if (version)
		return matches_addresses(filter->match, endpoint, version);
	return matches_addresses(filter->match, endpoint, 4) || matches_addresses(filter->match, endpoint, 6);
}
