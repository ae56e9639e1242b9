# The systemd units are understood, and no more exposed than they were when they were written.
set -eu
: "${PPD_BUILD:?}"
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/units" "$dir/bin" "$dir/etc"
for name in collector symbolizer fcgi conf; do
	ln -s "$PPD_BUILD/pprofd-$name" "$dir/bin/pprofd-$name"
done
for unit in "$PPD_BUILD"/deploy/systemd/*.service "$PPD_BUILD"/deploy/systemd/*.target; do
	sed "s,^ExecStart=/usr/local/sbin/,ExecStart=$dir/bin/," "$unit" >"$dir/units/$(basename "$unit")"
done
cd "$dir/units"
# Only what is said about our own files: the machine's units are its own business.
SYSTEMD_UNIT_PATH=$dir/units: systemd-analyze verify ./*.service ./*.target >../verify 2>&1 || :
if grep -F pprofd ../verify; then
	exit 1
fi
# Exposure in tenths, measured with systemd 252; lower is better (redis: 12, prometheus: 40, sshd: 96).
while read -r name most; do
	systemd-analyze security --offline=true --threshold="$most" "./pprofd-$name.service" >../out 2>&1 ||
		{ cat ../out; echo "pprofd-$name.service: more exposed than 0.$most"; exit 1; }
	tail -n 2 ../out | grep Overall || :
done <<-END
	collector 25
	fcgi 12
	symbolizer 7
	web 13
END
# The users can be made, and all four are different.
systemd-sysusers --root="$dir" "$PPD_BUILD/deploy/systemd/pprofd.sysusers" 2>/dev/null
[ "$(cut -d: -f3 "$dir/etc/passwd" | sort -u | wc -l)" = 4 ] || { cat "$dir/etc/passwd"; exit 1; }
