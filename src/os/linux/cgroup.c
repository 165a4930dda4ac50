/* The cgroup v2 hierarchy on Linux: os/process.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/bpf.h"
#include "os/process.h"

#define FSCONFIG_CREATE 6 /* FSCONFIG_CMD_CREATE, which older headers do not have */

/* A mount of its own that stands nowhere in the tree: for where /sys is another one, as under ip-netns(8), or cgroup v2 is mounted nowhere. */
static int mount_detached(void)
{
#if defined(SYS_fsopen) && defined(SYS_fsconfig) && defined(SYS_fsmount)
	int fd = -1, context = (int)syscall(SYS_fsopen, "cgroup2", 1 /* FSOPEN_CLOEXEC */);

	if (context < 0)
		return -1;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CREATE, NULL, NULL, 0) == 0)
		fd = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
	close(context);
	return fd;
#else
	return -1;
#endif
}

int os_cgroup_open(int *fd, struct weir_fault *fault)
{
	char path[4096];
	int error = os_cgroup_root(path, sizeof path, fault);

	if (!error) {
		*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return *fd < 0 ? weir_fail_errno(fault, errno, path, "could not open cgroup v2") : 0;
	}
	*fd = mount_detached();
	return *fd < 0 ? error : 0;
}
