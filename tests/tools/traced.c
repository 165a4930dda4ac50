/*
 * What weir trace looks at, done in numbers that are known.
 *   traced burn PORT...       for each port: uses CPU time in user and in kernel mode, sends a datagram to that port of 127.0.0.1, and prints the port and what
 *                             getrusage told just after: "PORT USER_NS KERNEL_NS"
 *   traced switch COUNT CPU   two threads on one CPU pass a byte COUNT times each way; prints for each "BEGAN_NS ENDED_NS SWITCHES": how often it was switched away from
 *                             between these two times, by getrusage
 *   traced yield COUNT CPU    the same by sched_yield: the fastest way to switch
 *   traced emit FILE COUNT    emits so many events of a provider of its own into a file
 *   traced start COUNT        starts a process that exits with 7, COUNT times, and waits for each
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/trace.h>

#include "core/clock.h"

static uint64_t ns_of(struct timeval time) { return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_usec * 1000; }

static int burn(int count, char **ports)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), zero = open("/dev/zero", O_RDONLY);
	static char page[1 << 20];

	for (int i = 0; i < count; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(ports[i])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		struct rusage usage;
		volatile uint64_t sum = 0;
		int64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + (60 + 40 * i) * (NS_PER_SECOND / 1000);
		while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
			for (int k = 0; k < 20000; k++)
				sum += (uint64_t)k;
		until += (100 - 20 * i) * (NS_PER_SECOND / 1000);
		while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
			if (read(zero, page, sizeof page) < 0)
				return 1;
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) != 1 || getrusage(RUSAGE_THREAD, &usage))
			return 1;
		printf("%s %" PRIu64 " %" PRIu64 "\n", ports[i], ns_of(usage.ru_utime), ns_of(usage.ru_stime));
	}
	return 0;
}

struct side {
	int in, out, cpu; /* in -1: yields only */
	long count, switches;
	int64_t began_ns, ended_ns;
};

/* How often this thread was switched away from, and a time at which that was so. */
static long switches_now(int64_t *time_ns)
{
	struct rusage before, after;

	do {
		getrusage(RUSAGE_THREAD, &before);
		*time_ns = clock_wall_ns();
		getrusage(RUSAGE_THREAD, &after);
	} while (before.ru_nvcsw != after.ru_nvcsw || before.ru_nivcsw != after.ru_nivcsw);
	return after.ru_nvcsw + after.ru_nivcsw;
}

static void *pass(void *argument)
{
	struct side *side = argument;
	cpu_set_t set;
	char byte = 0;

	CPU_ZERO(&set);
	CPU_SET(side->cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
	long before = switches_now(&side->began_ns);
	for (long i = 0; i < side->count; i++)
		if (side->in < 0)
			sched_yield();
		else if (write(side->out, &byte, 1) != 1 || read(side->in, &byte, 1) != 1)
			abort();
	side->switches = switches_now(&side->ended_ns) - before;
	return NULL;
}

/* A line for each of the threads. */
static int switch_often(long count, int cpu, bool yield)
{
	int there[2], back[2];
	pthread_t thread;

	if (pipe(there) || pipe(back))
		return 1;
	if (yield)
		back[0] = there[0] = -1;
	struct side first = {.in = back[0], .out = there[1], .cpu = cpu, .count = count}, second = {.in = there[0], .out = back[1], .cpu = cpu, .count = count};
	if (pthread_create(&thread, NULL, pass, &second))
		return 1;
	pass(&first);
	pthread_join(thread, NULL);
	printf("%" PRId64 " %" PRId64 " %ld\n%" PRId64 " %" PRId64 " %ld\n", first.began_ns, first.ended_ns, first.switches, second.began_ns, second.ended_ns,
	       second.switches);
	return 0;
}

static int emit(const char *file, unsigned count)
{
	static const struct weir_trace_keyword keywords[] = {{"even", 1}, {"odd", 2}, {0}};
	static const struct weir_trace_field fields[] = {{"number", WEIR_TRACE_UNSIGNED, 4, NULL}, {"word", WEIR_TRACE_STRING, 0, NULL}, {0}};
	static const struct weir_trace_event_type events[] = {{1, 1, WEIR_TRACE_INFORMATION, 1, "even", fields}, {2, 1, WEIR_TRACE_WARNING, 2, "odd", fields}, {0}};
	static const struct weir_trace_provider provider = {.name = "traced", .meaning = "a test's own", .keywords = keywords, .events = events};
	static const char *const none[] = {"weir", NULL};
	const struct weir_trace_options options = {.providers = none, .file = file};
	struct weir_trace_session *session;
	struct weir_fault fault;
	uint16_t id;

	weir_fault_clear(&fault);
	if (weir_trace_open(&options, &session, &fault) || weir_trace_add(session, &provider, &id, &fault)) {
		fprintf(stderr, "%s\n", fault.message);
		return 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint8_t payload[4 + 2 + 4] = {0};
		weir_store_le32(payload, i);
		weir_store_le16(payload + 4, 4);
		memcpy(payload + 6, "word", 4);
		if (weir_trace_emit(session, id, i % 2 ? 2 : 1, i / 10, payload, sizeof payload, &fault))
			return 1;
	}
	int error = weir_trace_finish(session, &fault);
	weir_trace_close(session);
	return error != 0;
}

static int start_many(int count)
{
	for (int i = 0; i < count; i++) {
		int status;
		pid_t child = fork();
		if (child == 0)
			_exit(7);
		if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "burn") == 0)
		return burn(argc - 2, argv + 2);
	if (argc == 4 && (strcmp(argv[1], "switch") == 0 || strcmp(argv[1], "yield") == 0))
		return switch_often(atol(argv[2]), atoi(argv[3]), argv[1][0] == 'y');
	if (argc == 4 && strcmp(argv[1], "emit") == 0)
		return emit(argv[2], (unsigned)atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "start") == 0)
		return start_many(atoi(argv[2]));
	fprintf(stderr, "traced burn PORT... | switch|yield COUNT CPU | emit FILE COUNT | start COUNT\n");
	return 2;
}
