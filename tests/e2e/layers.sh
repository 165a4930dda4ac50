#!/bin/bash
# A folder of src/ includes only itself and those before it: docs/architecture.md.
. "$(dirname "$0")/lib.sh"
cd "$ROOT" || exit 1
layers=(core os packet file archive live stage flow gate box campaign serve cli)

rank() {
	local i
	for i in "${!layers[@]}"; do
		[ "${layers[$i]}" != "$1" ] || { echo "$i"; return; }
	done
	return 1
}

# "FILE INCLUDED-FOLDER" for every include of another folder's header.
includes() {
	grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' src --include='*.c' --include='*.h' |
		sed -E 's|^([^:]+):[0-9]+:.*"([^"]+)"|\1 \2|'
}

for folder in src/*/; do
	folder=$(basename "$folder")
	own=$(rank "$folder") || { not_ok "src/$folder has a place among the layers"; continue; }
	wrong=
	while read -r file header; do
		[[ $file == src/$folder/* ]] || continue
		other=${header%%/*}
		if [[ $header != */* || ! -d src/$other ]]; then
			# config.h of the build, a header of the same folder; what the programs for the kernel share, and what is built of them
			[[ $folder == box && ($header == bpf/*.h && -f $header || -f bpf/${header%.skel.h}.bpf.c) ]] && continue
			[[ $header == config.h || -f src/$folder/$header || -f $(dirname "$file")/$header ]] || wrong+="$file includes $header, which is nowhere"$'\n'
			continue
		fi
		[ "$(rank "$other")" -le "$own" ] || wrong+="$file includes $header"$'\n'
	done < <(includes)
	is "$wrong" "" "src/$folder includes only itself and the layers before it"
done

is "$(grep -rlE '#[[:space:]]*include[[:space:]]*"' include/weir)" "" "public headers include only public and system headers"
conditional=$(grep -rnE '#[[:space:]]*(if|ifdef|elif).*(__linux__|_WIN32|__APPLE__|__FreeBSD__)' src include | grep -v '^src/os/')
is "$conditional" "" "systems differ only in src/os"
printing=$(grep -rnE '\b(printf|puts|putchar|perror|exit|abort)[[:space:]]*\(' src --include='*.c' |
	grep -vE '^src/(cli|core/terminal\.c)' | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)')
is "$printing" "" "the library neither prints nor exits"
done_testing
