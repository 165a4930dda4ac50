/* The loss ledger: every packet that is not in the archive is in here. weir/archive.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/campaign.h"
#include "archive/ledger.h"
#include "core/clock.h"
#include "core/json.h"
#include "os/files.h"

static const char *const names[WEIR_LOSS_CAUSES] = {
	[WEIR_LOSS_RING] = "ring",
	[WEIR_LOSS_NIC] = "nic",
	[WEIR_LOSS_SHED] = "shed",
	[WEIR_LOSS_DISK_FULL] = "disk-full",
	[WEIR_LOSS_DISK_ERROR] = "disk-error",
	[WEIR_LOSS_CRASH] = "crash",
	[WEIR_LOSS_LINK_DOWN] = "link-down",
	[WEIR_LOSS_CLOCK] = "clock",
	[WEIR_LOSS_RETENTION] = "retention",
	[WEIR_LOSS_DAMAGE] = "damage",
	[WEIR_LOSS_PAYLOAD] = "payload",
	[WEIR_LOSS_POLICY] = "policy",
	[WEIR_LOSS_LINK] = "link",
};

const char *weir_loss_name(enum weir_loss_cause cause)
{
	return (unsigned)cause < WEIR_LOSS_CAUSES ? names[cause] : "unknown";
}

static void put_count(struct json *json, const char *key, uint64_t count)
{
	json_key(json, key);
	if (count == WEIR_UNKNOWN_COUNT)
		json_null(json);
	else
		json_unsigned(json, count);
}

static void put_row(struct text *line, const struct weir_loss *loss, const char *interface, int64_t entered_ns)
{
	struct json json = json_into(line);

	json_object(&json);
	json_put_signed(&json, "entered_ns", entered_ns);
	json_put_signed(&json, "from_ns", loss->from_ns);
	json_put_signed(&json, "to_ns", loss->to_ns);
	json_put_string(&json, "interface", interface);
	json_put_string(&json, "cause", weir_loss_name(loss->cause));
	put_count(&json, "packets", loss->packets);
	put_count(&json, "bytes", loss->bytes);
	json_put_string(&json, "detail", loss->detail ? loss->detail : "");
	json_end_object(&json);
	text_add_char(line, '\n');
}

/* A row goes out in one write, so that writers of several processes do not mix; what a full disk cut short is taken back. */
static int append(const char *path, const struct text *line, struct weir_fault *fault)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the ledger");

	ssize_t n;
	int error = 0;
	do
		n = write(fd, line->data, line->length);
	while (n < 0 && errno == EINTR);
	if (n < 0 || (size_t)n != line->length) {
		error = n < 0 ? errno : ENOSPC;
		struct stat status;
		if (n > 0 && fstat(fd, &status) == 0 && ftruncate(fd, status.st_size - n) != 0)
			error = errno;
	} else if (fdatasync(fd) != 0) {
		error = errno;
	}
	close(fd);
	return error ? weir_fail_errno(fault, error, path, "cannot write the ledger") : 0;
}

int weir_ledger_enter(struct weir_campaign *campaign, const struct weir_loss *loss, struct weir_fault *fault)
{
	char node[VANTAGE_NAME_MAX], interface[VANTAGE_NAME_MAX] = "", relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX];
	struct weir_loss row = *loss;
	struct text line = {0};

	if (!loss->node || (unsigned)loss->cause >= WEIR_LOSS_CAUSES)
		return weir_fail(fault, WEIR_E_USAGE, "a loss needs a node and a cause");
	vantage_name(loss->node, node);
	if (loss->interface && loss->interface[0])
		vantage_name(loss->interface, interface);
	row.node = node;
	row.interface = interface;
	snprintf(relative, sizeof relative, "raw/%s", node);
	int error = campaign_path(campaign, relative, path, fault);
	if (!error)
		error = os_make_folders(path, fault);
	if (!error) {
		strcat(relative, "/ledger.jsonl");
		error = campaign_path(campaign, relative, path, fault);
	}
	if (error)
		return error;

	pthread_mutex_lock(&campaign->ledger_lock);
	int64_t entered_ns = clock_wall_ns();
	if (entered_ns <= campaign->last_entered_ns)
		entered_ns = campaign->last_entered_ns + 1;
	campaign->last_entered_ns = entered_ns;
	put_row(&line, &row, interface, entered_ns);
	error = line.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a row of the ledger") : append(path, &line, fault);
	if (!error && campaign->catalog)
		error = catalog_vantage(campaign->catalog, node, NULL, fault);
	if (!error && campaign->catalog)
		error = catalog_loss(campaign->catalog, &row, entered_ns, fault);
	pthread_mutex_unlock(&campaign->ledger_lock);
	text_free(&line);
	return error;
}

/* SQLite reads JSON: a row goes from the file into the table as it is. */
static const char insert_row[] =
	"INSERT OR IGNORE INTO ledger SELECT ?1, json_extract(?2, '$.interface'), json_extract(?2, '$.cause'),"
	" json_extract(?2, '$.entered_ns'), json_extract(?2, '$.from_ns'), json_extract(?2, '$.to_ns'),"
	" json_extract(?2, '$.packets'), json_extract(?2, '$.bytes'), json_extract(?2, '$.detail')"
	" WHERE json_valid(?2) AND json_type(?2, '$.interface') = 'text' AND json_type(?2, '$.cause') = 'text'"
	" AND json_type(?2, '$.entered_ns') = 'integer' AND json_type(?2, '$.from_ns') = 'integer'"
	" AND json_type(?2, '$.to_ns') = 'integer' AND json_type(?2, '$.detail') = 'text'";

int ledger_read(struct weir_campaign *campaign, const char *node, struct catalog *catalog, uint64_t *bad,
                struct weir_fault *fault)
{
	char relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX];
	sqlite3 *database = catalog_database(catalog);
	sqlite3_stmt *statement = NULL;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	*bad = 0;
	snprintf(relative, sizeof relative, "raw/%s/ledger.jsonl", node);
	int error = campaign_path(campaign, relative, path, fault);
	if (error)
		return error;
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "cannot read the ledger");
	if (sqlite3_prepare_v2(database, insert_row, -1, &statement, NULL) != SQLITE_OK) {
		error = weir_fail(fault, WEIR_E_IO, "cannot enter the ledger: %s", sqlite3_errmsg(database));
		goto out;
	}
	while ((length = getline(&line, &capacity, file)) > 0) {
		if (line[length - 1] == '\n')
			length--;
		sqlite3_bind_text(statement, 1, node, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, line, (int)length, SQLITE_STATIC);
		int before = sqlite3_total_changes(database);
		if (sqlite3_step(statement) != SQLITE_DONE) {
			error = weir_fail(fault, WEIR_E_IO, "cannot enter the ledger: %s", sqlite3_errmsg(database));
			goto out;
		}
		*bad += sqlite3_total_changes(database) == before;
		sqlite3_reset(statement);
	}
	if (ferror(file))
		error = weir_fail_errno(fault, errno, path, "cannot read the ledger");
out:
	sqlite3_finalize(statement);
	free(line);
	fclose(file);
	return error;
}
