/* Counters by name, their rates and history: box/counters.h. Sources put into it what they read; most put the same in the same order at every look. */
#include "box/counters_store.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/text.h"
#include "os/files.h"

#define NOWHERE UINT32_MAX
#define ENTRIES_MOST (COUNTERS_MOST * 2)   /* with those that nobody wants */
#define SLOTS (UINT32_C(1) << 14)
#define NAMES_BYTES ((size_t)32 << 20)
#define FILE_MOST ((size_t)16 << 20)
#define FILE_FIRST ((size_t)64 << 10)

/* A counter that a source has put, wanted or not. */
struct entry {
	const char *group, *instance, *name;
	uint32_t hash, next;
	uint32_t place; /* in the list; NOWHERE: nobody wants it */
	uint32_t seen;  /* in which look */
	uint64_t before;
	int64_t looked_ns; /* 0: not yet, or it was away */
	uint16_t source;
};

struct source_state {
	const struct counter_source *source;
	int file;
	void *own;
	bool open;
	uint32_t *order; /* of its entries, as they came the last time */
	uint32_t order_count, order_room;
};

struct counters {
	struct source_state *sources;
	size_t source_count;
	bool *name_hit;
	char **patterns;
	size_t pattern_count;
	struct weir_arena *arena;
	struct entry *entries;
	uint32_t entry_count, entry_room;
	uint32_t *slots;
	struct counter *list;
	float (*history)[COUNTERS_HISTORY];
	uint32_t *history_from; /* of each in the list: the look from which on there is one */
	uint32_t count, room;
	uint32_t look, refreshes;
	uint8_t *text;
	size_t text_room;
	struct text lack;
	bool failed, too_many, told_too_many;
};

/* ---- which are wanted ---- */

/* Whether the pattern is the whole name, or a part of it from its start to a dot. */
static bool pattern_matches(const char *pattern, char *name)
{
	if (fnmatch(pattern, name, FNM_CASEFOLD) == 0)
		return true;
	for (char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		*dot = '\0';
		int differs = fnmatch(pattern, name, FNM_CASEFOLD);
		*dot = '.';
		if (!differs)
			return true;
	}
	return false;
}

static bool is_wanted(struct counters *counters, const struct entry *entry)
{
	char name[3 * COUNTER_NAME_MOST + 4];
	bool wanted = counters->pattern_count == 0;
	snprintf(name, sizeof name, "%s%s%s.%s", entry->group, *entry->instance ? "." : "", entry->instance, entry->name);
	for (size_t i = 0; i < counters->pattern_count; i++) {
		if (!pattern_matches(counters->patterns[i], name))
			continue;
		counters->name_hit[i] = true;
		wanted = true;
	}
	return wanted;
}

/* Whether a pattern may match something of a group, as far as its letters up to the first special one tell. */
static bool pattern_may_match(const char *pattern, const char *group, size_t length)
{
	size_t plain = strcspn(pattern, ".*?[\\");
	return pattern[plain] == '.' || !pattern[plain] ? plain == length && strncasecmp(pattern, group, plain) == 0
	                                                : plain <= length && strncasecmp(pattern, group, plain) == 0;
}

static bool source_is_wanted(const struct counters *counters, const struct counter_source *source)
{
	if (!counters->pattern_count || !source->groups)
		return true;
	for (const char *group = source->groups; *group;) {
		size_t length = strcspn(group, " ");
		for (size_t i = 0; i < counters->pattern_count; i++)
			if (pattern_may_match(counters->patterns[i], group, length))
				return true;
		group += length + (group[length] == ' ');
	}
	return false;
}

/* ---- entries ---- */

const char *counter_keep(struct counter_sink *sink, struct weir_bytes text)
{
	char *kept = arena_take(sink->counters->arena, text.length + 1);
	if (!kept) {
		sink->counters->failed = true;
		return NULL;
	}
	if (text.length)
		memcpy(kept, text.data, text.length);
	kept[text.length] = '\0';
	return kept;
}

static uint32_t hash_bytes(uint32_t hash, const void *data, size_t length)
{
	const uint8_t *byte = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ byte[i]) * UINT32_C(16777619); /* FNV-1a */
	return (hash ^ 0x2e) * UINT32_C(16777619);
}

static uint32_t hash_name(const char *group, struct weir_bytes instance, struct weir_bytes name)
{
	uint32_t hash = hash_bytes(UINT32_C(2166136261), group, strlen(group));
	hash = hash_bytes(hash, instance.data, instance.length);
	return hash_bytes(hash, name.data, name.length);
}

static bool is_entry(const struct entry *entry, const char *group, struct weir_bytes instance, struct weir_bytes name)
{
	return strncmp(entry->name, (const char *)name.data, name.length) == 0 && !entry->name[name.length] &&
	       (!instance.length || strncmp(entry->instance, (const char *)instance.data, instance.length) == 0) &&
	       !entry->instance[instance.length] &&
	       (entry->group == group || strcmp(entry->group, group) == 0);
}

static uint32_t find_entry(const struct counters *counters, const char *group, struct weir_bytes instance, struct weir_bytes name)
{
	uint32_t hash = hash_name(group, instance, name);
	for (uint32_t i = counters->slots[hash % SLOTS]; i != NOWHERE; i = counters->entries[i].next)
		if (counters->entries[i].hash == hash && is_entry(&counters->entries[i], group, instance, name))
			return i;
	return NOWHERE;
}

/* Makes room for one more. False: no memory. */
static bool grow_entries(struct counters *counters)
{
	if (counters->entry_count < counters->entry_room)
		return true;
	uint32_t room = counters->entry_room ? counters->entry_room * 2 : 1024;
	struct entry *entries = realloc(counters->entries, room * sizeof *entries);
	if (!entries)
		return false;
	counters->entries = entries;
	counters->entry_room = room;
	return true;
}

static bool grow_list(struct counters *counters)
{
	if (counters->count < counters->room)
		return true;
	uint32_t room = counters->room ? counters->room * 2 : 1024;
	struct counter *list = realloc(counters->list, room * sizeof *list);
	if (list)
		counters->list = list;
	float(*history)[COUNTERS_HISTORY] = list ? realloc(counters->history, room * sizeof *history) : NULL;
	if (history)
		counters->history = history;
	uint32_t *from = history ? realloc(counters->history_from, room * sizeof *from) : NULL;
	if (!from)
		return false;
	counters->history_from = from;
	counters->room = room;
	return true;
}

static bool list_entry(struct counters *counters, struct entry *entry, const struct counter_value *value)
{
	if (counters->count >= COUNTERS_MOST) {
		counters->too_many = true;
		return true;
	}
	if (!grow_list(counters))
		return false;
	const char *meaning = value->meaning ? value->meaning : counter_meaning(entry->group, entry->name);
	entry->place = counters->count;
	counters->history_from[entry->place] = counters->refreshes;
	counters->list[counters->count++] = (struct counter){
		.group = entry->group,
		.instance = entry->instance,
		.name = entry->name,
		.meaning = meaning,
		.kind = (uint8_t)value->kind,
		.unit = (uint8_t)value->unit,
		.rate = NAN,
	};
	return true;
}

/* NOWHERE: there is no room for it. */
static uint32_t add_entry(struct counter_sink *sink, const struct counter_value *value)
{
	struct counters *counters = sink->counters;
	if (counters->entry_count >= ENTRIES_MOST) {
		counters->too_many = true;
		return NOWHERE;
	}
	struct entry entry = {
		.group = value->group,
		.instance = value->instance.length ? counter_keep(sink, value->instance) : "",
		.name = counter_keep(sink, value->name),
		.hash = hash_name(value->group, value->instance, value->name),
		.place = NOWHERE,
		.source = sink->source,
	};
	if (!entry.instance || !entry.name || !grow_entries(counters) ||
	    (is_wanted(counters, &entry) && !list_entry(counters, &entry, value))) {
		counters->failed = true;
		return NOWHERE;
	}
	uint32_t *slot = &counters->slots[entry.hash % SLOTS];
	entry.next = *slot;
	counters->entries[counters->entry_count] = entry;
	*slot = counters->entry_count;
	return counters->entry_count++;
}

/* The entry that comes next in the source's order: as a rule the one that came at this place the last time. */
static struct entry *next_entry(struct counter_sink *sink, const struct counter_value *value)
{
	struct counters *counters = sink->counters;
	struct source_state *state = &counters->sources[sink->source];
	uint32_t at = sink->at;
	if (at < state->order_count) {
		struct entry *expected = &counters->entries[state->order[at]];
		if (is_entry(expected, value->group, value->instance, value->name)) {
			sink->at++;
			return expected;
		}
	}
	sink->disordered = true;
	uint32_t found = find_entry(counters, value->group, value->instance, value->name);
	if (found == NOWHERE)
		found = add_entry(sink, value);
	if (found == NOWHERE)
		return NULL;
	if (at >= state->order_room) {
		uint32_t room = state->order_room ? state->order_room * 2 : 64;
		uint32_t *order = realloc(state->order, room * sizeof *order);
		if (!order) {
			counters->failed = true;
			return NULL;
		}
		state->order = order;
		state->order_room = room;
	}
	state->order[at] = found;
	if (at >= state->order_count)
		state->order_count = at + 1;
	sink->at++;
	return &counters->entries[found];
}

/* By how much it grew. False: it was set back. What seems to have come more than half the way round has been set back, too. */
static bool grown(const struct entry *entry, const struct counter_value *value, uint64_t *growth)
{
	*growth = value->whole - entry->before;
	if (value->whole >= entry->before)
		return true;
	*growth += value->wraps_at;
	return *growth < value->wraps_at / 2;
}

uint64_t counter_put(struct counter_sink *sink, const struct counter_value *value)
{
	if (value->instance.length > COUNTER_NAME_MOST || !value->name.length || value->name.length > COUNTER_NAME_MOST ||
	    (value->instance.length && memchr(value->instance.data, 0, value->instance.length)) ||
	    memchr(value->name.data, 0, value->name.length))
		return 0;
	struct entry *entry = next_entry(sink, value);
	if (!entry || entry->seen == sink->counters->look)
		return 0; /* the same name twice: the first one counts */
	uint64_t growth = value->whole;
	double rate = NAN;
	if (entry->looked_ns) {
		if (!grown(entry, value, &growth))
			growth = 0;
		else if (value->kind == COUNTER_TOTAL && sink->now_ns > entry->looked_ns)
			rate = (double)growth * 1e9 / (double)(sink->now_ns - entry->looked_ns);
	}
	entry->before = value->whole;
	entry->looked_ns = sink->now_ns;
	entry->seen = sink->counters->look;
	if (entry->place == NOWHERE)
		return growth;
	struct counter *counter = &sink->counters->list[entry->place];
	counter->whole = value->whole;
	counter->value = value->unit == COUNTER_RATIO ? value->value
	                 : value->negative            ? (double)(int64_t)value->whole
	                                              : (double)value->whole;
	counter->rate = rate;
	counter->there = true;
	return growth;
}

/* What its source did not put this time is not there. Only looked for when something came out of its order, or less than before. */
static void after_look(struct counters *counters, const struct counter_sink *sink)
{
	struct source_state *state = &counters->sources[sink->source];
	if (!sink->disordered && sink->at == state->order_count)
		return;
	state->order_count = sink->at;
	for (uint32_t i = 0; i < counters->entry_count; i++) {
		struct entry *entry = &counters->entries[i];
		if (entry->source != sink->source || entry->seen == counters->look)
			continue;
		entry->looked_ns = 0;
		if (entry->place != NOWHERE)
			counters->list[entry->place].there = false;
	}
}

void counters_feed(struct counters *counters, size_t source, struct weir_bytes text, int64_t now_ns)
{
	struct counter_sink sink = {.counters = counters, .source = (uint16_t)source, .now_ns = now_ns};
	counters->look++;
	counters->sources[source].source->parse(&sink, text);
	after_look(counters, &sink);
}

/* ---- reading ---- */

/* The whole file as it is now. Kernel files give a page or so at a time, and end at 0. Length, or a negative errno. */
static int64_t read_all(struct counters *counters, int file)
{
	size_t length = 0;
	for (;;) {
		if (length == counters->text_room) {
			size_t room = counters->text_room ? counters->text_room * 2 : FILE_FIRST;
			uint8_t *text = room <= FILE_MOST ? realloc(counters->text, room) : NULL;
			if (!text)
				return room <= FILE_MOST ? -ENOMEM : (int64_t)length;
			counters->text = text;
			counters->text_room = room;
		}
		int64_t got = os_read_at(file, counters->text + length, counters->text_room - length, length);
		if (got <= 0)
			return got < 0 ? got : (int64_t)length;
		length += (size_t)got;
	}
}

static void look_at(struct counters *counters, size_t source)
{
	struct source_state *state = &counters->sources[source];
	if (!state->open)
		return;
	if (state->file >= 0) {
		int64_t length = read_all(counters, state->file);
		counters_feed(counters, source, (struct weir_bytes){counters->text, length > 0 ? (size_t)length : 0}, clock_monotonic_ns());
		return;
	}
	struct counter_sink sink = {.counters = counters, .source = (uint16_t)source, .now_ns = clock_monotonic_ns()};
	counters->look++;
	if (state->source->look(state->own, &sink))
		after_look(counters, &sink);
}

static int look_at_all(struct counters *counters, struct weir_fault *fault)
{
	for (size_t i = 0; i < counters->source_count; i++)
		look_at(counters, i);
	if (counters->too_many && !counters->told_too_many) {
		counters->told_too_many = true;
		text_add_format(&counters->lack, "%smore than %u counters: the rest is left out", counters->lack.length ? "; " : "",
		                (unsigned)COUNTERS_MOST);
	}
	bool failed = counters->failed;
	counters->failed = false;
	return failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for counters") : 0;
}

static void keep_history(struct counters *counters)
{
	size_t slot = counters->refreshes % COUNTERS_HISTORY;
	for (uint32_t i = 0; i < counters->count; i++) {
		const struct counter *counter = &counters->list[i];
		double value = counter->kind == COUNTER_TOTAL ? counter->rate : counter->value;
		counters->history[i][slot] = counter->there ? (float)value : NAN;
	}
	counters->refreshes++;
}

int counters_refresh(struct counters *counters, struct weir_fault *fault)
{
	int status = look_at_all(counters, fault);
	keep_history(counters);
	return status;
}

/* ---- opening ---- */

static void lacks(struct counters *counters, const char *what, const char *why)
{
	text_add_format(&counters->lack, "%s%s%s%s", counters->lack.length ? "; " : "", what ? what : "", what ? ": " : "", why);
}

static void open_source(struct counters *counters, struct source_state *state)
{
	const struct counter_source *source = state->source;
	state->file = -1;
	if (!source_is_wanted(counters, source))
		return;
	if (source->path) {
		state->file = open(source->path, O_RDONLY | O_CLOEXEC);
		int error = errno;
		char byte;
		/* Some are there and can't be read: pressure when it is turned off. */
		if (state->file >= 0 && os_read_at(state->file, &byte, 1, 0) < 0) {
			error = EOPNOTSUPP;
			close(state->file);
			state->file = -1;
		}
		state->open = state->file >= 0;
		if (!state->open && !(source->often_missing && error != EACCES && error != EPERM))
			lacks(counters, source->path,
			      error == EACCES || error == EPERM ? "may not be read by this user (root may)"
			      : source->lack                    ? source->lack
			                                        : "this kernel does not have it");
		return;
	}
	const char *lack = NULL;
	state->own = source->open(&lack);
	state->open = state->own != NULL;
	if (lack)
		lacks(counters, NULL, lack);
}

static int check_names(const struct counters *counters, struct weir_fault *fault)
{
	for (size_t i = 0; i < counters->pattern_count; i++)
		if (!counters->name_hit[i])
			return weir_fail(fault, WEIR_E_NOT_FOUND, "no counter is called %s%s%s", counters->patterns[i],
			                 counters->lack.length ? " (" : "; `weir counters` lists them",
			                 counters->lack.length ? counters_lack(counters) : "");
	return 0;
}

static int take_patterns(struct counters *counters, const char *const *names, size_t count)
{
	counters->patterns = calloc(count + 1, sizeof *counters->patterns);
	counters->name_hit = calloc(count + 1, sizeof *counters->name_hit);
	if (!counters->patterns || !counters->name_hit)
		return -1;
	for (size_t i = 0; i < count; i++) {
		counters->patterns[i] = strdup(names[i]);
		if (!counters->patterns[i])
			return -1;
		counters->pattern_count++;
	}
	return 0;
}

int counters_new(const struct counter_source *const *sources, const char *const *names, size_t count, struct counters **opened,
                 struct weir_fault *fault)
{
	struct counters *counters = calloc(1, sizeof *counters);
	size_t source_count = 0;
	while (sources[source_count])
		source_count++;
	if (counters) {
		counters->arena = arena_new(NAMES_BYTES);
		counters->slots = malloc(SLOTS * sizeof *counters->slots);
		counters->sources = calloc(source_count + 1, sizeof *counters->sources);
	}
	if (!counters || !counters->arena || !counters->slots || !counters->sources || take_patterns(counters, names, count)) {
		counters_close(counters);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for counters");
	}
	for (uint32_t i = 0; i < SLOTS; i++)
		counters->slots[i] = NOWHERE;
	counters->source_count = source_count;
	for (size_t i = 0; i < source_count; i++)
		counters->sources[i] = (struct source_state){.source = sources[i], .file = -1};
	*opened = counters;
	return 0;
}

int counters_open(const char *const *names, size_t count, struct counters **opened, struct weir_fault *fault)
{
	struct counters *counters;
	int status = counters_new(counter_sources, names, count, &counters, fault);
	if (status)
		return status;
	for (size_t i = 0; i < counters->source_count; i++)
		open_source(counters, &counters->sources[i]);
	/* To know the names. It does not count as a look: a rate over the moment between here and the first one would be noise. */
	status = look_at_all(counters, fault);
	if (!status)
		status = check_names(counters, fault);
	if (status) {
		counters_close(counters);
		return status;
	}
	for (uint32_t i = 0; i < counters->entry_count; i++)
		counters->entries[i].looked_ns = 0;
	*opened = counters;
	return 0;
}

void counters_close(struct counters *counters)
{
	if (!counters)
		return;
	for (size_t i = 0; i < counters->source_count; i++) {
		struct source_state *state = &counters->sources[i];
		if (state->file >= 0)
			close(state->file);
		if (state->own)
			state->source->close(state->own);
		free(state->order);
	}
	for (size_t i = 0; i < counters->pattern_count; i++)
		free(counters->patterns[i]);
	free(counters->patterns);
	free(counters->name_hit);
	free(counters->sources);
	free(counters->slots);
	free(counters->entries);
	free(counters->list);
	free(counters->history);
	free(counters->history_from);
	free(counters->text);
	text_free(&counters->lack);
	arena_free(counters->arena);
	free(counters);
}

/* ---- what is asked ---- */

const char *counters_lack(const struct counters *counters) { return text_string(&counters->lack); }

const struct counter *counters_list(const struct counters *counters, size_t *count)
{
	*count = counters->count;
	return counters->list;
}

const struct counter *counters_named(const struct counters *counters, const char *group, const char *instance, const char *name)
{
	uint32_t found = find_entry(counters, group, bytes_of(instance), bytes_of(name));
	if (found == NOWHERE || counters->entries[found].place == NOWHERE)
		return NULL;
	return &counters->list[counters->entries[found].place];
}

size_t counters_history(const struct counters *counters, const struct counter *counter, double out[static COUNTERS_HISTORY])
{
	size_t place = (size_t)(counter - counters->list), count = 0;
	/* The first look gives a total no rate. */
	uint32_t from = counters->history_from[place] + (counter->kind == COUNTER_TOTAL);
	if (counters->refreshes > COUNTERS_HISTORY && from < counters->refreshes - COUNTERS_HISTORY)
		from = counters->refreshes - COUNTERS_HISTORY;
	for (uint32_t i = from; i < counters->refreshes; i++)
		out[count++] = (double)counters->history[place][i % COUNTERS_HISTORY];
	return count;
}
