#!/bin/bash
# What the project says of itself is there: man pages, folders' READMEs, links, completion; and no path of one machine.
. "$(dirname "$0")/lib.sh"
cd "$ROOT" || exit 1
build=$(dirname "$WEIR")

commands=$("$WEIR" options --format commands | sed -n 's/^\*weir[- ]\([a-z]*\).*/\1/p')
like "$commands" '^info$' "the program lists its commands"
for command in $commands; do
	page=man/weir-$command.1.scd
	if [ ! -f "$page" ]; then
		not_ok "$command has a man page" "no $page"
		continue
	fi
	ok "$command has a man page"
	like "$(cat "$page")" '^# MEMORY' "the man page of $command states its memory"
	is "$(grep -c '^@OPTIONS@$' "$page")$(grep -c '^@SYNOPSIS@$' "$page")" 11 "the man page of $command takes its options from the table"
	grep -q "'weir-$command.1'" man/meson.build && ok "the man page of $command is installed" || not_ok "the man page of $command is installed"
done

if [ -f "$build/man/weir.1" ]; then
	for command in $commands; do
		missing=
		while IFS=$'\t' read -r _ option; do
			# roff writes a dash as \-
			tr -d '\\' <"$build/man/weir-$command.1" | grep -qF -e "$option" || missing+=" $option"
			"$WEIR" "$command" --help | grep -qF -e "$option" || missing+=" $option(help)"
		done < <("$WEIR" options "$command" --format list)
		is "$missing" "" "every option of $command is in its man page and its help"
	done
else
	skip "every option is in its man page" "built without scdoc"
fi

if [ -f "$build/completion/weir" ]; then
	complete_words() { # WORD... -> what completion offers for the last
		bash --norc -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; printf "%s\n" "${COMPREPLY[@]}"' - "$build/completion/weir" "$@"
	}
	like "$(complete_words weir ver)" '^version$' "completion knows the commands"
	like "$(complete_words weir version --b)" '^--build$' "completion knows a command's options"
	(cd "$tmp" && touch file-1.pcap && complete_words weir info fil) >"$tmp/names"
	is "$(cat "$tmp/names")" "file-1.pcap" "completion knows files"
else
	not_ok "completion is built"
fi

for folder in src/*/ tests/ fuzz/ bench/; do
	[ -f "$folder/README.md" ] && ok "$folder says what lives there" || not_ok "$folder says what lives there" "no ${folder}README.md"
done

broken=
while IFS=: read -r file link; do
	target=${link%%#*}
	[ -z "$target" ] || [ -e "$(dirname "$file")/$target" ] || broken+="$file: $link"$'\n'
done < <(git ls-files '*.md' 2>/dev/null | xargs grep -oHE '\]\([^)]+\)' | sed -E 's/\]\(([^)]*)\)/\1/' | grep -vE ':(https?|mailto):')
is "$broken" "" "links between documents lead somewhere"

# The words are put together so that this file does not find itself.
machine="(^|[^A-Za-z0-9_.])/(wor""k|far""m|home/[a-z]+|roo""t)/"
is "$(git grep -nE "$machine" 2>/dev/null)" "" "no path of one machine is in the project"
marks="TO""DO|FIX""ME"
is "$(git grep -nwE "$marks" -- src include tests bench fuzz scripts 2>/dev/null)" "" "nothing is left to do in the sources"
done_testing
