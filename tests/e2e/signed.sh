#!/bin/bash
# What a node signed: verify --signed finds what was altered, removed, added, truncated or reordered, in segments, ledger and chain, and says which; openssl
# can check a chain without weir; a crash and retention break nothing.
# run: sanitize waits
. "$(dirname "$0")/lib.sh"
need_command openssl
need_command jq

"$TOOLS/bench/generate" --bytes 1M --kind mix --seed 1 "$tmp/in.pcap" 2>/dev/null
made=$("$WEIR" keys new --signing -o "$tmp/key.pem")
openssl genpkey -algorithm ed25519 -out "$tmp/other.pem" 2>/dev/null
chmod 600 "$tmp"/*.pem

# The public part in digits, as chains have it.
public() { openssl pkey -in "$1" -pubout -outform DER 2>/dev/null | tail -c 32 | od -An -v -tx1 | tr -d ' \n'; }
signer=$(public "$tmp/key.pem")
is "$made" "$signer" "weir keys makes a key of the usual form, and says its public part"

sign() { "$WEIR" import -q --node one --segment 64K --codec zstd:1 "$@"; }
sign --iface a --sign "$tmp/key.pem" "$tmp/good" "$tmp/in.pcap"
WEIR_SIGNING_KEY=$tmp/key.pem sign --iface b "$tmp/good" "$tmp/in.pcap"
chain=raw/one/chain.jsonl
run "$WEIR" verify --signed "$tmp/good" --signer "$signer"
is "$status" 0 "what was signed and not touched is as it was"
like "$out" "signed by $signer, head [0-9a-f]{64}" "who signed is told, and how far it had come"
head=$(sed -n 's/.*head \([0-9a-f]\{64\}\).*/\1/p' <<<"$out")
count=$(find "$tmp/good/raw" -name '*.zst' | wc -l)
is "$(grep -c '"event":"segment"' "$tmp/good/$chain")" "$count" "every segment has a line, those of both interfaces in one chain"
is "$(grep -c '"event":"end"' "$tmp/good/$chain")" 2 "and each import an end"
is "$(jq -rs '.[0] | "\(.sha256)  \(.file)"' "$tmp/good/$chain" | (cd "$tmp/good" && sha256sum -c --quiet - && echo same))" same \
	"a signed sum is what sha256sum says"

# Without weir.
openssl pkey -in "$tmp/key.pem" -pubout -out "$tmp/key.pub" 2>/dev/null
held=0
while IFS= read -r line; do
	printf '%s' "${line%,\"signature\":*}" >"$tmp/message"
	jq -j .signature <<<"$line" | sed 's/../\\x&/g' | xargs -0 printf >"$tmp/signature"
	openssl pkeyutl -verify -pubin -inkey "$tmp/key.pub" -rawin -in "$tmp/message" -sigfile "$tmp/signature" >/dev/null 2>&1 && held=$((held + 1))
done < <(head -n 3 "$tmp/good/$chain")
is "$held" 3 "openssl verifies the lines of a chain"

# tampered WHAT PATTERN COMMAND...: on a copy; the command runs in the campaign's folder
tampered() {
	local what=$1 pattern=$2
	shift 2
	rm -rf "$tmp/bad"
	cp -r "$tmp/good" "$tmp/bad"
	(cd "$tmp/bad" && eval "$@")
	run "$WEIR" verify --signed "$tmp/bad" --signer "$signer" --head "$head"
	is "$status" 1 "$what is found"
	like "$out" "$pattern" "… and it is said which"
}
mapfile -t segments < <(cd "$tmp/good" && find raw -name '*.zst' | sort)
one=${segments[1]} two=${segments[2]}
tampered "an altered segment" "$one: altered" "printf X | dd of=$one bs=1 seek=3000 conv=notrunc status=none"
tampered "a truncated segment" "$one: offset [0-9]+: truncated" "truncate -s -1 $one"
tampered "a removed segment" "$one: removed" "rm $one $one.idx"
tampered "segments that changed places" "$one: holds what was signed as $two: reordered" "mv $one x && mv $two $one && mv x $two"
tampered "an added segment" "999999-000099.pcapng.zst: not signed" "cp $one ${one%/*}/999999-000099.pcapng.zst && cp $one.idx ${one%/*}/999999-000099.pcapng.zst.idx"
tampered "an added segment without an index" "999999-000099.pcapng.zst: not signed" "cp $one ${one%/*}/999999-000099.pcapng.zst"
tampered "a segment with the header of an age file before it" "$one: altered" \
	"{ printf -- 'age-encryption.org/v1\n-> x y\n\n--- %043d\n' 0 | tr 0 A; cat $one; } >x && mv x $one"
tampered "a chain of another node" "line 1 signs $(jq -rs '.[0].file' "$tmp/good/$chain"), which is not of node two" "mkdir raw/two && cp $chain raw/two"
tampered "a line that was taken out" "line 3 is number 4" "sed -i 3d $chain"
tampered "lines that changed places" "line 3 is number 4" "sed -i '3{h;d};4G' $chain"
tampered "a line that was altered" "line 2 is not signed" "sed -i '2s/\"bytes\":[0-9]*/\"bytes\":1/' $chain"
tampered "what stands behind a signature" "line 2 is not signed" "sed -i '2s/\"}\$/\",\"x\":\"\"}/' $chain"
tampered "a chain that was cut, with its segments" "no chain has the line" "sed -i '\$d' $chain"
tampered "a chain that is gone" "is missing: nothing of node one is signed" "rm $chain"
tampered "a torn last line" "is torn" "truncate -s -1 $chain"

# Another's key.
cp -r "$tmp/good" "$tmp/forged"
sign --iface c --sign "$tmp/other.pem" "$tmp/forged" "$tmp/in.pcap"
run "$WEIR" verify --signed "$tmp/forged"
is "$status" 1 "lines by another key than the first are found"
run "$WEIR" verify --signed --signer "$signer" --signer "$(public "$tmp/other.pem")" "$tmp/forged"
is "$status" 0 "… unless both may sign"

# The ledger: an import of a damaged file enters a loss.
head -c 300000 "$tmp/in.pcap" >"$tmp/cut.pcap"
sign --iface d --sign "$tmp/key.pem" "$tmp/good" "$tmp/cut.pcap" 2>/dev/null
check "a loss is in the ledger" test -s "$tmp/good/raw/one/ledger.jsonl"
sign --iface e --sign "$tmp/key.pem" "$tmp/good" "$tmp/in.pcap"
run "$WEIR" verify --signed "$tmp/good" --signer "$signer" --head "$head"
is "$status" 0 "what grows stays as it was signed"
tampered "an altered ledger" "the loss ledger of one was altered in its first [0-9]+ bytes" "sed -i 's/\"packets\":null/\"packets\":9999/' raw/one/ledger.jsonl"
tampered "a ledger that was cut" "the loss ledger of one was cut" ": >raw/one/ledger.jsonl"

# A crash: the import is killed, what was recovered is signed by whoever comes next with the key. The same sealed.
"$TOOLS/bench/generate" --bytes 60M --kind mix --seed 3 "$tmp/big.pcap" 2>/dev/null
recipient=$("$WEIR" keys new -o "$tmp/identity")
for how in "open " "sealed --recipient $recipient"; do
	rm -rf "$tmp/crash"
	"$WEIR" import -q --node one --iface a --segment 1M --sign "$tmp/key.pem" ${how#* } "$tmp/crash" "$tmp/big.pcap" &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		[ ! -s "$tmp/crash/$chain" ] || break
		sleep 0.02
	done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	# Who recovers it has no key.
	"$WEIR" info "$tmp/crash" >/dev/null
	sign --iface z --sign "$tmp/key.pem" "$tmp/crash" "$tmp/in.pcap" 2>/dev/null
	run "$WEIR" verify --signed "$tmp/crash" --signer "$signer"
	is "$status" 0 "after a crash everything is signed again (${how%% *}): $(tail -n 1 <<<"$out")"
	check "… what was recovered too" grep -q '"event":"recovered"' "$tmp/crash/$chain"
done

# Wrong use, and keys that are none.
run "$WEIR" verify --signed --signer 12 "$tmp/good"
is "$status" 2 "a signer that is no key is wrong use"
run "$WEIR" verify --head "$head" "$tmp/good"
is "$status" 2 "so is --head without --signed"
chmod 644 "$tmp/key.pem"
run sign --iface f --sign "$tmp/key.pem" "$tmp/new" "$tmp/in.pcap"
is "$status" 3 "a key that others may read is refused"
check "before anything is made" test ! -e "$tmp/new"
openssl genpkey -algorithm x25519 -out "$tmp/x.pem" 2>/dev/null && chmod 600 "$tmp/x.pem"
run sign --iface f --sign "$tmp/x.pem" "$tmp/new" "$tmp/in.pcap"
is "$status" 1 "a key of another kind is none"
done_testing
