/* cli/seal_options.h: what opens sealed files, and for whom files are sealed: the options of commands that read or write them. */
#ifndef CLI_SEAL_OPTIONS_H
#define CLI_SEAL_OPTIONS_H

#include <weir/file.h>
#include <weir/seal.h>

#include "cli/options.h"

/* The row of a command that reads capture files, campaigns or flow files; its options_type has a struct option_list `part`. */
#define IDENTITY_ROW(options_type, part)                                                                               \
	{                                                                                                                  \
		.name = "identity", .type = OPTION_STRINGS, .offset = offsetof(options_type, part), .metavar = "FILE",         \
		.help = "the secret key that opens what is sealed, as weir keys new or age-keygen writes it (also "            \
		        "WEIR_IDENTITY; again for more)"                                                                       \
	}

/* Reads the identities that the options of a command with such a row name, and that of WEIR_IDENTITY. Of another command it does nothing. Once, before run. */
int seal_identities_load(const struct command *command, const void *options, struct weir_fault *fault);

/* What it has read: NULL when there is nothing. Passphrases are asked for at the terminal, or are in the file that WEIR_PASSPHRASE_FILE names. */
const struct weir_identities *seal_identities(void);
void seal_identities_forget(void);

/* Options for capture files, with these identities. */
const struct weir_capture_options *seal_capture_options(void);

/* For whom to seal. A part of the command's own struct, under any name. */
struct seal_switches {
	struct option_list recipients, files;
	bool passphrase;
};

#define RECIPIENT_ROWS(options_type, part)                                                                             \
	{.name = "recipient",                                                                                              \
	 .type = OPTION_STRINGS,                                                                                           \
	 .offset = offsetof(options_type, part.recipients),                                                                \
	 .metavar = "AGE1…",                                                                                               \
	 .help = "seal what is written, as an age file that this public key's owner opens (again for more)"},              \
	{                                                                                                                  \
		.name = "recipients-file", .type = OPTION_STRINGS, .offset = offsetof(options_type, part.files),               \
		.metavar = "FILE", .help = "the same for the public keys in a file, one a line"                                \
	}

#define PASSPHRASE_ROW(options_type, part)                                                                             \
	{                                                                                                                  \
		.name = "passphrase", .type = OPTION_FLAG, .offset = offsetof(options_type, part.passphrase),                  \
		.help = "seal what is written with a passphrase, which is asked for (or is in the file that "                  \
		        "WEIR_PASSPHRASE_FILE names)"                                                                          \
	}

/* The recipients that were named, to be freed; NULL when there are none. 0 or an error. */
int seal_recipients_of(const struct seal_switches *switches, struct weir_recipients **recipients,
                       struct weir_fault *fault);

#endif
