# What the end-to-end tests share: TAP output, a private folder, what a test needs. Source it from a script in this folder:
#
#	#!/bin/bash
#	# What is guarded, in a sentence.
#	# run: sanitize            also run it with the sanitizers' binary (cheap tests only)
#	# run: alone               nothing else runs beside it
#	# timeout: 300             seconds; 120 when it does not say
#	. "$(dirname "$0")/lib.sh"
#	need_shared
#	plan 2
#	run "$WEIR" info "$CAPTURES/tcpdump/x.pcap"
#	is "$status" 0 "info reads a plain pcap file"
#	like "$out" 'Packets: +12' "info counts its packets"
#
# A script whose number of tests is not known beforehand ends with `done_testing` instead of beginning with `plan`.
set -u
export LC_ALL=C TZ=UTC

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WEIR=${WEIR:-$ROOT/build/weir}
WEIR_SHARED=${WEIR_SHARED:-$ROOT/../shared}
CAPTURES=$WEIR_SHARED/captures/captures # captures/SUITE/FILE
TOOLS=${WEIR_TOOLS:-$(dirname "$WEIR")} # where meson put the programs of tests/tools (tests/) and bench (bench/)

tmp=$(mktemp -d "${TMPDIR:-/tmp}/weir-test.XXXXXX") || exit 1
test_number=0
test_failures=0
test_planned=

# A test that needs to undo more than its folder defines `cleanup`.
at_exit() {
	local status=$?
	declare -F cleanup >/dev/null && cleanup
	rm -rf "$tmp"
	if [ -n "$test_planned" ] && [ "$status" -eq 0 ] && [ "$test_planned" -ne "$test_number" ]; then
		echo "# planned $test_planned tests but ran $test_number"
		exit 1
	fi
	if [ -z "$test_planned" ] && [ "$status" -eq 0 ]; then
		echo "# the script ended without a plan"
		exit 1
	fi
	[ "$status" -ne 0 ] || [ "$test_failures" -eq 0 ] || exit 1
}
trap at_exit EXIT
trap 'exit 130' INT TERM

plan() {
	test_planned=$1
	echo "1..$1"
}

done_testing() {
	plan "$test_number"
}

skip_all() {
	echo "1..0 # SKIP $1"
	test_planned=0
	exit 0
}

ok() { # WHAT
	test_number=$((test_number + 1))
	echo "ok $test_number - $1"
}

not_ok() { # WHAT [LINES OF DIAGNOSIS]
	test_number=$((test_number + 1))
	test_failures=$((test_failures + 1))
	echo "not ok $test_number - $1"
	if [ $# -gt 1 ]; then
		printf '%s\n' "$2" | head -n 40 | sed 's/^/#   /'
	fi
}

skip() { # WHAT WHY
	test_number=$((test_number + 1))
	echo "ok $test_number - $1 # SKIP $2"
}

is() { # GOT EXPECTED WHAT
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:      $1
expected: $2"
	fi
}

like() { # GOT EXTENDED-REGEX WHAT
	if grep -Eq -- "$2" <<<"$1"; then
		ok "$3"
	else
		not_ok "$3" "got:          $1
nothing like: $2"
	fi
}

unlike() { # GOT EXTENDED-REGEX WHAT
	if grep -Eq -- "$2" <<<"$1"; then
		not_ok "$3" "got:    $1
has in: $2"
	else
		ok "$3"
	fi
}

same_bytes() { # FILE FILE WHAT
	local difference
	if difference=$(cmp "$1" "$2" 2>&1); then
		ok "$3"
	else
		not_ok "$3" "$difference"
	fi
}

check() { # WHAT COMMAND...: passes when the command does; its output is the diagnosis
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$what"
	else
		not_ok "$what" "failed: $*
$output"
	fi
}

# Runs a command: its exit status in $status, its standard output in $out, its standard error in $err.
run() {
	"$@" >"$tmp/.out" 2>"$tmp/.err"
	status=$?
	out=$(tr -d '\0' <"$tmp/.out")
	err=$(tr -d '\0' <"$tmp/.err")
}

# Waits up to SECONDS for a command to succeed; fails when it never does.
wait_for() { # SECONDS COMMAND...
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.05
	done
}

# A number for namespaces and interfaces, so that tests running at once do not meet.
unique=$((BASHPID % 100000))

need_root() {
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
}

need_shared() {
	[ -d "$CAPTURES" ] || skip_all "the shared captures are not there: $WEIR_SHARED (set WEIR_SHARED)"
}

need_command() { # COMMAND...
	local command
	for command in "$@"; do
		command -v "$command" >/dev/null || skip_all "needs $command"
	done
}

# Network namespaces need more than to be root: a container may forbid them.
need_namespaces() {
	need_root
	need_command ip
	ip netns add "weir-probe-$unique" 2>/dev/null || skip_all "network namespaces are not allowed here"
	ip netns del "weir-probe-$unique"
}
