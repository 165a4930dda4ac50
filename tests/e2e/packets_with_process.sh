#!/bin/bash
# Packets carry the process that they belong to: every one of ten thousand connections, those that are hard to tell, through files, archive and flows.
# timeout: 180
# run: alone
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3 nsenter
connections=$TOOLS/tests/connections
[ -x "$connections" ] || skip_all "tests/tools/connections is not built"
namespace=weir-process-$unique
recorder=
cleanup() {
	[ -z "$recorder" ] || kill -9 "$recorder" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
	return 0
}
ip netns add "$namespace"
ip -n "$namespace" link set lo up
# Not ip netns exec, which hides the hierarchy of cgroups.
inside() { nsenter --net="/run/netns/$namespace" "$@"; }
sandbox=
! grep -qa __asan_init "$WEIR" || sandbox=--no-sandbox
record_begin() { # NAME OPTION...
	: >"$tmp/err"
	nsenter --net="/run/netns/$namespace" "$WEIR" record -i lo -o "$tmp/$1" --process -q $sandbox "${@:2}" >"$tmp/out" 2>"$tmp/err" &
	recorder=$!
	wait_for 20 grep -q ': recording ' "$tmp/err"
}
record_end() {
	sleep 1
	kill -INT "$recorder"
	wait "$recorder"
	status=$?
	recorder=
}
probe=$(inside "$WEIR" record -i lo -o "$tmp/probe" --process --for 0.1 -q $sandbox 2>&1)
case $probe in *missed*|*"without"*|*"needs"*|*right*) skip_all "not every socket can be followed here: $(head -n 1 <<<"$probe")" ;; esac

record_begin many
nsenter --net="/run/netns/$namespace" "$connections" 10000 "$tmp/truth" &
maker=$!
wait "$maker" || echo "# connections ended with $?"
record_end
is "$status" 0 "a recording with processes ends well"
"$WEIR" query "$tmp/many" --json >"$tmp/packets.json"
result=$(python3 "$(dirname "$0")/process_truth.py" connections "$tmp/truth" "$maker" <"$tmp/packets.json")
echo "# $result"
read -r _ right _ wrong _ unknown _ unforeseen <<<"$result"
is "$wrong" 0 "of the packets of 10,000 connections none is attributed wrongly"
is $((right > 100000)) 1 "… more than 100,000 ends are known"
is $((unknown * 1000 <= right + unknown)) 1 "… and at most one in a thousand is not"
is "$unforeseen" 0 "… every packet is one that was foreseen"

inside python3 "$(dirname "$0")/process_cases.py" "$tmp/cases" "$tmp/gate" "$tmp/ready" &
cases=$!
wait_for 10 test -e "$tmp/ready"
record_begin odd
: >"$tmp/gate"
wait "$cases"
record_end
result=$("$WEIR" query "$tmp/odd" --json | python3 "$(dirname "$0")/process_truth.py" cases "$tmp/cases")
echo "# $result"
read -r _ right _ wrong _ unknown _ unforeseen <<<"$result"
is "$wrong" 0 "an older connection, UDP without connect, forks, SO_REUSEPORT, a process that is gone, nobody: none wrong"
is "$unknown" 0 "… and none unknown"
is $((right > 200)) 1 "… of all of them"

"$WEIR" query "$tmp/many" -w "$tmp/many.pcapng" 2>/dev/null
"$WEIR" convert "$tmp/many.pcapng" -w "$tmp/again.pcapng" 2>/dev/null
"$WEIR" watch -r "$tmp/again.pcapng" -c 200 >"$tmp/lines"
is "$(grep -cE ' \[connections [0-9]+ root > connections [0-9]+ root\]$' "$tmp/lines")" 200 "files keep them, and lines show them"
is "$("$WEIR" watch -r "$tmp/again.pcapng" -c 200 --no-process | grep -c ' \[connections ')" 0 "--no-process does not"
if command -v tshark >/dev/null; then
	run tshark -n -r "$tmp/many.pcapng" -T fields -e frame.number
	is "$status $(tail -n 1 <<<"$out")" "0 $(wc -l <"$tmp/packets.json")" "tshark reads such a file whole"
	is "$(grep -vc 'Running as user' <<<"$err")" 0 "… without complaint"
fi
"$WEIR" flows "$tmp/many.pcapng" -f csv --by process_executable,process_user,reverse_process_executable >"$tmp/flows"
is "$(sed -n 2p "$tmp/flows" | cut -d, -f1-3)" "$connections,root,$connections" "flows know them, and count by them"
"$WEIR" flows "$tmp/many.pcapng" --json >"$tmp/flows.json"
"$WEIR" convert "$tmp/many.pcapng" -w "$tmp/plain.pcap" 2>"$tmp/err"
like "$(cat "$tmp/err")" "options" "pcap has no place for them, and that is told"

# What goes to others has none of it.
(umask 077 && echo "WEIR-KEY-1 $(printf "%064d" 7)" >"$tmp/key")
"$WEIR" query "$tmp/odd" -w "$tmp/odd.pcapng" 2>/dev/null
check "the file that is to be hidden names processes" grep -qa python "$tmp/odd.pcapng"
run "$WEIR" anon "$tmp/odd.pcapng" --key "$tmp/key" -w "$tmp/hidden.pcapng"
is "$status" 0 "packets with processes can be hidden"
is "$(grep -caE "wPrc|python|root" "$tmp/hidden.pcapng")" 0 "… and no process, program or user is left"
"$WEIR" watch -r "$tmp/hidden.pcapng" --json >"$tmp/hidden.json"
is "$(jq -c 'select(has("process"))' "$tmp/hidden.json" | wc -l)" 0 "… nor does weir find one"
printf '[policy.keep]\ndefault = "headers"\n' >"$tmp/headers.toml"
"$WEIR" convert "$tmp/odd.pcapng" --policy "$tmp/headers.toml" -w "$tmp/headers.pcapng" 2>"$tmp/err" || cat "$tmp/err"
is "$("$WEIR" info --json "$tmp/headers.pcapng" | jq '.[0].packets')" "$("$WEIR" info --json "$tmp/odd.pcapng" | jq '.[0].packets')" "a policy of headers takes such packets"
done_testing
