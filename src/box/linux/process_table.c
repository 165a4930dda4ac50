/* Processes by number: box/linux/process_table.h. */
#include "box/linux/process_table.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/xxh3.h"
#include "os/process.h"

#define STRINGS_BYTES_MOST (UINT64_C(32) << 20)
#define PIDS 65536u /* more than the kernel's side remembers that it has told; the one with the same last bits makes way */

struct string {
	struct string *next;
	size_t length;
	uint8_t bytes[];
};

struct user {
	uint32_t user_id;
	struct weir_bytes name;
};

struct process_table {
	struct weir_arena *arena;
	struct string **strings; /* by hash */
	size_t strings_mask;
	struct user *users;
	size_t user_count;
	struct process_known *by_pid[PIDS];
};

static int by_id(const void *a, const void *b)
{
	const struct user *one = a, *other = b;

	return one->user_id < other->user_id ? -1 : one->user_id > other->user_id;
}

static void read_users(struct process_table *table)
{
	const struct passwd *entry;
	size_t room = 0;

	setpwent();
	while ((entry = getpwent())) {
		if (table->user_count == room) {
			struct user *more = realloc(table->users, (room = room ? room * 2 : 64) * sizeof *more);
			if (!more)
				break;
			table->users = more;
		}
		struct weir_bytes name = process_table_string(table, entry->pw_name, strlen(entry->pw_name));
		table->users[table->user_count++] = (struct user){entry->pw_uid, name};
	}
	endpwent();
	if (table->user_count)
		qsort(table->users, table->user_count, sizeof *table->users, by_id);
}

struct process_table *process_table_new(void)
{
	struct process_table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	table->strings_mask = 8191;
	table->strings = calloc(table->strings_mask + 1, sizeof *table->strings);
	table->arena = arena_new(STRINGS_BYTES_MOST);
	if (!table->strings || !table->arena) {
		process_table_free(table);
		return NULL;
	}
	read_users(table);
	return table;
}

void process_table_free(struct process_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < PIDS; i++)
		process_known_drop(table->by_pid[i]);
	if (table->arena)
		arena_free(table->arena);
	free(table->strings);
	free(table->users);
	free(table);
}

struct weir_bytes process_table_string(struct process_table *table, const void *data, size_t length)
{
	struct string **slot, *string;

	if (length == 0)
		return (struct weir_bytes){0};
	slot = &table->strings[xxh3_seeded(data, length, (uintptr_t)table) & table->strings_mask];
	for (string = *slot; string; string = string->next)
		if (string->length == length && memcmp(string->bytes, data, length) == 0)
			return (struct weir_bytes){string->bytes, length};
	string = arena_take(table->arena, sizeof *string + length);
	if (!string)
		return (struct weir_bytes){0};
	*string = (struct string){.next = *slot, .length = length};
	memcpy(string->bytes, data, length);
	*slot = string;
	return (struct weir_bytes){string->bytes, length};
}

static struct weir_bytes user_name(const struct process_table *table, uint32_t user_id)
{
	const struct user key = {.user_id = user_id};
	const struct user *found = table->user_count ? bsearch(&key, table->users, table->user_count, sizeof key, by_id) : NULL;

	return found ? found->name : (struct weir_bytes){0};
}

static struct process_known *keep(struct process_table *table, const struct weir_process *process)
{
	struct process_known *known = calloc(1, sizeof *known);
	struct process_known **slot = &table->by_pid[process->pid % PIDS];

	if (!known)
		return NULL;
	known->process = *process;
	known->process.user = user_name(table, process->user_id);
	known->references = 1;
	process_known_drop(*slot);
	*slot = known;
	return known;
}

/* The names come from the last to the first, each ended by a zero. */
static size_t turn_path(const struct process_event *event, char *path)
{
	size_t length = event->path_length < sizeof event->path ? event->path_length : sizeof event->path, at = length, written = 0;

	while (at > 0) {
		size_t end = at - 1, begin = end;
		if (event->path[end])
			return 0;
		while (begin > 0 && event->path[begin - 1])
			begin--;
		path[written++] = '/';
		memcpy(path + written, event->path + begin, end - begin);
		written += end - begin;
		at = begin;
	}
	return written;
}

void process_table_tell(struct process_table *table, const struct process_event *event)
{
	char path[sizeof event->path + 1];
	struct weir_process process = {.pid = event->pid, .user_id = event->user_id};

	process.name = process_table_string(table, event->name, strnlen(event->name, sizeof event->name));
	if (event->path_whole)
		process.executable = process_table_string(table, path, turn_path(event, path));
	keep(table, &process);
}

static struct process_known *read_process(struct process_table *table, uint32_t pid)
{
	struct os_process found;
	struct weir_process process = {.pid = pid};

	if (os_process_read(pid, &found, NULL) < 0)
		return NULL;
	process.user_id = found.user_id;
	process.name = process_table_string(table, found.name, strnlen(found.name, 15));
	process.executable = process_table_string(table, found.executable, strlen(found.executable));
	return keep(table, &process);
}

struct process_known *process_table_find(struct process_table *table, uint32_t pid, uint32_t user_id)
{
	struct process_known *known = table->by_pid[pid % PIDS];

	if (pid == 0)
		return NULL;
	if (!known || known->process.pid != pid)
		known = read_process(table, pid);
	if (known && user_id != WEIR_NO_USER && known->process.user_id != user_id) {
		/* It has changed its user since. */
		struct weir_process changed = known->process;
		changed.user_id = user_id;
		known = keep(table, &changed);
	}
	if (known)
		known->references++;
	return known;
}

void process_known_hold(struct process_known *process) { process->references++; }

void process_known_drop(struct process_known *process)
{
	if (process && --process->references == 0)
		free(process);
}
