/* A system call filter while recording: os/sandbox.h. */
#include "os/sandbox.h"

#include "config.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

/* clang-format off */
/* By what they are for. Those that a machine does not have are left out by libseccomp. */
static const char *const allowed[] = {
	/* files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
	"open", "openat", "close", "close_range", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "mkdir", "mkdirat", "rename", "renameat",
	"renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat", "truncate", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync",
	"sync_file_range", "syncfs", "flock", "fcntl", "chmod", "fchmod", "fchown", "utimensat", "umask", "copy_file_range", "dup", "dup2", "dup3",
	/* io_uring: the kernel does what is asked through it without passing here, but only on what may be opened */
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	/* memory */
	"mmap", "munmap", "mremap", "mprotect", "madvise", "msync", "mlock", "munlock", "brk",
	/* threads and signals */
	"futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "membarrier", "exit", "exit_group", "tgkill",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "restart_syscall", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "sched_setscheduler", "sched_getparam", "setpriority", "getpriority", "ioprio_set",
	/* what we are and where */
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "uname", "sysinfo", "getrandom", "getrusage", "prlimit64",
	"getrlimit", "getcpu",
	/* time and waiting; without the right to set the clock the adjusting ones only tell how it is */
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "poll", "ppoll", "select", "pselect6",
	"adjtimex", "clock_adjtime",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "timerfd_create", "timerfd_settime", "pipe2",
	/* the sockets that are open: their counters, their filter, and the interface when it comes back */
	"getsockopt", "bind", "recvfrom", "recvmsg",
};
/* clang-format on */

/* Calls that are allowed for some values of one argument only. */
static const struct {
	const char *call;
	unsigned argument;
	uint64_t value;
} allowed_with[] = {
	{"setsockopt", 1, SOL_SOCKET}, {"setsockopt", 1, 263 /* SOL_PACKET */},
	{"ioctl", 1, SIOCGIFINDEX},    {"ioctl", 1, SIOCGIFFLAGS},
	{"ioctl", 1, TIOCGWINSZ},      {"ioctl", 1, TCGETS},
	{"ioctl", 1, SIOCETHTOOL},     /* tells the speed of a link; changing it takes a right that is gone */
	{"ioctl", 1, FIONREAD},        {"prctl", 0, PR_SET_NAME},
};

static int fill(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);
		if (number != __NR_SCMP_ERROR && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0))
			return -1;
	}
	for (size_t i = 0; i < sizeof allowed_with / sizeof allowed_with[0]; i++) {
		int number = seccomp_syscall_resolve_name(allowed_with[i].call);
		struct scmp_arg_cmp equal = SCMP_CMP(allowed_with[i].argument, SCMP_CMP_EQ, allowed_with[i].value);
		if (number != __NR_SCMP_ERROR && seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &equal))
			return -1;
	}
	/* Threads, no processes. What clone3 is asked for stands in memory and can't be seen: without it the C library takes clone. */
	struct scmp_arg_cmp thread = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread) ||
	               seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0)
	           ? -1
	           : 0;
}

int os_sandbox_enter(struct weir_fault *fault)
{
	/* A refusal instead of death: a recording that could go on without the call should go on. */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a system call filter");
	int status = fill(filter) ? -EINVAL : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status == 0)
		status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list of comparisons */
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	if (status)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "system calls can't be restricted here");
	return 0;
}

#else

int os_sandbox_enter(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_UNSUPPORTED,
	                 "system calls are not restricted: this weir was built without libseccomp");
}

#endif
