/*
 * os/privileges.h: gives away what only opening the sockets needed.
 */
#ifndef OS_PRIVILEGES_H
#define OS_PRIVILEGES_H

#include <stdbool.h>

#include <weir/error.h>

/* Who to be from now on. */
struct os_user {
	unsigned uid, gid;
	bool change;   /* we are root and will be somebody else */
	char name[64]; /* of whom, for a person */
};

/*
 * Whom files made under `path` should belong to when root runs us: the user named (NULL: none was); else, under sudo, who called it, if they may
 * write there; else who owns the folder that path is in or will be made in. Nobody but root changes. WEIR_E_USAGE: no such user.
 */
int os_user_choose(const char *named, const char *path, struct os_user *user, struct weir_fault *fault);

/*
 * Becomes that user and gives up every capability, for good (no_new_privs). Before any thread is started: on Linux each has
 * its own. Locked memory is allowed first, as far as it may be: io_uring counts its buffers against it.
 */
int os_privileges_drop(const struct os_user *user, struct weir_fault *fault);

#endif
