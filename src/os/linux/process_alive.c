/* Processes that live: os/process_alive.h. */
#include "os/process_alive.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_BEFORE 19 /* between the state, which follows the name, and starttime (proc(5)) */

uint64_t os_process_started(uint32_t pid)
{
	char path[64], data[1024];
	uint64_t started = 0;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t size = read(fd, data, sizeof data - 1);
	close(fd);
	if (size <= 0)
		return 0;
	data[size] = 0;
	/* The name may have anything in it, parentheses too. */
	char *at = strrchr(data, ')');
	for (int i = 0; at && i <= FIELDS_BEFORE; i++)
		at = strchr(at + 1, ' ');
	if (at)
		started = strtoull(at + 1, NULL, 10);
	return started;
}
