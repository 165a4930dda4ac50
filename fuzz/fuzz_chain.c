/* A signed chain of any bytes, in a campaign of one node: it is told what is wrong with it, and nothing else happens. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/chain.h"
#include "os/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char campaign[] = "/tmp/weir-fuzz-chain-XXXXXX", raw[64], node[80], chain[96];

static void clean(void)
{
	unlink(chain);
	rmdir(node);
	rmdir(raw);
	rmdir(campaign);
}

static void prepare(void)
{
	if (!mkdtemp(campaign))
		abort();
	snprintf(raw, sizeof raw, "%s/raw", campaign);
	snprintf(node, sizeof node, "%s/n", raw);
	snprintf(chain, sizeof chain, "%s/chain.jsonl", node);
	if (mkdir(raw, 0700) != 0 || mkdir(node, 0700) != 0)
		abort();
	atexit(clean);
}

static void found(void *context, const struct weir_fault *fault)
{
	++*(unsigned *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chain_check wanted = {0};
	unsigned faults = 0;
	struct verify verify = {.found = found, .context = &faults};
	struct weir_fault fault;

	if (!chain[0])
		prepare();
	int fd = open(chain, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || os_write_all(fd, data, size, 0) != 0)
		abort();
	close(fd);
	verify_begin(&verify);
	if (verify_chains(&verify, campaign, &wanted, &fault) == 0 && faults != verify.counts.faults)
		abort();
	verify_end(&verify);
	return 0;
}
