#!/bin/bash
# Whatever the bytes are: no crash, no sanitizer report, no hang, bounded memory, and an error that names file and offset.
# run: sanitize
# timeout: 600
. "$(dirname "$0")/lib.sh"
mutate=$TOOLS/tests/mutate
seed=${WEIR_SEED:-20261123}
# All of them where sanitizers look; as released crashes and hangs are all that can be seen.
damaged_cases=${WEIR_MUTATIONS:-1000}
limit_kib=$((1536 * 1024))
sanitized=false
if grep -q __asan_init "$WEIR"; then
	sanitized=true
	damaged_cases=${WEIR_MUTATIONS:-10000}
	export ASAN_OPTIONS="${ASAN_OPTIONS:-exitcode=99}:hard_rss_limit_mb=$((limit_kib / 1024))"
	export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:exitcode=99}
fi

# Good captures: some made here, in every format and compression, and the real ones when they are there.
mkdir "$tmp/good" "$tmp/cases"
"$TOOLS/bench/generate" --bytes 60K --kind mix "$tmp/good/mix.pcap" 2>/dev/null
"$TOOLS/bench/generate" --bytes 20K --kind small --nanoseconds "$tmp/good/small.pcap" 2>/dev/null
editcap -F pcapng "$tmp/good/mix.pcap" "$tmp/good/mix.pcapng" 2>/dev/null
for tool in gzip zstd lz4; do
	case $tool in gzip) ending=gz ;; zstd) ending=zst ;; *) ending=lz4 ;; esac
	"$tool" -q -k -c "$tmp/good/mix.pcap" >"$tmp/good/mix.pcap.$ending"
done
mapfile -t made < <(find "$tmp/good" -type f -size +0)
real=()
if [ -d "$CAPTURES" ]; then
	mapfile -t real < <(find "$CAPTURES" -type f -size -200k | sort)
fi

limited() { # COMMAND...: with bounded memory and time
	if $sanitized; then
		timeout -k 5 60 "$@"
	else
		(ulimit -v $limit_kib && exec timeout -k 5 60 "$@")
	fi
}

# 10,000 in one process.
run timeout -k 5 400 "$mutate" --count 0 "${made[@]}" "${real[@]}"
is "$status" 0 "captures as they are pass through reading, decoding, filtering and writing"
run timeout -k 5 400 "$mutate" --seed "$seed" --count "$damaged_cases" --state "$tmp/state" "${made[@]}" "${real[@]}"
if [ "$status" -eq 0 ]; then
	ok "$damaged_cases damaged captures are read without crash, hang or nameless fault"
else
	not_ok "$damaged_cases damaged captures are read without crash, hang or nameless fault" "status $status at $(cat "$tmp/state")
$(grep -v ' 0 complaints' <<<"$out" | head -n 10)
$(head -n 30 <<<"$err")"
fi
echo "$out" | grep '^# seed'

# What a command says about a file: 0, or 1 or 3 with words that name the file, and for damage the offset.
wrong=
judge() { # FILE COMMAND...
	local file=$1 status words
	shift
	limited "$@" >/dev/null 2>"$tmp/words"
	status=$?
	words=$(tr -d '\0' <"$tmp/words")
	case $status in
	0) return ;;
	1) grep -q 'offset' <<<"$words" || [ ! -s "$file" ] || wrong+="$* : no offset: $words"$'\n' ;;
	3) ;;
	*) wrong+="$* : status $status: $(head -n 12 <<<"$words")"$'\n' ;;
	esac
	# The end of a long path is what is told.
	grep -qF -- "$(basename "$file")" <<<"$words" || wrong+="$* : does not name the file: $words"$'\n'
}

verdict() { # WHAT
	if [ -z "$wrong" ]; then
		ok "$1"
	else
		not_ok "$1" "seed $seed, $(grep -c ' : ' <<<"$wrong") complaints
$(head -n 15 <<<"$wrong")"
	fi
	wrong=
}

every_reader() { # FILE
	judge "$1" "$WEIR" info "$1"
	judge "$1" "$WEIR" info --json "$1"
	judge "$1" "$WEIR" watch -n -v -r "$1"
	judge "$1" "$WEIR" watch --json -r "$1"
	judge "$1" "$WEIR" convert "$1" -w "$tmp/converted.pcapng"
}

# What changes and counts packets, and writes: of these only that they end as programs do.
every_processor() { # FILE
	local command status
	for command in "process $1 -o $tmp/run" "flows $1" "dedup $1 --routed 100ms -w $tmp/converted.pcapng" "repair $1 -w $tmp/converted.pcapng" \
		"merge $1 $1 -w $tmp/converted.pcapng" "anon $1 --key $tmp/key -w $tmp/converted.pcapng"; do
		rm -rf "$tmp/run"
		# shellcheck disable=SC2086 # words
		limited "$WEIR" $command >"$tmp/words" 2>&1
		status=$?
		[ "$status" -le 1 ] || [ "$status" -eq 3 ] || wrong+="$command : status $status: $(head -n 12 "$tmp/words")"$'\n'
	done
}

through_archive() { # FILE
	rm -rf "$tmp/campaign"
	judge "$1" "$WEIR" import "$tmp/campaign" "$1"
	[ -d "$tmp/campaign" ] || return
	# What was put in is sound, whatever it came from.
	limited "$WEIR" verify "$tmp/campaign" >"$tmp/words" 2>&1 || wrong+="verify after import of $1: $(head -n 8 "$tmp/words")"$'\n'
	limited "$WEIR" query "$tmp/campaign" -w /dev/null >"$tmp/words" 2>&1 || wrong+="query after import of $1: $(head -n 8 "$tmp/words")"$'\n'
}

# Under the sanitizers every process is slow to start, and the library has just read all of them: a fourth is enough.
step=$($sanitized && echo 4 || echo 1)
for ((i = 0; i < ${#real[@]}; i += step)); do
	every_reader "${real[$i]}"
done
verdict "info, watch and convert survive real captures ($((${#real[@]} / step)) of ${#real[@]})"

step=$($sanitized && echo 10 || echo 4)
for ((i = 0; i < ${#real[@]}; i += step)); do
	through_archive "${real[$i]}"
done
verdict "a real capture that was imported verifies and can be queried"

count=$($sanitized && echo 40 || echo 120)
"$mutate" --seed "$seed" --count "$count" --write "$tmp/cases" "${made[@]}" "${real[@]}" >/dev/null
for file in "$tmp/cases"/*; do
	every_reader "$file"
done
verdict "info, watch and convert survive $count damaged captures"
(umask 077 && echo "WEIR-KEY-1 $(printf "%064d" 7)" >"$tmp/key")
for file in "$tmp/cases"/*[05]; do
	every_processor "$file"
done
verdict "process, flows, dedup, repair, merge and anon survive a fifth of them"
for file in "$tmp/cases"/*[05]; do
	through_archive "$file"
done
verdict "what a damaged capture leaves in the archive verifies and can be queried"

# An archive that is damaged itself.
rm -rf "$tmp/campaign" "$tmp/whole"
run "$WEIR" import "$tmp/whole" "$tmp/good/mix.pcap" "$tmp/good/mix.pcapng"
is "$status" 0 "the archive to be damaged is made"
mkdir "$tmp/pieces"
damage_archive() { # FILE-IN-CAMPAIGN COUNT
	local i
	rm -f "$tmp/pieces"/*
	"$mutate" --seed "$seed" --count "$2" --write "$tmp/pieces" "$tmp/whole/$1" >/dev/null
	for ((i = 0; i < $2; i++)); do
		rm -rf "$tmp/campaign"
		cp -r "$tmp/whole" "$tmp/campaign"
		cp "$tmp/pieces/$i" "$tmp/campaign/$1"
		for command in "verify $tmp/campaign" "query $tmp/campaign -w /dev/null host 10.20.0.4" "info $tmp/campaign" \
			"catalog rebuild $tmp/campaign" "verify $tmp/campaign"; do
			# shellcheck disable=SC2086 # words
			limited "$WEIR" $command >"$tmp/words" 2>&1
			status=$?
			[ "$status" -le 1 ] || [ "$status" -eq 3 ] || wrong+="case $i of $1: weir ${command%% *}: status $status: $(head -n 12 "$tmp/words")"$'\n'
		done
	done
}
rounds=$($sanitized && echo 8 || echo 30)
for file in $(cd "$tmp/whole" && find . -type f -name '*.*' ! -name '.*' | sort); do
	damage_archive "${file#./}" "$rounds"
	verdict "verify, query, info and catalog rebuild survive damage to $(sed -E 's|.*/||; s|.*(\.pcapng.*)|a segment (\1)|' <<<"$file") in $rounds ways"
done
done_testing
