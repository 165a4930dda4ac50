/* Programs in the kernel, on Linux: os/bpf.h. */
#include "os/bpf.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"

#ifdef HAVE_BPF
#include <bpf/libbpf.h>

#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"

/* Capabilities of their own for eBPF came with Linux 5.8; headers may be older. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* What libbpf said last, of this thread: it says why where its error is only a number. */
static _Thread_local char complaint[256];

static int keep_complaint(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(complaint, sizeof complaint, format, arguments);
		complaint[strcspn(complaint, "\n")] = '\0';
	}
	return 0;
}

static bool has_capability(const struct __user_cap_data_struct data[static 2], unsigned capability)
{
	return data[capability / 32].effective >> capability % 32 & 1;
}

/* Whether we have the rights that it takes: all of CAP_SYS_ADMIN, or its parts. */
static bool may_load(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return geteuid() == 0;
	return has_capability(data, CAP_SYS_ADMIN) ||
	       (has_capability(data, CAP_BPF) && has_capability(data, CAP_PERFMON) && has_capability(data, CAP_NET_ADMIN));
}

int os_bpf_probe(struct weir_fault *fault)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	libbpf_set_print(keep_complaint);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	complaint[0] = '\0';
	if (!may_load())
		return weir_fail(fault, WEIR_E_PERMISSION, "events of the kernel take CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: run as root, or "
		                 "setcap cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw,cap_sys_ptrace,cap_dac_read_search=eip on the program");
	if (access(KERNEL_TYPES, R_OK))
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "this kernel does not tell its types (no " KERNEL_TYPES
		                 "): it takes one built with CONFIG_DEBUG_INFO_BTF");
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	return 0;
}

int os_bpf_fail(struct weir_fault *fault, int error, const char *what)
{
	int number = error < 0 ? -error : error;
	bool right = number == EPERM || number == EACCES;
	enum weir_error code = right ? WEIR_E_PERMISSION : number == ENOMEM ? WEIR_E_MEMORY : WEIR_E_UNSUPPORTED;

	weir_fail(fault, code, "could not %s: %s%s%s", what, strerror(number), complaint[0] ? ": " : "", complaint);
	if (fault)
		fault->system = number;
	return code;
}

#else

int os_bpf_probe(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir is built without eBPF (clang, bpftool and libbpf were missing)");
}

int os_bpf_fail(struct weir_fault *fault, int error, const char *what)
{
	return weir_fail(fault, WEIR_E_UNSUPPORTED, "could not %s: %s", what, strerror(error < 0 ? -error : error));
}

#endif

int os_cgroup_root(char *path, size_t size, struct weir_fault *fault)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], mount[2048];
	bool found = false;

	if (!file)
		return weir_fail_errno(fault, errno, "/proc/self/mountinfo", "could not look for cgroup v2");
	/* ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS … - TYPE SOURCE OPTIONS (proc_pid_mountinfo(5)) */
	while (!found && fgets(line, sizeof line, file)) {
		const char *type = strstr(line, " - ");
		char root[2048];
		if (type && strncmp(type, " - cgroup2 ", 11) == 0 && sscanf(line, "%*s %*s %*s %2047s %2047s", root, mount) == 2)
			found = strcmp(root, "/") == 0;
	}
	fclose(file);
	if (!found)
		return weir_fail(fault, WEIR_E_NOT_FOUND, "no cgroup v2 hierarchy is mounted with its root: mount -t cgroup2 none /sys/fs/cgroup/unified");
	if ((size_t)snprintf(path, size, "%s", mount) >= size)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of cgroup v2 is too long");
	return 0;
}
