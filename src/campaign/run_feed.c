/*
 * What a source reads goes to who hashes it, so that the file is read once: to read it again took some 50 ns for a packet of 680 bytes, 3 to 5 % of a run. Who hashes never waits for the
 * source: it has other work. The source waits a little for who is just hashing, when there is no room; what there is no room for else is not kept, and who hashes reads it, from the page cache.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "campaign/run.h"
#include "core/clock.h"

#define PIECES 64u
#define KEPT_BYTES ((size_t)16 << 20) /* buffers that are held, whole: no more than stays in a third-level cache */
/* Who hashes is with what is kept, or so little before it, and not far behind: at what was read before its turn, or before the run went on. */
#define NEAR_BYTES ((uint64_t)4 << 20)
/* A source that has not read for so long is busy with something else, or shows nothing of what it reads. */
#define IDLE_NS 20000000

struct piece {
	struct weir_buffer *buffer; /* held */
	const uint8_t *data;
	size_t length;
	uint64_t offset;
};

struct tapped {
	struct run_feed *feed;
	struct weir_capture_tap tap;
	uint64_t read; /* up to where its source has; with the lock */
};

struct run_feed {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended, hashing;         /* hashing: somebody is at it, and comes back soon */
	pthread_t hasher;            /* who was at it last */
	size_t input;                /* the one that is hashed */
	int64_t read_ns;             /* when its source has last read */
	uint64_t at;                 /* what is before it in that one is hashed */
	struct piece pieces[PIECES]; /* a ring, in the order of the file */
	unsigned first, count;
	size_t kept_bytes;
	struct weir_buffer *in_hand; /* of the piece that is being hashed */
	struct tapped inputs[];
};

static bool has_room(const struct run_feed *feed, const struct weir_buffer *buffer)
{
	return feed->count < PIECES && feed->kept_bytes <= KEPT_BYTES && buffer->size <= KEPT_BYTES - feed->kept_bytes;
}

/* Whether room will be made soon. A thread that hashes between two calls of fill would wait for itself. With the lock; something is kept. */
static bool comes_soon(const struct run_feed *feed)
{
	return feed->hashing && !pthread_equal(feed->hasher, pthread_self()) && feed->pieces[feed->first].offset <= feed->at + NEAR_BYTES;
}

/* Waits until who is hashing has made room, but not for ever. */
static void wait_for_room(struct run_feed *feed, const struct weir_buffer *buffer)
{
	struct timespec until;
	int timed_out = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += IDLE_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!timed_out && !feed->ended && buffer->size <= KEPT_BYTES && !has_room(feed, buffer) && comes_soon(feed))
		timed_out = pthread_cond_timedwait(&feed->changed, &feed->lock, &until);
}

static void tapped_read(void *context, struct weir_buffer *buffer, const uint8_t *data, size_t length, uint64_t offset)
{
	struct tapped *tapped = context;
	struct run_feed *feed = tapped->feed;

	pthread_mutex_lock(&feed->lock);
	if (tapped == &feed->inputs[feed->input] && offset + length > feed->at)
		wait_for_room(feed, buffer);
	tapped->read = offset + length;
	/* Meanwhile it may be another's turn. */
	bool hashed = !feed->ended && tapped == &feed->inputs[feed->input];
	if (hashed)
		feed->read_ns = clock_monotonic_ns();
	if (hashed && offset + length > feed->at && has_room(feed, buffer)) {
		weir_buffer_hold(buffer);
		feed->pieces[(feed->first + feed->count++) % PIECES] = (struct piece){buffer, data, length, offset};
		feed->kept_bytes += buffer->size;
	}
	pthread_mutex_unlock(&feed->lock);
}

/* Takes the first piece out; its buffer's reference is the caller's. With the lock, as all that follow. */
static struct piece pop(struct run_feed *feed)
{
	struct piece piece = feed->pieces[feed->first];

	feed->first = (feed->first + 1) % PIECES;
	feed->count--;
	feed->kept_bytes -= piece.buffer->size;
	pthread_cond_signal(&feed->changed);
	return piece;
}

static void drop_in_hand(struct run_feed *feed)
{
	if (feed->in_hand)
		weir_buffer_drop(feed->in_hand);
	feed->in_hand = NULL;
}

static void drop_all(struct run_feed *feed)
{
	while (feed->count)
		weir_buffer_drop(pop(feed).buffer);
	drop_in_hand(feed);
}

size_t run_feed_next(struct run_feed *feed, uint64_t at, size_t most, const uint8_t **data)
{
	const struct tapped *tapped;

	*data = NULL;
	pthread_mutex_lock(&feed->lock);
	tapped = &feed->inputs[feed->input];
	feed->at = at;
	drop_in_hand(feed);
	while (feed->count && feed->pieces[feed->first].offset + feed->pieces[feed->first].length <= at)
		weir_buffer_drop(pop(feed).buffer);
	feed->hashing = true;
	feed->hasher = pthread_self();
	if (feed->count && feed->pieces[feed->first].offset <= at) {
		struct piece piece = pop(feed);
		size_t before = (size_t)(at - piece.offset);

		feed->in_hand = piece.buffer;
		*data = piece.data + before;
		most = piece.length - before;
	} else if (feed->count && feed->pieces[feed->first].offset - at < most) {
		most = (size_t)(feed->pieces[feed->first].offset - at);
	} else if (!feed->count && at >= tapped->read && !feed->ended && clock_monotonic_ns() - feed->read_ns < IDLE_NS) {
		most = 0;
		feed->hashing = false;
	}
	pthread_mutex_unlock(&feed->lock);
	return most;
}

struct run_feed *run_feed_new(size_t inputs)
{
	struct run_feed *feed = calloc(1, sizeof *feed + inputs * sizeof feed->inputs[0]);
	pthread_condattr_t monotonic;

	if (!feed)
		return NULL;
	for (size_t i = 0; i < inputs; i++)
		feed->inputs[i] = (struct tapped){.feed = feed, .tap = {tapped_read, &feed->inputs[i]}};
	feed->read_ns = clock_monotonic_ns();
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&feed->lock, NULL);
	pthread_cond_init(&feed->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return feed;
}

void run_feed_free(struct run_feed *feed)
{
	if (!feed)
		return;
	drop_all(feed);
	pthread_cond_destroy(&feed->changed);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

void run_feed_end(struct run_feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	feed->ended = true;
	pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->lock);
}

const struct weir_capture_tap *run_feed_tap(struct run_feed *feed, size_t i) { return &feed->inputs[i].tap; }

void run_feed_turn(struct run_feed *feed, size_t i)
{
	pthread_mutex_lock(&feed->lock);
	drop_all(feed);
	feed->input = i;
	feed->at = 0;
	feed->read_ns = clock_monotonic_ns();
	pthread_mutex_unlock(&feed->lock);
}
