/* tests/tools/plant.h: what the parts of plant share. */
#ifndef TOOLS_PLANT_H
#define TOOLS_PLANT_H

#include <weir/flow.h>

#include "core/text.h"

/* The values that are planted; in the twin others of the same form. */
struct values {
	uint8_t ipv4[4], other_ipv4[4], ipv6[16], mac[6];
	const char *name, *host; /* a domain name, and a name of one label */
	uint8_t payload[24];
};

/* Where a thing is put: a folder, and the number of the file that is next. */
struct planting {
	const char *folder;
	unsigned number;
};

void fail(const char *what);

/* A new file's path into path: "FOLDER/NNN-WHAT". */
void next_path(struct planting *planting, const char *what, char path[static 512]);
void write_file(const char *path, const void *data, size_t length);

/* pcapng (plant_packets.c). */
void put_section(struct text *out, const char *application);
void put_interface(struct text *out, const char *name, const char *description);
void put_packet(struct text *out, const void *data, size_t length, const char *comment);
void put_block(struct text *out, uint32_t type, const void *body, size_t length);
/* A frame of Ethernet, IPv4 and UDP with this payload, of hosts that are nobody's. */
size_t udp_frame(uint8_t *out, uint16_t port, const void *payload, size_t length);
void write_capture(struct planting *planting, const char *what, const void *frame, size_t length);
void plant_fields(struct planting *planting, const struct values *values);
void write_originals(const char *path, const struct values *values);

#endif
