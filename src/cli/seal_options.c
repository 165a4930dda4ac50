#include "cli/seal_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/key.h>

#include "cli/cli.h"
#include "os/secret.h"

static struct weir_identities *identities;
static struct weir_capture_options capture_options;

/* From the file that WEIR_PASSPHRASE_FILE names: its first line. 1, 0 when there is none named, or an error. */
static int passphrase_from_file(char *passphrase, size_t size, struct weir_fault *fault)
{
	const char *path = getenv("WEIR_PASSPHRASE_FILE");
	char *data;
	size_t length;

	if (!path || !*path)
		return 0;
	int error = weir_secret_read(path, size - 1, &data, &length, fault);
	if (error)
		return error;
	size_t line = strcspn(data, "\r\n");
	memcpy(passphrase, data, line);
	passphrase[line] = '\0';
	weir_wipe(data, length);
	free(data);
	return 1;
}

static int ask(void *context, const char *file, char *passphrase, size_t size, struct weir_fault *fault)
{
	char prompt[600];
	int result = passphrase_from_file(passphrase, size, fault);

	(void)context;
	if (result)
		return result < 0 ? result : 0;
	snprintf(prompt, sizeof prompt, "Passphrase of %s: ", file);
	return os_ask_secret(prompt, passphrase, size, fault);
}

static const struct option *identity_row(const struct command *command)
{
	for (const struct option *o = command->options; o && o->name; o++)
		if (strcmp(o->name, "identity") == 0)
			return o;
	return NULL;
}

void seal_identities_forget(void)
{
	weir_identities_free(identities);
	identities = NULL;
	capture_options.identities = NULL;
}

const struct weir_capture_options *seal_capture_options(void) { return &capture_options; }

int seal_identities_load(const struct command *command, const void *options, struct weir_fault *fault)
{
	const struct option *row = identity_row(command);
	const char *path = getenv("WEIR_IDENTITY");

	if (!row)
		return 0;
	const struct option_list *list = (const struct option_list *)((const char *)options + row->offset);
	int error = weir_identities_new(&identities, fault);
	if (!error) {
		weir_identities_ask(identities, ask, NULL);
		capture_options.identities = identities;
	}
	for (size_t i = 0; !error && i < list->count; i++)
		error = weir_identities_read(identities, list->items[i], fault);
	/* One that is named has to be there, needed or not: a wrong name is told at once. */
	if (!error && !list->count && path && *path)
		error = weir_identities_read(identities, path, fault);
	return error;
}

const struct weir_identities *seal_identities(void) { return identities; }

static int add_passphrase(struct weir_recipients *recipients, struct weir_fault *fault)
{
	char passphrase[WEIR_PASSPHRASE_SIZE], again[WEIR_PASSPHRASE_SIZE];
	int result = passphrase_from_file(passphrase, sizeof passphrase, fault);
	int error = result < 0 ? result : 0;

	if (result == 0) {
		error = os_ask_secret("Passphrase: ", passphrase, sizeof passphrase, fault);
		if (!error)
			error = os_ask_secret("The same again: ", again, sizeof again, fault);
		if (!error && strcmp(passphrase, again) != 0)
			error = weir_fail(fault, WEIR_E_USAGE, "the two passphrases are not the same");
		weir_wipe(again, sizeof again);
	}
	if (!error)
		error = weir_recipients_passphrase(recipients, passphrase, fault);
	weir_wipe(passphrase, sizeof passphrase);
	return error;
}

int seal_recipients_of(const struct seal_switches *switches, struct weir_recipients **recipients,
                       struct weir_fault *fault)
{
	*recipients = NULL;
	if (!switches->recipients.count && !switches->files.count && !switches->passphrase)
		return 0;
	int error = weir_recipients_new(recipients, fault);
	for (size_t i = 0; !error && i < switches->recipients.count; i++)
		error = weir_recipients_add(*recipients, switches->recipients.items[i], fault);
	for (size_t i = 0; !error && i < switches->files.count; i++)
		error = weir_recipients_read(*recipients, switches->files.items[i], fault);
	if (!error && !switches->passphrase && !weir_recipients_count(*recipients))
		error = weir_fail(fault, WEIR_E_USAGE, "nobody is named in the files of recipients");
	if (!error && switches->passphrase)
		error = add_passphrase(*recipients, fault);
	if (error) {
		weir_recipients_free(*recipients);
		*recipients = NULL;
	}
	return error;
}
