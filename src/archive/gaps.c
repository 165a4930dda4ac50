#include "archive/gaps.h"

#include <string.h>

#include "archive/campaign.h"

enum weir_loss_cause gaps_cause(const char *word)
{
	int cause = 0;

	while (cause < WEIR_LOSS_CAUSES && strcmp(word, weir_loss_name(cause)) != 0)
		cause++;
	return cause;
}

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *found = (const char *)sqlite3_column_text(statement, column);
	return found ? found : "";
}

static uint64_t count(sqlite3_stmt *statement, int column)
{
	if (sqlite3_column_type(statement, column) == SQLITE_NULL)
		return WEIR_UNKNOWN_COUNT;
	return (uint64_t)sqlite3_column_int64(statement, column);
}

int gaps_between(struct weir_campaign *campaign, int64_t from_ns, int64_t to_ns, const char *node, const char *interface,
                 void (*each)(void *context, const struct weir_loss *loss), void *context, struct weir_fault *fault)
{
	static const char sql[] =
		"SELECT node, interface, cause, from_ns, to_ns, packets, bytes, detail FROM ledger WHERE to_ns >= ?1 AND from_ns <= ?2 AND cause <> 'link'"
		" AND (?3 IS NULL OR node = ?3) AND (?4 IS NULL OR interface = ?4 OR interface = '') ORDER BY from_ns, node, interface, cause";
	sqlite3 *database = catalog_database(campaign->catalog);
	sqlite3_stmt *statement;
	int rc;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
		return catalog_fail(campaign->catalog, "cannot read the ledger", fault);
	sqlite3_bind_int64(statement, 1, from_ns);
	sqlite3_bind_int64(statement, 2, to_ns);
	if (node)
		sqlite3_bind_text(statement, 3, node, -1, SQLITE_STATIC);
	if (interface)
		sqlite3_bind_text(statement, 4, interface, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct weir_loss loss = {
			.node = text(statement, 0), .interface = text(statement, 1), .cause = gaps_cause(text(statement, 2)),
			.from_ns = sqlite3_column_int64(statement, 3), .to_ns = sqlite3_column_int64(statement, 4),
			.packets = count(statement, 5), .bytes = count(statement, 6), .detail = text(statement, 7),
		};
		each(context, &loss);
	}
	int code = rc == SQLITE_DONE ? 0 : catalog_fail(campaign->catalog, "cannot read the ledger", fault);
	sqlite3_finalize(statement);
	return code;
}
