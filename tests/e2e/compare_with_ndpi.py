#!/usr/bin/env python3
"""Compares the applications that name_flows gives with those that nDPI's own tests expect.

    compare_with_ndpi.py NAME_FLOWS CAPTURES EXPECTED EXPLAINED [-v] [--tallies|--carriers] [OPTION OF NAME_FLOWS...]

Each flow that an nDPI-result lists is looked for by its addresses, ports and protocol, and its name compared:

    equal      the same words
    refined    nDPI says less: "Unknown", or the carrier or the service alone where we name both
    explained  listed in EXPLAINED (capture, flow, their name, our name, why)
    differs    anything else

The flow tables of nfstream (nDPI of several versions) have no addresses: there the numbers of flows of each name are compared, "differs" is what neither side has as often.

With --carriers only what carries the service is compared, "TLS" of "TLS.Teams": names of services are behind what short snap lengths leave.

Prints a line a flow that differs and, for each capture and in all, how many of each; the status is 1 when one differs, or when an explanation is of no use any more.
"""
import collections
import ipaddress
import os
import re
import subprocess
import sys

PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPV6": 58, "IGMP": 2, "PIM": 103, "VRRP": 112, "ESP": 50, "AH": 51, "GRE": 47, "SCTP": 132, "OSPF": 89, "IPIP": 4}
FLOW = re.compile(r"^\t?\s*\d+\t(\S+) (\[[0-9a-fA-F:.]+\]|[0-9.]+)(?::(\d+))? (?:<->|->) (\[[0-9a-fA-F:.]+\]|[0-9.]+)(?::(\d+))? .*?\[proto: ([^\]]+)\]")


def address(text):
    return ipaddress.ip_address(text.strip("[]"))


def key(protocol, source, source_port, destination, destination_port):
    # ICMP has no ports: nDPI writes type and code there for some versions.
    if protocol not in (6, 17, 132):
        source_port = destination_port = 0
    ends = sorted([(str(source), int(source_port)), (str(destination), int(destination_port))])
    return (protocol, *ends[0], *ends[1])


def expected_flows(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = FLOW.match(line)
            if not match:
                continue
            protocol = PROTOCOLS.get(match[1]) if match[1] in PROTOCOLS else int(match[1]) if match[1].isdigit() else None
            if protocol is None:
                print(f"unknown protocol {match[1]}", file=sys.stderr)
                continue
            name = match[6].split("/", 1)[1]
            try:
                yield key(protocol, address(match[2]), match[3] or 0, address(match[4]), match[5] or 0), name
            except ValueError:  # some versions of nDPI print addresses like 2a01:3f0::57::245
                continue


def our_flows(program, path, arguments):
    names = collections.defaultdict(set)
    out = subprocess.run([program, *arguments, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode("utf-8", "replace")
    for line in out.splitlines():
        protocol, source, source_port, destination, destination_port, _, _, _, name, _, evidence, _ = line.split("\t")
        names[key(int(protocol), ipaddress.ip_address(source), source_port, ipaddress.ip_address(destination), destination_port)].add(
            ("Unknown" if name == "-" else name, evidence))
    return names


def verdict(theirs, ours):
    if not ours:
        return "missing"
    words = {name for name, _ in ours}
    if theirs in words:
        return "equal"
    for name in words:
        if theirs == "Unknown" or name.startswith(theirs + ".") or name.endswith("." + theirs):
            return "refined"
    return "differs"


def explanations(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                capture, theirs, ours, count, why = line.rstrip("\n").split("\t")
                rows[(capture, theirs, ours)] = [int(count), why]
    return rows


def says_less(theirs, name):
    return theirs == "Unknown" or name.startswith(theirs + ".") or name.endswith("." + theirs)


def compare_tallies(path, ours):
    """Of an nfstream table: names as often as there, else names that say more; what is left over differs."""
    with open(path, encoding="utf-8") as file:
        theirs = collections.Counter(line.split(",")[3] for line in file if line[0].isdigit())
    left = collections.Counter(name for names in ours.values() for name in {n for n, _ in names})
    counts = collections.Counter()
    for exact in (True, False):
        for name in sorted(theirs):
            for mine in sorted(left):
                if (name == mine) if exact else says_less(name, mine):
                    both = min(theirs[name], left[mine])
                    theirs[name] -= both
                    left[mine] -= both
                    counts["equal" if exact else "refined"] += both
    counts["differs"] += sum(theirs.values())
    return +counts, +theirs, +left


def main_tallies(program, captures, expected, options):
    total = collections.Counter()
    whole = good = 0
    for folder, _, files in sorted(os.walk(expected)):
        capture = os.path.relpath(os.path.dirname(folder), expected)
        path = os.path.join(captures, capture)
        if os.path.basename(folder) != "nfstream-csv" or not os.path.exists(path):
            continue
        ours = our_flows(program, path, options)
        for file in files:
            counts, theirs, left = compare_tallies(os.path.join(folder, file), ours)
            total += counts
            whole += 1
            good += not counts["differs"]
            print(f"# {capture}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) + (f": nfstream {dict(theirs)}, we {dict(left)}" if theirs else ""))
    print(f"{whole} captures, {good} without a difference; {sum(total.values())} flows: " + ", ".join(f"{n} {what}" for what, n in sorted(total.items())))


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    options = [a for a in sys.argv[1:] if a.startswith("-") and a not in ("-v", "--tallies", "--carriers")]
    program, captures, expected, explained = arguments
    if "--tallies" in sys.argv:
        return main_tallies(program, captures, expected, options)
    rows = explanations(explained)
    total = collections.Counter()
    whole = good = 0
    for folder, _, files in sorted(os.walk(expected)):
        if os.path.basename(folder) != "nDPI-result":
            continue
        capture = os.path.relpath(os.path.dirname(folder), expected)
        path = os.path.join(captures, capture)
        if not os.path.exists(path):
            continue
        ours = our_flows(program, path, options)
        counts = collections.Counter()
        for file in files:
            for flow, theirs in expected_flows(os.path.join(folder, file)):
                if "--carriers" in sys.argv:
                    theirs = theirs.split(".")[0]
                    ours[flow] = {(name.split(".")[0], evidence) for name, evidence in ours.get(flow, ())}
                result = verdict(theirs, ours.get(flow))
                mine = "+".join(sorted(name for name, _ in ours.get(flow, ())))
                if result in ("differs", "missing"):
                    row = rows.get((capture, theirs, mine or "missing"))
                    if row and row[0] > 0:
                        row[0] -= 1
                        result = "explained"
                    else:
                        print(f"# {capture}: {flow}: nDPI says {theirs}, we {mine or 'missing'} ({','.join(e for _, e in ours.get(flow, ()))})")
                elif result == "refined" and "-v" in sys.argv:
                    print(f"# {capture}: {flow}: nDPI says {theirs}, we {mine}")
                counts[result] += 1
        total += counts
        whole += 1
        good += not counts["differs"] and not counts["missing"]
        print(f"# {capture}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    left = [(k, v) for k, v in rows.items() if v[0] > 0]
    for (capture, theirs, mine), (count, _) in left:
        print(f"# no longer needed: {capture}: {theirs} / {mine} ({count})")
    print(f"{whole} captures, {good} without a difference; {sum(total.values())} flows: " + ", ".join(f"{n} {what}" for what, n in sorted(total.items())))
    return 1 if good != whole or left or whole == 0 else 0


sys.exit(main())
