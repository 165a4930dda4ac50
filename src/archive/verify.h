/*
 * archive/verify.h: holds an archive against itself: what is in its files against their checksums, their indexes and the catalog.
 */
#ifndef ARCHIVE_VERIFY_H
#define ARCHIVE_VERIFY_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/archive.h>

/* What was looked at. */
struct verify_counts {
	uint64_t files;    /* capture files that are no segments */
	uint64_t segments, chunks, packets, bytes, indexes, postings, ledger_rows, journals;
	uint64_t sealed;   /* segments that could not be opened, because there is no identity */
	uint64_t signed_segments; /* held against the chain of their node */
	uint64_t faults;
};

/* One run. Zero-initialise, set what is wanted, verify_begin; any thread may then use it. */
struct verify {
	int threads;            /* 0 = one a core */
	const _Atomic int *stop; /* may be NULL */
	const struct weir_identities *identities; /* that open what is sealed; NULL: none */
	/* Called for each fault, one thread at a time; name and offset are in it. */
	void (*found)(void *context, const struct weir_fault *fault);
	/* Called now and then with the bytes checked so far, one thread at a time; may be NULL. */
	void (*progress)(void *context, uint64_t bytes);
	void *context;
	pthread_mutex_t lock;
	struct verify_counts counts; /* lock */
};

void verify_begin(struct verify *verify);
void verify_end(struct verify *verify);

/* Each 0 when it could be looked at, whatever was found; an error when it could not (no memory, interrupted). */
int verify_campaign(struct verify *verify, const char *path, struct weir_fault *fault);
int verify_file(struct verify *verify, const char *path, struct weir_fault *fault);

/* Bytes of all segments that a campaign's catalog lists, for a progress bar; 0 when that is not known. */
uint64_t verify_campaign_bytes(const char *path);

#endif
