#!/bin/bash
# Sealed capture files: what weir seals age opens, and the other way round, and nobody else does; keys are for their owner alone.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_shared
command -v age >/dev/null || skip_all "there is no age (scripts/deps test)"
cd "$tmp" || exit 1
plain=$tmp/plain.pcap
while read -r file; do
	# One that weir writes as it reads it, of several payload chunks.
	"$WEIR" convert "$file" -w "$plain" 2>/dev/null && cmp -s "$file" "$plain" && break
done < <(find "$CAPTURES" -name '*.pcap' -size +300k -size -3000k | sort)
[ -s "$plain" ] || skip_all "no capture is large enough"

run "$WEIR" keys new -o alice
is "$status" 0 "keys new makes an identity"
alice=$out
like "$alice" '^age1[a-z0-9]{58}$' "and prints its public key alone"
is "$(stat -c %a alice)" 600 "only its owner may read it"
is "$(age-keygen -y alice)" "$alice" "age-keygen reads it"
before=$(cat alice)
run "$WEIR" keys new -o alice
is "$status:$(cat alice)" "2:$before" "a key is never replaced"
run "$WEIR" keys show alice
is "$out$err" "$alice" "keys show shows the public key and nothing else"
age-keygen -o bob 2>/dev/null
bob=$("$WEIR" keys show bob)
is "$bob" "$(age-keygen -y bob)" "identities of age-keygen are read"
for kind in campaign signing; do
	"$WEIR" keys new --$kind -o "$kind.key" >"$kind.out"
	is "$(stat -c %a "$kind.key")" 600 "a key for a $kind is for its owner alone"
	# The digits of the one, the Base64 of the other.
	secret=$(grep -oE '[0-9a-f]{64}|^[A-Za-z0-9+/]{64}$' "$kind.key" | sed 's/+/[+]/g')
	"$WEIR" keys show "$kind.key" >>"$kind.out"
	unlike "$(cat "$kind.out")" "${secret:?}" "and is never printed"
done
chmod 644 bob
run "$WEIR" keys show bob
is "$status" 3 "a key that others may read is refused"
chmod 600 bob

for ending in pcap pcap.gz pcapng pcapng.zst pcapng.lz4; do
	"$WEIR" convert "$plain" -w "x.$ending" 2>/dev/null
	run "$WEIR" convert "$plain" -w "x.$ending.age" --recipient "$alice"
	is "$status:$err" "0:" "$ending.age is written"
	age -d -i alice "x.$ending.age" >"opened.$ending" 2>err
	case $ending in *.gz) zcat x.$ending >a; zcat "opened.$ending" >b ;; *) cp x.$ending a; cp "opened.$ending" b ;; esac
	same_bytes b a "age opens $ending.age"
	run "$WEIR" convert "x.$ending.age" -w back.pcap --identity alice
	same_bytes back.pcap "$plain" "weir opens $ending.age"
	age -r "$bob" -r "$alice" -o "y.$ending.age" "x.$ending"
	WEIR_IDENTITY=alice "$WEIR" convert "y.$ending.age" -w back.pcap 2>err
	same_bytes back.pcap "$plain" "weir opens $ending.age of age, for the second of two recipients"
	run "$WEIR" convert - -w back.pcap --identity bob <"y.$ending.age"
	same_bytes back.pcap "$plain" "and from a pipe"
	run "$WEIR" info "x.$ending.age" --identity bob
	is "$status" 3 "another identity does not open $ending.age"
	like "$err" 'sealed for others' "and it says so"
done

like "$("$WEIR" info x.pcap.age --identity alice)" 'Sealed: +yes' "info says that a file is sealed"
run "$WEIR" info x.pcap.age
is "$status" 3 "without an identity it is an error"
like "$err" 'is sealed.*--identity' "that says what is missing"
run "$WEIR" convert "$plain" -w nobody.pcap.age
is "$status" 2 "a name in .age without a recipient is wrong use"
[ -e nobody.pcap.age ] && not_ok "and nothing is written" || ok "and nothing is written"
run "$WEIR" convert "$plain" -w x.age --recipient age1x
is "$status" 2 "a recipient that is none is refused"
run "$WEIR" convert "$plain" -w x.age --recipient "$(tail -n 1 alice)"
unlike "$out$err" "$(tail -n 1 alice | cut -c 17-)" "a secret given by mistake is not repeated"
printf '# people\n%s\n\n%s\n' "$alice" "$bob" >people
"$WEIR" convert "$plain" -w z.pcap.age --recipients-file people
age -d -i bob z.pcap.age | cmp - "$plain" && ok "--recipients-file seals for all in it" || not_ok "--recipients-file seals for all in it"

(umask 077 && echo 'korrekt pferd' >passphrase && echo falsch >wrong)
export WEIR_PASSPHRASE_FILE=passphrase
"$WEIR" convert "$plain" -w p.pcap.age --passphrase
"$WEIR" convert p.pcap.age -w back.pcap
same_bytes back.pcap "$plain" "a passphrase seals and opens"
WEIR_PASSPHRASE_FILE=wrong run "$WEIR" info p.pcap.age
is "$status" 3 "another passphrase does not"
unset WEIR_PASSPHRASE_FILE
python3 - "$tmp" <<'PY' && age_opens=yes || age_opens=no
# age asks at the terminal only.
import os, pty, sys, time
os.chdir(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execvp("age", ["age", "-d", "-o", "by-age.pcap", "p.pcap.age"])
time.sleep(0.5)
os.write(fd, b"korrekt pferd\n")
try:
    while os.read(fd, 1000):
        pass
except OSError:
    pass
sys.exit(os.waitpid(pid, 0)[1] != 0)
PY
is "$age_opens" yes "age opens what is sealed with a passphrase"
same_bytes by-age.pcap "$plain" "to the same"

# Damage: what is sound before it is given, and nothing else.
size=$(stat -c %s x.pcap.age)
for at in 300 40000 $((size - 20)); do
	cp x.pcap.age damaged.age
	printf '\xff\xfe\xfd' | dd of=damaged.age bs=1 seek="$at" conv=notrunc 2>/dev/null
	run "$WEIR" convert damaged.age -w - --identity alice
	is "$status" 1 "damage at $at is found"
done
head -c $((size - 100)) x.pcap.age >cut.age
run "$WEIR" info cut.age --identity alice
is "$status" 1 "a file that was cut is told"
done_testing
