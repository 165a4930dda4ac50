/* Writing on Linux: os/output.h. */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "os/files.h"

#ifdef HAVE_URING
#include <liburing.h>

/* A write that is under way; a short one goes on where it ended. */
struct uring_write {
	int fd;
	const uint8_t *data;
	size_t left;
	uint64_t offset;
	void *tag;
	struct uring_write *next_free;
};

struct uring_output {
	struct output base;
	struct io_uring ring;
	struct uring_write writes[OUTPUT_DEPTH_MAX];
	struct uring_write *unused;
};

static const struct output_ops uring_output_ops;

static struct output *uring_new(unsigned depth)
{
	struct uring_output *output = calloc(1, sizeof *output);

	if (!output)
		return NULL;
	if (io_uring_queue_init(OUTPUT_DEPTH_MAX, &output->ring, 0) != 0) {
		free(output);
		return NULL;
	}
	output->base.ops = &uring_output_ops;
	for (unsigned i = 0; i < depth && i < OUTPUT_DEPTH_MAX; i++) {
		output->writes[i].next_free = output->unused;
		output->unused = &output->writes[i];
	}
	return &output->base;
}

static void uring_free(struct output *base)
{
	struct uring_output *output = (struct uring_output *)base;
	io_uring_queue_exit(&output->ring);
	free(output);
}

static int uring_begin(struct uring_output *output, struct uring_write *write)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&output->ring);
	if (!sqe)
		return EBUSY;
	unsigned length = write->left > (1u << 30) ? 1u << 30 : (unsigned)write->left;
	io_uring_prep_write(sqe, write->fd, write->data, length, write->offset);
	io_uring_sqe_set_data(sqe, write);
	int n;
	do
		n = io_uring_submit(&output->ring);
	while (n == -EINTR || n == -EAGAIN);
	return n < 0 ? -n : 0;
}

static int uring_submit(struct output *base, int fd, const void *data, size_t size, uint64_t offset, void *tag)
{
	struct uring_output *output = (struct uring_output *)base;
	struct uring_write *write = output->unused;

	if (!write)
		return EBUSY;
	*write = (struct uring_write){fd, data, size, offset, tag, write->next_free};
	int error = uring_begin(output, write);
	if (!error)
		output->unused = write->next_free;
	return error;
}

static int uring_reap(struct output *base, void **tag, int *result)
{
	struct uring_output *output = (struct uring_output *)base;
	struct io_uring_cqe *cqe;

	for (;;) {
		int error = io_uring_wait_cqe(&output->ring, &cqe);
		if (error == -EINTR)
			continue;
		if (error)
			return -error;
		struct uring_write *write = io_uring_cqe_get_data(cqe);
		int written = cqe->res;
		io_uring_cqe_seen(&output->ring, cqe);
		if (written > 0) {
			write->data += written;
			write->offset += (unsigned)written;
			write->left -= (unsigned)written;
		}
		*result = written < 0 && written != -EINTR && written != -EAGAIN ? -written : written == 0 ? EIO : 0;
		if (!*result && write->left > 0)
			*result = uring_begin(output, write);
		if (!*result && write->left > 0)
			continue;
		*tag = write->tag;
		write->next_free = output->unused;
		output->unused = write;
		return 0;
	}
}

static const struct output_ops uring_output_ops = {"io_uring", uring_new, uring_free, uring_submit, uring_reap};
#endif

/* Without io_uring (old kernels, sandboxes that forbid it): the write is done when submit returns. */
struct plain_output {
	struct output base;
	unsigned count;
	struct {
		void *tag;
		int result;
	} done[OUTPUT_DEPTH_MAX];
};

static const struct output_ops plain_output_ops;

static struct output *plain_new(unsigned depth)
{
	struct plain_output *output = calloc(1, sizeof *output);
	if (output)
		output->base.ops = &plain_output_ops;
	return output ? &output->base : NULL;
}

static void plain_free(struct output *base) { free(base); }

static int plain_submit(struct output *base, int fd, const void *data, size_t size, uint64_t offset, void *tag)
{
	struct plain_output *output = (struct plain_output *)base;
	if (output->count == OUTPUT_DEPTH_MAX)
		return EBUSY;
	output->done[output->count].tag = tag;
	output->done[output->count++].result = os_write_all(fd, data, size, (int64_t)offset);
	return 0;
}

static int plain_reap(struct output *base, void **tag, int *result)
{
	struct plain_output *output = (struct plain_output *)base;
	if (output->count == 0)
		return ENOENT;
	*tag = output->done[0].tag;
	*result = output->done[0].result;
	output->count--;
	for (unsigned i = 0; i < output->count; i++)
		output->done[i] = output->done[i + 1];
	return 0;
}

static const struct output_ops plain_output_ops = {"pwrite", plain_new, plain_free, plain_submit, plain_reap};

static const struct output_ops *const outputs[] = {
#ifdef HAVE_URING
	&uring_output_ops,
#endif
	&plain_output_ops,
};

struct output *output_new(unsigned depth)
{
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
		struct output *output = outputs[i]->new(depth);
		if (output)
			return output;
	}
	return NULL;
}

int output_create(const char *path, bool *direct)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(path, flags | (*direct ? O_DIRECT : 0), 0666);

	if (fd < 0 && errno == EINVAL && *direct) {
		/* The file system has no direct I/O. Some leave the file behind when they say so. */
		unlink(path);
		*direct = false;
		fd = open(path, flags, 0666);
	}
	return fd < 0 ? -errno : fd;
}

int output_undirect(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_DIRECT) != 0)
		return errno;
	return 0;
}
