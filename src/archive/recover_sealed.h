/* archive/recover_sealed.h: what a dead recorder left of a sealed segment, made whole by who can't open it: format.h, struct end_record. */
#ifndef ARCHIVE_RECOVER_SEALED_H
#define ARCHIVE_RECOVER_SEALED_H

#include "archive/campaign.h"

/*
 * Ends the segment behind the last chunk that is whole, and makes a segment of one chunk of each journal whose chunk is not in it; enters all in the catalog, with
 * the open part of an index. name: of the path relative to the campaign. *packets, *last_ns: of all of it. 1; 0 when there is nothing by which it could be ended,
 * and it was left as it is; or an error.
 */
int recover_sealed(struct weir_campaign *campaign, const char *path, const struct segment_name *name, uint64_t *packets,
                   int64_t *last_ns, struct weir_fault *fault);

#endif
