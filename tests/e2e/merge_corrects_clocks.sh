#!/bin/bash
# Files of two vantage points whose clocks differ, drift and are set are merged by one clock: against the truth that their generator writes beside them.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command jq
CLOCKS=$TOOLS/tests/clocks
[ -x "$CLOCKS" ] || skip_all "built without the tools of the tests"

# Makes two captures, merges them, and leaves the errors in $checked, the clocks in $json.
merged() { # REFERENCE NAME=VALUE...
	local reference=$1
	shift
	"$CLOCKS" make "$tmp/a.pcap" "$tmp/b.pcap" "$tmp/truth" "$@" || exit 1
	json=$("$WEIR" merge "$tmp/a.pcap" "$tmp/b.pcap" -w "$tmp/out.pcapng" --json) || exit 1
	checked=$("$CLOCKS" check "$tmp/out.pcapng" "$tmp/truth" "$reference")
}

# A field of the line of a vantage, or of the first line (packets): an integer, rounded up.
figure() { # LINE FIELD
	sed -n "s/^$1.* $2=\([0-9.]*\).*/\1/p" <<<"$checked " | awk '{ print int($1 + 0.999) }'
}

at_most() { # FIGURE BOUND WHAT
	[ "$1" -le "$2" ] && ok "$3" || not_ok "$3" "$1 is more than $2: $checked"
}

clock() { # JQ: of the corrected clock
	jq -r ".clocks[] | select(.knots) | $1" <<<"$json"
}

# What holds whatever happened to the clocks: nothing lost, sorted, true.
all_true() { # VANTAGE BOUND-US WHAT
	is "$(figure packets of)" "$(sed -n 's/^packets=\([0-9]*\) .*/\1/p' <<<"$checked")" "$3: no packet is lost"
	is "$(figure packets unsorted)" 0 "$3: times ascend"
	is "$(figure packets disorder)" 0 "$3: no packet stands more than 100 µs out of its true order"
	at_most "$(figure "$1" p95)" "$2" "$3: 95 % of the times are within $2 µs of the truth"
	at_most "$(clock '((.uncertainty_ns / 1000) | floor)')" 1000 "$3: it is sure of it"
	[ "$(clock '((.uncertainty_ns / 1000) | floor)')" -ge "$(figure "$1" p95)" ] && ok "$3: and not surer than it may be" ||
		not_ok "$3: and not surer than it may be" "$checked"
}

# What the issue asks for: 0.4 s, 30 ppm, a step; with false matches and queues.
merged a offset=0.4 drift=30 step=0.2 step-at=50 false=0.01
all_true b 50 "0.4 s, 30 ppm and a step forward"
is "$(clock .steps)" 1 "it finds the step"
at_most "$(clock '(.drift_ppm - 30 | fabs * 10 | floor)')" 2 "it finds the drift"
at_most "$(clock '(.offset_ns + 400000000 | fabs / 1000 | floor)')" 20 "it finds the offset"
at_most "$(clock '(.rejected / .matches * 1000 | floor)')" 20 "it finds the false matches"

merged a offset=0.4 drift=30 step=-0.2 step-at=50 false=0.01 jitter-there=1000 jitter-back=300
all_true b 50 "a step back, longer queues one way"
is "$(clock .steps)" 1 "it finds the step"

merged b offset=-2.5 drift=-80 step=-0.3 step-at=50 step-of-a=1 false=0.01
all_true a 50 "the other clock is set back"
is "$(jq -r '.clocks[] | select(.basis == "reference").vantage' <<<"$json")" "$tmp/b.pcap" "the clock that was not set is the reference"

merged a offset=9 drift=500 step=0.002 step-at=200 rate=40 span=500 false=0.05
all_true b 50 "9 s, 500 ppm, a small step, few packets, many false matches"

merged a offset=0.4 drift=30 one-way=1 there=10 false=0.01
all_true b 50 "packets in one direction only"
is "$(clock .basis)" "one direction" "it says so"

# A longer way back than there is what packets can't tell: the error is half of the difference, and within what is claimed.
merged a offset=0.4 drift=30 there=900 back=300 false=0.01
at_most "$(figure b p95)" 330 "an asymmetric path: half of what the ways differ by"
at_most "$(figure b p95)" "$(clock '((.uncertainty_ns / 1000) | ceil)')" "an asymmetric path: within the uncertainty"

# Nothing in common, or hardly anything.
merged a offset=0.4 drift=30 shared=0 span=30
is "$(jq -r '[.clocks[].basis] | unique | join(",")' <<<"$json")" "no shared packets" "without shared packets nothing is corrected"
at_most "$(figure a max)" 0 "and a's times stay"
is "$("$WEIR" merge "$tmp/a.pcap" "$tmp/b.pcap" -w "$tmp/out.pcapng")" "clocks not corrected: the files share too few packets to compare them" "it says so"
merged a offset=0.4 rate=10 span=1 shared=0.3
is "$(jq -r '[.clocks[].basis] | unique | join(",")' <<<"$json")" "no shared packets" "nor with a handful"

# --no-correct, and what can be read once only.
"$CLOCKS" make "$tmp/a.pcap" "$tmp/b.pcap" "$tmp/truth" offset=0.4 span=20
"$WEIR" merge "$tmp/a.pcap" "$tmp/b.pcap" -w "$tmp/out.pcap" --no-correct
checked=$("$CLOCKS" check "$tmp/out.pcap" "$tmp/truth" b)
at_most "$(figure b max)" 0 "--no-correct leaves times as they are"
run "$WEIR" merge "$tmp/a.pcap" - -w "$tmp/out.pcap" <"$tmp/b.pcap"
like "$err" "not corrected: what comes through a pipe" "a pipe is not corrected, and that is told"
checked=$("$CLOCKS" check "$tmp/out.pcap" "$tmp/truth" b)
at_most "$(figure b max)" 0 "and its times stay"
run "$WEIR" merge "$tmp/a.pcap" "$tmp/b.pcap" -w "$tmp/out.pcap"
like "$out" "b.pcap +-0\.[34][0-9]* s .* both directions" "the table shows the correction"
checked=$("$CLOCKS" check "$tmp/out.pcap" "$tmp/truth" a)
at_most "$(figure b p95)" 50 "into pcap as well"

head -c 24 "$tmp/b.pcap" >"$tmp/empty.pcap"
run "$WEIR" merge "$tmp/a.pcap" "$tmp/b.pcap" "$tmp/empty.pcap" -w "$tmp/out.pcap"
is "$status" 0 "a file without packets is merged"
like "$out" "empty.pcap .*no shared packets" "and has a clock of which nothing is known"

# Files of one recorder that follow one another are one vantage: its clock is one over all of them.
"$CLOCKS" make "$tmp/a.pcap" "$tmp/lab_1.pcap" "$tmp/truth" offset=0.4 drift=30 span=60 false=0.01
"$WEIR" convert "$tmp/lab_1.pcap" -w "$tmp/lab.pcapng"
"$WEIR" convert "$tmp/lab.pcapng" -w "$tmp/lab_1.pcap"
split=$((24 + 106 * 20000))
head -c $split "$tmp/lab_1.pcap" >"$tmp/part"
{ head -c 24 "$tmp/lab_1.pcap" && tail -c +$((split + 1)) "$tmp/lab_1.pcap"; } >"$tmp/lab_2.pcap"
mv "$tmp/part" "$tmp/lab_1.pcap"
json=$("$WEIR" merge "$tmp/a.pcap" "$tmp/lab_2.pcap" "$tmp/lab_1.pcap" -w "$tmp/out.pcapng" --json)
is "$(jq '.clocks | length' <<<"$json")" 2 "files that follow one another are one vantage"
checked=$("$CLOCKS" check "$tmp/out.pcapng" "$tmp/truth" a)
at_most "$(figure b p95)" 50 "and are corrected as one"
json=$("$WEIR" merge "$tmp/a.pcap" "$tmp/lab_2.pcap" "$tmp/lab_1.pcap" "$tmp/lab_1.pcap" -w "$tmp/out.pcapng" --json)
[ "$(jq '.clocks | length' <<<"$json")" -gt 2 ] && ok "files of the same time are not" || not_ok "files of the same time are not" "$json"
done_testing
