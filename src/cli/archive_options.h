/* cli/archive_options.h: options that everything which writes into the archive has. */
#ifndef CLI_ARCHIVE_OPTIONS_H
#define CLI_ARCHIVE_OPTIONS_H

#include <weir/archive.h>

/* "zstd:3", "zstd", "lz4", "lz4:9", "auto", "none". 0 or WEIR_E_USAGE. */
int archive_options_codec(const char *text, struct weir_archive_options *options, struct weir_fault *fault);

/* "256M" a size, "60s" a time: what ends in s, m, h, d or w. 0 or WEIR_E_USAGE. */
int archive_options_segment(const char *text, struct weir_archive_options *options, struct weir_fault *fault);

/*
 * The key that signs what is written: the file of --sign, else of WEIR_SIGNING_KEY; *signer is NULL when neither is given. To be read while there is the
 * right to: recorders drop theirs.
 */
struct signing_key;
int archive_options_signer(const char *path, struct signing_key **signer, struct weir_fault *fault);

#endif
