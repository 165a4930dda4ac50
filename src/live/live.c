/* live/live.c: the table of capture backends, and the functions that go through it. */
#include <unistd.h>

#include "live/backend.h"

extern const struct live_backend live_af_packet, live_pcap;

/* The best first. */
static const struct live_backend *const backends[] = {&live_af_packet, &live_pcap};
#define BACKENDS (sizeof backends / sizeof backends[0])

static const struct live_backend *backend_find(const char *name, struct weir_fault *fault)
{
	if (!name)
		return backends[0];
	for (size_t i = 0; i < BACKENDS; i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	char names[128] = "";
	for (size_t i = 0; i < BACKENDS; i++) {
		strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
		strncat(names, backends[i]->name, sizeof names - strlen(names) - 1);
	}
	weir_fail(fault, WEIR_E_USAGE, "no capture backend '%s'; there are: %s", name, names);
	return NULL;
}

int weir_live_open(const struct weir_live_options *options, struct weir_source **source, struct weir_fault *fault)
{
	*source = NULL;
	if (!options->interface || !options->interface[0])
		return weir_fail(fault, WEIR_E_USAGE, "no interface to capture on");
	const struct live_backend *backend = backend_find(options->backend, fault);
	return backend ? backend->open(options, source, fault) : WEIR_E_USAGE;
}

void weir_live_statistics(struct weir_source *source, struct weir_live_statistics *statistics)
{
	((struct live_source *)source)->backend->statistics(source, statistics);
}

void weir_live_start(struct weir_source *source) { ((struct live_source *)source)->backend->start(source); }

void weir_live_stop(struct weir_source *source) { ((struct live_source *)source)->backend->stop(source); }

int weir_live_interfaces(struct weir_live_interface **list, size_t *count, struct weir_fault *fault)
{
	*list = NULL;
	*count = 0;
	return backends[0]->interfaces(list, count, fault);
}

int live_fail_permission(struct weir_fault *fault, const char *interface)
{
	char program[400];
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
	program[length > 0 ? length : 0] = '\0';
	return weir_fail(fault, WEIR_E_PERMISSION,
	                 "no right to capture on %s; grant it with: sudo setcap cap_net_raw,cap_net_admin=eip %s",
	                 interface, program[0] ? program : "$(command -v weir)");
}
