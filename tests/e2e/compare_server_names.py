#!/usr/bin/env python3
"""Compares the server names that name_flows finds with tshark's: of TLS ClientHellos (cut into segments, too) and of HTTP requests.

    compare_server_names.py NAME_FLOWS CAPTURE...

For each TCP flow in which tshark sees names, ours has to be the first of them. Prints those that differ; the status is 1 when there are any, or no names at all.
"""
import collections
import subprocess
import sys


def tshark_names(path):
    names = collections.OrderedDict()
    fields = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tls.handshake.extensions_server_name", "http.host"]
    command = ["tshark", "-n", "-r", path, "-Y", "tls.handshake.extensions_server_name || http.host", "-T", "fields", "-E", "occurrence=l"]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode("utf-8", "replace")
    for line in out.splitlines():
        source4, source6, source_port, destination4, destination6, destination_port, sni, host = line.split("\t")
        if not source_port:
            continue
        name = (sni or host).lower().rsplit(":", 1)[0] if not (sni or host).startswith("[") else (sni or host).lower()
        names.setdefault(frozenset([(source4 or source6, source_port), (destination4 or destination6, destination_port)]), name.rstrip("."))
    return names


def our_names(program, path):
    names = {}
    out = subprocess.run([program, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode("utf-8", "replace")
    for line in out.splitlines():
        protocol, source, source_port, destination, destination_port, *_, name = line.split("\t")
        if protocol == "6":
            names.setdefault(frozenset([(source, source_port), (destination, destination_port)]), name)
    return names


def main():
    program, captures = sys.argv[1], sys.argv[2:]
    same = different = 0
    for path in captures:
        ours = our_names(program, path)
        for flow, name in tshark_names(path).items():
            if ours.get(flow) == name:
                same += 1
            else:
                different += 1
                print(f"# {path.rsplit('/', 1)[1]}: {sorted(flow)}: tshark {name}, we {ours.get(flow)}")
    print(f"{same} names the same, {different} different")
    return 1 if different or same == 0 else 0


sys.exit(main())
