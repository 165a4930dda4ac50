#!/usr/bin/env python3
"""Compares the flow stage with tshark, capture by capture.

usage: compare_flows.py FLOWLIST FILE...

Totals: packets and bytes of each TCP and UDP conversation in each direction, as in `tshark -z conv,tcp -z conv,udp`, with no timeouts. The table
of tshark gives bytes rounded to k above 10,000, so the exact ones are summed from frame.len of the packets in it. Captures with fragments or tunnels
are left out: there one packet is in several of tshark's conversations, or only reassembly tells whose it is.

Analysis: retransmissions, out-of-order segments and closed windows of each conversation, and the handshake's round-trip time, as in tcp.analysis.

Prints a line a difference that is not explained in EXCEPTIONS, "KIND FILE conversation tshark=… weir=…", and every explanation that
explained nothing; then the totals.
"""
import collections
import concurrent.futures
import os
import subprocess
import sys

FIELDS = ["frame.protocols", "frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
          "ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.nxt", "tcp.len", "tcp.analysis.retransmission", "tcp.analysis.out_of_order",
          "tcp.analysis.zero_window", "tcp.analysis.initial_rtt", "tcp.stream", "udp.length"]
TSHARK = ["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]
# Where the two may differ, and why.
EXCEPTIONS = {
    ("packets", "nfstream/ajp.pcap"): "a tunnel of four bytes without a name: tshark calls half of the packets malformed and does not count them",
    ("retransmissions", "nfstream/ajp.pcap"): "the same",
    ("out-of-order", "nfstream/ajp.pcap"): "the same",
    ("packets", "wireshark/examples.test.cap"): "a TCP header length of 0: tshark does not count it in a conversation, weir counts all of IP",
    ("packets", "suricata-verify/fuzz.pcap"): "the same",
    ("closed-windows", "suricata-verify/fuzz.pcap"): "the same",
    ("packets", "zeek/ipv6-hbh-routing0.pcap"): "tshark takes the last address of the routing header for the destination, weir the one in the IP header",
    ("packets", "tcpdump/macsec-short-shorter.pcap"): "weir does not look into MACsec",
    ("packets", "tcpdump/bigtcp-ipv4-vxlan-ipv6.pcap"): "an IPv6 length of 0 (BIG TCP): tshark takes it for no payload at all",
    ("packets", "tcpdump/LINKTYPE_PKTAP.pcap"): "weir does not know the link type",
    ("packets", "tcpdump/LINKTYPE_USER2_PKTAP.pcap"): "weir does not know the link type",
    ("bytes", "nDPI/sflow.pcap"): "tshark counts packets inside sFlow samples too",
    ("rtt", "arkime/mongo.pcap"): "seen in two VLANs: two flows, one stream of tshark's",
    ("rtt", "arkime/oracle.pcap"): "the same",
    ("rtt", "suricata-verify/app-layer-protocol-prefilter.input.pcap"): "0 ns: tshark takes that for none",
    ("rtt", "vast/example.pcap.gz"): "tshark takes RST for the end of a handshake",
    ("rtt", "pmacct/502-IPFIXv10-BGP-IPv6-CISCO-SRv6-lcomms.traffic-00.pcap"): "the same",
}
SIZES = {"bytes": 1, "kB": 1000, "MB": 1000000, "GB": 1000000000}
TUNNELS = {"gre", "esp", "ah", "vxlan", "geneve", "gtp", "erspan", "l2tp", "teredo", "ipip", "mpls", "pppoes", "etherip", "capwap", "udpencap", "ayiya",
           "6in4", "wlan", "nsh", "gprscdr", "batadv", "lisp", "wg"}


def tshark(path):
    command = ["tshark", "-r", path, *TSHARK, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", "-E", "separator=/t"]
    for name in FIELDS:
        command += ["-e", name]
    command += ["-z", "conv,tcp", "-z", "conv,udp"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.stdout.split("\n")[:-1]


explained = set()


def end(text):
    address, _, port = text.rpartition(":")
    return address, int(port)


def conversations(lines):
    """tshark's tables: {(protocol, source, destination): [frames, bytes, unit]}, a row for each direction"""
    table, protocol = collections.defaultdict(lambda: [0, 0, 1]), None
    for line in lines:
        if line.endswith("Conversations"):
            protocol = {"TCP": 6, "UDP": 17}.get(line.split()[0])
        words = line.split()
        if "<->" not in words or protocol is None:
            continue
        a, b = end(words[0]), end(words[2])
        for (s, d), (frames, count, unit) in (((b, a), words[3:6]), ((a, b), words[6:9])):
            row = table[protocol, s, d]
            row[0] += int(frames)
            row[1] += int(count) * SIZES[unit]
            row[2] = max(row[2], SIZES[unit]) if int(frames) else row[2]
            row.append(SIZES[unit])
    return table


def read_tshark(path):
    """None when the capture is not to be compared, with the reason"""
    lines = tshark(path)
    cut = next((i for i, line in enumerate(lines) if line.startswith("=====")), len(lines))
    rows, table = lines[:cut], conversations(lines[cut:])
    if not rows:
        return None, "tshark does not read them"
    sums = collections.Counter()
    analysis = collections.Counter()
    rtts = {}
    for line in rows:
        values = dict(zip(FIELDS, line.split("\t")))
        if len(values) < len(FIELDS):
            continue
        protocols = values["frame.protocols"].split(":")
        if values["ip.flags.mf"].find("1") >= 0 or any(v not in ("", "0") for v in values["ip.frag_offset"].split(",")) or values["ipv6.fraghdr.nxt"]:
            return None, "fragments"
        networks = protocols.count("ip") + protocols.count("ipv6")
        if TUNNELS & set(protocols) or (networks > 1 and "icmp" not in protocols and "icmpv6" not in protocols):
            return None, "tunnels"
        if networks != 1 or "icmp" in protocols or "icmpv6" in protocols:
            continue
        kind = "ip" if values["ip.src"] else "ipv6"
        transport = "tcp" if values["tcp.srcport"] else "udp" if values["udp.srcport"] else None
        if not transport:
            continue
        s = values[kind + ".src"], int(values[transport + ".srcport"])
        d = values[kind + ".dst"], int(values[transport + ".dstport"])
        protocol = 6 if transport == "tcp" else 17
        sums[protocol, s, d] += int(values["frame.len"])
        if transport == "udp":
            continue
        length = int(values["tcp.len"] or 0)
        if values["tcp.analysis.retransmission"] and length:
            analysis["retransmissions", s, d] += 1
        if values["tcp.analysis.out_of_order"]:
            analysis["out of order", s, d] += 1
        if values["tcp.analysis.zero_window"]:
            analysis["closed windows", s, d] += 1
        if values["tcp.analysis.initial_rtt"]:
            key = tuple(sorted((s, d)))
            rtts.setdefault(key, {})[values["tcp.stream"]] = float(values["tcp.analysis.initial_rtt"])
    return (table, sums, analysis, rtts), None


def read_weir(flowlist, path):
    totals = collections.defaultdict(lambda: [0, 0])
    analysis = collections.Counter()
    rtts = {}
    done = subprocess.run([flowlist, path], capture_output=True, text=True)
    if done.returncode == 3:
        return None
    for line in done.stdout.split("\n")[:-1]:
        words = line.split("\t")
        protocol = int(words[0])
        protocol = 17 if protocol == 136 else protocol # UDP-Lite is among tshark's UDP
        if protocol not in (6, 17):
            continue
        s, d = (words[1], int(words[2])), (words[3], int(words[4]))
        for (a, b), at in (((s, d), 5), ((d, s), 11)):
            totals[protocol, a, b][0] += int(words[at])
            totals[protocol, a, b][1] += int(words[at + 1])
            for name, offset in (("retransmissions", 3), ("out of order", 4), ("closed windows", 5)):
                if int(words[at + offset]):
                    analysis[name, a, b] += int(words[at + offset])
        if words[17] != "-":
            rtts.setdefault(tuple(sorted((s, d))), []).append(int(words[17]) / 1e9)
    return totals, analysis, rtts


def compare(flowlist, path):
    name = "/".join(path.split("/")[-2:])
    ours = read_weir(flowlist, path)
    if ours is None:
        return [], {"left out: no format of weir's": 1}
    theirs, reason = read_tshark(path)
    if theirs is None:
        return [], {"left out: " + reason: 1}
    table, sums, analysis, rtts = theirs
    totals, our_analysis, our_rtts = ours
    found, count = [], collections.Counter(captures=1)

    def differ(kind, what, a, b):
        if (kind, name) in EXCEPTIONS:
            count["explained"] += 1
            explained.add((kind, name))
            return
        found.append(f"{kind} {name} {what} tshark={a} weir={b}")

    for key in sorted(set(table) | set(k for k, v in totals.items() if v[0])):
        frames, count_bytes, *_ = table.get(key, [0, 0, 1])
        rounding = sum(u for u in table[key][3:] if u > 1) if key in table else 0
        ours = totals.get(key, [0, 0])
        count["conversations"] += 1
        if ours[0] != frames:
            differ("packets", key, frames, ours[0])
        elif sums[key] != ours[1] or not (ours[1] - rounding < count_bytes <= ours[1] if rounding else count_bytes == ours[1]):
            differ("bytes", key, (count_bytes, sums[key]), ours[1])
    for key in sorted(set(analysis) | set(our_analysis)):
        count[key[0] + " (tshark)"] += analysis[key]
        count[key[0] + " (weir)"] += our_analysis[key]
        if analysis[key] != our_analysis[key]:
            differ(key[0].replace(" ", "-"), key[1:], analysis[key], our_analysis[key])
    for key in sorted(set(rtts) | set(our_rtts)):
        a, b = sorted(rtts.get(key, {}).values()), sorted(our_rtts.get(key, []))
        count["round-trip times"] += len(a)
        if len(a) != len(b) or any(abs(x - y) > 0.01 * x for x, y in zip(a, b)):
            differ("rtt", key, a, b)
    return found, count


def main():
    flowlist, *files = sys.argv[1:]
    total = collections.Counter()
    compared = {"/".join(path.split("/")[-2:]) for path in files}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found, count in pool.map(lambda path: compare(flowlist, path), files):
            total.update(count)
            for line in found:
                print(line)
                total["different: " + line.split()[0]] += 1
    for kind, name in EXCEPTIONS:
        if name in compared and (kind, name) not in explained:
            print(f"explains-nothing {name} {kind}")
    print("; ".join(f"{name} {value}" for name, value in sorted(total.items())))


main()
