/*
 * cli/print_options.h: how packets are printed: the options that every command has which prints them.
 */
#ifndef CLI_PRINT_OPTIONS_H
#define CLI_PRINT_OPTIONS_H

#include "cli/options.h"
#include "packet/print.h"

/* The fields that the options fill. A part of the command's own struct, under any name. */
struct print_switches {
	bool numeric, link, brief, absolute, json, line, utc, local;
	unsigned verbose, hex, hex_ascii, ascii, time;
};

/* The rows of the options' table, for a command whose options are an `options_type` with a struct print_switches `part`. */
#define PRINT_OPTION_ROWS(options_type, part) \
	{.name = "numeric", .letter = 'n', .type = OPTION_FLAG, .offset = offsetof(options_type, part.numeric), \
	 .help = "ports as numbers (addresses always are)"}, \
	{.name = "verbose", .letter = 'v', .type = OPTION_COUNT, .offset = offsetof(options_type, part.verbose), \
	 .help = "more of each packet; twice: more still"}, \
	{.name = "link", .letter = 'e', .type = OPTION_FLAG, .offset = offsetof(options_type, part.link), .help = "the link layer too"}, \
	{.name = "quiet", .letter = 'q', .type = OPTION_FLAG, .offset = offsetof(options_type, part.brief), .help = "less of each packet"}, \
	{.name = "absolute", .letter = 'S', .type = OPTION_FLAG, .offset = offsetof(options_type, part.absolute), \
	 .help = "TCP sequence numbers as they are, not from where the connection began"}, \
	{.name = "hex", .letter = 'x', .type = OPTION_COUNT, .offset = offsetof(options_type, part.hex), \
	 .help = "the bytes in hex; twice: from the link layer on"}, \
	{.name = "hex-ascii", .letter = 'X', .type = OPTION_COUNT, .offset = offsetof(options_type, part.hex_ascii), \
	 .help = "the bytes in hex and as characters; twice: from the link layer on"}, \
	{.name = "ascii", .letter = 'A', .type = OPTION_COUNT, .offset = offsetof(options_type, part.ascii), \
	 .help = "the bytes as characters; twice: from the link layer on"}, \
	{.name = "time", .letter = 't', .type = OPTION_COUNT, .offset = offsetof(options_type, part.time), \
	 .help = "no time; twice: since 1970; three times: since the packet before; four: with the date; five: since the first packet"}, \
	{.name = "utc", .type = OPTION_FLAG, .offset = offsetof(options_type, part.utc), .help = "times in UTC (they are, unless --local)"}, \
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(options_type, part.local), .help = "times in local time"}, \
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(options_type, part.json), \
	 .help = "a JSON object a packet, with every field"}, \
	{.name = "line-buffered", .letter = 'l', .type = OPTION_FLAG, .offset = offsetof(options_type, part.line), \
	 .help = "write lines out at once, also into pipes and files"}

/* 0 and *options, or WEIR_E_USAGE. */
int print_options_of(const struct print_switches *switches, struct print_options *options, struct weir_fault *fault);

#endif
