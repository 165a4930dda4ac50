/*
 * archive/catalog.h: the catalog of a campaign, one SQLite file that can be made again from the files it lists.
 *
 * Every table has a natural key and nothing that depends on the order of insertion, so that a rebuilt catalog's dump
 * equals the lost one's.
 */
#ifndef ARCHIVE_CATALOG_H
#define ARCHIVE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include <weir/archive.h>

/* Any thread; calls are serialised inside. */
struct catalog;

enum catalog_mode {
	CATALOG_READ,   /* also from a folder that can't be written */
	CATALOG_WRITE,
	CATALOG_CREATE, /* made when it does not exist */
};

int catalog_open(const char *file, enum catalog_mode mode, struct catalog **catalog, struct weir_fault *fault);
void catalog_close(struct catalog *catalog);
bool catalog_writable(const struct catalog *catalog);

/* For statements of one's own. SQLite serialises; do not leave a transaction open. */
sqlite3 *catalog_database(struct catalog *catalog);

/*
 * A row of `segments`. Of an open segment only path, node, interface, sequence and codec are known; everything else is 0.
 * The table `segments` has columns of these names (sequence: seq), and state 'open' or 'closed', and span_class: the
 * least k with last_ns - first_ns <= 2^k seconds, -1 while open. A search by time asks, for each class that exists, for
 * first_ns between from - 2^k seconds and to: the index (span_class, first_ns) makes that as fast however many there are.
 */
struct segment_row {
	const char *path;      /* relative to the campaign */
	const char *node, *interface;
	uint64_t sequence;
	enum weir_codec codec;
	int64_t first_ns, last_ns;
	uint64_t packets, captured_bytes, wire_bytes, raw_bytes, stored_bytes, index_bytes;
	uint32_t chunks;
};

const char *codec_name(enum weir_codec codec);                /* "none", "zstd", "lz4" */
int codec_from_name(const char *name, enum weir_codec *codec); /* 0, or -1 */

int span_class(int64_t first_ns, int64_t last_ns);

int catalog_vantage(struct catalog *catalog, const char *node, const char *interface, struct weir_fault *fault); /* interface may be NULL */
int catalog_segment_opened(struct catalog *catalog, const struct segment_row *row, struct weir_fault *fault);
int catalog_segment_closed(struct catalog *catalog, const struct segment_row *row, struct weir_fault *fault);
int catalog_segment_gone(struct catalog *catalog, const char *path, struct weir_fault *fault);
int catalog_last_sequence(struct catalog *catalog, const char *node, const char *interface, uint64_t *sequence,
                          struct weir_fault *fault);

/* A row of `ledger`, whose key is (node, interface, cause, entered_ns). The same row again is no error. */
int catalog_loss(struct catalog *catalog, const struct weir_loss *loss, int64_t entered_ns, struct weir_fault *fault);

/* Everything between these is one transaction (rebuild). */
int catalog_begin(struct catalog *catalog, struct weir_fault *fault);
int catalog_commit(struct catalog *catalog, struct weir_fault *fault);

/* Moves everything from its log into the file, so that the file can be renamed. Nobody else has it open. */
int catalog_settle(struct catalog *catalog, struct weir_fault *fault);

/* The fault for what SQLite has just refused: damaged, busy, out of memory, full, … Returns its code. */
int catalog_fail(const struct catalog *catalog, const char *what, struct weir_fault *fault);

#endif
