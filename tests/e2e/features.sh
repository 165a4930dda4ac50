#!/bin/bash
# Every file that asks for an optional library compiles without it.
. "$(dirname "$0")/lib.sh"
config=$(dirname "$WEIR")/config.h
[ -f "$config" ] || skip_all "no config.h beside $WEIR"
command -v gcc >/dev/null || skip_all "no gcc"

cd "$ROOT" || exit 1
features=$(sed -n "s/^option('\([a-z]*\)', type: 'feature'.*/\1/p" meson_options.txt | grep -v docs | tr a-z A-Z)
pattern="HAVE_($(tr '\n' '|' <<<"$features" | sed 's/|$//'))\b"
sed -E "s/^#define $pattern.*/#undef HAVE_\1/" "$config" >"$tmp/config.h"
check "there is none of them in this test's config.h" test "$(grep -cE "^#define $pattern" "$tmp/config.h")" -eq 0
mapfile -t files < <(grep -lrE "$pattern" src --include='*.c')
check "files ask for them" test "${#files[@]}" -ge 10
for file in "${files[@]}"; do
	check "$file compiles without" gcc -std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter -Werror -fsyntax-only \
		-I "$tmp" -Iinclude -Isrc -I. "$file"
done
done_testing
