/*
 * Two vantage points with clocks of their own that see the same packets, and how far a merge is off the truth.
 *
 *	clocks make A.pcap B.pcap TRUTH [NAME=VALUE...]    the same arguments make the same bytes
 *	clocks check MERGED TRUTH a|b                      errors against the clock of a or b, as NAME=VALUE lines
 *
 * A's clock is true but for its own step; B's has an offset, a drift and steps. A packet crosses from one to the other in the least time
 * of its direction and an exponentially distributed wait. Each packet's number stands in its payload, and the last byte of its MAC address is its
 * vantage; TRUTH has a line each: vantage, number, true time, and what the clocks of A and B would show then.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/file.h>

#define SECOND 1e9
#define START 1700000000 /* seconds */
#define BYTES 90u

struct setting {
	const char *name;
	double value;
};

enum { SPAN, RATE, OFFSET, DRIFT, STEP, STEP_AT, STEP_OF_A, THERE, BACK, JITTER_THERE, JITTER_BACK, FALSE_PART, SHARED, ONE_WAY, SEED };
static struct setting settings[] = {
	[SPAN] = {"span", 120},              /* seconds */
	[RATE] = {"rate", 1000},             /* packets a second */
	[OFFSET] = {"offset", 0},            /* B - A, seconds */
	[DRIFT] = {"drift", 0},              /* of B, ppm */
	[STEP] = {"step", 0},                /* seconds */
	[STEP_AT] = {"step-at", 0},          /* seconds after the start */
	[STEP_OF_A] = {"step-of-a", 0},      /* 1: A is set and not B */
	[THERE] = {"there", 200},            /* the least that a packet takes from A to B, µs */
	[BACK] = {"back", 200},
	[JITTER_THERE] = {"jitter-there", 100}, /* mean wait, µs */
	[JITTER_BACK] = {"jitter-back", 100},
	[FALSE_PART] = {"false", 0},         /* of the shared packets are not the same one, but somewhere within 10 s */
	[SHARED] = {"shared", 0.4},          /* of all packets pass both */
	[ONE_WAY] = {"one-way", 0},
	[SEED] = {"seed", 1},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

static double value(int which) { return settings[which].value; }

static uint64_t state;

static double uniform(void)
{
	/* splitmix64 */
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double wait(int jitter) { return -log(1 - uniform()) * value(jitter) * 1e3; }

struct event {
	double at; /* ns after the start, true */
	uint32_t number;
	uint8_t vantage, hops;
};

static int by_time(const void *x, const void *y)
{
	const struct event *a = x, *b = y;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static double clock_of(int vantage, double at)
{
	double shown = at;
	bool steps = vantage == (value(STEP_OF_A) ? 0 : 1);

	if (vantage == 1)
		shown += value(OFFSET) * SECOND + at * value(DRIFT) * 1e-6;
	return steps && at >= value(STEP_AT) * SECOND ? shown + value(STEP) * SECOND : shown;
}

static int64_t shown(int vantage, double at) { return START * INT64_C(1000000000) + (int64_t)clock_of(vantage, at); }

static void write_packet(FILE *file, const struct event *event)
{
	uint8_t record[16 + BYTES] = {0}, *p = record + 16;
	int64_t time_ns = shown(event->vantage, event->at);

	weir_store_le32(record, (uint32_t)(time_ns / 1000000000));
	weir_store_le32(record + 4, (uint32_t)(time_ns % 1000000000));
	weir_store_le32(record + 8, BYTES);
	weir_store_le32(record + 12, BYTES);
	p[0] = 2, p[5] = event->vantage, p[6] = 2, p[12] = 8;
	memcpy(p + 14, "\x45\0\0\x4c\0\0\x40\0\0\x11\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	weir_store_be16(p + 18, (uint16_t)event->number);
	p[22] = event->hops;
	memcpy(p + 34, "\x10\0\x20\0\0\x38\0\0", 8);
	weir_store_be32(p + 42, event->number);
	fwrite(record, 1, sizeof record, file);
}

static int make(char **paths)
{
	uint32_t count = (uint32_t)(value(SPAN) * value(RATE)), made = 0;
	struct event *events = malloc(2 * (size_t)count * sizeof *events);
	FILE *files[2] = {fopen(paths[0], "w"), fopen(paths[1], "w")}, *truth = fopen(paths[2], "w");

	if (!events || !files[0] || !files[1] || !truth)
		return 3;
	state = (uint64_t)value(SEED);
	for (uint32_t i = 0; i < count; i++) {
		double at = uniform() * value(SPAN) * SECOND;
		bool back = uniform() < 0.5 && !value(ONE_WAY), shared = uniform() < value(SHARED), wrong = uniform() < value(FALSE_PART);
		uint8_t near = back, far = !back;
		double took = back ? value(BACK) * 1e3 + wait(JITTER_BACK) : value(THERE) * 1e3 + wait(JITTER_THERE);
		if (!shared) {
			events[made++] = (struct event){at, i, uniform() < 0.5, 64};
			continue;
		}
		events[made++] = (struct event){at, i, near, 64};
		double other = wrong ? fabs(at + (uniform() - 0.5) * 20 * SECOND) : at + took;
		events[made++] = (struct event){other, i, far, 63};
	}
	qsort(events, made, sizeof *events, by_time);
	for (int k = 0; k < 2; k++) {
		uint8_t header[24] = {0};
		weir_store_le32(header, 0xa1b23c4d);
		weir_store_le16(header + 4, 2);
		weir_store_le16(header + 6, 4);
		weir_store_le32(header + 16, 262144);
		weir_store_le32(header + 20, 1);
		fwrite(header, 1, sizeof header, files[k]);
	}
	for (uint32_t i = 0; i < made; i++) {
		const struct event *event = &events[i];
		write_packet(files[event->vantage], event);
		fprintf(truth, "%d %u %lld %lld %lld\n", event->vantage, event->number, (long long)(START * 1000000000LL + (int64_t)event->at),
		        (long long)shown(0, event->at), (long long)shown(1, event->at));
	}
	free(events);
	return fclose(files[0]) | fclose(files[1]) | fclose(truth) ? 3 : 0;
}

struct fact {
	int64_t at, shown[2];
};

/* By number and vantage. */
static struct fact *read_truth(const char *path, uint32_t *count)
{
	FILE *file = fopen(path, "r");
	struct fact *facts = NULL;
	uint32_t number, capacity = 0;
	long long at, a, b;
	int vantage;

	*count = 0;
	while (file && fscanf(file, "%d %u %lld %lld %lld", &vantage, &number, &at, &a, &b) == 5) {
		if (2 * number + 1 >= capacity) {
			uint32_t larger = 4 * number + 1024;
			facts = realloc(facts, larger * sizeof *facts);
			memset(facts + capacity, 0, (larger - capacity) * sizeof *facts);
			capacity = larger;
		}
		facts[2 * number + (uint32_t)vantage] = (struct fact){at, {a, b}};
		++*count;
	}
	if (file)
		fclose(file);
	return facts;
}

static int ascending(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return a < b ? -1 : a > b;
}

static int check(const char *merged, const char *truth, int reference)
{
	uint32_t facts_count, count[2] = {0}, disorder = 0, late = 0;
	struct fact *facts = read_truth(truth, &facts_count);
	int64_t *errors[2] = {calloc(facts_count, 8), calloc(facts_count, 8)}, latest = INT64_MIN, last = INT64_MIN, worst = 0;
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source;
	struct weir_fault fault;
	char text[1200];

	if (weir_capture_open(merged, NULL, &source, &fault) != 0) {
		fprintf(stderr, "%s\n", weir_fault_text(&fault, text, sizeof text));
		return 3;
	}
	while (source->ops->fill(source, batch, &fault) > 0) {
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			uint32_t vantage = packet->data[5], number = weir_load_be32(packet->data + 42);
			const struct fact *fact = &facts[2 * number + vantage];
			errors[vantage][count[vantage]++] = llabs(packet->time_ns - fact->shown[reference]);
			/* Order: how far a packet stands behind one that was really later. */
			if (fact->at < latest) {
				disorder += latest - fact->at > 100000;
				worst = latest - fact->at > worst ? latest - fact->at : worst;
			}
			latest = fact->at > latest ? fact->at : latest;
			late += packet->time_ns < last;
			last = packet->time_ns;
		}
		weir_batch_reset(batch);
	}
	weir_source_close(source);
	weir_batch_free(batch);
	free(facts);
	printf("packets=%u of=%u unsorted=%u disorder=%u worst_us=%.1f\n", count[0] + count[1], facts_count, late, disorder, (double)worst / 1e3);
	for (int k = 0; k < 2; k++) {
		qsort(errors[k], count[k], 8, ascending);
		if (count[k])
			printf("%c: p50=%.1f p95=%.1f p99=%.1f max=%.1f\n", 'a' + k, (double)errors[k][count[k] / 2] / 1e3,
			       (double)errors[k][(uint64_t)count[k] * 95 / 100] / 1e3, (double)errors[k][(uint64_t)count[k] * 99 / 100] / 1e3,
			       (double)errors[k][count[k] - 1] / 1e3);
	}
	free(errors[0]);
	free(errors[1]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "make") == 0) {
		for (int i = 5; i < argc; i++) {
			const char *equals = strchr(argv[i], '=');
			size_t which = SETTINGS;
			for (size_t k = 0; equals && k < SETTINGS; k++)
				if (strlen(settings[k].name) == (size_t)(equals - argv[i]) && strncmp(argv[i], settings[k].name, (size_t)(equals - argv[i])) == 0)
					which = k;
			if (which == SETTINGS) {
				fprintf(stderr, "clocks: %s is no setting\n", argv[i]);
				return 2;
			}
			settings[which].value = atof(equals + 1);
		}
		return make(argv + 2);
	}
	if (argc == 5 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3], argv[4][0] == 'b');
	fprintf(stderr, "clocks make A B TRUTH [NAME=VALUE...] | clocks check MERGED TRUTH a|b\n");
	return 2;
}
