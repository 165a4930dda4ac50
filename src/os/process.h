/*
 * os/process.h: what the system says of a process.
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/bytes.h>
#include <weir/error.h>

#define OS_PROCESS_NAME_SIZE 64
#define OS_PATH_SIZE 4096

struct os_process {
	uint32_t pid, parent;
	uint32_t user_id;             /* effective; WEIR_NO_USER: not known */
	uint32_t threads;             /* 0: not known */
	int64_t started_ns;           /* since the epoch, to 10 ms; 0: not known */
	char name[OS_PROCESS_NAME_SIZE];
	char executable[OS_PATH_SIZE]; /* "": may not be known, or a thread of the kernel */
	char cgroup[OS_PATH_SIZE];     /* in the hierarchy of cgroup v2 when it names one, else of v1's systemd or pids; "": not known */
};

/* WEIR_E_NOT_FOUND: there is none. What may not be known is left empty. Name, threads, user and cgroup take no right. */
int os_process_read(uint32_t pid, struct os_process *process, struct weir_fault *fault);

/* The id of the container that a cgroup's path names (docker, podman, containerd, Kubernetes, LXC, systemd-nspawn); a view into path, empty: none. */
struct weir_bytes os_container_of(const char *path);

/* The name of a user, "" when it has none. */
const char *os_user_name(uint32_t user_id, char *name, size_t size);

/* Calls for each socket that a process has open, by the number of its inode, for all processes that we may look into. Whether each could be looked into. */
bool os_process_sockets(void (*found)(uint32_t pid, uint64_t inode, void *argument), void *argument);

/* The root of the cgroup v2 hierarchy, wherever it is mounted, or nowhere: a file descriptor to attach programs to. Close it. */
int os_cgroup_open(int *fd, struct weir_fault *fault);

#endif
