#!/bin/bash
# A trace is a pcapng file: others pass over its blocks, it can stand behind a capture, and all of it comes back; also for Perfetto. Nothing here takes rights.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command python3
traced=$TOOLS/tests/traced
[ -x "$traced" ] || traced=$ROOT/build/tests/traced

"$traced" emit "$tmp/own.pcapng" 1000
is $? 0 "a program emits events of its own into a file"
is "$("$WEIR" trace -r "$tmp/own.pcapng" --json -p traced | wc -l)" 1000 "all of them come back"
is "$("$WEIR" trace -r "$tmp/own.pcapng" -p traced --level warning | wc -l)" 500 "filtered by level"
is "$("$WEIR" trace -r "$tmp/own.pcapng" -p traced --keyword even | wc -l)" 500 "filtered by keyword"
is "$("$WEIR" trace -r "$tmp/own.pcapng" -p traced -c 3 | wc -l)" 3 "so many and no more"
is "$("$WEIR" trace -r "$tmp/own.pcapng" --pid 1 | wc -l)" 0 "filtered by process"
like "$("$WEIR" trace -r "$tmp/own.pcapng" -p traced -c 1)" '^20[0-9-]+T[0-9:]+\.[0-9]{9}Z cpu[0-9]+ traced\.even traced\[[0-9]+/[0-9]+\] number=0 word="word"$' "a line tells everything"
is "$("$WEIR" trace -r "$tmp/own.pcapng" --json -p traced | python3 -c "
import json, sys
e = [json.loads(l) for l in sys.stdin]
print(all(x['fields'] == {'number': i, 'word': 'word'} and x['activity'] == i // 10 and x['id'] == 1 + i % 2 for i, x in enumerate(e)))")" True "an object has every field"

for compression in zst gz lz4; do
	"$traced" emit "$tmp/own.pcapng.$compression" 100 2>"$tmp/err" || { skip "a trace in .$compression" "$(cat "$tmp/err")"; continue; }
	is "$("$WEIR" trace -r "$tmp/own.pcapng.$compression" -p traced | wc -l)" 100 "a trace in .$compression"
done

# With captures.
python3 - "$tmp/packets.pcapng" <<'EOP'
import struct, sys
def block(kind, body): return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)
frame = bytes(60)
with open(sys.argv[1], 'wb') as f:
    f.write(block(0x0A0D0D0A, struct.pack('<IHHq', 0x1A2B3C4D, 1, 0, -1)))
    f.write(block(1, struct.pack('<HHI', 1, 0, 0)))
    for i in range(5): f.write(block(6, struct.pack('<IIIII', 0, 0x5f000, i, 60, 60) + frame))
EOP
cat "$tmp/packets.pcapng" "$tmp/own.pcapng" >"$tmp/both.pcapng"
is "$("$WEIR" trace -r "$tmp/both.pcapng" -p traced | wc -l)" 1000 "a trace behind a capture in one file"
like "$("$WEIR" info "$tmp/both.pcapng")" 'Packets: +5' "info counts its packets"
like "$("$WEIR" info "$tmp/both.pcapng")" 'Blocks: +.*custom' "info tells of the blocks"
run "$WEIR" convert "$tmp/both.pcapng" -w "$tmp/converted.pcapng.zst"
is "$status" 0 "convert takes it"
is "$("$WEIR" trace -r "$tmp/converted.pcapng.zst" -p traced | wc -l)" 1000 "and keeps every event"
run "$WEIR" merge "$tmp/packets.pcapng" "$tmp/both.pcapng" -w "$tmp/merged.pcapng"
is "$status" 0 "merge passes over the events"
like "$("$WEIR" info "$tmp/merged.pcapng")" 'Packets: +10' "and merges the packets"
if command -v tshark >/dev/null; then
	is "$(tshark -r "$tmp/both.pcapng" -Y frame.protocols -T fields -e frame.number 2>/dev/null | wc -l | sed 's/^0$/none/; s/^[1-9][0-9]*$/some/')" some "Wireshark reads it"
	run tshark -r "$tmp/own.pcapng" -c 1
	is "$status" 0 "Wireshark reads a trace alone"
else
	skip "Wireshark reads it" "no tshark"
	skip "Wireshark reads a trace alone" "no tshark"
fi

# Perfetto.
run "$WEIR" trace -r "$tmp/own.pcapng" --perfetto "$tmp/own.perfetto"
is "$status" 0 "a trace for Perfetto is written"
cat >"$tmp/perfetto.py" <<'EOP'
# Decodes protobuf strictly: Trace{packet=1}, and counts instants (TracePacket.track_event=11, type=9 is 3) and what they say.
import sys
def varint(d, at):
    v = s = 0
    while True:
        b = d[at]; at += 1; v |= (b & 127) << s; s += 7
        if not b & 128: return v, at
def fields(d):
    at, out = 0, []
    while at < len(d):
        key, at = varint(d, at)
        if key & 7 == 0: v, at = varint(d, at)
        elif key & 7 == 2:
            n, at = varint(d, at)
            assert at + n <= len(d)
            v = d[at:at + n]; at += n
        else: raise ValueError(key)
        out.append((key >> 3, v))
    return out
packets = [dict(fields(v)) for n, v in fields(open(sys.argv[1], 'rb').read()) if n == 1]
instants = [(p, fields(p[11])) for p in packets if 11 in p]
names = [dict(f)[23] for p, f in instants]
assert all(dict(f)[9] == 3 for p, f in instants) and all(8 in p for p, f in instants)
tracks = {dict(fields(p[60]))[1] for p in packets if 60 in p}
assert all(dict(f)[11] in tracks for p, f in instants)
annotated = sum(1 for p, f in instants for n, v in f if n == 4 and dict(fields(v)).get(10) == b'number')
switches = sum(1 for p in packets if 1 in p)
print(names.count(b'even'), names.count(b'odd'), annotated, switches)
EOP
is "$(python3 "$tmp/perfetto.py" "$tmp/own.perfetto")" "500 500 1000 0" "and a decoder of protobuf finds every event on a track, with its fields"

# Damage, and files that are none.
head -c 20000 "$tmp/own.pcapng" >"$tmp/cut.pcapng"
run "$WEIR" trace -r "$tmp/cut.pcapng" -p traced
is "$status" 1 "a file that is cut is a fault in the data"
like "$out" 'traced.even' "what is before the cut is told"
python3 - "$tmp/own.pcapng" "$tmp/hostile.pcapng" <<'EOP'
import random, sys
d = bytearray(open(sys.argv[1], 'rb').read()); random.seed(7)
for i in range(400): d[random.randrange(28, len(d))] = random.randrange(256)
open(sys.argv[2], 'wb').write(d)
EOP
run "$WEIR" trace -r "$tmp/hostile.pcapng"
like "$status" '^[01]$' "a hostile file does not kill it"
run "$WEIR" trace -p nonsense
is "$status" 2 "a provider that is not there is a wrong use"
run "$WEIR" trace -p tcp --keyword nonsense
is "$status" 2 "so is a keyword"
run "$WEIR" trace -r "$tmp/own.pcapng" -w "$tmp/other.pcapng"
is "$status" 2 "reading and writing at once is one, too"
run "$WEIR" trace --list -p net.link,weir
is "$status" 0 "providers are listed"
like "$out" 'link-removed' "with their events"

# Without rights.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$tmp"
	cp "$WEIR" "$tmp/weir" 2>/dev/null
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/weir" trace -d 1s -p tcp
	is "$status" 3 "without rights there is no tcp"
	like "$err" 'CAP_BPF' "and the right is named"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/weir" trace -d 1s
	is "$status" 0 "without rights what takes none goes on"
	like "$out" 'weir.start' "and is told"
	like "$err" 'tcp: .*CAP_BPF' "with what is missing"
else
	for what in "no tcp" "the right" "goes on" "told" "missing"; do skip "without rights: $what" "needs root and setpriv"; done
fi
done_testing
