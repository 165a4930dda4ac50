/*
 * archive/chain.h: tamper evidence: the signed chain of a node, raw/NODE/chain.jsonl.
 *
 * A line for each segment that was closed, one for each that retention deleted, and one whenever a recorder or import ended. Each names the SHA-256 of
 * the line before it and of the node's loss ledger as far as it had come, and is signed (Ed25519) by the node's key. So who does not have the key cannot
 * alter, add, remove, replace or reorder a segment or a row of the ledger without it being seen. docs/formats.md has the fields.
 */
#ifndef ARCHIVE_CHAIN_H
#define ARCHIVE_CHAIN_H

#include <stdatomic.h>

#include "archive/campaign.h"
#include "archive/verify.h"
#include "file/sha256.h"

#define CHAIN_LINE_MAX 4096u
#define CHAIN_SIGNATURE ",\"signature\":\"" /* stands behind what is signed */

enum chain_event {
	CHAIN_SEGMENT,   /* "segment": closed by who wrote it */
	CHAIN_RECOVERED, /* "recovered": closed after a crash; its bytes are vouched for from then on */
	CHAIN_REMOVED,   /* "removed": deleted by retention */
	CHAIN_END,       /* "end": a recorder or import came to its end */
	CHAIN_EVENTS
};
const char *chain_event_name(enum chain_event event);

/* What one line says. */
struct chain_entry {
	enum chain_event event;
	const char *file;              /* path in the campaign; "" with CHAIN_END */
	uint64_t bytes;                /* that sha256 is of: chain_hash */
	char sha256[SHA256_HEX];       /* "" where there is none */
};

/*
 * The SHA-256 of what is signed of a segment: all of a plain file; of a sealed one what stands behind the header of age, so that recipients can be added without
 * a signature being broken (who changes the header can make a segment unreadable, not other than it was). *bytes: how many. 0 or an errno.
 */
int chain_hash(int fd, bool sealed, const _Atomic int *stop, uint64_t *bytes, char hex[static SHA256_HEX]);

/* The same as the bytes come, in order: for who writes them. A failure shows at the end. */
struct chain_digest;
struct chain_digest *chain_digest_new(void); /* NULL: no memory */
void chain_digest_add(struct chain_digest *digest, const void *data, size_t length);
uint64_t chain_digest_bytes(const struct chain_digest *digest);
/* 0 and hex, or an errno. Once. */
int chain_digest_end(struct chain_digest *digest, char hex[static SHA256_HEX]);
void chain_digest_free(struct chain_digest *digest);

/* Signs an entry and appends it to the node's chain. Nothing, and 0, when the campaign has no key. Any thread, any process. */
int chain_append(struct weir_campaign *campaign, const char *node, const struct chain_entry *entry, struct weir_fault *fault);

/* The same for a file, which is read. */
int chain_append_file(struct weir_campaign *campaign, const char *node, enum chain_event event, const char *file, struct weir_fault *fault);

/*
 * Recovery closes segments, and may have no key. What it closed on a node that has a chain is listed in raw/NODE/recovered until whoever comes next with the key signs
 * it. listed: false when the node has no chain. 0 or an error.
 */
int chain_list_recovered(const struct weir_campaign *campaign, const char *node, const char *file, bool *listed,
                         struct weir_fault *fault);
int chain_sign_recovered(struct weir_campaign *campaign, const char *node, struct weir_fault *fault);

/* As weir_campaign_sign_with, with a key that was read already; it belongs to the campaign from then on. */
int campaign_sign_with(struct weir_campaign *campaign, struct signing_key *signer, struct weir_fault *fault);

/* Who may have signed, and what is told of it. */
struct chain_check {
	const char *const *signers; /* public keys; NULL: whoever signed the first line of a node's chain */
	size_t signer_count;
	const char *head;           /* the SHA-256 of a line that must be in some node's chain: so far it had come at least; NULL: not asked for */
	/* Told of each node whose chain was read to its end. */
	void (*node)(void *context, const char *node, const char *signer, uint64_t lines, const char *head);
	void *context;
};

/* Holds the segments and ledgers of a campaign against the chains of its nodes; tells through verify->found. */
int verify_chains(struct verify *verify, const char *path, const struct chain_check *check, struct weir_fault *fault);

#endif
