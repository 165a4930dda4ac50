/* Where exported datagrams go, and the choice of how they are made. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "file/stream.h"
#include "flow/export.h"
#include "os/network.h"

enum { BURST = 16 }; /* datagrams that may follow one another without a pause */

struct export_target {
	enum export_kind kind;
	struct stream_writer *file;
	int socket;
	char *name;
	int64_t next_ns; /* when the next burst may begin */
	unsigned burst;  /* sent of this one */
};

/* "HOST:PORT", HOST perhaps in brackets: both in place of their separators in text. */
static int split(char *text, char **host, char **port, struct weir_fault *fault)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return weir_fail(fault, WEIR_E_USAGE, "%s is not HOST:PORT", text);
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = text + 1;
	}
	return 0;
}

static int connect_to(struct export_target *target, const char *where, struct weir_fault *fault)
{
	char *host = NULL, *port = NULL, *text = strdup(where);

	if (!text)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to export flows");
	int error = split(text, &host, &port, fault);
	if (!error)
		error = os_connect(host, port, target->kind == EXPORT_TCP, &target->socket, fault);
	free(text);
	return error;
}

int export_target_open(const char *target, struct export_target **opened, struct weir_fault *fault)
{
	struct export_target *t = calloc(1, sizeof *t);
	int error;

	if (!t || !(t->name = strdup(target))) {
		free(t);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to export flows");
	}
	t->socket = -1;
	t->kind = strncmp(target, "udp:", 4) == 0 ? EXPORT_UDP : strncmp(target, "tcp:", 4) == 0 ? EXPORT_TCP : EXPORT_FILE;
	if (t->kind == EXPORT_FILE)
		error = stream_writer_open(target, WEIR_COMPRESSION_NONE, 0, &t->file, fault);
	else
		error = connect_to(t, target + 4, fault);
	if (error) {
		export_target_close(t);
		return error;
	}
	*opened = t;
	return 0;
}

enum export_kind export_target_kind(const struct export_target *target) { return target->kind; }

static void pace(struct export_target *target)
{
	if (++target->burst < BURST)
		return;
	int64_t now = clock_monotonic_ns(), wait = target->next_ns - now;
	if (wait > 0) {
		struct timespec pause = {wait / NS_PER_SECOND, wait % NS_PER_SECOND};
		nanosleep(&pause, NULL);
	}
	/* What was lost by sleeping too long is not made up for. */
	target->next_ns = (wait > 0 ? target->next_ns : now) + BURST * NS_PER_SECOND / EXPORT_UDP_RATE;
	target->burst = 0;
}

int export_target_send(struct export_target *target, const void *data, size_t length, struct weir_fault *fault)
{
	if (target->kind == EXPORT_FILE)
		return stream_writer_write(target->file, data, length, fault);
	int system = os_send(target->socket, data, length);
	if (system)
		return weir_fail_errno(fault, system, NULL, "cannot send flows to %s", target->name);
	if (target->kind == EXPORT_UDP)
		pace(target);
	return 0;
}

int export_target_finish(struct export_target *target, struct weir_fault *fault)
{
	return target->kind == EXPORT_FILE ? stream_writer_finish(target->file, fault) : 0;
}

void export_target_close(struct export_target *target)
{
	if (!target)
		return;
	if (target->file)
		stream_writer_close(target->file);
	if (target->socket >= 0)
		os_disconnect(target->socket);
	free(target->name);
	free(target);
}

int weir_flow_export_open(const char *target, enum weir_export_protocol protocol, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct export_target *opened;

	if (protocol == WEIR_EXPORT_NETFLOW9 && strncmp(target, "tcp:", 4) == 0)
		return weir_fail(fault, WEIR_E_USAGE, "NetFlow v9 goes over UDP (udp:HOST:PORT) or into a file; over TCP there is IPFIX");
	int error = export_target_open(target, &opened, fault);
	if (error)
		return error;
	return protocol == WEIR_EXPORT_IPFIX ? export_ipfix_new(opened, sink, fault) : export_netflow9_new(opened, sink, fault);
}
