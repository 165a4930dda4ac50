/* Provider net.drop: packets that the stack dropped, with its reason and the function that did it. */
#include <stddef.h>
#include <string.h>

#include "box/linux/kernel_names.h"
#include "box/trace.h"
#include "bpf/trace.h"

enum { DROP = 1, UNSPECIFIED = 2 };
#define REASONS_MOST 1024

static const struct weir_trace_keyword keywords[] = {{"drop", DROP}, {"unspecified", UNSPECIFIED}, {0}};

/* The kernel's own: filled in by learn, once, with what does not change while the system is up. */
static struct weir_trace_name reasons[REASONS_MOST + 1] = {{2, "NOT_SPECIFIED"}};
static char reason_text[REASONS_MOST][48];

static const struct weir_trace_field fields[] = {
	{"reason", WEIR_TRACE_UNSIGNED, 4, reasons},
	{"location", WEIR_TRACE_HEX, 8, NULL},
	{"interface", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"bytes", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"ethertype", WEIR_TRACE_HEX, 2, NULL},
	TRACE_TUPLE_FIELDS,
	{"place", WEIR_TRACE_STRING, 0, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{DROP_PACKET, 1, WEIR_TRACE_WARNING, DROP, "drop", fields},
	{DROP_UNSPECIFIED, 1, WEIR_TRACE_VERBOSE, UNSPECIFIED, "unspecified", fields},
	{0},
};

static size_t complete(const struct kernel_names *names, uint8_t *payload, size_t length)
{
	uint64_t location = weir_load_le64(payload + offsetof(struct trace_drop, location));
	const char *place = kernel_function(names, location);
	size_t size = strlen(place);

	if (length + 2 + size > TRACE_PAYLOAD_MOST)
		size = 0;
	weir_store_le16(payload + length, (uint16_t)size);
	memcpy(payload + length + 2, place, size);
	return length + 2 + size;
}

static void learn(const struct kernel_names *names)
{
	size_t count = 0;

	for (uint32_t i = 0; i < kernel_drop_reasons(names) && count < REASONS_MOST; i++) {
		const char *name = kernel_drop_reason(names, i);
		if (!name)
			continue;
		snprintf(reason_text[count], sizeof reason_text[count], "%s", name);
		reasons[count] = (struct weir_trace_name){i, reason_text[count]};
		count++;
	}
}

static const struct trace_program programs[] = {
	{.name = "softirq_entry"},
	{.name = "softirq_exit"},
	{.name = "net_drop", .tracepoint = "kfree_skb"},
	{0},
};

const struct trace_provider trace_drop_provider = {
	.shown = {TRACE_DROP, "net.drop", "packets that the stack dropped, with reason and place", keywords, events},
	.needs = "eBPF; reasons: Linux 5.17; places: CAP_SYSLOG",
	.programs = programs,
	.complete = complete,
	.learn = learn,
};
