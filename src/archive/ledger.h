/* archive/ledger.h: the file of the loss ledger, raw/NODE/ledger.jsonl. Rows are entered by weir_ledger_enter (weir/archive.h). */
#ifndef ARCHIVE_LEDGER_H
#define ARCHIVE_LEDGER_H

#include "archive/campaign.h"

/* Enters every row of a node's ledger into the catalog. *bad: lines that are no rows (torn by a power failure). */
int ledger_read(struct weir_campaign *campaign, const char *node, struct catalog *catalog, uint64_t *bad,
                struct weir_fault *fault);

#endif
