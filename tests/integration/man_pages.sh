#!/bin/bash
# The manual pages: shown by man without a warning, clean for mandoc's lint, and leading to pages that there are.
set -u
cd "$(dirname "$0")/../.."

failed=0
fail() {
	echo "FAILED  $*"
	failed=1
}

for tool in man mandoc; do
	command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
for page in man/*.[1-8]; do
	said=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null)
	[ -z "$said" ] || fail "man -l $page: $said"
	# Pages that are not installed on this machine are looked for below.
	said=$(mandoc -T lint "$page" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db')
	[ -z "$said" ] || fail "mandoc -T lint $page: $said"
	for other in $(sed -n 's/^\.Xr \(pprofd[^ ]*\) \([1-8]\).*/man\/\1.\2/p' "$page"); do
		[ -f "$other" ] || fail "$page leads to $other, which there is not"
	done
	grep -q "$page" man/local.mk || fail "man/local.mk does not install $page"
	echo "ok      $page"
done
exit $failed
