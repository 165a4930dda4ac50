#!/bin/bash
# verify finds every flipped bit in a segment or its index, says in which file, and goes on to the next; it finds what is missing, what the
# catalog does not list, entries that are wrong, and losses that stand in one of the two ledgers only.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_shared
need_command sqlite3

RANDOM=20261123
captures=("$CAPTURES"/tcpdump/*.pcap)

for codec in none zstd:1 lz4; do
	run "$WEIR" import -q --node one --iface eth0 --codec "$codec" --segment 64K "$tmp/${codec%:*}" "${captures[@]}"
	run "$WEIR" verify "$tmp/${codec%:*}"
	is "$status" 0 "a sound archive of codec $codec is found sound"
	like "$out" '^checked .* all sound$' "verify says what it checked ($codec)"
done

# flip FILE OFFSET BIT
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf "\\x$(printf %02x $((byte ^ (1 << $3))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for codec in none zstd lz4; do
	mapfile -t files < <(find "$tmp/$codec/raw" -name '*.pcapng*' -type f | sort | head -n 6)
	missed=
	for ((i = 0; i < 70; i++)); do
		file=${files[RANDOM % ${#files[@]}]}
		size=$(stat -c %s "$file")
		# A third near the ends, where headers, trailers and tables are.
		case $((i % 6)) in
		0) offset=$((RANDOM % (size < 400 ? size : 400))) ;;
		1) offset=$((size - 1 - RANDOM % (size < 400 ? size : 400))) ;;
		*) offset=$(((RANDOM * 32768 + RANDOM) % size)) ;;
		esac
		bit=$((RANDOM % 8))
		flip "$file" "$offset" "$bit"
		run "$WEIR" verify -q "$tmp/$codec"
		# The name of the file or of its index.
		if [ "$status" -ne 1 ] || ! grep -qF "$(basename "${file%.idx}")" <<<"$out"; then
			missed="$missed
$file, bit $bit of byte $offset: exit status $status: $out"
		fi
		flip "$file" "$offset" "$bit"
	done
	is "$missed" "" "70 flipped bits of codec $codec are found, each in its file"
	run "$WEIR" verify -q "$tmp/$codec"
	is "$status" 0 "and nothing else is ($codec)"
done

campaign=$tmp/zstd
mapfile -t segments < <(find "$campaign/raw" -name '*.pcapng.zst' | sort)
half=$(($(stat -c %s "${segments[0]}") / 2))
flip "${segments[0]}" "$half" 3
flip "${segments[1]}.idx" 300 3
truncate -s -1 "${segments[2]}"
run "$WEIR" verify "$campaign"
is "$status" 1 "several damaged files: exit status 1"
for i in 0 1 2; do
	like "$out" "$(basename "${segments[i]}")" "verify goes on behind damage ($((i + 1)))"
done
like "$out" "$(basename "${segments[0]}"): offset [0-9]+: " "it says where"
run "$WEIR" verify --json "$campaign"
if command -v jq >/dev/null; then
	is "$(jq -r '.fault_count == (.faults | length) and .fault_count > 2' <<<"$out")" true "--json has every fault"
else
	skip "--json has every fault" "needs jq"
fi
flip "${segments[0]}" "$half" 3
run "$WEIR" verify "${segments[0]}"
is "$status" 0 "one segment can be checked alone"
run "$WEIR" verify "${segments[1]}"
is "$status" 1 "one damaged index can be found alone"

campaign=$tmp/none
mapfile -t segments < <(find "$campaign/raw" -name '*.pcapng' | sort)
mv "${segments[0]}" "$tmp/away"
run "$WEIR" verify "$campaign"
like "$out" "$(basename "${segments[0]}"): the catalog lists this segment, but it is not there" "a missing segment is found"
mv "$tmp/away" "${segments[0]}"
rm "${segments[1]}.idx"
run "$WEIR" verify "$campaign"
like "$out" "$(basename "${segments[1]}").idx: " "a missing index is found"

campaign=$tmp/lz4
mapfile -t segments < <(find "$campaign/raw" -name '*.pcapng.lz4' | sort)
relative=${segments[0]#"$campaign/"}
sqlite3 "$campaign/catalog.db" "CREATE TABLE kept AS SELECT * FROM segments; DELETE FROM segments WHERE path = '$relative'"
run "$WEIR" verify "$campaign"
like "$out" "$(basename "$relative"): the catalog does not list this segment" "a segment without an entry is found"
sqlite3 "$campaign/catalog.db" "INSERT OR REPLACE INTO segments SELECT * FROM kept; UPDATE segments SET packets = packets + 1 WHERE path = '$relative'"
run "$WEIR" verify "$campaign"
like "$out" "$(basename "$relative"): the catalog's entry is not what the segment's index says" "a wrong entry is found"
sqlite3 "$campaign/catalog.db" "INSERT OR REPLACE INTO segments SELECT * FROM kept; DROP TABLE kept;
	INSERT INTO ledger(node, interface, cause, entered_ns, from_ns, to_ns, packets, bytes, detail) VALUES('one', 'eth0', 'ring', 5, 6, 7, 8, 9, '')"
run "$WEIR" verify "$campaign"
like "$out" "a loss stands only in the catalog" "a loss that the ledger file does not have is found"
sqlite3 "$campaign/catalog.db" "DELETE FROM ledger WHERE entered_ns = 5"
echo '{"entered_ns":5,"from_ns":6,"to_ns":7,"interface":"eth0","cause":"ring","packets":8,"bytes":9,"detail":""}' >>"$campaign/raw/one/ledger.jsonl"
run "$WEIR" verify "$campaign"
like "$out" "a loss stands only in the ledger file" "a loss that the catalog does not have is found"

run "$WEIR" verify "${captures[@]}"
like "$out" "checked .*${#captures[@]} capture files" "capture files are checked too"
head -c -7 "${captures[0]}" >"$tmp/cut.pcap"
run "$WEIR" verify "$tmp/cut.pcap"
is "$status" 1 "a cut capture file is found"
run "$WEIR" verify "$tmp/nothing.pcap"
is "$status" 3 "what is not there cannot be checked"
done_testing
