/* Making the catalog again from the files: archive/recover.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/folders.h"
#include "archive/ledger.h"
#include "archive/recover.h"
#include "os/files.h"

/* The locks of all vantages, so that nobody writes while the catalog changes under him. */
struct locks {
	int *fds;
	size_t count;
};

static void unlock_all(struct locks *locks)
{
	for (size_t i = 0; i < locks->count; i++)
		close(locks->fds[i]);
	free(locks->fds);
	*locks = (struct locks){0};
}

static int add_lock(struct locks *locks, int fd, struct weir_fault *fault)
{
	int *more = realloc(locks->fds, (locks->count + 1) * sizeof *more);
	if (!more) {
		close(fd);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a lock");
	}
	locks->fds = more;
	locks->fds[locks->count++] = fd;
	return 0;
}

static int rebuild_node(struct weir_campaign *campaign, const char *node, struct locks *locks, struct recover_report *report,
                        uint64_t *bad, struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 16];
	struct folder_list interfaces = {0};
	uint64_t bad_here;

	snprintf(relative, sizeof relative, "raw/%s", node);
	int error = catalog_vantage(campaign->catalog, node, NULL, fault);
	/* The ledger first: what recovery finds is entered in both. */
	if (!error)
		error = ledger_read(campaign, node, campaign->catalog, &bad_here, fault);
	if (!error) {
		*bad += bad_here;
		error = list_folders(campaign, relative, &interfaces, fault);
	}
	for (size_t i = 0; i < interfaces.count && !error; i++) {
		const char *interface = interfaces.names[i];
		int fd;
		error = vantage_lock(campaign, node, interface, &fd, fault);
		if (!error)
			error = add_lock(locks, fd, fault);
		if (!error)
			error = catalog_vantage(campaign->catalog, node, interface, fault);
		if (!error)
			error = recover_vantage(campaign, node, interface, RECOVER_FILES, report, fault);
		if (!error)
			error = vantage_mark(fd, "", fault);
	}
	folder_list_free(&interfaces);
	return error;
}

static int rebuild_all(struct weir_campaign *campaign, struct locks *locks, struct recover_report *report, uint64_t *bad,
                       struct weir_fault *fault)
{
	struct folder_list nodes = {0};
	int error = list_folders(campaign, "raw", &nodes, fault);

	for (size_t i = 0; i < nodes.count && !error; i++)
		error = rebuild_node(campaign, nodes.names[i], locks, report, bad, fault);
	folder_list_free(&nodes);
	return error;
}

static void remove_database(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	char file[PATH_MAX];
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (snprintf(file, sizeof file, "%s%s", path, endings[i]) < (int)sizeof file)
			unlink(file);
}

int catalog_rebuild(const char *path, struct recover_report *report, uint64_t *bad, struct weir_fault *fault)
{
	char raw[PATH_MAX], database[PATH_MAX], beside[PATH_MAX];
	struct weir_campaign *campaign;
	struct locks locks = {0};

	*bad = 0;
	int error = campaign_open_unlisted(path, WEIR_CAMPAIGN_WRITE, &campaign, fault);
	if (error)
		return error;
	error = campaign_path(campaign, "raw", raw, fault);
	if (!error && access(raw, F_OK) != 0)
		error = weir_fail_at(fault, WEIR_E_NOT_FOUND, path, WEIR_NOWHERE, WEIR_NOWHERE, "there are no packets of a campaign here");
	if (!error)
		error = campaign_path(campaign, "catalog.db", database, fault);
	if (!error)
		error = campaign_path(campaign, "catalog.db-new", beside, fault);
	if (error)
		goto out;
	remove_database(beside);
	error = catalog_open(beside, CATALOG_CREATE, &campaign->catalog, fault);
	if (!error)
		error = catalog_begin(campaign->catalog, fault);
	if (!error)
		error = rebuild_all(campaign, &locks, report, bad, fault);
	if (!error)
		error = catalog_commit(campaign->catalog, fault);
	if (!error)
		error = catalog_settle(campaign->catalog, fault);
	catalog_close(campaign->catalog);
	campaign->catalog = NULL;
	if (!error) {
		remove_database(database);
		if (rename(beside, database) != 0)
			error = weir_fail_errno(fault, errno, database, "cannot put the catalog in its place");
	}
	if (error)
		remove_database(beside);
out:
	unlock_all(&locks);
	weir_campaign_close(campaign);
	return error;
}
