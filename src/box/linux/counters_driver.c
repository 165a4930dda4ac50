/* What a card's driver counts by itself (ethtool -S), and the sizes of its rings (ethtool -g). */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box/linux/counters_sources.h"
#include "core/clock.h"
#include "os/files.h"

#define CARDS_MOST 256
#define STATISTICS_MOST 4096u
#define DEAR_NS INT64_C(1000000) /* cards that take longer than this to tell are asked at every tenth look */
#define SELDOM 10

struct card {
	char name[IFNAMSIZ];
	uint32_t count;              /* of statistics */
	char (*names)[ETH_GSTRING_LEN];
	struct ethtool_stats *values;
	bool seen;
};

struct driver {
	int socket, list; /* list: /proc/net/dev, which names the interfaces */
	struct card cards[CARDS_MOST];
	size_t count;
	unsigned looks;
	bool dear;
	char text[64 << 10];
};

static bool ask(const struct driver *driver, const char *name, void *what)
{
	struct ifreq request = {.ifr_data = what};
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	return ioctl(driver->socket, SIOCETHTOOL, &request) == 0;
}

static void forget(struct card *card)
{
	free(card->names);
	free(card->values);
	*card = (struct card){0};
}

/* The names of its statistics. None: it has none. */
static void learn(const struct driver *driver, struct card *card)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1u << ETH_SS_STATS}};
	if (!ask(driver, card->name, &set) || !set.info.sset_mask || !set.count || set.count > STATISTICS_MOST)
		return;
	struct ethtool_gstrings *strings = calloc(1, sizeof *strings + (size_t)set.count * ETH_GSTRING_LEN);
	card->names = calloc(set.count, ETH_GSTRING_LEN);
	card->values = calloc(1, sizeof *card->values + set.count * sizeof(uint64_t));
	if (strings && card->names && card->values) {
		strings->cmd = ETHTOOL_GSTRINGS;
		strings->string_set = ETH_SS_STATS;
		strings->len = set.count;
		if (ask(driver, card->name, strings) && strings->len == set.count) {
			memcpy(card->names, strings->data, (size_t)set.count * ETH_GSTRING_LEN);
			card->count = set.count;
		}
	}
	free(strings);
}

static struct card *card_named(struct driver *driver, struct weir_bytes name)
{
	for (size_t i = 0; i < driver->count; i++)
		if (bytes_are(name, driver->cards[i].name))
			return &driver->cards[i];
	if (driver->count == CARDS_MOST || name.length >= IFNAMSIZ)
		return NULL;
	struct card *card = &driver->cards[driver->count++];
	*card = (struct card){0};
	memcpy(card->name, name.data, name.length);
	learn(driver, card);
	return card;
}

static void put_statistics(struct driver *driver, struct card *card, struct counter_sink *sink)
{
	if (!card->count)
		return;
	card->values->cmd = ETHTOOL_GSTATS;
	card->values->n_stats = card->count;
	/* Another number of them: the driver was set up anew. They are learnt again at the next look. */
	if (!ask(driver, card->name, card->values) || card->values->n_stats != card->count) {
		card->seen = false;
		return;
	}
	sink->now_ns = clock_monotonic_ns();
	for (uint32_t i = 0; i < card->count; i++) {
		struct weir_bytes name = {(const uint8_t *)card->names[i], strnlen(card->names[i], ETH_GSTRING_LEN)};
		while (name.length && *name.data == ' ') {
			name.data++;
			name.length--;
		}
		counter_put(sink, &(struct counter_value){.group = "driver",
		                                          .instance = bytes_of(card->name),
		                                          .name = name,
		                                          .whole = card->values->data[i]});
	}
}

static void put_rings(struct driver *driver, struct card *card, struct counter_sink *sink)
{
	struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};
	if (!ask(driver, card->name, &ring))
		return;
	const struct {
		const char *name;
		uint32_t size;
	} sizes[] = {{"receive_size", ring.rx_pending}, {"receive_size_most", ring.rx_max_pending}, {"send_size", ring.tx_pending}, {"send_size_most", ring.tx_max_pending}};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		counter_put(sink, &(struct counter_value){.group = "ring",
		                                          .instance = bytes_of(card->name),
		                                          .name = bytes_of(sizes[i].name),
		                                          .meaning = "packets that the card's ring holds",
		                                          .kind = COUNTER_LEVEL,
		                                          .unit = COUNTER_PACKETS,
		                                          .whole = sizes[i].size});
}

static void drop_unseen(struct driver *driver)
{
	for (size_t i = driver->count; i-- > 0;)
		if (!driver->cards[i].seen) {
			forget(&driver->cards[i]);
			driver->cards[i] = driver->cards[--driver->count];
			driver->cards[driver->count] = (struct card){0};
		}
}

static bool look(void *state, struct counter_sink *sink)
{
	struct driver *driver = state;
	if (driver->dear && driver->looks++ % SELDOM)
		return false;
	int64_t length = os_read_at(driver->list, driver->text, sizeof driver->text, 0), more = length;
	while (more > 0 && length < (int64_t)sizeof driver->text) {
		more = os_read_at(driver->list, driver->text + length, sizeof driver->text - (size_t)length, (uint64_t)length);
		length += more > 0 ? more : 0;
	}
	struct weir_bytes text = {(const uint8_t *)driver->text, length > 0 ? (size_t)length : 0}, line, name;
	int64_t began = clock_monotonic_ns();
	for (size_t i = 0; i < driver->count; i++)
		driver->cards[i].seen = false;
	while (take_line(&text, &line)) {
		struct card *card = take_interface(&line, &name) ? card_named(driver, name) : NULL;
		if (!card)
			continue;
		card->seen = true;
		put_statistics(driver, card, sink);
		put_rings(driver, card, sink);
	}
	drop_unseen(driver);
	driver->dear = clock_monotonic_ns() - began > DEAR_NS;
	return true;
}

static void close_driver(void *state)
{
	struct driver *driver = state;
	for (size_t i = 0; i < driver->count; i++)
		forget(&driver->cards[i]);
	if (driver->socket >= 0)
		close(driver->socket);
	if (driver->list >= 0)
		close(driver->list);
	free(driver);
}

static void *open_driver(const char **lack)
{
	struct driver *driver = calloc(1, sizeof *driver);
	if (!driver) {
		*lack = "drivers' counters: no memory";
		return NULL;
	}
	driver->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	driver->list = open("/proc/net/dev", O_RDONLY | O_CLOEXEC);
	if (driver->socket >= 0 && driver->list >= 0)
		return driver;
	*lack = "drivers' counters: no socket, or /proc/net/dev can't be read";
	close_driver(driver);
	return NULL;
}

const struct counter_source driver_source = {.groups = "driver ring", .open = open_driver, .look = look, .close = close_driver};
