/* Recipients and identities: weir/seal.h. */
#include "file/age_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/key.h>

#include "core/text.h"
#include "file/age_crypto.h"
#include "os/files.h"

#define RECIPIENT_PREFIX "age"
#define IDENTITY_PREFIX "age-secret-key-"
#define KEY_FILE_LIMIT ((size_t)1 << 20)

_Static_assert(WEIR_RECIPIENT_SIZE == sizeof RECIPIENT_PREFIX + 1 + 58, "as long as a recipient with its terminator");

/* Room for one more in an array that may hold secrets: what it was before is wiped. */
static int grow(void **items, size_t *capacity, size_t count, size_t size, struct weir_fault *fault)
{
	if (count >= AGE_KEYS_MAX)
		return weir_fail(fault, WEIR_E_LIMIT, "more than %d keys", AGE_KEYS_MAX);
	if (count < *capacity)
		return 0;
	size_t more = *capacity ? 2 * *capacity : 4;
	void *wider = calloc(more, size);
	if (!wider)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for keys");
	if (*items) {
		memcpy(wider, *items, count * size);
		weir_wipe(*items, count * size);
		free(*items);
	}
	*items = wider;
	*capacity = more;
	return 0;
}

int weir_recipients_new(struct weir_recipients **recipients, struct weir_fault *fault)
{
	*recipients = calloc(1, sizeof **recipients);
	return *recipients ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for recipients");
}

static void forget(char *passphrase)
{
	if (passphrase)
		weir_wipe(passphrase, strlen(passphrase));
	free(passphrase);
}

void weir_recipients_free(struct weir_recipients *recipients)
{
	if (!recipients)
		return;
	forget(recipients->passphrase);
	free(recipients->items);
	free(recipients);
}

static int add_recipient(struct weir_recipients *recipients, const char *text, size_t length, struct weir_fault *fault)
{
	uint8_t key[BECH32_KEY];

	if (recipients->passphrase)
		return weir_fail(fault, WEIR_E_USAGE, "a file is sealed for recipients or with a passphrase, not both");
	if (!bech32_decode(RECIPIENT_PREFIX, text, length, false, key))
		return weir_fail(fault, WEIR_E_USAGE, "'%.*s' is no recipient: age1 and 58 letters and digits",
		                 length < 80 ? (int)length : 80, text);
	for (size_t i = 0; i < recipients->count; i++)
		if (memcmp(recipients->items[i].key, key, sizeof key) == 0)
			return 0;
	int error =
		grow((void **)&recipients->items, &recipients->capacity, recipients->count, sizeof *recipients->items, fault);
	if (error)
		return error;
	struct age_recipient *item = &recipients->items[recipients->count++];
	memcpy(item->key, key, sizeof key);
	bech32_encode(RECIPIENT_PREFIX, key, false, item->text);
	return 0;
}

int weir_recipients_add(struct weir_recipients *recipients, const char *text, struct weir_fault *fault)
{
	/* Who gives a secret here by mistake must not find it in a message. */
	if (strncasecmp(text, IDENTITY_PREFIX, strlen(IDENTITY_PREFIX)) == 0)
		return weir_fail(fault, WEIR_E_USAGE,
		                 "that is an identity, which is secret; a recipient (age1…) is wanted here");
	return add_recipient(recipients, text, strlen(text), fault);
}

/* The next line that is neither empty nor a comment; *at moves behind it. False at the end. */
static bool next_line(const char **at, const char *end, const char **line, size_t *length)
{
	while (*at < end) {
		const char *stop = memchr(*at, '\n', (size_t)(end - *at));
		*line = *at;
		*length = (size_t)((stop ? stop : end) - *at);
		*at = stop ? stop + 1 : end;
		while (*length && ((*line)[*length - 1] == '\r' || (*line)[*length - 1] == ' ' || (*line)[*length - 1] == '\t'))
			--*length;
		if (*length && **line != '#')
			return true;
	}
	return false;
}

int weir_recipients_read(struct weir_recipients *recipients, const char *path, struct weir_fault *fault)
{
	char *data = NULL;
	size_t size = 0, length;
	const char *line;
	int error = os_read_file(path, KEY_FILE_LIMIT, &data, &size, fault);

	if (error)
		return error;
	const char *at = data;
	while (!error && next_line(&at, data + size, &line, &length)) {
		/* What stands in the file is not quoted: it may be the wrong one, of secrets. */
		error = add_recipient(recipients, line, length, NULL);
		if (error)
			weir_fail_at(fault, error == WEIR_E_USAGE ? WEIR_E_FORMAT : (enum weir_error)error, path, line - data,
			             WEIR_NOWHERE, "this line is no recipient: age1 and 58 letters and digits");
		error = error == WEIR_E_USAGE ? WEIR_E_FORMAT : error;
	}
	weir_wipe(data, size);
	free(data);
	return error;
}

int weir_recipients_passphrase(struct weir_recipients *recipients, const char *passphrase, struct weir_fault *fault)
{
	if (recipients->count || recipients->passphrase)
		return weir_fail(fault, WEIR_E_USAGE, "a file is sealed for recipients or with a passphrase, not both");
	if (!*passphrase)
		return weir_fail(fault, WEIR_E_USAGE, "the passphrase is empty");
	recipients->passphrase = strdup(passphrase);
	return recipients->passphrase ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for a passphrase");
}

size_t weir_recipients_count(const struct weir_recipients *recipients)
{
	return recipients ? recipients->count + (recipients->passphrase != NULL) : 0;
}

const char *weir_recipients_text(const struct weir_recipients *recipients, size_t number)
{
	return number < recipients->count ? recipients->items[number].text : "";
}

int weir_identities_new(struct weir_identities **identities, struct weir_fault *fault)
{
	*identities = calloc(1, sizeof **identities);
	if (!*identities)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for identities");
	pthread_mutex_init(&(*identities)->lock, NULL);
	return 0;
}

void weir_identities_free(struct weir_identities *identities)
{
	if (!identities)
		return;
	forget(identities->passphrase);
	if (identities->items)
		weir_wipe(identities->items, identities->capacity * sizeof *identities->items);
	free(identities->items);
	pthread_mutex_destroy(&identities->lock);
	free(identities);
}

static int add_identity(struct weir_identities *identities, const char *text, size_t length, struct weir_fault *fault)
{
	struct age_identity new;
	int error =
		bech32_decode(IDENTITY_PREFIX, text, length, true, new.secret)
			? 0
			: weir_fail(fault, WEIR_E_USAGE, "that is no identity: AGE-SECRET-KEY-1 and 58 capital letters and digits");

	if (!error && !age_x25519_public(new.secret, new.key))
		error = weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not take the identity");
	if (!error)
		error = grow((void **)&identities->items, &identities->capacity, identities->count, sizeof new, fault);
	if (!error) {
		bech32_encode(RECIPIENT_PREFIX, new.key, false, new.text);
		identities->items[identities->count++] = new;
	}
	weir_wipe(&new, sizeof new);
	return error;
}

int weir_identities_add(struct weir_identities *identities, const char *text, struct weir_fault *fault)
{
	return add_identity(identities, text, strlen(text), fault);
}

int weir_identities_read(struct weir_identities *identities, const char *path, struct weir_fault *fault)
{
	char *data;
	size_t size, length, count = identities->count;
	const char *line;
	int error = weir_secret_read(path, KEY_FILE_LIMIT, &data, &size, fault);

	if (error)
		return error;
	const char *at = data;
	while (!error && next_line(&at, data + size, &line, &length)) {
		error = add_identity(identities, line, length, fault);
		if (error == WEIR_E_USAGE)
			error = weir_fail_at(fault, WEIR_E_FORMAT, path, line - data, WEIR_NOWHERE,
			                     "this line is no identity: AGE-SECRET-KEY-1 and 58 capital letters and digits");
	}
	if (!error && identities->count == count)
		error = weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "has no identity in it");
	weir_wipe(data, size);
	free(data);
	return error;
}

void weir_identities_ask(struct weir_identities *identities,
                         int (*ask)(void *context, const char *file, char *passphrase, size_t size,
                                    struct weir_fault *fault),
                         void *context)
{
	identities->ask = ask;
	identities->context = context;
}

int age_identities_passphrase(struct weir_identities *identities, const char *file, const char **passphrase,
                              struct weir_fault *fault)
{
	int error = 0;

	pthread_mutex_lock(&identities->lock);
	if (!identities->asked && identities->ask) {
		identities->asked = true;
		identities->passphrase = calloc(1, WEIR_PASSPHRASE_SIZE);
		if (!identities->passphrase)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a passphrase");
		else
			error = identities->ask(identities->context, file, identities->passphrase, WEIR_PASSPHRASE_SIZE, fault);
		identities->answer = error;
	} else if (!identities->asked || identities->answer) {
		error = weir_fail_at(fault, WEIR_E_PERMISSION, file, WEIR_NOWHERE, WEIR_NOWHERE,
		                     "is sealed with a passphrase, and none is given");
	}
	*passphrase = error ? NULL : identities->passphrase;
	pthread_mutex_unlock(&identities->lock);
	return error;
}

size_t weir_identities_count(const struct weir_identities *identities) { return identities ? identities->count : 0; }

const char *weir_identities_recipient(const struct weir_identities *identities, size_t number)
{
	return number < identities->count ? identities->items[number].text : "";
}

int weir_identity_new(char **text, size_t *length, char recipient[static WEIR_RECIPIENT_SIZE], struct weir_fault *fault)
{
	uint8_t secret[BECH32_KEY], key[BECH32_KEY];
	char secret_text[BECH32_TEXT], key_text[BECH32_TEXT], *made = NULL;
	int error = 0, size = 0;

	if (!age_random(secret, sizeof secret) || !age_x25519_public(secret, key))
		error = weir_fail(fault, WEIR_E_SYSTEM, "the system gives no random numbers for a key");
	if (!error) {
		bech32_encode(IDENTITY_PREFIX, secret, true, secret_text);
		bech32_encode(RECIPIENT_PREFIX, key, false, key_text);
		size = asprintf(&made, "# public key: %s\n%s\n", key_text, secret_text);
		if (size < 0)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for an identity");
	}
	weir_wipe(secret, sizeof secret);
	weir_wipe(secret_text, sizeof secret_text);
	if (error)
		return error;
	memcpy(recipient, key_text, WEIR_RECIPIENT_SIZE);
	*text = made;
	*length = (size_t)size;
	return 0;
}
