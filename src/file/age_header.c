/* The header of age files: stanzas and their MAC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/key.h>

#include "core/text.h"
#include "file/age.h"
#include "file/age_keys.h"

#define LINE 64          /* characters of a line of a body; the last has fewer */
#define SHARE 43         /* characters of 32 bytes */
#define ARGUMENTS_MOST 4 /* that are looked at; stanzas of other types may have more */
#define SCRYPT_WRITE 18  /* log2 of scrypt's work, as age has it: about a second */
#define SCRYPT_MOST 20   /* that is done for a file: 1 GiB of memory */
#define SCRYPT_SALT 16
#define SCRYPT_LABEL "age-encryption.org/v1/scrypt"
#define X25519_LABEL "age-encryption.org/v1/X25519"
#define PADDING "-> pad-grease "
#define PADDING_LEAST (sizeof PADDING - 1 + 3) /* an argument of one letter, two ends of lines */

/* ---- Base64 without padding, of which every text has one form (RFC 4648, section 4) ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The count of bytes, or -1. out has room for 3 bytes in 4 characters. */
static int base64_decode(const char *text, size_t length, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned held = 0;
	int made = 0;

	if (length % 4 == 1)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int value = base64_value(text[i]);
		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[made++] = (uint8_t)(bits >> held);
		}
	}
	return bits & ((1u << held) - 1) ? -1 : made;
}

static void add_base64(struct text *text, const uint8_t *data, size_t length)
{
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | data[i];
		held += 8;
		while (held >= 6) {
			held -= 6;
			text_add_char(text, base64[bits >> held & 63]);
		}
	}
	if (held)
		text_add_char(text, base64[bits << (6 - held) & 63]);
}

/* ---- Reading ---- */

struct argument {
	const char *text;
	size_t length;
};

struct stanza {
	struct argument arguments[ARGUMENTS_MOST]; /* the first is the type */
	size_t count;                              /* of all there are */
	uint8_t body[32];
	size_t body_length; /* of all there is; only when it is 32 it stands in body */
};

struct header {
	const char *data;
	size_t length, at;
	const char *name;
};

static int bad(const struct header *header, struct weir_fault *fault, const char *what)
{
	return weir_fail_at(fault, WEIR_E_FORMAT, header->name, (int64_t)header->at, WEIR_NOWHERE,
	                    "the age header is damaged: %s", what);
}

/* The line at header->at, without its end. False when its end is not there. */
static bool take_line(struct header *header, const char **line, size_t *length)
{
	const char *from = header->data + header->at, *end = memchr(from, '\n', header->length - header->at);

	if (!end)
		return false;
	*line = from;
	*length = (size_t)(end - from);
	header->at += *length + 1;
	return true;
}

static bool begins(const char *line, size_t length, const char *with)
{
	size_t n = strlen(with);
	return length >= n && memcmp(line, with, n) == 0;
}

/* The arguments behind "-> ": one blank between them, each of visible characters. */
static bool take_arguments(const char *line, size_t length, struct stanza *stanza)
{
	stanza->count = 0;
	for (size_t at = 0, from = 0; at <= length; at++) {
		if (at < length && line[at] != ' ') {
			if (line[at] < 33 || line[at] > 126)
				return false;
			continue;
		}
		if (at == from)
			return false;
		if (stanza->count < ARGUMENTS_MOST)
			stanza->arguments[stanza->count] = (struct argument){line + from, at - from};
		stanza->count++;
		from = at + 1;
	}
	return true;
}

enum taken { TAKEN_STANZA, TAKEN_MAC, TAKEN_MORE };

/* Takes the next stanza, or the line with the MAC. An enum taken, or an error. */
static int take_stanza(struct header *header, struct stanza *stanza, struct argument *mac, struct weir_fault *fault)
{
	uint8_t decoded[LINE];
	const char *line;
	size_t length;
	size_t begun = header->at;

	if (!take_line(header, &line, &length))
		return TAKEN_MORE;
	if (begins(line, length, "---")) {
		if (length != 4 + SHARE || line[3] != ' ' || base64_decode(line + 4, SHARE, decoded) != 32) {
			header->at = begun;
			return bad(header, fault, "its last line is no MAC");
		}
		*mac = (struct argument){line + 4, SHARE};
		return TAKEN_MAC;
	}
	if (!begins(line, length, "-> ") || !take_arguments(line + 3, length - 3, stanza)) {
		header->at = begun;
		return bad(header, fault, "no stanza begins here");
	}
	stanza->body_length = 0;
	do {
		begun = header->at;
		if (!take_line(header, &line, &length))
			return TAKEN_MORE;
		int bytes = length <= LINE ? base64_decode(line, length, decoded) : -1;
		if (bytes < 0) {
			header->at = begun;
			return bad(header, fault, "a line of a stanza is no base64 of at most 64 characters");
		}
		if (stanza->body_length == 0 && bytes <= 32)
			memcpy(stanza->body, decoded, (size_t)bytes);
		stanza->body_length += (size_t)bytes;
	} while (length == LINE);
	return TAKEN_STANZA;
}

/* Walks over the first line. */
static int take_version(struct header *header, struct weir_fault *fault)
{
	size_t seen = header->length < AGE_MAGIC_LENGTH ? header->length : AGE_MAGIC_LENGTH;

	if (memcmp(header->data, AGE_MAGIC, seen) == 0) {
		header->at = seen;
		return seen == AGE_MAGIC_LENGTH ? TAKEN_STANZA : TAKEN_MORE;
	}
	if (begins(header->data, header->length, AGE_ANY_MAGIC))
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, header->name, 0, WEIR_NOWHERE,
		                    "is sealed with another version of age; weir reads version 1");
	return bad(header, fault, "it does not begin as an age file does");
}

int64_t age_header_length(const uint8_t *data, size_t length, const char *name, struct weir_fault *fault)
{
	struct header header = {(const char *)data, length < AGE_HEADER_MOST ? length : AGE_HEADER_MOST, 0, name};
	struct stanza stanza;
	struct argument mac;
	int taken = take_version(&header, fault);

	while (taken == TAKEN_STANZA)
		taken = take_stanza(&header, &stanza, &mac, fault);
	if (taken == TAKEN_MORE && length >= AGE_HEADER_MOST)
		return weir_fail_at(fault, WEIR_E_FORMAT, name, (int64_t)AGE_HEADER_MOST, WEIR_NOWHERE,
		                    "the age header is longer than 1 MiB");
	return taken == TAKEN_MAC ? (int64_t)header.at : taken == TAKEN_MORE ? 0 : taken;
}

static bool is_type(const struct stanza *stanza, const char *type)
{
	return stanza->arguments[0].length == strlen(type) && memcmp(stanza->arguments[0].text, type, strlen(type)) == 0;
}

/* 1 when one of the identities opens it, 0, or an error. */
static int open_x25519(const struct header *header, const struct stanza *stanza,
                       const struct weir_identities *identities, struct age_file_key *key, struct weir_fault *fault)
{
	uint8_t salt[64], shared[32], wrap[32];
	const struct argument *share = &stanza->arguments[1];
	int opened = 0;

	if (stanza->count != 2 || share->length != SHARE || base64_decode(share->text, SHARE, salt) != 32 ||
	    stanza->body_length != 32)
		return bad(header, fault, "an X25519 stanza is not as one should be");
	for (size_t i = 0; !opened && i < weir_identities_count(identities); i++) {
		const struct age_identity *identity = &identities->items[i];
		memcpy(salt + 32, identity->key, 32);
		if (!age_x25519_shared(identity->secret, salt, shared)) {
			opened = bad(header, fault, "an X25519 stanza has a point of low order");
			break;
		}
		if (!age_hkdf(shared, sizeof shared, salt, sizeof salt, X25519_LABEL, wrap)) {
			opened = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", header->name);
			break;
		}
		opened = age_unwrap(wrap, stanza->body, key->bytes);
	}
	weir_wipe(shared, sizeof shared);
	weir_wipe(wrap, sizeof wrap);
	return opened;
}

/* scrypt's work as the header has it: decimal, no zeros before it. */
static int work_of(const struct argument *argument)
{
	int work = 0;

	if (argument->length < 1 || argument->length > 2 || argument->text[0] == '0')
		return -1;
	for (size_t i = 0; i < argument->length; i++) {
		if (argument->text[i] < '0' || argument->text[i] > '9')
			return -1;
		work = 10 * work + argument->text[i] - '0';
	}
	return work;
}

static bool scrypt_key(const char *passphrase, const uint8_t salt[static SCRYPT_SALT], unsigned work,
                       uint8_t wrap[static 32])
{
	uint8_t labelled[sizeof SCRYPT_LABEL - 1 + SCRYPT_SALT];

	memcpy(labelled, SCRYPT_LABEL, sizeof SCRYPT_LABEL - 1);
	memcpy(labelled + sizeof SCRYPT_LABEL - 1, salt, SCRYPT_SALT);
	return age_scrypt(passphrase, labelled, sizeof labelled, work, wrap);
}

static int open_scrypt(const struct header *header, const struct stanza *stanza,
                       const struct weir_identities *identities, struct age_file_key *key, struct weir_fault *fault)
{
	uint8_t salt[SCRYPT_SALT + 2], wrap[32];
	const char *passphrase;

	if (stanza->count != 3 || stanza->body_length != 32 || stanza->arguments[1].length != 22 ||
	    base64_decode(stanza->arguments[1].text, 22, salt) != SCRYPT_SALT)
		return bad(header, fault, "a scrypt stanza is not as one should be");
	int work = work_of(&stanza->arguments[2]);
	if (work < 1)
		return bad(header, fault, "a scrypt stanza has no sound work factor");
	if (work > SCRYPT_MOST)
		return weir_fail_at(fault, WEIR_E_LIMIT, header->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "its passphrase takes 2^%d of scrypt's work; weir does at most 2^%d", work, SCRYPT_MOST);
	if (!identities)
		return 0;
	int error = age_identities_passphrase((struct weir_identities *)identities, header->name, &passphrase, fault);
	if (error)
		return error;
	int opened = scrypt_key(passphrase, salt, (unsigned)work, wrap)
	                 ? age_unwrap(wrap, stanza->body, key->bytes)
	                 : weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s with its passphrase", header->name);
	weir_wipe(wrap, sizeof wrap);
	if (opened == 0)
		return weir_fail_at(fault, WEIR_E_PERMISSION, header->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is sealed with another passphrase");
	return opened;
}

static int open_stanza(const struct header *header, const struct stanza *stanza,
                       const struct weir_identities *identities, struct age_file_key *key, struct weir_fault *fault)
{
	if (is_type(stanza, "X25519"))
		return open_x25519(header, stanza, identities, key, fault);
	if (is_type(stanza, "scrypt"))
		return open_scrypt(header, stanza, identities, key, fault);
	return 0;
}

static int check_mac(const struct header *header, const struct argument *mac, const struct age_file_key *key,
                     struct weir_fault *fault)
{
	uint8_t mac_key[32], made[32], given[48];
	/* Over all up to the three dashes. */
	size_t covered = (size_t)(mac->text - 1 - header->data);
	bool known = age_hkdf(key->bytes, sizeof key->bytes, NULL, 0, "header", mac_key) &&
	             age_hmac(mac_key, header->data, covered, made) && base64_decode(mac->text, mac->length, given) == 32;

	weir_wipe(mac_key, sizeof mac_key);
	if (!known)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", header->name);
	uint8_t differs = 0;
	for (unsigned i = 0; i < 32; i++)
		differs |= made[i] ^ given[i];
	if (!differs)
		return 0;
	return weir_fail_at(fault, WEIR_E_CORRUPT, header->name, WEIR_NOWHERE, WEIR_NOWHERE,
	                    "the MAC of the age header does not hold");
}

static int not_opened(const struct header *header, const struct weir_identities *identities, struct weir_fault *fault)
{
	size_t count = weir_identities_count(identities);

	if (!count)
		return weir_fail_at(fault, WEIR_E_PERMISSION, header->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is sealed: it takes an identity to open it (--identity FILE, or WEIR_IDENTITY)");
	return weir_fail_at(fault, WEIR_E_PERMISSION, header->name, WEIR_NOWHERE, WEIR_NOWHERE, "is sealed for others: %s",
	                    count == 1 ? "the identity given does not open it" : "no identity given opens it");
}

int age_header_open(const uint8_t *data, size_t length, const struct weir_identities *identities, const char *name,
                    struct age_file_key *key, struct weir_fault *fault)
{
	struct header header = {(const char *)data, length, 0, name};
	struct stanza stanza;
	struct argument mac;
	size_t stanzas = 0;
	bool passphrase = false;
	int opened = 0, taken = take_version(&header, fault);

	if (taken == TAKEN_STANZA)
		while ((taken = take_stanza(&header, &stanza, &mac, fault)) == TAKEN_STANZA) {
			stanzas++;
			passphrase = passphrase || is_type(&stanza, "scrypt");
			if (passphrase && stanzas > 1) {
				taken = bad(&header, fault, "a passphrase does not stand beside others");
				break;
			}
			struct age_file_key found;
			int result = open_stanza(&header, &stanza, identities, &found, fault);
			if (result < 0) {
				taken = result;
				break;
			}
			if (result && !opened)
				*key = found;
			opened |= result;
			weir_wipe(&found, sizeof found);
		}
	int error = 0;
	if (taken != TAKEN_MAC)
		error = taken < 0 ? taken
		                  : weir_fail_at(fault, WEIR_E_TRUNCATED, name, (int64_t)length, WEIR_NOWHERE,
		                                 "ends in its age header");
	else if (!opened)
		error = not_opened(&header, identities, fault);
	else
		error = check_mac(&header, &mac, key, fault);
	if (error)
		weir_wipe(key, sizeof *key);
	return error;
}

/* ---- Writing ---- */

static bool add_x25519(struct text *text, const struct age_recipient *recipient, const struct age_file_key *key)
{
	uint8_t secret[32], salt[64], shared[32], wrap[32], sealed[32];
	bool made = age_random(secret, sizeof secret) && age_x25519_public(secret, salt) &&
	            age_x25519_shared(secret, recipient->key, shared);

	memcpy(salt + 32, recipient->key, 32);
	made = made && age_hkdf(shared, sizeof shared, salt, sizeof salt, X25519_LABEL, wrap) &&
	       age_wrap(wrap, key->bytes, sealed);
	weir_wipe(secret, sizeof secret);
	weir_wipe(shared, sizeof shared);
	weir_wipe(wrap, sizeof wrap);
	if (!made)
		return false;
	text_add(text, "-> X25519 ");
	add_base64(text, salt, 32);
	text_add_char(text, '\n');
	add_base64(text, sealed, sizeof sealed);
	text_add_char(text, '\n');
	return true;
}

static bool add_scrypt(struct text *text, const char *passphrase, const struct age_file_key *key)
{
	uint8_t salt[SCRYPT_SALT], wrap[32], sealed[32];
	bool made = age_random(salt, sizeof salt) && scrypt_key(passphrase, salt, SCRYPT_WRITE, wrap) &&
	            age_wrap(wrap, key->bytes, sealed);

	weir_wipe(wrap, sizeof wrap);
	if (!made)
		return false;
	text_add(text, "-> scrypt ");
	add_base64(text, salt, sizeof salt);
	text_add_format(text, " %d\n", SCRYPT_WRITE);
	add_base64(text, sealed, sizeof sealed);
	text_add_char(text, '\n');
	return true;
}

/* A stanza that fills the header up, so that it and what is behind it take a multiple. */
static void add_padding(struct text *text, size_t behind, size_t multiple)
{
	size_t need = (multiple - (text->length + behind) % multiple) % multiple;

	while (need < PADDING_LEAST)
		need += multiple;
	size_t lines = (need - PADDING_LEAST) / (LINE + 1), letters = need - PADDING_LEAST + 1 - lines * (LINE + 1);
	text_add(text, PADDING);
	for (size_t i = 0; i < letters; i++)
		text_add_char(text, 'p');
	text_add_char(text, '\n');
	for (size_t i = 0; i < lines * LINE; i++) {
		text_add_char(text, 'A');
		if (i % LINE == LINE - 1)
			text_add_char(text, '\n');
	}
	text_add_char(text, '\n');
}

int age_header_write(const struct weir_recipients *recipients, const struct age_file_key *key, size_t multiple,
                     uint8_t **header, size_t *length, struct weir_fault *fault)
{
	struct text text = {0};
	uint8_t mac_key[32], mac[32];
	bool made = true;

	if (!weir_recipients_count(recipients))
		return weir_fail(fault, WEIR_E_USAGE, "nobody is named who could open it");
	text_add(&text, AGE_MAGIC);
	if (recipients->passphrase)
		made = add_scrypt(&text, recipients->passphrase, key);
	for (size_t i = 0; made && i < recipients->count; i++)
		made = add_x25519(&text, &recipients->items[i], key);
	/* A passphrase allows no other stanza. */
	if (made && multiple && !recipients->passphrase)
		add_padding(&text, 4 + SHARE + 1 + AGE_NONCE, multiple);
	text_add(&text, "---");
	made = made && !text.failed && age_hkdf(key->bytes, sizeof key->bytes, NULL, 0, "header", mac_key) &&
	       age_hmac(mac_key, text.data, text.length, mac);
	weir_wipe(mac_key, sizeof mac_key);
	if (made) {
		text_add_char(&text, ' ');
		add_base64(&text, mac, sizeof mac);
		text_add_char(&text, '\n');
	}
	if (!made || text.failed) {
		text_free(&text);
		return weir_fail(fault, WEIR_E_MEMORY, "an age header could not be made");
	}
	*header = (uint8_t *)text.data;
	*length = text.length;
	return 0;
}
