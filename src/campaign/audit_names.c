/* Names that are searched for, and in which form: campaign/audit.h. */
#include <stdlib.h>

#include "campaign/audit.h"

#define NAME_LEAST 4

/*
 * Words that stand in outputs because of what they are: of the formats, of the data sheet, of names that everybody has. As a name of one label they say nothing of
 * anybody, and would be found everywhere. In order.
 */
static const char *const words[] = {
	"address",   "android",  "anonymised", "any",      "application", "archive",     "arpa",     "audit",
	"block",     "bridge",   "bytes",      "campaign", "capture",     "captured",    "category", "channel",
	"client",    "clock",    "code",       "data",     "datasheet",   "default",     "desktop",  "destination",
	"device",    "dns",      "domain",     "docker0",  "duplicates",  "email",       "end",      "eth0",
	"eth1",      "eth2",     "eth3",       "ethernet", "evidence",    "file",        "files",    "first",
	"flow",      "flows",    "forward",    "gateway",  "guest",       "hidden",      "home",     "host",
	"http",      "icmp",     "imap",       "index",    "info",        "interface",   "internal", "invalid",
	"ipv4",      "ipv6",     "last",       "length",   "license",     "linux",       "local",    "localdomain",
	"localhost", "lost",     "mail",       "mixed",    "name",        "names",       "network",  "node",
	"none",      "null",     "office",     "original", "packet",      "packets",     "page",     "parquet",
	"payload",   "permute",  "phone",      "policy",   "port",        "prefix",      "printer",  "private",
	"protocol",  "proxy",    "publish",    "pcap",     "pcapng",      "record",      "remote",   "reverse",
	"root",      "router",   "run",        "server",   "service",     "sheet",       "smtp",     "source",
	"special",   "static",   "statistics", "switch",   "system",      "test",        "text",     "time",
	"tunnel",    "unknown",  "user",       "value",    "version",     "vlan",        "weir",     "wifi",
	"windows",   "wireless", "wlan0",      "wlan1",    "workgroup",   "workstation", "wpad",
};

static bool is_word(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == length && memcmp(words[i], name, length) == 0)
			return true;
	return false;
}

/* Whether all labels are words, names of services ("_tcp") or ends that everybody shares: "_services._dns-sd._udp.local". */
static bool is_common(const char *name, size_t length)
{
	static const char *const ends[] = {"com", "net", "org", "in-addr", "ip6", "edu", "gov"};

	for (size_t at = 0; at < length;) {
		const char *dot = memchr(name + at, '.', length - at);
		size_t size = dot ? (size_t)(dot - name) - at : length - at;
		bool common = size == 0 || name[at] == '_' || is_word(name + at, size);
		for (size_t i = 0; i < sizeof ends / sizeof *ends && !common; i++)
			common = strlen(ends[i]) == size && memcmp(ends[i], name + at, size) == 0;
		if (!common)
			return false;
		at += size + 1;
	}
	return true;
}

/* Names that NetBIOS itself has (RFC 1001, section 15.1.1; browsing), as text and as they stand in packets: "*", "\1\2__MSBROWSE__\2". */
static bool is_netbios_own(const char *name, size_t length)
{
	static const char *const own[] = {"__msbrowse__", "ckaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	                                  "abacfpfpenfdecfcepfhfdeffpfpacab"};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		for (size_t at = 0, size = strlen(own[i]); at + size <= length; at++)
			if (memcmp(name + at, own[i], size) == 0)
				return true;
	return false;
}

size_t audit_name(const void *name, size_t length, char out[static 256])
{
	const uint8_t *in = name;
	bool letter = false;

	while (length && (in[length - 1] == '.' || in[length - 1] == ' ' || in[length - 1] == 0))
		length--;
	if (length < NAME_LEAST || length > 255)
		return 0;
	for (size_t i = 0; i < length; i++) {
		uint8_t c = in[i] >= 'A' && in[i] <= 'Z' ? in[i] | 0x20 : in[i];
		letter |= (c >= 'a' && c <= 'z') || c >= 0x80;
		out[i] = (char)c;
	}
	/* Numbers are found as what they are; words say nothing. */
	if (!letter || is_common(out, length) || is_netbios_own(out, length))
		return 0;
	return length;
}
