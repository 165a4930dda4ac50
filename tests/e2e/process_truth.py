"""process_truth.py connections|cases TRUTH [MAKER] < packets as JSON lines: compares the processes of packets with who really had their sockets.

MAKER made the sockets of the servers, which others use: it may be named for their very first datagrams, while nobody has used them yet.
Prints the ends that were attributed rightly, wrongly, and not at all, and the first ones that are wrong.
"""
import collections
import json
import sys

kind, truth = sys.argv[1:3]
maker = int(sys.argv[3]) if len(sys.argv) > 3 else -1
MADE = 4  # datagrams
exact, single, shared = collections.defaultdict(set), collections.defaultdict(set), {}
for line in open(truth):
    f = line.rstrip("\n").split("\t")
    if kind == "connections" and f[-1] == "server":
        single[f[0], int(f[3])].add(int(f[1]))
    elif kind == "connections":
        exact[f[0], int(f[3]), int(f[5])].add(int(f[1]))
    elif f[0] == "shared":
        shared[int(f[1])] = int(f[2])
    else:
        single[f[0], int(f[1])].add(int(f[2]))

count, wrong = collections.Counter(), []
for line in sys.stdin:
    packet = json.loads(line)
    layers = {layer["protocol"]: layer for layer in packet["layers"]}
    protocol = "tcp" if "tcp" in layers else "udp" if "udp" in layers else None
    if protocol is None:
        count["wrong" if "process" in packet else "other"] += 1
        continue
    ports = layers[protocol]["source_port"], layers[protocol]["destination_port"]
    for end, (port, other) in (("source", ports), ("destination", ports[::-1])):
        want = exact.get((protocol, port, other)) or single.get((protocol, port))
        if want is None and protocol == "tcp" and other in shared:
            want = {shared[other]}
        got = packet.get("process", {}).get(end, {}).get("pid", 0)
        if want is None:
            count["unforeseen"] += 1
        elif got in want:
            count["right"] += 1
        elif got == maker and protocol == "udp" and (protocol, port) in single and count["made"] < MADE:
            count["made"] += 1
            count["right"] += 1
        elif got == 0:
            count["unknown"] += 1
        else:
            count["wrong"] += 1
            wrong.append(f"{end} {protocol} {port}-{other}: {got} instead of {want} {layers[protocol].get('flag_names')}")
print(f"right {count['right']} wrong {count['wrong']} unknown {count['unknown']} unforeseen {count['unforeseen']}")
for line in wrong[:10]:
    print(line, file=sys.stderr)
