/* Sealed files, written: file/sealed.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <weir/key.h>

#include "core/text.h"
#include "file/sealed.h"
#include "os/files.h"

struct sealed_writer {
	sealed_put put;
	void *context;
	struct age_payload *payload;
	uint64_t number;
	uint8_t *plain, *sealed; /* a chunk each */
	size_t used;
	EVP_MD_CTX *hash; /* of what is sealed; NULL: not asked for */
	char *hex;
};

static int put_header(struct sealed_writer *writer, const struct weir_recipients *recipients, size_t multiple,
                      struct weir_fault *fault)
{
	uint8_t *start = NULL;
	size_t length;
	int error = age_begin(recipients, multiple, &writer->payload, &start, &length, fault);

	if (!error)
		error = writer->put(writer->context, start, length, fault);
	free(start);
	return error;
}

int sealed_writer_new(const struct weir_recipients *recipients, size_t multiple, sealed_put put, void *context,
                      struct sealed_writer **writer, struct weir_fault *fault)
{
	struct sealed_writer *made = calloc(1, sizeof *made);
	int error = 0;

	if (made) {
		made->put = put;
		made->context = context;
		made->plain = malloc(AGE_CHUNK);
		made->sealed = malloc(AGE_SEALED);
	}
	if (!made || !made->plain || !made->sealed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a file");
	if (!error)
		error = put_header(made, recipients, multiple, fault);
	if (error) {
		sealed_writer_free(made);
		return error;
	}
	*writer = made;
	return 0;
}

void sealed_writer_free(struct sealed_writer *writer)
{
	if (!writer)
		return;
	age_payload_free(writer->payload);
	EVP_MD_CTX_free(writer->hash);
	if (writer->plain)
		weir_wipe(writer->plain, AGE_CHUNK);
	free(writer->plain);
	free(writer->sealed);
	free(writer);
}

int sealed_writer_hash(struct sealed_writer *writer, char hex[static 65], struct weir_fault *fault)
{
	writer->hex = hex;
	writer->hash = EVP_MD_CTX_new();
	if (writer->hash && EVP_DigestInit_ex(writer->hash, EVP_sha256(), NULL) == 1)
		return 0;
	return weir_fail(fault, WEIR_E_MEMORY, "no memory to hash a sealed file");
}

static int put_hash(struct sealed_writer *writer, struct weir_fault *fault)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (!writer->hash)
		return 0;
	if (EVP_DigestFinal_ex(writer->hash, digest, &length) != 1 || length != 32)
		return weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not hash");
	for (unsigned i = 0; i < length; i++)
		snprintf(writer->hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int put_chunk(struct sealed_writer *writer, const uint8_t *plain, size_t length, bool last,
                     struct weir_fault *fault)
{
	if (writer->hash && EVP_DigestUpdate(writer->hash, plain, length) != 1)
		return weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not hash");
	if (!age_payload_seal(writer->payload, writer->number++, last, plain, length, writer->sealed))
		return weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL does not seal");
	return writer->put(writer->context, writer->sealed, length + AGE_TAG, fault);
}

int sealed_writer_write(struct sealed_writer *writer, const void *data, size_t length, struct weir_fault *fault)
{
	const uint8_t *from = data;

	while (length) {
		/* A chunk that is full is kept until it is known that it is not the last. */
		if (writer->used == AGE_CHUNK) {
			int error = put_chunk(writer, writer->plain, AGE_CHUNK, false, fault);
			if (error)
				return error;
			writer->used = 0;
		}
		if (!writer->used && length > AGE_CHUNK) {
			int error = put_chunk(writer, from, AGE_CHUNK, false, fault);
			if (error)
				return error;
			from += AGE_CHUNK;
			length -= AGE_CHUNK;
			continue;
		}
		size_t piece = length < AGE_CHUNK - writer->used ? length : AGE_CHUNK - writer->used;
		memcpy(writer->plain + writer->used, from, piece);
		writer->used += piece;
		from += piece;
		length -= piece;
	}
	return 0;
}

int sealed_writer_finish(struct sealed_writer *writer, struct weir_fault *fault)
{
	int error = put_chunk(writer, writer->plain, writer->used, true, fault);
	return error ? error : put_hash(writer, fault);
}

static int add_to_text(void *context, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	struct text *text = context;

	text_add_bytes(text, data, length);
	return text->failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a file") : 0;
}

int sealed_write_file(const char *path, const struct weir_recipients *recipients, const void *data, size_t length,
                      struct weir_fault *fault)
{
	struct text text = {0};
	struct sealed_writer *writer = NULL;
	int error = sealed_writer_new(recipients, SEALED_HEADER, add_to_text, &text, &writer, fault);

	if (!error)
		error = sealed_writer_write(writer, data, length, fault);
	if (!error)
		error = sealed_writer_finish(writer, fault);
	if (!error)
		error = os_write_file(path, text.data, text.length, fault);
	sealed_writer_free(writer);
	text_free(&text);
	return error;
}
