/*
 * os/output.h: writing blocks to files with several writes under way at once: by io_uring where the system has it,
 * else one after the other.
 */
#ifndef OS_OUTPUT_H
#define OS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

/* One thread at a time. */
struct output;

struct output_ops {
	const char *name;
	struct output *(*new)(unsigned depth); /* NULL when the system has it not */
	void (*free)(struct output *output);
	/* Begins to write. size bytes of data must stay as they are until it is reaped. 0, or an errno (then nothing was begun). */
	int (*submit)(struct output *output, int fd, const void *data, size_t size, uint64_t offset, void *tag);
	/* Waits for one write to end. 0 and *tag, *result: 0 or an errno. Only while some are under way. Else an errno. */
	int (*reap)(struct output *output, void **tag, int *result);
};

struct output {
	const struct output_ops *ops;
};

/* The best there is, for up to depth writes under way. NULL when there is no memory. */
struct output *output_new(unsigned depth);
static inline void output_free(struct output *output)
{
	if (output)
		output->ops->free(output);
}

#define OUTPUT_DEPTH_MAX 16

/*
 * Creates a file for output; it must not exist. direct: past the page cache, if the file system takes it (*direct says): then all
 * buffers, sizes and offsets are multiples of 4096. The file descriptor, or a negative errno.
 */
int output_create(const char *path, bool *direct);

/* The same file for a tail of any size. 0 or an errno. */
int output_undirect(int fd);

#endif
