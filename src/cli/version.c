/* weir version: which weir this is, and what it is built with. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <sqlite3.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "cli/cli.h"
#include "config.h"
#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

struct options {
	bool build;
};

static const struct option table[] = {
	{.name = "build", .type = OPTION_FLAG, .offset = offsetof(struct options, build),
	 .help = "features, libraries and their versions too"},
	{0},
};

static void print_build(void)
{
	printf("compiler: %s\n", __VERSION__);
	printf("%s\n", pcap_lib_version());
	printf("zstd %s\nxxHash %d.%d.%d\n%s\nSQLite %s\nzlib %s\n", ZSTD_versionString(), XXH_VERSION_MAJOR, XXH_VERSION_MINOR,
	       XXH_VERSION_RELEASE, OpenSSL_version(OPENSSL_VERSION), sqlite3_libversion(), zlibVersion());
#ifdef HAVE_LZ4
	printf("lz4 %s\n", LZ4_versionString());
#else
	printf("lz4: not built in\n");
#endif
#ifdef HAVE_URING
	printf("io_uring: liburing %s\n", URING_VERSION);
#else
	printf("io_uring: not built in\n");
#endif
#ifdef HAVE_FIXBUF
	printf("libfixbuf %s\n", FIXBUF_VERSION);
#else
	printf("libfixbuf: not built in\n");
#endif
#ifdef HAVE_BPF
	printf("eBPF: libbpf %s\n", BPF_VERSION);
#else
	printf("eBPF: not built in\n");
#endif
#ifdef HAVE_SECCOMP
	const struct scmp_version *seccomp = seccomp_version();
	printf("seccomp %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
#else
	printf("seccomp: not built in\n");
#endif
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;

	printf("weir %s\n", WEIR_VERSION);
	if (options && options->build)
		print_build();
	return EXIT_FINE;
}

const struct command version_command = {
	.name = "version",
	.summary = "which weir this is",
	.usage = "",
	.options = table,
	.options_size = sizeof(struct options),
	.run = run,
};
