/* Giving up privileges on Linux: os/privileges.h. */
#include "os/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* path, or the nearest folder above it that exists. */
static void nearest_folder(const char *path, char *out, size_t size)
{
	struct stat status;
	snprintf(out, size, "%s", path);
	while (out[0] && stat(out, &status) != 0) {
		char *slash = strrchr(out, '/');
		if (!slash)
			out[0] = '\0';
		else
			slash[slash == out ? 1 : 0] = '\0';
		if (slash == out)
			break;
	}
	if (!out[0])
		snprintf(out, size, ".");
}

/* Whether that user may write in folder, asked of the system itself, as that user, without their supplementary groups. */
static bool may_write(const char *folder, uid_t uid, gid_t gid)
{
	gid_t own_gid = getegid();
	uid_t own_uid = geteuid();
	if (setegid(gid))
		return false;
	bool may = false;
	if (seteuid(uid) == 0) {
		may = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
		if (seteuid(own_uid))
			may = false;
	}
	if (setegid(own_gid))
		may = false;
	return may;
}

static void set_user(struct os_user *user, uid_t uid, gid_t gid)
{
	const struct passwd *entry = getpwuid(uid);
	user->uid = uid;
	user->gid = gid;
	user->change = uid != 0;
	if (entry)
		snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
	else
		snprintf(user->name, sizeof user->name, "%u", (unsigned)uid);
}

int os_user_choose(const char *named, const char *path, struct os_user *user, struct weir_fault *fault)
{
	*user = (struct os_user){.uid = getuid(), .gid = getgid()};
	if (named) {
		const struct passwd *entry = getpwnam(named);
		if (!entry)
			return weir_fail(fault, WEIR_E_USAGE, "there is no user '%s'", named);
		if (geteuid() != 0 && entry->pw_uid != geteuid())
			return weir_fail(fault, WEIR_E_PERMISSION, "only root can become %s", named);
		if (geteuid() == 0)
			set_user(user, entry->pw_uid, entry->pw_gid);
		return 0;
	}
	if (geteuid() != 0)
		return 0;
	char folder[4096];
	nearest_folder(path, folder, sizeof folder);
	const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");
	if (sudo_uid && sudo_gid) {
		uid_t uid = (uid_t)strtoul(sudo_uid, NULL, 10);
		gid_t gid = (gid_t)strtoul(sudo_gid, NULL, 10);
		if (may_write(folder, uid, gid)) {
			set_user(user, uid, gid);
			return 0;
		}
	}
	struct stat status;
	if (stat(folder, &status) == 0)
		set_user(user, status.st_uid, status.st_gid);
	return 0;
}

static void allow_locked_memory(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

int os_privileges_drop(const struct os_user *user, struct weir_fault *fault)
{
	allow_locked_memory();
	if (user->change) {
		if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
		    setresuid(user->uid, user->uid, user->uid))
			return weir_fail_errno(fault, errno, NULL, "cannot become %s", user->name);
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	if (syscall(SYS_capset, &header, none))
		return weir_fail_errno(fault, errno, NULL, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return weir_fail_errno(fault, errno, NULL, "cannot rule out new privileges");
	return 0;
}
