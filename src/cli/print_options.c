#include "cli/print_options.h"

static enum print_hex hex_of(const struct print_switches *switches)
{
	if (switches->hex_ascii)
		return switches->hex_ascii > 1 ? PRINT_HEX_ASCII_LINK : PRINT_HEX_ASCII;
	if (switches->hex)
		return switches->hex > 1 ? PRINT_HEX_LINK : PRINT_HEX;
	if (switches->ascii)
		return switches->ascii > 1 ? PRINT_ASCII_LINK : PRINT_ASCII;
	return PRINT_HEX_NONE;
}

int print_options_of(const struct print_switches *switches, struct print_options *options, struct weir_fault *fault)
{
	if (switches->time > 5)
		return weir_fail(fault, WEIR_E_USAGE, "-t is given five times at most");
	if (switches->utc && switches->local)
		return weir_fail(fault, WEIR_E_USAGE, "--utc and --local exclude each other");
	*options = (struct print_options){
		.json = switches->json,
		.numeric = switches->numeric,
		.link = switches->link,
		.quiet = switches->brief,
		.absolute = switches->absolute,
		.local = switches->local,
		.verbose = switches->verbose,
		.hex = hex_of(switches),
		.time = (enum print_time)switches->time,
	};
	return 0;
}
