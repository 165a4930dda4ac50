/* Processes on Linux, from /proc: os/process.h. */
#include "os/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/process.h>

/* Reads a small file whole, as text. Its length or -1. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	close(fd);
	if (n < 0 && length == 0)
		return -1;
	text[length] = '\0';
	return (ssize_t)length;
}

static int64_t boot_time_ns(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return ((int64_t)real.tv_sec - boot.tv_sec) * 1000000000 + real.tv_nsec - boot.tv_nsec;
}

/* PID (NAME) STATE PARENT …: the name may hold anything, so the last bracket ends it. Fields 20 and 22 are the threads and when it began, in ticks (proc_pid_stat(5)). */
static bool parse_stat(char *text, struct os_process *process)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long began = 0;
	long threads = 0;
	int parent = 0;

	if (!open || !close || close < open)
		return false;
	*close = '\0';
	snprintf(process->name, sizeof process->name, "%s", open + 1);
	if (sscanf(close + 1, " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld %*s %llu", &parent, &threads, &began) != 3)
		return false;
	long ticks = sysconf(_SC_CLK_TCK);
	process->parent = parent > 0 ? (uint32_t)parent : 0;
	process->threads = threads > 0 ? (uint32_t)threads : 0;
	if (ticks > 0)
		process->started_ns = boot_time_ns() + (int64_t)(began / (unsigned long long)ticks) * 1000000000 +
		                      (int64_t)(began % (unsigned long long)ticks) * (1000000000 / ticks);
	return true;
}

/* Lines of ID:CONTROLLERS:PATH (cgroups(7)). cgroup v2's is the one without controllers; where it is only the root, v1's says more. */
static void parse_cgroup(char *text, char *cgroup, size_t size)
{
	int best = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		controllers++;
		int worth = strcmp(path, "/") == 0 ? 1 : !*controllers ? 4 : strcmp(controllers, "name=systemd") == 0 ? 3 : strcmp(controllers, "pids") == 0 ? 2 : 0;
		if (worth > best) {
			snprintf(cgroup, size, "%s", path);
			best = worth;
		}
	}
}

static uint32_t effective_user(const char *status)
{
	const char *line = strstr(status, "\nUid:");
	unsigned effective;

	return line && sscanf(line + 5, " %*u %u", &effective) == 1 ? effective : WEIR_NO_USER;
}

int os_process_read(uint32_t pid, struct os_process *process, struct weir_fault *fault)
{
	char path[64], text[8192];

	memset(process, 0, sizeof *process);
	process->pid = pid;
	process->user_id = WEIR_NO_USER;
	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	if (read_text(path, text, sizeof text) < 0 || !parse_stat(text, process))
		return weir_fail(fault, WEIR_E_NOT_FOUND, "there is no process %u", pid);
	snprintf(path, sizeof path, "/proc/%u/status", pid);
	if (read_text(path, text, sizeof text) > 0)
		process->user_id = effective_user(text);
	snprintf(path, sizeof path, "/proc/%u/cgroup", pid);
	if (read_text(path, text, sizeof text) > 0)
		parse_cgroup(text, process->cgroup, sizeof process->cgroup);
	snprintf(path, sizeof path, "/proc/%u/exe", pid);
	ssize_t length = readlink(path, process->executable, sizeof process->executable - 1);
	process->executable[length > 0 ? length : 0] = '\0';
	return 0;
}

/* The hexadecimal digits at `at`. */
static size_t hexadecimal(const char *at)
{
	size_t length = 0;

	while (isxdigit((unsigned char)at[length]))
		length++;
	return length;
}

static struct weir_bytes name_after(const char *at)
{
	return (struct weir_bytes){(const uint8_t *)at, strcspn(at, "/")};
}

struct weir_bytes os_container_of(const char *path)
{
	/* What stands before the names of containers that are no hexadecimal ids. */
	static const char *const named[] = {"/lxc/", "/lxc.payload.", "/lxc.payload/", "/machine.slice/systemd-nspawn@", NULL};

	/* Container engines use 64 hexadecimal digits, whatever they put around them: docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, kubepods/…/ID. */
	for (const char *at = path; *at; at++) {
		if (at > path && isxdigit((unsigned char)at[-1]))
			continue;
		if (hexadecimal(at) == 64)
			return (struct weir_bytes){(const uint8_t *)at, 64};
	}
	for (size_t i = 0; named[i]; i++) {
		const char *found = strstr(path, named[i]);
		if (!found)
			continue;
		struct weir_bytes name = name_after(found + strlen(named[i]));
		const char *ending = ".service";
		if (name.length > strlen(ending) && memcmp(name.data + name.length - strlen(ending), ending, strlen(ending)) == 0)
			name.length -= strlen(ending);
		if (name.length)
			return name;
	}
	return (struct weir_bytes){0};
}

const char *os_user_name(uint32_t user_id, char *name, size_t size)
{
	char text[4096];
	struct passwd entry, *found = NULL;

	if (user_id == WEIR_NO_USER || getpwuid_r(user_id, &entry, text, sizeof text, &found) || !found)
		snprintf(name, size, "%s", "");
	else
		snprintf(name, size, "%s", found->pw_name);
	return name;
}

static bool look_into(uint32_t pid, void (*found)(uint32_t pid, uint64_t inode, void *argument), void *argument)
{
	char path[64], target[64];
	struct dirent *entry;

	snprintf(path, sizeof path, "/proc/%u/fd", pid);
	DIR *folder = opendir(path);
	if (!folder)
		return errno == ENOENT;
	while ((entry = readdir(folder))) {
		unsigned long long inode;
		ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%llu]", &inode) == 1)
			found(pid, inode, argument);
	}
	closedir(folder);
	return true;
}

bool os_process_sockets(void (*found)(uint32_t pid, uint64_t inode, void *argument), void *argument)
{
	DIR *folder = opendir("/proc");
	bool all = true;
	struct dirent *entry;

	if (!folder)
		return false;
	while ((entry = readdir(folder))) {
		char *end;
		unsigned long pid = strtoul(entry->d_name, &end, 10);
		if (*end || pid == 0 || pid > UINT32_MAX)
			continue;
		if (!look_into((uint32_t)pid, found, argument))
			all = false;
	}
	closedir(folder);
	return all;
}
