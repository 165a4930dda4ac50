/* archive/folders.h: what stands in the folders of a campaign. */
#ifndef ARCHIVE_FOLDERS_H
#define ARCHIVE_FOLDERS_H

#include "archive/campaign.h"

/* Names, sorted as bytes. Zero-initialise; free with folder_list_free. */
struct folder_list {
	char **names;
	size_t count, capacity;
};
int folder_list_add(struct folder_list *list, const char *name, struct weir_fault *fault);
void folder_list_free(struct folder_list *list);

/* The folders in a folder, by name; none when it does not exist. Those that begin with a dot are left out. */
int list_folders(const struct weir_campaign *campaign, const char *relative, struct folder_list *list, struct weir_fault *fault);

/* The segments of a vantage, by path relative to the campaign. */
int list_segments(const struct weir_campaign *campaign, const char *node, const char *interface, struct folder_list *list,
                  struct weir_fault *fault);

#endif
