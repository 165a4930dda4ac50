/*
 * stage/clock_estimate.h: what the parts of clock estimation share: samples, matches, and what a pair of vantages tells.
 */
#ifndef STAGE_CLOCK_ESTIMATE_H
#define STAGE_CLOCK_ESTIMATE_H

#include <weir/stage.h>

#define CLOCK_VANTAGES_MAX 65535u
#define CLOCK_MATCHES_LEAST 8u /* fewer say nothing */

/* A packet seen somewhere. */
struct clock_sample {
	uint64_t identity;
	int64_t time_ns;
	uint64_t sequence : 40; /* among those of its vantage */
	uint64_t vantage : 16;
	uint64_t hops : 8;
};

enum clock_direction { CLOCK_THERE, CLOCK_BACK, CLOCK_SAME };

/* A packet seen at two: a the vantage with the smaller number. */
struct clock_match {
	uint32_t pair;        /* a << 16 | b */
	uint32_t direction;   /* enum clock_direction: there is from a to b */
	uint64_t sequence;    /* at a */
	int64_t time_ns;      /* at a */
	int64_t difference_ns; /* time at b - time at a */
};

/* One statement of NTP. */
struct clock_bound {
	int64_t time_ns, error_ns;
};

struct clock_vantage {
	bool known;
	uint64_t seen;
	uint64_t sequence;
	int64_t first_ns, last_ns; /* of all packets, sampled or not */
	struct clock_bound *bounds; /* by time, once solving */
	size_t bound_count, bound_capacity;
};

/* The difference of two clocks (b - a) at one time by a's, in a stretch between steps. */
struct clock_point {
	int64_t time_ns;
	int64_t difference_ns;
	int64_t uncertainty_ns;
	uint32_t stretch;
};

struct clock_pair {
	uint16_t a, b;
	enum weir_clock_basis basis;
	struct clock_point *points;
	size_t count, capacity;
	uint64_t matches, rejected;
	uint32_t steps, steps_of_a, steps_of_b; /* of …: those of which it can be told */
	double drift; /* of b against a */
	bool bounded, contradicted;
};

/*
 * Sorts samples and finds what the vantages share: matches of all pairs, by pair and sequence, in memory of their own. Identities that occur more
 * often at one vantage than at another say nothing. 0 or an error.
 */
int clock_match_all(struct clock_sample *samples, size_t count, int64_t offset_ns, struct clock_match **matches, size_t *match_count,
                    struct weir_fault *fault);

/* Works out what the matches of one pair tell. points may stay empty: then they say nothing. 0 or an error. Reorders the matches. */
int clock_pair_solve(struct clock_pair *pair, struct clock_match *matches, size_t count, const struct clock_vantage *a,
                     const struct clock_vantage *b, struct weir_fault *fault);

/* Samples come in any order: those of a vantage are to be taken in the order of their times when it is worked out. */
void clock_estimator_order_by_time(struct weir_clock_estimator *estimator);

/* A vantage was seen over this time, whatever was sampled. */
int clock_estimator_cover(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t first_ns, int64_t last_ns, struct weir_fault *fault);

/* Between two points of a pair, whose differences are those before and after, a clock was set; nothing was sampled in between. */
struct clock_gap {
	uint16_t a, b;
	int64_t from_ns, to_ns; /* by a's clock */
	int64_t before_ns, after_ns;
};
/* Steps that are not located to within least_ns. Returns how many, at most `most`. After solving. */
size_t clock_estimator_gaps(const struct weir_clock_estimator *estimator, int64_t least_ns, struct clock_gap *gaps, size_t most);

/* The error that NTP claims for a vantage about time_ns; false when it says nothing within five minutes. */
bool clock_bound_at(const struct clock_vantage *vantage, int64_t time_ns, int64_t *error_ns);

#endif
