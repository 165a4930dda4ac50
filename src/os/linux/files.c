/* Files and pages on Linux: os/files.h. */
#include "os/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void *os_pages_new(size_t size, bool touch)
{
	/* Only 2 MiB aligned memory gets large pages, which save the faults of the first touch: take more, and cut. */
	size_t alignment = size >= (2u << 20) ? (2u << 20) : 4096;
	size_t kept = (size + 4095) / 4096 * 4096;
	size_t whole = kept + alignment;
	uint8_t *map = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	uint8_t *pages = (uint8_t *)(((uintptr_t)map + alignment - 1) / alignment * alignment);
	if (pages > map)
		munmap(map, (size_t)(pages - map));
	if (pages + kept < map + whole)
		munmap(pages + kept, (size_t)(map + whole - (pages + kept)));
	/* Advice: refused on systems without it, and then small pages do. */
	madvise(pages, kept, MADV_HUGEPAGE);
	if (touch)
		for (size_t i = 0; i < kept; i += 4096)
			((volatile uint8_t *)pages)[i] = 0;
	return pages;
}

void os_pages_free(void *pages, size_t size)
{
	if (pages)
		munmap(pages, (size + 4095) / 4096 * 4096);
}

int os_free_space(const char *path, uint64_t *bytes, struct weir_fault *fault)
{
	struct statvfs file_system;
	if (statvfs(path, &file_system) != 0)
		return weir_fail_errno(fault, errno, path, "cannot tell the free space");
	*bytes = (uint64_t)file_system.f_bavail * file_system.f_frsize;
	return 0;
}

int os_make_folders(const char *path, struct weir_fault *fault)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof part)
		return weir_fail_errno(fault, ENAMETOOLONG, path, "cannot make the folder");
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		/* A folder above may stand in one that can't be written: what counts is that it is there. */
		if (mkdir(part, 0777) == 0 || errno == EEXIST)
			continue;
		int error = errno;
		if (access(part, F_OK) != 0)
			return weir_fail_errno(fault, error, part, "cannot make the folder");
	}
	return 0;
}

int os_sync_folder(const char *path, struct weir_fault *fault)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the folder");
	int error = 0;
	/* Some file systems have no fsync of folders: then there is nothing to make sure of. */
	if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		error = weir_fail_errno(fault, errno, path, "cannot synchronise the folder");
	close(fd);
	return error;
}

int os_lock(const char *path, int *out, struct weir_fault *fault)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the lock");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;
		close(fd);
		if (error == EWOULDBLOCK)
			return weir_fail_at(fault, WEIR_E_BUSY, path, WEIR_NOWHERE, WEIR_NOWHERE, "another process holds it");
		return weir_fail_errno(fault, error, path, "cannot lock");
	}
	*out = fd;
	return 0;
}

int os_write_all(int fd, const void *data, size_t size, int64_t offset)
{
	const uint8_t *p = data;
	while (size > 0) {
		ssize_t n = offset >= 0 ? pwrite(fd, p, size, offset) : write(fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		p += n;
		size -= (size_t)n;
		if (offset >= 0)
			offset += n;
	}
	return 0;
}

int64_t os_read_at(int fd, void *data, size_t size, uint64_t offset)
{
	size_t have = 0;
	while (have < size) {
		ssize_t n = pread(fd, (uint8_t *)data + have, size - have, (off_t)(offset + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (int64_t)have;
}

int os_write_file(const char *path, const void *data, size_t size, struct weir_fault *fault)
{
	char beside[PATH_MAX];

	if ((size_t)snprintf(beside, sizeof beside, "%s.tmp", path) >= sizeof beside)
		return weir_fail_errno(fault, ENAMETOOLONG, path, "cannot write");
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return weir_fail_errno(fault, errno, beside, "cannot create");
	int error = os_write_all(fd, data, size, WEIR_NOWHERE);
	if (!error && fdatasync(fd) != 0)
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	if (!error && rename(beside, path) != 0)
		error = errno;
	if (!error)
		return 0;
	unlink(beside);
	return weir_fail_errno(fault, error, path, "cannot write");
}

int os_read_file(const char *path, size_t limit, char **out, size_t *size, struct weir_fault *fault)
{
	struct stat status;
	char *data = NULL;
	int result = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return weir_fail_errno(fault, errno, path, "cannot open");
	if (fstat(fd, &status) != 0) {
		result = weir_fail_errno(fault, errno, path, "cannot read");
		goto out;
	}
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > limit) {
		result = weir_fail_at(fault, WEIR_E_LIMIT, path, WEIR_NOWHERE, WEIR_NOWHERE, "no file, or too large");
		goto out;
	}
	data = malloc((size_t)status.st_size + 1);
	if (!data) {
		result = weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", path);
		goto out;
	}
	int64_t have = os_read_at(fd, data, (size_t)status.st_size, 0);
	if (have < 0) {
		result = weir_fail_errno(fault, (int)-have, path, "cannot read");
		goto out;
	}
	data[have] = '\0';
	*out = data;
	*size = (size_t)have;
	data = NULL;
out:
	free(data);
	close(fd);
	return result;
}
