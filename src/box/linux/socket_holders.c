/* Who has a socket open, from /proc: box/linux/socket_holders.h. */
#include "box/linux/socket_holders.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "os/process.h"

#define INODES_MOST (1u << 22)
#define WALK_AFTER_NS (5 * NS_PER_SECOND) /* a socket may have been passed on, and whoever had it have ended */

struct held {
	uint64_t inode; /* 0: free */
	uint32_t pid;
	bool several;
};

struct socket_holders {
	struct held *table;
	size_t mask, count;
	int64_t walked_ns;
	bool walked, sees_all;
};

struct socket_holders *socket_holders_new(void)
{
	struct socket_holders *holders = calloc(1, sizeof *holders);

	if (!holders)
		return NULL;
	holders->mask = 4095;
	holders->table = calloc(holders->mask + 1, sizeof *holders->table);
	holders->sees_all = true;
	if (!holders->table) {
		free(holders);
		return NULL;
	}
	return holders;
}

void socket_holders_free(struct socket_holders *holders)
{
	if (!holders)
		return;
	free(holders->table);
	free(holders);
}

void socket_holders_begin(struct socket_holders *holders) { holders->walked = false; }

bool socket_holders_see_all(const struct socket_holders *holders) { return holders->sees_all; }

static struct held *slot_of(const struct socket_holders *holders, uint64_t inode)
{
	size_t i = inode * UINT64_C(0x9e3779b97f4a7c15) >> 20 & holders->mask;

	while (holders->table[i].inode && holders->table[i].inode != inode)
		i = (i + 1) & holders->mask;
	return &holders->table[i];
}

static bool grow(struct socket_holders *holders)
{
	struct held *before = holders->table;
	size_t size = holders->mask + 1;
	struct held *more = size < INODES_MOST ? calloc(size * 2, sizeof *more) : NULL;

	if (!more)
		return false;
	holders->table = more;
	holders->mask = size * 2 - 1;
	for (size_t i = 0; i < size; i++)
		if (before[i].inode)
			*slot_of(holders, before[i].inode) = before[i];
	free(before);
	return true;
}

static void take(uint32_t pid, uint64_t inode, void *argument)
{
	struct socket_holders *holders = argument;
	struct held *held = slot_of(holders, inode);

	if (held->inode) {
		held->several = held->several || held->pid != pid;
		return;
	}
	if (holders->count * 2 > holders->mask) {
		if (!grow(holders))
			return;
		held = slot_of(holders, inode);
	}
	*held = (struct held){.inode = inode, .pid = pid};
	holders->count++;
}

static void walk(struct socket_holders *holders)
{
	memset(holders->table, 0, (holders->mask + 1) * sizeof *holders->table);
	holders->count = 0;
	holders->walked = true;
	holders->walked_ns = clock_monotonic_ns();
	holders->sees_all = os_process_sockets(take, holders);
}
uint32_t socket_holders_find(struct socket_holders *holders, uint64_t inode, bool *several)
{
	const struct held *held;

	*several = false;
	if (inode == 0)
		return 0;
	held = slot_of(holders, inode);
	if (!holders->walked && (!held->inode || clock_monotonic_ns() - holders->walked_ns > WALK_AFTER_NS)) {
		walk(holders);
		held = slot_of(holders, inode);
	}
	*several = held->several;
	return held->inode ? held->pid : 0;
}
