#!/usr/bin/env python3
"""compare_endpoints.py LOG EVENTS: what tests/tools/connections did, and what `weir endpoints --watch --json` saw of it. Every socket of the log has to be
among those that went, with its process, addresses, bytes and datagrams, and nothing else may be. Says how many agree, and the first that do not."""
import collections
import json
import sys


def logged(line):
    protocol, pid, local, local_port, remote, remote_port, sent, received, datagrams_sent, datagrams_received, kind = line.rstrip("\n").split("\t")
    if kind == "unconnected":
        local, remote, remote_port = None, None, "0"
    if remote == "-":
        remote = None
    datagrams = (int(datagrams_sent), int(datagrams_received)) if protocol == "udp" else None
    return protocol, int(pid), local, int(local_port), remote, int(remote_port), int(sent), int(received), datagrams


def seen(event):
    datagrams = (event.get("packets_sent"), event.get("packets_received")) if event["protocol"] == "udp" else None
    return (event["protocol"], event.get("pid"), event.get("local_address"), event.get("local_port"), event.get("remote_address"),
            event.get("remote_port", 0), event.get("bytes_sent"), event.get("bytes_received"), datagrams)


log = collections.Counter(logged(line) for line in open(sys.argv[1]))
events = [json.loads(line) for line in open(sys.argv[2])]
went = collections.Counter(seen(e) for e in events if e["event"] == "went" and e.get("state_before") != "LISTEN")
came = collections.Counter(e["id"] for e in events if e["event"] == "came")
gone = collections.Counter(e["id"] for e in events if e["event"] == "went")
executables = {e.get("executable", "").rsplit("/", 1)[-1] for e in events if e["event"] == "went"}
missing, more = log - went, went - log
print(f"logged {sum(log.values())} agree {sum((log & went).values())} missing {sum(missing.values())} more {sum(more.values())}")
print(f"twice {sum(1 for n in (came | gone).values() if n != 1)} without coming {len(set(gone) - set(came))} staying {len(set(came) - set(gone))}")
print("executables", *sorted(executables))
for what, entries in (("missing", missing), ("more", more)):
    for entry in list(entries)[:5]:
        print(what, entry, file=sys.stderr)
sys.exit(1 if missing or more or came != gone else 0)
