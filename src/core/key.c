/* Secret keys: weir/key.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <weir/key.h>

#define HEAD "WEIR-KEY-1 "
#define HEAD_LENGTH (sizeof HEAD - 1)

void weir_wipe(void *secret, size_t length)
{
	OPENSSL_cleanse(secret, length);
}

int weir_key_new(struct weir_key *key, struct weir_fault *fault)
{
	if (RAND_priv_bytes(key->bytes, sizeof key->bytes) != 1)
		return weir_fail(fault, WEIR_E_SYSTEM, "the system gives no random numbers for a key");
	return 0;
}

static int write_whole(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t written = write(fd, data, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return errno;
		data += written;
		length -= (size_t)written;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

int weir_secret_write(const char *path, const void *data, size_t length, struct weir_fault *fault)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return weir_fail_at(fault, WEIR_E_USAGE, path, WEIR_NOWHERE, WEIR_NOWHERE, "exists, and a secret is never written over; name another file");
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "can't be created");
	int failed = write_whole(fd, data, length);
	if (close(fd) != 0 && !failed)
		failed = errno;
	if (failed)
		unlink(path);
	return failed ? weir_fail_errno(fault, failed, path, "can't be written") : 0;
}

/* Fills data with the file's bytes. The count, or a negative error. */
static ssize_t read_whole(int fd, const char *path, char *data, size_t size, struct weir_fault *fault)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, data + length, size - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return weir_fail_errno(fault, errno, path, "can't be read");
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static int check_rights(int fd, const char *path, struct weir_fault *fault)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return weir_fail_errno(fault, errno, path, "can't be read");
	/* A pipe (of a password manager, say) has no rights of its own. */
	if (S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)))
		return weir_fail_at(fault, WEIR_E_PERMISSION, path, WEIR_NOWHERE, WEIR_NOWHERE, "is a secret that others may read; chmod 600 it first");
	return 0;
}

int weir_secret_read(const char *path, size_t limit, char **data, size_t *length, struct weir_fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*data = NULL;
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "can't be opened");
	int error = check_rights(fd, path, fault);
	char *bytes = error ? NULL : malloc(limit + 2);
	if (!error && !bytes)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a secret");
	ssize_t got = error ? 0 : read_whole(fd, path, bytes, limit + 1, fault);
	close(fd);
	if (!error && got < 0)
		error = (int)got;
	if (!error && (size_t)got > limit)
		error = weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is too long for a secret");
	if (error) {
		if (bytes)
			weir_wipe(bytes, limit + 2);
		free(bytes);
		return error;
	}
	bytes[got] = '\0';
	*data = bytes;
	*length = (size_t)got;
	return 0;
}

int weir_key_write(const char *path, const struct weir_key *key, struct weir_fault *fault)
{
	char line[HEAD_LENGTH + 2 * WEIR_KEY_BYTES + 2] = HEAD;
	size_t at = HEAD_LENGTH;

	for (size_t i = 0; i < WEIR_KEY_BYTES; i++)
		at += (size_t)snprintf(line + at, sizeof line - at, "%02x", key->bytes[i]);
	line[at++] = '\n';
	int error = weir_secret_write(path, line, at, fault);
	weir_wipe(line, sizeof line);
	return error;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse(const char *text, size_t length, struct weir_key *key)
{
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r' || text[length - 1] == ' '))
		length--;
	if (length != HEAD_LENGTH + 2 * WEIR_KEY_BYTES || memcmp(text, HEAD, HEAD_LENGTH) != 0)
		return false;
	for (size_t i = 0; i < WEIR_KEY_BYTES; i++) {
		int high = digit(text[HEAD_LENGTH + 2 * i]), low = digit(text[HEAD_LENGTH + 2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int weir_key_read(const char *path, struct weir_key *key, struct weir_fault *fault)
{
	char *text;
	size_t length;
	int error = weir_secret_read(path, 256, &text, &length, fault);

	if (error)
		return error;
	if (!parse(text, length, key)) {
		weir_wipe(key, sizeof *key);
		error = weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no key of weir: one line, \"WEIR-KEY-1\" and 64 hexadecimal digits");
	}
	weir_wipe(text, length);
	free(text);
	return error;
}

int weir_key_derive(const struct weir_key *key, const char *purpose, void *out, size_t length, struct weir_fault *fault)
{
	char info[80];
	int info_length = snprintf(info, sizeof info, "weir/1 %s", purpose);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key->bytes, sizeof key->bytes),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)info_length),
		OSSL_PARAM_construct_end(),
	};
	bool derived = info_length < (int)sizeof info && context && EVP_KDF_derive(context, out, length, parameters) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return derived ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no key could be derived for %s", purpose);
}
