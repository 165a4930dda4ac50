#!/bin/bash
# Who may not capture is told how to get the right; who may gives it up once the sockets are open.
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command setpriv
namespace=weir-rights-$unique
recorder=
cleanup() {
	[ -z "$recorder" ] || kill -9 "$recorder" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
	return 0
}
ip netns add "$namespace"
ip -n "$namespace" link set lo up
inside() { ip netns exec "$namespace" "$@"; }
chmod 755 "$tmp"
mkdir "$tmp/theirs"
chown nobody "$tmp/theirs"
program=$tmp/weir # where nobody can reach it
cp "$WEIR" "$program"
chmod 755 "$program"
nobody() { inside setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set=-all --inh-caps=-all "$@"; }

run nobody "$program" record -i lo -o "$tmp/theirs/campaign" --for 1
is "$status" 3 "record without the right to capture ends with 3"
like "$err" "sudo setcap cap_net_raw,cap_net_admin=eip $program" "… and says which command grants it"
is "$(grep -c . <<<"$err")" 1 "… in one line"
run nobody "$program" up "$tmp/theirs/campaign"
is "$status" 3 "up without the right to capture ends with 3"
is "$(grep -c . <<<"$err")" 1 "… with that one line"

ip netns exec "$namespace" "$program" record -i lo -o "$tmp/theirs/campaign" --for 20 2>"$tmp/err" &
recorder=$!
wait_for 10 grep -q ': recording ' "$tmp/err"
proc=$(cat "/proc/$recorder/status")
like "$proc" '^Uid:[[:space:]]+65534[[:space:]]+65534[[:space:]]+65534' "root becomes the owner of the folder"
like "$proc" '^CapEff:[[:space:]]+0+$' "… keeps no capability"
like "$proc" '^NoNewPrivs:[[:space:]]+1' "… and can get none"
if "$program" version --build | grep -q '^seccomp [0-9]'; then
	for task in /proc/"$recorder"/task/*; do
		grep '^Seccomp:' "$task/status"
	done >"$tmp/seccomp"
	is "$(sort -u "$tmp/seccomp" | tr -d '[:space:]')" "Seccomp:2" "every thread may call only what recording needs"
else
	skip "every thread may call only what recording needs" "built without libseccomp"
fi
kill -INT "$recorder"
wait "$recorder"
is "$?" 0 "it ends well"
recorder=
is "$(find "$tmp/theirs" ! -user nobody | wc -l)" 0 "all files of the campaign are the owner's"

run inside "$program" record -i lo -o "$tmp/other" --for 1 -Z nosuchuser
is "$status" 2 "a user who does not exist is wrong use"
done_testing
