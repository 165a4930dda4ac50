/* The campaign folder: archive/campaign.h, weir/archive.h. */
#include "archive/campaign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/chain.h"
#include "archive/folders.h"
#include "archive/recover.h"
#include "core/clock.h"
#include "core/signing.h"
#include "core/text.h"
#include "file/sealed.h"
#include "os/files.h"

static const char ignored[] =
	"# Packets and what can be made again from them; everything else in the campaign is kept under git.\n"
	"/raw/\n"
	"/catalog.db*\n"
	"/runs/*/packets/\n";

int campaign_path(const struct weir_campaign *campaign, const char *relative, char out[static PATH_MAX],
                  struct weir_fault *fault)
{
	if (snprintf(out, PATH_MAX, "%s/%s", campaign->path, relative) >= PATH_MAX)
		return weir_fail_at(fault, WEIR_E_LIMIT, campaign->path, WEIR_NOWHERE, WEIR_NOWHERE, "the path is too long");
	return 0;
}

void weir_campaign_unseal(struct weir_campaign *campaign, const struct weir_identities *identities)
{
	campaign->identities = identities;
}

const char *weir_campaign_path(const struct weir_campaign *campaign) { return campaign->path; }

void vantage_name(const char *name, char out[static VANTAGE_NAME_MAX])
{
	size_t length = 0;
	for (; name[length] && length < VANTAGE_NAME_MAX - 1; length++) {
		unsigned char c = (unsigned char)name[length];
		out[length] = c < 0x20 || c == 0x7f || c == '/' || (c == '.' && length == 0) ? '_' : (char)c;
	}
	if (length == 0)
		out[length++] = '_';
	out[length] = '\0';
}

const char *codec_ending(enum weir_codec codec)
{
	return codec == WEIR_CODEC_ZSTD ? ".pcapng.zst" : codec == WEIR_CODEC_LZ4 ? ".pcapng.lz4" : ".pcapng";
}

bool segment_is_sealed(const char *path)
{
	size_t length = strlen(path), ending = strlen(SEALED_ENDING);
	return length > ending && strcmp(path + length - ending, SEALED_ENDING) == 0;
}

size_t segment_stem(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	return (size_t)(name - path) + strcspn(name, ".");
}

/* Copies one component of a path and steps over the slash behind it. */
static int take_component(const char **path, char *out, size_t size)
{
	const char *slash = strchr(*path, '/');
	size_t length = slash ? (size_t)(slash - *path) : 0;

	if (length == 0 || length >= size)
		return -1;
	memcpy(out, *path, length);
	out[length] = '\0';
	*path = slash + 1;
	return 0;
}

int segment_name_parse(const char *path, struct segment_name *name)
{
	char day[16];

	if (strncmp(path, "raw/", 4) != 0)
		return -1;
	path += 4;
	if (take_component(&path, name->node, sizeof name->node) || take_component(&path, name->interface, sizeof name->interface) ||
	    take_component(&path, day, sizeof day))
		return -1;
	const char *dot = strchr(path, '.');
	const char *dash = strchr(path, '-');
	if (!dot || !dash || dash != path + 6 || dash > dot || (size_t)(dot - path) >= sizeof name->stem)
		return -1;
	memcpy(name->stem, path, (size_t)(dot - path));
	name->stem[dot - path] = '\0';
	char *end;
	name->sequence = strtoull(dash + 1, &end, 10);
	if (end != dot || end == dash + 1)
		return -1;
	name->sealed = segment_is_sealed(dot);
	size_t ending = strlen(dot) - (name->sealed ? strlen(SEALED_ENDING) : 0);
	for (int codec = WEIR_CODEC_NONE; codec <= WEIR_CODEC_LZ4; codec++)
		if (strlen(codec_ending((enum weir_codec)codec)) == ending && strncmp(dot, codec_ending((enum weir_codec)codec), ending) == 0) {
			name->codec = (enum weir_codec)codec;
			return 0;
		}
	return -1;
}

int vantage_lock(struct weir_campaign *campaign, const char *node, const char *interface, int *fd, struct weir_fault *fault)
{
	char relative[2 * VANTAGE_NAME_MAX + 16], path[PATH_MAX];

	snprintf(relative, sizeof relative, "raw/%s/%s", node, interface);
	int error = campaign_path(campaign, relative, path, fault);
	if (!error)
		error = os_make_folders(path, fault);
	if (error)
		return error;
	strcat(relative, "/.lock");
	error = campaign_path(campaign, relative, path, fault);
	if (!error)
		error = os_lock(path, fd, fault);
	if (error == WEIR_E_BUSY)
		return weir_fail(fault, WEIR_E_BUSY, "another weir writes the packets of %s on %s into this campaign", interface, node);
	return error;
}

static int create_folder(const struct weir_campaign *campaign, struct weir_fault *fault)
{
	char path[PATH_MAX], when[FORMAT_SIZE], name[PATH_MAX];
	struct text toml = {0};
	int error = os_make_folders(campaign->path, fault);

	if (!error)
		error = campaign_path(campaign, "campaign.toml", path, fault);
	if (error || access(path, F_OK) == 0)
		return error;
	const char *full = realpath(campaign->path, name);
	const char *slash = full ? strrchr(full, '/') : NULL;
	text_add(&toml, "# What is recorded here, where, by whom, under which policy.\nname = \"");
	for (const char *c = slash ? slash + 1 : campaign->path; *c; c++) {
		if (*c == '"' || *c == '\\')
			text_add_char(&toml, '\\');
		text_add_char(&toml, (unsigned char)*c < 0x20 || *c == 0x7f ? '_' : *c);
	}
	text_add_format(&toml, "\"\ncreated = %s\n", format_time(clock_wall_ns(), false, 0, when));
	if (toml.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for campaign.toml");
	else
		error = os_write_file(path, toml.data, toml.length, fault);
	text_free(&toml);
	if (!error)
		error = campaign_path(campaign, ".gitignore", path, fault);
	if (!error && access(path, F_OK) != 0)
		error = os_write_file(path, ignored, sizeof ignored - 1, fault);
	return error;
}

/* Whether something that looks like a campaign is there. */
static bool exists(const struct weir_campaign *campaign)
{
	static const char *const signs[] = {"campaign.toml", "catalog.db", "raw"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
		if (campaign_path(campaign, signs[i], path, NULL) == 0 && access(path, F_OK) == 0)
			return true;
	return false;
}

static int open_parts(struct weir_campaign *campaign, struct weir_fault *fault)
{
	static const enum catalog_mode modes[] = {CATALOG_READ, CATALOG_WRITE, CATALOG_CREATE};
	char path[PATH_MAX];
	struct stat status;

	if (campaign->mode == WEIR_CAMPAIGN_CREATE) {
		int error = create_folder(campaign, fault);
		if (error)
			return error;
	} else if (!exists(campaign)) {
		return weir_fail_at(fault, WEIR_E_NOT_FOUND, campaign->path, WEIR_NOWHERE, WEIR_NOWHERE, "there is no campaign here");
	}
	int error = campaign_path(campaign, "raw", path, fault);
	if (error)
		return error;
	bool has_raw = stat(path, &status) == 0;
	error = campaign_path(campaign, "catalog.db", path, fault);
	if (error)
		return error;
	/* Without a catalog a campaign is not empty but unlisted: say so instead of hiding its packets behind a new one. */
	if (has_raw && access(path, F_OK) != 0)
		return weir_fail_at(fault, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "the catalog is missing: weir catalog rebuild %s makes it again from the files", campaign->path);
	enum catalog_mode mode = !has_raw && campaign->mode != WEIR_CAMPAIGN_READ ? CATALOG_CREATE : modes[campaign->mode];
	return catalog_open(path, mode, &campaign->catalog, fault);
}

int campaign_open_unlisted(const char *path, enum weir_campaign_mode mode, struct weir_campaign **out, struct weir_fault *fault)
{
	struct weir_campaign *campaign = calloc(1, sizeof *campaign);
	char *copy = strdup(path);

	if (!campaign || !copy) {
		free(campaign);
		free(copy);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a campaign");
	}
	size_t length = strlen(copy);
	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	campaign->path = copy;
	campaign->mode = mode;
	pthread_mutex_init(&campaign->ledger_lock, NULL);
	*out = campaign;
	return 0;
}

int weir_campaign_open(const char *path, enum weir_campaign_mode mode, struct weir_campaign **out, struct weir_fault *fault)
{
	struct weir_campaign *campaign = NULL;
	int error = campaign_open_unlisted(path, mode, &campaign, fault);

	if (error)
		return error;
	error = open_parts(campaign, fault);
	if (!error) {
		campaign->writable = catalog_writable(campaign->catalog);
		if (campaign->writable)
			error = recover_campaign(campaign, fault);
	}
	if (error) {
		weir_campaign_close(campaign);
		return error;
	}
	*out = campaign;
	return 0;
}

void weir_campaign_close(struct weir_campaign *campaign)
{
	if (!campaign)
		return;
	catalog_close(campaign->catalog);
	pthread_mutex_destroy(&campaign->ledger_lock);
	signing_key_free(campaign->signer);
	if (campaign->recovered)
		folder_list_free(campaign->recovered);
	free(campaign->recovered);
	free(campaign->path);
	free(campaign);
}

/* What others recovered, who had no key. */
static int sign_listed(struct weir_campaign *campaign, struct weir_fault *fault)
{
	struct folder_list nodes = {0};
	int error = list_folders(campaign, "raw", &nodes, fault);

	for (size_t i = 0; i < nodes.count && !error; i++)
		error = chain_sign_recovered(campaign, nodes.names[i], fault);
	folder_list_free(&nodes);
	return error;
}

int campaign_sign_with(struct weir_campaign *campaign, struct signing_key *signer, struct weir_fault *fault)
{
	struct segment_name name;
	int error = 0;

	signing_key_free(campaign->signer);
	campaign->signer = signer;
	if (!campaign->writable)
		return weir_fail_at(fault, WEIR_E_PERMISSION, campaign->path, WEIR_NOWHERE, WEIR_NOWHERE, "can't be written, so that nothing can be signed in it");
	for (size_t i = 0; campaign->recovered && i < campaign->recovered->count && !error; i++)
		if (segment_name_parse(campaign->recovered->names[i], &name) == 0)
			error = chain_append_file(campaign, name.node, CHAIN_RECOVERED, campaign->recovered->names[i], fault);
	return error ? error : sign_listed(campaign, fault);
}

int weir_campaign_sign_with(struct weir_campaign *campaign, const char *key_path, struct weir_fault *fault)
{
	struct signing_key *signer;
	int error = signing_key_read(key_path, &signer, fault);

	return error ? error : campaign_sign_with(campaign, signer, fault);
}
