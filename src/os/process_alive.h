/*
 * os/process_alive.h: telling a process from another one that got its number later.
 */
#ifndef OS_PROCESS_ALIVE_H
#define OS_PROCESS_ALIVE_H

#include <stdint.h>

/* When the process with this id was started, in the system's own count: with the id unique while the system is up. 0: there is none. */
uint64_t os_process_started(uint32_t pid);

#endif
