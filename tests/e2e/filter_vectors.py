#!/usr/bin/env python3
"""Filters against libpcap's own vectors and against tcpdump.

usage: filter_vectors.py WEIR SHARED TEMPORARY

Prints a line a disagreement and at the end "# KIND agree N of M". A vector may be of a libpcap newer than the one that is installed:
there weir has to do what tcpdump, on the same libpcap, does.
"""
import json
import os
import struct
import subprocess
import sys

weir, shared, temporary = sys.argv[1:4]
captures = os.path.join(shared, "captures", "captures")
LINKTYPES = {
    "APPLE_IP_OVER_IEEE1394": 138, "ARCNET": 7, "ARCNET_LINUX": 129, "ATM_RFC1483": 100, "BACNET_MS_TP": 165, "C_HDLC": 104,
    "DSA_TAG_BRCM": 281, "DSA_TAG_DSA": 284, "EN10MB": 1, "ENC": 109, "FDDI": 10, "FRELAY": 107, "IEEE802": 6, "IEEE802_11": 105,
    "IEEE802_11_RADIO": 127, "IEEE802_11_RADIO_AVS": 163, "IPNET": 226, "IPV4": 228, "IPV6": 229, "IP_OVER_FC": 122, "JUNIPER_MFR": 134,
    "LINUX_SLL": 113, "LINUX_SLL2": 276, "LOOP": 108, "LTALK": 114, "MTP2": 140, "NETANALYZER": 240, "NULL": 0, "PFLOG": 117, "PPI": 192,
    "PPP": 9, "PPP_PPPD": 166, "PPP_SERIAL": 50, "PPP_BSDOS": 103, "PRISM_HEADER": 119, "RAW": 101, "SLIP": 8, "SUNATM": 123,
    "SYMANTEC_FIREWALL": 99,
}


def empty_file(dlt):
    path = os.path.join(temporary, dlt + ".pcap")
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, LINKTYPES[dlt]))
    return path


def status_of(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def tcpdump_takes(path, expression):
    return status_of(["tcpdump", "-r", path, "-w", "/dev/null", expression]) == 0


def compiles(kind, vectors):
    """kind "accept": each expression compiles; "reject": none does."""
    agree = total = 0
    for vector in vectors:
        for expression in vector.get("exprs") or [vector["expr"]]:
            path = empty_file(vector["dlt"])
            status = status_of([weir, "watch", "-r", path, "--", expression])
            expected = 0 if kind == "accept" else 2
            total += 1
            if status == expected:
                agree += 1
            elif (status == 0) != tcpdump_takes(path, expression) or status not in (0, 2):
                print("differs", kind, vector["name"], repr(expression), "status", status)
    print(f"# {kind} agree {agree} of {total}")


def numbers(path, expression):
    done = subprocess.run([weir, "watch", "--json", "-r", path, "--", expression], capture_output=True, text=True, errors="replace")
    return [json.loads(line)["number"] for line in done.stdout.split("\n")[:-1]]


def records(path):
    """The packets of a pcap file as bytes; None when it is another format."""
    data = open(path, "rb").read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if not order:
        return None
    at, found = 24, []
    while at + 16 <= len(data):
        captured = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        found.append(data[at + 16:at + 16 + captured])
        at += 16 + captured
    return found


def by_tcpdump(path, expression):
    out = os.path.join(temporary, "out.pcap")
    if status_of(["tcpdump", "-r", path, "-w", out, expression]) != 0:
        return None
    return records(out)


def find_capture(name):
    for root, _, files in os.walk(captures):
        if name in files:
            return os.path.join(root, name)
    return None


def same_as_tcpdump(path, expression, chosen):
    theirs = by_tcpdump(path, expression)
    all_packets = records(path)
    return theirs is not None and all_packets is not None and [all_packets[n - 1] for n in chosen] == theirs


def as_tcpdump_does(path, expression, chosen):
    """Both refuse the expression (or the file), or both choose the same packets."""
    if by_tcpdump(path, expression) is None:
        return status_of([weir, "watch", "-r", path, "--", expression]) != 0
    return same_as_tcpdump(path, expression, chosen)


def applies(vectors):
    agree = total = 0
    for vector in vectors:
        path = find_capture(vector["savefile"])
        if not path:
            continue
        total += 1
        chosen = numbers(path, vector["expr"])
        expected = [n for n, value in enumerate(vector["results"], 1) if value]
        if chosen == expected:
            agree += 1
        elif vector["libpcap_1_10_3_agrees"] or not as_tcpdump_does(path, vector["expr"], chosen):
            print("differs", "apply", vector["name"], vector["expr"], chosen, expected)
    print(f"# apply agree {agree} of {total}")


FILTERS = [
    "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp", "not ip", "tcp port 80", "port 53", "src port 443", "dst port 80",
    "portrange 1-1023", "udp portrange 5000-6000", "host 10.0.0.1", "src host 192.168.1.1", "net 10.0.0.0/8", "src net 192.168.0.0/16",
    "dst net 224.0.0.0/4", "ip6 net 2000::/3", "vlan", "vlan and ip", "vlan 10", "mpls", "pppoes", "ether host ff:ff:ff:ff:ff:ff",
    "ether multicast", "ip multicast", "ip proto 47", "ip6 proto 58", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ip[8] < 64", "less 100",
    "greater 1000", "len > 60 and len < 128", "ip and not (tcp or udp)", "tcp and (port 80 or port 443)", "ether proto 0x88cc",
]
FILES = [
    "arkime/ospf.pcap", "nfstream/anydesk.pcap", "zeek/mixed-vlan-mpls.pcap", "tcpdump/pppoes.pcap", "nDPI/teams.pcap",
    "suricata-verify/vxlan.pcap", "tcpdump/geneve.pcap", "zeek/pppoe.pcap", "nDPI/fuzz-2020-02-16-11740.pcap", "libpcap/vrrp.pcap",
]


def forty():
    agree = total = 0
    for name in FILES:
        path = os.path.join(captures, name)
        if not os.path.exists(path) or records(path) is None:
            continue
        for expression in FILTERS:
            total += 1
            if as_tcpdump_does(path, expression, numbers(path, expression)):
                agree += 1
            else:
                print("differs", "tcpdump", name, expression)
    print(f"# tcpdump agree {agree} of {total}")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


vectors_folder = os.path.join(shared, "vectors")
# Of other systems' expressions, and of those that need the network's mask, nothing is expected: weir does not know it, as tcpdump -r does not.
compiles("accept", [v for v in load(os.path.join(vectors_folder, "libpcap_filter_accept.json")) if "skip_os_not" not in v.get("needs", "") and "netmask" not in v])
compiles("reject", load(os.path.join(vectors_folder, "libpcap_filter_reject.json")))
applies(load(os.path.join(vectors_folder, "libpcap_filter_apply.json")))
expected = os.path.join(shared, "captures", "expected")
results = []
for root, _, files in os.walk(expected):
    if os.path.basename(root) == "bpf-filter-results" and "filters.json" in files:
        results += load(os.path.join(root, "filters.json"))
applies(results)
forty()
