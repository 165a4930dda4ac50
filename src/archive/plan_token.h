/*
 * archive/plan_token.h: the words of a pcap-filter expression.
 */
#ifndef ARCHIVE_PLAN_TOKEN_H
#define ARCHIVE_PLAN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
	TOKEN_END,
	TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_OPEN, TOKEN_CLOSE,
	TOKEN_NUMBER,   /* number */
	TOKEN_IPV4,     /* number: as many leading components as there were, at the low end; bits: 16, 24 or 32 */
	TOKEN_IPV6,     /* address */
	TOKEN_MAC,      /* number */
	TOKEN_WORD,     /* text, length: a keyword or a name */
	TOKEN_ESCAPED,  /* likewise, behind a backslash: never a keyword */
	TOKEN_OPERATOR, /* text, length: of arithmetic and relations; also [ ] : and / */
};

struct token {
	enum token_kind kind;
	const char *text;
	size_t length;
	uint64_t number;
	unsigned bits;
	uint8_t address[16];
};

/* Takes the next token from *at, which ends with a zero, and moves *at behind it. */
struct token token_next(const char **at);

bool token_is(const struct token *token, const char *word); /* a TOKEN_WORD or TOKEN_OPERATOR of exactly this text */

#endif
