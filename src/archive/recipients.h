/* archive/recipients.h: for whom a campaign is sealed: `recipients = ["age1…"]` in its campaign.toml. */
#ifndef ARCHIVE_RECIPIENTS_H
#define ARCHIVE_RECIPIENTS_H

#include <weir/archive.h>

/*
 * Changes them in campaign.toml, whose other lines stay as they are, and gives what is then there. Those that are there already are no error, nor
 * those that are not there when they are taken away; but one has to stay: WEIR_E_USAGE.
 */
int recipients_change(const char *campaign, const char *const *names, size_t count, bool add,
                      struct weir_recipients **recipients, struct weir_fault *fault);

/* Those of the campaign and those that were named (NULL: none), to be freed; NULL when there is nobody, so that nothing is sealed. 0 or an error. */
int recipients_gather(const char *campaign, const struct weir_recipients *named, struct weir_recipients **recipients,
                      struct weir_fault *fault);

#endif
