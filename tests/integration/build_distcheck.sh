# The release, unpacked elsewhere and read-only, builds, passes its unit tests, installs and uninstalls.
# timeout: 900
set -eu
: "${PPD_BUILD:?}" "${PPD_SOURCE:?}"
command -v xz >/dev/null || { echo "xz is missing"; exit 77; }
dir=$PPD_BUILD/distcheck
mkdir -p "$dir"
cd "$dir"
[ -f config.status ] || "$PPD_SOURCE/configure" -q
make -s -j"$(nproc)" distcheck CFLAGS='-O1 -g' >log 2>&1 || { tail -n 60 log; exit 1; }
tail -n 4 log
tarball=$(ls pprofd-*.tar.xz)
# What a person needs is in it.
tar tf "$tarball" >list
for file in README.md CONTRIBUTING.md COPYING configure conf/pprofd.conf conf/lighttpd.conf deploy/quickstart deploy/steps.sh \
	deploy/packages tests/run tests/integration/lib/service.py .ci/run; do
	grep -q "^pprofd-[0-9.]*/$file\$" list || { echo "$tarball lacks $file"; exit 1; }
done
rm -f "$tarball"
