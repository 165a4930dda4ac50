/* Deleting what is too old or too much: weir_retention_apply in weir/archive.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/chain.h"
#include "core/clock.h"
#include "file/sealed.h"
#include "os/files.h"

struct candidate {
	char path[3 * VANTAGE_NAME_MAX], node[VANTAGE_NAME_MAX], interface[VANTAGE_NAME_MAX];
	int64_t first_ns, last_ns;
	uint64_t packets, wire_bytes, file_bytes;
};

/* The oldest closed segment: 1, 0 when there is none, or an error. */
static int oldest(struct weir_campaign *campaign, struct candidate *candidate, struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(campaign->catalog);
	sqlite3_stmt *statement;
	static const char sql[] =
		"SELECT path, node, interface, first_ns, last_ns, packets, wire_bytes, stored_bytes + index_bytes FROM segments"
		" WHERE state = 'closed' ORDER BY last_ns, path LIMIT 1";

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
		return weir_fail(fault, WEIR_E_IO, "cannot read the catalog: %s", sqlite3_errmsg(database));
	int rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		snprintf(candidate->path, sizeof candidate->path, "%s", (const char *)sqlite3_column_text(statement, 0));
		snprintf(candidate->node, sizeof candidate->node, "%s", (const char *)sqlite3_column_text(statement, 1));
		snprintf(candidate->interface, sizeof candidate->interface, "%s", (const char *)sqlite3_column_text(statement, 2));
		candidate->first_ns = sqlite3_column_int64(statement, 3);
		candidate->last_ns = sqlite3_column_int64(statement, 4);
		candidate->packets = (uint64_t)sqlite3_column_int64(statement, 5);
		candidate->wire_bytes = (uint64_t)sqlite3_column_int64(statement, 6);
		candidate->file_bytes = (uint64_t)sqlite3_column_int64(statement, 7);
	}
	sqlite3_finalize(statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return weir_fail(fault, WEIR_E_IO, "cannot read the catalog: %s", sqlite3_errmsg(database));
	return rc == SQLITE_ROW;
}

static int total_bytes(struct weir_campaign *campaign, uint64_t *total, struct weir_fault *fault)
{
	sqlite3 *database = catalog_database(campaign->catalog);
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(database, "SELECT coalesce(sum(stored_bytes + index_bytes), 0) FROM segments", -1, &statement,
	                       NULL) != SQLITE_OK)
		return weir_fail(fault, WEIR_E_IO, "cannot read the catalog: %s", sqlite3_errmsg(database));
	int rc = sqlite3_step(statement);
	*total = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? 0 : weir_fail(fault, WEIR_E_IO, "cannot read the catalog: %s", sqlite3_errmsg(database));
}

static int remove_file(const char *path, struct weir_fault *fault)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return weir_fail_errno(fault, errno, path, "cannot delete");
	return 0;
}

/*
 * Whether a deletion that did not come to its end (a crash, a right that was missing) entered the segment already: its packets are lost once.
 * 1, 0, or an error.
 */
static int is_entered(struct weir_campaign *campaign, const struct weir_loss *loss, struct weir_fault *fault)
{
	static const char sql[] = "SELECT 1 FROM ledger WHERE to_ns = ?1 AND from_ns = ?2 AND node = ?3 AND interface = ?4"
		" AND cause = ?5 AND packets = ?6 AND substr(detail, instr(detail, ': ')) = ?7";
	const char *path = strstr(loss->detail, ": ");
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(catalog_database(campaign->catalog), sql, -1, &statement, NULL) != SQLITE_OK)
		return catalog_fail(campaign->catalog, "cannot read the ledger", fault);
	sqlite3_bind_int64(statement, 1, loss->to_ns);
	sqlite3_bind_int64(statement, 2, loss->from_ns);
	sqlite3_bind_text(statement, 3, loss->node, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, loss->interface, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 5, weir_loss_name(loss->cause), -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 6, (sqlite3_int64)loss->packets);
	sqlite3_bind_text(statement, 7, path ? path : loss->detail, -1, SQLITE_STATIC);
	int rc = sqlite3_step(statement);
	int result = rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : catalog_fail(campaign->catalog, "cannot read the ledger", fault);
	sqlite3_finalize(statement);
	return result;
}

/*
 * First the ledger, then the segment, its index and its row: a crash in between leaves a row whose segment is gone, which is the first to
 * be deleted the next time, and never packets that are gone without an entry.
 */
static int delete_segment(struct weir_campaign *campaign, const struct candidate *candidate, const char *why,
                          struct weir_fault *fault)
{
	char path[PATH_MAX], index[PATH_MAX], detail[4 * VANTAGE_NAME_MAX];
	int error = campaign_path(campaign, candidate->path, path, fault);

	if (error)
		return error;
	if (snprintf(index, sizeof index, "%s.idx", path) >= (int)sizeof index)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of %s is too long", path);
	snprintf(detail, sizeof detail, "%s: %s", why, candidate->path);
	struct weir_loss loss = {
		.from_ns = candidate->first_ns,
		.to_ns = candidate->last_ns,
		.cause = WEIR_LOSS_RETENTION,
		.packets = candidate->packets,
		.bytes = candidate->wire_bytes,
		.node = candidate->node,
		.interface = candidate->interface,
		.detail = detail,
	};
	const struct chain_entry removed = {.event = CHAIN_REMOVED, .file = candidate->path};
	error = is_entered(campaign, &loss, fault);
	if (error == 0)
		error = weir_ledger_enter(campaign, &loss, fault);
	else if (error > 0)
		error = 0;
	if (!error)
		error = remove_file(path, fault);
	if (!error)
		error = remove_file(index, fault);
	if (!error && segment_is_sealed(path)) {
		snprintf(index, sizeof index, "%.*s.idx" SEALED_ENDING, (int)(sizeof index - sizeof ".idx" SEALED_ENDING), path);
		error = remove_file(index, fault);
	}
	if (!error)
		error = chain_append(campaign, candidate->node, &removed, fault);
	if (!error)
		error = catalog_segment_gone(campaign->catalog, candidate->path, fault);
	/* The day's folder, when this was its last segment. */
	*strrchr(path, '/') = '\0';
	if (!error && rmdir(path) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
		error = weir_fail_errno(fault, errno, path, "cannot delete");
	return error;
}

int weir_retention_apply(struct weir_campaign *campaign, const struct weir_retention *retention, uint64_t *deleted,
                         struct weir_fault *fault)
{
	int64_t now = clock_wall_ns();
	uint64_t total = 0;
	int error = retention->max_size ? total_bytes(campaign, &total, fault) : 0;

	*deleted = 0;
	while (!error) {
		struct candidate candidate;
		uint64_t free_bytes = UINT64_MAX;
		const char *why = NULL;

		int found = oldest(campaign, &candidate, fault);
		if (found <= 0)
			return found;
		if (retention->min_free)
			error = os_free_space(campaign->path, &free_bytes, fault);
		if (error)
			break;
		if (retention->max_size && total > retention->max_size)
			why = "max-size";
		else if (retention->max_age_ns && candidate.last_ns < now - retention->max_age_ns)
			why = "max-age";
		else if (retention->min_free && free_bytes < retention->min_free)
			why = "min-free";
		if (!why)
			break;
		error = delete_segment(campaign, &candidate, why, fault);
		total -= candidate.file_bytes < total ? candidate.file_bytes : total;
		*deleted += error == 0;
	}
	return error;
}
