/* Searches the bytes of a file, decompressed; and those of a compressed one as they stand, for what stands between frames. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "campaign/audit.h"
#include "file/stream.h"
#include "os/files.h"

#define WINDOW ((size_t)1 << 20)

/* Where bytes come from: a stream, or the file itself. */
struct reading {
	struct stream *stream;
	int fd;
	uint64_t at;
};

static int64_t read_some(struct reading *reading, uint8_t *out, size_t size, const char *path, struct weir_fault *fault)
{
	if (reading->stream)
		return stream_read(reading->stream, out, size, fault);
	int64_t n = os_read_at(reading->fd, out, size, reading->at);
	if (n < 0)
		return weir_fail_errno(fault, (int)-n, path, "can't be read");
	reading->at += (uint64_t)n;
	return n;
}

/* The window holds what was searched last (AUDIT_AROUND), what is searched now, and what is looked at behind it. */
static int search_all(const struct audit_file *file, struct reading *reading, struct audit_place *place, bool counts,
                      struct weir_fault *fault)
{
	size_t room = WINDOW + 2 * AUDIT_AROUND, have = 0, from = 0;
	uint8_t *window = malloc(room);
	int64_t n = 1;

	if (!window)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to search %s", file->name);
	while (n > 0) {
		while (have < room && (n = read_some(reading, window + have, room - have, file->path, fault)) > 0) {
			have += (size_t)n;
			file->result->searched_bytes += counts ? (uint64_t)n : 0;
		}
		/* Of damaged data, too, everything before the damage is searched. */
		size_t to = n > 0 ? have - AUDIT_AROUND : have;
		audit_search(file->hits, place, window, have, from, to);
		if (n > 0 && file->options->stop && *file->options->stop)
			n = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
		if (n <= 0)
			break;
		size_t drop = to - AUDIT_AROUND;
		memmove(window, window + drop, have - drop);
		have -= drop;
		place->base += drop;
		from = AUDIT_AROUND;
	}
	free(window);
	return n < 0 ? (int)n : 0;
}

int audit_stream(const struct audit_file *file, struct weir_fault *fault)
{
	struct audit_place place = {.file = file->name,
	                            .what = "bytes",
	                            .images = true,
	                            .ipv4_bytes = file->plain_bytes,
	                            .numbers = true,
	                            .runs = !file->in_pieces,
	                            .short_values = true};
	struct reading reading = {.fd = -1};
	int error = stream_open(file->path, &reading.stream, fault);

	enum weir_compression compression = error ? WEIR_COMPRESSION_NONE : stream_compression(reading.stream);
	if (!error)
		error = search_all(file, &reading, &place, true, fault);
	stream_close(reading.stream);
	if (compression == WEIR_COMPRESSION_NONE || error == WEIR_E_INTERRUPTED)
		return error;
	/* What decompressing leaves out: names and comments in headers, frames to be skipped. Short values would be found by chance. */
	place = (struct audit_place){
		.file = file->name, .what = "bytes as compressed", .images = true, .plain = true, .runs = !file->in_pieces};
	reading = (struct reading){.fd = open(file->path, O_RDONLY | O_CLOEXEC)};
	if (reading.fd < 0)
		return error ? error : weir_fail_errno(fault, errno, file->path, "can't be opened");
	int second = search_all(file, &reading, &place, false, error ? NULL : fault);
	close(reading.fd);
	return error ? error : second;
}
