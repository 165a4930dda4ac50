/*
 * archive/recover.h: makes whole what a dead recorder left: cuts the torn tail, takes in the journals, writes the index, enters
 * the crash in the ledger.
 *
 * raw/NODE/INTERFACE/.lock is locked by who writes there, and says "live" or "import" from its opening until everything is
 * closed: one that can be locked and is not empty tells of a crash. Recovery may itself be killed at any moment and
 * begun again.
 */
#ifndef ARCHIVE_RECOVER_H
#define ARCHIVE_RECOVER_H

#include "archive/campaign.h"

/* Every vantage whose recorder died. 0 or an error. */
int recover_campaign(struct weir_campaign *campaign, struct weir_fault *fault);

/* What is to be looked at in a vantage. */
enum recover_scope {
	RECOVER_LISTED, /* segments that the catalog has as open */
	RECOVER_FILES,  /* every segment there is: all of them are entered in the catalog */
};

/* What was found; counts add up over calls. */
struct recover_report {
	uint64_t segments, recovered, packets; /* of all; without an index before; in those */
	uint64_t damaged;                      /* left as they are: not sound, and not for a crash's reasons */
	char first_damage[512];
};

/*
 * One vantage, whose lock the caller holds; its crash, if the lock is marked, is entered in the ledger. Names as folders have them.
 */
int recover_vantage(struct weir_campaign *campaign, const char *node, const char *interface, enum recover_scope scope,
                    struct recover_report *report, struct weir_fault *fault);

/*
 * Makes the catalog again from the files alone. WEIR_E_BUSY while somebody records into the campaign. *bad: rows of ledgers that could not be
 * read.
 */
int catalog_rebuild(const char *path, struct recover_report *report, uint64_t *bad, struct weir_fault *fault);

/* Remembers a segment that was recovered for who has the key to sign it: recovery may have none. */
int recover_note(struct weir_campaign *campaign, const char *path, struct weir_fault *fault);

/* The lock's text: what the writer there is. */
int vantage_mark(int lock_fd, const char *text, struct weir_fault *fault);

#endif
