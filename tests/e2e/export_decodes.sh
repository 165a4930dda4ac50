#!/bin/bash
# IPFIX files and NetFlow v9 datagrams of flows have the same bytes every time, are read back as they were, and tshark decodes them without a fault.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command tshark python3
exports=$TOOLS/tests/exports

# The sums of what tshark decodes, and what it complains of.
tshark_sums() { # FILE
	tshark -r "$1" -d udp.port==9995,cflow -T fields -E occurrence=a -E aggregator=, -e cflow.packets -e cflow.octets 2>/dev/null |
		awk -F'\t' '{ n = split($1, p, ","); for (i = 1; i <= n; i++) packets += p[i]
			n = split($2, o, ","); for (i = 1; i <= n; i++) bytes += o[i] }
			END { printf "packets %d bytes %d\n", packets, bytes }'
}
tshark_complaints() { # FILE
	tshark -r "$1" -d udp.port==9995,cflow -Y '_ws.malformed || _ws.expert || cflow.unknown_field_type' 2>/dev/null | head -n 5
}

# A file of datagrams, each as a UDP packet in a pcap file: they say themselves only in the next one's head where they end.
cat >"$tmp/wrap.py" <<'PYTHON'
import struct, sys
data, at, packets = open(sys.argv[1], "rb").read(), 0, []
while at < len(data):
    end = at + 20
    while end < len(data) and struct.unpack(">H", data[end:end + 2])[0] != 9:
        end += struct.unpack(">H", data[end + 2:end + 4])[0]
    packets.append(data[at:end])
    at = end
out = open(sys.argv[2], "wb")
out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
for p in packets:
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + len(p), 0, 0, 64, 17, 0, 0x7f000001, 0x7f000001)
    out.write(struct.pack("<IIII", 0, 0, 28 + len(p), 28 + len(p)) + ip + struct.pack(">HHHH", 9995, 9995, 8 + len(p), 0) + p)
print(max(len(p) for p in packets))
PYTHON

for format in ipfix nf9; do
	run "$exports" 20000 $format "$tmp/a.$format"
	if [ "$status" -ne 0 ] && grep -q 'without libfixbuf' <<<"$err"; then
		skip "$format" "built without libfixbuf"
		continue
	fi
	is "$status" 0 "$format: flows are written"
	sums=$(sed -E 's/.*(packets [0-9]+ bytes [0-9]+).*/\1/' <<<"$out")
	wrote=$out
	"$exports" 20000 $format "$tmp/b.$format" >"$tmp/ignored"
	same_bytes "$tmp/a.$format" "$tmp/b.$format" "$format: the same flows are the same bytes"
	run "$exports" 20000 $format -
	run "$exports" read "$tmp/a.$format"
	if [ $format = ipfix ]; then
		is "$out" "$wrote" "$format: every value comes back"
		decoded=$tmp/a.ipfix
	else
		is "$(sed -E 's/.*(packets [0-9]+ bytes [0-9]+).*/\1/' <<<"$out")" "$sums" "$format: the sums come back"
		longest=$(python3 "$tmp/wrap.py" "$tmp/a.nf9" "$tmp/nf9.pcap")
		check "$format: no datagram is longer than 1420 bytes ($longest)" [ "$longest" -le 1420 ]
		decoded=$tmp/nf9.pcap
	fi
	is "$(tshark_complaints "$decoded")" "" "$format: tshark decodes it without a fault"
	is "$(tshark_sums "$decoded")" "$sums" "$format: and has the same sums"
done

run "$exports" 10 nf9 tcp:127.0.0.1:9
is "$status" 1 "NetFlow v9 does not go over TCP"
like "$err" 'NetFlow v9 goes over UDP' "and it is said why"
run "$exports" 10 nf9 udp:nowhere
like "$err" 'nowhere is not HOST:PORT' "a collector without a port"
run "$exports" 10 nf9 "$tmp/no-such-folder/x"
is "$status" 1 "a file that cannot be written"
done_testing
