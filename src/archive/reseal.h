/*
 * archive/reseal.h: for whom a campaign is sealed, and changing that: new headers for its sealed files, over the same payloads.
 *
 * A header that has room is replaced in place. Its new bytes are first put, synchronised, into FILE.header beside it; who finds such a file, after a crash, puts them
 * into their place again. Where there is no room the file is copied, and appears whole.
 */
#ifndef ARCHIVE_RESEAL_H
#define ARCHIVE_RESEAL_H

#include <weir/archive.h>

#define RESEAL_ENDING ".header"

struct reseal_counts {
	uint64_t changed; /* files with a new header */
	uint64_t copied;  /* of them those whose header had no room */
};

/*
 * Adds recipients to a campaign, or takes them away: campaign.toml, then every sealed file of raw/ and runs/. Nobody may be recording (WEIR_E_BUSY). identities open
 * what is sealed so far. Begun again after an interruption it does the rest.
 */
int reseal_campaign(const char *path, const char *const *recipients, size_t count, bool add,
                    const struct weir_identities *identities, struct reseal_counts *counts, struct weir_fault *fault);

/* Gives one file a new header, for these recipients. *copied: set when it had to be copied. */
int reseal_file(const char *path, const struct weir_recipients *recipients, const struct weir_identities *identities,
                bool *copied, struct weir_fault *fault);

#endif
