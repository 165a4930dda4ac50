#!/bin/bash
# Datagrams of other exporters (IPFIX, NetFlow v9 and v5) are read with the values that are known of them, also when templates stand in another file.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command python3
vectors=$WEIR_SHARED/vectors/ipfix
[ -d "$vectors" ] || skip_all "the shared vectors are not there: $WEIR_SHARED (set WEIR_SHARED)"
datagrams=$TOOLS/tests/datagrams

python3 "$(dirname "$0")/datagram_vectors.py" "$datagrams" "$vectors" >"$tmp/vectors" 2>&1
while read -r line; do
	case $line in
	ok*) ok "${line#ok * - }" ;;
	"not ok"*) not_ok "${line#not ok * - }" "$(grep '^#' "$tmp/vectors")" ;;
	1..*) compared=${line#1..} ;;
	esac
done <"$tmp/vectors"
is "${compared:-0}" 21 "every case was compared"

run "$datagrams" "$vectors/netflow9_test_h3c_data3281.dat"
is "$status" 0 "data without their template are no fault"
like "$err" 'flows 0 .* unknown 16 ' "and are counted"
cat "$vectors"/netflow9_test_h3c_tpl3281.dat "$vectors"/netflow9_test_h3c_data3281.dat "$vectors"/netflow5.dat "$vectors"/ipfix.dat \
	"$vectors"/netflow9_test_valid01.dat >"$tmp/joined"
run "$datagrams" "$tmp/joined"
like "$err" 'messages 18 flows 65 options 1 ' "datagrams of several protocols one behind the other"
zstd -q "$tmp/joined" && run "$datagrams" "$tmp/joined.zst"
like "$err" 'messages 18 flows 65 options 1 ' "the same, compressed"
head -c 1000 "$tmp/joined" >"$tmp/cut"
run "$datagrams" "$tmp/cut"
is "$status" 1 "a file that is cut is a fault"
like "$err" 'cut: offset [0-9]+: the file ends in the middle of a datagram' "and says so"
like "$(wc -l <<<"$out")" '^[1-9]' "but what is whole before it is read"
echo "no datagrams at all, but text" >"$tmp/text"
run "$datagrams" "$tmp/text"
is "$status" 1 "what is none of them is a fault"
done_testing
