/* What links' numbers are called: box/links.h. */
#include "box/links.h"

#include <arpa/inet.h>
#include <stdio.h>

#define NAME_OF(table, number) ((number) < sizeof (table) / sizeof (table)[0] && (table)[number] ? (table)[number] : "unknown")

const char *link_event_name(unsigned kind)
{
	static const char *const names[] = {
		[LINK_CAME] = "came",
		[LINK_WENT] = "went",
		[LINK_UP] = "up",
		[LINK_DOWN] = "down",
		[LINK_CARRIER] = "carrier",
		[LINK_NO_CARRIER] = "no carrier",
		[LINK_CHANGED] = "changed",
		[LINK_ADDRESS_ADDED] = "address added",
		[LINK_ADDRESS_REMOVED] = "address removed",
		[LINK_NEIGHBOUR_CAME] = "neighbour came",
		[LINK_NEIGHBOUR_CHANGED] = "neighbour changed",
		[LINK_NEIGHBOUR_FAILED] = "neighbour failed",
		[LINK_NEIGHBOUR_WENT] = "neighbour went",
		[LINK_ROUTE_ADDED] = "default route added",
		[LINK_ROUTE_REMOVED] = "default route removed",
		[LINK_EVENTS_LOST] = "events lost",
	};
	return NAME_OF(names, kind);
}

const char *link_operational_name(unsigned state)
{
	static const char *const names[] = {"unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"};
	return NAME_OF(names, state);
}

const char *link_scope_name(unsigned scope)
{
	return scope == 0 ? "global" : scope == 200 ? "site" : scope == 253 ? "link" : scope == 254 ? "host" : scope == 255 ? "nowhere" : "unknown";
}

const char *link_neighbour_state(unsigned state)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{0x01, "incomplete"}, {0x02, "reachable"}, {0x04, "stale"}, {0x08, "delay"}, {0x10, "probe"}, {0x20, "failed"}, {0x40, "noarp"}, {0x80, "permanent"}};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (state & names[i].bit)
			return names[i].name;
	return "none";
}

const char *link_duplex_name(unsigned duplex) { return duplex == LINK_DUPLEX_FULL ? "full" : duplex == LINK_DUPLEX_HALF ? "half" : ""; }

const char *link_ip_text(const struct weir_ip *ip, char out[static LINK_IP_SIZE])
{
	if (ip->version == 0 || !inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, ip->bytes, out, LINK_IP_SIZE))
		out[0] = '\0';
	return out;
}

const char *link_mac_text(const uint8_t *mac, unsigned length, char out[static LINK_MAC_SIZE])
{
	out[0] = '\0';
	for (unsigned i = 0; i < length && i < 32; i++)
		sprintf(out + 3 * i - (i > 0), i ? ":%02x" : "%02x", mac[i]);
	return out;
}
