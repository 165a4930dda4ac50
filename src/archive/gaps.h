/*
 * archive/gaps.h: the losses that touch what was asked for, out of the catalog's copy of the ledger.
 */
#ifndef ARCHIVE_GAPS_H
#define ARCHIVE_GAPS_H

#include <weir/archive.h>

/*
 * Calls each for every loss between from_ns and to_ns (both inclusive) of the node and interface (NULL: all; a loss of a whole node
 * counts for each of its interfaces), in the order of their beginning; not for changes of links, by which nothing is lost. The strings live until each returns. 0 or an error.
 */
int gaps_between(struct weir_campaign *campaign, int64_t from_ns, int64_t to_ns, const char *node, const char *interface,
                 void (*each)(void *context, const struct weir_loss *loss), void *context, struct weir_fault *fault);

/* The cause that a word of the ledger means; WEIR_LOSS_CAUSES when it means none. */
enum weir_loss_cause gaps_cause(const char *word);

#endif
