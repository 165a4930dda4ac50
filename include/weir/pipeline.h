/*
 * weir/pipeline.h: source → stages → sink, the one shape of all packet work.
 *
 * A source, stage or sink is a struct that begins with struct weir_source, weir_stage or weir_sink and ends its file
 * with one constant record of functions. Each owns its state; a batch is with one of them at a time.
 */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include <weir/error.h>
#include <weir/packet.h>

struct weir_source;
struct weir_stage;
struct weir_sink;
struct weir_state; /* weir/state.h */

struct weir_source_ops {
	const char *name;
	/*
	 * Fills an empty batch. Returns 1 when it did (a live source may give an empty batch after a quiet spell, so that
	 * sinks can do what is due by time), 0 at the end of the input, or a negative error. Damage in the middle of an input:
	 * first the batch with everything sound before it, then the error.
	 */
	int (*fill)(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault);
	/*
	 * May be NULL. Does a piece of what later calls of fill will need (reads on, decompresses), and returns whether it did: false, when enough is there. Called on
	 * threads that have nothing else to do, also while another fills or does this. What fails in it, the next fill tells.
	 */
	bool (*ahead)(struct weir_source *source);
	void (*close)(struct weir_source *source);
};

struct weir_source {
	const struct weir_source_ops *ops;
};

struct weir_stage_ops {
	const char *name;
	/* Looks at, changes or drops (sets the verdict of) the packets of a batch. 0 or a negative error. Never compacts. */
	int (*process)(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault);
	void (*close)(struct weir_stage *stage);
	/*
	 * What it does to a batch depends on that batch alone: process may run for several batches at once, on any threads, in any order. Otherwise
	 * it gets the batches one at a time and in order (from whatever thread, each call after the one before it).
	 */
	bool parallel;
	/*
	 * Both may be NULL: it carries nothing from batch to batch. save writes its state (weir/state.h), between runs of the pipeline;
	 * load makes a new stage with the same options what the saved one was.
	 */
	int (*save)(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault);
	int (*load)(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault);
};

struct weir_stage {
	const struct weir_stage_ops *ops;
};

struct weir_sink_ops {
	const char *name;
	/* Keeps the packets whose verdict is WEIR_KEEP, and the blocks. 0, a negative error, or 1: enough, end the run. */
	int (*consume)(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault);
	/* Called once after the last batch, also when the source failed: make what was kept whole. */
	int (*finish)(struct weir_sink *sink, struct weir_fault *fault);
	void (*close)(struct weir_sink *sink);
	/*
	 * May be NULL. Called before finish when the run ended by an error (enum weir_error) that has nothing to do with the data, as for want
	 * of memory: what the sink was given is not all that there is, and it does not show it as if it were.
	 */
	void (*cut_short)(struct weir_sink *sink, int error);
};

struct weir_sink {
	const struct weir_sink_ops *ops;
};

#define WEIR_PIPELINE_STAGES 16

struct weir_pipeline {
	struct weir_source *source;
	struct weir_stage *stages[WEIR_PIPELINE_STAGES]; /* in order, up to the first NULL */
	struct weir_sink *sink;
	int threads;               /* 0 or 1: all on the caller's thread; more, up to 32: so many, the caller's among them. Each part but
	                              parallel stages is then still called by one thread at a time and in order. */
	const _Atomic int *stop;   /* when it becomes non-zero (Ctrl-C) the run ends after the batch in hand; may be NULL */
	void (*progress)(void *context, const struct weir_batch *batch); /* after each batch, in order; may be NULL */
	void *progress_context;
	/*
	 * Work beside the batches that goes on in steps of some half a millisecond: a hash of what the source reads. Returns whether there was something to do; when there was not it is
	 * called again behind the next batch that is filled. One thread at a time calls it, before any other work, since all that is left in the end may be waiting for it. Not called
	 * to its end: who wants it does that. May be NULL.
	 */
	bool (*beside)(void *context);
	void *beside_context;
};

/*
 * Runs a pipeline to its end: until the source is empty, the sink has enough, *stop is set, or something fails.
 * Always calls the sink's finish. Returns 0, or the first error with fault filled in; what came before it is kept.
 * The result does not depend on the number of threads. Closes nothing: the caller made the parts and closes them.
 */
int weir_pipeline_run(const struct weir_pipeline *pipeline, struct weir_fault *fault);

static inline void weir_source_close(struct weir_source *source)
{
	if (source)
		source->ops->close(source);
}

static inline void weir_stage_close(struct weir_stage *stage)
{
	if (stage)
		stage->ops->close(stage);
}

static inline void weir_sink_close(struct weir_sink *sink)
{
	if (sink)
		sink->ops->close(sink);
}

#endif
