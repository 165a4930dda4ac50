/*
 * os/files.h: what the archive needs of the file system and of memory beside ISO C.
 */
#ifndef OS_FILES_H
#define OS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

/* Pages of memory, aligned for direct I/O, in large pages where the system gives them. touch: have them mapped in at once. */
void *os_pages_new(size_t size, bool touch);
void os_pages_free(void *pages, size_t size);

/* The next size of whole large pages, for memory that is to be used again for things of about the same size. */
static inline size_t os_pages_round(size_t size) { return (size + ((2u << 20) - 1)) & ~(size_t)((2u << 20) - 1); }

/* Bytes that a file of ours may still take on the file system that fd or path is on. 0 or an error. */
int os_free_space(const char *path, uint64_t *bytes, struct weir_fault *fault);

/* Makes a folder and those that it stands in. Those that are there are no error. */
int os_make_folders(const char *path, struct weir_fault *fault);

/* Makes what was created, renamed or deleted in a folder survive a power failure. */
int os_sync_folder(const char *path, struct weir_fault *fault);

/* Takes the lock that a file stands for, creating it. 0 and *fd (closing it lets go), WEIR_E_BUSY when another process has it. */
int os_lock(const char *path, int *fd, struct weir_fault *fault);

/* Writes all of it at the file's position or, offset >= 0, there. 0 or an errno. */
int os_write_all(int fd, const void *data, size_t size, int64_t offset);

/* Reads up to size bytes from offset; fewer at the end of the file. The count, or a negative errno. */
int64_t os_read_at(int fd, void *data, size_t size, uint64_t offset);

/* Makes a file with these bytes appear whole under its name: written beside it, synchronised, renamed. */
int os_write_file(const char *path, const void *data, size_t size, struct weir_fault *fault);

/* Reads a whole file of at most `limit` bytes. *data is freed with free(); a zero stands behind it. */
int os_read_file(const char *path, size_t limit, char **data, size_t *size, struct weir_fault *fault);

#endif
