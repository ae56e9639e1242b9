# The unit tests under AddressSanitizer and UndefinedBehaviorSanitizer.
# timeout: 900
set -eu
: "${PPD_BUILD:?}" "${PPD_SOURCE:?}"
dir=$PPD_BUILD/sanitized
mkdir -p "$dir"
cd "$dir"
[ -f config.status ] || "$PPD_SOURCE/configure" -q --enable-werror --enable-sanitizers CFLAGS='-O1 -g'
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
make -s -j"$(nproc)" check-programs
failed=
for test in tests/unit/test_*; do
	[ -x "$test" ] && [ -f "$test" ] || continue
	echo "== $test"
	"$test" >"$test.log" 2>&1 || { status=$?; tail -n 40 "$test.log"; echo "$test: exit status $status"; failed="$failed $test"; }
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
