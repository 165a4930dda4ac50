/* Vantage points: flow/vantages.h. */
#include "flow/vantages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void flow_vantages_free(struct flow_vantages *vantages)
{
	free(vantages->of_interface);
	vantages->of_interface = NULL;
	vantages->interfaces = vantages->room = 0;
}

/* "" when the interface has no name at all. */
static void name_of(const struct weir_interface *interface, char name[static FLOW_VANTAGE_NAME])
{
	bool both = interface->node[0] && interface->name[0];

	snprintf(name, FLOW_VANTAGE_NAME, "%s%s%s", interface->node, both ? "/" : "", interface->name);
	/* What separates names does not stand in one, nor what would break a line of a table. */
	for (char *p = name; *p; p++)
		if (*p == ',' || (unsigned char)*p < ' ')
			*p = '_';
}

static void sort(struct flow_vantages *vantages)
{
	for (uint32_t i = 0; i < vantages->count; i++) {
		uint32_t at = i;
		for (; at > 0 && strcmp(vantages->names[i], vantages->names[vantages->order[at - 1]]) < 0; at--)
			vantages->order[at] = vantages->order[at - 1];
		vantages->order[at] = (uint8_t)i;
	}
}

static uint8_t number_of(struct flow_vantages *vantages, const char *name)
{
	for (uint32_t i = 0; i < vantages->count; i++)
		if (strcmp(vantages->names[i], name) == 0)
			return (uint8_t)i;
	if (vantages->count == FLOW_VANTAGES_MAX)
		return FLOW_VANTAGES_MAX - 1;
	uint32_t number = vantages->count++;
	snprintf(vantages->names[number], FLOW_VANTAGE_NAME, "%s", number == FLOW_VANTAGES_MAX - 1 ? "others" : name);
	sort(vantages);
	return (uint8_t)number;
}

int flow_vantages_learn(struct flow_vantages *vantages, const struct weir_batch *batch, struct weir_fault *fault)
{
	char name[FLOW_VANTAGE_NAME];

	if (batch->interface_count > vantages->room) {
		uint32_t room = batch->interface_count < 64 ? 64 : batch->interface_count + batch->interface_count / 2;
		uint8_t *more = realloc(vantages->of_interface, room);
		if (!more)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for %u interfaces", (unsigned)batch->interface_count);
		vantages->of_interface = more;
		vantages->room = room;
	}
	/* Another source begins to count from 0 again. */
	if (batch->interface_count && batch->interfaces[0] != vantages->first) {
		vantages->first = batch->interfaces[0];
		vantages->interfaces = 0;
	}
	for (; vantages->interfaces < batch->interface_count; vantages->interfaces++) {
		name_of(batch->interfaces[vantages->interfaces], name);
		vantages->of_interface[vantages->interfaces] = number_of(vantages, name);
	}
	return 0;
}

size_t flow_vantages_write(const struct flow_vantages *vantages, uint64_t set, char *text, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < vantages->count; i++) {
		const char *name = vantages->names[vantages->order[i]];
		size_t length = strlen(name);
		if (!(set >> vantages->order[i] & 1) || length == 0)
			continue;
		if (used + length + 1 > size)
			break;
		if (used)
			text[used++] = ',';
		memcpy(text + used, name, length);
		used += length;
	}
	return used;
}

int flow_vantages_save(const struct flow_vantages *vantages, struct weir_state *state, struct weir_fault *fault)
{
	int error = weir_state_put(state, &vantages->count, sizeof vantages->count, fault);

	return error ? error : weir_state_put(state, vantages->names, vantages->count * sizeof vantages->names[0], fault);
}

int flow_vantages_load(struct flow_vantages *vantages, struct weir_state *state, struct weir_fault *fault)
{
	int error = weir_state_get(state, &vantages->count, sizeof vantages->count, fault);

	if (!error && vantages->count > FLOW_VANTAGES_MAX)
		error = weir_fail(fault, WEIR_E_FORMAT, "the saved vantage points are not sound");
	if (!error)
		error = weir_state_get(state, vantages->names, vantages->count * sizeof vantages->names[0], fault);
	if (error) {
		vantages->count = 0;
		return error;
	}
	for (uint32_t i = 0; i < vantages->count; i++)
		vantages->names[i][FLOW_VANTAGE_NAME - 1] = '\0';
	sort(vantages);
	return 0;
}
