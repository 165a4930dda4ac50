/* A source of flow records: files of datagrams, one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "flow/datagram.h"

struct datagram_source {
	struct weir_flow_source source;
	struct datagram_reader *reader;
	struct weir_arena *arena; /* strings that are made, until the next fill */
	char **paths;
	const struct weir_identities *identities; /* the caller's */
	size_t count, opened;
	bool open;
	uint64_t sequence;
	struct weir_fault fault; /* the first; code 0: none */
};

/* The first fault is told when everything that is sound was given. */
static void remember(struct datagram_source *source, const struct weir_fault *fault)
{
	if (source->fault.code == 0)
		source->fault = *fault;
}

/* Opens the next file that can be opened. False: there is none. */
static bool next_file(struct datagram_source *source)
{
	struct weir_fault fault;
	struct stream *stream;

	source->open = false;
	while (!source->open && source->opened < source->count) {
		const char *path = source->paths[source->opened++];
		if (stream_open_sealed(path, source->identities, &stream, &fault) < 0) {
			remember(source, &fault);
			continue;
		}
		datagram_reader_input(source->reader, stream, path);
		source->open = true;
	}
	return source->open;
}

static int at_the_end(struct datagram_source *source, struct weir_fault *fault)
{
	const struct weir_datagram_statistics *statistics = datagram_reader_statistics(source->reader);

	if (source->fault.code == 0 && statistics->malformed_sets)
		weir_fail(&source->fault, WEIR_E_FORMAT, "%llu sets of templates or data make no sense and were skipped",
		          (unsigned long long)statistics->malformed_sets);
	if (source->fault.code && fault)
		*fault = source->fault;
	return source->fault.code;
}

static int source_fill(struct weir_flow_source *base, struct weir_flow *flows, size_t room, struct weir_fault *fault)
{
	struct datagram_source *source = (struct datagram_source *)base;
	struct datagram_record record;
	struct weir_fault found;
	size_t filled = 0;

	datagram_reader_release(source->reader);
	arena_reset(source->arena);
	while (filled < room && filled < INT32_MAX && (source->open || next_file(source))) {
		int got = datagram_next(source->reader, &record, &found);
		if (got == DATAGRAM_HELD)
			break;
		if (got < 0)
			remember(source, &found);
		if (got <= 0) {
			if (filled)
				break; /* another file's bytes would take the place of those that strings point into */
			source->open = false;
		} else if (!record.template->options) {
			if (datagram_flow(&record, source->arena, &flows[filled]) < 0)
				return weir_fail(fault, WEIR_E_MEMORY, "no memory for flow records");
			source->sequence++;
			if (flows[filled].sequence == 0) /* not ours, or without its number */
				flows[filled].sequence = source->sequence;
			filled++;
		} else if (filled == 0) {
			datagram_reader_release(source->reader);
		}
	}
	return filled ? (int)filled : at_the_end(source, fault);
}

static void source_close(struct weir_flow_source *base)
{
	struct datagram_source *source = (struct datagram_source *)base;

	for (size_t i = 0; source->paths && i < source->count; i++)
		free(source->paths[i]);
	free(source->paths);
	datagram_reader_free(source->reader);
	arena_free(source->arena);
	free(source);
}

static const struct weir_flow_source_ops ops = {.name = "datagrams", .fill = source_fill, .close = source_close};

int weir_flow_datagrams_read_many(const char *const *paths, size_t count, const struct weir_identities *identities, struct weir_flow_source **source, struct weir_fault *fault)
{
	struct datagram_source *made = calloc(1, sizeof *made);
	bool whole = made != NULL;

	if (made) {
		made->source.ops = &ops;
		made->identities = identities;
		made->reader = datagram_reader_new();
		made->arena = arena_new(0);
		made->paths = calloc(count ? count : 1, sizeof *made->paths);
		whole = made->reader && made->arena && made->paths;
		for (; whole && made->count < count; made->count++)
			whole = (made->paths[made->count] = strdup(paths[made->count])) != NULL;
	}
	if (!whole) {
		if (made)
			source_close(&made->source);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read datagrams");
	}
	if (!next_file(made)) {
		int error = made->fault.code;
		if (error && fault)
			*fault = made->fault;
		source_close(&made->source);
		return error ? error : weir_fail(fault, WEIR_E_USAGE, "no file of datagrams to read");
	}
	*source = &made->source;
	return 0;
}

int weir_flow_datagrams_read(const char *path, struct weir_flow_source **source, struct weir_fault *fault)
{
	return weir_flow_datagrams_read_many(&path, 1, NULL, source, fault);
}

void weir_flow_datagrams_statistics(const struct weir_flow_source *source, struct weir_datagram_statistics *statistics)
{
	*statistics = *datagram_reader_statistics(((const struct datagram_source *)source)->reader);
}
