/* A session: takes events from its feeds, counts them, hands them on and writes them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box/trace.h"
#include "box/trace_weir.h"
#include "bpf/trace_events.h"
#include "core/clock.h"

#define LOOK_MS 100 /* how long events may wait in the ring when there are few */

/* What a provider is in a session. */
struct member {
	const struct weir_trace_provider *shown; /* NULL: it is not in it */
	const struct trace_provider *built_in;   /* NULL: the program's own */
	uint64_t wanted;                         /* bit of an event's id */
	const struct weir_trace_event_type *types[TRACE_EVENTS_MOST + 1];
	void *feed;
	int descriptor;
	uint64_t sent, lost; /* emitted, and of those lost: not by the kernel's programs */
	uint64_t *kept;      /* by CPU: of the kernel's programs */
	uint64_t kept_here;
	struct weir_trace_provider *own; /* with the id that the session chose; NULL: it came with one */
};

struct weir_trace_session {
	struct weir_trace_options options;
	pthread_mutex_t lock; /* over everything below */
	struct member members[TRACE_PROVIDERS_MOST];
	struct trace_kernel *kernel;
	struct trace_writer *writer;
	struct text lack;
	int failed; /* the file's error: what comes after it is counted lost */
	struct weir_fault fault;
	bool finished;
};

uint64_t trace_keyword_bits(const struct weir_trace_provider *provider, const char *const *names)
{
	uint64_t bits = 0;

	for (; *names; names++)
		for (const struct weir_trace_keyword *keyword = provider->keywords; keyword && keyword->name; keyword++)
			if (strcmp(keyword->name, *names) == 0)
				bits |= keyword->bit;
	return bits;
}

bool trace_wants(const struct weir_trace_options *options, const struct weir_trace_provider *provider, const struct weir_trace_event_type *type)
{
	return (!options->level || type->level <= options->level) &&
	       (!options->keywords || type->keywords & trace_keyword_bits(provider, options->keywords));
}

static int join(struct weir_trace_session *session, const struct weir_trace_provider *shown, const struct trace_provider *built_in, struct weir_fault *fault)
{
	struct member *member = &session->members[shown->id];

	*member = (struct member){.shown = shown, .built_in = built_in, .descriptor = -1};
	for (const struct weir_trace_event_type *type = shown->events; type->id; type++) {
		if (type->id > TRACE_EVENTS_MOST)
			return weir_fail(fault, WEIR_E_USAGE, "an event's id is 1 to %d, and %s.%s has %u", TRACE_EVENTS_MOST, shown->name, type->name, type->id);
		member->types[type->id] = type;
		if (trace_wants(&session->options, shown, type))
			member->wanted |= UINT64_C(1) << type->id;
	}
	return 0;
}

static bool is_named(const struct weir_trace_options *options, const struct trace_provider *provider)
{
	if (!options->providers)
		return !provider->costly;
	for (size_t i = 0; options->providers[i]; i++)
		if (strcmp(options->providers[i], provider->shown.name) == 0)
			return true;
	return false;
}

/* ---- what comes ---- */

/* With the lock. */
static int hand_on(struct weir_trace_session *session, const struct weir_trace_event *event)
{
	if (session->writer && !session->failed)
		session->failed = trace_writer_event(session->writer, event, &session->fault);
	if (session->failed)
		return session->failed;
	if (session->options.event)
		session->options.event(event, session->options.argument);
	return 0;
}

static int from_kernel(void *argument, unsigned provider, struct weir_trace_event *event, unsigned id)
{
	struct weir_trace_session *session = argument;
	struct member *member = &session->members[provider];

	if (id > TRACE_EVENTS_MOST || !member->shown || !(event->type = member->types[id]))
		return 0;
	event->provider = member->shown;
	pthread_mutex_lock(&session->lock);
	/* What the file no longer takes is the difference between what the kernel handed out and what was kept. */
	if (hand_on(session, event) == 0 && event->cpu < trace_kernel_cpus(session->kernel))
		member->kept[event->cpu]++;
	pthread_mutex_unlock(&session->lock);
	return 0;
}

static void describe_thread(struct weir_trace_event *event)
{
	struct rusage usage;

	event->process_id = (uint32_t)getpid();
	event->thread_id = (uint32_t)syscall(SYS_gettid);
	prctl(PR_GET_NAME, event->name);
	int cpu = sched_getcpu();
	event->cpu = (uint16_t)(cpu < 0 ? 0 : cpu);
	if (getrusage(RUSAGE_THREAD, &usage) == 0) {
		event->user_ns = (uint64_t)usage.ru_utime.tv_sec * NS_PER_SECOND + (uint64_t)usage.ru_utime.tv_usec * 1000;
		event->kernel_ns = (uint64_t)usage.ru_stime.tv_sec * NS_PER_SECOND + (uint64_t)usage.ru_stime.tv_usec * 1000;
	} else {
		event->flags |= WEIR_TRACE_NO_CPU_TIME;
	}
}

/* NULL: there is no such event, or its fields are too long. */
static struct member *member_of(struct weir_trace_session *session, uint16_t provider, uint8_t event, size_t length, struct weir_fault *fault)
{
	struct member *member = provider < TRACE_PROVIDERS_MOST ? &session->members[provider] : NULL;

	if (member && member->shown && event <= TRACE_EVENTS_MOST && member->types[event] && length <= TRACE_PAYLOAD_MOST)
		return member;
	weir_fail(fault, WEIR_E_USAGE, "the session has no provider %u with an event %u, or its fields are longer than %d bytes", provider, event,
	          TRACE_PAYLOAD_MOST);
	return NULL;
}

static int emit(struct weir_trace_session *session, struct member *member, const struct weir_trace_event *event, struct weir_fault *fault)
{
	pthread_mutex_lock(&session->lock);
	member->sent++;
	int error = session->finished ? weir_fail(fault, WEIR_E_USAGE, "the session is finished: it takes no more events") : hand_on(session, event);
	if (error)
		member->lost++;
	else
		member->kept_here++;
	if (error && !session->finished && fault)
		*fault = session->fault;
	pthread_mutex_unlock(&session->lock);
	return error;
}

int weir_trace_emit(struct weir_trace_session *session, uint16_t provider, uint8_t event, uint64_t activity, const void *payload,
                    size_t length, struct weir_fault *fault)
{
	struct member *member = member_of(session, provider, event, length, fault);

	if (!member)
		return WEIR_E_USAGE;
	if (!(member->wanted >> event & 1))
		return 0;
	struct weir_trace_event made = {
		.time_ns = clock_wall_ns(),
		.activity = activity,
		.provider = member->shown,
		.type = member->types[event],
		.payload = {payload, length},
	};
	/* What the system tells of itself is no thread's doing. */
	if (member->feed)
		made.flags = WEIR_TRACE_IN_INTERRUPT | WEIR_TRACE_NO_CPU_TIME;
	else
		describe_thread(&made);
	return emit(session, member, &made, fault);
}

int trace_emit_found(struct weir_trace_session *session, uint16_t provider, uint8_t id, struct weir_trace_event *event, struct weir_fault *fault)
{
	struct member *member = member_of(session, provider, id, event->payload.length, fault);

	if (!member)
		return WEIR_E_USAGE;
	if (!(member->wanted >> id & 1) || (session->options.pid && event->process_id != session->options.pid))
		return 0;
	event->provider = member->shown;
	event->type = member->types[id];
	return emit(session, member, event, fault);
}

/* ---- opening ---- */

static void say(struct weir_trace_session *session, const char *provider, const char *why)
{
	text_add_format(&session->lack, "%s%s: %s", session->lack.length ? "\n" : "", provider, why);
}

static int open_kernel(struct weir_trace_session *session, struct weir_fault *fault)
{
	struct trace_kernel_options options = {.pid = session->options.pid, .buffer_bytes = session->options.buffer_bytes, .event = from_kernel, .argument = session};
	const struct trace_provider *asked[TRACE_PROVIDERS_MOST] = {0};
	size_t count = 0;

	for (size_t i = 0; trace_providers[i]; i++) {
		const struct member *member = &session->members[trace_providers[i]->shown.id];
		if (!member->shown || !trace_providers[i]->programs)
			continue;
		asked[count] = options.providers[count] = trace_providers[i];
		options.wanted[trace_providers[i]->shown.id] = member->wanted;
		count++;
	}
	if (count == 0)
		return 0;
	int error = trace_kernel_open(&options, &session->lack, &session->kernel, fault);
	for (size_t i = 0; i < count; i++) {
		struct member *member = &session->members[asked[i]->shown.id];
		bool there = false;
		for (size_t k = 0; !error && options.providers[k]; k++)
			there |= options.providers[k] == asked[i];
		if (there && !(member->kept = calloc(trace_kernel_cpus(session->kernel), sizeof *member->kept)))
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to trace");
		if (!there) {
			if (error)
				say(session, asked[i]->shown.name, fault->message);
			member->shown = NULL;
		}
	}
	return error == WEIR_E_PERMISSION || error == WEIR_E_UNSUPPORTED || error == WEIR_E_NOT_FOUND ? 0 : error;
}

static int open_feeds(struct weir_trace_session *session, struct weir_fault *fault)
{
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST; i++) {
		struct member *member = &session->members[i];
		if (!member->shown || !member->built_in || !member->built_in->open)
			continue;
		/* No process does it. */
		if (session->options.pid && !member->built_in->has_processes) {
			member->shown = NULL;
			continue;
		}
		struct weir_fault own;
		weir_fault_clear(&own);
		int error = member->built_in->open(&member->feed, &member->descriptor, &own);
		if (own.message[0])
			say(session, member->shown->name, own.message);
		if (error < 0) {
			*fault = own;
			member->shown = NULL;
		}
	}
	return 0;
}

static int check_names(const struct weir_trace_options *options, struct weir_fault *fault)
{
	for (size_t i = 0; options->providers && options->providers[i]; i++)
		if (!trace_provider_named(options->providers[i]))
			return weir_fail(fault, WEIR_E_USAGE, "there is no provider %s: weir trace --list", options->providers[i]);
	return 0;
}

/* An event of weir's own, whose field is a text. */
static int say_event(struct weir_trace_session *session, uint8_t event, const char *string, struct weir_fault *fault)
{
	uint8_t payload[258];
	size_t length = strnlen(string, 256);

	if (!session->members[TRACE_WEIR].shown)
		return 0;
	weir_store_le16(payload, (uint16_t)length);
	memcpy(payload + 2, string, length);
	return weir_trace_emit(session, TRACE_WEIR, event, 0, payload, length + 2, fault);
}

static int begin(struct weir_trace_session *session, struct weir_fault *fault)
{
	const struct weir_trace_options *options = &session->options;
	int error = check_names(options, fault);
	bool any = false;

	for (size_t i = 0; trace_providers[i] && !error; i++)
		if (is_named(options, trace_providers[i]))
			error = join(session, &trace_providers[i]->shown, trace_providers[i], fault);
	/* The file first, with what its events are; then what may come at once. */
	if (!error && options->file)
		error = trace_writer_open(options->file, &session->writer, fault);
	if (!error)
		error = open_kernel(session, fault);
	if (!error)
		error = open_feeds(session, fault);
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST && !error; i++) {
		if (!session->members[i].shown)
			continue;
		any |= i != TRACE_WEIR || options->providers;
		if (session->writer)
			error = trace_writer_provider(session->writer, session->members[i].shown, fault);
	}
	if (!error && !any && session->lack.length)
		return weir_fail(fault, fault->code ? (enum weir_error)fault->code : WEIR_E_UNSUPPORTED, "%s", text_string(&session->lack));
	return error ? error : say_event(session, WEIR_EVENT_START, "the session begins", fault);
}

int weir_trace_open(const struct weir_trace_options *options, struct weir_trace_session **session, struct weir_fault *fault)
{
	struct weir_trace_session *made = calloc(1, sizeof *made);
	struct weir_fault own;

	if (!fault)
		fault = &own;
	weir_fault_clear(fault);
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to trace");
	made->options = *options;
	pthread_mutex_init(&made->lock, NULL);
	int error = begin(made, fault);
	if (error) {
		weir_trace_close(made);
		return error;
	}
	*session = made;
	return 0;
}

const char *weir_trace_lack(const struct weir_trace_session *session) { return text_string(&session->lack); }

int weir_trace_add(struct weir_trace_session *session, const struct weir_trace_provider *provider, uint16_t *id, struct weir_fault *fault)
{
	int error = 0;

	pthread_mutex_lock(&session->lock);
	uint16_t at = provider->id;
	if (at == 0)
		for (at = TRACE_OWN; at < TRACE_PROVIDERS_MOST && session->members[at].shown; at++)
			;
	if (at >= TRACE_PROVIDERS_MOST || session->members[at].shown) {
		error = weir_fail(fault, WEIR_E_LIMIT, "a session has no room for provider %s: there are %d", provider->name, TRACE_PROVIDERS_MOST - TRACE_OWN);
	} else if (provider->id) {
		error = join(session, provider, NULL, fault);
	} else {
		/* The id is the session's: a copy of the provider has it. */
		struct weir_trace_provider *copy = malloc(sizeof *copy);
		if (copy) {
			*copy = *provider;
			copy->id = at;
			error = join(session, copy, NULL, fault);
			session->members[at].own = copy;
		} else {
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a provider");
		}
	}
	if (!error && session->writer)
		error = trace_writer_provider(session->writer, session->members[at].shown, fault);
	if (error && at < TRACE_PROVIDERS_MOST && session->members[at].shown && !session->members[at].built_in)
		session->members[at].wanted = 0;
	*id = at;
	pthread_mutex_unlock(&session->lock);
	return error;
}

/* ---- polling ---- */

static int take_feeds(struct weir_trace_session *session, struct weir_fault *fault)
{
	int error = 0;

	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST && !error; i++)
		if (session->members[i].feed)
			error = session->members[i].built_in->take(session->members[i].feed, session, fault);
	return error;
}

static int file_failed(struct weir_trace_session *session, struct weir_fault *fault)
{
	pthread_mutex_lock(&session->lock);
	int failed = session->failed;
	if (failed && fault)
		*fault = session->fault;
	pthread_mutex_unlock(&session->lock);
	return failed;
}

int weir_trace_poll(struct weir_trace_session *session, int timeout_ms, struct weir_fault *fault)
{
	struct pollfd descriptors[TRACE_PROVIDERS_MOST + 1];
	nfds_t count = 0;

	if (session->kernel)
		descriptors[count++] = (struct pollfd){.fd = trace_kernel_descriptor(session->kernel), .events = POLLIN};
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST; i++)
		if (session->members[i].feed)
			descriptors[count++] = (struct pollfd){.fd = session->members[i].descriptor, .events = POLLIN};
	/* The kernel's programs wake only when there is much; so few events wait for so long at most. */
	if (poll(descriptors, count, timeout_ms < 0 || timeout_ms > LOOK_MS ? LOOK_MS : timeout_ms) < 0 && errno != EINTR)
		return weir_fail_errno(fault, errno, NULL, "could not wait for events");
	int taken = session->kernel ? trace_kernel_poll(session->kernel) : 0;
	if (taken < 0)
		return weir_fail(fault, WEIR_E_SYSTEM, "could not read the kernel's events: %s", strerror(-taken));
	int error = take_feeds(session, fault);
	if (!error)
		error = file_failed(session, fault);
	return error ? error : taken;
}

static size_t add_loss(struct weir_trace_loss *losses, size_t count, size_t room, struct weir_trace_loss loss)
{
	if (count < room && loss.sent)
		losses[count++] = loss;
	return count;
}

size_t weir_trace_losses(struct weir_trace_session *session, struct weir_trace_loss *losses, size_t room)
{
	size_t count = 0;

	/* Other threads may emit meanwhile. */
	pthread_mutex_lock(&session->lock);
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST; i++) {
		const struct member *member = &session->members[i];
		if (!member->shown)
			continue;
		struct weir_trace_loss loss = {.provider = member->shown, .cpu = WEIR_TRACE_ANY_CPU};
		bool programs = member->built_in && member->built_in->programs;
		for (uint32_t cpu = 0; programs && cpu < trace_kernel_cpus(session->kernel); cpu++) {
			struct weir_trace_loss one = {.provider = member->shown, .cpu = cpu, .kept = member->kept[cpu]};
			uint64_t lost;
			trace_kernel_count(session->kernel, i, cpu, &one.sent, &lost);
			/* While it goes on, what is still in the ring is neither kept nor lost. */
			one.lost = session->finished ? one.sent - one.kept : lost;
			count = add_loss(losses, count, room, one);
		}
		if (programs)
			trace_kernel_count(session->kernel, i, WEIR_TRACE_ANY_CPU, &loss.sent, &loss.lost);
		uint64_t missed = member->feed ? member->built_in->lost(member->feed) : 0;
		loss.sent += member->sent + missed;
		loss.lost += member->lost + missed;
		loss.kept = member->kept_here;
		count = add_loss(losses, count, room, loss);
	}
	pthread_mutex_unlock(&session->lock);
	return count;
}

#define LOSSES_MOST 4096

/* What the kernel counted lost, and what is missing between its count and ours, are the same when all is well: both are told by losses. */
static int write_losses(struct weir_trace_session *session, struct weir_fault *fault)
{
	struct weir_trace_loss *losses = calloc(LOSSES_MOST, sizeof *losses);
	int error = losses ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for the losses");

	if (!error) {
		size_t count = weir_trace_losses(session, losses, LOSSES_MOST);
		for (size_t i = 0; i < count && !error; i++)
			error = trace_writer_loss(session->writer, &losses[i], clock_wall_ns(), fault);
	}
	free(losses);
	return error;
}

int weir_trace_finish(struct weir_trace_session *session, struct weir_fault *fault)
{
	int error = 0;

	if (session->finished)
		return 0;
	if (session->kernel) {
		trace_kernel_stop(session->kernel);
		if (trace_kernel_poll(session->kernel) < 0)
			error = weir_fail(fault, WEIR_E_SYSTEM, "could not read the kernel's last events");
	}
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST; i++)
		if (session->members[i].feed && session->members[i].built_in->stop)
			session->members[i].built_in->stop(session->members[i].feed);
	if (!error)
		error = take_feeds(session, fault);
	if (!error)
		error = say_event(session, WEIR_EVENT_STOP, "the session ends", fault);
	pthread_mutex_lock(&session->lock);
	session->finished = true;
	pthread_mutex_unlock(&session->lock);
	if (!error)
		error = file_failed(session, fault);
	if (session->writer && !error)
		error = write_losses(session, fault);
	/* What was kept before an error stays. */
	if (session->writer && !file_failed(session, NULL)) {
		int finished = trace_writer_finish(session->writer, error ? NULL : fault);
		error = error ? error : finished;
	}
	return error;
}

void weir_trace_close(struct weir_trace_session *session)
{
	if (!session)
		return;
	trace_kernel_close(session->kernel);
	for (unsigned i = 0; i < TRACE_PROVIDERS_MOST; i++) {
		if (session->members[i].feed)
			session->members[i].built_in->close(session->members[i].feed);
		free(session->members[i].kept);
		free(session->members[i].own);
	}
	trace_writer_close(session->writer);
	text_free(&session->lack);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

int weir_trace_available(const char *provider, struct weir_fault *fault)
{
	const char *const names[] = {provider, NULL};
	const struct weir_trace_options options = {.providers = names, .buffer_bytes = 1 << 18};
	struct weir_trace_session *session;
	int error = weir_trace_open(&options, &session, fault);

	if (error)
		return error;
	if (weir_trace_lack(session)[0])
		error = weir_fail(fault, WEIR_E_UNSUPPORTED, "%s", weir_trace_lack(session));
	weir_trace_close(session);
	return error;
}
