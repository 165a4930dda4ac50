/* The table of commands: a new one is its file and a row here. */
#include "cli/cli.h"

extern const struct command anon_command, audit_command, catalog_command, convert_command, dedup_command, endpoints_command, flows_command, help_command,
	import_command, info_command, keys_command, merge_command, options_command, policy_command, process_command,
	publish_command, query_command, record_command, repair_command, reproduce_command, top_command, trace_command, up_command,
	verify_command, version_command, watch_command;

const struct command *const commands[] = {
	&anon_command,
	&audit_command,
	&catalog_command,
	&convert_command,
	&dedup_command,
	&endpoints_command,
	&flows_command,
	&help_command,
	&import_command,
	&info_command,
	&keys_command,
	&merge_command,
	&options_command,
	&policy_command,
	&process_command,
	&publish_command,
	&query_command,
	&record_command,
	&repair_command,
	&reproduce_command,
	&top_command,
	&trace_command,
	&up_command,
	&verify_command,
	&version_command,
	&watch_command,
	NULL,
};
