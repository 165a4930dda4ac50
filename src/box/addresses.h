/*
 * box/addresses.h: which IP addresses are this box's (of the network namespace that it was opened in), kept up to date.
 */
#ifndef BOX_ADDRESSES_H
#define BOX_ADDRESSES_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/flow.h>

struct addresses;

int addresses_open(struct addresses **addresses, struct weir_fault *fault);
void addresses_close(struct addresses *addresses);

/*
 * Takes in what the system said since the last time, and asks for all only when some of that was lost. Works in a sandbox (os/sandbox.h). One thread at a time, as
 * everything here.
 */
void addresses_refresh(struct addresses *addresses);

/* Whether it is an address of this box; every one of 127.0.0.0/8 is. */
bool addresses_has(const struct addresses *addresses, const struct weir_ip *ip);

/* Whether it is 255.255.255.255 or an interface's broadcast address. */
bool addresses_is_broadcast(const struct addresses *addresses, const struct weir_ip *ip);

#endif
