/* Provider weir: what weir itself, or a program through it, has to say. */
#include "box/trace.h"
#include "box/trace_weir.h"
#include "bpf/trace.h"

static const struct weir_trace_keyword keywords[] = {{"session", 1}, {"loss", 2}, {"message", 4}, {0}};

static const struct weir_trace_field session[] = {{"text", WEIR_TRACE_STRING, 0, NULL}, {0}};
static const struct weir_trace_field lost[] = {
	{"provider", WEIR_TRACE_UNSIGNED, 2, NULL},
	{"lost", WEIR_TRACE_UNSIGNED, 8, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{WEIR_EVENT_START, 1, WEIR_TRACE_INFORMATION, 1, "start", session},
	{WEIR_EVENT_STOP, 1, WEIR_TRACE_INFORMATION, 1, "stop", session},
	{WEIR_EVENT_LOST, 1, WEIR_TRACE_WARNING, 2, "lost", lost},
	{WEIR_EVENT_MESSAGE, 1, WEIR_TRACE_INFORMATION, 4, "message", session},
	{0},
};

const struct trace_provider trace_weir_provider = {
	.shown = {TRACE_WEIR, "weir", "weir's own: sessions, losses, messages", keywords, events},
	.needs = "nothing",
};
