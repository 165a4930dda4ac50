/* live/link.c: what Linux tells of an interface. */
#include "live/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

#define HARDWARE_RAWIP 519 /* ARPHRD_RAWIP, which the C library's header does not have */

static const struct {
	uint16_t hardware, linktype;
} link_types[] = {
	{ARPHRD_ETHER, LINKTYPE_ETHERNET_NUMBER},
	{ARPHRD_LOOPBACK, LINKTYPE_ETHERNET_NUMBER},
	{ARPHRD_NONE, 101},
	{HARDWARE_RAWIP, 101},
	{ARPHRD_TUNNEL, 101},
	{ARPHRD_TUNNEL6, 101},
	{ARPHRD_SIT, 101},
	{ARPHRD_IEEE80211, 105},
	{ARPHRD_IEEE80211_PRISM, 119},
	{ARPHRD_IEEE80211_RADIOTAP, 127},
};

uint16_t link_type_of(unsigned hardware, bool *cooked)
{
	*cooked = false;
	for (size_t i = 0; i < sizeof link_types / sizeof link_types[0]; i++)
		if (link_types[i].hardware == hardware)
			return link_types[i].linktype;
	*cooked = true;
	return LINKTYPE_LINUX_SLL2_NUMBER;
}

static int request(int socket, const char *name, unsigned long number, struct ifreq *ifreq)
{
	snprintf(ifreq->ifr_name, sizeof ifreq->ifr_name, "%s", name);
	return ioctl(socket, number, ifreq) < 0 ? -errno : 0;
}

int link_index(int socket, const char *name)
{
	struct ifreq ifreq = {0};
	int status = request(socket, name, SIOCGIFINDEX, &ifreq);
	return status ? status : ifreq.ifr_ifindex;
}

int link_hardware(int socket, const char *name)
{
	struct ifreq ifreq = {0};
	int status = request(socket, name, SIOCGIFHWADDR, &ifreq);
	return status ? status : ifreq.ifr_hwaddr.sa_family;
}

int link_flags(int socket, const char *name)
{
	struct ifreq ifreq = {0};
	int status = request(socket, name, SIOCGIFFLAGS, &ifreq);
	return status ? status : (unsigned short)ifreq.ifr_flags;
}

/* A card's clock often runs free, or on TAI. Its times are taken only when they agree with the system's to this. */
#define CLOCK_AGREES_NS (50 * INT64_C(1000000))

static bool clock_agrees(int index)
{
	char path[32];
	snprintf(path, sizeof path, "/dev/ptp%d", index);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	struct timespec time = {0};
	/* The kernel's FD_TO_CLOCKID: a clock that is a file descriptor. */
	int status = clock_gettime((clockid_t)((~(unsigned)file << 3) | 3), &time);
	int64_t apart = (int64_t)time.tv_sec * NS_PER_SECOND + time.tv_nsec - clock_wall_ns();
	close(file);
	return status == 0 && apart > -CLOCK_AGREES_NS && apart < CLOCK_AGREES_NS;
}

bool link_hardware_timestamps(int socket, const char *name)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	struct ifreq ifreq = {.ifr_data = (char *)&info};
	if (request(socket, name, SIOCETHTOOL, &ifreq) || !(info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE) ||
	    !(info.rx_filters & (1u << HWTSTAMP_FILTER_ALL)) || info.phc_index < 0 || !clock_agrees(info.phc_index))
		return false;
	struct hwtstamp_config config = {.tx_type = HWTSTAMP_TX_OFF, .rx_filter = HWTSTAMP_FILTER_ALL};
	ifreq = (struct ifreq){.ifr_data = (char *)&config};
	if (request(socket, name, SIOCSHWTSTAMP, &ifreq))
		return false;
	int kind = SOF_TIMESTAMPING_RAW_HARDWARE;
	return setsockopt(socket, SOL_PACKET, PACKET_TIMESTAMP, &kind, sizeof kind) == 0;
}

/*
 * rx_dropped comes last and counts only where there is a card: for packets that no protocol took although the ring has them, such as
 * those of a VLAN without a device, the kernel counts it too, and with virtual interfaces that is all it would tell.
 */
static const char *const counter_names[LINK_COUNTERS] = {"rx_missed_errors", "rx_fifo_errors", "rx_dropped"};

static bool counter_read(int file, uint64_t *value)
{
	char text[32];
	ssize_t length = pread(file, text, sizeof text - 1, 0);
	if (length <= 0)
		return false;
	text[length] = '\0';
	*value = strtoull(text, NULL, 10);
	return true;
}

void link_counters_open(struct link_counters *counters, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "/sys/class/net/%s/device", name);
	bool card = access(path, F_OK) == 0;
	counters->dropped = 0;
	for (size_t i = 0; i < LINK_COUNTERS; i++) {
		snprintf(path, sizeof path, "/sys/class/net/%s/statistics/%s", name, counter_names[i]);
		counters->files[i] = i == LINK_COUNTERS - 1 && !card ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		counters->last[i] = 0;
		if (counters->files[i] >= 0)
			counter_read(counters->files[i], &counters->last[i]);
	}
}

void link_counters_read(struct link_counters *counters)
{
	for (size_t i = 0; i < LINK_COUNTERS; i++) {
		uint64_t value;
		if (counters->files[i] < 0 || !counter_read(counters->files[i], &value))
			continue;
		/* A driver that was reset starts again from zero. */
		counters->dropped += value >= counters->last[i] ? value - counters->last[i] : value;
		counters->last[i] = value;
	}
}

void link_counters_close(struct link_counters *counters)
{
	for (size_t i = 0; i < LINK_COUNTERS; i++)
		if (counters->files[i] >= 0)
			close(counters->files[i]);
}

int link_interfaces(struct weir_live_interface **list, size_t *count, struct weir_fault *fault)
{
	struct if_nameindex *names = if_nameindex();
	if (!names)
		return weir_fail_errno(fault, errno, NULL, "cannot list the interfaces");
	size_t number = 0;
	while (names[number].if_index)
		number++;
	struct weir_live_interface *found = calloc(number + 1, sizeof *found);
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int status = 0;
	if (!found) {
		status = weir_fail(fault, WEIR_E_MEMORY, "no memory for the list of interfaces");
	} else if (any < 0) {
		status = weir_fail_errno(fault, errno, NULL, "cannot open a socket");
		free(found);
	} else {
		for (size_t i = 0; i < number; i++) {
			snprintf(found[i].name, sizeof found[i].name, "%s", names[i].if_name);
			int flags = link_flags(any, found[i].name), hardware = link_hardware(any, found[i].name);
			bool cooked;
			found[i].up = flags >= 0 && (flags & IFF_UP);
			found[i].loopback = flags >= 0 && (flags & IFF_LOOPBACK);
			found[i].linktype = link_type_of(hardware >= 0 ? (unsigned)hardware : ARPHRD_VOID, &cooked);
		}
		*list = found;
		*count = number;
	}
	if (any >= 0)
		close(any);
	if_freenameindex(names);
	return status;
}
