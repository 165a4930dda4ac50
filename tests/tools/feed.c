/*
 * feed: puts the capture on standard input into a campaign as a recorder does, which sheds what it can't keep, and says on standard
 * error when the disk becomes full and when it no longer is. Prints "ARCHIVED SHED" at the end.
 *
 *	feed CAMPAIGN NODE INTERFACE none|zstd|lz4 SEGMENT_BYTES BUFFER_BYTES
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/archive.h>
#include <weir/decode.h>

static bool was_full;

static void look(void *context, const struct weir_batch *batch)
{
	struct weir_archive_statistics statistics;

	(void)batch;
	weir_archive_sink_statistics(context, &statistics);
	if (statistics.disk_full != was_full)
		fprintf(stderr, "feed: the disk is %s\n", statistics.disk_full ? "full" : "writable again");
	was_full = statistics.disk_full;
}

int main(int argc, char **argv)
{
	struct weir_archive_options options = {.shed = true};
	struct weir_archive_statistics statistics;
	struct weir_campaign *campaign = NULL;
	struct weir_source *source = NULL;
	struct weir_stage *decode = weir_decode_stage_new();
	struct weir_sink *sink = NULL;
	struct weir_fault fault;
	char text[1200];

	if (argc != 7 || !decode) {
		fprintf(stderr, "usage: feed CAMPAIGN NODE INTERFACE none|zstd|lz4 SEGMENT_BYTES BUFFER_BYTES\n");
		return 2;
	}
	options.node = argv[2];
	options.interface = argv[3];
	options.codec = argv[4][0] == 'z' ? WEIR_CODEC_ZSTD : argv[4][0] == 'l' ? WEIR_CODEC_LZ4 : WEIR_CODEC_NONE;
	options.segment_bytes = strtoull(argv[5], NULL, 10);
	options.buffer_bytes = strtoull(argv[6], NULL, 10);
	int error = weir_campaign_open(argv[1], WEIR_CAMPAIGN_CREATE, &campaign, &fault);
	if (!error)
		error = weir_capture_open("-", NULL, &source, &fault);
	if (!error)
		error = weir_archive_sink_open(campaign, &options, &sink, &fault);
	if (!error) {
		struct weir_pipeline pipeline = {
			.source = source, .stages = {decode}, .sink = sink, .progress = look, .progress_context = sink};
		error = weir_pipeline_run(&pipeline, &fault);
		weir_archive_sink_statistics(sink, &statistics);
		printf("%" PRIu64 " %" PRIu64 "\n", statistics.packets, statistics.shed_packets);
	}
	if (error)
		fprintf(stderr, "feed: %s\n", weir_fault_text(&fault, text, sizeof text));
	weir_sink_close(sink);
	weir_stage_close(decode);
	weir_source_close(source);
	weir_campaign_close(campaign);
	return error ? 1 : 0;
}
