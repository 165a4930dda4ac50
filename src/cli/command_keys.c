/* weir keys: makes keys and shows their public parts; who may open what a campaign seals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/archive.h>
#include <weir/key.h>

#include "archive/reseal.h"
#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/signing.h"
#include "core/text.h"

struct options {
	const char *write;
	bool campaign, signing;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "output",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = offsetof(struct options, write),
     .metavar = "FILE",
     .help = "new: where the key goes, a file that only its owner may read; one that exists is never replaced"},
	{.name = "campaign",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, campaign),
     .help = "new: the secret key of a campaign, by which a policy hides addresses and names"},
	{.name = "signing",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, signing),
     .help = "new: a key that signs (Ed25519)"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

/* ---- new ---- */

static int new_identity(const char *path, struct weir_fault *fault)
{
	char *text, recipient[WEIR_RECIPIENT_SIZE];
	size_t length;
	int error = weir_identity_new(&text, &length, recipient, fault);

	if (error)
		return error;
	error = weir_secret_write(path, text, length, fault);
	weir_wipe(text, length);
	free(text);
	if (!error)
		puts(recipient);
	return error;
}

static int new_campaign_key(const char *path, struct weir_fault *fault)
{
	struct weir_key key;
	int error = weir_key_new(&key, fault);

	if (!error)
		error = weir_key_write(path, &key, fault);
	weir_wipe(&key, sizeof key);
	return error;
}

static int new_signing_key(const char *path, struct weir_fault *fault)
{
	struct signing_key *key;
	char public_key[SIGNING_PUBLIC_HEX];
	int error = signing_key_new(&key, fault);

	if (!error)
		error = signing_key_write(key, path, fault);
	if (!error) {
		signing_key_public(key, public_key);
		puts(public_key);
	}
	signing_key_free(key);
	return error;
}

static int run_new(const struct options *options, int argc, char **argv, struct weir_fault *fault)
{
	(void)argv;
	if (argc)
		return weir_fail(fault, WEIR_E_USAGE, "new takes no arguments; -o FILE says where the key goes");
	if (!options->write)
		return weir_fail(fault, WEIR_E_USAGE, "says not where the key goes: -o FILE is missing");
	if (options->campaign && options->signing)
		return weir_fail(fault, WEIR_E_USAGE, "--campaign and --signing are different keys: give one");
	if (options->campaign)
		return new_campaign_key(options->write, fault);
	return options->signing ? new_signing_key(options->write, fault) : new_identity(options->write, fault);
}

/* ---- show ---- */

static int show_identities(const char *path, struct weir_fault *fault)
{
	struct weir_identities *identities;
	int error = weir_identities_new(&identities, fault);

	if (error)
		return error;
	error = weir_identities_read(identities, path, fault);
	for (size_t i = 0; !error && i < weir_identities_count(identities); i++)
		puts(weir_identities_recipient(identities, i));
	weir_identities_free(identities);
	return error;
}

/* A campaign's key has no public part: that it is one is all there is to say. */
static int show_campaign_key(const char *path, struct weir_fault *fault)
{
	struct weir_key key;
	int error = weir_key_read(path, &key, fault);

	weir_wipe(&key, sizeof key);
	if (!error)
		puts("the secret key of a campaign");
	return error;
}

static int show_signing_key(const char *path, struct weir_fault *fault)
{
	struct signing_key *key;
	char public_key[SIGNING_PUBLIC_HEX];
	int error = signing_key_read(path, &key, fault);

	if (error)
		return error;
	signing_key_public(key, public_key);
	puts(public_key);
	signing_key_free(key);
	return 0;
}

static int run_show(const struct options *options, int argc, char **argv, struct weir_fault *fault)
{
	static int (*const kinds[])(const char *, struct weir_fault *) = {show_identities, show_campaign_key,
	                                                                  show_signing_key};
	int error = 0;

	(void)options;
	if (argc != 1)
		return weir_fail(fault, WEIR_E_USAGE, "show takes one file with a key");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		error = kinds[i](argv[0], fault);
		if (error != WEIR_E_FORMAT)
			return error;
	}
	return weir_fail_at(fault, WEIR_E_FORMAT, argv[0], WEIR_NOWHERE, WEIR_NOWHERE,
	                    "is no identity, no key of a campaign and no key that signs");
}

/* ---- recipients ---- */

static int list_recipients(const char *campaign, struct weir_fault *fault)
{
	struct weir_recipients *recipients;
	int error = weir_campaign_recipients(campaign, &recipients, fault);

	if (error)
		return error;
	for (size_t i = 0; i < weir_recipients_count(recipients); i++)
		puts(weir_recipients_text(recipients, i));
	weir_recipients_free(recipients);
	return 0;
}

static int run_recipients(const struct options *options, int argc, char **argv, struct weir_fault *fault)
{
	struct reseal_counts counts = {0};
	char number[FORMAT_SIZE];
	bool add = argc > 1 && strcmp(argv[1], "add") == 0, removes = argc > 1 && strcmp(argv[1], "remove") == 0;

	(void)options;
	if (argc == 1)
		return list_recipients(argv[0], fault);
	if (argc < 3 || (!add && !removes))
		return weir_fail(fault, WEIR_E_USAGE,
		                 "recipients CAMPAIGN lists them; recipients CAMPAIGN add age1… and remove age1… change them");
	int error = reseal_campaign(argv[0], (const char *const *)argv + 2, (size_t)argc - 2, add, seal_identities(),
	                            &counts, fault);
	fprintf(stderr, "weir keys: %s sealed files have new headers", format_count(counts.changed, number));
	if (counts.copied)
		fprintf(stderr, ", %s of them were copied because theirs was full", format_count(counts.copied, number));
	fputc('\n', stderr);
	return error;
}

static const struct {
	const char *name;
	int (*run)(const struct options *options, int argc, char **argv, struct weir_fault *fault);
} actions[] = {
	{"new", run_new},
	{"show", run_show},
	{"recipients", run_recipients},
};

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct weir_fault fault = {0};

	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(argv[0], actions[i].name) == 0)
			return actions[i].run(values, argc - 1, argv + 1, &fault) < 0 ? report(command, &fault) : EXIT_FINE;
	warn(command, "there is no '%s': new, show or recipients", argv[0]);
	return EXIT_WRONG_USE;
}

const struct command keys_command = {
	.name = "keys",
	.summary = "make keys, and say who may open what is sealed",
	.usage = "new|show|recipients [ARGUMENT...]",
	.description =
		"weir keys new -o FILE makes an identity, which opens what is sealed for it, and prints its public key "
        "(age1…), which is all\n"
		"that a box needs to seal. --campaign and --signing make other keys. Files of keys can be read by their owner "
        "alone, and\n"
		"secrets are never printed.\n"
		"\n"
		"weir keys show FILE prints the public keys of the identities in a file.\n"
		"\n"
		"weir keys recipients CAMPAIGN lists for whom a campaign is sealed. With add AGE1… or remove AGE1… (and "
        "--identity FILE, which\n"
		"opens what is sealed so far) its campaign.toml is changed, and the headers of all its sealed files; what is "
        "sealed stays as\n"
		"it is. Who has been removed could have opened them before, and may have kept what they need to do it again.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
