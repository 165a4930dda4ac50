/* cli/anon.h: what the files of `weir anon` share. */
#ifndef CLI_ANON_H
#define CLI_ANON_H

#include <weir/policy.h>

#include "cli/cli.h"
#include "cli/flows.h"

struct anon_options {
	const char *write, *policy, *key, *cryptopan_key, *format;
	const char *keep, *addresses, *macs, *ports, *vlans, *names, *tcp_timestamps, *ip_ids, *scope, *special,
		*time_shift, *time_precision;
	struct option_list internal, identity;
	uint64_t threads, level;
	bool map;
};

/* ---- anon_policy.c ---- */

/* The policy: of --policy, of the campaign (NULL: none), or the strictest one with what options say otherwise. Free it. */
int anon_policy(const struct anon_options *options, const char *campaign, struct weir_policy **policy,
                struct weir_fault *fault);

/* What hides, with the key of --key, WEIR_KEY or --cryptopan-key. */
int anon_hider(const struct anon_options *options, const struct weir_policy *policy, struct weir_hider **hider,
               struct weir_fault *fault);

/* ---- anon_flows.c ---- */

/* Flow files, one after the other. */
int anon_flows(const struct command *command, const struct anon_options *options, const struct flows_files *files,
               const struct weir_hider *hider, struct weir_fault *fault);

#endif
