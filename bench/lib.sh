# What the scripts that measure share: samples, medians, rows. Source it with `folder`, `log`, `lines`, `rounds`, `only` and `build` set.

wants() { # NAME...: whether any of these figures is asked for
	local name
	for name in "$@"; do
		[[ ! $name =~ $only ]] || return 0
	done
	return 1
}

# Runs a command and appends "TAG SECONDS" to the samples; what it prints is kept for when it fails.
sample() { # TAG COMMAND...
	local tag=$1 start end
	shift
	start=$EPOCHREALTIME
	"$@" >"$log" 2>&1 || {
		echo "bench: failed: $*" >&2
		tail -n 5 "$log" >&2
		return 1
	}
	end=$EPOCHREALTIME
	awk -v tag="$tag" -v a="$start" -v b="$end" 'BEGIN { printf "%s %.6f\n", tag, b - a }' >>"$folder/samples"
}

median() { # TAG
	awk -v tag="$1" '$1 == tag { print $2 }' "$folder/samples" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# Prints a row and keeps it as JSON. ratio: how many times as fast as the peer; target: the least that is wanted of it.
row() { # NAME PEER OURS-SECONDS PEER-SECONDS BYTES TARGET
	local ratio met
	ratio=$(awk -v o="$3" -v p="$4" 'BEGIN { printf "%.3f", p / o }')
	met=$(awk -v r="$ratio" -v t="$6" 'BEGIN { print (t == "" ? "-" : (r + 0 >= t + 0 ? "yes" : "NO")) }')
	printf '%-16s %9.3f s %7.0f MB/s   %-34s %9.3f s %7.0f MB/s   %8.2f %7s  %s\n' "$1" "$3" "$(awk -v b="$5" -v s="$3" 'BEGIN { print b / s / 1e6 }')" \
		"$2" "$4" "$(awk -v b="$5" -v s="$4" 'BEGIN { print b / s / 1e6 }')" "$ratio" "${6:--}" "$met"
	jq -nc --arg name "$1" --arg peer "$2" --argjson ours "$3" --argjson theirs "$4" --argjson bytes "$5" --argjson ratio "$ratio" --arg target "$6" --arg met "$met" \
		'{name: $name, peer: $peer, ours_seconds: $ours, peer_seconds: $theirs, bytes: $bytes, ratio: $ratio, target: $target, met: $met}' >>"$lines"
}

# A figure: functions ours and peer (and before_ours, before_peer, not measured) are run in turn.
figure() { # NAME PEER BYTES TARGET
	local i
	wants "$1" || return 0
	: >"$folder/samples"
	for ((i = 0; i < rounds; i++)); do
		before_ours
		sample ours ours || return 0
		before_peer
		sample peer peer || return 0
	done
	row "$1" "$2" "$(median ours)" "$(median peer)" "$3" "$4"
}
before_ours() { :; }
before_peer() { :; }

capture() { # KIND BYTES FILE
	[ -f "$3" ] && [ "$(stat -c %s "$3")" -ge "$2" ] || "$build/bench/generate" --kind "$1" --bytes "$2" "$3" 2>"$log" || {
		cat "$log" >&2
		exit 1
	}
	cat "$3" >/dev/null # into the page cache
}

# Direct I/O leaves nothing in the page cache; what is read in turn with a file that is there has to be there too.
warm() { find "$@" -type f -exec cat {} + >/dev/null; }
