#!/bin/bash
# On all captures, with the strictest policy, what is published is clean: the hide stage leaves nothing that the audit knows.
# timeout: 900
. "$(dirname "$0")/lib.sh"
need_shared

printf 'WEIR-KEY-1 %064d\n' 7 >"$tmp/key"
chmod 600 "$tmp/key"
cat >"$tmp/policy.toml" <<'END'
[policy.keep]
default = "headers"
[policy.hide]
addresses = "prefix"
macs = "permute"
ports = "permute"
vlans = "permute"
names = "keyed"
tcp_timestamps = "black"
ip_ids = "permute"
time_shift = "100d"
END

dirty= clean=0 mended=0 unread=0
while IFS= read -r file; do
	rm -rf "$tmp/set"
	"$WEIR" publish "$file" --policy "$tmp/policy.toml" --key "$tmp/key" -o "$tmp/set" --threads 1 >"$tmp/out" 2>&1
	case $? in
	0) clean=$((clean + 1)) ;;
	*)
		# What is damaged is mended first; what is no capture, or of a kind that weir does not read, is none of this test's.
		if [ -n "$(grep '^leaks' "$tmp/out")" ]; then
			dirty+="$file
$(grep offset "$tmp/out" | head -3)
"
		elif rm -f "$tmp/mended.pcapng"; "$WEIR" repair "$file" -w "$tmp/mended.pcapng" >/dev/null 2>&1; [ -s "$tmp/mended.pcapng" ]; then
			mended=$((mended + 1))
			"$WEIR" publish "$tmp/mended.pcapng" --policy "$tmp/policy.toml" --key "$tmp/key" -o "$tmp/set" --threads 1 >"$tmp/out" 2>&1 ||
				dirty+="$file (mended)
$(head -3 "$tmp/out")
"
		else
			unread=$((unread + 1))
		fi
		;;
	esac
done < <(find "$CAPTURES" -type f | sort)
is "$dirty" "" "every capture is clean when it is published"
is "$([ $clean -ge 200 ] && echo most)" most "of most there is something to publish ($clean; mended $mended; unread $unread)"
done_testing
