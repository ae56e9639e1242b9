#!/bin/bash
# The manual pages name every key of pprofd.conf with its default, range and variable, and every option.
set -u
cd "$(dirname "$0")/../.."
build=${PPD_BUILD:?names the build directory}

failed=0
fail() {
	echo "FAILED  $*"
	failed=1
}

# ---- keys, as the table in conf.c has them: "#name = default", below its comments

page=man/pprofd.conf.5
# The lines of a section, from its heading to the next.
section_of() {
	sed -n "/^\.Ss Section $1\$/,/^\.S[hs] /p" "$page"
}
# The words below an item, to the next one that has any.
words_of() {
	section_of "$1" | awk -v key="$2" '
		/^\.It Cm / { if (found && text) exit; if ($3 == key) found = 1; next }
		found { text = text " " $0 }
		END { print text }'
}

section='' comment='' n=0
while IFS= read -r line; do
	case $line in
	'['*']') section=${line#[} section=${section%]} comment= ;;
	'# '*) comment+=" ${line#\# }" ;;
	'#'*' = '*)
		key=${line%% = *} key=${key#\#} value=${line#* = }
		section_of "$section" | grep -qx -F ".It Cm $key${value:+ No = $value}" ||
			fail "$page: [$section] $key = $value"
		words=$(words_of "$section" "$key")
		for number in $(grep -oE '[0-9]+ to [0-9]+\.' <<<"$comment" | tail -n 1 | tr -d '.'); do
			[[ $words = *$number* ]] || fail "$page: $key is without $number"
		done
		variable=$(grep -oE 'Variable: PPROF_[A-Z_]+' <<<"$comment" | tail -n 1)
		[ -z "$variable" ] || grep -q "^\.Ev ${variable#*: }\( .*\)\?\$" "$page" || fail "$page: $variable"
		n=$((n + 1)) comment=
		;;
	esac
done < <("$build/pprofd-conf" --keys)
[ "$n" -gt 20 ] || fail "only $n keys were read"
items=$(grep -c '^\.It Cm [a-z_]*\( No = .*\)\?$' "$page")
[ "$items" = $((n + 1)) ] || fail "$page has $items keys (with target), and there are $n"
echo "ok      $n keys"

# ---- options

for program in collector symbolizer fcgi; do
	for option in $("$build/pprofd-$program" --help | grep -oE '^  -[-a-z]+' | sed 's/^  -//'); do
		grep -q "^\.It Fl $option\( \|\$\)" "man/pprofd-$program.8" || fail "man/pprofd-$program.8: -$option"
	done
	echo "ok      options of pprofd-$program"
done
exit $failed
