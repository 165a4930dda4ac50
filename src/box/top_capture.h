/*
 * box/top_capture.h: captures for a screen: cheaply, never more than it may cost.
 *
 * A thread an interface, with a small ring. Of more packets a second than the budget, one in N is looked at, and counts for N. At more than
 * TOP_CAPTURE_RATE_MOST packets/s on an interface even passing over them costs too much: capture there rests for ten seconds, and then tries again.
 */
#ifndef BOX_TOP_CAPTURE_H
#define BOX_TOP_CAPTURE_H

#include "box/top_traffic.h"

#define TOP_CAPTURE_RATE_MOST 250000
#define TOP_CAPTURE_INTERFACES_MOST 16

struct top_capture_options {
	const char *const *interfaces; /* those; count 0: all that are up but the loopback one, it too when it is the only one */
	size_t count;
	uint32_t budget;  /* packets/s to be looked at, of all interfaces together; 0 = 10,000 */
	uint32_t snaplen; /* 0 = 512 */
};

struct top_capture;

/* 0; WEIR_E_PERMISSION, WEIR_E_NOT_FOUND, …: on the first interface that was named and can't be captured on; of those not named, when none can be. */
int top_capture_open(const struct top_capture_options *options, struct top_traffic *traffic, struct top_capture **capture,
                     struct weir_fault *fault);
void top_capture_close(struct top_capture *capture);

struct top_capture_lane {
	char interface[64];
	uint64_t received, lost; /* by the kernel; of them those for which there was no room */
	double rate;             /* packets/s in the last interval */
	uint32_t one_in;         /* is looked at; 1: all */
	bool resting;
	char fault[160]; /* why it does not capture at the moment, "" when it does or rests */
};

/* Ends an interval: how much came, and how much of the next will be looked at. */
void top_capture_tick(struct top_capture *capture, double seconds);
size_t top_capture_lanes(const struct top_capture *capture); /* how many */
void top_capture_lane(struct top_capture *capture, size_t index, struct top_capture_lane *lane);

/* Drops all packets of a batch but one in N; *pass: how many are passed over before the next one, kept from batch to batch. How many were left. */
uint32_t top_capture_sample(struct weir_batch *batch, uint32_t one_in, uint32_t *pass);

/* Of so many packets/s so few may be looked at: one in how many is that? A power of two. */
uint32_t top_capture_one_in(double rate, double budget);

#endif
