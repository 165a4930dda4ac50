/*
 * Makes one call of a program fail: a shared object to preload, for tests/e2e/faults.sh. It works with the release build, because it stands
 * between the program (with all of its libraries) and the C library.
 *
 *   WEIR_FAULT_CLASS   which calls are counted and failed; the names of `classes` below
 *   WEIR_FAULT_CALL    the number of the call that fails, from 1; none or 0: nothing fails, the calls are only counted
 *   WEIR_FAULT_KIND    an errno's name of `kinds` below, or "short": half of what was asked for is read or written
 *   WEIR_FAULT_LASTS   set: all calls from that one on fail
 *   WEIR_FAULT_REPORT  a file that gets a line "CLASS CALLS" for each class at the end, and "failed at …" frames of the call that failed
 *
 * Calls count from the beginning of main. io_uring is refused when writing is what fails, so that writes are calls of their own.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum class { MEMORY, MAP, READ, WRITE, OPEN, SYNC, NAME, THREAD, LOCK, CLASSES, NONE };

static const char *const classes[CLASSES] = {
	[MEMORY] = "memory", /* malloc, calloc, realloc, aligned_alloc, posix_memalign */
	[MAP] = "map",       /* mmap */
	[READ] = "read",     /* read, pread */
	[WRITE] = "write",   /* write, pwrite, ftruncate */
	[OPEN] = "open",     /* open, openat, fopen, opendir */
	[SYNC] = "sync",     /* fsync, fdatasync */
	[NAME] = "name",     /* mkdir, rename, unlink */
	[THREAD] = "thread", /* pthread_create */
	[LOCK] = "lock",     /* fcntl(F_SETLK): what makes SQLite find its database busy */
};

static const struct {
	const char *name;
	int number;
} kinds[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"ENOENT", ENOENT}, {"EMFILE", EMFILE}, {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM},
             {"EACCES", EACCES}, {"short", 0}};

static _Atomic unsigned long calls[CLASSES];
static _Atomic bool counting;
static enum class chosen = NONE;
static unsigned long number;
static int kind = EIO;
static bool lasts;
static void *frames[24];
static int frame_count;

/* Whether this call is the one. */
static bool fails(enum class class)
{
	/* Relaxed: numbers that nothing else depends on. */
	if (!atomic_load_explicit(&counting, memory_order_relaxed))
		return false;
	unsigned long call = atomic_fetch_add_explicit(&calls[class], 1, memory_order_relaxed) + 1;
	if (class != chosen || number == 0 || !(call == number || (lasts && call > number)))
		return false;
	if (call == number && class != MEMORY)
		frame_count = backtrace(frames, 24);
	errno = kind;
	return true;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define REAL(name) ((__typeof__(&name))real(#name))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static bool memory_fails(void)
{
	if (!fails(MEMORY))
		return false;
	errno = ENOMEM;
	return true;
}

EXPORT void *malloc(size_t size) { return memory_fails() ? NULL : __libc_malloc(size); }
EXPORT void *calloc(size_t count, size_t size) { return memory_fails() ? NULL : __libc_calloc(count, size); }
EXPORT void *realloc(void *old, size_t size) { return memory_fails() ? NULL : __libc_realloc(old, size); }
EXPORT void *aligned_alloc(size_t alignment, size_t size) { return memory_fails() ? NULL : __libc_memalign(alignment, size); }

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *memory = memory_fails() ? NULL : __libc_memalign(alignment, size);
	if (!memory)
		return ENOMEM;
	*out = memory;
	return 0;
}

static void *map_by(const char *name, void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *(*map)(void *, size_t, int, int, int, off_t) = real(name);
	if (fails(MAP)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return map(at, size, protection, flags, fd, offset);
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return map_by("mmap", at, size, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return map_by("mmap64", at, size, protection, flags, fd, offset);
}

/* Half of it; in whole pages where there are some, as direct I/O would. */
static size_t shortened(size_t size)
{
	return size >= 8192 ? size / 2 / 4096 * 4096 : (size + 1) / 2;
}

/* True when the call ends here. Shortens it, when that is the kind. */
static bool transfer_fails(enum class class, size_t *size)
{
	if (!fails(class))
		return false;
	if (kind)
		return true;
	*size = shortened(*size);
	return false;
}

EXPORT ssize_t read(int fd, void *data, size_t size)
{
	return transfer_fails(READ, &size) ? -1 : REAL(read)(fd, data, size);
}

EXPORT ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	return transfer_fails(READ, &size) ? -1 : REAL(pread)(fd, data, size, offset);
}

EXPORT ssize_t pread64(int fd, void *data, size_t size, off_t offset)
{
	return transfer_fails(READ, &size) ? -1 : REAL(pread64)(fd, data, size, offset);
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	return transfer_fails(WRITE, &size) ? -1 : REAL(write)(fd, data, size);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return transfer_fails(WRITE, &size) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return transfer_fails(WRITE, &size) ? -1 : REAL(pwrite64)(fd, data, size, offset);
}

EXPORT int ftruncate(int fd, off_t size) { return kind && fails(WRITE) ? -1 : REAL(ftruncate)(fd, size); }
EXPORT int ftruncate64(int fd, off_t size) { return kind && fails(WRITE) ? -1 : REAL(ftruncate64)(fd, size); }

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPENS(name)                                                         \
	EXPORT int name(const char *path, int flags, ...)                       \
	{                                                                       \
		va_list arguments;                                                  \
		va_start(arguments, flags);                                         \
		mode_t mode = mode_of(flags, arguments);                            \
		va_end(arguments);                                                  \
		return fails(OPEN) ? -1 : REAL(name)(path, flags, mode);            \
	}
#define OPENS_AT(name)                                                      \
	EXPORT int name(int folder, const char *path, int flags, ...)           \
	{                                                                       \
		va_list arguments;                                                  \
		va_start(arguments, flags);                                         \
		mode_t mode = mode_of(flags, arguments);                            \
		va_end(arguments);                                                  \
		return fails(OPEN) ? -1 : REAL(name)(folder, path, flags, mode);    \
	}

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

EXPORT FILE *fopen(const char *path, const char *mode) { return fails(OPEN) ? NULL : REAL(fopen)(path, mode); }
EXPORT FILE *fopen64(const char *path, const char *mode) { return fails(OPEN) ? NULL : REAL(fopen64)(path, mode); }
EXPORT DIR *opendir(const char *path) { return fails(OPEN) ? NULL : REAL(opendir)(path); }

EXPORT int fsync(int fd) { return fails(SYNC) ? -1 : REAL(fsync)(fd); }
EXPORT int fdatasync(int fd) { return fails(SYNC) ? -1 : REAL(fdatasync)(fd); }

EXPORT int mkdir(const char *path, mode_t mode) { return fails(NAME) ? -1 : REAL(mkdir)(path, mode); }
EXPORT int rename(const char *from, const char *to) { return fails(NAME) ? -1 : REAL(rename)(from, to); }
EXPORT int unlink(const char *path) { return fails(NAME) ? -1 : REAL(unlink)(path); }

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	return fails(THREAD) ? EAGAIN : REAL(pthread_create)(thread, attributes, run, argument);
}

static int control(const char *name, int fd, int command, va_list arguments)
{
	int (*next)(int, int, ...) = real(name);
	void *argument = va_arg(arguments, void *);

	if (command == F_SETLK && fails(LOCK))
		return -1;
	return next(fd, command, argument);
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	va_start(arguments, command);
	int result = control("fcntl", fd, command, arguments);
	va_end(arguments);
	return result;
}

EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	va_start(arguments, command);
	int result = control("fcntl64", fd, command, arguments);
	va_end(arguments);
	return result;
}

struct io_uring;
EXPORT int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
EXPORT int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	int (*next)(unsigned, struct io_uring *, unsigned) = real("io_uring_queue_init");
	return chosen == WRITE || !next ? -ENOSYS : next(entries, ring, flags);
}

static void report(void)
{
	const char *path = getenv("WEIR_FAULT_REPORT");

	atomic_store_explicit(&counting, false, memory_order_relaxed);
	FILE *file = path ? fopen(path, "w") : NULL;
	if (!file)
		return;
	for (int i = 0; i < CLASSES; i++)
		fprintf(file, "%s %lu\n", classes[i], atomic_load_explicit(&calls[i], memory_order_relaxed));
	char **names = frame_count ? backtrace_symbols(frames, frame_count) : NULL;
	for (int i = 2; names && i < frame_count; i++)
		fprintf(file, "failed at %s\n", names[i]);
	free(names);
	fclose(file);
}

static int (*program)(int, char **, char **);

static int from_main(int argc, char **argv, char **environment)
{
	const char *class = getenv("WEIR_FAULT_CLASS"), *call = getenv("WEIR_FAULT_CALL"), *how = getenv("WEIR_FAULT_KIND");

	for (int i = 0; class && i < CLASSES; i++)
		if (strcmp(class, classes[i]) == 0)
			chosen = (enum class)i;
	for (size_t i = 0; how && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(how, kinds[i].name) == 0)
			kind = kinds[i].number;
	number = call ? strtoul(call, NULL, 10) : 0;
	lasts = getenv("WEIR_FAULT_LASTS") != NULL;
	backtrace(frames, 1); /* loads what it needs, before calls count */
	atexit(report);
	atomic_store_explicit(&counting, true, memory_order_relaxed);
	return program(argc, argv, environment);
}

/* The C library's way into main: whatever runs before it is not the program's. */
EXPORT int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv, void (*start)(void),
                             void (*end)(void), void (*loader_end)(void), void *stack_end);
EXPORT int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv, void (*start)(void),
                             void (*end)(void), void (*loader_end)(void), void *stack_end)
{
	int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
		real("__libc_start_main");

	program = main_function;
	return next(from_main, argc, argv, start, end, loader_end, stack_end);
}
