#!/bin/bash
# Whatever call fails (memory, reading, writing, opening, locks, threads), a command ends by itself, says in one line what failed, never says that
# it worked when it did not, leaves nothing behind, and the campaign can be used afterwards.
# timeout: 300
#
# WEIR_FAULTS=all makes every call fail once, instead of a sample. WEIR_FAULTS_ONLY=REGEX takes some rows.
. "$(dirname "$0")/lib.sh"
need_command jq sqlite3

faults=$TOOLS/tests/faults.so
[ -f "$faults" ] || skip_all "the preloaded object is not built: $faults"
LD_PRELOAD=$faults "$WEIR" help >/dev/null 2>&1 || skip_all "nothing can be preloaded into this program"

sample=${WEIR_FAULTS_SAMPLE:-6} # calls a row, when there are more
"$TOOLS/bench/generate" --kind=small --bytes=600K --span=60s "$tmp/in.pcap" >/dev/null 2>&1 ||
	skip_all "bench/generate does not run here"
"$WEIR" import "$tmp/base" "$tmp/in.pcap" --node n --iface i --segment 256K -q || exit 1
"$WEIR" import "$tmp/base" "$tmp/in.pcap" --node n --iface j --codec none --segment 256K -q || exit 1
"$WEIR" flows "$tmp/in.pcap" --no-applications -f parquet -w "$tmp/in.parquet" || exit 1
(umask 077 && "$WEIR" keys new -o "$tmp/key" >"$tmp/recipient") || exit 1
export WEIR_IDENTITY=$tmp/key
recipient=$(cat "$tmp/recipient")
"$WEIR" import "$tmp/sealed" "$tmp/in.pcap" --node n --iface i --segment 256K -q --recipient "$recipient" || exit 1
dump() { sqlite3 "$1/catalog.db" .dump | sort; }

# What each command must give when it says that it worked: `go` runs it, `right` looks at what came out.
command_of() {
	case $1 in
	info) set -- info --json "$tmp/in.pcap" ;;
	convert) set -- convert "$tmp/in.pcap" -w "$tmp/out.pcapng.zst" ;;
	import) set -- import "$tmp/made" "$tmp/in.pcap" --node n --iface i --segment 256K -q ;;
	convert_sealed) set -- convert "$tmp/in.pcap" -w "$tmp/out.pcapng.age" --recipient "$recipient" ;;
	import_sealed) set -- import "$tmp/made" "$tmp/in.pcap" --node n --iface i --segment 256K -q --recipient "$recipient" ;;
	query_sealed) set -- query "$tmp/sealed" --from 1970-01-01 -w "$tmp/out.pcapng" ;;
	verify) set -- verify --json "$tmp/base" ;;
	# Without a filter: libpcap's own parser exits or crashes when it gets no memory.
	query) set -- query "$tmp/base" --from 1970-01-01 -w "$tmp/out.pcapng" ;;
	rebuild) set -- catalog rebuild "$tmp/base" ;;
	flows) set -- flows "$tmp/in.pcap" --no-applications -f parquet -w "$tmp/out.parquet" ;;
	flows_read) set -- flows "$tmp/in.parquet" --sort packets -f parquet -w "$tmp/out.parquet" ;;
	flows_by) set -- flows "$tmp/in.parquet" --by host,protocol -f csv ;;
	esac
	argv=("$@")
}

prepare() {
	rm -rf "$tmp/made" "$tmp"/out*
}

product() { # what the command made, as something that can be compared
	case $1 in
	info | flows_by) cat "$tmp/.out" ;;
	flows | flows_read) cksum <"$tmp/out.parquet" ;;
	verify) cat "$tmp/.out" ;;
	convert_sealed) "$WEIR" convert "$tmp/out.pcapng.age" -w - | cksum ;;
	convert) zstd -dcq "$tmp/out.pcapng.zst" | cksum ;;
	query | query_sealed) cksum <"$tmp/out.pcapng" ;;
	import | import_sealed) "$WEIR" verify "$tmp/made" >/dev/null && "$WEIR" query "$tmp/made" -w - | cksum ;;
	rebuild) dump "$tmp/base" ;;
	esac 2>&1
}

# What must hold whether it worked or not. Prints what does not.
aftermath() { # COMMAND STATUS
	local left output
	left=$(find "$tmp" -maxdepth 1 -name 'out*' ! -name out.pcapng ! -name out.pcapng.zst ! -name out.parquet ! -name out.pcapng.age)
	[ -z "$left" ] || echo "left behind: $left"
	if [ "$2" -ne 0 ] && [ -e "$tmp/out.pcapng" -o -e "$tmp/out.pcapng.zst" -o -e "$tmp/out.parquet" -o -e "$tmp/out.pcapng.age" ]; then
		echo "a file that is not whole stands under its name"
	fi
	case $1 in
	import | import_sealed)
		if [ "$2" -ne 0 ] && [ -e "$tmp/made" ]; then
			output=$("$WEIR" import "$tmp/made" "$tmp/in.pcap" --node n --iface k -q 2>&1) || echo "the next import fails: $output"
			output=$("$WEIR" verify "$tmp/made" 2>&1) || echo "verify fails: $output"
			[ "$("$WEIR" query "$tmp/made" -w - 2>/dev/null | "$WEIR" info --json - | jq '.[0].packets')" -ge "$packets" ] ||
				echo "the next import is not there whole"
		fi
		;;
	query_sealed)
		output=$("$WEIR" verify "$tmp/sealed" 2>&1) || echo "verify fails: $output"
		;;
	verify | query)
		output=$("$WEIR" verify "$tmp/base" 2>&1) || echo "verify fails: $output"
		;;
	rebuild)
		if [ "$2" -ne 0 ]; then
			output=$("$WEIR" catalog rebuild "$tmp/base" 2>&1) || echo "the next rebuild fails: $output"
			[ "$(dump "$tmp/base")" = "$right" ] || echo "the next rebuild gives another catalog"
		fi
		output=$("$WEIR" verify "$tmp/base" 2>&1) || echo "verify fails: $output"
		;;
	esac
}

attempt() { # COMMAND CLASS KIND CALL: prints what is wrong
	local code lines
	prepare
	timeout -s KILL 30 env WEIR_FAULT_CLASS=$2 WEIR_FAULT_KIND=$3 WEIR_FAULT_CALL=$4 WEIR_FAULT_REPORT="$tmp/.report" \
		LD_PRELOAD="$faults" "$WEIR" "${argv[@]}" >"$tmp/.out" 2>"$tmp/.err" </dev/null
	code=$?
	lines=$(wc -l <"$tmp/.err")
	case $code in
	0) [ "$(product "$1")" = "$right" ] || echo "says that it worked, and gives something else" ;;
	3) ;;
	1) # SQLite takes EIO for a file system that is damaged
		[ "$1" = verify ] || [ "$2 $3" = "read EIO" ] || echo "exits with 1, but the data is sound: $(cat "$tmp/.err")" ;;
	137) echo "does not end" ;;
	*) echo "exits with $code: $(cat "$tmp/.err")" ;;
	esac
	if [ "$code" -ne 0 ] && [ "$1" != verify ] && [ "$lines" -ne 1 ]; then
		echo "exits with $code and says $lines lines: $(head -n 3 "$tmp/.err")"
	fi
	[ "$3" != short ] || [ "$code" -eq 0 ] || echo "a short $2 is no failure: $(cat "$tmp/.err")"
	aftermath "$1" "$code"
}

numbers() { # COUNT: which of so many calls are to fail
	local i last=0
	if [ "${WEIR_FAULTS:-}" = all ] || [ "$1" -le "$sample" ]; then
		seq "$1"
		return
	fi
	seq $((sample / 2))
	for ((i = 1; i <= sample / 2; i++)); do
		last=$((sample / 2 + ($1 - sample / 2) * i / (sample / 2)))
		echo "$last"
	done
}

row() { # COMMAND CLASS KIND
	local count call wrong="" found
	[[ "$1 $2 $3" =~ ${WEIR_FAULTS_ONLY:-.} ]] || return
	command_of "$1"
	prepare
	WEIR_FAULT_CLASS=$2 WEIR_FAULT_REPORT=$tmp/.report LD_PRELOAD=$faults "$WEIR" "${argv[@]}" >"$tmp/.out" 2>"$tmp/.err" </dev/null
	right=$(product "$1")
	count=$(sed -n "s/^$2 //p" "$tmp/.report")
	for call in $(numbers "$count"); do
		found=$(attempt "$1" "$2" "$3" "$call")
		[ -z "$found" ] || wrong+="call $call of $count: $found
$(grep -m 7 'failed at' "$tmp/.report")
"
	done
	if [ -z "$wrong" ]; then
		ok "$1 bears that $2 fails ($3; $count calls)"
	else
		not_ok "$1 bears that $2 fails ($3; $count calls)" "$wrong"
	fi
}

# All rows of a command, in a folder of their own, so that two commands can be tried at once. The results go to standard output, for replay.
rows() { # COMMAND
	mkdir "$tmp/$1"
	cp -r "$tmp/base" "$tmp/sealed" "$tmp/in.pcap" "$tmp/in.parquet" "$tmp/$1"
	tmp=$tmp/$1
	ok() { printf 'ok %s\n' "$1"; }
	not_ok() {
		printf 'not %s\n' "$1"
		head -n 40 <<<"$2" | sed 's/^/\t/'
	}
	row "$1" memory ENOMEM
	row "$1" read EIO
	row "$1" read short
	row "$1" open EMFILE
	[ "$1" != info ] || return
	row "$1" write EIO
	row "$1" write ENOSPC
	row "$1" write short
	row "$1" thread EAGAIN
	row "$1" name EACCES
	row "$1" map ENOMEM
	row "$1" lock EAGAIN
	row "$1" sync EIO
}

packets=$("$WEIR" info --json "$tmp/in.pcap" | jq '.[0].packets')
commands="import import_sealed query_sealed convert_sealed rebuild verify query convert flows flows_read flows_by info"
for command in $commands; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	(rows "$command" >"$tmp/$command.rows") &
done
wait
replay() { # RESULT WHAT DIAGNOSIS
	case $1 in
	ok) ok "$2" ;;
	not) not_ok "$2" "$3" ;;
	esac
}
for command in $commands; do
	result="" what="" diagnosis=""
	while IFS= read -r line; do
		case $line in
		$'\t'*) diagnosis+="${line#?}"$'\n' ;;
		*)
			replay "$result" "$what" "$diagnosis"
			result=${line%% *} what=${line#* } diagnosis=""
			;;
		esac
	done <"$tmp/$command.rows"
	replay "$result" "$what" "$diagnosis"
done
done_testing
