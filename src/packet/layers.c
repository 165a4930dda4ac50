/* The names of layers. */
#include <weir/decode.h>

static const char *const names[WEIR_LAYER_KINDS] = {
	[WEIR_LAYER_NONE] = "none",
	[WEIR_LAYER_ETHERNET] = "ethernet",
	[WEIR_LAYER_LLC] = "llc",
	[WEIR_LAYER_SNAP] = "snap",
	[WEIR_LAYER_SLL] = "sll",
	[WEIR_LAYER_SLL2] = "sll2",
	[WEIR_LAYER_NULL] = "null",
	[WEIR_LAYER_PPP] = "ppp",
	[WEIR_LAYER_PPPOE] = "pppoe",
	[WEIR_LAYER_RADIOTAP] = "radiotap",
	[WEIR_LAYER_IEEE80211] = "ieee80211",
	[WEIR_LAYER_VLAN] = "vlan",
	[WEIR_LAYER_MPLS] = "mpls",
	[WEIR_LAYER_ARP] = "arp",
	[WEIR_LAYER_IPV4] = "ipv4",
	[WEIR_LAYER_IPV6] = "ipv6",
	[WEIR_LAYER_IPV6_EXTENSION] = "ipv6-extension",
	[WEIR_LAYER_FRAGMENT] = "ipv6-fragment",
	[WEIR_LAYER_AH] = "ah",
	[WEIR_LAYER_ESP] = "esp",
	[WEIR_LAYER_GRE] = "gre",
	[WEIR_LAYER_VXLAN] = "vxlan",
	[WEIR_LAYER_GENEVE] = "geneve",
	[WEIR_LAYER_GTPU] = "gtpu",
	[WEIR_LAYER_ERSPAN] = "erspan",
	[WEIR_LAYER_L2TP] = "l2tp",
	[WEIR_LAYER_ICMP] = "icmp",
	[WEIR_LAYER_ICMPV6] = "icmpv6",
	[WEIR_LAYER_IGMP] = "igmp",
	[WEIR_LAYER_TCP] = "tcp",
	[WEIR_LAYER_UDP] = "udp",
	[WEIR_LAYER_SCTP] = "sctp",
	[WEIR_LAYER_DNS] = "dns",
	[WEIR_LAYER_DHCP] = "dhcp",
	[WEIR_LAYER_NBNS] = "nbns",
	[WEIR_LAYER_NTP] = "ntp",
	[WEIR_LAYER_HTTP] = "http",
	[WEIR_LAYER_TLS] = "tls",
	[WEIR_LAYER_QUIC] = "quic",
	[WEIR_LAYER_SSH] = "ssh",
	[WEIR_LAYER_SMB] = "smb",
	[WEIR_LAYER_DCERPC] = "dcerpc",
	[WEIR_LAYER_ISAKMP] = "isakmp",
};

const char *weir_layer_name(enum weir_layer_kind kind)
{
	return (unsigned)kind < WEIR_LAYER_KINDS ? names[kind] : "unknown";
}
