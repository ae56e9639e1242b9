# steps.sh - what deploy/quickstart and tests/run have in common: packages, the build, and ends
# that leave nothing behind. Sourced by bash; $top is the source directory, $me the caller's name.

set -Eeuo pipefail
trap 'say "${BASH_SOURCE[0]##*/}:$LINENO failed, which was not foreseen: $BASH_COMMAND"' ERR
# Every job a process group of its own: Ctrl-C reaches this script alone, and it ends the jobs.
set -m
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

job=      # the step that runs
patient=  # set while a step must not be stopped half-way
pending=  # a signal that came meanwhile: the exit status it asks for

say() {
	printf '%s: %s\n' "$me" "$*" >&2
}

die() {
	say "$@"
	exit 1
}

on_signal() {
	if [ -n "$patient" ]; then
		say "stopping as soon as dpkg is done (half-installed packages would be the worse end)"
		pending=$1
	else
		exit "$1"
	fi
}

# A step is a job, waited for: a signal's trap runs at once, not when a long command ends.
step() {
	local status=0

	"$@" </dev/null &
	job=$!
	while :; do
		status=0
		wait "$job" || status=$?
		kill -0 "$job" 2>/dev/null || break
	done
	job=
	[ -z "$pending" ] || exit "$pending"
	return "$status"
}

# At the very end: all jobs with their children: TERM, five seconds, KILL.
stop_jobs() {
	local pid pids

	exec 2>/dev/null # bash would say "Terminated" of each

	pids=$(jobs -p)
	for pid in $pids; do
		kill -TERM -- "-$pid" || :
		kill -CONT -- "-$pid" || :
	done
	for _ in $(seq 100); do
		if ! any_group $pids; then
			wait
			return 0
		fi
		sleep 0.05
	done
	for pid in $pids; do
		kill -KILL -- "-$pid" || :
	done
	wait
}

# Is a process left in one of these groups? (Zombies are none.)
any_group() {
	local stat line groups=" $* "

	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		set -- ${line##*) } # state, parent, group
		[ "$1" = Z ] || case $groups in *" $3 "*) return 0 ;; esac
	done
	return 1
}

# ---- packages

# Of the purposes named (build, run, test): what deploy/packages lists and is not there.
missing_packages() {
	local what package command have wanted=()

	command -v dpkg-query >/dev/null || return 0
	while read -r what package command; do
		case " $* " in *" $what "*) ;; *) continue ;; esac
		[ -n "$command" ] && command -v "$command" >/dev/null && continue
		wanted+=("$package")
	done < <(sed 's/#.*//; /^ *$/d' "$top/deploy/packages")
	[ ${#wanted[@]} -gt 0 ] || return 0
	have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^installed //p') || :
	for package in "${wanted[@]}"; do
		case $'\n'"$have"$'\n' in *$'\n'"$package"$'\n'*) ;; *) echo "$package" ;; esac
	done
}

# Debian starts a daemon when its package is installed: a web server on port 80, for example.
# Those that we bring are not started, and not enabled. The file that says so to dpkg (policy-rc.d)
# counts for as long as we live, if it should ever be left behind.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
daemons="lighttpd redis-server memcached prometheus etcd"

forbid_daemons() {
	[ ! -e "$policy" ] || return 0
	policy_is_ours=yes
	cat >"$policy" <<-END
		#!/bin/sh
		# Made by pprofd's $me while it installs packages; it may be removed.
		kill -0 $$ 2>/dev/null || exit 0
		case "\$1" in $(echo "$@" | sed 's/ /|/g')) exit 101 ;; esac
	END
	chmod 755 "$policy"
}

# What apt and dpkg say is of interest only where they fail.
apt_said=

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >"$apt_said" 2>&1 ||
		{ tail -n 30 "$apt_said" >&2; return 1; }
}

# For the exit trap: nothing of the installation stays.
end_installation() {
	[ -z "$policy_is_ours" ] || rm -f "$policy"
	[ -z "$apt_said" ] || rm -f "$apt_said"
	policy_is_ours= apt_said=
}

# Install what is missing for the purposes named. Downloads can be stopped at any moment; dpkg is
# given the time to end.
install_packages() {
	local missing new

	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	missing=$(echo $missing)
	[ "$(id -u)" = 0 ] || die "missing packages; as root: apt-get install $missing"
	say "installing $missing (a minute or two)"
	apt_said=$(mktemp /tmp/pprofd-apt.XXXXXX)
	step apt update || say "apt-get update failed; trying with what is known"
	patient=yes
	[ -z "$(dpkg --audit)" ] || step dpkg --configure -a >&2
	patient=
	step apt install --no-install-recommends --no-remove --download-only $missing ||
		die "downloading failed (see above); by hand: apt-get install $missing"
	new=$(for d in $daemons; do case " $missing " in *" $d "* | *" $d-server "*) echo "$d" ;; esac; done)
	patient=yes
	[ -z "$new" ] || forbid_daemons $new
	step apt install --no-install-recommends --no-remove $missing ||
		die "installing failed (see above); by hand: apt-get install $missing"
	for d in $new; do
		update-rc.d "$d" disable >/dev/null 2>&1 || :
		say "$d is installed but not started; as a service of its own: systemctl enable --now $d"
	done
	end_installation
	patient=
	[ -z "$pending" ] || exit "$pending"
}

# ---- the build

# Files of the checkout stay its owner's, also where root runs us (sudo).
as_owner() {
	local uid gid

	uid=$(stat -c %u "$top")
	gid=$(stat -c %g "$top")
	if [ "$(id -u)" != 0 ] || [ "$uid" = 0 ]; then
		"$@"
	else
		setpriv --reuid="$uid" --regid="$gid" --clear-groups env HOME=/nonexistent "$@"
	fi
}

logged() {
	as_owner "$@" >>"$log" 2>&1
}

# build DIRECTORY OPTION...: autogen and configure where needed, then make ${targets[@]}.
build() {
	local dir=$1 log=$1/build.log
	shift

	as_owner mkdir -p "$dir"
	as_owner sh -c ': >"$1"' sh "$log"
	if [ ! -x "$top/configure" ] || [ ! -f "$top/Makefile.in" ] || [ ! -f "$top/config.h.in" ] ||
		[ ! -f "$top/build-aux/install-sh" ]; then
		say "making configure"
		step logged "$top/autogen.sh" || build_failed "$log" autogen.sh
	fi
	if [ ! -f "$dir/config.status" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "$*" ]; then
		say "configuring $dir"
		step logged env -C "$dir" "$top/configure" -q "$@" || build_failed "$log" configure
		as_owner sh -c 'echo "$2" >"$1"' sh "$dir/options" "$*"
		as_owner touch "$dir/config.h" # not older than its stamp, or make -q always finds work
	fi
	# Says something only where there is something to do.
	if ! as_owner make -q -C "$dir" "${targets[@]}" >/dev/null 2>&1; then
		say "building $dir (a minute or two the first time)"
		step logged make -C "$dir" -j"$(nproc)" "${targets[@]}" || build_failed "$log" make
	fi
}
targets=(all)

build_failed() {
	tail -n 30 "$1" >&2
	die "$2 failed; the last lines are above, all of it in $1"
}
