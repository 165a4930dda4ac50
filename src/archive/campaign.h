/*
 * archive/campaign.h: an open campaign, and the names of what is in its folder.
 */
#ifndef ARCHIVE_CAMPAIGN_H
#define ARCHIVE_CAMPAIGN_H

#include <limits.h>
#include <pthread.h>

#include <weir/archive.h>

#include "archive/catalog.h"

struct signing_key;
struct folder_list;

struct weir_campaign {
	char *path;
	enum weir_campaign_mode mode;
	bool writable;
	struct catalog *catalog;
	const struct weir_identities *identities; /* the caller's; NULL: none */
	pthread_mutex_t ledger_lock;
	int64_t last_entered_ns; /* under ledger_lock: no two entries of a process have the same time */
	struct signing_key *signer;    /* NULL: nothing is signed */
	struct folder_list *recovered; /* segments that were closed when it was opened, to be signed by whoever has the key; NULL: none */
};

/* A campaign without its catalog, for what makes one. 0 or WEIR_E_MEMORY. */
int campaign_open_unlisted(const char *path, enum weir_campaign_mode mode, struct weir_campaign **campaign,
                           struct weir_fault *fault);

/* campaign/relative, in out. 0 or WEIR_E_LIMIT. */
int campaign_path(const struct weir_campaign *campaign, const char *relative, char out[static PATH_MAX],
                  struct weir_fault *fault);

/* A name as a folder's: no slash, no control characters, no leading dot, at most 200 bytes. */
#define VANTAGE_NAME_MAX 201
void vantage_name(const char *name, char out[static VANTAGE_NAME_MAX]);

/*
 * Makes raw/NODE/INTERFACE and takes its lock (raw/NODE/INTERFACE/.lock). WEIR_E_BUSY when somebody else writes there. *fd is
 * closed to let go. Names as vantage_name gives them.
 */
int vantage_lock(struct weir_campaign *campaign, const char *node, const char *interface, int *fd, struct weir_fault *fault);

/* What a path in the catalog says: "raw/NODE/INTERFACE/DAY/HHMMSS-SEQ.pcapng.zst". 0, or -1 when it is no such path. */
struct segment_name {
	char node[VANTAGE_NAME_MAX], interface[VANTAGE_NAME_MAX];
	char stem[64]; /* HHMMSS-SEQ */
	uint64_t sequence;
	enum weir_codec codec;
	bool sealed; /* ".age" stands behind that */
};
int segment_name_parse(const char *path, struct segment_name *name);
/* Whether the name of a segment says that it is sealed. */
bool segment_is_sealed(const char *path);
/* The length of a segment's path up to its endings: HHMMSS-SEQ is the last of it. */
size_t segment_stem(const char *path);
const char *codec_ending(enum weir_codec codec); /* ".pcapng", ".pcapng.zst", ".pcapng.lz4" */

#endif
