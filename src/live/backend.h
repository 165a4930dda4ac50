/*
 * live/backend.h: what a capture backend is. One file and one row in the table of live.c each.
 */
#ifndef LIVE_BACKEND_H
#define LIVE_BACKEND_H

#include <weir/live.h>

struct live_backend {
	const char *name;
	/* As weir_live_open; what it makes begins with a struct live_source. */
	int (*open)(const struct weir_live_options *options, struct weir_source **source, struct weir_fault *fault);
	void (*statistics)(struct weir_source *source, struct weir_live_statistics *statistics); /* any thread */
	void (*start)(struct weir_source *source);                                               /* any thread */
	void (*stop)(struct weir_source *source);                                                /* any thread */
	int (*interfaces)(struct weir_live_interface **list, size_t *count, struct weir_fault *fault);
};

struct live_source {
	struct weir_source source;
	const struct live_backend *backend;
};

#define LIVE_SNAPLEN 262144u
#define LIVE_RING_BYTES (UINT64_C(256) << 20)
#define LIVE_QUIET_MS 100

/* WEIR_E_PERMISSION, with the command that grants the right to capture. */
int live_fail_permission(struct weir_fault *fault, const char *interface);

#endif
