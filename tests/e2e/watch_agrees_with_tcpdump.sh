#!/bin/bash
# Lines of watch -n are tcpdump's: identical for the common protocols, or longer by what weir knows besides.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_shared
need_command tcpdump python3

# SUITE/FILE and the least share of lines, in percent, that equal tcpdump's or begin with them.
while read -r file least; do
	if [ ! -f "$CAPTURES/$file" ]; then
		not_ok "$file" "the capture is not there"
		continue
	fi
	tcpdump -n -r "$CAPTURES/$file" 2>/dev/null | grep -aE '^[0-9]' >"$tmp/theirs"
	"$WEIR" watch -n -r "$CAPTURES/$file" 2>/dev/null | grep -aE '^[0-9]' >"$tmp/ours"
	result=$(python3 - "$tmp/theirs" "$tmp/ours" <<'PYTHON'
import sys
theirs, ours = (open(p, "rb").read().split(b"\n")[:-1] for p in sys.argv[1:3])
same = sum(a == b for a, b in zip(theirs, ours))
longer = sum(a != b and b.startswith(a) for a, b in zip(theirs, ours))
print(len(theirs), len(ours), same, longer)
for a, b in zip(theirs, ours):
    if not b.startswith(a):
        print("theirs: " + a.decode("latin1"), "ours:   " + b.decode("latin1"), sep="\n")
        break
PYTHON
	)
	read -r theirs ours same longer <<<"$(head -n 1 <<<"$result")"
	echo "# $file: $theirs lines, $same identical, $longer longer"
	if [ "$theirs" -gt 0 ] && [ "$theirs" -eq "$ours" ] && [ $(((same + longer) * 100)) -ge $((least * theirs)) ]; then
		ok "$file: at least $least % of the lines are tcpdump's"
	else
		not_ok "$file: at least $least % of the lines are tcpdump's" "$result"
	fi
done <<'LIST'
nfstream/pps.pcap 100
nfstream/skype_no_unknown.pcap 99
nDPI/reddit.pcap 100
nDPI/netflix.pcap 100
nfstream/webex.pcap 98
nDPI/teams.pcap 97
zeek/llc.pcap 100
brimcap/oneflow.pcap 100
nfstream/exe_download.pcap 100
nfstream/quic_t51.pcap 100
nfstream/iphone.pcap 97
nDPI/bot.pcap 100
nfstream/http-manipulated.pcap 100
dnscap/dns.pcap 100
nDPI/vxlan.pcap 100
suricata-verify/tls.pcap 98
NetPlier/icmp_100.pcap 100
zeek/ipv6-reassembly-state-leak.pcap 100
zeek/communityid__sctp.pcap 100
wireshark-wiki/smb3-aes-128-ccm.pcap 100
zeek/mixed-vlan-mpls.pcap 91
tcpdump/geneve.pcap 100
suricata-verify/dcerpc-3109.input.pcap 100
suricata-verify/tcpdns.pcap 100
ipfixprobe/netbios.pcap 100
tcpreplay/test.rewrite_portmap 98
LIST
done_testing
