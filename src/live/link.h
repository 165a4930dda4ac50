/* live/link.h: what Linux tells of an interface: its link type, whether it is up, the card's counters, its clock. */
#ifndef LIVE_LINK_H
#define LIVE_LINK_H

#include <weir/live.h>

#define LINKTYPE_ETHERNET_NUMBER 1
#define LINKTYPE_LINUX_SLL2_NUMBER 276

/*
 * The link type for an ARPHRD_… number; *cooked is set when packets are to be taken without their link header, because
 * it has none that a file can name.
 */
uint16_t link_type_of(unsigned hardware, bool *cooked);

/* Each by ioctl on any socket of the interface's network namespace. Negative: -errno. */
int link_index(int socket, const char *name);
int link_hardware(int socket, const char *name);
int link_flags(int socket, const char *name);

/*
 * Turns hardware receive timestamps on when the card has them for all packets and its clock goes with the system's; true when packets
 * will carry them.
 */
bool link_hardware_timestamps(int socket, const char *name);

/* Counters of packets that the card or its driver dropped before any socket could see them. */
#define LINK_COUNTERS 3
struct link_counters {
	int files[LINK_COUNTERS];
	uint64_t last[LINK_COUNTERS];
	uint64_t dropped; /* since link_counters_open */
};
void link_counters_open(struct link_counters *counters, const char *name);
void link_counters_read(struct link_counters *counters);
void link_counters_close(struct link_counters *counters);

int link_interfaces(struct weir_live_interface **list, size_t *count, struct weir_fault *fault);

#endif
