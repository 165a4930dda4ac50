/* Listing folders: archive/folders.h. */
#include "archive/folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int folder_list_add(struct folder_list *list, const char *name, struct weir_fault *fault)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		char **more = realloc(list->names, capacity * sizeof *more);
		if (!more)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a list of files");
		list->names = more;
		list->capacity = capacity;
	}
	list->names[list->count] = strdup(name);
	if (!list->names[list->count])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a list of files");
	list->count++;
	return 0;
}

void folder_list_free(struct folder_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct folder_list){0};
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_once(struct folder_list *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->names, list->count, sizeof *list->names, compare);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && strcmp(list->names[kept - 1], list->names[i]) == 0)
			free(list->names[i]);
		else
			list->names[kept++] = list->names[i];
	}
	list->count = kept;
}

/* Calls `found` for each entry of a folder that does not begin with a dot. */
static int each_entry(const struct weir_campaign *campaign, const char *relative,
                      int (*found)(void *context, const char *path, const char *name, struct weir_fault *fault), void *context,
                      struct weir_fault *fault)
{
	char path[PATH_MAX], entry_path[PATH_MAX];
	struct dirent *entry;
	int error = campaign_path(campaign, relative, path, fault);

	if (error)
		return error;
	DIR *folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : weir_fail_errno(fault, errno, path, "cannot list the folder");
	while (!error && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name) >= PATH_MAX)
			continue;
		error = found(context, entry_path, entry->d_name, fault);
	}
	closedir(folder);
	return error;
}

static int add_folder(void *context, const char *path, const char *name, struct weir_fault *fault)
{
	struct stat status;
	if (strlen(name) >= VANTAGE_NAME_MAX || stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
		return 0;
	return folder_list_add(context, name, fault);
}

int list_folders(const struct weir_campaign *campaign, const char *relative, struct folder_list *list, struct weir_fault *fault)
{
	int error = each_entry(campaign, relative, add_folder, list, fault);
	sort_once(list);
	return error;
}

struct day {
	const char *relative;
	struct folder_list *list;
};

static int add_segment(void *context, const char *path, const char *name, struct weir_fault *fault)
{
	struct day *day = context;
	struct segment_name parsed;
	char relative[3 * VANTAGE_NAME_MAX];

	(void)path;
	if (snprintf(relative, sizeof relative, "%s/%s", day->relative, name) >= (int)sizeof relative)
		return 0;
	return segment_name_parse(relative, &parsed) == 0 ? folder_list_add(day->list, relative, fault) : 0;
}

int list_segments(const struct weir_campaign *campaign, const char *node, const char *interface, struct folder_list *list,
                  struct weir_fault *fault)
{
	char relative[2 * VANTAGE_NAME_MAX + 16], path[3 * VANTAGE_NAME_MAX];
	struct folder_list days = {0};

	snprintf(relative, sizeof relative, "raw/%s/%s", node, interface);
	int error = list_folders(campaign, relative, &days, fault);
	for (size_t i = 0; i < days.count && !error; i++) {
		struct day day = {path, list};
		if (snprintf(path, sizeof path, "%s/%s", relative, days.names[i]) < (int)sizeof path)
			error = each_entry(campaign, path, add_segment, &day, fault);
	}
	folder_list_free(&days);
	sort_once(list);
	return error;
}
