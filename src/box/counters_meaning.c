/* What the kernel's shorter names mean. */
#include "box/counters_store.h"

static const struct {
	const char *group, *name, *meaning;
} meanings[] = {
	{"ip", "InDiscards", "dropped for want of memory"},
	{"ip", "OutNoRoutes", "dropped since no route leads there"},
	{"ip", "InAddrErrors", "not for this host, which does not forward"},
	{"tcp", "ActiveOpens", "connections begun from here"},
	{"tcp", "PassiveOpens", "connections begun by the other side"},
	{"tcp", "AttemptFails", "connections that were never established"},
	{"tcp", "EstabResets", "established connections that ended by a reset"},
	{"tcp", "CurrEstab", "connections that are established"},
	{"tcp", "RetransSegs", "segments sent again"},
	{"tcp", "InErrs", "bad segments"},
	{"tcp", "OutRsts", "resets sent"},
	{"udp", "NoPorts", "to a port that nobody listens on"},
	{"udp", "RcvbufErrors", "dropped since the socket's receive buffer was full"},
	{"udp", "SndbufErrors", "not sent since the socket's send buffer was full"},
	{"udp", "InCsumErrors", "bad checksum"},
	{"tcpext", "ListenOverflows", "connections refused since the accept queue was full"},
	{"tcpext", "ListenDrops", "connections refused by a listening socket, for any reason"},
	{"tcpext", "TCPTimeouts", "retransmission timers that ran out"},
	{"tcpext", "TCPLostRetransmit", "retransmissions that were lost themselves"},
	{"tcpext", "TCPFastRetrans", "sent again without waiting for the timer"},
	{"tcpext", "TCPSynRetrans", "SYN and SYN-ACK sent again"},
	{"tcpext", "TCPBacklogDrop", "dropped since the socket was busy and its backlog full"},
	{"tcpext", "TCPRcvQDrop", "dropped for want of memory of the receive queue"},
	{"tcpext", "TCPOFOQueue", "came out of order and were kept"},
	{"tcpext", "PruneCalled", "receive queues squeezed for want of memory"},
	{"tcpext", "RcvPruned", "dropped although squeezed"},
	{"tcpext", "OfoPruned", "out of order and dropped for want of memory"},
	{"tcpext", "TCPAbortOnMemory", "connections given up for want of memory"},
	{"tcpext", "TCPAbortOnTimeout", "connections given up after too many retransmissions"},
	{"tcpext", "TCPAbortOnData", "reset since data came that nobody would read"},
	{"tcpext", "TW", "connections that came out of TIME_WAIT by its timer"},
	{"tcpext", "SyncookiesSent", "answered by a cookie since the SYN queue was full"},
	{"tcpext", "TCPZeroWindowDrop", "dropped since the window was closed"},
	{"memory", "MemAvailable", "that programs may still take without swapping"},
	{"memory", "Dirty", "waits to be written to a disk"},
	{"memory", "Writeback", "is being written to a disk"},
	{"memory", "Slab", "the kernel's own small objects"},
};

const char *counter_meaning(const char *group, const char *name)
{
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (strcmp(meanings[i].name, name) == 0 && strcmp(meanings[i].group, group) == 0)
			return meanings[i].meaning;
	return "";
}
