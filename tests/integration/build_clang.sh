# Clang too builds everything without a word, with warnings as errors.
# timeout: 600
set -euo pipefail
: "${PPD_BUILD:?}" "${PPD_SOURCE:?}"
command -v clang >/dev/null || { echo "clang is missing"; exit 77; }
dir=$PPD_BUILD/clang
mkdir -p "$dir"
cd "$dir"
[ -f config.status ] || "$PPD_SOURCE/configure" -q CC=clang --enable-werror CFLAGS=-O1
make -s -j"$(nproc)" check-programs 2>&1 | tee make.log
! grep -i 'warning' make.log
