/*
 * os/sandbox.h: what the process may still ask the system for.
 */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <weir/error.h>

/*
 * From now on all threads, and those that they start, can do what recording needs: use open files and sockets, open files, map
 * memory, start threads, wait. No new socket, no other program, no look into other processes: such calls fail with EPERM. WEIR_E_UNSUPPORTED
 * when this build or this kernel can't; nothing has changed then.
 */
int os_sandbox_enter(struct weir_fault *fault);

#endif
