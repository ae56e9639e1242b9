#!/bin/sh
# Make ./configure from configure.ac. Needed once after a clone.
set -e
cd "$(dirname "$0")"
for tool in autoconf automake aclocal pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool is missing; install it: apt-get install autoconf automake pkg-config" >&2
		exit 1
	}
done
exec autoreconf --install --warnings=all
