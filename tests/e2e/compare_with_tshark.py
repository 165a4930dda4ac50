#!/usr/bin/env python3
"""Compares what weir watch --json finds in packets with what tshark -T fields finds, field by field.

usage: compare_with_tshark.py WEIR FOLDER

Of every packet of every file that both read: all occurrences, in order, of the link, network and transport addresses, ports, VLAN ids
and protocol numbers, through tunnels and inside what ICMP errors quote (weir's "quoted" layers). Reassembly is off in tshark, since
weir looks at one packet at a time. Prints one line a difference, "CLASS FILE PACKET FIELD tshark=… weir=…", then the totals.
"""
import collections
import json
import os
import subprocess
import sys

# tshark's field: weir's layer and key
FIELDS = {
    "eth.src": ("ethernet", "source"),
    "eth.dst": ("ethernet", "destination"),
    "sll.src.eth": ("sll|sll2", "source"),
    "wlan.sa": ("ieee80211", "source"),
    "wlan.da": ("ieee80211", "destination"),
    "arp.src.proto_ipv4": ("arp", "sender_address"),
    "arp.dst.proto_ipv4": ("arp", "target_address"),
    "ip.src": ("ipv4", "source"),
    "ip.dst": ("ipv4", "destination"),
    "ip.proto": ("ipv4", "next_protocol"),
    "ipv6.src": ("ipv6", "source"),
    "ipv6.dst": ("ipv6", "destination"),
    "ipv6.nxt": ("ipv6", "next_header"),
    "tcp.srcport": ("tcp", "source_port"),
    "tcp.dstport": ("tcp", "destination_port"),
    "udp.srcport": ("udp|udplite", "source_port"),
    "udp.dstport": ("udp|udplite", "destination_port"),
    "sctp.srcport": ("sctp", "source_port"),
    "sctp.dstport": ("sctp", "destination_port"),
    "vlan.id": ("vlan", "id"),
    "mpls.label": ("mpls", "label"),
}
NAMES = list(FIELDS)
TSHARK = ["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]


def tshark_rows(path):
    command = ["tshark", "-r", path, *TSHARK, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", "-E", "separator=/t"]
    for name in ["frame.protocols", *NAMES]:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.returncode, [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def walk(layers, found):
    for layer in layers:
        for name, (protocol, key) in FIELDS.items():
            if layer["protocol"] in protocol.split("|") and key in layer:
                found[name].append(str(layer[key]))
        walk(layer.get("quoted", []), found)


def weir_rows(weir, path):
    done = subprocess.run([weir, "watch", "--json", "-r", path], capture_output=True, text=True, errors="replace")
    rows = []
    for line in done.stdout.split("\n")[:-1]:
        packet = json.loads(line)
        found = collections.defaultdict(list)
        walk(packet["layers"], found)
        rows.append((packet, [",".join(found[name]) for name in NAMES]))
    return rows


def reason(path, packet, protocols, name):
    """Why weir and tshark may differ here by design; None when they should not."""
    return None


def main():
    weir, folder = sys.argv[1:3]
    packets = equal = 0
    classes = collections.Counter()
    for root, _, files in sorted(os.walk(folder)):
        for file in sorted(files):
            path = os.path.join(root, file)
            status, theirs = tshark_rows(path)
            ours = weir_rows(weir, path)
            for number, (row, (packet, mine)) in enumerate(zip(theirs, ours), 1):
                packets += 1
                protocols, values = row[0], row[1:]
                differences = [n for n, a, b in zip(NAMES, values, mine) if a != b]
                if not differences:
                    equal += 1
                    continue
                why = reason(path, packet, protocols, differences[0]) or "unexplained"
                classes[why] += 1
                name = differences[0]
                index = NAMES.index(name)
                print(why, os.path.relpath(path, folder), number, protocols, name, "tshark=" + values[index], "weir=" + mine[index])
            if len(theirs) != len(ours):
                print("# packets", os.path.relpath(path, folder), "tshark", len(theirs), "weir", len(ours), "tshark's status", status)
    print(f"# packets {packets} equal {equal}")
    for why, count in sorted(classes.items()):
        print(f"# class {why} {count}")


main()
