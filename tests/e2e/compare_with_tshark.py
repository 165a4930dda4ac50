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
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


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


# What tshark goes on in and weir does not: the protocol as tshark names it, and why weir ends there.
BEYOND = {
    "sflow": "samples of other packets, reported by a router: not what was on this wire",
    "nsh": "service function chaining is not decoded",
    "macsec": "802.1AE is not decoded, also where it only authenticates",
    "ipcomp": "compressed payload is not decompressed",
    "wpan-tap": "802.15.4 is not decoded",
    "exported_pdu": "Wireshark's own link type for what it exported",
    "pktap": "Apple's PKTAP is not decoded",
    "juniper": "Juniper's link types are not decoded",
    "cfp": "a Cisco FabricPath header stands before the frame, and no link type says so",
}


def flatten(layers):
    for layer in layers:
        yield layer
        yield from flatten(layer.get("quoted", []))


def is_beginning(ours, theirs):
    """Whether everything that weir found is what tshark found first."""
    return all(a == "" or b == a or b.startswith(a + ",") for a, b in zip(ours, theirs))


def reason(packet, protocols, ours, theirs):
    """Why weir and tshark may differ here by design; None when they should not."""
    names = protocols.split(":")
    for protocol in BEYOND:
        if protocol in names and (protocol == "cfp" or is_beginning(ours, theirs)):
            return "beyond-" + protocol
    if "deep" in packet["flags"] and is_beginning(ours, theirs):
        return "deep"  # weir has room for 24 layers and 6 networks
    layers = list(flatten(packet["layers"]))
    if any(layer["protocol"] == "mpls" for layer in layers):
        return "mpls-guess"  # nothing in MPLS says what it carries: both guess, by other rules
    if any(layer["protocol"] == "udp" and layer.get("length") == 0 for layer in layers):
        return "udp-length-0"  # segmented by the network card later: weir goes on to the datagram's end, tshark stops
    if ("cut" in packet["flags"] or "malformed" in packet["flags"]) and is_beginning(ours, theirs):
        return "cut-header"  # tshark shows the fields of a header up to where it is cut off, weir takes it whole or not at all
    return None


def main():
    weir, folder = sys.argv[1:3]
    packets = equal = compared = skipped = 0
    classes = collections.Counter()
    for root, _, files in sorted(os.walk(folder)):
        for file in sorted(files):
            path = os.path.join(root, file)
            theirs = tshark_rows(path)
            ours = weir_rows(weir, path)
            if len(theirs) != len(ours):
                # What is in a damaged or unusual file is the readers' matter (info_agrees_with_capinfos.sh), not the decoders'.
                print("# not compared", os.path.relpath(path, folder), "tshark", len(theirs), "weir", len(ours))
                skipped += 1
                continue
            compared += 1
            for number, (row, (packet, mine)) in enumerate(zip(theirs, ours), 1):
                packets += 1
                protocols, values = row[0], row[1:]
                differences = [n for n, a, b in zip(NAMES, values, mine) if a != b]
                if not differences:
                    equal += 1
                    continue
                why = reason(packet, protocols, mine, values) or "unexplained"
                classes[why] += 1
                name = differences[0]
                index = NAMES.index(name)
                print(why, os.path.relpath(path, folder), number, protocols, name, "tshark=" + values[index], "weir=" + mine[index])
    print(f"# files {compared} skipped {skipped}")
    print(f"# packets {packets} equal {equal}")
    for why, count in sorted(classes.items()):
        print(f"# class {why} {count}")


main()
