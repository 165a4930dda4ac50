/* What the tests of duplicates share. */
#ifndef TEST_DEDUP_STAGES_H
#define TEST_DEDUP_STAGES_H

#include "../unit.h"

#include <weir/stage.h>

struct stages {
	struct weir_stage *digest, *dedup;
};

static struct stages stages_new(const struct weir_dedup_options *options)
{
	struct stages stages;
	struct weir_fault fault = {0};

	if (weir_dedup_stages_new(options, &stages.digest, &stages.dedup, &fault) != 0)
		fail_msg("%s", fault.message);
	return stages;
}

static void stages_free(struct stages *stages)
{
	weir_stage_close(stages->digest);
	weir_stage_close(stages->dedup);
}

#endif
