#!/bin/bash
# What the program says of itself and of wrong use, and with which exit status.
# run: sanitize
. "$(dirname "$0")/lib.sh"

run "$WEIR"
is "$status" 2 "weir alone is wrong use"
run "$WEIR" help
is "$status" 0 "weir help works"
like "$out" '^  version +[a-z]' "weir help lists the commands with a line each"
run "$WEIR" versoin
is "$status" 2 "an unknown command is wrong use"
like "$err" "did you mean 'version'" "an unknown command suggests the nearest"
is "$out" "" "what went wrong is told on standard error alone"
run "$WEIR" qqqqqqqq
unlike "$err" "did you mean" "a word that is near nothing suggests nothing"
run "$WEIR" version --biuld
is "$status" 2 "an unknown option is wrong use"
like "$err" "did you mean '--build'" "an unknown option suggests the nearest"
run "$WEIR" version --build=3
is "$status" 2 "a value for a flag is wrong use"
run "$WEIR" version
like "$out" '^weir [0-9]+\.[0-9]+\.[0-9]+$' "weir version is one line"
run "$WEIR" version --build
for library in libpcap zstd xxHash OpenSSL SQLite zlib; do
	like "$out" "$library.*[0-9]" "version --build tells the version of $library"
done
is "$("$WEIR" --version)" "$("$WEIR" version)" "--version is version"
is "$("$WEIR" --help)" "$("$WEIR" help)" "--help is help"
"$WEIR" help >/dev/full 2>"$tmp/full"
is "$?" 3 "what cannot be written to standard output is a failure"

for command in $("$WEIR" options --format commands | sed -n 's/^\*weir-\([a-z]*\).*/\1/p'); do
	run "$WEIR" "$command" --help
	is "$status" 0 "weir $command --help works"
	like "$out" "^Usage: weir $command " "weir $command --help shows the usage"
	is "$("$WEIR" help "$command")" "$out" "weir help $command is the same"
	run "$WEIR" "$command" --no-such-option
	is "$status" 2 "weir $command refuses an unknown option"
done

# command arguments: one that reads a file that is not there
while read -r command arguments; do
	"$WEIR" options --format commands | grep -q "^\*weir-$command\*" || continue
	# shellcheck disable=SC2086 # words
	run "$WEIR" "$command" $arguments
	is "$status" 3 "weir $command $arguments: a file that is not there is exit status 3"
	like "$err" 'no-such' "weir $command: the file that is not there is named"
	is "$(wc -l <<<"$err")" 1 "weir $command: it is told in one line"
	unlike "$out" 'sound' "weir $command: nothing is called sound that was not looked at"
done <<'LIST'
info no-such.pcap
watch -r no-such.pcap
convert no-such.pcap -w /dev/null
anon no-such.pcap -w /dev/null
query no-such-campaign
verify no-such-campaign
catalog rebuild no-such-campaign
LIST
done_testing
