/* NetFlow v5: one layout for all, told as a template. */
#include <threads.h>

#include "flow/datagram.h"

enum { FIELDS = 20 };

static union {
	struct datagram_template template;
	uint8_t room[sizeof(struct datagram_template) + FIELDS * sizeof(struct datagram_field)];
} netflow5;
static once_flag made = ONCE_FLAG_INIT;

/* Numbered as NetFlow v9 does. 210: padding. */
static const struct {
	uint8_t element, length;
} layout[FIELDS] = {
	{8, 4},   /* source address */
	{12, 4},  /* destination address */
	{15, 4},  /* next hop */
	{10, 2},  /* interface in */
	{14, 2},  /* interface out */
	{2, 4},   /* packets */
	{1, 4},   /* bytes */
	{22, 4},  /* first, ms since boot */
	{21, 4},  /* last */
	{7, 2},   /* source port */
	{11, 2},  /* destination port */
	{210, 1},
	{6, 1},   /* TCP flags, of all packets */
	{4, 1},   /* protocol */
	{5, 1},   /* TOS */
	{16, 2},  /* source AS */
	{17, 2},  /* destination AS */
	{9, 1},   /* source prefix length */
	{13, 1},  /* destination prefix length */
	{210, 2},
};

static void make(void)
{
	struct datagram_template *template = &netflow5.template;

	template->version = DATAGRAM_NETFLOW5;
	template->count = FIELDS;
	for (size_t i = 0; i < FIELDS; i++) {
		template->fields[i] = (struct datagram_field){.element = layout[i].element, .length = layout[i].length};
		template->least += layout[i].length;
	}
	datagram_plan(template);
}

const struct datagram_template *datagram_template_netflow5(void)
{
	call_once(&made, make);
	return &netflow5.template;
}
