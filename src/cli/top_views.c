/* The table of views: a new one is its file and a row here; and the help, which is made from it. */
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"

const struct top_view *const top_views[] = {
	&overview_view,
	&interfaces_view,
	&talkers_view,
	&endpoints_view,
	&applications_view,
	&packets_view,
	&drops_view,
	&system_view,
	&recorder_view,
	/* got to from others: */
	&flows_view,
	&processes_view,
	&process_view,
	&flow_view,
	&endpoint_view,
	&packet_view,
	&help_view,
	NULL,
};

static const char *const keys[][2] = {
	{"1 to 9", "a view; Tab and Shift-Tab: the next, the one before"},
	{"Up Down k j", "select; PgUp PgDn Home End too"},
	{"Enter", "look into what is selected; Esc, Left or Backspace: back"},
	{"s > <", "sort by the next column, the one before"},
	{"r", "reverse the order"},
	{"/", "filter: a pcap-filter expression, as tcpdump takes it; empty: all"},
	{"\\", "no filter"},
	{"f Space", "freeze what is shown; again: go on"},
	{"g", "endpoints by process or one by one; talkers by host or by flow"},
	{"x", "a packet's bytes instead of its fields"},
	{"? h", "this help"},
	{"q", "quit"},
};

static void help_text(struct top_screen *screen)
{
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		text_add_format(&screen->text, "%-12s %s\n", keys[i][0], keys[i][1]);
	text_add(&screen->text, "\n");
	for (size_t i = 0; top_views[i] && top_views[i]->title; i++)
		text_add_format(&screen->text, "%c %-10s %s\n", top_views[i]->key, top_views[i]->name, top_views[i]->keys ? top_views[i]->keys : "");
	text_add(&screen->text, "\nRates are a second: B of payload for endpoints, B on the wire for packets.\n");
}

const struct top_view help_view = {
	.name = "help",
	.lack = TOP_LACKS,
	.text = help_text,
};
