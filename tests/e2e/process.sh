#!/bin/bash
# weir process: a run has what it says, comes out the same on any number of threads, goes on after a kill, and can be made again.
# timeout: 300
. "$(dirname "$0")/lib.sh"

hashes() { # of a run's outputs
	(cd "$1" && find flows packets -type f 2>/dev/null | sort | xargs -r sha256sum)
}

# ---- a campaign of two vantage points ----
"$TOOLS/bench/gen" --packets 300000 --nodes 1 "$tmp/capture" 2>"$tmp/gen.json"
for file in "$tmp"/capture/*.pcapng; do
	name=$(basename "$file" .pcapng)
	"$WEIR" import "$tmp/campaign" "$file" --node "${name%-*}" --iface "${name#*-}" --codec lz4 --segment 8M >/dev/null
done
records=$(jq .records "$tmp/gen.json")

run "$WEIR" process "$tmp/campaign" -o "$tmp/one" --threads 1 --part 8M --json
is "$status" 0 "a campaign is processed"
is "$(jq .packets <<<"$out")" "$records" "every packet is read"
printf '%s' "$out" >"$tmp/one.json"
is "$(jq '.parts > 3' "$tmp/one.json")" true "in several parts"
is "$(jq '.kept + .exact_duplicates + .routed_duplicates' "$tmp/one.json")" "$records" "every packet is kept or a duplicate"
[ -s "$tmp/one/report.html" ] && ok "there is a report" || not_ok "there is a report"
is "$(ls "$tmp/one")" "$(printf 'flows\nmanifest.json\npackets\nreport.html')" "nothing else is left in the folder"
is "$(jq -r '.outputs[] | .sha256 + "  " + .path' "$tmp/one/manifest.json" | sort -k2)" "$(hashes "$tmp/one" | sort -k2)" "the manifest has the hash of every output"
is "$(jq -r '.plan.inputs[] | .sha256 + "  " + .path' "$tmp/one/manifest.json" | sort -k2)" \
	"$(cd "$tmp/campaign" && find raw -name '*.lz4' | xargs sha256sum | sort -k2)" "and of every input"
packets=$(for f in "$tmp"/one/packets/*.zst; do "$WEIR" info --json "$f" | jq '.[0].packets'; done | awk '{n += $1} END{print n}')
is "$packets" "$(jq .kept "$tmp/one.json")" "the clean packets are those that were kept"
is "$(jq '[.outputs[] | select(.path | startswith("flows")) | .records] | add' "$tmp/one/manifest.json")" "$(jq .flows "$tmp/one.json")" \
	"the flow records are in the flows' files"
is "$(grep -cE '<script|src=|href=|url\(' "$tmp/one/report.html")" 0 "the report needs nothing from elsewhere"

run "$WEIR" process "$tmp/campaign" -o "$tmp/two" --threads 3 --part 8M
is "$(hashes "$tmp/two")" "$(hashes "$tmp/one")" "three threads make the same bytes as one"
is "$(cat "$tmp/two/report.html")" "$(cat "$tmp/one/report.html")" "and the same report"

# ---- killed at any moment, it goes on to the same bytes ----
for moment in 0.05 0.15 0.3 0.5; do
	rm -rf "$tmp/killed"
	kills=0
	while ! [ -e "$tmp/killed/manifest.json" ] && [ $kills -lt 40 ]; do
		{ timeout -s KILL $moment "$WEIR" process "$tmp/campaign" -o "$tmp/killed" --part 8M; } >/dev/null 2>&1
		kills=$((kills + 1))
		moment=$(awk "BEGIN{print $moment + 0.05}")
	done
	is "$(hashes "$tmp/killed")" "$(hashes "$tmp/one")" "killed $((kills - 1)) times, it goes on to the same bytes"
	is "$(cat "$tmp/killed/report.html")" "$(cat "$tmp/one/report.html")" "and to the same report"
done

run "$WEIR" process "$tmp/campaign" -o "$tmp/one" --part 8M
is "$status" 2 "a whole run is not overwritten"

# ---- runs are not mixed up ----
"$TOOLS/bench/gen" --packets 2000 --nodes 1 "$tmp/few" 2>/dev/null
few=$(ls "$tmp"/few/*.pcapng | head -1)
mkdir "$tmp/seconds"
for i in 1 2 3 4; do (cd "$tmp/seconds" && "$WEIR" process "$few" --keep-packets no >/dev/null); done
is "$(ls -d "$tmp"/seconds/* | wc -l)" 4 "runs that begin in the same second have folders of their own"
"$WEIR" import "$tmp/few-campaign" "$few" >/dev/null
"$WEIR" process "$tmp/few-campaign" -o "$tmp/whole2" --from 2001-01-01 >/dev/null
mkdir "$tmp/half" && jq -c .plan "$tmp/whole2/manifest.json" >"$tmp/half/run.json"
run "$WEIR" process "$tmp/few-campaign" -o "$tmp/half" --from 2002-01-01
is "$status" 2 "an interrupted run is not gone on with from another time"
run "$WEIR" process "$tmp/few-campaign" -o "$tmp/half" --from 2001-01-01 --to 2001-01-02
is "$status" 2 "nor up to an earlier one"
run "$WEIR" process "$tmp/few-campaign" -o "$tmp/half" --from 2001-01-01
is "$status" 0 "but when the same is asked for"

# ---- made again ----
run "$WEIR" reproduce "$tmp/two"
is "$status" 0 "a run can be reproduced"
like "$out" "outputs +$(jq '.outputs | length' "$tmp/two/manifest.json") of" "every output is compared"
is "$(ls -d "$tmp"/two*)" "$tmp/two" "reproducing leaves nothing behind"
sed -i 's/"idle_ns":90000000000/"idle_ns":1000000000/' "$tmp/two/manifest.json"
run "$WEIR" reproduce "$tmp/two"
is "$status" 1 "with other parameters it does not come out the same, and that is told"
like "$out" '^differs +flows/' "by name"

# ---- what is new ----
run "$WEIR" process "$tmp/campaign" --keep-packets no
is "$status" 0 "without -o the run goes into the campaign"
is "$(ls "$tmp"/campaign/runs/*/manifest.json | wc -l)" 1 "one run"
run "$WEIR" process "$tmp/campaign" --since-last
like "$out" 'nothing new' "then there is nothing new"
later=$(jq .end_ns "$tmp/gen.json")
"$TOOLS/bench/gen" --packets 20000 --nodes 1 --start "@$((later / 1000000000 + 60))" "$tmp/later" 2>"$tmp/later.json"
"$WEIR" import "$tmp/campaign" "$tmp/later/node1-span0.pcapng" --node node1 --iface span0 >/dev/null
run "$WEIR" process "$tmp/campaign" --since-last --keep-packets no --json
is "$(jq .packets <<<"$out")" "$(jq '.vantages[0].records' "$tmp/later.json")" "--since-last takes what came since"

# ---- two nodes, the clock of one of which is wrong ----
"$TOOLS/bench/gen" --packets 150000 --nodes 2 --offset 400ms --drift 30 "$tmp/nodes" 2>"$tmp/nodes.json"
for file in "$tmp"/nodes/*.pcapng; do
	name=$(basename "$file" .pcapng)
	"$WEIR" import "$tmp/apart" "$file" --node "${name%-*}" --iface "${name#*-}" --segment 8M >/dev/null
done
run "$WEIR" process "$tmp/apart" -o "$tmp/apart-run" --part 8M --json
is "$status" 0 "a campaign of two nodes is processed"
is "$(jq .packets <<<"$out")" "$(jq .records "$tmp/nodes.json")" "every packet of both is read"
wrong=$(jq '[.clocks[] | select((.knots | length) > 0) | .knots[0].correction_ns | if . < 0 then -. else . end] | max' "$tmp/apart-run/manifest.json")
is "$(jq -n "$wrong > 399900000 and $wrong < 400100000")" true "the clock that is 0.4 s off is found ($wrong ns)"
routed=$(jq .routed_duplicates <<<"$out")
is "$(jq "$routed > .routed * 0.999" "$tmp/nodes.json")" true "packets that both nodes saw are found ($routed)"
last=0
sorted=1
for file in "$tmp"/apart-run/packets/*; do
	"$WEIR" watch "$file" -n -tt -q 2>/dev/null | awk '{print $1}' >"$tmp/times"
	sort -n -c "$tmp/times" 2>/dev/null || sorted=0
	awk -v last="$last" 'NR == 1 && $1 + 0 < last + 0 {exit 1}' "$tmp/times" || sorted=0
	last=$(tail -n1 "$tmp/times")
done
is "$sorted" 1 "the packets are in order of the corrected times, over all parts"
run "$WEIR" process "$tmp/apart" -o "$tmp/uncorrected" --stages dedup --json
is "$(jq ".routed_duplicates < $routed" <<<"$out")" true "without the correction fewer are found"
rm -rf "$tmp/killed"
{ timeout -s KILL 0.7 "$WEIR" process "$tmp/apart" -o "$tmp/killed" --part 8M; } >/dev/null 2>&1
# What was killed may hold the run for a moment longer.
wait_for 10 "$WEIR" process "$tmp/apart" -o "$tmp/killed" --part 8M >/dev/null 2>&1
is "$(hashes "$tmp/killed")" "$(hashes "$tmp/apart-run")" "killed, it goes on with the clocks that it had"

# ---- damage ----
cp -r "$tmp/apart" "$tmp/damaged"
segment=$(find "$tmp/damaged/raw" -name '*.pcapng' | sort | head -n1)
[ -n "$segment" ] || segment=$(find "$tmp/damaged/raw" -name '*.pcapng.*' ! -name '*.idx' | sort | head -n1)
printf '\377\377\377\377' | dd of="$segment" bs=1 seek=300000 conv=notrunc status=none
run "$WEIR" process "$tmp/damaged" -o "$tmp/damaged-run" --part 8M --json
is "$status" 1 "a damaged segment is told by the exit status"
is "$(jq '.damages > 0' <<<"$out")" true "and in the summary"
like "$(jq -r '.losses[] | select(.file) | .file' "$tmp/damaged-run/manifest.json")" "$(basename "$segment")" "the manifest names the segment"
is "$(jq --argjson all "$(jq .records "$tmp/nodes.json")" '.packets > 0 and .packets <= $all' <<<"$out")" true "what is sound is processed"

# ---- files ----
run "$WEIR" process "$tmp"/capture/*.pcapng -o "$tmp/files" --part 8M --json
is "$(jq .packets <<<"$out")" "$records" "files of two vantage points are processed together"
for moment in 0.2 0.4; do
	rm -rf "$tmp/killed"
	kills=0
	while ! [ -e "$tmp/killed/manifest.json" ] && [ $kills -lt 40 ]; do
		{ timeout -s KILL $moment "$WEIR" process "$tmp"/capture/*.pcapng -o "$tmp/killed" --part 8M; } >/dev/null 2>&1
		kills=$((kills + 1))
		moment=$(awk "BEGIN{print $moment + 0.05}")
	done
	is "$(hashes "$tmp/killed")" "$(hashes "$tmp/files")" "files: killed $((kills - 1)) times, it goes on to the same bytes"
done
# What the state of an interrupted run tells of may not be there any more, and its inputs may be others.
interrupt() { # FOLDER: a run of the files that is killed when its first parts are whole
	local process until=$((SECONDS + 60))
	while rm -rf "$1" && [ "$SECONDS" -le "$until" ]; do
		"$WEIR" process "$tmp"/capture/*.pcapng -o "$1" --part 8M --threads 1 >/dev/null 2>&1 &
		process=$!
		until [ -e "$1/run.state" ] || [ -e "$1/manifest.json" ] || [ "$SECONDS" -gt "$until" ]; do :; done
		kill -KILL "$process" 2>/dev/null
		wait "$process" 2>/dev/null
		! [ -e "$1/run.state" ] || break
	done
}
interrupt "$tmp/cut"
truncate -s 0 "$tmp/cut/flows/000001.parquet"
run "$WEIR" process "$tmp"/capture/*.pcapng -o "$tmp/cut" --part 8M
is "$status" 1 "files: an output of a whole part that is cut off is an error"
like "$err" 'flows/000001.parquet' "… and named"
rm "$tmp/cut/flows/000001.parquet"
run "$WEIR" process "$tmp"/capture/*.pcapng -o "$tmp/cut" --part 8M
is "$status" 1 "… as is one that is gone"
interrupt "$tmp/cut"
touch "$(ls "$tmp"/capture/*.pcapng | head -n1)"
run "$WEIR" process "$tmp"/capture/*.pcapng -o "$tmp/cut" --part 8M
is "$status" 2 "files: with an input that was written to since, an interrupted run is not gone on with"
mkdir "$tmp/here"
(cd "$tmp/here" && { timeout -s INT 0.3 "$WEIR" process "$tmp"/capture/*.pcapng --part 8M; } >/dev/null 2>&1)
(cd "$tmp/here" && "$WEIR" process "$tmp"/capture/*.pcapng --part 8M >/dev/null 2>&1)
is "$(ls "$tmp/here" | wc -l)" 1 "files: without -o the interrupted run is found again"
is "$(hashes "$tmp"/here/weir-run-*)" "$(hashes "$tmp/files")" "and goes on to the same bytes"
file=$(ls "$tmp"/capture/*.pcapng | head -n1)
run "$WEIR" process "$file" -o "$tmp/single" --part 2M --threads 1
is "$status" 0 "a single file is processed"
for threads in 2 5; do
	"$WEIR" process "$file" -o "$tmp/single-$threads" --part 2M --threads $threads >/dev/null
	is "$(hashes "$tmp/single-$threads")" "$(hashes "$tmp/single")" "a single file: $threads threads make the same bytes as one"
done
run "$WEIR" process /dev/null -o "$tmp/none"
is "$status" 2 "what is no file is refused"
echo 'no capture' >"$tmp/words.txt"
run "$WEIR" process "$file" "$tmp/words.txt" -o "$tmp/none"
is "$status $(ls "$tmp/none" 2>/dev/null | wc -l)" "1 0" "what is no capture is refused before there is a folder"
like "$err" "words.txt: offset 0: is neither pcap nor pcapng" "and named"
done_testing
