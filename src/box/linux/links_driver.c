/* What drivers tell of links, by ethtool's ioctls: box/linux/links_store.h. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "box/linux/links_store.h"

#define FEATURES_MOST 1024u

static bool ask(int socket, const struct link *link, void *question)
{
	struct ifreq request = {.ifr_data = question};

	if (snprintf(request.ifr_name, sizeof request.ifr_name, "%s", link->name) >= (int)sizeof request.ifr_name)
		return false;
	return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

void links_driver_speed(int socket, struct link *link)
{
	/* The modes that it could have stand behind it; asked with room for none, it says how many words they take, negative. */
	struct {
		struct ethtool_link_settings settings;
		uint32_t masks[3 * 128];
	} answer = {.settings.cmd = ETHTOOL_GLINKSETTINGS};

	link->speed = LINK_NONE;
	link->duplex = LINK_DUPLEX_UNKNOWN;
	link->autonegotiates = false;
	if (!ask(socket, link, &answer) || answer.settings.link_mode_masks_nwords >= 0)
		return;
	answer.settings.cmd = ETHTOOL_GLINKSETTINGS;
	answer.settings.link_mode_masks_nwords = (int8_t)-answer.settings.link_mode_masks_nwords;
	if (!ask(socket, link, &answer))
		return;
	if (answer.settings.speed != 0 && answer.settings.speed != (uint32_t)SPEED_UNKNOWN)
		link->speed = answer.settings.speed;
	link->duplex = answer.settings.duplex == DUPLEX_FULL ? LINK_DUPLEX_FULL : answer.settings.duplex == DUPLEX_HALF ? LINK_DUPLEX_HALF : LINK_DUPLEX_UNKNOWN;
	link->autonegotiates = answer.settings.autoneg == AUTONEG_ENABLE;
}

static void copy_text(char *to, size_t size, const char *from, size_t length)
{
	snprintf(to, size, "%.*s", (int)strnlen(from, length), from);
}

/* Names of the features, and which of them are on. */
static void ask_offloads(int socket, struct link *link)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t size;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};

	if (!ask(socket, link, &set) || set.info.sset_mask == 0)
		return;
	uint32_t count = set.size < FEATURES_MOST ? set.size : FEATURES_MOST, blocks = (count + 31) / 32;
	struct ethtool_gstrings *names = calloc(1, sizeof *names + (size_t)count * ETH_GSTRING_LEN);
	struct ethtool_gfeatures *features = calloc(1, sizeof *features + blocks * sizeof features->features[0]);
	struct link_offload *offloads = count ? calloc(count, sizeof *offloads) : NULL;
	if (!names || !features || !offloads)
		goto end;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	if (!ask(socket, link, names) || !ask(socket, link, features) || names->len > count || features->size > blocks)
		goto end;
	link->offload_count = 0;
	for (uint32_t i = 0; i < names->len && i / 32 < features->size; i++) {
		const struct ethtool_get_features_block *block = &features->features[i / 32];
		uint32_t bit = 1u << i % 32;
		struct link_offload *offload = &offloads[link->offload_count];
		copy_text(offload->name, sizeof offload->name, (const char *)names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
		if (!offload->name[0])
			continue;
		offload->on = block->active & bit;
		offload->fixed = block->never_changed & bit || !(block->available & bit);
		link->offload_count++;
	}
	free(link->offloads);
	link->offloads = offloads;
	offloads = NULL;
end:
	free(offloads);
	free(features);
	free(names);
}

void links_driver_ask(int socket, struct link *link)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	links_driver_speed(socket, link);
	if (ask(socket, link, &driver)) {
		copy_text(link->driver, sizeof link->driver, driver.driver, sizeof driver.driver);
		copy_text(link->firmware, sizeof link->firmware, driver.fw_version, sizeof driver.fw_version);
		copy_text(link->bus, sizeof link->bus, driver.bus_info, sizeof driver.bus_info);
	}
	link->ring = (struct link_ring){LINK_NONE, LINK_NONE, LINK_NONE, LINK_NONE};
	if (ask(socket, link, &ring))
		link->ring = (struct link_ring){ring.rx_pending, ring.rx_max_pending, ring.tx_pending, ring.tx_max_pending};
	link->channels = link->channels_most = LINK_NONE;
	if (ask(socket, link, &channels)) {
		link->channels = channels.combined_count + (channels.rx_count > channels.tx_count ? channels.rx_count : channels.tx_count);
		link->channels_most = channels.max_combined + (channels.max_rx > channels.max_tx ? channels.max_rx : channels.max_tx);
	}
	ask_offloads(socket, link);
}
