/*
 * The keeper: what is not the packets' straight way to the disk, on a thread that may wait for the disk. archive/sink.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/sink.h"
#include "core/clock.h"
#include "os/files.h"

/* Losses that come in bursts are one interval as long as no more than this lies between them. */
#define LOSS_QUIET_NS (NS_PER_SECOND / 5)

#define JOURNAL_SPARE (UINT64_C(8) << 20) /* a sealed journal, which is padded at each time, may be larger than 4 times its chunk by this */

/* A sealed journal is begun: nothing is written yet. */
static int journal_begin_sealed(struct archive_sink *sink, struct slot *slot, const uint8_t *start, uint32_t size, struct weir_fault *fault)
{
	journal_seal_free(slot->journal);
	slot->journal = NULL;
	return journal_seal_new(sink->recipients, slot->segment->content.big, start, size, &slot->journal, fault);
}

/* Opens the file of a journal and begins it. `beside`: under another name, to replace the one that there is. */
static int journal_begin(struct archive_sink *sink, struct slot *slot, bool beside, struct weir_fault *fault)
{
	struct segment *segment = slot->segment;
	const struct index_content *content = &segment->content;
	uint32_t before = slot->number ? slot->prologue_before - segment->section_bytes : 0;
	struct journal_head head = {.number = slot->number, .prologue_bytes = before, .interfaces = slot->interfaces_before};
	uint32_t size = segment->section_bytes + JOURNAL_BLOCK_SIZE + before;
	char path[PATH_MAX];
	bool sealed = sink->recipients != NULL;

	int error = segment_begin(sink, segment, fault);
	if (error)
		return error;
	uint8_t *start = malloc(size);
	if (!start)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a journal");
	/* consume may be adding an interface, and moving the prologue, at this moment. */
	pthread_mutex_lock(&sink->lock);
	memcpy(start, content->prologue, segment->section_bytes);
	/* A sealed one becomes a segment as it stands, which has no such block. */
	if (sealed)
		size -= JOURNAL_BLOCK_SIZE;
	else
		put_journal_head(start + segment->section_bytes, &head, content->big);
	memcpy(start + size - before, content->prologue + segment->section_bytes, before);
	pthread_mutex_unlock(&sink->lock);

	journal_path(sink, segment, slot->number, path);
	if (beside)
		strcat(path, JOURNAL_BESIDE);
	if (segment->journals <= slot->number)
		segment->journals = slot->number + 1;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int system = fd < 0 ? errno : sealed ? 0 : os_write_all(fd, start, size, WEIR_NOWHERE);
	if (sealed && !system)
		error = journal_begin_sealed(sink, slot, start, size, fault);
	/* The writer asks for it when the chunk is done, which may be now. */
	pthread_mutex_lock(&sink->lock);
	if (slot->journal_fd >= 0)
		close(slot->journal_fd);
	slot->journal_fd = fd;
	pthread_mutex_unlock(&sink->lock);
	free(start);
	slot->journaled = slot->number ? 0 : segment->section_bytes;
	return system ? weir_fail_errno(fault, system, path, "cannot write the journal") : error;
}

/* Appends raw bytes up to `published`, and makes them safe. */
static int journal_append(struct slot *slot, size_t published, struct weir_fault *fault)
{
	const uint8_t *from = slot->raw + slot->journaled;
	size_t length = published - slot->journaled;

	if (slot->journal) {
		int error = journal_seal_append(slot->journal, slot->journal_fd, from, length, fault);
		if (error)
			return error;
	}
	int system = slot->journal ? 0 : os_write_all(slot->journal_fd, from, length, WEIR_NOWHERE);
	if (!system && fdatasync(slot->journal_fd) != 0)
		system = errno;
	if (system)
		return weir_fail_errno(fault, system, slot->segment->path, "cannot write the journal");
	slot->journaled = published;
	return 0;
}

/* All of the chunk so far goes into a new journal, which takes the place of the one there is, if there is one. */
static int journal_renew(struct archive_sink *sink, struct slot *slot, size_t published, struct weir_fault *fault)
{
	char path[PATH_MAX], beside[PATH_MAX];

	journal_path(sink, slot->segment, slot->number, path);
	snprintf(beside, sizeof beside, "%.*s" JOURNAL_BESIDE, (int)(sizeof beside - sizeof JOURNAL_BESIDE), path);
	int error = journal_begin(sink, slot, true, fault);
	if (!error)
		error = journal_append(slot, published, fault);
	if (!error && rename(beside, path) != 0)
		error = weir_fail_errno(fault, errno, path, "cannot write the journal");
	if (error)
		unlink(beside);
	return error;
}

/*
 * What could not be begun or written whole is not gone on with: behind half a record nothing is read, and without its key a sealed journal would get the
 * bytes in the open. The next time begins a new one; what the file on disk has stays until then.
 */
static void journal_give_up(struct archive_sink *sink, struct slot *slot)
{
	journal_seal_free(slot->journal);
	slot->journal = NULL;
	slot->journaled = 0;
	pthread_mutex_lock(&sink->lock);
	if (slot->journal_fd >= 0)
		close(slot->journal_fd);
	slot->journal_fd = -1;
	pthread_mutex_unlock(&sink->lock);
}

/* Appends what has come since the last time. The caller holds a reference. */
static int journal_flush(struct archive_sink *sink, struct slot *slot, struct weir_fault *fault)
{
	/* Acquire: pairs with the release in consume, so that the bytes below it are there. */
	size_t published = atomic_load_explicit(&slot->published, memory_order_acquire);
	bool given_up = slot->journal_fd < 0 && slot->segment->journals > slot->number;
	bool large = slot->journal && journal_seal_bytes(slot->journal) > JOURNAL_SPARE + 4 * (uint64_t)published;
	int error = slot->journal_fd < 0 && !given_up ? journal_begin(sink, slot, false, fault) : 0;

	if (!error && (given_up || (large && published > slot->journaled)))
		error = journal_renew(sink, slot, published, fault);
	else if (!error && published > slot->journaled)
		error = journal_append(slot, published, fault);
	if (error)
		journal_give_up(sink, slot);
	return error;
}

static bool is_due(const struct slot *slot, int64_t now, int64_t age)
{
	return (slot->state == SLOT_FILLING || slot->state == SLOT_WAITING || slot->state == SLOT_WORKING) &&
	       now - slot->unsaved_since_ns >= age &&
	       atomic_load_explicit(&slot->published, memory_order_relaxed) > slot->journaled;
}

static void flush_journals(struct archive_sink *sink, int64_t age)
{
	for (size_t i = 0; i < sink->slot_count; i++) {
		struct slot *slot = &sink->slots[i];
		struct weir_fault fault;

		pthread_mutex_lock(&sink->lock);
		int64_t now = clock_monotonic_ns();
		bool due = sink->trouble == WEIR_LOSS_CAUSES && !sink->failed && is_due(slot, now, age);
		if (due) {
			slot->references++;
			slot->unsaved_since_ns = now;
		}
		pthread_mutex_unlock(&sink->lock);
		if (!due)
			continue;
		int error = journal_flush(sink, slot, &fault);
		pthread_mutex_lock(&sink->lock);
		slot->references--;
		if (error)
			sink_trouble(sink, error, &fault);
		slot_release(sink, slot);
		pthread_mutex_unlock(&sink->lock);
	}
}

/*
 * Makes what was written to a segment safe. The kernel tells of bytes that it could not write only here, and only once: the
 * sink is in trouble then as if the write itself had failed. False when it did.
 */
static bool segment_synchronise(struct archive_sink *sink, const struct segment *segment)
{
	struct weir_fault fault;

	/* How it ends first: without that a chunk of a sealed segment is nothing. */
	if (segment->fd < 0 || ((!segment->sealing || fdatasync(segment->sealing->end_fd) == 0) && fdatasync(segment->fd) == 0))
		return true;
	int error = weir_fail_errno(&fault, errno, segment->path, "the disk did not keep what was written");
	pthread_mutex_lock(&sink->lock);
	sink_trouble(sink, error, &fault);
	pthread_mutex_unlock(&sink->lock);
	return false;
}

/* The chunk is in the segment: its journal has done its work, once the segment is safe too. */
static void drop_journals(struct archive_sink *sink)
{
	for (size_t i = 0; i < sink->slot_count; i++) {
		struct slot *slot = &sink->slots[i];

		pthread_mutex_lock(&sink->lock);
		bool done = slot->state == SLOT_DONE && slot->journal_fd >= 0;
		pthread_mutex_unlock(&sink->lock);
		if (!done)
			continue;
		char path[PATH_MAX];
		/* The journal of what the disk did not keep stays on disk until the segment is closed. */
		bool safe = segment_synchronise(sink, slot->segment);
		journal_path(sink, slot->segment, slot->number, path);
		close(slot->journal_fd);
		journal_seal_free(slot->journal);
		slot->journal = NULL;
		if (safe)
			unlink(path);
		pthread_mutex_lock(&sink->lock);
		slot->journal_fd = -1;
		slot_release(sink, slot);
		pthread_mutex_unlock(&sink->lock);
	}
}

/* Closes the segments that have ended, oldest first. True when none is left that could be closed. */
static bool close_segments(struct archive_sink *sink)
{
	for (;;) {
		struct weir_fault fault;

		pthread_mutex_lock(&sink->lock);
		struct segment *segment = sink->segments;
		bool due = segment && segment->ended && segment->outstanding == 0;
		pthread_mutex_unlock(&sink->lock);
		if (!due)
			return true;
		/* Its last slot may have become DONE since that was last looked for: no slot may point to it when it is freed. */
		drop_journals(sink);
		int error = segment_close(sink, segment, &fault);
		pthread_mutex_lock(&sink->lock);
		if (error) {
			sink->unclosed = fault;
			sink_trouble(sink, error, &fault);
			pthread_mutex_unlock(&sink->lock);
			return false;
		}
		sink->segments = segment->next;
		if (!sink->segments)
			sink->segments_end = &sink->segments;
		sink->postings_unused[sink->postings_unused_count++] = segment->postings;
		pthread_cond_broadcast(&sink->room);
		pthread_mutex_unlock(&sink->lock);
		segment_free(segment);
	}
}

static int enter_loss(struct archive_sink *sink, enum weir_loss_cause cause, const struct loss_interval *interval,
                      struct weir_fault *fault)
{
	struct weir_loss loss = {
		.from_ns = interval->from_ns,
		.to_ns = interval->to_ns,
		.cause = cause,
		.packets = interval->packets,
		.bytes = interval->bytes,
		.node = sink->node,
		.interface = sink->interface,
		.detail = "",
	};
	return weir_ledger_enter(sink->campaign, &loss, fault);
}

/* Enters the intervals that are over: all of them at the end. */
static void enter_losses(struct archive_sink *sink, bool all)
{
	for (int cause = 0; cause < WEIR_LOSS_CAUSES; cause++) {
		struct loss_interval interval;
		struct weir_fault fault;

		pthread_mutex_lock(&sink->lock);
		interval = sink->losses[cause];
		bool over = interval.packets && (all || (clock_monotonic_ns() - interval.touched_ns > LOSS_QUIET_NS &&
		                                         sink->trouble != (enum weir_loss_cause)cause));
		if (over)
			sink->losses[cause] = (struct loss_interval){0};
		pthread_mutex_unlock(&sink->lock);
		if (!over || enter_loss(sink, (enum weir_loss_cause)cause, &interval, &fault) == 0)
			continue;
		/* The disk may be full: keep it, joined to what may have come meanwhile, until there is room. */
		pthread_mutex_lock(&sink->lock);
		struct loss_interval *now = &sink->losses[cause];
		if (now->packets && now->to_ns > interval.to_ns)
			interval.to_ns = now->to_ns;
		interval.packets += now->packets;
		interval.bytes += now->bytes;
		*now = interval;
		sink->unentered = fault;
		pthread_mutex_unlock(&sink->lock);
	}
}

/* After trouble with the disk: is there room again? */
static void look_at_disk(struct archive_sink *sink)
{
	uint64_t free_bytes = 0;

	pthread_mutex_lock(&sink->lock);
	enum weir_loss_cause trouble = sink->trouble;
	pthread_mutex_unlock(&sink->lock);
	if (trouble == WEIR_LOSS_CAUSES)
		return;
	/* The index and the end of what was open when it became full come first. */
	if (!close_segments(sink))
		return;
	if (trouble == WEIR_LOSS_DISK_FULL && (os_free_space(sink->campaign->path, &free_bytes, NULL) != 0 ||
	                                       free_bytes < 2 * sink->reserve + 4 * sink->chunk_bytes))
		return;
	pthread_mutex_lock(&sink->lock);
	sink->trouble = WEIR_LOSS_CAUSES;
	sink->statistics.disk_full = false;
	atomic_store_explicit(&sink->troubled, false, memory_order_relaxed);
	pthread_mutex_unlock(&sink->lock);
}

/* Direct I/O puts the bytes on the disk, but not the file system's knowledge of where they are. */
static void synchronise(struct archive_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	struct segment *segment = sink->segments;
	for (; segment; segment = segment->next)
		if (segment->unsynced && !segment->ended) {
			segment->unsynced = false;
			break;
		}
	pthread_mutex_unlock(&sink->lock);
	/* Only this thread frees segments. */
	if (segment)
		segment_synchronise(sink, segment);
}

static void wait_for_work(struct archive_sink *sink, int64_t until_ns)
{
	struct timespec until = {until_ns / NS_PER_SECOND, until_ns % NS_PER_SECOND};
	bool work = false;

	pthread_mutex_lock(&sink->lock);
	while (!work && !sink->keeper_end) {
		const struct segment *segment = sink->segments;
		work = segment && segment->ended && segment->outstanding == 0 && sink->trouble == WEIR_LOSS_CAUSES;
		for (size_t i = 0; !work && i < sink->slot_count; i++)
			work = sink->slots[i].state == SLOT_DONE && sink->slots[i].journal_fd >= 0;
		if (!work && pthread_cond_timedwait(&sink->keep, &sink->lock, &until) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&sink->lock);
}

void *keeper_run(void *argument)
{
	struct archive_sink *sink = argument;
	int64_t tick = sink->options.flush_ns / 2, second_ns = 0;
	bool end = false;

	while (!end) {
		wait_for_work(sink, clock_monotonic_ns() + tick);
		pthread_mutex_lock(&sink->lock);
		end = sink->keeper_end;
		pthread_mutex_unlock(&sink->lock);
		drop_journals(sink);
		close_segments(sink);
		if (!end)
			flush_journals(sink, tick);
		enter_losses(sink, end);
		if (clock_monotonic_ns() - second_ns >= NS_PER_SECOND) {
			look_at_disk(sink);
			synchronise(sink);
			second_ns = clock_monotonic_ns();
		}
	}
	return NULL;
}
