#include "archive/plan_token.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == ':';
}

/* Decimal, 0x hexadecimal or octal, as libpcap's scanner takes it; false when it is none or does not fit 32 bits. */
static bool read_number(const char *text, size_t length, uint64_t *number)
{
	unsigned base = 10;
	size_t i = 0;

	if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		i = 2;
	} else if (length > 1 && text[0] == '0') {
		base = 8;
		i = 1;
	}
	*number = 0;
	for (; i < length; i++) {
		int c = tolower((unsigned char)text[i]);
		unsigned digit = isdigit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;

		if (digit >= base)
			return false;
		*number = *number * base + digit;
		if (*number > UINT32_MAX)
			return false;
	}
	return length > 0;
}

/* Two to four decimal components. */
static bool read_ipv4(const char *text, size_t length, struct token *token)
{
	unsigned components = 0, value = 0, digits = 0;
	uint64_t number = 0;

	for (size_t i = 0; i <= length; i++) {
		if (i == length || text[i] == '.') {
			if (!digits || value > 255 || components == 4)
				return false;
			number = number << 8 | value;
			components++;
			value = digits = 0;
		} else if (isdigit((unsigned char)text[i]) && digits < 3) {
			value = value * 10 + (unsigned)(text[i] - '0');
			digits++;
		} else {
			return false;
		}
	}
	token->number = number;
	token->bits = components * 8;
	return components >= 2;
}

/* Six pairs of hexadecimal digits with ':' or '-' between them, each of one or two. */
static bool read_mac(const char *text, size_t length, uint64_t *number)
{
	unsigned groups = 0, digits = 0;
	uint64_t value = 0, group = 0;
	char separator = 0;

	for (size_t i = 0; i <= length; i++) {
		char c = i < length ? text[i] : 0;

		if (c == 0 || c == ':' || c == '-') {
			if (!digits || ++groups > 6 || (c && separator && c != separator))
				return false;
			if (c)
				separator = c;
			value = value << 8 | group;
			group = digits = 0;
		} else if (isxdigit((unsigned char)c) && digits < 2) {
			group = group << 4 | (unsigned)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
			digits++;
		} else {
			return false;
		}
	}
	*number = value;
	return groups == 6;
}

static bool read_ipv6(const char *text, size_t length, uint8_t address[16])
{
	char copy[64];

	if (length >= sizeof copy || !memchr(text, ':', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = 0;
	return inet_pton(AF_INET6, copy, address) == 1;
}

static void classify(struct token *token)
{
	const char *text = token->text;
	size_t length = token->length;

	if (read_number(text, length, &token->number))
		token->kind = TOKEN_NUMBER;
	else if (read_ipv4(text, length, token))
		token->kind = TOKEN_IPV4;
	else if (read_mac(text, length, &token->number))
		token->kind = TOKEN_MAC;
	else if (read_ipv6(text, length, token->address))
		token->kind = TOKEN_IPV6;
	else if (length == 3 && memcmp(text, "and", 3) == 0)
		token->kind = TOKEN_AND;
	else if (length == 2 && memcmp(text, "or", 2) == 0)
		token->kind = TOKEN_OR;
	else if (length == 3 && memcmp(text, "not", 3) == 0)
		token->kind = TOKEN_NOT;
	else
		token->kind = TOKEN_WORD;
}

static size_t operator_length(const char *p)
{
	static const char *const two[] = {"<<", ">>", "<=", ">=", "!=", "=="};

	for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
		if (p[0] == two[i][0] && p[1] == two[i][1])
			return 2;
	return 1;
}

struct token token_next(const char **at)
{
	const char *p = *at + strspn(*at, " \t\r\n");
	struct token token = {.kind = TOKEN_END, .text = p};

	if (*p == 0) {
		token.length = 0;
	} else if (p[0] == '&' && p[1] == '&') {
		token.kind = TOKEN_AND;
		token.length = 2;
	} else if (p[0] == '|' && p[1] == '|') {
		token.kind = TOKEN_OR;
		token.length = 2;
	} else if (p[0] == '!' && p[1] != '=') {
		token.kind = TOKEN_NOT;
		token.length = 1;
	} else if (*p == '(' || *p == ')') {
		token.kind = *p == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
		token.length = 1;
	} else if (*p == '\\') {
		token.kind = TOKEN_ESCAPED;
		token.text = p + 1;
		token.length = strcspn(p + 1, " !()\t\r\n");
		*at = p + 1 + token.length;
		return token;
	} else if (isalnum((unsigned char)*p) || (p[0] == ':' && p[1] == ':')) {
		while (is_word(p[token.length]))
			token.length++;
		classify(&token);
	} else {
		token.kind = TOKEN_OPERATOR;
		token.length = operator_length(p);
	}
	*at = p + token.length;
	return token;
}

bool token_is(const struct token *token, const char *word)
{
	return (token->kind == TOKEN_WORD || token->kind == TOKEN_OPERATOR) && strlen(word) == token->length &&
	       memcmp(word, token->text, token->length) == 0;
}
