/* An audit of any bytes: as text and as binary, with all views; and as a Parquet file. What is found does not matter; nothing outside the bytes is read. */
#include <stdlib.h>
#include <string.h>

#include "campaign/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_policy policy = {
	.hides = true,
	.hide = {.ipv4 = {WEIR_HIDE_BLACK, 0},
             .ipv6 = {WEIR_HIDE_BLACK, 0},
             .macs = {WEIR_HIDE_BLACK, 0},
             .names = {WEIR_HIDE_BLACK, 0},
             .keep_special = true},
};

static struct weir_originals *make_originals(void)
{
	struct weir_originals_options options = {.policy = &policy, .memory_bytes = 1 << 20};
	struct weir_originals *originals;
	struct weir_fault fault;
	struct weir_ip ipv4 = {.bytes = {100, 73, 241, 17}, .version = 4},
				   ipv6 = {.bytes = {0x2a, 2, 0x80, 0x71, 5, 0x1d, 0x9a, 0x3c, 0x4d, 0x21, 0x77, 0xfe, 0x81, 0xba, 0xc3,
	                                 0xe9},
	                       .version = 6};

	if (weir_originals_new(&options, &originals, &fault) < 0)
		abort();
	weir_originals_add_ip(originals, &ipv4, &fault);
	weir_originals_add_ip(originals, &ipv6, &fault);
	weir_originals_add_mac(originals, (const uint8_t *)"\x3c\xa9\xf4\x52\x8b\x7d", &fault);
	weir_originals_add_name(originals, "lager7.kranich-institut.example", 31, &fault);
	weir_originals_add_name(originals, "aaaa", 4, &fault);
	audit_see_runs(originals, (const uint8_t *)"Strictly secret", 15, AUDIT_CUT);
	if (weir_originals_ready(originals, &fault) < 0)
		abort();
	return originals;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_originals *originals;
	struct weir_audit_options options = {.originals = originals};
	struct weir_audit_result result = {0};
	struct audit_hits *hits;
	struct weir_fault fault;
	struct audit_place place = {.file = "fuzz",
	                            .what = "bytes",
	                            .images = true,
	                            .ipv4_bytes = true,
	                            .numbers = true,
	                            .runs = true,
	                            .short_values = true};

	if (size > 65536)
		return 0;
	if (!originals)
		options.originals = originals = make_originals();
	if (audit_hits_new(originals, &hits, &fault) < 0)
		abort();
	/* A copy of its own, so that sanitizers see a byte too far. */
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	audit_search_all(hits, &place, copy, size);
	audit_search(hits, &place, copy, size, size / 3, size / 2);
	struct audit_file file = {.path = "fuzz", .name = "fuzz", .hits = hits, .options = &options, .result = &result};
	audit_parquet_memory(&file, copy, size, &fault);
	audit_hits_judge(hits, &options, &result, &fault);
	audit_hits_free(hits);
	free(copy);
	return 0;
}
