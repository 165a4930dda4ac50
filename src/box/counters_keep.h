/*
 * box/counters_keep.h: looks at counters kept as Parquet beside a campaign's packets: FOLDER/YYYYMMDD-HHMMSS.parquet (UTC, when it begins), a file an hour.
 *
 * A row is a counter that changed since the look before; at the beginning of a file each has one. A file appears when it is whole: a crash costs that of the hour at
 * hand. One thread.
 */
#ifndef BOX_COUNTERS_KEEP_H
#define BOX_COUNTERS_KEEP_H

#include <weir/seal.h>

#include "box/counters.h"

struct counters_keep;

/*
 * folder is there, and nobody else writes into it: what a crash left half written is removed. recipients: they are sealed for them (…parquet.age), and they outlive
 * it; NULL: they are not. max_age_ns: files that ended longer ago are deleted; 0: none.
 */
int counters_keep_open(const char *folder, const struct weir_recipients *recipients, int64_t max_age_ns,
                       struct counters_keep **keep, struct weir_fault *fault);

/* Keeps what changed, as at this time (ns since 1970). After an error the file at hand is gone, and the next begins with the next hour. */
int counters_keep_look(struct counters_keep *keep, const struct counters *counters, int64_t now_ns, struct weir_fault *fault);

/* Ends the file at hand. */
int counters_keep_finish(struct counters_keep *keep, struct weir_fault *fault);
void counters_keep_close(struct counters_keep *keep); /* takes NULL; what was not finished is gone */

#endif
