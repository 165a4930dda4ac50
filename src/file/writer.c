/* Capture files as sinks. What is written how is in pcap_writer.c, pcapng_writer.c and pcapng_merger.c. */
#include <stdlib.h>
#include <string.h>

#include "file/codec.h"
#include "file/option.h"
#include "file/pen.h"
#include "file/sealed.h"
#include "file/writer.h"

bool pcap_recognise(const uint8_t *head, size_t length);

bool writer_source_shape(const struct weir_interface *interface, struct pcap_shape *shape, struct weir_bytes *header)
{
	*header = pcapng_option_ours(interface->options, interface->big_endian, PCAP_HEADER_MAGIC);
	if (header->length == PCAP_HEADER_BYTES && pcap_recognise(header->data, header->length)) {
		pcap_shape_parse(header->data, shape);
		/* Only as long as it still describes this interface: other programs may have changed one and not the other. */
		if (shape->linktype == interface->linktype && shape->resolution == interface->resolution &&
		    interface->offset_seconds == 0)
			return true;
	}
	*header = (struct weir_bytes){NULL, 0};
	*shape = (struct pcap_shape){
		.format = interface->resolution == 9 ? WEIR_FORMAT_PCAP_NS : WEIR_FORMAT_PCAP,
		.big_endian = interface->big_endian,
		.resolution = interface->resolution == 9 ? 9 : 6,
		.record_header = PCAP_RECORD_BYTES,
		.version_major = 2,
		.version_minor = 4,
		.snaplen = interface->snaplen,
		.network = interface->linktype,
		.linktype = interface->linktype,
	};
	return false;
}

/* WEIR_E_INTERRUPTED when the caller wants no more: what is there by then is no whole file. */
static int check_stop(const struct writer *writer, struct weir_fault *fault)
{
	/* Relaxed: a flag and nothing more. */
	if (!writer->options.stop || !atomic_load_explicit((_Atomic int *)writer->options.stop, memory_order_relaxed))
		return 0;
	return weir_fail_at(fault, WEIR_E_INTERRUPTED, writer->name, WEIR_NOWHERE, WEIR_NOWHERE, "was not written: interrupted");
}

static int consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct writer *writer = (struct writer *)sink;

	if (writer->failed)
		return weir_fail_at(fault, (enum weir_error)writer->failed, writer->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "could not be written before");
	writer->batch = batch;
	writer->interfaces = batch->interfaces;
	writer->interface_count = batch->interface_count;
	writer->shaped = NULL;
	int error = check_stop(writer, fault);
	if (!error)
		error = writer->format->batch(writer, batch, fault);
	if (!error)
		error = writer_flush_run(writer, fault);
	writer->failed = error;
	return error;
}

static int finish(struct weir_sink *sink, struct weir_fault *fault)
{
	struct writer *writer = (struct writer *)sink;

	/* What could not be written whole does not appear under its name. */
	if (writer->failed)
		return weir_fail_at(fault, (enum weir_error)writer->failed, writer->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "was not written");
	/* Also here: the source may have ended, or failed, before another batch came. */
	int error = check_stop(writer, fault);
	if (!error)
		error = writer->format->finish(writer, fault);
	if (!error)
		error = writer_flush_run(writer, fault);
	if (!error)
		error = stream_writer_finish(writer->out, fault);
	writer->failed = error;
	return error;
}

static void cut_short(struct weir_sink *sink, int error)
{
	struct writer *writer = (struct writer *)sink;

	if (!writer->failed)
		writer->failed = error;
}

static void close_writer(struct weir_sink *sink)
{
	struct writer *writer = (struct writer *)sink;

	if (writer->format && writer->format->close)
		writer->format->close(writer);
	stream_writer_close(writer->out);
	free(writer->joined.bytes);
	free(writer->name);
	free(writer);
}

static const struct weir_sink_ops writer_ops = {
	.name = "capture file",
	.consume = consume,
	.finish = finish,
	.close = close_writer,
	.cut_short = cut_short,
};

static bool ends_with(const char *name, size_t length, const char *ending)
{
	size_t n = strlen(ending);
	return length > n && strncasecmp(name + length - n, ending, n) == 0;
}

/* What the name says. */
static void choose(struct writer *writer, const char *path)
{
	size_t length = strlen(path), stem;
	const struct codec *codec = codec_by_name(path, ends_with(path, length, SEALED_ENDING) ? length - strlen(SEALED_ENDING) : length, &stem);

	if (writer->options.by_name)
		writer->options.compression = codec ? codec->compression : WEIR_COMPRESSION_NONE;
	if (writer->options.format == WEIR_FORMAT_UNKNOWN) {
		writer->any_pcap = ends_with(path, stem, ".pcap") || ends_with(path, stem, ".cap") || ends_with(path, stem, ".dmp");
		writer->options.format = writer->any_pcap ? WEIR_FORMAT_PCAP : WEIR_FORMAT_PCAPNG;
	}
	if (writer->options.format != WEIR_FORMAT_PCAPNG)
		writer->format = &pcap_writer;
	else
		writer->format = writer->options.merge ? &pcapng_merger : &pcapng_writer;
}

static int open_stream(struct writer *writer, const char *path, struct weir_fault *fault)
{
	const struct weir_capture_writer_options *options = &writer->options;
	const struct stream_writing writing = {
		.compression = options->compression,
		.level = options->level,
		.threads = options->threads,
		.recipients = options->recipients,
		.multiple = options->sealed_header,
	};

	return stream_writer_open_as(path, &writing, &writer->out, fault);
}

int weir_capture_writer_open(const char *path, const struct weir_capture_writer_options *options, struct weir_sink **sink,
                             struct weir_fault *fault)
{
	struct writer *writer = calloc(1, sizeof *writer);

	if (!writer)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	writer->sink.ops = &writer_ops;
	if (options)
		writer->options = *options;
	else
		writer->options.by_name = true;
	/* Who calls a file sealed does not want it to be open. */
	if (ends_with(path, strlen(path), SEALED_ENDING) && !writer->options.recipients) {
		free(writer);
		return weir_fail_at(fault, WEIR_E_USAGE, path, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is to be sealed by its name, and nobody is named who could open it (--recipient age1…)");
	}
	choose(writer, path);
	writer->name = strdup(path);
	int error = writer->name ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	if (!error)
		error = open_stream(writer, path, fault);
	if (!error && writer->options.recipients && writer->options.sealed_sha256)
		error = stream_writer_hash(writer->out, writer->options.sealed_sha256, fault);
	if (error) {
		close_writer(&writer->sink);
		return error;
	}
	*sink = &writer->sink;
	return 0;
}

void weir_capture_writer_count(const struct weir_sink *sink, uint64_t *packets, uint64_t *bytes)
{
	const struct writer *writer = (const struct writer *)sink;

	*packets = writer->packets;
	*bytes = stream_writer_position(writer->out) + writer->run_length;
}

void weir_capture_writer_losses(const struct weir_sink *sink, struct weir_capture_writer_losses *losses)
{
	*losses = ((const struct writer *)sink)->losses;
}
