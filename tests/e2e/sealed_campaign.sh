#!/bin/bash
# A sealed campaign: age, zstd and tshark read it, weir with the identity; without it not one address can be found in any byte of it, weir says what it cannot
# see, and no change of a byte goes unnoticed. Who may read it can be changed.
# timeout: 600
. "$(dirname "$0")/lib.sh"
need_shared
command -v age >/dev/null || skip_all "there is no age (scripts/deps test)"
cd "$tmp" || exit 1
alice=$("$WEIR" keys new -o alice)
bob=$("$WEIR" keys new -o bob)
captures=()
while read -r file; do
	# Those that tcpdump reads to their end, of several kinds.
	tcpdump -nr "$file" >/dev/null 2>&1 && "$WEIR" info "$file" >/dev/null 2>&1 && captures+=("$file")
	[ ${#captures[@]} -lt 3 ] || break
done < <(find "$CAPTURES" -name '*.pcap' -size +300k -size -3000k | sort)
[ ${#captures[@]} -ge 2 ] || skip_all "there are not enough captures"

# Every codec; recipients on the command line and in campaign.toml.
for codec in zstd:1 lz4 none; do
	run "$WEIR" import "c-$codec" "${captures[@]}" --codec $codec --segment 1M --recipient "$alice" -q
	is "$status" 0 "import seals ($codec)"
	run "$WEIR" import "p-$codec" "${captures[@]}" --codec $codec --segment 1M -q
	is "$(find "c-$codec/raw" -name '*.pcapng*' ! -name '*.age' ! -name '*.idx')" "" "no segment is open ($codec)"
	"$WEIR" query "p-$codec" -w plain.pcapng 2>/dev/null
	"$WEIR" query "c-$codec" --identity alice -w sealed.pcapng 2>/dev/null
	same_bytes sealed.pcapng plain.pcapng "a query gives what it gives of a campaign that is open ($codec)"
	run "$WEIR" verify "c-$codec" --identity alice
	is "$status" 0 "it verifies ($codec)"
	run "$WEIR" verify "c-$codec"
	is "$status" 0 "lengths and sums verify without an identity ($codec)"
	like "$out" 'are sealed' "and it says what was not looked at"
	wrong=
	while read -r segment; do
		case $segment in *.zst.age) open=(zstd -dcq) ;; *.lz4.age) open=(lz4 -dcq) ;; *) open=(cat) ;; esac
		age -d -i alice "$segment" | "${open[@]}" >opened.pcapng || wrong+=" $segment"
		[ "$(tshark -r opened.pcapng -T fields -e frame.number 2>/dev/null | wc -l)" = \
			"$(sqlite3 "c-$codec/catalog.db" "SELECT packets FROM segments WHERE path = '${segment#"c-$codec/"}'")" ] || wrong+=" $segment"
	done < <(find "c-$codec/raw" -name '*.pcapng*.age' ! -name '*.idx.age')
	is "$wrong" "" "age and tshark read every segment ($codec)"
done

# Filters by the sealed index.
host=$(tcpdump -nr "${captures[0]}" ip 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+' | sort | uniq -c | sort -n | awk 'NR == 1 { print $2 }')
is "$("$WEIR" query c-zstd:1 "host $host" --identity alice 2>/dev/null | wc -l)" "$("$WEIR" query p-zstd:1 "host $host" 2>/dev/null | wc -l)" "a host is found by the sealed index"

# Not one address, in binary or in text, in any byte of the folder (and in the open one they are there).
cat >addresses.py <<'PY'
import ipaddress, os, sys
folder = sys.argv[1]
wanted = set()
for line in set(open("addresses").read().split()):
    for one in line.split(","):
        if ":" in one and "::" not in one and one.count(":") == 5:
            if len(set(one.split(":"))) > 2:
                wanted.add(bytes.fromhex(one.replace(":", "")))
            wanted.add(one.encode())
        elif one:
            address = ipaddress.ip_address(one)
            # Those of zeros and the like stand in any file.
            if len(set(address.packed)) > 2:
                wanted.add(address.packed)
                wanted.add(address.packed[::-1])
                wanted.add(one.encode())
found = chance = 0
expected = 0.0
for path, _, names in os.walk(folder):
    for name in names:
        data = open(os.path.join(path, name), "rb").read()
        for address in wanted:
            times = data.count(address)
            # Four bytes occur in sealed ones, too, by as much as chance has it.
            if times and len(address) == 4 and name.endswith(".age"):
                chance += times
            elif times:
                found += 1
                print(name, address)
        expected += len(data) * sum(len(a) == 4 for a in wanted) / 2**32
        if name.endswith(".age") and not data.startswith(b"age-encryption.org/v1\n"):
            print(name, "is not sealed")
            found += 1
print(len(wanted), "searched,", found, "found,", chance, "by chance, which has", expected)
sys.exit(found != 0 or chance > 10 * expected + 5)
PY
for capture in "${captures[@]}"; do
	tshark -r "$capture" -T fields -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e eth.src -e eth.dst 2>/dev/null
done | tr '\t' '\n' | sort -u >addresses
check "no address can be read without an identity" python3 addresses.py c-zstd:1
check "nor in segments that are not compressed" python3 addresses.py c-none
python3 addresses.py p-none >/dev/null && not_ok "the search finds them where they are" || ok "the search finds them where they are"

# Without an identity.
run "$WEIR" query c-zstd:1
is "$status" 3 "a query without an identity fails"
like "$err" 'is sealed.*--identity' "and says why"
run "$WEIR" query c-zstd:1 --identity bob
is "$status" 3 "so it does with another"
run "$WEIR" info c-zstd:1
is "$status" 0 "info shows what is in the open"
like "$out" 'Sealed: +[0-9]+ segments' "and says that it is sealed"
is "$("$WEIR" info c-zstd:1 | grep Packets)" "$("$WEIR" info p-zstd:1 | grep Packets)" "with times and sums"
cp c-zstd:1/catalog.db before.db
run "$WEIR" catalog rebuild c-zstd:1
is "$status" 0 "the catalog is made again without an identity"
is "$(sqlite3 c-zstd:1/catalog.db .dump)" "$(sqlite3 before.db .dump)" "equal to the one before"
run "$WEIR" process c-zstd:1 -o run --identity alice --recipient "$bob"
is "$status" 0 "process reads it, and seals what it makes"
is "$(find run -name '*.parquet' -o -name '*.zst' -o -name report.html)" "" "flows, packets and report"
"$WEIR" process p-zstd:1 -o plain-run >/dev/null
"$WEIR" flows run/flows --identity bob -w flows.csv -f csv
"$WEIR" flows plain-run/flows -w plain.csv -f csv
same_bytes flows.csv plain.csv "flow files that are sealed are read, with the same records"
age -d -i bob run/flows/000001.parquet.age | cmp - plain-run/flows/000001.parquet && ok "age opens them to the same bytes" || not_ok "age opens them to the same bytes"
is "$(age -d -i bob run/flows/000001.parquet.age | sha256sum | cut -d' ' -f1)" "$(jq -r '.outputs[] | select(.path | startswith("flows")) | .sha256' run/manifest.json)" "the manifest has the hash of what is sealed"
run "$WEIR" flows run/flows
is "$status" 3 "without an identity they are not read"
run "$WEIR" reproduce run --identity alice
is "$status" 0 "the run can be made again, and is the same"
run "$WEIR" flows c-zstd:1 --identity alice -w flows.csv -f csv
"$WEIR" flows p-zstd:1 -w plain.csv -f csv
same_bytes flows.csv plain.csv "flows are those of the open campaign"

# Recipients of campaign.toml.
mkdir k && printf '# of ours\nname = "k"\n\n[place]\nroom = 3\n' >k/campaign.toml
"$WEIR" import k "${captures[0]}" -q --recipient "$alice"
is "$("$WEIR" keys recipients k)" "" "a campaign has no recipients but those of its file"
run "$WEIR" keys recipients k add "$alice" "$bob" --identity alice
is "$status" 0 "recipients are added"
is "$("$WEIR" keys recipients k)" "$alice
$bob" "and listed"
like "$(cat k/campaign.toml)" '^room = 3$' "the rest of campaign.toml stays"
segment=$(find k/raw -name '*.pcapng*.age' ! -name '*.idx.age' | head -n 1)
age -d -i bob "$segment" >/dev/null && ok "who was added opens what was sealed before" || not_ok "who was added opens what was sealed before"
run "$WEIR" verify k --identity bob
is "$status" 0 "and its index"
"$WEIR" import k "${captures[1]}" -q
is "$(find k/raw -name '*.pcapng*' ! -name '*.age' ! -name '*.idx')" "" "an import without --recipient seals for those of campaign.toml"
is "$("$WEIR" query k --identity bob -w - 2>/dev/null | "$WEIR" info - | grep Packets:)" "$("$WEIR" query k --identity alice -w - 2>/dev/null | "$WEIR" info - | grep Packets:)" "both read it"
before=$(stat -c %i "$segment")
run "$WEIR" keys recipients k remove "$alice" --identity bob
is "$status:$("$WEIR" keys recipients k)" "0:$bob" "one is removed"
is "$(stat -c %i "$segment")" "$before" "in place"
age -d -i alice "$segment" >/dev/null 2>&1 && not_ok "and does not open it any more" || ok "and does not open it any more"
run "$WEIR" keys recipients k remove "$bob" --identity bob
is "$status" 2 "the last one stays"
many=()
for i in $(seq 60); do
	rm -f one
	many+=("$("$WEIR" keys new -o one)")
done
run "$WEIR" keys recipients k add "${many[@]}" --identity bob
is "$status" 0 "more than a header has room for are added by copying"
age -d -i one "$segment" >/dev/null && ok "the last of them opens it" || not_ok "the last of them opens it"
run "$WEIR" verify k --identity one
is "$status" 0 "and it verifies"
# A change that was interrupted between its two halves.
head -c 4000 "$segment" >"$segment.header"
age_header=$(grep -abo -m1 -- '^---' "$segment" | cut -d: -f1)
head -c $((age_header + 48)) "$segment" >"$segment.header"
printf 'garbage' | dd of="$segment" conv=notrunc 2>/dev/null
run "$WEIR" keys recipients k add "$bob" --identity one
is "$status:$(ls "$segment.header" 2>/dev/null)" "0:" "an interrupted change of a header is finished"
run "$WEIR" verify k --identity bob
is "$status" 0 "and it verifies again"

# Damage.
segment=$(find c-lz4/raw -name '*.pcapng*.age' ! -name '*.idx.age' -size +200k | head -n 1)
size=$(stat -c %s "$segment")
missed=
for i in $(seq 20); do
	cp "$segment" saved
	at=$((RANDOM * 32768 % size))
	byte=$(dd if="$segment" bs=1 skip=$at count=1 2>/dev/null | od -An -tu1)
	printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$segment" bs=1 seek=$at conv=notrunc 2>/dev/null
	"$WEIR" verify c-lz4 --identity alice >/dev/null 2>&1 && missed+=" $at"
	"$WEIR" query c-lz4 --identity alice >/dev/null 2>&1 && missed+=" query:$at"
	cp saved "$segment"
done
is "$missed" "" "no changed byte of a segment goes unnoticed"
truncate -s -100 "$segment"
run "$WEIR" verify c-lz4
is "$status" 1 "a segment that was cut is found without an identity"
truncate -s $((4096 + 65552)) "$segment"
run "$WEIR" verify c-lz4 --identity alice
is "$status" 1 "and one cut between chunks with it"
cp saved "$segment"
# What retention deletes goes whole.
done_testing
