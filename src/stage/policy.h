/*
 * stage/policy.h: what the files of policies share: policy.c (reading; what is kept) and policy_hide.c (what is hidden).
 */
#ifndef STAGE_POLICY_H
#define STAGE_POLICY_H

#include <weir/decode.h>
#include <weir/policy.h>

#include "core/text.h"
#include "core/toml.h"

/* A kind of value that can be hidden: a key of [policy.hide]. */
struct hide_field {
	const char *name;
	size_t offset;                  /* of its struct weir_hide_way in struct weir_policy_hide */
	uint16_t techniques;            /* that it may have: bits 1 << enum weir_hide_technique */
	uint8_t bits;                   /* of the value: truncate:N is for N up to it */
	struct weir_hide_way otherwise; /* when the table does not say */
};
extern const struct hide_field hide_fields[];
extern const size_t hide_field_count;

extern const char *const hide_technique_names[WEIR_HIDE_TECHNIQUES];
extern const char *const hide_scope_names[3];
extern const char
	*const keep_amount_names[5]; /* by enum weir_keep_amount; that of WEIR_KEEP_BYTES is empty: it is a number */

static inline struct weir_hide_way *hide_way(struct weir_policy_hide *hide, const struct hide_field *field)
{
	return (struct weir_hide_way *)((char *)hide + field->offset);
}

/* Reads [policy.hide]. A policy without that table hides nothing. */
int policy_read_hide(const struct toml *toml, const struct toml_value *table, struct weir_policy_hide *hide,
                     struct weir_fault *fault);

/* Refuses keys of a table that are not in names (which ends with NULL), with the one that was probably meant. */
int policy_check_keys(const struct toml *toml, const struct toml_value *table, const char *const *names,
                      struct weir_fault *fault);

/* A value that has to be of a kind. 0 or WEIR_E_FORMAT. */
int policy_want(const struct toml *toml, const struct toml_value *value, enum toml_kind kind, struct weir_fault *fault);


#endif
